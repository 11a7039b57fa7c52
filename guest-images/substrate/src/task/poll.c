/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for several files at once: poll(2), select(2) and their relatives. */
#include <asm/poll.h>
#include <linux/posix_types.h>
#include <linux/resource.h>
#include <linux/time_types.h>
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/poll.h>
#include <substrate/printk.h>
#include <substrate/scheduler.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>

#define MAX_FDS (KMALLOC_MAX / (POLL_QUEUES_MAX * sizeof(struct poll_waiter)))
#define SELECT_MAX 1024 /* FD_SETSIZE */
#define READ_EVENTS (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define WRITE_EVENTS (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)

/* A task's place in a queue. The file is held: its queues must not go while somebody waits, whoever closes it. */
struct poll_waiter {
	struct waiter waiter;
	struct file *file;
};

struct task_poll {
	struct poll_table table;
	struct poll_waiter *waiters;
	struct file *file; /* being asked */
	u32 count, capacity;
};

void poll_wait(struct poll_table *table, struct wait_queue *q)
{
	if (table)
		table->enqueue(table, q);
}

static void task_enqueue(struct poll_table *table, struct wait_queue *q)
{
	struct task_poll *poll = container_of(table, struct task_poll, table);
	BUG_ON(poll->count == poll->capacity);
	struct poll_waiter *w = &poll->waiters[poll->count++];
	w->file = file_get(poll->file);
	w->waiter = (struct waiter){ .task = current };
	list_push_back(&q->waiters, &w->waiter.link);
}

static void poll_leave(struct task_poll *poll)
{
	while (poll->count) {
		struct poll_waiter *w = &poll->waiters[--poll->count];
		list_remove(&w->waiter.link);
		file_put(w->file);
	}
}

static unsigned int file_events(int fd, struct task_poll *poll, unsigned int wanted)
{
	struct file *file = fd_get(current->files, fd);
	unsigned int events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; /* without a poll operation it never blocks */
	if (!file)
		return POLLNVAL;
	if (file->flags & O_PATH)
		events = POLLNVAL;
	else if (file->ops->poll) {
		if (poll)
			poll->file = file;
		events = file->ops->poll(file, poll ? &poll->table : NULL);
	}
	file_put(file);
	return events & (wanted | POLLERR | POLLHUP | POLLNVAL);
}

static int poll_once(struct pollfd *fds, u32 n, struct task_poll *table)
{
	int ready = 0;
	for (u32 i = 0; i < n; i++) {
		fds[i].revents = fds[i].fd < 0 ? 0 : (short)file_events(fds[i].fd, table, (u16)fds[i].events);
		ready += fds[i].revents != 0;
		/* Once something is ready nobody will sleep. */
		if (ready)
			table = NULL;
	}
	return ready;
}

static long poll_files(struct pollfd *fds, u32 n, u64 deadline)
{
	struct task_poll table = { .table.enqueue = task_enqueue, .capacity = POLL_QUEUES_MAX * n };
	struct poll_waiter few[8];
	long result = poll_once(fds, n, NULL);
	if (result || deadline == 0)
		return result;
	table.waiters = table.capacity <= ARRAY_SIZE(few) ? few : kmalloc(table.capacity * sizeof(*table.waiters));
	if (!table.waiters)
		return -ENOMEM;
	for (;;) {
		result = poll_once(fds, n, &table);
		if (result)
			break;
		result = wait_sleep(deadline);
		poll_leave(&table);
		if (result == -ETIMEDOUT)
			result = poll_once(fds, n, NULL);
		else if (result == 0)
			continue;
		break;
	}
	poll_leave(&table);
	if (table.waiters != few)
		kfree(table.waiters);
	return result == -ERESTARTSYS ? -EINTR : result;
}

static long poll_user(struct pollfd __user *user, u64 n, u64 deadline)
{
	if (n > current->process->rlimit[RLIMIT_NOFILE][0] || n > MAX_FDS)
		return -EINVAL;
	struct pollfd *fds = kmalloc(MAX(n, 1UL) * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	long result = copy_from_user(fds, user, n * sizeof(*fds)) ? -EFAULT : poll_files(fds, (u32)n, deadline);
	if (result >= 0 && copy_to_user(user, fds, n * sizeof(*fds)))
		result = -EFAULT;
	kfree(fds);
	return result;
}

long poll_timeout(const void __user *user, s64 unit_per_second, u64 *deadline)
{
	s64 ts[2];
	*deadline = NO_DEADLINE;
	if (!user)
		return 0;
	if (copy_from_user(ts, user, sizeof(ts)))
		return -EFAULT;
	if (ts[0] < 0 || ts[1] < 0 || (unit_per_second == (s64)NSEC_PER_SEC && ts[1] >= unit_per_second))
		return -EINVAL;
	u64 ns = deadline_ns(ts[0], ts[1] * ((s64)NSEC_PER_SEC / unit_per_second));
	*deadline = ns ? deadline_after(ns) : 0;
	return 0;
}

long poll_mask_begin(const u64 __user *user, size_t size)
{
	struct task *task = current;
	u64 set;
	if (!user)
		return 0;
	if (size != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user, sizeof(set)))
		return -EFAULT;
	task->saved_blocked = task->signals_blocked;
	task->signals_blocked = set;
	return 0;
}

