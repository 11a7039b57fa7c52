static int pair[2], fifo[2];

static void *close_later(void *unused)
{
	pause_ms(30);
	close(pair[0]);
	close(pair[1]);
	close(fifo[1]);
	return NULL;
}

static void *write_later(void *fd)
{
	pause_ms(30);
	if (write((int)(long)fd, "x", 1) != 1)
		printf("write failed\n");
	return NULL;
}

static volatile int handled;
static void on_signal(int signo) { handled++; }
static pthread_t main_thread;
/* Until it has interrupted something. */
static volatile int interrupted;
static void *signal_later(void *unused)
{
	while (!interrupted) {
		pause_ms(20);
		pthread_kill(main_thread, SIGUSR1);
	}
	return NULL;
}

static volatile int stop;
static void *spin(void *unused)
{
	while (!stop)
		;
	return NULL;
}

int main(void)
{
	int p[2], event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0), file = open("/proc/self/exe", O_RDONLY);
	char buf[8];
	SAY(pipe(p));
	SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	struct pollfd fds[] = {
		{ p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { pair[0], POLLIN | POLLOUT, 0 }, { event, POLLIN | POLLOUT, 0 },
		{ timer, POLLIN, 0 }, { file, POLLIN | POLLOUT, 0 }, { -1, POLLIN, 0x7f }, { 99, POLLIN, 0 },
	};
	SAY(poll(fds, 8, -1));
	for (int i = 0; i < 8; i++)
		say_events("fd", fds[i].revents);
	SAY(poll(NULL, 0, 10));
	SAY(poll(fds, 1000000000, 0));
	SAY(poll((void *)16, 1, 0));
	fds[0].events = 0;
	SAY(poll(fds, 1, 10));
	pthread_t t = start(write_later, (void *)(long)p[1]);
	fds[0].events = POLLIN;
	SAY(poll(fds, 1, -1));
	pthread_join(t, NULL);
	SAY(read(p[0], buf, 8));

	fd_set in, out, bad;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&bad);
	FD_SET(p[0], &in);
	FD_SET(pair[0], &in);
	FD_SET(event, &in);
	FD_SET(pair[0], &out);
	FD_SET(event, &bad);
	struct timeval tv = { 1000, 0 };
	SAY(select(64, &in, &out, &bad, &tv));
	SHOW(FD_ISSET(p[0], &in));
	SHOW(FD_ISSET(pair[0], &out));
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	t = start(write_later, (void *)(long)p[1]);
	SAY(select(p[0] + 1, &in, NULL, NULL, NULL));
	SHOW(FD_ISSET(p[0], &in));
	pthread_join(t, NULL);
	FD_SET(40, &in);
	tv = (struct timeval){ 0, 0 };
	SAY(select(41, &in, NULL, NULL, &tv));
	SAY(select(-1, NULL, NULL, NULL, &tv));
	struct timespec ts = { 0, 5000000 };
	SAY(pselect(0, NULL, NULL, NULL, &ts, NULL));
	SAY(read(p[0], buf, 8));

	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &action, NULL);
	main_thread = pthread_self();
	t = start(signal_later, NULL);
	SAY(poll(fds, 1, -1));
	interrupted = 1;
	pthread_join(t, NULL);
	SHOW(handled > 0);
	handled = 0;
	sigset_t usr1, none;
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	SAY(poll(fds, 1, 5));
	SHOW(handled);
	SAY(ppoll(fds, 1, NULL, &none));
	SHOW(handled);
	raise(SIGUSR1);
	SAY(pselect(0, NULL, NULL, NULL, NULL, &none));
	SHOW(handled);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	SHOW(sigismember(&now, SIGUSR1));

	/* What is polled is closed by somebody else. */
	SAY(pipe(fifo));
	struct pollfd waiting[] = { { pair[0], POLLIN, 0 }, { fifo[0], POLLIN, 0 } };
	t = start(close_later, NULL);
	/* It may be woken before the last of them is closed, or after. */
	SHOW(poll(waiting, 2, -1) >= 1);
	pthread_join(t, NULL);
	SAY(poll(waiting, 2, 0));
	say_events("fifo", waiting[1].revents);

	/* A timeout though another thread computes, and until that is told to end. */
	t = start(spin, NULL);
	SAY(poll(fds, 1, 30));
	stop = 1;
	pthread_join(t, NULL);
	return 0;
}
