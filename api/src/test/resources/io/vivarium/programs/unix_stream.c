static void buffers(void)
{
	int s[2], value = 0;
	char buf[64];
	socklen_t length = sizeof(value);
	SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	say_poll("new", s[0]);
	SAY(send(s[0], "hello ", 6, 0));
	SAY(send(s[0], "world", 5, 0));
	SAY(ioctl(s[1], FIONREAD, &value));
	SHOW(value);
	say_poll("readable", s[1]);
	SAY(recv(s[1], buf, 3, MSG_PEEK));
	SAY(recv(s[1], buf, 64, MSG_PEEK));
	SAY(recv(s[1], buf, 8, 0));
	printf("%.8s\n", buf);
	SAY(recv(s[1], buf, 64, 0));
	printf("%.3s\n", buf);
	SAY(recv(s[1], buf, 64, MSG_DONTWAIT));
	SAY(recv(s[1], buf, 0, MSG_DONTWAIT));
	SAY(read(s[1], buf, 0));
	SAY(send(s[0], "", 0, 0));
	SAY(recv(s[1], buf, 64, MSG_DONTWAIT));
	SAY(sendto(s[0], "x", 1, 0, (struct sockaddr *)&(struct sockaddr_un){ AF_UNIX }, 3));
	SAY(send(s[0], "x", 1, MSG_OOB | MSG_DONTWAIT) != 0);
	SAY(fcntl(s[0], F_SETFL, O_NONBLOCK));
	SAY(recv(s[0], buf, 64, 0));
	/* Fill it, and drain it. */
	static char block[10000];
	long sent = 0, got = 0, n;
	while ((n = write(s[0], block, sizeof(block))) > 0)
		sent += n;
	SHOW(errno == EAGAIN);
	SHOW(sent > 50000 && sent < 1000000);
	say_poll("full", s[0]);
	while (recv(s[1], buf, 1, MSG_DONTWAIT) == 1)
		got++;
	SHOW(got >= sent && got <= sent + 1);
	say_poll("drained", s[0]);
	SAY(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &length));
	SHOW(value);
	SAY(lseek(s[0], 0, SEEK_SET));
	struct stat st;
	SAY(fstat(s[0], &st));
	printf("%o\n", st.st_mode);
	close(s[0]);
	close(s[1]);
}

