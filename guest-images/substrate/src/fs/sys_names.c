/* SPDX-License-Identifier: Apache-2.0 */
/* Making, removing and renaming names. */
#include <linux/fs.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include "file.h"
#include "path.h"

/* A path of the program's and the node it starts from. */
struct user_path {
	char *text;
	struct node *start;
};

static long user_path_get(struct user_path *p, int dirfd, const char __user *user)
{
	p->start = NULL;
	p->text = path_from_user(user);
	if (IS_ERR(p->text))
		return PTR_ERR(p->text);
	p->start = start_node(dirfd, p->text);
	if (IS_ERR(p->start)) {
		long error = PTR_ERR(p->start);
		kfree(p->text);
		return error;
	}
	return 0;
}

static void user_path_put(struct user_path *p)
{
	node_put(p->start);
	kfree(p->text);
}

/* ---- making ---- */

/* Enters a new node under the name, which is free; takes over the node. */
static long enter(struct walk *w, struct node *node)
{
	long error;

	if (!node)
		return -ENOSPC;
	if (w->dir->mode & S_ISGID) {
		node->gid = w->dir->gid;
		if (is_dir(node))
			node->mode |= S_ISGID;
	}
	error = tree_insert(w->dir, w->name, w->len, node);
	node_put(node);
	return error;
}

static long make_directory(int dirfd, const char __user *user, u32 mode)
{
	struct user_path path;
	struct walk w;
	long error = user_path_get(&path, dirfd, user);

	if (error < 0)
		return error;
	error = walk_to_new_name(&w, path.start, path.text, true);
	if (error == 0)
		error = enter(&w, node_new(w.dir->fs, S_IFDIR | masked_mode(mode & 01777)));
	walk_end(&w);
	user_path_put(&path);
	return error;
}

SYSCALL_DEFINE2(mkdir, const char __user *, path, u32, mode)
{
	return make_directory(AT_FDCWD, path, mode);
}

SYSCALL_DEFINE3(mkdirat, int, dirfd, const char __user *, path, u32, mode)
{
	return make_directory(dirfd, path, mode);
}

