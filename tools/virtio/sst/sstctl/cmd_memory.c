// SPDX-License-Identifier: GPL-2.0-only
/* read, write: the memory of a device. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../util.h"
#include "commands.h"
#include "device.h"
#include "fail.h"
#include "format.h"
#include "output.h"
#include "transfer.h"

/* JSON has bytes as text, all of them at once in memory */
#define JSON_MAX	0x100000

/**
 * struct memory_job - what a command has to do
 * @options: the command line
 * @device: the device
 * @address: where in its memory
 * @size: how many bytes; UINT64_MAX: as many as there are
 * @file: where they come from or go to
 * @name: its name, for messages
 * @shown: the terminal gets the bytes themselves
 * @dumped: bytes that were printed as a dump
 * @hex: end of the text of a JSON string, or NULL
 * @progress: what the terminal shows meanwhile
 */
struct memory_job {
	const struct options *options;
	struct device device;
	uint64_t address;
	uint64_t size;
	FILE *file;
	const char *name;
	bool shown;
	uint64_t dumped;
	char *hex;
	struct progress *progress;
};

static void __attribute__((noreturn)) fail_file(const struct memory_job *job)
{
	int error = errno;

	if (job->progress)
		progress_end(job->progress);
	fail(EXIT_OTHER, "%s: %s", job->name, strerror(error));
}

static void open_file(struct memory_job *job, const char *mode, FILE *standard, const char *name)
{
	job->file = standard;
	job->name = job->options->file ? job->options->file : name;
	if (!job->options->file)
		return;
	job->file = fopen(job->options->file, mode);
	if (!job->file)
		fail_file(job);
}

static void close_file(struct memory_job *job)
{
	if (job->options->file && fclose(job->file))
		fail_file(job);
}

/* Reads where the command begins; the memory ends with 64 bits, if not before */
static void read_address(struct memory_job *job, const char *word)
{
	job->address = options_bytes("ADDRESS", word, 0, UINT64_MAX);
}

static void read_size(struct memory_job *job, const char *word)
{
	uint64_t max = UINT64_MAX - job->address;

	job->size = options_bytes("SIZE", word, 1, max < UINT64_MAX ? max + 1 : max);
}

static void take_raw(void *data, const uint8_t *bytes, uint32_t nr)
{
	struct memory_job *job = data;

	if (fwrite(bytes, 1, nr, job->file) < nr)
		fail_file(job);
}

static void take_dump(void *data, const uint8_t *bytes, uint32_t nr)
{
	struct memory_job *job = data;
	char line[FORMAT_SIZE];
	uint32_t i, now;

	for (i = 0; i < nr; i += now) {
		now = nr - i < FORMAT_DUMP_BYTES ? nr - i : FORMAT_DUMP_BYTES;
		if (fprintf(job->file, "%s\n", format_dump(line, job->address + job->dumped,
							   bytes + i, now)) < 0)
			fail_file(job);
		job->dumped += now;
	}
}

static void take_hex(void *data, const uint8_t *bytes, uint32_t nr)
{
	struct memory_job *job = data;
	uint32_t i;

	for (i = 0; i < nr; i++)
		job->hex += sprintf(job->hex, "%02x", bytes[i]);
}

static uint32_t give_raw(void *data, uint8_t *bytes, uint32_t nr)
{
	struct memory_job *job = data;
	size_t ret = fread(bytes, 1, nr, job->file);

	if (ret < nr && ferror(job->file))
		fail_file(job);
	return (uint32_t)ret;
}

