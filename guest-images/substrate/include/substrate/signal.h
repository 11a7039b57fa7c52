/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of signals: for task/. */
#ifndef SUBSTRATE_SIGNAL_H
#define SUBSTRATE_SIGNAL_H

#include <substrate/task.h>

struct sigaction_table *signals_new(void);
void signals_free(struct sigaction_table *table);
/* execve(2): handlers go back to the default, ignored signals stay ignored. */
void signals_exec(struct sigaction_table *table);

/* Ends the process as `report` says; the first report counts. */
noreturn void process_end(const struct exit_report *report);
/* Ends the current thread, and the process if it is the last. */
noreturn void thread_exit(u32 code);
u32 task_xsave_size(void);

#endif
