/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EROFS on-disk format as Linux documents it (Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h). The image comes
 * from a user: every offset and length read from it is checked against its size before it is followed.
 */
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/string.h>
#include "erofs.h"
#include "node.h"

#define SUPER_OFFSET 1024
#define SUPER_MAGIC 0xE0F5E1E2u
#define BLOCK_BITS 12
#define INODE_SLOT 32 /* inode numbers count slots of this many bytes */

struct super_block {
	u32 magic, checksum, feature_compat;
	u8 block_bits, ext_slots;
	u16 root_nid;
	u64 inodes, build_time;
	u32 build_time_nsec, blocks, meta_block, xattr_block;
	u8 uuid[16], volume_name[16];
	u32 feature_incompat;
	u16 compression, extra_devices, device_slot;
	u8 directory_block_bits, reserved[37];
};
_Static_assert(sizeof(struct super_block) == 128, "EROFS super block");

struct compact_inode {
	u16 format, xattr_count, mode, nlink;
	u32 size, reserved, place, ino;
	u16 uid, gid;
	u32 reserved2;
};
_Static_assert(sizeof(struct compact_inode) == 32, "EROFS compact inode");

struct extended_inode {
	u16 format, xattr_count, mode, reserved;
	u64 size;
	u32 place, ino, uid, gid;
	u64 mtime;
	u32 mtime_nsec, nlink;
	u8 reserved2[16];
};
_Static_assert(sizeof(struct extended_inode) == 64, "EROFS extended inode");

/* Entries stand at the start of a directory block, their names behind them up to the block's end. */
struct directory_entry {
	u64 nid;
	u16 name_offset;
	u8 type, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct directory_entry) == 12, "EROFS directory entry");

enum layout { FLAT_PLAIN = 0, COMPRESSED_FULL = 1, FLAT_INLINE = 2, COMPRESSED_COMPACT = 3, CHUNK_BASED = 4 };

static bool inside(const struct erofs *fs, u64 offset, u64 len)
{
	return offset <= fs->size && len <= fs->size - offset;
}

static const char *unsupported_feature(u32 features)
{
	static const char *const names[] = {
		"EROFS image uses feature LZ4_0PADDING (compression): make it uncompressed",
		"EROFS image uses feature COMPR_CFGS or BIG_PCLUSTER (compression): make it uncompressed",
		"EROFS image uses feature CHUNKED_FILE: make it without chunks",
		"EROFS image uses feature DEVICE_TABLE or COMPR_HEAD2: make it in one piece",
		"EROFS image uses feature ZTAILPACKING (compression): make it uncompressed",
		"EROFS image uses feature FRAGMENTS or DEDUPE: make it without them",
		"EROFS image uses feature XATTR_PREFIXES: make it without them",
		"EROFS image uses feature 48BIT: make it without it",
		"EROFS image uses feature METABOX: make it without it",
	};
	for (unsigned int bit = 0; bit < ARRAY_SIZE(names); bit++)
		if (features & (1u << bit))
			return names[bit];
	return features ? "EROFS image uses an incompatible feature that has no name here" : NULL;
}

const char *erofs_open(struct erofs *fs, const void *image, u64 size)
{
	struct super_block super;
	struct erofs_inode root;

	if (size < SUPER_OFFSET + sizeof(super))
		return "root image is too small for an EROFS super block";
	memcpy(&super, (const u8 *)image + SUPER_OFFSET, sizeof(super));
	if (super.magic != SUPER_MAGIC)
		return "root image is not an EROFS file system";
	if (super.block_bits != BLOCK_BITS || super.directory_block_bits != 0)
		return "EROFS image has a block size other than 4096";
	if (super.feature_incompat != 0)
		return unsupported_feature(super.feature_incompat);
	if ((u64)super.blocks << BLOCK_BITS > ALIGN_UP(size, EROFS_BLOCK_SIZE))
		return "EROFS image is truncated";
	*fs = (struct erofs){
		.image = image,
		.size = size,
		.metadata = (u64)super.meta_block << BLOCK_BITS,
		.root = super.root_nid,
		.built_ns = (s64)((super.build_time % (1UL << 33)) * 1000000000UL + super.build_time_nsec % 1000000000u),
	};
	if (erofs_inode_read(fs, fs->root, &root) < 0)
		return "EROFS image has a damaged root inode";
	if ((root.mode & S_IFMT) != S_IFDIR)
		return "EROFS image's root is not a directory";
	return NULL;
}

