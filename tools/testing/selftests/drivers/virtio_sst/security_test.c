// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what programs may do and see: the modes of all files, what an open file of
 * each mode allows, what those without privileges can do with what they are given, memory that is
 * charged to who uses it, and that nothing the driver gives out has data of another
 * file, an address of the kernel, or memory that nobody has written.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <liburing.h>
#include <libmnl/libmnl.h>
#include <linux/aio_abi.h>
#include <linux/genetlink.h>
#include <linux/virtio_sst_netlink.h>

#include "sst_test.h"
#include "kselftest_harness.h"

#define NOBODY		65534
#define MODULE		"/sys/module/virtio_sst/parameters/"
#define DEBUGFS		"/sys/kernel/debug/"
#define TEXT_SIZE	(1024 * 1024)
#define SHORT_MS	100
#define LONG_MS		20000
#define SLOW_S		120	/* a test on a slow machine */

/* Files */

/* A file's name and mode */
struct mode {
	const char *name;
	unsigned int mode;
};

static const struct mode attributes[] = {
	{ "busy_poll_us", 0644 },
	{ "dev", 0444 },
	{ "device_id", 0444 },
	{ "features", 0444 },
	{ "in_flight", 0444 },
	{ "queue_pairs", 0444 },
	{ "queue_size", 0444 },
	{ "request_timeout_ms", 0644 },
	{ "reset", 0200 },
	{ "stats", 0444 },
	{ "uevent", 0644 },
	{ "version", 0444 },
	{}
};

static const struct mode parameters[] = {
	{ "debug", 0644 },
	{ "max_devices", 0444 },
	{ "request_timeout", 0444 },
	{ "reset_after", 0644 },
	{ "virtio_id", 0444 },
	{}
};

static const struct mode debug_files[] = {
	{ "requests", 0400 },
	{}
};

/* Mode of a file of root's in the folder @dir, or 0 */
static unsigned int root_s_mode_in(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) || st.st_uid || st.st_gid ? 0 : st.st_mode;
}

static unsigned int root_s_mode(const char *path)
{
	return root_s_mode_in(AT_FDCWD, path);
}

static bool is_as_listed(int dir, const char *name, const struct mode *modes)
{
	while (modes->name && strcmp(modes->name, name))
		modes++;
	if (modes->name && root_s_mode_in(dir, name) == (S_IFREG | modes->mode))
		return true;
	ksft_print_msg("%s has the mode %o\n", name, root_s_mode_in(dir, name));
	return false;
}

/* Whether a folder has the files of a list, and has no others */
static bool has_modes(const char *folder, const struct mode *modes)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned int n = 0;
	bool good = dir;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		good &= is_as_listed(dirfd(dir), entry->d_name, modes);
		n++;
	}
	for (; modes->name; modes++)
		n--;
	if (dir)
		closedir(dir);
	return good && !n;
}

/* What somebody without privileges does. These return 0, or the line that went wrong. */

static int become_nobody(void)
{
	return setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY) ? -errno : 0;
}

/* Become the root of a user namespace, who is nobody outside. */
static int become_other_root(void)
{
	char map[32];

	if (become_nobody() || unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	/* Who has changed users is not the owner of these files otherwise. */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(map, sizeof(map), "0 %u 1", NOBODY);
	return write_file("/proc/self/uid_map", map) ?: getuid() ? -EPROTO : 0;
}

static int refused(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd >= 0)
		close(fd);
	return fd < 0 && (errno == EACCES || errno == EPERM) ? 0 : -1;
}

/* Whether all that a program without privileges must not open is refused to it */
static int opens_nothing(void)
{
	const struct mode *m;
	char path[PATH_MAX];

	if (refused(sst_device(), O_RDWR) || refused(sst_device(), O_RDONLY) ||
	    refused(sst_device(), O_WRONLY))
		return __LINE__;
	for (m = attributes; m->name; m++) {
		sst_attr_path(path, m->name);
		if (refused(path, O_WRONLY))
			return __LINE__;
		if (m->mode & 0004 ? access(path, R_OK) : refused(path, O_RDONLY))
			return __LINE__;
	}
	for (m = parameters; m->name; m++) {
		snprintf(path, sizeof(path), MODULE "%s", m->name);
		if (refused(path, O_WRONLY))
			return __LINE__;
	}
	snprintf(path, sizeof(path), DEBUGFS "virtio-sst/%s/requests", sst_name());
	if (refused(path, O_RDONLY) || refused("/sys/kernel/tracing/trace", O_RDONLY))
		return __LINE__;
	return 0;
}

static int opens_nothing_as(int (*become)(void))
{
	int ret = become();

	return ret ?: opens_nothing();
}

FIXTURE(files)
{
	struct child *child;
};

FIXTURE_SETUP(files)
{
	self->child = mmap(NULL, sizeof(*self->child), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->child);
	/* Other tests may have changed the mode: a new file has the first one. */
	ASSERT_EQ(0, sst_rebind());
	ASSERT_EQ(0, sst_set_timeout(5000));
}

FIXTURE_TEARDOWN(files)
{
	munmap(self->child, sizeof(*self->child));
}

TEST_F_TIMEOUT(files, device_is_for_root_only, SLOW_S)
{
	EXPECT_EQ(S_IFCHR | 0600, root_s_mode(sst_device()));
}

TEST_F_TIMEOUT(files, attributes_and_parameters_have_their_modes, SLOW_S)
{
	char path[PATH_MAX];

	sst_attr_path(path, "");
	EXPECT_TRUE(has_modes(path, attributes));
	EXPECT_TRUE(has_modes(MODULE, parameters));
}

TEST_F_TIMEOUT(files, debugfs_is_for_root_only, SLOW_S)
{
	char path[PATH_MAX];

	EXPECT_EQ(S_IFDIR | 0700, root_s_mode(DEBUGFS));
	snprintf(path, sizeof(path), DEBUGFS "virtio-sst/%s", sst_name());
	EXPECT_TRUE(has_modes(path, debug_files));
}

TEST_F_TIMEOUT(files, nobody_opens_none_of_them, SLOW_S)
{
	if (child_start(self->child))
		child_exit(self->child, opens_nothing_as(become_nobody));
	EXPECT_EQ(0, child_end(self->child));
}

