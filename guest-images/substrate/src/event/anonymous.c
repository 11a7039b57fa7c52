/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/task.h>
#include "anonymous.h"

/* A failed installation must not free what the caller keeps. */
static const struct file_ops nothing = { .read = NULL };

int anonymous_install(const struct file_ops *ops, void *private, u32 flags)
{
	struct node *node = node_new_anonymous(0600);
	struct file *file = node ? file_new(ops, node, private, O_RDWR | (flags & O_NONBLOCK)) : NULL;

	if (!file)
		return -ENOMEM;
	int fd = fd_install(current->files, file, 0, flags & O_CLOEXEC);
	if (fd < 0) {
		file->ops = &nothing;
		file_put(file);
	}
	return fd;
}

struct file *anonymous_get(int fd, const struct file_ops *ops, long otherwise)
{
	struct file *file = fd_get(current->files, fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->ops == ops)
		return file;
	file_put(file);
	return ERR_PTR(otherwise);
}
