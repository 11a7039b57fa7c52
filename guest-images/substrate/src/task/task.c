/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and processes: how they come to be, how they end. */
#include <linux/futex.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/cputime.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/exec.h>
#include <substrate/fs.h>
#include <substrate/futex.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/scheduler.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>

/* entry.S */
void task_start(void);

static struct list processes = LIST_INIT(processes); /* by pid */
static u32 last_pid;
static u32 xsave_size;

/* ---- finding ---- */

struct process *process_find(u32 pid)
{
	struct process *process;
	list_for_each(process, &processes, link)
		if (process->pid == pid)
			return process;
	return NULL;
}

struct process *process_next(u32 pid)
{
	struct process *process;
	list_for_each(process, &processes, link)
		if (process->pid > pid)
			return process;
	return NULL;
}

struct task *task_find(u32 tid)
{
	struct process *process;
	struct task *task;
	list_for_each(process, &processes, link)
		list_for_each(task, &process->threads, thread_link)
			if (task->tid == tid)
				return task;
	return NULL;
}

/* Numbers go up and start again after PID_MAX, skipping those in use (as Linux's pid allocator). */
static u32 next_pid(void)
{
	const u32 pid_max = 32768;
	do {
		last_pid = last_pid + 1 < pid_max ? last_pid + 1 : 2;
	} while (task_find(last_pid) || process_find(last_pid));
	return last_pid;
}

/* ---- tasks ---- */

/* The vector registers as they are at the start of a program (x87 and MXCSR defaults; everything else zero). */
static void xsave_reset(u8 *area)
{
	const u16 x87_control = 0x37f;
	const u32 mxcsr = 0x1f80;
	memset(area, 0, xsave_size);
	memcpy(area, &x87_control, sizeof(x87_control));
	memcpy(area + 24, &mxcsr, sizeof(mxcsr));
}

u32 task_xsave_size(void)
{
	return xsave_size;
}

static void *xsave_new(void)
{
	if (!xsave_size)
		xsave_size = cpu_xsave_size();
	/* Blocks are aligned to their size, from 64 bytes on as XSAVE needs. */
	u8 *area = kmalloc(MAX(xsave_size, 2049U));
	if (area)
		xsave_reset(area);
	return area;
}

/* A task with an empty pt_regs on its stack, not in any list. */
static struct task *task_new(struct process *process)
{
	paddr_t stack = frames_alloc(2);
	if (!stack)
		return NULL;
	struct task *task = phys_to_virt(stack);
	memset(task, 0, sizeof(*task));
	task->xsave = xsave_new();
	if (!task->xsave) {
		frames_free(stack, 2);
		return NULL;
	}
	u64 top = (u64)task + KERNEL_STACK_SIZE;
	task->regs = (struct pt_regs *)(top - sizeof(struct pt_regs));
	memset(task->regs, 0, sizeof(struct pt_regs));
	/* What switch_stack pops: six registers and where to go. */
	u64 *frame = (u64 *)task->regs - 7;
	memset(frame, 0, 6 * sizeof(u64));
	frame[6] = (u64)task_start;
	task->kernel_rsp = (u64)frame;
	task->process = process;
	task->tid = next_pid();
	task->state = TASK_WAITING;
	list_init(&task->run_link);
	timer_init(&task->timer, task_wait_expired);
	list_init(&task->thread_link);
	return task;
}

void task_free(struct task *task)
{
	kfree(task->xsave);
	frames_free(virt_to_phys(task), 2);
}

/* ---- processes ---- */

static void process_free(struct process *process)
{
	timer_disarm(&process->itimer);
	if (process->executable)
		node_put(process->executable);
	signals_free(process->signals);
	kfree(process);
}

static void limits_init(struct process *process)
{
	for (int i = 0; i < 16; i++)
		process->rlimit[i][0] = process->rlimit[i][1] = ~0UL;
	process->rlimit[RLIMIT_STACK][0] = 8UL << 20;
	process->rlimit[RLIMIT_CORE][0] = 0;
	process->rlimit[RLIMIT_NOFILE][0] = 1024;
	process->rlimit[RLIMIT_NOFILE][1] = 1UL << 20;
	process->rlimit[RLIMIT_NICE][0] = process->rlimit[RLIMIT_NICE][1] = 0;
	process->rlimit[RLIMIT_RTPRIO][0] = process->rlimit[RLIMIT_RTPRIO][1] = 0;
}

static struct process *process_new(void)
{
	struct process *process = kzalloc(sizeof(*process));
	if (!process)
		return NULL;
	process->signals = signals_new();
	if (!process->signals) {
		kfree(process);
		return NULL;
	}
	list_init(&process->threads);
	timer_init(&process->itimer, itimer_expired);
	list_init(&process->link);
	limits_init(process);
	process->start_ns = monotonic_ns();
	return process;
}

