/* SPDX-License-Identifier: Apache-2.0 */
/* Path resolution as path_resolution(7) has it, without recursion. */
#include <linux/openat2.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "file.h"
#include "path.h"

static struct node *current_root(void)
{
	struct task *task = current;
	return task && task->fs ? task->fs->root : root_fs.root;
}

static struct node *current_directory(void)
{
	struct task *task = current;
	return task && task->fs ? task->fs->cwd : root_fs.root;
}

static const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

static void move_to(struct walk *w, struct node *dir)
{
	node_put(w->dir);
	w->dir = dir;
}

static bool leaves_device(const struct walk *w, const struct node *to)
{
	return (w->resolve & RESOLVE_NO_XDEV) && to->fs != w->dir->fs;
}

/* Goes on with a text, from the start or from inside a link. */
static long enter_text(struct walk *w, const char *text)
{
	if (*text == '/') {
		if (w->resolve & RESOLVE_BENEATH)
			return -EXDEV;
		if (leaves_device(w, w->root))
			return -EXDEV;
		move_to(w, node_get(w->root));
	}
	w->rest = text;
	return 0;
}

long walk_begin(struct walk *w, struct node *start, const char *path, u64 resolve)
{
	w->resolve = resolve;
	w->depth = w->follows = 0;
	w->kind = LAST_NAME;
	w->must_be_dir = false;
	w->file = NULL;
	w->rest = path;
	w->dir = node_get(start ? start : current_directory());
	/* With RESOLVE_BENEATH the start is as far up as a walk may go as well; ".." there is an error then. */
	w->root = node_get(resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH) ? w->dir : current_root());
	if (*path == 0)
		return -ENOENT;
	return enter_text(w, path);
}

void walk_end(struct walk *w)
{
	while (w->follows)
		node_put(w->links[--w->follows]);
	node_put(w->dir);
	node_put(w->root);
}

static long move_up(struct walk *w)
{
	struct node *parent;

	if (w->dir == w->root)
		return w->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
	parent = tree_parent(w->dir);
	if (leaves_device(w, parent))
		return -EXDEV;
	move_to(w, node_get(parent));
	return 0;
}

/* A link whose follow operation says where it leads. */
static long jump(struct walk *w, struct node *link)
{
	struct node *to;

	if (w->resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS))
		return -ELOOP;
	if (w->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EXDEV;
	to = link->ops->follow(link, &w->file);
	if (IS_ERR(to))
		return PTR_ERR(to);
	if (leaves_device(w, to)) {
		node_put(to);
		return -EXDEV;
	}
	move_to(w, to);
	return 0;
}

/* `after` is what follows the link in the text that led to it. */
static long follow(struct walk *w, struct node *link, const char *after)
{
	const char *text;
	long error;

	w->kind = LAST_NAME;
	w->file = NULL;
	if (w->follows == SYMLINK_MAX_FOLLOWS || (w->resolve & RESOLVE_NO_SYMLINKS)) {
		node_put(link);
		return -ELOOP;
	}
	w->links[w->follows++] = link;
	if (link->ops && link->ops->follow) {
		error = jump(w, link);
		w->kind = LAST_JUMP;
		w->rest = after;
		return error;
	}
	if (link->ops && link->ops->readlink) {
		/* Made-up links keep their text in the node while it is followed. */
		if (!link->target) {
			char buf[64];
			ssize_t len = link->ops->readlink(link, buf, sizeof(buf));
			if (len < 0)
				return len;
			link->target = kstrndup(buf, (size_t)len);
			if (!link->target)
				return -ENOMEM;
		}
		text = link->target;
	} else {
		node_accessed(link);
		text = node_target(link);
		if (IS_ERR(text))
			return PTR_ERR(text);
	}
	if (*text == 0)
		return -ENOENT;
	if (*after)
		w->outer[w->depth++] = after;
	return enter_text(w, text);
}

long walk_follow(struct walk *w, struct node *link)
{
	return follow(w, link, "");
}

static long finish(struct walk *w, enum last_kind kind)
{
	w->kind = kind;
	return 0;
}

