/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged images. One is either refused by name, or everything in it can be looked at, changed and removed without the kernel
 * touching what is not its own, or going on for ever.
 */
#include <linux/fs.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "tree.h"

#define IMAGES 3000
#define IMAGES_AT_ONCE 600 /* in one process: a kernel that panics at boot gives no memory back */
#define SECONDS_AT_ONCE 60
#define MOST_CHANGES 6
#define MOST_NODES 3000 /* that are looked at in one image */

static const char script[] =
	"mkdir -p many a/b/c/d proc dev; for i in $(seq 1 66); do : > many/a-name-that-is-so-long-that-not-many-fit-into-one-block-$i; done;"
	"for n in 1 100 4095 4096 5000 9000; do head -c $n /dev/zero > a/f$n; done; ln a/f100 a/b/hard; ln a/f5000 hard;"
	"ln -s a/b/../f100 soft; ln -s $(head -c 3000 /dev/zero | tr '\\0' x) long; mkfifo fifo; mknod null c 1 3";

/* One with tails behind inodes, one with tails in blocks of their own. */
static const struct image { const u8 *bytes; u64 size; } *intact;
static struct image images[2];
static u64 state;

static u64 below(u64 n)
{
	return next_random(&state) % n;
}

/* ---- damage ---- */

/* Where the damage is: in the super block, in the last block, or in what is not all zeroes, by 32-byte slots. */
static u64 random_place(u64 size)
{
	u64 at, kind = below(5), last = MIN(size, 4096);

	if (kind == 0)
		return 1024 + below(128);
	for (u32 tries = 0; tries < 64; tries++) {
		bool zero = true;
		at = (kind == 1 ? size - last + below(last) : below(size)) & ~31UL;
		for (u32 i = 0; i < 32; i++)
			zero = zero && !intact->bytes[at + i];
		if (!zero)
			break;
	}
	return at + below(32);
}

/* Where the image ends: mostly where it should. Otherwise anywhere, or where a block ends, so that what reads on is noticed. */
static u64 random_end(void)
{
	u64 at = below(intact->size) + 1;

	switch (below(6)) {
	case 0:
		return at;
	case 1:
	case 2:
		return MIN(ALIGN_UP(at, 4096), intact->size);
	default:
		return intact->size;
	}
}

static void change(u8 *image, u64 size)
{
	static const u64 values[] = { 0, 1, 2, 4, 12, 31, 32, 4095, 4096, 4097, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0UL };
	u64 at = random_place(size), value, width = 1u << below(4);

	switch (below(5)) {
	case 0:
		image[at] ^= (u8)(1u << below(8));
		break;
	case 1:
		image[at] = (u8)below(256);
		break;
	case 2:
		/* A number, aligned as the format's are. */
		at &= ~(width - 1);
		value = below(3) ? values[below(ARRAY_SIZE(values))] : below(size);
		memcpy(image + at, &value, MIN(width, size - at));
		break;
	case 3:
		/* A small step. */
		image[at] = (u8)(image[at] + (below(2) ? 1 : -1));
		break;
	default:
		/* One slot for another: inodes and entries in places they are not meant for. */
		memcpy(image + (at & ~31UL), intact->bytes + (random_place(size) & ~31UL), 32);
	}
}

/* A damaged copy in memory of exactly its size. */
static u8 *damaged(u64 *size)
{
	u8 *image;

	*size = random_end();
	image = host_copy(intact->bytes, *size);
	if (*size < 2048)
		return image;
	for (u64 changes = 1 + below(MOST_CHANGES); changes; changes--)
		change(image, *size & ~31UL);
	return image;
}

/* ---- use ---- */

static u32 nodes;
static u64 device; /* of the image's tree: not of the kernel's own */

static void use_pages(const char *path)
{
	struct node *node = path_lookup(path);
	paddr_t frame;

	if (IS_ERR(node))
		return;
	for (u64 index = 0; index < 40; index++)
		for (int write = 0; write < 2; write++)
			if (node_frame(node, index, write, &frame) == 0) {
				/* A page for a mapping is there as a whole. */
				memcpy(shared->kernel, (void *)frame, PAGE_SIZE);
				frame_put(frame);
			}
	node_put(node);
}

static void use_file(const char *path, u64 size)
{
	long fd = CALL(open, path, O_RDWR);
	u64 total = 0;
	long n;

	if (fd < 0)
		return;
	CALL(lseek, fd, 0, SEEK_DATA);
	CALL(lseek, fd, 0, SEEK_HOLE);
	CALL(lseek, fd, 0, SEEK_SET);
	while ((n = CALL(read, fd, shared->kernel, 64 << 10)) > 0)
		total += (u64)n;
	CHECK(n == 0 && total == size, "%s: %ld, %lu of %lu bytes", path, n, (unsigned long)total, (unsigned long)size);
	CHECK_EQ(CALL(pwrite64, fd, "x", 1, size / 2), 1);
	CALL(fallocate, fd, 3, 100, 5000);
	CALL(ftruncate, fd, size / 2 + 1);
	CALL(ftruncate, fd, size + 1);
	CALL(close, fd);
	use_pages(path);
}

