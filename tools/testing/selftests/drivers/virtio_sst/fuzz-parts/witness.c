// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that does nothing wrong, with a file of its own: it must be served, with its
 * own data, whatever others do.
 */
#include "fuzz.h"

/* Far less than a round; in a rude one a device may pause before that */
#define WITNESS_TIMEOUT_MS	3000
#define RUDE_TIMEOUT_MS		1000
#define SLACK_MS		500
#define PAUSE_US		500

static void make_request(struct self *s, struct sst_request *req, unsigned char *byte)
{
	*byte = next_random(s);
	sst_prepare(req, SST_REQUEST_ECHO, next_random(s));
	memset(req->payload, *byte, SST_PAYLOAD_SIZE);
}

/* Where the device breaks the driver may end requests instead. */
static bool ended_by_driver(struct self *s, const struct sst_response *resp)
{
	unsigned int status = le32toh(resp->status);

	return s->shared->round.rude && le32toh(resp->flags) == SST_RESPONSE_F_DRIVER &&
	       (status == SST_RESPONSE_ERROR || status == SST_RESPONSE_TIMEOUT);
}

static void check(struct self *s, const struct sst_request *req, const struct sst_response *resp,
		  unsigned char byte)
{
	if (resp->user_data != req->user_data)
		complain(s, COMPLAINT_WITNESS, "the witness got a response of somebody else");
	else if (ended_by_driver(s, resp))
		return;
	else if (resp->status || resp->flags || !all_bytes(resp->payload, byte, SST_PAYLOAD_SIZE))
		complain(s, COMPLAINT_WITNESS, "the witness got status %u, flags %x, or other data",
			 le32toh(resp->status), le32toh(resp->flags));
	s->progress->answers++;
}

/* Returns 0, or -errno */
static int transact(int fd, struct sst_request *req, struct sst_response *resp)
{
	struct sst_transaction t = {
		.request = (uintptr_t)req,
		.response = (uintptr_t)resp,
		.request_size = REQ,
		.response_size = RESP,
	};

	return ioctl(fd, SST_IOCTL_TRANSACT, &t) ? -errno : 0;
}

static int write_and_read(int fd, struct sst_request *req, struct sst_response *resp)
{
	int ret = write(fd, req, REQ) == REQ ? 0 : -errno;

	if (!ret && sst_poll(fd, POLLIN, WITNESS_TIMEOUT_MS + SLACK_MS) != POLLIN)
		return -ETIMEDOUT;
	return ret ?: sst_receive(fd, resp);
}

static void ask(struct self *s, int fd)
{
	struct sst_response resp = {};
	unsigned long long start = now_ms();
	struct sst_request req;
	unsigned char byte;
	int ret;

	make_request(s, &req, &byte);
	ret = next_random(s) % 2 ? transact(fd, &req, &resp) : write_and_read(fd, &req, &resp);
	if (!ret)
		check(s, &req, &resp, byte);
	else if (ret != -EIO || !s->shared->round.rude)
		complain(s, COMPLAINT_WITNESS, "the witness got %s", strerror(-ret));
	if (now_ms() - start > s->progress->longest_ms)
		s->progress->longest_ms = now_ms() - start;
	s->progress->steps++;
}

void witness(struct shared *shared, unsigned int number)
{
	struct self s = {
		.shared = shared,
		.progress = &shared->witness[number],
		.number = ATTACKERS_MAX + number,
		.random = shared->seed + (number + 1) * 1000003ULL + shared->round.number,
	};
	int fd = sst_open(O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || file_set_timeout(fd, shared->round.rude ? RUDE_TIMEOUT_MS :
				       WITNESS_TIMEOUT_MS))
		complain(&s, COMPLAINT_WITNESS, "the device cannot be opened");
	for (;;) {
		ask(&s, fd);
		usleep(PAUSE_US);
	}
}
