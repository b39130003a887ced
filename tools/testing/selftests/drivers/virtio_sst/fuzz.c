// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile programs: processes that do to /dev/sstN whatever a program can, with signals,
 * forks, and an end at any moment, while others do nothing wrong and must not notice.
 *
 * It goes on in rounds. In a polite round all requests are answered, in one way or another,
 * so that well-behaved processes have nothing to suffer from. In a rude one some
 * requests stop or break the device, which the driver then resets. In a third kind
 * allocations and copies fail in the attackers. Behind each round all must be as it was.
 *
 * The supervisor here starts processes, kills them, and looks at what they and the kernel
 * complain about; fuzz-parts/ has the rest.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "fuzz-parts/fuzz.h"

#define TICK_MS		20
#define TICK_MAX_MS	100	/* what one counts for if the machine stood still */
#define STUCK_MS	4500	/* longer than any call may take, and shorter than a round */
#define END_MS		60000	/* of a process that was killed: the machine may be slow */
#define SETTLE_MS	15000
#define ROUND_MIN_S	5
#define ROUND_MAX_S	30
#define MEMORY_SLACK_KB	(24 << 10)	/* what KASAN holds back, and noise */
#define NOBODY		65534
#define CHUNK_SLOTS	16		/* that the driver gets and frees at once */
#define FAULTS		1000000000	/* more than ever happen */

/* The supervisor */
struct fuzz {
	struct shared *shared;
	unsigned int attackers;
	unsigned int seconds;
	const char *replay;
	struct self self;	/* for complaints */
	pid_t attacker[ATTACKERS_MAX];
	pid_t witness[WITNESSES];
	uint64_t last_steps[ATTACKERS_MAX + WITNESSES];
	unsigned int still_ms[ATTACKERS_MAX + WITNESSES];
	uint64_t last_answers[WITNESSES];
	unsigned long long kills;
	unsigned long long faults;
	int post[2];
	int scribbler;
	long taint;
	long memory_kb;		/* used once all kinds of rounds were seen */
};

static const char *const fault_kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

#define FAULT_KINDS	ARRAY_SIZE(fault_kinds)

/* Attackers */

static void on_signal(int number)
{
	(void)number;
}

/*
 * Some are never interrupted, and never killed before the end of a round: a wake-up that they
 * miss is not made good by the next signal.
 */
static bool is_patient(unsigned int number)
{
	return number % 3 == 1;
}

static void be_interrupted(struct self *s)
{
	unsigned int us = 500 + next_random(s) % 4000;
	struct itimerval t = { { 0, us }, { 0, us } };
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = next_random(s) % 3 ? 0 : SA_RESTART,
	};

	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	if (s->patient)
		action.sa_handler = SIG_IGN;
	sigaction(SIGIO, &action, NULL);
	if (!s->patient)
		setitimer(ITIMER_REAL, &t, NULL);
}

static void *second_thread(void *data)
{
	struct self *s = data;

	get_memory(s);
	for (;;)
		run_next_program(s);
	return NULL;
}

/* Half of them are not privileged, so that what a user may lock counts. */
static void drop_privileges(struct self *s)
{
	if (next_random(s) % 2)
		return;
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(2);
}

static void have_faults(struct self *s)
{
	if (!s->shared->round.faults)
		return;
	s->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (s->fail_nth < 0 || write_file("/proc/self/make-it-fail", "1"))
		_exit(3);
}

static void attacker(struct fuzz *f, unsigned int number)
{
	struct self s = {
		.shared = f->shared,
		.progress = &f->shared->attacker[number],
		.number = number,
		.main = true,
		.patient = is_patient(number),
		.fail_nth = -1,
		.post = f->post[0],
		.other_post = f->post[1],
		.scribbler = f->scribbler,
	};
	struct self second;
	pthread_t thread;

	setpgid(0, 0);
	s.random = f->shared->seed ^ (uint64_t)number << 56 ^
		   (uint64_t)f->shared->round.number << 32 ^ s.progress->incarnation;
	get_memory(&s);
	get_handles(&s);
	start_coverage(&s);
	second = s;
	second.main = false;
	second.kcov = NULL;
	second.random ^= 0x5555555555555555;
	if (next_random(&s) % 2 && pthread_create(&thread, NULL, second_thread, &second))
		_exit(2);
	have_faults(&s);
	drop_privileges(&s);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	be_interrupted(&s);
	for (;;)
		run_next_program(&s);
}