TEST_F_TIMEOUT(files, root_of_a_user_namespace_opens_none_of_them, SLOW_S)
{
	if (child_start(self->child))
		child_exit(self->child, opens_nothing_as(become_other_root));
	EXPECT_EQ(0, child_end(self->child));
}

/* Modes of an open file */

static int result(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int op_write(int fd)
{
	return sst_send(fd, SST_REQUEST_NOOP, 0);
}

static int op_read(int fd)
{
	struct sst_response resp;

	return sst_receive(fd, &resp);
}

static int op_transact(int fd)
{
	struct sst_request req = {};
	struct sst_response resp;
	struct sst_transaction t = {
		.request = (uintptr_t)&req,
		.response = (uintptr_t)&resp,
		.request_size = REQ,
		.response_size = RESP,
	};

	return result(ioctl(fd, SST_IOCTL_TRANSACT, &t));
}

static int op_set_up_slots(int fd)
{
	struct sst_slot_setup setup = { .nr = 1 };

	return result(ioctl(fd, SST_IOCTL_SETUP_SLOTS, &setup));
}

static void prepare_slots(struct sst_slot_transaction *t, struct sst_slot_request *req,
			  struct sst_slot_response *resp)
{
	*t = (struct sst_slot_transaction) {
		.requests = (uintptr_t)req,
		.responses = (uintptr_t)resp,
		.nr = 1,
	};
}

static int op_transact_slots(int fd)
{
	struct sst_slot_request req = { .type = SST_REQUEST_NOOP };
	struct sst_slot_response resp;
	struct sst_slot_transaction t;

	prepare_slots(&t, &req, &resp);
	return result(ioctl(fd, SST_IOCTL_TRANSACT_SLOTS, &t));
}

static int try_map(int fd, int prot)
{
	void *p = mmap(NULL, getpagesize(), prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, getpagesize());
	return 0;
}

static int op_map(int fd)
{
	return try_map(fd, PROT_READ);
}

static int op_map_writable(int fd)
{
	return try_map(fd, PROT_READ | PROT_WRITE);
}

static int op_make_map_writable(int fd)
{
	void *p = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
	int ret;

	if (p == MAP_FAILED)
		return -errno;
	ret = result(mprotect(p, getpagesize(), PROT_READ | PROT_WRITE));
	munmap(p, getpagesize());
	return ret;
}

static int op_event_fd(int fd)
{
	struct sst_event_setup setup = {};
	int event_fd = ioctl(fd, SST_IOCTL_EVENT_FD, &setup);

	if (event_fd < 0)
		return -errno;
	close(event_fd);
	return 0;
}

/* Have a ring of its own do one thing. Returns its result, or -errno. */
static int uring_do(int fd, unsigned int opcode, unsigned int command, void *arg, size_t size)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int ret = io_uring_queue_init(2, &ring, IORING_SETUP_SQE128);

	if (ret)
		return ret;
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		return -EPROTO;
	memset(sqe, 0, 2 * sizeof(*sqe));
	if (command) {
		sqe->opcode = opcode;
		sqe->fd = fd;
		sqe->cmd_op = command;
		memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), arg, size);
	} else {
		io_uring_prep_rw(opcode, sqe, fd, arg, size, 0);
		sqe->rw_flags = RWF_NOWAIT;
	}
	ret = io_uring_submit(&ring) == 1 ? io_uring_wait_cqe(&ring, &cqe) : -EPROTO;
	if (!ret)
		ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret;
}

static int op_uring_write(int fd)
{
	struct sst_request req = {};
	int ret = uring_do(fd, IORING_OP_WRITE, 0, &req, REQ);

	return ret < 0 ? ret : 0;
}

static int op_uring_read(int fd)
{
	struct sst_response resp;
	int ret = uring_do(fd, IORING_OP_READ, 0, &resp, RESP);

	return ret < 0 ? ret : 0;
}

static int uring_transact(int fd, struct sst_request *req, size_t size,
			  struct sst_response *resp)
{
	struct sst_uring_transact t = {
		.requests = (uintptr_t)req,
		.responses = (uintptr_t)resp,
		.nr = 1,
		.request_size = size,
		.response_size = RESP,
	};

	return uring_do(fd, IORING_OP_URING_CMD, SST_URING_CMD_TRANSACT, &t, sizeof(t));
}

static int op_uring_transact(int fd)
{
	struct sst_request req = {};
	struct sst_response resp;
	int ret = uring_transact(fd, &req, REQ, &resp);

	return ret < 0 ? ret : 0;
}

static int op_uring_transact_slots(int fd)
{
	struct sst_slot_request req = { .type = SST_REQUEST_NOOP };
	struct sst_slot_response resp;
	struct sst_slot_transaction t;
	int ret;

	prepare_slots(&t, &req, &resp);
	ret = uring_do(fd, IORING_OP_URING_CMD, SST_URING_CMD_TRANSACT_SLOTS, &t, sizeof(t));
	return ret < 0 ? ret : 0;
}

/* Have io_submit() do one thing. Returns its result, or -errno. */
static int aio_do(int fd, unsigned int opcode, void *arg, size_t size)
{
	struct iocb call = {
		.aio_fildes = fd,
		.aio_lio_opcode = opcode,
		.aio_buf = (uintptr_t)arg,
		.aio_nbytes = size,
	}, *calls = &call;
	aio_context_t ctx = 0;
	struct io_event event;
	int ret;

	if (syscall(SYS_io_setup, 1, &ctx))
		return -errno;
	ret = result(syscall(SYS_io_submit, ctx, 1, &calls));
	if (!ret)
		ret = syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) == 1 ? event.res : -EPROTO;
	syscall(SYS_io_destroy, ctx);
	return ret;
}

static int op_aio_write(int fd)
{
	struct sst_request req = {};
	int ret = aio_do(fd, IOCB_CMD_PWRITE, &req, REQ);

	return ret < 0 ? ret : 0;
}

static int op_aio_read(int fd)
{
	struct sst_response resp;
	int ret = aio_do(fd, IOCB_CMD_PREAD, &resp, RESP);

	return ret < 0 ? ret : 0;
}

