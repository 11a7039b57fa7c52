/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: actions, masks, delivery on the program's stack (the frame of Linux's arch/x86 signal ABI, as <asm/ucontext.h>
 * and <asm/sigcontext.h> lay it down), and what happens when nobody handles one.
 */
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/ucontext.h>
#include <linux/resource.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/err.h>
#include <substrate/posix_timer.h>
#include <substrate/printk.h>
#include <substrate/process.h>
#include <substrate/scheduler.h>
#include <substrate/signal.h>
#include <substrate/stop.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/trace.h>
#include <substrate/trap.h>
#include <substrate/uaccess.h>

#define SIGNALS 64
#define BIT(signo) SIGNAL_BIT(signo)
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
/* signal(7): default actions "ignore" and "stop". */
#define IGNORED_BY_DEFAULT (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT))
#define STOPS (BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))
#define RFLAGS_USER 0x40dd5 /* AC, OF, DF, TF, SF, ZF, AF, PF, CF: what a handler may change */
#define IGNORED_SHOWN_MAX 64
#define REDZONE 128
#define TICK_NS (NSEC_PER_SEC / 100) /* of clock_t: USER_HZ */

/* sigaltstack(2) */
#define SS_ONSTACK 1
#define SS_DISABLE 2

/* What to do with each; processes may share it (CLONE_SIGHAND). */
struct handlers {
	u32 refs;
	struct sigaction actions[SIGNALS];
};

struct sigaction_table {
	struct handlers *handlers;
	struct pending pending; /* for any thread */
	struct pending ignored; /* were sent to nobody, but for who traces the process */
};

struct wait_queue signal_arrivals = WAIT_QUEUE_INIT(signal_arrivals);

