/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes: birth, death, attributes, permissions. */
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "lock.h"
#include "node.h"
#include "pipe.h"

struct root_fs root_fs;

static const struct credentials *credentials(void)
{
	struct task *task = current;
	return task && task->process ? &task->process->cred : NULL;
}

/* The kernel's own doings are root's. */
u32 fs_uid(void)
{
	const struct credentials *cred = credentials();
	return cred ? cred->fsuid : 0;
}

u32 fs_gid(void)
{
	const struct credentials *cred = credentials();
	return cred ? cred->fsgid : 0;
}

bool fs_in_group(u32 gid)
{
	const struct credentials *cred = credentials();
	return fs_gid() == gid || (cred && group_list_has(cred->groups, gid));
}

static void init_contents(struct node *node)
{
	if (is_dir(node)) {
		list_init(&node->dir.entries);
		/* Above all positions of the image's directory, so that its names come first. */
		node->dir.next_cookie = 1UL << 40;
	}
}

static struct node *node_alloc(enum fs_id fs, u32 mode)
{
	struct node *node = kzalloc(sizeof(*node));

	if (!node)
		return NULL;
	node->refs = 1;
	node->fs = (u8)fs;
	node->mode = mode;
	list_init(&node->names);
	init_contents(node);
	return node;
}

struct node *node_new(enum fs_id fs, u32 mode)
{
	/* What is open or made up is limited by other means; what is stored would otherwise stay for ever. */
	bool stored = fs != FS_ANONYMOUS && fs != FS_PROC && fs != FS_SYS;
	struct node *node;

	if (stored && root_fs.nodes >= root_fs.nodes_max)
		return NULL;
	node = node_alloc(fs, mode);
	if (!node)
		return NULL;
	root_fs.nodes++;
	node->uid = fs_uid();
	node->gid = fs_gid();
	node->nlink = is_dir(node) ? 2 : 1;
	node->ino = root_fs.next_ino++;
	node->atime = node->mtime = node->ctime = (s64)realtime_ns();
	return node;
}

struct node *node_new_link(enum fs_id fs, const char *target)
{
	struct node *node = node_new(fs, S_IFLNK | 0777);

	if (!node)
		return NULL;
	node->size = strlen(target);
	node->target = kstrndup(target, node->size);
	if (!node->target) {
		node_put(node);
		return NULL;
	}
	return node;
}

struct node *node_new_anonymous(u32 mode)
{
	return node_new(FS_ANONYMOUS, mode);
}

/* ---- nodes of the image ---- */

static struct node **nid_slot(u64 nid)
{
	return &root_fs.nid_table[(nid * 0x9e3779b97f4a7c15UL) >> 32 & (root_fs.nid_buckets - 1)];
}

static struct node *nid_find(u64 nid)
{
	struct node *node = root_fs.nid_buckets ? *nid_slot(nid) : NULL;

	while (node && node->lower.nid != nid)
		node = node->nid_next;
	return node;
}

static long nid_table_grow(void)
{
	u32 old_buckets = root_fs.nid_buckets, buckets = old_buckets ? old_buckets * 2 : 64;
	struct node **old = root_fs.nid_table, **table;

	if (root_fs.nid_count < old_buckets)
		return 0;
	table = kzalloc(buckets * sizeof(*table));
	if (!table)
		return old ? 0 : -ENOMEM; /* longer chains do as well */
	root_fs.nid_table = table;
	root_fs.nid_buckets = buckets;
	for (u32 i = 0; i < old_buckets; i++) {
		while (old[i]) {
			struct node *node = old[i], **slot = nid_slot(node->lower.nid);
			old[i] = node->nid_next;
			node->nid_next = *slot;
			*slot = node;
		}
	}
	kfree(old);
	return 0;
}

/*
 * Files with more than one name must be found again by the other names, with what was written to them, so the table keeps
 * them until their last name goes. Directories are in it so that one that the image has in two places is noticed.
 */
static long nid_table_add(struct node *node)
{
	struct node **slot;

	if (nid_table_grow() < 0)
		return -ENOMEM;
	slot = nid_slot(node->lower.nid);
	node->nid_next = *slot;
	*slot = node;
	node->in_nid_table = true;
	root_fs.nid_count++;
	if (!is_dir(node))
		node_get(node);
	return 0;
}

void nid_table_drop(struct node *node)
{
	struct node **slot;

	if (!node->in_nid_table)
		return;
	for (slot = nid_slot(node->lower.nid); *slot != node; slot = &(*slot)->nid_next)
		;
	*slot = node->nid_next;
	node->in_nid_table = false;
	root_fs.nid_count--;
	if (!is_dir(node))
		node_put(node);
}

