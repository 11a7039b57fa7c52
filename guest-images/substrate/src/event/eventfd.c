/* SPDX-License-Identifier: Apache-2.0 */
/* Counters to wait for, as eventfd(2) has them. */
#include <asm/poll.h>
#include <substrate/mm.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "anonymous.h"

#define EFD_SEMAPHORE 1u /* eventfd(2) */
#define MOST (~0UL - 1)

struct eventfd {
	u64 count;
	bool semaphore;
	struct wait_queue queue;
};

static ssize_t eventfd_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct eventfd *e = file->private;
	u64 value;

	(void)pos;
	if (io->left < sizeof(value))
		return -EINVAL;
	if (e->count == 0 && file->flags & O_NONBLOCK)
		return -EAGAIN;
	long error = wait_event(&e->queue, e->count > 0);
	if (error)
		return error;
	value = e->semaphore ? 1 : e->count;
	e->count -= value;
	wake_up_events(&e->queue, POLLOUT);
	return iobuf_copy_out(io, &value, sizeof(value)) == sizeof(value) ? (ssize_t)sizeof(value) : -EFAULT;
}

static ssize_t eventfd_write(struct file *file, struct iobuf *io, u64 pos)
{
	struct eventfd *e = file->private;
	u64 value;

	(void)pos;
	if (io->left < sizeof(value))
		return -EINVAL;
	if (iobuf_copy_in(io, &value, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value > MOST)
		return -EINVAL;
	if (value > MOST - e->count && file->flags & O_NONBLOCK)
		return -EAGAIN;
	long error = wait_event(&e->queue, value <= MOST - e->count);
	if (error)
		return error;
	e->count += value;
	wake_up_events(&e->queue, POLLIN);
	return sizeof(value);
}

static unsigned int eventfd_poll(struct file *file, struct poll_table *table)
{
	struct eventfd *e = file->private;

	poll_wait(table, &e->queue);
	return (e->count > 0 ? POLLIN : 0) | (e->count < MOST ? POLLOUT : 0);
}

static void eventfd_release(struct file *file)
{
	kfree(file->private);
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
};

static long eventfd_make(u32 count, u32 flags)
{
	if (flags & ~(EFD_SEMAPHORE | (u32)(O_CLOEXEC | O_NONBLOCK)))
		return -EINVAL;
	struct eventfd *e = kmalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct eventfd){ .count = count, .semaphore = flags & EFD_SEMAPHORE };
	wait_queue_init(&e->queue);
	int fd = anonymous_install(&eventfd_ops, e, flags);
	if (fd < 0)
		kfree(e);
	return fd;
}

SYSCALL_DEFINE1(eventfd, u32, count)
{
	return eventfd_make(count, 0);
}

SYSCALL_DEFINE2(eventfd2, u32, count, u32, flags)
{
	return eventfd_make(count, flags);
}