static const char *const names[] = {
	[SIGHUP] = "SIGHUP", [SIGINT] = "SIGINT", [SIGQUIT] = "SIGQUIT", [SIGILL] = "SIGILL", [SIGTRAP] = "SIGTRAP",
	[SIGABRT] = "SIGABRT", [SIGBUS] = "SIGBUS", [SIGFPE] = "SIGFPE", [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2", [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ", [SIGVTALRM] = "SIGVTALRM",
	[SIGPROF] = "SIGPROF", [SIGIO] = "SIGIO", [SIGPWR] = "SIGPWR", [SIGSYS] = "SIGSYS",
};

static const char *name_of(int signo)
{
	return signo < (int)ARRAY_SIZE(names) && names[signo] ? names[signo] : "signal";
}

static struct handlers *handlers_new(const struct handlers *like)
{
	struct handlers *handlers = kzalloc(sizeof(*handlers));
	if (handlers && like)
		memcpy(handlers->actions, like->actions, sizeof(handlers->actions));
	if (handlers)
		handlers->refs = 1;
	return handlers;
}

static void handlers_put(struct handlers *handlers)
{
	if (handlers && --handlers->refs == 0)
		kfree(handlers);
}

static struct sigaction_table *table_new(struct handlers *handlers)
{
	struct sigaction_table *table = handlers ? kzalloc(sizeof(*table)) : NULL;
	if (!table) {
		handlers_put(handlers);
		return NULL;
	}
	table->handlers = handlers;
	pending_init(&table->pending);
	pending_init(&table->ignored);
	return table;
}

struct sigaction_table *signals_new(void)
{
	return table_new(handlers_new(NULL));
}

struct sigaction_table *signals_fork(const struct sigaction_table *table, bool share)
{
	if (!share)
		return table_new(handlers_new(table->handlers));
	table->handlers->refs++;
	return table_new(table->handlers);
}

void signals_free(struct sigaction_table *table)
{
	if (!table)
		return;
	handlers_put(table->handlers);
	pending_drop(&table->pending, ~0UL);
	pending_drop(&table->ignored, ~0UL);
	kfree(table);
}

void signals_reset(struct sigaction_table *table)
{
	struct sigaction *actions = table->handlers->actions;
	for (int i = 0; i < SIGNALS; i++) {
		bool ignored = actions[i].sa_handler == SIG_IGN;
		actions[i] = (struct sigaction){ .sa_handler = ignored ? SIG_IGN : SIG_DFL };
	}
}

long signals_exec(struct process *process)
{
	struct sigaction_table *table = process->signals;
	if (table->handlers->refs > 1) {
		struct handlers *own = handlers_new(table->handlers);
		if (!own)
			return -ENOMEM;
		handlers_put(table->handlers);
		table->handlers = own;
	}
	signals_reset(table);
	return 0;
}

static struct sigaction *action_of(const struct process *process, int signo)
{
	return &process->signals->handlers->actions[signo - 1];
}

static int take_pending(struct task *task, u64 set, siginfo_t *info);

static void stop_by(int signo, const siginfo_t *info)
{
	if (current->trace)
		trace_signal(info);
	process_stop(signo);
}

/* ---- sending ---- */

static u64 deliverable(const struct task *task)
{
	return (task->pending.set | task->process->signals->pending.set) & ~(task->signals_blocked & ~UNBLOCKABLE);
}

/* The signals that can only stop the process, and the state of being stopped: no reason to leave a system call. */
static u64 only_stopping(const struct process *process)
{
	u64 set = 0;
	for (u64 left = STOPS; left; left &= left - 1) {
		int signo = __builtin_ctzl(left) + 1;
		if (action_of(process, signo)->sa_handler == SIG_DFL)
			set |= BIT(signo);
	}
	return set;
}

bool signal_ends(const struct task *task)
{
	const struct process *process = task->process;
	return process->exiting || (process->last_thread && process->last_thread != task) || deliverable(task) & BIT(SIGKILL);
}

bool signals_stop(void)
{
	struct task *task = current;
	struct process *process = task->process;
	bool stopped = false;
	siginfo_t info;
	while (process && !signal_ends(task)) {
		u64 pending = deliverable(task);
		/* What comes first, by its number, decides: what ends the process may. */
		u64 first = pending & -pending;
		if (process->stop_signal)
			process_park();
		else if (first & only_stopping(process))
			stop_by(take_pending(task, first, &info), &info);
		else
			break;
		stopped = true;
	}
	return stopped;
}

bool signal_pending(void)
{
	const struct task *task = current;
	const struct process *process = task->process;
	return process && (process->exiting || (process->last_thread && process->last_thread != task) || deliverable(task));
}

static bool ends_process(const struct process *process, int signo)
{
	return action_of(process, signo)->sa_handler == SIG_DFL && !((IGNORED_BY_DEFAULT | STOPS) & BIT(signo));
}

bool signal_pending_fatal(void)
{
	const struct task *task = current;
	const struct process *process = task->process;
	if (process->exiting || (process->last_thread && process->last_thread != task))
		return true;
	for (u64 left = deliverable(task); left; left &= left - 1)
		if (ends_process(process, __builtin_ctzl(left) + 1))
			return true;
	return false;
}

bool signal_ignored(const struct process *process, int signo)
{
	__sighandler_t handler = action_of(process, signo)->sa_handler;
	return handler == SIG_IGN || (handler == SIG_DFL && IGNORED_BY_DEFAULT & BIT(signo));
}

static void notify(struct task *task)
{
	/* The current task may be a waiting one, on whose stack the processor idles. */
	task_wake(task);
	if (task == current)
		cpu0.work = 1;
}

static void fill_info(siginfo_t *info, int signo, int code)
{
	const struct task *sender = current;
	memset(info, 0, sizeof(*info));
	info->si_signo = signo;
	info->si_code = code;
	info->si_pid = sender->process ? (int)sender->process->pid : 0;
	info->si_uid = sender->process ? sender->process->cred.uid : 0;
}

/*
 * What a signal does merely by being sent (signal(7), "Stop and continue"): the two kinds undo each other, and SIGCONT continues
 * the process even where it is blocked or ignored.
 */
static void before_sending(struct process *process, int signo)
{
	struct task *task;
	u64 undone = signo == SIGCONT ? STOPS : STOPS & BIT(signo) ? BIT(SIGCONT) : 0;
	if (undone) {
		pending_drop(&process->signals->pending, undone);
		list_for_each(task, &process->threads, thread_link)
			pending_drop(&task->pending, undone);
	}
	if (signo == SIGCONT || signo == SIGKILL)
		process_continue(process, signo == SIGCONT);
}

/* `task` NULL: to the process as a whole. */
static long send(struct process *process, struct task *task, int signo, const siginfo_t *info)
{
	if (signo < 0 || signo > SIGNALS)
		return -EINVAL;
	if (signo == 0 || process->zombie)
		return 0;
	before_sending(process, signo);
	struct task *receiver = task, *candidate;
	/* Blocked signals are kept even if they would be ignored: signalfd and sigwaitinfo(2) take them. */
	bool traced = false, waited_for = false, blocked = task && task->signals_blocked & BIT(signo);
	list_for_each(candidate, &process->threads, thread_link) {
		traced |= candidate->trace;
		waited_for |= (candidate->signals_waited & BIT(signo)) != 0;
		blocked |= !task && candidate->signals_blocked & BIT(signo);
		/* The first that does not block it, the leader if it can, as on Linux: who sends it to himself has it when he is back. */
		if (!task && (!receiver || (receiver->signals_blocked & ~candidate->signals_blocked & BIT(signo))))
			receiver = candidate;
	}
	if (signal_ignored(process, signo) && !waited_for && !blocked) {
		if (traced)
			pending_add(&process->signals->ignored, signo, info, IGNORED_SHOWN_MAX);
		return 0;
	}
	if (!pending_add(task ? &task->pending : &process->signals->pending, signo, info, process->rlimit[RLIMIT_SIGPENDING][0]))
		return -EAGAIN;
	if (signo == SIGKILL || waited_for) {
		list_for_each(candidate, &process->threads, thread_link)
			notify(candidate);
	} else if (receiver) {
		notify(receiver);
	}
	wake_up(&signal_arrivals);
	return 0;
}

long signal_send_info(struct process *process, struct task *task, int signo, const siginfo_t *info)
{
	return send(process, task, signo, info);
}

long signal_send(struct process *process, int signo)
{
	siginfo_t info;
	fill_info(&info, signo, SI_USER);
	return send(process, NULL, signo, &info);
}

long signal_send_tree(struct process *process, int signo)
{
	/* The agent speaks on the stack of whoever was running: the sender is none of the processes. */
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	info.si_code = SI_USER;
	if (signo != SIGKILL)
		return send(process, NULL, signo, &info);
	struct process *member;
	struct task *task;
	for_each_process(member)
		if (member->tree == process->tree)
			send(member, NULL, signo, &info);
	/* The host waits for the end of this one, however many others there are. */
	list_for_each(task, &process->threads, thread_link)
		task_hurry(task);
	return 0;
}

/* ---- between parents and children ---- */

void child_state_info(siginfo_t *info, const struct process *child, int code, int status)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = SIGCHLD;
	info->si_code = code;
	info->si_pid = (int)child->pid;
	info->si_uid = child->cred.uid;
	info->si_status = status;
	info->si_utime = (__kernel_clock_t)(child->user_ns / TICK_NS);
	info->si_stime = (__kernel_clock_t)(child->system_ns / TICK_NS);
}

