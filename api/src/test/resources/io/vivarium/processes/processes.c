// SPDX-License-Identifier: Apache-2.0
// What processes do to one another. The first argument names the case; what is printed is the same on every Linux.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static const char *self;

static void say(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld\n", what, result);
	fflush(stdout);
}

static int status_of(pid_t child)
{
	int status;
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// The same, however often a handler runs meanwhile.
static int status_again(pid_t child)
{
	int status;
	do
		status = status_of(child);
	while (status < 0 && errno == EINTR);
	return status;
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void say_nothing(int signo)
{
	(void)signo;
}

static char read_byte(int fd)
{
	char byte = 0;
	return read(fd, &byte, 1) == 1 ? byte : 0;
}

// ---- memory ----

static int data = 1;

static void copy_on_write(void)
{
	enum { SIZE = 3 << 20, PAGE = 4096 };
	char *heap = malloc(SIZE);
	char *read_only = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int local = 5, go[2];
	memset(heap, 'p', SIZE);
	*read_only = 'r';
	mprotect(read_only, PAGE, PROT_READ);
	pipe(go);
	pid_t child = fork();
	if (child == 0) {
		int good = data == 1 && local == 5 && *read_only == 'r';
		data = 2;
		local = 6;
		memset(heap, 'c', SIZE);
		mprotect(read_only, PAGE, PROT_READ | PROT_WRITE);
		*read_only = 'w';
		close(go[1]);
		read_byte(go[0]);
		for (int i = 0; i < SIZE; i += PAGE)
			good &= heap[i] == 'c';
		_exit(good && data == 2 && local == 6 ? 0 : 1);
	}
	int good = 1;
	for (int i = 0; i < SIZE; i += 2 * PAGE)
		heap[i] = 'q';
	data = 3;
	close(go[0]);
	close(go[1]);
	say("child", status_of(child));
	for (int i = 0; i < SIZE; i += PAGE)
		good &= heap[i] == (i / PAGE % 2 ? 'p' : 'q');
	say("parent", good && data == 3 && local == 5 && *read_only == 'r');
}

// Grandchildren share with both; whoever goes takes nothing with it.
static void generations(void)
{
	int *values = malloc(1 << 20);
	for (int depth = 0; depth < 6; depth++) {
		for (int i = 0; i < 1 << 18; i += 1024)
			values[i] = depth;
		pid_t child = fork();
		if (child) {
			int status = status_of(child), good = 1;
			for (int i = 0; i < 1 << 18; i += 1024)
				good &= values[i] == depth;
			if (depth)
				_exit(good ? status + 1 : 100);
			say("generations", good ? status : 100);
			return;
		}
	}
	_exit(0);
}

static void shared_memory(void)
{
	enum { INTS = 1 << 18 };
	int *shared = mmap(0, INTS * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_t *mutex = (void *)(shared + 1000);
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attributes);
	pid_t child = fork();
	if (child == 0) {
		shared[0] = 7;
		shared[INTS - 1] = 8;
		_exit(0);
	}
	status_of(child);
	say("first", shared[0]);
	say("last", shared[INTS - 1]);
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		for (int k = 0; k < 500; k++) {
			pthread_mutex_lock(mutex);
			int value = shared[1];
			if (k % 25 == 0)
				sched_yield();
			shared[1] = value + 1;
			pthread_mutex_unlock(mutex);
		}
		_exit(0);
	}
	while (wait(0) > 0)
		;
	say("counted", shared[1]);
}

static void memory_advice(void)
{
	char *kept = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *wiped = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *missing = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*kept = wiped[0] = wiped[4096] = *missing = 'x';
	say("wipe", madvise(wiped, 4096, MADV_WIPEONFORK));
	say("do not copy", madvise(missing, 4096, MADV_DONTFORK));
	pid_t child = fork();
	if (child == 0) {
		printf("child: %c %d %c\n", *kept, wiped[0], wiped[4096]);
		fflush(stdout);
		_exit(*(volatile char *)missing);
	}
	say("child", status_of(child));
	printf("parent: %c %c %c\n", *kept, wiped[0], *missing);
}

// ---- making processes ----

static void vforked(void)
{
	volatile int value = 1;
	pid_t child = vfork();
	if (child == 0) {
		value = 2;
		_exit(9);
	}
	say("seen", value);
	say("child", status_of(child));
	child = vfork();
	if (child == 0) {
		execl(self, self, "exit", "12", (char *)0);
		_exit(1);
	}
	say("executed", status_of(child));
}

static int cloned(void *argument)
{
	int *values = argument;
	values[0] = 42;
	close(values[1]);
	return 11;
}

static void clones(void)
{
	static char stack[65536];
	int values[2] = { 0, dup(1) };
	pid_t child = clone(cloned, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, values);
	say("child", status_of(child));
	say("memory", values[0]);
	say("descriptor", fcntl(values[1], F_GETFD));
	values[0] = 0;
	values[1] = dup(1);
	child = clone(cloned, stack + sizeof(stack), SIGCHLD, values);
	say("child", status_of(child));
	say("memory", values[0]);
	say("descriptor", fcntl(values[1], F_GETFD));
	child = clone(cloned, stack + sizeof(stack), 0, values);
	say("no signal", waitpid(child, 0, 0));
	int status;
	say("as clone", waitpid(child, &status, __WCLONE) == child ? WEXITSTATUS(status) : -1);
	pid_t parent_tid = 0, *child_tid = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = (pid_t)syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid, child_tid, 0);
	if (child == 0)
		_exit(0);
	status_of(child);
	say("numbers", parent_tid == child && *child_tid == child);
	say("handlers without memory", syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
	say("thread without handlers", syscall(SYS_clone, CLONE_THREAD | CLONE_VM | SIGCHLD, 0, 0, 0, 0));
}

static void spawned(void)
{
	char *good[] = { (char *)self, "exit", "33", 0 };
	pid_t child;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	say("spawn", posix_spawn(&child, self, 0, 0, good, environ));
	say("child", status_of(child));
	say("missing", posix_spawn(&child, "/nothing", 0, 0, good, environ) == ENOENT);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, 1);
	say("attributes", posix_spawn(&child, self, &actions, &attributes, good, environ));
	say("child", status_of(child));
}

