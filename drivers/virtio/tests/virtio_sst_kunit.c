// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the virtio SST messages' layout and of the driver's arithmetic.
 */

#include <kunit/test.h>
#include <linux/module.h>

#include "../virtio_sst_internal.h"

struct sst_layout {
	const char *name;
	size_t seen;
	size_t expected;
};

#define FIELD(type, field, offset)	{ #type "." #field, offsetof(struct type, field), offset }
#define SIZE(type, size)		{ #type, sizeof(struct type), size }

static const struct sst_layout sst_layouts[] = {
	SIZE(sst_request, 4104),
	FIELD(sst_request, type, 0),
	FIELD(sst_request, flags, 4),
	FIELD(sst_request, request_id, 8),
	FIELD(sst_request, user_data, 16),
	FIELD(sst_request, payload, 24),
	FIELD(sst_request, compute.compute_units, 24),
	FIELD(sst_request, compute.latency_model, 32),
	FIELD(sst_request, compute.reserved, 36),
	FIELD(sst_request, memory.addr, 24),
	FIELD(sst_request, memory.size, 32),
	FIELD(sst_request, memory.reserved, 36),
	FIELD(sst_request, parameter.param_id, 24),
	FIELD(sst_request, parameter.reserved, 28),
	FIELD(sst_request, parameter.value, 32),
	SIZE(sst_response, 4112),
	FIELD(sst_response, status, 0),
	FIELD(sst_response, flags, 4),
	FIELD(sst_response, request_id, 8),
	FIELD(sst_response, user_data, 16),
	FIELD(sst_response, result, 24),
	FIELD(sst_response, payload, 32),
	FIELD(sst_response, compute.cycles, 32),
	FIELD(sst_response, compute.timestamp, 40),
	FIELD(sst_response, info.version, 32),
	FIELD(sst_response, info.capabilities, 36),
	FIELD(sst_response, info.max_compute_units, 40),
	FIELD(sst_response, info.memory_size, 48),
	SIZE(sst_event, 24),
	FIELD(sst_event, type, 0),
	FIELD(sst_event, flags, 4),
	FIELD(sst_event, timestamp, 8),
	FIELD(sst_event, data, 16),
	SIZE(sst_config, 24),
	FIELD(sst_config, version, 0),
	FIELD(sst_config, device_id, 4),
	FIELD(sst_config, features, 8),
	FIELD(sst_config, max_queues, 16),
	SIZE(sst_info, 64),
	FIELD(sst_info, abi_version, 0),
	FIELD(sst_info, version, 4),
	FIELD(sst_info, device_id, 8),
	FIELD(sst_info, queue_pairs, 12),
	FIELD(sst_info, features, 16),
	FIELD(sst_info, queue_size, 24),
	FIELD(sst_info, request_limit, 28),
	FIELD(sst_info, request_timeout_ms, 32),
	FIELD(sst_info, reserved, 36),
};

static void sst_test_layout(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sst_layouts); i++)
		KUNIT_EXPECT_EQ_MSG(test, sst_layouts[i].seen, sst_layouts[i].expected,
				    "%s", sst_layouts[i].name);
}

/* An ioctl number holds the size of the argument: it is part of the ABI. */
static void sst_test_ioctl_numbers(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, SST_IOCTL_GET_INFO, 0x8040bb00);
}

static void sst_test_request_id(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sst_request_id(1, 0), 0x1000000ULL);
	KUNIT_EXPECT_EQ(test, sst_request_id(1, SST_SLOT_INDEX_MAX), 0x1ffffffULL);
	KUNIT_EXPECT_EQ(test, sst_request_id(0xffffffffffULL, 5), 0xffffffffff000005ULL);
}

static void sst_test_generations(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, sst_generation_of_queue(0, 0, 1));
	KUNIT_EXPECT_TRUE(test, sst_generation_of_queue(1, 0, 1));
	KUNIT_EXPECT_FALSE(test, sst_generation_of_queue(2, 2, 3));
	KUNIT_EXPECT_FALSE(test, sst_generation_of_queue(4, 2, 3));
	KUNIT_EXPECT_TRUE(test, sst_generation_of_queue(5, 2, 3));
	KUNIT_EXPECT_TRUE(test, sst_generation_of_queue(0xffffffffffULL, 0, 3));
	KUNIT_EXPECT_FALSE(test, sst_generation_of_queue(0xffffffffffULL, 1, 3));
}

static void sst_test_response_length(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, sst_response_length_valid(0));
	KUNIT_EXPECT_FALSE(test, sst_response_length_valid(31));
	KUNIT_EXPECT_TRUE(test, sst_response_length_valid(32));
	KUNIT_EXPECT_TRUE(test, sst_response_length_valid(4112));
	KUNIT_EXPECT_FALSE(test, sst_response_length_valid(4113));
	KUNIT_EXPECT_FALSE(test, sst_response_length_valid(U32_MAX));
}

static void sst_test_requests_in(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sst_requests_in(0), 0);
	KUNIT_EXPECT_EQ(test, sst_requests_in(23), 0);
	KUNIT_EXPECT_EQ(test, sst_requests_in(24), 1);
	KUNIT_EXPECT_EQ(test, sst_requests_in(4103), 1);
	KUNIT_EXPECT_EQ(test, sst_requests_in(4104), 1);
	KUNIT_EXPECT_EQ(test, sst_requests_in(4105), 0);
	KUNIT_EXPECT_EQ(test, sst_requests_in(4128), 0);
	KUNIT_EXPECT_EQ(test, sst_requests_in(8208), 2);
	KUNIT_EXPECT_EQ(test, sst_requests_in(1000 * 4104), 1000);
}

static struct kunit_case sst_test_cases[] = {
	KUNIT_CASE(sst_test_layout),
	KUNIT_CASE(sst_test_ioctl_numbers),
	KUNIT_CASE(sst_test_request_id),
	KUNIT_CASE(sst_test_generations),
	KUNIT_CASE(sst_test_response_length),
	KUNIT_CASE(sst_test_requests_in),
	{}
};

static struct kunit_suite sst_test_suite = {
	.name = "virtio_sst",
	.test_cases = sst_test_cases,
};

kunit_test_suite(sst_test_suite);

MODULE_DESCRIPTION("KUnit tests of the virtio SST driver");
MODULE_LICENSE("GPL");
