/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "control.h"
#include "rights.h"

#define CONTROL_MAX 20480u /* net.core.optmem_max */
#define HEADER sizeof(struct cmsghdr) /* a multiple of the alignment */
#define ALIGNMENT sizeof(u64)

/* ---- from the program ---- */

/* credentials(7): one may name oneself; root may name anybody who exists. */
static long read_credentials(struct transfer *t, const u8 *data, u64 length)
{
	const struct process *process = current->process;
	const struct credentials *mine = &process->cred;
	struct ucred wanted;

	if (length != sizeof(wanted))
		return -EINVAL;
	memcpy(&wanted, data, sizeof(wanted));
	if (mine->euid != 0) {
		bool uid = wanted.uid == mine->uid || wanted.uid == mine->euid || wanted.uid == mine->suid;
		bool gid = wanted.gid == mine->gid || wanted.gid == mine->egid || wanted.gid == mine->sgid;
		if (wanted.pid != (s32)process->pid || !uid || !gid)
			return -EPERM;
	}
	if (!process_find((u32)wanted.pid))
		return -ESRCH;
	t->credentials = wanted;
	t->has_credentials = true;
	return 0;
}

static long read_rights(struct transfer *t, const u8 *data, u64 length)
{
	int fds[SCM_MAX_FD];
	u64 count = length / sizeof(int);

	if (count > SCM_MAX_FD || t->rights)
		return -EINVAL;
	if (count == 0)
		return 0;
	memcpy(fds, data, count * sizeof(int));
	struct rights *r = rights_of(fds, (u32)count);
	if (IS_ERR(r))
		return PTR_ERR(r);
	t->rights = r;
	return 0;
}

static long read_all(const u8 *control, u64 size, struct transfer *t)
{
	long error = 0;

	for (u64 at = 0; !error && size - at >= HEADER;) {
		struct cmsghdr h;
		memcpy(&h, control + at, HEADER);
		if (h.length < HEADER || h.length > size - at)
			return -EINVAL;
		if (h.level == SOL_SOCKET && h.type == SCM_RIGHTS)
			error = read_rights(t, control + at + HEADER, h.length - HEADER);
		else if (h.level == SOL_SOCKET && h.type == SCM_CREDENTIALS)
			error = read_credentials(t, control + at + HEADER, h.length - HEADER);
		else if (h.level == SOL_SOCKET)
			error = -EINVAL;
		at += MIN(ALIGN_UP(h.length, ALIGNMENT), size - at);
	}
	return error;
}

long control_read(const struct msghdr *header, struct transfer *t)
{
	if (header->control_length == 0)
		return 0;
	if (header->control_length > CONTROL_MAX)
		return -ENOBUFS;
	u8 *control = kmalloc(header->control_length);
	if (!control)
		return -ENOBUFS;
	long error = -EFAULT;
	if (!copy_from_user(control, header->control, header->control_length))
		error = read_all(control, header->control_length, t);
	kfree(control);
	if (error && t->rights) {
		rights_free(t->rights);
		t->rights = NULL;
	}
	return error;
}

/* ---- to the program ---- */

struct writer {
	u8 __user *at;
	u64 left, used;
};

/* A header and `length` bytes that lie at `data`, or are there already when it is NULL. */
static long put(struct writer *w, s32 type, const void *data, u64 length)
{
	struct cmsghdr h = { .length = HEADER + length, .level = SOL_SOCKET, .type = type };

	if (copy_to_user(w->at, &h, HEADER) || (data && copy_to_user(w->at + HEADER, data, length)))
		return -EFAULT;
	u64 space = MIN(HEADER + ALIGN_UP(length, ALIGNMENT), w->left);
	w->at += space;
	w->left -= space;
	w->used += space;
	return 0;
}

static long put_credentials(struct writer *w, struct transfer *t)
{
	if (w->left < HEADER) {
		t->told |= MSG_CTRUNC;
		return 0;
	}
	u64 length = MIN(sizeof(t->credentials), w->left - HEADER);
	if (length < sizeof(t->credentials))
		t->told |= MSG_CTRUNC;
	return put(w, SCM_CREDENTIALS, &t->credentials, length);
}

/* As many descriptors as there is room for, in the control buffer and in the table. */
static long put_rights(struct writer *w, struct transfer *t)
{
	const struct rights *r = t->rights;
	u64 room = w->left < HEADER ? 0 : (w->left - HEADER) / sizeof(int);
	u32 n = 0;

	for (; n < r->count && n < room; n++) {
		int fd = fd_install(current->files, file_get(r->files[n]), 0, t->flags & MSG_CMSG_CLOEXEC);
		if (fd >= 0 && !copy_to_user(w->at + HEADER + n * sizeof(fd), &fd, sizeof(fd)))
			continue;
		if (fd >= 0)
			fd_remove(current->files, fd, r->files[n]);
		else
			file_put(r->files[n]);
		break;
	}
	if (n < r->count)
		t->told |= MSG_CTRUNC;
	return n ? put(w, SCM_RIGHTS, NULL, n * sizeof(int)) : 0;
}

long control_write(struct msghdr *header, struct transfer *t)
{
	struct writer w = { .at = header->control, .left = header->control ? header->control_length : 0 };
	long error = t->has_credentials ? put_credentials(&w, t) : 0;

	if (t->rights) {
		if (!error)
			error = put_rights(&w, t);
		rights_free(t->rights);
		t->rights = NULL;
	}
	header->control_length = w.used;
	return error;
}
