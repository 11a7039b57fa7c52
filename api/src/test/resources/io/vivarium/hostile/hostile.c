/* SPDX-License-Identifier: Apache-2.0 */
/* What a program does that wants more than its share, or to break out. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void descriptors(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	setrlimit(RLIMIT_NOFILE, &limit);
	int last = -1, fd;
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	printf("%d %s\n", last > 1000, strerrorname_np(errno));
}

static void pipes(void)
{
	int ends[2], made = 0;
	char block[65536] = { 0 };
	while (made < 100000 && pipe2(ends, O_NONBLOCK) == 0 && write(ends[1], block, sizeof(block)) > 0)
		made++;
	printf("%d %s\n", made > 10, strerrorname_np(errno));
}

static void sockets_in_flight(void)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return;
	for (;;) {
		/* A socket sent through itself is reachable by nobody. */
		char c = 0, control[CMSG_SPACE(sizeof(int))];
		struct iovec io = { &c, 1 };
		struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &pair[1], sizeof(int));
		if (sendmsg(pair[0], &m, MSG_DONTWAIT) < 0)
			break;
	}
	printf("1 %s\n", strerrorname_np(errno));
}

#pragma GCC diagnostic ignored "-Winfinite-recursion" /* that is the point */
static int deep(volatile char *above)
{
	volatile char here[4096];
	here[0] = above[0];
	return deep(here) + here[0];
}

static void overflow(void)
{
	volatile char c = 1;
	printf("%d\n", deep(&c));
}

static volatile int handled;
static void overflow_again(int signo)
{
	volatile char c = 1;
	handled++;
	printf("%d\n", deep(&c));
}

/* A handler for the overflow that overflows too, below the small stack it was given, and so is called again. */
static void overflow_in_handler(void)
{
	stack_t stack = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
	struct sigaction action = { .sa_handler = overflow_again, .sa_flags = SA_ONSTACK | SA_NODEFER };
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	overflow();
}

static void fault_again(int signo) { *(volatile int *)8 = 1; }

static void handler_faults_for_ever(void)
{
	struct sigaction action = { .sa_handler = fault_again, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &action, NULL);
	raise(SIGSEGV);
}

static void return_to_the_fault(int signo) {}

static void handler_returns_for_ever(void)
{
	signal(SIGSEGV, return_to_the_fault);
	*(volatile int *)8 = 1;
}

static void raise_again(int signo) { raise(signo); }

static void handlers_for_ever(void)
{
	struct sigaction action = { .sa_handler = raise_again };
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	for (;;)
		;
}

static void timers(void)
{
	timer_t timer;
	struct itimerspec at_once = { { 0, 1 }, { 0, 1 } };
	signal(SIGALRM, SIG_IGN);
	while (timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
		timer_settime(timer, 0, &at_once, NULL);
	printf("1 %s\n", strerrorname_np(errno));
}

static void signals(void)
{
	sigset_t all;
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(RLIMIT_SIGPENDING, &limit);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0)
		;
	printf("1 %s\n", strerrorname_np(errno));
}

static void areas(void)
{
	for (long i = 0;; i++)
		if (mmap(NULL, 4096, i & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			break;
	printf("1 %s\n", strerrorname_np(errno));
}

static void tables(void)
{
	/* A page each 2 MiB, so that each needs a table of its own. */
	for (unsigned long at = 1UL << 32; at < 1UL << 46; at += 2UL << 20) {
		char *page = mmap((void *)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (page == MAP_FAILED)
			break;
		*page = 1;
	}
	printf("1 %s\n", strerrorname_np(errno));
}

static void *wait_for_ever(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}

static void threads(void)
{
	pthread_t thread;
	int error, made = 0;
	while ((error = pthread_create(&thread, NULL, wait_for_ever, NULL)) == 0)
		made++;
	printf("%d %s\n", made > 10, strerrorname_np(error));
}

static void files(void)
{
	char block[1 << 16];
	memset(block, 1, sizeof(block));
	int fd = open("/tmp/large", O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	printf("1 %s\n", strerrorname_np(errno));
	unlink("/tmp/large");
}

static void directories(void)
{
	chdir("/tmp");
	while (mkdir("d", 0700) == 0 && chdir("d") == 0)
		;
	printf("1 %s\n", strerrorname_np(errno));
}

static void trace(void)
{
	long result = ptrace(PTRACE_TRACEME, 0, 0, 0);
	printf("%ld %s\n", result, strerrorname_np(errno));
	errno = 0;
	result = ptrace(PTRACE_ATTACH, 1, 0, 0);
	printf("%ld %s\n", result, strerrorname_np(errno));
}

static void out(void) { __asm__ volatile("outb %%al, $0x64" : : "a"(0xfe)); }
static void in(void) { __asm__ volatile("inb $0x60, %%al" : : : "rax"); }
static void cli(void) { __asm__ volatile("cli"); }
static void hlt(void) { __asm__ volatile("hlt"); }
static void wrmsr(void) { __asm__ volatile("wrmsr" : : "a"(0), "d"(0), "c"(0xc0000082)); }
static void cr3(void) { __asm__ volatile("mov %0, %%cr3" : : "r"(0UL)); }
static void lidt(void) { static char table[10]; __asm__ volatile("lidt %0" : : "m"(table)); }
static void iopl(void)
{
	/* Flags that a program may not have stay as they are. */
	__asm__ volatile("pushfq; orq $0x3000, (%rsp); popfq; cli");
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "descriptors", descriptors }, { "pipes", pipes }, { "sockets-in-flight", sockets_in_flight }, { "overflow", overflow },
	{ "overflow-in-handler", overflow_in_handler }, { "handler-faults", handler_faults_for_ever },
	{ "handler-returns", handler_returns_for_ever }, { "handlers", handlers_for_ever }, { "timers", timers }, { "signals", signals },
	{ "areas", areas }, { "tables", tables }, { "threads", threads }, { "files", files }, { "directories", directories },
	{ "ptrace", trace }, { "out", out }, { "in", in }, { "cli", cli }, { "hlt", hlt }, { "wrmsr", wrmsr }, { "cr3", cr3 },
	{ "lidt", lidt }, { "iopl", iopl },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			return 0;
		}
	}
	return argc == 1 ? 0 : 99;
}
