/* SPDX-License-Identifier: Apache-2.0 */
/* What a C library asks of a kernel. The same text on every libc: nothing that glibc and musl print differently. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void check(const char *what, int ok)
{
	printf("%s: %s\n", what, ok ? "ok" : strerror(errno));
}

static double ms_since(const struct timespec *start)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1e3 + (now.tv_nsec - start->tv_nsec) / 1e6;
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS 500

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int turn, sum;
} baton = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0 };
static _Thread_local int mine;

static void *pass_baton(void *argument)
{
	mine = (int)(intptr_t)argument;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&baton.mutex);
		while (baton.turn % THREADS != mine)
			pthread_cond_wait(&baton.changed, &baton.mutex);
		baton.turn++;
		baton.sum += mine;
		pthread_cond_broadcast(&baton.changed);
		pthread_mutex_unlock(&baton.mutex);
	}
	return (void *)(intptr_t)(mine * mine);
}

static volatile int spinning = 1;

static void *spin(void *argument)
{
	while (spinning)
		;
	return argument;
}

static sem_t question;
static volatile int answered;

static void *answer(void *argument)
{
	sem_wait(&question);
	answered = 1;
	return argument;
}

static void *wait_for_ever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static void threads(void)
{
	pthread_t ids[THREADS];
	long squares = 0;
	void *result;
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, pass_baton, (void *)i))
			perror("pthread_create");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(ids[i], &result);
		squares += (intptr_t)result;
	}
	printf("threads: %d turns, sum %d, squares %ld\n", baton.turn, baton.sum, squares);

	/* One computes without end; the other must get its turn when its time has come. */
	struct timespec start, wake = { 0, 20000000 };
	clock_gettime(CLOCK_MONOTONIC, &start);
	pthread_create(&ids[0], NULL, spin, NULL);
	nanosleep(&wake, NULL);
	double elapsed = ms_since(&start);
	spinning = 0;
	pthread_join(ids[0], NULL);
	printf("sleeper beside a spinner: %s\n", elapsed >= 20 ? "woke" : "early");

	/* Who is woken runs although the other never waits. */
	sem_init(&question, 0, 0);
	pthread_create(&ids[0], NULL, answer, NULL);
	nanosleep(&wake, NULL);
	sem_post(&question);
	while (!answered)
		;
	pthread_join(ids[0], NULL);
	printf("answered\n");

	pthread_create(&ids[0], NULL, wait_for_ever, NULL);
	pthread_cancel(ids[0]);
	pthread_join(ids[0], &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);

	struct timespec deadline;
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_nsec += 5000000;
	if (deadline.tv_nsec >= 1000000000)
		deadline.tv_sec++, deadline.tv_nsec -= 1000000000;
	pthread_mutex_lock(&baton.mutex);
	int error = pthread_cond_timedwait(&baton.changed, &baton.mutex, &deadline);
	pthread_mutex_unlock(&baton.mutex);
	printf("timed wait: %d\n", error == ETIMEDOUT);

	sem_t semaphore;
	sem_init(&semaphore, 0, 1);
	check("sem_wait", sem_wait(&semaphore) == 0);
	printf("sem_trywait: %d\n", sem_trywait(&semaphore) < 0 && errno == EAGAIN);
	cpu_set_t cpus;
	check("sched_getaffinity", sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 0);

	pthread_attr_t attributes;
	void *stack;
	size_t size;
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstack(&attributes, &stack, &size);
	printf("stack: %d\n", (char *)&size > (char *)stack && (char *)&size < (char *)stack + size);
	pthread_attr_destroy(&attributes);
}

/* ---- memory ---- */

static unsigned int next_random(unsigned int *state)
{
	return *state = *state * 1103515245 + 12345;
}

