/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: reading them, the working directory, the root; symbolic links' texts. */
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "file.h"
#include "path.h"

/* getdents(2); the type stands in the record's last byte. */
struct old_dirent {
	u64 ino, next;
	u16 length;
	char name[];
};

/* getdents64(2) */
struct dirent64 {
	u64 ino;
	s64 next;
	u16 length;
	u8 type;
	char name[];
} __attribute__((packed));

/* "." and ".." come before what the directory itself hands out. */
#define DOTS 2

struct filler {
	struct dir_sink sink;
	u8 __user *to;
	size_t left;
	size_t filled;
	long error;
	bool old;
};

static size_t record_length(const struct filler *f, u32 len)
{
	/* With the NUL, and in the old form the type behind it. */
	size_t header = f->old ? offsetof(struct old_dirent, name) + 1 : offsetof(struct dirent64, name);
	return ALIGN_UP(header + len + 1, 8);
}

static bool fill(struct filler *f, const char *name, u32 len, u64 ino, u32 type, u64 next)
{
	u64 space[(sizeof(struct dirent64) + NAME_MAX + 16) / 8 + 1];
	size_t length = record_length(f, len);

	if (length > f->left) {
		if (f->filled == 0)
			f->error = -EINVAL;
		return false;
	}
	memset(space, 0, length);
	if (f->old) {
		struct old_dirent *d = (struct old_dirent *)space;
		d->ino = ino;
		d->next = next;
		d->length = (u16)length;
		memcpy((char *)space + offsetof(struct old_dirent, name), name, len);
		((u8 *)space)[length - 1] = (u8)type;
	} else {
		struct dirent64 *d = (struct dirent64 *)space;
		d->ino = ino;
		d->next = (s64)next;
		d->length = (u16)length;
		d->type = (u8)type;
		memcpy((char *)space + offsetof(struct dirent64, name), name, len);
	}
	if (copy_to_user(f->to, space, length)) {
		f->error = -EFAULT;
		return false;
	}
	f->to += length;
	f->left -= length;
	f->filled += length;
	return true;
}

static bool emit(struct dir_sink *sink, const char *name, u32 len, u64 ino, u32 type, u64 next)
{
	return fill(container_of(sink, struct filler, sink), name, len, ino, type, next + DOTS);
}

static long read_directory(struct file *file, struct filler *f)
{
	struct node *dir = file->node;
	u64 inner, end;
	long error;

	if (!is_dir(dir))
		return -ENOTDIR;
	if (dir->nlink == 0)
		return -ENOENT;
	node_accessed(dir);
	if (file->pos == 0)
		file->private = NULL;
	if (file->pos == 0 && fill(f, ".", 1, dir->ino, DT_DIR, 1))
		file->pos = 1;
	if (file->pos == 1 && !f->error && fill(f, "..", 2, tree_parent(dir)->ino, DT_DIR, DOTS))
		file->pos = DOTS;
	if (file->pos < DOTS || f->error)
		return f->filled ? (long)f->filled : f->error;
	inner = file->pos - DOTS;
	end = (u64)file->private;
	error = tree_readdir(dir, &inner, &end, &f->sink);
	file->pos = inner + DOTS;
	file->private = (void *)end;
	if (f->filled)
		return (long)f->filled;
	return error < 0 ? error : f->error;
}

static long get_entries(int fd, void __user *buf, u32 size, bool old)
{
	struct filler f = { .sink = { .emit = emit }, .to = buf, .left = size, .old = old };
	struct file *file = fd_get_open(fd);
	long n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	n = read_directory(file, &f);
	file_put(file);
	return n;
}

SYSCALL_DEFINE3(getdents, int, fd, void __user *, buf, u32, size)
{
	return get_entries(fd, buf, size, true);
}

SYSCALL_DEFINE3(getdents64, int, fd, void __user *, buf, u32, size)
{
	return get_entries(fd, buf, size, false);
}

