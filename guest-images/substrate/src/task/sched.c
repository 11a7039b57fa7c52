/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run queue, first come first served. Who waits gives the processor away; who computes is asked to at the end of a time
 * slice, which is armed only while somebody else could run: an idle or lone program sees no ticks. Whom a program wakes runs
 * when it has waited or its slice is over; what arrived from outside runs at once.
 *
 * When nobody can run, the processor idles on the stack of whoever came last: no change of stack or address space is needed
 * to halt, nor to go on after it.
 */
#include <substrate/cpu.h>
#include <substrate/cpu_timer.h>
#include <substrate/cputime.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/scheduler.h>
#include <substrate/signal.h>
#include <substrate/stop.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/timer.h>
#include <substrate/trap.h>

#define TIME_SLICE_NS 10000000UL
#define ARMED_SLACK_NS 50000UL

/* entry.S */
void switch_stack(u64 *save_rsp, u64 rsp);

static struct list run_queue = LIST_INIT(run_queue);
static u64 slice_end;
static u64 armed_at, armed_until;
static volatile u64 *wake_timer;
static struct task *fpu_owner;
/* Whose stack must be freed, once nobody runs on it. */
static struct task *dead;

void wake_timer_init(paddr_t base)
{
	wake_timer = phys_to_virt(base);
}

/*
 * The machine's clock may run faster than ours: shortly before its end, an armed timer may have rung already. By a hundredth,
 * which is how far Linux corrects the counter's frequency after KVM has taken it over (tsc_refine_calibration_work,
 * arch/x86/kernel/tsc.c), and a little for the host's own clock being kept right.
 */
static bool is_armed(u64 now)
{
	u64 slack = ((armed_until - armed_at) >> 6) + ARMED_SLACK_NS;
	return armed_until > now + slack;
}

/* The machine interrupts or wakes us `deadline` at the latest. */
static void wake_timer_arm(u64 deadline, u64 now)
{
	if (!wake_timer || (is_armed(now) && armed_until <= deadline))
		return;
	armed_at = now;
	armed_until = deadline;
	*wake_timer = deadline > now ? deadline - now : 1;
}

/* ---- running ---- */

void task_wake(struct task *task)
{
	if (task->state != TASK_WAITING)
		return;
	task->state = TASK_RUNNABLE;
	list_push_back(&run_queue, &task->run_link);
	/* Whoever runs now may go on for long: its slice must be armed on the way out. */
	cpu0.work = 1;
}

/* Who runs is interrupted when a timer expires, of processor time too, or, when others want to run, at the end of its slice. */
static void interrupt_arm(const struct task *task)
{
	u64 deadline = timers_next(), alone = cpu_timers_next(task);
	if (deadline == NO_DEADLINE && alone == NO_DEADLINE && list_empty(&run_queue))
		return;
	u64 now = monotonic_ns();
	if (alone != NO_DEADLINE)
		deadline = MIN(deadline, now + alone);
	wake_timer_arm(list_empty(&run_queue) ? deadline : MIN(slice_end, deadline), now);
}

void task_hurry(struct task *task)
{
	if (task->state != TASK_RUNNABLE || list_empty(&task->run_link))
		return;
	list_remove(&task->run_link);
	list_push_front(&run_queue, &task->run_link);
}

static void idle(void)
{
	/* What it was set for is looked at here; what comes from now on ends the halt. */
	cpu0.work = 0;
	if (devices_poll())
		return;
	u64 now = monotonic_ns();
	timers_expire(now);
	if (!list_empty(&run_queue))
		return;
	u64 deadline = timers_next();
	if (deadline != NO_DEADLINE) {
		if (!wake_timer) {
			__asm__ volatile("pause");
			return;
		}
		wake_timer_arm(deadline, now);
	}
	cpu_halt();
}

static void fpu_switch(struct task *next)
{
	if (fpu_owner == next)
		return;
	if (fpu_owner)
		cpu_xsave(fpu_owner->xsave);
	cpu_xrstor(next->xsave);
	fpu_owner = next;
}

void fpu_save(struct task *task)
{
	if (fpu_owner == task)
		cpu_xsave(task->xsave);
}

void fpu_restore(struct task *task)
{
	cpu_xrstor(task->xsave);
	fpu_owner = task;
}

void fpu_drop(struct task *task)
{
	if (fpu_owner == task)
		fpu_owner = NULL;
}

/* Once its stack and its address space are not in use any more. */
static void free_dead(void)
{
	if (dead && dead != current) {
		task_free(dead);
		dead = NULL;
	}
}

void switch_context(struct task *next)
{
	struct task *previous = current;
	if (previous == next)
		return;
	cputime_charge_system();
	previous->fs_base = __builtin_ia32_rdfsbase64();
	previous->gs_base = __builtin_ia32_rdgsbase64();
	cpu_set_kernel_stack((u64)next + KERNEL_STACK_SIZE);
	__builtin_ia32_wrfsbase64(next->fs_base);
	__builtin_ia32_wrgsbase64(next->gs_base);
	if (next->xsave)
		fpu_switch(next);
	switch_stack(&previous->kernel_rsp, next->kernel_rsp);
}

