// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the tracepoints: what they tell of requests that end in all the ways that
 * there are.
 */
#include <stdarg.h>
#include <sys/stat.h>

#include "sst_test.h"
#include "kselftest_harness.h"

/* A buffer of our own, with switches of our own */
#define TRACE		"/sys/kernel/tracing/instances/virtio_sst_test/"
#define TRACE_SIZE	(4 * 1024 * 1024)

#define SHORT_MS	100
#define NS_PER_MS	1000000ULL

static const char *const type_names[] = {
	"NOOP", "ECHO", "COMPUTE", "READ", "WRITE", "RESET", "GET_INFO", "CONFIGURE"
};

static const char *const status_names[] = {
	"OK", "ERROR", "BUSY", "INVALID", "TIMEOUT", "NO_DEVICE"
};

/* All events of a name that have a field of a value, or that name only */
struct events {
	unsigned int count;
	char last[512];
};

FIXTURE(trace)
{
	int fd;
	char *text;
	char name[NAME_MAX];
	struct events e;
	struct sst_request req;
	struct sst_response resp;
	unsigned long long id;
};

static int switch_events(const char *on)
{
	return write_file(TRACE "events/virtio_sst/enable", on);
}

FIXTURE_SETUP(trace)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
	self->text = malloc(TRACE_SIZE);
	ASSERT_NE(NULL, self->text);
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, sst_reset());
	/* A test that failed may have left one. */
	rmdir(TRACE);
	ASSERT_EQ(0, mkdir(TRACE, 0700));
	ASSERT_EQ(0, switch_events("1"));
}

/* What a test leaves at the device is not the next one's. */
FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, rmdir(TRACE));
	close(self->fd);
	if (access(sst_device(), F_OK))
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
	EXPECT_EQ(0, wait_for_device());
	EXPECT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, sst_reset());
	free(self->text);
}

/* Forget what was traced, such as events that come all the time. Returns 0, or -errno */
static int clear_trace(void)
{
	int fd = open(TRACE "trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

/* Read all that was traced. Returns 0, or -errno */
static int read_trace(char *text)
{
	int fd = open(TRACE "trace", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + length, TRACE_SIZE - 1 - length)) > 0)
		length += n;
	close(fd);
	text[length] = 0;
	return length == TRACE_SIZE - 1 ? -E2BIG : n < 0 ? -errno : 0;
}

/* Find this device's events @name, such as "sst_submit", that have @field. */
static void find_events(const char *text, const char *name, const char *field,
			struct events *e)
{
	char head[64], line[sizeof(e->last)];
	char *start;
	size_t n;

	memset(e, 0, sizeof(*e));
	snprintf(head, sizeof(head), ": %s: %s ", name, sst_name());
	for (; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s ", (int)n, text);
		start = strstr(line, head);
		if (!start || !strstr(start, field))
			continue;
		e->count++;
		snprintf(e->last, sizeof(e->last), "%s", start + strlen(head) - 1);
	}
}

/* Find what was traced of a request. Returns how many @name there were, or -errno */
static int find(char *text, const char *name, unsigned long long id, struct events *e)
{
	char field[64];
	int ret = read_trace(text);

	snprintf(field, sizeof(field), " request_id=%#llx ", id);
	find_events(text, name, field, e);
	return ret ?: e->count;
}

/* Whether an event has a field; the caller writes it as it is there. */
static bool has(const struct events *e, const char *format, ...)
{
	char text[128];
	va_list arguments;

	va_start(arguments, format);
	text[0] = ' ';
	vsnprintf(text + 1, sizeof(text) - 2, format, arguments);
	va_end(arguments);
	strcat(text, " ");
	if (strstr(e->last, text))
		return true;
	fprintf(stderr, "#%s is not in:%s\n", text, e->last);
	return false;
}

static long long number(const struct events *e, const char *name)
{
	const char *field = strstr(e->last, name);

	return field ? strtoll(field + strlen(name), NULL, 0) : -1;
}

static void type_name(char *name, size_t size, unsigned int type)
{
	if (type < ARRAY_SIZE(type_names))
		snprintf(name, size, "%s", type_names[type]);
	else
		snprintf(name, size, "%#x", type);
}

/* Submit a request and read what comes of it, with its request_id. Returns 0, or -errno */
static int exchange(int fd, unsigned int type, unsigned long long user_data,
		    struct sst_response *resp, unsigned long long *id)
{
	int ret = sst_send(fd, type, user_data) ?: sst_receive(fd, resp);

	*id = le64toh(resp->request_id);
	return ret;
}

