/* SPDX-License-Identifier: Apache-2.0 */
/* Block special files on disks that are memory: what is read and written beside an array, and what the disk fails at. */
#include <linux/fs.h>
#include <substrate/block.h>
#include <substrate/string.h>
#include "both.h"

#define SECTORS 900UL
#define SIZE (SECTORS * BLOCK_SECTOR)
#define STEPS 4000

static u32 disks;
static u8 contents[SIZE], expected[SIZE];
static bool read_only;
static u32 requests, fail_after; /* the request that fails, counted from 1; 0: none */
static u32 flushes;

u32 block_disks(void) { return disks; }
u64 block_capacity(u32 disk) { return disk == 0 ? SIZE : BLOCK_SECTOR; }
bool block_read_only(u32 disk) { return disk == 0 ? read_only : true; }

static bool fails(void)
{
	requests++;
	return fail_after && requests >= fail_after;
}

static long transfer(u32 disk, u64 sector, const struct block_segment *segments, u32 count, bool write)
{
	u64 at = sector * BLOCK_SECTOR;

	CHECK(disk == 0 && count > 0 && count <= BLOCK_SEGMENTS_MAX, "%u segments of disk %u", count, disk);
	CHECK(!write || !read_only, "a disk is written that can only be read");
	if (fails())
		return -EIO;
	for (u32 i = 0; i < count; at += segments[i++].length) {
		CHECK(segments[i].length > 0 && segments[i].length <= PAGE_SIZE && segments[i].length % BLOCK_SECTOR == 0,
		      "a segment of %u bytes", segments[i].length);
		CHECK(at + segments[i].length <= SIZE, "sector %lu is beyond the end", (unsigned long)(at / BLOCK_SECTOR));
		if (write)
			memcpy(contents + at, segments[i].data, segments[i].length);
		else
			memcpy(segments[i].data, contents + at, segments[i].length);
	}
	return 0;
}

long block_read(u32 disk, u64 sector, const struct block_segment *segments, u32 count)
{
	return transfer(disk, sector, segments, count, false);
}

long block_write(u32 disk, u64 sector, const struct block_segment *segments, u32 count)
{
	return transfer(disk, sector, segments, count, true);
}

long block_flush(u32 disk)
{
	(void)disk;
	flushes++;
	return fails() ? -EIO : 0;
}

long block_discard(u32 disk, u64 sector, u64 sectors)
{
	return block_write_zeroes(disk, sector, sectors);
}

long block_write_zeroes(u32 disk, u64 sector, u64 sectors)
{
	CHECK(disk == 0 && sector + sectors <= SECTORS, "sectors %lu+%lu", (unsigned long)sector, (unsigned long)sectors);
	memset(contents + sector * BLOCK_SECTOR, 0, sectors * BLOCK_SECTOR);
	return 0;
}

static u64 state;

static u64 below(u64 n)
{
	return next_random(&state) % n;
}

static void random_traffic(long fd)
{
	static u8 bytes[SIZE];

	for (u32 i = 0; i < STEPS; i++) {
		u64 at = below(3) ? below(SIZE) : below(SECTORS) * BLOCK_SECTOR;
		u64 kind = below(4), n = kind == 0 ? 1 + below(600) : kind == 1 ? BLOCK_SECTOR * (1 + below(20)) : 1 + below(SIZE);
		u64 inside = MIN(n, SIZE - at);
		if (below(2)) {
			for (u64 k = 0; k < n; k++)
				bytes[k % SIZE] = (u8)next_random(&state);
			CHECK_EQ(CALL(pwrite64, fd, bytes, n, at), inside);
			memcpy(expected + at, bytes, inside);
		} else {
			CHECK_EQ(CALL(pread64, fd, bytes, n, at), inside);
			CHECK(!memcmp(bytes, expected + at, inside), "%lu bytes at %lu are others", (unsigned long)inside, (unsigned long)at);
		}
	}
	CHECK(!memcmp(contents, expected, SIZE), "the disk has other contents");
}

/* With so few pages that a transfer takes many pieces, and with none. */
static void short_of_memory(long fd)
{
	static u8 bytes[SIZE];

	for (long pages = 1; pages < 40; pages++) {
		shim_fail_after = pages;
		long read = CALL(pread64, fd, bytes, SIZE - 100, 100);
		shim_fail_after = pages;
		long written = CALL(pwrite64, fd, expected + 100, SIZE - 200, 100);
		shim_fail_after = -1;
		CHECK(read == (long)SIZE - 100 || read == -ENOMEM, "%ld", read);
		CHECK(read < 0 || !memcmp(bytes, expected + 100, SIZE - 100), "read something else");
		CHECK(written == (long)SIZE - 200 || written == -ENOMEM || written > 0, "%ld", written);
		CHECK(!memcmp(contents, expected, SIZE), "wrote something else");
	}
}

