/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>

static int values[16], count;
static void on_signal(int signo, siginfo_t *info, void *context)
{
	if (count < 16)
		values[count++] = (signo - SIGRTMIN) * 100 + info->si_value.sival_int;
}

static void *wait_for(void *set)
{
	siginfo_t info;
	int signo = sigwaitinfo(set, &info);
	printf("thread: %d %d\n", signo == SIGRTMIN + 3, info.si_value.sival_int);
	return NULL;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < 4; i++) {
		sigaction(SIGRTMIN + i, &action, NULL);
		sigaddset(&set, SIGRTMIN + i);
	}
	sigaction(SIGUSR1, &action, NULL);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Real-time signals all come, the lowest first, each kind in order; a standard one comes once. */
	for (int i = 0; i < 3; i++) {
		SAY(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ i }));
		SAY(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ i }));
		SAY(sigqueue(getpid(), SIGUSR1, (union sigval){ 7 + i }));
	}
	siginfo_t info;
	printf("taken %d value %d\n", sigwaitinfo(&set, &info) == SIGUSR1, info.si_value.sival_int);
	sigset_t pending;
	sigpending(&pending);
	SHOW(sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	for (int i = 0; i < count; i++)
		printf("%d ", values[i]);
	printf("\n");

	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_t thread = start(wait_for, &set);
	pthread_sigqueue(thread, SIGRTMIN + 3, (union sigval){ 55 });
	pthread_join(thread, NULL);

	struct rlimit limit = { 0, 0 };
	setrlimit(RLIMIT_SIGPENDING, &limit);
	int sent = 0;
	while (sent < 10 && sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0)
		sent++;
	printf("limited %d %s\n", sent, strerrorname_np(errno));
	SAY(sigqueue(getpid(), 99, (union sigval){ 0 }));
	SAY(sigqueue(1 << 22, SIGUSR1, (union sigval){ 0 }));
	return 0;
}
