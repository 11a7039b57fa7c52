/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: names in a hash table, over the names of the image's directory. A name of the image gets an entry here when it
 * is first looked up; when it is removed the entry stays, without a node, to hide it.
 */
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "node.h"
#include "path.h"

static u32 hash_name(const char *name, u32 len)
{
	u32 hash = 2166136261u; /* FNV-1a */
	for (u32 i = 0; i < len; i++)
		hash = (hash ^ (u8)name[i]) * 16777619u;
	return hash;
}

static struct entry *entry_new(const char *name, u32 len)
{
	struct entry *e;

	if (len > NAME_MAX)
		return NULL;
	e = kzalloc(sizeof(*e) + len + 1);
	if (!e)
		return NULL;
	list_init(&e->link);
	list_init(&e->alias);
	e->hash = hash_name(name, len);
	e->len = (u8)len;
	memcpy(e->name, name, len);
	return e;
}

/* ---- the hash table ---- */

static struct entry *hash_find(const struct directory *dir, const char *name, u32 len)
{
	u32 hash = hash_name(name, len);
	struct entry *e = dir->bucket_count ? dir->buckets[hash & (dir->bucket_count - 1)] : NULL;

	while (e && (e->hash != hash || e->len != len || memcmp(e->name, name, len)))
		e = e->next;
	return e;
}

/* Makes room for one more. */
static long hash_reserve(struct directory *dir)
{
	u32 count = dir->bucket_count ? dir->bucket_count * 2 : 8;
	struct entry **buckets;

	if (dir->used < dir->bucket_count)
		return 0;
	if (count * sizeof(*buckets) > KMALLOC_MAX)
		return 0;
	buckets = kzalloc(count * sizeof(*buckets));
	if (!buckets)
		return dir->buckets ? 0 : -ENOMEM; /* longer chains do as well */
	for (u32 i = 0; i < dir->bucket_count; i++) {
		while (dir->buckets[i]) {
			struct entry *e = dir->buckets[i], **bucket = &buckets[e->hash & (count - 1)];
			dir->buckets[i] = e->next;
			e->next = *bucket;
			*bucket = e;
		}
	}
	kfree(dir->buckets);
	dir->buckets = buckets;
	dir->bucket_count = count;
	return 0;
}

static void hash_add(struct directory *dir, struct entry *e)
{
	struct entry **bucket = &dir->buckets[e->hash & (dir->bucket_count - 1)];
	e->next = *bucket;
	*bucket = e;
	dir->used++;
}

static void hash_remove(struct directory *dir, struct entry *e)
{
	struct entry **at = &dir->buckets[e->hash & (dir->bucket_count - 1)];
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	dir->used--;
}

/* ---- entries and nodes ---- */

static struct entry *kept_name(struct node *node)
{
	struct entry *e = list_empty(&node->names) ? NULL : list_first(&node->names, struct entry, alias);
	return e && e->removed ? e : NULL;
}

struct node *tree_drop_name(struct node *node)
{
	struct entry *e = kept_name(node);
	struct node *parent;

	if (!e)
		return NULL;
	parent = e->parent;
	list_remove(&e->alias);
	kfree(e);
	return parent;
}

/* The entry leads to the node from now on and holds it. */
static void attach(struct entry *e, struct node *node)
{
	struct node *old_parent = tree_drop_name(node);

	e->node = node_get(node);
	e->removed = false;
	list_push_front(&node->names, &e->alias);
	if (old_parent)
		node_put(old_parent);
}

/* Ends an entry that is not in its directory any more; it stays to name its node if that is in use without a name. */
static void detach(struct entry *e)
{
	struct node *node = e->node;

	e->node = NULL;
	list_remove(&e->alias);
	if (node->refs > 1 && list_empty(&node->names)) {
		e->removed = true;
		node_get(e->parent);
		list_push_front(&node->names, &e->alias);
	} else {
		kfree(e);
	}
	node_put(node);
}

static long populate(struct node *dir)
{
	long error;

	if (dir->dir.populated || !dir->ops || !dir->ops->populate)
		return 0;
	/* At once, because filling looks into the directory; but what failed is tried again. */
	dir->dir.populated = true;
	error = dir->ops->populate(dir);
	if (error < 0)
		dir->dir.populated = false;
	return error;
}

