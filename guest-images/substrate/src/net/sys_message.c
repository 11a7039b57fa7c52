/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that send and receive. */
#include <substrate/mm.h>
#include <substrate/poll.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "call.h"
#include "control.h"
#include "rights.h"

#define MOST_BYTES 0x7ffff000UL /* as read(2) and write(2) */
#define FEW 8
#define MOST_MESSAGES UIO_MAXIOV

static long bad_flags(u32 flags)
{
	/* There is no urgent data, and no queue of errors. */
	return flags & MSG_OOB ? -EOPNOTSUPP : flags & MSG_ERRQUEUE ? -EAGAIN : 0;
}

/* ---- one buffer ---- */

SYSCALL_DEFINE6(sendto, int, fd, void __user *, bytes, size_t, length, u32, flags, const void __user *, user, int, user_length)
{
	struct iovec vec = { bytes, MIN(length, MOST_BYTES) };
	struct address to;
	struct iobuf io;
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	iobuf_init_user(&io, &vec, 1);
	struct transfer t = { .io = &io, .flags = flags | call_flags(file) };
	ssize_t n = bad_flags(flags & MSG_OOB);
	if (!n && user) {
		n = address_from_user(&to, user, user_length);
		t.to = user_length ? &to : NULL;
	}
	if (!n)
		n = s->ops->send(s, &t);
	file_put(file);
	return n;
}

SYSCALL_DEFINE6(recvfrom, int, fd, void __user *, bytes, size_t, length, u32, flags, void __user *, user, int __user *, user_length)
{
	struct iovec vec = { bytes, MIN(length, MOST_BYTES) };
	struct address from = { .len = 0 };
	struct iobuf io;
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	iobuf_init_user(&io, &vec, 1);
	struct transfer t = { .io = &io, .flags = flags | call_flags(file), .from = &from };
	ssize_t n = bad_flags(flags);
	if (!n)
		n = s->ops->receive(s, &t);
	if (t.rights)
		rights_free(t.rights);
	file_put(file);
	if (n >= 0 && user) {
		long error = address_to_user(&from, user, user_length);
		if (error)
			n = error;
	}
	return n;
}

/* ---- many buffers and more ---- */

struct vectors {
	struct iovec few[FEW], *vec;
	struct iobuf io;
};

static long vectors_read(struct vectors *v, const struct msghdr *header)
{
	u64 total = 0;

	v->vec = v->few;
	if (header->iov_count > UIO_MAXIOV)
		return -EMSGSIZE;
	if (header->iov_count > FEW)
		v->vec = kmalloc(header->iov_count * sizeof(*v->vec));
	if (!v->vec)
		return -ENOMEM;
	if (copy_from_user(v->vec, header->iov, header->iov_count * sizeof(*v->vec)))
		return -EFAULT;
	for (u64 i = 0; i < header->iov_count; i++) {
		if ((s64)v->vec[i].iov_len < 0)
			return -EINVAL;
		v->vec[i].iov_len = MIN(v->vec[i].iov_len, MOST_BYTES - total);
		total += v->vec[i].iov_len;
	}
	iobuf_init_user(&v->io, v->vec, (unsigned int)header->iov_count);
	return 0;
}

static void vectors_free(struct vectors *v)
{
	if (v->vec != v->few)
		kfree(v->vec);
}

static ssize_t send_header(struct socket *s, const struct msghdr *header, u32 flags)
{
	struct address to;
	struct vectors v;
	struct transfer t = { .io = &v.io, .flags = flags };
	ssize_t n = vectors_read(&v, header);

	if (!n)
		n = bad_flags(flags & MSG_OOB);
	if (!n && header->name && header->name_length) {
		n = address_from_user(&to, header->name, header->name_length);
		t.to = &to;
	}
	if (!n)
		n = control_read(header, &t);
	if (!n)
		n = s->ops->send(s, &t);
	if (t.rights)
		rights_free(t.rights);
	vectors_free(&v);
	return n;
}