/*
 * What each way of using an open file gives: opened for reading, for writing, for both.
 * Reading finds nothing, since that comes first.
 */
static const struct op {
	const char *name;
	int (*call)(int fd);
	int expected[3];
} ops[] = {
	{ "read", op_read, { -EAGAIN, -EBADF, -EAGAIN } },
	{ "io_uring read", op_uring_read, { -EAGAIN, -EBADF, -EAGAIN } },
	{ "io_submit read", op_aio_read, { -EAGAIN, -EBADF, -EAGAIN } },
	{ "set up slots", op_set_up_slots, { 0, 0, 0 } },
	{ "map", op_map, { 0, -EACCES, 0 } },
	{ "map writable", op_map_writable, { -EACCES, -EACCES, 0 } },
	{ "make a map writable", op_make_map_writable, { -EACCES, -EACCES, 0 } },
	{ "descriptor for events", op_event_fd, { 0, -EBADF, 0 } },
	{ "transact", op_transact, { -EBADF, -EBADF, 0 } },
	{ "transact slots", op_transact_slots, { -EBADF, -EBADF, 0 } },
	{ "io_uring transact", op_uring_transact, { -EBADF, -EBADF, 0 } },
	{ "io_uring transact slots", op_uring_transact_slots, { -EBADF, -EBADF, 0 } },
	{ "write", op_write, { -EBADF, 0, 0 } },
	{ "io_uring write", op_uring_write, { -EBADF, 0, 0 } },
	{ "io_submit write", op_aio_write, { -EBADF, 0, 0 } },
};

/* Returns how many of these go otherwise with a file opened with @mode. */
static int wrong_ops(int fd, int mode)
{
	const struct op *op;
	int wrong = 0;

	for (op = ops; op < ops + ARRAY_SIZE(ops); op++) {
		int ret = op->call(fd);

		if (ret == op->expected[mode])
			continue;
		ksft_print_msg("%s of a file opened with mode %d gave %d\n", op->name, mode, ret);
		wrong++;
	}
	return wrong;
}

TEST_F_TIMEOUT(files, opened_for_one_thing_allow_no_other, SLOW_S)
{
	int mode;

	for (mode = O_RDONLY; mode <= O_RDWR; mode++) {
		int fd = sst_open(mode | O_NONBLOCK);

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, wrong_ops(fd, mode));
		close(fd);
	}
}

/* Who is given an open file can do what it allows, and not open it for more. */
static int use_given(int fd, int mode)
{
	char path[64];

	if (become_nobody())
		return __LINE__;
	if (wrong_ops(fd, mode))
		return __LINE__;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (refused(path, O_RDWR) || refused(path, O_RDONLY) || refused(path, O_WRONLY))
		return __LINE__;
	return 0;
}

TEST_F_TIMEOUT(files, given_to_nobody_are_no_more_than_they_were, SLOW_S)
{
	struct rlimit lock = { 1024 * 1024, 1024 * 1024 };
	int mode;

	for (mode = O_RDONLY; mode <= O_RDWR; mode++) {
		int fd = sst_open(mode | O_NONBLOCK);

		ASSERT_LE(0, fd);
		if (child_start(self->child)) {
			setrlimit(RLIMIT_MEMLOCK, &lock);
			child_exit(self->child, use_given(fd, mode));
		}
		EXPECT_EQ(0, child_end(self->child));
		close(fd);
	}
}

TEST_F_TIMEOUT(files, reset_given_to_nobody_resets_nothing, SLOW_S)
{
	long long resets = sst_stat("resets");
	char path[PATH_MAX];
	int fd;

	sst_attr_path(path, "reset");
	fd = open(path, O_WRONLY);
	ASSERT_LE(0, fd);
	if (child_start(self->child))
		child_exit(self->child, become_nobody() ?: result(write(fd, "1", 1)));
	EXPECT_EQ(-EPERM, child_end(self->child));
	EXPECT_EQ(resets, sst_stat("resets"));
	close(fd);
}

TEST_F_TIMEOUT(files, descriptor_for_events_given_to_nobody_only_reads, SLOW_S)
{
	struct sst_event_setup setup = { .flags = SST_EVENT_NONBLOCK };
	int fd = sst_open(O_RDONLY), events;
	struct sst_event e;

	events = ioctl(fd, SST_IOCTL_EVENT_FD, &setup);
	ASSERT_LE(0, events);
	ASSERT_EQ(0, sst_reset());
	if (child_start(self->child)) {
		int ret = become_nobody() ?: result(read(events, &e, sizeof(e)));

		child_exit(self->child, ret ?: result(write(events, &e, sizeof(e))));
	}
	EXPECT_EQ(-EBADF, child_end(self->child));
	if (child_start(self->child)) {
		int ret = become_nobody() ?: result(ioctl(events, SST_IOCTL_EVENT_FD, &setup));

		child_exit(self->child, ret);
	}
	EXPECT_EQ(-ENOTTY, child_end(self->child));
	close(events);
	close(fd);
}

/* Leaks */

#define SECRET		0x5ec3e7a5U	/* payloads of another file are full of it */
#define SECRET_TEXT	"5ec3e7a5"
#define SECRET_DATA	0x5ecda7a15ecda7a1ULL	/* user_data of another file */
#define SECRET_DATA_TEXT	"5ecda7a15ecda7a1"
#define SECRET_DATA_DECIMAL	"6831300521313019809"
#define QUIET_MS	1500	/* longer than netlink puts off what has changed */
#define OWN_BYTE	0x11
#define OWN_DATA	0x22
#define OLD_BYTE	0x5a	/* what buffers are filled with before */
#define GUARD		64
#define SPILLED		8	/* secret requests before each of ours */

/* Addresses that are the kernel's own */
static struct {
	unsigned long long first;
	unsigned long long last;
} kernel;

/* The address in the first line of a file that has @word, or 0 */
static unsigned long long address_in(const char *path, const char *word, const char *format)
{
	unsigned long long address = 0;
	FILE *f = fopen(path, "re");
	char line[512];

	while (f && !address && fgets(line, sizeof(line), f))
		if (strstr(line, word))
			sscanf(line, format, &address);
	if (f)
		fclose(f);
	return address;
}