/* Makes an entry for a name that only the image has so far. Entry or ERR_PTR(-ENOENT…). */
static struct entry *entry_from_lower(struct node *dir, const char *name, u32 len)
{
	struct erofs_entry found;
	struct node *node;
	struct entry *e;
	long error;

	if (!dir->has_lower)
		return ERR_PTR(-ENOENT);
	error = erofs_lookup(&root_fs.image, &dir->lower, name, len, &found);
	if (error < 0)
		return ERR_PTR(error);
	if (hash_reserve(&dir->dir) < 0)
		return ERR_PTR(-ENOMEM);
	node = node_of_lower(found.nid);
	if (IS_ERR(node))
		return (struct entry *)node;
	e = entry_new(name, len);
	if (!e) {
		node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	e->parent = dir;
	e->in_lower = true;
	attach(e, node);
	hash_add(&dir->dir, e);
	list_push_front(&dir->dir.entries, &e->link);
	node_put(node);
	return e;
}

/* The entry that is in the directory now, or ERR_PTR. */
static struct entry *entry_find(struct node *dir, const char *name, u32 len)
{
	struct entry *e;
	long error = populate(dir);

	if (error < 0)
		return ERR_PTR(error);
	e = hash_find(&dir->dir, name, len);
	if (!e)
		return entry_from_lower(dir, name, len);
	return e->node ? e : ERR_PTR(-ENOENT);
}

struct node *tree_lookup(struct node *dir, const char *name, u32 len)
{
	struct entry *e;

