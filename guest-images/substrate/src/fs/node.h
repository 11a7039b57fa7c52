/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the file system know of each other. There is one tree of nodes in memory: it *is* the writable overlay. A
 * node may have a lower inode in the EROFS image: directories take names from it that they do not have themselves, files
 * the pages that were not written.
 */
#ifndef SUBSTRATE_FS_NODE_H
#define SUBSTRATE_FS_NODE_H

#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/list.h>
#include <substrate/mm.h>
#include <substrate/types.h>
#include "erofs.h"
#include "pages.h"

#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u

/* loff_t is signed: no file reaches beyond this. */
#define FILE_SIZE_MAX 0x7fffffffffffffffUL

/* What a program sees as different file systems (st_dev, EXDEV). */
enum fs_id { FS_ROOT = 1, FS_DEV, FS_PROC, FS_SYS, FS_SHM, FS_PTS, FS_ANONYMOUS };

struct entry;
struct locks;
struct node;
struct pipe;

/* Receives a directory's entries; false when it has no room for this one. */
struct dir_sink {
	bool (*emit)(struct dir_sink *sink, const char *name, u32 len, u64 ino, u32 type, u64 next);
};

/* Nodes whose contents are made up as they are asked for; NULL members mean the ordinary way. */
struct node_ops {
	/* A new reference to the node of this name, or ERR_PTR. */
	struct node *(*lookup)(struct node *dir, const char *name, u32 len);
	/* Hands out entries from *pos on and moves it. 0 or a negative errno. "." and ".." are not its business. */
	long (*readdir)(struct node *dir, u64 *pos, struct dir_sink *sink);
	/* The symbolic link's text: length or a negative errno; not terminated. */
	ssize_t (*readlink)(struct node *link, char *buf, size_t size);
	/* Where a link leads that is not followed by its text: referenced node, and the open file it stands for if any (not held). */
	struct node *(*follow)(struct node *link, struct file **file);
	/* Fills a directory of the tree when it is first looked into; again when it failed. */
	long (*populate)(struct node *dir);
	/* What an open file of this node does. */
	const struct file_ops *file_ops;
	/* The last reference went. */
	void (*release)(struct node *node);
};

/* A name in a directory. */
struct entry {
	struct list link;   /* struct directory.entries, in the order of cookies */
	struct list alias;  /* struct node.names */
	struct entry *next; /* in the hash bucket */
	struct node *parent;
	struct node *node; /* held while the name is there; NULL for a name of the image that is gone */
	u64 cookie;        /* readdir position; 0: that of the image's directory */
	u32 hash;
	u8 len;
	bool in_lower; /* the image's directory has this name as well */
	bool removed;  /* no longer in the directory: kept, holding `parent`, to name a node that is still in use */
	char name[];
};

struct directory {
	struct entry **buckets; /* a power of two of them; NULL before there is an entry */
	u32 bucket_count;
	u32 used; /* entries in the buckets, names that are gone included */
	struct list entries;
	u64 next_cookie;
	bool populated;
};

struct node {
	u32 refs;
	u32 mode, uid, gid, nlink;
	u32 device;
	u8 fs;           /* enum fs_id */
	bool mount;      /* another tree begins here: busy for rmdir and rename */
	bool has_lower;
	bool in_nid_table;
	bool linkable;   /* O_TMPFILE without O_EXCL: may be given its first name */
	u32 seals;       /* F_SEAL_* of a memfd */
	u64 ino, size;
	s64 atime, mtime, ctime; /* ns since the epoch */
	const struct node_ops *ops;
	struct list names;       /* struct entry.alias: where it is in the tree, or was */
	struct locks *locks;     /* NULL until somebody locks */
	struct node *nid_next;
	struct erofs_inode lower;
	u64 lower_size;          /* bytes that still come from the image; shrinks by truncation */
	union {
		struct directory dir; /* S_IFDIR */
		struct pages pages;   /* S_IFREG */
		char *target;         /* S_IFLNK; NULL until asked for when the image has it */
		struct pipe *pipe;    /* S_IFIFO; NULL when nobody has it open */
	};
	/* Of made-up nodes: which one. */
	u32 kind, key;
};

static inline bool is_dir(const struct node *n) { return (n->mode & S_IFMT) == S_IFDIR; }
static inline bool is_reg(const struct node *n) { return (n->mode & S_IFMT) == S_IFREG; }
static inline bool is_disk(const struct node *n) { return (n->mode & S_IFMT) == S_IFBLK; }
static inline bool is_link(const struct node *n) { return (n->mode & S_IFMT) == S_IFLNK; }
static inline u32 type_of_mode(u32 mode) { return (mode & S_IFMT) >> 12; } /* DT_*, readdir(3) */

/* ---- node.c ---- */

