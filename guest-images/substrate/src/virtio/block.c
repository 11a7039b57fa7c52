/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of virtio block devices (virtio 1.2, 5.2). A task hands its request to the device and sleeps until the device is done;
 * others do the same meanwhile, up to the number of slots. A device that works inside the doorbell is done when the doorbell
 * returns: then nobody sleeps, and no interrupt is asked for.
 */
#include <linux/virtio_blk.h>
#include <substrate/block.h>
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/scheduler.h>
#include <substrate/string.h>
#include <substrate/task.h>

#include "block.h"
#include "queue.h"
#include "virtio.h"

#define QUEUE_ENTRIES 128 /* fit a page */
#define SLOTS 32U
#define FEATURES (1U << VIRTIO_BLK_F_SIZE_MAX | 1U << VIRTIO_BLK_F_SEG_MAX | 1U << VIRTIO_BLK_F_RO | 1U << VIRTIO_BLK_F_FLUSH | \
	1U << VIRTIO_BLK_F_DISCARD | 1U << VIRTIO_BLK_F_WRITE_ZEROES | 1U << VIRTIO_RING_F_EVENT_IDX)

/* What the device sees of a request beside its data; in a frame of the direct map. */
struct slot {
	struct virtio_blk_outhdr header;
	struct virtio_blk_discard_write_zeroes range;
	u8 status;
	bool done;
	struct slot *next_free;
	struct task *waiter;
};

struct disk {
	struct virtio_device device;
	struct virtqueue queue;
	u64 sectors;
	u32 segments_max;
	u32 discard_max, zeroes_max; /* sectors of one request; 0: there is no such command */
	struct slot *free;
	struct wait_queue room; /* for a slot and descriptors */
	u32 outstanding, sleepers;
	bool failed_before;
};

static struct disk disks[BLOCK_DISKS_MAX];
static u32 disk_count;

u32 block_disks(void)
{
	return disk_count;
}

u64 block_capacity(u32 disk)
{
	return disks[disk].sectors * BLOCK_SECTOR;
}

bool block_read_only(u32 disk)
{
	return disks[disk].device.features & VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
}

/* ---- requests ---- */

static bool take_done(struct disk *disk)
{
	struct slot *slot;
	bool some = false;

	while ((slot = virtqueue_take(&disk->queue, NULL)) != NULL) {
		disk->outstanding--;
		slot->done = true;
		if (slot->waiter)
			task_wake(slot->waiter);
		some = true;
	}
	if (some)
		wake_up(&disk->room);
	return some;
}

/* A device that holds requests back goes on when its interrupt is acknowledged; what it is asked for then may be done at once. */
static bool poll_disk(struct disk *disk)
{
	bool some = take_done(disk);

	if (disk->outstanding > 0) {
		virtio_acknowledge(&disk->device);
		some |= take_done(disk);
	}
	return some;
}

bool virtio_block_poll(void)
{
	bool some = false;

	for (u32 i = 0; i < disk_count; i++)
		if (disks[i].outstanding > 0)
			some |= poll_disk(&disks[i]);
	return some;
}

/* The slot and the queue have room: no signal ends the wait, as none ends that for the disk. */
static struct slot *get_slot(struct disk *disk, u32 descriptors)
{
	while (!disk->free || disk->queue.free_count < descriptors) {
		struct waiter waiter = { .task = current };
		list_push_back(&disk->room.waiters, &waiter.link);
		wait_uninterrupted();
		list_remove(&waiter.link);
	}
	struct slot *slot = disk->free;
	disk->free = slot->next_free;
	*slot = (struct slot){ .status = 0xff };
	return slot;
}

static void wait_until_done(struct disk *disk, struct slot *slot)
{
	take_done(disk);
	if (slot->done)
		return;
	if (disk->sleepers++ == 0) {
		virtqueue_set_interrupts(&disk->queue, true);
		take_done(disk); /* what was done before it was to be told */
	}
	slot->waiter = current;
	while (!slot->done)
		wait_uninterrupted();
	if (--disk->sleepers == 0)
		virtqueue_set_interrupts(&disk->queue, false);
}

