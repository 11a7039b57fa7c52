static volatile int pipes;
static void on_pipe(int signo) { pipes++; }

static struct sockaddr_in v4(const char *ip, int port)
{
	struct sockaddr_in a = { AF_INET, htons(port) };
	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static struct sockaddr_in6 v6(const char *ip, int port)
{
	struct sockaddr_in6 a = { AF_INET6, htons(port) };
	inet_pton(AF_INET6, ip, &a.sin6_addr);
	return a;
}

/* Addresses; a port that was chosen is only said to be one. */
static void say_name(const char *what, int (*get)(int, struct sockaddr *, socklen_t *), int fd, int known)
{
	struct sockaddr_storage a;
	socklen_t length = sizeof(a);
	char text[64] = "";
	memset(&a, 0, sizeof(a));
	int r = get(fd, (void *)&a, &length), port = 0;
	if (!r && a.ss_family == AF_INET) {
		inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, text, sizeof(text));
		port = ntohs(((struct sockaddr_in *)&a)->sin_port);
	} else if (!r) {
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a)->sin6_addr, text, sizeof(text));
		port = ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
	}
	printf("%s: %d %s %d %s %s\n", what, r, r ? strerrorname_np(errno) : "", r ? 0 : (int)length, text,
	       port == 0 ? "no port" : port == known ? "known port" : "some port");
}

/* Waits until poll(2) says so: what another socket did may take a moment to arrive on a real network. */
static void await(int fd, short events)
{
	struct pollfd p = { fd, events, 0 };
	poll(&p, 1, -1);
}

static int listener(int *port)
{
	struct sockaddr_in a = v4("127.0.0.1", 0);
	socklen_t length = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	bind(l, (void *)&a, sizeof(a));
	listen(l, 16);
	getsockname(l, (void *)&a, &length);
	*port = ntohs(a.sin_port);
	return l;
}

static void connect_pair(int s[2])
{
	int port, l = listener(&port);
	struct sockaddr_in a = v4("127.0.0.1", port);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s[0], (void *)&a, sizeof(a)))
		printf("connect: %s\n", strerrorname_np(errno));
	s[1] = accept(l, NULL, NULL);
	close(l);
}

