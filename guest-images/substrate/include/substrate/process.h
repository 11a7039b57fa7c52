/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of tasks and processes: for task/. */
#ifndef SUBSTRATE_PROCESS_H
#define SUBSTRATE_PROCESS_H

#include <substrate/list.h>
#include <substrate/task.h>

/* The agent's role towards processes: the parent of those that have no other. */
#define INIT_PID 1

/* All processes, by pid. */
struct list *process_list(void);
#define for_each_process(process) list_for_each(process, process_list(), link)

/* A task with an empty pt_regs on its stack, not in any list; NULL when memory is exhausted. */
struct task *task_new(struct process *process);
/* Gives back a task that never ran, with what it holds. */
void task_release(struct task *task);
/* True when one more may be made: the limit of the machine, and RLIMIT_NPROC of the current user. */
bool task_allowed(void);

/* A process without a thread, in no list; NULL when memory is exhausted. */
struct process *process_new(struct sigaction_table *signals);
/* One that never had a task, or whose only one was released before it ran. */
void process_free(struct process *process);
/* The last that is left of it goes. */
void process_reap(struct process *zombie);
/* Among all processes, and among the children of its parent. */
void process_list_add(struct process *process);
static inline bool process_has_other_threads(const struct process *process)
{
	return process->threads.next->next != &process->threads;
}

/* The last thread is gone: the end is told, children go to whom they belong now. Frees the process or leaves a zombie. */
void process_ended(struct process *process);

/* Who called vfork(2), on its stack: waits until the child has other memory or none. */
struct vfork {
	struct task *waiter;
	bool done;
};
void vfork_done(struct process *child);

/* Ends the other threads of the current process; 0, or -EINTR when it is to end itself. */
long threads_end_others(void);

#endif
