/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing and duplicating descriptors; fcntl and ioctl. */
#include <asm/ioctls.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "file.h"
#include "lock.h"
#include "path.h"
#include "pipe.h"

#define MEMFD_NAME_MAX 249 /* memfd_create(2) */
#define OPEN_FLAGS_ALL ((u32)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | __O_SYNC | \
	FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH) | O_TMPFILE_BIT)
#define RESOLVE_ALL (RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED)

/* ---- open ---- */

static long install(struct file *file, bool close_on_exec)
{
	int fd;

	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = fd_install(current->files, file, 0, close_on_exec);
	if (fd < 0)
		file_put(file);
	return fd;
}

static long open_path(int dirfd, const char __user *user_path, u32 flags, u32 mode, u64 resolve)
{
	char *path = path_from_user(user_path);
	struct node *start;
	long fd;

	if (IS_ERR(path))
		return PTR_ERR(path);
	start = start_node(resolve & RESOLVE_IN_ROOT && *path == '/' ? AT_FDCWD : dirfd, resolve & RESOLVE_IN_ROOT ? "" : path);
	if (resolve & RESOLVE_IN_ROOT && !IS_ERR(start) && *path == '/') {
		node_put(start);
		start = start_node(dirfd, "");
	}
	if (IS_ERR(start)) {
		kfree(path);
		return PTR_ERR(start);
	}
	fd = install(open_at(start, path, flags, mode, resolve), flags & O_CLOEXEC);
	node_put(start);
	kfree(path);
	return fd;
}

SYSCALL_DEFINE3(open, const char __user *, path, u32, flags, u32, mode)
{
	return open_path(AT_FDCWD, path, flags & OPEN_FLAGS_ALL, mode & 07777, 0);
}

SYSCALL_DEFINE4(openat, int, dirfd, const char __user *, path, u32, flags, u32, mode)
{
	return open_path(dirfd, path, flags & OPEN_FLAGS_ALL, mode & 07777, 0);
}

SYSCALL_DEFINE2(creat, const char __user *, path, u32, mode)
{
	return open_path(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode & 07777, 0);
}