static void connecting(void)
{
	int port, error, one = 1;
	socklen_t length;
	char buf[64];
	int fresh = socket(AF_INET, SOCK_STREAM, 0);
	say_poll("new", fresh);
	say_name("new", getsockname, fresh, 0);
	say_name("new", getpeername, fresh, 0);
	SAY(read(fresh, buf, 64));
	SAY(send(fresh, "x", 1, MSG_NOSIGNAL));
	SAY(accept(fresh, NULL, NULL));
	SAY(shutdown(fresh, SHUT_WR));
	int l = listener(&port);
	struct sockaddr_in a = v4("127.0.0.1", port), b;
	say_name("listener", getsockname, l, port);
	say_poll("listener", l);
	SAY(fcntl(l, F_SETFL, O_NONBLOCK));
	SAY(accept(l, NULL, NULL));
	int c = socket(AF_INET, SOCK_STREAM, 0);
	SAY(connect(c, (void *)&a, sizeof(a)));
	SAY(connect(c, (void *)&a, sizeof(a)));
	await(l, POLLIN);
	say_poll("to accept", l);
	length = sizeof(b);
	int s = SAY(accept4(l, (void *)&b, &length, SOCK_CLOEXEC) >= 0 ? 0 : -1);
	SHOW(length);
	say_name("client's peer", getpeername, c, port);
	say_name("client", getsockname, c, port);
	/* Nobody listens there. */
	close(s);
	close(c);
	close(l);
	int r = socket(AF_INET, SOCK_STREAM, 0);
	SAY(connect(r, (void *)&a, sizeof(a)));
	SAY(getsockopt(r, SOL_SOCKET, SO_ERROR, &error, &length));
	close(r);
	r = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SAY(connect(r, (void *)&a, sizeof(a)));
	await(r, POLLOUT);
	say_poll("refused", r);
	length = sizeof(error);
	SAY(getsockopt(r, SOL_SOCKET, SO_ERROR, &error, &length));
	SHOW(error);
	SAY(getsockopt(r, SOL_SOCKET, SO_ERROR, &error, &length));
	SHOW(error);
	SAY(connect(r, (void *)&a, sizeof(a)));
	close(r);
	/* Without waiting. */
	l = listener(&port);
	a = v4("127.0.0.1", port);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SAY(connect(c, (void *)&a, sizeof(a)));
	await(c, POLLOUT);
	say_poll("connected", c);
	SAY(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &length));
	SHOW(error);
	SAY(connect(c, (void *)&a, sizeof(a)));
	SAY(connect(c, (void *)&a, sizeof(a)));
	close(c);
	close(l);
	/* Ports in use. */
	l = listener(&port);
	a = v4("127.0.0.1", port);
	int x = socket(AF_INET, SOCK_STREAM, 0);
	SAY(bind(x, (void *)&a, sizeof(a)));
	a = v4("0.0.0.0", port);
	SAY(bind(x, (void *)&a, sizeof(a)));
	a = v4("127.0.0.2", port);
	SAY(bind(x, (void *)&a, sizeof(a)));
	SAY(bind(x, (void *)&a, sizeof(a)));
	say_name("another address", getsockname, x, port);
	SAY(connect(x, (void *)&(struct sockaddr_in){ AF_INET, htons(port), { htonl(INADDR_LOOPBACK) } }, sizeof(a)));
	int y = socket(AF_INET, SOCK_STREAM, 0), z = socket(AF_INET, SOCK_STREAM, 0);
	SAY(setsockopt(y, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	SAY(setsockopt(z, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	a = v4("127.0.0.3", 0);
	SAY(bind(y, (void *)&a, sizeof(a)));
	length = sizeof(a);
	getsockname(y, (void *)&a, &length);
	SAY(bind(z, (void *)&a, sizeof(a)));
	SAY(listen(y, 1));
	SAY(listen(z, 1));
	a = v4("127.0.0.1", 0);
	SAY(bind(fresh, (void *)&a, 3));
	a.sin_family = AF_INET6;
	SAY(bind(fresh, (void *)&a, sizeof(a)));
	a = v4("192.0.2.1", 80);
	SAY(bind(fresh, (void *)&a, sizeof(a)));
	close(l);
	close(x);
	close(y);
	close(z);
	/* Listening without a name gets one. */
	SAY(listen(fresh, 1));
	say_name("chosen", getsockname, fresh, 0);
	SAY(connect(fresh, (void *)&a, sizeof(a)));
	close(fresh);
	SAY(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	SAY(socket(AF_INET, SOCK_SEQPACKET, 0));
}

static void ends(void)
{
	int s[2], error, value;
	socklen_t length = sizeof(error);
	char buf[64];
	printf("shutdown\n");
	connect_pair(s);
	SAY(write(s[0], "abc", 3));
	await(s[1], POLLIN);
	SAY(ioctl(s[1], FIONREAD, &value));
	SHOW(value);
	SAY(recv(s[1], buf, 2, MSG_PEEK));
	SAY(shutdown(s[0], SHUT_WR));
	await(s[1], POLLRDHUP);
	say_poll("mine", s[0]);
	say_poll("other", s[1]);
	SAY(send(s[0], "x", 1, MSG_NOSIGNAL));
	SAY(read(s[1], buf, 64));
	SAY(read(s[1], buf, 64));
	SAY(write(s[1], "back", 4));
	await(s[0], POLLIN);
	SAY(read(s[0], buf, 64));
	SAY(shutdown(s[1], SHUT_WR));
	await(s[0], POLLHUP);
	say_poll("both", s[0]);
	SAY(read(s[0], buf, 64));
	close(s[0]);
	close(s[1]);
	printf("close\n");
	connect_pair(s);
	SAY(write(s[1], "abc", 3));
	SAY(close(s[1]));
	await(s[0], POLLRDHUP);
	say_poll("closed", s[0]);
	SAY(read(s[0], buf, 64));
	SAY(read(s[0], buf, 64));
	SAY(write(s[0], "x", 1));
	await(s[0], POLLHUP);
	say_poll("found out", s[0]);
	SAY(write(s[0], "x", 1));
	SAY(write(s[0], "x", 1));
	SAY(read(s[0], buf, 64));
	close(s[0]);
	printf("close with something unread\n");
	connect_pair(s);
	SAY(write(s[0], "unread", 6));
	SAY(write(s[1], "abc", 3));
	await(s[1], POLLIN);
	await(s[0], POLLIN);
	SAY(close(s[1]));
	await(s[0], POLLHUP);
	say_poll("reset", s[0]);
	SAY(read(s[0], buf, 64) != 0);
	SAY(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &error, &length));
	SAY(send(s[0], "x", 1, MSG_NOSIGNAL));
	close(s[0]);
	connect_pair(s);
	struct linger linger = { 1, 0 };
	SAY(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	SAY(close(s[1]));
	await(s[0], POLLHUP);
	SAY(write(s[0], "x", 1));
	SAY(write(s[0], "x", 1));
	SAY(read(s[0], buf, 64));
	close(s[0]);
	printf("listener goes\n");
	int port, l = listener(&port), c = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", port);
	SAY(connect(c, (void *)&a, sizeof(a)));
	SAY(close(l));
	await(c, POLLHUP);
	SAY(read(c, buf, 64));
	SAY(read(c, buf, 64));
	close(c);
}

static void families(void)
{
	int port, zero = 0, one = 1;
	socklen_t length;
	char buf[16];
	struct sockaddr_in6 a = v6("::", 0);
	int l = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), d = socket(AF_INET6, SOCK_STREAM, 0);
	SAY(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)));
	SAY(bind(l, (void *)&a, sizeof(a)));
	SAY(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	SAY(listen(l, 4));
	length = sizeof(a);
	getsockname(l, (void *)&a, &length);
	port = ntohs(a.sin6_port);
	say_name("any", getsockname, l, port);
	struct sockaddr_in b = v4("127.0.0.1", port);
	SAY(connect(c, (void *)&b, sizeof(b)));
	int s = accept(l, NULL, NULL);
	say_name("server of IPv4", getsockname, s, port);
	say_name("its peer", getpeername, s, port);
	SAY(write(c, "four", 4));
	SAY(recv(s, buf, 4, MSG_WAITALL));
	close(s);
	a = v6("::1", port);
	SAY(connect(d, (void *)&a, sizeof(a)));
	s = accept(l, NULL, NULL);
	say_name("server of IPv6", getsockname, s, port);
	SAY(write(s, "six", 3));
	SAY(recv(d, buf, 3, MSG_WAITALL));
	close(s);
	close(c);
	close(d);
	/* The any address leads to this machine; mapped addresses are IPv4. */
	c = socket(AF_INET, SOCK_STREAM, 0);
	b = v4("0.0.0.0", port);
	SAY(connect(c, (void *)&b, sizeof(b)));
	say_name("to any", getpeername, c, port);
	close(c);
	d = socket(AF_INET6, SOCK_STREAM, 0);
	a = v6("::ffff:127.0.0.1", port);
	SAY(connect(d, (void *)&a, sizeof(a)));
	say_name("mapped", getpeername, d, port);
	close(d);
	d = socket(AF_INET6, SOCK_STREAM, 0);
	SAY(setsockopt(d, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	SAY(connect(d, (void *)&a, sizeof(a)));
	close(d);
	close(l);
}

static void options(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), value;
	socklen_t length;
#define SET(level, name, number) ({ value = number; SAY(setsockopt(s, level, name, &value, sizeof(value))); })
#define GET(level, name)                                       \
	({                                                         \
		value = -77;                                           \
		length = sizeof(value);                                \
		SAY(getsockopt(s, level, name, &value, &length));      \
		SHOW(value);                                           \
		SHOW(length);                                          \
	})
	GET(SOL_SOCKET, SO_TYPE);
	GET(SOL_SOCKET, SO_DOMAIN);
	GET(SOL_SOCKET, SO_PROTOCOL);
	GET(SOL_SOCKET, SO_ACCEPTCONN);
	GET(SOL_SOCKET, SO_ERROR);
	GET(SOL_SOCKET, SO_SNDBUF);
	GET(SOL_SOCKET, SO_RCVBUF);
	SET(SOL_SOCKET, SO_SNDBUF, 30000);
	GET(SOL_SOCKET, SO_SNDBUF);
	SET(SOL_SOCKET, SO_SNDBUF, 1);
	GET(SOL_SOCKET, SO_SNDBUF);
	SET(SOL_SOCKET, SO_RCVBUF, 5000);
	GET(SOL_SOCKET, SO_RCVBUF);
	GET(SOL_SOCKET, SO_KEEPALIVE);
	SET(SOL_SOCKET, SO_KEEPALIVE, 5);
	GET(SOL_SOCKET, SO_KEEPALIVE);
	GET(SOL_SOCKET, SO_REUSEADDR);
	SET(SOL_SOCKET, SO_REUSEPORT, 1);
	GET(SOL_SOCKET, SO_REUSEPORT);
	GET(SOL_SOCKET, SO_RCVLOWAT);
	SET(SOL_SOCKET, SO_TYPE, 1);
	SET(SOL_SOCKET, 9999, 1);
	GET(SOL_SOCKET, 9999);
	GET(IPPROTO_TCP, TCP_NODELAY);
	SET(IPPROTO_TCP, TCP_NODELAY, 1);
	GET(IPPROTO_TCP, TCP_NODELAY);
	SET(IPPROTO_TCP, TCP_KEEPIDLE, 30);
	GET(IPPROTO_TCP, TCP_KEEPIDLE);
	SET(IPPROTO_TCP, TCP_KEEPINTVL, 5);
	SET(IPPROTO_TCP, TCP_KEEPCNT, 3);
	SET(IPPROTO_TCP, TCP_KEEPCNT, 1000);
	GET(IPPROTO_TCP, TCP_KEEPCNT);
	GET(IPPROTO_TCP, 999);
	GET(IPPROTO_IP, IP_TTL);
	SET(IPPROTO_IP, IP_TOS, 16);
	GET(IPPROTO_IP, IP_TOS);
	SET(IPPROTO_IPV6, IPV6_V6ONLY, 1);
	struct timeval tv = { 0, 20000 };
	SAY(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	SAY(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, 4));
	tv.tv_usec = 1000000;
	SAY(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	length = sizeof(tv);
	SAY(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &length));
	SHOW(tv.tv_usec > 0 && tv.tv_usec <= 20000);
	int u[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, u);
	tv = (struct timeval){ 0, 20000 };
	SAY(setsockopt(u[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	SAY(read(u[0], &value, 4));
	SAY(setsockopt(u[0], IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)));
	SAY(getsockopt(u[0], SOL_SOCKET, SO_TYPE, &value, (socklen_t *)8));
	SAY(getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &length));
}

int main(void)
{
	signal(SIGPIPE, on_pipe);
	connecting();
	ends();
	families();
	options();
	SHOW(pipes);
	return 0;
}