/*
 * From the kernel's text on, or all of the upper half. User Mode Linux has its memory
 * from there on, then that of modules and vmalloc().
 */
static bool find_kernel(void)
{
	unsigned long long text = address_in("/proc/kallsyms", " _text\n", "%llx");
	unsigned long long module = address_in("/proc/modules", "virtio_sst ",
					       "%*s %*s %*s %*s %*s %llx");

	kernel.first = text >> 63 ? 0xffffULL << 48 : text;
	kernel.last = text >> 63 ? ~0xffffULL : module + (256ULL << 20);
	return text && module && kernel.first < kernel.last;
}

static bool is_address(unsigned long long value)
{
	return value >= kernel.first && value <= kernel.last;
}

/* Whether something that was given out has what it must not have */
static bool leaks(const void *p, size_t n)
{
	static const unsigned long long data = SECRET_DATA;
	static const unsigned int secret = SECRET;
	unsigned long long value;
	size_t i;

	if (memmem(p, n, &secret, sizeof(secret)) || memmem(p, n, &data, sizeof(data)))
		return true;
	for (i = 0; i + sizeof(value) <= n; i += sizeof(unsigned int)) {
		memcpy(&value, (const char *)p + i, sizeof(value));
		if (is_address(value))
			return true;
	}
	return false;
}

/* Such a number may be any, and that of an address as well. */
static bool may_be_any(const char *text, const char *number)
{
	static const char *const names[] = {
		"request_id=", "request ", "ID ", "timestamp=", "latency_ns=",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);

		if (number - text >= (long)n && !strncmp(number - n, names[i], n))
			return true;
	}
	return false;
}

/* Whether it is an address if the digits are taken for those of one base or the other */
static bool is_address_text(const char *digits, size_t n)
{
	bool decimal = strspn(digits, "0123456789") >= n;

	return is_address(strtoull(digits, NULL, 16)) ||
	       (decimal && is_address(strtoull(digits, NULL, 10)));
}

/*
 * Whether a text has one of the secrets, or a number that is an address. Of pointers that are
 * printed, hashed or not, all 16 digits are there.
 */
static bool text_leaks(const char *text)
{
	const char *p = text;

	if (strstr(text, SECRET_TEXT) || memmem(text, strlen(text), "\xa5\xe7\xc3\x5e", 4))
		return true;
	while (*(p = p + strcspn(p, "0123456789abcdef"))) {
		bool prefixed = !strncmp(p, "0x", 2);
		const char *digits = p + (prefixed ? 2 : 0);
		size_t n = strspn(digits, "0123456789abcdef");

		if ((is_address_text(digits, n) && !may_be_any(text, p)) ||
		    (!prefixed && n == 16)) {
			ksft_print_msg("seen: %.80s\n", p);
			return true;
		}
		p = digits + n;
	}
	return false;
}

/* The same for what must not have user_data either, in no base */
static bool public_text_leaks(const char *text)
{
	return text_leaks(text) || strstr(text, SECRET_DATA_TEXT) ||
	       strstr(text, SECRET_DATA_DECIMAL);
}

/* Have slots, and the buffers of the response queue, full of what another file has. */
static int spill(unsigned int nr)
{
	static const unsigned int types[] = { SST_REQUEST_ECHO, TYPE_QUEUE };
	struct sst_response *resp = malloc(nr * RESP);
	struct sst_request *req = malloc(nr * REQ);
	int fd = sst_open(O_RDWR), ret = 0;
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		sst_prepare(&req[i], types[i % 2], SECRET_DATA);
		for (j = 0; j < SST_PAYLOAD_SIZE / sizeof(SECRET); j++)
			memcpy(req[i].payload + j * sizeof(SECRET), &(unsigned int){ SECRET },
			       sizeof(SECRET));
	}
	if (file_set_limit(fd, nr) || write(fd, req, nr * REQ) != (ssize_t)(nr * REQ))
		ret = -EPROTO;
	for (i = 0; i < nr && !ret; i++)
		ret = sst_receive(fd, &resp[i]);
	for (i = 0; i < nr && !ret; i++)
		ret = leaks(resp[i].payload, sizeof(SECRET)) ? 0 : -EBADMSG;
	close(fd);
	free(req);
	free(resp);
	return ret;
}

/* A response in memory that is known to be all of it */
struct received {
	struct sst_response resp;
	unsigned char guard[GUARD];
};

/* What a type's response has: so many bytes of a payload, and zeros */
struct answer {
	unsigned int type;
	unsigned int size;
	unsigned char byte;
	unsigned int status;
	bool by_driver;
};

#define REST(n)	((n) - (RESP - SST_PAYLOAD_SIZE))

#define BY_DEVICE(t, n, b) \
	{ .type = (t), .size = (n), .byte = (b) }
#define BY_DRIVER(t, s) \
	{ .type = (t), .status = (s), .by_driver = true }

/* Figures for scripts/trust */
static void tell(const char *what, unsigned int number)
{
	ksft_print_msg("figure: %s %u\n", what, number);
}

static const struct answer answers[] = {
	BY_DEVICE(SST_REQUEST_ECHO, SST_PAYLOAD_SIZE, OWN_BYTE),
	BY_DEVICE(TYPE_SHORT, REST(100), OWN_BYTE),
	BY_DEVICE(TYPE_DIRTY, 0, 0),
	BY_DEVICE(TYPE_FILL, SST_PAYLOAD_SIZE, FILL_BYTE),
	BY_DEVICE(TYPE_WRONG_ID, SST_PAYLOAD_SIZE, OWN_BYTE),
	BY_DRIVER(TYPE_TINY, SST_RESPONSE_ERROR),
	BY_DRIVER(TYPE_LONG, SST_RESPONSE_ERROR),
	BY_DRIVER(TYPE_NEVER, SST_RESPONSE_TIMEOUT),
	BY_DEVICE(TYPE_QUEUE, SST_PAYLOAD_SIZE, OWN_BYTE),
	BY_DEVICE(TYPE_QUEUE_SHORT, REST(100), OWN_BYTE),
	BY_DEVICE(TYPE_QUEUE_DIRTY, 0, 0),
	BY_DRIVER(TYPE_QUEUE_EMPTY, SST_RESPONSE_TIMEOUT),
	BY_DRIVER(TYPE_QUEUE_LONG, SST_RESPONSE_TIMEOUT),
	BY_DRIVER(TYPE_NO_RESPONSE, SST_RESPONSE_TIMEOUT),
};

