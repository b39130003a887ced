// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a simulator is, or is waited for.
 *
 * The name of a host is looked up once, when the program starts: a look-up takes as long as
 * it likes, and the threads that connect have guests to serve.
 */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "endpoint.h"
#include "log.h"
#include "options.h"
#include "parse.h"
#include "util.h"

/* Connections that wait for their turn */
#define BACKLOG		128

/* A host that is gone is noticed after that many seconds of silence, and so many probes */
#define KEEPALIVE_IDLE		10
#define KEEPALIVE_INTERVAL	4
#define KEEPALIVE_PROBES	3

/*
 * Time between two probes of a host that is there and does not read, at most. Linux has that
 * for a connection from 6.15 on; before, it gets as long as the host has not read, up to 2
 * minutes.
 */
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS		44
#endif
#define PROBE_MS	5000

/* The same as milliseconds, while something waits to be sent or confirmed */
#define SILENCE_MS	((KEEPALIVE_IDLE + KEEPALIVE_PROBES * KEEPALIVE_INTERVAL) * 1000)

static bool parse_path(struct endpoint *endpoint, const char *path)
{
	struct sockaddr_un *addr = (struct sockaddr_un *)&endpoint->addr[0];

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	endpoint->path = path;
	endpoint->addr_len[0] = sizeof(*addr);
	endpoint->nr = 1;
	return *path && parse_copy(path, addr->sun_path, sizeof(addr->sun_path));
}

/* A host with colons, an IPv6 address, has brackets */
static bool parse_host(struct endpoint *endpoint, const char *host, size_t len)
{
	bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';

	if (brackets) {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return false;
	}
	if (!len || len >= sizeof(endpoint->host) || memchr(host, '[', len))
		return false;
	memcpy(endpoint->host, host, len);
	endpoint->host[len] = '\0';
	return true;
}

bool endpoint_parse(struct endpoint *endpoint, const char *text)
{
	const char *colon;
	uint64_t port;

	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->text = text;
	endpoint->server.fd = -1;
	if (!strncmp(text, "unix:", 5))
		return parse_path(endpoint, text + 5);
	if (strncmp(text, "tcp:", 4))
		return false;
	text += 4;
	colon = strrchr(text, ':');
	if (!colon || !parse_number(colon + 1, UINT16_MAX, &port) || !port)
		return false;
	snprintf(endpoint->port, sizeof(endpoint->port), "%u", (unsigned int)port);
	return parse_host(endpoint, text, (size_t)(colon - text));
}

static void take_addresses(struct endpoint *endpoint, const struct addrinfo *info)
{
	for (; info && endpoint->nr < ENDPOINT_MAX_ADDRESSES; info = info->ai_next) {
		memcpy(&endpoint->addr[endpoint->nr], info->ai_addr, info->ai_addrlen);
		endpoint->addr_len[endpoint->nr++] = info->ai_addrlen;
	}
}

static int resolve(struct endpoint *endpoint)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *info;
	int error;

	endpoint->nr = 0;
	error = getaddrinfo(endpoint->host, endpoint->port, &hints, &info);
	if (error) {
		log_error("%s: %s", endpoint->text,
			  error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
		return EXIT_NO_HOST;
	}
	take_addresses(endpoint, info);
	freeaddrinfo(info);
	return 0;
}

static int new_socket(const struct endpoint *endpoint, unsigned int number)
{
	return socket(endpoint->addr[number].ss_family,
		      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int listen_tcp(struct endpoint *endpoint)
{
	const struct sockaddr *addr = (const struct sockaddr *)&endpoint->addr[0];
	const int on = 1;
	int fd = new_socket(endpoint, 0), error;

	endpoint->server.fd = fd;
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, addr, endpoint->addr_len[0]) && !listen(fd, BACKLOG))
		return 0;
	error = errno;
	log_error("%s: %s", endpoint->text, strerror(error));
	close_fd(&endpoint->server.fd);
	return error == EADDRINUSE ? EXIT_IN_USE : EXIT_FAILED;
}

int endpoint_open(struct endpoint *endpoint)
{
	int status;

	if (endpoint->path)
		return endpoint->listens ? server_open(&endpoint->server, endpoint->path) : 0;
	status = resolve(endpoint);
	if (status || !endpoint->listens)
		return status;
	return listen_tcp(endpoint);
}

void endpoint_close(struct endpoint *endpoint)
{
	if (!endpoint->text || endpoint->server.fd < 0)
		return;
	if (endpoint->path)
		server_close(&endpoint->server);
	else
		close_fd(&endpoint->server.fd);
}

static void set_int(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

/* Requests are to leave at once, and a host that is gone is to be noticed */
static void set_tcp_options(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	set_int(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, PROBE_MS);
}

int endpoint_connect(const struct endpoint *endpoint, unsigned int number, bool *connecting)
{
	int fd = new_socket(endpoint, number), error;

	if (fd < 0)
		return -1;
	if (!endpoint->path)
		set_tcp_options(fd);
	*connecting = connect(fd, (const struct sockaddr *)&endpoint->addr[number],
			      endpoint->addr_len[number]);
	if (!*connecting || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/*
 * Keepalive probes are only for connections with nothing to send. TCP_USER_TIMEOUT would be for
 * the others, but ends those as well whose simulator is there and does not read for a while.
 */
bool endpoint_is_silent(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       (info.tcpi_retransmits || info.tcpi_probes >= KEEPALIVE_PROBES) &&
	       info.tcpi_last_ack_recv >= SILENCE_MS;
}

bool endpoint_is_self(int fd)
{
	struct sockaddr_storage own = { 0 }, other = { 0 };
	socklen_t own_len = sizeof(own), other_len = sizeof(other);

	return !getsockname(fd, (struct sockaddr *)&own, &own_len) &&
	       !getpeername(fd, (struct sockaddr *)&other, &other_len) &&
	       own.ss_family != AF_UNIX && !memcmp(&own, &other, sizeof(own));
}

int endpoint_accept(const struct endpoint *endpoint)
{
	int fd = accept4(endpoint->server.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && !endpoint->path)
		set_tcp_options(fd);
	return fd;
}
