/* SPDX-License-Identifier: Apache-2.0 */
/* timer_create(2) and its kind: any number of timers a process, each with a clock and a signal of its own. */
#include <asm/signal.h>
#include <linux/resource.h>
#include <linux/time.h>
#include <substrate/cpu_timer.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/posix_timer.h>
#include <substrate/process.h>
#include <substrate/sched.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>

#define TIMERS_MAX 4096
/* Between two interrupts, however short the interval is: what rings in between counts as overrun. */
#define LEAST_NS 50000UL
/*
 * The same where the signal is ignored: nobody is told, and thousands of such timers would leave the program no time. Linux
 * takes a tick there (posix_timer_fn, kernel/time/posix-timers.c), which is as long with CONFIG_HZ=100.
 */
#define LEAST_IGNORED_NS 10000000UL
#define OVERRUN_MAX 0x7fffffffUL /* DELAYTIMER_MAX (timer_getoverrun(2)) */

struct posix_timer {
	struct list link; /* in process->posix_timers, by id */
	struct process *process;
	struct task *thread; /* SIGEV_THREAD_ID: who gets the signal */
	int id, clock, notify, signo, last_overrun;
	sigval_t value;
	u64 interval;
	u64 due; /* on its clock: when it rings next, or should have rung */
	struct timer timer;
	struct cpu_timer cpu;
};

struct timespec64 {
	s64 seconds, nanoseconds;
};

static bool counts_cpu(const struct posix_timer *t)
{
	return t->clock == CLOCK_PROCESS_CPUTIME_ID || t->clock == CLOCK_THREAD_CPUTIME_ID;
}

static u64 now_of(const struct posix_timer *t)
{
	return counts_cpu(t) ? cpu_timer_now(&t->cpu) : monotonic_ns();
}

static bool armed(const struct posix_timer *t)
{
	return counts_cpu(t) ? cpu_timer_armed(&t->cpu) : timer_armed(&t->timer);
}

static void arm(struct posix_timer *t, u64 at)
{
	if (counts_cpu(t))
		cpu_timer_arm(&t->cpu, at);
	else
		timer_arm(&t->timer, at);
}

static void disarm(struct posix_timer *t)
{
	cpu_timer_disarm(&t->cpu);
	timer_disarm(&t->timer);
}

static void notify(struct posix_timer *t, u64 rings)
{
	if (t->notify == SIGEV_NONE || (t->notify == SIGEV_THREAD_ID && !t->thread))
		return;
	struct pending *pending = t->thread ? &t->thread->pending : signals_pending_of_process(t->process);
	siginfo_t *untold = pending_of_timer(pending, t->id);
	if (untold) {
		untold->si_overrun = (int)MIN((u64)untold->si_overrun + rings, OVERRUN_MAX);
		return;
	}
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = t->signo;
	info.si_code = SI_TIMER;
	info.si_tid = t->id;
	info.si_overrun = (int)MIN(rings - 1, OVERRUN_MAX);
	info.si_value = t->value;
	signal_send_info(t->process, t->thread, t->signo, &info);
}

static bool is_ignored(const struct posix_timer *t)
{
	return t->notify != SIGEV_NONE && signal_ignored(t->process, t->signo);
}

static void rung(struct posix_timer *t)
{
	u64 now = now_of(t), rings = 1;
	if (t->interval) {
		rings += now > t->due ? (now - t->due) / t->interval : 0;
		t->due += rings * t->interval;
		arm(t, MAX(t->due, now + (is_ignored(t) ? LEAST_IGNORED_NS : LEAST_NS)));
	}
	notify(t, rings);
}

static void timer_rung(struct timer *timer)
{
	rung(container_of(timer, struct posix_timer, timer));
}

static void cpu_timer_rung(struct cpu_timer *timer)
{
	rung(container_of(timer, struct posix_timer, cpu));
}

static struct posix_timer *find(const struct process *process, int id)
{
	struct posix_timer *t;
	list_for_each(t, &process->posix_timers, link)
		if (t->id == id)
			return t;
	return NULL;
}

static void free_timer(struct posix_timer *t)
{
	disarm(t);
	list_remove(&t->link);
	kfree(t);
}

void posix_timers_free(struct process *process)
{
	struct posix_timer *t, *next;
	list_for_each_safe(t, next, &process->posix_timers, link)
		free_timer(t);
}

void posix_timer_told(struct process *process, const siginfo_t *info)
{
	struct posix_timer *t = find(process, info->si_tid);
	if (t)
		t->last_overrun = info->si_overrun;
}

void posix_timers_forget(struct task *thread)
{
	struct posix_timer *t;
	list_for_each(t, &thread->process->posix_timers, link)
		if (t->thread == thread)
			t->thread = NULL;
	cpu_timers_forget(thread);
}

/* ---- system calls ---- */

static long check_event(const struct sigevent *event, struct task **thread)
{
	*thread = NULL;
	if (event->sigev_notify == SIGEV_NONE)
		return 0;
	if (event->sigev_signo < 1 || event->sigev_signo > 64)
		return -EINVAL;
	if (event->sigev_notify == SIGEV_SIGNAL)
		return 0;
	if (event->sigev_notify != SIGEV_THREAD_ID)
		return -EINVAL;
	*thread = task_find((u32)event->sigev_notify_thread_id);
	return *thread && (*thread)->process == current->process ? 0 : -EINVAL;
}

