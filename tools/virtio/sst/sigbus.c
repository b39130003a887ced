// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory that the front-end takes away. */

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "loop.h"
#include "sigbus.h"
#include "util.h"

/* A signal is the process's, so its state is one per process, too */
static struct {
	struct sigbus *first;
	struct sigaction old;
} sigbus_state;

static __thread struct sigbus *sigbus_used;

/* The thread that reads or writes guest memory runs this: the table does not change now */
static bool replace(const struct memtable *mt, const void *addr)
{
	const struct mem_region *region = memtable_find_host(mt, addr);

	return region &&
	       mmap(region->map, region->map_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Tables of others may be changing, unless it is this thread that changes them */
static struct sigbus *find_lost(const void *addr)
{
	struct sigbus *sigbus = sigbus_used;

	if (sigbus)
		return replace(sigbus->mt, addr) ? sigbus : NULL;
	for (sigbus = sigbus_state.first; sigbus; sigbus = sigbus->next)
		if (replace(sigbus->mt, addr))
			break;
	return sigbus;
}

static void handle(int sig, siginfo_t *info, void *context)
{
	struct sigbus *lost;
	int error = errno;

	(void)context;
	lost = find_lost(info->si_addr);
	if (lost)
		eventfd_write(lost->fd, 1);
	else
		/* A fault of our own, which will happen again now */
		sigaction(sig, &sigbus_state.old, NULL);
	errno = error;
}

static int set_handler(void)
{
	const struct sigaction action = {
		.sa_sigaction = handle,
		.sa_flags = SA_SIGINFO,
	};

	return sigaction(SIGBUS, &action, &sigbus_state.old);
}

int sigbus_open(struct sigbus *sigbus, const struct memtable *mt)
{
	sigbus->mt = mt;
	sigbus->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sigbus->fd < 0)
		return -1;
	if (!sigbus_state.first && set_handler()) {
		close_fd(&sigbus->fd);
		return -1;
	}
	sigbus->next = sigbus_state.first;
	sigbus_state.first = sigbus;
	return 0;
}

void sigbus_close(struct sigbus *sigbus)
{
	struct sigbus **link = &sigbus_state.first;

	while (*link != sigbus)
		link = &(*link)->next;
	*link = sigbus->next;
	close_fd(&sigbus->fd);
	if (!sigbus_state.first)
		sigaction(SIGBUS, &sigbus_state.old, NULL);
}

void sigbus_use(struct sigbus *sigbus)
{
	sigbus_used = sigbus;
}

void sigbus_read(struct sigbus *sigbus)
{
	kick_read(sigbus->fd);
}
