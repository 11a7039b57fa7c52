/* SPDX-License-Identifier: Apache-2.0 */
/* Random reads and writes of a disk, or of a file that stands for it: disk_traffic <file> <seed>. Tells what was read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define STEPS 600
#define MOST 400000

static uint64_t state;
static uint8_t bytes[MOST];

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t sum(const uint8_t *from, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ from[i]) * 0x100000001b3;
	return hash;
}

/* Whole sectors, a few bytes, or much. */
static size_t length(off_t left)
{
	uint64_t kind = next() % 4;
	size_t n = kind == 0 ? 512 * (1 + next() % 16) : kind == 1 ? 1 + next() % 600 : kind == 2 ? 4096 : 1 + next() % MOST;
	return n > (size_t)left ? (size_t)left : n;
}

static void fill(size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)next();
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	int fd = open(argv[1], O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	if (fd < 0 || size <= 0) {
		perror(argv[1]);
		return 1;
	}
	state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15;
	for (int i = 0; i < STEPS; i++) {
		off_t at = next() % 3 ? (off_t)(next() % (uint64_t)size) : (off_t)(next() % (uint64_t)(size / 512)) * 512;
		size_t n = length(size - at);
		ssize_t done;
		switch (next() % 5) {
		case 0:
			fill(n);
			done = pwrite(fd, bytes, n, at);
			break;
		case 1: {
			fill(n);
			struct iovec parts[] = { { bytes, n / 3 }, { bytes + n / 3, n - n / 3 } };
			done = pwritev(fd, parts, 2, at);
			break;
		}
		case 2:
			lseek(fd, at, SEEK_SET);
			done = read(fd, bytes, n);
			printf("%d: %016lx, at %ld\n", i, (long)sum(bytes, n), (long)lseek(fd, 0, SEEK_CUR));
			break;
		case 3:
			done = next() % 8 ? (ssize_t)n : fsync(fd) + (ssize_t)n;
			break;
		default:
			done = pread(fd, bytes, n, at);
			printf("%d: %016lx\n", i, (long)sum(bytes, n));
		}
		if (done != (ssize_t)n) {
			fprintf(stderr, "step %d: %zd of %zu bytes at %ld\n", i, done, n, (long)at);
			return 1;
		}
	}
	return 0;
}
