/* SPDX-License-Identifier: Apache-2.0 */
/* Disks: what the file system asks of the driver of virtio block devices. Disks are numbered from 0 in the order of the machine's. */
#ifndef SUBSTRATE_BLOCK_H
#define SUBSTRATE_BLOCK_H

#include <substrate/types.h>

#define BLOCK_SECTOR 512UL
#define BLOCK_DISKS_MAX 8U
#define BLOCK_SERIAL_BYTES 20

/* Memory of the direct map. */
struct block_segment {
	void *data;
	u32 length; /* a multiple of BLOCK_SECTOR */
};
/* The most segments of one transfer that every disk takes; each at most a page long. */
#define BLOCK_SEGMENTS_MAX 64U

u32 block_disks(void);
u64 block_capacity(u32 disk); /* bytes, a multiple of BLOCK_SECTOR */
bool block_read_only(u32 disk);

/*
 * All of these sleep until the disk is done, which no signal cuts short: the disk has the memory meanwhile. The range is inside the
 * capacity. 0, -EIO, or -EOPNOTSUPP when the disk has no such command.
 */
long block_read(u32 disk, u64 sector, const struct block_segment *segments, u32 count);
long block_write(u32 disk, u64 sector, const struct block_segment *segments, u32 count);
long block_flush(u32 disk);
long block_discard(u32 disk, u64 sector, u64 sectors);
long block_write_zeroes(u32 disk, u64 sector, u64 sectors);
/* NUL-padded. */
long block_serial(u32 disk, char serial[BLOCK_SERIAL_BYTES]);

#endif
