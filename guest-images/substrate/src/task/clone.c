/* SPDX-License-Identifier: Apache-2.0 */
/* fork(2), vfork(2), clone(2): a new task, in this process or in a copy of it. */
#include <linux/sched.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/pidfd.h>
#include <substrate/printk.h>
#include <substrate/process.h>
#include <substrate/scheduler.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>

#define SIGNAL_MAX 64
/* Memory that new processes leave to those that run. */
#define SPARE_PART 32

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
/* What there is no such thing as here. */
#define REFUSED (NAMESPACES | CLONE_NEWTIME | CLONE_INTO_CGROUP)
/* What clone3(2) knows; CLONE_DETACHED and CSIGNAL are not among it. */
#define KNOWN                                                                                                          \
	(REFUSED | CLONE_PIDFD | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE | CLONE_VFORK | CLONE_PARENT | CLONE_THREAD | \
	 CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_UNTRACED | CLONE_CHILD_SETTID |  \
	 CLONE_IO | CLONE_CLEAR_SIGHAND)

struct clone_request {
	u64 flags;
	u32 exit_signal;
	u64 stack; /* 0: where the caller's is */
	u64 parent_tid, child_tid, tls;
	u64 pidfd; /* where the descriptor goes (CLONE_PIDFD) */
};

/* ---- a task ---- */

static bool share_or_copy(struct task *task, u64 flags)
{
	const struct task *parent = current;
	task->mm = flags & CLONE_VM ? mm_get(parent->mm) : mm_fork(parent->mm);
	task->files = flags & CLONE_FILES ? fd_table_get(parent->files) : fd_table_copy(parent->files);
	task->fs = flags & CLONE_FS ? fs_context_get(parent->fs) : fs_context_copy(parent->fs);
	return task->mm && task->files && task->fs;
}

/* As the current task, about to return 0 from the same system call; not in any list. NULL when memory is exhausted. */
static struct task *task_copy(struct process *process, const struct pt_regs *regs, const struct clone_request *request)
{
	struct task *parent = current, *task = task_new(process);
	u64 flags = request->flags;
	if (!task)
		return NULL;
	if (!share_or_copy(task, flags)) {
		task_release(task);
		return NULL;
	}
	*task->regs = *regs;
	task->regs->rax = 0;
	if (request->stack)
		task->regs->rsp = request->stack;
	task->fs_base = flags & CLONE_SETTLS ? request->tls : __builtin_ia32_rdfsbase64();
	task->gs_base = __builtin_ia32_rdgsbase64();
	task->signals_blocked = parent->signals_blocked;
	task->trace = parent->trace;
	fpu_save(parent);
	memcpy(task->xsave, parent->xsave, task_xsave_size());
	/* sigaltstack(2): who shares memory without waiting for the other's end must not share the stack. */
	if (!(flags & CLONE_VM) || flags & CLONE_VFORK) {
		task->altstack_sp = parent->altstack_sp;
		task->altstack_size = parent->altstack_size;
		task->altstack_flags = parent->altstack_flags;
	}
	if (flags & CLONE_CHILD_SETTID)
		task->set_child_tid = request->child_tid;
	if (flags & CLONE_CHILD_CLEARTID)
		task->clear_child_tid = request->child_tid;
	return task;
}

static void start(struct task *task, const struct clone_request *request)
{
	/* The caller's mistake in the address is its own: Linux says nothing either. */
	if (request->flags & CLONE_PARENT_SETTID)
		copy_to_user((void *)request->parent_tid, &task->tid, sizeof(task->tid));
	list_push_back(&task->process->threads, &task->thread_link);
	task_wake(task);
	cpu0.work = 1;
}

static long thread_new(const struct pt_regs *regs, const struct clone_request *request)
{
	struct task *task = task_copy(current->process, regs, request);
	if (!task)
		return -ENOMEM;
	start(task, request);
	return task->tid;
}

/* ---- a process ---- */

static struct process *process_copy(const struct clone_request *request)
{
	const struct process *parent = current->process;
	struct process *process = process_new(signals_fork(parent->signals, request->flags & CLONE_SIGHAND));
	if (!process)
		return NULL;
	if (request->flags & CLONE_CLEAR_SIGHAND)
		signals_reset(process->signals);
	process->pgid = parent->pgid;
	process->sid = parent->sid;
	process->tree = parent->tree;
	process->parent = request->flags & CLONE_PARENT ? parent->parent : current->process;
	process->exit_signal = request->flags & CLONE_PARENT ? parent->exit_signal : request->exit_signal;
	process->cred = parent->cred;
	group_list_get(process->cred.groups);
	process->executable = parent->executable ? node_get(parent->executable) : NULL;
	memcpy(process->name, parent->name, sizeof(process->name));
	process->args_start = parent->args_start;
	process->args_end = parent->args_end;
	process->env_start = parent->env_start;
	process->env_end = parent->env_end;
	process->brk_start = parent->brk_start;
	process->brk = parent->brk;
	process->no_new_privs = parent->no_new_privs;
	process->nice = parent->nice;
	memcpy(process->rlimit, parent->rlimit, sizeof(process->rlimit));
	return process;
}

