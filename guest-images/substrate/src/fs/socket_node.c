/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a socket in the tree. */
#include "file.h"
#include "path.h"

struct node *path_make_socket(const char *path)
{
	struct node *node = NULL;
	struct walk w;
	long error = walk_to_new_name(&w, NULL, path, false);

	if (error == 0) {
		node = node_new(w.dir->fs, S_IFSOCK | masked_mode(0777));
		if (node && w.dir->mode & S_ISGID)
			node->gid = w.dir->gid;
		error = node ? tree_insert(w.dir, w.name, w.len, node) : -ENOSPC;
	}
	walk_end(&w);
	if (error == 0)
		return node;
	if (node)
		node_put(node);
	return ERR_PTR(error);
}