static void executed(void)
{
	int closed = open("/", O_RDONLY | O_CLOEXEC), kept = open("/", O_RDONLY);
	int program = open(self, O_RDONLY | O_CLOEXEC);
	char first[12], second[12];
	char *exit_5[] = { (char *)self, "exit", "5", 0 };
	snprintf(first, sizeof(first), "%d", closed);
	snprintf(second, sizeof(second), "%d", kept);
	pid_t child = fork();
	if (child == 0) {
		execl(self, self, "descriptors", first, second, (char *)0);
		_exit(1);
	}
	say("child", status_of(child));
	child = fork();
	if (child == 0) {
		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, say_nothing);
		execl(self, self, "handlers", (char *)0);
		_exit(1);
	}
	say("child", status_of(child));
	child = fork();
	if (child == 0) {
		fexecve(program, exit_5, environ);
		_exit(1);
	}
	say("fexecve", status_of(child));
	child = fork();
	if (child == 0) {
		int root = open("/", O_PATH);
		syscall(SYS_execveat, root, self + 1, exit_5, environ, 0);
		_exit(1);
	}
	say("execveat", status_of(child));
	say("bad descriptor", syscall(SYS_execveat, 99, "x", exit_5, environ, 0));
}

// ---- waiting ----

static void waits(void)
{
	siginfo_t info;
	struct rusage usage;
	int status;
	say("no child", waitid(P_ALL, 0, &info, WEXITED));
	say("no child", wait(0));
	pid_t child = fork();
	if (child == 0)
		sleep_for_ever();
	memset(&info, 0xff, sizeof(info));
	say("nothing yet", waitid(P_PID, child, &info, WEXITED | WNOHANG));
	say("signal", info.si_signo);
	say("pid", info.si_pid);
	say("nothing yet", waitpid(child, &status, WNOHANG | WUNTRACED | WCONTINUED));
	say("another", waitpid(1 << 22, &status, WNOHANG));
	kill(child, SIGKILL);
	say("look", waitid(P_PID, child, &info, WEXITED | WNOWAIT));
	printf("%d %d %d\n", info.si_pid == child, info.si_code == CLD_KILLED, info.si_status);
	say("exists", kill(child, 0));
	say("take", wait4(child, &status, 0, &usage) == child);
	printf("%d %d\n", WIFSIGNALED(status), WTERMSIG(status));
	say("gone", waitpid(child, &status, 0));
	say("gone", kill(child, 0));
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		_exit(3);
	}
	setpgid(child, child);
	say("group", waitid(P_PGID, child, &info, WEXITED));
	printf("%d %d %d\n", info.si_pid == child, info.si_code == CLD_EXITED, info.si_status);
	child = fork();
	if (child == 0)
		_exit(4);
	say("own group", waitpid(0, &status, 0) == child ? WEXITSTATUS(status) : -1);
	say("no kind", waitid(P_ALL, 0, &info, 0));
	say("bad option", waitpid(-1, 0, 0x40));
	say("bad id", waitid(P_PID, 0, &info, WEXITED));
	child = fork();
	if (child == 0)
		_exit(300);
	say("cut", status_of(child));
	child = fork();
	if (child == 0)
		abort();
	say("abort", status_of(child));
}

