/* SPDX-License-Identifier: Apache-2.0 */
/* What a program notices of a block special file: disk_facts <a writable disk of 1 MiB> <a read-only disk>. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SIZE (1 << 20)

static void tell(const char *what, long result)
{
	if (result < 0)
		printf("%s %s\n", what, strerrorname_np(errno));
	else
		printf("%s %ld\n", what, result);
}

static void tell_stat(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		tell(path, -1);
	else
		printf("%s mode %o rdev %u:%u size %ld\n", strrchr(path, '/') + 1, st.st_mode, major(st.st_rdev), minor(st.st_rdev),
		       (long)st.st_size);
}

static void sizes(int fd, int other)
{
	uint64_t bytes = 0;
	unsigned long sectors = 0, block = 0;
	int sector = 0, read_only = -1;

	ioctl(fd, BLKGETSIZE64, &bytes);
	ioctl(fd, BLKGETSIZE, &sectors);
	ioctl(fd, BLKSSZGET, &sector);
	ioctl(fd, BLKBSZGET, &block);
	ioctl(fd, BLKROGET, &read_only);
	printf("BLKGETSIZE64 %lu BLKGETSIZE %lu BLKSSZGET %d BLKBSZGET %lu BLKROGET %d\n", (unsigned long)bytes, sectors, sector,
	       block, read_only);
	ioctl(other, BLKROGET, &read_only);
	printf("BLKROGET of vdb %d\n", read_only);
	tell("BLKFLSBUF", ioctl(fd, BLKFLSBUF, 0));
	tell("unknown ioctl", ioctl(fd, 0x4711, 0));
}

static void ends(int fd)
{
	static char bytes[4096];

	tell("seek to the end", lseek(fd, 0, SEEK_END));
	tell("seek beyond", lseek(fd, 1, SEEK_END));
	tell("read at the end", read(fd, bytes, 100));
	tell("read over the end", pread(fd, bytes, sizeof(bytes), SIZE - 100));
	tell("write at the end", pwrite(fd, bytes, 1, SIZE));
	tell("write over the end", pwrite(fd, bytes, sizeof(bytes), SIZE - 100));
	tell("write of nothing at the end", pwrite(fd, bytes, 0, SIZE));
}

static void direct(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT);
	char *bytes = aligned_alloc(4096, 8192);

	tell("direct", pread(fd, bytes, 512, 512));
	tell("direct, position", pread(fd, bytes, 512, 511));
	tell("direct, length", pwrite(fd, bytes, 100, 0));
	tell("direct, memory", pread(fd, bytes + 8, 512, 0));
	free(bytes);
	close(fd);
}

static long on_range(int fd, unsigned long command, uint64_t start, uint64_t length)
{
	uint64_t range[] = { start, length };
	return ioctl(fd, command, range);
}

static void ranges(int fd, const char *path)
{
	static char bytes[8192], zeros[8192];

	memset(bytes, 7, sizeof(bytes));
	long zeroed = pwrite(fd, bytes, sizeof(bytes), 4096) < 0 ? -1 : on_range(fd, BLKZEROOUT, 4096, 8192);
	pread(fd, bytes, sizeof(bytes), 4096);
	printf("BLKZEROOUT %ld: %s\n", zeroed, memcmp(bytes, zeros, sizeof(bytes)) ? "not zeros" : "zeros");
	tell("BLKZEROOUT, misaligned", on_range(fd, BLKZEROOUT, 1, 512));
	tell("BLKZEROOUT, beyond", on_range(fd, BLKZEROOUT, SIZE, 512));
	tell("BLKDISCARD", on_range(fd, BLKDISCARD, 0, 65536));
	tell("BLKDISCARD, overflow", on_range(fd, BLKDISCARD, (uint64_t)-512, 1024));
	int reading = open(path, O_RDONLY);
	tell("BLKDISCARD, read-only descriptor", on_range(reading, BLKDISCARD, 0, 512));
	close(reading);
}

static void bad_memory(int fd)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(pages + 4096, 4096);
	tell("read into bad memory", pread(fd, (void *)8, 512, 0));
	tell("write from bad memory", pwrite(fd, (void *)8, 512, 0));
	tell("write partly from bad memory", pwrite(fd, pages + 4096 - 512 - 100, 1024, 0));
	munmap(pages, 4096);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	const char *path = argv[1];
	int fd = open(path, O_RDWR), other = open(argv[2], O_RDONLY);
	tell_stat(path);
	tell_stat(argv[2]);
	sizes(fd, other);
	ends(fd);
	direct(path);
	ranges(fd, path);
	bad_memory(fd);
	int synced = fsync(fd);
	printf("fsync %d fdatasync %d\n", synced, fdatasync(fd));
	void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	tell("mmap", mapped == MAP_FAILED ? -1 : 0);
	tell("ftruncate", ftruncate(fd, 4096));
	int truncated = open(path, O_RDWR | O_TRUNC);
	tell("O_TRUNC", lseek(truncated, 0, SEEK_END));
	tell("vdb for writing", open(argv[2], O_RDWR));
	return 0;
}
