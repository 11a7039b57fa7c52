static struct sockaddr_in at(const char *ip, int port)
{
	struct sockaddr_in a = { AF_INET, htons(port) };
	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static int port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t length = sizeof(a);
	getsockname(fd, (void *)&a, &length);
	return ntohs(a.sin_port);
}

static void await(int fd, short events)
{
	struct pollfd p = { fd, events, 0 };
	poll(&p, 1, -1);
}

int main(void)
{
	struct sockaddr_in a = at("127.0.0.1", 0), from;
	socklen_t length = sizeof(from);
	static char buf[70000];
	int value, one = 1;
	int x = socket(AF_INET, SOCK_DGRAM, 0), y = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	say_poll("new", x);
	SAY(send(x, "x", 1, 0));
	SAY(bind(x, (void *)&a, sizeof(a)));
	a = at("127.0.0.1", port_of(x));
	SAY(sendto(y, "hello", 5, 0, (void *)&a, sizeof(a)));
	SHOW(port_of(y) != 0);
	await(x, POLLIN);
	say_poll("readable", x);
	SAY(ioctl(x, FIONREAD, &value));
	SHOW(value);
	SAY(recvfrom(x, buf, 2, MSG_PEEK, (void *)&from, &length));
	SAY(recvfrom(x, buf, 2, MSG_TRUNC, (void *)&from, &length));
	SHOW(length);
	SHOW(ntohs(from.sin_port) == port_of(y));
	printf("%s\n", inet_ntoa(from.sin_addr));
	SAY(sendto(x, "back", 4, 0, (void *)&from, sizeof(from)));
	await(y, POLLIN);
	SAY(recv(y, buf, 64, 0));
	SAY(recv(y, buf, 64, 0));
	SAY(sendto(y, "", 0, 0, (void *)&a, sizeof(a)));
	SAY(recv(x, buf, 64, 0));
	SAY(sendto(y, buf, 65507, 0, (void *)&a, sizeof(a)));
	SAY(recv(x, buf, sizeof(buf), 0));
	SAY(sendto(y, buf, 65508, 0, (void *)&a, sizeof(a)));
	/* Connected: only from there. */
	SAY(connect(y, (void *)&a, sizeof(a)));
	SAY(connect(y, (void *)&a, sizeof(a)));
	length = sizeof(from);
	SAY(getpeername(y, (void *)&from, &length));
	SHOW(ntohs(from.sin_port) == port_of(x));
	int z = socket(AF_INET, SOCK_DGRAM, 0);
	from = at("127.0.0.1", port_of(y));
	SAY(sendto(z, "stranger", 8, 0, (void *)&from, sizeof(from)));
	SAY(sendto(x, "friend", 6, 0, (void *)&from, sizeof(from)));
	await(y, POLLIN);
	SAY(recv(y, buf, 64, 0));
	SAY(recv(y, buf, 64, 0));
	SAY(send(y, "connected", 9, 0));
	SAY(recv(x, buf, 64, 0));
	/* Nobody is there. */
	close(x);
	SAY(send(y, "x", 1, 0));
	await(y, POLLERR);
	say_poll("refused", y);
	SAY(recv(y, buf, 64, 0));
	SAY(recv(y, buf, 64, 0));
	SAY(sendto(z, "x", 1, 0, (void *)&a, sizeof(a)));
	SAY(sendto(z, "x", 1, 0, (void *)&a, sizeof(a)));
	SAY(connect(y, (void *)&(struct sockaddr){ AF_UNSPEC }, sizeof(struct sockaddr)));
	SAY(send(y, "x", 1, 0));
	SAY(getpeername(y, (void *)&from, &length));
	from = at("255.255.255.255", 9);
	SAY(sendto(z, "x", 1, 0, (void *)&from, sizeof(from)));
	from = at("127.0.0.1", 0);
	SAY(sendto(z, "x", 1, 0, (void *)&from, sizeof(from)));
	SAY(sendto(z, "x", 1, 0, (void *)&from, 7));
	from.sin_family = AF_UNIX;
	SAY(sendto(z, "x", 1, 0, (void *)&from, sizeof(from)));
	SAY(listen(z, 1));
	SAY(accept(z, NULL, NULL));
	/* Shared ports. */
	int s[3];
	a = at("127.0.0.1", 0);
	for (int i = 0; i < 3; i++) {
		s[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (i < 2)
			SAY(setsockopt(s[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
		SAY(bind(s[i], (void *)&a, sizeof(a)));
		a.sin_port = htons(port_of(s[0]));
	}
	SAY(sendto(z, "x", 1, 0, (void *)&a, sizeof(a)));
	await(s[1], POLLIN);
	SAY(recv(s[1], buf, 64, 0));
	SAY(recv(s[0], buf, 64, 0));
	SAY(shutdown(z, SHUT_RDWR));
	say_poll("shut", z);
	/* What does not fit is lost, without telling. */
	value = 5000;
	int slow = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), fast = socket(AF_INET, SOCK_DGRAM, 0);
	a = at("127.0.0.1", 0);
	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value));
	bind(slow, (void *)&a, sizeof(a));
	a.sin_port = htons(port_of(slow));
	int sent = 0, got = 0;
	for (int i = 0; i < 100; i++)
		sent += sendto(fast, buf, 1000, 0, (void *)&a, sizeof(a)) == 1000;
	await(slow, POLLIN);
	pause_ms(20);
	while (recv(slow, buf, 2000, 0) == 1000)
		got++;
	SHOW(sent);
	SHOW(got > 0 && got < 20);
	/* IPv6. */
	struct sockaddr_in6 b = { AF_INET6, 0, 0, IN6ADDR_LOOPBACK_INIT }, c;
	int p = socket(AF_INET6, SOCK_DGRAM, 0), q = socket(AF_INET6, SOCK_DGRAM, 0);
	SAY(bind(p, (void *)&b, sizeof(b)));
	length = sizeof(b);
	getsockname(p, (void *)&b, &length);
	SAY(sendto(q, "six", 3, 0, (void *)&b, sizeof(b)));
	length = sizeof(c);
	SAY(recvfrom(p, buf, 64, 0, (void *)&c, &length));
	SHOW(length);
	SHOW(IN6_IS_ADDR_LOOPBACK(&c.sin6_addr));
	return 0;
}
