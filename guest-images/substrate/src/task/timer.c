/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/cpu.h>
#include <substrate/sched.h>
#include <substrate/timer.h>

static struct list timers = LIST_INIT(timers); /* by deadline */

void timer_init(struct timer *timer, void (*expired)(struct timer *timer))
{
	list_init(&timer->link);
	timer->expired = expired;
}

void timer_arm(struct timer *timer, u64 deadline)
{
	struct list *next = &timers;
	list_remove(&timer->link);
	timer->deadline = deadline;
	/* From the last: a program with thousands arms most of them there. */
	while (next->prev != &timers && list_entry(next->prev, struct timer, link)->deadline > deadline)
		next = next->prev;
	list_push_back(next, &timer->link);
	/* A program that goes on without waiting has the machine told of it on the way out. */
	if (timers.next == &timer->link)
		cpu0.work = 1;
}

void timer_disarm(struct timer *timer)
{
	list_remove(&timer->link);
}

void timers_expire(u64 now)
{
	while (!list_empty(&timers)) {
		struct timer *timer = list_first(&timers, struct timer, link);
		if (timer->deadline > now)
			return;
		list_remove(&timer->link);
		timer->expired(timer);
	}
}

u64 timers_next(void)
{
	return list_empty(&timers) ? NO_DEADLINE : list_first(&timers, struct timer, link)->deadline;
}
