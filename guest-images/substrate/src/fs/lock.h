/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks: fcntl(2) by process and by open file, and flock(2). */
#ifndef SUBSTRATE_FS_LOCK_H
#define SUBSTRATE_FS_LOCK_H

#include <substrate/types.h>

struct fd_table;
struct file;
struct flock;
struct locks;
struct node;

long lock_get(struct file *file, struct flock *request, bool by_file);
long lock_set(struct file *file, const struct flock *request, bool by_file, bool wait);
long lock_flock(struct file *file, int operation);
/* A process closed a descriptor of this file, or an open file went: what they had locked is free. */
void locks_closed_by(struct node *node, const struct fd_table *owner);
void locks_released(struct file *file);
void locks_free(struct locks *locks);

#endif
