/* SPDX-License-Identifier: Apache-2.0 */
/* What the system calls of sockets have in common. */
#ifndef SUBSTRATE_NET_CALL_H
#define SUBSTRATE_NET_CALL_H

#include "socket.h"

/* The socket behind a descriptor; `file` holds it. ERR_PTR(-EBADF, -ENOTSOCK). */
struct socket *call_socket(int fd, struct file **file);
/* MSG_DONTWAIT when the file does not wait. */
u32 call_flags(const struct file *file);
/* The program's socket address; -EINVAL when it is too long. */
long address_from_user(struct address *a, const void __user *user, int length);
/* As much of it as there is room for; its whole length to *user_length. */
long address_to_user(const struct address *a, void __user *user, int __user *user_length);

#endif
