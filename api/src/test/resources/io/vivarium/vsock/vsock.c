/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's end of connections with the host: one thing at a time, named by the first argument. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static int failed(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

static int sock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static struct sockaddr_vm at(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int connect_to(unsigned port)
{
	struct sockaddr_vm to = at(VMADDR_CID_HOST, port);
	int fd = sock();

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

static int listen_at(unsigned port, int backlog)
{
	struct sockaddr_vm from = at(VMADDR_CID_ANY, port);
	int fd = sock();

	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) || listen(fd, backlog))
		return -1;
	printf("listening\n");
	return fd;
}

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);
		if (done < 0)
			return -1;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static void echo(int fd)
{
	static char buffer[1 << 16];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		if (write_all(fd, buffer, (size_t)n))
			break;
	close(fd);
}

static int echo_server(unsigned port, int count)
{
	int listener = listen_at(port, 128);

	if (listener < 0)
		return failed("listen");
	for (int i = 0; i < count; i++) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			return failed("accept");
		echo(fd);
	}
	printf("served %d\n", count);
	return 0;
}

static int echo_client(unsigned port, const char *text)
{
	char buffer[4096];
	int fd = connect_to(port);
	ssize_t n;

	if (fd < 0)
		return failed("connect");
	if (write_all(fd, text, strlen(text)) || shutdown(fd, SHUT_WR))
		return failed("write");
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, (size_t)n, stdout);
	return n < 0 ? failed("read") : 0;
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t words[1 << 16];

static int source(unsigned port, uint64_t bytes)
{
	uint64_t state = 88172645463325252;
	int fd = connect_to(port);

	if (fd < 0)
		return failed("connect");
	while (bytes > 0) {
		size_t n = bytes < sizeof(words) ? bytes : sizeof(words);
		for (size_t i = 0; i < n / 8; i++)
			words[i] = next(&state);
		if (write_all(fd, (char *)words, n))
			return failed("write");
		bytes -= n;
	}
	close(fd);
	printf("sent\n");
	return 0;
}

static int sink(unsigned port)
{
	uint64_t state = 88172645463325252, total = 0;
	size_t have = 0;
	int fd = connect_to(port);
	ssize_t n;

	if (fd < 0)
		return failed("connect");
	while ((n = read(fd, (char *)words + have, sizeof(words) - have)) > 0) {
		have += (size_t)n;
		total += (uint64_t)n;
		for (size_t i = 0; i < have / 8; i++)
			if (words[i] != next(&state)) {
				printf("wrong word before %llu\n", (unsigned long long)total);
				return 1;
			}
		memmove(words, (char *)words + have / 8 * 8, have % 8);
		have %= 8;
	}
	if (n < 0)
		return failed("read");
	printf("received %llu\n", (unsigned long long)total);
	return 0;
}

static int many(unsigned port, int count)
{
	for (int i = 0; i < count; i++) {
		int answer, fd = connect_to(port);
		if (fd < 0)
			return failed("connect");
		if (write_all(fd, (char *)&i, sizeof(i)) || read(fd, &answer, sizeof(answer)) != sizeof(answer))
			return failed("exchange");
		if (answer != ~i) {
			printf("%d was answered by %d\n", i, answer);
			return 1;
		}
		close(fd);
	}
	printf("made %d\n", count);
	return 0;
}

/* Writes until the host is gone. */
static int until_broken(unsigned port)
{
	int fd = connect_to(port);

	if (fd < 0)
		return failed("connect");
	while (!write_all(fd, (char *)words, sizeof(words)))
		;
	return failed("write");
}

static int read_once(unsigned port)
{
	char byte;
	int fd = connect_to(port);

	if (fd < 0)
		return failed("connect");
	printf("connected\n");
	ssize_t n = read(fd, &byte, 1);
	if (n < 0)
		return failed("read");
	printf("read %zd\n", n);
	return 0;
}

