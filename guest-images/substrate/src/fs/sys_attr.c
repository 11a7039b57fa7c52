/* SPDX-License-Identifier: Apache-2.0 */
/* Changing permissions, owners and times. */
#include <linux/time_types.h>
#include <linux/utime.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "file.h"
#include "path.h"

#define NO_CHANGE (~0u) /* chown(2): -1 */

/* utimensat(2) */
#define UTIME_NOW 0x3fffffffL
#define UTIME_OMIT 0x3ffffffeL

static bool made_up(const struct node *node)
{
	return node->fs == FS_PROC || node->fs == FS_SYS;
}

static struct node *descriptor_node(int fd)
{
	struct file *file = fd_get_open(fd);
	struct node *node;

	if (IS_ERR(file))
		return (struct node *)file;
	node = node_get(file->node);
	file_put(file);
	return node;
}

/* ---- permissions ---- */

static long change_mode(struct node *node, u32 mode)
{
	if (is_link(node))
		return -EOPNOTSUPP;
	if ((fs_uid() != 0 && fs_uid() != node->uid) || made_up(node))
		return -EPERM;
	mode &= 07777;
	if (fs_uid() != 0 && !fs_in_group(node->gid))
		mode &= ~(u32)S_ISGID;
	node->mode = (node->mode & S_IFMT) | mode;
	node_touch_ctime(node);
	return 0;
}

/* Takes over the reference, or hands the error on. */
static long change_mode_of(struct node *node, u32 mode)
{
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = change_mode(node, mode);
	node_put(node);
	return error;
}

SYSCALL_DEFINE2(chmod, const char __user *, path, u32, mode)
{
	return change_mode_of(user_node(AT_FDCWD, path, 0), mode);
}

SYSCALL_DEFINE2(fchmod, int, fd, u32, mode)
{
	return change_mode_of(descriptor_node(fd), mode);
}

SYSCALL_DEFINE3(fchmodat, int, dirfd, const char __user *, path, u32, mode)
{
	return change_mode_of(user_node(dirfd, path, 0), mode);
}

/* Newer than some <asm/unistd.h>, so the number is not taken from there. */
SYSCALL_DEFINE4(fchmodat2, int, dirfd, const char __user *, path, u32, mode, u32, flags)
{
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_mode_of(user_node(dirfd, path, flags), mode);
}

SYSCALL_DEFINE1(umask, u32, mask)
{
	u32 old = current->fs->umask;

	current->fs->umask = mask & 0777;
	return old;
}

/* ---- owners ---- */

static long change_owner(struct node *node, u32 uid, u32 gid)
{
	u32 me = fs_uid();

	if (made_up(node))
		return -EPERM;
	if (me != 0) {
		if (uid != NO_CHANGE && (me != node->uid || uid != node->uid))
			return -EPERM;
		if (gid != NO_CHANGE && (me != node->uid || (!fs_in_group(gid) && gid != node->gid)))
			return -EPERM;
		if (me != node->uid && (node->mode & privileges_to_drop(node)) && !is_dir(node))
			return -EPERM;
	}
	if (!is_dir(node))
		node->mode &= ~privileges_to_drop(node);
	if (uid != NO_CHANGE)
		node->uid = uid;
	if (gid != NO_CHANGE)
		node->gid = gid;
	node_touch_ctime(node);
	return 0;
}

static long change_owner_of(struct node *node, u32 uid, u32 gid)
{
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = change_owner(node, uid, gid);
	node_put(node);
	return error;
}

SYSCALL_DEFINE3(chown, const char __user *, path, u32, uid, u32, gid)
{
	return change_owner_of(user_node(AT_FDCWD, path, 0), uid, gid);
}

SYSCALL_DEFINE3(lchown, const char __user *, path, u32, uid, u32, gid)
{
	return change_owner_of(user_node(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW), uid, gid);
}

SYSCALL_DEFINE3(fchown, int, fd, u32, uid, u32, gid)
{
	return change_owner_of(descriptor_node(fd), uid, gid);
}

SYSCALL_DEFINE5(fchownat, int, dirfd, const char __user *, path, u32, uid, u32, gid, u32, flags)
{
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_owner_of(user_node(dirfd, path, flags), uid, gid);
}