static void set_identity(struct credentials *cred, u32 uid, u32 gid)
{
	*cred = (struct credentials){ uid, uid, uid, uid, gid, gid, gid, gid };
}

/* A spawn under way: the new task does it on its own stack and comes back to the spawner. */
struct spawn_call {
	const struct spawn_request *request;
	struct task *spawner;
	char *reason;
	size_t reason_size;
	long error;
};

static void task_release(struct task *task)
{
	if (task->files)
		fd_table_put(task->files);
	if (task->fs)
		fs_context_put(task->fs);
	if (task->mm)
		mm_put(task->mm);
	task_free(task);
}

static struct task *spawn_task(struct process *process, struct spawn_call *call)
{
	struct task *task = task_new(process);
	if (!task)
		return NULL;
	task->mm = mm_new();
	task->files = fd_table_new();
	task->fs = fs_context_new();
	task->trace = call->request->trace;
	task->spawn = call;
	if (task->mm && task->files && task->fs)
		return task;
	task_release(task);
	return NULL;
}

static void process_list_add(struct process *process)
{
	struct process *after;
	list_for_each(after, &processes, link)
		if (after->pid > process->pid)
			break;
	list_push_back(&after->link, &process->link);
}

struct process *process_spawn(struct spawn_request *request, char *reason, size_t reason_size)
{
	struct spawn_call call = { .request = request, .spawner = current, .reason = reason, .reason_size = reason_size };
	struct process *process = process_new();
	struct task *task = process ? spawn_task(process, &call) : NULL;
	if (!task) {
		if (process)
			process_free(process);
		snprintf(reason, reason_size, "out of memory");
		return ERR_PTR(-ENOMEM);
	}
	process->pid = task->tid;
	set_identity(&process->cred, request->uid, request->gid);
	list_push_back(&process->threads, &task->thread_link);
	process_list_add(process);
	switch_context(task);
	if (call.error) {
		list_remove(&process->link);
		task_release(task);
		process_free(process);
		mm_switch(current->mm);
		return ERR_PTR(call.error);
	}
	for (int fd = 0; fd < 3; fd++)
		file_put(request->stdio[fd]);
	process->agent = request->agent;
	task_wake(task);
	cpu0.work = 1;
	return process;
}

static long spawn(const struct spawn_call *call)
{
	const struct spawn_request *request = call->request;
	for (int fd = 0; fd < 3; fd++) {
		struct file *file = file_get(request->stdio[fd]);
		if (fd_install(current->files, file, fd, false) != fd) {
			file_put(file);
			snprintf(call->reason, call->reason_size, "out of memory");
			return -ENOMEM;
		}
	}
	long error = fs_context_chdir(current->fs, request->workdir);
	if (error) {
		snprintf(call->reason, call->reason_size, "no such working directory: %s", request->workdir);
		return error;
	}
	return exec_spawn(request, call->reason, call->reason_size);
}

void task_begin(void)
{
	struct task *task = current;
	struct spawn_call *call = task->spawn;
	mm_switch(task->mm);
	if (!call)
		return;
	task->spawn = NULL;
	call->error = spawn(call);
	switch_context(call->spawner);
	mm_switch(task->mm);
}

/* ---- ends ---- */

static void process_ended(struct process *process, struct task *last)
{
	cputime_charge_system();
	process->max_resident = MAX(process->max_resident, mm_resident_bytes(last->mm));
	/* Files first: what they still hold back goes out before the host hears of the end. */
	fd_table_put(last->files);
	fs_context_put(last->fs);
	last->files = NULL;
	last->fs = NULL;
	if (process->agent)
		agent_process_ended(process);
	list_remove(&process->link);
	struct mm *mm = last->mm;
	last->mm = NULL;
	mm_put(mm);
	process_free(process);
}

/* Ends the current task; with the last one, the process. */
noreturn static void task_exit(void)
{
	struct task *task = current;
	struct process *process = task->process;
	if (task->clear_child_tid && process->threads.next->next != &process->threads) {
		u32 zero = 0;
		if (copy_to_user((void *)task->clear_child_tid, &zero, sizeof(zero)) == 0)
			futex_wake_address(task->clear_child_tid, 1);
	}
	if (task->robust_list)
		futex_release_robust(task->robust_list, task->tid);
	list_remove(&task->thread_link);
	if (list_empty(&process->threads)) {
		process_ended(process, task);
	} else {
		struct mm *mm = task->mm;
		fd_table_put(task->files);
		fs_context_put(task->fs);
		/* The others still use it, so that it stays active until somebody else runs. */
		task->mm = NULL;
		mm_put(mm);
	}
	task->state = TASK_DEAD;
	schedule();
	panic("a dead task runs");
}

