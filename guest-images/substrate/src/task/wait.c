/* SPDX-License-Identifier: Apache-2.0 */
/* wait4(2) and waitid(2): how children ended, stopped and went on. */
#include <linux/resource.h>
#include <linux/wait.h>
#include <substrate/err.h>
#include <substrate/pidfd.h>
#include <substrate/process.h>
#include <substrate/sched.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>

#define KINDS (__WNOTHREAD | __WCLONE | __WALL)

struct wait_request {
	int which; /* P_ALL, P_PID, P_PGID */
	u32 id;
	int options;
};

static bool wanted(const struct wait_request *request, const struct process *child)
{
	bool clone = child->exit_signal != SIGCHLD;
	if (!(request->options & __WALL) && clone != !!(request->options & __WCLONE))
		return false;
	return request->which == P_ALL || (request->which == P_PID && child->pid == request->id) ||
	       (request->which == P_PGID && child->pgid == request->id);
}

static bool has_news(const struct wait_request *request, const struct process *child)
{
	if (child->zombie)
		return request->options & WEXITED;
	return (child->stop_news == STOP_NEW && request->options & WSTOPPED) ||
	       (child->stop_news == CONTINUE_NEW && request->options & WCONTINUED);
}

/* True when there is nothing to wait for any more: a child with news, or no child that could have some (`*any` is false then). */
static bool find_news(const struct wait_request *request, struct process **found, bool *any)
{
	struct process *child;
	*found = NULL;
	*any = false;
	list_for_each(child, &current->process->children, sibling) {
		if (!wanted(request, child))
			continue;
		*any = true;
		if (has_news(request, child)) {
			*found = child;
			return true;
		}
	}
	return !*any;
}

static void put_ns(struct __kernel_old_timeval *tv, u64 ns)
{
	tv->tv_sec = (long)(ns / NSEC_PER_SEC);
	tv->tv_usec = (long)(ns % NSEC_PER_SEC / 1000);
}

/* Of the child and of those that it waited for. */
static void usage_of(const struct process *child, struct rusage *usage)
{
	memset(usage, 0, sizeof(*usage));
	put_ns(&usage->ru_utime, child->user_ns + child->reaped.user_ns);
	put_ns(&usage->ru_stime, child->system_ns + child->reaped.system_ns);
	usage->ru_maxrss = (long)(MAX(child->max_resident, child->reaped.max_resident) >> 10);
}

static void reap(struct process *child)
{
	struct process *parent = current->process;
	parent->reaped.user_ns += child->user_ns + child->reaped.user_ns;
	parent->reaped.system_ns += child->system_ns + child->reaped.system_ns;
	parent->reaped.max_resident = MAX(parent->reaped.max_resident, MAX(child->max_resident, child->reaped.max_resident));
	process_reap(child);
}

/* What a child told. */
struct wait_result {
	u32 pid; /* 0: none has news yet (WNOHANG) */
	int status;
	siginfo_t info;
	struct rusage usage;
};

static void tell_end(const struct wait_request *request, struct wait_result *result, struct process *child)
{
	result->status = child->exit.signo ? (int)child->exit.signo : (int)(child->exit.code & 0xff) << 8;
	child_info(&result->info, child);
	if (!(request->options & WNOWAIT))
		reap(child);
}

static void tell_stop(const struct wait_request *request, struct wait_result *result, struct process *child)
{
	bool stopped = child->stop_news == STOP_NEW;
	int signo = stopped ? (int)child->stop_signal : SIGCONT;
	result->status = stopped ? signo << 8 | 0x7f : 0xffff;
	child_state_info(&result->info, child, stopped ? CLD_STOPPED : CLD_CONTINUED, signo);
	if (!(request->options & WNOWAIT))
		child->stop_news = STOP_TOLD;
}

static long wait_for_child(const struct wait_request *request, struct wait_result *result)
{
	struct process *child;
	bool any;
	memset(result, 0, sizeof(*result));
	if (!find_news(request, &child, &any) && !(request->options & WNOHANG)) {
		long error = wait_event(&current->process->child_events, find_news(request, &child, &any));
		if (error)
			return error;
	}
	if (!child)
		return any ? 0 : -ECHILD;
	result->pid = child->pid;
	usage_of(child, &result->usage);
	if (child->zombie)
		tell_end(request, result, child);
	else
		tell_stop(request, result, child);
	return 0;
}

SYSCALL_DEFINE4(wait4, int, pid, int __user *, status, int, options, void __user *, usage)
{
	struct wait_result result;
	struct wait_request request = { .which = P_ALL, .options = options | WEXITED };
	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | KINDS))
		return -EINVAL;
	if (pid == -2147483647 - 1)
		return -ESRCH;
	if (pid != -1) {
		request.which = pid > 0 ? P_PID : P_PGID;
		request.id = pid > 0 ? (u32)pid : pid < 0 ? (u32)-pid : current->process->pgid;
	}
	long error = wait_for_child(&request, &result);
	if (error || !result.pid)
		return error;
	if ((status && copy_to_user(status, &result.status, sizeof(result.status))) ||
	    (usage && copy_to_user(usage, &result.usage, sizeof(result.usage))))
		return -EFAULT;
	return result.pid;
}

SYSCALL_DEFINE5(waitid, int, which, int, id, void __user *, info, int, options, void __user *, usage)
{
	struct wait_result result;
	struct wait_request request = { .which = which, .id = (u32)id, .options = options };
	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | KINDS) ||
	    !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	bool nonblocking = false;
	if (which == P_PIDFD) {
		const struct process *child = id >= 0 ? pidfd_process(id, &nonblocking) : ERR_PTR(-EINVAL);
		if (IS_ERR(child))
			return PTR_ERR(child) == -ESRCH ? -ECHILD : PTR_ERR(child);
		request.which = which = P_PID;
		request.id = child->pid;
		id = (int)child->pid;
		request.options |= nonblocking ? WNOHANG : 0;
	}
	if ((which != P_ALL && which != P_PID && which != P_PGID) || (which == P_PID && id <= 0) || (which == P_PGID && id < 0))
		return -EINVAL;
	/* Since Linux 5.4, 0 is the caller's group. */
	if (which == P_PGID && id == 0)
		request.id = current->process->pgid;
	long error = wait_for_child(&request, &result);
	if (error)
		return error;
	if (!result.pid && nonblocking && !(options & WNOHANG))
		return -EAGAIN;
	if ((info && copy_to_user(info, &result.info, sizeof(result.info))) ||
	    (usage && result.pid && copy_to_user(usage, &result.usage, sizeof(result.usage))))
		return -EFAULT;
	return 0;
}
