/* SPDX-License-Identifier: Apache-2.0 */
/* Timers to wait for, as timerfd_create(2) has them. */
#include <asm/poll.h>
#include <linux/time.h>
#include <linux/timerfd.h>
#include <substrate/mm.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/timer.h>
#include "anonymous.h"

struct timerfd {
	int clock;
	bool armed;    /* `next` is to come, or has come and an interval goes on from there */
	bool counted;  /* `next` has come and is in `ticks` */
	u64 next;      /* monotonic_ns() */
	u64 interval;  /* 0: once */
	u64 ticks;     /* not read yet */
	struct timer timer;
	struct wait_queue queue;
};

/* struct itimerspec of 64-bit systems (timerfd_create(2)). */
struct timer_setting {
	s64 interval_seconds, interval_nanoseconds, value_seconds, value_nanoseconds;
};

/*
 * The first expiry is counted when it happens; those after it, when somebody looks: an unread interval timer wakes nobody
 * a second time.
 */
static void expire(struct timerfd *t)
{
	if (!t->armed || t->counted || monotonic_ns() < t->next)
		return;
	timer_disarm(&t->timer);
	t->ticks++;
	if (t->interval)
		t->counted = true;
	else
		t->armed = false;
	wake_up_events(&t->queue, POLLIN);
}

static void timer_expired(struct timer *timer)
{
	expire(container_of(timer, struct timerfd, timer));
}

/* Counts the intervals that have passed and waits for the next. */
static void go_on(struct timerfd *t)
{
	expire(t);
	if (!t->counted)
		return;
	u64 now = monotonic_ns();
	u64 passed = now >= t->next ? (now - t->next) / t->interval : 0;
	t->ticks += passed;
	t->next += (passed + 1) * t->interval;
	t->counted = false;
	timer_arm(&t->timer, t->next);
}

static ssize_t timerfd_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct timerfd *t = file->private;
	u64 ticks;

	(void)pos;
	if (io->left < sizeof(ticks))
		return -EINVAL;
	expire(t);
	if (t->ticks == 0 && file->flags & O_NONBLOCK)
		return -EAGAIN;
	long error = wait_event(&t->queue, t->ticks > 0);
	if (error)
		return error;
	go_on(t);
	ticks = t->ticks;
	t->ticks = 0;
	return iobuf_copy_out(io, &ticks, sizeof(ticks)) == sizeof(ticks) ? (ssize_t)sizeof(ticks) : -EFAULT;
}

static unsigned int timerfd_poll(struct file *file, struct poll_table *table)
{
	struct timerfd *t = file->private;

	expire(t);
	poll_wait(table, &t->queue);
	return t->ticks ? POLLIN : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *t = file->private;

	timer_disarm(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.release = timerfd_release,
};

static bool known_clock(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

SYSCALL_DEFINE2(timerfd_create, int, clock, u32, flags)
{
	if (!known_clock(clock) || flags & ~(u32)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	struct timerfd *t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->clock = clock;
	timer_init(&t->timer, timer_expired);
	wait_queue_init(&t->queue);
	int fd = anonymous_install(&timerfd_ops, t, flags);
	if (fd < 0)
		kfree(t);
	return fd;
}

static bool valid(s64 seconds, s64 nanoseconds)
{
	return seconds >= 0 && nanoseconds >= 0 && nanoseconds < (s64)NSEC_PER_SEC;
}

/* What is left until the next expiry, and the interval. */
static long report(struct timerfd *t, struct timer_setting __user *out)
{
	u64 now = monotonic_ns(), left = t->armed && t->next > now ? t->next - now : 0;
	struct timer_setting s = { (s64)(t->interval / NSEC_PER_SEC), (s64)(t->interval % NSEC_PER_SEC),
		                       (s64)(left / NSEC_PER_SEC), (s64)(left % NSEC_PER_SEC) };

	return copy_to_user(out, &s, sizeof(s)) ? -EFAULT : 0;
}

static u64 first_expiry(const struct timerfd *t, u64 value, bool absolute)
{
	if (!absolute)
		return deadline_after(value);
	return t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM ? realtime_to_monotonic(value) : value;
}

static void set(struct timerfd *t, const struct timer_setting *s, bool absolute)
{
	u64 value = deadline_ns(s->value_seconds, s->value_nanoseconds);

	timer_disarm(&t->timer);
	t->ticks = 0;
	t->counted = false;
	t->interval = deadline_ns(s->interval_seconds, s->interval_nanoseconds);
	t->armed = value != 0;
	if (!t->armed)
		return;
	t->next = first_expiry(t, value, absolute);
	timer_arm(&t->timer, t->next);
	expire(t);
}

SYSCALL_DEFINE4(timerfd_settime, int, fd, u32, flags, const struct timer_setting __user *, new, struct timer_setting __user *, old)
{
	struct timer_setting s;

	if (copy_from_user(&s, new, sizeof(s)))
		return -EFAULT;
	/* The clock never jumps while a program runs, so there is nothing that TFD_TIMER_CANCEL_ON_SET would cancel. */
	if (flags & ~(u32)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) || !valid(s.value_seconds, s.value_nanoseconds) ||
	    !valid(s.interval_seconds, s.interval_nanoseconds))
		return -EINVAL;
	struct file *file = anonymous_get(fd, &timerfd_ops, -EINVAL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	struct timerfd *t = file->private;
	go_on(t);
	long error = old ? report(t, old) : 0;
	/* As on Linux, a bad place for the old setting is found when the new one is in force. */
	set(t, &s, flags & TFD_TIMER_ABSTIME);
	file_put(file);
	return error;
}

SYSCALL_DEFINE2(timerfd_gettime, int, fd, struct timer_setting __user *, out)
{
	struct file *file = anonymous_get(fd, &timerfd_ops, -EINVAL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	go_on(file->private);
	long error = report(file->private, out);
	file_put(file);
	return error;
}