/* Prints what was done: in JSON, or where it was shown how far it was */
static void report(const struct memory_job *job, const struct transfer *transfer, uint64_t ns,
		   const char *hex, bool summary)
{
	double rate = (double)transfer->done * (double)NSEC_PER_SEC / (double)(ns ? ns : 1);
	char size[FORMAT_SIZE], time[FORMAT_SIZE], speed[FORMAT_SIZE];
	struct record record = { 0 };

	if (!job->options->json) {
		if (summary)
			fprintf(stderr, "%" PRIu64 " bytes (%s) in %s, %s/s\n", transfer->done,
				format_bytes(size, transfer->done), format_duration(time, ns),
				format_bytes(speed, (uint64_t)rate));
		return;
	}
	record_text(&record, "device", NULL, job->device.name);
	record_number(&record, VALUE_NUMBER, "address", NULL, job->address);
	record_number(&record, VALUE_BYTES, "bytes", NULL, transfer->done);
	record_number(&record, VALUE_NS, "time_ns", NULL, ns);
	if (hex)
		record_text(&record, "hex", NULL, hex);
	else
		record_text(&record, "file", NULL, job->name);
	output_list(true, &record);
}

/* Runs the transfer and tells about it; @hex: the text that job->hex is the end of */
static void run(struct memory_job *job, struct transfer *transfer, const char *hex, bool summary)
{
	uint64_t start = now_ns();

	transfer->device = &job->device;
	transfer->address = job->address;
	transfer->left = job->size;
	transfer->data = job;
	job->progress = &transfer->progress;
	if (!job->shown)
		progress_start(&transfer->progress, job->size);
	summary = summary && transfer->progress.on;
	transfer_run(transfer);
	close_file(job);
	report(job, transfer, now_ns() - start, hex, summary);
	device_close(&job->device);
}

/* Reads into memory, as the text of a JSON string */
static void read_to_json(struct memory_job *job)
{
	struct transfer transfer = { .type = SST_REQUEST_READ, .take = take_hex };
	char *hex;

	hex = malloc(2 * job->size + 1);
	if (!hex)
		fail(EXIT_OTHER, "out of memory");
	job->hex = hex;
	run(job, &transfer, hex, false);
	free(hex);
}

int command_read(const struct options *options, int argc, char **argv)
{
	struct memory_job job = { .options = options };
	struct transfer transfer = { .type = SST_REQUEST_READ, .take = take_raw };

	(void)argc;
	read_address(&job, argv[0]);
	read_size(&job, argv[1]);
	if (options->json && !options->file && job.size > JSON_MAX)
		fail(EXIT_USAGE, "read: --json prints at most 1M; use --file for more");
	device_open(&job.device, options);
	if (options->json && !options->file) {
		read_to_json(&job);
		return EXIT_DONE;
	}
	open_file(&job, "we", stdout, "standard output");
	job.shown = !options->file && isatty(STDOUT_FILENO);
	if (options->hex || job.shown)
		transfer.take = take_dump;
	run(&job, &transfer, NULL, true);
	return EXIT_DONE;
}

/* Finds out how much there is to write, as far as anybody knows */
static void measure_input(struct memory_job *job)
{
	struct stat st;
	off_t position = ftello(job->file);
	uint64_t has;

	if (fstat(fileno(job->file), &st))
		fail_file(job);
	/* Files of the kernel's have a size of 0, whatever is in there. */
	if (!S_ISREG(st.st_mode) || !st.st_size || position < 0)
		return;
	has = st.st_size > position ? (uint64_t)(st.st_size - position) : 0;
	if (job->size == UINT64_MAX)
		job->size = has;
	else if (job->size > has)
		fail(EXIT_OTHER, "%s has only %" PRIu64 " of %" PRIu64 " bytes", job->name, has,
		     job->size);
}

int command_write(const struct options *options, int argc, char **argv)
{
	struct memory_job job = { .options = options, .size = UINT64_MAX };
	struct transfer transfer = { .type = SST_REQUEST_WRITE, .give = give_raw };

	read_address(&job, argv[0]);
	if (argc > 1)
		read_size(&job, argv[1]);
	device_open(&job.device, options);
	open_file(&job, "re", stdin, "standard input");
	measure_input(&job);
	run(&job, &transfer, NULL, true);
	if (argc > 1 && transfer.done < job.size)
		fail(EXIT_OTHER, "%s has only %" PRIu64 " of %" PRIu64 " bytes", job.name,
		     transfer.done, job.size);
	return EXIT_DONE;
}
