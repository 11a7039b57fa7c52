/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of processes (pidfd_open(2)). */
#ifndef SUBSTRATE_PIDFD_H
#define SUBSTRATE_PIDFD_H

#include <substrate/types.h>

struct process;

/* A new descriptor of the current task, closed by execve(2); or a negative errno. */
int pidfd_new(struct process *process, u32 flags);
/* The process behind a descriptor; ERR_PTR(-EBADF) when it is no such descriptor, ERR_PTR(-ESRCH) when it is gone. */
struct process *pidfd_process(int fd, bool *nonblocking);
/* It has ended: who polls is told. */
void pidfds_ended(struct process *process);
/* Nothing is left of it. */
void pidfds_forget(struct process *process);

#endif
