// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of a device that answers on the response queue, in whatever order and
 * with whatever faults.
 */
#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT	64	/* requests of one file at once */

static int transact(int fd, struct sst_request *req, struct sst_response *resp)
{
	struct sst_transaction t = {
		.request = (uintptr_t)req,
		.response = (uintptr_t)resp,
		.request_size = sizeof(*req),
		.response_size = sizeof(*resp),
	};

	return ioctl(fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
}

FIXTURE(rq)
{
	int fd;
	long long unmatched;
	long long late;
	struct sst_request req;
	struct sst_response resp;
};

FIXTURE_SETUP(rq)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	self->unmatched = sst_stat("unmatched");
	self->late = sst_stat("late");
}

/* What a test leaves at the device is not the next one's. */
FIXTURE_TEARDOWN(rq)
{
	close(self->fd);
	EXPECT_EQ(0, sst_reset());
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(0, sst_stat("lost_response_buffers"));
	EXPECT_TRUE(sst_stats_balance());
}

TEST_F(rq, response_after_the_chain)
{
	unsigned int i;

	/* More than there are response buffers */
	for (i = 0; i < 40; i++) {
		sst_prepare(&self->req, TYPE_QUEUE, i);
		memset(self->req.payload, i + 1, SST_PAYLOAD_SIZE);
		ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	}
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
		EXPECT_EQ(0, self->resp.flags);
		EXPECT_EQ(htole64(i), self->resp.user_data);
		EXPECT_TRUE(all_bytes(self->resp.payload, i + 1, SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(self->unmatched, sst_stat("unmatched"));
	EXPECT_EQ(self->late, sst_stat("late"));
}

TEST_F(rq, both_ways_of_answering_at_once)
{
	static const unsigned int types[] = { SST_REQUEST_ECHO, TYPE_QUEUE, TYPE_EARLY };
	unsigned int n = sst_serial() ? 2 : 3, i;
	bool seen[30] = {};

	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		ASSERT_EQ(0, sst_send(self->fd, types[i % n], i));
	}
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
		ASSERT_GT(ARRAY_SIZE(seen), le64toh(self->resp.user_data));
		EXPECT_FALSE(seen[le64toh(self->resp.user_data)]);
		seen[le64toh(self->resp.user_data)] = true;
	}
}

TEST_F(rq, response_before_the_chain)
{
	unsigned long long start = now_ms();

	sst_prepare(&self->req, TYPE_EARLY, 7);
	memset(self->req.payload, 7, SST_PAYLOAD_SIZE);
	ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	/* Nobody has to wait for the chain. */
	EXPECT_GT(EARLY_MS, now_ms() - start);
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(0, self->resp.flags);
	EXPECT_EQ(htole64(7), self->resp.user_data);
	EXPECT_TRUE(all_bytes(self->resp.payload, 7, SST_PAYLOAD_SIZE));
	EXPECT_EQ(1, sst_stat("zombies"));
	EXPECT_EQ(0, sst_stat("in_flight"));

	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(self->late, sst_stat("late"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, unread_response_before_the_chain)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_EARLY, 8));
	ASSERT_EQ(1, sst_wait_stat("zombies", 1));
	ASSERT_EQ(0, sst_wait_stat("zombies", 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(htole64(8), self->resp.user_data);
}

TEST_F(rq, chain_that_never_comes_back)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NO_CHAIN, 9));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(1, sst_stat("zombies"));
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(0, sst_stat("zombies"));
}

TEST_F(rq, no_response_takes_no_place_for_ever)
{
	unsigned int i, round;

	ASSERT_EQ(0, sst_set_timeout(50));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < LIMIT; i++) {
			ASSERT_EQ(0, sst_send(self->fd, TYPE_NO_RESPONSE, i));
		}
		for (i = 0; i < LIMIT; i++) {
			ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
			EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
			EXPECT_EQ(SST_RESPONSE_F_DRIVER, le32toh(self->resp.flags));
		}
		EXPECT_EQ(0, sst_stat("zombies"));
		EXPECT_EQ(0, sst_stat("in_flight"));
	}
}