void child_info(siginfo_t *info, const struct process *child)
{
	const struct exit_report *exit = &child->exit;
	child_state_info(info, child, exit->signo ? CLD_KILLED : CLD_EXITED, (int)(exit->signo ? exit->signo : exit->code & 0xff));
}

bool signals_ignore_children(const struct process *process)
{
	const struct sigaction *action = action_of(process, SIGCHLD);
	return action->sa_handler == SIG_IGN || action->sa_flags & SA_NOCLDWAIT;
}

void signal_child_stopped(struct process *parent, const struct process *child, int code, int status)
{
	siginfo_t info;
	const struct sigaction *action = action_of(parent, SIGCHLD);
	if (action->sa_flags & SA_NOCLDSTOP)
		return;
	child_state_info(&info, child, code, status);
	send(parent, NULL, SIGCHLD, &info);
}

void signal_child_ended(struct process *parent, const struct process *child)
{
	siginfo_t info;
	child_info(&info, child);
	info.si_signo = (int)child->exit_signal;
	send(parent, NULL, (int)child->exit_signal, &info);
}

bool signal_passes_by(int signo)
{
	const struct task *task = current;
	return task->signals_blocked & BIT(signo) || action_of(task->process, signo)->sa_handler == SIG_IGN;
}

void signal_send_group(u32 pgid, int signo)
{
	struct process *process;
	for_each_process(process)
		if (process->pgid == pgid)
			signal_send_kernel(process, signo);
}

void signal_parent_ended(struct process *child)
{
	if (child->death_signal)
		signal_send(child, (int)child->death_signal);
}

