/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of signals: for task/. */
#ifndef SUBSTRATE_SIGNAL_H
#define SUBSTRATE_SIGNAL_H

#include <asm/siginfo.h>
#include <substrate/task.h>
#include <substrate/uaccess.h>

struct sigaction_table *signals_new(void);
/* For a new process: the same handlers (`share`: for ever the same, CLONE_SIGHAND) and nothing pending. */
struct sigaction_table *signals_fork(const struct sigaction_table *table, bool share);
void signals_free(struct sigaction_table *table);
/* CLONE_CLEAR_SIGHAND: handlers go back to the default, ignored signals stay ignored. */
void signals_reset(struct sigaction_table *table);
/* execve(2): the same, in a table that is the process's own. 0 or -ENOMEM. */
long signals_exec(struct process *process);
/* True when the process does not want to hear of the ends of its children: they leave no zombies. */
bool signals_ignore_children(const struct process *process);
/* True when a signal that ends the current process is pending. */
bool signal_pending_fatal(void);
/* The child's end, to its parent, as its exit signal (SIGCHLD); and the parent's to a child that asked for it. */
void signal_child_ended(struct process *parent, const struct process *child);
void signal_parent_ended(struct process *child);

/* That the child was stopped (CLD_STOPPED) or goes on (CLD_CONTINUED), unless the parent does not want to know (SA_NOCLDSTOP). */
void signal_child_stopped(struct process *parent, const struct process *child, int code, int status);

/* What waitid(2) and SIGCHLD say of a child's end; and of anything else that happened to it. */
void child_info(siginfo_t *info, const struct process *child);
void child_state_info(siginfo_t *info, const struct process *child, int code, int status);
/* Stops the process if a pending signal says so, or waits where it is stopped: until it goes on. True when there was cause. */
bool signals_stop(void);
/* The thread has to end, stopped or not: the process does, another thread executes a program, or SIGKILL came. */
bool signal_ends(const struct task *task);
/* What it does to the process is nothing, now: by its handler, or by default. */
bool signal_ignored(const struct process *process, int signo);
/* Sends any signal with what is to be known of it; `task` NULL: to the process as a whole. 0, -EAGAIN. */
long signal_send_info(struct process *process, struct task *task, int signo, const siginfo_t *info);

/* As signal_send, from nobody: SI_KERNEL. */
void signal_send_kernel(struct process *process, int signo);
/* To every process of the group. */
void signal_send_group(u32 pgid, int signo);
/* The current task blocks or ignores the signal. */
bool signal_passes_by(int signo);
/* As kill(2) or, with `info` of the program's, as rt_sigqueueinfo(2): with the rights that the current process has. */
long signal_send_checked(struct process *process, int signo, const siginfo_t __user *info);
/* The alarms of setitimer(2). */
void itimers_init(struct process *process);
void itimers_disarm(struct process *process);

/* Takes a signal that the current process ignored while it was traced. False: there is none. */
bool signal_take_ignored(siginfo_t *info);

/* Takes the lowest of these signals that is pending for the current task: its number, or 0. */
int signal_take(u64 set, siginfo_t *info);
/* Those of the set that are pending for the current task. */
u64 signal_pending_of(u64 set);
/* Those that are for any thread of the process. */
struct pending *signals_pending_of_process(struct process *process);
/* Woken whenever a signal becomes pending, for whomever: a queue of a process would go away with it. */
extern struct wait_queue signal_arrivals;

/* Ends the process as `report` says; the first report counts. */
noreturn void process_end(const struct exit_report *report);
/* Ends the current thread, and the process if it is the last. */
noreturn void thread_exit(u32 code);
u32 task_xsave_size(void);

#endif
