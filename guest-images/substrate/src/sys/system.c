/* SPDX-License-Identifier: Apache-2.0 */
/* The machine and the process's settings. */
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>
#include <substrate/area.h>
#include <substrate/cputime.h>
#include <substrate/err.h>
#include <substrate/process.h>
#include <substrate/random.h>
#include <substrate/scheduler.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>
#include <substrate/version.h>

#define GRND_ALL 7 /* GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE */

SYSCALL_DEFINE1(uname, void __user *, out)
{
	struct new_utsname name;
	memset(&name, 0, sizeof(name));
	memcpy(name.sysname, "Linux", 6);
	memcpy(name.nodename, SUBSTRATE_HOSTNAME, sizeof(SUBSTRATE_HOSTNAME));
	memcpy(name.release, SUBSTRATE_RELEASE, sizeof(SUBSTRATE_RELEASE));
	memcpy(name.version, SUBSTRATE_VERSION, sizeof(SUBSTRATE_VERSION));
	memcpy(name.machine, "x86_64", 7);
	memcpy(name.domainname, "(none)", 7);
	return copy_to_user(out, &name, sizeof(name)) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(sysinfo, struct sysinfo __user *, out)
{
	struct sysinfo info;
	memset(&info, 0, sizeof(info));
	info.uptime = (long)(monotonic_ns() / NSEC_PER_SEC);
	info.totalram = frames_total() << PAGE_SHIFT;
	info.freeram = frames_available() << PAGE_SHIFT;
	info.mem_unit = 1;
	for (struct process *p = process_next(0); p; p = process_next(p->pid))
		info.procs++;
	return copy_to_user(out, &info, sizeof(info)) ? -EFAULT : 0;
}

SYSCALL_DEFINE3(getrandom, void __user *, buf, size_t, length, u32, flags)
{
	u8 bytes[256];
	size_t done = 0;
	if (flags & ~GRND_ALL)
		return -EINVAL;
	length = MIN(length, 1UL << 25); /* getrandom(2): a request is cut at 32 MiB - 1 */
	while (done < length) {
		size_t n = MIN(length - done, sizeof(bytes));
		random_bytes(bytes, n);
		size_t left = copy_to_user((u8 *)buf + done, bytes, n);
		done += n - left;
		if (left)
			return done ? (long)done : -EFAULT;
		if (signal_pending())
			break;
	}
	return (long)done;
}

SYSCALL_DEFINE2(arch_prctl, int, code, u64, address)
{
	u64 value;
	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (address >= TASK_SIZE)
			return -EPERM;
		code == ARCH_SET_FS ? __builtin_ia32_wrfsbase64(address) : __builtin_ia32_wrgsbase64(address);
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		value = code == ARCH_GET_FS ? __builtin_ia32_rdfsbase64() : __builtin_ia32_rdgsbase64();
		return copy_to_user((void *)address, &value, sizeof(value)) ? -EFAULT : 0;
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE5(prctl, int, option, u64, a, u64, b, u64, c, u64, d)
{
	struct process *process = current->process;
	char name[sizeof(process->name)];
	(void)b, (void)c, (void)d;
	switch (option) {
	case PR_SET_NAME: {
		ssize_t n = strncpy_from_user(name, (const char *)a, sizeof(name));
		if (n == -EFAULT)
			return n;
		/* Longer names are cut, as prctl(2) says. */
		if (n == -ENAMETOOLONG && copy_from_user(name, (const char *)a, sizeof(name) - 1))
			return -EFAULT;
		name[sizeof(name) - 1] = 0;
		memset(process->name, 0, sizeof(process->name));
		memcpy(process->name, name, strlen(name));
		return 0;
	}
	case PR_GET_NAME:
		return copy_to_user((void *)a, process->name, sizeof(process->name)) ? -EFAULT : 0;
	case PR_SET_PDEATHSIG:
		if (a > 64)
			return -EINVAL;
		process->death_signal = (u32)a;
		return 0;
	case PR_GET_PDEATHSIG: {
		const int signo = (int)process->death_signal;
		return copy_to_user((void *)a, &signo, sizeof(signo)) ? -EFAULT : 0;
	}
	case PR_SET_CHILD_SUBREAPER:
		process->subreaper = a != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER: {
		const int subreaper = process->subreaper;
		return copy_to_user((void *)a, &subreaper, sizeof(subreaper)) ? -EFAULT : 0;
	}
	case PR_GET_DUMPABLE:
		return 1;
	case PR_CAPBSET_READ:
		return cap_valid(a) ? 1 : -EINVAL;
	case PR_GET_NO_NEW_PRIVS:
		return process->no_new_privs;
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1)
			return -EINVAL;
		process->no_new_privs = true;
		return 0;
	case PR_GET_TIMERSLACK:
		return 50000;
	default:
		return -EINVAL;
	}
}

static bool raises(const u64 new[2], const u64 old[2])
{
	return new[1] > old[1];
}

static long limit(struct process *process, u32 resource, const void __user *new, void __user *old)
{
	u64 value[2];
	if (resource >= ARRAY_SIZE(process->rlimit))
		return -EINVAL;
	u64 *current_limit = process->rlimit[resource];
	if (new && copy_from_user(value, new, sizeof(value)))
		return -EFAULT;
	if (new && value[0] > value[1])
		return -EINVAL;
	if (new && raises(value, current_limit) && current->process->cred.euid)
		return -EPERM;
	if (old && copy_to_user(old, current_limit, sizeof(value)))
		return -EFAULT;
	if (new)
		memcpy(current_limit, value, sizeof(value));
	return 0;
}

SYSCALL_DEFINE4(prlimit64, int, pid, u32, resource, const void __user *, new, void __user *, old)
{
	struct process *process = pid ? process_find((u32)pid) : current->process;
	return process ? limit(process, resource, new, old) : -ESRCH;
}

SYSCALL_DEFINE2(getrlimit, u32, resource, void __user *, old)
{
	return limit(current->process, resource, NULL, old);
}

SYSCALL_DEFINE2(setrlimit, u32, resource, const void __user *, new)
{
	return limit(current->process, resource, new, NULL);
}

static struct __kernel_old_timeval usage_time(u64 ns)
{
	return (struct __kernel_old_timeval){ (long)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC / 1000) };
}

