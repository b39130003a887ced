// SPDX-License-Identifier: GPL-2.0-only
/*
 * A simulator for vhost-user-sst, to start one of your own from: it waits for connections,
 * and answers what comes on them.
 *
 *	cc -I include/uapi -o simulator simulator.c		in the driver's sources
 *	cc $(pkg-config --cflags virtio-sst) -o simulator simulator.c
 *	./simulator 127.0.0.1 5000 20000 10 &
 *	vhost-user-sst --socket /tmp/sst.sock --connect tcp:127.0.0.1:5000
 *
 * The device sends requests of 4104 bytes, back to back, and takes responses of 4112 bytes,
 * in any order: request_id tells which request a response is for. Each pair of queues of the
 * device has a connection of its own, and a response goes back on the connection of its
 * request. A connection that ends is made again; requests that were not answered on it have
 * ended for the guest.
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_sst.h>

#define MAX_CONNECTIONS	64
#define MEMORY_SIZE	(16u << 20)
#define CYCLES_PER_UNIT	100

/* A response that waits until it is due, then until the socket takes all of it */
struct answer {
	struct answer *next;
	uint64_t due_us;
	struct sst_response resp;
};

struct connection {
	int fd;
	struct sst_request request;	/* the one that is arriving */
	size_t have;			/* bytes of it */
	struct answer *first;		/* answers, the one that is due next in front */
	struct answer *sending;		/* being sent; none other may come in between */
	size_t sent;			/* bytes of it */
};

static struct connection connections[MAX_CONNECTIONS];
static uint8_t memory[MEMORY_SIZE];
static uint64_t simulated_time, latency_us, unit_us;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* What is simulated: replace the following functions */

static void compute(const struct sst_request *req, struct sst_response *resp)
{
	uint64_t cycles = le64toh(req->compute.compute_units) * CYCLES_PER_UNIT;

	simulated_time += cycles;
	resp->result = htole64(cycles);
	resp->compute.cycles = htole64(cycles);
	resp->compute.timestamp = htole64(simulated_time);
}

static void access_memory(const struct sst_request *req, struct sst_response *resp, int writes)
{
	size_t room = SST_PAYLOAD_SIZE - (writes ? sizeof(req->memory) : 0);
	uint64_t addr = le64toh(req->memory.addr);
	uint32_t size = le32toh(req->memory.size);

	if (size > room || addr > MEMORY_SIZE - size) {
		resp->status = htole32(SST_RESPONSE_INVALID);
		return;
	}
	if (writes)
		memcpy(memory + addr, req->payload + sizeof(req->memory), size);
	else
		memcpy(resp->payload, memory + addr, size);
	resp->result = htole64(size);
}

static void run(const struct sst_request *req, struct sst_response *resp)
{
	switch (le32toh(req->type)) {
	case SST_REQUEST_COMPUTE:
		compute(req, resp);
		break;
	case SST_REQUEST_READ:
		access_memory(req, resp, 0);
		break;
	case SST_REQUEST_WRITE:
		access_memory(req, resp, 1);
		break;
	case SST_REQUEST_NOOP:
	case SST_REQUEST_ECHO:
		memcpy(resp->payload, req->payload, SST_PAYLOAD_SIZE);
		break;
	default:		/* types of your own come here as well */
		resp->status = htole32(SST_RESPONSE_INVALID);
	}
}

/* How long a request takes */
static uint64_t duration_us(const struct sst_request *req)
{
	if (le32toh(req->type) != SST_REQUEST_COMPUTE)
		return latency_us;
	return latency_us + le64toh(req->compute.compute_units) * unit_us;
}

/* Answers */

static void begin_answer(struct connection *c)
{
	struct answer *answer = calloc(1, sizeof(*answer)), **place = &c->first;

	if (!answer) {
		fprintf(stderr, "simulator: out of memory\n");
		exit(1);
	}
	answer->due_us = now_us() + duration_us(&c->request);
	answer->resp.request_id = c->request.request_id;
	answer->resp.user_data = c->request.user_data;
	run(&c->request, &answer->resp);
	while (*place && (*place)->due_us <= answer->due_us)
		place = &(*place)->next;
	answer->next = *place;
	*place = answer;
}