	if (!is_dir(dir))
		return ERR_PTR(-ENOTDIR);
	if (dir->ops && dir->ops->lookup)
		return dir->ops->lookup(dir, name, len);
	e = entry_find(dir, name, len);
	return IS_ERR(e) ? (struct node *)e : node_get(e->node);
}

/* Removes an entry that hides a name of the image: another takes its place. */
static bool drop_hiding_entry(struct node *dir, const char *name, u32 len)
{
	struct entry *e = hash_find(&dir->dir, name, len);

	if (!e)
		return false;
	hash_remove(&dir->dir, e);
	list_remove(&e->link);
	kfree(e);
	return true;
}

/* Puts a prepared entry into a directory that has room in its table and does not have the name. */
static void place(struct node *dir, struct entry *e)
{
	e->parent = dir;
	e->cookie = dir->dir.next_cookie++;
	hash_add(&dir->dir, e);
	list_push_back(&dir->dir.entries, &e->link);
}

long tree_insert(struct node *dir, const char *name, u32 len, struct node *node)
{
	struct entry *e;

	if (dir->nlink == 0)
		return -ENOENT;
	if (hash_reserve(&dir->dir) < 0)
		return -ENOSPC;
	e = entry_new(name, len);
	if (!e)
		return -ENOSPC;
	e->in_lower = drop_hiding_entry(dir, name, len);
	place(dir, e);
	attach(e, node);
	if (is_dir(node))
		dir->nlink++;
	node_changed(dir);
	return 0;
}

/* Takes the entry out of its directory; where the image has the name too, `hiding` takes its place. */
static void unplace(struct entry *e, struct entry *hiding)
{
	struct node *dir = e->parent;

	hash_remove(&dir->dir, e);
	list_remove(&e->link);
	if (hiding) {
		hiding->in_lower = true;
		hiding->parent = dir;
		hash_add(&dir->dir, hiding);
		list_push_front(&dir->dir.entries, &hiding->link);
	}
}

/* The node has one name less. */
static void unlinked(struct node *node)
{
	if (is_dir(node))
		node->nlink = 0;
	else if (node->nlink > 0)
		node->nlink--;
	node_touch_ctime(node);
	if (node->nlink == 0)
		nid_table_drop(node);
}

long tree_remove(struct node *dir, const char *name, u32 len)
{
	struct entry *e = entry_find(dir, name, len), *hiding = NULL;

	if (IS_ERR(e))
		return PTR_ERR(e);
	if (e->in_lower) {
		hiding = entry_new(name, len);
		if (!hiding)
			return -ENOSPC;
	}
	unplace(e, hiding);
	if (is_dir(e->node))
		dir->nlink--;
	node_changed(dir);
	unlinked(e->node);
	detach(e);
	return 0;
}

long tree_cover(struct node *dir, const char *name, struct node *node)
{
	u32 len = (u32)strlen(name);
	struct entry *e = entry_find(dir, name, len);

	if (IS_ERR(e) && PTR_ERR(e) != -ENOENT)
		return PTR_ERR(e);
	if (!IS_ERR(e)) {
		long error = tree_remove(dir, name, len);
		if (error < 0)
			return error;
	}
	node->mount = true;
	return tree_insert(dir, name, len, node);
}

bool tree_is_empty(struct node *dir)
{
	struct erofs_entry lower;
	struct entry *e;
	u64 pos = 0;

	if (populate(dir) < 0 || (dir->ops && dir->ops->lookup))
		return false;
	list_for_each(e, &dir->dir.entries, link)
		if (e->node)
			return false;
	if (!dir->has_lower)
		return true;
	for (;;) {
		int more = erofs_next_entry(&root_fs.image, &dir->lower, &pos, &lower);
		if (more <= 0)
			return more == 0;
		if (lower.name[0] == '.' && (lower.len == 1 || (lower.len == 2 && lower.name[1] == '.')))
			continue;
		/* Every name that has an entry is gone, or the loop above would have found it. */
		if (!hash_find(&dir->dir, lower.name, lower.len))
			return false;
	}
}

struct node *tree_parent(struct node *dir)
{
	if (list_empty(&dir->names))
		return dir;
	struct node *parent = list_first(&dir->names, struct entry, alias)->parent;
	return parent ? parent : dir;
}

bool tree_is_above(struct node *dir, struct node *below)
{
	for (;;) {
		struct node *parent;
		if (below == dir)
			return true;
		parent = tree_parent(below);
		if (parent == below)
			return false;
		below = parent;
	}
}

static void moved_between(struct node *from_dir, struct node *to_dir, const struct node *node)
{
	if (is_dir(node)) {
		from_dir->nlink--;
		to_dir->nlink++;
	}
}

long tree_rename(struct node *from_dir, const char *from, u32 from_len, struct node *to_dir, const char *to, u32 to_len)
{
	struct entry *old = entry_find(from_dir, from, from_len), *victim, *fresh, *hiding = NULL;
	struct node *node;
	bool hides;

	if (IS_ERR(old))
		return PTR_ERR(old);
	victim = entry_find(to_dir, to, to_len);
	if (IS_ERR(victim) && PTR_ERR(victim) != -ENOENT)
		return PTR_ERR(victim);
	if (to_dir->nlink == 0)
		return -ENOENT;
	if (hash_reserve(&to_dir->dir) < 0)
		return -ENOSPC;
	fresh = entry_new(to, to_len);
	if (!fresh)
		return -ENOSPC;
	if (old->in_lower) {
		hiding = entry_new(from, from_len);
		if (!hiding) {
			kfree(fresh);
			return -ENOSPC;
		}
	}

	/* Nothing can fail from here on. */
	if (IS_ERR(victim)) {
		hides = drop_hiding_entry(to_dir, to, to_len);
	} else {
		hides = victim->in_lower;
		unplace(victim, NULL);
		if (is_dir(victim->node))
			to_dir->nlink--;
		unlinked(victim->node);
		detach(victim);
	}
	fresh->in_lower = hides;
	node = old->node;
	unplace(old, hiding);
	place(to_dir, fresh);
	attach(fresh, node);
	moved_between(from_dir, to_dir, node);
	list_remove(&old->alias);
	kfree(old);
	node_put(node); /* the reference of the old entry */
	node_touch_ctime(node);
	node_changed(from_dir);
	if (to_dir != from_dir)
		node_changed(to_dir);
	return 0;
}

long tree_exchange(struct node *a_dir, const char *a, u32 a_len, struct node *b_dir, const char *b, u32 b_len)
{
	struct entry *first = entry_find(a_dir, a, a_len), *second;
	struct node *node;

	if (IS_ERR(first))
		return PTR_ERR(first);
	second = entry_find(b_dir, b, b_len);
	if (IS_ERR(second))
		return PTR_ERR(second);
	if (first == second)
		return 0;
	moved_between(a_dir, b_dir, first->node);
	moved_between(b_dir, a_dir, second->node);
	list_remove(&first->alias);
	list_remove(&second->alias);
	node = first->node;
	first->node = second->node;
	second->node = node;
	list_push_front(&first->node->names, &first->alias);
	list_push_front(&second->node->names, &second->alias);
	node_touch_ctime(first->node);
	node_touch_ctime(second->node);
	node_changed(a_dir);
	node_changed(b_dir);
	return 0;
}

/* Positions: the image's, from 0; then the cookies of entries of our own, which are above them. */
static long read_lower(struct node *dir, u64 *pos, struct dir_sink *sink, bool *full)
{
	struct erofs_entry lower;

	while (*pos < dir->lower.size) {
		u64 next = *pos;
		const struct entry *e;
		int more = erofs_next_entry(&root_fs.image, &dir->lower, &next, &lower);
		if (more < 0)
			return more;
		if (more == 0)
			break;
		e = hash_find(&dir->dir, lower.name, lower.len);
		bool dots = lower.name[0] == '.' && (lower.len == 1 || (lower.len == 2 && lower.name[1] == '.'));
		/* A name that was removed and made again is among our own. */
		if (!dots && (!e || (e->node && e->cookie == 0))) {
			u64 ino = e ? e->node->ino : lower.nid + 1;
			u32 type = e ? type_of_mode(e->node->mode) : lower.type;
			if (!sink->emit(sink, lower.name, lower.len, ino, type, next)) {
				*full = true;
				return 0;
			}
		}
		*pos = next;
	}
	return 0;
}

long tree_readdir(struct node *dir, u64 *pos, u64 *end, struct dir_sink *sink)
{
	const struct entry *e;
	bool full = false;
	long error = populate(dir);

	if (error < 0)
		return error;
	if (dir->ops && dir->ops->readdir)
		return dir->ops->readdir(dir, pos, sink);
	if (*end == 0)
		*end = dir->dir.next_cookie;
	if (dir->has_lower) {
		error = read_lower(dir, pos, sink, &full);
		if (error < 0 || full)
			return error;
	}
	list_for_each(e, &dir->dir.entries, link) {
		if (!e->node || e->cookie == 0 || e->cookie < *pos || e->cookie >= *end)
			continue;
		if (!sink->emit(sink, e->name, e->len, e->node->ino, type_of_mode(e->node->mode), e->cookie + 1))
			return 0;
		*pos = e->cookie + 1;
	}
	return 0;
}

void tree_drop_entries(struct node *dir)
{
	struct entry *e, *next;

	list_for_each_safe(e, next, &dir->dir.entries, link) {
		struct node *node = e->node;
		list_remove(&e->link);
		list_remove(&e->alias);
		kfree(e);
		if (node)
			node_put(node);
	}
	kfree(dir->dir.buckets);
}

long tree_name(struct node *node, struct node *parent, const char *name, u32 len)
{
	struct entry *e = entry_new(name, len);

	if (!e)
		return -ENOMEM;
	e->removed = true;
	e->parent = parent ? node_get(parent) : NULL;
	list_push_front(&node->names, &e->alias);
	return 0;
}

/* ---- paths of nodes ---- */

/* Writes "/name" in front of *at. */
static bool prepend(char *buf, size_t *at, const char *name, size_t len)
{
	if (*at < len + 1)
		return false;
	*at -= len;
	memcpy(buf + *at, name, len);
	buf[--*at] = '/';
	return true;
}

ssize_t node_path(struct node *node, char *buf, size_t size)
{
	static const char deleted[] = " (deleted)";
	struct node *root = current && current->fs ? fs_context_root(current->fs) : root_fs.root;
	bool gone = node->nlink == 0;
	size_t at = size;
	struct node *n = node;

	if (size < 2)
		return -ENAMETOOLONG;
	if (node != root_fs.root && list_empty(&node->names))
		return -ENOENT;
	if (gone) {
		if (size < sizeof(deleted))
			return -ENAMETOOLONG;
		at -= sizeof(deleted) - 1;
		memcpy(buf + at, deleted, sizeof(deleted) - 1);
	}
	while (n != root && !list_empty(&n->names)) {
		const struct entry *e = list_first(&n->names, struct entry, alias);
		if (!prepend(buf, &at, e->name, e->len))
			return -ENAMETOOLONG;
		n = e->parent;
		if (!n)
			break;
	}
	if (at == size)
		buf[--at] = '/';
	memmove(buf, buf + at, size - at);
	return (ssize_t)(size - at);
}
