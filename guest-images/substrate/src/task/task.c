/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and processes: how the host starts them, how they end. */
#include <linux/resource.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/cputime.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/exec.h>
#include <substrate/fs.h>
#include <substrate/futex.h>
#include <substrate/mm.h>
#include <substrate/pidfd.h>
#include <substrate/posix_timer.h>
#include <substrate/printk.h>
#include <substrate/process.h>
#include <substrate/scheduler.h>
#include <substrate/signal.h>
#include <substrate/stop.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/trace.h>
#include <substrate/tty.h>
#include <substrate/time.h>

/* entry.S */
void task_start(void);

static struct list processes = LIST_INIT(processes); /* by pid */
static u32 last_pid = INIT_PID;
static u32 task_count; /* and zombies */
static u64 last_tree;
static u32 xsave_size;

#define PID_MAX 32768U

/* ---- finding ---- */

struct list *process_list(void)
{
	return &processes;
}

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

struct process *process_spawned(const struct process *process)
{
	struct process *candidate;
	list_for_each(candidate, &processes, link)
		if (candidate->agent && candidate->tree == process->tree)
			return candidate;
	return NULL;
}

u32 process_parent_pid(const struct process *process)
{
	return process->parent ? process->parent->pid : INIT_PID;
}

/* As a process, a thread, a group or a session. */
static bool number_in_use(u32 number)
{
	const struct process *process;
	const struct task *task;
	list_for_each(process, &processes, link) {
		if (process->pid == number || process->pgid == number || process->sid == number)
			return true;
		list_for_each(task, &process->threads, thread_link)
			if (task->tid == number)
				return true;
	}
	return false;
}

/* Numbers go up and start again after PID_MAX, skipping those in use (as Linux's pid allocator). */
static u32 next_pid(void)
{
	do {
		last_pid = last_pid + 1 < PID_MAX ? last_pid + 1 : INIT_PID + 1;
	} while (number_in_use(last_pid));
	return last_pid;
}

/* ---- how many ---- */

u32 task_limit(void)
{
	u64 most = frames_total() / (8 * KERNEL_STACK_SIZE / PAGE_SIZE);
	/* Each task needs a number, and may hold those of a group and a session. */
	return (u32)MIN(most, PID_MAX / 4);
}

static u32 tasks_of_user(u32 uid)
{
	const struct process *process;
	const struct task *task;
	u32 count = 0;
	list_for_each(process, &processes, link) {
		if (process->cred.uid != uid)
			continue;
		count += process->zombie;
		list_for_each(task, &process->threads, thread_link)
			count++;
	}
	return count;
}

bool task_allowed(void)
{
	const struct process *process = current->process;
	u64 limit = process->rlimit[RLIMIT_NPROC][0];
	if (task_count >= task_limit())
		return false;
	return process->cred.uid == 0 || limit == ~0UL || tasks_of_user(process->cred.uid) < limit;
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

struct task *task_new(struct process *process)
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
	pending_init(&task->pending);
	task_count++;
	return task;
}

void task_free(struct task *task)
{
	if (task->mm)
		mm_put(task->mm);
	pending_drop(&task->pending, ~0UL);
	kfree(task->xsave);
	frames_free(virt_to_phys(task), 2);
}

void task_release(struct task *task)
{
	if (task->files)
		fd_table_put(task->files);
	if (task->fs)
		fs_context_put(task->fs);
	task_free(task);
	task_count--;
}

/* ---- processes ---- */

/* What a zombie does not need. */
static void process_strip(struct process *process)
{
	itimers_disarm(process);
	posix_timers_free(process);
	if (process->executable)
		node_put(process->executable);
	process->executable = NULL;
	signals_free(process->signals);
	process->signals = NULL;
}

void process_free(struct process *process)
{
	list_remove(&process->link);
	list_remove(&process->sibling);
	pidfds_forget(process);
	process_strip(process);
	kfree(process);
}

void process_reap(struct process *zombie)
{
	task_count--;
	process_free(zombie);
}

