/* SPDX-License-Identifier: Apache-2.0 */
/* Who the process is: numbers, users, groups. */
#include <linux/capability.h>
#include <linux/limits.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/uaccess.h>

#define KEEP (~0U)

static struct credentials *cred(void)
{
	return &current->process->cred;
}

SYSCALL_DEFINE0(getpid)
{
	return current->process->pid;
}

SYSCALL_DEFINE0(getppid)
{
	return process_parent_pid(current->process);
}

SYSCALL_DEFINE0(gettid)
{
	return current->tid;
}

SYSCALL_DEFINE0(getuid)
{
	return cred()->uid;
}

SYSCALL_DEFINE0(geteuid)
{
	return cred()->euid;
}

SYSCALL_DEFINE0(getgid)
{
	return cred()->gid;
}

SYSCALL_DEFINE0(getegid)
{
	return cred()->egid;
}

static long put_three(const u32 values[3], u32 __user *a, u32 __user *b, u32 __user *c)
{
	return copy_to_user(a, &values[0], 4) || copy_to_user(b, &values[1], 4) || copy_to_user(c, &values[2], 4) ? -EFAULT : 0;
}

SYSCALL_DEFINE3(getresuid, u32 __user *, real, u32 __user *, effective, u32 __user *, saved)
{
	const u32 values[] = { cred()->uid, cred()->euid, cred()->suid };
	return put_three(values, real, effective, saved);
}

SYSCALL_DEFINE3(getresgid, u32 __user *, real, u32 __user *, effective, u32 __user *, saved)
{
	const u32 values[] = { cred()->gid, cred()->egid, cred()->sgid };
	return put_three(values, real, effective, saved);
}

struct group_list *group_list_get(struct group_list *groups)
{
	if (groups)
		groups->refs++;
	return groups;
}

void group_list_put(struct group_list *groups)
{
	if (groups && --groups->refs == 0)
		kfree(groups);
}

SYSCALL_DEFINE2(getgroups, int, size, u32 __user *, list)
{
	const struct group_list *groups = cred()->groups;
	u32 count = groups ? groups->count : 0;
	if (size < 0 || (size > 0 && (u32)size < count))
		return -EINVAL;
	if (size > 0 && count > 0 && copy_to_user(list, groups->ids, count * sizeof(*groups->ids)))
		return -EFAULT;
	return count;
}

static void swap(u32 *a, u32 *b)
{
	u32 value = *a;
	*a = *b;
	*b = value;
}

/* The largest of a heap of `count` goes down to where it belongs. */
static void sift(u32 *ids, u32 at, u32 count)
{
	for (u32 child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && ids[child + 1] > ids[child])
			child++;
		if (ids[at] >= ids[child])
			return;
		swap(&ids[at], &ids[child]);
	}
}

static void sort(u32 *ids, u32 count)
{
	for (u32 at = count / 2; at-- > 0;)
		sift(ids, at, count);
	while (count > 1) {
		swap(&ids[0], &ids[--count]);
		sift(ids, 0, count);
	}
}

SYSCALL_DEFINE2(setgroups, u64, size, const u32 __user *, list)
{
	if (cred()->euid)
		return -EPERM;
	if (size > NGROUPS_MAX)
		return -EINVAL;
	struct group_list *groups = size ? kmalloc(sizeof(*groups) + size * sizeof(*groups->ids)) : NULL;
	if (size && !groups)
		return -ENOMEM;
	if (size && copy_from_user(groups->ids, list, size * sizeof(*groups->ids))) {
		kfree(groups);
		return -EFAULT;
	}
	if (groups) {
		groups->refs = 1;
		groups->count = (u32)size;
		sort(groups->ids, groups->count);
	}
	group_list_put(cred()->groups);
	cred()->groups = groups;
	return 0;
}

/* One of the three ids of a kind, as setresuid(2) has the rules: root anything, others what they already are. */
static bool allowed(u32 wanted, u32 real, u32 effective, u32 saved)
{
	return wanted == KEEP || cred()->euid == 0 || wanted == real || wanted == effective || wanted == saved;
}

static long set_uids(u32 real, u32 effective, u32 saved)
{
	struct credentials *c = cred(), before = *c;
	if (!allowed(real, before.uid, before.euid, before.suid) || !allowed(effective, before.uid, before.euid, before.suid) ||
	    !allowed(saved, before.uid, before.euid, before.suid))
		return -EPERM;
	c->uid = real == KEEP ? before.uid : real;
	c->euid = c->fsuid = effective == KEEP ? before.euid : effective;
	c->suid = saved == KEEP ? before.suid : saved;
	return 0;
}

