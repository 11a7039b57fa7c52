/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_POSIX_TIMER_H
#define SUBSTRATE_POSIX_TIMER_H

#include <asm/siginfo.h>

struct process;
struct task;

/* All timers of a process go away: it ends, or executes another program. */
void posix_timers_free(struct process *process);
/* A signal of one of the process's timers was taken: what timer_getoverrun(2) says from now on. */
void posix_timer_told(struct process *process, const siginfo_t *info);
/* A thread ends: timers that send to it, or count its time, fall silent. */
void posix_timers_forget(struct task *thread);

#endif