SYSCALL_DEFINE2(getrusage, int, who, struct rusage __user *, out)
{
	struct rusage usage;
	memset(&usage, 0, sizeof(usage));
	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	if (who != RUSAGE_CHILDREN) {
		const struct task *task = current;
		cputime_charge_system();
		usage.ru_utime = usage_time(who == RUSAGE_THREAD ? task->user_ns : task->process->user_ns);
		usage.ru_stime = usage_time(who == RUSAGE_THREAD ? task->system_ns : task->process->system_ns);
		usage.ru_maxrss = (long)(MAX(current->process->max_resident, mm_resident_bytes(current->mm)) >> 10);
	} else {
		const struct process *process = current->process;
		usage.ru_utime = usage_time(process->reaped.user_ns);
		usage.ru_stime = usage_time(process->reaped.system_ns);
		usage.ru_maxrss = (long)(process->reaped.max_resident >> 10);
	}
	return copy_to_user(out, &usage, sizeof(usage)) ? -EFAULT : 0;
}

/* Nice values are kept and told (getpriority(2)); all tasks are of one class, so that they change nothing else. */
static bool is_meant(const struct process *process, int which, u32 who)
{
	const struct process *self = current->process;
	switch (which) {
	case PRIO_PROCESS: return who ? process == process_find(who) || (task_find(who) && task_find(who)->process == process) : process == self;
	case PRIO_PGRP: return process->pgid == (who ? who : self->pgid);
	default: return process->cred.uid == (who ? who : self->cred.uid);
	}
}

SYSCALL_DEFINE2(getpriority, int, which, int, who)
{
	long highest = -ESRCH;
	const struct process *process;
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	for_each_process(process)
		if (is_meant(process, which, (u32)who))
			highest = MAX(highest, 20L - process->nice);
	return highest;
}