static long set_gids(u32 real, u32 effective, u32 saved)
{
	struct credentials *c = cred(), before = *c;
	if (!allowed(real, before.gid, before.egid, before.sgid) || !allowed(effective, before.gid, before.egid, before.sgid) ||
	    !allowed(saved, before.gid, before.egid, before.sgid))
		return -EPERM;
	c->gid = real == KEEP ? before.gid : real;
	c->egid = c->fsgid = effective == KEEP ? before.egid : effective;
	c->sgid = saved == KEEP ? before.sgid : saved;
	return 0;
}

SYSCALL_DEFINE3(setresuid, u32, real, u32, effective, u32, saved)
{
	return set_uids(real, effective, saved);
}

SYSCALL_DEFINE3(setresgid, u32, real, u32, effective, u32, saved)
{
	return set_gids(real, effective, saved);
}

SYSCALL_DEFINE1(setuid, u32, uid)
{
	return cred()->euid == 0 ? set_uids(uid, uid, uid) : set_uids(KEEP, uid, KEEP);
}

SYSCALL_DEFINE1(setgid, u32, gid)
{
	return cred()->euid == 0 ? set_gids(gid, gid, gid) : set_gids(KEEP, gid, KEEP);
}

SYSCALL_DEFINE2(setreuid, u32, real, u32, effective)
{
	return set_uids(real, effective, real != KEEP || effective != KEEP ? effective : KEEP);
}

SYSCALL_DEFINE2(setregid, u32, real, u32, effective)
{
	return set_gids(real, effective, real != KEEP || effective != KEEP ? effective : KEEP);
}

SYSCALL_DEFINE1(setfsuid, u32, uid)
{
	u32 before = cred()->fsuid;
	if (cred()->euid == 0 || uid == cred()->uid || uid == cred()->euid || uid == cred()->suid)
		cred()->fsuid = uid;
	return before;
}

SYSCALL_DEFINE1(setfsgid, u32, gid)
{
	u32 before = cred()->fsgid;
	if (cred()->euid == 0 || gid == cred()->gid || gid == cred()->egid || gid == cred()->sgid)
		cred()->fsgid = gid;
	return before;
}

/* ---- capabilities(7): root has all, nobody else any ---- */

/* How many of the structures a version has, each with 32 capabilities of each kind; 0: no such version. */
static u32 structures_of(u32 version)
{
	switch (version) {
	case _LINUX_CAPABILITY_VERSION_1: return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3: return _LINUX_CAPABILITY_U32S_3;
	default: return 0;
	}
}

static void capabilities_of(const struct process *process, struct __user_cap_data_struct data[2])
{
	const u64 all = process->cred.euid == 0 ? (2UL << CAP_LAST_CAP) - 1 : 0;
	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){ .effective = (u32)(all >> 32 * i), .permitted = (u32)(all >> 32 * i) };
}

/* The header, with the version that is preferred written into one that is not known. */
static long read_header(struct __user_cap_header_struct __user *user, struct __user_cap_header_struct *header)
{
	const u32 preferred = _LINUX_CAPABILITY_VERSION_3;
	if (copy_from_user(header, user, sizeof(*header)))
		return -EFAULT;
	if (structures_of(header->version))
		return 0;
	return copy_to_user(&user->version, &preferred, sizeof(preferred)) ? -EFAULT : -EINVAL;
}

SYSCALL_DEFINE2(capget, void __user *, user_header, void __user *, user_data)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
	long error = read_header(user_header, &header);
	if (error)
		return error == -EINVAL && !user_data ? 0 : error;
	if (header.pid < 0)
		return -EINVAL;
	const struct process *process = header.pid ? process_find((u32)header.pid) : current->process;
	if (!process)
		return -ESRCH;
	capabilities_of(process, data);
	return copy_to_user(user_data, data, structures_of(header.version) * sizeof(data[0])) ? -EFAULT : 0;
}

/* What there is cannot be given up in part: only what holds already is granted. */
SYSCALL_DEFINE2(capset, void __user *, user_header, const void __user *, user_data)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct wanted[2] = { 0 }, present[2];
	long error = read_header(user_header, &header);
	if (error)
		return error;
	if (header.pid && (u32)header.pid != current->process->pid)
		return -EPERM;
	if (copy_from_user(wanted, user_data, structures_of(header.version) * sizeof(wanted[0])))
		return -EFAULT;
	capabilities_of(current->process, present);
	for (u32 i = 0; i < structures_of(header.version); i++)
		if (wanted[i].effective != present[i].effective || wanted[i].permitted != present[i].permitted)
			return -EPERM;
	return 0;
}