/* Ways of getting a response. These return 0, or -errno. */

static int way_read(int fd, struct sst_request *req, size_t size, struct sst_response *resp)
{
	return write(fd, req, size) == (ssize_t)size ? sst_receive(fd, resp) : -EPROTO;
}

static int way_transact(int fd, struct sst_request *req, size_t size,
			struct sst_response *resp)
{
	struct sst_transaction t = {
		.request = (uintptr_t)req,
		.response = (uintptr_t)resp,
		.request_size = size,
		.response_size = RESP,
	}, before = t;
	int ret = result(ioctl(fd, SST_IOCTL_TRANSACT, &t));

	before.request_id = t.request_id;
	return ret ?: memcmp(&t, &before, sizeof(t)) ? -EBADMSG : 0;
}

static int way_uring_read(int fd, struct sst_request *req, size_t size,
			  struct sst_response *resp)
{
	if (write(fd, req, size) != (ssize_t)size || !sst_poll(fd, POLLIN, 10000))
		return -EPROTO;
	return uring_do(fd, IORING_OP_READ, 0, resp, RESP) == RESP ? 0 : -EPROTO;
}

static int way_uring_transact(int fd, struct sst_request *req, size_t size,
			      struct sst_response *resp)
{
	return uring_transact(fd, req, size, resp) == 1 ? 0 : -EPROTO;
}

static int way_aio(int fd, struct sst_request *req, size_t size, struct sst_response *resp)
{
	if (write(fd, req, size) != (ssize_t)size)
		return -EPROTO;
	return aio_do(fd, IOCB_CMD_PREAD, resp, RESP) == RESP ? 0 : -EPROTO;
}

/* Through memory that the device shares with the program */
static int way_slots(int fd, struct sst_request *req, size_t size, struct sst_response *resp)
{
	struct sst_slot_request request = {
		.type = le32toh(req->type),
		.user_data = le64toh(req->user_data),
	};
	struct sst_slot_setup setup = { .nr = 1 };
	struct sst_slot_response response;
	struct sst_slot_transaction t;
	char *memory;

	memset(&response, OLD_BYTE, sizeof(response));
	prepare_slots(&t, &request, &response);
	if (ioctl(fd, SST_IOCTL_SETUP_SLOTS, &setup))
		return -errno;
	memory = mmap(NULL, setup.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || !all_bytes(memory, 0, setup.size))
		return -EBADMSG;
	memcpy(memory, req->payload, size - SST_REQUEST_HEADER_SIZE);
	if (ioctl(fd, SST_IOCTL_TRANSACT_SLOTS, &t) != 1)
		return -errno;
	resp->status = htole32(response.status);
	resp->flags = htole32(response.flags);
	resp->request_id = htole64(response.request_id);
	resp->user_data = htole64(response.user_data);
	resp->result = htole64(response.result);
	/* There is no payload in what the driver says, whatever the device wrote. */
	if (response.flags)
		memset(resp->payload, 0, SST_PAYLOAD_SIZE);
	else
		memcpy(resp->payload, memory + setup.response_offset, SST_PAYLOAD_SIZE);
	if (leaks(memory, SST_PAYLOAD_SIZE) || response.index || response.reserved ||
	    leaks(memory + setup.response_offset, SST_PAYLOAD_SIZE))
		return -EBADMSG;
	munmap(memory, setup.size);
	return 0;
}

FIXTURE(leak)
{
	struct received got;
};

FIXTURE_VARIANT(leak)
{
	int (*get)(int fd, struct sst_request *req, size_t size, struct sst_response *resp);
};

FIXTURE_VARIANT_ADD(leak, read) { .get = way_read };
FIXTURE_VARIANT_ADD(leak, transact) { .get = way_transact };
FIXTURE_VARIANT_ADD(leak, uring_read) { .get = way_uring_read };
FIXTURE_VARIANT_ADD(leak, uring_transact) { .get = way_uring_transact };
FIXTURE_VARIANT_ADD(leak, aio) { .get = way_aio };
FIXTURE_VARIANT_ADD(leak, slots) { .get = way_slots };

/* Settings that tests which look for leaks start from. Returns 0, or -errno */
static int calm(void)
{
	return sst_set_reset_after(0) ?: sst_set_timeout(5000) ?: sst_reset();
}

FIXTURE_SETUP(leak)
{
	ASSERT_TRUE(find_kernel());
	ASSERT_EQ(0, calm());
}

FIXTURE_TEARDOWN(leak)
{
	EXPECT_EQ(0, calm());
}

static bool is_as_expected(const struct received *got, const struct answer *answer,
			   unsigned int size)
{
	const unsigned char *rest = got->resp.payload + size;

	return all_bytes(got->guard, OLD_BYTE, sizeof(got->guard)) &&
	       le64toh(got->resp.user_data) == OWN_DATA &&
	       le32toh(got->resp.status) == answer->status &&
	       le32toh(got->resp.flags) == (answer->by_driver ? SST_RESPONSE_F_DRIVER : 0) &&
	       all_bytes(got->resp.payload, answer->byte, size) &&
	       all_bytes(rest, 0, SST_PAYLOAD_SIZE - size) &&
	       !leaks(&got->resp.user_data, RESP - offsetof(struct sst_response, user_data));
}

/* What is not answered in time is so soon. */
static unsigned int patience(const struct answer *answer)
{
	return answer->status == SST_RESPONSE_TIMEOUT ? SHORT_MS : LONG_MS;
}