/* What went well before is told; the error is when nothing did. */
static void disk_fails(long fd)
{
	static u8 bytes[SIZE];

	requests = 0, fail_after = 2;
	CHECK_EQ(CALL(pread64, fd, bytes, SIZE, 0), BLOCK_SEGMENTS_MAX * PAGE_SIZE);
	CHECK_EQ(CALL(pread64, fd, bytes, SIZE, 0), -EIO);
	CHECK_EQ(CALL(pwrite64, fd, bytes, BLOCK_SECTOR, 0), -EIO);
	CHECK_EQ(CALL(pwrite64, fd, bytes, 1, 1), -EIO);
	CHECK_EQ(CALL(fsync, fd), -EIO);
	fail_after = 0;
	CHECK_EQ(CALL(fsync, fd), 0);
	CHECK(!memcmp(contents, expected, SIZE), "the disk has other contents");
}

/* Memory of the program that ends: whole pieces of what was there. */
static void bad_memory(long fd)
{
	static u8 bytes[4096];

	shim_bad_from = (u64)bytes + 700, shim_bad_to = (u64)bytes + 4096;
	CHECK_EQ(CALL(pwrite64, fd, bytes, 2048, 0), BLOCK_SECTOR);
	memcpy(expected, bytes, BLOCK_SECTOR);
	CHECK_EQ(CALL(pwrite64, fd, bytes + 600, 300, 5), 100);
	memcpy(expected + 5, bytes + 600, 100);
	CHECK_EQ(CALL(pwrite64, fd, bytes + 700, 10, 0), -EFAULT);
	CHECK_EQ(CALL(pwrite64, fd, bytes + 600, 512, 0), -EFAULT);
	CHECK_EQ(CALL(pread64, fd, bytes, 2048, 0), 700);
	CHECK_EQ(CALL(pread64, fd, bytes + 700, 2048, 0), -EFAULT);
	shim_bad_from = shim_bad_to = 0;
	CHECK(!memcmp(contents, expected, SIZE), "the disk has other contents");
}

static void synchronous(void)
{
	long fd = CALL(open, "/dev/vda", O_RDWR | O_DSYNC);

	flushes = 0;
	CHECK_EQ(CALL(pwrite64, fd, expected, 100, 0), 100);
	CHECK_EQ(flushes, 1);
	CHECK_EQ(CALL(close, fd), 0);
	CHECK_EQ(CALL(sync, 0), 0);
	CHECK_EQ(flushes, 2); /* one disk can be written */
}

static void device_numbers(void)
{
	CHECK_EQ(CALL(mknod, "/tmp-disk", S_IFBLK | 0600, 254 << 8), 0);
	CHECK_EQ(CALL(mknod, "/tmp-none", S_IFBLK | 0600, 254 << 8 | 32), -EPERM);
	CHECK_EQ(CALL(mknod, "/tmp-none", S_IFBLK | 0600, 8 << 8), -EPERM);
	long fd = CALL(open, "/tmp-disk", O_RDONLY);
	static u8 bytes[16];
	CHECK_EQ(CALL(read, fd, bytes, sizeof(bytes)), sizeof(bytes));
	CHECK(!memcmp(bytes, expected, sizeof(bytes)), "another disk");
	CHECK_EQ(CALL(close, fd), 0);
	CHECK_EQ(CALL(open, "/dev/vdb", O_RDWR), -EACCES);
	CHECK_EQ(CALL(open, "/dev/vdc", O_RDONLY), -ENOENT);
}

void test_disk(void)
{
	const char *directory = tree_make("disk", "mkdir dev proc");

	state = shim_seed;
	disks = 2;
	tree_boot(directory, "");
	long fd = CALL(open, "/dev/vda", O_RDWR);
	CHECK(fd >= 0, "%ld", fd);
	random_traffic(fd);
	short_of_memory(fd);
	disk_fails(fd);
	bad_memory(fd);
	synchronous();
	device_numbers();
	CHECK_EQ(CALL(close, fd), 0);
	shim_shut_down();
	disks = 0;
}
