// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-user-sst: SST devices in a process of their own, for User Mode Linux
 * and for virtual machines with vhost-user.
 *
 * The main thread takes signals, connections and messages, and sends events. Each
 * pair of a request and a response queue has a thread of its own, a worker. Every
 * thread has an event loop. The workers of a device pause while a message is handled.
 *
 *	server		listening socket; while a front-end is served, others wait
 *	listener	waits for connections to a listening socket
 *	conn		its connection: bytes and descriptors to messages
 *	vhost-user	messages to memory table and rings
 *	device		SST device on these: requestq, responseq, eventq, all with virtq
 *	sigbus		guest memory that the front-end takes away
 *	worker		thread with a loop that can be made to pause
 *	model		what is simulated
 *	forward		requests that a simulator answers, over a link, to an endpoint
 *	relay		its events
 *	stats		what was done, as JSON
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#include "conn.h"
#include "device.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "options.h"
#include "server.h"
#include "sigbus.h"
#include "stats.h"
#include "util.h"

/**
 * struct service - one device, with what serves it
 * @options: how it behaves
 * @loop: the event loop
 * @server: the listening socket
 * @listening: waits for a front-end, while none is served
 * @sigbus: guest memory that is taken away
 * @memory_loss: waits for that
 * @nr_clients: number of front-ends that are served, by all devices
 * @conn: connection to the front-end
 * @device: the device
 */
struct service {
	struct options *options;
	struct loop *loop;
	struct server server;
	struct listener listening;
	struct sigbus sigbus;
	struct watch memory_loss;
	unsigned int *nr_clients;
	struct conn conn;
	struct sst_device device;
};

/**
 * struct daemon - the program
 * @options: what was asked for
 * @loop: the event loop
 * @signals: waits for a signal to end
 * @stats: tells what was done
 * @services: the devices
 * @devices: the same
 * @nr_clients: number of front-ends that are served
 */
struct daemon {
	struct options_list options;
	struct loop loop;
	struct watch signals;
	struct stats stats;
	struct service **services;
	struct sst_device **devices;
	unsigned int nr_clients;
};

static void wait_for_client(struct service *service)
{
	listener_start(&service->listening, service->server.fd);
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
	struct service *service = container_of(conn, struct service, conn);

	if (!--*service->nr_clients)
		interrupt_every(0);
	log_debug("front-end disconnected");
	device_reset(&service->device);
	/* What the next one shares is not lost */
	sigbus_read(&service->sigbus);
	wait_for_client(service);
}

static void listening_ready(struct listener *listening)
{
	struct service *service = container_of(listening, struct service, listening);
	int fd = server_accept(&service->server);

	if (fd < 0) {
		listener_failed(listening);
		return;
	}
	if (conn_open(&service->conn, fd)) {
		log_error("cannot serve a front-end: %s", strerror(errno));
		close(fd);
		return;
	}
	if (!(*service->nr_clients)++)
		interrupt_every(1);
	log_debug("front-end connected");
	listener_stop(listening);
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
	struct service *service = container_of(watch, struct service, memory_loss);

	sigbus_read(&service->sigbus);
	conn_end(&service->conn, "guest memory was taken away");
}

static int watch_memory(struct service *service)
{
	if (sigbus_open(&service->sigbus, &service->device.vu.mem))
		return -1;
	service->memory_loss.ready = memory_lost;
	service->memory_loss.about = service->options->name;
	return loop_add(service->loop, &service->memory_loss, service->sigbus.fd);
}

/* Services and devices are there, or none is */
static struct service *new_service(struct daemon *daemon, unsigned int number)
{
	struct service *service = aligned_alloc(CACHE_LINE, sizeof(*service));

	if (!service)
		return NULL;
	memset(service, 0, sizeof(*service));
	service->options = &daemon->options.device[number];
	service->loop = &daemon->loop;
	service->nr_clients = &daemon->nr_clients;
	service->device.sigbus = &service->sigbus;
	service->server.fd = -1;
	service->listening.loop = &daemon->loop;
	service->listening.ready = listening_ready;
	service->listening.about = service->options->name;
	service->conn.loop = &daemon->loop;
	service->conn.vu = &service->device.vu;
	service->conn.closed = conn_closed;
	service->conn.watch.fd = -1;
	daemon->services[number] = service;
	daemon->devices[number] = &service->device;
	return service;
}