static void *malloc_stress(void *argument)
{
	enum { BLOCKS = 512 };
	unsigned int random = (unsigned int)(intptr_t)argument;
	unsigned char *blocks[BLOCKS] = { 0 };
	size_t sizes[BLOCKS] = { 0 };
	long wrong = 0;
	for (int i = 0; i < 20000; i++) {
		int at = next_random(&random) >> 16 & (BLOCKS - 1);
		size_t size = 1 + (next_random(&random) >> 16) % (i % 100 == 0 ? 200000 : 2000);
		if (blocks[at] && (blocks[at][0] != (unsigned char)at || blocks[at][sizes[at] - 1] != (unsigned char)at))
			wrong++;
		if (i % 3 == 0) {
			free(blocks[at]);
			blocks[at] = NULL;
			continue;
		}
		blocks[at] = realloc(blocks[at], size);
		if (!blocks[at]) {
			perror("realloc");
			exit(20);
		}
		blocks[at][0] = blocks[at][size - 1] = (unsigned char)at;
		sizes[at] = size;
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	return (void *)wrong;
}

static void memory(void)
{
	pthread_t ids[4];
	void *wrong;
	long sum = 0;
	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&ids[i], NULL, malloc_stress, (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		pthread_join(ids[i], &wrong);
		sum += (long)wrong;
	}
	printf("malloc: %ld wrong\n", sum);

	size_t size = 64 << 20;
	char *big = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("mmap", big != MAP_FAILED);
	big[0] = big[size / 2] = big[size - 1] = 1;
	check("madvise", madvise(big + size / 4, size / 2, MADV_DONTNEED) == 0);
	printf("discarded: %d %d %d\n", big[0], big[size / 2], big[size - 1]);
	unsigned char resident[2] = { 0 };
	check("mincore", mincore(big, 1, resident) == 0 && resident[0] & 1);
	big = mremap(big, size, 2 * size, MREMAP_MAYMOVE);
	check("mremap", big != MAP_FAILED);
	printf("moved: %d %d\n", big[0], big[2 * size - 1]);
	check("munmap", munmap(big, 2 * size) == 0);
	printf("hole: %d\n", mincore(big, 1, resident) < 0 && errno == ENOMEM);
}

/* ---- signals and jumps ---- */

static jmp_buf here;
static sigjmp_buf there;

static void dive(int depth)
{
	if (depth == 0)
		longjmp(here, 42);
	if (depth > 0)
		dive(depth - 1);
}

static volatile sig_atomic_t last_signal, last_code, on_stack;
static volatile double kept;
static char alternate[65536];

static void handler(int signo, siginfo_t *info, void *context)
{
	char local;
	(void)context;
	last_signal = signo;
	last_code = info->si_code;
	on_stack = &local >= alternate && &local < alternate + sizeof(alternate);
	kept = kept / 3; /* the program's own vector registers must survive this */
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	siglongjmp(there, info->si_addr == (void *)0x1230 ? 1 : 2);
}

static void *send_signal(void *argument)
{
	struct timespec little = { 0, 5000000 };
	nanosleep(&little, NULL);
	pthread_kill(*(pthread_t *)argument, SIGUSR2);
	return NULL;
}

static void signals(void)
{
	int value = setjmp(here);
	if (!value)
		dive(1000);
	printf("longjmp: %d\n", value);

	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	check("sigaltstack", sigaltstack(&stack, NULL) == 0);
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	kept = 9;
	double a = sqrt(kept) + 0.1, b = a;
	raise(SIGUSR1);
	printf("raised: %d, code %d, on its stack %d, %g %g\n", last_signal == SIGUSR1, last_code == SI_TKILL, on_stack, a - b,
	       kept);

	struct timespec start;
	clock_gettime(CLOCK_MONOTONIC, &start);
	struct itimerval in_20_ms = { .it_value = { 0, 20000 } }, left;
	check("setitimer", setitimer(ITIMER_REAL, &in_20_ms, NULL) == 0);
	printf("pause: %d\n", pause() < 0 && errno == EINTR);
	printf("alarm: %d, not too early %d\n", last_signal == SIGALRM, ms_since(&start) >= 20);
	check("alarm", alarm(10000) == 0 && getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_sec > 0 && alarm(0) > 0);
	last_signal = 0;
	setitimer(ITIMER_REAL, &in_20_ms, NULL);
	while (last_signal != SIGALRM)
		;
	printf("alarm in a loop\n");

	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	last_signal = 0;
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	sigpending(&pending);
	printf("blocked: %d, pending %d\n", last_signal == 0, sigismember(&pending, SIGUSR1));
	int signo = 0;
	check("sigwait", sigwait(&set, &signo) == 0 && signo == SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("taken: %d\n", last_signal == 0);

	pthread_t self = pthread_self(), other;
	struct timespec longer = { 10000, 0 }, rest;
	pthread_create(&other, NULL, send_signal, &self);
	printf("interrupted: %d %d\n", nanosleep(&longer, &rest) < 0 && errno == EINTR, rest.tv_sec > 0);
	pthread_join(other, NULL);

	/* With SA_RESTART a read is made again. */
	int ends[2];
	char byte = 0;
	struct sigaction restart = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART }, broken;
	sigaction(SIGALRM, &restart, NULL);
	if (pipe(ends))
		perror("pipe");
	int flags = fcntl(ends[0], F_GETFL);
	fcntl(ends[0], F_SETFL, flags | O_NONBLOCK);
	printf("empty: %d\n", read(ends[0], &byte, 1) < 0 && errno == EAGAIN);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	printf("broken: %d\n", write(ends[1], "x", 1) < 0 && errno == EPIPE);
	close(ends[1]);

	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &fault, &broken);
	for (volatile int i = 0; i < 3; i++) {
		int way = sigsetjmp(there, 1);
		if (!way)
			*(volatile char *)0x1230 = 1;
		printf("fault: %d\n", way);
	}
	sigaction(SIGSEGV, &broken, NULL);
}

