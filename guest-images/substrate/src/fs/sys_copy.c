/* SPDX-License-Identifier: Apache-2.0 */
/* Copies from file to file inside the kernel: sendfile, copy_file_range, splice. */
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "file.h"
#include "node.h"
#include "pipe.h"

#define CHUNK (16UL << 10)
#define MAX_RW_COUNT 0x7ffff000UL

#define SPLICE_F_NONBLOCK 2u /* splice(2) */
#define SPLICE_F_ALL 15u

/* What is copied from and to, both held; an error when the descriptors are not open for that. */
static long get_both(int in_fd, struct file **in, int out_fd, struct file **out)
{
	*in = fd_get_readable(in_fd);
	if (IS_ERR(*in))
		return PTR_ERR(*in);
	*out = fd_get_writable(out_fd);
	if (IS_ERR(*out)) {
		file_put(*in);
		return PTR_ERR(*out);
	}
	return 0;
}

static ssize_t read_chunk(struct file *file, void *buf, size_t len, u64 *pos)
{
	struct iovec vec;
	struct iobuf io;

	iobuf_init_kernel(&io, &vec, buf, len);
	return file_read(file, &io, pos);
}

static ssize_t write_chunk(struct file *file, const void *buf, size_t len, u64 *pos)
{
	struct iovec vec;
	struct iobuf io;

	iobuf_init_kernel(&io, &vec, (void *)buf, len);
	return file_write(file, &io, pos);
}

/*
 * Copies up to `len` bytes. What was read but could not be written is not lost where the source has positions: it is just
 * not counted. `out_at` NULL: the target's own position.
 */
static ssize_t copy(struct file *in, u64 *in_at, struct file *out, u64 *out_at, size_t len)
{
	bool seekable = file_seekable(in);
	void *chunk = kmalloc(CHUNK);
	size_t total = 0;
	ssize_t n = 0;

	if (!chunk)
		return -ENOMEM;
	while (total < len) {
		u64 at = seekable ? (in_at ? *in_at : in->pos) : 0, read_at = at;
		ssize_t got = read_chunk(in, chunk, MIN(len - total, CHUNK), seekable ? &read_at : NULL);
		ssize_t put = 0;

		n = got;
		if (got <= 0)
			break;
		do {
			n = write_chunk(out, (char *)chunk + put, (size_t)(got - put), out_at);
			if (n > 0)
				put += n;
		} while (n > 0 && put < got && !seekable);
		total += (size_t)put;
		if (seekable)
			*(in_at ? in_at : &in->pos) = at + (u64)put;
		if (!seekable || put < got || got < (ssize_t)CHUNK)
			break;
	}
	kfree(chunk);
	return total ? (ssize_t)total : n;
}

/* ---- sendfile ---- */

static ssize_t send_file(struct file *out, struct file *in, s64 __user *offset, size_t count)
{
	u64 at = 0;
	ssize_t n;

	if (!file_seekable(in) || is_dir(in->node) || (out->flags & O_APPEND))
		return -EINVAL;
	if (offset && copy_from_user(&at, offset, sizeof(at)))
		return -EFAULT;
	if ((s64)at < 0)
		return -EINVAL;
	n = copy(in, offset ? &at : NULL, out, NULL, MIN(count, MAX_RW_COUNT));
	if (offset && n >= 0 && copy_to_user(offset, &at, sizeof(at)))
		return -EFAULT;
	return n;
}

SYSCALL_DEFINE4(sendfile, int, out_fd, int, in_fd, s64 __user *, offset, size_t, count)
{
	struct file *in, *out;
	long error = get_both(in_fd, &in, out_fd, &out);
	ssize_t n;

	if (error)
		return error;
	n = (s64)count < 0 ? -EINVAL : send_file(out, in, offset, count);
	file_put(in);
	file_put(out);
	return n;
}

/* ---- copy_file_range ---- */

static long get_offset(const s64 __user *from, u64 *offset)
{
	if (from && copy_from_user(offset, from, sizeof(*offset)))
		return -EFAULT;
	return from && (s64)*offset < 0 ? -EINVAL : 0;
}

static ssize_t copy_range(struct file *in, u64 *in_at, struct file *out, u64 *out_at, size_t len)
{
	u64 from = in_at ? *in_at : in->pos, to = out_at ? *out_at : out->pos;

	if (is_dir(in->node) || is_dir(out->node))
		return -EISDIR;
	if (in->ops != &regular_file_ops || out->ops != &regular_file_ops)
		return -EINVAL;
	if (out->flags & O_APPEND)
		return -EBADF;
	len = MIN(len, MAX_RW_COUNT);
	len = from >= in->node->size ? 0 : MIN(len, in->node->size - from);
	if (in->node == out->node && from < to + len && to < from + len)
		return -EINVAL;
	return len ? copy(in, in_at, out, out_at, len) : 0;
}