static int daemon_init(struct daemon *daemon)
{
	unsigned int nr = daemon->options.nr, i;

	daemon->stats.server.fd = -1;
	daemon->services = calloc(nr, sizeof(daemon->services[0]));
	daemon->devices = calloc(nr, sizeof(daemon->devices[0]));
	if (!daemon->services || !daemon->devices)
		return -1;
	for (i = 0; i < nr; i++)
		if (!new_service(daemon, i))
			return -1;
	return loop_init(&daemon->loop) || watch_signals(daemon) ? -1 : 0;
}

/* Takes all paths and ports, before anything begins. Return: 0, or an exit status */
static int open_service(struct service *service)
{
	struct options *options = service->options;
	int status = server_open(&service->server, options->socket);

	if (!status && options_forward(options))
		status = endpoint_open(&options->forward.endpoint);
	if (!status && options->events_endpoint.text)
		status = endpoint_open(&options->events_endpoint);
	return status;
}

static int open_all(struct daemon *daemon)
{
	const char *path = daemon->options.stats;
	unsigned int i;
	int status = path ? server_open(&daemon->stats.server, path) : 0;

	for (i = 0; i < daemon->options.nr && !status; i++)
		status = open_service(daemon->services[i]);
	return status;
}

static void close_all(struct daemon *daemon)
{
	unsigned int i;

	for (i = 0; i < daemon->options.nr; i++) {
		server_close(&daemon->services[i]->server);
		endpoint_close(&daemon->services[i]->options->forward.endpoint);
		endpoint_close(&daemon->services[i]->options->events_endpoint);
	}
	server_close(&daemon->stats.server);
}

/* Return: 0, or -1 with errno set */
static int start(struct daemon *daemon)
{
	unsigned int i;

	for (i = 0; i < daemon->options.nr; i++) {
		log_about(daemon->services[i]->options->name);
		if (watch_memory(daemon->services[i]) ||
		    listener_init(&daemon->services[i]->listening) ||
		    device_init(daemon->devices[i], daemon->services[i]->options, &daemon->loop))
			return -1;
	}
	log_about(NULL);
	daemon->stats.loop = &daemon->loop;
	daemon->stats.devices = daemon->devices;
	daemon->stats.nr = daemon->options.nr;
	return daemon->options.stats ? stats_init(&daemon->stats) : 0;
}

static void stop(struct daemon *daemon)
{
	unsigned int i;

	if (daemon->options.stats)
		stats_destroy(&daemon->stats);
	for (i = 0; i < daemon->options.nr; i++) {
		conn_close(&daemon->services[i]->conn);
		device_destroy(daemon->devices[i]);
		sigbus_close(&daemon->services[i]->sigbus);
		listener_destroy(&daemon->services[i]->listening);
	}
	/* Workers have used them until now */
	close_all(daemon);
	for (i = 0; i < daemon->options.nr; i++)
		free(daemon->services[i]);
	free(daemon->services);
	free(daemon->devices);
	options_free(&daemon->options);
	close_fd(&daemon->signals.fd);
	loop_destroy(&daemon->loop);
}

/* Return: 0, or an exit status */
static int serve(struct daemon *daemon)
{
	unsigned int i;

	for (i = 0; i < daemon->options.nr; i++) {
		wait_for_client(daemon->services[i]);
		printf("vhost-user-sst: listening on %s\n", daemon->services[i]->options->socket);
	}
	fflush(stdout);
	if (notify_ready())
		log_error("cannot tell the service manager: %s", strerror(errno));
	if (!loop_run(&daemon->loop))
		return 0;
	log_error("cannot wait for events: %s", strerror(errno));
	return EXIT_FAILED;
}

static int run(struct daemon *daemon)
{
	int status = open_all(daemon);

	if (!status && start(daemon)) {
		log_error("cannot start: %s", strerror(errno));
		status = EXIT_FAILED;
	}
	if (status) {
		close_all(daemon);
		return status;
	}
	status = serve(daemon);
	stop(daemon);
	return status;
}

int main(int argc, char **argv)
{
	static struct daemon daemon;

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
	return run(&daemon);
}
