/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_TIMER_H
#define SUBSTRATE_TIMER_H

#include <substrate/list.h>
#include <substrate/types.h>

/* Calls back once monotonic_ns() has reached `deadline`. One shot. */
struct timer {
	struct list link;
	u64 deadline;
	/* Runs between programs, on any task's stack, and never sleeps. The timer is disarmed by then and may be armed again. */
	void (*expired)(struct timer *timer);
};

void timer_init(struct timer *timer, void (*expired)(struct timer *timer));
/* The last call counts. */
void timer_arm(struct timer *timer, u64 deadline);
void timer_disarm(struct timer *timer);
static inline bool timer_armed(const struct timer *timer) { return !list_empty(&timer->link); }

/* For the scheduler: calls back what is due by `now`; the next deadline, NO_DEADLINE when there is none. */
void timers_expire(u64 now);
u64 timers_next(void);

#endif
