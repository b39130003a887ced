// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to a front-end.
 *
 * A message is put together from whatever arrives, so that a front-end that
 * stops in the middle of one does not stop the device.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "conn.h"
#include "log.h"
#include "util.h"

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
};

static void close_fds(struct conn *conn)
{
	while (conn->nr_fds)
		close_fd(&conn->fds[--conn->nr_fds]);
}

void conn_close(struct conn *conn)
{
	int fd = conn->watch.fd;

	loop_remove(conn->loop, &conn->watch);
	close_fd(&fd);
	close_fds(conn);
}

void conn_end(struct conn *conn, const char *why)
{
	if (why)
		log_fault("%s; the connection is closed", why);
	conn_close(conn);
	conn->closed(conn);
}

/* Returns how many bytes are missing, to the header or to the whole message */
static size_t missing(const struct conn *conn)
{
	struct vu_header header;

	if (conn->have < sizeof(header))
		return sizeof(header) - conn->have;
	memcpy(&header, conn->buf, sizeof(header));
	return sizeof(header) + header.size - conn->have;
}

/* Takes the descriptors that came along. Return: whether there was room */
static bool take_fds(struct conn *conn, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	bool ok = !(msg->msg_flags & MSG_CTRUNC);
	size_t i, nr;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < nr; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd),
			       sizeof(fd));
			if (conn->nr_fds < VU_MAX_FDS) {
				conn->fds[conn->nr_fds++] = fd;
			} else {
				close(fd);
				ok = false;
			}
		}
	}
	return ok;
}

/* Receives a part of a message. Return: as recvmsg() */
static ssize_t receive(struct conn *conn, bool *fds_ok)
{
	struct iovec iov = {
		.iov_base = conn->buf + conn->have,
		.iov_len = missing(conn),
	};
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t ret;

	ret = recvmsg(conn->watch.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (ret > 0)
		*fds_ok = take_fds(conn, &msg);
	return ret;
}

/* Returns what is wrong with the part of a message that has arrived, or NULL */
static const char *check_header(const struct conn *conn)
{
	struct vu_header header;

	if (conn->have < sizeof(header))
		return NULL;
	memcpy(&header, conn->buf, sizeof(header));
	if (header.size > VU_MAX_PAYLOAD)
		return "message is too long";
	return NULL;
}

/* Handles a complete message. Return: NULL, or why the connection must end */
static const char *handle_message(struct conn *conn)
{
	uint8_t reply[VU_MAX_REPLY];
	int len;

	len = vu_message(conn->vu, conn->buf, conn->have, conn->fds,
			 conn->nr_fds, reply);
	close_fds(conn);
	conn->have = 0;
	if (len < 0)
		return "message is not of the vhost-user protocol";
	/* Who sends that much without reading the replies is no front-end */
	if (len && send(conn->watch.fd, reply, (size_t)len,
			MSG_DONTWAIT | MSG_NOSIGNAL) != len)
		return "reply cannot be sent";
	return NULL;
}

static void take_part(struct conn *conn)
{
	const char *error = NULL;
	bool fds_ok = true;
	ssize_t ret;

	ret = receive(conn, &fds_ok);
	if (ret < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (ret <= 0) {
		conn_end(conn, conn->have ? "message is cut off" : NULL);
		return;
	}
	conn->have += (size_t)ret;
	if (!fds_ok)
		error = "message with too many files";
	if (!error)
		error = check_header(conn);
	if (!error && !missing(conn))
		error = handle_message(conn);
	if (error)
		conn_end(conn, error);
}

static void conn_ready(struct watch *watch)
{
	take_part(container_of(watch, struct conn, watch));
}

int conn_open(struct conn *conn, int fd)
{
	conn->have = 0;
	conn->nr_fds = 0;
	conn->watch.ready = conn_ready;
	conn->watch.about = conn->vu->name;
	return loop_add(conn->loop, &conn->watch, fd);
}
