/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting and waking. */
#ifndef SUBSTRATE_SCHED_H
#define SUBSTRATE_SCHED_H

#include <substrate/list.h>
#include <substrate/types.h>

struct task;

/* Tasks that wait for the same thing. */
struct wait_queue {
	struct list waiters;
};

#define WAIT_QUEUE_INIT(name) { LIST_INIT((name).waiters) }
static inline void wait_queue_init(struct wait_queue *q) { list_init(&q->waiters); }

/* A place in one queue; a task may be in many at once (poll). */
struct waiter {
	struct list link;
	struct task *task;
	/* Called, when it is not NULL, instead of waking the task: with what happened, POLL* bits. Must leave the queue as it is. */
	void (*wake)(struct waiter *waiter, u32 events);
};

#define NO_DEADLINE (~0UL)

/*
 * Waits until `cond` holds. Evaluates to 0, -ERESTARTSYS when a signal is pending, or -ETIMEDOUT when monotonic_ns()
 * passed `deadline`. The kernel is not preempted: nothing changes between the test of `cond` and the code after it.
 */
#define wait_event_until(q, cond, deadline)                                                \
	({                                                                                     \
		long ret_ = 0;                                                                     \
		while (!(cond)) {                                                                  \
			ret_ = wait_once((q), (deadline));                                             \
			if (ret_ < 0)                                                                  \
				break;                                                                     \
		}                                                                                  \
		(cond) ? 0 : ret_;                                                                 \
	})
#define wait_event(q, cond) wait_event_until(q, cond, NO_DEADLINE)

/* Sleeps until woken through `q` (NULL: only by the deadline or a signal). 0, -ERESTARTSYS or -ETIMEDOUT. */
long wait_once(struct wait_queue *q, u64 deadline);
/* The same, but of signals only SIGKILL ends it. 0 or -ERESTARTSYS. */
long wait_once_killable(struct wait_queue *q);
void wake_up(struct wait_queue *q);     /* all of them */
void wake_up_one(struct wait_queue *q); /* the first */
/* As wake_up, for those who can tell apart what they wait for: POLL* bits. */
void wake_up_events(struct wait_queue *q, u32 events);
/* Everybody leaves: the queue goes away. Leaving it once more is harmless. */
void wait_queue_clear(struct wait_queue *q);

/* Where a file's poll operation says which queues to listen to. A NULL table asks for the mask only. */
struct poll_table {
	void (*enqueue)(struct poll_table *table, struct wait_queue *q);
};
void poll_wait(struct poll_table *table, struct wait_queue *q);
/* No file names more queues than this. */
#define POLL_QUEUES_MAX 2

#endif