static volatile sig_atomic_t told;
static volatile int told_code, told_status, told_pid;

static void on_child(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	told++;
	told_code = info->si_code;
	told_status = info->si_status;
	told_pid = info->si_pid;
}

static void child_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t set, old;
	sigaction(SIGCHLD, &action, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid_t child = fork();
	if (child == 0)
		_exit(17);
	while (!told)
		sigsuspend(&old);
	printf("%d %d %d\n", told_code == CLD_EXITED, told_status, told_pid == child);
	say("child", status_of(child));
	told = 0;
	child = fork();
	if (child == 0)
		raise(SIGTERM);
	while (!told)
		sigsuspend(&old);
	printf("%d %d %d\n", told_code == CLD_KILLED, told_status, told_pid == child);
	say("child", status_of(child));
	sigprocmask(SIG_SETMASK, &old, 0);
	action.sa_flags |= SA_NOCLDWAIT;
	sigaction(SIGCHLD, &action, 0);
	if (fork() == 0)
		_exit(1);
	say("no zombie", wait(0));
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0)
		_exit(1);
	say("ignored", wait(0));
}

// A handler interrupts wait(2), unless it has SA_RESTART. The child goes on until the parent was interrupted, or for a while.
static void interrupted_wait(void)
{
	for (int restart = 0; restart < 2; restart++) {
		struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | (restart ? SA_RESTART : 0) };
		int seen[2];
		pipe2(seen, O_NONBLOCK);
		sigaction(SIGUSR1, &action, 0);
		pid_t parent = getpid(), child = fork();
		if (child == 0) {
			char byte;
			close(seen[1]);
			for (int i = 0; restart ? i < 20 : read(seen[0], &byte, 1) != 0; i++) {
				kill(parent, SIGUSR1);
				usleep(1000);
			}
			_exit(6);
		}
		int status;
		pid_t result = waitpid(child, &status, 0);
		say("wait", result > 0 ? WEXITSTATUS(status) : -1);
		close(seen[0]);
		close(seen[1]);
		if (result < 0)
			say("again", status_again(child));
	}
}

// ---- groups and orphans ----