void signal_send_kernel(struct process *process, int signo)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	info.si_code = SI_KERNEL;
	send(process, NULL, signo, &info);
}

/* ---- ending ---- */

noreturn static void die(int signo, const siginfo_t *info, const struct pt_regs *regs, const char *detail)
{
	struct exit_report report = { .signo = (u32)signo, .si_code = info->si_code, .rip = regs->rip, .rsp = regs->rsp };
	bool synchronous = signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE || signo == SIGTRAP;
	if (synchronous && info->si_code > 0)
		report.address = (u64)info->si_addr;
	snprintf(report.detail, sizeof(report.detail), "%s", detail);
	process_end(&report);
}

/* ---- delivery ---- */

/* What lies on the stack of a handler: the address it returns to, then the state that rt_sigreturn puts back. */
struct signal_frame {
	u64 restorer;
	struct ucontext context;
	siginfo_t info;
};

static bool on_altstack(const struct task *task, u64 sp)
{
	return sp > task->altstack_sp && sp - task->altstack_sp <= task->altstack_size;
}

static void save_context(struct ucontext *uc, const struct pt_regs *r, const struct task *task, u64 fpstate, u64 fault_address,
                         u64 trap)
{
	memset(uc, 0, sizeof(*uc));
	uc->uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	uc->uc_stack.ss_sp = (void *)task->altstack_sp;
	uc->uc_stack.ss_size = task->altstack_size;
	uc->uc_stack.ss_flags = !task->altstack_size ? SS_DISABLE : on_altstack(task, r->rsp) ? SS_ONSTACK : 0;
	/* What held while the program waited ends with the wait. */
	uc->uc_sigmask = task->restore_blocked ? task->saved_blocked : task->signals_blocked;
	struct sigcontext *sc = &uc->uc_mcontext;
	sc->r8 = r->r8, sc->r9 = r->r9, sc->r10 = r->r10, sc->r11 = r->r11;
	sc->r12 = r->r12, sc->r13 = r->r13, sc->r14 = r->r14, sc->r15 = r->r15;
	sc->rdi = r->rdi, sc->rsi = r->rsi, sc->rbp = r->rbp, sc->rbx = r->rbx;
	sc->rdx = r->rdx, sc->rax = r->rax, sc->rcx = r->rcx, sc->rsp = r->rsp;
	sc->rip = r->rip, sc->eflags = r->rflags, sc->cs = (u16)r->cs, sc->ss = (u16)r->ss;
	sc->trapno = trap;
	sc->cr2 = fault_address;
	sc->oldmask = uc->uc_sigmask;
	sc->fpstate = (void *)fpstate;
}

/* The area behind XSAVE's legacy part tells user space how long it is (<asm/sigcontext.h>, struct _fpx_sw_bytes). */
static bool save_vector_registers(struct task *task, u64 at)
{
	u32 size = task_xsave_size(), magic2 = FP_XSTATE_MAGIC2;
	fpu_save(task);
	struct _fpx_sw_bytes sw = { .magic1 = FP_XSTATE_MAGIC1, .extended_size = size + (u32)sizeof(magic2),
		                        .xstate_size = size };
	memcpy(&sw.xfeatures, (u8 *)task->xsave + 512, sizeof(sw.xfeatures));
	return !copy_to_user((void *)at, task->xsave, size) && !copy_to_user((void *)(at + 464), &sw, sizeof(sw)) &&
	       !copy_to_user((void *)(at + size), &magic2, sizeof(magic2));
}

static bool push_frame(struct pt_regs *regs, int signo, const struct sigaction *action, const siginfo_t *info)
{
	struct task *task = current;
	u64 sp = regs->rsp - REDZONE;
	if (action->sa_flags & SA_ONSTACK && task->altstack_size && !on_altstack(task, regs->rsp))
		sp = task->altstack_sp + task->altstack_size;
	u64 fpstate = ALIGN_DOWN(sp - task_xsave_size() - 4, 64);
	/* The handler sees the stack as after a call. */
	u64 at = ALIGN_DOWN(fpstate - sizeof(struct signal_frame), 16) - 8;
	struct signal_frame frame;
	bool fault = info->si_code > 0 && (signo == SIGSEGV || signo == SIGBUS);
	save_context(&frame.context, regs, task, fpstate, fault ? (u64)info->si_addr : 0, fault ? VECTOR_PF : 0);
	frame.restorer = (u64)action->sa_restorer;
	frame.info = *info;
	if (!(action->sa_flags & SA_RESTORER) || !save_vector_registers(task, fpstate) ||
	    copy_to_user((void *)at, &frame, sizeof(frame)))
		return false;
	task->restore_blocked = false;
	task->signals_blocked |= action->sa_mask;
	if (!(action->sa_flags & SA_NODEFER))
		task->signals_blocked |= BIT(signo);
	task->signals_blocked &= ~UNBLOCKABLE;
	regs->rdi = (u64)signo;
	regs->rsi = at + offsetof(struct signal_frame, info);
	regs->rdx = at + offsetof(struct signal_frame, context);
	regs->rax = 0;
	regs->rip = (u64)action->sa_handler;
	regs->rsp = at;
	regs->rflags &= ~(u64)(1 << 8 | 1 << 10); /* TF, DF */
	return true;
}

