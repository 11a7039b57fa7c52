/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/sched.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static long pidfd_open_(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }

int main(void)
{
	int hold[2];
	pipe(hold);
	pid_t child = fork();
	if (child == 0) {
		char c;
		close(hold[1]);
		read(hold[0], &c, 1);
		_exit(6);
	}
	int fd = (int)pidfd_open_(child, 0);
	SHOW(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	struct pollfd p = { fd, POLLIN, 0 };
	SHOW(poll(&p, 1, 0));
	SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	int theirs = (int)syscall(SYS_pidfd_getfd, fd, hold[0], 0);
	SHOW(theirs >= 0 && theirs != hold[0]);
	close(hold[1]);
	SHOW(poll(&p, 1, -1));
	siginfo_t info;
	SAY(waitid(P_PIDFD, fd, &info, WEXITED));
	printf("status %d\n", info.si_status);
	SHOW(poll(&p, 1, 0));
	SAY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	SAY(waitid(P_PIDFD, fd, &info, WEXITED));
	SAY(pidfd_open_(1 << 22, 0));
	SAY(pidfd_open_(-1, 0));
	SAY(pidfd_open_(getpid(), 12345));
	SAY(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));

	int given = -1;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&given, .exit_signal = SIGCHLD };
	child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (child == 0)
		for (;;)
			pause();
	SHOW(given >= 0);
	SAY(syscall(SYS_pidfd_send_signal, given, SIGKILL, NULL, 0));
	SAY(waitid(P_PIDFD, given, &info, WEXITED));
	printf("killed by %d\n", info.si_status);
	return 0;
}
