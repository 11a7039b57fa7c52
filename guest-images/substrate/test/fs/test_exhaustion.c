/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens when there is no more: of the overlay's room, and of memory. Calls fail with the errors programs know, what was
 * stored before is still right, and everything comes back when it is removed.
 */
#include <asm/ioctls.h>
#include <asm/statfs.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "tree.h"

#define FRAMES 256UL
#define ROOM (FRAMES / 2) /* pages of data, and nodes, that a program may store */

static const char script[] = "mkdir -p d/e dev proc sys tmp; head -c 20000 /dev/urandom > f; cp f k; echo 1 > d/g; ln f d/h; ln -s d link; echo 1 > d/e/i";

static long free_pages(void)
{
	struct statfs st;

	CHECK_EQ(CALL(statfs, "/", &st), 0);
	return st.f_bfree;
}

static long free_nodes(void)
{
	struct statfs st;

	CHECK_EQ(CALL(statfs, "/", &st), 0);
	return st.f_ffree;
}

/* ---- the overlay's limits ---- */

static u8 pattern(u64 at)
{
	return (u8)(at * 0x9e3779b1u >> 11);
}

/* Writes until there is no room; the bytes. */
static u64 fill_up(long fd, u64 piece)
{
	u64 total = 0;
	long n;

	for (;;) {
		for (u64 i = 0; i < piece; i++)
			shared->data[i] = pattern(total + i);
		n = CALL(write, fd, shared->data, piece);
		if (n < 0)
			break;
		CHECK(n > 0 && (u64)n <= piece, "%ld", n);
		total += (u64)n;
	}
	CHECK_EQ(n, -ENOSPC);
	return total;
}

static void check_contents(long fd, u64 size)
{
	for (u64 at = 0; at < size; at += sizeof(shared->kernel)) {
		long n = CALL(pread64, fd, shared->kernel, sizeof(shared->kernel), at);
		CHECK_EQ(n, MIN(sizeof(shared->kernel), size - at));
		for (long i = 0; i < n; i++)
			CHECK(shared->kernel[i] == pattern(at + (u64)i), "byte %lu", (unsigned long)at + (unsigned long)i);
	}
}

