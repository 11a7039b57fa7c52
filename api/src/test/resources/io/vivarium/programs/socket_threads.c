#define BYTES (4 << 20)
static volatile int handled;
static void on_signal(int signo) { handled++; }

static unsigned char byte_at(long i) { return (unsigned char)(i * 7 + i / 251); }

static void *send_much(void *fd)
{
	static __thread unsigned char block[70001];
	long sent = 0;
	while (sent < BYTES) {
		long n = BYTES - sent < (long)sizeof(block) ? BYTES - sent : (long)sizeof(block);
		for (long i = 0; i < n; i++)
			block[i] = byte_at(sent + i);
		n = send((int)(long)fd, block, n, 0);
		if (n <= 0) {
			perror("send");
			break;
		}
		sent += n;
	}
	shutdown((int)(long)fd, SHUT_WR);
	return (void *)sent;
}

static long receive_much(int fd, size_t piece)
{
	static __thread unsigned char block[1 << 20];
	long got = 0, n;
	while ((n = recv(fd, block, piece, 0)) > 0) {
		for (long i = 0; i < n; i++)
			if (block[i] != byte_at(got + i)) {
				printf("byte %ld is wrong\n", got + i);
				return -1;
			}
		got += n;
	}
	return n < 0 ? n : got;
}

static void bulk(int family, int small)
{
	int s[2], value = small;
	void *sent;
	if (family == AF_UNIX) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	} else {
		struct sockaddr_in a = { AF_INET, 0, { htonl(INADDR_LOOPBACK) } };
		socklen_t length = sizeof(a);
		int l = socket(AF_INET, SOCK_STREAM, 0);
		bind(l, (void *)&a, sizeof(a));
		listen(l, 1);
		getsockname(l, (void *)&a, &length);
		s[0] = socket(AF_INET, SOCK_STREAM, 0);
		connect(s[0], (void *)&a, sizeof(a));
		s[1] = accept(l, NULL, NULL);
		close(l);
	}
	if (small)
		setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));
	pthread_t t = start(send_much, (void *)(long)s[0]);
	printf("received %ld\n", receive_much(s[1], small ? 3000 : 1 << 20));
	pthread_join(t, &sent);
	printf("sent %ld\n", (long)sent);
	close(s[0]);
	close(s[1]);
}

/* ---- an echo server for four clients, with epoll ---- */

static int server_port;

static void *client(void *number)
{
	struct sockaddr_in a = { AF_INET, htons(server_port), { htonl(INADDR_LOOPBACK) } };
	char out[100], in[100];
	long ok = 0;
	for (int round = 0; round < 50; round++) {
		int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(s, (void *)&a, sizeof(a)))
			perror("connect");
		for (int i = 0; i < 10; i++) {
			int n = snprintf(out, sizeof(out), "client %ld round %d message %d", (long)number, round, i);
			if (send(s, out, n, 0) == n && recv(s, in, n, MSG_WAITALL) == n && memcmp(in, out, n) == 0)
				ok++;
		}
		close(s);
	}
	return (void *)ok;
}

static void echo(void)
{
	struct sockaddr_in a = { AF_INET, 0, { htonl(INADDR_ANY) } };
	socklen_t length = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0), closed = 0, accepted = 0;
	struct epoll_event e = { EPOLLIN, { .fd = l } };
	bind(l, (void *)&a, sizeof(a));
	listen(l, 2);
	getsockname(l, (void *)&a, &length);
	server_port = ntohs(a.sin_port);
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
	pthread_t t[4];
	for (long i = 0; i < 4; i++)
		t[i] = start(client, (void *)i);
	while (closed < 200) {
		struct epoll_event ready[8];
		int n = epoll_wait(ep, ready, 8, -1);
		if (n <= 0) {
			printf("epoll_wait %d\n", n);
			break;
		}
		for (int i = 0; i < n; i++) {
			char buf[256];
			int fd = ready[i].data.fd, s;
			if (fd == l) {
				while ((s = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					struct epoll_event in = { EPOLLIN | EPOLLET | EPOLLRDHUP, { .fd = s } };
					epoll_ctl(ep, EPOLL_CTL_ADD, s, &in);
					accepted++;
				}
				continue;
			}
			long r;
			while ((r = read(fd, buf, sizeof(buf))) > 0)
				if (write(fd, buf, r) != r)
					printf("short write\n");
			if (r == 0) {
				close(fd);
				closed++;
			}
		}
	}
	for (int i = 0; i < 4; i++) {
		void *ok;
		pthread_join(t[i], &ok);
		printf("client %d: %ld\n", i, (long)ok);
	}
	SHOW(accepted);
	close(ep);
	close(l);
}

/* ---- one byte to and fro ---- */

static void *answer(void *fd)
{
	char c;
	while (read((int)(long)fd, &c, 1) == 1) {
		c++;
		if (write((int)(long)fd, &c, 1) != 1)
			break;
	}
	return NULL;
}

