// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of /dev/sstN while the driver is unbound, bound, unloaded and loaded.
 *
 * SST_CYCLES is how often the long ones do it. SST_MODULE is the path of the
 * module's file, SST_MODULE_ARGS are its parameters.
 */
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <liburing.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define LIMIT	64	/* requests of one file at once */

static unsigned int cycles(unsigned int few)
{
	const char *n = getenv("SST_CYCLES");

	return n ? atoi(n) : few;
}

FIXTURE(life)
{
	int fd;
	char name[NAME_MAX];
	struct sst_request req;
	struct sst_response resp;
};

FIXTURE_SETUP(life)
{
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sst_virtio_name(self->name, sizeof(self->name)));
}

FIXTURE_TEARDOWN(life)
{
	close(self->fd);
	if (access(sst_device(), F_OK))
		EXPECT_EQ(0, sst_driver_do("bind", self->name));
	EXPECT_EQ(0, wait_for_device());
}

TEST_F(life, unbound)
{
	struct sst_info info;
	struct stat st;
	int status, i;
	pid_t pid[2];

	ASSERT_EQ(0, fstat(self->fd, &st));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_send(self->fd, SST_REQUEST_ECHO, i));
	}
	ASSERT_EQ(0, sst_wait_stat("in_flight", 0));
	for (i = 3; i < 10; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, i));
	}

	/* One waits for a response, one waits in poll. */
	pid[0] = fork();
	if (!pid[0]) {
		int fd = sst_open(O_RDWR);

		if (sst_send(fd, TYPE_NEVER, 0))
			_exit(1);
		_exit(-sst_receive(fd, &self->resp));
	}
	pid[1] = fork();
	if (!pid[1]) {
		int fd = sst_open(O_RDWR);

		_exit(sst_poll(fd, POLLIN, 10000) == (POLLIN | POLLHUP | POLLERR) ? 0 : 1);
	}
	sleep_ms(200);

	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(pid[0], waitpid(pid[0], &status, 0));
	EXPECT_EQ(ENODEV, WEXITSTATUS(status));
	ASSERT_EQ(pid[1], waitpid(pid[1], &status, 0));
	EXPECT_EQ(0, status);

	EXPECT_EQ(POLLIN | POLLOUT | POLLHUP | POLLERR,
		  sst_poll(self->fd, POLLIN | POLLOUT, 0));
	EXPECT_EQ(-ENODEV, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	EXPECT_EQ(-1, ioctl(self->fd, SST_IOCTL_GET_INFO, &info));
	EXPECT_EQ(ENODEV, errno);
	/* Wrong arguments don't matter any more. */
	EXPECT_EQ(-1, write(self->fd, &self->req, 5));
	EXPECT_EQ(ENODEV, errno);

	/* What was answered can be read, then comes the end. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
		EXPECT_EQ(htole64(i), self->resp.user_data);
	}
	EXPECT_EQ(-ENODEV, sst_receive(self->fd, &self->resp));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-ENODEV, sst_receive(self->fd, &self->resp));

	/* Neither the file nor the device number leads to it any more. */
	EXPECT_EQ(-1, sst_open(O_RDWR));
	EXPECT_EQ(ENOENT, errno);
	ASSERT_EQ(0, mknod("/dev/sst-old", S_IFCHR | 0600, st.st_rdev));
	EXPECT_EQ(-1, open("/dev/sst-old", O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	unlink("/dev/sst-old");
}

TEST_F(life, bound_again)
{
	int fd;

	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 0));
	ASSERT_EQ(0, sst_rebind());
	/* The old file stays dead, a new one lives, under the same name. */
	EXPECT_EQ(-ENODEV, sst_send(self->fd, SST_REQUEST_NOOP, 0));
	fd = sst_open(O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sst_send(fd, SST_REQUEST_NOOP, 1));
	ASSERT_EQ(0, sst_receive(fd, &self->resp));
	EXPECT_EQ(htole64(1), self->resp.user_data);
	EXPECT_EQ(-ENODEV, sst_receive(self->fd, &self->resp));
	close(fd);
}

TEST_F(life, unbound_with_a_blocked_writer)
{
	int status, i;
	pid_t pid;

	for (i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, i));
	}
	pid = fork();
	if (!pid)
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 0));
	sleep_ms(100);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ENODEV, WEXITSTATUS(status));
}

TEST_F(life, unbound_with_a_writer_that_waits_for_room)
{
	struct sst_info info;
	int status, fd = -1;
	unsigned int i;
	pid_t pid;

	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &info));
	for (i = 0; i < info.queue_size; i++) {
		if (i % LIMIT == 0)
			fd = sst_open(O_RDWR);
		ASSERT_EQ(0, sst_send(fd, TYPE_NEVER, i));
	}
	pid = fork();
	if (!pid)
		_exit(-sst_send(self->fd, SST_REQUEST_NOOP, 0));
	sleep_ms(100);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(ENODEV, WEXITSTATUS(status));
}

TEST_F(life, unbound_with_a_uring_read)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(2, &ring, 0));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, self->fd, &self->resp, RESP, 0);
	ASSERT_EQ(1, io_uring_submit(&ring));
	sleep_ms(50);
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
	EXPECT_EQ(-ENODEV, cqe->res);
	io_uring_queue_exit(&ring);
}