/* The devices that exist here can be made by root; others would be names for nothing. */
static long may_make(u32 mode, u32 device)
{
	struct node probe = { .mode = mode, .device = device };

	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case 0:
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		return fs_uid() == 0 && device_ops(&probe) ? 0 : -EPERM;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

static long make_node(int dirfd, const char __user *user, u32 mode, u32 device)
{
	struct user_path path;
	struct node *node;
	struct walk w;
	long error = may_make(mode, device);

	if (error == 0)
		error = user_path_get(&path, dirfd, user);
	if (error < 0)
		return error;
	error = walk_to_new_name(&w, path.start, path.text, false);
	if (error == 0) {
		node = node_new(w.dir->fs, (mode & S_IFMT ? mode & S_IFMT : S_IFREG) | masked_mode(mode));
		if (node && ((mode & S_IFMT) == S_IFCHR || is_disk(node)))
			node->device = device;
		error = enter(&w, node);
	}
	walk_end(&w);
	user_path_put(&path);
	return error;
}

SYSCALL_DEFINE3(mknod, const char __user *, path, u32, mode, u32, device)
{
	return make_node(AT_FDCWD, path, mode, device);
}

SYSCALL_DEFINE4(mknodat, int, dirfd, const char __user *, path, u32, mode, u32, device)
{
	return make_node(dirfd, path, mode, device);
}

static long make_symlink(const char __user *user_target, int dirfd, const char __user *user)
{
	char *target = path_from_user(user_target);
	struct user_path path;
	struct walk w;
	long error;

	if (IS_ERR(target))
		return PTR_ERR(target);
	error = user_path_get(&path, dirfd, user);
	if (error == 0) {
		error = walk_to_new_name(&w, path.start, path.text, false);
		if (error == 0)
			error = enter(&w, node_new_link(w.dir->fs, target));
		walk_end(&w);
		user_path_put(&path);
	}
	kfree(target);
	return error;
}

SYSCALL_DEFINE2(symlink, const char __user *, target, const char __user *, path)
{
	return make_symlink(target, AT_FDCWD, path);
}

SYSCALL_DEFINE3(symlinkat, const char __user *, target, int, dirfd, const char __user *, path)
{
	return make_symlink(target, dirfd, path);
}

static long add_name(struct walk *w, struct node *node)
{
	long error;

	if (node->fs != w->dir->fs)
		return -EXDEV;
	if (is_dir(node))
		return -EPERM;
	if (node->nlink == 0 && !node->linkable)
		return -ENOENT;
	error = tree_insert(w->dir, w->name, w->len, node);
	if (error == 0) {
		node->nlink++;
		node->linkable = false;
		node_touch_ctime(node);
	}
	return error;
}

static long link_path(int old_dirfd, const char __user *old, int dirfd, const char __user *user, u32 flags)
{
	u32 lookup = (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
	struct user_path path;
	struct node *node;
	struct walk w;
	long error;

	if (flags & ~(u32)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && fs_uid() != 0)
		return -ENOENT;
	node = user_node(old_dirfd, old, lookup);
	if (IS_ERR(node))
		return PTR_ERR(node);
	error = user_path_get(&path, dirfd, user);
	if (error == 0) {
		error = walk_to_new_name(&w, path.start, path.text, false);
		if (error == 0)
			error = add_name(&w, node);
		walk_end(&w);
		user_path_put(&path);
	}
	node_put(node);
	return error;
}

SYSCALL_DEFINE2(link, const char __user *, old, const char __user *, path)
{
	return link_path(AT_FDCWD, old, AT_FDCWD, path, 0);
}

SYSCALL_DEFINE5(linkat, int, old_dirfd, const char __user *, old, int, dirfd, const char __user *, path, u32, flags)
{
	return link_path(old_dirfd, old, dirfd, path, flags);
}

/* ---- removing ---- */

static long remove_file(struct walk *w)
{
	struct node *node;
	long error;

	if (w->kind != LAST_NAME)
		return -EISDIR;
	node = tree_lookup(w->dir, w->name, w->len);
	if (IS_ERR(node))
		return PTR_ERR(node);
	if (w->must_be_dir)
		error = is_dir(node) ? -EISDIR : -ENOTDIR;
	else
		error = may_remove(w->dir, node);
	if ((error == 0 || error == -EBUSY) && is_dir(node))
		error = -EISDIR;
	if (error == 0)
		error = tree_remove(w->dir, w->name, w->len);
	node_put(node);
	return error;
}

static long remove_directory(struct walk *w)
{
	struct node *node;
	long error;

	switch (w->kind) {
	case LAST_NAME:
		break;
	case LAST_DOT:
		return -EINVAL;
	case LAST_DOTDOT:
		return -ENOTEMPTY;
	default:
		return -EBUSY;
	}
	node = tree_lookup(w->dir, w->name, w->len);
	if (IS_ERR(node))
		return PTR_ERR(node);
	error = may_remove(w->dir, node);
	if ((error == 0 || error == -EBUSY) && !is_dir(node))
		error = -ENOTDIR;
	if (error == 0 && !tree_is_empty(node))
		error = -ENOTEMPTY;
	if (error == 0)
		error = tree_remove(w->dir, w->name, w->len);
	node_put(node);
	return error;
}

static long remove_path(int dirfd, const char __user *user, bool directory)
{
	struct user_path path;
	struct walk w;
	long error = user_path_get(&path, dirfd, user);

	if (error < 0)
		return error;
	error = walk_begin(&w, path.start, path.text, 0);
	if (error == 0)
		error = walk_parent(&w);
	if (error == 0)
		error = directory ? remove_directory(&w) : remove_file(&w);
	walk_end(&w);
	user_path_put(&path);
	return error;
}

SYSCALL_DEFINE1(unlink, const char __user *, path)
{
	return remove_path(AT_FDCWD, path, false);
}

SYSCALL_DEFINE1(rmdir, const char __user *, path)
{
	return remove_path(AT_FDCWD, path, true);
}

SYSCALL_DEFINE3(unlinkat, int, dirfd, const char __user *, path, u32, flags)
{
	if (flags & ~(u32)AT_REMOVEDIR)
		return -EINVAL;
	return remove_path(dirfd, path, flags & AT_REMOVEDIR);
}

/* ---- renaming ---- */

struct renaming {
	struct walk *from, *to;
	struct node *old, *new; /* new: NULL when there is nothing of this name */
	u32 flags;
};

/* A directory that gets another parent has its ".." changed. */
static long may_reparent(const struct renaming *r, const struct node *moved)
{
	return is_dir(moved) && r->from->dir != r->to->dir ? node_permission(moved, MAY_WRITE) : 0;
}

/* What rename(2) asks of the names before it looks at rights. */
static long check_names(const struct renaming *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;

	if ((r->flags & RENAME_NOREPLACE) && r->new)
		return -EEXIST;
	if (exchange) {
		if (!r->new)
			return -ENOENT;
		if (!is_dir(r->new) && r->to->must_be_dir)
			return -ENOTDIR;
	}
	if (!is_dir(r->old) && (r->from->must_be_dir || (!exchange && r->to->must_be_dir)))
		return -ENOTDIR;
	/* Into itself; or onto a directory it is in. */
	if (is_dir(r->old) && tree_is_above(r->old, r->to->dir))
		return -EINVAL;
	if (r->new && is_dir(r->new) && tree_is_above(r->new, r->from->dir))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static long check_rights(const struct renaming *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;
	long error = may_remove(r->from->dir, r->old);

	if (error == 0)
		error = r->new ? may_remove(r->to->dir, r->new) : may_create(r->to->dir);
	if (r->new && !exchange && (error == 0 || error == -EBUSY)) {
		if (is_dir(r->old) && !is_dir(r->new))
			return -ENOTDIR;
		if (!is_dir(r->old) && is_dir(r->new))
			return -EISDIR;
	}
	if (error == 0)
		error = may_reparent(r, r->old);
	if (error == 0 && exchange)
		error = may_reparent(r, r->new);
	return error;
}

static long rename_nodes(const struct renaming *r)
{
	struct walk *from = r->from, *to = r->to;
	long error = check_names(r);

	if (error < 0 || r->old == r->new)
		return error;
	error = check_rights(r);
	if (error < 0)
		return error;
	if (r->flags & RENAME_EXCHANGE)
		return tree_exchange(from->dir, from->name, from->len, to->dir, to->name, to->len);
	if (r->new && is_dir(r->new) && !tree_is_empty(r->new))
		return -ENOTEMPTY;
	return tree_rename(from->dir, from->name, from->len, to->dir, to->name, to->len);
}

static long rename_walked(struct walk *from, struct walk *to, u32 flags)
{
	struct renaming r = { .from = from, .to = to, .flags = flags };
	long error;

	if (from->dir->fs != to->dir->fs)
		return -EXDEV;
	if (from->kind != LAST_NAME)
		return -EBUSY;
	if (to->kind != LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	r.old = tree_lookup(from->dir, from->name, from->len);
	if (IS_ERR(r.old))
		return PTR_ERR(r.old);
	r.new = tree_lookup(to->dir, to->name, to->len);
	if (IS_ERR(r.new)) {
		error = PTR_ERR(r.new);
		r.new = NULL;
		if (error != -ENOENT)
			goto out;
	}
	error = rename_nodes(&r);
out:
	if (r.new)
		node_put(r.new);
	node_put(r.old);
	return error;
}

static long rename_path(int from_fd, const char __user *from_user, int to_fd, const char __user *to_user, u32 flags)
{
	struct user_path from, to;
	struct walk from_walk, to_walk;
	long error;

	/* RENAME_WHITEOUT is for overlay file systems below a kernel; there is none below this one. */
	if (flags & ~(u32)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	error = user_path_get(&from, from_fd, from_user);
	if (error < 0)
		return error;
	error = user_path_get(&to, to_fd, to_user);
	if (error < 0) {
		user_path_put(&from);
		return error;
	}
	error = walk_begin(&from_walk, from.start, from.text, 0);
	if (error == 0)
		error = walk_parent(&from_walk);
	if (error == 0) {
		error = walk_begin(&to_walk, to.start, to.text, 0);
		if (error == 0)
			error = walk_parent(&to_walk);
		if (error == 0)
			error = rename_walked(&from_walk, &to_walk, flags);
		walk_end(&to_walk);
	}
	walk_end(&from_walk);
	user_path_put(&to);
	user_path_put(&from);
	return error;
}

SYSCALL_DEFINE2(rename, const char __user *, from, const char __user *, to)
{
	return rename_path(AT_FDCWD, from, AT_FDCWD, to, 0);
}

SYSCALL_DEFINE4(renameat, int, from_fd, const char __user *, from, int, to_fd, const char __user *, to)
{
	return rename_path(from_fd, from, to_fd, to, 0);
}

SYSCALL_DEFINE5(renameat2, int, from_fd, const char __user *, from, int, to_fd, const char __user *, to, u32, flags)
{
	return rename_path(from_fd, from, to_fd, to, flags);
}