static void handle(struct pt_regs *regs, int signo, const siginfo_t *info, const char *detail)
{
	struct sigaction action = *action_of(current->process, signo);
	if (action.sa_handler == SIG_IGN || (action.sa_handler == SIG_DFL && IGNORED_BY_DEFAULT & BIT(signo)))
		return;
	if (action.sa_handler == SIG_DFL && STOPS & BIT(signo)) {
		process_stop(signo);
		return;
	}
	if (action.sa_handler == SIG_DFL)
		die(signo, info, regs, detail);
	if (action.sa_flags & SA_RESETHAND)
		action_of(current->process, signo)->sa_handler = SIG_DFL;
	if (!push_frame(regs, signo, &action, info))
		die(SIGSEGV, info, regs, "SIGSEGV: no room on the stack for a signal handler");
}

/* A system call that was cut short: returns EINTR if a handler without SA_RESTART runs, else is made again. */
static void finish_syscall(struct pt_regs *regs, const struct sigaction *action)
{
	if ((s64)regs->orig_rax < 0 || regs->rax != (u64)-ERESTARTSYS)
		return;
	if (action && !(action->sa_flags & SA_RESTART)) {
		regs->rax = (u64)-EINTR;
		return;
	}
	regs->rax = regs->orig_rax;
	regs->rip -= 2; /* the length of `syscall` */
}

static int take_pending(struct task *task, u64 set, siginfo_t *info)
{
	u64 pending = (task->pending.set | task->process->signals->pending.set) & set;
	if (!pending)
		return 0;
	/* Faults are lower numbers than most; Linux too takes the lowest first, and a thread's own before those of all. */
	int signo = pending & BIT(SIGKILL) ? SIGKILL : __builtin_ctzl(pending) + 1;
	struct pending *from = task->pending.set & BIT(signo) ? &task->pending : &task->process->signals->pending;
	pending_take(from, BIT(signo), info);
	if (info->si_code == SI_TIMER)
		posix_timer_told(task->process, info);
	return signo;
}

bool signal_take_ignored(siginfo_t *info)
{
	return pending_take(&current->process->signals->ignored, ~0UL, info) != 0;
}

bool signal_killed(void)
{
	const struct process *process = current->process;
	return process->exit.signo == SIGKILL || deliverable(current) & BIT(SIGKILL);
}

int signal_take(u64 set, siginfo_t *info)
{
	return take_pending(current, set, info);
}

struct pending *signals_pending_of_process(struct process *process)
{
	return &process->signals->pending;
}

u64 signal_pending_of(u64 set)
{
	return (current->pending.set | current->process->signals->pending.set) & set;
}

void signals_deliver(struct pt_regs *regs)
{
	struct task *task = current;
	process_park();
	if (task->process->exiting)
		process_end(&task->process->exit);
	if (task->process->last_thread && task->process->last_thread != task)
		thread_exit(0);
	siginfo_t info;
	int signo;
	bool delivered = false;
	while ((signo = take_pending(task, ~(task->signals_blocked & ~UNBLOCKABLE), &info))) {
		const struct sigaction *action = action_of(task->process, signo);
		bool handled = action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
		if (handled && !delivered)
			finish_syscall(regs, action);
		delivered |= handled;
		if (unlikely(task->trace) && signo != SIGKILL)
			trace_signal(&info);
		char detail[48];
		snprintf(detail, sizeof(detail), "%s", name_of(signo));
		handle(regs, signo, &info, detail);
		/* It may have been stopped, and what happened meanwhile comes first. */
		if (task->process->exiting)
			process_end(&task->process->exit);
		if (task->process->last_thread && task->process->last_thread != task)
			thread_exit(0);
	}
	if (task->restore_blocked) {
		/* rt_sigsuspend and its kind: the old mask comes back; if there was a handler, from its frame. */
		task->restore_blocked = false;
		task->signals_blocked = task->saved_blocked;
	}
	if (!delivered)
		finish_syscall(regs, NULL);
}

