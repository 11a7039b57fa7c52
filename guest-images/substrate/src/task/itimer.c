/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms: setitimer(2), alarm(2). A process has a timer of real time and two of processor time, which send it a signal each. */
#include <asm/signal.h>
#include <linux/time.h>
#include <substrate/cpu_timer.h>
#include <substrate/err.h>
#include <substrate/sched.h>
#include <substrate/signal.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>

#define NSEC_PER_USEC 1000UL

static void put_ns(s64 tv[2], u64 ns)
{
	tv[0] = (s64)(ns / NSEC_PER_SEC);
	tv[1] = (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
}

static bool get_ns(const s64 tv[2], u64 *ns)
{
	if (tv[0] < 0 || tv[1] < 0 || tv[1] >= 1000000)
		return false;
	*ns = deadline_ns(tv[0], tv[1] * (s64)NSEC_PER_USEC);
	return true;
}

/* Rings again an interval after it should have, not after it could: so that a slow program loses no time. */
static void itimer_expired(struct timer *timer)
{
	struct process *process = container_of(timer, struct process, itimer);
	u64 interval = process->itimer_interval;
	if (interval) {
		u64 missed = (monotonic_ns() - timer->deadline) / interval;
		timer_arm(timer, timer->deadline + (missed + 1) * interval);
	}
	signal_send_kernel(process, SIGALRM);
}

static u64 remaining(const struct timer *timer)
{
	u64 now = monotonic_ns();
	if (!timer_armed(timer))
		return 0;
	/* 0 would say that it is not set. */
	return timer->deadline > now ? timer->deadline - now : 1;
}

static void set_real(struct process *process, u64 value, u64 interval)
{
	process->itimer_interval = value ? interval : 0;
	if (value)
		timer_arm(&process->itimer, deadline_after(value));
	else
		timer_disarm(&process->itimer);
}

static void cpu_itimer_expired(struct cpu_timer *timer, int which)
{
	struct process *process = timer->process;
	u64 interval = process->cpu_itimers[which - ITIMER_VIRTUAL].interval;
	if (interval)
		cpu_timer_arm(timer, timer->expires + interval);
	signal_send_kernel(process, which == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF);
}

static void virtual_expired(struct cpu_timer *timer)
{
	cpu_itimer_expired(timer, ITIMER_VIRTUAL);
}

static void prof_expired(struct cpu_timer *timer)
{
	cpu_itimer_expired(timer, ITIMER_PROF);
}

void itimers_init(struct process *process)
{
	timer_init(&process->itimer, itimer_expired);
	cpu_timer_init(&process->cpu_itimers[0].timer, process, virtual_expired);
	process->cpu_itimers[0].timer.program_only = true;
	cpu_timer_init(&process->cpu_itimers[1].timer, process, prof_expired);
}

void itimers_disarm(struct process *process)
{
	timer_disarm(&process->itimer);
	cpu_timer_disarm(&process->cpu_itimers[0].timer);
	cpu_timer_disarm(&process->cpu_itimers[1].timer);
}

static void set(struct process *process, int which, u64 value, u64 interval)
{
	if (which == ITIMER_REAL) {
		set_real(process, value, interval);
		return;
	}
	struct cpu_timer *timer = &process->cpu_itimers[which - ITIMER_VIRTUAL].timer;
	process->cpu_itimers[which - ITIMER_VIRTUAL].interval = value ? interval : 0;
	if (value)
		cpu_timer_arm(timer, cpu_timer_now(timer) + value);
	else
		cpu_timer_disarm(timer);
}

static u64 remaining_cpu(const struct cpu_timer *timer)
{
	u64 now = cpu_timer_now(timer);
	return !cpu_timer_armed(timer) ? 0 : timer->expires > now ? timer->expires - now : 1;
}

static long read_itimer(const struct process *process, int which, void __user *out)
{
	s64 value[4]; /* struct itimerval: it_interval, it_value */
	bool real = which == ITIMER_REAL;
	u64 left = real ? remaining(&process->itimer) : remaining_cpu(&process->cpu_itimers[which - ITIMER_VIRTUAL].timer);
	put_ns(value, real ? process->itimer_interval : process->cpu_itimers[which - ITIMER_VIRTUAL].interval);
	put_ns(value + 2, left && left < NSEC_PER_USEC ? NSEC_PER_USEC : left);
	return copy_to_user(out, value, sizeof(value)) ? -EFAULT : 0;
}

static bool known(int which)
{
	return which == ITIMER_REAL || which == ITIMER_VIRTUAL || which == ITIMER_PROF;
}

SYSCALL_DEFINE2(getitimer, int, which, void __user *, out)
{
	return known(which) ? read_itimer(current->process, which, out) : -EINVAL;
}

SYSCALL_DEFINE3(setitimer, int, which, const void __user *, new, void __user *, old)
{
	struct process *process = current->process;
	s64 value[4] = { 0 }; /* NULL stands for zeros, as Linux has it */
	u64 interval, first;
	if (!known(which))
		return -EINVAL;
	if (new && copy_from_user(value, new, sizeof(value)))
		return -EFAULT;
	if (!get_ns(value, &interval) || !get_ns(value + 2, &first))
		return -EINVAL;
	if (old && read_itimer(process, which, old))
		return -EFAULT;
	set(process, which, first, interval);
	return 0;
}

SYSCALL_DEFINE1(alarm, u32, seconds)
{
	struct process *process = current->process;
	u64 left = remaining(&process->itimer), rounded = (left + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
	set_real(process, seconds * NSEC_PER_SEC, 0);
	/* Never 0 while one was set. */
	return (long)(left && !rounded ? 1 : rounded);
}