/* A larger struct than ours is fine as long as what we do not know is zero (openat2(2)). */
static long get_open_how(struct open_how *how, const void __user *user, size_t size)
{
	u8 rest[64];

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(how, user, sizeof(*how)))
		return -EFAULT;
	for (size_t at = sizeof(*how); at < size; at += sizeof(rest)) {
		size_t n = MIN(size - at, sizeof(rest));
		if (copy_from_user(rest, (const u8 __user *)user + at, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
	}
	return 0;
}

SYSCALL_DEFINE4(openat2, int, dirfd, const char __user *, path, const void __user *, user_how, size_t, size)
{
	struct open_how how;
	long error = get_open_how(&how, user_how, size);

	if (error < 0)
		return error;
	if ((how.flags & ~(u64)OPEN_FLAGS_ALL) || (how.resolve & ~(u64)RESOLVE_ALL) || (how.mode & ~07777UL))
		return -EINVAL;
	if (how.mode && !(how.flags & (O_CREAT | O_TMPFILE_BIT)))
		return -EINVAL;
	if ((how.flags & O_PATH) && (how.flags & ~(u64)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
		return -EINVAL;
	if ((how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EINVAL;
	return open_path(dirfd, path, (u32)how.flags, (u32)how.mode, how.resolve);
}

/* ---- files without a path ---- */

static long make_pipe(int __user *fds, u32 flags)
{
	struct file *ends[2];
	int numbers[2];
	long error;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	/* Packets would have to keep their bounds. */
	if (flags & O_DIRECT)
		return -EINVAL;
	error = pipe_make(ends, flags & O_NONBLOCK);
	if (error < 0)
		return error;
	numbers[0] = fd_install(current->files, ends[0], 0, flags & O_CLOEXEC);
	if (numbers[0] < 0) {
		file_put(ends[0]);
		file_put(ends[1]);
		return numbers[0];
	}
	numbers[1] = fd_install(current->files, ends[1], 0, flags & O_CLOEXEC);
	if (numbers[1] < 0) {
		fd_close(current->files, numbers[0]);
		file_put(ends[1]);
		return numbers[1];
	}
	if (copy_to_user(fds, numbers, sizeof(numbers))) {
		fd_close(current->files, numbers[0]);
		fd_close(current->files, numbers[1]);
		return -EFAULT;
	}
	return 0;
}

SYSCALL_DEFINE1(pipe, int __user *, fds)
{
	return make_pipe(fds, 0);
}

SYSCALL_DEFINE2(pipe2, int __user *, fds, u32, flags)
{
	return make_pipe(fds, flags);
}

static struct node *memory_node(const char *name, size_t len)
{
	struct node *node = node_new_anonymous(S_IFREG | 0777);

	if (!node)
		return ERR_PTR(-ENOMEM);
	node->nlink = 0;
	node->seals = F_SEAL_SEAL;
	if (tree_name(node, NULL, name, (u32)len) < 0) {
		node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	return node;
}

static struct file *memfd_open(const char *name, size_t len, bool sealable)
{
	char text[MEMFD_NAME_MAX + 8] = "memfd:";
	struct node *node;

	memcpy(text + 6, name, len);
	node = memory_node(text, MIN(len + 6, NAME_MAX));
	if (IS_ERR(node))
		return ERR_PTR(PTR_ERR(node));
	node->seals = sealable ? 0 : F_SEAL_SEAL;
	return open_node(node, O_RDWR);
}

/* The name is what Linux shows in /proc/<pid>/maps. */
struct node *node_new_shared_memory(u64 size)
{
	static const char name[] = "dev/zero";
	struct node *node = memory_node(name, sizeof(name) - 1);

	if (!IS_ERR(node))
		node->size = size;
	return node;
}

SYSCALL_DEFINE2(memfd_create, const char __user *, user_name, u32, flags)
{
	char name[MEMFD_NAME_MAX + 1];
	ssize_t len;

	/* Huge pages are not there to be had. */
	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	len = strncpy_from_user(name, user_name, sizeof(name));
	if (len < 0)
		return len == -ENAMETOOLONG ? -EINVAL : len;
	return install(memfd_open(name, (size_t)len, flags & MFD_ALLOW_SEALING), flags & MFD_CLOEXEC);
}

/* ---- close and dup ---- */

SYSCALL_DEFINE1(close, int, fd)
{
	return fd_close(current->files, fd);
}

SYSCALL_DEFINE3(close_range, u32, first, u32, last, u32, flags)
{
	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE) {
		struct fd_table *copy = fd_table_copy(current->files);
		if (!copy)
			return -ENOMEM;
		fd_table_put(current->files);
		current->files = copy;
	}
	return fd_close_range(current->files, first, last, flags & CLOSE_RANGE_CLOEXEC);
}

static long duplicate_to(int old, int new, bool close_on_exec)
{
	struct file *file = fd_get(current->files, old);

	return file ? fd_replace(current->files, new, file, close_on_exec) : -EBADF;
}

SYSCALL_DEFINE1(dup, int, fd)
{
	struct file *file = fd_get(current->files, fd);

	return file ? install(file, false) : -EBADF;
}

SYSCALL_DEFINE2(dup2, int, old, int, new)
{
	if (old == new)
		return fd_flags(current->files, old) < 0 ? -EBADF : new;
	return duplicate_to(old, new, false);
}

SYSCALL_DEFINE3(dup3, int, old, int, new, u32, flags)
{
	if (old == new || (flags & ~(u32)O_CLOEXEC))
		return -EINVAL;
	return duplicate_to(old, new, flags & O_CLOEXEC);
}

/* ---- fcntl ---- */

static long duplicate_from(struct file *file, u64 min, bool close_on_exec)
{
	int fd;

	if (min >= fd_limit())
		return -EINVAL;
	fd = fd_install(current->files, file_get(file), (int)min, close_on_exec);
	if (fd < 0)
		file_put(file);
	return fd;
}

static long set_status_flags(struct file *file, u32 flags)
{
	const u32 settable = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT | FASYNC;

	if ((flags & ~file->flags & O_NOATIME) && fs_uid() != 0 && fs_uid() != file->node->uid)
		return -EPERM;
	file->flags = (file->flags & ~settable) | (flags & settable);
	return 0;
}

static long record_lock(struct file *file, u32 cmd, struct flock __user *user)
{
	bool by_file = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct flock request;
	long error;

	if (copy_from_user(&request, user, sizeof(request)))
		return -EFAULT;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		error = lock_get(file, &request, by_file);
		if (error == 0 && copy_to_user(user, &request, sizeof(request)))
			error = -EFAULT;
		return error;
	}
	return lock_set(file, &request, by_file, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

static bool is_memfd(const struct file *file)
{
	return file->node->fs == FS_ANONYMOUS && is_reg(file->node);
}

static long add_seals(struct file *file, u32 seals)
{
	if (!is_memfd(file) || (seals & ~(u32)(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)))
		return -EINVAL;
	if (!file_writable(file) || (file->node->seals & F_SEAL_SEAL))
		return -EPERM;
	file->node->seals |= seals;
	return 0;
}

static long control(int fd, struct file *file, u32 cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return duplicate_from(file, arg, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_flags(current->files, fd);
	case F_SETFD:
		return fd_set_flags(current->files, fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return file->flags;
	}
	if (file->flags & O_PATH)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return set_status_flags(file, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return record_lock(file, cmd, (struct flock __user *)arg);
	case F_GETPIPE_SZ:
		return file_is_pipe(file) ? pipe_size(file) : -EBADF;
	case F_SETPIPE_SZ:
		return file_is_pipe(file) ? pipe_resize(file, (u32)arg) : -EBADF;
	case F_GET_SEALS:
		return is_memfd(file) ? (long)file->node->seals : -EINVAL;
	case F_ADD_SEALS:
		return add_seals(file, (u32)arg);
	case F_GETOWN:
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE3(fcntl, int, fd, u32, cmd, u64, arg)
{
	struct file *file = fd_get(current->files, fd);
	long result;

	if (!file)
		return -EBADF;
	result = control(fd, file, cmd, arg);
	file_put(file);
	return result;
}

SYSCALL_DEFINE2(flock, int, fd, int, operation)
{
	struct file *file = fd_get_open(fd);
	long error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	error = lock_flock(file, operation);
	file_put(file);
	return error;
}

/* ---- ioctl ---- */

static long set_nonblocking(struct file *file, const int __user *arg)
{
	int on;

	if (copy_from_user(&on, arg, sizeof(on)))
		return -EFAULT;
	file->flags = on ? file->flags | O_NONBLOCK : file->flags & ~(u32)O_NONBLOCK;
	return 0;
}

static long bytes_left(const struct file *file, int __user *arg)
{
	s64 left = (s64)file->node->size - (s64)file->pos;
	int value = left > 0x7fffffff ? 0x7fffffff : (int)left;

	return copy_to_user(arg, &value, sizeof(value)) ? -EFAULT : 0;
}

static long device_control(int fd, struct file *file, u32 cmd, u64 arg)
{
	switch (cmd) {
	case FIOCLEX:
		return fd_set_flags(current->files, fd, true);
	case FIONCLEX:
		return fd_set_flags(current->files, fd, false);
	case FIONBIO:
		return set_nonblocking(file, (const int __user *)arg);
	case FIONREAD:
		if (is_reg(file->node))
			return bytes_left(file, (int __user *)arg);
		break;
	}
	return file->ops->ioctl ? file->ops->ioctl(file, cmd, arg) : -ENOTTY;
}

SYSCALL_DEFINE3(ioctl, int, fd, u32, cmd, u64, arg)
{
	struct file *file = fd_get_open(fd);
	long result;

	if (IS_ERR(file))
		return PTR_ERR(file);
	result = device_control(fd, file, cmd, arg);
	file_put(file);
	return result;
}
