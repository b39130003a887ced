// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the generic netlink family "virtio-sst": what it tells of devices, changes
 * them, refuses, and tells those who follow.
 *
 * The fixture "many" needs so many devices that a dump takes several messages, "suspended" a
 * machine that can be suspended.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <libmnl/libmnl.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/virtio_sst_netlink.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define NOBODY		65534
#define DEVICES_MAX	64
#define FAULTY_MS	50	/* a time-out that tests can wait for */

/*
 * What is received at once: the kernel puts as much of a dump together as it has ever
 * seen room for.
 */
#define CHUNK		4096

/**
 * struct nl - a socket of the family
 * @socket: of libmnl
 * @family: number of the family
 * @groups: numbers of the groups "devices" and "counters"
 * @request: the last request
 * @buffer: what is received
 * @text: what the kernel says of an error
 * @missing: the attribute that it misses, or 0
 * @bad: the attribute that is wrong, or 0
 * @interrupted: the devices have changed during a dump
 */
struct nl {
	struct mnl_socket *socket;
	unsigned int family;
	unsigned int groups[2];
	char request[256];
	char buffer[CHUNK];
	char text[128];
	unsigned int missing;
	unsigned int bad;
	bool interrupted;
};

enum { DEVICES, COUNTERS };

/* What a message says of a device, or of a pair of queues */
struct report {
	unsigned int numbers[VIRTIO_SST_A_DEVICE_MAX + 1];
	unsigned long long features;
	char name[16];
	char parent[32];
	unsigned long long stats[VIRTIO_SST_A_STATS_MAX + 1];
	unsigned int nr_attributes;
	unsigned int nr_stats;
};

struct list {
	unsigned int nr;
	struct report reports[DEVICES_MAX];
};

/* The counters by the names that they have in sysfs */
static const struct {
	unsigned int attribute;
	const char *name;
} counters[] = {
	{ VIRTIO_SST_A_STATS_REQUESTS, "requests" },
	{ VIRTIO_SST_A_STATS_RESPONSES, "responses" },
	{ VIRTIO_SST_A_STATS_TIMEOUTS, "timeouts" },
	{ VIRTIO_SST_A_STATS_ABANDONED, "abandoned" },
	{ VIRTIO_SST_A_STATS_CANCELLED, "cancelled" },
	{ VIRTIO_SST_A_STATS_ABORTED, "aborted" },
	{ VIRTIO_SST_A_STATS_MALFORMED, "malformed" },
	{ VIRTIO_SST_A_STATS_MISMATCHES, "mismatches" },
	{ VIRTIO_SST_A_STATS_UNMATCHED, "unmatched" },
	{ VIRTIO_SST_A_STATS_LATE, "late" },
	{ VIRTIO_SST_A_STATS_KICKS, "kicks" },
	{ VIRTIO_SST_A_STATS_INTERRUPTS, "interrupts" },
	{ VIRTIO_SST_A_STATS_LOST_RESPONSE_BUFFERS, "lost_response_buffers" },
	{ VIRTIO_SST_A_STATS_EVENTS, "events" },
	{ VIRTIO_SST_A_STATS_MALFORMED_EVENTS, "malformed_events" },
	{ VIRTIO_SST_A_STATS_LOST_EVENTS, "lost_events" },
	{ VIRTIO_SST_A_STATS_LOST_EVENT_BUFFERS, "lost_event_buffers" },
	{ VIRTIO_SST_A_STATS_ERRORS, "errors" },
	{ VIRTIO_SST_A_STATS_RESETS, "resets" },
};

/* The first ones are each queue's, too. */
#define QUEUE_COUNTERS	13

static_assert(ARRAY_SIZE(counters) == VIRTIO_SST_A_STATS_MAX, "a counter is missing");

/* Messages */

static unsigned long long get_uint(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(__u64) ? mnl_attr_get_u64(attr) :
								 mnl_attr_get_u32(attr);
}

static void read_stats(const struct nlattr *nest, struct report *report)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		report->stats[mnl_attr_get_type(attr)] = get_uint(attr);
		report->nr_stats++;
	}
}

static void read_device(const struct nlmsghdr *message, struct report *report)
{
	const struct nlattr *attr;

	memset(report, 0, sizeof(*report));
	mnl_attr_for_each(attr, message, GENL_HDRLEN) {
		unsigned int type = mnl_attr_get_type(attr);

		report->nr_attributes++;
		if (type == VIRTIO_SST_A_DEVICE_NAME)
			snprintf(report->name, sizeof(report->name), "%s", mnl_attr_get_str(attr));
		else if (type == VIRTIO_SST_A_DEVICE_PARENT)
			snprintf(report->parent, sizeof(report->parent), "%s",
				 mnl_attr_get_str(attr));
		else if (type == VIRTIO_SST_A_DEVICE_FEATURES)
			report->features = get_uint(attr);
		else if (type == VIRTIO_SST_A_DEVICE_STATS)
			read_stats(attr, report);
		else
			report->numbers[type] = mnl_attr_get_u32(attr);
	}
}

static void read_queue(const struct nlmsghdr *message, struct report *report)
{
	const struct nlattr *attr;

	memset(report, 0, sizeof(*report));
	mnl_attr_for_each(attr, message, GENL_HDRLEN) {
		report->nr_attributes++;
		if (mnl_attr_get_type(attr) == VIRTIO_SST_A_QUEUE_STATS)
			read_stats(attr, report);
		else
			report->numbers[mnl_attr_get_type(attr)] = mnl_attr_get_u32(attr);
	}
}

static unsigned int message_cmd(const struct nlmsghdr *message)
{
	return ((const struct genlmsghdr *)mnl_nlmsg_get_payload(message))->cmd;
}

static void read_message(const struct nlmsghdr *message, struct report *report)
{
	if (message_cmd(message) == VIRTIO_SST_CMD_QUEUE_GET)
		read_queue(message, report);
	else
		read_device(message, report);
}