static void use_directory(char *path, size_t len);

static void use_link(const char *path, u64 size)
{
	long n = CALL(readlink, path, shared->kernel, PATH_MAX);

	CHECK(n < 0 || (n < PATH_MAX && (u64)n == size), "%s: a text of %ld bytes, not %lu", path, n, (unsigned long)size);
	CALL(stat, path, shared->kernel);
}

static void use(char *path, size_t len)
{
	struct stat st;

	if (++nodes > MOST_NODES || CALL(lstat, path, &st) < 0 || st.st_dev != device)
		return;
	CALL(access, path, 4);
	if ((st.st_mode & S_IFMT) == S_IFLNK)
		use_link(path, (u64)st.st_size);
	else if ((st.st_mode & S_IFMT) == S_IFREG)
		use_file(path, (u64)st.st_size);
	else if ((st.st_mode & S_IFMT) == S_IFDIR)
		use_directory(path, len);
	if (CALL(rename, path, "/moved") == 0)
		CALL(rename, "/moved", path);
	if (CALL(unlink, path) < 0)
		CALL(rmdir, path);
}

/* Reads a directory to its end, and uses everything that has a name there. */
static void use_directory(char *path, size_t len)
{
	u8 entries[700]; /* small: deep trees have many of these */
	long fd = CALL(open, len ? path : "/", O_RDONLY | O_DIRECTORY), n;

	if (fd < 0)
		return;
	while ((n = CALL(getdents64, fd, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(entries + at);
			size_t name = strlen(d->name);
			at += d->length;
			CHECK(name > 0 && name <= NAME_MAX && !strchr(d->name, '/'), "a name of %lu bytes", (unsigned long)name);
			if (!strcmp(d->name, ".") || !strcmp(d->name, "..") || len + name + 2 > PATH_MAX)
				continue;
			path[len] = '/';
			memcpy(path + len + 1, d->name, name + 1);
			use(path, len + 1 + name);
			path[len] = 0;
		}
	}
	CALL(close, fd);
	if (len < PATH_MAX - 10) {
		memcpy(path + len, "/new", 5);
		CALL(mkdir, path, 0755);
		path[len] = 0;
	}
}

static u32 *booted; /* shared with the processes below this one */

static void use_image(u64 number)
{
	static char path[PATH_MAX + 16];
	struct stat root;
	u8 *image;
	u64 size;

	state = shim_seed * 1000003 + number;
	intact = &images[number % 2];
	image = damaged(&size);
	nodes = 0;
	if (shim_boot(image, size)) {
		++*booted;
		CALL(stat, "/a/b/c/../../f5000", shared->kernel);
		CHECK_EQ(CALL(stat, "/", &root), 0);
		device = root.st_dev;
		path[0] = 0;
		use_directory(path, 0);
		shim_shut_down();
	} else {
		CHECK(shim_panic_text[0], "refused without a reason");
		shim_allocations = shim_frames = 0;
	}
	host_free(image);
}

static void use_images(u64 first)
{
	for (u64 number = first; number < first + IMAGES_AT_ONCE; number++) {
		*(u64 *)shared->data = number;
		use_image(number);
	}
}

void test_corrupt(void)
{
	const char *directory = tree_make("corrupt", script);
	static const char *const options[] = { "", "-Enoinline_data" };
	char path[256];

	for (u32 i = 0; i < ARRAY_SIZE(images); i++) {
		snprintf(path, sizeof(path), "%s.erofs", directory);
		host_shell("rm -f %s; mkfs.erofs --quiet %s %s %s >/dev/null 2>&1", path, options[i], path, directory);
		images[i].bytes = host_load(path, &images[i].size);
	}
	booted = (u32 *)shared->host;
	*booted = 0;
	for (u64 first = 0; first < IMAGES; first += IMAGES_AT_ONCE)
		CHECK(host_isolated(use_images, first, SECONDS_AT_ONCE), "image %lu of seed %lu", (unsigned long)*(u64 *)shared->data,
		      (unsigned long)shim_seed);
	/* The damage must not be so bad that nothing is tested, nor so slight that nothing is refused. */
	CHECK(*booted > IMAGES / 4 && *booted < IMAGES, "%u of %u images could be used", *booted, IMAGES);
	host_print("  %u of %u images could be used\n", *booted, IMAGES);
	for (u32 i = 0; i < ARRAY_SIZE(images); i++)
		host_free((void *)images[i].bytes);
}
