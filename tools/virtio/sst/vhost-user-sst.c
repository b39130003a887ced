// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-user-sst: the SST device in a process of its own, for User Mode Linux
 * and for virtual machines with vhost-user.
 *
 * The main thread takes signals, connections and messages, and sends events. Each
 * pair of a request and a response queue has a thread of its own, a worker. Every
 * thread has an event loop. The workers pause while a message is handled.
 *
 *	server		listening socket; while a front-end is served, others wait
 *	conn		its connection: bytes and descriptors to messages
 *	vhost-user	messages to memory table and rings
 *	device		SST device on these: requestq, responseq, eventq, all with virtq
 *	sigbus		guest memory that the front-end takes away
 *	worker		thread with a loop that can be made to pause
 *	model		what is simulated
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#include "conn.h"
#include "device.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "server.h"
#include "sigbus.h"
#include "util.h"

/**
 * struct daemon - the program
 * @options: the command line
 * @loop: the event loop
 * @server: the listening socket
 * @listening: waits for a front-end, while none is served
 * @signals: waits for a signal to end
 * @memory_loss: waits for the loss of guest memory
 * @conn: connection to the front-end
 * @device: the device
 */
struct daemon {
	struct options options;
	struct loop loop;
	struct server server;
	struct watch listening;
	struct watch signals;
	struct watch memory_loss;
	struct conn conn;
	struct sst_device device;
};

static void wait_for_client(struct daemon *daemon)
{
	if (!loop_add(&daemon->loop, &daemon->listening, daemon->server.fd))
		return;
	log_error("cannot wait for a front-end: %s", strerror(errno));
	loop_stop(&daemon->loop);
}

static void ignore_signal(int number)
{
	(void)number;
}

/*
 * Lets each call that blocks end, sooner or later, with EINTR. None should block, but a
 * front-end can change the flags of the files that it has sent.
 */
static int interrupt_calls(void)
{
	/* Without SA_RESTART */
	const struct sigaction action = { .sa_handler = ignore_signal };

	return sigaction(WORKER_SIGNAL, &action, NULL);
}

/* The main thread has nobody else to interrupt it; 0: not any more */
static void interrupt_every(time_t seconds)
{
	const struct itimerval timer = {
		.it_interval.tv_sec = seconds,
		.it_value.tv_sec = seconds,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void conn_closed(struct conn *conn)
{
	struct daemon *daemon = container_of(conn, struct daemon, conn);

	interrupt_every(0);
	log_debug("front-end disconnected");
	device_reset(&daemon->device);
	/* What the next one shares is not lost */
	sigbus_read(daemon->memory_loss.fd);
	wait_for_client(daemon);
}

static void listening_ready(struct watch *watch)
{
	struct daemon *daemon = container_of(watch, struct daemon, listening);
	int fd = server_accept(&daemon->server);

	if (fd < 0)
		return;
	if (conn_open(&daemon->conn, fd)) {
		log_error("cannot serve a front-end: %s", strerror(errno));
		close(fd);
		return;
	}
	interrupt_every(1);
	log_debug("front-end connected");
	loop_remove(&daemon->loop, watch);
}

static void signals_ready(struct watch *watch)
{
	struct daemon *daemon = container_of(watch, struct daemon, signals);

	loop_stop(&daemon->loop);
}

static int watch_signals(struct daemon *daemon)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || interrupt_calls())
		return -1;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -1;
	daemon->signals.ready = signals_ready;
	return loop_add(&daemon->loop, &daemon->signals, fd);
}

static void memory_lost(struct watch *watch)
{
	struct daemon *daemon = container_of(watch, struct daemon, memory_loss);

	sigbus_read(watch->fd);
	conn_end(&daemon->conn, "guest memory was taken away");
}

static int watch_memory(struct daemon *daemon)
{
	int fd = sigbus_open(&daemon->device.vu.mem);

	if (fd < 0)
		return -1;
	daemon->memory_loss.ready = memory_lost;
	return loop_add(&daemon->loop, &daemon->memory_loss, fd);
}

static int daemon_init(struct daemon *daemon)
{
	daemon->listening.fd = -1;
	daemon->listening.ready = listening_ready;
	daemon->conn.loop = &daemon->loop;
	daemon->conn.vu = &daemon->device.vu;
	daemon->conn.closed = conn_closed;
	daemon->conn.watch.fd = -1;
	if (loop_init(&daemon->loop) || watch_signals(daemon) || watch_memory(daemon))
		return -1;
	return device_init(&daemon->device, &daemon->options, &daemon->loop);
}

static void daemon_destroy(struct daemon *daemon)
{
	conn_close(&daemon->conn);
	device_destroy(&daemon->device);
	close_fd(&daemon->memory_loss.fd);
	close_fd(&daemon->signals.fd);
	loop_destroy(&daemon->loop);
}

static int serve(struct daemon *daemon)
{
	int status = server_open(&daemon->server, daemon->options.socket);

	if (status)
		return status;
	wait_for_client(daemon);
	printf("vhost-user-sst: listening on %s\n", daemon->options.socket);
	fflush(stdout);
	if (loop_run(&daemon->loop)) {
		log_error("cannot wait for events: %s", strerror(errno));
		status = EXIT_FAILED;
	}
	server_close(&daemon->server);
	return status;
}

int main(int argc, char **argv)
{
	static struct daemon daemon;
	int status;

	switch (options_parse(&daemon.options, argc, argv)) {
	case OPTIONS_RUN:
		break;
	case OPTIONS_DONE:
		return EXIT_DONE;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	}
	log_set_verbose(daemon.options.verbose);
	if (daemon_init(&daemon)) {
		log_error("cannot start: %s", strerror(errno));
		return EXIT_FAILED;
	}
	status = serve(&daemon);
	daemon_destroy(&daemon);
	return status;
}