/* The attribute of the last request that stands at @offset there */
static unsigned int attribute_at(const struct nl *nl, unsigned int offset)
{
	return mnl_attr_get_type((const struct nlattr *)(nl->request + offset));
}

/* Take in what the kernel says with an error. Returns the error. */
static int read_error(struct nl *nl, const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	nl->text[0] = 0;
	nl->missing = 0;
	nl->bad = 0;
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return error->error;

	mnl_attr_for_each(attr, message, sizeof(*error)) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(nl->text, sizeof(nl->text), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS)
			nl->bad = attribute_at(nl, mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MISS_TYPE)
			nl->missing = mnl_attr_get_u32(attr);
	}
	return error->error;
}

static struct nlmsghdr *begin(struct nl *nl, unsigned int cmd, unsigned int flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(nl->request);
	struct genlmsghdr *header;

	message->nlmsg_type = nl->family;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = 1;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = cmd;
	header->version = VIRTIO_SST_FAMILY_VERSION;
	return message;
}

static int send_request(struct nl *nl, const struct nlmsghdr *message)
{
	nl->interrupted = false;
	return mnl_socket_sendto(nl->socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

/*
 * Receive messages once, and add what they say to @list, if there is one. Returns 1 if
 * there is more to come, and the end's error, or 0, if not.
 */
static int receive_some(struct nl *nl, struct list *list)
{
	int n = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
	const struct nlmsghdr *message = (const struct nlmsghdr *)nl->buffer;

	if (n < 0)
		return -errno;
	for (; mnl_nlmsg_ok(message, n); message = mnl_nlmsg_next(message, &n)) {
		nl->interrupted |= !!(message->nlmsg_flags & NLM_F_DUMP_INTR);
		if (message->nlmsg_type == NLMSG_ERROR)
			return read_error(nl, message);
		if (message->nlmsg_type == NLMSG_DONE)
			return *(const int *)mnl_nlmsg_get_payload(message);
		if (list && list->nr < ARRAY_SIZE(list->reports))
			read_message(message, &list->reports[list->nr++]);
	}
	return 1;
}

/* Send a request, and receive all of the answer. Returns 0, or -errno. */
static int ask(struct nl *nl, const struct nlmsghdr *message, struct list *list)
{
	int ret = send_request(nl, message);

	if (list)
		list->nr = 0;
	while (!ret) {
		ret = receive_some(nl, list);
		if (ret <= 0)
			return ret;
		ret = 0;
	}
	return ret;
}

/* The groups of the answer of netlink's controller */
static void read_groups(struct nl *nl, const struct nlattr *nest)
{
	const struct nlattr *group, *attr;

	mnl_attr_for_each_nested(group, nest) {
		const char *name = "";
		unsigned int id = 0;

		mnl_attr_for_each_nested(attr, group) {
			if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
				name = mnl_attr_get_str(attr);
			else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
				id = mnl_attr_get_u32(attr);
		}
		if (!strcmp(name, VIRTIO_SST_MCGRP_DEVICES))
			nl->groups[DEVICES] = id;
		else if (!strcmp(name, VIRTIO_SST_MCGRP_COUNTERS))
			nl->groups[COUNTERS] = id;
	}
}

static int find_family(struct nl *nl)
{
	struct nlmsghdr *message;
	const struct nlattr *attr;
	int ret;

	nl->family = GENL_ID_CTRL;
	message = begin(nl, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, VIRTIO_SST_FAMILY_NAME);
	ret = send_request(nl, message);
	if (!ret)
		ret = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
	message = (struct nlmsghdr *)nl->buffer;
	if (ret < 0 || message->nlmsg_type == NLMSG_ERROR)
		return -ENOENT;

	mnl_attr_for_each(attr, message, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			read_groups(nl, attr);
	}
	return 0;
}

/* Returns 0, or -errno */
static int nl_open(struct nl *nl)
{
	int on = 1;

	memset(nl, 0, sizeof(*nl));
	nl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &on, sizeof(on)))
		return -errno;
	return find_family(nl);
}

/* Returns 0, or -errno */
static int nl_follow(struct nl *nl, unsigned int group)
{
	int ret = nl_open(nl);

	if (ret)
		return ret;
	return mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &nl->groups[group],
				     sizeof(nl->groups[group])) ? -errno : 0;
}

static void nl_close(struct nl *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
}

/* Wait up to @ms for a notification. Returns which one, 0 if none comes, or -errno. */
static int notified(struct nl *nl, unsigned int ms, struct report *report)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)nl->buffer;
	int fd = mnl_socket_get_fd(nl->socket);

	if (!sst_poll(fd, POLLIN, ms))
		return 0;
	if (mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer)) < 0)
		return -errno;
	read_device(message, report);
	return message_cmd(message);
}

/* Requests. They return 0, or -errno. */

static unsigned int sst_index(void)
{
	return atoi(sst_name() + strlen("sst"));
}

static int get_device(struct nl *nl, struct report *report)
{
	struct nlmsghdr *message = begin(nl, VIRTIO_SST_CMD_DEVICE_GET, NLM_F_ACK);
	struct list list = {};
	int ret;

	mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_INDEX, sst_index());
	ret = ask(nl, message, &list);
	if (!ret && list.nr != 1)
		return -EPROTO;
	*report = list.reports[0];
	return ret;
}

static int dump_devices(struct nl *nl, struct list *list)
{
	return ask(nl, begin(nl, VIRTIO_SST_CMD_DEVICE_GET, NLM_F_DUMP), list);
}

static int dump_queues(struct nl *nl, int device, struct list *list)
{
	struct nlmsghdr *message = begin(nl, VIRTIO_SST_CMD_QUEUE_GET, NLM_F_DUMP);

	if (device >= 0)
		mnl_attr_put_u32(message, VIRTIO_SST_A_QUEUE_DEVICE_INDEX, device);
	return ask(nl, message, list);
}