SYSCALL_DEFINE6(copy_file_range, int, in_fd, s64 __user *, in_offset, int, out_fd, s64 __user *, out_offset, size_t, len,
                u32, flags)
{
	struct file *in, *out;
	long error = get_both(in_fd, &in, out_fd, &out);
	u64 in_at = 0, out_at = 0;
	ssize_t n;

	if (error)
		return error;
	n = get_offset(in_offset, &in_at);
	if (n == 0)
		n = get_offset(out_offset, &out_at);
	if (n == 0 && flags != 0)
		n = -EINVAL;
	if (n == 0)
		n = copy_range(in, in_offset ? &in_at : NULL, out, out_offset ? &out_at : NULL, len);
	if (n > 0 && in_offset && copy_to_user(in_offset, &in_at, sizeof(in_at)))
		n = -EFAULT;
	if (n > 0 && out_offset && copy_to_user(out_offset, &out_at, sizeof(out_at)))
		n = -EFAULT;
	file_put(in);
	file_put(out);
	return n;
}

/* ---- splice ---- */

/* Writes what is in the pipe as it lies there; it leaves the pipe when it has been written. */
static ssize_t splice_from_pipe(struct file *pipe, struct file *out, u64 *out_at, size_t len, bool nonblocking)
{
	size_t total = 0;

	while (total < len) {
		const u8 *bytes;
		size_t n;
		ssize_t moved;

		if (total == 0) {
			long ready = pipe_wait(pipe, nonblocking);
			if (ready <= 0)
				return ready;
		}
		n = MIN(pipe_peek(pipe, &bytes), len - total);
		if (n == 0)
			break;
		moved = write_chunk(out, bytes, n, out_at);
		if (moved <= 0)
			return total ? (ssize_t)total : moved;
		pipe_consume(pipe, (size_t)moved);
		total += (size_t)moved;
		if ((size_t)moved < n)
			break;
	}
	return (ssize_t)total;
}

/* From pipe to pipe through memory of our own: while a write into a full pipe waits, the source may be read by others. */
static ssize_t splice_pipes(struct file *in, struct file *out, size_t len, bool nonblocking)
{
	long ready;

	if (in->node == out->node)
		return -EINVAL;
	ready = pipe_wait(in, nonblocking);
	if (ready <= 0)
		return ready;
	return copy(in, NULL, out, NULL, len);
}

static ssize_t do_splice_files(struct file *in, s64 __user *in_offset, struct file *out, s64 __user *out_offset, size_t len,
                               u32 flags)
{
	bool in_pipe = file_is_pipe(in), out_pipe = file_is_pipe(out), nonblocking = flags & SPLICE_F_NONBLOCK;
	u64 in_at = 0, out_at = 0;
	ssize_t n;

	if ((in_pipe && in_offset) || (out_pipe && out_offset))
		return -ESPIPE;
	if (!in_pipe && !out_pipe)
		return -EINVAL;
	if (get_offset(in_offset, &in_at) < 0 || get_offset(out_offset, &out_at) < 0)
		return -EFAULT;
	if ((in_offset && !file_seekable(in)) || (out_offset && !file_seekable(out)))
		return -EINVAL;
	if (in_pipe && out_pipe)
		return splice_pipes(in, out, len, nonblocking);
	if (out->flags & O_APPEND)
		return -EINVAL;
	if (in_pipe)
		n = splice_from_pipe(in, out, out_offset ? &out_at : NULL, len, nonblocking);
	else
		n = copy(in, in_offset ? &in_at : NULL, out, NULL, len);
	if (n > 0 && in_offset && copy_to_user(in_offset, &in_at, sizeof(in_at)))
		return -EFAULT;
	if (n > 0 && out_offset && copy_to_user(out_offset, &out_at, sizeof(out_at)))
		return -EFAULT;
	return n;
}

SYSCALL_DEFINE6(splice, int, in_fd, s64 __user *, in_offset, int, out_fd, s64 __user *, out_offset, size_t, len, u32, flags)
{
	struct file *in, *out;
	long error;
	ssize_t n;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (len == 0)
		return 0;
	error = get_both(in_fd, &in, out_fd, &out);
	if (error)
		return error;
	n = do_splice_files(in, in_offset, out, out_offset, MIN(len, MAX_RW_COUNT), flags);
	file_put(in);
	file_put(out);
	return n;
}
