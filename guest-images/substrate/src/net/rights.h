/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files on their way through AF_UNIX sockets (SCM_RIGHTS of unix(7)).
 *
 * A socket that is sent over itself, or two over each other, would hold each other for ever once nobody has a descriptor for
 * them. So sockets on their way are known: those all of whose references are on their way, and that cannot be reached from a
 * socket that somebody has open, are garbage and their queues are emptied. That is looked for whenever an AF_UNIX
 * socket is closed while others are on their way, and before a send is refused because too many files are.
 */
#ifndef SUBSTRATE_NET_RIGHTS_H
#define SUBSTRATE_NET_RIGHTS_H

#include <substrate/list.h>
#include <substrate/types.h>

struct file;
struct socket;

struct rights {
	struct list link; /* to be freed */
	u32 count;
	bool in_flight;
	struct file *files[]; /* held */
};

/* Of the current task's descriptors. NULL or ERR_PTR: -EINVAL beyond SCM_MAX_FD, -EBADF, -ETOOMANYREFS, -ENOMEM. */
struct rights *rights_of(const int *fds, u32 count);
/* What MSG_PEEK takes: the same files once more. NULL when memory is exhausted. */
struct rights *rights_copy(const struct rights *r);
void rights_send(struct rights *r);    /* on their way from now on */
void rights_receive(struct rights *r); /* arrived */
/* Closes the files, those that this lets go in turn included, without going deeper and deeper. */
void rights_free(struct rights *r);
/* An AF_UNIX socket was closed. */
void rights_collect_garbage(void);

#endif
