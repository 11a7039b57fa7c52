/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that make and connect sockets. */
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "call.h"

struct socket *call_socket(int fd, struct file **file)
{
	*file = fd_get(current->files, fd);
	if (!*file)
		return ERR_PTR(-EBADF);
	struct socket *s = (*file)->flags & O_PATH ? NULL : socket_of(*file);
	if (s)
		return s;
	long error = (*file)->flags & O_PATH ? -EBADF : -ENOTSOCK;
	file_put(*file);
	return ERR_PTR(error);
}

u32 call_flags(const struct file *file)
{
	return file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

long address_from_user(struct address *a, const void __user *user, int length)
{
	if (length < 0 || length > (int)sizeof(a->bytes))
		return -EINVAL;
	memset(a, 0, sizeof(*a));
	a->len = (u32)length;
	return length && copy_from_user(a->bytes, user, (size_t)length) ? -EFAULT : 0;
}

long address_to_user(const struct address *a, void __user *user, int __user *user_length)
{
	int room;

	if (copy_from_user(&room, user_length, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(user, a->bytes, MIN((size_t)room, (size_t)a->len)))
		return -EFAULT;
	return copy_to_user(user_length, &a->len, sizeof(a->len)) ? -EFAULT : 0;
}

/* ---- making ---- */

/* Takes over the socket: a descriptor or a negative errno. */
static int install(struct socket *s, u32 flags)
{
	struct file *file = socket_file(s, flags);

	if (IS_ERR(file)) {
		socket_discard(s);
		return (int)PTR_ERR(file);
	}
	int fd = fd_install(current->files, file, 0, flags & SOCK_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

SYSCALL_DEFINE3(socket, u32, family, u32, type, u32, protocol)
{
	if (type & ~(u32)(SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	struct socket *s = socket_create(family, type & SOCK_TYPE_MASK, protocol);
	return IS_ERR(s) ? PTR_ERR(s) : install(s, type);
}

static long install_pair(struct socket *a, struct socket *b, u32 flags, int __user *user)
{
	int fds[2];

	fds[0] = install(a, flags);
	if (fds[0] < 0) {
		socket_discard(b);
		return fds[0];
	}
	fds[1] = install(b, flags);
	if (fds[1] >= 0 && !copy_to_user(user, fds, sizeof(fds)))
		return 0;
	/* Undone through the table: another thread may have seen the descriptors already. */
	struct file *file;
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0 && !IS_ERR(call_socket(fds[i], &file))) {
			fd_remove(current->files, fds[i], file);
			file_put(file);
		}
	return fds[1] < 0 ? fds[1] : -EFAULT;
}

SYSCALL_DEFINE4(socketpair, u32, family_number, u32, type, u32, protocol, int __user *, user)
{
	if (type & ~(u32)(SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	struct socket *a = socket_create(family_number, type & SOCK_TYPE_MASK, protocol);
	if (IS_ERR(a))
		return PTR_ERR(a);
	const struct socket_family *family = socket_family(family_number);
	struct socket *b = family->pair ? socket_create(family_number, type & SOCK_TYPE_MASK, protocol) : ERR_PTR(-EOPNOTSUPP);
	if (IS_ERR(b)) {
		socket_discard(a);
		return PTR_ERR(b);
	}
	family->pair(a, b);
	return install_pair(a, b, type, user);
}

/* ---- names and connections ---- */

SYSCALL_DEFINE3(bind, int, fd, const void __user *, user, int, length)
{
	struct address address;
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	long error = address_from_user(&address, user, length);
	if (!error)
		error = address.len < sizeof(address.family) ? -EINVAL : s->ops->bind(s, &address);
	file_put(file);
	return error;
}

SYSCALL_DEFINE2(listen, int, fd, int, backlog)
{
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	u32 before = s->backlog;
	s->backlog = MIN((u32)backlog, SOMAXCONN);
	long error = s->ops->listen ? s->ops->listen(s) : -EOPNOTSUPP;
	if (error)
		s->backlog = before;
	file_put(file);
	return error;
}

SYSCALL_DEFINE3(connect, int, fd, const void __user *, user, int, length)
{
	struct address address;
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	long error = address_from_user(&address, user, length);
	if (!error && address.len < sizeof(address.family))
		error = -EINVAL;
	if (!error)
		error = s->ops->connect(s, &address, send_deadline(s, call_flags(file)));
	file_put(file);
	return error;
}

static long accept_one(struct socket *listener, u32 file_flags, u32 flags, void __user *user, int __user *user_length)
{
	struct address address = { .len = 0 };

	if (!listener->ops->listen)
		return -EOPNOTSUPP;
	struct socket *s = connection_accept(listener, receive_deadline(listener, file_flags));
	if (IS_ERR(s))
		return PTR_ERR(s);
	/* One that was closed again at once has a name all the same. */
	if (user && s->ops->name(s, true, &address) < 0)
		address.len = 0;
	int fd = install(s, flags);
	if (fd < 0 || !user)
		return fd;
	long error = address_to_user(&address, user, user_length);
	if (error) {
		struct file *file;
		if (!IS_ERR(call_socket(fd, &file))) {
			fd_remove(current->files, fd, file);
			file_put(file);
		}
		return error;
	}
	return fd;
}

static long do_accept_at(int fd, void __user *user, int __user *length, u32 flags)
{
	struct file *file;

	if (flags & ~(u32)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	struct socket *s = call_socket(fd, &file);
	if (IS_ERR(s))
		return PTR_ERR(s);
	long result = accept_one(s, call_flags(file), flags, user, length);
	file_put(file);
	return result;
}

SYSCALL_DEFINE3(accept, int, fd, void __user *, user, int __user *, length)
{
	return do_accept_at(fd, user, length, 0);
}

SYSCALL_DEFINE4(accept4, int, fd, void __user *, user, int __user *, length, u32, flags)
{
	return do_accept_at(fd, user, length, flags);
}

static long tell_name(int fd, bool peer, void __user *user, int __user *length)
{
	struct address address = { .len = 0 };
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	long error = s->ops->name(s, peer, &address);
	if (!error)
		error = address_to_user(&address, user, length);
	file_put(file);
	return error;
}

SYSCALL_DEFINE3(getsockname, int, fd, void __user *, user, int __user *, length)
{
	return tell_name(fd, false, user, length);
}

SYSCALL_DEFINE3(getpeername, int, fd, void __user *, user, int __user *, length)
{
	return tell_name(fd, true, user, length);
}

SYSCALL_DEFINE2(shutdown, int, fd, u32, how)
{
	static const u8 bits[] = { [SHUT_RD] = SHUT_RECEIVE, [SHUT_WR] = SHUT_SEND, [SHUT_RDWR] = SHUT_BOTH };
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	long error = how < ARRAY_SIZE(bits) ? s->ops->shutdown(s, bits[how]) : -EINVAL;
	file_put(file);
	return error;
}

SYSCALL_DEFINE5(setsockopt, int, fd, int, level, int, name, const void __user *, value, int, length)
{
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	long error = socket_set_option(s, level, name, value, length);
	file_put(file);
	return error;
}

SYSCALL_DEFINE5(getsockopt, int, fd, int, level, int, name, void __user *, value, int __user *, length)
{
	struct file *file;
	struct socket *s = call_socket(fd, &file);

	if (IS_ERR(s))
		return PTR_ERR(s);
	long error = socket_get_option(s, level, name, value, length);
	file_put(file);
	return error;
}
