/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time. The running task is charged at each change: from the program into the kernel, back, and to another task.
 * Idle time is nobody's.
 */
#ifndef SUBSTRATE_CPUTIME_H
#define SUBSTRATE_CPUTIME_H

/* What passed since the last charge was the current task's, in its program. */
void cputime_charge_user(void);
/* … in the kernel on its behalf. */
void cputime_charge_system(void);
/* … nobody's. */
void cputime_skip(void);

#endif
