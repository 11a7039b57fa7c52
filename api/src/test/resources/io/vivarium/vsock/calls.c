/* SPDX-License-Identifier: Apache-2.0 */
/* What each call on a socket of the family AF_VSOCK answers, without a peer and with one on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static void say(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld\n", what, result);
}

static struct sockaddr_vm at(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int sock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int bind_to(int fd, unsigned cid, unsigned port)
{
	struct sockaddr_vm a = at(cid, port);
	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

static int connect_to(int fd, unsigned cid, unsigned port)
{
	struct sockaddr_vm a = at(cid, port);
	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static void say_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_vm a;
	socklen_t length = sizeof(a);
	if (get(fd, (struct sockaddr *)&a, &length))
		say(what, -1);
	else
		printf("%s: family %d cid %d port %s length %u\n", what, a.svm_family, (int)a.svm_cid,
		       a.svm_port == VMADDR_PORT_ANY ? "any" : a.svm_port == 2000 ? "2000" : a.svm_port >= 1024 ? "free" : "reserved",
		       length);
}

static void say_poll(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };
	poll(&p, 1, 0);
	printf("%s:%s%s%s%s%s\n", what, p.revents & POLLIN ? " in" : "", p.revents & POLLOUT ? " out" : "",
	       p.revents & POLLRDHUP ? " rdhup" : "", p.revents & POLLHUP ? " hup" : "", p.revents & POLLERR ? " err" : "");
}

static void without_a_peer(void)
{
	unsigned cid = 0;
	char byte = 0;
	int dev = open("/dev/vsock", O_RDONLY), fd = sock(), other = sock();

	say("ioctl", ioctl(dev, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid));
	printf("cid: %u\n", cid);
	say("another ioctl", ioctl(dev, 1, &cid));
	say("datagrams", socket(AF_VSOCK, SOCK_DGRAM, 0));
	say("packets", socket(AF_VSOCK, SOCK_SEQPACKET, 0));
	say("raw", socket(AF_VSOCK, SOCK_RAW, 0));
	say("protocol", socket(AF_VSOCK, SOCK_STREAM, 6));
	say("pair", socketpair(AF_VSOCK, SOCK_STREAM, 0, (int[2]){ 0, 0 }));
	say_name("name", fd, getsockname);
	say_name("peer", fd, getpeername);
	say_poll("poll", fd);
	say("listen unbound", listen(fd, 1));
	say("accept", accept(fd, NULL, NULL));
	say("recv", recv(fd, &byte, 1, 0));
	say("send", send(fd, &byte, 1, MSG_NOSIGNAL));
	say("shutdown", shutdown(fd, SHUT_WR));
	say("bind 99", bind_to(fd, 99, 2000));
	say("bind host", bind_to(fd, VMADDR_CID_HOST, 2000));
	struct sockaddr_vm a = at(VMADDR_CID_ANY, 2000);
	say("bind short", bind(fd, (struct sockaddr *)&a, sizeof(a) - 1));
	a.svm_family = AF_INET;
	say("bind family", bind(fd, (struct sockaddr *)&a, sizeof(a)));
	say("bind", bind_to(fd, VMADDR_CID_ANY, 2000));
	say_name("name", fd, getsockname);
	say("bind again", bind_to(fd, VMADDR_CID_ANY, 2001));
	say("bind taken", bind_to(other, VMADDR_CID_LOCAL, 2000));
	say("bind any", bind_to(other, 3, VMADDR_PORT_ANY));
	say_name("name", other, getsockname);
	say("connect hypervisor", connect_to(other, VMADDR_CID_HYPERVISOR, 5));
	say("connect host", connect_to(other, VMADDR_CID_HOST, 5));
	say("connect a neighbour", connect_to(other, 77, 5));
	say("connect here", connect_to(other, VMADDR_CID_LOCAL, 2000));
	a.svm_family = AF_INET;
	say("connect family", connect(other, (struct sockaddr *)&a, sizeof(a)));
	say_poll("poll", other);
	close(fd);
	close(other);
	close(dev);
}

static void options(void)
{
	uint64_t size = 0;
	struct timeval tv = { 0, 0 };
	socklen_t length = sizeof(size);
	int fd = sock();

	getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &length);
	printf("buffer: %lu\n", size);
	getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &size, &length);
	printf("least: %lu\n", size);
	getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, &length);
	printf("most: %lu\n", size);
	size = 1;
	say("set", setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)));
	getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &length);
	printf("buffer: %lu\n", size);
	size = 1 << 20;
	say("set most", setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof(size)));
	say("set", setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)));
	getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &length);
	printf("buffer: %lu\n", size);
	say("set short", setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, 4));
	say("set unknown", setsockopt(fd, AF_VSOCK, 77, &size, sizeof(size)));
	say("get unknown", getsockopt(fd, AF_VSOCK, 77, &size, &length));
	length = sizeof(tv);
	say("timeout", getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &tv, &length));
	printf("seconds: %ld length %u\n", tv.tv_sec, length);
	tv.tv_usec = 1000000;
	say("set timeout", setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &tv, sizeof(tv)));
	int domain = 0;
	length = sizeof(domain);
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
	printf("domain: %d\n", domain);
	say("reuse", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &domain, sizeof(domain)));
	close(fd);
}

static void with_a_peer(unsigned cid)
{
	struct sockaddr_vm from;
	socklen_t length = sizeof(from);
	char bytes[100];
	int listener = sock(), client = sock(), ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };

	bind_to(listener, VMADDR_CID_ANY, 2000);
	say("listen", listen(listener, 1));
	say("connect of a listener", connect_to(listener, cid, 2000));
	fcntl(listener, F_SETFL, O_NONBLOCK);
	say("accept", accept(listener, NULL, NULL));
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event);
	say("epoll", epoll_wait(ep, &event, 1, 0));
	say("connect", connect_to(client, cid, 2000));
	say("connect again", connect_to(client, cid, 2000));
	say("epoll", epoll_wait(ep, &event, 1, 0));
	say_poll("listener", listener);
	int server = accept(listener, (struct sockaddr *)&from, &length);
	printf("from cid %u\n", from.svm_cid);
	say_name("server", server, getsockname);
	say_name("server's peer", server, getpeername);
	say_name("client's peer", client, getpeername);
	say_poll("client", client);
	say("recv", recv(client, bytes, 100, MSG_DONTWAIT));
	say("sendto", sendto(client, "x", 1, 0, (struct sockaddr *)&from, length));
	say("send", send(client, "hello", 5, 0));
	say("FIONREAD", ioctl(server, 0x541b, &length) ?: (int)length);
	say("peek", recv(server, bytes, 100, MSG_PEEK));
	say_poll("server", server);
	say("recv", recv(server, bytes, 3, 0));
	say("shutdown", shutdown(client, SHUT_WR));
	say("send", send(client, "x", 1, MSG_NOSIGNAL));
	say("recv", recv(server, bytes, 100, MSG_WAITALL));
	say("recv", recv(server, bytes, 100, 0));
	say_poll("server", server);
	say_poll("client", client);
	say("send back", send(server, "back", 4, 0));
	close(server);
	say_poll("client", client);
	say("recv", recv(client, bytes, 100, 0));
	say("recv", recv(client, bytes, 100, 0));
	say_poll("client", client);
	close(client);
	client = sock();
	connect_to(client, cid, 2000);
	server = accept(listener, NULL, NULL);
	close(client);
	say("send", send(server, "x", 1, MSG_NOSIGNAL));
	say("recv", recv(server, bytes, 100, 0));
	close(server);
	close(listener);
	client = sock();
	say("connect", connect_to(client, cid, 2000));
	close(client);
	close(ep);
}

static void *send_much(void *arg)
{
	static uint32_t words[10000];
	int fd = *(int *)arg;
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 10000; i++)
			words[i] = round * 10000 + i;
		for (size_t done = 0; done < sizeof(words);)
			done += (size_t)send(fd, (char *)words + done, sizeof(words) - done, 0);
	}
	close(fd);
	return NULL;
}

static void between_threads(void)
{
	static uint32_t words[5000];
	int listener = sock(), client = sock();
	uint32_t expected = 0, wrong = 0;
	pthread_t thread;
	ssize_t n;

	bind_to(listener, VMADDR_CID_LOCAL, 2000);
	listen(listener, 1);
	connect_to(client, VMADDR_CID_LOCAL, 2000);
	int server = accept(listener, NULL, NULL);
	pthread_create(&thread, NULL, send_much, &client);
	while ((n = recv(server, words, sizeof(words), MSG_WAITALL)) > 0)
		for (size_t i = 0; i < (size_t)n / 4; i++)
			wrong += words[i] != expected++;
	pthread_join(thread, NULL);
	printf("%u words, %u wrong\n", expected, wrong);
}

int main(void)
{
	without_a_peer();
	options();
	with_a_peer(VMADDR_CID_LOCAL);
	with_a_peer(3);
	between_threads();
	return 0;
}