/* Settings less than 0 are left alone. */
static int set_device(struct nl *nl, long long timeout_ms, long long busy_poll_us)
{
	struct nlmsghdr *message = begin(nl, VIRTIO_SST_CMD_DEVICE_SET, NLM_F_ACK);

	mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_INDEX, sst_index());
	if (timeout_ms >= 0)
		mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS, timeout_ms);
	if (busy_poll_us >= 0)
		mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_BUSY_POLL_US, busy_poll_us);
	return ask(nl, message, NULL);
}

static int reset_device(struct nl *nl)
{
	struct nlmsghdr *message = begin(nl, VIRTIO_SST_CMD_DEVICE_RESET, NLM_F_ACK);

	mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_INDEX, sst_index());
	return ask(nl, message, NULL);
}

/* A command for the device @index, with the attribute @type of @size bytes besides */
static int odd_request(struct nl *nl, unsigned int cmd, unsigned int index,
		       unsigned int type, size_t size)
{
	struct nlmsghdr *message = begin(nl, cmd, NLM_F_ACK);
	static const char zeros[16];

	mnl_attr_put_u32(message, VIRTIO_SST_A_DEVICE_INDEX, index);
	if (size)
		mnl_attr_put(message, type, size, zeros);
	return ask(nl, message, NULL);
}

static long long attr_number(const char *name)
{
	char text[64];

	return sst_attr_get(name, text, sizeof(text)) < 0 ? -1 : strtoll(text, NULL, 0);
}

/* What netlink and the file "stats" tell of the same moment: events may come all the time. */
static int get_both(struct nl *nl, struct report *report, char *text, size_t size)
{
	char before[4096];
	int ret;

	do {
		if (sst_attr_get("stats", before, sizeof(before)) < 0)
			return -EIO;
		ret = get_device(nl, report);
		if (sst_attr_get("stats", text, size) < 0)
			return -EIO;
	} while (!ret && strcmp(before, text));
	return ret;
}

/* Whether counters are those of the file "stats" */
static bool stats_are_those_of_sysfs(const struct report *report, const char *text)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if ((long long)report->stats[counters[i].attribute] !=
		    sst_stat_in(text, counters[i].name))
			return false;
	return true;
}

/* One request of each kind of end, so that the counters differ */
static int make_faults(int fd)
{
	static const unsigned int types[] = {
		SST_REQUEST_ECHO, TYPE_WRONG_ID, TYPE_SHORT, TYPE_LONG, TYPE_LONG,
		TYPE_QUEUE_WRONG_ID,
	};
	struct sst_response resp;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(types) && !ret; i++)
		ret = sst_send(fd, types[i], i);
	for (i = 0; i < 5 && !ret; i++)
		ret = sst_receive(fd, &resp);
	if (!ret)
		ret = file_cancel(fd, 5, 0) == 1 ? 0 : -EPROTO;
	return ret ?: sst_receive(fd, &resp);
}

/* @n requests that time out */
static int time_out(int fd, unsigned int n)
{
	struct sst_response resp;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++)
		ret = sst_send(fd, TYPE_NEVER, i);
	for (i = 0; i < n && !ret; i++)
		ret = sst_receive(fd, &resp);
	return ret;
}

FIXTURE(device)
{
	struct nl nl;
	struct nl follower;
	struct sst_info info;
	struct report report;
	struct list list;
	char name[NAME_MAX];
	int fd;
};

FIXTURE_SETUP(device)
{
	struct nl witness = {};

	ASSERT_EQ(0, nl_open(&self->nl));
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	/* Followers hear of it a little after the counter. The test's shall not. */
	ASSERT_EQ(0, nl_follow(&witness, DEVICES));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF, notified(&witness, 5000, &self->report));
	nl_close(&witness);
}

FIXTURE_TEARDOWN(device)
{
	if (access(sst_device(), F_OK)) {
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
		EXPECT_EQ(0, wait_for_device());
	}
	EXPECT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, sst_attr_set("busy_poll_us", "0"));
	close(self->fd);
	nl_close(&self->nl);
	nl_close(&self->follower);
}

/* What is told */

TEST_F(device, is_told_as_elsewhere)
{
	unsigned int *numbers = self->report.numbers;

	ASSERT_EQ(0, sst_set_timeout(4321));
	ASSERT_EQ(0, sst_attr_set("busy_poll_us", "7"));
	ASSERT_EQ(0, get_device(&self->nl, &self->report));
	EXPECT_EQ(VIRTIO_SST_A_DEVICE_MAX, self->report.nr_attributes);
	EXPECT_EQ(sst_index(), numbers[VIRTIO_SST_A_DEVICE_INDEX]);
	EXPECT_STREQ(sst_name(), self->report.name);
	EXPECT_STREQ(self->name, self->report.parent);
	EXPECT_EQ(attr_number("device_id"), numbers[VIRTIO_SST_A_DEVICE_DEVICE_ID]);
	EXPECT_EQ(attr_number("version"), numbers[VIRTIO_SST_A_DEVICE_VERSION]);
	EXPECT_EQ(attr_number("features"), self->report.features);
	EXPECT_EQ(VIRTIO_SST_STATE_RUNNING, numbers[VIRTIO_SST_A_DEVICE_STATE]);
	EXPECT_EQ(self->info.queue_pairs, numbers[VIRTIO_SST_A_DEVICE_QUEUE_PAIRS]);
	EXPECT_EQ(self->info.queue_size, numbers[VIRTIO_SST_A_DEVICE_QUEUE_SIZE]);
	EXPECT_EQ(4321, numbers[VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS]);
	EXPECT_EQ(7, numbers[VIRTIO_SST_A_DEVICE_BUSY_POLL_US]);
}