struct node *node_of_lower(u64 nid)
{
	struct node *node = nid_find(nid);
	struct erofs_inode inode;
	long error;

	if (node && is_dir(node))
		return ERR_PTR(-EUCLEAN);
	if (node)
		return node_get(node);
	error = erofs_inode_read(&root_fs.image, nid, &inode);
	if (error < 0)
		return ERR_PTR(error);
	node = node_alloc(FS_ROOT, inode.mode);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->has_lower = true;
	node->lower = inode;
	node->lower_size = inode.size;
	node->uid = inode.uid;
	node->gid = inode.gid;
	node->nlink = is_dir(node) ? MAX(inode.nlink, 2) : inode.nlink;
	node->device = inode.device;
	node->ino = nid + 1; /* 0 would mean a deleted entry to some programs */
	node->size = is_dir(node) ? 0 : inode.size;
	node->atime = node->mtime = node->ctime = inode.mtime_ns;
	if ((is_dir(node) || inode.nlink > 1) && nid_table_add(node) < 0) {
		kfree(node);
		return ERR_PTR(-ENOMEM);
	}
	return node;
}

/* ---- references ---- */

struct node *node_get(struct node *node)
{
	node->refs++;
	return node;
}

static void free_contents(struct node *node)
{
	switch (node->mode & S_IFMT) {
	case S_IFDIR:
		tree_drop_entries(node);
		break;
	case S_IFREG:
		data_free(node);
		break;
	case S_IFLNK:
		kfree(node->target);
		break;
	case S_IFIFO:
		if (node->pipe)
			pipe_free(node->pipe);
		break;
	}
}

void node_put(struct node *node)
{
	/* Not recursive: a chain of removed directories, each named below the next, may be as long as a program likes. */
	while (node && --node->refs == 0) {
		struct node *parent;
		if (node->ops && node->ops->release)
			node->ops->release(node);
		if (is_dir(node))
			nid_table_drop(node);
		free_contents(node);
		locks_free(node->locks);
		parent = tree_drop_name(node);
		if (!node->has_lower)
			root_fs.nodes--;
		kfree(node);
		node = parent;
	}
}

/* ---- attributes ---- */

u32 node_mode(const struct node *node) { return node->mode; }
u32 node_uid(const struct node *node) { return node->uid; }
u32 node_gid(const struct node *node) { return node->gid; }
u64 node_size(const struct node *node) { return node->size; }
u64 node_id(const struct node *node) { return node->ino; }

void node_changed(struct node *node)
{
	node->mtime = node->ctime = (s64)realtime_ns();
}

void node_touch_ctime(struct node *node)
{
	node->ctime = (s64)realtime_ns();
}

/* As with the mount option relatime (mount(8)): only when it is older than the last change or than a day. */
void node_accessed(struct node *node)
{
	s64 now = (s64)realtime_ns();

	if (node->atime <= node->mtime || node->atime <= node->ctime || now - node->atime >= 86400L * (s64)NSEC_PER_SEC)
		node->atime = now;
}

u32 privileges_to_drop(const struct node *node)
{
	bool group_too = (node->mode & S_IXGRP) || (fs_uid() != 0 && !fs_in_group(node->gid));

	return S_ISUID | (group_too ? S_ISGID : 0);
}

void node_drop_privileges(struct node *node)
{
	if (fs_uid() != 0 && is_reg(node))
		node->mode &= ~privileges_to_drop(node);
}

long node_permission(const struct node *node, u32 may)
{
	u32 bits;

	if (fs_uid() == 0) {
		if ((may & MAY_EXEC) && !is_dir(node) && !(node->mode & 0111))
			return -EACCES;
		return 0;
	}
	bits = node->mode;
	if (node->uid == fs_uid())
		bits >>= 6;
	else if (fs_in_group(node->gid))
		bits >>= 3;
	return may & ~bits & 7 ? -EACCES : 0;
}

const char *node_target(struct node *link)
{
	char *text;
	u64 copied = 0;

	if (link->target)
		return link->target;
	if (!link->has_lower || link->lower.size == 0 || link->lower.size >= PATH_MAX)
		return ERR_PTR(-EUCLEAN);
	text = kmalloc(link->lower.size + 1);
	if (!text)
		return ERR_PTR(-ENOMEM);
	while (copied < link->lower.size) {
		u64 len;
		const u8 *piece = erofs_data(&root_fs.image, &link->lower, copied, &len);
		memcpy(text + copied, piece, len);
		copied += len;
	}
	text[copied] = 0;
	if (memchr(text, 0, copied)) {
		kfree(text);
		return ERR_PTR(-EUCLEAN);
	}
	link->target = text;
	return text;
}
