/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs ask of a kernel, many times over: workloads <name> <times>. Prints how many nanoseconds one of them took, by the
 * clock of the place it runs in.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_TIMES 1000000000L
#define BLOCK 4096
#define PAGES 256

static const char *self;

static void do_getpid(long times)
{
	while (times-- > 0)
		syscall(SYS_getpid);
}

/* 4 KiB blocks of this program's own file, which the kernel has in memory. */
static void do_read(long times)
{
	char block[BLOCK];
	struct stat status;
	long blocks;
	int file = open(self, O_RDONLY | O_CLOEXEC);

	if (file < 0 || fstat(file, &status))
		err(1, "%s", self);
	blocks = status.st_size / BLOCK;
	while (times-- > 0) {
		if (pread(file, block, BLOCK, times % blocks * BLOCK) != BLOCK)
			err(1, "pread");
	}
	close(file);
}

static void await(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		err(1, "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "a child ended with status %#x", status);
}

/* A byte to another process and back. */
static void do_pipe(long times)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	if (pipe(there) || pipe(back))
		err(1, "pipe");
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1) {
			if (write(back[1], &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	while (times-- > 0) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			err(1, "the other process");
	}
	close(there[1]);
	await(child);
}

/* fork, exec, wait. */
static void do_fork(long times)
{
	while (times-- > 0) {
		pid_t child = fork();
		if (child < 0)
			err(1, "fork");
		if (child == 0) {
			execl(self, self, "nothing", "1", (char *)NULL);
			_exit(1);
		}
		await(child);
	}
}

static void *no_work(void *argument)
{
	return argument;
}

/* create, join. */
static void do_thread(long times)
{
	while (times-- > 0) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, no_work, NULL) || pthread_join(thread, NULL))
			errx(1, "no thread");
	}
}

/* Pages that nobody has touched: mmap, one write each, munmap. */
static void do_page(long times)
{
	while (times > 0) {
		long pages = times < PAGES ? times : PAGES;
		char *memory = mmap(NULL, PAGES * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			err(1, "mmap");
		for (long i = 0; i < pages; i++)
			memory[i * BLOCK] = 1;
		munmap(memory, PAGES * BLOCK);
		times -= pages;
	}
}

/* No kernel at all: a step of xorshift64 (Marsaglia, 2003). */
static void do_cpu(long times)
{
	uint64_t x = 88172645463325252;

	while (times-- > 0) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	if (!x)
		errx(1, "xorshift64 came to zero");
}

static void do_nothing(long times)
{
	(void)times;
}

static const struct workload {
	const char *name;
	void (*run)(long times);
} workloads[] = {
	{ "getpid", do_getpid }, { "read", do_read }, { "pipe", do_pipe }, { "fork", do_fork },
	{ "thread", do_thread }, { "page", do_page }, { "cpu", do_cpu },   { "nothing", do_nothing },
};

static double nanoseconds(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) * 1e9 + (double)(to->tv_nsec - from->tv_nsec);
}

int main(int argc, char **argv)
{
	struct timespec start, end;
	long times = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (times < 1 || times > MOST_TIMES)
		errx(2, "usage: workloads <name> <times>, at most %ld", MOST_TIMES);
	self = argv[0];
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(argv[1], workloads[i].name))
			continue;
		clock_gettime(CLOCK_MONOTONIC, &start);
		workloads[i].run(times);
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (workloads[i].run != do_nothing)
			printf("%.3f\n", nanoseconds(&start, &end) / (double)times);
		return 0;
	}
	errx(2, "no workload %s", argv[1]);
}
