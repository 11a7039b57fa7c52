/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block special files. Nothing of a disk is cached here: the host's page cache is the cache, what write(2) has returned for is in
 * it, and all programs see the same. Bytes go through pages of the kernel, because the disk needs the memory that it was given
 * until it is done, whatever the program does to its own meanwhile.
 *
 * Who writes a part of a sector reads all of it first. So that nobody else's write to the rest of that sector gets lost, he is
 * alone on the disk meanwhile; writes of whole sectors go on beside each other.
 */
#include <linux/fs.h>
#include <substrate/block.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "file.h"
#include "node.h"

/* The first of the numbers that Linux hands out to drivers that have none (devices.txt); with room for 15 partitions, as there. */
#define DISK_MAJOR 254
#define MINORS 16

static struct writers {
	u32 whole;      /* of whole sectors, under way */
	bool partial;   /* one of a part of a sector */
	struct wait_queue left;
} writers[BLOCK_DISKS_MAX];

u32 disk_device(u32 disk)
{
	return DISK_MAJOR << 8 | disk * MINORS;
}

int disk_of_device(u32 device)
{
	u32 minor = device & 0xff;

	if (device >> 8 != DISK_MAJOR || minor % MINORS || minor / MINORS >= block_disks())
		return -1;
	return (int)(minor / MINORS);
}

static u32 disk_of(const struct node *node)
{
	return (u32)disk_of_device(node->device);
}

u64 disk_size(const struct node *node)
{
	return block_capacity(disk_of(node));
}

bool disk_read_only(const struct node *node)
{
	return block_read_only(disk_of(node));
}

long disk_sync(const struct node *node)
{
	return block_flush(disk_of(node));
}

long disk_sync_all(void)
{
	long error = 0;

	for (u32 disk = 0; disk < block_disks(); disk++) {
		long failed = block_read_only(disk) ? 0 : block_flush(disk);
		error = error ? error : failed;
	}
	return error;
}

/* ---- pages that the disk reads and writes ---- */

struct pages_out {
	struct block_segment segments[BLOCK_SEGMENTS_MAX];
	u32 count;
};

static void put_pages(struct pages_out *pages)
{
	while (pages->count > 0)
		frame_put(virt_to_phys(pages->segments[--pages->count].data));
}

/* For that many bytes, or fewer when memory is short: false when there is none at all. */
static bool get_pages(struct pages_out *pages, u64 bytes)
{
	while (pages->count < BLOCK_SEGMENTS_MAX && pages->count * PAGE_SIZE < bytes) {
		paddr_t frame = frame_alloc(FRAME_ANY);
		if (!frame)
			break;
		pages->segments[pages->count++].data = phys_to_virt(frame);
	}
	return pages->count > 0;
}

/* How many bytes from `skip` on fit; the segments then say which sectors are touched. */
static u64 lay_out(struct pages_out *pages, u64 skip, u64 bytes, u32 *used)
{
	bytes = MIN(bytes, pages->count * PAGE_SIZE - skip);
	u64 left = ALIGN_UP(skip + bytes, BLOCK_SECTOR);

	for (*used = 0; left > 0; (*used)++) {
		pages->segments[*used].length = (u32)MIN(left, PAGE_SIZE);
		left -= pages->segments[*used].length;
	}
	return bytes;
}

static size_t copy_pages(struct iobuf *io, struct pages_out *pages, u64 from, u64 bytes, bool out)
{
	size_t done = 0;

	while (done < bytes) {
		u64 at = from + done;
		u8 *page = (u8 *)pages->segments[at / PAGE_SIZE].data + at % PAGE_SIZE;
		size_t part = MIN(bytes - done, PAGE_SIZE - at % PAGE_SIZE);
		size_t moved = out ? iobuf_copy_out(io, page, part) : iobuf_copy_in(io, page, part);
		done += moved;
		if (moved < part)
			break;
	}
	return done;
}

/* O_DIRECT: memory and position in whole sectors (open(2)). */
static bool direct_aligned(const struct file *file, const struct iobuf *io, u64 pos)
{
	size_t left = io->left;

	if (!(file->flags & O_DIRECT))
		return true;
	if (pos % BLOCK_SECTOR || left % BLOCK_SECTOR)
		return false;
	for (const struct iovec *vec = io->vec; left > 0; vec++) {
		if ((u64)vec->iov_base % BLOCK_SECTOR || vec->iov_len % BLOCK_SECTOR)
			return false;
		left -= MIN(left, vec->iov_len);
	}
	return true;
}

