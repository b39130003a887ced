// SPDX-License-Identifier: GPL-2.0-only
/* Tests what sstctl reads and prints, and how it computes. Prints TAP. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../parse.h"
#include "../sstctl/format.h"
#include "../sstctl/progress.h"
#include "../sstctl/rtt.h"
#include "../util.h"

#define NONE	UINT64_C(0xdead)

static unsigned int number, failures;

static void end_test(const char *name, bool ok)
{
	printf("%sok %u %s\n", ok ? "" : "not ", ++number, name);
	failures += !ok;
}

/* Words, the most that is accepted, and what they are read as, or NONE if they are refused */
struct word {
	const char *text;
	uint64_t max;
	uint64_t value;
};

static bool reads(const struct word *words, size_t nr,
		  bool (*parse)(const char *text, uint64_t max, uint64_t *value))
{
	bool ok = true;
	size_t i;

	for (i = 0; i < nr; i++) {
		uint64_t value = NONE;

		if (!parse(words[i].text, words[i].max, &value))
			value = NONE;
		if (value == words[i].value)
			continue;
		printf("# '%s' is read as %" PRIu64 "\n", words[i].text, value);
		ok = false;
	}
	return ok;
}

static void test_numbers(void)
{
	static const struct word words[] = {
		{ "0", 9, 0 }, { "9", 9, 9 }, { "10", 9, NONE }, { "0x10", 16, 16 },
		{ "0xfF", 255, 255 }, { "18446744073709551615", UINT64_MAX, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, NONE }, { "", 9, NONE },
		{ " 1", 9, NONE }, { "1 ", 9, NONE }, { "+1", 9, NONE }, { "-1", 9, NONE },
		{ "-18446744073709551615", 9, NONE }, { "0x", 9, NONE }, { "x1", 9, NONE },
		{ "1.0", 9, NONE }, { "1e1", 99, NONE }, { "010", 99, NONE },
		{ "00", 9, NONE }, { "0x-1", 9, NONE }, { "1K", 9999, NONE },
	};

	end_test("numbers", reads(words, ARRAY_SIZE(words), parse_number));
}

static void test_bytes(void)
{
	static const struct word words[] = {
		{ "4096", 4096, 4096 }, { "4K", 4096, 4096 }, { "4K", 4095, NONE },
		{ "0x10M", UINT64_MAX, UINT64_C(16) << 20 }, { "3G", UINT64_MAX, UINT64_C(3) << 30 },
		{ "17179869184G", UINT64_MAX, NONE }, { "0G", 0, 0 }, { "4k", 9999, NONE },
		{ "4KB", 9999, NONE }, { "K", 9999, NONE }, { "4 K", 9999, NONE },
		{ "4T", UINT64_MAX, NONE }, { "04K", 9999, NONE },
	};

	end_test("bytes", reads(words, ARRAY_SIZE(words), parse_bytes));
}

static void test_seconds(void)
{
	static const struct word words[] = {
		{ "0", 5, 0 }, { "5", 5, UINT64_C(5000000000) }, { "0.25", 5, 250000000 },
		{ "1.000000001", 5, 1000000001 }, { "5.1", 5, NONE }, { "6", 5, NONE },
		{ "1.0000000001", 5, NONE }, { "1.", 5, NONE }, { ".5", 5, NONE },
		{ "1.5s", 5, NONE }, { "1e-3", 5, NONE }, { "-1", 5, NONE }, { "0x1", 5, NONE },
		{ "1,5", 5, NONE }, { "", 5, NONE }, { "01", 5, NONE },
	};

	end_test("seconds", reads(words, ARRAY_SIZE(words), parse_seconds));
}

static bool same(const char *text, const char *expected)
{
	if (!strcmp(text, expected))
		return true;
	printf("# '%s' instead of '%s'\n", text, expected);
	return false;
}

static void test_durations(void)
{
	char text[FORMAT_SIZE];
	bool ok = true;

	ok &= same(format_duration(text, 0), "0 ns");
	ok &= same(format_duration(text, 999), "999 ns");
	ok &= same(format_duration(text, 1000), "1.00 us");
	ok &= same(format_duration(text, 43210), "43.2 us");
	ok &= same(format_duration(text, 999900), "1.00 ms");
	ok &= same(format_duration(text, 432100000), "432 ms");
	ok &= same(format_duration(text, UINT64_C(12345000000)), "12.3 s");
	ok &= same(format_duration(text, UINT64_C(3600000000000)), "3600 s");
	ok &= same(format_milliseconds(text, 5000), "5 s");
	ok &= same(format_milliseconds(text, 1500), "1500 ms");
	ok &= same(format_microseconds(text, 0), "off");
	ok &= same(format_microseconds(text, 10), "10 us");
	end_test("times in words", ok);
}