/* The current task goes on: in its own memory, and not without looking at what was sent to it while it did not run. */
static void switched(void)
{
	mm_switch(current->mm);
	free_dead();
	if (signal_pending() || (current->process && current->process->stop_signal))
		cpu0.work = 1;
}

/* A new task's first steps, still in the kernel. */
void task_started(void)
{
	switched();
	task_begin();
	free_dead();
}

/* Whose end leaves nobody to run: the next program may need the memory before there is another to switch to. */
static void give_up_memory(struct task *task)
{
	struct mm *mm = task->mm;
	if (task->state != TASK_DEAD || !mm)
		return;
	task->mm = NULL;
	mm_put(mm);
}

void schedule(void)
{
	if (list_empty(&run_queue)) {
		cputime_charge_system();
		give_up_memory(current);
		do {
			idle();
		} while (list_empty(&run_queue));
		cputime_skip();
	}
	struct task *next = list_first(&run_queue, struct task, run_link);
	list_remove(&next->run_link);
	slice_end = monotonic_ns() + TIME_SLICE_NS;
	interrupt_arm(next);
	if (current->state == TASK_DEAD) {
		fpu_drop(current);
		dead = current;
	}
	switch_context(next);
	switched();
}

void yield(void)
{
	if (list_empty(&run_queue))
		return;
	list_push_back(&run_queue, &current->run_link);
	schedule();
}

/* What an interrupt, a signal or another task asked for, before the program goes on. */
void exit_work(struct pt_regs *regs)
{
	cpu0.work = 0;
	const struct list *last = run_queue.prev;
	devices_poll();
	u64 now = monotonic_ns();
	timers_expire(now);
	cpu_timers_expire(current);
	bool others = !list_empty(&run_queue) && (run_queue.prev != last || now >= slice_end);
	/* What is to end does so before the others run. */
	if (others && !signal_pending_fatal()) {
		yield();
	} else {
		/* A program that the agent started has left its own memory in use. */
		mm_switch(current->mm);
		interrupt_arm(current);
	}
	signals_deliver(regs);
	cputime_charge_system();
}

/* ---- waiting ---- */

/* Whatever the system call makes of it, the signal is looked at on its way out. */
static long interrupted(void)
{
	cpu0.work = 1;
	return -ERESTARTSYS;
}

void task_wait_expired(struct timer *timer)
{
	struct task *task = container_of(timer, struct task, timer);
	task->timed_out = true;
	task_wake(task);
}

static void wait_begin(struct task *task, u64 deadline)
{
	task->timed_out = false;
	task->state = TASK_WAITING;
	if (deadline != NO_DEADLINE)
		timer_arm(&task->timer, deadline);
}

static long wait_end(struct task *task)
{
	timer_disarm(&task->timer);
	if (task->timed_out)
		return -ETIMEDOUT;
	if (signals_stop())
		return 0;
	return signal_pending() ? interrupted() : 0;
}

long wait_sleep(u64 deadline)
{
	struct task *task = current;
	/* Who is stopped in the middle of a wait goes on waiting afterwards; that looks like a wake-up for nothing. */
	if (signals_stop())
		return 0;
	if (signal_pending())
		return interrupted();
	if (deadline != NO_DEADLINE && deadline <= monotonic_ns())
		return -ETIMEDOUT;
	wait_begin(task, deadline);
	schedule();
	return wait_end(task);
}

void wait_uninterrupted(void)
{
	wait_begin(current, NO_DEADLINE);
	schedule();
}

long wait_once(struct wait_queue *q, u64 deadline)
{
	struct waiter waiter = { .task = current };
	if (q)
		list_push_back(&q->waiters, &waiter.link);
	long result = wait_sleep(deadline);
	if (q)
		list_remove(&waiter.link);
	return result;
}

long wait_once_killable(struct wait_queue *q)
{
	struct waiter waiter = { .task = current };
	if (signal_killed())
		return -ERESTARTSYS;
	list_push_back(&q->waiters, &waiter.link);
	wait_uninterrupted();
	list_remove(&waiter.link);
	return signal_killed() ? -ERESTARTSYS : 0;
}

void wake_up_events(struct wait_queue *q, u32 events)
{
	struct waiter *waiter;
	list_for_each(waiter, &q->waiters, link) {
		if (waiter->wake)
			waiter->wake(waiter, events);
		else
			task_wake(waiter->task);
	}
}

void wake_up(struct wait_queue *q)
{
	wake_up_events(q, ~0U);
}

void wake_up_one(struct wait_queue *q)
{
	struct waiter *waiter;
	bool woken = false;
	list_for_each(waiter, &q->waiters, link) {
		if (waiter->wake) {
			waiter->wake(waiter, ~0U);
		} else if (!woken && waiter->task->state == TASK_WAITING) {
			task_wake(waiter->task);
			woken = true;
		}
	}
}

void wait_queue_clear(struct wait_queue *q)
{
	while (!list_empty(&q->waiters))
		list_remove(q->waiters.next);
}
