/* SPDX-License-Identifier: Apache-2.0 */
/* The tree at boot: the image, and over it what programs expect to find besides. */
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "node.h"

static void cover(const char *name, struct node *node)
{
	if (!node || tree_cover(root_fs.root, name, node) < 0)
		panic("cannot make /%s: %s", name, node ? "the image's root directory is damaged" : "out of memory");
	node_put(node);
}

static void make_tmp(void)
{
	struct node *tmp = tree_lookup(root_fs.root, "tmp", 3);

	if (!IS_ERR(tmp)) {
		node_put(tmp);
		return;
	}
	tmp = node_new(FS_ROOT, S_IFDIR | S_ISVTX | 0777);
	if (!tmp || tree_insert(root_fs.root, "tmp", 3, tmp) < 0)
		panic("cannot make /tmp");
	node_put(tmp);
}

void fs_init(paddr_t image, u64 size)
{
	const char *reason;

	if (image & (PAGE_SIZE - 1))
		panic("root image is not aligned to pages");
	reason = erofs_open(&root_fs.image, phys_to_virt(image), size);
	if (reason)
		panic("%s", reason);
	/* As a tmpfs of Linux without options: half of the memory, and one node for each page of it. */
	root_fs.frames_max = frames_total() / 2;
	root_fs.nodes_max = frames_total() / 2;
	/* Above all inode numbers the image can have. */
	root_fs.next_ino = size / 32 + 16;
	root_fs.root = node_of_lower(root_fs.image.root);
	if (IS_ERR(root_fs.root))
		panic("cannot read the image's root directory");
	root_fs.root->mount = true;
	cover("dev", dev_new());
	cover("proc", proc_new());
	cover("sys", sys_new());
	make_tmp();
}