TEST_F(device, has_the_counters_of_sysfs)
{
	unsigned int *numbers = self->report.numbers;
	char text[4096];

	ASSERT_EQ(0, make_faults(self->fd));
	/* One in flight, one that has ended at the device only as far as its owner knows */
	ASSERT_EQ(0, file_set_timeout(self->fd, 60000));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 2));
	ASSERT_EQ(1, file_cancel(self->fd, 2, 0));
	ASSERT_EQ(0, get_both(&self->nl, &self->report, text, sizeof(text)));
	EXPECT_EQ(VIRTIO_SST_A_STATS_MAX, self->report.nr_stats);
	EXPECT_TRUE(stats_are_those_of_sysfs(&self->report, text)) {
		TH_LOG("sysfs has\n%s", text);
	}
	EXPECT_LE(2, self->report.stats[VIRTIO_SST_A_STATS_MALFORMED]);
	EXPECT_EQ(1, numbers[VIRTIO_SST_A_DEVICE_IN_FLIGHT]);
	EXPECT_EQ(1, numbers[VIRTIO_SST_A_DEVICE_ZOMBIES]);
	EXPECT_EQ(sst_stat_in(text, "slots"), numbers[VIRTIO_SST_A_DEVICE_SLOTS]);
}

static const struct report *find_report(const struct list *list, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		if (list->reports[i].numbers[VIRTIO_SST_A_DEVICE_INDEX] == index)
			return &list->reports[i];
	return NULL;
}

TEST_F(device, is_among_all)
{
	const struct report *found;
	struct report report;

	ASSERT_EQ(0, get_device(&self->nl, &self->report));
	ASSERT_EQ(0, dump_devices(&self->nl, &self->list));
	found = find_report(&self->list, sst_index());
	ASSERT_NE(NULL, found);
	report = *found;
	/* Some may have come meanwhile. */
	EXPECT_LE(self->report.stats[VIRTIO_SST_A_STATS_EVENTS],
		  report.stats[VIRTIO_SST_A_STATS_EVENTS]);
	report.stats[VIRTIO_SST_A_STATS_EVENTS] = self->report.stats[VIRTIO_SST_A_STATS_EVENTS];
	EXPECT_EQ(0, memcmp(&report, &self->report, sizeof(report)));
	EXPECT_FALSE(self->nl.interrupted);
}

/* The sum of a counter over all queues of @list */
static unsigned long long sum_of(const struct list *list, unsigned int attribute)
{
	unsigned long long sum = 0;
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		sum += list->reports[i].stats[attribute];
	return sum;
}

TEST_F(device, has_queues_that_add_up_to_it)
{
	unsigned int in_flight = 0, i;

	ASSERT_EQ(0, make_faults(self->fd));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(0, get_device(&self->nl, &self->report));
	ASSERT_EQ(0, dump_queues(&self->nl, sst_index(), &self->list));
	ASSERT_EQ(self->info.queue_pairs, self->list.nr);
	for (i = 0; i < self->list.nr; i++) {
		unsigned int *numbers = self->list.reports[i].numbers;

		EXPECT_EQ(VIRTIO_SST_A_QUEUE_MAX, self->list.reports[i].nr_attributes);
		EXPECT_EQ(QUEUE_COUNTERS, self->list.reports[i].nr_stats);
		EXPECT_EQ(sst_index(), numbers[VIRTIO_SST_A_QUEUE_DEVICE_INDEX]);
		EXPECT_EQ(i, numbers[VIRTIO_SST_A_QUEUE_INDEX]);
		EXPECT_EQ(self->info.queue_size, numbers[VIRTIO_SST_A_QUEUE_QUEUE_SIZE]);
		in_flight += numbers[VIRTIO_SST_A_QUEUE_IN_FLIGHT];
	}
	EXPECT_EQ(1, in_flight);
	for (i = 0; i < QUEUE_COUNTERS; i++)
		EXPECT_EQ(self->report.stats[counters[i].attribute],
			  sum_of(&self->list, counters[i].attribute)) {
			TH_LOG("%s", counters[i].name);
		}
}

/* What is changed */

TEST_F(device, takes_settings)
{
	ASSERT_EQ(0, set_device(&self->nl, 1234, -1));
	EXPECT_EQ(1234, attr_number("request_timeout_ms"));
	EXPECT_EQ(0, attr_number("busy_poll_us"));
	ASSERT_EQ(0, set_device(&self->nl, -1, 12));
	EXPECT_EQ(1234, attr_number("request_timeout_ms"));
	EXPECT_EQ(12, attr_number("busy_poll_us"));
	ASSERT_EQ(0, set_device(&self->nl, 50, 3));
	EXPECT_EQ(50, attr_number("request_timeout_ms"));
	EXPECT_EQ(3, attr_number("busy_poll_us"));

	/* They are not only shown. */
	ASSERT_EQ(0, set_device(&self->nl, 20, 0));
	EXPECT_EQ(0, time_out(self->fd, 1));
}

TEST_F(device, has_the_same_bounds_in_sysfs)
{
	static const long long timeouts[] = { 0, 1, 86400000, 86400001, 0xffffffff };
	static const long long polls[] = { 0, 1, 10000, 10001, 0xffffffff };
	unsigned int i;
	char text[16];

	for (i = 0; i < ARRAY_SIZE(timeouts); i++) {
		snprintf(text, sizeof(text), "%lld", timeouts[i]);
		EXPECT_EQ(!sst_attr_set("request_timeout_ms", text),
			  !set_device(&self->nl, timeouts[i], -1));
		EXPECT_EQ(i == 1 || i == 2, !set_device(&self->nl, timeouts[i], -1));
	}
	for (i = 0; i < ARRAY_SIZE(polls); i++) {
		snprintf(text, sizeof(text), "%lld", polls[i]);
		EXPECT_EQ(!sst_attr_set("busy_poll_us", text),
			  !set_device(&self->nl, -1, polls[i]));
		EXPECT_EQ(i < 3, !set_device(&self->nl, -1, polls[i]));
	}
}

TEST_F(device, is_reset)
{
	long long resets = sst_stat("resets");
	struct sst_response resp;

	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(0, reset_device(&self->nl));
	/* What is sent afterwards waits for its end. */
	ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_ECHO, 2));
	ASSERT_EQ(0, sst_receive(self->fd, &resp));
	EXPECT_EQ(htole64(1), resp.user_data);
	EXPECT_EQ(htole32(SST_RESPONSE_ERROR), resp.status);
	ASSERT_EQ(0, sst_receive(self->fd, &resp));
	EXPECT_EQ(htole64(2), resp.user_data);
	EXPECT_EQ(htole32(SST_RESPONSE_OK), resp.status);
	EXPECT_EQ(resets + 1, sst_stat("resets"));
}

