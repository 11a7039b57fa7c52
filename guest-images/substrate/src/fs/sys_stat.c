/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is: stat and its family, statfs, access, extended attributes. */
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "file.h"
#include "path.h"

#define AT_EACCESS_FLAG 0x200u /* faccessat(2) */
#define ST_VALID 0x20          /* statfs(2): f_flags is meant */
#define ANONYMOUS_DEVICES 0x20 /* minors of our file systems, under major 0 */

static u32 device_of(const struct node *node)
{
	return ANONYMOUS_DEVICES + node->fs;
}

/* Directories show as a block, like those of most file systems. */
static u64 shown_size(const struct node *node)
{
	return is_dir(node) ? PAGE_SIZE : node->size;
}

static u64 shown_blocks(const struct node *node)
{
	if (is_reg(node) && !(node->ops && node->ops->file_ops))
		return data_blocks(node);
	return is_dir(node) ? PAGE_SIZE / 512 : 0;
}

static s64 seconds(s64 ns)
{
	return ns / (s64)NSEC_PER_SEC - (ns % (s64)NSEC_PER_SEC < 0);
}

static u32 nanoseconds(s64 ns)
{
	s64 rest = ns % (s64)NSEC_PER_SEC;
	return (u32)(rest < 0 ? rest + (s64)NSEC_PER_SEC : rest);
}

static long put_stat(const struct node *node, struct stat __user *user)
{
	struct stat st = {
		.st_dev = device_of(node),
		.st_ino = node->ino,
		.st_nlink = node->nlink,
		.st_mode = node->mode,
		.st_uid = node->uid,
		.st_gid = node->gid,
		.st_rdev = node->device,
		.st_size = (long)shown_size(node),
		.st_blksize = PAGE_SIZE,
		.st_blocks = (long)shown_blocks(node),
		.st_atime = (u64)seconds(node->atime),
		.st_atime_nsec = nanoseconds(node->atime),
		.st_mtime = (u64)seconds(node->mtime),
		.st_mtime_nsec = nanoseconds(node->mtime),
		.st_ctime = (u64)seconds(node->ctime),
		.st_ctime_nsec = nanoseconds(node->ctime),
	};
	return copy_to_user(user, &st, sizeof(st)) ? -EFAULT : 0;
}

static long stat_path(int dirfd, const char __user *path, struct stat __user *user, u32 flags)
{
	struct node *node = user_node(dirfd, path, flags);
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = put_stat(node, user);
	node_put(node);
	return error;
}

SYSCALL_DEFINE2(stat, const char __user *, path, struct stat __user *, user)
{
	return stat_path(AT_FDCWD, path, user, 0);
}

SYSCALL_DEFINE2(lstat, const char __user *, path, struct stat __user *, user)
{
	return stat_path(AT_FDCWD, path, user, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DEFINE2(fstat, int, fd, struct stat __user *, user)
{
	struct file *file = fd_get(current->files, fd);
	long error;

	if (!file)
		return -EBADF;
	error = put_stat(file->node, user);
	file_put(file);
	return error;
}

SYSCALL_DEFINE4(newfstatat, int, dirfd, const char __user *, path, struct stat __user *, user, u32, flags)
{
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	return stat_path(dirfd, path, user, flags);
}

static struct statx_timestamp timestamp(s64 ns)
{
	return (struct statx_timestamp){ .tv_sec = seconds(ns), .tv_nsec = nanoseconds(ns) };
}

SYSCALL_DEFINE5(statx, int, dirfd, const char __user *, path, u32, flags, u32, mask, struct statx __user *, user)
{
	struct node *node;
	struct statx st;
	long error;

	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || (mask & STATX__RESERVED))
		return -EINVAL;
	node = user_node(dirfd, path, flags);
	if (IS_ERR(node))
		return PTR_ERR(node);
	memset(&st, 0, sizeof(st));
	st.stx_mask = STATX_BASIC_STATS;
	st.stx_blksize = PAGE_SIZE;
	st.stx_nlink = node->nlink;
	st.stx_uid = node->uid;
	st.stx_gid = node->gid;
	st.stx_mode = (u16)node->mode;
	st.stx_ino = node->ino;
	st.stx_size = shown_size(node);
	st.stx_blocks = shown_blocks(node);
	st.stx_atime = timestamp(node->atime);
	st.stx_mtime = timestamp(node->mtime);
	st.stx_ctime = timestamp(node->ctime);
	/* new_encode_dev of <linux/kdev_t.h>, undone. */
	st.stx_rdev_major = (node->device >> 8) & 0xfff;
	st.stx_rdev_minor = (node->device & 0xff) | ((node->device >> 12) & 0xfff00);
	st.stx_dev_minor = device_of(node);
	error = copy_to_user(user, &st, sizeof(st)) ? -EFAULT : 0;
	node_put(node);
	return error;
}

/* ---- access ---- */

static long check_access(int dirfd, const char __user *path, u32 mode, u32 flags)
{
	const struct credentials *cred = &current->process->cred;
	bool effective = flags & AT_EACCESS_FLAG;
	struct credentials *mine = &current->process->cred, saved = *cred;
	struct node *node;
	long error;

	if (mode & ~7u)
		return -EINVAL;
	/* The real user's rights count on the way, too. */
	if (!effective) {
		mine->fsuid = saved.uid;
		mine->fsgid = saved.gid;
	}
	node = user_node(dirfd, path, flags);
	error = IS_ERR(node) ? PTR_ERR(node) : node_permission(node, mode);
	if (!IS_ERR(node))
		node_put(node);
	*mine = saved;
	return error;
}

SYSCALL_DEFINE2(access, const char __user *, path, u32, mode)
{
	return check_access(AT_FDCWD, path, mode, 0);
}

SYSCALL_DEFINE3(faccessat, int, dirfd, const char __user *, path, u32, mode)
{
	return check_access(dirfd, path, mode, 0);
}

SYSCALL_DEFINE4(faccessat2, int, dirfd, const char __user *, path, u32, mode, u32, flags)
{
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EACCESS_FLAG))
		return -EINVAL;
	return check_access(dirfd, path, mode, flags);
}

