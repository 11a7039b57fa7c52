/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing, positions, sizes. */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/resource.h>
#include <linux/uio.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "file.h"
#include "path.h"
#include "pipe.h"

#define MAX_RW_COUNT 0x7ffff000UL /* most that read(2) and write(2) move at once */
#define FAST_IOVECS 8

/* ---- on open files ---- */

bool file_seekable(const struct file *file)
{
	switch (file->node->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFBLK:
		return true;
	case S_IFCHR:
		return file->node->fs != FS_ANONYMOUS;
	default:
		return false;
	}
}

ssize_t file_read(struct file *file, struct iobuf *io, u64 *pos)
{
	u64 *at = pos ? pos : &file->pos;
	bool moves = pos || file_seekable(file);
	ssize_t n;

	if (!file->ops->read)
		return -EINVAL;
	n = file->ops->read(file, io, moves ? *at : 0);
	if (n > 0 && moves)
		*at += (u64)n;
	return n;
}

/* RLIMIT_FSIZE (getrlimit(2)): 0, or -EFBIG with the signal sent. */
static long limit_size(const struct file *file, struct iobuf *io, u64 pos)
{
	struct task *task = current;
	u64 limit = task && task->process ? task->process->rlimit[RLIMIT_FSIZE][0] : ~0UL;

	if (!is_reg(file->node) || limit > FILE_SIZE_MAX || io->left == 0)
		return 0;
	if (pos >= limit) {
		signal_send(task->process, SIGXFSZ);
		return -EFBIG;
	}
	io->left = MIN(io->left, limit - pos);
	return 0;
}

ssize_t file_write(struct file *file, struct iobuf *io, u64 *pos)
{
	u64 *at = pos ? pos : &file->pos;
	bool moves = pos || file_seekable(file);
	struct node *node = file->node;
	u64 start = !moves ? 0 : (file->flags & O_APPEND) && is_reg(node) ? node->size : *at;
	ssize_t n;

	if (!file->ops->write)
		return -EINVAL;
	n = limit_size(file, io, start);
	if (n < 0)
		return n;
	n = file->ops->write(file, io, start);
	if (n > 0) {
		if (moves)
			*at = start + (u64)n;
		node_drop_privileges(node);
	}
	return n;
}

/* ---- iovecs of the program ---- */

struct vectors {
	struct iovec fast[FAST_IOVECS], *vec;
	unsigned int count;
};

static long import(struct vectors *v, const struct iovec __user *vec, u64 count)
{
	u64 total = 0;

	if (count > UIO_MAXIOV)
		return -EINVAL;
	v->count = (unsigned int)count;
	v->vec = count <= FAST_IOVECS ? v->fast : kmalloc(count * sizeof(*vec));
	if (!v->vec)
		return -ENOMEM;
	if (copy_from_user(v->vec, vec, count * sizeof(*vec)))
		return -EFAULT;
	for (u64 i = 0; i < count; i++) {
		if ((s64)v->vec[i].iov_len < 0)
			return -EINVAL;
		v->vec[i].iov_len = MIN(v->vec[i].iov_len, MAX_RW_COUNT - total);
		total += v->vec[i].iov_len;
	}
	return 0;
}

static void vectors_free(struct vectors *v)
{
	if (v->vec && v->vec != v->fast)
		kfree(v->vec);
}

/* Would the transfer end behind what a position can say? */
static bool beyond_positions(const struct file *file, const u64 *at, size_t len)
{
	return file_seekable(file) && (at ? *at : file->pos) + len > FILE_SIZE_MAX;
}

/* What all the calls come to. `at` NULL: the file's position. */
static ssize_t transfer(int fd, struct iovec *vec, unsigned int count, u64 *at, bool write)
{
	struct file *file = fd_get_open(fd);
	struct iobuf io;
	ssize_t n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	iobuf_init_user(&io, vec, count);
	if (at && !file_seekable(file))
		n = -ESPIPE;
	else if (write ? !file_writable(file) : !file_readable(file))
		n = -EBADF;
	else if (beyond_positions(file, at, io.left))
		n = -EINVAL;
	else
		n = write ? file_write(file, &io, at) : file_read(file, &io, at);
	file_put(file);
	return n;
}

