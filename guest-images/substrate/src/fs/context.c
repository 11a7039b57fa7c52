/* SPDX-License-Identifier: Apache-2.0 */
/* Root, working directory and umask of a task. */
#include "path.h"

struct node *fs_context_root(struct fs_context *fs)
{
	return fs->root;
}

static struct fs_context *context_make(struct node *root, struct node *cwd, u32 umask)
{
	struct fs_context *fs = kmalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	fs->root = node_get(root);
	fs->cwd = node_get(cwd);
	fs->umask = umask;
	fs->refs = 1;
	return fs;
}

struct fs_context *fs_context_new(void)
{
	return context_make(root_fs.root, root_fs.root, 022);
}

struct fs_context *fs_context_copy(struct fs_context *fs)
{
	return context_make(fs->root, fs->cwd, fs->umask);
}

struct fs_context *fs_context_get(struct fs_context *fs)
{
	fs->refs++;
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (--fs->refs)
		return;
	node_put(fs->root);
	node_put(fs->cwd);
	kfree(fs);
}

long fs_context_chdir(struct fs_context *fs, const char *path)
{
	struct node *node = path_node(*path == '/' ? fs->root : fs->cwd, path, true);
	long error;

	if (IS_ERR(node))
		return PTR_ERR(node);
	error = is_dir(node) ? node_permission(node, MAY_EXEC) : -ENOTDIR;
	if (error < 0) {
		node_put(node);
		return error;
	}
	node_put(fs->cwd);
	fs->cwd = node;
	return 0;
}