TEST_F(life, unbound_with_a_timeout_unread)
{
	ASSERT_EQ(0, sst_set_timeout(50));
	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, 1));
	ASSERT_EQ(POLLIN, sst_poll(self->fd, POLLIN, 5000));
	ASSERT_EQ(0, sst_driver_do("unbind", self->name));
	ASSERT_EQ(0, sst_receive(self->fd, &self->resp));
	EXPECT_EQ(SST_RESPONSE_TIMEOUT, le32toh(self->resp.status));
	EXPECT_EQ(-ENODEV, sst_receive(self->fd, &self->resp));
}

/*
 * Use the device until it is gone, whenever that is. Whatever is answered must
 * be an answer to something that was asked, and each at most once.
 */
static int use_until_gone(unsigned int number, int started)
{
	unsigned int sent = 0, ended = 0;
	struct sst_response resp;
	bool seen[4096] = {};
	int fd, ret;

	fd = sst_open(O_RDWR);
	if (fd < 0)
		return 1;
	if (write(started, "", 1) != 1)
		return 4;
	for (;;) {
		unsigned int type = sent % 8 == 7 ? TYPE_LATE : SST_REQUEST_ECHO;

		if (sent < ARRAY_SIZE(seen) && sent - ended < 20) {
			ret = sst_send(fd, type, (unsigned long long)number << 32 | sent);
			if (ret)
				break;
			sent++;
			continue;
		}
		ret = sst_receive(fd, &resp);
		if (ret)
			break;
		if (le64toh(resp.user_data) >> 32 != number ||
		    (le64toh(resp.user_data) & 0xffffffff) >= sent ||
		    seen[le64toh(resp.user_data) & 0xffffffff])
			return 2;
		seen[le64toh(resp.user_data) & 0xffffffff] = true;
		ended++;
		if (ended == ARRAY_SIZE(seen))
			return 0;
	}
	return ret == -ENODEV ? 0 : 3;
}

TEST_F_TIMEOUT(life, unbind_and_bind_under_load, 1500)
{
	unsigned int n = cycles(30), i, j;
	int fds[8], status, started[2];
	pid_t pid[4];
	char c;

	ASSERT_EQ(0, pipe(started));
	close(self->fd);
	for (i = 0; i < n; i++) {
		/* Some idle files, some with requests that nobody waits for */
		for (j = 0; j < ARRAY_SIZE(fds); j++) {
			fds[j] = sst_open(O_RDWR);
			ASSERT_LE(0, fds[j]);
			if (j % 2)
				ASSERT_EQ(0, sst_send(fds[j], TYPE_NEVER, 0));
		}
		for (j = 0; j < ARRAY_SIZE(pid); j++) {
			pid[j] = fork();
			if (!pid[j])
				_exit(use_until_gone(j, started[1]));
		}
		for (j = 0; j < ARRAY_SIZE(pid); j++) {
			ASSERT_EQ(1, read(started[0], &c, 1));
		}
		sleep_ms(i % 20);
		ASSERT_EQ(0, sst_driver_do("unbind", self->name));
		if (i % 2)
			for (j = 0; j < ARRAY_SIZE(fds); j++)
				close(fds[j]);
		ASSERT_EQ(0, sst_driver_do("bind", self->name));
		ASSERT_EQ(0, wait_for_device());
		for (j = 0; j < ARRAY_SIZE(pid); j++) {
			ASSERT_EQ(pid[j], waitpid(pid[j], &status, 0));
			ASSERT_EQ(0, status);
		}
		if (i % 2 == 0)
			for (j = 0; j < ARRAY_SIZE(fds); j++)
				close(fds[j]);
	}
	TH_LOG("%u cycles", n);
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE(module)
{
};

FIXTURE_SETUP(module)
{
	ASSERT_EQ(0, wait_for_device());
}

FIXTURE_TEARDOWN(module)
{
}

TEST_F(module, a_file_pins_it)
{
	int fd = sst_open(O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "virtio_sst", O_NONBLOCK));
	EXPECT_TRUE(errno == EWOULDBLOCK || errno == EBUSY);
	close(fd);
}

static int load_module(const char *path)
{
	const char *args = getenv("SST_MODULE_ARGS");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, args ?: "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(module, unload_straight_after_close, 1500)
{
	unsigned int n = cycles(20), i, j;
	const char *path = getenv("SST_MODULE");
	int fds[4];

	ASSERT_NE(NULL, path) {
		TH_LOG("SST_MODULE is not set: the path of virtio-sst.ko");
	}
	for (i = 0; i < n; i++) {
		for (j = 0; j < ARRAY_SIZE(fds); j++) {
			fds[j] = sst_open(O_RDWR);
			ASSERT_LE(0, fds[j]);
			ASSERT_EQ(0, sst_send(fds[j], TYPE_NEVER, 0));
			ASSERT_EQ(0, sst_send(fds[j], TYPE_LATE, 0));
			ASSERT_EQ(0, sst_send(fds[j], SST_REQUEST_ECHO, 0));
		}
		for (j = 0; j < ARRAY_SIZE(fds); j++)
			close(fds[j]);
		ASSERT_EQ(0, syscall(SYS_delete_module, "virtio_sst", O_NONBLOCK)) {
			TH_LOG("cycle %u: %s", i, strerror(errno));
		}
		ASSERT_EQ(0, load_module(path));
		ASSERT_EQ(0, wait_for_device());
	}
	TH_LOG("%u cycles", n);
}

TEST_HARNESS_MAIN
