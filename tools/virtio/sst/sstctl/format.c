// SPDX-License-Identifier: GPL-2.0-only
/* Quantities as people read them. */

#include <ctype.h>
#include <inttypes.h>
#include <linux/virtio_sst.h>
#include <stdio.h>

#include "../util.h"
#include "format.h"

/* Three digits that count, or all before the point */
static int digits_behind_point(double value)
{
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

const char *format_duration(char *text, uint64_t ns)
{
	static const char * const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	unsigned int i = 0;

	while (value >= 999.5 && i < ARRAY_SIZE(units) - 1) {
		value /= 1000;
		i++;
	}
	snprintf(text, FORMAT_SIZE, "%.*f %s", i ? digits_behind_point(value) : 0, value, units[i]);
	return text;
}

const char *format_milliseconds(char *text, uint64_t ms)
{
	if (ms % 1000)
		snprintf(text, FORMAT_SIZE, "%" PRIu64 " ms", ms);
	else
		snprintf(text, FORMAT_SIZE, "%" PRIu64 " s", ms / 1000);
	return text;
}

const char *format_microseconds(char *text, uint64_t us)
{
	snprintf(text, FORMAT_SIZE, us ? "%" PRIu64 " us" : "off", us);
	return text;
}

const char *format_bytes(char *text, uint64_t bytes)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned int i = 0;
	int digits;

	/* 4080 bytes are better known than 3.98 KiB */
	if (bytes < 10000 && bytes % 1024) {
		snprintf(text, FORMAT_SIZE, "%u B", (unsigned int)bytes);
		return text;
	}
	while (value >= 1023.5 && i < ARRAY_SIZE(units) - 1) {
		value /= 1024;
		i++;
	}
	digits = value == (double)(unsigned int)value ? 0 : digits_behind_point(value);
	snprintf(text, FORMAT_SIZE, "%.*f %s", digits, value, units[i]);
	return text;
}

const char *format_rate(char *text, double rate)
{
	snprintf(text, FORMAT_SIZE, "%.*f", rate != 0 && rate < 9.95 ? 1 : 0, rate);
	return text;
}

const char *format_version(char *text, uint32_t version)
{
	snprintf(text, FORMAT_SIZE, "%u.%u", version >> 16, version & 0xffff);
	return text;
}

const char *format_feature(unsigned int bit)
{
	static const char * const names[] = {
		[SST_F_ECHO] = "echo",
		[SST_F_COMPUTE] = "compute",
		[SST_F_MEMORY] = "memory",
		[SST_F_EVENTS] = "events",
		[SST_F_MULTI_QUEUE] = "multi_queue",
		[SST_F_RESET] = "reset",
	};

	return bit < ARRAY_SIZE(names) ? names[bit] : NULL;
}

const char *format_features(char *text, uint64_t features)
{
	size_t used = 0;
	unsigned int bit;

	snprintf(text, FORMAT_SIZE, "-");
	for (bit = 0; format_feature(bit); bit++)
		if (features & BIT64(bit))
			used += (size_t)snprintf(text + used, FORMAT_SIZE - used, "%s%s",
						 used ? " " : "", format_feature(bit));
	return text;
}

const char *format_dump(char *text, uint64_t address, const uint8_t *bytes, size_t nr)
{
	int used = sprintf(text, "%08llx ", (unsigned long long)address);
	size_t i;

	for (i = 0; i < FORMAT_DUMP_BYTES; i++) {
		if (i == FORMAT_DUMP_BYTES / 2)
			text[used++] = ' ';
		used += i < nr ? sprintf(text + used, " %02x", bytes[i]) : sprintf(text + used, "   ");
	}
	used += sprintf(text + used, "  |");
	for (i = 0; i < nr; i++)
		text[used++] = isprint(bytes[i]) ? (char)bytes[i] : '.';
	sprintf(text + used, "|");
	return text;
}
