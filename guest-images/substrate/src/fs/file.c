/* SPDX-License-Identifier: Apache-2.0 */
/* Opening. */
#include <linux/openat2.h>
#include <substrate/epoll.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/tty.h>
#include "file.h"
#include "lock.h"
#include "path.h"
#include "pipe.h"

struct file *file_new(const struct file_ops *ops, struct node *node, void *private, u32 flags)
{
	struct file *file = kmalloc(sizeof(*file));

	if (!file) {
		node_put(node);
		return NULL;
	}
	*file = (struct file){ .ops = ops, .node = node, .private = private, .flags = flags & ~OPEN_ONLY_FLAGS, .refs = 1 };
	return file;
}

struct file *file_get(struct file *file)
{
	file->refs++;
	return file;
}

void file_put(struct file *file)
{
	if (--file->refs)
		return;
	locks_released(file);
	if (file->watches)
		epoll_file_closed(file);
	if (file->ops->release)
		file->ops->release(file);
	node_put(file->node);
	kfree(file);
}

const struct file_ops path_file_ops = { .read = NULL };

/* The operations of an ordinary open file, or NULL for what cannot be opened. */
static const struct file_ops *node_file_ops(const struct node *node)
{
	if (node->ops && node->ops->file_ops)
		return node->ops->file_ops;
	switch (node->mode & S_IFMT) {
	case S_IFREG:
		return &regular_file_ops;
	case S_IFDIR:
		return &directory_file_ops;
	case S_IFCHR:
	case S_IFBLK:
		return device_ops(node);
	default:
		return NULL;
	}
}

struct file *open_node(struct node *node, u32 flags)
{
	const struct file_ops *ops = flags & O_PATH ? &path_file_ops : node_file_ops(node);
	struct file *file;

	if (!(flags & O_PATH) && (node->mode & S_IFMT) == S_IFCHR && tty_device(node->device))
		return tty_open(node, flags | O_LARGEFILE);
	if (!ops && (node->mode & S_IFMT) == S_IFIFO)
		return fifo_open(node, flags | O_LARGEFILE);
	if (!ops) {
		node_put(node);
		return ERR_PTR(-ENXIO);
	}
	file = file_new(ops, node, NULL, flags | (flags & O_PATH ? 0 : O_LARGEFILE));
	return file ? file : ERR_PTR(-ENOMEM);
}

static u32 access_wanted(u32 flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return MAY_READ | (flags & O_TRUNC ? MAY_WRITE : 0);
	case O_WRONLY:
		return MAY_WRITE;
	default:
		return MAY_READ | MAY_WRITE;
	}
}

/* May the current task open this existing node so? */
static long may_open(const struct node *node, u32 flags)
{
	u32 wanted = access_wanted(flags);
	long error;

	if (is_link(node))
		return -ELOOP;
	if (is_dir(node) && (wanted & MAY_WRITE))
		return -EISDIR;
	error = node_permission(node, wanted);
	if (error < 0)
		return error;
	if (is_disk(node) && (wanted & MAY_WRITE) && device_ops(node) && disk_read_only(node))
		return -EACCES;
	if ((flags & O_NOATIME) && fs_uid() != 0 && fs_uid() != node->uid)
		return -EPERM;
	return 0;
}

static struct file *open_existing(struct node *node, u32 flags)
{
	long error = flags & O_PATH ? 0 : may_open(node, flags);

	if (error == 0 && (flags & O_TRUNC) && !(flags & O_PATH) && is_reg(node) && !(node->ops && node->ops->file_ops)) {
		error = data_truncate(node, 0);
		if (error == 0)
			node_drop_privileges(node);
	}
	if (error < 0) {
		node_put(node);
		return ERR_PTR(error);
	}
	return open_node(node, flags);
}

/*
 * A link of /proc/<pid>/fd to something that cannot be opened anew (a stream of the host's): as near as there is to opening it
 * is to share what is open.
 */
static struct file *open_again(struct file *file, u32 flags)
{
	u32 wanted = flags & O_ACCMODE;

	if (flags & O_PATH)
		return open_node(node_get(file->node), flags);
	if ((wanted != O_WRONLY && !file_readable(file)) || (wanted != O_RDONLY && !file_writable(file)))
		return ERR_PTR(-EACCES);
	return file_get(file);
}

static bool only_shareable(const struct file *file)
{
	return file && file->node->fs == FS_ANONYMOUS && !is_reg(file->node) && !file_is_pipe(file) && !(file->flags & O_PATH);
}

u32 masked_mode(u32 mode)
{
	struct task *task = current;
	return mode & ~(task && task->fs ? task->fs->umask : 022) & 07777;
}

