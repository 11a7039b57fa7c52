/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of signals: for task/. */
#ifndef SUBSTRATE_SIGNAL_H
#define SUBSTRATE_SIGNAL_H

#include <asm/siginfo.h>
#include <substrate/task.h>

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

/* What waitid(2) and SIGCHLD say of a child's end. */
void child_info(siginfo_t *info, const struct process *child);

/* As signal_send, from nobody: SI_KERNEL. */
void signal_send_kernel(struct process *process, int signo);
/* struct process.itimer's callback. */
void itimer_expired(struct timer *timer);

/* Takes the lowest of these signals that is pending for the current task: its number, or 0. */
int signal_take(u64 set, siginfo_t *info);
/* Those of the set that are pending for the current task. */
u64 signal_pending_of(u64 set);
/* Woken whenever a signal becomes pending, for whomever: a queue of a process would go away with it. */
extern struct wait_queue signal_arrivals;

/* Ends the process as `report` says; the first report counts. */
noreturn void process_end(const struct exit_report *report);
/* Ends the current thread, and the process if it is the last. */
noreturn void thread_exit(u32 code);
u32 task_xsave_size(void);

#endif
