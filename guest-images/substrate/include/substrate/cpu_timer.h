/* SPDX-License-Identifier: Apache-2.0 */
/* Timers that count processor time instead of the time of day. */
#ifndef SUBSTRATE_CPU_TIMER_H
#define SUBSTRATE_CPU_TIMER_H

#include <substrate/list.h>
#include <substrate/types.h>

struct process;
struct task;

struct cpu_timer {
	struct list link; /* among those of the process, while armed */
	struct process *process;
	const struct task *thread; /* whose time counts; NULL: of all threads of the process */
	bool program_only;         /* time in the kernel does not count */
	u64 expires;               /* ns of that clock */
	/* As timer.expired. */
	void (*expired)(struct cpu_timer *timer);
};

void cpu_timer_init(struct cpu_timer *timer, struct process *process, void (*expired)(struct cpu_timer *timer));
/* What its clock says now. */
u64 cpu_timer_now(const struct cpu_timer *timer);
void cpu_timer_arm(struct cpu_timer *timer, u64 expires);
void cpu_timer_disarm(struct cpu_timer *timer);
static inline bool cpu_timer_armed(const struct cpu_timer *timer) { return !list_empty(&timer->link); }

/* For the scheduler: calls back what is due of the task's process; nanoseconds that the task may run before more is, or NO_DEADLINE. */
void cpu_timers_expire(const struct task *task);
u64 cpu_timers_next(const struct task *task);
/* The thread ends: its clock stands still. */
void cpu_timers_forget(const struct task *thread);

#endif
