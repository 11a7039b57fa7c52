/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks (threads) and the processes they make. */
#ifndef SUBSTRATE_TASK_H
#define SUBSTRATE_TASK_H

#include <asm/signal.h>
#include <substrate/cpu_timer.h>
#include <substrate/list.h>
#include <substrate/pending.h>
#include <substrate/regs.h>
#include <substrate/sched.h>
#include <substrate/timer.h>
#include <substrate/types.h>

#define KERNEL_STACK_SIZE (16UL << 10)

struct fd_table;
struct fs_context;
struct mm;
struct node;
struct agent_process;

struct credentials {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
};

/* How a process ended, for its parent and for the host. */
struct exit_report {
	u32 signo; /* 0: exited with `code` */
	u32 code;
	s32 si_code;
	u64 address, rip, rsp;
	char detail[160];
};

/* A thread group: what getpid() names. */
struct process {
	struct list link;    /* in the list of all processes */
	struct list threads; /* struct task.thread_link */
	u32 pid, pgid, sid;
	u32 refs;
	u64 tree; /* which of the host's programs it descends from: a number that is never used again */
	struct process *parent; /* NULL: the agent, which is init */
	struct list children, sibling;
	struct list pidfds;
	struct wait_queue child_events; /* for wait4(2) and waitid(2) */
	struct credentials cred;
	struct node *executable; /* held; /proc/<pid>/exe */
	char name[16];           /* comm */
	u64 args_start, args_end, env_start, env_end, brk_start, brk;
	struct sigaction_table *signals;
	struct agent_process *agent; /* not NULL when the host spawned it and wants its end told */
	bool exiting, no_new_privs;
	bool zombie;   /* ended, and not waited for yet: has no threads, memory, files or signals any more */
	bool executed; /* execve(2) since it was made */
	u32 stop_signal; /* what stopped it; 0: it runs */
	enum { STOP_TOLD, STOP_NEW, CONTINUE_NEW } stop_news; /* what wait4(2) has not told the parent yet */
	bool subreaper;
	u32 exit_signal;        /* what the parent gets at the end; 0: nothing */
	u32 death_signal;       /* what it gets when the parent ends: prctl(PR_SET_PDEATHSIG) */
	struct vfork *vfork;    /* who waits until this one has memory of its own */
	struct task *last_thread; /* the one that calls execve(2) and for which all others end */
	struct exit_report exit;
	u64 user_ns, system_ns, start_ns, max_resident;
	struct { u64 user_ns, system_ns, max_resident; } reaped; /* of children that were waited for, and of theirs */
	struct timer itimer; /* ITIMER_REAL */
	u64 itimer_interval; /* ns; 0: rings once */
	struct { struct cpu_timer timer; u64 interval; } cpu_itimers[2]; /* ITIMER_VIRTUAL, ITIMER_PROF */
	struct list cpu_timers;   /* those that are armed */
	struct list posix_timers; /* of timer_create(2) */
	s32 nice; /* -20…19; kept and told, there is one class of tasks */
	u64 rlimit[16][2]; /* RLIMIT_*: soft, hard */
};

enum task_state { TASK_RUNNABLE, TASK_WAITING, TASK_DEAD };

/* A thread. Lives at the low end of its kernel stack. */
struct task {
	struct pt_regs *regs; /* of the program, while in the kernel on its behalf */
	u64 kernel_rsp;       /* where switch_to goes on */
	enum task_state state;
	u32 tid;
	struct process *process;
	struct mm *mm;
	struct fd_table *files;
	struct fs_context *fs;
	struct list thread_link; /* in process->threads */
	struct list run_link;    /* in the run queue */
	struct timer timer; /* of the wait under way */
	bool timed_out;
	u64 fs_base, gs_base;
	void *xsave; /* 64-byte aligned; valid while not running */
	struct pending pending; /* signals for this thread alone */
	u64 signals_blocked;
	u64 signals_waited;  /* by rt_sigtimedwait */
	u64 saved_blocked;   /* to come back after rt_sigsuspend */
	bool restore_blocked;
	u64 set_child_tid, clear_child_tid, robust_list;
	u64 altstack_sp, altstack_size;
	u32 altstack_flags;
	struct spawn_call *spawn; /* what a new task is to load, and whom to tell */
	u64 user_ns, system_ns; /* processor time */
	bool trace; /* what it does is told to the host: trace.h */
};

#ifdef SUBSTRATE_HOST_TEST
struct task *current_task(void);
#else
/* The running task: found from the stack pointer, so it needs no register and no privilege. */
static inline struct task *current_task(void)
{
	u64 sp;
	__asm__("mov %%rsp, %0" : "=r"(sp));
	return (struct task *)(sp & ~(KERNEL_STACK_SIZE - 1));
}
#endif
#define current current_task()

struct process *process_find(u32 pid); /* not referenced: valid until the caller sleeps */
struct process *process_next(u32 pid); /* the one with the lowest pid above this; for readdir of /proc */
struct task *task_find(u32 tid);

/* True when a signal (fatal or handled) waits for the current task. */
bool signal_pending(void);
/* True when SIGKILL waits for the current task, or ended its process. */
bool signal_killed(void);
/* Sends to the process as kill(2) does: 0 or -ESRCH, -EINVAL. */
long signal_send(struct process *process, int signo);
/* The same for the host. SIGKILL ends everything that descends from the process, whatever its group, session or parent is. */
long signal_send_tree(struct process *process, int signo);
/* The process that the host spawned and of which this one descends; NULL when that has ended. */
struct process *process_spawned(const struct process *process);
/* What getppid(2) says. */
u32 process_parent_pid(const struct process *process);
/* How many tasks, zombies included, there can be: Linux's rule, stacks take an eighth of memory at most. */
u32 task_limit(void);
/* Ends the current process (all threads). Does not return. */
noreturn void process_exit(u32 code);

/*
 * A program that the host wants to run. All of it is kernel memory. An empty path is looked up: argv[0] as it is when it has
 * a '/', else through PATH of envp.
 */
struct spawn_request {
	char *path;
	char **argv, **envp;
	u32 argc, envc;
	char *workdir;
	u32 uid, gid;
	struct file *stdio[3];
	struct tty *terminal; /* NULL: the files of stdio; else it takes their place, and becomes the controlling terminal */
	bool trace;
	struct agent_process *agent;
};

/*
 * A process that runs the program, or ERR_PTR with `reason` in words (terminated). The program is loaded before this returns,
 * by the new task itself, in its own context. The files' references are taken over on success.
 */
struct process *process_spawn(struct spawn_request *request, char *reason, size_t reason_size);

#endif
