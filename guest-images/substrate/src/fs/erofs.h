/* SPDX-License-Identifier: Apache-2.0 */
/* The root image: an uncompressed EROFS file system, read where it lies in memory. */
#ifndef SUBSTRATE_FS_EROFS_H
#define SUBSTRATE_FS_EROFS_H

#include <substrate/types.h>

#define EROFS_BLOCK_SIZE 4096UL

/* d_type of readdir(3). */
enum { DT_UNKNOWN = 0, DT_FIFO = 1, DT_CHR = 2, DT_DIR = 4, DT_BLK = 6, DT_REG = 8, DT_LNK = 10, DT_SOCK = 12 };

struct erofs {
	const u8 *image;
	u64 size;     /* bytes of the image that are there */
	u64 metadata; /* offset of inode number 0 */
	u64 root;     /* inode number of the root directory */
	s64 built_ns; /* time stamp of compact inodes */
};

/* One inode, checked: everything it names lies inside the image. */
struct erofs_inode {
	u64 nid;
	u32 mode, uid, gid, nlink;
	u32 device; /* new_encode_dev of <linux/kdev_t.h>, for device nodes */
	u64 size;
	s64 mtime_ns;
	u64 data;   /* offset of the block-aligned part */
	u64 blocks; /* of that part */
	u64 tail;   /* offset of what is left after it, inside the metadata; 0 when there is none */
};

struct erofs_entry {
	const char *name; /* not terminated */
	u32 len;          /* 1…NAME_MAX */
	u64 nid;
	u32 type; /* DT_* */
};

/* NULL when `image` is a file system this reader can read, otherwise the reason it is not. */
const char *erofs_open(struct erofs *fs, const void *image, u64 size);

/* Reads and checks an inode: 0, or -EUCLEAN when it is damaged, -EOPNOTSUPP for a layout that is not FLAT_PLAIN or FLAT_INLINE. */
long erofs_inode_read(const struct erofs *fs, u64 nid, struct erofs_inode *inode);

/*
 * The bytes of the file at `offset` that lie in one piece, at most to the end of a block: their address, and in *len how
 * many there are. `offset` must be below inode->size.
 */
const u8 *erofs_data(const struct erofs *fs, const struct erofs_inode *inode, u64 offset, u64 *len);

/* Finds `name` in a directory by binary search: 0, -ENOENT or -EUCLEAN. */
long erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name, u32 len, struct erofs_entry *entry);

/*
 * The entry at position *position (0 at first), which is moved behind it. 1, 0 at the end, or -EUCLEAN. The positions of a
 * directory of n bytes are below n + 1.
 */
int erofs_next_entry(const struct erofs *fs, const struct erofs_inode *dir, u64 *position, struct erofs_entry *entry);

#endif