static long result_of(struct disk *disk, const struct slot *slot)
{
	if (slot->status == VIRTIO_BLK_S_OK)
		return 0;
	if (slot->status == VIRTIO_BLK_S_UNSUPP)
		return -EOPNOTSUPP;
	if (!disk->failed_before)
		printk("virtio-blk: disk %u: request of type %u at sector %llu failed\n", (u32)(disk - disks), slot->header.type,
		       (unsigned long long)slot->header.sector);
	disk->failed_before = true;
	return -EIO;
}

/* Data lies between header and status: `out` segments that the device reads, or `in` segments that it writes. */
static long request(struct disk *disk, struct slot *slot, const struct block_segment *data, u16 out, u16 in)
{
	/* Used up before anybody else can run. */
	static struct virtqueue_segment segments[BLOCK_SEGMENTS_MAX + 2];
	u32 count = 0;

	segments[count++] = (struct virtqueue_segment){ &slot->header, sizeof(slot->header) };
	for (u32 i = 0; i < (u32)out + in; i++)
		segments[count++] = (struct virtqueue_segment){ data[i].data, data[i].length };
	segments[count++] = (struct virtqueue_segment){ &slot->status, sizeof(slot->status) };
	BUG_ON(!virtqueue_add(&disk->queue, segments, out + 1, in + 1, slot));
	disk->outstanding++;
	virtqueue_kick(&disk->queue);
	wait_until_done(disk, slot);
	long result = result_of(disk, slot);
	slot->next_free = disk->free;
	disk->free = slot;
	wake_up(&disk->room);
	return result;
}

static u64 bytes_of(const struct block_segment *segments, u32 count)
{
	u64 bytes = 0;

	for (u32 i = 0; i < count; i++)
		bytes += segments[i].length;
	return bytes;
}

/* In as many requests as the device wants it to be. */
static long transfer(u32 index, u32 type, u64 sector, const struct block_segment *segments, u32 count)
{
	struct disk *disk = &disks[index];
	long error = 0;

	for (u32 n; count > 0 && error == 0; segments += n, count -= n) {
		n = MIN(count, disk->segments_max);
		struct slot *slot = get_slot(disk, n + 2);
		slot->header.type = type;
		slot->header.sector = sector;
		error = type == VIRTIO_BLK_T_OUT ? request(disk, slot, segments, (u16)n, 0) : request(disk, slot, segments, 0, (u16)n);
		sector += bytes_of(segments, n) / BLOCK_SECTOR;
	}
	return error;
}

long block_read(u32 disk, u64 sector, const struct block_segment *segments, u32 count)
{
	return transfer(disk, VIRTIO_BLK_T_IN, sector, segments, count);
}

long block_write(u32 disk, u64 sector, const struct block_segment *segments, u32 count)
{
	return transfer(disk, VIRTIO_BLK_T_OUT, sector, segments, count);
}

long block_flush(u32 index)
{
	struct disk *disk = &disks[index];

	/* Without the feature what is written is stable (5.2.6.2). */
	if (!(disk->device.features & VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH)))
		return 0;
	struct slot *slot = get_slot(disk, 2);
	slot->header.type = VIRTIO_BLK_T_FLUSH;
	return request(disk, slot, NULL, 0, 0);
}

static long on_range(u32 index, u32 type, u32 most, u32 flags, u64 sector, u64 sectors)
{
	struct disk *disk = &disks[index];
	long error = most == 0 ? -EOPNOTSUPP : 0;

	for (u32 n; sectors > 0 && error == 0; sector += n, sectors -= n) {
		n = (u32)MIN(sectors, (u64)most);
		struct slot *slot = get_slot(disk, 3);
		struct block_segment range = { &slot->range, sizeof(slot->range) };
		slot->header.type = type;
		slot->range = (struct virtio_blk_discard_write_zeroes){ .sector = sector, .num_sectors = n, .flags = flags };
		error = request(disk, slot, &range, 1, 0);
	}
	return error;
}

long block_discard(u32 disk, u64 sector, u64 sectors)
{
	return on_range(disk, VIRTIO_BLK_T_DISCARD, disks[disk].discard_max, 0, sector, sectors);
}

