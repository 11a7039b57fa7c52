static int ep;

static void watch(int op, int fd, uint32_t events)
{
	struct epoll_event e = { events, { .u64 = fd } };
	int r = epoll_ctl(ep, op, fd, &e);
	printf("ctl %d %d %x = %d%s%s\n", op, fd, events, r, r ? " " : "", r ? strerrorname_np(errno) : "");
}

static void wait_now(const char *when)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, 0);
	printf("%s: %d\n", when, n);
	for (int i = 0; i < n; i++) {
		printf("  %d", (int)e[i].data.u64);
		say_events("", e[i].events);
	}
}

static void *write_later(void *fd)
{
	pause_ms(30);
	if (write((int)(long)fd, "later", 5) != 5)
		printf("write failed\n");
	return NULL;
}

static void levels(void)
{
	int p[2];
	char buf[64];
	SAY(pipe(p));
	watch(EPOLL_CTL_ADD, p[0], EPOLLIN);
	watch(EPOLL_CTL_ADD, p[1], EPOLLOUT);
	wait_now("empty");
	SAY(write(p[1], "abc", 3));
	wait_now("level");
	wait_now("level again");
	SAY(read(p[0], buf, 1));
	wait_now("level partly read");
	watch(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET);
	wait_now("edge");
	wait_now("edge is over");
	SAY(write(p[1], "d", 1));
	wait_now("edge again");
	SAY(read(p[0], buf, 64));
	wait_now("edge empty");
	SAY(write(p[1], "e", 1));
	SAY(read(p[0], buf, 64));
	wait_now("edge came and went");
	watch(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT);
	SAY(write(p[1], "f", 1));
	wait_now("one shot");
	wait_now("one shot is over");
	SAY(write(p[1], "g", 1));
	wait_now("one shot stays over");
	watch(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT);
	wait_now("one shot armed again");
	watch(EPOLL_CTL_DEL, p[0], 0);
	watch(EPOLL_CTL_DEL, p[0], 0);
	watch(EPOLL_CTL_MOD, p[0], EPOLLIN);
	watch(EPOLL_CTL_ADD, p[1], EPOLLOUT);
	watch(EPOLL_CTL_ADD, p[0], EPOLLIN);
	SAY(close(p[1]));
	wait_now("writer closed");
	SAY(close(p[0]));
	wait_now("both closed");
}

static void duplicates(void)
{
	int p[2];
	SAY(pipe(p));
	int d = dup(p[0]);
	watch(EPOLL_CTL_ADD, p[0], EPOLLIN);
	watch(EPOLL_CTL_ADD, d, EPOLLIN);
	SAY(write(p[1], "x", 1));
	wait_now("both duplicates");
	SAY(close(p[0]));
	wait_now("the file is still open");
	watch(EPOLL_CTL_DEL, p[0], 0);
	SAY(close(d));
	wait_now("nothing is open");
	SAY(close(p[1]));
}

static void errors(void)
{
	struct epoll_event e = { EPOLLIN, { .u64 = 0 } };
	int file = open("/", O_RDONLY), event = eventfd(0, 0);
	SAY(epoll_create1(1));
	SAY(epoll_create(0));
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, file, &e));
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &e));
	SAY(epoll_ctl(99, EPOLL_CTL_ADD, event, &e));
	SAY(epoll_ctl(event, EPOLL_CTL_ADD, ep, &e));
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
	SAY(epoll_ctl(ep, 7, event, &e));
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, event, NULL));
	SAY(epoll_wait(ep, &e, 0, 0));
	SAY(epoll_wait(ep, &e, -1, 0));
	SAY(epoll_wait(event, &e, 1, 0));
	SAY(epoll_wait(99, &e, 1, 0));
	watch(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE);
	watch(EPOLL_CTL_MOD, event, EPOLLIN);
	watch(EPOLL_CTL_DEL, event, 0);
	watch(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT);
	SAY(read(ep, &e, sizeof(e)));
	close(file);
	close(event);
}