SYSCALL_DEFINE3(setpriority, int, which, int, who, int, nice)
{
	const struct credentials *mine = &current->process->cred;
	long result = -ESRCH;
	struct process *process;
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	for_each_process(process) {
		if (!is_meant(process, which, (u32)who))
			continue;
		if (mine->euid && mine->euid != process->cred.uid && mine->euid != process->cred.euid) {
			result = -EPERM;
		} else if (mine->euid && nice < process->nice) {
			result = -EACCES;
		} else {
			process->nice = nice;
			result = result == -ESRCH ? 0 : result;
		}
	}
	return result;
}

SYSCALL_DEFINE0(sched_yield)
{
	yield();
	return 0;
}

SYSCALL_DEFINE3(sched_getaffinity, int, pid, size_t, size, u64 __user *, mask)
{
	const u64 first_cpu = 1;
	if (size < sizeof(first_cpu) || size & 7)
		return -EINVAL;
	if (pid && !task_find((u32)pid))
		return -ESRCH;
	return copy_to_user(mask, &first_cpu, sizeof(first_cpu)) ? -EFAULT : (long)sizeof(first_cpu);
}

SYSCALL_DEFINE3(sched_setaffinity, int, pid, size_t, size, const u64 __user *, user)
{
	u64 mask = 0;
	if (pid && !task_find((u32)pid))
		return -ESRCH;
	if (copy_from_user(&mask, user, MIN(size, sizeof(mask))))
		return -EFAULT;
	return mask & 1 ? 0 : -EINVAL;
}

SYSCALL_DEFINE1(sched_getscheduler, int, pid)
{
	return pid && !task_find((u32)pid) ? -ESRCH : 0; /* SCHED_OTHER */
}

SYSCALL_DEFINE2(sched_getparam, int, pid, void __user *, out)
{
	const int priority = 0;
	if (pid && !task_find((u32)pid))
		return -ESRCH;
	return copy_to_user(out, &priority, sizeof(priority)) ? -EFAULT : 0;
}

SYSCALL_DEFINE3(getcpu, u32 __user *, cpu, u32 __user *, node, void __user *, cache)
{
	const u32 zero = 0;
	(void)cache;
	return (cpu && copy_to_user(cpu, &zero, sizeof(zero))) || (node && copy_to_user(node, &zero, sizeof(zero))) ? -EFAULT : 0;
}

/* sched_get_priority_max(2): tasks of the real-time classes would have priorities from 1 to 99. */
static long highest_priority(int policy)
{
	switch (policy) {
	case SCHED_FIFO: case SCHED_RR: return 99;
	case SCHED_NORMAL: case SCHED_BATCH: case SCHED_IDLE: case SCHED_DEADLINE: return 0;
	default: return -EINVAL;
	}
}

SYSCALL_DEFINE1(sched_get_priority_max, int, policy)
{
	return highest_priority(policy);
}

SYSCALL_DEFINE1(sched_get_priority_min, int, policy)
{
	long highest = highest_priority(policy);
	return highest > 0 ? 1 : highest;
}

/* There is one class of tasks to be put in. */
SYSCALL_DEFINE3(sched_setscheduler, int, pid, int, policy, const int __user *, user_priority)
{
	int priority;
	if (copy_from_user(&priority, user_priority, sizeof(priority)))
		return -EFAULT;
	if (pid < 0 || highest_priority(policy & ~SCHED_RESET_ON_FORK) < 0 || (policy & ~SCHED_RESET_ON_FORK) == SCHED_DEADLINE)
		return -EINVAL;
	if (pid && !task_find((u32)pid))
		return -ESRCH;
	if (highest_priority(policy & ~SCHED_RESET_ON_FORK))
		return -EPERM;
	return priority ? -EINVAL : 0;
}

/* personality(2): Linux's own is the only one; 0xffffffff asks. */
SYSCALL_DEFINE1(personality, u32, persona)
{
	return persona == 0 || persona == 0xffffffff ? 0 : -EINVAL;
}
