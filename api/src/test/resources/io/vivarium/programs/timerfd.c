static uint64_t now(int clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static struct timespec at(uint64_t ns) { return (struct timespec){ ns / 1000000000, ns % 1000000000 }; }

static volatile int stop;
static void *spin(void *unused)
{
	while (!stop)
		;
	return NULL;
}

static void clock_of(int clock)
{
	uint64_t ticks = 0, before;
	struct itimerspec s = { .it_value = { 1000, 0 } }, old;
	int t = timerfd_create(clock, TFD_NONBLOCK);
	printf("clock %d\n", clock);
	SAY(read(t, &ticks, 8));
	say_poll("not armed", t);
	SAY(timerfd_settime(t, 0, &s, NULL));
	SAY(read(t, &ticks, 8));
	SAY(timerfd_gettime(t, &old));
	SHOW(old.it_value.tv_sec > 0 && old.it_value.tv_sec <= 1000);
	before = now(CLOCK_MONOTONIC);
	s.it_value = at(20000000);
	SAY(timerfd_settime(t, 0, &s, NULL));
	struct pollfd p = { t, POLLIN, 0 };
	SAY(poll(&p, 1, -1));
	SHOW(now(CLOCK_MONOTONIC) - before >= 20000000);
	SAY(read(t, &ticks, 8));
	SHOW(ticks);
	SAY(read(t, &ticks, 8));
	SAY(timerfd_gettime(t, &old));
	SHOW(old.it_value.tv_sec + old.it_value.tv_nsec);
	/* The first expiry 400 ms ago, then every 150 ms: three by now. A clock may have begun when the machine did. */
	while (now(clock) < 500000000)
		pause_ms(10);
	uint64_t past = now(clock) - 400000000;
	s = (struct itimerspec){ .it_value = at(past), .it_interval = at(150000000) };
	SAY(timerfd_settime(t, TFD_TIMER_ABSTIME, &s, NULL));
	SAY(poll(&p, 1, -1));
	SAY(read(t, &ticks, 8));
	SHOW(ticks >= 3);
	SAY(timerfd_gettime(t, &old));
	SHOW(old.it_interval.tv_nsec);
	SHOW(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 150000000);
	/* In the future. */
	s = (struct itimerspec){ .it_value = at(now(clock) + 30000000) };
	SAY(timerfd_settime(t, TFD_TIMER_ABSTIME, &s, &old));
	SHOW(old.it_interval.tv_nsec);
	SHOW(fcntl(t, F_SETFL, 0));
	SAY(read(t, &ticks, 8));
	SHOW(ticks);
	s = (struct itimerspec){ .it_value = at(0), .it_interval = at(5) };
	SAY(timerfd_settime(t, 0, &s, NULL));
	SAY(timerfd_gettime(t, &old));
	SHOW(old.it_value.tv_nsec);
	SAY(close(t));
}

int main(void)
{
	uint64_t ticks;
	clock_of(CLOCK_MONOTONIC);
	clock_of(CLOCK_REALTIME);
	clock_of(CLOCK_BOOTTIME);
	SAY(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SAY(timerfd_create(CLOCK_MONOTONIC, 1));
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec s = { .it_value = { 0, 1000000000 } };
	SAY(timerfd_settime(t, 0, &s, NULL));
	SAY(timerfd_settime(t, 8, &s, NULL));
	SAY(timerfd_settime(0, 0, &(struct itimerspec){ 0 }, NULL));
	SAY(timerfd_settime(99, 0, &(struct itimerspec){ 0 }, NULL));
	SAY(timerfd_settime(t, 0, NULL, NULL));
	SAY(write(t, &ticks, 8));
	/* Every 2 ms, counted while nobody reads. */
	s = (struct itimerspec){ .it_value = at(2000000), .it_interval = at(2000000) };
	SAY(timerfd_settime(t, 0, &s, NULL));
	pause_ms(50);
	SAY(read(t, &ticks, 8));
	SHOW(ticks >= 25);
	SAY(read(t, &ticks, 8));
	SHOW(ticks >= 1);
	char small[7];
	SAY(read(t, small, 7));
	/* It fires though another thread computes, and until that is told to end. */
	pthread_t spinner = start(spin, NULL);
	s = (struct itimerspec){ .it_value = at(30000000) };
	SAY(timerfd_settime(t, 0, &s, NULL));
	SAY(read(t, &ticks, 8));
	SHOW(ticks);
	pause_ms(10);
	stop = 1;
	pthread_join(spinner, NULL);
	return 0;
}