static void test_amounts(void)
{
	char text[FORMAT_SIZE];
	bool ok = true;

	ok &= same(format_bytes(text, 0), "0 B");
	ok &= same(format_bytes(text, 4080), "4080 B");
	ok &= same(format_bytes(text, 4096), "4 KiB");
	ok &= same(format_bytes(text, 10000), "9.77 KiB");
	ok &= same(format_bytes(text, 1048575), "1.00 MiB");
	ok &= same(format_bytes(text, UINT64_C(256) << 20), "256 MiB");
	ok &= same(format_bytes(text, UINT64_C(3) << 29), "1.50 GiB");
	ok &= same(format_bytes(text, UINT64_MAX), "16 EiB");
	ok &= same(format_rate(text, 0), "0");
	ok &= same(format_rate(text, 0.25), "0.2");
	ok &= same(format_rate(text, 9.96), "10");
	ok &= same(format_rate(text, 12345.6), "12346");
	end_test("amounts in words", ok);
}

static void test_words(void)
{
	const uint8_t bytes[] = "0123456789abcde\377";
	char text[FORMAT_SIZE];
	bool ok = true;

	ok &= same(format_version(text, 0x00010000), "1.0");
	ok &= same(format_version(text, UINT32_MAX), "65535.65535");
	ok &= same(format_features(text, 0), "-");
	ok &= same(format_features(text, UINT64_MAX),
		   "echo compute memory events multi_queue reset");
	ok &= same(format_dump(text, 0x1000, bytes, 16),
		   "00001000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 ff  |0123456789abcde.|");
	ok &= same(format_dump(text, UINT64_MAX, bytes, 1),
		   "ffffffffffffffff  30                                                |0|");
	end_test("versions, features, dumps", ok);
}

static void test_progress(void)
{
	const uint64_t total = UINT64_C(256) << 20;
	char line[512];
	bool ok = true;
	size_t width;

	ok &= same(progress_line(line, 79, total / 4, total, NSEC_PER_SEC),
		   " 25% [========>                        ] 64 MiB of 256 MiB, 64 MiB/s, 0:03 left");
	ok &= same(progress_line(line, 200, total, total, NSEC_PER_SEC),
		   "100% [========================================] 256 MiB of 256 MiB, 256 MiB/s, 0:00 left");
	ok &= same(progress_line(line, 79, 0, total, 0),
		   "  0% [>                                       ] 0 B, 0 B/s");
	ok &= same(progress_line(line, 79, 2048, UINT64_MAX, NSEC_PER_SEC / 2),
		   "2 KiB, 4 KiB/s");
	ok &= same(progress_line(line, 10, total / 2, total, NSEC_PER_SEC), "128 MiB of");
	for (width = 0; width < sizeof(line); width++)
		ok &= strlen(progress_line(line, width, total - 1, total, NSEC_PER_SEC)) <= width;
	end_test("progress", ok);
}

static void test_rtt(void)
{
	struct rtt none = { 0 }, one = { 0 }, some = { 0 };

	rtt_add(&one, 70);
	rtt_add(&some, 200);
	rtt_add(&some, 100);
	rtt_add(&some, 600);
	end_test("no time", !rtt_average(&none) && !rtt_deviation(&none));
	end_test("one time", one.min == 70 && one.max == 70 && rtt_average(&one) == 70 &&
		 !rtt_deviation(&one));
	/* The root of (100^2 + 200^2 + 300^2) / 3 */
	end_test("min, avg, max, mdev", some.min == 100 && some.max == 600 &&
		 rtt_average(&some) == 300 && rtt_deviation(&some) == 216);
}

int main(void)
{
	test_numbers();
	test_bytes();
	test_seconds();
	test_durations();
	test_amounts();
	test_words();
	test_progress();
	test_rtt();
	printf("1..%u\n", number);
	return failures != 0;
}