static void limits_init(struct process *process)
{
	for (int i = 0; i < 16; i++)
		process->rlimit[i][0] = process->rlimit[i][1] = ~0UL;
	process->rlimit[RLIMIT_STACK][0] = 8UL << 20;
	process->rlimit[RLIMIT_CORE][0] = 0;
	process->rlimit[RLIMIT_NOFILE][0] = 1024;
	process->rlimit[RLIMIT_NOFILE][1] = 1UL << 20;
	process->rlimit[RLIMIT_NPROC][0] = process->rlimit[RLIMIT_NPROC][1] = task_limit() / 2;
	process->rlimit[RLIMIT_SIGPENDING][0] = process->rlimit[RLIMIT_SIGPENDING][1] = task_limit() / 2;
	process->rlimit[RLIMIT_NICE][0] = process->rlimit[RLIMIT_NICE][1] = 0;
	process->rlimit[RLIMIT_RTPRIO][0] = process->rlimit[RLIMIT_RTPRIO][1] = 0;
}

struct process *process_new(struct sigaction_table *signals)
{
	struct process *process = signals ? kzalloc(sizeof(*process)) : NULL;
	if (!process) {
		signals_free(signals);
		return NULL;
	}
	process->signals = signals;
	list_init(&process->threads);
	itimers_init(process);
	list_init(&process->cpu_timers);
	list_init(&process->posix_timers);
	list_init(&process->pidfds);
	list_init(&process->link);
	list_init(&process->children);
	list_init(&process->sibling);
	wait_queue_init(&process->child_events);
	process->exit_signal = SIGCHLD;
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

void process_list_add(struct process *process)
{
	struct process *after;
	list_for_each(after, &processes, link)
		if (after->pid > process->pid)
			break;
	list_push_back(&after->link, &process->link);
	if (process->parent)
		list_push_back(&process->parent->children, &process->sibling);
}

struct process *process_spawn(struct spawn_request *request, char *reason, size_t reason_size)
{
	struct spawn_call call = { .request = request, .spawner = current, .reason = reason, .reason_size = reason_size };
	struct process *process = process_new(signals_new());
	struct task *task = process ? spawn_task(process, &call) : NULL;
	if (!task) {
		if (process)
			process_free(process);
		snprintf(reason, reason_size, "out of memory");
		return ERR_PTR(-ENOMEM);
	}
	process->pid = process->pgid = process->sid = task->tid;
	process->tree = ++last_tree;
	process->executed = true;
	limits_init(process);
	set_identity(&process->cred, request->uid, request->gid);
	list_push_back(&process->threads, &task->thread_link);
	process_list_add(process);
	switch_context(task);
	if (call.error) {
		task_release(task);
		process_free(process);
		mm_switch(current->mm);
		return ERR_PTR(call.error);
	}
	for (int fd = 0; fd < 3; fd++)
		if (request->stdio[fd])
			file_put(request->stdio[fd]);
	process->agent = request->agent;
	task_wake(task);
	cpu0.work = 1;
	return process;
}

static long install_stdio(const struct spawn_request *request)
{
	struct file *terminal = request->terminal ? tty_open_slave(request->terminal) : NULL;
	if (IS_ERR(terminal))
		return PTR_ERR(terminal);
	long error = 0;
	for (int fd = 0; fd < 3 && !error; fd++) {
		struct file *file = file_get(terminal ? terminal : request->stdio[fd]);
		if (fd_install(current->files, file, fd, false) != fd) {
			file_put(file);
			error = -ENOMEM;
		}
	}
	if (terminal)
		file_put(terminal);
	return error;
}

static long spawn(const struct spawn_call *call)
{
	const struct spawn_request *request = call->request;
	long error = install_stdio(request);
	if (error) {
		snprintf(call->reason, call->reason_size, error == -ENOMEM ? "out of memory" : "its terminal cannot be opened");
		return error;
	}
	error = fs_context_chdir(current->fs, request->workdir);
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
	if (task->set_child_tid)
		copy_to_user((void *)task->set_child_tid, &task->tid, sizeof(task->tid));
	if (!call)
		return;
	task->spawn = NULL;
	call->error = spawn(call);
	switch_context(call->spawner);
	mm_switch(task->mm);
}

/* ---- ends ---- */

void vfork_done(struct process *child)
{
	struct vfork *vfork = child->vfork;
	if (!vfork)
		return;
	child->vfork = NULL;
	vfork->done = true;
	task_wake(vfork->waiter);
}

/* Who inherits the children: the nearest ancestor that asked for it (prctl(PR_SET_CHILD_SUBREAPER)), or init. */
static struct process *reaper_of(const struct process *process)
{
	for (struct process *ancestor = process->parent; ancestor; ancestor = ancestor->parent)
		if (ancestor->subreaper && !ancestor->exiting)
			return ancestor;
	return NULL;
}

/* Tells the parent, if there is one that wants to know; a process that nobody will wait for is gone. */
static void tell_parent(struct process *process)
{
	struct process *parent = process->parent;
	if (!parent) {
		process_reap(process);
		return;
	}
	bool forgotten = process->exit_signal == SIGCHLD && signals_ignore_children(parent);
	signal_child_ended(parent, process);
	if (forgotten)
		process_reap(process);
	/* Who waits learns of an end, or that there is nothing left to wait for. */
	wake_up(&parent->child_events);
}

static void leave_children(struct process *process)
{
	struct process *reaper = reaper_of(process), *child, *next;
	process_leaves_group(process);
	list_for_each_safe(child, next, &process->children, sibling) {
		signal_parent_ended(child);
		list_remove(&child->sibling);
		child->parent = reaper;
		child->exit_signal = SIGCHLD;
		if (reaper)
			list_push_back(&reaper->children, &child->sibling);
		process_reparented(child, process);
		if (child->zombie)
			tell_parent(child);
	}
}

void process_ended(struct process *process)
{
	vfork_done(process);
	leave_children(process);
	tty_process_ended(process);
	if (process->agent)
		agent_process_ended(process);
	process_strip(process);
	process->zombie = true;
	pidfds_ended(process);
	tell_parent(process);
}

/* Ends the current task; with the last one, the process. Its memory goes once another address space is in use. */
noreturn static void task_exit(u32 code)
{
	struct task *task = current;
	struct process *process = task->process;
	if (task->trace)
		trace_end(process->exiting ? process->exit.signo : 0, process->exiting ? process->exit.code : code & 0xff);
	if (task->clear_child_tid && task->mm->refs > 1) {
		u32 zero = 0;
		if (copy_to_user((void *)task->clear_child_tid, &zero, sizeof(zero)) == 0)
			futex_wake_address(task->clear_child_tid, 1);
	}
	if (task->robust_list)
		futex_release_robust(task->robust_list, task->tid);
	process->max_resident = MAX(process->max_resident, mm_resident_bytes(task->mm));
	/* Files first: what they still hold back goes out before the host hears of the end. */
	fd_table_put(task->files);
	fs_context_put(task->fs);
	task->files = NULL;
	task->fs = NULL;
	posix_timers_forget(task);
	list_remove(&task->thread_link);
	/* Who is told of the end is told all of it. */
	cputime_charge_system();
	if (list_empty(&process->threads)) {
		process_ended(process);
	} else {
		task_count--;
		if (process->last_thread && !process_has_other_threads(process))
			task_wake(process->last_thread);
	}
	task->process = NULL;
	task->state = TASK_DEAD;
	schedule();
	panic("a dead task runs");
}

noreturn void process_end(const struct exit_report *report)
{
	struct process *process = current->process;
	if (!process->exiting) {
		process->exiting = true;
		process->stop_signal = 0;
		process->exit = *report;
		struct task *task;
		list_for_each(task, &process->threads, thread_link)
			task_wake(task);
	}
	task_exit(process->exit.code);
}

noreturn void process_exit(u32 code)
{
	process_end(&(struct exit_report){ .code = code & 0xff });
}

noreturn void thread_exit(u32 code)
{
	if (!process_has_other_threads(current->process))
		process_exit(code);
	task_exit(code);
}

long threads_end_others(void)
{
	struct task *task = current, *other;
	struct process *process = task->process;
	if (!process_has_other_threads(process))
		return 0;
	if (process->last_thread || process->exiting)
		return -EINTR;
	process->last_thread = task;
	list_for_each(other, &process->threads, thread_link)
		task_wake(other);
	while (process_has_other_threads(process) && !process->exiting)
		wait_uninterrupted();
	process->last_thread = NULL;
	if (process->exiting)
		return -EINTR;
	task->tid = process->pid;
	return 0;
}

SYSCALL_DEFINE1(exit, int, code)
{
	thread_exit((u32)code);
}

SYSCALL_DEFINE1(exit_group, int, code)
{
	process_exit((u32)code);
}