/* What is refused */

TEST_F(device, out_of_range)
{
	ASSERT_EQ(0, set_device(&self->nl, 77, 7));
	EXPECT_EQ(-ERANGE, set_device(&self->nl, 0, -1));
	EXPECT_STREQ("integer out of range", self->nl.text);
	EXPECT_EQ(VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS, self->nl.bad);
	EXPECT_EQ(-ERANGE, set_device(&self->nl, -1, 10001));
	EXPECT_STREQ("integer out of range", self->nl.text);
	EXPECT_EQ(VIRTIO_SST_A_DEVICE_BUSY_POLL_US, self->nl.bad);

	/* With one of them wrong, neither is taken. */
	EXPECT_EQ(-ERANGE, set_device(&self->nl, 78, 10001));
	EXPECT_EQ(-ERANGE, set_device(&self->nl, 86400001, 8));
	EXPECT_EQ(77, attr_number("request_timeout_ms"));
	EXPECT_EQ(7, attr_number("busy_poll_us"));
}

static const unsigned int commands[] = {
	VIRTIO_SST_CMD_DEVICE_GET, VIRTIO_SST_CMD_DEVICE_SET, VIRTIO_SST_CMD_DEVICE_RESET,
};

TEST_F(device, missing_attributes)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(-EINVAL, ask(&self->nl, begin(&self->nl, commands[i], NLM_F_ACK), NULL));
		EXPECT_STREQ("the index of the device is missing", self->nl.text);
		EXPECT_EQ(VIRTIO_SST_A_DEVICE_INDEX, self->nl.missing);
	}
	EXPECT_EQ(-EINVAL, set_device(&self->nl, -1, -1));
	EXPECT_STREQ("no setting is given", self->nl.text);
}

/* Linux 6.1 has no place for what is wrong with the start of a dump. */
static bool explains_dumps(void)
{
	struct utsname name;

	return !uname(&name) && strncmp(name.release, "6.1.", strlen("6.1."));
}

TEST_F(device, unknown_device)
{
	static const unsigned int indexes[] = { 1 << 20, 0x7fffffff, 0xffffffff };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		for (j = 0; j < ARRAY_SIZE(indexes); j++) {
			EXPECT_EQ(-ENODEV, odd_request(&self->nl, commands[i], indexes[j], 0, 0));
			EXPECT_STREQ("no such device", self->nl.text);
			EXPECT_EQ(VIRTIO_SST_A_DEVICE_INDEX, self->nl.bad);
		}
	}
	EXPECT_EQ(-ENODEV, dump_queues(&self->nl, 1 << 20, &self->list));
	if (!explains_dumps())
		return;
	EXPECT_STREQ("no such device", self->nl.text);
	EXPECT_EQ(VIRTIO_SST_A_QUEUE_DEVICE_INDEX, self->nl.bad);
}

TEST_F(device, odd_attributes)
{
	struct nlmsghdr *message;

	/* Of a wrong size */
	EXPECT_EQ(-EINVAL, odd_request(&self->nl, VIRTIO_SST_CMD_DEVICE_SET, sst_index(),
				       VIRTIO_SST_A_DEVICE_BUSY_POLL_US, 2));
	EXPECT_EQ(VIRTIO_SST_A_DEVICE_BUSY_POLL_US, self->nl.bad);
	EXPECT_NE(0, self->nl.text[0]);
	/* Known, but not to be set; unknown */
	EXPECT_EQ(-EINVAL, odd_request(&self->nl, VIRTIO_SST_CMD_DEVICE_SET, sst_index(),
				       VIRTIO_SST_A_DEVICE_QUEUE_SIZE, 4));
	EXPECT_NE(0, self->nl.text[0]);
	EXPECT_EQ(-EINVAL, odd_request(&self->nl, VIRTIO_SST_CMD_DEVICE_RESET, sst_index(),
				       VIRTIO_SST_A_DEVICE_MAX + 1, 4));
	EXPECT_NE(0, self->nl.text[0]);
	/* Commands that are none, or only notifications */
	message = begin(&self->nl, VIRTIO_SST_CMD_MAX + 1, NLM_F_ACK);
	EXPECT_EQ(-EOPNOTSUPP, ask(&self->nl, message, NULL));
	message = begin(&self->nl, VIRTIO_SST_CMD_COUNTERS_NTF, NLM_F_ACK);
	EXPECT_EQ(-EOPNOTSUPP, ask(&self->nl, message, NULL));
	/* A list where there is none, and one that is only a list */
	message = begin(&self->nl, VIRTIO_SST_CMD_DEVICE_RESET, NLM_F_DUMP);
	EXPECT_EQ(-EOPNOTSUPP, ask(&self->nl, message, NULL));
	message = begin(&self->nl, VIRTIO_SST_CMD_QUEUE_GET, NLM_F_ACK);
	EXPECT_EQ(-EOPNOTSUPP, ask(&self->nl, message, NULL));
}

/* Who may do what */

#define REFUSAL	"needs CAP_SYS_ADMIN in the initial user namespace"

static int refused(struct nl *nl, int ret)
{
	return ret == -EPERM && !strcmp(nl->text, REFUSAL) ? 0 : ret ?: -EPROTO;
}

/* Anybody may read and follow; whoever is not allowed to change a device is told so. */
static int only_read(struct nl *nl)
{
	struct nl follower;
	struct list list;
	struct report report;
	int ret;

	ret = get_device(nl, &report) ?: dump_devices(nl, &list) ?:
	      dump_queues(nl, -1, &list) ?: nl_follow(&follower, DEVICES) ?:
	      nl_follow(&follower, COUNTERS);
	if (ret)
		return ret;
	return refused(nl, set_device(nl, 77, -1)) ?: refused(nl, reset_device(nl));
}

