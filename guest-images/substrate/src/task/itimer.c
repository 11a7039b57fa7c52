/* SPDX-License-Identifier: Apache-2.0 */
/* Alarms: setitimer(2), alarm(2). A process has one timer of real time, which sends it SIGALRM. */
#include <asm/signal.h>
#include <linux/time.h>
#include <substrate/device.h>
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
void itimer_expired(struct timer *timer)
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

static void set(struct process *process, u64 value, u64 interval)
{
	process->itimer_interval = value ? interval : 0;
	if (value)
		timer_arm(&process->itimer, deadline_after(value));
	else
		timer_disarm(&process->itimer);
}

static long read_itimer(const struct process *process, void __user *out)
{
	s64 value[4]; /* struct itimerval: it_interval, it_value */
	u64 left = remaining(&process->itimer);
	put_ns(value, process->itimer_interval);
	put_ns(value + 2, left && left < NSEC_PER_USEC ? NSEC_PER_USEC : left);
	return copy_to_user(out, value, sizeof(value)) ? -EFAULT : 0;
}

/* The timers that count processor time are not there: told to the host by name. */
static long check_which(int which, u32 nr)
{
	if (which == ITIMER_REAL)
		return 0;
	if (which != ITIMER_VIRTUAL && which != ITIMER_PROF)
		return -EINVAL;
	agent_process_unsupported(current->process, nr);
	return -ENOSYS;
}

SYSCALL_DEFINE2(getitimer, int, which, void __user *, out)
{
	long error = check_which(which, __NR_getitimer);
	return error ? error : read_itimer(current->process, out);
}

SYSCALL_DEFINE3(setitimer, int, which, const void __user *, new, void __user *, old)
{
	struct process *process = current->process;
	s64 value[4] = { 0 }; /* NULL stands for zeros, as Linux has it */
	u64 interval, first;
	long error = check_which(which, __NR_setitimer);
	if (error)
		return error;
	if (new && copy_from_user(value, new, sizeof(value)))
		return -EFAULT;
	if (!get_ns(value, &interval) || !get_ns(value + 2, &first))
		return -EINVAL;
	if (old && read_itimer(process, old))
		return -EFAULT;
	set(process, first, interval);
	return 0;
}

SYSCALL_DEFINE1(alarm, u32, seconds)
{
	struct process *process = current->process;
	u64 left = remaining(&process->itimer), rounded = (left + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
	set(process, seconds * NSEC_PER_SEC, 0);
	/* Never 0 while one was set. */
	return (long)(left && !rounded ? 1 : rounded);
}
