/* SPDX-License-Identifier: Apache-2.0 */
/* Walking paths. */
#ifndef SUBSTRATE_FS_PATH_H
#define SUBSTRATE_FS_PATH_H

#include "node.h"

/* A task's view of the tree. */
struct fs_context {
	struct node *root, *cwd; /* held */
	u32 umask;
	u32 refs;
};

struct node *fs_context_root(struct fs_context *fs);

/* What the last component of a path is. */
enum last_kind {
	LAST_NAME,   /* a name, to be looked up in walk.dir */
	LAST_DOT,    /* "." : walk.dir itself */
	LAST_DOTDOT, /* "..": walk.dir, which has been moved up already */
	LAST_ROOT,   /* there is none: the path is "/" */
	LAST_JUMP,   /* a link of /proc led to walk.dir, which need not be a directory */
};

/*
 * A walk in progress. walk_begin() starts it, walk_parent() goes up to the last component, walk_follow() goes on into a
 * symbolic link found there (then call walk_parent() again), walk_end() ends it.
 */
struct walk {
	struct node *root, *dir; /* held */
	u64 resolve;             /* RESOLVE_* of openat2(2) */
	const char *rest;
	const char *outer[SYMLINK_MAX_FOLLOWS]; /* what follows a symbolic link in the text that led to it */
	struct node *links[SYMLINK_MAX_FOLLOWS]; /* held: whose text that is */
	u32 depth, follows;
	const char *name; /* the last component */
	u32 len;
	enum last_kind kind;
	bool must_be_dir;  /* a slash follows the last component */
	struct file *file; /* with LAST_JUMP, the open file the link stands for, or NULL; not held */
};

/* `start` may be NULL: the working directory. The walk keeps `path`, not a copy. 0 or a negative errno; end it in any case. */
long walk_begin(struct walk *w, struct node *start, const char *path, u64 resolve);
long walk_parent(struct walk *w);
/* Takes over the reference to `link`. */
long walk_follow(struct walk *w, struct node *link);
void walk_end(struct walk *w);

/* The whole walk: referenced node or ERR_PTR. */
struct node *path_node(struct node *start, const char *path, bool follow);

/* The parent's part of creating a name: 0 when `w` stands before a name that is free, else -EEXIST or another errno. */
long walk_to_new_name(struct walk *w, struct node *start, const char *path, bool directory);
/* May the current task make or remove a name here? */
long may_create(const struct node *dir);
long may_remove(const struct node *dir, const struct node *victim);

/* Where relative paths begin: AT_FDCWD or a descriptor. Referenced node, or ERR_PTR(-EBADF). */
struct node *start_node(int dirfd, const char *path);
/* A path of the program's: referenced node or ERR_PTR. AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW in `flags` are obeyed. */
struct node *user_node(int dirfd, const char __user *path, u32 flags);

#endif