/*
 * The C library asks for the clocks of processor time by process or thread (<linux/posix-timers.h>): the current one's are those
 * that have a name of their own, others' are refused.
 */
#define CPU_CLOCK_THREAD 4
#define CPU_CLOCK_KIND 3
#define CPU_CLOCK_SCHED 2
static int own_clock(int clock)
{
	u32 id = (u32)~(clock >> 3);
	bool thread = clock & CPU_CLOCK_THREAD;
	if (clock >= 0 || (clock & CPU_CLOCK_KIND) != CPU_CLOCK_SCHED || (id && id != (thread ? current->tid : current->process->pid)))
		return clock;
	return thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
}

static bool known_clock(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI ||
	       clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

/* The lowest number that is free, and behind which timer the new one belongs; -EAGAIN when there are too many. */
static int free_id(const struct process *process, struct list **after)
{
	const struct posix_timer *t;
	int id = 0;
	*after = (struct list *)&process->posix_timers;
	list_for_each(t, &process->posix_timers, link) {
		if (t->id != id) {
			*after = (struct list *)&t->link;
			break;
		}
		id++;
	}
	return id < (int)MIN((u64)TIMERS_MAX, process->rlimit[RLIMIT_SIGPENDING][0]) ? id : -EAGAIN;
}

SYSCALL_DEFINE3(timer_create, int, clock, const struct sigevent __user *, user_event, int __user *, user_id)
{
	struct process *process = current->process;
	struct sigevent event;
	struct task *thread;
	struct list *after;
	if (user_event && copy_from_user(&event, user_event, sizeof(event)))
		return -EFAULT;
	clock = own_clock(clock);
	int id = free_id(process, &after);
	if (id < 0)
		return id;
	if (!user_event) {
		memset(&event, 0, sizeof(event));
		event.sigev_notify = SIGEV_SIGNAL;
		event.sigev_signo = SIGALRM;
		event.sigev_value.sival_int = id;
	}
	if (!known_clock(clock) || check_event(&event, &thread))
		return -EINVAL;
	if (copy_to_user(user_id, &id, sizeof(id)))
		return -EFAULT;
	struct posix_timer *t = kzalloc(sizeof(*t));
	if (!t)
		return -EAGAIN;
	t->process = process;
	t->thread = thread;
	t->id = id;
	t->clock = clock;
	t->notify = event.sigev_notify;
	t->signo = event.sigev_signo;
	t->value = event.sigev_value;
	timer_init(&t->timer, timer_rung);
	cpu_timer_init(&t->cpu, process, cpu_timer_rung);
	t->cpu.thread = clock == CLOCK_THREAD_CPUTIME_ID ? current : NULL;
	list_push_back(after, &t->link);
	return 0;
}

static void put_ns(struct timespec64 *ts, u64 ns)
{
	ts->seconds = (s64)(ns / NSEC_PER_SEC);
	ts->nanoseconds = (s64)(ns % NSEC_PER_SEC);
}

static bool get_ns(const struct timespec64 *ts, u64 *ns)
{
	*ns = deadline_ns(ts->seconds, ts->nanoseconds);
	return ts->seconds >= 0 && ts->nanoseconds >= 0 && ts->nanoseconds < (s64)NSEC_PER_SEC;
}

/* struct itimerspec: it_interval, it_value */
static void describe(const struct posix_timer *t, struct timespec64 spec[2])
{
	u64 now = now_of(t);
	put_ns(&spec[0], t->interval);
	/* 0 would say that it is not set. */
	put_ns(&spec[1], !armed(t) ? 0 : t->due > now ? t->due - now : 1);
}

SYSCALL_DEFINE2(timer_gettime, int, id, void __user *, out)
{
	struct timespec64 spec[2];
	const struct posix_timer *t = find(current->process, id);
	if (!t)
		return -EINVAL;
	describe(t, spec);
	return copy_to_user(out, spec, sizeof(spec)) ? -EFAULT : 0;
}

SYSCALL_DEFINE4(timer_settime, int, id, int, flags, const void __user *, in, void __user *, out)
{
	struct timespec64 spec[2], before[2];
	u64 interval, first;
	struct posix_timer *t = find(current->process, id);
	if (copy_from_user(spec, in, sizeof(spec)))
		return -EFAULT;
	if (!t || !get_ns(&spec[0], &interval) || !get_ns(&spec[1], &first))
		return -EINVAL;
	describe(t, before);
	disarm(t);
	t->interval = first ? interval : 0;
	t->last_overrun = 0;
	if (first) {
		bool real = t->clock == CLOCK_REALTIME || t->clock == CLOCK_TAI;
		if (!(flags & TIMER_ABSTIME))
			first = counts_cpu(t) ? now_of(t) + first : deadline_after(first);
		else if (real)
			first = realtime_to_monotonic(first);
		t->due = first;
		arm(t, first);
	}
	return out && copy_to_user(out, before, sizeof(before)) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(timer_getoverrun, int, id)
{
	const struct posix_timer *t = find(current->process, id);
	return t ? t->last_overrun : -EINVAL;
}

SYSCALL_DEFINE1(timer_delete, int, id)
{
	struct posix_timer *t = find(current->process, id);
	if (!t)
		return -EINVAL;
	free_timer(t);
	return 0;
}