TEST_F(rq, response_after_the_time_out)
{
	ASSERT_EQ(0, sst_set_timeout(100));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE_LATE, 10));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(0, sst_stat("zombies"));
	/* The slot may be in use again when the response comes. */
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 11));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(htole64(11), self->resp.user_data);
	EXPECT_EQ(self->late + 1, sst_wait_stat("late", self->late + 1));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, wrong_id)
{
	ASSERT_EQ(0, sst_set_timeout(200));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE_WRONG_ID, 12));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(htole64(12), self->resp.user_data);
	EXPECT_EQ(self->unmatched + 1, sst_stat("unmatched"));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, repeated_response)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE_REPEAT, i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
	EXPECT_EQ(self->late + 20, sst_wait_stat("late", self->late + 20));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, repeated_response_before_the_chain)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_EARLY_REPEAT, 13));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(self->late + 1, sst_wait_stat("late", self->late + 1));
	EXPECT_EQ(0, sst_wait_stat("zombies", 0));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, short_response_is_filled_with_zeros)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_FILL, 0));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE_SHORT, 14));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(htole64(14), self->resp.user_data);
	EXPECT_TRUE(all_bytes(self->resp.payload + 100 - 32, 0,
			      SST_PAYLOAD_SIZE - (100 - 32)));
}

TEST_F(rq, responses_of_impossible_length)
{
	static const unsigned int types[] = { TYPE_QUEUE_EMPTY, TYPE_QUEUE_LONG };
	unsigned int i;

	ASSERT_EQ(0, sst_set_timeout(200));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(0, sst_send(self->fd, types[i], i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
		EXPECT_EQ(self->unmatched + i + 1, sst_stat("unmatched"));
	}
	/* The buffers are not lost. */
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE, i));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	}
}

TEST_F(rq, nothing_of_another_file_is_seen)
{
	unsigned int i;
	int other;

	/* Both the slots and the response buffers go from one to the other. */
	for (i = 0; i < 20; i++) {
		sst_prepare(&self->req, TYPE_QUEUE, i);
		memset(self->req.payload, FILL_BYTE, SST_PAYLOAD_SIZE);
		ASSERT_EQ(REQ, write(self->fd, &self->req, REQ));
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		ASSERT_TRUE(all_bytes(self->resp.payload, FILL_BYTE, SST_PAYLOAD_SIZE));

		other = sst_open(O_RDWR);
		ASSERT_LE(0, other);
		ASSERT_EQ(0, sst_send(other, TYPE_QUEUE_DIRTY, i));
		ASSERT_EQ(0, sst_receive(other, &self->resp));
		EXPECT_TRUE(all_bytes(self->resp.payload, 0, SST_PAYLOAD_SIZE));
		close(other);
	}
}

TEST_F(rq, in_one_call)
{
	static const unsigned int types[] = { TYPE_QUEUE, TYPE_EARLY, TYPE_QUEUE_LATE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		sst_prepare(&self->req, types[i], i);
		memset(self->req.payload, i + 1, SST_PAYLOAD_SIZE);
		ASSERT_EQ(0, transact(self->fd, &self->req, &self->resp));
		EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
		EXPECT_EQ(htole64(i), self->resp.user_data);
		EXPECT_TRUE(all_bytes(self->resp.payload, i + 1, SST_PAYLOAD_SIZE));
	}
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, cancelled_while_the_response_is_awaited)
{
	struct sst_cancel cancel = { .user_data = 15 };

	ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE_LATE, 15));
	sleep_ms(100);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_CANCEL, &cancel));
	EXPECT_EQ(1, cancel.count);
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_ERROR, le32toh(self->resp.status));
	EXPECT_EQ(SST_RESPONSE_F_DRIVER, le32toh(self->resp.flags));
	/* The device has nothing of it any more. */
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(self->late + 1, sst_wait_stat("late", self->late + 1));
	EXPECT_EQ(0, sst_poll(self->fd, POLLIN, 0));
}

TEST_F(rq, closed_while_the_response_is_awaited)
{
	long long abandoned = sst_stat("abandoned");
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, sst_send(other, TYPE_QUEUE_LATE, 16));
	sleep_ms(100);
	close(other);
	EXPECT_EQ(abandoned + 1, sst_wait_stat("abandoned", abandoned + 1));
	EXPECT_EQ(0, sst_stat("in_flight"));
	EXPECT_EQ(0, sst_stat("zombies"));
	EXPECT_EQ(self->late + 1, sst_wait_stat("late", self->late + 1));
}

TEST_F(rq, reset_while_the_response_is_awaited)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE_LATE, 17));
	sleep_ms(100);
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_ERROR, le32toh(self->resp.status));
	EXPECT_EQ(SST_RESPONSE_F_DRIVER, le32toh(self->resp.flags));
	/* It has response buffers again. */
	ASSERT_EQ(0, sst_send(self->fd, TYPE_QUEUE, 18));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_OK, le32toh(self->resp.status));
	EXPECT_EQ(htole64(18), self->resp.user_data);
}

TEST_HARNESS_MAIN