static u64 xattr_bytes(u16 count)
{
	return count == 0 ? 0 : 12 + 4 * (u64)(count - 1);
}

/* Works out where a file's bytes are; `end` is where its inode and extended attributes end. */
static long place_data(const struct erofs *fs, struct erofs_inode *inode, enum layout layout, u32 block, u64 end)
{
	u64 blocks = inode->size / EROFS_BLOCK_SIZE + (inode->size % EROFS_BLOCK_SIZE != 0);

	inode->data = (u64)block << BLOCK_BITS;
	inode->tail = 0;
	if (layout == FLAT_INLINE && blocks > 0) {
		u64 tail_len = inode->size - (blocks - 1) * EROFS_BLOCK_SIZE;
		if (!inside(fs, end, tail_len) || end % EROFS_BLOCK_SIZE + tail_len > EROFS_BLOCK_SIZE)
			return -EUCLEAN;
		inode->tail = end;
		blocks--;
	}
	inode->blocks = blocks;
	if (blocks > 0 && !inside(fs, inode->data, inode->tail ? blocks * EROFS_BLOCK_SIZE : inode->size))
		return -EUCLEAN;
	return 0;
}

long erofs_inode_read(const struct erofs *fs, u64 nid, struct erofs_inode *inode)
{
	struct extended_inode raw;
	u64 at, bytes;
	u32 place;

	if (nid > fs->size / INODE_SLOT)
		return -EUCLEAN;
	at = fs->metadata + nid * INODE_SLOT;
	if (!inside(fs, at, sizeof(struct compact_inode)))
		return -EUCLEAN;
	memset(inode, 0, sizeof(*inode));
	memcpy(&raw, fs->image + at, sizeof(struct compact_inode));
	if (raw.format & ~0xfu)
		return -EOPNOTSUPP;
	inode->nid = nid;
	if (raw.format & 1) {
		bytes = sizeof(raw);
		if (!inside(fs, at, bytes))
			return -EUCLEAN;
		memcpy(&raw, fs->image + at, sizeof(raw));
		inode->size = raw.size;
		inode->uid = raw.uid;
		inode->gid = raw.gid;
		inode->nlink = raw.nlink;
		inode->mtime_ns = (s64)((raw.mtime % (1UL << 33)) * 1000000000UL + raw.mtime_nsec % 1000000000u);
		place = raw.place;
	} else {
		struct compact_inode compact;
		bytes = sizeof(compact);
		memcpy(&compact, &raw, sizeof(compact));
		inode->size = compact.size;
		inode->uid = compact.uid;
		inode->gid = compact.gid;
		inode->nlink = compact.nlink;
		inode->mtime_ns = fs->built_ns;
		place = compact.place;
	}
	inode->mode = raw.mode;
	if (inode->nlink == 0)
		inode->nlink = 1;

	switch (inode->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK: {
		enum layout layout = raw.format >> 1;
		if (layout != FLAT_PLAIN && layout != FLAT_INLINE)
			return -EOPNOTSUPP;
		if (inode->size > fs->size)
			return -EUCLEAN;
		return place_data(fs, inode, layout, place, at + bytes + xattr_bytes(raw.xattr_count));
	}
	case S_IFCHR:
	case S_IFBLK:
		inode->device = place;
		inode->size = 0;
		return 0;
	case S_IFIFO:
	case S_IFSOCK:
		inode->size = 0;
		return 0;
	default:
		return -EUCLEAN;
	}
}

const u8 *erofs_data(const struct erofs *fs, const struct erofs_inode *inode, u64 offset, u64 *len)
{
	u64 in_block = offset % EROFS_BLOCK_SIZE;

	*len = MIN(EROFS_BLOCK_SIZE - in_block, inode->size - offset);
	if (offset / EROFS_BLOCK_SIZE < inode->blocks)
		return fs->image + inode->data + offset;
	return fs->image + inode->tail + in_block;
}

/* A directory block whose first entry has been checked. */
struct block {
	const u8 *bytes;
	u32 len;
	u32 count;
};

