// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the fuzzer: ioctls, with structures that are valid, almost valid, or garbage.
 */
#include <stddef.h>

#include "fuzz.h"

/* Have an ioctl fail with these errors only, and with ENOTTY on a descriptor for events. */
#define expect_ioctl(s, file, access, ret, what, ...)				\
do {										\
	uint64_t of_ioctl = (file);						\
										\
	expect(s, ret, what, unless_open(of_ioctl, access),			\
	       of_ioctl & HANDLE_EVENTS ? ENOTTY : EFAULT, EFAULT, ##__VA_ARGS__); \
} while (0)

/* What is not zero though it must be was taken. */
static void expect_refusal(struct self *s, long ret, const char *what, bool wrong)
{
	if (ret >= 0 && wrong)
		complain(s, COMPLAINT_FORM, "%s took what it must refuse", what);
}

static bool transaction_wrong(const struct sst_transaction *t)
{
	return t->flags || !all_bytes(t->reserved, 0, sizeof(t->reserved)) ||
	       t->request_size < SST_REQUEST_HEADER_SIZE || t->request_size > REQ ||
	       t->response_size < SST_RESPONSE_HEADER_SIZE || t->response_size > RESP;
}

void do_transact(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_response *resp = s->responses;
	struct sst_transaction t = {
		.request_size = REQ - (pick(s, 4) ? 0 : pick(s, SST_PAYLOAD_SIZE + 1)),
		.response_size = RESP - (pick(s, 4) ? 0 : pick(s, SST_PAYLOAD_SIZE + 1)),
	};
	struct sst_transaction before, *arg;
	int ret;

	fill_request(s, file_id(file), s->requests);
	t.request = (uintptr_t)offer(s, file_id(file), s->requests, REQ);
	t.response = (uintptr_t)room_for(s, resp, RESP);
	spoil(s, &t, offsetof(struct sst_transaction, request_size), sizeof(t));
	before = t;
	arg = offer_argument(s, file_id(file), &t, sizeof(t));
	ret = ioctl(file_fd(file), SST_IOCTL_TRANSACT, arg);
	expect_ioctl(s, file, TO_READ | TO_WRITE, ret, "TRANSACT", EINTR, EINVAL, EMSGSIZE, EAGAIN,
		     ENOBUFS, EIO);
	if (arg != &t)
		return;
	expect_refusal(s, ret, "TRANSACT", transaction_wrong(&before));
	if (ret || t.response != (uintptr_t)resp)
		return;
	check_response(s, file_id(file), resp, t.response_size);
	if (le64toh(resp->request_id) != t.request_id)
		complain(s, COMPLAINT_FOREIGN, "TRANSACT: request_id of another request");
}

static bool settings_wrong(const struct sst_settings *v)
{
	return !v->flags || v->flags & ~(SST_SETTING_TIMEOUT | SST_SETTING_LIMIT) ||
	       !all_bytes(v->reserved, 0, sizeof(v->reserved)) ||
	       (v->flags & SST_SETTING_TIMEOUT &&
		(!v->request_timeout_ms || v->request_timeout_ms > SST_REQUEST_TIMEOUT_MAX_MS)) ||
	       (v->flags & SST_SETTING_LIMIT &&
		(!v->request_limit || v->request_limit > SST_REQUEST_LIMIT_MAX));
}

void do_settings(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_settings settings = {
		.flags = 1 + pick(s, 3),
		.request_timeout_ms = 1 + pick(s, 30),
		.request_limit = 1 + pick(s, 80),
	};
	struct sst_settings *arg;
	int ret;

	if (!pick(s, 4)) {
		ret = ioctl(file_fd(file), SST_IOCTL_GET_SETTINGS,
			    room_for(s, &settings, sizeof(settings)));
		expect_ioctl(s, file, 0, ret, "GET_SETTINGS");
		return;
	}
	spoil(s, &settings, 0, sizeof(settings));
	if (s->patient && settings.request_timeout_ms > PAGE)
		settings.request_timeout_ms = 1;
	arg = offer_argument(s, file_id(file), &settings, sizeof(settings));
	ret = ioctl(file_fd(file), SST_IOCTL_SET_SETTINGS, arg);
	expect_ioctl(s, file, 0, ret, "SET_SETTINGS", EINVAL);
	if (arg == &settings)
		expect_refusal(s, ret, "SET_SETTINGS", settings_wrong(arg));
}

void do_cancel(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_cancel cancel = { .flags = SST_CANCEL_ALL }, *arg;
	int ret;

	if (pick(s, 2)) {
		cancel.flags = 0;
		cancel.user_data = le64toh(s->requests[0].user_data);
	}
	spoil(s, &cancel, 0, sizeof(cancel));
	arg = offer_argument(s, file_id(file), &cancel, sizeof(cancel));
	ret = ioctl(file_fd(file), SST_IOCTL_CANCEL, arg);
	expect_ioctl(s, file, 0, ret, "CANCEL", ENOENT, EINVAL);
	if (arg == &cancel)
		expect_refusal(s, ret, "CANCEL", cancel.flags & ~SST_CANCEL_ALL ||
			       (cancel.flags && cancel.user_data) ||
			       !all_bytes(cancel.reserved, 0, sizeof(cancel.reserved)));
}

void do_info(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_info info, *arg = room_for(s, &info, sizeof(info));
	int ret = ioctl(file_fd(file), SST_IOCTL_GET_INFO, arg);

	expect_ioctl(s, file, 0, ret, "GET_INFO");
	if (!ret && arg == &info &&
	    (info.abi_version != SST_ABI_VERSION || !info.queue_size ||
	     !all_bytes(info.reserved, 0, sizeof(info.reserved))))
		complain(s, COMPLAINT_FORM, "GET_INFO: odd");
}

void do_events(struct self *s)
{
	uint64_t file = pick_file(s);
	struct sst_event_setup setup = { .flags = pick(s, 4), .capacity = pick(s, 100) }, *arg;
	int fd;

	if (!pick(s, 8))
		setup.capacity = pick(s, SST_EVENT_CAPACITY_MAX + 100);
	spoil(s, &setup, 0, sizeof(setup));
	arg = offer_argument(s, file_id(file), &setup, sizeof(setup));
	fd = ioctl(file_fd(file), SST_IOCTL_EVENT_FD, arg);
	expect_ioctl(s, file, TO_READ, fd, "EVENT_FD", EBUSY, EINVAL, EMFILE, ENFILE);
	if (arg == &setup)
		expect_refusal(s, fd, "EVENT_FD", setup.flags & ~3u ||
			       setup.capacity > SST_EVENT_CAPACITY_MAX ||
			       !all_bytes(setup.reserved, 0, sizeof(setup.reserved)));
	if (fd >= 0)
		set_handle(s, fd, file_id(file), true);
}

static bool known(unsigned int command)
{
	static const unsigned int commands[] = {
		SST_IOCTL_GET_INFO, SST_IOCTL_TRANSACT, SST_IOCTL_GET_SETTINGS,
		SST_IOCTL_SET_SETTINGS, SST_IOCTL_CANCEL, SST_IOCTL_SETUP_SLOTS,
		SST_IOCTL_TRANSACT_SLOTS, SST_IOCTL_EVENT_FD,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i] == command)
			return true;
	return false;
}

