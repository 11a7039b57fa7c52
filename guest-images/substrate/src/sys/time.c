/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/time.h>
#include <linux/times.h>
#include <substrate/cputime.h>
#include <substrate/err.h>
#include <substrate/scheduler.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>

#define TICKS_PER_SEC 100 /* USER_HZ */

struct timespec64 {
	s64 seconds, nanoseconds;
};

static long put_time(void __user *out, u64 ns, u64 unit_ns)
{
	struct timespec64 ts = { (s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / unit_ns) };
	return out && copy_to_user(out, &ts, sizeof(ts)) ? -EFAULT : 0;
}

static long get_time(const void __user *in, u64 *ns)
{
	struct timespec64 ts;
	if (copy_from_user(&ts, in, sizeof(ts)))
		return -EFAULT;
	if (ts.seconds < 0 || ts.nanoseconds < 0 || ts.nanoseconds >= (s64)NSEC_PER_SEC)
		return -EINVAL;
	*ns = deadline_ns(ts.seconds, ts.nanoseconds);
	return 0;
}

/* The clocks of other processes and threads: clock_getcpuclockid(3), pthread_getcpuclockid(3). Linux, <linux/posix-timers.h>. */
#define CPU_CLOCK_THREAD 4
#define CPU_CLOCK_KIND 3
#define CPU_CLOCK_SCHED 2

static long read_process_clock(const struct process *process, u64 *ns)
{
	if (!process)
		return -EINVAL;
	cputime_charge_system();
	*ns = process->user_ns + process->system_ns;
	return 0;
}

static long read_thread_clock(const struct task *task, u64 *ns)
{
	if (!task || task->process != current->process)
		return -EINVAL;
	cputime_charge_system();
	*ns = task->user_ns + task->system_ns;
	return 0;
}

static long read_cpu_clock(int clock, u64 *ns)
{
	u32 id = (u32)~(clock >> 3);
	if ((clock & CPU_CLOCK_KIND) != CPU_CLOCK_SCHED)
		return -EINVAL;
	if (clock & CPU_CLOCK_THREAD)
		return read_thread_clock(id ? task_find(id) : current, ns);
	return read_process_clock(id ? process_find(id) : current->process, ns);
}

static long read_clock(int clock, u64 *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = realtime_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = monotonic_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		return read_process_clock(current->process, ns);
	case CLOCK_THREAD_CPUTIME_ID:
		return read_thread_clock(current, ns);
	default:
		return clock < 0 ? read_cpu_clock(clock, ns) : -EINVAL;
	}
}

SYSCALL_DEFINE1(time, s64 __user *, out)
{
	s64 seconds = (s64)(realtime_ns() / NSEC_PER_SEC);
	return out && copy_to_user(out, &seconds, sizeof(seconds)) ? -EFAULT : seconds;
}

SYSCALL_DEFINE2(gettimeofday, void __user *, tv, void __user *, tz)
{
	const int utc[2] = { 0, 0 };
	if (tz && copy_to_user(tz, utc, sizeof(utc)))
		return -EFAULT;
	return put_time(tv, realtime_ns(), 1000);
}

SYSCALL_DEFINE2(clock_gettime, int, clock, void __user *, out)
{
	u64 ns;
	long error = read_clock(clock, &ns);
	return error ? error : put_time(out, ns, 1);
}

SYSCALL_DEFINE2(clock_getres, int, clock, void __user *, out)
{
	u64 ns;
	long error = read_clock(clock, &ns);
	return error ? error : put_time(out, 1, 1);
}

/* The clock is the host's. */
SYSCALL_DEFINE2(clock_settime, int, clock, const void __user *, in)
{
	(void)in;
	return clock == CLOCK_REALTIME ? -EPERM : -EINVAL;
}

SYSCALL_DEFINE2(settimeofday, const void __user *, tv, const void __user *, tz)
{
	(void)tv;
	(void)tz;
	return -EPERM;
}

static long sleep_until(u64 deadline, void __user *remaining)
{
	long result;
	do {
		result = wait_sleep(deadline);
	} while (result == 0);
	if (result == -ETIMEDOUT)
		return 0;
	u64 now = monotonic_ns();
	long error = remaining ? put_time(remaining, deadline > now ? deadline - now : 0, 1) : 0;
	return error ? error : -EINTR;
}

SYSCALL_DEFINE2(nanosleep, const void __user *, wanted, void __user *, remaining)
{
	u64 ns;
	long error = get_time(wanted, &ns);
	return error ? error : sleep_until(deadline_after(ns), remaining);
}

SYSCALL_DEFINE4(clock_nanosleep, int, clock, int, flags, const void __user *, wanted, void __user *, remaining)
{
	u64 ns, now;
	long error = read_clock(clock, &now);
	if (!error && (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID))
		error = -EOPNOTSUPP;
	if (!error && clock == CLOCK_THREAD_CPUTIME_ID)
		error = -EINVAL;
	if (!error)
		error = get_time(wanted, &ns);
	if (error)
		return error;
	if (!(flags & TIMER_ABSTIME))
		return sleep_until(deadline_after(ns), remaining);
	return sleep_until(clock == CLOCK_REALTIME ? realtime_to_monotonic(ns) : ns, NULL);
}

static s64 ticks(u64 ns)
{
	return (s64)(ns / (NSEC_PER_SEC / TICKS_PER_SEC));
}

SYSCALL_DEFINE1(times, struct tms __user *, out)
{
	const struct process *process = current->process;
	cputime_charge_system();
	struct tms t = { .tms_utime = ticks(process->user_ns), .tms_stime = ticks(process->system_ns),
		             .tms_cutime = ticks(process->reaped.user_ns), .tms_cstime = ticks(process->reaped.system_ns) };
	if (out && copy_to_user(out, &t, sizeof(t)))
		return -EFAULT;
	return ticks(monotonic_ns());
}
