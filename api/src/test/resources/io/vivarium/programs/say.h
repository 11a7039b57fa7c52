/* SPDX-License-Identifier: Apache-2.0 */
/* For programs whose output is compared between the host and a sandbox. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A program that hangs has told what it did before. */
__attribute__((constructor)) static void lines_at_once(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Prints the call, what it returned and the error. */
#define SAY(call)                                                                                      \
	({                                                                                                 \
		errno = 0;                                                                                     \
		long say_ = (long)(call);                                                                      \
		printf("%s = %ld%s%s\n", #call, say_, say_ < 0 ? " " : "", say_ < 0 ? strerrorname_np(errno) : ""); \
		say_;                                                                                          \
	})
#define SHOW(value) printf("%s: %ld\n", #value, (long)(value))

static inline void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t))
		;
}

static inline void say_events(const char *what, uint32_t events)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ POLLIN, "IN" }, { POLLPRI, "PRI" }, { POLLOUT, "OUT" }, { POLLERR, "ERR" }, { POLLHUP, "HUP" },
		{ POLLNVAL, "NVAL" }, { POLLRDNORM, "RDNORM" }, { POLLWRNORM, "WRNORM" }, { POLLWRBAND, "WRBAND" },
		{ POLLRDHUP, "RDHUP" },
	};
	printf("%s:", what);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (events & names[i].bit)
			printf(" %s", names[i].name);
	printf("\n");
}

/* What poll(2) says at once. */
static inline void say_poll(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDHUP, 0 };
	int n = poll(&p, 1, 0);
	printf("%d ", n);
	say_events(what, p.revents);
}

static inline pthread_t start(void *(*body)(void *), void *argument)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, body, argument)) {
		printf("no thread\n");
		exit(3);
	}
	return thread;
}
