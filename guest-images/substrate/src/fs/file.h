/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and descriptor tables, as the system calls use them. */
#ifndef SUBSTRATE_FS_FILE_H
#define SUBSTRATE_FS_FILE_H

#include <substrate/fs.h>
#include <substrate/types.h>

/* O_* flags that say how to open and are not kept (open(2)). */
#define OPEN_ONLY_FLAGS ((u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC))
#define O_TMPFILE_BIT 020000000u

static inline bool file_readable(const struct file *f) { return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_WRONLY; }
static inline bool file_writable(const struct file *f) { return !(f->flags & O_PATH) && (f->flags & O_ACCMODE) != O_RDONLY; }

/* Opens a path that is in kernel memory; `start` as for walk_begin. File or ERR_PTR. */
struct file *open_at(struct node *start, const char *path, u32 flags, u32 mode, u64 resolve);
/* Makes an open file of a node, which is taken over. File or ERR_PTR. */
struct file *open_node(struct node *node, u32 flags);

/* Permissions for something new: without what the umask takes away. */
u32 masked_mode(u32 mode);
/* Can it be read and written at a position? */
bool file_seekable(const struct file *file);
/*
 * read(2) and write(2) into and from the caller's buffer, at *pos (NULL: at the file's own position, which moves on).
 */
ssize_t file_read(struct file *file, struct iobuf *io, u64 *pos);
ssize_t file_write(struct file *file, struct iobuf *io, u64 *pos);

extern const struct file_ops directory_file_ops;
extern const struct file_ops path_file_ops; /* O_PATH */

/* ---- fdtable.c ---- */

/* Removes and puts: 0 or -EBADF. */
long fd_close(struct fd_table *t, int fd);
long fd_close_range(struct fd_table *t, u32 first, u32 last, bool only_mark);
/* Puts `file` (taken over) at `fd`, closing what is there. fd or a negative errno; the file is put on failure. */
long fd_replace(struct fd_table *t, int fd, struct file *file, bool close_on_exec);
long fd_flags(struct fd_table *t, int fd);
long fd_set_flags(struct fd_table *t, int fd, bool close_on_exec);
/* The lowest open descriptor ≥ fd, or -1. */
int fd_next_open(const struct fd_table *t, int fd);
u64 fd_limit(void);

/* fd_get for a call that reads or writes: ERR_PTR(-EBADF). */
struct file *fd_get_readable(int fd);
struct file *fd_get_writable(int fd);
/* Not one opened with O_PATH. */
struct file *fd_get_open(int fd);

#endif
