/* SPDX-License-Identifier: Apache-2.0 */
/* Process groups and sessions (credentials(7)). Terminals belong to sessions: tty/. */
#include <substrate/err.h>
#include <substrate/process.h>
#include <substrate/syscall.h>

static struct process *process_of(int pid)
{
	return pid ? process_find((u32)pid) : current->process;
}

static bool group_exists(u32 pgid, u32 sid)
{
	const struct process *process;
	for_each_process(process)
		if (process->pgid == pgid && process->sid == sid)
			return true;
	return false;
}

SYSCALL_DEFINE0(getpgrp)
{
	return current->process->pgid;
}

SYSCALL_DEFINE1(getpgid, int, pid)
{
	const struct process *process = process_of(pid);
	return process ? (long)process->pgid : -ESRCH;
}

SYSCALL_DEFINE1(getsid, int, pid)
{
	const struct process *process = process_of(pid);
	return process ? (long)process->sid : -ESRCH;
}

SYSCALL_DEFINE2(setpgid, int, pid, int, pgid)
{
	struct process *self = current->process, *process = process_of(pid);
	if (pgid < 0)
		return -EINVAL;
	if (!process || (process != self && process->parent != self))
		return -ESRCH;
	if (process != self && process->sid != self->sid)
		return -EPERM;
	if (process != self && process->executed)
		return -EACCES;
	if (process->sid == process->pid)
		return -EPERM;
	u32 group = pgid ? (u32)pgid : process->pid;
	if (group != process->pid && !group_exists(group, self->sid))
		return -EPERM;
	process->pgid = group;
	return 0;
}

SYSCALL_DEFINE0(setsid)
{
	struct process *self = current->process;
	const struct process *process;
	for_each_process(process)
		if (process->pgid == self->pid)
			return -EPERM;
	self->sid = self->pgid = self->pid;
	return self->sid;
}