void signal_fault(struct pt_regs *regs, int signo, int si_code, u64 address, const char *what, const char *object)
{
	struct task *task = current;
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	info.si_code = si_code;
	info.si_addr = (void *)address;
	char detail[160];
	if (signo == SIGKILL)
		snprintf(detail, sizeof(detail), "%s: %lu KiB in use", object, (frames_total() - frames_available()) << 2);
	else if (object)
		snprintf(detail, sizeof(detail), "%s at 0x%lx: %s %s", name_of(signo), address, what, object);
	else
		snprintf(detail, sizeof(detail), "%s at 0x%lx: %s", name_of(signo), regs->rip, what);
	/* A fault cannot be put off: blocked or ignored, it ends the program (as in Linux). */
	__sighandler_t handler = action_of(task->process, signo)->sa_handler;
	if (unlikely(task->trace) && signo != SIGKILL)
		trace_signal(&info);
	if (signo == SIGKILL || task->signals_blocked & BIT(signo) || handler == SIG_IGN || handler == SIG_DFL)
		die(signo, &info, regs, detail);
	regs->orig_rax = ~0UL;
	handle(regs, signo, &info, detail);
}

/* ---- system calls ---- */

static bool restore_vector_registers(struct task *task, u64 at)
{
	u32 size = task_xsave_size();
	u64 supported;
	u8 *area = task->xsave;
	u32 leaf[4];
	cpuid(0xd, 0, leaf);
	supported = (u64)leaf[3] << 32 | leaf[0];
	if (copy_from_user(area, (void *)at, size))
		return false;
	/* What XRSTOR would refuse must not get to it: unknown features, a compacted form, reserved MXCSR bits. */
	u64 features;
	u32 mxcsr;
	memcpy(&features, area + 512, sizeof(features));
	features &= supported;
	memcpy(area + 512, &features, sizeof(features));
	memset(area + 520, 0, 56);
	memcpy(&mxcsr, area + 24, sizeof(mxcsr));
	mxcsr &= 0xffff;
	memcpy(area + 24, &mxcsr, sizeof(mxcsr));
	fpu_restore(task);
	return true;
}

long sys_rt_sigreturn(struct pt_regs *regs);
long sys_rt_sigreturn(struct pt_regs *r)
{
	struct task *task = current;
	struct ucontext uc;
	u64 at = r->rsp - 8; /* the restorer's address was popped by the handler's return */
	bool ok = !copy_from_user(&uc, (void *)(at + offsetof(struct signal_frame, context)), sizeof(uc)) &&
	          (!uc.uc_mcontext.fpstate || restore_vector_registers(task, (u64)uc.uc_mcontext.fpstate));
	if (!ok || uc.uc_mcontext.rip >= TASK_SIZE) {
		signal_fault(r, SIGSEGV, SI_KERNEL, at, "return from a signal handler through", "a broken frame");
		return (long)r->rax;
	}
	const struct sigcontext *sc = &uc.uc_mcontext;
	r->r8 = sc->r8, r->r9 = sc->r9, r->r10 = sc->r10, r->r11 = sc->r11;
	r->r12 = sc->r12, r->r13 = sc->r13, r->r14 = sc->r14, r->r15 = sc->r15;
	r->rdi = sc->rdi, r->rsi = sc->rsi, r->rbp = sc->rbp, r->rbx = sc->rbx;
	r->rdx = sc->rdx, r->rax = sc->rax, r->rcx = sc->rcx, r->rsp = sc->rsp, r->rip = sc->rip;
	r->rflags = (r->rflags & ~(u64)RFLAGS_USER) | (sc->eflags & RFLAGS_USER) | 0x202;
	r->orig_rax = ~0UL; /* not a system call to be made again */
	task->signals_blocked = uc.uc_sigmask & ~UNBLOCKABLE;
	cpu0.work = 1;
	return (long)r->rax;
}