static void start_attacker(struct fuzz *f, unsigned int number)
{
	f->shared->attacker[number].incarnation++;
	f->still_ms[number] = 0;
	f->attacker[number] = fork();
	if (!f->attacker[number])
		attacker(f, number);
	/* As it does itself: it may be killed before it has run. */
	setpgid(f->attacker[number], f->attacker[number]);
}

static void start_witness(struct fuzz *f, unsigned int number)
{
	f->still_ms[ATTACKERS_MAX + number] = 0;
	f->last_answers[number] = f->shared->witness[number].answers;
	f->witness[number] = fork();
	if (!f->witness[number])
		witness(f->shared, number);
}

/* Faults */

static void fault_path(char *path, unsigned int kind, const char *name)
{
	snprintf(path, PATH_MAX, "/sys/kernel/debug/%s/%s", fault_kinds[kind], name);
}

static int set_fault(unsigned int kind, const char *name, const char *value)
{
	char path[PATH_MAX];

	fault_path(path, kind, name);
	return write_file(path, value);
}

static bool has_faults(void)
{
	return !access("/sys/kernel/debug/failslab/task-filter", W_OK) &&
	       !access("/sys/kernel/debug/fail_usercopy/task-filter", W_OK);
}

/* In one of a hundred cases, in those tasks that are marked */
static void start_faults(struct fuzz *f)
{
	char times[16];
	unsigned int i;
	int ret = 0;

	snprintf(times, sizeof(times), "%u", FAULTS);
	for (i = 0; i < FAULT_KINDS; i++) {
		ret |= set_fault(i, "task-filter", "Y");
		ret |= set_fault(i, "verbose", "0");
		ret |= set_fault(i, "interval", "1");
		ret |= set_fault(i, "times", times);
		ret |= set_fault(i, "probability", "1");
	}
	ret |= set_fault(0, "ignore-gfp-wait", "N");
	ret |= set_fault(1, "ignore-gfp-wait", "N");
	ret |= set_fault(1, "min-order", "0");
	if (ret)
		complain(&f->self, COMPLAINT_DIED, "no faults: they cannot be set");
}

static void stop_faults(struct fuzz *f)
{
	char path[PATH_MAX], text[32];
	unsigned int i;

	for (i = 0; i < FAULT_KINDS; i++) {
		set_fault(i, "probability", "0");
		fault_path(path, i, "times");
		if (read_file(path, text, sizeof(text)) > 0)
			f->faults += FAULTS - atol(text);
	}
}

/* Supervision */

static long read_number(const char *path)
{
	char text[64];

	return read_file(path, text, sizeof(text)) > 0 ? atol(text) : -1;
}

static void check_kernel(struct fuzz *f)
{
	long taint = read_number("/proc/sys/kernel/tainted");
	unsigned int i;

	if (taint == f->taint)
		return;
	f->taint = taint;
	complain(&f->self, COMPLAINT_KERNEL, "the kernel has reported something; what ran:");
	for (i = 0; i < f->attackers; i++) {
		struct self s = {
			.shared = f->shared,
			.progress = &f->shared->attacker[i],
			.number = i,
			.call = f->shared->attacker[i].history[0].call,
		};

		complain(&s, COMPLAINT_KERNEL, "ran these");
	}
}

static void check_moving(struct fuzz *f, unsigned int i, const struct progress *p,
			 unsigned int tick_ms)
{
	f->still_ms[i] += tick_ms;
	if (p->steps != f->last_steps[i]) {
		f->last_steps[i] = p->steps;
		f->still_ms[i] = 0;
	} else if (f->still_ms[i] > STUCK_MS) {
		struct self s = { .shared = f->shared, .progress = (void *)p, .number = i,
				  .call = p->history[0].call };

		complain(&s, COMPLAINT_STUCK, "nothing has happened for %u ms", f->still_ms[i]);
		f->still_ms[i] = 0;
	}
}

static void check_all_moving(struct fuzz *f, unsigned int tick_ms)
{
	unsigned int i;

	if (tick_ms > TICK_MAX_MS)
		tick_ms = TICK_MAX_MS;
	for (i = 0; i < f->attackers; i++)
		if (is_patient(i))
			check_moving(f, i, &f->shared->attacker[i], tick_ms);
	for (i = 0; i < WITNESSES; i++)
		check_moving(f, ATTACKERS_MAX + i, &f->shared->witness[i], tick_ms);
}

