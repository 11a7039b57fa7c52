/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_FS_PIPE_H
#define SUBSTRATE_FS_PIPE_H

#include <substrate/types.h>

struct file;
struct node;
struct pipe;

void pipe_free(struct pipe *pipe);
/* Opens a FIFO as fifo(7) says, which may wait for the other side. Takes over the reference to `node`; file or ERR_PTR. */
struct file *fifo_open(struct node *node, u32 flags);
bool file_is_pipe(const struct file *file);
/* Waits until there is something to read: 1, 0 when all writers are gone, -EAGAIN, -ERESTARTSYS. */
long pipe_wait(struct file *file, bool nonblocking);
/* For splice(2): the bytes at the pipe's head that lie in one piece (0: empty), and their removal. */
size_t pipe_peek(struct file *file, const u8 **bytes);
void pipe_consume(struct file *file, size_t n);
long pipe_resize(struct file *file, u64 size);
long pipe_size(const struct file *file);
/* Both ends of a new pipe, read first. 0 or a negative errno. */
long pipe_make(struct file *ends[2], u32 flags);

#endif
