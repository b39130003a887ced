// SPDX-License-Identifier: GPL-2.0-only
/* echo, compute, configure: single requests. */

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"
#include "commands.h"
#include "device.h"
#include "fail.h"
#include "format.h"
#include "output.h"
#include "request.h"

/* Return: whether bytes, with a 0 behind them, are text in UTF-8, as JSON needs it */
static bool is_text(const char *bytes, size_t nr)
{
	locale_t utf8, previous;
	size_t ret;

	if (memchr(bytes, 0, nr))
		return false;
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!utf8)
		return false;
	previous = uselocale(utf8);
	ret = mbstowcs(NULL, bytes, 0);
	uselocale(previous);
	freelocale(utf8);
	return ret != (size_t)-1;
}

/* Adds bytes to a record, as text if that is possible; @text has room for them in either way */
static void record_bytes(struct record *record, char *text, const uint8_t *bytes, size_t nr)
{
	size_t i;

	memcpy(text, bytes, nr);
	text[nr] = '\0';
	if (is_text(text, nr)) {
		record_text(record, "text", NULL, text);
		return;
	}
	for (i = 0; i < nr; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	record_text(record, "hex", NULL, text);
}

/* Prints the @nr bytes that came back, in JSON with what is known about them */
static void print_echo(const struct options *options, const struct device *device,
		       const struct exchange *exchange, size_t nr)
{
	char text[2 * SST_PAYLOAD_SIZE + 1];
	struct record record = { 0 };

	if (!options->json) {
		fwrite(exchange->response.payload, 1, nr, stdout);
		return;
	}
	record_text(&record, "device", NULL, device->name);
	record_number(&record, VALUE_NUMBER, "bytes", NULL, nr);
	record_number(&record, VALUE_NS, "time_ns", NULL, exchange->ns);
	record_bytes(&record, text, exchange->response.payload, nr);
	output_list(true, &record);
}

/* Sends bytes to the device and back, in as many requests as that takes, at least one */
static void echo_bytes(const struct options *options, const struct device *device,
		       const char *bytes, size_t nr)
{
	struct exchange exchange;
	size_t now;

	do {
		now = nr < SST_PAYLOAD_SIZE ? nr : SST_PAYLOAD_SIZE;
		exchange_init(&exchange, SST_REQUEST_ECHO);
		memcpy(exchange.request.payload, bytes, now);
		exchange_check(device, &exchange, exchange_run(device, &exchange), "echo");
		print_echo(options, device, &exchange, now);
		if (memcmp(exchange.response.payload, bytes, now))
			fail(EXIT_REFUSED, "%s: echo: what came back is not the same",
			     device->name);
		bytes += now;
		nr -= now;
	} while (nr);
	output_flush();
}

static void echo_words(const struct options *options, const struct device *device, char **words)
{
	size_t size;
	char *text;
	FILE *all = open_memstream(&text, &size);

	if (!all)
		fail(EXIT_OTHER, "%s", strerror(errno));
	for (; *words; words++)
		fprintf(all, "%s%s", *words, words[1] ? " " : "");
	if (fclose(all))
		fail(EXIT_OTHER, "%s", strerror(errno));
	echo_bytes(options, device, text, size);
	free(text);
	if (!options->json)
		putchar('\n');
}

/* Each line that is typed is a request of its own */
static void echo_input(const struct options *options, const struct device *device)
{
	char bytes[16 * SST_PAYLOAD_SIZE];
	ssize_t nr;

	while ((nr = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
		echo_bytes(options, device, bytes, (size_t)nr);
	if (nr < 0)
		fail(EXIT_OTHER, "standard input: %s", strerror(errno));
}

int command_echo(const struct options *options, int argc, char **argv)
{
	struct device device;

	device_open(&device, options);
	if (argc)
		echo_words(options, &device, argv);
	else
		echo_input(options, &device);
	device_close(&device);
	return EXIT_DONE;
}

int command_compute(const struct options *options, int argc, char **argv)
{
	uint64_t units = options_number("UNITS", argv[0], 0, UINT64_MAX);
	struct record record = { 0 };
	struct exchange exchange;
	struct device device;
	char text[FORMAT_SIZE];

	(void)argc;
	device_open(&device, options);
	exchange_init(&exchange, SST_REQUEST_COMPUTE);
	exchange.request.compute.compute_units = htole64(units);
	exchange.request.compute.latency_model = htole32(options->model);
	exchange_check(&device, &exchange, exchange_run(&device, &exchange), "compute");
	record_text(&record, "device", NULL, device.name);
	record_number(&record, VALUE_NUMBER, "units", NULL, units);
	record_number(&record, VALUE_NUMBER, "model", NULL, options->model);
	record_number(&record, VALUE_NUMBER, "cycles", NULL,
		      le64toh(exchange.response.compute.cycles));
	record_number(&record, VALUE_NUMBER, "timestamp", NULL,
		      le64toh(exchange.response.compute.timestamp));
	record_number(&record, VALUE_NS, "time_ns", NULL, exchange.ns);
	output_line(options->json, &record,
		    "%" PRIu64 " cycles, until %" PRIu64 " of simulated time; answered in %s",
		    le64toh(exchange.response.compute.cycles),
		    le64toh(exchange.response.compute.timestamp),
		    format_duration(text, exchange.ns));
	device_close(&device);
	return EXIT_DONE;
}

int command_configure(const struct options *options, int argc, char **argv)
{
	uint32_t parameter = (uint32_t)options_number("PARAMETER", argv[0], 0, UINT32_MAX);
	uint64_t value = options_number("VALUE", argv[1], 0, UINT64_MAX);
	struct record record = { 0 };
	struct exchange exchange;
	struct device device;
	uint64_t result;

	(void)argc;
	device_open(&device, options);
	exchange_init(&exchange, SST_REQUEST_CONFIGURE);
	exchange.request.parameter.param_id = htole32(parameter);
	exchange.request.parameter.value = htole64(value);
	exchange_check(&device, &exchange, exchange_run(&device, &exchange), "configure");
	result = le64toh(exchange.response.result);
	record_text(&record, "device", NULL, device.name);
	record_number(&record, VALUE_NUMBER, "parameter", NULL, parameter);
	record_number(&record, VALUE_NUMBER, "value", NULL, value);
	record_number(&record, VALUE_NUMBER, "result", NULL, result);
	output_line(options->json, &record,
		    "%s: parameter %u is now %" PRIu64 "; the simulator's result is %" PRIu64,
		    device.name, parameter, value, result);
	device_close(&device);
	return EXIT_DONE;
}