void poll_mask_end(const u64 __user *user, long result)
{
	struct task *task = current;
	if (!user)
		return;
	if (result == -EINTR)
		task->restore_blocked = true;
	else
		task->signals_blocked = task->saved_blocked;
}

SYSCALL_DEFINE3(poll, struct pollfd __user *, fds, u64, n, int, timeout_ms)
{
	u64 deadline = timeout_ms < 0 ? NO_DEADLINE : timeout_ms == 0 ? 0 : deadline_after((u64)timeout_ms * 1000000);
	return poll_user(fds, n, deadline);
}

SYSCALL_DEFINE5(ppoll, struct pollfd __user *, fds, u64, n, const void __user *, timeout, const u64 __user *, mask, size_t, size)
{
	u64 deadline;
	long error = poll_timeout(timeout, NSEC_PER_SEC, &deadline);
	if (!error)
		error = poll_mask_begin(mask, size);
	if (error)
		return error;
	long result = poll_user(fds, n, deadline);
	poll_mask_end(mask, result);
	return result;
}

/* ---- select: the same over bit sets ---- */

static bool bit(const u64 *set, int fd)
{
	return set[fd / 64] >> fd % 64 & 1;
}

static long read_set(u64 *set, const u64 __user *user, int n)
{
	memset(set, 0, SELECT_MAX / 8);
	return user && copy_from_user(set, user, ALIGN_UP(n, 64) / 8) ? -EFAULT : 0;
}

static long write_set(u64 __user *user, const struct pollfd *fds, u32 count, int n, unsigned int wanted, unsigned int events,
                      long *ready)
{
	u64 set[SELECT_MAX / 64] = { 0 };
	for (u32 i = 0; i < count; i++) {
		if (fds[i].events & wanted && fds[i].revents & events) {
			set[fds[i].fd / 64] |= 1UL << fds[i].fd % 64;
			++*ready;
		}
	}
	return user && copy_to_user(user, set, ALIGN_UP(n, 64) / 8) ? -EFAULT : 0;
}

static long select_user(int n, u64 __user *read, u64 __user *write, u64 __user *except, u64 deadline)
{
	u64 in[3][SELECT_MAX / 64];
	if (n < 0)
		return -EINVAL;
	n = MIN(n, SELECT_MAX);
	if (read_set(in[0], read, n) || read_set(in[1], write, n) || read_set(in[2], except, n))
		return -EFAULT;
	struct pollfd *fds = kmalloc(MAX(n, 1) * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	u32 count = 0;
	for (int fd = 0; fd < n; fd++) {
		short events = (short)((bit(in[0], fd) ? POLLIN : 0) | (bit(in[1], fd) ? POLLOUT : 0) | (bit(in[2], fd) ? POLLPRI : 0));
		if (events)
			fds[count++] = (struct pollfd){ .fd = fd, .events = events };
	}
	long result = poll_files(fds, count, deadline);
	for (u32 i = 0; i < count && result > 0; i++)
		if (fds[i].revents & POLLNVAL)
			result = -EBADF;
	if (result >= 0) {
		result = 0;
		if (write_set(read, fds, count, n, POLLIN, READ_EVENTS, &result) ||
		    write_set(write, fds, count, n, POLLOUT, WRITE_EVENTS, &result) ||
		    write_set(except, fds, count, n, POLLPRI, POLLPRI, &result))
			result = -EFAULT;
	}
	kfree(fds);
	return result;
}

SYSCALL_DEFINE5(select, int, n, u64 __user *, read, u64 __user *, write, u64 __user *, except, const void __user *, timeout)
{
	u64 deadline;
	long error = poll_timeout(timeout, 1000000, &deadline);
	return error ? error : select_user(n, read, write, except, deadline);
}

SYSCALL_DEFINE6(pselect6, int, n, u64 __user *, read, u64 __user *, write, u64 __user *, except, const void __user *, timeout,
                const void __user *, mask_argument)
{
	struct {
		const u64 *mask;
		size_t size;
	} argument = { 0 };
	u64 deadline;
	if (mask_argument && copy_from_user(&argument, mask_argument, sizeof(argument)))
		return -EFAULT;
	long error = poll_timeout(timeout, NSEC_PER_SEC, &deadline);
	if (!error)
		error = poll_mask_begin(argument.mask, argument.size);
	if (error)
		return error;
	long result = select_user(n, read, write, except, deadline);
	poll_mask_end(argument.mask, result);
	return result;
}