static ssize_t transfer_one(int fd, void __user *buf, size_t count, u64 *at, bool write)
{
	struct iovec vec = { .iov_base = buf, .iov_len = MIN(count, MAX_RW_COUNT) };

	if (at && (s64)*at < 0)
		return -EINVAL;
	/* No program has that much memory. */
	if ((s64)count < 0) {
		struct file *file = write ? fd_get_writable(fd) : fd_get_readable(fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
		file_put(file);
		return -EFAULT;
	}
	return transfer(fd, &vec, 1, at, write);
}

static ssize_t transfer_many(int fd, const struct iovec __user *vec, u64 count, u64 *at, bool write)
{
	struct vectors v = { .vec = NULL };
	ssize_t n;

	if (at && (s64)*at < 0)
		return -EINVAL;
	n = import(&v, vec, count);
	if (n == 0)
		n = transfer(fd, v.vec, v.count, at, write);
	vectors_free(&v);
	return n;
}

SYSCALL_DEFINE3(read, int, fd, void __user *, buf, size_t, count)
{
	return transfer_one(fd, buf, count, NULL, false);
}

SYSCALL_DEFINE3(write, int, fd, void __user *, buf, size_t, count)
{
	return transfer_one(fd, buf, count, NULL, true);
}

SYSCALL_DEFINE4(pread64, int, fd, void __user *, buf, size_t, count, u64, pos)
{
	return transfer_one(fd, buf, count, &pos, false);
}

SYSCALL_DEFINE4(pwrite64, int, fd, void __user *, buf, size_t, count, u64, pos)
{
	return transfer_one(fd, buf, count, &pos, true);
}

SYSCALL_DEFINE3(readv, int, fd, const struct iovec __user *, vec, u64, count)
{
	return transfer_many(fd, vec, count, NULL, false);
}

SYSCALL_DEFINE3(writev, int, fd, const struct iovec __user *, vec, u64, count)
{
	return transfer_many(fd, vec, count, NULL, true);
}

/* The fifth argument is the position's upper half on 32-bit machines only. */
SYSCALL_DEFINE4(preadv, int, fd, const struct iovec __user *, vec, u64, count, u64, pos)
{
	return transfer_many(fd, vec, count, &pos, false);
}

SYSCALL_DEFINE4(pwritev, int, fd, const struct iovec __user *, vec, u64, count, u64, pos)
{
	return transfer_many(fd, vec, count, &pos, true);
}

/* Hints and syncing mean nothing to files in memory; anything else would change what the call does. */
static bool flags_known(int flags)
{
	return !(flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC));
}

SYSCALL_DEFINE6(preadv2, int, fd, const struct iovec __user *, vec, u64, count, u64, pos, u64, high, int, flags)
{
	(void)high;
	if (!flags_known(flags))
		return -EOPNOTSUPP;
	return transfer_many(fd, vec, count, pos == ~0UL ? NULL : &pos, false);
}

SYSCALL_DEFINE6(pwritev2, int, fd, const struct iovec __user *, vec, u64, count, u64, pos, u64, high, int, flags)
{
	(void)high;
	if (!flags_known(flags))
		return -EOPNOTSUPP;
	return transfer_many(fd, vec, count, pos == ~0UL ? NULL : &pos, true);
}

/* ---- positions ---- */

static s64 new_position(const struct file *file, s64 offset, u32 whence)
{
	s64 base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (s64)file->pos;
		break;
	case SEEK_END:
		if (is_dir(file->node))
			return -EINVAL;
		base = (s64)(is_disk(file->node) ? disk_size(file->node) : file->node->size);
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (file->ops != &regular_file_ops)
			return -EINVAL;
		return offset < 0 ? -ENXIO : data_seek(file->node, (u64)offset, whence == SEEK_HOLE);
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &base))
		return -EOVERFLOW;
	if (is_disk(file->node) && base > (s64)disk_size(file->node))
		return -EINVAL;
	return base < 0 ? -EINVAL : base;
}

SYSCALL_DEFINE3(lseek, int, fd, s64, offset, u32, whence)
{
	struct file *file = fd_get_open(fd);
	s64 pos;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (whence > SEEK_MAX)
		pos = -EINVAL;
	else if (!(file->node->mode & S_IFMT))
		pos = 0; /* as eventfd and its kind do */
	else if (!file_seekable(file))
		pos = -ESPIPE;
	else if ((file->node->mode & S_IFMT) == S_IFCHR)
		pos = file->pos = 0; /* as null and zero do */
	else
		pos = new_position(file, offset, whence);
	if (pos >= 0)
		file->pos = (u64)pos;
	file_put(file);
	return pos;
}

/* ---- sizes ---- */

static bool ordinary(const struct node *node)
{
	return is_reg(node) && !(node->ops && node->ops->file_ops);
}