/* ---- statfs ---- */

static u32 magic_of(const struct node *node)
{
	switch (node->fs) {
	case FS_ROOT:
		return OVERLAYFS_SUPER_MAGIC;
	case FS_PROC:
		return PROC_SUPER_MAGIC;
	case FS_SYS:
		return SYSFS_MAGIC;
	case FS_PTS:
		return DEVPTS_SUPER_MAGIC;
	default:
		return TMPFS_MAGIC;
	}
}

static long put_statfs(const struct node *node, struct statfs __user *user)
{
	bool stores = node->fs != FS_PROC && node->fs != FS_SYS && node->fs != FS_PTS;
	struct statfs st = {
		.f_type = magic_of(node),
		.f_bsize = PAGE_SIZE,
		.f_frsize = PAGE_SIZE,
		.f_namelen = NAME_MAX,
		.f_flags = ST_VALID,
	};
	st.f_fsid.val[0] = (int)device_of(node);
	if (stores) {
		st.f_blocks = (long)root_fs.frames_max;
		st.f_bfree = st.f_bavail = (long)MIN(root_fs.frames_max - MIN(root_fs.frames, root_fs.frames_max), frames_available());
		st.f_files = (long)root_fs.nodes_max;
		st.f_ffree = (long)(root_fs.nodes_max - MIN(root_fs.nodes, root_fs.nodes_max));
	}
	return copy_to_user(user, &st, sizeof(st)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(statfs, const char __user *, path, struct statfs __user *, user)
{
	struct node *node = user_node(AT_FDCWD, path, 0);
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = put_statfs(node, user);
	node_put(node);
	return error;
}

SYSCALL_DEFINE2(fstatfs, int, fd, struct statfs __user *, user)
{
	struct file *file = fd_get(current->files, fd);
	long error;

	if (!file)
		return -EBADF;
	error = put_statfs(file->node, user);
	file_put(file);
	return error;
}

/* ---- extended attributes: there are none, as on a tmpfs built without them (xattr(7)) ---- */

static long no_attributes(const char __user *path, bool follow, long answer)
{
	struct node *node = user_node(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW);

	if (IS_ERR(node))
		return PTR_ERR(node);
	node_put(node);
	return answer;
}

static long no_attributes_of(int fd, long answer)
{
	struct file *file = fd_get_open(fd);

	if (IS_ERR(file))
		return PTR_ERR(file);
	file_put(file);
	return answer;
}

SYSCALL_DEFINE1(setxattr, const char __user *, path) { return no_attributes(path, true, -EOPNOTSUPP); }
SYSCALL_DEFINE1(lsetxattr, const char __user *, path) { return no_attributes(path, false, -EOPNOTSUPP); }
SYSCALL_DEFINE1(fsetxattr, int, fd) { return no_attributes_of(fd, -EOPNOTSUPP); }
SYSCALL_DEFINE1(getxattr, const char __user *, path) { return no_attributes(path, true, -EOPNOTSUPP); }
SYSCALL_DEFINE1(lgetxattr, const char __user *, path) { return no_attributes(path, false, -EOPNOTSUPP); }
SYSCALL_DEFINE1(fgetxattr, int, fd) { return no_attributes_of(fd, -EOPNOTSUPP); }
SYSCALL_DEFINE1(listxattr, const char __user *, path) { return no_attributes(path, true, 0); }
SYSCALL_DEFINE1(llistxattr, const char __user *, path) { return no_attributes(path, false, 0); }
SYSCALL_DEFINE1(flistxattr, int, fd) { return no_attributes_of(fd, 0); }
SYSCALL_DEFINE1(removexattr, const char __user *, path) { return no_attributes(path, true, -EOPNOTSUPP); }
SYSCALL_DEFINE1(lremovexattr, const char __user *, path) { return no_attributes(path, false, -EOPNOTSUPP); }
SYSCALL_DEFINE1(fremovexattr, int, fd) { return no_attributes_of(fd, -EOPNOTSUPP); }

SYSCALL_DEFINE0(name_to_handle_at)
{
	return -EOPNOTSUPP;
}