static void ends(void)
{
	int s[2], value;
	socklen_t length = sizeof(value);
	char buf[64];
	printf("shutdown for writing\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SAY(write(s[0], "abc", 3));
	SAY(shutdown(s[0], SHUT_WR));
	say_poll("mine", s[0]);
	say_poll("other", s[1]);
	SAY(write(s[0], "x", 1));
	SAY(read(s[1], buf, 64));
	SAY(read(s[1], buf, 64));
	SAY(write(s[1], "back", 4));
	SAY(read(s[0], buf, 64));
	SAY(shutdown(s[1], SHUT_WR));
	say_poll("both", s[0]);
	close(s[0]);
	close(s[1]);
	printf("shutdown for reading\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SAY(write(s[1], "abc", 3));
	SAY(shutdown(s[0], SHUT_RD));
	say_poll("mine", s[0]);
	say_poll("other", s[1]);
	SAY(read(s[0], buf, 64));
	SAY(read(s[0], buf, 64));
	SAY(write(s[1], "x", 1));
	SAY(shutdown(s[0], 3));
	close(s[0]);
	close(s[1]);
	printf("close\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SAY(write(s[1], "abc", 3));
	SAY(close(s[1]));
	say_poll("closed", s[0]);
	SAY(write(s[0], "x", 1));
	SAY(send(s[0], "x", 1, MSG_NOSIGNAL));
	SAY(read(s[0], buf, 64));
	SAY(read(s[0], buf, 64));
	close(s[0]);
	printf("close with something unread\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SAY(write(s[0], "unread", 6));
	SAY(write(s[1], "abc", 3));
	SAY(close(s[1]));
	say_poll("closed", s[0]);
	SAY(read(s[0], buf, 64));
	SAY(read(s[0], buf, 64));
	SAY(read(s[0], buf, 64));
	SAY(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &value, &length));
	SHOW(value);
	close(s[0]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	SAY(write(s[0], "unread", 6));
	SAY(close(s[1]));
	SAY(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &value, &length));
	SHOW(value);
	SAY(read(s[0], buf, 64));
	close(s[0]);
	printf("not connected\n");
	int u = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	say_poll("new", u);
	SAY(read(u, buf, 64));
	SAY(send(u, "x", 1, 0));
	SAY(accept(u, NULL, NULL));
	SAY(listen(u, 1));
	SAY(shutdown(u, SHUT_RD));
	close(u);
}

static struct sockaddr_un name_of(const char *path)
{
	struct sockaddr_un a = { AF_UNIX };
	strcpy(a.sun_path, path);
	return a;
}

static void say_name(const char *what, int (*get)(int, struct sockaddr *, socklen_t *), int fd)
{
	struct sockaddr_un a;
	socklen_t length = sizeof(a);
	memset(&a, 0, sizeof(a));
	int r = get(fd, (struct sockaddr *)&a, &length);
	printf("%s: %d %d %d '%s'\n", what, r, r ? errno : 0, r ? 0 : (int)length, r ? "" : a.sun_path + !a.sun_path[0]);
}

static void names(void)
{
	struct sockaddr_un a = name_of("stream"), b;
	char buf[64];
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SAY(connect(c, (void *)&a, sizeof(a)));
	umask(027);
	SAY(bind(l, (void *)&a, sizeof(a)));
	struct stat st;
	SAY(stat(a.sun_path, &st));
	printf("%o\n", st.st_mode);
	SAY(open(a.sun_path, O_RDWR));
	SAY(bind(l, (void *)&a, sizeof(a)));
	say_name("listener", getsockname, l);
	say_name("listener's peer", getpeername, l);
	SAY(connect(c, (void *)&a, sizeof(a)));
	SAY(listen(l, 1));
	say_poll("listening", l);
	SAY(connect(c, (void *)&a, sizeof(a)));
	SAY(connect(c, (void *)&a, sizeof(a)));
	say_poll("to accept", l);
	say_name("client", getsockname, c);
	say_name("client's peer", getpeername, c);
	int c2 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c3 = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SAY(connect(c2, (void *)&a, sizeof(a)));
	SAY(connect(c3, (void *)&a, sizeof(a)));
	SAY(write(c, "early", 5));
	socklen_t length = sizeof(b);
	int s = SAY(accept4(l, (void *)&b, &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
	SHOW(length);
	SHOW(fcntl(s, F_GETFD));
	SHOW(fcntl(s, F_GETFL) & O_NONBLOCK);
	say_name("server", getsockname, s);
	say_name("server's peer", getpeername, s);
	SAY(read(s, buf, 64));
	SAY(connect(c3, (void *)&a, sizeof(a)));
	SAY(listen(s, 1));
	SAY(close(l));
	SAY(read(c2, buf, 64));
	SAY(read(c2, buf, 64));
	SAY(write(c, "still", 5));
	SAY(read(s, buf, 64));
	int again = socket(AF_UNIX, SOCK_STREAM, 0);
	SAY(bind(again, (void *)&a, sizeof(a)));
	SAY(unlink(a.sun_path));
	SAY(bind(again, (void *)&a, sizeof(a)));
	SAY(unlink(a.sun_path));
	SAY(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	/* Abstract names and chosen ones. */
	struct sockaddr_un abstract = { AF_UNIX };
	memcpy(abstract.sun_path + 1, "vivarium", 8);
	length = offsetof(struct sockaddr_un, sun_path) + 9;
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	SAY(connect(l, (void *)&abstract, length));
	SAY(bind(l, (void *)&abstract, length));
	say_name("abstract", getsockname, l);
	SAY(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&abstract, length));
	SAY(bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&abstract, length));
	SAY(listen(l, 5));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SAY(connect(c, (void *)&abstract, length + 1));
	SAY(connect(c, (void *)&abstract, length));
	SAY(connect(l, (void *)&abstract, length));
	int chosen = socket(AF_UNIX, SOCK_STREAM, 0);
	SAY(bind(chosen, (void *)&abstract, 2));
	length = sizeof(b);
	SAY(getsockname(chosen, (void *)&b, &length));
	SHOW(length);
	length = 4;
	SAY(getsockname(chosen, (void *)&b, &length));
	SHOW(length);
	SAY(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, 111));
	SAY(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&(struct sockaddr_in){ AF_INET }, 16));
	SAY(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, 1));
	SAY(connect(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&abstract, length));
	a = name_of("/proc/self/exe");
	SAY(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	a = name_of("/nowhere/socket");
	SAY(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	SAY(connect(0, (void *)&a, sizeof(a)));
	SAY(connect(99, (void *)&a, sizeof(a)));
}

static void making(void)
{
	int s[2];
	SAY(socket(AF_UNIX, 77, 0));
	SAY(socket(AF_UNIX, SOCK_RDM, 0));
	SAY(socket(AF_UNIX, SOCK_STREAM, 7));
	SAY(socket(200, SOCK_STREAM, 0));
	SAY(socketpair(AF_INET, SOCK_STREAM, 0, s));
	SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
	SAY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	SHOW(s[0]);
	SHOW(fcntl(s[1], F_GETFD));
	close(s[0]);
	close(s[1]);
}

static volatile int pipes;
static void on_pipe(int signo) { pipes++; }

int main(void)
{
	char directory[] = "/tmp/vivarium-XXXXXX";
	SAY(chdir(mkdtemp(directory)));
	signal(SIGPIPE, on_pipe);
	making();
	buffers();
	ends();
	SHOW(pipes);
	names();
	SAY(rmdir(directory));
	return 0;
}
