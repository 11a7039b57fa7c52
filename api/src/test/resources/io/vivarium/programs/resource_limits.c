/* SPDX-License-Identifier: Apache-2.0 */
/* RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK (getrlimit(2)): what is refused, and that the rest goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>


#define MIB (1UL << 20)

static void limit(int resource, rlim_t bytes)
{
	struct rlimit l = { bytes, RLIM_INFINITY };
	if (setrlimit(resource, &l) < 0)
		printf("setrlimit: %s\n", strerror(errno));
}

/* Bytes that are mapped. */
static size_t mapped(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;
	if (!statm || fscanf(statm, "%lu", &pages) != 1)
		printf("no /proc/self/statm\n");
	if (statm)
		fclose(statm);
	return pages * 4096;
}

static void *map(const char *what, size_t bytes, int prot, int flags)
{
	void *at = mmap(NULL, bytes, prot, MAP_ANONYMOUS | flags, -1, 0);
	printf("%s: %s\n", what, at == MAP_FAILED ? strerror(errno) : "mapped");
	return at == MAP_FAILED ? NULL : at;
}

/* Each in a process of its own, so that limits end with it. */
static void in_child(const char *name, void (*run)(void))
{
	int status;
	printf("== %s\n", name);
	pid_t child = fork();
	if (child == 0) {
		run();
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("killed by %d\n", WTERMSIG(status));
	else
		printf("exit %d\n", WEXITSTATUS(status));
}

static void address_space(void)
{
	limit(RLIMIT_AS, mapped() + 64 * MIB);
	void *some = map("32 MiB", 32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	map("64 MiB more", 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	map("64 MiB more that nobody may touch", 64 * MIB, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	map("64 MiB more that are shared", 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
	printf("over what is there: %d\n",
	    mmap(some, 32 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == some);
	printf("made larger: %s\n", mremap(some, 32 * MIB, 128 * MIB, MREMAP_MAYMOVE) == MAP_FAILED ? strerror(errno) : "yes");
	munmap(some, 32 * MIB);
	map("48 MiB instead", 48 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	printf("sbrk: %s\n", sbrk(32 * MIB) == (void *)-1 ? strerror(errno) : "more");
	printf("malloc: %s\n", malloc(32 * MIB) ? "some" : strerror(errno));
	limit(RLIMIT_AS, RLIM_INFINITY);
	printf("malloc without a limit: %s\n", malloc(32 * MIB) ? "some" : strerror(errno));
}

static void data(void)
{
	limit(RLIMIT_DATA, 32 * MIB);
	map("64 MiB to write to", 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	void *read_only = map("64 MiB to read", 64 * MIB, PROT_READ, MAP_PRIVATE);
	map("64 MiB that are shared", 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
	printf("to write to after all: %s\n", mprotect(read_only, 64 * MIB, PROT_READ | PROT_WRITE) < 0 ? strerror(errno) : "yes");
	printf("a part of it: %s\n", mprotect(read_only, 8 * MIB, PROT_READ | PROT_WRITE) < 0 ? strerror(errno) : "yes");
	printf("sbrk: %s\n", sbrk(48 * MIB) == (void *)-1 ? strerror(errno) : "more");
	printf("sbrk of a little: %s\n", sbrk(64 << 10) == (void *)-1 ? strerror(errno) : "more");
}

/* Uses so much of the stack, a page at a time. */
__attribute__((noinline)) static unsigned long deep(size_t bytes)
{
	volatile char frame[4096];
	frame[0] = (char)bytes;
	return bytes < sizeof(frame) ? (unsigned long)frame[0] : deep(bytes - sizeof(frame)) + (unsigned long)frame[0] % 1;
}

static void deeper(void)
{
	deep(6 * MIB);
	printf("6 MiB\n");
	deep(12 * MIB);
	printf("12 MiB\n");
}

static void raised(void)
{
	limit(RLIMIT_STACK, 64 * MIB);
	deep(12 * MIB);
	printf("12 MiB\n");
	deep(48 * MIB);
	printf("48 MiB\n");
	deep(80 * MIB);
	printf("80 MiB\n");
}

static void lowered(void)
{
	limit(RLIMIT_STACK, MIB);
	deep(MIB / 2);
	printf("half a MiB\n");
	deep(2 * MIB);
	printf("2 MiB\n");
}

static void both(void)
{
	limit(RLIMIT_AS, mapped() + 2 * MIB);
	deep(MIB);
	printf("1 MiB\n");
	deep(4 * MIB);
	printf("4 MiB\n");
}

/* A signal handler of its own stack tells of the overflow, and where it was. */
static void overflowed(int signo, siginfo_t *info, void *context)
{
	struct rlimit l;
	(void)context;
	getrlimit(RLIMIT_STACK, &l);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), there = (uintptr_t)info->si_addr;
	printf("signal %d, code %d, on another stack %d\n", signo, info->si_code, here < there - 16 * l.rlim_cur || here > there);
	_exit(3);
}

static void told(void)
{
	static char other[64 << 10];
	stack_t stack = { .ss_sp = other, .ss_size = sizeof(other) };
	struct sigaction action = { .sa_sigaction = overflowed, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	deep(16 * MIB);
}

/* What is mapped just below leaves a gap: the stack does not grow into it. */
static void stack_and_neighbour(void)
{
	char *near = (char *)((uintptr_t)__builtin_frame_address(0) & ~4095UL) - 2 * MIB;
	printf("a neighbour: %d\n", mmap(near, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == near);
	near[0] = 7;
	deep(MIB / 2);
	printf("half a MiB, and it is %d\n", near[0]);
	deep(4 * MIB);
	printf("4 MiB\n");
}

/* Execs itself with arguments of so many bytes. */
static void arguments(size_t bytes)
{
	static char argument[64 << 10];
	char *argv[256] = { "resource_limits", "arguments" };
	memset(argument, 'x', sizeof(argument) - 1);
	for (size_t i = 0; i < bytes / sizeof(argument); i++)
		argv[2 + i] = argument;
	execv("/proc/self/exe", argv);
	printf("exec: %s\n", strerror(errno));
}

static void many_arguments(void)
{
	arguments(1536 << 10);
}

static void too_many_arguments(void)
{
	arguments(3 * MIB);
}

static void as_many_as_a_small_stack_has(void)
{
	limit(RLIMIT_STACK, 2 * MIB);
	arguments(MIB);
}

static void as_many_as_a_large_stack_has(void)
{
	limit(RLIMIT_STACK, 64 * MIB);
	arguments(5 * MIB);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "arguments") == 0) {
		printf("%d arguments\n", argc);
		return 0;
	}
	in_child("address space", address_space);
	in_child("data", data);
	in_child("stack", deeper);
	in_child("a raised stack", raised);
	in_child("a lowered stack", lowered);
	in_child("stack in an address space", both);
	in_child("told of an overflow", told);
	in_child("stack and neighbour", stack_and_neighbour);
	in_child("many arguments", many_arguments);
	in_child("too many arguments", too_many_arguments);
	in_child("as many as a small stack has", as_many_as_a_small_stack_has);
	in_child("as many as a large stack has", as_many_as_a_large_stack_has);
	return 0;
}
