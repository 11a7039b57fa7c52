static long send_fds(int s, const int *fds, int n, const char *text)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(260 * sizeof(int))]; } c;
	struct iovec v = { (char *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	memset(&c, 0, sizeof(c));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&c.h), fds, n * sizeof(int));
	return sendmsg(s, &m, 0);
}

/* The descriptors, -1 where there are none; says what came. */
static int receive(int s, int flags, size_t bytes, size_t control, int *fds)
{
	union { struct cmsghdr h; char space[2048]; } c;
	char buf[64];
	struct iovec v = { buf, bytes };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = control };
	int n = 0;
	long r = recvmsg(s, &m, flags);
	printf("recvmsg %ld %s flags %x control %zu:", r, r < 0 ? strerrorname_np(errno) : "", m.msg_flags & ~MSG_CMSG_CLOEXEC,
	       r < 0 ? 0 : m.msg_controllen);
	if (r >= 0) {
		printf(" '%.*s'", (int)r, buf);
		for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
			if (h->cmsg_type == SCM_RIGHTS) {
				n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
				if (fds)
					memcpy(fds, CMSG_DATA(h), n * sizeof(int));
				printf(" %d fds", n);
			} else if (h->cmsg_type == SCM_CREDENTIALS) {
				struct ucred u;
				memcpy(&u, CMSG_DATA(h), sizeof(u));
				printf(" pid %s uid %s gid %s", u.pid == getpid() ? "ours" : u.pid ? "other" : "none",
				       u.uid == getuid() ? "ours" : u.uid == 65534 ? "nobody's" : "other",
				       u.gid == getgid() ? "ours" : u.gid == 65534 ? "nobody's" : "other");
			}
		}
	}
	printf("\n");
	return n;
}

static int open_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void passing(int type)
{
	int s[2], p[2], got[300];
	char buf[16];
	printf("passing over %d\n", type);
	socketpair(AF_UNIX, type, 0, s);
	pipe(p);
	SAY(send_fds(s[0], p, 2, "pipe"));
	close(p[0]);
	close(p[1]);
	SHOW(receive(s[1], MSG_CMSG_CLOEXEC, 64, 2048, got));
	SHOW(fcntl(got[0], F_GETFD));
	SAY(write(got[1], "through", 7));
	SAY(read(got[0], buf, 16));
	/* Where nobody takes them, they are closed. */
	SAY(send_fds(s[0], got, 2, "lost"));
	SAY(read(s[1], buf, 16));
	SAY(send_fds(s[0], got, 2, "no room"));
	receive(s[1], 0, 64, 0, NULL);
	SAY(send_fds(s[0], got, 2, "room for one"));
	int one[2];
	receive(s[1], 0, 64, CMSG_SPACE(4) - 4, one);
	close(one[0]);
	int before = open_fds();
	SAY(send_fds(s[0], got, 2, "peek"));
	int peeked[2];
	receive(s[1], MSG_PEEK, 64, 2048, peeked);
	SHOW(open_fds() - before);
	close(peeked[0]);
	close(peeked[1]);
	receive(s[1], 0, 64, 2048, peeked);
	close(peeked[0]);
	close(peeked[1]);
	SAY(send(s[0], "plain", 5, 0));
	SAY(send_fds(s[0], got, 1, "with"));
	SAY(send(s[0], "after", 5, 0));
	int n = receive(s[1], 0, 64, 2048, peeked);
	if (n)
		close(peeked[0]);
	n = receive(s[1], MSG_DONTWAIT, 64, 2048, peeked);
	if (n)
		close(peeked[0]);
	receive(s[1], MSG_DONTWAIT, 64, 2048, peeked);
	int bad[1] = { 99 }, lots[254];
	SAY(send_fds(s[0], bad, 1, "bad"));
	for (int i = 0; i < 254; i++)
		lots[i] = got[0];
	SAY(send_fds(s[0], lots, 254, "too many"));
	SAY(send_fds(s[0], lots, 253, "most"));
	n = receive(s[1], 0, 64, 2048, lots);
	for (int i = 0; i < n; i++)
		close(lots[i]);
	SHOW(open_fds() - before);
	close(got[0]);
	close(got[1]);
	close(s[0]);
	close(s[1]);
}

