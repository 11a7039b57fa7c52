/* SPDX-License-Identifier: Apache-2.0 */
/* The only way to follow a pointer that a program gave. */
#ifndef SUBSTRATE_UACCESS_H
#define SUBSTRATE_UACCESS_H

#include <linux/uio.h>
#include <substrate/types.h>

/* Return the number of bytes NOT copied: 0 is success. A bad address costs the caller an -EFAULT, never the kernel a fault. */
size_t copy_from_user(void *dst, const void __user *src, size_t n);
size_t copy_to_user(void __user *dst, const void *src, size_t n);
size_t clear_user(void __user *dst, size_t n);
/* Length without the NUL; -EFAULT; -ENAMETOOLONG when there is no NUL in the first `size` bytes. */
ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size);
/* Copies of paths: kmalloc'ed, or ERR_PTR (-EFAULT, -ENAMETOOLONG beyond PATH_MAX, -ENOMEM, -ENOENT for ""). */
char *path_from_user(const char __user *src);
/* As path_from_user, but "" is allowed (AT_EMPTY_PATH). */
char *path_from_user_empty_ok(const char __user *src);

/*
 * A cursor over the caller's side of a read or write: the program's iovecs or one kernel buffer. Transfers advance it;
 * they are short when the program's memory is not there, and `faulted` is set then.
 */
struct iobuf {
	const struct iovec *vec; /* kernel copies of the iovecs */
	size_t vec_offset;       /* into vec[0] */
	size_t left;             /* bytes still to go */
	bool kernel;             /* the iovecs name kernel memory */
	bool faulted;
};

void iobuf_init_user(struct iobuf *io, struct iovec *vec, unsigned int count);
void iobuf_init_kernel(struct iobuf *io, struct iovec *vec, void *buf, size_t len);
size_t iobuf_copy_out(struct iobuf *io, const void *src, size_t n); /* kernel → caller (read) */
size_t iobuf_copy_in(struct iobuf *io, void *dst, size_t n);        /* caller → kernel (write) */
size_t iobuf_clear(struct iobuf *io, size_t n);                     /* zeroes → caller */

#endif
