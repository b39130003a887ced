// SPDX-License-Identifier: GPL-2.0-only
/*
 * count: becomes a kernel of User Mode Linux, and counts the machine instructions that
 * functions in it take.
 *
 * A process beside the kernel traces it: each call of one of the functions is executed
 * instruction by instruction until it returns, with all that it calls. Signals, which
 * are the kernel's interrupts, wait until then. So the number does not depend on how
 * fast, or how busy, the machine is. The functions must not sleep or call each other.
 *
 * Files in the folder $BENCH_COUNTS:
 *   symbols   written by the guest: a line with address and name for each function
 *   ready     made by this program: the calls are counted from now on
 *   counts    a line of JSON for each call
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTIONS_MAX	8
#define BREAKPOINT	0xcc

/* No call takes so many: it does not return, since it sleeps. */
#define INSTRUCTIONS_MAX	1000000

struct function {
	unsigned long address;
	char name[64];
	long code;	/* what stands there without a breakpoint */
};

static struct function functions[FUNCTIONS_MAX];
static unsigned int nr_functions;
static pid_t kernel;

/* The kernel must not go on in whatever state it is in. */
static void fail(const char *what)
{
	fprintf(stderr, "count: %s: %s\n", what, strerror(errno));
	kill(kernel, SIGKILL);
	exit(1);
}

static long trace(int request, unsigned long address, unsigned long data)
{
	long ret;

	errno = 0;
	ret = ptrace(request, kernel, address, data);
	if (errno)
		fail("ptrace");
	return ret;
}

#define get_register(name)	\
	((unsigned long)trace(PTRACE_PEEKUSER, offsetof(struct user, regs.name), 0))

/* Waits until the kernel stops. Returns the signal for it, or ends with it. */
static int wait_for_kernel(void)
{
	int status;

	if (waitpid(kernel, &status, __WALL) != kernel || !WIFSTOPPED(status))
		exit(0);
	/* A stop that was asked for comes with no signal. */
	return status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
}

static void set_breakpoint(struct function *f, bool on)
{
	if (on)
		f->code = trace(PTRACE_PEEKTEXT, f->address, 0);
	trace(PTRACE_POKETEXT, f->address,
	      on ? ((unsigned long)f->code & ~0xffUL) | BREAKPOINT : (unsigned long)f->code);
}

/*
 * Executes an instruction, or one round of it. Signals are kept back in *@held, but for
 * the one without which there is no progress.
 */
static void step(uint64_t *held)
{
	int signal = 0;

	while (signal != SIGTRAP) {
		if (signal && signal != SIGSEGV) {
			*held |= 1ULL << signal;
			signal = 0;
		}
		trace(PTRACE_SINGLESTEP, 0, (unsigned long)signal);
		signal = wait_for_kernel();
	}
}

/* Returns how many instructions there are until the stack is as it is after the call. */
static unsigned int count_call(uint64_t *held)
{
	unsigned long stack = get_register(rsp), at = get_register(rip), next;
	unsigned int n = 0;

	while (get_register(rsp) <= stack) {
		step(held);
		next = get_register(rip);
		/* One that repeats itself stays where it is until it is over. */
		n += next != at;
		at = next;
		if (n > INSTRUCTIONS_MAX) {
			errno = ELOOP;
			fail("a function does not return");
		}
	}
	return n;
}

/* The kernel has come to the breakpoint of a function. */
static void handle_call(struct function *f, FILE *counts)
{
	uint64_t held = 0;
	unsigned int n;
	int signal;

	set_breakpoint(f, false);
	trace(PTRACE_POKEUSER, offsetof(struct user, regs.rip), f->address);
	n = count_call(&held);
	set_breakpoint(f, true);
	fprintf(counts, "{\"function\": \"%s\", \"instructions\": %u}\n", f->name, n);
	fflush(counts);
	for (signal = 1; signal < 64; signal++)
		if (held >> signal & 1)
			syscall(SYS_tgkill, kernel, kernel, signal);
}

static struct function *function_at(unsigned long address)
{
	struct function *f;

	for (f = functions; f < functions + nr_functions; f++)
		if (f->address == address)
			return f;
	return NULL;
}

static void read_symbols(void)
{
	FILE *file;

	while (!(file = fopen("symbols", "r"))) {
		if (kill(kernel, 0))
			exit(0);
		usleep(10000);
	}
	while (nr_functions < FUNCTIONS_MAX &&
	       fscanf(file, "%lx %63s", &functions[nr_functions].address,
		      functions[nr_functions].name) == 2)
		nr_functions++;
	fclose(file);
}

static void count(void)
{
	struct function *f;
	FILE *counts;
	int signal;

	read_symbols();
	trace(PTRACE_SEIZE, 0, PTRACE_O_EXITKILL);
	trace(PTRACE_INTERRUPT, 0, 0);
	signal = wait_for_kernel();
	for (f = functions; f < functions + nr_functions; f++)
		set_breakpoint(f, true);
	counts = fopen("counts", "w");
	if (!counts || !freopen("ready", "w", stdout))
		fail("a file");
	for (;;) {
		trace(PTRACE_CONT, 0, (unsigned long)signal);
		signal = wait_for_kernel();
		f = signal == SIGTRAP ? function_at(get_register(rip) - 1) : NULL;
		if (!f)
			continue;
		handle_call(f, counts);
		signal = 0;
	}
}

int main(int argc, char **argv)
{
	const char *folder = getenv("BENCH_COUNTS");

	if (argc < 2 || !folder) {
		fputs("usage: BENCH_COUNTS=FOLDER count KERNEL [ARGUMENT]...\n", stderr);
		return 2;
	}
	kernel = getpid();
	/* For machines where only ancestors may trace a process; others don't know this. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	/* The kernel must not have a child that it does not know. */
	if (!fork()) {
		if (!fork() && !chdir(folder))
			count();
		_exit(0);
	}
	wait(NULL);
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 1;
}