SYSCALL_DEFINE4(rt_sigaction, int, signo, const void __user *, new, void __user *, old, size_t, size)
{
	if (size != sizeof(sigset_t) || signo < 1 || signo > SIGNALS || (new && BIT(signo) & UNBLOCKABLE))
		return -EINVAL;
	struct sigaction *action = action_of(current->process, signo);
	struct sigaction before = *action, after;
	if (new && copy_from_user(&after, new, sizeof(after)))
		return -EFAULT;
	if (old && copy_to_user(old, &before, sizeof(before)))
		return -EFAULT;
	if (new)
		*action = after;
	return 0;
}

SYSCALL_DEFINE4(rt_sigprocmask, int, how, const u64 __user *, new, u64 __user *, old, size_t, size)
{
	struct task *task = current;
	u64 before = task->signals_blocked, set;
	if (size != sizeof(set))
		return -EINVAL;
	if (new) {
		if (copy_from_user(&set, new, sizeof(set)))
			return -EFAULT;
		if (how == SIG_BLOCK)
			set |= before;
		else if (how == SIG_UNBLOCK)
			set = before & ~set;
		else if (how != SIG_SETMASK)
			return -EINVAL;
		task->signals_blocked = set & ~UNBLOCKABLE;
		cpu0.work = 1;
	}
	return old && copy_to_user(old, &before, sizeof(before)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(rt_sigpending, u64 __user *, set, size_t, size)
{
	u64 pending = (current->pending.set | current->process->signals->pending.set) & current->signals_blocked;
	if (size > sizeof(pending))
		return -EINVAL;
	return copy_to_user(set, &pending, size) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(rt_sigsuspend, const u64 __user *, user_set, size_t, size)
{
	struct task *task = current;
	u64 set;
	if (size != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user_set, sizeof(set)))
		return -EFAULT;
	task->saved_blocked = task->signals_blocked;
	task->restore_blocked = true;
	task->signals_blocked = set & ~UNBLOCKABLE;
	while (!signal_pending())
		wait_sleep(NO_DEADLINE);
	cpu0.work = 1;
	return -EINTR;
}

SYSCALL_DEFINE0(pause)
{
	while (!signal_pending())
		wait_sleep(NO_DEADLINE);
	cpu0.work = 1;
	return -EINTR;
}

SYSCALL_DEFINE4(rt_sigtimedwait, const u64 __user *, user_set, siginfo_t __user *, user_info, const void __user *, timeout,
                size_t, size)
{
	struct task *task = current;
	u64 set;
	s64 ts[2];
	siginfo_t info;
	u64 deadline = NO_DEADLINE;
	if (size != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user_set, sizeof(set)) || (timeout && copy_from_user(ts, timeout, sizeof(ts))))
		return -EFAULT;
	if (timeout && (ts[0] < 0 || ts[1] < 0 || ts[1] >= (s64)NSEC_PER_SEC))
		return -EINVAL;
	if (timeout)
		deadline = deadline_after(deadline_ns(ts[0], ts[1]));
	set &= ~UNBLOCKABLE;
	task->signals_waited = set;
	int signo = take_pending(task, set, &info);
	long error = 0;
	while (!signo && !error) {
		error = wait_sleep(deadline);
		signo = take_pending(task, set, &info);
	}
	task->signals_waited = 0;
	if (!signo)
		return error == -ETIMEDOUT ? -EAGAIN : -EINTR;
	return user_info && copy_to_user(user_info, &info, sizeof(info)) ? -EFAULT : signo;
}

SYSCALL_DEFINE2(sigaltstack, const stack_t __user *, new, stack_t __user *, old)
{
	struct task *task = current;
	bool on = on_altstack(task, task->regs->rsp);
	stack_t stack = { .ss_sp = (void *)task->altstack_sp, .ss_size = task->altstack_size,
		              .ss_flags = !task->altstack_size ? SS_DISABLE : on ? SS_ONSTACK : 0 };
	if (old && copy_to_user(old, &stack, sizeof(stack)))
		return -EFAULT;
	if (!new)
		return 0;
	if (on)
		return -EPERM;
	if (copy_from_user(&stack, new, sizeof(stack)))
		return -EFAULT;
	if (stack.ss_flags & SS_DISABLE) {
		task->altstack_sp = task->altstack_size = 0;
		return 0;
	}
	if (stack.ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	task->altstack_sp = (u64)stack.ss_sp;
	task->altstack_size = stack.ss_size;
	return 0;
}

static bool may_signal(const struct process *target)
{
	const struct credentials *mine = &current->process->cred, *theirs = &target->cred;
	return mine->euid == 0 || mine->uid == theirs->uid || mine->uid == theirs->suid || mine->euid == theirs->uid;
}

/* To all that `belongs` says, the current process too if it belongs: 0 when one could be told, else -EPERM or -ESRCH. */
static long send_to_many(bool (*belongs)(const struct process *, u32), u32 id, int signo, const siginfo_t *info)
{
	long result = -ESRCH;
	struct process *process;
	for_each_process(process) {
		if (!belongs(process, id))
			continue;
		long sent = may_signal(process) ? send(process, NULL, signo, info) : -EPERM;
		if (result != 0)
			result = sent;
	}
	return result;
}

static bool in_group(const struct process *process, u32 pgid)
{
	return process->pgid == pgid;
}

static bool is_another(const struct process *process, u32 self)
{
	return process->pid != self;
}

/* init has no handlers, and nothing else ends it (kill(2)). */
static long signal_init(int signo)
{
	if (signo < 0 || signo > SIGNALS)
		return -EINVAL;
	return current->process->cred.euid == 0 ? 0 : -EPERM;
}

SYSCALL_DEFINE2(kill, int, pid, int, signo)
{
	siginfo_t info;
	fill_info(&info, signo, SI_USER);
	if (signo < 0 || signo > SIGNALS)
		return -EINVAL;
	if (pid == -1)
		return send_to_many(is_another, current->process->pid, signo, &info);
	if (pid <= 0)
		return send_to_many(in_group, pid ? -(u32)pid : current->process->pgid, signo, &info);
	if (pid == INIT_PID)
		return signal_init(signo);
	struct process *process = process_find((u32)pid);
	if (!process)
		return -ESRCH;
	return may_signal(process) ? send(process, NULL, signo, &info) : -EPERM;
}

static long send_to_thread(int tgid, int tid, int signo)
{
	struct task *task = tid > 0 ? task_find((u32)tid) : NULL;
	siginfo_t info;
	if (tid <= 0)
		return -EINVAL;
	if (!task || (tgid > 0 && task->process->pid != (u32)tgid))
		return -ESRCH;
	fill_info(&info, signo, SI_TKILL);
	return may_signal(task->process) ? send(task->process, task, signo, &info) : -EPERM;
}

SYSCALL_DEFINE3(tgkill, int, tgid, int, tid, int, signo)
{
	return tgid > 0 ? send_to_thread(tgid, tid, signo) : -EINVAL;
}

SYSCALL_DEFINE2(tkill, int, tid, int, signo)
{
	return send_to_thread(0, tid, signo);
}

/* What sigqueue(3) makes. A code of the kernel's own can only be sent to oneself (rt_sigqueueinfo(2)). */
static long send_info(struct process *process, struct task *task, int signo, const siginfo_t __user *user)
{
	siginfo_t info;
	if (copy_from_user(&info, user, sizeof(info)))
		return -EFAULT;
	if (!process)
		return -ESRCH;
	if ((info.si_code >= 0 || info.si_code == SI_TKILL) && process != current->process)
		return -EPERM;
	info.si_signo = signo;
	return may_signal(process) ? send(process, task, signo, &info) : -EPERM;
}

long signal_send_checked(struct process *process, int signo, const siginfo_t __user *user)
{
	siginfo_t info;
	if (user)
		return send_info(process, NULL, signo, user);
	fill_info(&info, signo, SI_USER);
	return may_signal(process) ? send(process, NULL, signo, &info) : -EPERM;
}

SYSCALL_DEFINE3(rt_sigqueueinfo, int, pid, int, signo, const siginfo_t __user *, info)
{
	return send_info(process_find((u32)pid), NULL, signo, info);
}

SYSCALL_DEFINE4(rt_tgsigqueueinfo, int, tgid, int, tid, int, signo, const siginfo_t __user *, info)
{
	struct task *task = tid > 0 ? task_find((u32)tid) : NULL;
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	if (task && task->process->pid != (u32)tgid)
		task = NULL;
	return send_info(task ? task->process : NULL, task, signo, info);
}
