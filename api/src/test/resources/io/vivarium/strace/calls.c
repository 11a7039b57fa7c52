/* Calls whose trace is the same wherever they are made, apart from addresses and process IDs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

static void handler(int signo) { (void)signo; }

static void files(void)
{
	char buffer[100] = { 0 };
	struct stat st;
	int fd = open("calls.txt", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	write(fd, "a short text\n", 13);
	write(fd, "bytes \0\1\2 \377\"\\ and more than are shown of it", 48);
	pwrite(fd, "xyz", 3, 1);
	lseek(fd, 0, SEEK_SET);
	read(fd, buffer, 5);
	read(fd, buffer, sizeof(buffer));
	read(fd, buffer, sizeof(buffer));
	pread(fd, buffer, 8, 4);
	struct iovec vec[2] = { { "first", 5 }, { "the second, which is longer than 32 bytes", 41 } };
	writev(fd, vec, 2);
	struct iovec in[2] = { { buffer, 4 }, { buffer + 4, 40 } };
	lseek(fd, -20, SEEK_END);
	readv(fd, in, 2);
	fstat(fd, &st);
	stat("/dev/null", &st);
	stat("/nowhere", &st);
	stat((void *)1, &st);
	ftruncate(fd, 3);
	fchmod(fd, 0600);
	fcntl(fd, F_GETFD);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFD, 0);
	fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, O_APPEND);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2 };
	fcntl(fd, F_SETLK, &lock);
	flock(fd, LOCK_EX | LOCK_NB);
	dup3(fd, 20, O_CLOEXEC);
	close(20);
	close(20);
	close(fd);
	mkdir("directory", 0755);
	rename("calls.txt", "directory/calls.txt");
	symlink("directory", "link");
	readlink("link", buffer, sizeof(buffer));
	access("link", R_OK | X_OK);
	access("nothing", F_OK);
	faccessat(AT_FDCWD, "nothing", W_OK, 0);
	link("directory/calls.txt", "hard");
	unlink("hard");
	unlink("link");
	unlink("directory/calls.txt");
	unlinkat(AT_FDCWD, "directory", AT_REMOVEDIR);
	umask(027);
	umask(022);
	struct timespec times[2] = { { 1, 2 }, { 3, UTIME_OMIT } };
	utimensat(AT_FDCWD, "nothing", times, AT_SYMLINK_NOFOLLOW);
	mknod("pipe", S_IFIFO | 0600, 0);
	unlink("pipe");
	chdir("/");
	getcwd(buffer, sizeof(buffer));
	open("/dev/zero", O_RDONLY | O_DIRECTORY);
	ioctl(1000, FIONREAD, buffer);
}

static void memory(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(p, 4096, PROT_NONE);
	madvise(p + 4096, 4096, MADV_DONTNEED);
	p = mremap(p + 4096, 4096, 16384, MREMAP_MAYMOVE);
	msync(p, 4096, MS_SYNC);
	munmap(p, 16384);
	mmap(NULL, 0, PROT_READ, MAP_SHARED, -1, 0);
	mmap((void *)0x700000000000, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigset_t set, before;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGRTMIN);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR1, NULL, &action);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, &before);
	sigpending(&set);
	sigprocmask(SIG_SETMASK, &before, NULL);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	kill(getpid(), SIGUSR1);
	kill(getpid(), 0);
	kill(getpid(), SIGWINCH);
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	stack_t stack = { .ss_flags = SS_DISABLE };
	sigaltstack(&stack, NULL);
	struct itimerval timer = { { 0, 0 }, { 100, 0 } };
	setitimer(ITIMER_REAL, &timer, NULL);
	alarm(0);
}

static void waiting(void)
{
	int ends[2];
	char c;
	pipe2(ends, O_CLOEXEC);
	struct pollfd fds[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
	poll(fds, 2, 0);
	poll(fds, 1, 0);
	write(ends[1], "x", 1);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	select(ends[0] + 1, &set, NULL, NULL, NULL);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = 7 };
	epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
	epoll_wait(epoll, &event, 1, -1);
	epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL);
	read(ends[0], &c, 1);
	struct timespec moment = { 0, 1000 };
	syscall(SYS_nanosleep, &moment, NULL);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
	int event_fd = eventfd(3, EFD_NONBLOCK);
	long value;
	read(event_fd, &value, 8);
	read(event_fd, &value, 8);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec when = { { 0, 0 }, { 1000, 5 } };
	timerfd_settime(timer, 0, &when, NULL);
	ioctl(ends[0], FIONREAD, &c);
	ioctl(0, TCGETS, &set);
	fcntl(ends[0], F_GETFL);
}

static void sockets(void)
{
	int pair[2], one = 1;
	socklen_t length = sizeof(one);
	char buffer[16];
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	send(pair[0], "over a socket", 13, MSG_NOSIGNAL);
	recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT);
	recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT);
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vec = { "fd", 2 };
	struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &one, sizeof(int));
	sendmsg(pair[0], &message, 0);
	vec.iov_base = buffer;
	recvmsg(pair[1], &message, 0);
	int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &one, &length);
	struct sockaddr_in nobody = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	connect(fd, (struct sockaddr *)&nobody, sizeof(nobody));
	shutdown(pair[0], SHUT_WR);
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/nowhere/at/all" };
	connect(pair[0], (struct sockaddr *)&name, sizeof(name));
	listen(fd, 5);
}

static void processes(void)
{
	int status;
	struct rlimit limit = { 512 << 10, RLIM_INFINITY };
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit);
	syscall(SYS_prlimit64, 0, 99, NULL, &limit);
	prctl(PR_SET_NAME, "traced");
	prctl(PR_GET_NAME, (char[16]){ 0 });
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	prctl(PR_SET_PDEATHSIG, 0);
	syscall(SYS_clock_getres, CLOCK_REALTIME, &(struct timespec){ 0 });
	pid_t child = fork();
	if (child == 0)
		_exit(3);
	waitpid(child, &status, 0);
	child = fork();
	if (child == 0) {
		raise(SIGKILL);
		_exit(0);
	}
	waitpid(child, &status, WUNTRACED);
	waitpid(-1, &status, WNOHANG);
	execl("/nowhere", "nowhere", "an argument that is longer than 32 bytes", NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "fault")) {
		*(volatile int *)16 = 1;
	}
	files();
	memory();
	signals();
	waiting();
	sockets();
	processes();
	return 5;
}