static void close_connection(struct connection *c)
{
	struct answer *answer;

	free(c->sending);
	while ((answer = c->first)) {
		c->first = answer->next;
		free(answer);
	}
	close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

/* Sends what is due, as far as the socket takes it. Return: 0, or -1 if the connection ended */
static int send_answers(struct connection *c)
{
	ssize_t n;

	for (;;) {
		if (!c->sending && c->first && c->first->due_us <= now_us()) {
			c->sending = c->first;
			c->first = c->first->next;
			c->sent = 0;
		}
		if (!c->sending)
			return 0;
		n = send(c->fd, (char *)&c->sending->resp + c->sent,
			 sizeof(c->sending->resp) - c->sent, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->sent += (size_t)n;
		if (c->sent == sizeof(c->sending->resp)) {
			free(c->sending);
			c->sending = NULL;
		}
	}
}

/* Takes what has arrived, which can be a part of a request. Return: as send_answers() */
static int receive(struct connection *c)
{
	ssize_t n = recv(c->fd, (char *)&c->request + c->have, sizeof(c->request) - c->have, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	c->have += (size_t)n;
	if (c->have == sizeof(c->request)) {
		begin_answer(c);
		c->have = 0;
	}
	return 0;
}

/* Connections */

/* Has TCP end a connection whose other end is gone without a word, after 25 s */
static void notice_silence(int fd)
{
	int on = 1, idle = 10, interval = 5, probes = 3;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void accept_connection(int listening)
{
	int fd = accept(listening, NULL, NULL), on = 1, i;

	if (fd < 0)
		return;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	/* Neither has an effect on a Unix socket. Without the first, TCP holds messages back */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	notice_silence(fd);
	for (i = 0; i < MAX_CONNECTIONS; i++) {
		if (connections[i].fd >= 0)
			continue;
		connections[i].fd = fd;
		return;
	}
	close(fd);
}

/* How long poll() may sleep: until the next answer is due */
static int sleep_ms(void)
{
	uint64_t now = now_us(), first = UINT64_MAX;
	int i;

	for (i = 0; i < MAX_CONNECTIONS; i++)
		if (connections[i].first && connections[i].first->due_us < first)
			first = connections[i].first->due_us;
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (int)((first - now + 999) / 1000);
}

static void serve(int listening)
{
	struct pollfd fds[MAX_CONNECTIONS + 1];
	int i;

	for (;;) {
		fds[MAX_CONNECTIONS] = (struct pollfd){ .fd = listening, .events = POLLIN };
		for (i = 0; i < MAX_CONNECTIONS; i++)
			fds[i] = (struct pollfd){
				.fd = connections[i].fd,
				.events = POLLIN | (connections[i].sending ? POLLOUT : 0),
			};
		if (poll(fds, MAX_CONNECTIONS + 1, sleep_ms()) < 0 && errno != EINTR)
			return;
		for (i = 0; i < MAX_CONNECTIONS; i++)
			if (connections[i].fd >= 0 &&
			    ((fds[i].revents && receive(&connections[i])) ||
			     send_answers(&connections[i])))
				close_connection(&connections[i]);
		if (fds[MAX_CONNECTIONS].revents)
			accept_connection(listening);
	}
}

static int listen_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 16))
		return -1;
	return fd;
}

static int listen_tcp(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *info;
	int fd, on = 1;

	if (getaddrinfo(host, port, &hints, &info))
		return -1;
	fd = socket(info->ai_family, SOCK_STREAM, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, 16))
		fd = -1;
	freeaddrinfo(info);
	return fd;
}

int main(int argc, char **argv)
{
	int listening, i;

	if (argc != 5) {
		fprintf(stderr, "usage: simulator HOST PORT LATENCY_US UNIT_US\n"
			"       simulator unix PATH LATENCY_US UNIT_US\n");
		return 2;
	}
	latency_us = strtoull(argv[3], NULL, 10);
	unit_us = strtoull(argv[4], NULL, 10);
	for (i = 0; i < MAX_CONNECTIONS; i++)
		connections[i].fd = -1;
	listening = strcmp(argv[1], "unix") ? listen_tcp(argv[1], argv[2]) : listen_unix(argv[2]);
	if (listening < 0) {
		perror("simulator: cannot listen");
		return 1;
	}
	fcntl(listening, F_SETFL, O_NONBLOCK);
	printf("listening\n");
	fflush(stdout);
	serve(listening);
	perror("simulator");
	return 1;
}