static void groups(void)
{
	pid_t children[3];
	int killed = 0;
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0)
			sleep_for_ever();
		setpgid(children[i], children[0]);
	}
	say("member", getpgid(children[2]) == children[0]);
	say("kill", kill(-children[0], SIGTERM));
	for (int i = 0; i < 3; i++)
		killed += status_of(children[i]) == 128 + SIGTERM;
	say("killed", killed);
	say("no group", kill(-children[0], 0));
	say("no group", setpgid(0, children[0]));
	pid_t child = fork();
	if (child == 0) {
		pid_t session = setsid();
		say("session", session == getpid() && getsid(0) == session && getpgrp() == session);
		say("leader", setsid());
		say("leader", setpgid(0, 0));
		_exit(0);
	}
	status_of(child);
	child = fork();
	if (child == 0) {
		execl(self, self, "pause", (char *)0);
		_exit(1);
	}
	while (setpgid(child, child) == 0)
		sched_yield();
	say("executed", setpgid(child, child));
	kill(child, SIGKILL);
	status_of(child);
	say("negative", setpgid(0, -1));
	say("stranger", setpgid(1 << 22, 0));
	say("stranger", getpgid(1 << 22));
	say("stranger", getsid(1 << 22));
	say("bad signal", kill(getpid(), 65));
	say("nobody", kill(1 << 22, SIGKILL));
}

static void orphans(void)
{
	int ready[2], status;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		pid_t middle = getpid();
		if (fork() == 0) {
			while (getppid() == middle)
				usleep(100);
			_exit(getppid() == parent ? 21 : 22);
		}
		_exit(20);
	}
	say("child", status_of(child));
	pid_t orphan = wait(&status);
	say("orphan", orphan > 0 ? WEXITSTATUS(status) : -1);
	say("no more", wait(0));
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	pipe(ready);
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			sigset_t set;
			int signo;
			sigemptyset(&set);
			sigaddset(&set, SIGUSR1);
			sigprocmask(SIG_BLOCK, &set, 0);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			write(ready[1], "r", 1);
			sigwait(&set, &signo);
			write(ready[1], signo == SIGUSR1 ? "d" : "?", 1);
			_exit(0);
		}
		read_byte(ready[0]);
		_exit(0);
	}
	status_of(child);
	close(ready[1]);
	printf("death signal: %c\n", read_byte(ready[0]));
	say("not ours", wait(0));
}

// ---- threads ----

static void *wait_in_thread(void *argument)
{
	(void)argument;
	sleep_for_ever();
	return 0;
}

static void *fork_in_thread(void *argument)
{
	(void)argument;
	pid_t child = fork();
	if (child == 0)
		_exit(syscall(SYS_gettid) == getpid() ? 5 : 6);
	return (void *)(long)status_of(child);
}

static void threads(void)
{
	pthread_t waiting, forking;
	void *result;
	pthread_create(&waiting, 0, wait_in_thread, 0);
	pthread_create(&forking, 0, fork_in_thread, 0);
	pthread_join(forking, &result);
	say("forked", (long)result);
	pid_t child = fork();
	if (child == 0) {
		pthread_create(&waiting, 0, wait_in_thread, 0);
		pthread_create(&forking, 0, wait_in_thread, 0);
		execl(self, self, "exit", "44", (char *)0);
		_exit(1);
	}
	say("executed", status_of(child));
	child = fork();
	if (child == 0) {
		pthread_create(&waiting, 0, wait_in_thread, 0);
		kill(getpid(), SIGTERM);
		sleep_for_ever();
	}
	say("killed", status_of(child));
}

// ---- descriptors ----

static void pipes(void)
{
	int ends[2], got = 0;
	char bytes[16];
	pipe(ends);
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		if (fork() == 0) {
			usleep(10000);
			write(ends[1], "last", 4);
		}
		_exit(0);
	}
	close(ends[1]);
	status_of(child);
	for (ssize_t n; (n = read(ends[0], bytes + got, sizeof(bytes) - got)) > 0;)
		got += n;
	say("before the end", got);
	pipe(ends);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		for (;;)
			if (write(ends[1], bytes, sizeof(bytes)) < 0)
				_exit(1);
	}
	close(ends[1]);
	read_byte(ends[0]);
	close(ends[0]);
	say("nobody reads", status_of(child));
}