static void nesting(void)
{
	int inner = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_NONBLOCK);
	struct epoll_event e = { EPOLLIN, { .u64 = 1 } };
	uint64_t value = 1;
	SAY(epoll_ctl(inner, EPOLL_CTL_ADD, event, &e));
	watch(EPOLL_CTL_ADD, inner, EPOLLIN);
	wait_now("nothing inside");
	SAY(write(event, &value, 8));
	wait_now("inside");
	say_poll("poll of an epoll", inner);
	SAY(epoll_wait(inner, &e, 1, 0));
	SAY(read(event, &value, 8));
	wait_now("nothing inside again");
	e.data.u64 = 2;
	SAY(epoll_ctl(inner, EPOLL_CTL_ADD, ep, &e));
	int chain[8];
	chain[0] = inner;
	for (int i = 1; i < 8; i++) {
		chain[i] = epoll_create1(0);
		printf("nesting %d: ", i);
		SAY(epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], &e));
	}
	for (int i = 0; i < 8; i++)
		close(chain[i]);
	close(event);
}

static void *wait_for_one(void *unused)
{
	struct epoll_event e;
	int n = epoll_wait(ep, &e, 1, -1);
	return (void *)(long)(n == 1 ? (int)e.data.u64 : -1);
}

static void threads(void)
{
	int p[2], event = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
	struct epoll_event e;
	char buf[8];
	SAY(pipe(p));
	watch(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET);
	pthread_t t = start(write_later, (void *)(long)p[1]);
	SAY(epoll_wait(ep, &e, 1, -1));
	SHOW(e.data.u64 == p[0]);
	pthread_join(t, NULL);
	SAY(read(p[0], buf, 8));
	SAY(epoll_wait(ep, &e, 1, 20));
	/* Added, and ready, while somebody waits. */
	t = start(wait_for_one, NULL);
	pause_ms(20);
	watch(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLONESHOT);
	uint64_t value = 3;
	SAY(write(event, &value, 8));
	void *who;
	pthread_join(t, &who);
	SHOW((long)who == event);
	close(p[0]);
	close(p[1]);
	close(event);
}

static void fairness(void)
{
	int events[12];
	uint64_t one = 1;
	for (int i = 0; i < 12; i++) {
		events[i] = eventfd(1, 0);
		struct epoll_event e = { EPOLLIN, { .u64 = i } };
		epoll_ctl(ep, EPOLL_CTL_ADD, events[i], &e);
	}
	for (int round = 0; round < 4; round++) {
		struct epoll_event e[5];
		int n = epoll_wait(ep, e, 5, 0);
		printf("round %d:", round);
		for (int i = 0; i < n; i++)
			printf(" %d", (int)e[i].data.u64);
		printf("\n");
	}
	for (int i = 0; i < 12; i++)
		SAY(read(events[i], &one, 8) == 8 && close(events[i]) == 0);
	wait_now("all closed");
}

static volatile int handled;
static void on_alarm(int signo) { handled++; }
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

static void signals(void)
{
	struct epoll_event e;
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	sigset_t none, usr1;
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigaction(SIGUSR1, &action, NULL);
	main_thread = pthread_self();
	pthread_t t = start(signal_later, NULL);
	SAY(epoll_wait(ep, &e, 1, -1));
	interrupted = 1;
	pthread_join(t, NULL);
	SHOW(handled > 0);
	handled = 0;
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	SAY(epoll_wait(ep, &e, 1, 10));
	SHOW(handled);
	SAY(epoll_pwait(ep, &e, 1, -1, &none));
	SHOW(handled);
	struct timespec ts = { 0, 10000000 };
	SAY(syscall(SYS_epoll_pwait2, ep, &e, 1, &ts, NULL, 0));
	ts.tv_nsec = 1000000000;
	SAY(syscall(SYS_epoll_pwait2, ep, &e, 1, &ts, NULL, 0));
}

int main(void)
{
	char line[16];
	ep = SAY(epoll_create1(0));
	levels();
	duplicates();
	errors();
	nesting();
	threads();
	fairness();
	signals();
	watch(EPOLL_CTL_ADD, 0, EPOLLIN);
	struct epoll_event e;
	SAY(epoll_wait(ep, &e, 1, -1));
	SAY(read(0, line, 16));
	SAY(epoll_wait(ep, &e, 1, -1));
	SAY(read(0, line, 16));
	SHOW(fcntl(ep, F_GETFD));
	return 0;
}