static void check_data_limit(void)
{
	static const u64 pieces[] = { 4096, 1000, 100000, 12288 };
	long fd, before = free_pages(), other;

	for (u32 i = 0; i < ARRAY_SIZE(pieces); i++) {
		fd = CALL(open, "/full", O_RDWR | O_CREAT, 0600);
		CHECK_EQ(fill_up(fd, pieces[i]), (u64)before << 12);
		CHECK_EQ(free_pages(), 0);
		check_contents(fd, (u64)before << 12);
		/* What is there already may be written, what is the image's only read. */
		CHECK_EQ(CALL(pwrite64, fd, shared->kernel, 4096, 0), 4096);
		other = CALL(open, "/f", O_RDWR);
		CHECK_EQ(CALL(pread64, other, shared->kernel, 30000, 0), 20000);
		CHECK_EQ(CALL(pwrite64, other, "x", 1, 5000), -ENOSPC);
		CHECK_EQ(CALL(fallocate, other, 0, 20000, 10000), -ENOSPC);
		CHECK_EQ(CALL(pread64, other, shared->host, 30000, 0), 20000);
		CHECK(!memcmp(shared->kernel, shared->host, 20000), "a write that failed changed the file");
		/* Room comes back by halves, and by the last reference to a file that has no name any more. */
		CHECK_EQ(CALL(ftruncate, fd, (u64)before << 11), 0);
		CHECK_EQ(free_pages(), before / 2);
		CHECK_EQ(CALL(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
		CHECK_EQ(free_pages(), before / 2 + 2);
		CHECK_EQ(CALL(pwrite64, other, "x", 1, 5000), 1);
		CHECK_EQ(free_pages(), before / 2 + 1);
		CHECK_EQ(CALL(ftruncate, other, 4096), 0);
		CHECK_EQ(CALL(ftruncate, other, 20000), 0);
		CHECK_EQ(CALL(close, other), 0);
		CHECK_EQ(CALL(unlink, "/full"), 0);
		CHECK_EQ(free_pages(), before / 2 + 2);
		CHECK_EQ(CALL(close, fd), 0);
		CHECK_EQ(free_pages(), before);
	}
}

/* fallocate(2) that does not succeed takes nothing. */
static void check_allocation(void)
{
	long before = free_pages(), fd = CALL(open, "/k", O_RDWR), other = CALL(open, "/other", O_RDWR | O_CREAT, 0600);

	CHECK_EQ(CALL(pwrite64, fd, "own", 3, 16384), 3);
	CHECK_EQ(CALL(pwrite64, other, shared->data, 40960, 0), 40960);
	CHECK_EQ(CALL(fallocate, fd, 0, 0, ((u64)before - 5) << 12), -ENOSPC);
	CHECK_EQ(CALL(fallocate, fd, 0, 0, 1UL << 62), -ENOSPC);
	CHECK_EQ(free_pages(), before - 11);
	CHECK_EQ(CALL(lseek, fd, 0, SEEK_END), 20000);
	/* Four pages are the image's, one is there already. */
	CHECK_EQ(CALL(fallocate, fd, FALLOC_FL_KEEP_SIZE, 0, ((u64)before - 6) << 12), 0);
	CHECK_EQ(free_pages(), 0);
	CHECK_EQ(CALL(lseek, fd, 0, SEEK_END), 20000);
	CHECK_EQ(CALL(ftruncate, fd, 0), 0);
	CHECK_EQ(CALL(ftruncate, other, 0), 0);
	CHECK_EQ(free_pages(), before);
	/* A hole has no page, though the image has one there. */
	CHECK_EQ(CALL(fallocate, fd, 0, 0, 8192), 0);
	CHECK_EQ(free_pages(), before - 2);
	CHECK_EQ(CALL(ftruncate, fd, 0), 0);
	CHECK_EQ(CALL(close, fd), 0);
	CHECK_EQ(CALL(close, other), 0);
	CHECK_EQ(CALL(unlink, "/other"), 0);
}

static void check_node_limit(void)
{
	char path[32];
	long before = free_nodes(), made = 0, error;

	CHECK_EQ(CALL(mkdir, "/nodes", 0755), 0);
	for (;; made++) {
		snprintf(path, sizeof(path), "/nodes/%ld", made);
		error = made % 4 == 0 ? CALL(mkdir, path, 0755) :
		        made % 4 == 1 ? CALL(mknod, path, S_IFIFO | 0600, 0) :
		        made % 4 == 2 ? CALL(symlink, "nowhere", path) :
		                        CALL(open, path, O_CREAT | O_EXCL, 0600);
		if (error < 0)
			break;
		if (made % 4 == 3)
			CALL(close, error);
	}
	CHECK_EQ(error, -ENOSPC);
	CHECK_EQ(made, before - 1);
	CHECK_EQ(free_nodes(), 0);
	CHECK_EQ(CALL(open, "/nodes", O_DIRECTORY | O_RDWR | 020000000, 0600), -ENOSPC);
	/* Another name is not another node, and what is only open or looked at is not stored. */
	CHECK_EQ(CALL(link, "/nodes/1", "/nodes/again"), 0);
	CHECK_EQ(CALL(unlink, "/nodes/again"), 0);
	CHECK_EQ(CALL(pipe, shared->kernel), 0);
	CHECK_EQ(CALL(close, ((int *)shared->kernel)[0]), 0);
	CHECK_EQ(CALL(close, ((int *)shared->kernel)[1]), 0);
	CHECK(CALL(stat, "/proc/self/status", shared->kernel) == 0, "/proc");
	while (made--) {
		snprintf(path, sizeof(path), "/nodes/%ld", made);
		CHECK_EQ(made % 4 == 0 ? CALL(rmdir, path) : CALL(unlink, path), 0);
	}
	CHECK_EQ(CALL(rmdir, "/nodes"), 0);
	CHECK_EQ(free_nodes(), before);
}

/* ---- no memory, at every place where some is asked for ---- */

static bool is_shortage(long error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -ENFILE || error == -ENOLCK;
}

static bool short_of_memory; /* some call has failed: what comes after it may not find what it left */

/* A call that works when there is memory. */
static long attempt(int line, long result)
{
	if (is_shortage(result))
		short_of_memory = true;
	else
		CHECK(result >= 0 || short_of_memory, "line %d: %ld", line, result);
	return result;
}
#define ATTEMPT(name, ...) attempt(__LINE__, CALL(name, __VA_ARGS__))

static void list(const char *path)
{
	long fd = ATTEMPT(open, path, O_RDONLY | O_DIRECTORY);

	while (fd >= 0 && ATTEMPT(getdents64, fd, shared->kernel, 500) > 0)
		;
	if (fd >= 0)
		CALL(close, fd);
}

static void print(const char *path)
{
	long fd = ATTEMPT(open, path, O_RDONLY);

	while (fd >= 0 && ATTEMPT(read, fd, shared->kernel, 900) > 0)
		;
	if (fd >= 0)
		CALL(close, fd);
}

static void use_files(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 100 }, middle = { .l_type = F_UNLCK, .l_start = 10, .l_len = 10 };
	struct iovec vec[12] = { { shared->data, 3000 }, { shared->data, 9000 } };
	long fd = ATTEMPT(open, "/d/h", O_RDWR), out = ATTEMPT(open, "/d/new", O_RDWR | O_CREAT, 0600), memory;

	ATTEMPT(pwrite64, fd, shared->data, 10000, 3000);
	ATTEMPT(pwrite64, out, "x", 1, 1UL << 40);
	ATTEMPT(sendfile, out, fd, 0, 9000);
	ATTEMPT(copy_file_range, fd, 0, out, 0, 5000, 0);
	ATTEMPT(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 9000);
	ATTEMPT(fallocate, fd, 0, 15000, 20000);
	ATTEMPT(writev, out, vec, 12);
	ATTEMPT(fcntl, fd, F_SETLK, &lock);
	ATTEMPT(fcntl, fd, F_SETLK, &middle);
	ATTEMPT(flock, fd, LOCK_EX);
	ATTEMPT(fcntl, fd, F_DUPFD, 200);
	ATTEMPT(ftruncate, fd, 7000);
	memory = ATTEMPT(memfd_create, "memory", 0);
	ATTEMPT(write, memory, shared->data, 5000);
	ATTEMPT(open, "/tmp", O_DIRECTORY | O_RDWR | 020000000, 0600);
	ATTEMPT(close_range, 500, 600, 2);
}

static void use_names(void)
{
	char path[32];

	ATTEMPT(mkdir, "/d/made", 0755);
	for (u32 i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "/d/made/%u", i);
		ATTEMPT(mknod, path, S_IFREG | 0600, 0);
	}
	ATTEMPT(symlink, "/d/made", "/d/sym");
	ATTEMPT(link, "/link", "/d/sym/link");
	ATTEMPT(rename, "/d/e", "/e");
	ATTEMPT(rename, "/f", "/e/i");
	ATTEMPT(rename, "/d/made/1", "/d/g");
	ATTEMPT(renameat2, AT_FDCWD, "/d", AT_FDCWD, "/e", RENAME_EXCHANGE);
	ATTEMPT(chdir, "/e/made");
	ATTEMPT(getcwd, shared->kernel, 4096);
	ATTEMPT(unlink, "/e/h");
	ATTEMPT(unlink, "/d/i");
	ATTEMPT(rmdir, "/d");
	ATTEMPT(stat, "/e/made/../made/2", shared->kernel);
	ATTEMPT(readlink, "/link", shared->kernel, 100);
	ATTEMPT(stat, "/dev/stdin", shared->kernel);
}

