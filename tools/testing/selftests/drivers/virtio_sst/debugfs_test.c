// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the list of requests in debugfs.
 */
#include <sys/stat.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIST_SIZE	(1024 * 1024)
#define SHORT_MS	100
#define TICK_MS		10	/* of the clock that ages are measured with */
#define NOBODY		65534
#define CYCLES		10

/* A line of the list */
struct line {
	char id[32];
	char state[16];
	char user_data[32];
	char pid[16];
	char comm[80];
	unsigned int queue;
	unsigned int type;
	unsigned long long age_ms;
	unsigned long long file;
};

FIXTURE(list)
{
	int fd;
	char path[PATH_MAX];
	char name[NAME_MAX];
	char *text;
	struct child *child;
	struct line line;
	struct sst_info info;
	struct sst_response resp;
};

FIXTURE_SETUP(list)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
	snprintf(self->path, sizeof(self->path), "/sys/kernel/debug/virtio-sst/%s/requests",
		 sst_name());
	self->text = malloc(LIST_SIZE);
	ASSERT_NE(NULL, self->text);
	self->child = mmap(NULL, sizeof(*self->child), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->child);
	ASSERT_EQ(0, sst_set_timeout(5000));
	ASSERT_EQ(0, sst_set_reset_after(0));
	ASSERT_EQ(0, sst_reset());
}

/* What a test leaves at the device is not the next one's. */
FIXTURE_TEARDOWN(list)
{
	close(self->fd);
	if (access(sst_device(), F_OK))
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
	EXPECT_EQ(0, wait_for_device());
	EXPECT_EQ(0, sst_set_timeout(5000));
	EXPECT_EQ(0, sst_reset());
	free(self->text);
}

/* Read a file to its end, so many bytes at a time. Returns 0, or -errno */
static int read_all(const char *path, char *text, size_t step)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (length + step < LIST_SIZE && (n = read(fd, text + length, step)) > 0)
		length += n;
	if (n < 0)
		n = -errno;
	close(fd);
	text[length] = 0;
	return n;
}

/* Find the request with @user_data in a list. Returns in how many lines it is. */
static int find_in(const char *text, unsigned long long user_data, struct line *line)
{
	struct line l;
	char wanted[32];
	int n = 0;

	snprintf(wanted, sizeof(wanted), "0x%llx", user_data);
	for (text = strchr(text, '\n'); text && text[1]; text = strchr(text + 1, '\n')) {
		if (sscanf(text, "%31s %u %15s %u %31s %llu %llu %15s %79[^\n]", l.id, &l.queue,
			   l.state, &l.type, l.user_data, &l.age_ms, &l.file, l.pid, l.comm) != 9)
			return -EPROTO;
		if (strcmp(l.user_data, wanted))
			continue;
		*line = l;
		n++;
	}
	return n;
}

/* The same, of the list as it is now. Returns the number, or -errno */
static int find(const char *path, char *text, unsigned long long user_data,
		struct line *line)
{
	return read_all(path, text, LIST_SIZE / 2) ?: find_in(text, user_data, line);
}

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

TEST_F(list, has_a_head_and_nothing_else_when_idle)
{
	ASSERT_EQ(0, read_all(self->path, self->text, LIST_SIZE / 2));
	EXPECT_EQ(1, lines(self->text));
	EXPECT_NE(NULL, strstr(self->text, "request_id queue state"));
}

TEST_F(list, tells_what_a_silent_device_has_and_whose_it_is)
{
	unsigned long long start = now_ms(), most, file;
	struct child *holder = self->child;
	char pid[16], id[32];

	if (child_start(holder)) {
		int fd = sst_open(O_RDWR);

		prctl(PR_SET_NAME, "sst \\\nholder");
		if (fd < 0 || sst_send(fd, TYPE_NEVER, 0x77))
			child_exit(holder, 1);
		child_exit(holder, sst_receive(fd, &self->resp));
	}
	ASSERT_TRUE(child_asleep(holder));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0x78));
	sleep_ms(200);

	ASSERT_EQ(1, find(self->path, self->text, 0x77, &self->line));
	most = now_ms() - start + TICK_MS;
	snprintf(pid, sizeof(pid), "%d", holder->pid);
	EXPECT_STREQ("BUSY", self->line.state);
	EXPECT_EQ(TYPE_NEVER, self->line.type);
	EXPECT_LE(200 - TICK_MS, self->line.age_ms);
	EXPECT_GE(most, self->line.age_ms);
	EXPECT_STREQ(pid, self->line.pid);
	EXPECT_STREQ("sst \\134\\012holder", self->line.comm);
	file = self->line.file;

	ASSERT_EQ(1, find(self->path, self->text, 0x78, &self->line));
	EXPECT_NE(file, self->line.file);
	snprintf(pid, sizeof(pid), "%d", getpid());
	EXPECT_STREQ(pid, self->line.pid);
	EXPECT_EQ(3, lines(self->text));

	/* The program sees the same request_id. */
	memcpy(id, self->line.id, sizeof(id));
	ASSERT_EQ(0, sst_reset());
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(strtoull(id, NULL, 0), le64toh(self->resp.request_id));
	EXPECT_EQ(0, child_end(holder));
	EXPECT_EQ(0, find(self->path, self->text, 0x77, &self->line));
	EXPECT_EQ(0, find(self->path, self->text, 0x78, &self->line));
}