static int only_read_with_new_socket(void)
{
	struct nl nl;

	return nl_open(&nl) ?: only_read(&nl);
}

static int drop_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << capability);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int become_nobody(void)
{
	return setgid(NOBODY) || setuid(NOBODY) ? -errno : 0;
}

/* Become the root of a user namespace, and of a network namespace there. */
static int become_other_root(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	return write_file("/proc/self/uid_map", "0 0 1") ?: getuid() ? -EPROTO : 0;
}

TEST_F(device, nobody_only_reads)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, child);
	if (child_start(child))
		child_exit(child, become_nobody() ?: only_read_with_new_socket());
	EXPECT_EQ(0, child_end(child));
	EXPECT_EQ(5000, attr_number("request_timeout_ms"));
}

TEST_F(device, only_with_the_capability_it_is_changed)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, child);
	if (child_start(child))
		child_exit(child, drop_capability(CAP_SYS_ADMIN) ?: only_read_with_new_socket());
	EXPECT_EQ(0, child_end(child));
	/* Nor with a socket of root's */
	if (child_start(child))
		child_exit(child, drop_capability(CAP_SYS_ADMIN) ?: only_read(&self->nl));
	EXPECT_EQ(0, child_end(child));
	EXPECT_EQ(5000, attr_number("request_timeout_ms"));
	/* The network's administrator is another one. */
	if (child_start(child))
		child_exit(child, drop_capability(CAP_NET_ADMIN) ?: set_device(&self->nl, 78, -1));
	EXPECT_EQ(0, child_end(child));
	EXPECT_EQ(78, attr_number("request_timeout_ms"));
}

TEST_F(device, root_of_a_user_namespace_only_reads)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, child);
	if (child_start(child))
		child_exit(child, become_other_root() ?: only_read_with_new_socket());
	EXPECT_EQ(0, child_end(child));
	EXPECT_EQ(5000, attr_number("request_timeout_ms"));
}

/* In another network namespace, the machine's root sees and does the same. */
static int set_from_elsewhere(void)
{
	struct nl nl, follower;
	struct report report;

	if (unshare(CLONE_NEWNET))
		return -errno;
	if (nl_open(&nl) || nl_follow(&follower, DEVICES) || set_device(&nl, 79, -1))
		return -EPROTO;
	if (notified(&follower, 5000, &report) != VIRTIO_SST_CMD_DEVICE_CHANGE_NTF)
		return -ENOMSG;
	return report.numbers[VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS] == 79 ? 0 : -EBADMSG;
}

TEST_F(device, is_in_all_network_namespaces)
{
	struct child *child = mmap(NULL, sizeof(*child), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, child);
	ASSERT_EQ(0, nl_follow(&self->follower, DEVICES));
	if (child_start(child))
		child_exit(child, set_from_elsewhere());
	EXPECT_EQ(0, child_end(child));
	EXPECT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
		  notified(&self->follower, 5000, &self->report));
}

/* What those are told who follow */

TEST_F(device, followers_hear_of_settings)
{
	unsigned int *numbers = self->report.numbers;

	ASSERT_EQ(0, nl_follow(&self->follower, DEVICES));
	/* One message for both */
	ASSERT_EQ(0, set_device(&self->nl, 50, 3));
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
		  notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(VIRTIO_SST_A_DEVICE_MAX, self->report.nr_attributes);
	EXPECT_EQ(sst_index(), numbers[VIRTIO_SST_A_DEVICE_INDEX]);
	EXPECT_EQ(50, numbers[VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS]);
	EXPECT_EQ(3, numbers[VIRTIO_SST_A_DEVICE_BUSY_POLL_US]);
	EXPECT_EQ(0, notified(&self->follower, 100, &self->report));

	/* Those made in sysfs, too */
	ASSERT_EQ(0, sst_set_timeout(60));
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
		  notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(60, numbers[VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS]);

	/* Not of what was refused */
	ASSERT_EQ(-ERANGE, set_device(&self->nl, 0, 3));
	EXPECT_EQ(-EINVAL, sst_set_timeout(0));
	EXPECT_EQ(0, notified(&self->follower, 100, &self->report));
}

TEST_F(device, followers_hear_of_a_reset_when_it_is_over)
{
	long long resets = sst_stat("resets");

	ASSERT_EQ(0, nl_follow(&self->follower, DEVICES));
	ASSERT_EQ(0, reset_device(&self->nl));
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
		  notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(resets + 1, self->report.stats[VIRTIO_SST_A_STATS_RESETS]);
	EXPECT_EQ(VIRTIO_SST_STATE_RUNNING, self->report.numbers[VIRTIO_SST_A_DEVICE_STATE]);
	EXPECT_EQ(0, notified(&self->follower, 100, &self->report));
}

/* How many requests have ended, in whatever way */
static unsigned long long nr_ended(const struct report *report)
{
	return report->stats[VIRTIO_SST_A_STATS_RESPONSES] +
	       report->stats[VIRTIO_SST_A_STATS_TIMEOUTS] +
	       report->stats[VIRTIO_SST_A_STATS_MALFORMED] +
	       report->stats[VIRTIO_SST_A_STATS_ABANDONED] +
	       report->stats[VIRTIO_SST_A_STATS_CANCELLED] +
	       report->stats[VIRTIO_SST_A_STATS_ABORTED];
}