static void ping_pong(int type)
{
	int s[2];
	char c = 0;
	socketpair(AF_UNIX, type, 0, s);
	pthread_t t = start(answer, (void *)(long)s[1]);
	for (int i = 0; i < 2000; i++) {
		char before = c;
		if (write(s[0], &c, 1) != 1 || read(s[0], &c, 1) != 1 || c != (char)(before + 1)) {
			printf("broken at %d\n", i);
			break;
		}
	}
	shutdown(s[0], SHUT_WR);
	if (type == SOCK_DGRAM)
		shutdown(s[1], SHUT_RD);
	pthread_join(t, NULL);
	SHOW(c);
}

/* ---- many connections ---- */

static void many(void)
{
	struct sockaddr_un a = { AF_UNIX, "\0vivarium-many" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c[300], s[300], good = 0;
	bind(l, (void *)&a, 20);
	SAY(listen(l, 300));
	for (int i = 0; i < 300; i++) {
		c[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		good += connect(c[i], (void *)&a, 20) == 0;
		good += write(c[i], &i, sizeof(i)) == sizeof(i);
	}
	for (int i = 0; i < 300; i++) {
		int number = -1;
		s[i] = accept(l, NULL, NULL);
		good += read(s[i], &number, sizeof(number)) == sizeof(number) && number == i;
	}
	SHOW(good);
	for (int i = 0; i < 300; i++) {
		close(s[i]);
		close(c[i]);
	}
	close(l);
}

/* ---- waiting for the backlog; signals ---- */

static struct sockaddr_un backlog_name = { AF_UNIX, "\0vivarium-backlog" };

static void *connect_later(void *unused)
{
	int c = socket(AF_UNIX, SOCK_STREAM, 0);
	long r = connect(c, (void *)&backlog_name, 24);
	close(c);
	return (void *)r;
}

static void backlog(void)
{
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t t[3];
	bind(l, (void *)&backlog_name, 24);
	listen(l, 0);
	for (int i = 0; i < 3; i++)
		t[i] = start(connect_later, NULL);
	for (int i = 0; i < 3; i++) {
		pause_ms(10);
		int s = accept(l, NULL, NULL);
		SAY(s >= 0);
		close(s);
	}
	for (int i = 0; i < 3; i++) {
		void *r;
		pthread_join(t[i], &r);
		SHOW((long)r);
	}
	t[0] = start(connect_later, NULL);
	t[1] = start(connect_later, NULL);
	struct pollfd one = { l, POLLIN, 0 };
	poll(&one, 1, -1);
	pause_ms(10);
	close(l);
	void *a, *b;
	pthread_join(t[0], &a);
	pthread_join(t[1], &b);
	SHOW((long)a + (long)b);
}

static pthread_t main_thread;
static int wake[2];
static volatile int interrupted;
/* A call that is made again after signals gets its byte in the end; another is hit by one of them sooner or later. */
static void *signal_then_write(void *restarts)
{
	for (int i = 0; restarts ? i < 5 : !interrupted; i++) {
		pause_ms(10);
		pthread_kill(main_thread, SIGUSR1);
	}
	pause_ms(10);
	if (write(wake[1], "x", 1) != 1)
		perror("write");
	return NULL;
}

static void interrupt(int flags, int timeout)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
	struct timeval tv = { timeout, 0 };
	char c;
	sigaction(SIGUSR1, &action, NULL);
	main_thread = pthread_self();
	socketpair(AF_UNIX, SOCK_STREAM, 0, wake);
	setsockopt(wake[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	pthread_t t = start(signal_then_write, flags & SA_RESTART && !timeout ? &c : NULL);
	SAY(read(wake[0], &c, 1));
	interrupted = 1;
	SHOW(handled > 0);
	pthread_join(t, NULL);
	interrupted = handled = 0;
	close(wake[0]);
	close(wake[1]);
}

static void *close_later(void *fd)
{
	pause_ms(30);
	close((int)(long)fd);
	return NULL;
}

static void *shutdown_later(void *fd)
{
	pause_ms(30);
	shutdown((int)(long)fd, SHUT_RDWR);
	return NULL;
}

static void woken(void)
{
	int s[2];
	char c, block[4096];
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pthread_t t = start(close_later, (void *)(long)s[1]);
	SAY(read(s[0], &c, 1));
	pthread_join(t, NULL);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	while (send(s[0], block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	t = start(close_later, (void *)(long)s[1]);
	SAY(send(s[0], block, sizeof(block), MSG_NOSIGNAL) < 0);
	pthread_join(t, NULL);
	struct sockaddr_in a = { AF_INET, 0, { htonl(INADDR_LOOPBACK) } };
	int l = socket(AF_INET, SOCK_STREAM, 0);
	bind(l, (void *)&a, sizeof(a));
	listen(l, 1);
	t = start(shutdown_later, (void *)(long)l);
	SAY(accept(l, NULL, NULL));
	pthread_join(t, NULL);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	t = start(shutdown_later, (void *)(long)s[0]);
	SAY(read(s[0], &c, 1));
	pthread_join(t, NULL);
}

int main(void)
{
	bulk(AF_UNIX, 0);
	bulk(AF_UNIX, 5000);
	bulk(AF_INET, 0);
	bulk(AF_INET, 5000);
	echo();
	ping_pong(SOCK_STREAM);
	ping_pong(SOCK_SEQPACKET);
	many();
	backlog();
	interrupt(SA_RESTART, 0);
	interrupt(0, 0);
	interrupt(SA_RESTART, 1000);
	woken();
	return 0;
}
