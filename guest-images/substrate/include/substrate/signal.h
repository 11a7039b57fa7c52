/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of signals: for task/. */
#ifndef SUBSTRATE_SIGNAL_H
#define SUBSTRATE_SIGNAL_H

#include <asm/siginfo.h>
#include <substrate/task.h>

struct sigaction_table *signals_new(void);
void signals_free(struct sigaction_table *table);
/* execve(2): handlers go back to the default, ignored signals stay ignored. */
void signals_exec(struct sigaction_table *table);

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
