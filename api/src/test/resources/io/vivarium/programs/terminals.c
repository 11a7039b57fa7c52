/* Pseudo-terminals: the line discipline, sizes, controlling terminals and job control of the groups behind them. */
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

static void show(const char *what, const char *bytes, long n)
{
	printf("%s %ld:", what, n);
	for (long i = 0; i < n; i++)
		printf(bytes[i] >= ' ' && bytes[i] < 127 ? "%c" : "\\%03o", (unsigned char)bytes[i]);
	printf("\n");
	fflush(stdout);
}

/* All that the terminal shows by now; every byte that is looked for was written before this is called. */
static void shown(int master, size_t wanted)
{
	char bytes[500];
	size_t done = 0;
	while (done < wanted) {
		long n = read(master, bytes + done, sizeof(bytes) - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	show("shown", bytes, (long)done);
}

static void result(const char *what, long value)
{
	printf("%s: %ld%s%s\n", what, value < 0 ? value : 0, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static void line(int slave)
{
	char bytes[100];
	long n = read(slave, bytes, sizeof(bytes));
	show("read", bytes, n);
}

static int open_pair(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	*slave = open("/nowhere", O_RDWR);
	if (open(ptsname(master), O_RDWR | O_NOCTTY) < 0)
		printf("locked: %s\n", strerrorname_np(errno));
	printf("grant %d unlock %d\n", grantpt(master), unlockpt(master));
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	return master;
}

static void discipline(void)
{
	int slave, master = open_pair(&slave);
	struct termios termios;
	struct winsize size = { 24, 80, 0, 0 };
	char bytes[100];
	struct stat st;
	fstat(slave, &st);
	printf("slave %o %u, is a terminal %d, is named %d\n", st.st_mode & S_IFMT, major(st.st_rdev), isatty(slave),
	       strcmp(ttyname(slave), ptsname(master)) == 0);
	tcgetattr(slave, &termios);
	printf("termios %x %x %x %x\n", termios.c_iflag, termios.c_oflag, termios.c_cflag, termios.c_lflag);
	show("keys", (char *)termios.c_cc, 17);
	write(master, "abX\177c\r", 6);
	line(slave);
	shown(master, 9);
	write(slave, "out\n", 4);
	shown(master, 5);
	write(master, "word other\027\n", 12);
	line(slave);
	shown(master, 27);
	write(master, "kill\025\004", 6);
	line(slave);
	shown(master, 16);
	termios.c_lflag &= ~(ICANON | ECHO);
	termios.c_cc[VMIN] = 3;
	tcsetattr(slave, TCSANOW, &termios);
	struct pollfd ready = { slave, POLLIN, 0 };
	write(master, "ab", 2);
	printf("two of three: %d\n", poll(&ready, 1, 0));
	write(master, "c", 1);
	printf("three: %d\n", poll(&ready, 1, -1));
	line(slave);
	termios.c_cc[VMIN] = 0;
	tcsetattr(slave, TCSANOW, &termios);
	line(slave);
	termios.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &termios);
	line(slave);
	write(master, "x", 1);
	line(slave);
	termios.c_cc[VMIN] = 5;
	tcsetattr(slave, TCSANOW, &termios);
	write(master, "yz", 2);
	line(slave);
	cfmakeraw(&termios);
	tcsetattr(slave, TCSAFLUSH, &termios);
	write(slave, "raw\n\t", 5);
	shown(master, 5);
	printf("size %d\n", ioctl(master, TIOCSWINSZ, &size));
	memset(&size, 0, sizeof(size));
	ioctl(slave, TIOCGWINSZ, &size);
	printf("%u %u\n", size.ws_row, size.ws_col);
	fcntl(slave, F_SETFL, O_NONBLOCK);
	result("nothing", read(slave, bytes, 1));
	result("no session", ioctl(slave, TIOCGPGRP, bytes));
	close(slave);
	result("closed", read(master, bytes, 1));
	close(master);
}

static volatile int hung_up, resized;
static void on_hup(int signo) { (void)signo; hung_up = 1; }
static void on_winch(int signo) { (void)signo; resized = 1; }

/* In a session of its own with the terminal as its controlling one. */
static void session(const char *name)
{
	char bytes[100];
	int status;
	struct sigaction hup = { .sa_handler = on_hup }, winch = { .sa_handler = on_winch };
	setsid();
	result("no terminal", open("/dev/tty", O_RDWR));
	int slave = open(name, O_RDWR);
	int tty = open("/dev/tty", O_RDWR);
	printf("terminal %d, mine %d %d\n", tty >= 0, tcgetpgrp(slave) == getpgrp(), tcgetsid(tty) == getsid(0));
	sigaction(SIGHUP, &hup, NULL);
	sigaction(SIGWINCH, &winch, NULL);
	/* In the background, reading stops the group. */
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		long n = read(slave, bytes, sizeof(bytes));
		show("child read", bytes, n);
		_exit(4);
	}
	setpgid(child, child);
	waitpid(child, &status, WUNTRACED);
	printf("stopped by %d\n", WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
	fflush(stdout);
	status = tcsetpgrp(tty, child);
	printf("foreground %d %d\n", status, tcgetpgrp(tty) == child);
	fflush(stdout);
	kill(-child, SIGCONT);
	write(slave, "ready\n", 6);
	waitpid(child, &status, 0);
	printf("ended %d\n", WEXITSTATUS(status));
	/* From the background this needs SIGTTOU to be ignored. */
	signal(SIGTTOU, SIG_IGN);
	printf("back %d\n", tcsetpgrp(tty, getpgrp()));
	fflush(stdout);
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		tcsetpgrp(tty, getpgrp());
		write(slave, "pause\n", 6);
		for (;;)
			pause();
	}
	waitpid(child, &status, 0);
	printf("interrupted by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	tcsetpgrp(tty, getpgrp());
	write(slave, "resize\n", 7);
	while (!resized)
		usleep(1000);
	result("no such group", tcsetpgrp(tty, 999999));
	write(slave, "close\n", 6);
	while (!hung_up)
		usleep(1000);
	result("read after the hang-up", read(slave, bytes, 1));
	result("write", write(slave, "x", 1));
	result("open", open("/dev/tty", O_RDWR));
	fflush(stdout);
	_exit(7);
}

static void control(void)
{
	struct winsize size = { 30, 100, 0, 0 };
	int status, slave, master = open_pair(&slave);
	char name[50];
	strcpy(name, ptsname(master));
	fflush(stdout);
	pid_t leader = fork();
	if (leader == 0) {
		close(master);
		close(slave);
		session(name);
	}
	shown(master, 7);
	write(master, "for the child\n", 14);
	shown(master, 22);
	write(master, "\003", 1);
	shown(master, 10);
	ioctl(master, TIOCSWINSZ, &size);
	shown(master, 7);
	close(master);
	waitpid(leader, &status, 0);
	printf("the leader ended with %d\n", WEXITSTATUS(status));
}

int main(void)
{
	alarm(60);
	setvbuf(stdout, NULL, _IOLBF, 0);
	discipline();
	control();
	return 0;
}