TEST_F(trace, all_that_is_known_of_requests)
{
	static const unsigned int types[] = {
		0, 1, 2, 3, 4, 5, 6, 7, TYPE_NO_DEVICE, TYPE_UNKNOWN
	};
	unsigned long long start, took;
	unsigned int i;
	char name[16];

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		start = now_ms();
		ASSERT_EQ(0, exchange(self->fd, types[i], 1000 + i, &self->resp, &self->id));
		took = now_ms() - start + 1;
		type_name(name, sizeof(name), types[i]);

		ASSERT_EQ(1, find(self->text, "sst_submit", self->id, &self->e));
		EXPECT_TRUE(has(&self->e, "queue=0"));
		EXPECT_TRUE(has(&self->e, "user_data=%#x", 1000 + i));
		EXPECT_TRUE(has(&self->e, "type=%s", name));

		ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
		EXPECT_TRUE(has(&self->e, "queue=0"));
		EXPECT_TRUE(has(&self->e, "user_data=%#x", 1000 + i));
		EXPECT_TRUE(has(&self->e, "type=%s", name));
		EXPECT_TRUE(has(&self->e, "status=%s",
				status_names[le32toh(self->resp.status)]));
		EXPECT_TRUE(has(&self->e, "by=device"));
		EXPECT_TRUE(has(&self->e, "length=%zu", RESP));
		EXPECT_LT(0, number(&self->e, "latency_ns="));
		EXPECT_GT(took * NS_PER_MS, number(&self->e, "latency_ns="));
	}
	/* Nothing else was traced. */
	find_events(self->text, "sst_submit", "", &self->e);
	EXPECT_EQ(ARRAY_SIZE(types), self->e.count);
	find_events(self->text, "sst_complete", "", &self->e);
	EXPECT_EQ(ARRAY_SIZE(types), self->e.count);
	find_events(self->text, "sst_timeout", "", &self->e);
	EXPECT_EQ(0, self->e.count);
}

TEST_F(trace, nothing_when_off)
{
	ASSERT_EQ(0, switch_events("0"));
	ASSERT_EQ(0, clear_trace());
	ASSERT_EQ(0, exchange(self->fd, SST_REQUEST_ECHO, 1, &self->resp, &self->id));
	ASSERT_EQ(0, read_trace(self->text));
	EXPECT_EQ(NULL, strstr(self->text, ": sst_"));
}

TEST_F(trace, latency_of_the_device)
{
	ASSERT_EQ(0, exchange(self->fd, TYPE_LATE, 1, &self->resp, &self->id));
	ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
	EXPECT_LE(LATE_MS * NS_PER_MS, number(&self->e, "latency_ns="));
	EXPECT_GT(10 * LATE_MS * NS_PER_MS, number(&self->e, "latency_ns="));
}

TEST_F(trace, no_latency_of_what_was_submitted_before)
{
	ASSERT_EQ(0, switch_events("0"));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_LATE, 1));
	ASSERT_EQ(0, switch_events("1"));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	self->id = le64toh(self->resp.request_id);
	EXPECT_EQ(0, find(self->text, "sst_submit", self->id, &self->e));
	ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "latency_ns=0"));
}

TEST_F(trace, time_out_and_late_answer)
{
	long long late = sst_stat("late");

	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, exchange(self->fd, TYPE_LATE, 0xabc, &self->resp, &self->id));
	ASSERT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));

	ASSERT_EQ(1, find(self->text, "sst_timeout", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "user_data=0xabc"));
	EXPECT_TRUE(has(&self->e, "type=%#x", TYPE_LATE));
	EXPECT_TRUE(has(&self->e, "timeout_ms=%u", SHORT_MS));
	ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "status=TIMEOUT"));
	EXPECT_TRUE(has(&self->e, "by=driver"));
	EXPECT_TRUE(has(&self->e, "length=0"));
	EXPECT_LE(SHORT_MS * NS_PER_MS, number(&self->e, "latency_ns="));
	EXPECT_EQ(0, find(self->text, "sst_late", self->id, &self->e));

	ASSERT_EQ(late + 1, sst_wait_stat("late", late + 1));
	ASSERT_EQ(1, find(self->text, "sst_late", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "user_data=0xabc"));
	EXPECT_TRUE(has(&self->e, "status=OK"));
	EXPECT_TRUE(has(&self->e, "length=%zu", RESP));
	EXPECT_LE(LATE_MS * NS_PER_MS, number(&self->e, "latency_ns="));
	EXPECT_GT(10 * LATE_MS * NS_PER_MS, number(&self->e, "latency_ns="));
	EXPECT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
}

TEST_F(trace, late_answer_on_the_response_queue)
{
	long long late = sst_stat("late");

	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, exchange(self->fd, TYPE_QUEUE_LATE, 0xdef, &self->resp, &self->id));
	ASSERT_EQ(late + 1, sst_wait_stat("late", late + 1));
	ASSERT_EQ(1, find(self->text, "sst_late", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "user_data=0xdef"));
	EXPECT_TRUE(has(&self->e, "status=OK"));
	EXPECT_TRUE(has(&self->e, "length=%zu", RESP));
	EXPECT_TRUE(has(&self->e, "latency_ns=0"));
}

/* The response takes the place of the request. */
TEST_F(trace, response_before_the_chain)
{
	ASSERT_EQ(0, exchange(self->fd, TYPE_EARLY, 0x123, &self->resp, &self->id));
	ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "user_data=0x123"));
	EXPECT_TRUE(has(&self->e, "type=%#x", TYPE_EARLY));
	EXPECT_TRUE(has(&self->e, "status=OK"));
	EXPECT_TRUE(has(&self->e, "by=device"));
}