static ssize_t send_message(struct socket *s, const struct msghdr __user *user, u32 flags)
{
	struct msghdr header;

	return copy_from_user(&header, user, sizeof(header)) ? -EFAULT : send_header(s, &header, flags);
}

/* The parts of the header that the kernel writes. */
static long tell_header(struct msghdr __user *user, struct msghdr *header, const struct address *from, const struct transfer *t)
{
	u32 told = t->told | (t->flags & MSG_CMSG_CLOEXEC);

	if (header->name && address_to_user(from, header->name, &user->name_length))
		return -EFAULT;
	if (copy_to_user(&user->control_length, &header->control_length, sizeof(header->control_length)))
		return -EFAULT;
	return copy_to_user(&user->flags, &told, sizeof(told)) ? -EFAULT : 0;
}

static ssize_t receive_message(struct socket *s, struct msghdr __user *user, u32 flags)
{
	struct address from = { .len = 0 };
	struct msghdr header;
	struct vectors v;
	struct transfer t = { .io = &v.io, .flags = flags, .from = &from };

	if (copy_from_user(&header, user, sizeof(header)))
		return -EFAULT;
	if (header.name && header.name_length < 0)
		return -EINVAL;
	ssize_t n = vectors_read(&v, &header);
	if (!n)
		n = bad_flags(flags);
	if (!n)
		n = s->ops->receive(s, &t);
	vectors_free(&v);
	if (n < 0)
		return n;
	long error = control_write(&header, &t);
	if (!error)
		error = tell_header(user, &header, &from, &t);
	return error ? error : n;
}

SYSCALL_DEFINE3(sendmsg, int, fd, const struct msghdr __user *, user, u32, flags)
{
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	ssize_t n = send_message(s, user, flags | call_flags(file));
	file_put(file);
	return n;
}

SYSCALL_DEFINE3(recvmsg, int, fd, struct msghdr __user *, user, u32, flags)
{
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	ssize_t n = receive_message(s, user, flags | call_flags(file));
	file_put(file);
	return n;
}

/* ---- many messages ---- */

/* What was done counts; the error shows itself to the next call. */
static long messages_done(u32 done, long error)
{
	return done ? (long)done : error;
}

static long tell_length(struct mmsghdr __user *user, ssize_t n)
{
	u32 length = (u32)n;

	return copy_to_user(&user->length, &length, sizeof(length)) ? -EFAULT : 0;
}

SYSCALL_DEFINE4(sendmmsg, int, fd, struct mmsghdr __user *, user, u32, count, u32, flags)
{
	struct file *file;
	struct socket *s = call_socket(fd, &file);
	u32 done = 0;
	long error = 0;

	if (IS_ERR(s))
		return PTR_ERR(s);
	for (; done < MIN(count, (u32)MOST_MESSAGES); done++) {
		ssize_t n = send_message(s, &user[done].header, flags | call_flags(file));
		error = n < 0 ? n : tell_length(&user[done], n);
		if (error)
			break;
	}
	file_put(file);
	return messages_done(done, error);
}

/* The time limit is looked at between messages only (recvmmsg(2), BUGS). */
static long receive_messages(struct socket *s, struct mmsghdr __user *user, u32 count, u32 flags, u64 deadline)
{
	u32 done = 0;
	long error = 0;

	while (done < count) {
		ssize_t n = receive_message(s, &user[done].header, flags & ~(u32)MSG_WAITFORONE);
		error = n < 0 ? n : tell_length(&user[done], n);
		if (error)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != NO_DEADLINE && monotonic_ns() >= deadline)
			break;
	}
	return messages_done(done, error);
}

SYSCALL_DEFINE5(recvmmsg, int, fd, struct mmsghdr __user *, user, u32, count, u32, flags, void __user *, timeout)
{
	struct file *file;
	u64 deadline;
	long result = poll_timeout(timeout, NSEC_PER_SEC, &deadline);

	if (result)
		return result;
	struct socket *s = call_socket(fd, &file);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (s->error)
		result = socket_take_error(s);
	else
		result = receive_messages(s, user, MIN(count, (u32)MOST_MESSAGES), flags | call_flags(file), deadline);
	file_put(file);
	return result;
}
