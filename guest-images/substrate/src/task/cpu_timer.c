/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/cpu.h>
#include <substrate/cpu_timer.h>
#include <substrate/cputime.h>
#include <substrate/task.h>
#include <substrate/time.h>

/* An interrupt costs some 40 us: who asks for less time between two would see nothing else. */
#define LEAST_NS 50000UL

void cpu_timer_init(struct cpu_timer *timer, struct process *process, void (*expired)(struct cpu_timer *timer))
{
	list_init(&timer->link);
	timer->process = process;
	timer->expired = expired;
}

static u64 clock_of(const struct cpu_timer *timer)
{
	const struct task *thread = timer->thread;
	u64 program = thread ? thread->user_ns : timer->process->user_ns;
	u64 kernel = thread ? thread->system_ns : timer->process->system_ns;
	return timer->program_only ? program : program + kernel;
}

u64 cpu_timer_now(const struct cpu_timer *timer)
{
	if (timer->process == current->process)
		cputime_charge_system();
	return clock_of(timer);
}

void cpu_timer_arm(struct cpu_timer *timer, u64 expires)
{
	list_remove(&timer->link);
	timer->expires = expires;
	list_push_back(&timer->process->cpu_timers, &timer->link);
	/* The machine has to be told on the way out when to interrupt. */
	cpu0.work = 1;
}

void cpu_timer_disarm(struct cpu_timer *timer)
{
	list_remove(&timer->link);
}

void cpu_timers_expire(const struct task *task)
{
	struct cpu_timer *timer, *next;
	if (!task->process || list_empty(&task->process->cpu_timers))
		return;
	cputime_charge_system();
	list_for_each_safe(timer, next, &task->process->cpu_timers, link) {
		if (clock_of(timer) < timer->expires)
			continue;
		list_remove(&timer->link);
		timer->expired(timer);
	}
}

u64 cpu_timers_next(const struct task *task)
{
	u64 least = NO_DEADLINE;
	const struct cpu_timer *timer;
	if (!task->process)
		return least;
	list_for_each(timer, &task->process->cpu_timers, link) {
		u64 now = clock_of(timer);
		if (!timer->thread || timer->thread == task)
			least = MIN(least, timer->expires > now ? timer->expires - now : 0);
	}
	return MAX(least, LEAST_NS);
}

void cpu_timers_forget(const struct task *thread)
{
	struct cpu_timer *timer, *next;
	list_for_each_safe(timer, next, &thread->process->cpu_timers, link)
		if (timer->thread == thread)
			list_remove(&timer->link);
}