noreturn void process_end(const struct exit_report *report)
{
	struct process *process = current->process;
	if (!process->exiting) {
		process->exiting = true;
		process->exit = *report;
		struct task *task;
		list_for_each(task, &process->threads, thread_link)
			task_wake(task);
	}
	task_exit();
}

noreturn void process_exit(u32 code)
{
	process_end(&(struct exit_report){ .code = code & 0xff });
}

noreturn void thread_exit(u32 code)
{
	struct process *process = current->process;
	if (process->threads.next->next == &process->threads)
		process_exit(code);
	task_exit();
}

/* ---- threads ---- */

static long thread_new(struct pt_regs *regs, u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls)
{
	struct task *parent = current;
	struct task *task = task_new(parent->process);
	if (!task)
		return -ENOMEM;
	*task->regs = *regs;
	task->regs->rax = 0;
	if (stack)
		task->regs->rsp = stack;
	task->mm = mm_get(parent->mm);
	task->files = fd_table_get(parent->files);
	task->fs = fs_context_get(parent->fs);
	task->fs_base = flags & CLONE_SETTLS ? tls : __builtin_ia32_rdfsbase64();
	task->gs_base = __builtin_ia32_rdgsbase64();
	task->signals_blocked = parent->signals_blocked;
	task->trace = parent->trace;
	fpu_save(parent);
	memcpy(task->xsave, parent->xsave, xsave_size);
	if (flags & CLONE_CHILD_CLEARTID)
		task->clear_child_tid = child_tid;
	if ((flags & CLONE_PARENT_SETTID && copy_to_user((void *)parent_tid, &task->tid, sizeof(task->tid))) ||
	    (flags & CLONE_CHILD_SETTID && copy_to_user((void *)child_tid, &task->tid, sizeof(task->tid)))) {
		fd_table_put(task->files);
		fs_context_put(task->fs);
		mm_put(task->mm);
		task_free(task);
		return -EFAULT;
	}
	list_push_back(&parent->process->threads, &task->thread_link);
	task_wake(task);
	cpu0.work = 1;
	return task->tid;
}

static bool makes_thread(u64 flags)
{
	const u64 needed = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	return (flags & needed) == needed;
}

/* A new process needs a copy of this one, which this kernel cannot make yet: told to the host by name. */
static long refuse_process(u32 nr)
{
	if (current->process->agent)
		agent_process_unsupported(current->process, nr);
	return -ENOSYS;
}

long sys_clone(struct pt_regs *regs);
long sys_clone(struct pt_regs *regs)
{
	u64 flags = regs->rdi;
	if (!makes_thread(flags))
		return refuse_process(__NR_clone);
	return thread_new(regs, flags, regs->rsi, regs->rdx, regs->r10, regs->r8);
}

long sys_clone3(struct pt_regs *regs);
long sys_clone3(struct pt_regs *regs)
{
	struct clone_args args = { 0 };
	if (regs->rsi < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (copy_from_user(&args, (void *)regs->rdi, MIN(regs->rsi, sizeof(args))))
		return -EFAULT;
	if (!makes_thread(args.flags))
		return refuse_process(__NR_clone3);
	if (args.set_tid_size)
		return -EPERM;
	return thread_new(regs, args.flags, args.stack ? args.stack + args.stack_size : 0, args.parent_tid, args.child_tid,
	                  args.tls);
}

SYSCALL_DEFINE0(fork)
{
	return refuse_process(__NR_fork);
}

SYSCALL_DEFINE0(vfork)
{
	return refuse_process(__NR_vfork);
}

/* Nobody can have children while a process cannot be copied. */
SYSCALL_DEFINE4(wait4, int, pid, int __user *, status, int, options, void __user *, usage)
{
	(void)pid, (void)status, (void)options, (void)usage;
	return -ECHILD;
}

SYSCALL_DEFINE5(waitid, int, which, int, pid, void __user *, info, int, options, void __user *, usage)
{
	(void)which, (void)pid, (void)info, (void)options, (void)usage;
	return -ECHILD;
}

SYSCALL_DEFINE1(set_tid_address, u64, address)
{
	current->clear_child_tid = address;
	return current->tid;
}

SYSCALL_DEFINE2(set_robust_list, u64, head, size_t, size)
{
	if (size != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL_DEFINE3(get_robust_list, int, tid, u64 __user *, head, size_t __user *, size)
{
	const size_t length = sizeof(struct robust_list_head);
	struct task *task = tid ? task_find((u32)tid) : current;
	if (!task)
		return -ESRCH;
	return copy_to_user(head, &task->robust_list, sizeof(u64)) || copy_to_user(size, &length, sizeof(length)) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(exit, int, code)
{
	thread_exit((u32)code);
}

SYSCALL_DEFINE1(exit_group, int, code)
{
	process_exit((u32)code);
}