static long resize(struct node *node, s64 size)
{
	struct task *task = current;
	long error;

	if ((u64)size > node->size && (u64)size > task->process->rlimit[RLIMIT_FSIZE][0]) {
		signal_send(task->process, SIGXFSZ);
		return -EFBIG;
	}
	error = data_truncate(node, (u64)size);
	if (error == 0)
		node_drop_privileges(node);
	return error;
}

SYSCALL_DEFINE2(truncate, const char __user *, path, s64, size)
{
	struct node *node;
	long error;

	if (size < 0)
		return -EINVAL;
	node = user_node(AT_FDCWD, path, 0);
	if (IS_ERR(node))
		return PTR_ERR(node);
	if (is_dir(node))
		error = -EISDIR;
	else if (!ordinary(node))
		error = -EINVAL;
	else
		error = node_permission(node, MAY_WRITE);
	if (error == 0)
		error = resize(node, size);
	node_put(node);
	return error;
}

SYSCALL_DEFINE2(ftruncate, int, fd, s64, size)
{
	struct file *file;
	long error;

	if (size < 0)
		return -EINVAL;
	file = fd_get_open(fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	error = ordinary(file->node) && file_writable(file) ? resize(file->node, size) : -EINVAL;
	file_put(file);
	return error;
}

static long allocate(struct file *file, int mode, u64 offset, u64 len)
{
	struct node *node = file->node;

	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
		if (mode == 0 && offset + len > current->process->rlimit[RLIMIT_FSIZE][0]) {
			signal_send(current->process, SIGXFSZ);
			return -EFBIG;
		}
		return data_allocate(node, offset, len, mode & FALLOC_FL_KEEP_SIZE);
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		return data_punch(node, offset, len, true);
	default:
		return -EOPNOTSUPP;
	}
}

SYSCALL_DEFINE4(fallocate, int, fd, int, mode, s64, offset, s64, len)
{
	struct file *file = fd_get_open(fd);
	s64 end;
	long error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (offset < 0 || len <= 0)
		error = -EINVAL;
	else if (!file_writable(file))
		error = -EBADF;
	else if ((file->node->mode & S_IFMT) == S_IFIFO)
		error = -ESPIPE;
	else if (is_dir(file->node))
		error = -EISDIR;
	else if (!ordinary(file->node))
		error = -ENODEV;
	else if (__builtin_add_overflow(offset, len, &end))
		error = -EFBIG;
	else
		error = allocate(file, mode, (u64)offset, (u64)len);
	if (error == 0)
		node_drop_privileges(file->node);
	file_put(file);
	return error;
}

/* ---- what there is nothing to do for, once the descriptor is good ---- */

static long check_regular(int fd, long otherwise)
{
	struct file *file = fd_get_open(fd);
	long error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	error = is_reg(file->node) || is_dir(file->node) || is_disk(file->node) ? 0 : otherwise;
	file_put(file);
	return error;
}

/* Files are in memory; what is in a disk can be made to last. */
static long sync_file(int fd)
{
	struct file *file = fd_get_open(fd);
	long error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	error = is_disk(file->node) ? disk_sync(file->node) : is_reg(file->node) || is_dir(file->node) ? 0 : -EINVAL;
	file_put(file);
	return error;
}

SYSCALL_DEFINE1(fsync, int, fd)
{
	return sync_file(fd);
}

SYSCALL_DEFINE1(fdatasync, int, fd)
{
	return sync_file(fd);
}

SYSCALL_DEFINE0(sync)
{
	disk_sync_all();
	return 0;
}

SYSCALL_DEFINE1(syncfs, int, fd)
{
	struct file *file = fd_get_open(fd);

	if (IS_ERR(file))
		return PTR_ERR(file);
	file_put(file);
	return 0;
}

SYSCALL_DEFINE4(sync_file_range, int, fd, s64, offset, s64, len, u32, flags)
{
	if (offset < 0 || len < 0 || (flags & ~7u))
		return -EINVAL;
	return check_regular(fd, -ESPIPE);
}

SYSCALL_DEFINE4(fadvise64, int, fd, s64, offset, s64, len, int, advice)
{
	long error;

	(void)offset;
	error = check_regular(fd, -ESPIPE);
	if (error < 0)
		return error;
	return len < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}

SYSCALL_DEFINE3(readahead, int, fd, s64, offset, size_t, count)
{
	(void)offset, (void)count;
	return check_regular(fd, -EINVAL);
}
