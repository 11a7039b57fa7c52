/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <substrate/process.h>
#include <substrate/scheduler.h>
#include <substrate/signal.h>
#include <substrate/stop.h>
#include <substrate/trace.h>

static void wake_threads(struct process *process)
{
	struct task *task;
	list_for_each(task, &process->threads, thread_link)
		task_wake(task);
}

static void tell_parent(struct process *process, int code, int status)
{
	struct process *parent = process->parent;
	if (!parent)
		return;
	signal_child_stopped(parent, process, code, status);
	wake_up(&parent->child_events);
}

/* No member has a parent in another group of the session that could continue it; `leaving` does not count any more. */
static bool orphaned(u32 pgid, u32 sid, const struct process *leaving)
{
	const struct process *member;
	for_each_process(member) {
		const struct process *parent = member->parent;
		if (member->pgid == pgid && !member->zombie && member != leaving && parent && parent != leaving &&
		    parent->pgid != pgid && parent->sid == sid)
			return false;
	}
	return true;
}

void process_park(void)
{
	const struct task *task = current;
	while (task->process->stop_signal && !signal_ends(task))
		wait_uninterrupted();
}

void process_stop(int signo)
{
	struct process *process = current->process;
	if (signo != SIGSTOP && orphaned(process->pgid, process->sid, NULL))
		return;
	process->stop_signal = (u32)signo;
	process->stop_news = STOP_NEW;
	/* Who waits in a system call stops there, who computes on its way back. */
	wake_threads(process);
	tell_parent(process, CLD_STOPPED, signo);
	if (current->trace)
		trace_stop(signo);
	process_park();
}

void process_continue(struct process *process, bool tell)
{
	if (!process->stop_signal)
		return;
	process->stop_signal = 0;
	wake_threads(process);
	process->stop_news = tell ? CONTINUE_NEW : STOP_TOLD;
	if (tell)
		tell_parent(process, CLD_CONTINUED, SIGCONT);
}

bool group_orphaned(u32 pgid, u32 sid)
{
	return orphaned(pgid, sid, NULL);
}

static void release_group(u32 pgid, u32 sid, const struct process *leaving)
{
	struct process *member;
	bool stopped = false;
	for_each_process(member)
		stopped |= member->pgid == pgid && member->stop_signal;
	if (!stopped || !orphaned(pgid, sid, leaving))
		return;
	for_each_process(member) {
		if (member->pgid != pgid || member == leaving)
			continue;
		signal_send_kernel(member, SIGHUP);
		signal_send_kernel(member, SIGCONT);
	}
}

void process_leaves_group(struct process *process)
{
	const struct process *parent = process->parent;
	if (parent && parent->pgid != process->pgid && parent->sid == process->sid)
		release_group(process->pgid, process->sid, process);
}

void process_reparented(struct process *child, const struct process *before)
{
	if (child->pgid != before->pgid && child->sid == before->sid)
		release_group(child->pgid, child->sid, before);
}