/* ---- the library ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void library(void)
{
	printf("%.17g %a %e %010.3f %+d %#x %5s|%-5s|%c %zu %lld\n", 0.1, 1.5, 12345.678, 3.14159, 7, 255, "ab", "cd", 'e',
	       sizeof(long), -1LL);
	printf("%.6f %.6f %.6f %g %g\n", sin(1), exp(1), pow(2, 0.5), INFINITY, -NAN);
	char *words[] = { "pear", "apple", "fig", "orange", "banana", "cherry" };
	qsort(words, 6, sizeof(*words), compare);
	for (int i = 0; i < 6; i++)
		printf("%s ", words[i]);
	double parsed;
	int number;
	int fields = sscanf("3.25e2 -17", "%lf %d", &parsed, &number);
	printf("%d %g %d\n", fields, parsed, number);
	time_t then = 1700000000;
	char text[64];
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %a %j", gmtime(&then));
	printf("%s\n", text);
}

static void files(const char *path)
{
	char *line = NULL, text[64] = "";
	size_t capacity = 0, lines = 0;
	ssize_t length;
	FILE *in = fopen(path, "r");
	check("fopen", in != NULL);
	while (in && getline(&line, &capacity, in) >= 0)
		lines++;
	printf("%zu lines in the file\n", lines);
	if (in)
		fclose(in);

	FILE *scratch = tmpfile();
	check("tmpfile", scratch != NULL);
	for (int i = 0; i < 1000; i++)
		fprintf(scratch, "%d\n", i);
	fseek(scratch, 0, SEEK_END);
	long end = ftell(scratch);
	rewind(scratch);
	int last = -1, read;
	while (fscanf(scratch, "%d", &read) == 1)
		last = read;
	printf("scratch: %ld %d\n", end, last);
	fclose(scratch);

	char name[] = "/tmp/program-XXXXXX";
	int fd = mkstemp(name);
	struct iovec parts[] = { { "ab", 2 }, { "cde", 3 } };
	struct stat status;
	check("writev", writev(fd, parts, 2) == 5);
	check("pread", pread(fd, text, 3, 1) == 3);
	printf("%s %o\n", text, fstat(fd, &status) == 0 ? status.st_mode : 0);
	char *shared = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("shared", shared != MAP_FAILED);
	shared[0] = 'X';
	check("pread", pread(fd, text, 5, 0) == 5);
	printf("%s\n", text);
	close(fd);
	unlink(name);
	printf("gone: %d\n", access(name, F_OK) < 0 && errno == ENOENT);

	while ((length = getline(&line, &capacity, stdin)) >= 0)
		fprintf(stderr, "%zd: %s", length, line);
	free(line);
	fputs("\n", stderr);
}

static void clocks(void)
{
	struct timespec real, mono, again, cpu, resolution;
	check("realtime", clock_gettime(CLOCK_REALTIME, &real) == 0 && real.tv_sec > 1700000000);
	check("monotonic", clock_gettime(CLOCK_MONOTONIC, &mono) == 0 && clock_gettime(CLOCK_MONOTONIC, &again) == 0 &&
	                           (again.tv_sec > mono.tv_sec || (again.tv_sec == mono.tv_sec && again.tv_nsec >= mono.tv_nsec)));
	check("cpu", clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0 && cpu.tv_sec < 100);
	check("resolution", clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0);

	/* Time passes; the process takes little of it. */
	struct rusage before, after;
	struct timespec start, nap = { 0, 300000000 };
	clock_gettime(CLOCK_MONOTONIC, &start);
	getrusage(RUSAGE_SELF, &before);
	nanosleep(&nap, NULL);
	getrusage(RUSAGE_SELF, &after);
	long used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec +
	            (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
	printf("asleep: %s\n", used <= (ms_since(&start) - 300 + 1) * 1000 ? "no processor time" : "processor time");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%d %s %s %s\n", argc, argv[1], getenv("GREETING"), getenv("NOTHING") ? "something" : "nothing");
	library();
	memory();
	threads();
	signals();
	clocks();
	files(argv[2]);
	if (strcmp(argv[1], "abort") == 0)
		abort();
	return 6;
}