/* A request of a new file, after those of another. Returns 0, or -errno. */
static int ask(int (*get)(int fd, struct sst_request *req, size_t size,
			  struct sst_response *resp),
	       unsigned int type, size_t size, unsigned int timeout_ms, struct received *got)
{
	struct sst_request req;
	int fd = sst_open(O_RDWR);
	int ret;

	memset(got, OLD_BYTE, sizeof(*got));
	sst_prepare(&req, type, OWN_DATA);
	memset(req.payload, OWN_BYTE, SST_PAYLOAD_SIZE);
	ret = file_set_timeout(fd, timeout_ms) ?: get(fd, &req, size, &got->resp);
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(leak, response_has_what_the_device_wrote_and_zeros, SLOW_S)
{
	const struct answer *answer;

	for (answer = answers; answer < answers + ARRAY_SIZE(answers); answer++) {
		ASSERT_EQ(0, spill(SPILLED));
		EXPECT_EQ(0, ask(variant->get, answer->type, REQ, patience(answer), &self->got)) {
			TH_LOG("type %u", answer->type);
		}
		EXPECT_TRUE(is_as_expected(&self->got, answer, answer->size)) {
			TH_LOG("type %u", answer->type);
		}
	}
	tell("responses looked at", ARRAY_SIZE(answers));
}

/* Nor does the device get what others had in the rest of a short request. */
TEST_F_TIMEOUT(leak, short_request_is_followed_by_zeros, SLOW_S)
{
	static const unsigned int types[] = { SST_REQUEST_ECHO, TYPE_QUEUE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_EQ(0, spill(SPILLED));
		EXPECT_EQ(0, ask(variant->get, types[i], 40, LONG_MS, &self->got));
		EXPECT_TRUE(is_as_expected(&self->got, &answers[0], 16));
	}
}

/* What all get, and what root can see */

FIXTURE(seen)
{
	char *text;
	struct sst_info info;
	int fd;		/* of somebody else */
};

#define TRACE	"/sys/kernel/tracing/instances/virtio_sst_security/"

FIXTURE_SETUP(seen)
{
	ASSERT_TRUE(find_kernel());
	ASSERT_EQ(0, calm());
	self->text = malloc(TEXT_SIZE);
	ASSERT_NE(NULL, self->text);
	self->fd = sst_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &self->info));
	ASSERT_EQ(0, spill(self->info.queue_size));
}

FIXTURE_TEARDOWN(seen)
{
	close(self->fd);
	free(self->text);
	write_file(MODULE "debug", "0");
	rmdir(TRACE);
	EXPECT_EQ(0, calm());
}

/* Read a file to its end. Returns 0, or -errno */
static int read_all(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t length = 0;
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, text + length, TEXT_SIZE - 1 - length)) > 0)
		length += n;
	text[length] = 0;
	n = n < 0 ? -errno : 0;
	close(fd);
	return n;
}

/* Have something of each kind happen to requests of somebody and of a new file. */
static int have_it_all(int fd)
{
	struct received got;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(answers) && !ret; i++)
		ret = spill(SPILLED) ?: ask(way_read, answers[i].type, REQ,
					    patience(&answers[i]), &got);
	ret = ret ?: ask(way_read, TYPE_LATE, REQ, SHORT_MS, &got);
	sleep_ms(LATE_MS);
	return ret ?: sst_send(fd, TYPE_NEVER, OWN_DATA);
}

TEST_F_TIMEOUT(seen, attributes, SLOW_S)
{
	const struct mode *m;

	ASSERT_EQ(0, have_it_all(self->fd));
	for (m = attributes; m->name; m++) {
		if (!(m->mode & 0444))
			continue;
		ASSERT_LE(0, sst_attr_get(m->name, self->text, TEXT_SIZE));
		EXPECT_FALSE(public_text_leaks(self->text)) {
			TH_LOG("%s", m->name);
		}
	}
}

TEST_F_TIMEOUT(seen, requests_in_debugfs, SLOW_S)
{
	char path[PATH_MAX];
	char *line;

	ASSERT_EQ(0, have_it_all(self->fd));
	snprintf(path, sizeof(path), DEBUGFS "virtio-sst/%s/requests", sst_name());
	ASSERT_EQ(0, read_all(path, self->text));
	/* After the request_id */
	line = strchr(self->text, '\n');
	ASSERT_NE(NULL, line);
	ASSERT_NE(NULL, strstr(line, "BUSY"));
	for (; line[1]; line = strchr(line + 1, '\n')) {
		char *rest = line + 1 + strspn(line + 1, " ");

		EXPECT_FALSE(text_leaks(rest + strcspn(rest, " ")));
	}
}

TEST_F_TIMEOUT(seen, tracepoints, SLOW_S)
{
	rmdir(TRACE);
	ASSERT_EQ(0, mkdir(TRACE, 0700));
	ASSERT_EQ(0, write_file(TRACE "events/virtio_sst/enable", "1"));
	ASSERT_EQ(0, have_it_all(self->fd));
	ASSERT_EQ(0, write_file(TRACE "events/virtio_sst/enable", "0"));
	ASSERT_EQ(0, read_all(TRACE "trace", self->text));
	EXPECT_NE(NULL, strstr(self->text, "sst_complete"));
	EXPECT_NE(NULL, strstr(self->text, "sst_late"));
	EXPECT_FALSE(text_leaks(self->text));
}

/* Each read of /dev/kmsg gives one line. Returns how many are the driver's, or -1: a leak. */
static int driver_lines(int fd, char *text)
{
	int lines = 0;
	ssize_t n;

	while ((n = read(fd, text, TEXT_SIZE - 1)) > 0 || errno == EPIPE) {
		text[n > 0 ? n : 0] = 0;
		if (!strstr(text, "virtio-sst"))
			continue;
		lines++;
		if (public_text_leaks(text))
			return -1;
	}
	return lines;
}

TEST_F_TIMEOUT(seen, kernel_log, SLOW_S)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, lseek(fd, 0, SEEK_END));
	ASSERT_EQ(0, write_file(MODULE "debug", "1"));
	ASSERT_EQ(0, have_it_all(self->fd));
	EXPECT_LT(0, driver_lines(fd, self->text));
	close(fd);
}

/* A request of the netlink family. Returns whether its answer leaks, or -errno. */
static int netlink_leaks(struct mnl_socket *socket, unsigned int family, unsigned int cmd,
			 char *text)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(text);
	struct genlmsghdr *header;
	int n;

	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = cmd;
	header->version = VIRTIO_SST_FAMILY_VERSION;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, text, TEXT_SIZE);
		if (n < 0)
			return -errno;
		if (message->nlmsg_type == NLMSG_ERROR)
			return -EPROTO;
		if (leaks(text, n))
			return true;
	} while (message->nlmsg_type != NLMSG_DONE);
	return false;
}