TEST_F(device, followers_hear_of_its_end_and_its_return)
{
	unsigned int *numbers = self->report.numbers;
	long long requests;

	ASSERT_EQ(0, make_faults(self->fd));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 2));
	requests = sst_stat("requests");
	ASSERT_EQ(0, nl_follow(&self->follower, DEVICES));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_DEL_NTF, notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(sst_index(), numbers[VIRTIO_SST_A_DEVICE_INDEX]);
	EXPECT_STREQ(self->name, self->report.parent);
	EXPECT_EQ(VIRTIO_SST_STATE_GONE, numbers[VIRTIO_SST_A_DEVICE_STATE]);
	EXPECT_EQ(requests, self->report.stats[VIRTIO_SST_A_STATS_REQUESTS]);
	EXPECT_EQ(requests, nr_ended(&self->report));
	EXPECT_LE(2, self->report.stats[VIRTIO_SST_A_STATS_ABORTED]);
	EXPECT_EQ(-ENODEV, get_device(&self->nl, &self->report));
	EXPECT_EQ(-ENODEV, set_device(&self->nl, 50, -1));
	EXPECT_EQ(-ENODEV, dump_queues(&self->nl, sst_index(), &self->list));
	ASSERT_EQ(0, dump_devices(&self->nl, &self->list));
	EXPECT_EQ(NULL, find_report(&self->list, sst_index()));

	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_ADD_NTF, notified(&self->follower, 5000, &self->report));
	/* It can be used at once. */
	EXPECT_EQ(0, access(sst_device(), F_OK));
	EXPECT_EQ(sst_index(), numbers[VIRTIO_SST_A_DEVICE_INDEX]);
	EXPECT_EQ(VIRTIO_SST_STATE_RUNNING, numbers[VIRTIO_SST_A_DEVICE_STATE]);
	EXPECT_EQ(0, self->report.stats[VIRTIO_SST_A_STATS_REQUESTS]);
	EXPECT_EQ(0, notified(&self->follower, 100, &self->report));
}

/* Whether the follower of the counters hears of no more faults, at the latest after 10 s */
static bool counters_are_quiet(struct nl *follower)
{
	unsigned long long until = now_ms() + 10000;
	struct report report;

	/* Those before it followed may still be told, as may what the last test has left. */
	while (now_ms() < until) {
		if (!notified(follower, 1500, &report))
			return true;
	}
	return false;
}

TEST_F(device, followers_hear_of_faults)
{
	static const struct {
		unsigned int type;
		unsigned int counter;
	} faults[] = {
		{ TYPE_WRONG_ID, VIRTIO_SST_A_STATS_MISMATCHES },
		{ TYPE_LONG, VIRTIO_SST_A_STATS_MALFORMED },
		{ TYPE_QUEUE_WRONG_ID, VIRTIO_SST_A_STATS_UNMATCHED },
		{ TYPE_QUEUE_REPEAT, VIRTIO_SST_A_STATS_LATE },
		/* A device may do nothing else after this. */
		{ TYPE_NEVER, VIRTIO_SST_A_STATS_TIMEOUTS },
	};
	unsigned long long before;
	unsigned int i;

	ASSERT_EQ(0, nl_follow(&self->follower, COUNTERS));
	ASSERT_TRUE(counters_are_quiet(&self->follower));
	ASSERT_EQ(0, file_set_timeout(self->fd, FAULTY_MS));
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		ASSERT_EQ(0, get_device(&self->nl, &self->report));
		before = self->report.stats[faults[i].counter];
		ASSERT_EQ(0, sst_send(self->fd, faults[i].type, i));
		ASSERT_EQ(VIRTIO_SST_CMD_COUNTERS_NTF,
			  notified(&self->follower, 5000, &self->report)) {
			TH_LOG("type %u", faults[i].type);
		}
		EXPECT_EQ(before + 1, self->report.stats[faults[i].counter]) {
			TH_LOG("type %u", faults[i].type);
		}
	}
	ASSERT_EQ(0, reset_device(&self->nl));
	ASSERT_EQ(VIRTIO_SST_CMD_COUNTERS_NTF, notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(VIRTIO_SST_A_DEVICE_MAX, self->report.nr_attributes);
	EXPECT_EQ(sst_index(), self->report.numbers[VIRTIO_SST_A_DEVICE_INDEX]);
}

TEST_F(device, followers_hear_of_faults_once_a_second)
{
	unsigned int n = 0, messages = 0;
	unsigned long long start, end;
	struct sst_response resp;

	ASSERT_EQ(0, nl_follow(&self->follower, COUNTERS));
	ASSERT_TRUE(counters_are_quiet(&self->follower));
	ASSERT_EQ(0, get_device(&self->nl, &self->report));
	start = self->report.stats[VIRTIO_SST_A_STATS_MISMATCHES];
	end = now_ms() + 2500;
	while (now_ms() < end) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_WRONG_ID, n++));
		ASSERT_EQ(0, sst_receive(self->fd, &resp));
	}
	while (notified(&self->follower, 1500, &self->report) == VIRTIO_SST_CMD_COUNTERS_NTF)
		messages++;
	TH_LOG("%u messages about %u faults", messages, n);
	EXPECT_LE(2, messages);
	EXPECT_GE(3, messages);
	/* The last one has all of them. */
	EXPECT_EQ(start + n, self->report.stats[VIRTIO_SST_A_STATS_MISMATCHES]);
}

TEST_F(device, followers_are_left_alone_if_all_is_well)
{
	struct sst_response resp;
	unsigned int i;

	ASSERT_EQ(0, nl_follow(&self->follower, COUNTERS));
	ASSERT_TRUE(counters_are_quiet(&self->follower));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_ECHO, i));
		ASSERT_EQ(0, sst_receive(self->fd, &resp));
	}
	/* Neither what owners do to their requests */
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, i));
	ASSERT_EQ(1, file_cancel(self->fd, i, 0));
	EXPECT_EQ(0, notified(&self->follower, 1500, &self->report));
}

/* Use all commands until the end, while the device comes and goes. */
static int use_until(const bool *stop)
{
	static const int accepted[] = { 0, -ENODEV };
	struct report report;
	struct list list;
	unsigned int i;
	struct nl nl;

	if (nl_open(&nl))
		return -EPROTO;
	while (!__atomic_load_n(stop, __ATOMIC_SEQ_CST)) {
		int results[] = {
			dump_devices(&nl, &list), dump_queues(&nl, -1, &list),
			get_device(&nl, &report), set_device(&nl, 1000, 0), reset_device(&nl),
		};

		for (i = 0; i < ARRAY_SIZE(results); i++)
			if (results[i] != accepted[0] && results[i] != accepted[1])
				return results[i];
		if (report.nr_stats > VIRTIO_SST_A_STATS_MAX)
			return -EBADMSG;
	}
	return 0;
}

