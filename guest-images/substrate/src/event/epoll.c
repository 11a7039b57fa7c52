/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll(7). An item is a file watched by an epoll under a descriptor number. It hangs in the file's queues; what happens there
 * puts it on the epoll's list of what may be ready, and epoll_wait asks the files on that list only.
 *
 * Items do not hold their files: the last close of a file takes it out of every epoll.
 */
#include <asm/poll.h>
#include <linux/eventpoll.h>
#include <substrate/epoll.h>
#include <substrate/mm.h>
#include <substrate/poll.h>
#include <substrate/printk.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "anonymous.h"

/* How the item is watched, not what for. */
#define MODE_BITS (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define EXCLUSIVE_ALLOWED                                                                                                   \
	(EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM | EPOLLRDBAND | EPOLLWRBAND | EPOLLERR | EPOLLHUP | EPOLLWAKEUP |       \
	 EPOLLET | EPOLLEXCLUSIVE)
/* How many epolls may stand in a chain, each watching the next (as in Linux), and how many may watch the same one. */
#define NESTING_MAX 4
#define WATCHED_BY_MAX 16
/* Items of all epolls take at most this part of memory (epoll(7), max_user_watches). */
#define MEMORY_SHARE 25

struct item_waiter {
	struct waiter waiter;
	struct epoll_item *item;
};

struct epoll_item {
	struct list link;        /* struct epoll.items */
	struct list ready;       /* struct epoll.ready, or alone */
	struct epoll_item *next; /* of the same file */
	struct epoll *epoll;
	struct file *file; /* not held */
	int fd;
	u32 events;
	u64 data;
	struct item_waiter waiters[POLL_QUEUES_MAX];
	u32 waiter_count;
};

struct epoll {
	struct file *file; /* of the epoll itself; not held */
	struct list items;
	struct list ready;
	u32 ready_count;
	struct wait_queue queue;
};

static struct {
	u64 items;
} all_epolls;

static const struct file_ops epoll_ops;

static struct epoll *epoll_of(const struct file *file)
{
	return file->ops == &epoll_ops ? file->private : NULL;
}

/* ---- readiness ---- */

static void ready_add(struct epoll_item *item)
{
	if (!list_empty(&item->ready))
		return;
	list_push_back(&item->epoll->ready, &item->ready);
	item->epoll->ready_count++;
}

static void ready_remove(struct epoll_item *item)
{
	if (list_empty(&item->ready))
		return;
	list_remove(&item->ready);
	item->epoll->ready_count--;
}

static u32 item_events(const struct epoll_item *item, struct poll_table *table)
{
	return item->file->ops->poll(item->file, table) & item->events & ~MODE_BITS;
}

static void item_woken(struct waiter *waiter, u32 events)
{
	struct epoll_item *item = container_of(waiter, struct item_waiter, waiter)->item;

	/* A one-shot item that has fired waits for nothing. */
	if (!(item->events & ~MODE_BITS) || !(events & item->events))
		return;
	ready_add(item);
	wake_up_events(&item->epoll->queue, POLLIN);
}

struct item_table {
	struct poll_table table;
	struct epoll_item *item;
};

static void item_enqueue(struct poll_table *table, struct wait_queue *q)
{
	struct epoll_item *item = container_of(table, struct item_table, table)->item;
	BUG_ON(item->waiter_count == POLL_QUEUES_MAX);
	struct item_waiter *w = &item->waiters[item->waiter_count++];

	*w = (struct item_waiter){ .waiter.wake = item_woken, .item = item };
	/* Who watches last hears first, as on Linux. */
	list_push_front(&q->waiters, &w->waiter.link);
}

static void item_free(struct epoll_item *item)
{
	struct epoll_item **place = &item->file->watches;

	while (*place != item)
		place = &(*place)->next;
	*place = item->next;
	for (u32 i = 0; i < item->waiter_count; i++)
		list_remove(&item->waiters[i].waiter.link);
	ready_remove(item);
	list_remove(&item->link);
	all_epolls.items--;
	kfree(item);
}

void epoll_file_closed(struct file *file)
{
	while (file->watches)
		item_free(file->watches);
}

/* ---- the file ---- */

static unsigned int epoll_poll(struct file *file, struct poll_table *table)
{
	struct epoll *ep = file->private;
	struct epoll_item *item, *next;

	poll_wait(table, &ep->queue);
	list_for_each_safe(item, next, &ep->ready, ready) {
		if (item_events(item, NULL))
			return POLLIN | POLLRDNORM;
		ready_remove(item);
	}
	return 0;
}