/* Everybody may end if a fault takes memory away; otherwise only by being killed. */
static void take_dead(struct fuzz *f)
{
	unsigned int i;
	int status;

	for (i = 0; i < f->attackers; i++) {
		if (waitpid(f->attacker[i], &status, WNOHANG) != f->attacker[i])
			continue;
		kill(-f->attacker[i], SIGKILL);
		f->kills += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (!f->shared->round.faults &&
		    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) {
			struct self s = { .shared = f->shared, .number = i,
					  .progress = &f->shared->attacker[i],
					  .call = f->shared->attacker[i].history[0].call };

			complain(&s, COMPLAINT_DIED, "died, with status %x", status);
		}
		start_attacker(f, i);
	}
}

/* The administrator looks at what goes on. */
static void read_lists(void)
{
	char path[PATH_MAX], text[4096];

	snprintf(path, sizeof(path), "/sys/kernel/debug/virtio-sst/%s/requests", sst_name());
	read_file(path, text, sizeof(text));
	sst_attr_get("stats", text, sizeof(text));
}

static void supervise(struct fuzz *f, unsigned int seconds)
{
	unsigned long long end = now_ms() + seconds * 1000ULL;
	unsigned long long last = now_ms();
	unsigned int tick, victim;

	for (tick = 0; now_ms() < end && !f->shared->complaints[COMPLAINT_KERNEL]; tick++) {
		victim = next_random(&f->self) % f->attackers;
		if (!is_patient(victim))
			kill(f->attacker[victim], next_random(&f->self) % 16 ? SIGUSR1 : SIGKILL);
		take_dead(f);
		check_all_moving(f, now_ms() - last);
		last = now_ms();
		if (tick % 8 == 0) {
			check_kernel(f);
			read_lists();
		}
		sleep_ms(TICK_MS);
	}
}

/* Rounds */

/* A call that no signal ends keeps a process alive. */
static void wait_for_end(struct fuzz *f, pid_t pid)
{
	unsigned long long end = now_ms() + END_MS;

	while (!waitpid(pid, NULL, WNOHANG)) {
		if (now_ms() > end) {
			complain(&f->self, COMPLAINT_STUCK, "process %d cannot be killed", pid);
			return;
		}
		sleep_ms(1);
	}
}

static void kill_all(struct fuzz *f)
{
	unsigned int i;

	for (i = 0; i < f->attackers; i++) {
		kill(-f->attacker[i], SIGKILL);
		wait_for_end(f, f->attacker[i]);
	}
	for (i = 0; i < WITNESSES; i++) {
		kill(f->witness[i], SIGKILL);
		wait_for_end(f, f->witness[i]);
	}
	/* With descriptors that nobody has received */
	close(f->post[0]);
	close(f->post[1]);
}

/* Each of them, in each round */
static void check_served(struct fuzz *f)
{
	unsigned int i;

	for (i = 0; i < WITNESSES; i++)
		if (f->shared->witness[i].answers == f->last_answers[i])
			complain(&f->self, COMPLAINT_WITNESS, "witness %u had no answer", i);
}

/* Memory that is in use and cannot be had back, in KiB */
static long memory_in_use(void)
{
	static const char *const not_used[] = {
		"MemFree:", "Cached:", "Buffers:", "SReclaimable:",
	};
	char text[4096];
	const char *at;
	unsigned int i;
	long used;

	if (read_file("/proc/meminfo", text, sizeof(text)) < 0 ||
	    sscanf(text, "MemTotal: %ld", &used) != 1)
		return -1;
	for (i = 0; i < ARRAY_SIZE(not_used); i++) {
		at = strstr(text, not_used[i]);
		used -= at ? atol(at + strlen(not_used[i])) : 0;
	}
	return used;
}

static long wait_for_zero(const char *path)
{
	unsigned long long end = now_ms() + SETTLE_MS;
	long n;

	while ((n = read_number(path)) && now_ms() < end)
		sleep_ms(10);
	return n;
}

/* All files are closed: nothing may be left of them. */
static void check_end(struct fuzz *f)
{
	struct self *s = &f->self;

	if (wait_for_zero("/sys/module/virtio_sst/refcnt"))
		complain(s, COMPLAINT_LEFT, "the module is in use still");
	if (sst_wait_stat("in_flight", 0))
		complain(s, COMPLAINT_LEFT, "%lld requests are in flight still",
			 sst_stat("in_flight"));
	if (!sst_stats_balance())
		complain(s, COMPLAINT_LEFT, "the counters do not balance");
	if (sst_reset())
		complain(s, COMPLAINT_LEFT, "the device cannot be reset");
	if (sst_wait_stat("zombies", 0))
		complain(s, COMPLAINT_LEFT, "%lld slots are at a device that was reset",
			 sst_stat("zombies"));
	check_kernel(f);
}