TEST_F_TIMEOUT(device, comes_and_goes_while_it_is_asked_for, 300)
{
	struct { struct child children[3]; bool stop; } *shared;
	unsigned int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	for (i = 0; i < ARRAY_SIZE(shared->children); i++)
		if (child_start(&shared->children[i]))
			child_exit(&shared->children[i], use_until(&shared->stop));
	for (i = 0; i < 20; i++) {
		sleep_ms(i);
		ASSERT_EQ(0, sst_driver_do("unbind", self->name));
		ASSERT_EQ(0, sst_driver_do("bind", self->name));
	}
	__atomic_store_n(&shared->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < ARRAY_SIZE(shared->children); i++)
		EXPECT_EQ(0, child_end(&shared->children[i]));
	EXPECT_EQ(0, wait_for_device());
}

/* Suspension */

FIXTURE(suspended)
{
	struct nl follower;
	struct report report;
	int fd;
};

FIXTURE_SETUP(suspended)
{
	if (sst_suspend_missing())
		SKIP(return, "%s", sst_suspend_missing());
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, nl_follow(&self->follower, DEVICES));
}

FIXTURE_TEARDOWN(suspended)
{
	close(self->fd);
	nl_close(&self->follower);
}

TEST_F(suspended, followers_hear_of_both_ends)
{
	unsigned int *numbers = self->report.numbers;
	unsigned long long resets = sst_stat("resets");
	long long aborted = sst_stat("aborted");

	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(0, sst_suspend());
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
		  notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(VIRTIO_SST_STATE_STOPPED, numbers[VIRTIO_SST_A_DEVICE_STATE]);
	EXPECT_EQ(aborted + 1, self->report.stats[VIRTIO_SST_A_STATS_ABORTED]);
	EXPECT_EQ(0, numbers[VIRTIO_SST_A_DEVICE_IN_FLIGHT]);
	ASSERT_EQ(VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
		  notified(&self->follower, 5000, &self->report));
	EXPECT_EQ(VIRTIO_SST_STATE_RUNNING, numbers[VIRTIO_SST_A_DEVICE_STATE]);
	EXPECT_EQ(resets + 1, self->report.stats[VIRTIO_SST_A_STATS_RESETS]);
	EXPECT_EQ(0, notified(&self->follower, 100, &self->report));
}

/* Dumps that take several messages */

#define MANY	40

FIXTURE(many)
{
	struct nl nl;
	struct list list;
	struct list more;
	char name[NAME_MAX];
};

FIXTURE_SETUP(many)
{
	ASSERT_EQ(0, nl_open(&self->nl));
	ASSERT_EQ(0, dump_devices(&self->nl, &self->list));
	if (self->list.nr < MANY)
		SKIP(return, "needs %u devices", MANY);
}

FIXTURE_TEARDOWN(many)
{
	nl_close(&self->nl);
	if (self->name[0])
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
}

/* Whether indexes rise, so that none is there twice */
static bool sorted(const struct list *list, unsigned int attribute)
{
	unsigned int i;

	for (i = 1; i < list->nr; i++)
		if (list->reports[i].numbers[attribute] <= list->reports[i - 1].numbers[attribute])
			return false;
	return true;
}

TEST_F(many, devices_are_told_in_order)
{
	unsigned int i;

	EXPECT_FALSE(self->nl.interrupted);
	EXPECT_TRUE(sorted(&self->list, VIRTIO_SST_A_DEVICE_INDEX));
	for (i = 0; i < self->list.nr; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "/dev/%s", self->list.reports[i].name);
		EXPECT_EQ(0, access(path, F_OK));
		EXPECT_EQ(VIRTIO_SST_A_DEVICE_MAX, self->list.reports[i].nr_attributes);
	}
}

TEST_F(many, queues_are_told_in_order)
{
	unsigned int i;

	ASSERT_EQ(0, dump_queues(&self->nl, -1, &self->more));
	ASSERT_EQ(self->list.nr, self->more.nr);
	EXPECT_TRUE(sorted(&self->more, VIRTIO_SST_A_QUEUE_DEVICE_INDEX));
	/* Of one device, no other's */
	for (i = 0; i < self->list.nr; i++) {
		ASSERT_EQ(0, dump_queues(&self->nl, i, &self->more));
		ASSERT_EQ(1, self->more.nr);
		EXPECT_EQ(i, self->more.reports[0].numbers[VIRTIO_SST_A_QUEUE_DEVICE_INDEX]);
	}
}

/* A device goes in the midst of a dump: the dump says so, and has all others once. */
TEST_F(many, a_change_is_told)
{
	const char *gone = self->list.reports[self->list.nr - 1].parent;
	unsigned int messages = 1;
	int ret;

	ASSERT_EQ(0, send_request(&self->nl, begin(&self->nl, VIRTIO_SST_CMD_DEVICE_GET,
						   NLM_F_DUMP)));
	ASSERT_EQ(1, receive_some(&self->nl, &self->more));
	ASSERT_GT(self->list.nr - 1, self->more.nr);
	snprintf(self->name, sizeof(self->name), "%s", gone);
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	while ((ret = receive_some(&self->nl, &self->more)) == 1)
		messages++;
	EXPECT_EQ(0, ret);
	EXPECT_LT(2, messages);
	EXPECT_TRUE(self->nl.interrupted);
	EXPECT_TRUE(sorted(&self->more, VIRTIO_SST_A_DEVICE_INDEX));
	EXPECT_EQ(self->list.nr - 1, self->more.nr);
	/* The next one is undisturbed. */
	ASSERT_EQ(0, dump_devices(&self->nl, &self->more));
	EXPECT_FALSE(self->nl.interrupted);
	EXPECT_EQ(self->list.nr - 1, self->more.nr);
}

TEST_HARNESS_MAIN
