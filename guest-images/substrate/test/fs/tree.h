/* SPDX-License-Identifier: Apache-2.0 */
/* Trees on the host, images of them, and comparing the two. */
#ifndef TEST_FS_TREE_H
#define TEST_FS_TREE_H

#include "shim.h"

/* getdents64(2) */
struct dirent64 {
	u64 ino;
	s64 next;
	u16 length;
	u8 type;
	char name[];
} __attribute__((packed));

/* Memory that the oracle sees as well: what both sides are called with. */
struct shared {
	char path[2][8192];
	u8 kernel[1 << 20], host[1 << 20]; /* results */
	u8 data[1 << 20];                  /* what is written */
};
extern struct shared *shared;

#define HOST(name, ...) CALL_PADDED(oracle_call, __NR_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Makes directory `name` in the temporary directory by a shell script that runs in it; its path. */
const char *tree_make(const char *name, const char *script);
/* Boots from an image of that directory; the image's bytes, to be freed after the shut-down. */
void *tree_boot(const char *directory, const char *mkfs_options);
/* Names and types of a directory as sorted lines, in `buf`; the length or a negative errno. */
typedef long (*call_fn)(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
long list_directory(call_fn make_call, const char *path, char *buf, size_t size);
/* Compares everything below `path` (in shared->path[0]) with the oracle's; the number of nodes seen. */
u32 compare_trees(const char *path);

#endif