static unsigned int netlink_family(struct mnl_socket *socket, char *text)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(text);
	struct genlmsghdr *header;
	const struct nlattr *attr;

	message->nlmsg_type = GENL_ID_CTRL;
	message->nlmsg_flags = NLM_F_REQUEST;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->cmd = CTRL_CMD_GETFAMILY;
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, VIRTIO_SST_FAMILY_NAME);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ||
	    mnl_socket_recvfrom(socket, text, TEXT_SIZE) < 0)
		return 0;
	mnl_attr_for_each(attr, message, GENL_HDRLEN)
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			return mnl_attr_get_u16(attr);
	return 0;
}

TEST_F_TIMEOUT(seen, netlink, SLOW_S)
{
	struct mnl_socket *socket = mnl_socket_open(NETLINK_GENERIC);
	unsigned int family;

	ASSERT_NE(NULL, socket);
	ASSERT_EQ(0, mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID));
	family = netlink_family(socket, self->text);
	ASSERT_NE(0, family);
	ASSERT_EQ(0, have_it_all(self->fd));
	EXPECT_EQ(0, netlink_leaks(socket, family, VIRTIO_SST_CMD_DEVICE_GET, self->text));
	EXPECT_EQ(0, netlink_leaks(socket, family, VIRTIO_SST_CMD_QUEUE_GET, self->text));
	mnl_socket_close(socket);
}

/* Join all groups of the family that @text has. Returns how many there are, or -errno. */
static int follow(struct mnl_socket *socket, const char *text)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)text;
	const struct nlattr *attr, *group, *part;
	int n = 0;

	mnl_attr_for_each(attr, message, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		mnl_attr_for_each_nested(group, attr) {
			mnl_attr_for_each_nested(part, group) {
				unsigned int id;

				if (mnl_attr_get_type(part) != CTRL_ATTR_MCAST_GRP_ID)
					continue;
				id = mnl_attr_get_u32(part);
				if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &id,
							  sizeof(id)))
					return -errno;
				n++;
			}
		}
	}
	return n;
}

TEST_F_TIMEOUT(seen, netlink_groups, SLOW_S)
{
	struct mnl_socket *socket = mnl_socket_open(NETLINK_GENERIC);
	unsigned int told[VIRTIO_SST_CMD_MAX + 1] = {};
	const struct genlmsghdr *header;
	int n;

	ASSERT_NE(NULL, socket);
	ASSERT_EQ(0, mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID));
	ASSERT_NE(0, netlink_family(socket, self->text));
	ASSERT_EQ(2, follow(socket, self->text));
	ASSERT_EQ(0, have_it_all(self->fd));
	ASSERT_EQ(0, sst_reset());
	while (sst_poll(mnl_socket_get_fd(socket), POLLIN, QUIET_MS)) {
		n = mnl_socket_recvfrom(socket, self->text, TEXT_SIZE);
		ASSERT_LT(0, n);
		EXPECT_FALSE(leaks(self->text, n));
		header = mnl_nlmsg_get_payload((struct nlmsghdr *)self->text);
		ASSERT_GE(VIRTIO_SST_CMD_MAX, header->cmd);
		told[header->cmd]++;
	}
	EXPECT_NE(0, told[VIRTIO_SST_CMD_DEVICE_CHANGE_NTF]);
	EXPECT_NE(0, told[VIRTIO_SST_CMD_COUNTERS_NTF]);
	mnl_socket_close(socket);
}

/* Each structure that comes out, in memory that was full of something else */

/* Whether @p has @size bytes that do not leak, and nothing was written after them */
static bool is_whole(const unsigned char *p, size_t size)
{
	return !leaks(p, size) && all_bytes(p + size, OLD_BYTE, GUARD);
}

TEST_F_TIMEOUT(seen, structures_of_ioctl, SLOW_S)
{
	union {
		struct sst_info info;
		struct sst_settings settings;
		struct sst_cancel cancel;
		struct sst_slot_setup setup;
		unsigned char bytes[256];
	} u;

	memset(&u, OLD_BYTE, sizeof(u));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_INFO, &u));
	EXPECT_TRUE(is_whole(u.bytes, sizeof(u.info)));
	EXPECT_TRUE(all_bytes(u.info.reserved, 0, sizeof(u.info.reserved)));

	memset(&u, OLD_BYTE, sizeof(u));
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_GET_SETTINGS, &u));
	EXPECT_TRUE(is_whole(u.bytes, sizeof(u.settings)));
	EXPECT_TRUE(all_bytes(u.settings.reserved, 0, sizeof(u.settings.reserved)));

	ASSERT_EQ(0, sst_send(self->fd, TYPE_NEVER, OWN_DATA));
	memset(&u, OLD_BYTE, sizeof(u));
	u.cancel = (struct sst_cancel) { .flags = SST_CANCEL_ALL };
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_CANCEL, &u));
	EXPECT_TRUE(is_whole(u.bytes, sizeof(u.cancel)));
	EXPECT_EQ(1, u.cancel.count);
	EXPECT_TRUE(all_bytes(u.cancel.reserved, 0, sizeof(u.cancel.reserved)));

	memset(&u, OLD_BYTE, sizeof(u));
	u.setup = (struct sst_slot_setup) { .nr = 2 };
	ASSERT_EQ(0, ioctl(self->fd, SST_IOCTL_SETUP_SLOTS, &u));
	EXPECT_TRUE(is_whole(u.bytes, sizeof(u.setup)));
	EXPECT_TRUE(all_bytes(u.setup.reserved, 0, sizeof(u.setup.reserved)));
}

TEST_F_TIMEOUT(seen, events, SLOW_S)
{
	struct sst_event_setup setup = { .flags = SST_EVENT_NONBLOCK };
	int events = ioctl(self->fd, SST_IOCTL_EVENT_FD, &setup);
	unsigned char e[sizeof(struct sst_event) + GUARD];

	ASSERT_LE(0, events);
	ASSERT_EQ(0, sst_reset());
	memset(e, OLD_BYTE, sizeof(e));
	ASSERT_EQ(sizeof(struct sst_event), read(events, e, sizeof(struct sst_event)));
	EXPECT_TRUE(is_whole(e, sizeof(struct sst_event)));
	close(events);
}