/* ---- reading ---- */

static ssize_t disk_read(struct file *file, struct iobuf *io, u64 pos)
{
	u32 disk = disk_of(file->node);
	u64 size = block_capacity(disk), total = 0;
	struct pages_out pages = { .count = 0 };
	long error = 0;

	if (!direct_aligned(file, io, pos))
		return -EINVAL;
	if (pos >= size)
		return 0;
	u64 wanted = MIN(io->left, size - pos);
	if (wanted > 0 && !get_pages(&pages, pos % BLOCK_SECTOR + wanted))
		return -ENOMEM;
	while (total < wanted && error == 0) {
		u64 at = pos + total, skip = at % BLOCK_SECTOR;
		u32 used;
		u64 n = lay_out(&pages, skip, wanted - total, &used);
		error = block_read(disk, at / BLOCK_SECTOR, pages.segments, used);
		if (error < 0)
			break;
		size_t moved = copy_pages(io, &pages, skip, n, true);
		total += moved;
		if (moved < n)
			error = -EFAULT;
	}
	put_pages(&pages);
	return total ? (ssize_t)total : error;
}

/* ---- writing ---- */

/* Both wait until a signal, and take part from then on. */
static long begin_write(u32 disk, bool partial)
{
	struct writers *w = &writers[disk];
	long error;

	if (!w->left.waiters.next)
		wait_queue_init(&w->left);
	error = wait_event(&w->left, !w->partial && (!partial || w->whole == 0));
	if (error < 0)
		return error;
	if (partial)
		w->partial = true;
	else
		w->whole++;
	return 0;
}

static void end_write(u32 disk, bool partial)
{
	struct writers *w = &writers[disk];

	if (partial)
		w->partial = false;
	else
		w->whole--;
	wake_up(&w->left);
}

/* Fills what is not written of a sector from the disk: `keep_from` to `keep_to` of it are ours. */
static long complete_sector(u32 disk, u64 sector, u8 *ours, u64 keep_from, u64 keep_to)
{
	paddr_t frame = frame_alloc(FRAME_ANY);
	if (!frame)
		return -ENOMEM;
	u8 *theirs = phys_to_virt(frame);
	struct block_segment segment = { theirs, BLOCK_SECTOR };
	long error = block_read(disk, sector, &segment, 1);

	if (error == 0) {
		memcpy(ours, theirs, keep_from);
		memcpy(ours + keep_to, theirs + keep_to, BLOCK_SECTOR - keep_to);
	}
	frame_put(frame);
	return error;
}

static u8 *sector_in(struct pages_out *pages, u64 offset)
{
	return (u8 *)pages->segments[offset / PAGE_SIZE].data + offset % PAGE_SIZE;
}

/* The first and the last sector, which may be the same one. */
static long complete_edges(u32 disk, u64 sector, struct pages_out *pages, u64 skip, u64 bytes)
{
	u64 end = skip + bytes, last = (end - 1) / BLOCK_SECTOR;
	long error = 0;

	if (skip || end < BLOCK_SECTOR)
		error = complete_sector(disk, sector, sector_in(pages, 0), skip, MIN(end, BLOCK_SECTOR));
	if (error == 0 && last > 0 && end % BLOCK_SECTOR)
		error = complete_sector(disk, sector + last, sector_in(pages, last * BLOCK_SECTOR), 0, end % BLOCK_SECTOR);
	return error;
}

static ssize_t write_part(u32 disk, struct iobuf *io, u64 at, u64 wanted, struct pages_out *pages)
{
	u64 skip = at % BLOCK_SECTOR;
	u32 used;
	u64 bytes = lay_out(pages, skip, wanted, &used);
	bool partial = skip || (skip + bytes) % BLOCK_SECTOR;
	long error;

	/* Who fills all pages ends with them; only the last piece ends anywhere. */
	size_t moved = copy_pages(io, pages, skip, bytes, false);
	if (moved < bytes) {
		bytes = partial ? moved : moved / BLOCK_SECTOR * BLOCK_SECTOR;
		if (bytes == 0)
			return -EFAULT;
		bytes = lay_out(pages, skip, bytes, &used);
	}
	error = begin_write(disk, partial);
	if (error < 0)
		return error;
	if (partial)
		error = complete_edges(disk, at / BLOCK_SECTOR, pages, skip, bytes);
	if (error == 0)
		error = block_write(disk, at / BLOCK_SECTOR, pages->segments, used);
	end_write(disk, partial);
	return error < 0 ? error : (ssize_t)bytes;
}

