static volatile int pipes;
static void on_pipe(int signo) { pipes++; }

static struct sockaddr_un abstract(const char *name, socklen_t *length)
{
	struct sockaddr_un a = { AF_UNIX };
	strcpy(a.sun_path + 1, name);
	*length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
	return a;
}

static void pairs(int type)
{
	int s[2], value = 0;
	char buf[64];
	printf("pair of %d\n", type);
	SAY(socketpair(AF_UNIX, type, 0, s));
	say_poll("new", s[0]);
	SAY(send(s[0], "one", 3, 0));
	SAY(send(s[0], "", 0, 0));
	SAY(send(s[0], "three and more", 14, 0));
	SAY(ioctl(s[1], FIONREAD, &value));
	SHOW(value);
	SAY(recv(s[1], buf, 64, MSG_PEEK));
	SAY(recv(s[1], buf, 64, 0));
	SAY(recv(s[1], buf, 64, 0));
	struct iovec v = { buf, 5 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	SAY(recvmsg(s[1], &m, MSG_PEEK));
	SHOW(m.msg_flags);
	SAY(recvmsg(s[1], &m, MSG_TRUNC));
	SHOW(m.msg_flags);
	SAY(recv(s[1], buf, 64, MSG_DONTWAIT));
	static char big[1 << 20];
	SAY(send(s[0], big, sizeof(big), 0));
	SAY(send(s[0], big, 100000, 0));
	SAY(recv(s[1], big, sizeof(big), 0));
	/* Bounded, and room comes with reading. */
	int n = 0;
	while (send(s[0], big, 1000, MSG_DONTWAIT) == 1000)
		n++;
	SHOW(errno == EAGAIN && n > 5);
	say_poll("full", s[0]);
	while (n-- && recv(s[1], buf, 64, MSG_DONTWAIT) == 64)
		;
	SHOW(n);
	say_poll("drained", s[0]);
	SAY(send(s[1], "left", 4, 0));
	SAY(shutdown(s[1], SHUT_WR));
	say_poll("other", s[0]);
	SAY(send(s[1], "x", 1, 0));
	SAY(recv(s[0], buf, 64, MSG_DONTWAIT));
	SAY(recv(s[0], buf, 64, MSG_DONTWAIT));
	SAY(send(s[1], "x", 1, 0));
	SAY(send(s[0], "unread", 6, 0));
	SAY(close(s[1]));
	say_poll("closed", s[0]);
	SAY(send(s[0], "x", 1, 0));
	SAY(send(s[0], "x", 1, 0));
	SAY(recv(s[0], buf, 64, MSG_DONTWAIT));
	SAY(recv(s[0], buf, 64, MSG_DONTWAIT));
	close(s[0]);
}

static void named(void)
{
	socklen_t la, lb, length;
	struct sockaddr_un a = abstract("viv-a", &la), b = abstract("viv-b", &lb), from = { 0 };
	char buf[64];
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), z = socket(AF_UNIX, SOCK_DGRAM, 0);
	say_poll("new", x);
	SAY(send(x, "x", 1, 0));
	SAY(sendto(x, "x", 1, 0, (void *)&b, lb));
	SAY(bind(x, (void *)&a, la));
	SAY(bind(y, (void *)&b, lb));
	SAY(sendto(x, "hello", 5, 0, (void *)&b, lb));
	SAY(sendto(z, "who", 3, 0, (void *)&b, lb));
	length = sizeof(from);
	SAY(recvfrom(y, buf, 64, 0, (void *)&from, &length));
	printf("%u %s\n", length, from.sun_path + 1);
	length = sizeof(from);
	SAY(recvfrom(y, buf, 64, 0, (void *)&from, &length));
	SHOW(length);
	SAY(connect(x, (void *)&b, lb));
	SAY(send(x, "to b", 4, 0));
	SAY(recv(y, buf, 64, 0));
	SAY(connect(y, (void *)&a, la));
	SAY(sendto(z, "no", 2, 0, (void *)&b, lb));
	SAY(connect(z, (void *)&b, lb));
	SAY(listen(x, 1));
	SAY(accept(x, NULL, NULL));
	struct sockaddr none = { AF_UNSPEC };
	SAY(connect(x, &none, sizeof(none)));
	SAY(send(x, "x", 1, 0));
	int error;
	length = sizeof(error);
	SAY(getsockopt(y, SOL_SOCKET, SO_ERROR, &error, &length));
	SHOW(error);
	SAY(close(x));
	SAY(send(y, "x", 1, 0));
	SAY(send(y, "x", 1, 0));
	int stream = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un path = { AF_UNIX, "datagram" };
	SAY(bind(stream, (void *)&path, sizeof(path)));
	SAY(sendto(z, "x", 1, 0, (void *)&path, sizeof(path)));
	unlink(path.sun_path);
}

static void packets(void)
{
	socklen_t la;
	struct sockaddr_un a = abstract("viv-p", &la);
	char buf[64];
	int l = socket(AF_UNIX, SOCK_SEQPACKET, 0), c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	SAY(recv(c, buf, 64, 0));
	SAY(send(c, "x", 1, 0));
	SAY(bind(l, (void *)&a, la));
	SAY(listen(l, 2));
	SAY(connect(c, (void *)&a, la));
	int s = SAY(accept(l, NULL, NULL));
	SAY(send(c, "first", 5, 0));
	SAY(send(c, "second", 6, 0));
	SAY(read(s, buf, 64));
	SAY(read(s, buf, 3));
	SAY(recv(s, buf, 64, MSG_DONTWAIT));
	SAY(close(c));
	SAY(read(s, buf, 64));
}

static void many(void)
{
	int s[2];
	char buf[4][8];
	struct iovec v[4];
	struct mmsghdr m[4];
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	memset(m, 0, sizeof(m));
	for (int i = 0; i < 4; i++) {
		memset(buf[i], 'a' + i, 8);
		v[i] = (struct iovec){ buf[i], i + 1 };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	SAY(sendmmsg(s[0], m, 4, 0));
	printf("%u %u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len);
	for (int i = 0; i < 4; i++)
		v[i].iov_len = 8;
	SAY(recvmmsg(s[1], m, 3, 0, NULL));
	printf("%u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	SAY(recvmmsg(s[1], m, 4, MSG_WAITFORONE, NULL));
	struct timespec t = { 0, 1 };
	SAY(send(s[0], "x", 1, 0));
	SAY(recvmmsg(s[1], m, 4, 0, &t));
	SAY(recvmmsg(s[1], m, 4, MSG_DONTWAIT, NULL));
}

int main(void)
{
	char directory[] = "/tmp/vivarium-XXXXXX";
	SAY(chdir(mkdtemp(directory)));
	signal(SIGPIPE, on_pipe);
	pairs(SOCK_DGRAM);
	pairs(SOCK_SEQPACKET);
	named();
	packets();
	many();
	SHOW(pipes);
	SAY(rmdir(directory));
	return 0;
}