/* The tree's root and the image under it. */
struct root_fs {
	struct erofs image;
	struct node *root;
	struct node **nid_table; /* nodes of the image that can be reached by more than one way, by inode number */
	u32 nid_buckets, nid_count;
	u64 next_ino;
	u64 frames, frames_max; /* that hold file data */
	u64 nodes, nodes_max;   /* made by programs */
	u8 boot_id[16];         /* made when it is first asked for */
};
extern struct root_fs root_fs;

/* A node that is in no directory yet, owned by the current task: one reference, or NULL. */
struct node *node_new(enum fs_id fs, u32 mode);
/* As node_new, a symbolic link. */
struct node *node_new_link(enum fs_id fs, const char *target);
/* The node of an inode of the image: one reference, or ERR_PTR. */
struct node *node_of_lower(u64 nid);
void nid_table_drop(struct node *node);
/* ctime and mtime are now. */
void node_changed(struct node *node);
void node_touch_ctime(struct node *node);
void node_accessed(struct node *node); /* relatime */
/* A file that somebody other than root changes does not run with its owner's rights any longer. */
void node_drop_privileges(struct node *node);
/* Its group's rights go with the owner's: S_ISGID if that means anything to the current task. */
u32 privileges_to_drop(const struct node *node);
/* The text of a symbolic link, terminated and the node's own, or ERR_PTR. Not for links with ops->readlink. */
const char *node_target(struct node *link);
u32 fs_uid(void);
u32 fs_gid(void);
/* Is the current task in the group, as its own or as a supplementary one? */
bool fs_in_group(u32 gid);

/* ---- tree.c ---- */

/* The node of this name (not "." or ".."): one reference, or ERR_PTR(-ENOENT…). */
struct node *tree_lookup(struct node *dir, const char *name, u32 len);
/* Gives `node` the name, which must not be in use. 0 or a negative errno. */
long tree_insert(struct node *dir, const char *name, u32 len, struct node *node);
/* Takes the name away; the caller has checked that it may go. `node` is what the name leads to. */
long tree_remove(struct node *dir, const char *name, u32 len);
/* Puts `node` at a name, in place of what is there. */
long tree_cover(struct node *dir, const char *name, struct node *node);
bool tree_is_empty(struct node *dir);
long tree_rename(struct node *from_dir, const char *from, u32 from_len, struct node *to_dir, const char *to, u32 to_len);
long tree_exchange(struct node *a_dir, const char *a, u32 a_len, struct node *b_dir, const char *b, u32 b_len);
/*
 * Hands out the entries from *pos on. Those made after *end was set, by the first call that finds 0 in it, are left out: whoever
 * renames what he reads comes to an end.
 */
long tree_readdir(struct node *dir, u64 *pos, u64 *end, struct dir_sink *sink);
/* The directory above, without a reference; the root's is itself. */
struct node *tree_parent(struct node *dir);
/* True when `dir` is `below` or above it. */
bool tree_is_above(struct node *dir, struct node *below);
/* Forgets all names in a directory that goes away, and the node's own kept name; what has to be put next, or NULL. */
void tree_drop_entries(struct node *dir);
struct node *tree_drop_name(struct node *node);
/* Names a node that is in no directory: `parent` may be NULL. */
long tree_name(struct node *node, struct node *parent, const char *name, u32 len);

/* ---- data.c ---- */

ssize_t data_read(struct node *node, struct iobuf *io, u64 pos);
ssize_t data_write(struct node *node, struct iobuf *io, u64 pos);
long data_truncate(struct node *node, u64 size);
long data_allocate(struct node *node, u64 offset, u64 len, bool keep_size);
long data_punch(struct node *node, u64 offset, u64 len, bool into_hole);
/* SEEK_DATA or SEEK_HOLE: the offset, or -ENXIO. */
s64 data_seek(struct node *node, u64 offset, bool hole);
u64 data_blocks(const struct node *node); /* of 512 bytes, as st_blocks */
void data_free(struct node *node);
extern const struct file_ops regular_file_ops;

/* ---- devices.c ---- */

struct node *dev_new(void);
const struct file_ops *device_ops(const struct node *node);

/* ---- disk.c ---- */

extern const struct file_ops disk_file_ops;
/* The number of a disk's device, and the other way round: the disk, or -1. */
u32 disk_device(u32 disk);
int disk_of_device(u32 device);
/* Bytes; `node` is a disk's. */
u64 disk_size(const struct node *node);
bool disk_read_only(const struct node *node);
/* What was written is on the host's stable storage: 0 or a negative errno. */
long disk_sync(const struct node *node);
long disk_sync_all(void);

/* ---- proc.c ---- */

struct node *proc_new(void);
struct node *sys_new(void);

#endif
