/* SPDX-License-Identifier: Apache-2.0 */

static volatile sig_atomic_t rung, last_value, last_code, first_overrun;

static void on_timer(int signo, siginfo_t *info, void *context)
{
	if (rung++ == 0)
		first_overrun = info->si_overrun;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
}

static timer_t timer_of(clockid_t clock, int signo, int value)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo, .sigev_value.sival_int = value };
	timer_t timer;
	if (timer_create(clock, &event, &timer))
		printf("timer_create: %s\n", strerrorname_np(errno));
	return timer;
}

static void set(timer_t timer, long first_ns, long interval_ns)
{
	struct itimerspec spec = { { interval_ns / 1000000000, interval_ns % 1000000000 }, { first_ns / 1000000000, first_ns % 1000000000 } };
	timer_settime(timer, 0, &spec, NULL);
}

static void compute_until(int wanted)
{
	while (rung < wanted)
		;
}

static volatile int in_thread;
static void run_in_thread(union sigval value) { in_thread = value.sival_int; }

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };
	for (int signo = SIGRTMIN; signo <= SIGRTMIN + 5; signo++)
		sigaction(signo, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGVTALRM, &action, NULL);
	sigaction(SIGPROF, &action, NULL);

	timer_t timer = timer_of(CLOCK_MONOTONIC, SIGRTMIN, 42);
	set(timer, 5000000, 0);
	while (!rung)
		pause_ms(1);
	printf("rung %d value %d timer %d overrun %d\n", rung, last_value, last_code == SI_TIMER, first_overrun);
	struct itimerspec left;
	SAY(timer_gettime(timer, &left));
	printf("left %ld %ld\n", left.it_value.tv_sec, left.it_value.tv_nsec);
	set(timer, 3600L * 1000000000, 7000000000L);
	timer_gettime(timer, &left);
	printf("left %ld interval %ld\n", left.it_value.tv_sec, left.it_interval.tv_sec);

	/* What rings while the signal is blocked is counted. */
	sigset_t block;
	sigemptyset(&block);
	sigaddset(&block, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &block, NULL);
	rung = 0;
	set(timer, 1000000, 1000000);
	pause_ms(30);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	set(timer, 0, 0);
	printf("rung %d overrun more %d\n", rung >= 1, first_overrun >= 10);
	SAY(timer_delete(timer));
	SAY(timer_delete(timer));

	/* By the wall's clock, in the past: at once. */
	rung = 0;
	timer = timer_of(CLOCK_REALTIME, SIGRTMIN + 1, 1);
	struct itimerspec past = { { 0, 0 }, { 1, 0 } };
	SAY(timer_settime(timer, TIMER_ABSTIME, &past, NULL));
	while (!rung)
		pause_ms(1);
	SHOW(rung);
	timer_delete(timer);

	/* Processor time stands still in sleep. On a busy host what comes before the sleep takes some of it too. */
	static const clockid_t clocks[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	for (int i = 0; i < 2; i++) {
		rung = 0;
		timer = timer_of(clocks[i], SIGRTMIN + 2 + i, i);
		set(timer, 300000000, 0);
		pause_ms(400);
		printf("asleep %d\n", rung);
		compute_until(1);
		printf("computed %d value %d\n", rung, last_value);
		timer_delete(timer);
	}
	static const int which[] = { ITIMER_VIRTUAL, ITIMER_PROF };
	for (int i = 0; i < 2; i++) {
		struct itimerval value = { { 0, 5000 }, { 0, 300000 } }, old;
		rung = 0;
		SAY(setitimer(which[i], &value, NULL));
		pause_ms(400);
		printf("asleep %d\n", rung);
		compute_until(3);
		value = (struct itimerval){ 0 };
		SAY(setitimer(which[i], &value, &old));
		printf("interval %ld\n", old.it_interval.tv_usec);
	}

	/* The C library's own thread takes the signal. */
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = run_in_thread, .sigev_value.sival_int = 9 };
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	set(timer, 1000000, 0);
	while (!in_thread)
		pause_ms(1);
	SHOW(in_thread);
	timer_delete(timer);

	struct sigevent bad = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99 };
	SAY(timer_create(CLOCK_MONOTONIC, &bad, &timer));
	SAY(timer_create(77, NULL, &timer));
	SAY(timer_create(CLOCK_MONOTONIC, NULL, &timer));
	rung = 0;
	set(timer, 1000000, 0);
	while (!rung)
		pause_ms(1);
	printf("by default %d\n", last_code == SI_TIMER);
	return 0;
}
