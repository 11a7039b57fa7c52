/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/fs.h>
#include <substrate/task.h>
#include "file.h"
#include "lock.h"
#include "node.h"

/* From fcntl.h(0p) and flock(2). */
#define WHOLE_FILE_END (~0UL)

enum lock_kind { LOCK_RECORD, LOCK_WHOLE };

struct lock {
	struct list link;
	const void *owner; /* the process' descriptor table, or the open file */
	u64 start, end;    /* inclusive */
	enum lock_kind kind;
	bool exclusive;
	u32 pid; /* for F_GETLK; 0 for locks of open files */
};

struct locks {
	struct list held;
	struct wait_queue freed;
};

static struct locks *locks_of(struct node *node)
{
	if (!node->locks) {
		node->locks = kmalloc(sizeof(*node->locks));
		if (node->locks) {
			list_init(&node->locks->held);
			wait_queue_init(&node->locks->freed);
		}
	}
	return node->locks;
}

void locks_free(struct locks *locks)
{
	struct lock *lock, *next;

	if (!locks)
		return;
	list_for_each_safe(lock, next, &locks->held, link)
		kfree(lock);
	kfree(locks);
}

static bool overlaps(const struct lock *a, const struct lock *b)
{
	return a->kind == b->kind && a->start <= b->end && b->start <= a->end;
}

static struct lock *conflict(struct locks *locks, const struct lock *wanted)
{
	struct lock *lock;

	list_for_each(lock, &locks->held, link)
		if (lock->owner != wanted->owner && overlaps(lock, wanted) && (lock->exclusive || wanted->exclusive))
			return lock;
	return NULL;
}

static struct lock *lock_copy(const struct lock *lock)
{
	struct lock *copy = kmalloc(sizeof(*copy));
	if (copy)
		*copy = *lock;
	return copy;
}

/*
 * Cuts the range out of the owner's locks. The only allocation, for a lock that falls in two, is `spare`, which is used up by
 * at most one lock: the locks of one owner do not overlap.
 */
static struct lock *cut(struct locks *locks, const struct lock *range, struct lock *spare)
{
	struct lock *lock, *next;

	list_for_each_safe(lock, next, &locks->held, link) {
		if (lock->owner != range->owner || !overlaps(lock, range))
			continue;
		if (lock->start < range->start && lock->end > range->end) {
			*spare = *lock;
			spare->start = range->end + 1;
			lock->end = range->start - 1;
			list_insert(&spare->link, &lock->link, lock->link.next);
			spare = NULL;
		} else if (lock->start < range->start) {
			lock->end = range->start - 1;
		} else if (lock->end > range->end) {
			lock->start = range->end + 1;
		} else {
			list_remove(&lock->link);
			kfree(lock);
		}
		if (!spare)
			break;
	}
	return spare;
}

/* Sets (or, with `unlock`, clears) the range for its owner; it conflicts with nobody's. */
static long apply(struct locks *locks, const struct lock *range, bool unlock)
{
	struct lock *fresh = unlock ? NULL : lock_copy(range), *spare = lock_copy(range);

	if (!spare || (!fresh && !unlock)) {
		kfree(spare);
		kfree(fresh);
		return -ENOLCK;
	}
	kfree(cut(locks, range, spare));
	if (fresh)
		list_push_back(&locks->held, &fresh->link);
	wake_up(&locks->freed);
	return 0;
}

static long range_of(const struct file *file, const struct flock *request, struct lock *lock)
{
	s64 start = request->l_start, len = request->l_len;

	switch (request->l_whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(start, (s64)file->pos, &start))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(start, (s64)file->node->size, &start))
			return -EOVERFLOW;
		break;
	default:
		return -EINVAL;
	}
	if (len < 0) {
		if (start < 0 || start + len < 0)
			return -EINVAL;
		start += len;
		len = -len;
	}
	if (start < 0)
		return -EINVAL;
	lock->start = (u64)start;
	if (len == 0)
		lock->end = WHOLE_FILE_END;
	else if (len - 1 > (s64)FILE_SIZE_MAX - start)
		return -EOVERFLOW;
	else
		lock->end = (u64)start + (u64)(len - 1);
	return 0;
}

