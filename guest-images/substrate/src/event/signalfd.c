/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as something to read, as signalfd(2) has it: those of whoever reads, not of who made the descriptor. */
#include <asm/poll.h>
#include <linux/signalfd.h>
#include <substrate/mm.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include "anonymous.h"

#define UNBLOCKABLE (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))

struct signalfd {
	u64 set;
};

static void describe(struct signalfd_siginfo *out, const siginfo_t *info)
{
	memset(out, 0, sizeof(*out));
	out->ssi_signo = (u32)info->si_signo;
	out->ssi_errno = info->si_errno;
	out->ssi_code = info->si_code;
	if (info->si_code == SI_TIMER) {
		out->ssi_tid = (u32)info->si_tid;
		out->ssi_overrun = (u32)info->si_overrun;
		out->ssi_ptr = (u64)info->si_ptr;
		out->ssi_int = info->si_int;
		return;
	}
	bool fault = info->si_signo == SIGSEGV || info->si_signo == SIGBUS || info->si_signo == SIGILL ||
	             info->si_signo == SIGFPE || info->si_signo == SIGTRAP;
	if (info->si_code > 0 && fault) {
		out->ssi_addr = (u64)info->si_addr;
		return;
	}
	out->ssi_pid = (u32)info->si_pid;
	out->ssi_uid = info->si_uid;
	if (info->si_code > 0 && info->si_signo == SIGCHLD) {
		out->ssi_status = info->si_status;
		out->ssi_utime = (u64)info->si_utime;
		out->ssi_stime = (u64)info->si_stime;
	} else if (info->si_code < 0) {
		out->ssi_ptr = (u64)info->si_ptr;
		out->ssi_int = info->si_int;
	}
}

static ssize_t signalfd_read(struct file *file, struct iobuf *io, u64 pos)
{
	const struct signalfd *s = file->private;
	struct signalfd_siginfo out;
	ssize_t done = 0;
	siginfo_t info;

	(void)pos;
	if (io->left < sizeof(out))
		return -EINVAL;
	if (!signal_pending_of(s->set) && file->flags & O_NONBLOCK)
		return -EAGAIN;
	long error = wait_event(&signal_arrivals, signal_pending_of(s->set));
	if (error)
		return error;
	while (io->left >= sizeof(out) && signal_take(s->set, &info)) {
		describe(&out, &info);
		if (iobuf_copy_out(io, &out, sizeof(out)) != sizeof(out))
			return done ? done : -EFAULT;
		done += (ssize_t)sizeof(out);
	}
	return done;
}

static unsigned int signalfd_poll(struct file *file, struct poll_table *table)
{
	const struct signalfd *s = file->private;

	poll_wait(table, &signal_arrivals);
	return signal_pending_of(s->set) ? POLLIN : 0;
}

static void signalfd_release(struct file *file)
{
	kfree(file->private);
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read,
	.poll = signalfd_poll,
	.release = signalfd_release,
};

static long change(int fd, u64 set)
{
	struct file *file = anonymous_get(fd, &signalfd_ops, -EINVAL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	((struct signalfd *)file->private)->set = set;
	wake_up(&signal_arrivals);
	file_put(file);
	return fd;
}

static long signalfd_make(int fd, const u64 __user *user, size_t size, u32 flags)
{
	u64 set;

	if (flags & ~(u32)(SFD_CLOEXEC | SFD_NONBLOCK) || size != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user, sizeof(set)))
		return -EFAULT;
	set &= ~UNBLOCKABLE;
	if (fd != -1)
		return change(fd, set);
	struct signalfd *s = kmalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->set = set;
	fd = anonymous_install(&signalfd_ops, s, flags);
	if (fd < 0)
		kfree(s);
	return fd;
}

SYSCALL_DEFINE3(signalfd, int, fd, const u64 __user *, set, size_t, size)
{
	return signalfd_make(fd, set, size, 0);
}

SYSCALL_DEFINE4(signalfd4, int, fd, const u64 __user *, set, size_t, size, u32, flags)
{
	return signalfd_make(fd, set, size, flags);
}