/* Memory */

#define CGROUP		"/tmp/virtio-sst-cgroup"
#define GROUP		CGROUP "/virtio_sst_test"
#define MEMORY_MAX	"8388608"
#define FILES_MAX	262144

FIXTURE(memory)
{
	struct child *child;
};

FIXTURE_VARIANT(memory)
{
	int (*take)(void);	/* more memory; returns 0, or -errno */
	unsigned int nr;	/* how often */
	long long size;		/* bytes that each takes at least */
};

static int take_file(void)
{
	return result(sst_open(O_RDWR));
}

static int take_events(void)
{
	struct sst_event_setup setup = { .capacity = SST_EVENT_CAPACITY_MAX };

	return result(ioctl(sst_open(O_RDONLY), SST_IOCTL_EVENT_FD, &setup));
}

static int take_slots(void)
{
	struct sst_slot_setup setup = { .nr = 128 };

	return result(ioctl(sst_open(O_RDWR), SST_IOCTL_SETUP_SLOTS, &setup));
}

/* Responses that nobody reads */
static int take_responses(void)
{
	static struct sst_request req[128];
	int fd = sst_open(O_RDWR | O_NONBLOCK);
	long left = sizeof(req);

	if (file_set_limit(fd, ARRAY_SIZE(req)))
		return -errno;
	while (left) {
		ssize_t n = write(fd, req, left);

		if (n < 0 && errno != EAGAIN)
			return -errno;
		left -= n < 0 ? 0 : n;
		if (n < 0)
			sst_poll(fd, POLLOUT, 1000);
	}
	return 0;
}

/* More than the kernel's own part of an open file */
FIXTURE_VARIANT_ADD(memory, files) { .take = take_file, .nr = 8192, .size = 400 };
FIXTURE_VARIANT_ADD(memory, events) { .take = take_events, .nr = 6, .size = 65536 * 24 };
FIXTURE_VARIANT_ADD(memory, slots) { .take = take_slots, .nr = 8, .size = 128 * 2 * 4096 };
/* Some of their slots are there already. */
FIXTURE_VARIANT_ADD(memory, responses) { .take = take_responses, .nr = 10, .size = 128 * 6000 };

static long long group_number(const char *name)
{
	char path[PATH_MAX], text[64];

	snprintf(path, sizeof(path), GROUP "/%s", name);
	return read_file(path, text, sizeof(text)) < 0 ? -1 : atoll(text);
}

/* Make a group for processes. Returns 0, or -errno */
static int make_group(void)
{
	mkdir(CGROUP, 0700);
	/* A test that failed may have left it. */
	umount2(CGROUP, MNT_DETACH);
	if (mount("none", CGROUP, "cgroup2", 0, NULL))
		return -errno;
	rmdir(GROUP);
	return write_file(CGROUP "/cgroup.subtree_control", "+memory") ?:
	       result(mkdir(GROUP, 0700));
}

FIXTURE_SETUP(memory)
{
	struct rlimit files = { FILES_MAX, FILES_MAX };

	ASSERT_EQ(0, calm());
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->child = mmap(NULL, sizeof(*self->child), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->child);
	ASSERT_EQ(0, make_group());
}

/* A group is empty a little after the last of its processes has ended. */
FIXTURE_TEARDOWN(memory)
{
	unsigned long long end = now_ms() + 10000;

	while (rmdir(GROUP) && now_ms() < end)
		sleep_ms(10);
	EXPECT_EQ(-1, access(GROUP, F_OK));
	EXPECT_EQ(0, umount(CGROUP));
	rmdir(CGROUP);
	munmap(self->child, sizeof(*self->child));
}

#define BUSY	1	/* what a child that has not ended has as its result */

/* Have a child in the group take memory, @n times or as often as it can, and keep it. */
static void start_in_group(struct child *child, int (*take)(void), unsigned int n)
{
	int ret;

	child->result = BUSY;
	if (!child_start(child))
		return;
	ret = write_file(GROUP "/cgroup.procs", "0");
	while (n-- && !ret)
		ret = take();
	__atomic_store_n(&child->result, ret, __ATOMIC_SEQ_CST);
	while (true)
		pause();
}

/* Wait until it has what it wants. Returns 0, or -errno; also if it was killed for memory. */
static int wait_in_group(const struct child *child)
{
	int ret, status;

	while ((ret = __atomic_load_n(&child->result, __ATOMIC_SEQ_CST)) == BUSY) {
		if (waitpid(child->pid, &status, WNOHANG) == child->pid)
			return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? -ENOMEM :
										     -ECHILD;
		sleep_ms(1);
	}
	return ret;
}

static void end_in_group(const struct child *child)
{
	if (child->result == BUSY)
		return;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

/* How often the group has been at its limit, or -1 */
static long long times_at_limit(void)
{
	char text[512];

	return read_file(GROUP "/memory.events", text, sizeof(text)) < 0 ? -1 :
	       sst_stat_in(text, "max");
}

static int works_for_others(void)
{
	int fd = sst_open(O_RDWR);
	int ret = op_event_fd(fd) ?: op_set_up_slots(fd) ?: op_transact(fd);

	close(fd);
	return ret;
}

TEST_F_TIMEOUT(memory, is_charged_to_who_takes_it, SLOW_S)
{
	start_in_group(self->child, variant->take, variant->nr);
	EXPECT_EQ(0, wait_in_group(self->child));
	EXPECT_LT(variant->nr * variant->size, group_number("memory.current"));
	EXPECT_EQ(0, works_for_others());
	end_in_group(self->child);
}

TEST_F_TIMEOUT(memory, of_one_group_runs_out_for_that_group_alone, SLOW_S)
{
	ASSERT_EQ(0, write_file(GROUP "/memory.max", MEMORY_MAX));
	start_in_group(self->child, variant->take, ~0U);
	EXPECT_EQ(-ENOMEM, wait_in_group(self->child));
	EXPECT_LT(0, times_at_limit());
	EXPECT_EQ(0, works_for_others());
	end_in_group(self->child);
}

TEST_HARNESS_MAIN
