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
	struct timer *other;
	list_remove(&timer->link);
	timer->deadline = deadline;
	list_for_each(other, &timers, link)
		if (other->deadline > deadline)
			break;
	list_push_back(&other->link, &timer->link);
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