long walk_parent(struct walk *w)
{
	for (;;) {
		const char *name = skip_slashes(w->rest), *after;
		struct node *node;
		bool last;
		long error;
		u32 len = 0;

		if (*name == 0) {
			if (w->depth == 0)
				return finish(w, w->kind == LAST_JUMP ? LAST_JUMP : LAST_ROOT);
			w->rest = w->outer[--w->depth];
			continue;
		}
		if (!is_dir(w->dir))
			return -ENOTDIR;
		error = node_permission(w->dir, MAY_EXEC);
		if (error < 0)
			return error;
		while (name[len] && name[len] != '/')
			len++;
		after = skip_slashes(name + len);
		last = *after == 0 && w->depth == 0;
		if (last && name[len] == '/')
			w->must_be_dir = true;

		if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) {
			error = len == 2 ? move_up(w) : 0;
			if (error < 0)
				return error;
			w->rest = after;
			if (last) {
				w->must_be_dir = true;
				return finish(w, len == 2 ? LAST_DOTDOT : LAST_DOT);
			}
			continue;
		}
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		if (last) {
			w->name = name;
			w->len = len;
			return finish(w, LAST_NAME);
		}
		node = tree_lookup(w->dir, name, len);
		if (IS_ERR(node))
			return PTR_ERR(node);
		if (leaves_device(w, node)) {
			node_put(node);
			return -EXDEV;
		}
		if (is_link(node)) {
			error = follow(w, node, after);
			if (error < 0)
				return error;
			continue;
		}
		move_to(w, node);
		w->rest = after;
	}
}

/* The node at the end of a walk that has begun. */
static struct node *walk_node(struct walk *w, bool follow_last)
{
	for (;;) {
		struct node *node;
		long error = walk_parent(w);

		if (error < 0)
			return ERR_PTR(error);
		if (w->kind == LAST_JUMP && w->must_be_dir && !is_dir(w->dir))
			return ERR_PTR(-ENOTDIR);
		if (w->kind != LAST_NAME)
			return node_get(w->dir);
		node = tree_lookup(w->dir, w->name, w->len);
		if (IS_ERR(node))
			return node;
		if (is_link(node) && (follow_last || w->must_be_dir)) {
			error = walk_follow(w, node);
			if (error < 0)
				return ERR_PTR(error);
			continue;
		}
		if (w->must_be_dir && !is_dir(node)) {
			node_put(node);
			return ERR_PTR(-ENOTDIR);
		}
		return node;
	}
}

struct node *path_node(struct node *start, const char *path, bool follow_last)
{
	struct walk w;
	long error = walk_begin(&w, start, path, 0);
	struct node *node = error < 0 ? ERR_PTR(error) : walk_node(&w, follow_last);

	walk_end(&w);
	return node;
}

struct node *path_lookup(const char *path)
{
	return path_node(NULL, path, true);
}

struct node *path_lookup_link(const char *path)
{
	return path_node(NULL, path, false);
}

long walk_to_new_name(struct walk *w, struct node *start, const char *path, bool directory)
{
	struct node *node;
	long error = walk_begin(w, start, path, 0);

	if (error == 0)
		error = walk_parent(w);
	if (error < 0)
		return error;
	if (w->kind != LAST_NAME)
		return -EEXIST;
	node = tree_lookup(w->dir, w->name, w->len);
	if (!IS_ERR(node)) {
		node_put(node);
		return -EEXIST;
	}
	if (PTR_ERR(node) != -ENOENT)
		return PTR_ERR(node);
	/* Only a directory can be made where the path says there is one. */
	if (w->must_be_dir && !directory)
		return -ENOENT;
	return may_create(w->dir);
}

long may_create(const struct node *dir)
{
	if (dir->nlink == 0 || (dir->ops && dir->ops->lookup))
		return -ENOENT;
	return node_permission(dir, MAY_WRITE | MAY_EXEC);
}

long may_remove(const struct node *dir, const struct node *victim)
{
	u32 uid = fs_uid();
	long error;

	if (dir->ops && dir->ops->lookup)
		return -EPERM;
	error = node_permission(dir, MAY_WRITE | MAY_EXEC);
	if (error < 0)
		return error;
	if ((dir->mode & S_ISVTX) && uid != 0 && uid != victim->uid && uid != dir->uid)
		return -EPERM;
	return victim->mount ? -EBUSY : 0;
}

struct node *start_node(int dirfd, const char *path)
{
	struct file *file;
	struct node *node;

	if (*path == '/' || dirfd == AT_FDCWD)
		return node_get(*path == '/' ? current_root() : current_directory());
	file = fd_get(current->files, dirfd);
	if (!file)
		return ERR_PTR(-EBADF);
	node = node_get(file->node);
	file_put(file);
	return node;
}

struct node *user_node(int dirfd, const char __user *user_path, u32 flags)
{
	char *path = flags & AT_EMPTY_PATH ? path_from_user_empty_ok(user_path) : path_from_user(user_path);
	struct node *start, *node;

	if (IS_ERR(path))
		return (struct node *)path;
	start = start_node(dirfd, path);
	if (IS_ERR(start) || *path == 0) {
		kfree(path);
		return start;
	}
	node = path_node(start, path, !(flags & AT_SYMLINK_NOFOLLOW));
	node_put(start);
	kfree(path);
	return node;
}
