static volatile int handled;
static void on_signal(int signo) { handled++; }

static void *kill_later(void *signo)
{
	pause_ms(20);
	kill(getpid(), (int)(long)signo);
	return NULL;
}

static void say_signal(int fd)
{
	struct signalfd_siginfo i;
	memset(&i, 0xff, sizeof(i));
	long n = SAY(read(fd, &i, sizeof(i)));
	if (n > 0)
		printf("signal %u code %d from us %d %d\n", i.ssi_signo, i.ssi_code, i.ssi_pid == (uint32_t)getpid(),
		       i.ssi_uid == getuid());
}

int main(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGKILL);
	int fd = SAY(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	SHOW(handled);
	SAY(sigprocmask(SIG_BLOCK, &set, NULL));
	say_poll("nothing", fd);
	say_signal(fd);
	kill(getpid(), SIGUSR1);
	say_poll("one", fd);
	sigset_t pending;
	sigpending(&pending);
	SHOW(sigismember(&pending, SIGUSR1));
	say_signal(fd);
	sigpending(&pending);
	SHOW(sigismember(&pending, SIGUSR1));
	SHOW(handled);
	/* Ignored by default, but blocked: kept. */
	kill(getpid(), SIGCHLD);
	pthread_kill(pthread_self(), SIGUSR1);
	struct signalfd_siginfo both[3];
	SAY(read(fd, both, sizeof(both)));
	printf("%u %u\n", both[0].ssi_signo, both[1].ssi_signo);
	SAY(read(fd, both, 100));
	/* Another set for the same descriptor. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	SAY(signalfd(fd, &set, 0) == fd);
	kill(getpid(), SIGUSR1);
	say_signal(fd);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int ep = epoll_create1(0);
	struct epoll_event e = { EPOLLIN, { .u64 = 42 } };
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	pthread_t t = start(kill_later, (void *)(long)SIGUSR2);
	SAY(epoll_wait(ep, &e, 1, -1));
	say_signal(fd);
	pthread_join(t, NULL);
	fcntl(fd, F_SETFL, 0);
	t = start(kill_later, (void *)(long)SIGUSR2);
	say_signal(fd);
	pthread_join(t, NULL);
	SAY(signalfd(0, &set, 0));
	SAY(signalfd(99, &set, 0));
	SAY(signalfd(-1, &set, 1));
	SAY(write(fd, both, sizeof(both)));
	return 0;
}