long block_write_zeroes(u32 disk, u64 sector, u64 sectors)
{
	return on_range(disk, VIRTIO_BLK_T_WRITE_ZEROES, disks[disk].zeroes_max, 0, sector, sectors);
}

long block_serial(u32 index, char serial[BLOCK_SERIAL_BYTES])
{
	struct disk *disk = &disks[index];
	struct slot *slot = get_slot(disk, 3);
	/* The range is not used otherwise, but is shorter than what is asked for: a page of its own. */
	paddr_t frame = frame_alloc(FRAME_ZERO);
	long error = -ENOMEM;

	if (frame) {
		struct block_segment id = { phys_to_virt(frame), BLOCK_SERIAL_BYTES };
		slot->header.type = VIRTIO_BLK_T_GET_ID;
		error = request(disk, slot, &id, 0, 1);
		memcpy(serial, phys_to_virt(frame), BLOCK_SERIAL_BYTES);
		frame_put(frame);
		return error;
	}
	slot->next_free = disk->free;
	disk->free = slot;
	return error;
}

/* ---- set-up ---- */

static u32 config(const struct virtio_device *device, size_t offset)
{
	return virtio_config_read32(device, (u32)offset);
}
#define CONFIG(disk, field) config(&(disk)->device, offsetof(struct virtio_blk_config, field))

static void read_config(struct disk *disk)
{
	u64 features = disk->device.features;
	u32 size_max = PAGE_SIZE;

	/* The capacity of the disks here does not change. */
	disk->sectors = CONFIG(disk, capacity) | (u64)config(&disk->device, 4) << 32;
	disk->segments_max = BLOCK_SEGMENTS_MAX;
	if (features & VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX))
		disk->segments_max = MIN(disk->segments_max, CONFIG(disk, seg_max));
	if (features & VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX))
		size_max = CONFIG(disk, size_max);
	if (features & VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD))
		disk->discard_max = CONFIG(disk, max_discard_sectors);
	if (features & VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES))
		disk->zeroes_max = CONFIG(disk, max_write_zeroes_sectors);
	if (size_max < PAGE_SIZE)
		disk->segments_max = 0;
}

static bool start(struct disk *disk, u32 max)
{
	paddr_t ring = frame_alloc(FRAME_ZERO), slots = frame_alloc(FRAME_ZERO);

	_Static_assert(SLOTS * sizeof(struct slot) <= PAGE_SIZE, "the slots fit a page");
	if (!ring || !slots)
		return false;
	struct slot *slot = phys_to_virt(slots);
	for (u32 i = 0; i < SLOTS; i++, slot++) {
		slot->next_free = disk->free;
		disk->free = slot;
	}
	wait_queue_init(&disk->room);
	u16 size = QUEUE_ENTRIES;
	while (size > max)
		size /= 2;
	disk->segments_max = MIN(disk->segments_max, size - 2U);
	virtqueue_init(&disk->queue, &disk->device, 0, size, phys_to_virt(ring));
	virtio_queue_enable(&disk->device, &disk->queue);
	virtio_driver_ok(&disk->device);
	return true;
}

void virtio_block_probe(const struct virtio_device *found)
{
	if (disk_count == BLOCK_DISKS_MAX) {
		printk("virtio-blk: there are %u disks already, the device at %p is left alone\n", BLOCK_DISKS_MAX,
		       (void *)found->window);
		return;
	}
	struct disk *disk = &disks[disk_count];
	*disk = (struct disk){ .device = *found };
	if (!virtio_negotiate(&disk->device, FEATURES)) {
		printk("virtio-blk: the device refused the features\n");
		return;
	}
	read_config(disk);
	u32 max = virtio_queue_max(&disk->device, 0);
	if (max < 4 || disk->segments_max == 0) {
		printk("virtio-blk: the device takes no pages, or has a queue of %u entries only\n", max);
		virtio_driver_failed(&disk->device);
		return;
	}
	if (!start(disk, max))
		panic("virtio-blk: no memory for a disk's queue");
	disk_count++;
}