/* ---- times ---- */

/* Nanoseconds since the epoch that fit: the years 1677 to 2262. */
static s64 to_ns(s64 sec, s64 nsec)
{
	const s64 most = 9223372035L;
	return MAX(-most, MIN(sec, most)) * (s64)NSEC_PER_SEC + nsec;
}

struct times {
	struct __kernel_timespec at[2]; /* access, modification */
	bool given;                     /* else both are now */
};

static long set_times(struct node *node, const struct times *t)
{
	s64 now = (s64)realtime_ns();
	bool both_now = !t->given || (t->at[0].tv_nsec == UTIME_NOW && t->at[1].tv_nsec == UTIME_NOW);
	u32 me = fs_uid();

	if (t->given && t->at[0].tv_nsec == UTIME_OMIT && t->at[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (made_up(node))
		return -EPERM;
	if (me != 0 && me != node->uid) {
		if (!both_now)
			return -EPERM;
		if (node_permission(node, MAY_WRITE) < 0)
			return -EACCES;
	}
	for (int i = 0; i < 2; i++) {
		s64 *field = i == 0 ? &node->atime : &node->mtime;
		if (!t->given || t->at[i].tv_nsec == UTIME_NOW)
			*field = now;
		else if (t->at[i].tv_nsec != UTIME_OMIT)
			*field = to_ns(t->at[i].tv_sec, t->at[i].tv_nsec);
	}
	node->ctime = now;
	return 0;
}

static long set_times_of(struct node *node, const struct times *t)
{
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = set_times(node, t);
	node_put(node);
	return error;
}

static bool valid_nsec(s64 nsec)
{
	return (nsec >= 0 && nsec < (s64)NSEC_PER_SEC) || nsec == UTIME_NOW || nsec == UTIME_OMIT;
}

SYSCALL_DEFINE4(utimensat, int, dirfd, const char __user *, path, const struct __kernel_timespec __user *, user, u32, flags)
{
	struct times t = { .given = user != NULL };

	if (user && copy_from_user(t.at, user, sizeof(t.at)))
		return -EFAULT;
	if (t.given && (!valid_nsec(t.at[0].tv_nsec) || !valid_nsec(t.at[1].tv_nsec)))
		return -EINVAL;
	/* Nothing to do is not even asked whether it could be done. */
	if (t.given && t.at[0].tv_nsec == UTIME_OMIT && t.at[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!path && dirfd != AT_FDCWD)
		return flags ? -EINVAL : set_times_of(descriptor_node(dirfd), &t);
	return set_times_of(user_node(dirfd, path, flags), &t);
}

static long set_from_timeval(int dirfd, const char __user *path, const struct __kernel_old_timeval __user *user)
{
	struct __kernel_old_timeval at[2];
	struct times t = { .given = user != NULL };

	if (user && copy_from_user(at, user, sizeof(at)))
		return -EFAULT;
	for (int i = 0; user && i < 2; i++) {
		if (at[i].tv_usec < 0 || at[i].tv_usec >= 1000000)
			return -EINVAL;
		t.at[i].tv_sec = at[i].tv_sec;
		t.at[i].tv_nsec = at[i].tv_usec * 1000;
	}
	if (!path && dirfd != AT_FDCWD)
		return set_times_of(descriptor_node(dirfd), &t);
	return set_times_of(user_node(dirfd, path, 0), &t);
}

SYSCALL_DEFINE2(utimes, const char __user *, path, const struct __kernel_old_timeval __user *, user)
{
	return set_from_timeval(AT_FDCWD, path, user);
}

SYSCALL_DEFINE3(futimesat, int, dirfd, const char __user *, path, const struct __kernel_old_timeval __user *, user)
{
	return set_from_timeval(dirfd, path, user);
}

SYSCALL_DEFINE2(utime, const char __user *, path, const struct utimbuf __user *, user)
{
	struct times t = { .given = user != NULL };
	struct utimbuf at;

	if (user) {
		if (copy_from_user(&at, user, sizeof(at)))
			return -EFAULT;
		t.at[0].tv_sec = at.actime;
		t.at[1].tv_sec = at.modtime;
	}
	return set_times_of(user_node(AT_FDCWD, path, 0), &t);
}
