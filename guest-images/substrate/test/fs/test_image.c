/* SPDX-License-Identifier: Apache-2.0 */
/* Images made by mkfs.erofs hold what the directories they were made from hold. */
#include <linux/fs.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "tree.h"

static const char script[] =
	/* Sizes around blocks; the tails lie behind the inodes or in blocks of their own. */
	"for n in 0 1 11 100 2000 4000 4095 4096 4097 8191 8192 8193 20000 262144 262145; do"
	"  head -c $n /dev/urandom > file$n; done;"
	"mkdir empty many deep; for i in $(seq 1 1500); do echo $i > many/name-$i-of-a-directory-with-many-blocks; done;"
	"d=deep; for i in $(seq 1 60); do d=$d/d$i; done; mkdir -p $d; echo bottom > $d/bottom;"
	"ln file100 hard; ln file100 empty-not; ln -s file100 soft; ln -s /no/where broken; ln -s deep/d1/../d1 dir-link;"
	"ln -s $(head -c 4000 /dev/zero | tr '\\0' x) long-link; mkfifo fifo; mknod null c 1 3; mknod strange c 200 70000;"
	"touch $(head -c 254 /dev/zero | tr '\\0' n); touch -- 'with space' .hidden -dash ; printf x > $(printf 'bytes\\200\\377');"
	"chmod 4755 file1; chmod 000 file11; chmod 1777 empty; chown 12:34 file100 soft; chown 100000:200000 file2000;"
	"mkdir dev proc sys tmp; echo covered > dev/of-the-image";

/* dev, proc and sys of the image are covered by the kernel's own. */
static void check_covered(void)
{
	static const char *const own[] = { "/dev/null", "/proc/self", "/sys/fs/cgroup", "/dev/shm" };
	struct stat st;

	for (u32 i = 0; i < ARRAY_SIZE(own); i++)
		CHECK(CALL(lstat, own[i], &st) == 0, "%s", own[i]);
	CHECK_EQ(CALL(lstat, "/dev/of-the-image", &st), -ENOENT);
	CHECK_EQ(CALL(rmdir, "/dev"), -EBUSY);
	CHECK_EQ(CALL(rename, "/proc", "/x"), -EBUSY);
}

static void compare_image(const char *directory, const char *options)
{
	static const char *const all[] = { "many", "deep", "empty", "hard", "soft", "broken", "dir-link", "long-link", "fifo", "null",
		"strange", "file0", "file1", "file11", "file100", "file2000", "file4000", "file4095", "file4096", "file4097",
		"file8191", "file8192", "file8193", "file20000", "file262144", "file262145", "with space", ".hidden", "-dash",
		"bytes\200\377", "tmp" };
	void *image = tree_boot(directory, options);
	u32 seen = 0;

	for (u32 i = 0; i < ARRAY_SIZE(all); i++) {
		char path[64] = "/";
		memcpy(path + 1, all[i], strlen(all[i]) + 1);
		seen += compare_trees(path);
	}
	CHECK(seen > 1590, "only %u nodes", seen);
	check_covered();
	shim_shut_down();
	host_free(image);
}

/* What a program sees of the image's data must be the image's memory, not a copy. */
static void check_in_place(const char *directory)
{
	u8 *image = tree_boot(directory, "");
	struct node *node = path_lookup("/file20000");
	paddr_t frame;

	CHECK(!IS_ERR(node), "no file");
	CHECK_EQ(node_frame(node, 0, false, &frame), 0);
	CHECK((u8 *)frame > image && (u8 *)frame < image + (1 << 30), "the first page was copied");
	CHECK_EQ(shim_frames, 0);
	CHECK_EQ(node_frame(node, 0, true, &frame), 0);
	CHECK_EQ(shim_frames, 1);
	frame_put(frame);
	CHECK_EQ(node_frame(node, 5, false, &frame), -ENXIO);
	node_put(node);
	shim_shut_down();
	host_free(image);
}

/* An image may end within the last block of a file: what is not there is not handed out. */
static void check_cut_block(void)
{
	const char *directory = tree_make("cut", "printf %0100d 7 > file");
	char path[256];
	u64 size;
	u8 *whole, *image;
	struct node *node;
	paddr_t frame;

	snprintf(path, sizeof(path), "%s.erofs", directory);
	host_shell("mkfs.erofs --quiet -Enoinline_data %s %s >/dev/null 2>&1", path, directory);
	whole = host_load(path, &size);
	size -= 4096 - 100;
	CHECK(whole[size - 1] == '7' && whole[size] == 0, "the file's block is not the image's last");
	image = host_copy(whole, size);
	CHECK(shim_boot(image, size), "%s", shim_panic_text);
	node = path_lookup("/file");
	CHECK(!IS_ERR(node), "no file");
	CHECK_EQ(node_frame(node, 0, false, &frame), 0);
	CHECK((u8 *)frame < image || (u8 *)frame >= image + size, "a page that ends outside the image");
	CHECK(!memcmp((u8 *)frame, whole + size - 100, PAGE_SIZE), "the page is another");
	frame_put(frame);
	node_put(node);
	shim_shut_down();
	host_free(image);
	host_free(whole);
}

static void check_refused(void)
{
	/* Compressible, and long enough for chunks. */
	const char *directory = tree_make("plain", "seq 1 30000 > numbers");
	static const struct { const char *options, *reason; } table[] = {
		{ "-zlz4hc", "compression" },
		{ "--chunksize=4096", "CHUNKED_FILE" },
	};
	char path[256];

	for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
		u64 size;
		void *image;
		/* mkfs.erofs 1.5 cannot write chunks to a tmpfs. */
		host_shell("t=$(mktemp -p /tmp); mkfs.erofs --quiet %s $t %s >/dev/null 2>&1; mv $t %s.other", table[i].options, directory,
		           directory);
		memcpy(path, directory, strlen(directory) + 1);
		memcpy(path + strlen(directory), ".other", 7);
		image = host_load(path, &size);
		CHECK(!shim_boot(image, size), "an image made with %s was taken", table[i].options);
		CHECK(contains(shim_panic_text, table[i].reason), "%s", shim_panic_text);
		host_free(image);
	}
}

static void check_not_an_image(void)
{
	static u8 zeroes[8192] __attribute__((aligned(4096)));

	CHECK(!shim_boot(zeroes, sizeof(zeroes)) && contains(shim_panic_text, "not an EROFS"), "%s", shim_panic_text);
	CHECK(!shim_boot(zeroes, 100) && contains(shim_panic_text, "too small"), "%s", shim_panic_text);
}

void test_image(void)
{
	const char *directory = tree_make("image", script);

	CHECK(oracle_start(directory), "cannot chroot: the tests need root");
	compare_image(directory, "");
	compare_image(directory, "-Eforce-inode-extended");
	compare_image(directory, "-Enoinline_data");
	/* Compact inodes have no room for large user numbers. */
	host_shell("chown 1:2 %s/file2000", directory);
	compare_image(directory, "-Eforce-inode-compact");
	oracle_stop();
	check_in_place(directory);
	check_cut_block();
	check_refused();
	check_not_an_image();
}