/* A server for many at a time, by epoll and without waiting in any call but epoll_wait. */
static int epoll_server(unsigned port, int count)
{
	struct epoll_event event = { .events = EPOLLIN };
	int listener = listen_at(port, 128), ep = epoll_create1(0), closed = 0;
	static char buffer[1 << 15];

	fcntl(listener, F_SETFL, O_NONBLOCK);
	event.data.fd = listener;
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event);
	while (closed < count) {
		if (epoll_wait(ep, &event, 1, -1) < 1)
			return failed("epoll_wait");
		if (event.data.fd == listener) {
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (fd < 0)
				return failed("accept4");
			event = (struct epoll_event){ .events = EPOLLIN | EPOLLRDHUP, .data.fd = fd };
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
			continue;
		}
		int fd = event.data.fd;
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0) {
			close(fd);
			closed++;
			continue;
		}
		for (ssize_t done = 0; done < n;) {
			ssize_t sent = send(fd, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);
			struct pollfd room = { .fd = fd, .events = POLLOUT };
			if (sent < 0 && errno == EAGAIN)
				poll(&room, 1, -1);
			else if (sent < 0)
				return failed("send");
			else
				done += sent;
		}
	}
	printf("closed %d\n", closed);
	return 0;
}

/* The host's connection is refused and then made, without waiting in connect(2). */
static int nonblocking(unsigned port)
{
	struct sockaddr_vm to = at(VMADDR_CID_HOST, port);
	socklen_t length = sizeof(int);
	int fd = sock(), error = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	int result = connect(fd, (struct sockaddr *)&to, sizeof(to));
	printf("connect: %s\n", result ? strerrorname_np(errno) : "0");
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	poll(&p, 1, -1);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	printf("%s%s%s SO_ERROR %s\n", p.revents & POLLOUT ? "out" : "", p.revents & POLLERR ? " err" : "",
	       p.revents & POLLHUP ? " hup" : "", error ? strerrorname_np(error) : "0");
	if (error)
		return 0;
	char byte;
	result = (int)recv(fd, &byte, 1, 0);
	printf("recv: %s\n", result < 0 ? strerrorname_np(errno) : "something");
	p.events = POLLIN;
	poll(&p, 1, -1);
	printf("recv: %d\n", (int)recv(fd, &byte, 1, 0));
	size_t total = 0;
	ssize_t n;
	while ((n = send(fd, words, 10000, 0)) > 0)
		total += (size_t)n;
	printf("send: %s after %s\n", strerrorname_np(errno), total >= 65536 && total <= 600000 ? "enough" : "too much or little");
	p.events = POLLOUT;
	p.revents = 0;
	printf("room: %d\n", poll(&p, 1, 0));
	send(fd, words, 1, 0);
	printf("waiting\n");
	poll(&p, 1, -1);
	printf("room: %d\n", p.revents == POLLOUT);
	return 0;
}

/* Goes on in the background when `ready` says so; what the host started ends. */
static int behind(int ready)
{
	if (ready < 0)
		return failed("ready");
	fflush(stdout);
	if (fork())
		_exit(0);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	return 0;
}

static int echo_behind(unsigned port)
{
	int listener = listen_at(port, 128);

	if (behind(listener))
		return 1;
	for (;;)
		echo(accept(listener, NULL, NULL));
}

/* Keeps a connection as long as it lasts, and tells the host over the next one, to the port above, how it ended. */
static int hold_behind(unsigned port)
{
	int fd = connect_to(port), next;
	char byte;

	if (behind(fd))
		return 1;
	for (;;) {
		ssize_t n = read(fd, &byte, 1);
		const char *how = n < 0 ? strerrorname_np(errno) : "end";
		if (n > 0)
			continue;
		close(fd);
		while ((next = connect_to(port + 1)) < 0)
			usleep(1000);
		write_all(next, how, strlen(how));
		shutdown(next, SHUT_WR);
		fd = next;
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	unsigned port = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "echo-server"))
		return echo_server(port, atoi(argv[3]));
	if (!strcmp(what, "echo-client"))
		return echo_client(port, argv[3]);
	if (!strcmp(what, "source"))
		return source(port, strtoull(argv[3], NULL, 10));
	if (!strcmp(what, "sink"))
		return sink(port);
	if (!strcmp(what, "many"))
		return many(port, atoi(argv[3]));
	if (!strcmp(what, "until-broken"))
		return until_broken(port);
	if (!strcmp(what, "read-once"))
		return read_once(port);
	if (!strcmp(what, "epoll-server"))
		return epoll_server(port, atoi(argv[3]));
	if (!strcmp(what, "nonblocking"))
		return nonblocking(port);
	if (!strcmp(what, "echo-behind"))
		return echo_behind(port);
	if (!strcmp(what, "hold-behind"))
		return hold_behind(port);
	printf("what?\n");
	return 2;
}
