/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are in no file system. */
#ifndef SUBSTRATE_EVENT_ANONYMOUS_H
#define SUBSTRATE_EVENT_ANONYMOUS_H

#include <substrate/fs.h>

/*
 * A descriptor of the current task for a new file without a name; `flags` are O_* with O_CLOEXEC obeyed. On failure a negative
 * errno, and `private` stays the caller's.
 */
int anonymous_install(const struct file_ops *ops, void *private, u32 flags);
/* The open file behind a descriptor if it is one of these: -EBADF, or `otherwise` when it is another. */
struct file *anonymous_get(int fd, const struct file_ops *ops, long otherwise);

#endif
