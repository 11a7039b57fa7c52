/* SPDX-License-Identifier: Apache-2.0 */
/* Files: nodes (what is stored), files (what is open), descriptor tables. */
#ifndef SUBSTRATE_FS_H
#define SUBSTRATE_FS_H

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <substrate/sched.h>
#include <substrate/types.h>
#include <substrate/uaccess.h>

#define PATH_MAX 4096
#define NAME_MAX 255
#define SYMLINK_MAX_FOLLOWS 40

struct epoll_item;
struct file;
struct node;
struct task;

/* ---- open files (fs/file.c) ---- */

struct file_ops {
	/* Bytes moved, 0 at the end, or a negative errno. `pos` is where to start; the caller advances file->pos. */
	ssize_t (*read)(struct file *file, struct iobuf *io, u64 pos);
	ssize_t (*write)(struct file *file, struct iobuf *io, u64 pos);
	long (*ioctl)(struct file *file, unsigned int cmd, u64 arg);
	/* EPOLL*-style readiness (POLLIN …); registers with `table` when it is not NULL. */
	unsigned int (*poll)(struct file *file, struct poll_table *table);
	/* The last reference went. */
	void (*release)(struct file *file);
};

struct file {
	const struct file_ops *ops;
	struct node *node; /* held; what fstat describes */
	void *private;     /* the owner's */
	struct epoll_item *watches; /* of the epolls that watch it */
	u64 pos;
	u32 flags; /* O_* as open(2) keeps them */
	u32 refs;
};

/* Takes over the caller's reference to `node`. NULL when memory is exhausted (the node is put then). */
struct file *file_new(const struct file_ops *ops, struct node *node, void *private, u32 flags);
struct file *file_get(struct file *file);
void file_put(struct file *file);
/* open(2) seen from the kernel: `path` is kernel memory, relative to the current task's directory. File or ERR_PTR. */
struct file *file_open(const char *path, u32 flags, u32 mode);

/* ---- descriptor tables ---- */

struct fd_table;
struct fd_table *fd_table_new(void);
struct fd_table *fd_table_get(struct fd_table *t);
void fd_table_put(struct fd_table *t); /* closes what is open with the last reference */
struct fd_table *fd_table_copy(struct fd_table *t);
/* A table that nobody else uses: the same one, or a copy for which the reference is given up. NULL: no memory, nothing done. */
struct fd_table *fd_table_own(struct fd_table *t);
void fd_table_close_on_exec(struct fd_table *t);
/* Lowest free descriptor ≥ min, or -EMFILE/-ENOMEM. Takes over the reference on success. */
int fd_install(struct fd_table *t, struct file *file, int min, bool close_on_exec);
/* Takes a descriptor back that was installed in vain, unless it has become another file's since. */
void fd_remove(struct fd_table *t, int fd, const struct file *file);
/* The open file with a reference added, or NULL. */
struct file *fd_get(struct fd_table *t, int fd);

/* ---- a task's view of the tree ---- */

struct fs_context; /* root, working directory, umask */
struct fs_context *fs_context_new(void); /* at the root, umask 022 */
struct fs_context *fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
struct fs_context *fs_context_copy(struct fs_context *fs);
/* Kernel path; 0 or a negative errno. */
long fs_context_chdir(struct fs_context *fs, const char *path);

/* ---- nodes ---- */

/* Mounts the EROFS image that lies at `image` under a writable overlay in memory; panics by name when it is not one. */
void fs_init(paddr_t image, u64 size);

struct node *node_get(struct node *node);
void node_put(struct node *node);
u32 node_mode(const struct node *node); /* S_IF* and permissions */
u32 node_uid(const struct node *node);
u32 node_gid(const struct node *node);
u64 node_size(const struct node *node);
u64 node_id(const struct node *node); /* st_ino */
/* Reads a regular file into kernel memory: bytes, short at the end, or a negative errno. */
ssize_t node_read(struct node *node, void *buf, size_t len, u64 offset);
/*
 * The frame that holds page `index` of a regular file, with a reference (frame_get) for the caller.
 * `write`: a frame that belongs to the file and may be written through a shared mapping (pages of the image are copied first).
 * -ENXIO beyond the end, -ENOMEM.
 */
long node_frame(struct node *node, u64 index, bool write, paddr_t *frame);
/* Follows symbolic links; kernel path relative to the current task. Referenced node or ERR_PTR. */
struct node *path_lookup(const char *path);
/* The same, but a link at the end is what is found. */
struct node *path_lookup_link(const char *path);
/* A new node for an AF_UNIX socket at a kernel path relative to the current task: one reference, or ERR_PTR (-EEXIST, …). */
struct node *path_make_socket(const char *path);
/* May the current task do this (MAY_READ 4, MAY_WRITE 2, MAY_EXEC 1)? 0 or -EACCES. */
long node_permission(const struct node *node, u32 may);
/* Absolute path of an open directory or file for /proc and getcwd: length, or negative errno. */
ssize_t node_path(struct node *node, char *buf, size_t size);
/* A node that is in no directory (pipes, agent streams): `mode` S_IFIFO|0600 and such. */
struct node *node_new_anonymous(u32 mode);
/* A regular file of `size` bytes, all zero, in no directory: what processes share through anonymous memory. Or ERR_PTR. */
struct node *node_new_shared_memory(u64 size);

#endif
