/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: a child process that makes on the host's kernel the calls that the tests make on Substrate's file system. A
 * directory is its root, so the same paths mean the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"

struct request {
	long nr;
	uint64_t args[6];
};

static int channel;
static pid_t child;

void *oracle_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return memory;
}

static _Noreturn void serve(int socket, const char *directory)
{
	struct request r;
	long answer = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chroot(directory) < 0 || chdir("/") < 0 || setgroups(0, NULL) < 0)
		answer = -errno;
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (write(socket, &answer, sizeof(answer)) != sizeof(answer))
		_exit(1);
	while (read(socket, &r, sizeof(r)) == sizeof(r)) {
		answer = syscall(r.nr, r.args[0], r.args[1], r.args[2], r.args[3], r.args[4], r.args[5]);
		if (answer == -1)
			answer = -errno;
		if (write(socket, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

bool oracle_start(const char *directory)
{
	int ends[2];
	long answer;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		serve(ends[1], directory);
	}
	close(ends[1]);
	channel = ends[0];
	if (child < 0 || read(channel, &answer, sizeof(answer)) != sizeof(answer))
		return false;
	return answer == 0;
}

long oracle_call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct request r = { nr, { a, b, c, d, e, f } };
	long answer;

	if (write(channel, &r, sizeof(r)) != sizeof(r) || read(channel, &answer, sizeof(answer)) != sizeof(answer)) {
		fprintf(stderr, "the oracle is gone\n");
		exit(1);
	}
	return answer;
}

void oracle_stop(void)
{
	close(channel);
	waitpid(child, NULL, 0);
}
