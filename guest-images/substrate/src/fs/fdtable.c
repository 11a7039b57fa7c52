/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables. */
#include <linux/resource.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "file.h"
#include "lock.h"
#include "node.h"

#define FIRST_SLOTS 64

struct slot {
	struct file *file; /* held; NULL: free */
	bool close_on_exec;
};

struct fd_table {
	struct slot *slots;
	u32 count;
	u32 lowest_free; /* no descriptor below is free */
	u32 refs;
};

static long resize(struct fd_table *t, u32 needed)
{
	u32 count = t->count ? t->count : FIRST_SLOTS;
	struct slot *slots;

	while (count < needed)
		count *= 2;
	if (count * sizeof(*slots) > KMALLOC_MAX)
		return -EMFILE;
	slots = krealloc(t->slots, count * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + t->count, 0, (count - t->count) * sizeof(*slots));
	t->slots = slots;
	t->count = count;
	return 0;
}

struct fd_table *fd_table_new(void)
{
	struct fd_table *t = kzalloc(sizeof(*t));

	if (t && resize(t, FIRST_SLOTS) < 0) {
		kfree(t);
		return NULL;
	}
	if (t)
		t->refs = 1;
	return t;
}

struct fd_table *fd_table_get(struct fd_table *t)
{
	t->refs++;
	return t;
}

static struct file *take(struct fd_table *t, u32 fd)
{
	struct file *file = t->slots[fd].file;

	t->slots[fd].file = NULL;
	t->lowest_free = MIN(t->lowest_free, fd);
	return file;
}

/* The other users of the file keep it; the process' own record locks end with any of its descriptors (fcntl(2)). */
static void put_closed(struct fd_table *t, struct file *file)
{
	if (!(file->flags & O_PATH))
		locks_closed_by(file->node, t);
	file_put(file);
}

void fd_table_put(struct fd_table *t)
{
	if (--t->refs)
		return;
	for (u32 fd = 0; fd < t->count; fd++)
		if (t->slots[fd].file)
			put_closed(t, take(t, fd));
	kfree(t->slots);
	kfree(t);
}

struct fd_table *fd_table_copy(struct fd_table *t)
{
	struct fd_table *copy = fd_table_new();

	if (copy && copy->count < t->count && resize(copy, t->count) < 0) {
		fd_table_put(copy);
		return NULL;
	}
	if (!copy)
		return NULL;
	for (u32 fd = 0; fd < t->count; fd++) {
		copy->slots[fd] = t->slots[fd];
		if (t->slots[fd].file)
			file_get(t->slots[fd].file);
	}
	copy->lowest_free = t->lowest_free;
	return copy;
}

struct fd_table *fd_table_own(struct fd_table *t)
{
	struct fd_table *own;

	if (t->refs == 1)
		return t;
	own = fd_table_copy(t);
	if (own)
		fd_table_put(t);
	return own;
}

void fd_table_close_on_exec(struct fd_table *t)
{
	for (u32 fd = 0; fd < t->count; fd++)
		if (t->slots[fd].file && t->slots[fd].close_on_exec)
			put_closed(t, take(t, fd));
}

u64 fd_limit(void)
{
	struct task *task = current;
	u64 most = KMALLOC_MAX / sizeof(struct slot);

	return task && task->process ? MIN(task->process->rlimit[RLIMIT_NOFILE][0], most) : most;
}

int fd_install(struct fd_table *t, struct file *file, int min, bool close_on_exec)
{
	u32 fd = MAX((u32)min, t->lowest_free);
	long error;

	while (fd < t->count && t->slots[fd].file)
		fd++;
	if (fd >= fd_limit())
		return -EMFILE;
	if (fd >= t->count) {
		error = resize(t, fd + 1);
		if (error < 0)
			return (int)error;
	}
	if ((u32)min <= t->lowest_free)
		t->lowest_free = fd + 1;
	t->slots[fd] = (struct slot){ .file = file, .close_on_exec = close_on_exec };
	return (int)fd;
}

static struct slot *slot_of(struct fd_table *t, int fd)
{
	return t && fd >= 0 && (u32)fd < t->count && t->slots[fd].file ? &t->slots[fd] : NULL;
}

struct file *fd_get(struct fd_table *t, int fd)
{
	struct slot *slot = slot_of(t, fd);
	return slot ? file_get(slot->file) : NULL;
}

long fd_close(struct fd_table *t, int fd)
{
	if (!slot_of(t, fd))
		return -EBADF;
	put_closed(t, take(t, (u32)fd));
	return 0;
}

void fd_remove(struct fd_table *t, int fd, const struct file *file)
{
	struct slot *slot = slot_of(t, fd);

	if (slot && slot->file == file)
		fd_close(t, fd);
}

long fd_close_range(struct fd_table *t, u32 first, u32 last, bool only_mark)
{
	for (u32 fd = first; fd < t->count && fd <= last; fd++) {
		if (!t->slots[fd].file)
			continue;
		if (only_mark)
			t->slots[fd].close_on_exec = true;
		else
			put_closed(t, take(t, fd));
	}
	return 0;
}

long fd_replace(struct fd_table *t, int fd, struct file *file, bool close_on_exec)
{
	struct file *old;
	long error = 0;

	if (fd < 0 || (u64)fd >= fd_limit())
		error = -EBADF;
	else if ((u32)fd >= t->count)
		error = resize(t, (u32)fd + 1);
	if (error < 0) {
		file_put(file);
		return error;
	}
	old = t->slots[fd].file;
	t->slots[fd] = (struct slot){ .file = file, .close_on_exec = close_on_exec };
	if (old)
		put_closed(t, old);
	return fd;
}

long fd_flags(struct fd_table *t, int fd)
{
	struct slot *slot = slot_of(t, fd);
	return !slot ? -EBADF : slot->close_on_exec ? FD_CLOEXEC : 0;
}

long fd_set_flags(struct fd_table *t, int fd, bool close_on_exec)
{
	struct slot *slot = slot_of(t, fd);
	if (!slot)
		return -EBADF;
	slot->close_on_exec = close_on_exec;
	return 0;
}

int fd_next_open(const struct fd_table *t, int fd)
{
	for (u32 i = fd < 0 ? 0 : (u32)fd; i < t->count; i++)
		if (t->slots[i].file)
			return (int)i;
	return -1;
}

struct file *fd_get_open(int fd)
{
	struct file *file = fd_get(current->files, fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->flags & O_PATH) {
		file_put(file);
		return ERR_PTR(-EBADF);
	}
	return file;
}

struct file *fd_get_readable(int fd)
{
	struct file *file = fd_get_open(fd);

	if (!IS_ERR(file) && !file_readable(file)) {
		file_put(file);
		return ERR_PTR(-EBADF);
	}
	return file;
}

struct file *fd_get_writable(int fd)
{
	struct file *file = fd_get_open(fd);

	if (!IS_ERR(file) && !file_writable(file)) {
		file_put(file);
		return ERR_PTR(-EBADF);
	}
	return file;
}
