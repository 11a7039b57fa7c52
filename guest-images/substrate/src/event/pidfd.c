/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/poll.h>
#include <asm/siginfo.h>
#include <linux/pidfd.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/pidfd.h>
#include <substrate/process.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include "anonymous.h"

struct pidfd {
	struct list link; /* in process->pidfds */
	struct process *process; /* NULL: gone */
	struct wait_queue ended;
};

static unsigned int pidfd_poll(struct file *file, struct poll_table *table)
{
	struct pidfd *p = file->private;

	poll_wait(table, &p->ended);
	return !p->process || p->process->zombie ? POLLIN : 0;
}

static void pidfd_release(struct file *file)
{
	struct pidfd *p = file->private;

	list_remove(&p->link);
	kfree(p);
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.release = pidfd_release,
};

int pidfd_new(struct process *process, u32 flags)
{
	struct pidfd *p = kzalloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->process = process;
	wait_queue_init(&p->ended);
	list_push_back(&process->pidfds, &p->link);
	int fd = anonymous_install(&pidfd_ops, p, (flags & PIDFD_NONBLOCK) | O_CLOEXEC);
	if (fd < 0) {
		list_remove(&p->link);
		kfree(p);
	}
	return fd;
}

struct process *pidfd_process(int fd, bool *nonblocking)
{
	struct file *file = anonymous_get(fd, &pidfd_ops, -EBADF);

	if (IS_ERR(file))
		return ERR_PTR(PTR_ERR(file));
	struct process *process = ((struct pidfd *)file->private)->process;
	*nonblocking = file->flags & O_NONBLOCK;
	file_put(file);
	return process ? process : ERR_PTR(-ESRCH);
}

void pidfds_ended(struct process *process)
{
	struct pidfd *p;
	list_for_each(p, &process->pidfds, link)
		wake_up_events(&p->ended, POLLIN);
}

void pidfds_forget(struct process *process)
{
	struct pidfd *p, *next;
	list_for_each_safe(p, next, &process->pidfds, link) {
		p->process = NULL;
		list_remove(&p->link);
		wake_up_events(&p->ended, POLLIN);
	}
}

SYSCALL_DEFINE2(pidfd_open, int, pid, u32, flags)
{
	if (pid <= 0 || flags & ~(u32)PIDFD_NONBLOCK)
		return -EINVAL;
	struct process *process = process_find((u32)pid);
	if (!process)
		return task_find((u32)pid) ? -EINVAL : -ESRCH;
	return pidfd_new(process, flags);
}

SYSCALL_DEFINE4(pidfd_send_signal, int, fd, int, signo, const siginfo_t __user *, info, u32, flags)
{
	bool ignored;
	struct process *process = pidfd_process(fd, &ignored);

	if (flags)
		return -EINVAL;
	return IS_ERR(process) ? PTR_ERR(process) : signal_send_checked(process, signo, info);
}

/* Linux asks for the rights of ptrace(2); here it is those of kill(2). */
SYSCALL_DEFINE3(pidfd_getfd, int, fd, int, target, u32, flags)
{
	bool ignored;
	struct process *process = pidfd_process(fd, &ignored);

	if (flags)
		return -EINVAL;
	if (IS_ERR(process))
		return PTR_ERR(process);
	if (process->zombie || list_empty(&process->threads))
		return -ESRCH;
	long error = signal_send_checked(process, 0, NULL);
	struct fd_table *files = list_first(&process->threads, struct task, thread_link)->files;
	struct file *file = error || !files ? NULL : fd_get(files, target);
	if (!file)
		return error ? error : -EBADF;
	int own = fd_install(current->files, file, 0, true);
	if (own < 0)
		file_put(file);
	return own;
}
