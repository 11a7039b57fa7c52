/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/prctl.h>
#include <sys/wait.h>

static volatile sig_atomic_t told;
static volatile int last_code, last_status;

static void on_child(int signo, siginfo_t *info, void *context)
{
	told++;
	last_code = info->si_code;
	last_status = info->si_status;
}

static void say_wait(const char *what, pid_t child, int options)
{
	int status = -1;
	errno = 0;
	pid_t got = waitpid(child, &status, options);
	printf("%s: %s", what, got == child ? "the child" : got == 0 ? "nothing" : strerrorname_np(errno));
	if (got == child && WIFSTOPPED(status))
		printf(" stopped by %s", sigabbrev_np(WSTOPSIG(status)));
	if (got == child && WIFCONTINUED(status))
		printf(" continued");
	if (got == child && WIFEXITED(status))
		printf(" exited with %d", WEXITSTATUS(status));
	if (got == child && WIFSIGNALED(status))
		printf(" killed by %s", sigabbrev_np(WTERMSIG(status)));
	printf("\n");
}

static void say_waitid(const char *what, pid_t child, int options)
{
	siginfo_t info = { .si_pid = -1 };
	int result = waitid(P_PID, (id_t)child, &info, options);
	printf("%s: %d child %d code %d status %d\n", what, result, info.si_pid == child, info.si_code, info.si_status);
}

/* Runs in the child: sleeps in one call that a stop must not cut short. */
static void *sleep_whole(void *ended)
{
	struct timespec t = { 0, 50000000 };
	*(int *)ended = nanosleep(&t, NULL);
	return NULL;
}

static pid_t child_that(void (*does)(void))
{
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		does();
		_exit(0);
	}
	return child;
}

/* Lives on until its parent has looked at it. */
static int looked[2];

static void stop_itself(void)
{
	char c;
	raise(SIGSTOP);
	read(looked[0], &c, 1);
	_exit(5);
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static void threads(void)
{
	int ended = -1;
	pthread_t thread = start(sleep_whole, &ended);
	pthread_join(thread, NULL);
	_exit(ended == 0 ? 7 : 8);
}

static void terminal_stop(void)
{
	raise(SIGTSTP);
	_exit(9);
}

static volatile sig_atomic_t continued;
static void on_continue(int signo) { continued++; }

static void handle_continue(void)
{
	signal(SIGCONT, on_continue);
	raise(SIGSTOP);
	_exit(continued == 1 ? 11 : 12);
}

/* Its own child is stopped when it ends, in a group that nobody is left to look after. */
static void leave_stopped(void)
{
	int ready[2];
	pipe(ready);
	setsid();
	if (fork() == 0) {
		setpgid(0, 0);
		write(ready[1], "x", 1);
		raise(SIGSTOP);
		_exit(1);
	}
	char c;
	read(ready[0], &c, 1);
	siginfo_t info;
	waitid(P_ALL, 0, &info, WSTOPPED | WNOWAIT);
	_exit(0);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGCHLD, &action, NULL);

	pipe(looked);
	pid_t child = child_that(stop_itself);
	say_wait("stopped", child, WUNTRACED);
	while (!told)
		usleep(1000);
	printf("told %d code %d status %d\n", told, last_code, last_status);
	say_wait("only once", child, WUNTRACED | WNOHANG);
	kill(child, SIGCONT);
	say_waitid("continued, looked at", child, WCONTINUED | WNOWAIT);
	say_wait("continued", child, WCONTINUED);
	write(looked[1], "x", 1);
	say_wait("the end", child, WUNTRACED);

	action.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	told = 0;
	child = child_that(sleep_for_ever);
	kill(child, SIGSTOP);
	say_waitid("stopped", child, WSTOPPED);
	kill(child, SIGSTOP);
	say_waitid("stopped again", child, WSTOPPED | WNOHANG);
	SHOW(told);
	/* What comes while it is stopped waits; only SIGKILL does not. */
	kill(child, SIGTERM);
	say_wait("SIGTERM waits", child, WNOHANG);
	kill(child, SIGCONT);
	say_wait("the end", child, 0);
	child = child_that(sleep_for_ever);
	kill(child, SIGSTOP);
	say_wait("stopped", child, WUNTRACED);
	kill(child, SIGKILL);
	say_wait("SIGKILL does not", child, 0);

	child = child_that(threads);
	kill(child, SIGSTOP);
	say_wait("threads stop", child, WUNTRACED);
	kill(child, SIGCONT);
	say_wait("and sleep to the end", child, 0);
	child = child_that(handle_continue);
	say_wait("stopped", child, WUNTRACED);
	kill(child, SIGCONT);
	say_wait("SIGCONT has a handler too", child, 0);

	/* SIGTSTP stops what a shell could continue, and nothing else. */
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		terminal_stop();
	}
	say_wait("in its own group", child, WUNTRACED);
	kill(child, SIGCONT);
	say_wait("the end", child, 0);
	child = fork();
	if (child == 0) {
		setsid();
		terminal_stop();
	}
	say_wait("in an orphaned group", child, WUNTRACED);

	/* SIGCONT and the stopping signals undo each other while they are pending. */
	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTSTP);
	raise(SIGCONT);
	sigpending(&pending);
	printf("TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	sigpending(&pending);
	printf("TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
	raise(SIGCONT);

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = child_that(leave_stopped);
	say_wait("it left", child, 0);
	int status;
	pid_t orphan = waitpid(-1, &status, 0);
	printf("the orphan was killed by %s\n", orphan > 0 && WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "nothing");
	return 0;
}
