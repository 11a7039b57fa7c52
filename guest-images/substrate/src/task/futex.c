/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex(2): sleeping on a word of memory. Waiters are found by what the word is: a place in an address space or, in memory that
 * processes share, in the file behind it.
 */
#include <linux/futex.h>
#include <linux/time_types.h>
#include <substrate/area.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/futex.h>
#include <substrate/mm.h>
#include <substrate/scheduler.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>
#include <substrate/user.h>

struct futex_key {
	const void *space; /* struct mm or struct node; who waits there keeps it */
	u64 offset;
};

struct futex_waiter {
	struct list link;
	struct task *task;
	struct futex_key key;
	u32 bitset;
	bool woken;
};

/* Few threads wait at a time in a sandbox; a list is searched as quickly as a table of lists. */
static struct list waiters = LIST_INIT(waiters);

static struct futex_key key_of(u64 address)
{
	struct mm *mm = current->mm;
	const struct area *area = mm_area(mm, address);
	if (area && area->flags & AREA_SHARED && area->node)
		return (struct futex_key){ area->node, area->offset + (address - area->start) };
	return (struct futex_key){ mm, address };
}

static bool waits_at(const struct futex_waiter *waiter, const struct futex_key *key)
{
	return waiter->key.space == key->space && waiter->key.offset == key->offset;
}

static long wake(u64 address, u32 count, u32 bitset)
{
	const struct futex_key key = key_of(address);
	struct futex_waiter *w, *next;
	long woken = 0;
	list_for_each_safe(w, next, &waiters, link) {
		if (woken >= count)
			break;
		if (!waits_at(w, &key) || !(w->bitset & bitset))
			continue;
		list_remove(&w->link);
		w->woken = true;
		task_wake(w->task);
		woken++;
	}
	return woken;
}

long futex_wake_address(u64 address, u32 count)
{
	return wake(address, count, FUTEX_BITSET_MATCH_ANY);
}

static long wait(u64 address, u32 expected, u32 bitset, u64 deadline)
{
	u32 value;
	if (!bitset)
		return -EINVAL;
	long error = user_load((u32 *)address, &value);
	if (error)
		return error;
	if (value != expected)
		return -EAGAIN;
	struct futex_waiter w = { .task = current, .key = key_of(address), .bitset = bitset };
	list_push_back(&waiters, &w.link);
	error = 0;
	while (!w.woken && !error)
		error = wait_sleep(deadline);
	list_remove(&w.link);
	return w.woken ? 0 : error;
}

static long requeue(u64 from, u32 wake_count, u32 move_count, u64 to)
{
	struct futex_waiter *w, *next;
	long done = wake(from, wake_count, FUTEX_BITSET_MATCH_ANY);
	const struct futex_key from_key = key_of(from), to_key = key_of(to);
	u32 moved = 0;
	list_for_each_safe(w, next, &waiters, link) {
		if (moved >= move_count)
			break;
		if (!waits_at(w, &from_key))
			continue;
		w->key = to_key;
		moved++;
	}
	return done + moved;
}

/* FUTEX_WAKE_OP: changes the second word and wakes its waiters if the old value compares as told (futex(2)). */
static long wake_op(u64 address, u32 count, u32 count2, u64 address2, u32 encoded)
{
	u32 op = encoded >> 28 & 7, compare = encoded >> 24 & 15;
	s32 argument = (s32)(encoded << 8) >> 20, comparand = (s32)(encoded << 20) >> 20;
	u32 old, seen;
	if (encoded >> 28 & 8) /* FUTEX_OP_OPARG_SHIFT */
		argument = 1 << (argument & 31);
	long error = user_load((u32 *)address2, &old);
	while (!error) {
		u32 changed;
		switch (op) {
		case FUTEX_OP_SET: changed = argument; break;
		case FUTEX_OP_ADD: changed = old + argument; break;
		case FUTEX_OP_OR: changed = old | argument; break;
		case FUTEX_OP_ANDN: changed = old & ~argument; break;
		case FUTEX_OP_XOR: changed = old ^ argument; break;
		default: return -ENOSYS;
		}
		error = user_compare_exchange((u32 *)address2, old, changed, &seen);
		if (seen == old)
			break;
		old = seen;
	}
	if (error)
		return error;
	s32 value = (s32)old;
	bool holds;
	switch (compare) {
	case FUTEX_OP_CMP_EQ: holds = value == comparand; break;
	case FUTEX_OP_CMP_NE: holds = value != comparand; break;
	case FUTEX_OP_CMP_LT: holds = value < comparand; break;
	case FUTEX_OP_CMP_LE: holds = value <= comparand; break;
	case FUTEX_OP_CMP_GT: holds = value > comparand; break;
	case FUTEX_OP_CMP_GE: holds = value >= comparand; break;
	default: return -ENOSYS;
	}
	long woken = futex_wake_address(address, count);
	return holds ? woken + futex_wake_address(address2, count2) : woken;
}

