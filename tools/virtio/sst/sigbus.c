// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory that the front-end takes away. */

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "loop.h"
#include "sigbus.h"

/* A signal is the process's, so its state is one per process, too */
static struct {
	const struct memtable *mt;
	int fd;
	struct sigaction old;
} sigbus_state;

/* The thread that reads or writes guest memory runs this: the table does not change now */
static bool replace(const void *addr)
{
	const struct mem_region *region = memtable_find_host(sigbus_state.mt, addr);

	return region &&
	       mmap(region->map, region->map_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static void handle(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	if (replace(info->si_addr))
		eventfd_write(sigbus_state.fd, 1);
	else
		/* A fault of our own, which will happen again now */
		sigaction(sig, &sigbus_state.old, NULL);
	errno = error;
}

int sigbus_open(const struct memtable *mt)
{
	const struct sigaction action = {
		.sa_sigaction = handle,
		.sa_flags = SA_SIGINFO,
	};

	sigbus_state.mt = mt;
	sigbus_state.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sigbus_state.fd < 0)
		return -1;
	return sigaction(SIGBUS, &action, &sigbus_state.old) ? -1 : sigbus_state.fd;
}

void sigbus_read(int fd)
{
	kick_read(fd);
}