static struct file *open_new(struct walk *w, u32 flags, u32 mode)
{
	struct node *node;
	struct file *file;
	long error = may_create(w->dir);

	if (error < 0)
		return ERR_PTR(error);
	node = node_new(w->dir->fs, S_IFREG | masked_mode(mode));
	if (!node)
		return ERR_PTR(-ENOSPC);
	if (w->dir->mode & S_ISGID)
		node->gid = w->dir->gid;
	error = tree_insert(w->dir, w->name, w->len, node);
	if (error < 0) {
		node_put(node);
		return ERR_PTR(error);
	}
	/* What may be done with the file just made is not asked of its mode (open(2)). */
	file = open_node(node, flags);
	return file;
}

/* O_TMPFILE: a file without a name, in the file system of a directory. */
static struct file *open_unnamed(struct node *dir, u32 flags, u32 mode)
{
	struct node *node;
	long error = is_dir(dir) ? may_create(dir) : -ENOTDIR;

	if (error < 0)
		return ERR_PTR(error == -ENOENT ? -EOPNOTSUPP : error);
	node = node_new(dir->fs, S_IFREG | masked_mode(mode));
	if (!node)
		return ERR_PTR(-ENOSPC);
	node->nlink = 0;
	node->linkable = !(flags & O_EXCL);
	error = tree_name(node, dir, "#unnamed", 8);
	if (error < 0) {
		node_put(node);
		return ERR_PTR(error);
	}
	return open_node(node, flags & ~(O_TMPFILE_BIT | (u32)O_DIRECTORY));
}

/* The last component is known: opens it, or says by NULL that the walk goes on (into a symbolic link). */
static struct file *open_last(struct walk *w, u32 flags, u32 mode)
{
	struct node *node;
	long error;

	if (w->kind == LAST_JUMP) {
		if (only_shareable(w->file) && !(flags & (O_DIRECTORY | O_CREAT)))
			return open_again(w->file, flags);
		if ((flags & O_CREAT) && is_dir(w->dir))
			return ERR_PTR(-EISDIR);
		if ((w->must_be_dir || (flags & O_DIRECTORY)) && !is_dir(w->dir))
			return ERR_PTR(-ENOTDIR);
		return open_existing(node_get(w->dir), flags);
	}
	if (w->kind != LAST_NAME) {
		if (flags & O_CREAT)
			return ERR_PTR(flags & O_EXCL ? -EEXIST : -EISDIR);
		return open_existing(node_get(w->dir), flags);
	}
	if ((flags & O_CREAT) && w->must_be_dir)
		return ERR_PTR(-EISDIR);
	node = tree_lookup(w->dir, w->name, w->len);
	if (IS_ERR(node)) {
		if (PTR_ERR(node) == -ENOENT && (flags & O_CREAT))
			return open_new(w, flags, mode);
		return (struct file *)node;
	}
	error = 0;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		error = -EEXIST;
	else if (is_link(node) && (!(flags & O_NOFOLLOW) || w->must_be_dir)) {
		error = walk_follow(w, node);
		return error < 0 ? ERR_PTR(error) : NULL;
	} else if ((w->must_be_dir || (flags & O_DIRECTORY)) && !is_dir(node))
		error = -ENOTDIR;
	else if ((flags & O_CREAT) && is_dir(node))
		error = -EISDIR;
	if (error < 0) {
		node_put(node);
		return ERR_PTR(error);
	}
	return open_existing(node, flags);
}

struct file *open_at(struct node *start, const char *path, u32 flags, u32 mode, u64 resolve)
{
	struct file *file = NULL;
	struct walk w;
	long error;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (flags & O_TMPFILE_BIT) {
		struct node *dir;
		if (!(flags & O_DIRECTORY) || !(access_wanted(flags & ~(u32)O_TRUNC) & MAY_WRITE))
			return ERR_PTR(-EINVAL);
		dir = path_node(start, path, !(flags & O_NOFOLLOW));
		if (IS_ERR(dir))
			return (struct file *)dir;
		file = open_unnamed(dir, flags, mode);
		node_put(dir);
		return file;
	}
	if ((flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT))
		return ERR_PTR(-EINVAL);
	error = walk_begin(&w, start, path, resolve);
	while (error == 0 && !file) {
		error = walk_parent(&w);
		if (error == 0)
			file = open_last(&w, flags, mode);
	}
	walk_end(&w);
	return error < 0 ? ERR_PTR(error) : file;
}

struct file *file_open(const char *path, u32 flags, u32 mode)
{
	return open_at(NULL, path, flags, mode, 0);
}