static ssize_t directory_read(struct file *file, struct iobuf *io, u64 pos)
{
	(void)file, (void)io, (void)pos;
	return -EISDIR;
}

const struct file_ops directory_file_ops = { .read = directory_read };

/* ---- symbolic links ---- */

static ssize_t link_text(struct node *link, char *buf, size_t size)
{
	const char *text;
	size_t len;

	if (link->ops && link->ops->readlink)
		return link->ops->readlink(link, buf, size);
	text = node_target(link);
	if (IS_ERR(text))
		return PTR_ERR(text);
	node_accessed(link);
	len = MIN(strlen(text), size);
	memcpy(buf, text, len);
	return (ssize_t)len;
}

static long read_link(int dirfd, const char __user *path, char __user *buf, int size)
{
	struct node *link;
	char *text;
	ssize_t len;

	if (size <= 0)
		return -EINVAL;
	link = user_node(dirfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
	if (IS_ERR(link))
		return PTR_ERR(link);
	if (!is_link(link)) {
		node_put(link);
		return -EINVAL;
	}
	text = kmalloc(PATH_MAX);
	len = text ? link_text(link, text, PATH_MAX) : -ENOMEM;
	if (len >= 0) {
		len = MIN(len, (ssize_t)size);
		if (copy_to_user(buf, text, (size_t)len))
			len = -EFAULT;
	}
	kfree(text);
	node_put(link);
	return len;
}

SYSCALL_DEFINE3(readlink, const char __user *, path, char __user *, buf, int, size)
{
	return read_link(AT_FDCWD, path, buf, size);
}

SYSCALL_DEFINE4(readlinkat, int, dirfd, const char __user *, path, char __user *, buf, int, size)
{
	return read_link(dirfd, path, buf, size);
}

/* ---- where a task is ---- */

SYSCALL_DEFINE2(getcwd, char __user *, buf, size_t, size)
{
	struct node *cwd = current->fs->cwd;
	char *text;
	ssize_t len;

	if (cwd->nlink == 0)
		return -ENOENT;
	text = kmalloc(PATH_MAX);
	if (!text)
		return -ENOMEM;
	len = node_path(cwd, text, PATH_MAX - 1);
	if (len >= 0) {
		text[len++] = 0;
		if ((size_t)len > size)
			len = -ERANGE;
		else if (copy_to_user(buf, text, (size_t)len))
			len = -EFAULT;
	}
	kfree(text);
	return len;
}

/* Takes over the reference to `node`. */
static long enter_directory(struct node *node, struct node **place)
{
	long error = is_dir(node) ? node_permission(node, MAY_EXEC) : -ENOTDIR;

	if (error < 0) {
		node_put(node);
		return error;
	}
	node_put(*place);
	*place = node;
	return 0;
}

SYSCALL_DEFINE1(chdir, const char __user *, path)
{
	struct node *node = user_node(AT_FDCWD, path, 0);

	return IS_ERR(node) ? PTR_ERR(node) : enter_directory(node, &current->fs->cwd);
}

SYSCALL_DEFINE1(fchdir, int, fd)
{
	struct file *file = fd_get(current->files, fd);
	struct node *node;

	if (!file)
		return -EBADF;
	node = node_get(file->node);
	file_put(file);
	return enter_directory(node, &current->fs->cwd);
}

SYSCALL_DEFINE1(chroot, const char __user *, path)
{
	struct node *node = user_node(AT_FDCWD, path, 0);
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = is_dir(node) ? node_permission(node, MAY_EXEC) : -ENOTDIR;
	if (error == 0 && current->process->cred.euid != 0)
		error = -EPERM;
	if (error < 0) {
		node_put(node);
		return error;
	}
	return enter_directory(node, &current->fs->root);
}

/* ---- mounts are the kernel's own ---- */

SYSCALL_DEFINE0(mount)
{
	return -EPERM;
}

SYSCALL_DEFINE0(umount2)
{
	return -EPERM;
}
