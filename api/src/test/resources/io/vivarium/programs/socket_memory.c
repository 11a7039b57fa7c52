#include <sys/resource.h>

static long send_fd(int s, int fd)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } c = { .h = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	return sendmsg(s, &m, MSG_DONTWAIT);
}

int main(void)
{
	static int s[20000][2];
	static char block[64 << 10];
	struct rlimit many = { 50000, 50000 };
	int n = 0, full = 0;
	setrlimit(RLIMIT_NOFILE, &many);
	/* Until no socket takes a byte any more. */
	for (; n < 20000 && !full; n++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, s[n]))
			break;
		while (send(s[n][0], block, sizeof(block), MSG_DONTWAIT) > 0)
			;
		full = errno != EAGAIN;
	}
	printf("full: %s\n", strerrorname_np(errno));
	while (n--) {
		close(s[n][0]);
		close(s[n][1]);
	}
	socketpair(AF_UNIX, SOCK_STREAM, 0, s[0]);
	printf("after closing: %d\n", send(s[0][0], block, sizeof(block), MSG_DONTWAIT) > 0);
	close(s[0][0]);
	close(s[0][1]);
	/* A file that is on its way too often. */
	for (n = 0; n < 2000; n++) {
		socketpair(AF_UNIX, SOCK_DGRAM, 0, s[n]);
		while (send_fd(s[n][0], 0) > 0)
			;
		if (errno != EAGAIN)
			break;
	}
	printf("on their way: %s\n", strerrorname_np(errno));
	for (; n >= 0; n--) {
		close(s[n][0]);
		close(s[n][1]);
	}
	/* Sockets that hold each other. */
	int collected = 0;
	for (int i = 0; i < 2000; i++) {
		int a[2], b[2], p[2];
		socketpair(AF_UNIX, SOCK_DGRAM, 0, a);
		socketpair(AF_UNIX, SOCK_SEQPACKET, 0, b);
		pipe(p);
		send_fd(a[0], p[0]);
		send_fd(a[0], b[1]);
		send_fd(b[0], a[1]);
		send_fd(a[1], a[0]);
		close(a[0]);
		close(a[1]);
		close(b[1]);
		close(p[0]);
		close(b[0]);
		close(socket(AF_UNIX, SOCK_STREAM, 0));
		struct pollfd f = { p[1], POLLOUT, 0 };
		poll(&f, 1, 0);
		collected += (f.revents & POLLERR) != 0;
		close(p[1]);
	}
	printf("garbage collected: %d\n", collected);
	/* A long chain, each in the queue of the next, closed at once. */
	int p[2], held;
	pipe(p);
	held = p[0];
	for (int i = 0; i < 1000; i++) {
		int a[2];
		socketpair(AF_UNIX, SOCK_DGRAM, 0, a);
		if (send_fd(a[0], held) < 0)
			printf("chain broke at %d: %s\n", i, strerrorname_np(errno));
		close(a[0]);
		close(held);
		held = a[1];
	}
	close(held);
	struct pollfd f = { p[1], POLLOUT, 0 };
	poll(&f, 1, 0);
	printf("nested: %d\n", (f.revents & POLLERR) != 0);
	return 0;
}