/* Slots that a full virtqueue does not need go when a file is closed. */
static void check_slots(struct fuzz *f)
{
	int fd = sst_open(O_RDWR);
	struct sst_info info = {};
	long long most;

	if (ioctl(fd, SST_IOCTL_GET_INFO, &info))
		complain(&f->self, COMPLAINT_LEFT, "the device cannot be used any more");
	close(fd);
	most = (long long)info.queue_pairs * (info.queue_size + CHUNK_SLOTS);
	if (sst_stat("slots") >= most)
		complain(&f->self, COMPLAINT_MEMORY, "%lld slots are there still, not below %lld",
			 sst_stat("slots"), most);
}

static void check_memory(struct fuzz *f)
{
	long used = memory_in_use();

	check_slots(f);
	if (f->shared->round.number < 3)
		f->memory_kb = used;
	else if (used - f->memory_kb > MEMORY_SLACK_KB)
		complain(&f->self, COMPLAINT_MEMORY, "%ld KiB in use, %ld after the first rounds",
			 used, f->memory_kb);
	printf("# round %u%s%s: edges %u, programs kept %u, %ld KiB in use\n",
	       f->shared->round.number, f->shared->round.rude ? ", rude" : "",
	       f->shared->round.faults ? ", faults" : "", f->shared->edges, f->shared->corpus_nr,
	       used);
	fflush(stdout);
}

static void start_round(struct fuzz *f)
{
	struct round *round = &f->shared->round;

	round->rude = round->number % 3 == 1;
	round->faults = round->number % 3 == 2 && has_faults();
	sst_set_timeout(round->rude ? 400 : 10000);
	sst_attr_set("busy_poll_us", next_random(&f->self) % 2 ? "50" : "0");
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->post))
		complain(&f->self, COMPLAINT_DIED, "no sockets");
	if (round->faults)
		start_faults(f);
}

static void run_round(struct fuzz *f, unsigned int seconds)
{
	unsigned int i;

	start_round(f);
	for (i = 0; i < WITNESSES; i++)
		start_witness(f, i);
	for (i = 0; i < f->attackers; i++)
		start_attacker(f, i);
	supervise(f, seconds);
	kill_all(f);
	check_served(f);
	if (f->shared->round.faults)
		stop_faults(f);
	check_end(f);
	check_memory(f);
	f->shared->round.number++;
}

static bool given_up(const struct fuzz *f)
{
	return f->shared->complaints[COMPLAINT_KERNEL] || f->shared->complaints[COMPLAINT_LEFT] ||
	       f->shared->complaints[COMPLAINT_STUCK];
}

static void run_rounds(struct fuzz *f)
{
	unsigned int length = f->seconds / 3;
	unsigned long long end = now_ms() + f->seconds * 1000ULL;

	if (length < ROUND_MIN_S)
		length = ROUND_MIN_S;
	if (length > ROUND_MAX_S)
		length = ROUND_MAX_S;
	while (now_ms() < end && !given_up(f))
		run_round(f, length);
}

/* The result */

static void print_result(const struct shared *shared, enum complaint what, const char *text)
{
	printf("%s %u - %s\n", shared->complaints[what] ? "not ok" : "ok", what + 1, text);
}