static struct directory_entry raw_entry(const struct block *block, u32 index)
{
	struct directory_entry e;
	memcpy(&e, block->bytes + index * sizeof(e), sizeof(e));
	return e;
}

static long block_open(const struct erofs *fs, const struct erofs_inode *dir, u64 number, struct block *block)
{
	u64 len;
	u32 names;

	block->bytes = erofs_data(fs, dir, number * EROFS_BLOCK_SIZE, &len);
	block->len = (u32)len;
	if (len < sizeof(struct directory_entry))
		return -EUCLEAN;
	names = raw_entry(block, 0).name_offset;
	if (names % sizeof(struct directory_entry) || names < sizeof(struct directory_entry) || names > len)
		return -EUCLEAN;
	block->count = names / sizeof(struct directory_entry);
	return 0;
}

static u32 type_of(u8 type)
{
	/* FT_* of EROFS in the order of their numbers, as DT_* of readdir(3). */
	static const u8 types[] = { DT_UNKNOWN, DT_REG, DT_DIR, DT_CHR, DT_BLK, DT_FIFO, DT_SOCK, DT_LNK };
	return type < ARRAY_SIZE(types) ? types[type] : DT_UNKNOWN;
}

static long block_entry(const struct block *block, u32 index, struct erofs_entry *entry)
{
	struct directory_entry e = raw_entry(block, index);
	u32 end = index + 1 < block->count ? raw_entry(block, index + 1).name_offset : block->len;
	const u8 *nul;

	if (e.name_offset < block->count * sizeof(e) || e.name_offset >= end || end > block->len)
		return -EUCLEAN;
	entry->name = (const char *)block->bytes + e.name_offset;
	entry->len = end - e.name_offset;
	/* Only the last name of a block is padded. */
	nul = memchr(entry->name, 0, entry->len);
	if (nul)
		entry->len = (u32)(nul - (const u8 *)entry->name);
	if (entry->len == 0 || entry->len > NAME_MAX || memchr(entry->name, '/', entry->len))
		return -EUCLEAN;
	entry->nid = e.nid;
	entry->type = type_of(e.type);
	return 0;
}

static int compare_names(const char *a, u32 a_len, const char *b, u32 b_len)
{
	int order = memcmp(a, b, MIN(a_len, b_len));
	return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* The last block whose first name is not above `name`. */
static long find_block(const struct erofs *fs, const struct erofs_inode *dir, const char *name, u32 len, struct block *found)
{
	u64 low = 0, high = (dir->size + EROFS_BLOCK_SIZE - 1) / EROFS_BLOCK_SIZE;
	long result = -ENOENT;

	while (low < high) {
		u64 middle = low + (high - low) / 2;
		struct erofs_entry first;
		struct block block;
		if (block_open(fs, dir, middle, &block) < 0 || block_entry(&block, 0, &first) < 0)
			return -EUCLEAN;
		if (compare_names(name, len, first.name, first.len) < 0) {
			high = middle;
		} else {
			low = middle + 1;
			*found = block;
			result = 0;
		}
	}
	return result;
}

long erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name, u32 len, struct erofs_entry *entry)
{
	struct block block;
	u32 low = 0, high;
	long error = find_block(fs, dir, name, len, &block);

	if (error < 0)
		return error;
	high = block.count;
	while (low < high) {
		u32 middle = low + (high - low) / 2;
		int order;
		if (block_entry(&block, middle, entry) < 0)
			return -EUCLEAN;
		order = compare_names(name, len, entry->name, entry->len);
		if (order == 0)
			return 0;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

int erofs_next_entry(const struct erofs *fs, const struct erofs_inode *dir, u64 *position, struct erofs_entry *entry)
{
	struct block block;
	u32 index;

	/* A position is a block's offset plus the entry's index in it: an entry takes 12 bytes, so indices stay in the block. */
	if (*position >= dir->size)
		return 0;
	if (block_open(fs, dir, *position / EROFS_BLOCK_SIZE, &block) < 0)
		return -EUCLEAN;
	index = *position % EROFS_BLOCK_SIZE;
	if (index >= block.count || block_entry(&block, index, entry) < 0)
		return -EUCLEAN;
	if (index + 1 < block.count)
		*position += 1;
	else
		*position = ALIGN_DOWN(*position, EROFS_BLOCK_SIZE) + EROFS_BLOCK_SIZE;
	return 1;
}