TEST_F(list, tells_all_states)
{
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NO_RESPONSE, 1));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 2));
	sleep_ms(100);
	ASSERT_EQ(1, find(self->path, self->text, 1, &self->line));
	EXPECT_STREQ("AWAIT", self->line.state);
	ASSERT_EQ(1, find(self->path, self->text, 2, &self->line));
	EXPECT_STREQ("BUSY", self->line.state);

	ASSERT_EQ(1, file_cancel(self->fd, 1, 0));
	ASSERT_EQ(1, file_cancel(self->fd, 2, 0));
	EXPECT_EQ(0, find(self->path, self->text, 1, &self->line));
	ASSERT_EQ(1, find(self->path, self->text, 2, &self->line));
	EXPECT_STREQ("ZOMBIE", self->line.state);
	EXPECT_STRNE("-", self->line.pid);

	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(1, find(self->path, self->text, 2, &self->line));
	EXPECT_STREQ("ZOMBIE", self->line.state);
	EXPECT_STREQ("-", self->line.pid);
	EXPECT_STREQ("-", self->line.comm);
}

TEST_F(list, knows_shared_slots)
{
	struct sst_slot_setup setup = { .nr = 20 };
	struct sst_slot_request request = { .type = TYPE_NEVER, .user_data = 0x99, .index = 19 };
	struct sst_slot_response response;
	struct sst_slot_transaction t = {
		.requests = (uintptr_t)&request,
		.responses = (uintptr_t)&response,
		.nr = 1,
	};
	struct child *caller = self->child;

	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, &setup));
	if (child_start(caller))
		child_exit(caller, ioctl(self->fd, SST_IOCTL_TRANSACT_SLOTS, &t));
	ASSERT_TRUE(child_asleep(caller));
	ASSERT_EQ(1, find(self->path, self->text, 0x99, &self->line));
	EXPECT_STREQ("BUSY", self->line.state);
	EXPECT_EQ(TYPE_NEVER, self->line.type);
	ASSERT_EQ(0, sst_reset());
	EXPECT_EQ(1, child_end(caller));
}

TEST_F(list, opener_that_has_ended)
{
	struct child *opener = self->child;
	char pid[16];
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	if (child_start(opener)) {
		int fd = sst_open(O_RDWR);

		if (fd < 0 || sst_send(fd, TYPE_NEVER, 0x55))
			child_exit(opener, 1);
		/* Somebody else keeps the file open until the test is over. */
		if (!fork()) {
			char c;

			close(fds[1]);
			_exit(read(fds[0], &c, 1));
		}
		child_exit(opener, 0);
	}
	ASSERT_EQ(0, child_end(opener));
	ASSERT_EQ(1, find(self->path, self->text, 0x55, &self->line));
	snprintf(pid, sizeof(pid), "%d", opener->pid);
	EXPECT_STREQ(pid, self->line.pid);
	EXPECT_STREQ("-", self->line.comm);
	close(fds[1]);
	close(fds[0]);
}

TEST_F(list, full_device_in_one_read_or_many)
{
	int fd = sst_fill_queue(&self->info, TYPE_NEVER);
	static const size_t steps[] = { LIST_SIZE / 2, 4096, 50 };
	unsigned int i, step;

	ASSERT_LE(0, fd);
	for (step = 0; step < ARRAY_SIZE(steps); step++) {
		ASSERT_EQ(0, read_all(self->path, self->text, steps[step]));
		EXPECT_EQ(1 + self->info.queue_size, lines(self->text));
		for (i = 0; i < self->info.queue_size; i++) {
			EXPECT_EQ(1, find_in(self->text, i, &self->line));
		}
	}
	close(fd);
}

TEST_F(list, is_for_root_only)
{
	struct child *other = self->child;
	struct stat st;

	ASSERT_EQ(0, stat(self->path, &st));
	EXPECT_EQ(S_IFREG | 0400, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	if (child_start(other)) {
		if (setgid(NOBODY) || setuid(NOBODY))
			child_exit(other, -1);
		child_exit(other, open(self->path, O_RDONLY) < 0 ? errno : 0);
	}
	EXPECT_EQ(EACCES, child_end(other));
}

TEST_F(list, goes_with_the_device)
{
	int fd = open(self->path, O_RDONLY);
	char c;

	ASSERT_LE(0, fd);
	ASSERT_EQ(1, read(fd, &c, 1));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, open(self->path, O_RDONLY));
	EXPECT_EQ(ENOENT, errno);
	close(fd);
	ASSERT_EQ(0, sst_driver_do("bind", self->name));
	ASSERT_EQ(0, wait_for_device());
	EXPECT_EQ(0, find(self->path, self->text, 1, &self->line));
}

TEST_F(list, read_while_devices_go_and_requests_end)
{
	struct child *reader = self->child;
	unsigned int cycle, i;
	int fd, status;

	if (child_start(reader)) {
		int ret;

		/* What was read to the end is a whole list; it counts these. */
		do {
			ret = read_all(self->path, self->text, 300) ? -ENOENT :
			      find_in(self->text, 1, &self->line);
			reader->result += ret >= 0;
		} while (ret != -EPROTO);
		_exit(1);
	}
	for (cycle = 0; cycle < CYCLES; cycle++) {
		fd = sst_open(O_RDWR);
		ASSERT_LE(0, fd);
		for (i = 0; i < 60; i++) {
			ASSERT_EQ(0, sst_send(fd, i < 40 ? SST_REQUEST_ECHO : TYPE_NEVER, i));
		}
		if (cycle % 2)
			close(fd);
		ASSERT_EQ(0, sst_rebind());
		if (cycle % 2 == 0)
			close(fd);
	}
	EXPECT_EQ(0, kill(reader->pid, SIGKILL));
	EXPECT_EQ(reader->pid, waitpid(reader->pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LE(CYCLES, reader->result);
}

TEST_HARNESS_MAIN