static ssize_t disk_write(struct file *file, struct iobuf *io, u64 pos)
{
	u32 disk = disk_of(file->node);
	u64 size = block_capacity(disk), total = 0;
	struct pages_out pages = { .count = 0 };
	ssize_t n = 0;

	if (!direct_aligned(file, io, pos))
		return -EINVAL;
	if (io->left == 0)
		return 0;
	if (pos >= size)
		return -ENOSPC;
	u64 wanted = MIN(io->left, size - pos);
	if (!get_pages(&pages, pos % BLOCK_SECTOR + wanted))
		return -ENOMEM;
	while (total < wanted && !io->faulted) {
		n = write_part(disk, io, pos + total, wanted - total, &pages);
		if (n < 0)
			break;
		total += (u64)n;
	}
	put_pages(&pages);
	if (total > 0 && (file->flags & O_DSYNC)) {
		long error = block_flush(disk);
		if (error < 0)
			return error;
	}
	return total ? (ssize_t)total : n;
}

/* ---- ioctl ---- */

static long put_u64(u64 arg, u64 value)
{
	return copy_to_user((void __user *)arg, &value, sizeof(value)) ? -EFAULT : 0;
}

static long put_u32(u64 arg, u32 value)
{
	return copy_to_user((void __user *)arg, &value, sizeof(value)) ? -EFAULT : 0;
}

static long put_u16(u64 arg, u16 value)
{
	return copy_to_user((void __user *)arg, &value, sizeof(value)) ? -EFAULT : 0;
}

static long on_range(struct file *file, u32 disk, u64 arg, long (*command)(u32 disk, u64 sector, u64 sectors))
{
	u64 range[2], end;
	long error;

	if (!file_writable(file))
		return -EBADF;
	if (copy_from_user(range, (const void __user *)arg, sizeof(range)))
		return -EFAULT;
	if (range[0] % BLOCK_SECTOR || range[1] % BLOCK_SECTOR || range[1] == 0)
		return -EINVAL;
	if (__builtin_add_overflow(range[0], range[1], &end) || end > block_capacity(disk))
		return -EINVAL;
	error = begin_write(disk, false);
	if (error < 0)
		return error;
	error = command(disk, range[0] / BLOCK_SECTOR, range[1] / BLOCK_SECTOR);
	end_write(disk, false);
	return error;
}

/* linux/fs.h; what partitions and schedulers have is not there. */
static long disk_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	u32 disk = disk_of(file->node);

	switch (cmd) {
	case BLKGETSIZE64:
		return put_u64(arg, block_capacity(disk));
	case BLKGETSIZE:
		return put_u64(arg, block_capacity(disk) / BLOCK_SECTOR);
	case BLKSSZGET:
	case BLKPBSZGET:
	case BLKIOMIN:
		return put_u32(arg, BLOCK_SECTOR);
	case BLKBSZGET:
		return put_u32(arg, PAGE_SIZE);
	case BLKIOOPT:
	case BLKALIGNOFF:
	case BLKDISCARDZEROES:
		return put_u32(arg, 0);
	case BLKROGET:
		return put_u32(arg, block_read_only(disk));
	case BLKROTATIONAL:
		return put_u16(arg, 0);
	case BLKSECTGET:
		return put_u16(arg, (u16)(BLOCK_SEGMENTS_MAX * PAGE_SIZE / BLOCK_SECTOR));
	case BLKRAGET:
	case BLKFRAGET:
		return put_u64(arg, 0);
	case BLKFLSBUF:
		return fs_uid() == 0 ? block_flush(disk) : -EACCES;
	case BLKDISCARD:
		return on_range(file, disk, arg, block_discard);
	case BLKZEROOUT:
		return on_range(file, disk, arg, block_write_zeroes);
	default:
		return -ENOTTY;
	}
}

const struct file_ops disk_file_ops = { .read = disk_read, .write = disk_write, .ioctl = disk_ioctl };