static void offsets(void)
{
	char name[] = "/tmp/processes-XXXXXX";
	int fd = mkstemp(name);
	write(fd, "0123456789", 10);
	lseek(fd, 2, SEEK_SET);
	pid_t child = fork();
	if (child == 0) {
		lseek(fd, 3, SEEK_CUR);
		chdir("/");
		umask(077);
		close(fd);
		_exit(0);
	}
	status_of(child);
	say("offset", lseek(fd, 0, SEEK_CUR));
	mode_t before = umask(022);
	say("umask", before == 077);
	unlink(name);
}

// ---- limits ----

static void limits(void)
{
	pid_t child = fork();
	if (child == 0) {
		struct rlimit three = { 3, 3 };
		int made = 0;
		setuid(54321);
		setrlimit(RLIMIT_NPROC, &three);
		for (;;) {
			pid_t next = fork();
			if (next == 0)
				sleep_for_ever();
			if (next < 0)
				break;
			made++;
		}
		say("refused", -1);
		say("made", made);
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
		_exit(0);
	}
	signal(SIGTERM, SIG_IGN);
	say("child", status_of(child));
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = 77;
	setrlimit(RLIMIT_NOFILE, &files);
	child = fork();
	if (child == 0) {
		getrlimit(RLIMIT_NOFILE, &files);
		_exit((int)files.rlim_cur);
	}
	say("inherited", status_of(child));
}

static void many(void)
{
	int ended = 0, sum = 0, status;
	for (int i = 0; i < 200; i++)
		if (fork() == 0)
			_exit(i % 7);
	while (wait(&status) > 0) {
		ended++;
		sum += WEXITSTATUS(status);
	}
	say("ended", ended);
	say("sum", sum);
}

// ---- for what is not compared with a host ----

// As many as there can be, until a limit says no; the parent ends, they stay.
static void bomb(void)
{
	int made = 0;
	for (;;) {
		pid_t child = fork();
		if (child == 0)
			sleep_for_ever();
		if (child < 0)
			break;
		made++;
	}
	say("refused", -1);
	say("many", made > 100);
}

static void explode(void)
{
	for (;;)
		fork();
}

static void refused(void)
{
	say("network", syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0));
	pid_t child = fork();
	if (child == 0) {
		syscall(425, 1, 0); // io_uring_setup
		_exit(0);
	}
	say("child", status_of(child));
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "copy-on-write", copy_on_write }, { "generations", generations }, { "shared-memory", shared_memory },
	{ "memory-advice", memory_advice }, { "vfork", vforked }, { "clone", clones }, { "spawn", spawned }, { "exec", executed },
	{ "wait", waits }, { "child-signals", child_signals }, { "interrupted-wait", interrupted_wait }, { "groups", groups },
	{ "orphans", orphans }, { "threads", threads }, { "pipes", pipes }, { "offsets", offsets }, { "limits", limits },
	{ "many", many }, { "bomb", bomb }, { "explode", explode }, { "refused", refused }, { "pause", sleep_for_ever },
};

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "exit") == 0)
		return atoi(argv[2]);
	if (argc == 4 && strcmp(argv[1], "descriptors") == 0)
		return (fcntl(atoi(argv[2]), F_GETFD) < 0) * 2 + (fcntl(atoi(argv[3]), F_GETFD) >= 0);
	if (argc == 2 && strcmp(argv[1], "handlers") == 0)
		return (signal(SIGUSR1, SIG_DFL) == SIG_IGN) * 2 + (signal(SIGUSR2, SIG_DFL) == SIG_DFL);
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "no such case\n");
	return 99;
}