static long record_of(struct file *file, const struct flock *request, bool by_file, struct lock *lock)
{
	if (by_file && request->l_pid != 0)
		return -EINVAL;
	if (request->l_type != F_RDLCK && request->l_type != F_WRLCK && request->l_type != F_UNLCK)
		return -EINVAL;
	*lock = (struct lock){
		.owner = by_file ? (void *)file : (void *)current->files,
		.kind = LOCK_RECORD,
		.exclusive = request->l_type == F_WRLCK,
		.pid = by_file ? 0 : current->process->pid,
	};
	return range_of(file, request, lock);
}

long lock_get(struct file *file, struct flock *request, bool by_file)
{
	struct locks *locks = locks_of(file->node);
	struct lock wanted, *other;
	long error = record_of(file, request, by_file, &wanted);

	if (error < 0 || !locks)
		return error < 0 ? error : -ENOLCK;
	if (request->l_type == F_UNLCK)
		return -EINVAL;
	other = conflict(locks, &wanted);
	if (!other) {
		request->l_type = F_UNLCK;
		return 0;
	}
	request->l_type = other->exclusive ? F_WRLCK : F_RDLCK;
	request->l_whence = SEEK_SET;
	request->l_start = (s64)other->start;
	request->l_len = other->end == WHOLE_FILE_END ? 0 : (s64)(other->end - other->start + 1);
	request->l_pid = other->pid ? (int)other->pid : -1;
	return 0;
}

static long acquire(struct node *node, const struct lock *wanted, bool unlock, bool wait)
{
	struct locks *locks = locks_of(node);
	long error;

	if (!locks)
		return -ENOLCK;
	if (!unlock && conflict(locks, wanted)) {
		if (!wait)
			return -EAGAIN;
		error = wait_event(&locks->freed, !conflict(locks, wanted));
		if (error < 0)
			return error;
	}
	return apply(locks, wanted, unlock);
}

long lock_set(struct file *file, const struct flock *request, bool by_file, bool wait)
{
	struct lock wanted;
	long error = record_of(file, request, by_file, &wanted);

	if (error < 0)
		return error;
	if ((request->l_type == F_RDLCK && !file_readable(file)) || (request->l_type == F_WRLCK && !file_writable(file)))
		return -EBADF;
	return acquire(file->node, &wanted, request->l_type == F_UNLCK, wait);
}

/* Ends the owner's locks of one kind. */
static void drop_owner(struct node *node, const void *owner, enum lock_kind kind)
{
	struct lock *lock, *next;
	bool dropped = false;

	if (!node->locks)
		return;
	list_for_each_safe(lock, next, &node->locks->held, link) {
		if (lock->owner != owner || lock->kind != kind)
			continue;
		list_remove(&lock->link);
		kfree(lock);
		dropped = true;
	}
	if (dropped)
		wake_up(&node->locks->freed);
}

static bool holds_whole(const struct node *node, const struct lock *wanted)
{
	const struct lock *lock;

	if (!node->locks)
		return false;
	list_for_each(lock, &node->locks->held, link)
		if (lock->owner == wanted->owner && lock->kind == LOCK_WHOLE && lock->exclusive == wanted->exclusive)
			return true;
	return false;
}

long lock_flock(struct file *file, int operation)
{
	struct lock wanted = { .owner = file, .end = WHOLE_FILE_END, .kind = LOCK_WHOLE };

	switch (operation & ~LOCK_NB) {
	case LOCK_SH:
	case LOCK_UN:
		break;
	case LOCK_EX:
		wanted.exclusive = true;
		break;
	default:
		return -EINVAL;
	}
	if ((operation & ~LOCK_NB) != LOCK_UN && holds_whole(file->node, &wanted))
		return 0;
	/* One that changes its kind is given up first and may so be lost (flock(2)). */
	drop_owner(file->node, file, LOCK_WHOLE);
	if ((operation & ~LOCK_NB) == LOCK_UN)
		return 0;
	return acquire(file->node, &wanted, false, !(operation & LOCK_NB));
}

void locks_closed_by(struct node *node, const struct fd_table *owner)
{
	drop_owner(node, owner, LOCK_RECORD);
}

void locks_released(struct file *file)
{
	drop_owner(file->node, file, LOCK_RECORD);
	drop_owner(file->node, file, LOCK_WHOLE);
}