static void use_pipes(void)
{
	const int *ends = (const int *)shared->host;
	long fd = ATTEMPT(open, "/f", O_RDONLY);

	((int *)shared->host)[0] = ((int *)shared->host)[1] = -1;
	ATTEMPT(pipe2, shared->host, O_NONBLOCK);
	ATTEMPT(write, ends[1], shared->data, 30000);
	ATTEMPT(read, ends[0], shared->kernel, 5000);
	ATTEMPT(fcntl, ends[0], F_SETPIPE_SZ, 1 << 20);
	ATTEMPT(splice, fd, 0, ends[1], 0, 9000, 0);
	ATTEMPT(mknod, "/tmp/fifo", S_IFIFO | 0600, 0);
	ATTEMPT(open, "/tmp/fifo", O_RDWR);
}

static void use_everything(void)
{
	short_of_memory = false;
	use_pipes();
	list("/d");
	use_files();
	ATTEMPT(access, "/dev/null", 4);
	list("/proc/self/fd");
	list("/proc");
	print("/proc/self/status");
	print("/proc/cpuinfo");
	print("/proc/self/maps");
	print("/proc/thread-self/environ");
	use_names();
	list("/");
}

/* Whatever went wrong: with memory again, the tree can be read and added to. */
static void check_usable(void)
{
	struct stat st;

	shim_fail_after = -1;
	short_of_memory = true;
	CALL(chdir, "/");
	list("/");
	list("/proc");
	CHECK_EQ(CALL(lstat, "/dev/null", &st), 0);
	CHECK_EQ(CALL(lstat, "/dev/pts", &st), 0);
	CHECK_EQ(CALL(readlink, "/dev/stderr", shared->kernel, 100), 15);
	CHECK_EQ(CALL(stat, "/dev", &st), 0);
	CHECK_EQ(st.st_nlink, 4);
	CHECK_EQ(CALL(mkdir, "/usable", 0755), 0);
	CHECK_EQ(CALL(stat, "/usable", shared->kernel), 0);
	CHECK_EQ(CALL(rmdir, "/usable"), 0);
}

static void check_failing_allocations(const void *image, u64 size, bool once)
{
	for (long succeeding = 0;; succeeding++) {
		CHECK(shim_boot(image, size), "%s", shim_panic_text);
		shim_fail_after = succeeding;
		shim_fail_once = once;
		use_everything();
		bool enough = shim_fail_after > 0;
		check_usable();
		shim_shut_down();
		if (enough) {
			CHECK(succeeding > 200, "only %ld allocations", succeeding);
			return;
		}
	}
}

void test_exhaustion(void)
{
	const char *directory = tree_make("exhaustion", script);
	u64 frames = shim_total_frames, size;
	char path[256];
	void *image;

	shim_total_frames = FRAMES;
	image = tree_boot(directory, "");
	CHECK_EQ(free_pages(), ROOM);
	check_data_limit();
	check_allocation();
	check_node_limit();
	shim_shut_down();
	host_free(image);
	shim_total_frames = frames;

	snprintf(path, sizeof(path), "%s.erofs", directory);
	image = host_load(path, &size);
	check_failing_allocations(image, size, false);
	check_failing_allocations(image, size, true);
	host_free(image);
}