static int report(const struct fuzz *f)
{
	static const char *const texts[] = {
		[COMPLAINT_FOREIGN] = "a file gets responses to its own requests only",
		[COMPLAINT_TWICE] = "no request is answered twice",
		[COMPLAINT_FORM] = "results are those that are documented",
		[COMPLAINT_ERROR] = "errors are those that are documented",
		[COMPLAINT_STALE] = "new memory has nothing of others",
		[COMPLAINT_WITNESS] = "a well-behaved process is always served",
		[COMPLAINT_STUCK] = "no call lasts for ever",
		[COMPLAINT_DIED] = "no process dies of it",
		[COMPLAINT_KERNEL] = "the kernel has no complaints",
		[COMPLAINT_LEFT] = "all ends with the last file",
		[COMPLAINT_MEMORY] = "no memory is lost",
	};
	unsigned long long calls = 0, answers = 0, longest = 0;
	const struct shared *shared = f->shared;
	unsigned int i, failed = 0;

	for (i = 0; i < f->attackers; i++)
		calls += shared->attacker[i].calls;
	for (i = 0; i < WITNESSES; i++) {
		answers += shared->witness[i].answers;
		if (shared->witness[i].longest_ms > longest)
			longest = shared->witness[i].longest_ms;
	}
	for (i = 0; i < COMPLAINTS; i++) {
		print_result(shared, i, texts[i]);
		failed += !!shared->complaints[i];
	}
	printf("%s %u - attackers and witnesses have had answers\n",
	       shared->responses && answers ? "ok" : "not ok", COMPLAINTS + 1);
	failed += !shared->responses || !answers;
	printf("# longest that a witness waited: %llu ms\n", longest);
	printf("# figure: calls %llu\n# figure: requests %llu\n", calls,
	       (unsigned long long)shared->requests);
	printf("# figure: responses checked %llu\n", (unsigned long long)shared->responses);
	printf("# figure: responses unchecked %llu\n", (unsigned long long)shared->unchecked);
	printf("# figure: answers to well-behaved processes %llu\n", answers);
	printf("# figure: processes killed %llu\n# figure: faults injected %llu\n", f->kills,
	       f->faults);
	if (shared->coverage)
		printf("# figure: edges covered %u\n", shared->edges);
	return failed;
}

static int print_usage(void)
{
	fprintf(stderr,
		"usage: fuzz [-t SECONDS] [-r SEED] [-p PROCESSES] [-l] [-x FILE]\n"
		"-l: leave out libaio\n"
		"-x: run the programs in FILE, as a failure prints them, and no others\n");
	return 2;
}

static int parse(int argc, char **argv, struct fuzz *f)
{
	int c;

	while ((c = getopt(argc, argv, "t:r:p:x:l")) != -1) {
		switch (c) {
		case 't':
			f->seconds = atoi(optarg);
			break;
		case 'r':
			f->shared->seed = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			f->attackers = atoi(optarg);
			break;
		case 'l':
			f->shared->no_aio = true;
			break;
		case 'x':
			f->replay = optarg;
			break;
		default:
			return print_usage();
		}
	}
	return f->attackers && f->attackers <= ATTACKERS_MAX && f->seconds && optind == argc ?
	       0 : print_usage();
}

static int read_programs(struct fuzz *f)
{
	FILE *file = fopen(f->replay, "r");
	struct shared *shared = f->shared;
	char line[4096], *text;

	while (file && fgets(line, sizeof(line), file) && shared->corpus_nr < CORPUS_MAX) {
		text = strstr(line, "program: ");
		text = text ? text + strlen("program: ") : line;
		shared->corpus_nr += parse_program(text, &shared->corpus[shared->corpus_nr]);
	}
	if (file)
		fclose(file);
	shared->replay = true;
	return shared->corpus_nr ? 0 : 2;
}

static int set_up(struct fuzz *f)
{
	char bytes[8192];

	/* Attackers get signals before they can have handlers of their own. */
	catch_signal(SA_RESTART);
	signal(SIGPIPE, SIG_IGN);
	memset(bytes, SCRIBBLE, sizeof(bytes));
	f->scribbler = memfd_create("scribble", MFD_CLOEXEC);
	f->taint = read_number("/proc/sys/kernel/tainted");
	f->self = (struct self){
		.shared = f->shared,
		.progress = &f->shared->attacker[0],
		.number = ATTACKERS_MAX + WITNESSES,
		.random = f->shared->seed,
	};
	if (write(f->scribbler, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    chmod(sst_device(), 0666)) {
		perror(sst_device());
		return 1;
	}
	printf("TAP version 13\n1..%u\n# seed %llu\n", COMPLAINTS + 1,
	       (unsigned long long)f->shared->seed);
	fflush(stdout);
	return f->replay ? read_programs(f) : 0;
}

int main(int argc, char **argv)
{
	struct fuzz f = { .attackers = 4, .seconds = 20 };
	int ret;

	f.shared = mmap(NULL, sizeof(*f.shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f.shared == MAP_FAILED)
		return 1;
	f.shared->seed = 1;
	ret = parse(argc, argv, &f) ?: set_up(&f);
	if (ret)
		return ret;
	run_rounds(&f);
	return report(&f) ? 1 : 0;
}
