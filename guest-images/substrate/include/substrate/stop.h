/* SPDX-License-Identifier: Apache-2.0 */
/* Job control: processes that are stopped and go on (signal(7), credentials(7)). */
#ifndef SUBSTRATE_STOP_H
#define SUBSTRATE_STOP_H

#include <substrate/types.h>

struct process;

/* Stops the current process for the signal, unless it is one that an orphaned group ignores; returns when it goes on or ends. */
void process_stop(int signo);
/* The current thread of a stopped process waits until it goes on or ends. */
void process_park(void);
/* It goes on, if it was stopped; `tell` the parent. */
void process_continue(struct process *process, bool tell);
/*
 * A process ends, or has got another parent than `before`, which ends: where that was the last tie of a group to its session, and the
 * group has stopped members, they get SIGHUP and SIGCONT.
 */
void process_leaves_group(struct process *process);
void process_reparented(struct process *child, const struct process *before);

/* No member of the group could be continued by a parent: who is stopped by a terminal would stay so (credentials(7)). */
bool group_orphaned(u32 pgid, u32 sid);

#endif
