/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors over the memory of a program, or of the kernel, that a call reads or writes. */
#include <substrate/string.h>
#include <substrate/uaccess.h>

void iobuf_init_user(struct iobuf *io, struct iovec *vec, unsigned int count)
{
	*io = (struct iobuf){ .vec = vec };
	for (unsigned int i = 0; i < count; i++)
		io->left += vec[i].iov_len;
}

void iobuf_init_kernel(struct iobuf *io, struct iovec *vec, void *buf, size_t len)
{
	*vec = (struct iovec){ buf, len };
	*io = (struct iobuf){ .vec = vec, .left = len, .kernel = true };
}

enum direction { OUT, IN, CLEAR };

static size_t transfer_piece(struct iobuf *io, char *theirs, char *ours, size_t n, enum direction direction)
{
	if (io->kernel) {
		direction == OUT ? memcpy(theirs, ours, n) : direction == IN ? memcpy(ours, theirs, n) : memset(theirs, 0, n);
		return n;
	}
	size_t left = direction == OUT  ? copy_to_user(theirs, ours, n)
	              : direction == IN ? copy_from_user(ours, theirs, n)
	                                : clear_user(theirs, n);
	io->faulted |= left != 0;
	return n - left;
}

static size_t transfer(struct iobuf *io, void *kernel, size_t n, enum direction direction)
{
	size_t done = 0;
	n = MIN(n, io->left);
	while (done < n && !io->faulted) {
		size_t room = io->vec->iov_len - io->vec_offset;
		if (room == 0) {
			io->vec++;
			io->vec_offset = 0;
			continue;
		}
		size_t moved = transfer_piece(io, (char *)io->vec->iov_base + io->vec_offset, kernel ? (char *)kernel + done : NULL, MIN(room, n - done), direction);
		io->vec_offset += moved;
		io->left -= moved;
		done += moved;
	}
	return done;
}

size_t iobuf_copy_out(struct iobuf *io, const void *src, size_t n)
{
	return transfer(io, (void *)src, n, OUT);
}

size_t iobuf_copy_in(struct iobuf *io, void *dst, size_t n)
{
	return transfer(io, dst, n, IN);
}

size_t iobuf_clear(struct iobuf *io, size_t n)
{
	return transfer(io, NULL, n, CLEAR);
}
