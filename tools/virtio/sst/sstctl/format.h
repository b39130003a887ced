/* SPDX-License-Identifier: GPL-2.0-only */
/* Quantities as people read them. */

#ifndef SSTCTL_FORMAT_H
#define SSTCTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Room for any of the texts below */
#define FORMAT_SIZE	128

/* "850 ns", "43.2 us", "1.250 s", with three or four digits */
const char *format_duration(char *text, uint64_t ns);

/* Settings, to the last digit: "5 s", "1500 ms" */
const char *format_milliseconds(char *text, uint64_t ms);

/* "10 us"; 0 is "off" */
const char *format_microseconds(char *text, uint64_t us);

/* "0 B", "4080 B", "256 MiB", "1.5 GiB" */
const char *format_bytes(char *text, uint64_t bytes);

/* Per second: "0.5", "123", "45678" */
const char *format_rate(char *text, double rate);

/* 0x00010002 is "1.2" */
const char *format_version(char *text, uint32_t version);

/* The names of SST_F_* with blanks between them; "-": none */
const char *format_features(char *text, uint64_t features);

/* The name of a bit of SST_F_*, or NULL */
const char *format_feature(unsigned int bit);

/* A line of a hexadecimal dump of up to 16 bytes, as hexdump -C prints it */
#define FORMAT_DUMP_BYTES	16
const char *format_dump(char *text, uint64_t address, const uint8_t *bytes, size_t nr);

#endif /* SSTCTL_FORMAT_H */