/* Numbers that are none; for those that are, addresses where no memory is */
void do_garbage(struct self *s)
{
	static const unsigned int commands[] = {
		SST_IOCTL_TRANSACT, SST_IOCTL_SET_SETTINGS, SST_IOCTL_CANCEL,
		SST_IOCTL_SETUP_SLOTS, SST_IOCTL_TRANSACT_SLOTS,
	};
	unsigned int command = _IOC(pick(s, 4), SST_IOCTL_TYPE, pick(s, 32), pick(s, 80));
	uint64_t words[16] = { 0 }, file = pick_file(s);
	unsigned int i;
	int ret;

	if (pick(s, 2))
		command = commands[pick(s, 5)];
	else if (!pick(s, 4))
		command = pick_number(s) | 0x80;
	if ((command >> _IOC_TYPESHIFT & _IOC_TYPEMASK) != SST_IOCTL_TYPE || command == FIOASYNC)
		return;
	for (i = pick(s, 4); i; i--)
		words[pick(s, 8)] = pick(s, 2) ? pick(s, 32) : pick_number(s);
	ret = ioctl(file_fd(file), command, words);
	if (!known(command))
		expect_refusal(s, ret, "an unknown ioctl", true);
	if (!known(command) && ret < 0 && errno != ENOTTY && errno != EBADF)
		complain(s, COMPLAINT_ERROR, "unknown ioctl %x: %s", command, strerror(errno));
}