/* FUTEX_WAIT counts from now; the others name a time of CLOCK_MONOTONIC or, with the flag, CLOCK_REALTIME. */
static long deadline_of(u64 timeout, u32 command, u32 op, u64 *deadline)
{
	struct __kernel_timespec ts;
	*deadline = NO_DEADLINE;
	if (!timeout)
		return 0;
	if (copy_from_user(&ts, (void *)timeout, sizeof(ts)))
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (long)NSEC_PER_SEC)
		return -EINVAL;
	u64 ns = deadline_ns(ts.tv_sec, ts.tv_nsec);
	if (command == FUTEX_WAIT)
		ns = deadline_after(ns);
	else if (op & FUTEX_CLOCK_REALTIME)
		ns = realtime_to_monotonic(ns);
	*deadline = ns;
	return 0;
}

/* One lock of a dead thread; false when its memory is gone. */
static bool release_lock(u64 address, u32 tid)
{
	u32 value, seen;
	if (user_load((u32 *)address, &value))
		return false;
	while ((value & FUTEX_TID_MASK) == tid) {
		u32 orphaned = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		if (user_compare_exchange((u32 *)address, value, orphaned, &seen))
			return false;
		if (seen == value) {
			if (value & FUTEX_WAITERS)
				futex_wake_address(address, 1);
			break;
		}
		value = seen;
	}
	return true;
}

void futex_release_robust(u64 head, u32 tid)
{
	struct robust_list_head list;
	if (copy_from_user(&list, (void *)head, sizeof(list)))
		return;
	/* The lowest bit of a link says "priority inheritance"; the list is the program's, so its length is bounded here. */
	u64 entry = (u64)list.list.next & ~1UL;
	for (u32 i = 0; i < ROBUST_LIST_LIMIT && entry != head; i++) {
		u64 next;
		if (copy_from_user(&next, (void *)entry, sizeof(next)) || !release_lock(entry + (u64)list.futex_offset, tid))
			return;
		entry = next & ~1UL;
	}
	u64 pending = (u64)list.list_op_pending & ~1UL;
	if (pending)
		release_lock(pending + (u64)list.futex_offset, tid);
}

SYSCALL_DEFINE2(set_robust_list, u64, head, size_t, size)
{
	if (size != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL_DEFINE3(get_robust_list, int, tid, u64 __user *, head, size_t __user *, size)
{
	const size_t length = sizeof(struct robust_list_head);
	struct task *task = tid ? task_find((u32)tid) : current;
	if (!task)
		return -ESRCH;
	return copy_to_user(head, &task->robust_list, sizeof(u64)) || copy_to_user(size, &length, sizeof(length)) ? -EFAULT : 0;
}

SYSCALL_DEFINE6(futex, u64, address, u32, op, u32, value, u64, timeout, u64, address2, u32, value3)
{
	u32 command = op & FUTEX_CMD_MASK, current_value;
	u64 deadline;
	if (address & 3)
		return -EINVAL;
	switch (command) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET: {
		long error = deadline_of(timeout, command, op, &deadline);
		return error ? error : wait(address, value, command == FUTEX_WAIT ? FUTEX_BITSET_MATCH_ANY : value3, deadline);
	}
	case FUTEX_WAKE:
		return wake(address, value, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return value3 ? wake(address, value, value3) : -EINVAL;
	case FUTEX_CMP_REQUEUE: {
		long error = user_load((u32 *)address, &current_value);
		if (error)
			return error;
		if (current_value != value3)
			return -EAGAIN;
		return requeue(address, value, (u32)timeout, address2);
	}
	case FUTEX_REQUEUE:
		return requeue(address, value, (u32)timeout, address2);
	case FUTEX_WAKE_OP:
		return wake_op(address, value, (u32)timeout, address2, value3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		/* One class of tasks has no priorities to inherit; the host hears of it. */
		agent_process_unsupported(current->process, __NR_futex);
		return -ENOSYS;
	default:
		return -ENOSYS;
	}
}