TEST_F(trace, answers_with_other_ids)
{
	ASSERT_EQ(0, exchange(self->fd, TYPE_WRONG_ID, 5, &self->resp, &self->id));
	ASSERT_EQ(1, find(self->text, "sst_mismatch", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "user_data=0x5"));
	EXPECT_TRUE(has(&self->e, "type=%#x", TYPE_WRONG_ID));
	EXPECT_TRUE(has(&self->e, "answer_request_id=%#llx", ~self->id));
	EXPECT_TRUE(has(&self->e, "answer_user_data=%#llx", ~5ULL));

	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, exchange(self->fd, TYPE_QUEUE_WRONG_ID, 6, &self->resp, &self->id));
	ASSERT_EQ(0, read_trace(self->text));
	find_events(self->text, "sst_unmatched", "", &self->e);
	EXPECT_EQ(1, self->e.count);
	EXPECT_TRUE(has(&self->e, "answer_request_id=%#llx", ~self->id));
	EXPECT_TRUE(has(&self->e, "length=%zu", RESP));
}

TEST_F(trace, answers_of_impossible_length)
{
	ASSERT_EQ(0, exchange(self->fd, TYPE_LONG, 7, &self->resp, &self->id));
	ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "status=ERROR"));
	EXPECT_TRUE(has(&self->e, "by=driver"));
	EXPECT_TRUE(has(&self->e, "length=4294967295"));

	ASSERT_EQ(0, sst_set_timeout(SHORT_MS));
	ASSERT_EQ(0, exchange(self->fd, TYPE_QUEUE_EMPTY, 8, &self->resp, &self->id));
	ASSERT_EQ(0, read_trace(self->text));
	find_events(self->text, "sst_unmatched", " length=0 ", &self->e);
	EXPECT_EQ(1, self->e.count);
}

TEST_F(trace, cancelled_and_closed)
{
	int other = sst_open(O_RDWR);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 9));
	ASSERT_EQ(0, sst_send(other, TYPE_NEVER, 10));
	ASSERT_EQ(1, file_cancel(self->fd, 9, 0));
	close(other);

	ASSERT_EQ(0, read_trace(self->text));
	find_events(self->text, "sst_complete", " user_data=0x9 ", &self->e);
	EXPECT_EQ(1, self->e.count);
	EXPECT_TRUE(has(&self->e, "status=ERROR"));
	EXPECT_TRUE(has(&self->e, "by=driver"));
	find_events(self->text, "sst_complete", " user_data=0xa ", &self->e);
	EXPECT_EQ(1, self->e.count);
	EXPECT_TRUE(has(&self->e, "status=ERROR"));
	EXPECT_TRUE(has(&self->e, "by=driver"));
}

TEST_F(trace, reset)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 11));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	self->id = le64toh(self->resp.request_id);

	ASSERT_EQ(1, find(self->text, "sst_complete", self->id, &self->e));
	EXPECT_TRUE(has(&self->e, "status=ERROR"));
	EXPECT_TRUE(has(&self->e, "by=driver"));
	find_events(self->text, "sst_reset", "", &self->e);
	EXPECT_EQ(1, self->e.count);
	EXPECT_TRUE(has(&self->e, "reason=\"asked for in sysfs\""));
}

TEST_F(trace, device_gone)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 12));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(0, read_trace(self->text));
	find_events(self->text, "sst_complete", " user_data=0xc ", &self->e);
	EXPECT_EQ(1, self->e.count);
	EXPECT_TRUE(has(&self->e, "status=NO_DEVICE"));
	EXPECT_TRUE(has(&self->e, "by=driver"));
}

/* Whether the device says that it sends events */
static bool sends_events(void)
{
	char text[32];

	return sst_attr_get("features", text, sizeof(text)) > 0 &&
	       strtoull(text, NULL, 0) & (1 << SST_F_EVENTS);
}

TEST_F(trace, events)
{
	unsigned long long end = now_ms() + 10000;
	long long first, last, least, most;
	struct events *e = &self->e;

	ASSERT_EQ(0, switch_events("0"));
	ASSERT_EQ(0, clear_trace());
	most = sst_stat("events");
	ASSERT_EQ(0, switch_events("1"));
	first = sst_stat("events");
	while (sends_events() && sst_stat("events") < first + 5 && now_ms() < end)
		sleep_ms(10);
	last = sst_stat("events");
	ASSERT_EQ(0, switch_events("0"));
	least = last - first;
	most = sst_stat("events") - most;

	ASSERT_EQ(0, read_trace(self->text));
	find_events(self->text, "sst_event", "", e);
	EXPECT_LE(least, e->count);
	EXPECT_GE(most, e->count);
	if (sends_events()) {
		EXPECT_LE(5, least);
		EXPECT_TRUE(has(e, "type=1"));
		EXPECT_TRUE(has(e, "length=%zu", sizeof(struct sst_event)));
		EXPECT_LT(0, number(e, "data="));
	}
}

TEST_HARNESS_MAIN