/* Only what ends this process ends the wait: the child uses its memory. */
static void wait_for_vfork(struct vfork *vfork, struct process *child)
{
	while (!vfork->done && !signal_pending_fatal())
		wait_uninterrupted();
	/* As long as it is not done, the child is there. */
	if (!vfork->done)
		child->vfork = NULL;
}

/* What the child's descriptor is goes where the caller wants it. */
static long give_pidfd(struct process *process, const struct clone_request *request)
{
	int fd = pidfd_new(process, 0);
	if (fd < 0)
		return fd;
	if (!copy_to_user((void *)request->pidfd, &fd, sizeof(fd)))
		return 0;
	struct file *file = fd_get(current->files, fd);
	if (file) {
		fd_remove(current->files, fd, file);
		file_put(file);
	}
	return -EFAULT;
}

static long process_fork(const struct pt_regs *regs, const struct clone_request *request)
{
	struct process *process = process_copy(request);
	struct task *task = process ? task_copy(process, regs, request) : NULL;
	if (!task) {
		if (process)
			process_free(process);
		return -ENOMEM;
	}
	u32 pid = process->pid = task->tid;
	long error = request->flags & CLONE_PIDFD ? give_pidfd(process, request) : 0;
	if (error) {
		task_release(task);
		process_free(process);
		return error;
	}
	struct vfork vfork = { .waiter = current };
	if (request->flags & CLONE_VFORK)
		process->vfork = &vfork;
	process_list_add(process);
	start(task, request);
	if (request->flags & CLONE_VFORK)
		wait_for_vfork(&vfork, process);
	return pid;
}

/* ---- system calls ---- */

static long check(const struct clone_request *request, u32 nr)
{
	u64 flags = request->flags;
	if ((flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) || (flags & CLONE_SIGHAND && !(flags & CLONE_VM)) ||
	    (flags & CLONE_SIGHAND && flags & CLONE_CLEAR_SIGHAND) || (flags & CLONE_PIDFD && flags & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	if (flags & REFUSED) {
		/* Linux built without them says EINVAL; the host hears which call it was. */
		agent_process_unsupported(current->process, nr);
		return -EINVAL;
	}
	return 0;
}

static long clone(const struct pt_regs *regs, const struct clone_request *request, u32 nr)
{
	long error = check(request, nr);
	if (error)
		return error;
	if (!task_allowed())
		return -EAGAIN;
	if (request->flags & CLONE_THREAD)
		return thread_new(regs, request);
	return frames_available() > frames_total() / SPARE_PART ? process_fork(regs, request) : -ENOMEM;
}

long sys_clone(struct pt_regs *regs);
long sys_clone(struct pt_regs *regs)
{
	struct clone_request request = {
		.flags = regs->rdi & 0xffffffff & ~(u64)(CSIGNAL | CLONE_DETACHED),
		.exit_signal = regs->rdi & CSIGNAL,
		.stack = regs->rsi,
		.parent_tid = regs->rdx,
		.child_tid = regs->r10,
		.tls = regs->r8,
		.pidfd = regs->rdx,
	};
	/* There is one word for both. */
	if (request.flags & CLONE_PIDFD && request.flags & CLONE_PARENT_SETTID)
		return -EINVAL;
	return clone(regs, &request, __NR_clone);
}

/* Bytes of a structure larger than the one known here must be zero: what they would ask for is not known. */
static long read_arguments(u64 address, u64 size, struct clone_args *args)
{
	memset(args, 0, sizeof(*args));
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	for (u64 at = sizeof(*args); at < size; at++) {
		u8 byte;
		if (copy_from_user(&byte, (void *)(address + at), 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return copy_from_user(args, (void *)address, MIN(size, sizeof(*args))) ? -EFAULT : 0;
}

long sys_clone3(struct pt_regs *regs);
long sys_clone3(struct pt_regs *regs)
{
	struct clone_args args;
	long error = read_arguments(regs->rdi, regs->rsi, &args);
	if (error)
		return error;
	if (args.flags & ~(u64)KNOWN || args.exit_signal > SIGNAL_MAX || !args.stack != !args.stack_size ||
	    (args.flags & (CLONE_THREAD | CLONE_PARENT) && args.exit_signal))
		return -EINVAL;
	if (args.set_tid_size)
		return -EPERM;
	struct clone_request request = {
		.flags = args.flags,
		.exit_signal = (u32)args.exit_signal,
		.stack = args.stack + args.stack_size,
		.parent_tid = args.parent_tid,
		.child_tid = args.child_tid,
		.tls = args.tls,
		.pidfd = args.pidfd,
	};
	return clone(regs, &request, __NR_clone3);
}

long sys_fork(struct pt_regs *regs);
long sys_fork(struct pt_regs *regs)
{
	return clone(regs, &(struct clone_request){ .exit_signal = SIGCHLD }, __NR_fork);
}

long sys_vfork(struct pt_regs *regs);
long sys_vfork(struct pt_regs *regs)
{
	return clone(regs, &(struct clone_request){ .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD }, __NR_vfork);
}

SYSCALL_DEFINE1(set_tid_address, u64, address)
{
	current->clear_child_tid = address;
	return current->tid;
}