static void credentials(void)
{
	int s[2], on = 1;
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	SAY(send(s[0], "before", 6, 0));
	SAY(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	receive(s[1], 0, 64, 2048, NULL);
	SAY(send(s[0], "after", 5, 0));
	receive(s[1], 0, 64, 2048, NULL);
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(struct ucred))]; } c;
	struct ucred u = { getpid(), getuid(), getgid() };
	struct iovec v = { "told", 4 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	memset(&c, 0, sizeof(c));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_CREDENTIALS;
	c.h.cmsg_len = CMSG_LEN(sizeof(u));
	memcpy(CMSG_DATA(&c.h), &u, sizeof(u));
	SAY(sendmsg(s[0], &m, 0));
	receive(s[1], 0, 64, 2048, NULL);
	SAY(send(s[0], "short", 5, 0));
	receive(s[1], 0, 64, CMSG_LEN(4), NULL);
	c.h.cmsg_type = 77;
	SAY(sendmsg(s[0], &m, 0));
	c.h.cmsg_type = SCM_CREDENTIALS;
	c.h.cmsg_len = CMSG_LEN(4);
	SAY(sendmsg(s[0], &m, 0));
	c.h.cmsg_len = 4000;
	SAY(sendmsg(s[0], &m, 0));
	struct ucred peer;
	socklen_t length = sizeof(peer);
	SAY(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &peer, &length));
	SHOW(peer.pid == getpid());
	SHOW(peer.uid == getuid());
	int lone = socket(AF_UNIX, SOCK_STREAM, 0);
	SAY(getsockopt(lone, SOL_SOCKET, SO_PEERCRED, &peer, &length));
	printf("%d %d %d\n", peer.pid, (int)peer.uid, (int)peer.gid);
	close(s[0]);
	close(s[1]);
	close(lone);
}

/* Sockets that hold each other are let go: a pipe's reading end in such a queue is closed at last. */
static void cycles(void)
{
	int gone = 0, before = open_fds();
	for (int i = 0; i < 300; i++) {
		int s[2], t[2], p[2];
		socketpair(AF_UNIX, SOCK_STREAM, 0, s);
		socketpair(AF_UNIX, SOCK_DGRAM, 0, t);
		pipe(p);
		send_fds(s[0], (int[]){ s[1], p[0] }, 2, "itself");
		send_fds(t[0], (int[]){ s[0] }, 1, "another");
		send_fds(s[1], (int[]){ t[1] }, 1, "and back");
		close(s[0]);
		close(s[1]);
		close(t[1]);
		close(p[0]);
		close(t[0]);
		/* The last to be closed may find the garbage. */
		close(socket(AF_UNIX, SOCK_STREAM, 0));
		for (int k = 0; k < 200 && !gone; k++) {
			struct pollfd f = { p[1], POLLOUT, 0 };
			poll(&f, 1, 0);
			if (f.revents & POLLERR)
				break;
			pause_ms(10);
		}
		struct pollfd f = { p[1], POLLOUT, 0 };
		poll(&f, 1, 0);
		gone += (f.revents & POLLERR) != 0;
		close(p[1]);
	}
	SHOW(gone > 0);
	SHOW(open_fds() - before);
	/* A chain, as deep as it may be. */
	int held = open("/", O_RDONLY), depth = 0;
	for (; depth < 4; depth++) {
		int s[2];
		socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
		if (send_fds(s[0], &held, 1, "x") < 0)
			break;
		close(s[0]);
		close(held);
		held = s[1];
	}
	SHOW(depth);
	close(held);
	SHOW(open_fds() - before);
}

int main(void)
{
	passing(SOCK_STREAM);
	passing(SOCK_DGRAM);
	passing(SOCK_SEQPACKET);
	credentials();
	cycles();
	return 0;
}