static void epoll_release(struct file *file)
{
	struct epoll *ep = file->private;

	while (!list_empty(&ep->items))
		item_free(list_first(&ep->items, struct epoll_item, link));
	kfree(ep);
}

static const struct file_ops epoll_ops = {
	.poll = epoll_poll,
	.release = epoll_release,
};

static long epoll_make(u32 flags)
{
	struct epoll *ep = kzalloc(sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	list_init(&ep->items);
	list_init(&ep->ready);
	wait_queue_init(&ep->queue);
	int fd = anonymous_install(&epoll_ops, ep, flags);
	if (fd < 0) {
		kfree(ep);
		return fd;
	}
	ep->file = fd_get(current->files, fd);
	file_put(ep->file);
	return fd;
}

SYSCALL_DEFINE1(epoll_create, int, size)
{
	return size <= 0 ? -EINVAL : epoll_make(0);
}

SYSCALL_DEFINE1(epoll_create1, u32, flags)
{
	return flags & ~(u32)EPOLL_CLOEXEC ? -EINVAL : epoll_make(flags);
}

/* ---- nesting ---- */

/* The longest chain of epolls that begins with this one, downwards; above NESTING_MAX when it leads to `forbidden`. */
static u32 depth_below(const struct epoll *ep, const struct epoll *forbidden, u32 limit)
{
	const struct epoll_item *item;
	u32 deepest = 0;

	if (ep == forbidden || limit == 0)
		return NESTING_MAX + 1;
	list_for_each(item, &ep->items, link) {
		const struct epoll *inner = epoll_of(item->file);
		if (inner && deepest <= NESTING_MAX)
			deepest = MAX(deepest, depth_below(inner, forbidden, limit - 1));
	}
	return deepest + 1;
}

/* The same upwards, through those that watch it. */
static u32 depth_above(const struct file *file, u32 limit)
{
	u32 deepest = 0;

	if (limit == 0)
		return NESTING_MAX + 1;
	for (const struct epoll_item *item = file->watches; item; item = item->next)
		deepest = MAX(deepest, depth_above(item->epoll->file, limit - 1));
	return deepest + 1;
}

static long may_nest(const struct file *outer, const struct file *inner)
{
	u32 watched_by = 0;

	for (const struct epoll_item *item = inner->watches; item; item = item->next)
		watched_by++;
	if (watched_by >= WATCHED_BY_MAX)
		return -EINVAL;
	u32 below = depth_below(epoll_of(inner), epoll_of(outer), NESTING_MAX + 1);
	return below > NESTING_MAX || below + depth_above(outer, NESTING_MAX + 1) > NESTING_MAX + 1 ? -ELOOP : 0;
}

/* ---- control ---- */

static struct epoll_item *item_find(const struct epoll *ep, const struct file *file, int fd)
{
	struct epoll_item *item = file->watches;

	while (item && (item->epoll != ep || item->fd != fd))
		item = item->next;
	return item;
}

/* What is ready already counts as an event. */
static void item_look(struct epoll_item *item, struct poll_table *table)
{
	if (item_events(item, table)) {
		ready_add(item);
		wake_up_events(&item->epoll->queue, POLLIN);
	}
}

static long item_add(struct epoll *ep, struct file *file, int fd, const struct epoll_event *event)
{
	if (all_epolls.items >= frames_total() * PAGE_SIZE / MEMORY_SHARE / sizeof(struct epoll_item))
		return -ENOSPC;
	struct epoll_item *item = kmalloc(sizeof(*item));
	if (!item)
		return -ENOMEM;
	*item = (struct epoll_item){
		.next = file->watches, .epoll = ep, .file = file, .fd = fd, .events = event->events, .data = event->data
	};
	list_init(&item->ready);
	list_push_back(&ep->items, &item->link);
	file->watches = item;
	all_epolls.items++;
	struct item_table table = { .table.enqueue = item_enqueue, .item = item };
	item_look(item, &table.table);
	return 0;
}

static long item_change(struct epoll_item *item, const struct epoll_event *event)
{
	item->events = event->events;
	item->data = event->data;
	item_look(item, NULL);
	return 0;
}

static long check_exclusive(int op, const struct file *file, const struct epoll_item *item, u32 events)
{
	if (op == EPOLL_CTL_MOD && (events & EPOLLEXCLUSIVE || (item && item->events & EPOLLEXCLUSIVE)))
		return -EINVAL;
	if (op == EPOLL_CTL_ADD && events & EPOLLEXCLUSIVE && (epoll_of(file) || events & ~EXCLUSIVE_ALLOWED))
		return -EINVAL;
	return 0;
}

static long epoll_change(struct file *outer, int op, int fd, struct file *file, struct epoll_event *event)
{
	struct epoll *ep = epoll_of(outer);

	if (!file->ops->poll)
		return -EPERM;
	if (!ep || file == outer)
		return -EINVAL;
	struct epoll_item *item = item_find(ep, file, fd);
	long error = check_exclusive(op, file, item, event->events);
	if (error)
		return error;
	event->events |= EPOLLERR | EPOLLHUP;
	switch (op) {
	case EPOLL_CTL_ADD:
		error = epoll_of(file) ? may_nest(outer, file) : 0;
		if (error)
			return error;
		return item ? -EEXIST : item_add(ep, file, fd, event);
	case EPOLL_CTL_MOD:
		return item ? item_change(item, event) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		item_free(item);
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE4(epoll_ctl, int, epfd, int, op, int, fd, const struct epoll_event __user *, user)
{
	struct epoll_event event = { 0 };

	if (op != EPOLL_CTL_DEL && copy_from_user(&event, user, sizeof(event)))
		return -EFAULT;
	struct file *outer = fd_get(current->files, epfd);
	if (!outer)
		return -EBADF;
	struct file *file = fd_get(current->files, fd);
	long error = -EBADF;
	if (file) {
		error = file->flags & O_PATH ? -EBADF : epoll_change(outer, op, fd, file, &event);
		file_put(file);
	}
	file_put(outer);
	return error;
}

/* ---- waiting ---- */

/* Hands out what is ready: how many, or -EFAULT when not even the first could be written. */
static long collect(struct epoll *ep, struct epoll_event __user *out, u32 room)
{
	u32 n = 0;

	/* What stays ready goes to the list's end, to be looked at in the next call. */
	for (u32 left = ep->ready_count; left && n < room && !list_empty(&ep->ready); left--) {
		struct epoll_item *item = list_first(&ep->ready, struct epoll_item, ready);
		ready_remove(item);
		struct epoll_event event = { .events = item_events(item, NULL), .data = item->data };
		if (!event.events)
			continue;
		if (copy_to_user(&out[n], &event, sizeof(event))) {
			ready_add(item);
			return n ? (long)n : -EFAULT;
		}
		n++;
		if (item->events & EPOLLONESHOT)
			item->events &= MODE_BITS;
		else if (!(item->events & EPOLLET))
			ready_add(item);
	}
	return n;
}

static long wait_for_events(struct epoll *ep, struct epoll_event __user *out, u32 room, u64 deadline)
{
	long result;

	for (;;) {
		result = collect(ep, out, room);
		if (result || deadline == 0)
			return result;
		result = wait_event_until(&ep->queue, ep->ready_count, deadline);
		if (result == -ETIMEDOUT)
			deadline = 0;
		else if (result)
			return -EINTR;
	}
}

static long epoll_wait_until(int epfd, struct epoll_event __user *out, int room, u64 deadline)
{
	if (room <= 0 || (u32)room > 0x7fffffffU / sizeof(*out))
		return -EINVAL;
	struct file *file = anonymous_get(epfd, &epoll_ops, -EINVAL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	struct epoll *ep = file->private;
	long result = wait_for_events(ep, out, (u32)room, deadline);
	file_put(file);
	return result;
}

static u64 deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? NO_DEADLINE : timeout_ms == 0 ? 0 : deadline_after((u64)timeout_ms * 1000000);
}

SYSCALL_DEFINE4(epoll_wait, int, epfd, struct epoll_event __user *, out, int, room, int, timeout_ms)
{
	return epoll_wait_until(epfd, out, room, deadline_of(timeout_ms));
}

static long wait_masked(int epfd, struct epoll_event __user *out, int room, u64 deadline, const u64 __user *mask, size_t size)
{
	long error = poll_mask_begin(mask, size);

	if (error)
		return error;
	long result = epoll_wait_until(epfd, out, room, deadline);
	poll_mask_end(mask, result);
	return result;
}

SYSCALL_DEFINE6(epoll_pwait, int, epfd, struct epoll_event __user *, out, int, room, int, timeout_ms, const u64 __user *, mask,
                size_t, size)
{
	return wait_masked(epfd, out, room, deadline_of(timeout_ms), mask, size);
}

SYSCALL_DEFINE6(epoll_pwait2, int, epfd, struct epoll_event __user *, out, int, room, const void __user *, timeout,
                const u64 __user *, mask, size_t, size)
{
	u64 deadline;
	long error = poll_timeout(timeout, NSEC_PER_SEC, &deadline);

	return error ? error : wait_masked(epfd, out, room, deadline, mask, size);
}
