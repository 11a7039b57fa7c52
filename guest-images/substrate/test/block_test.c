/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of block devices against a device that works inside the doorbell, later, or when its interrupt is acknowledged. */
#define VIRTIO_MMIO_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <substrate/block.h>

#include "../src/virtio/block.h"
#include "../src/virtio/virtio.h"
#include "agent_shim.h"

#define SECTORS 2048UL
#define CHAIN_MAX 66

static u8 disk[SECTORS * BLOCK_SECTOR];
static u32 requests, flushes, zeroed, discarded, most_segments;
static u8 next_status; /* of the next request, once */

static u32 gather(u8 *to, struct vring_desc **chain, u32 count)
{
	u32 bytes = 0;

	for (u32 i = 0; i < count; bytes += chain[i++]->len)
		memcpy(to + bytes, phys_to_virt(chain[i]->addr), chain[i]->len);
	return bytes;
}

static u32 scatter(const u8 *from, struct vring_desc **chain, u32 count)
{
	u32 bytes = 0;

	for (u32 i = 0; i < count; bytes += chain[i++]->len) {
		CHECK(chain[i]->flags & VRING_DESC_F_WRITE);
		memcpy(phys_to_virt(chain[i]->addr), from + bytes, chain[i]->len);
	}
	return bytes;
}

static u64 bytes_of(struct vring_desc **chain, u32 count)
{
	u64 bytes = 0;

	for (u32 i = 0; i < count; i++)
		bytes += chain[i]->len;
	return bytes;
}

static u32 ranges(struct vring_desc **chain, u32 count, u32 *counter)
{
	struct virtio_blk_discard_write_zeroes range;

	CHECK_EQ(count, 1);
	CHECK_EQ(gather((u8 *)&range, chain, count), sizeof(range));
	CHECK(range.num_sectors > 0 && range.num_sectors <= device.config[9]);
	CHECK(range.sector + range.num_sectors <= SECTORS && range.flags == 0);
	memset(disk + range.sector * BLOCK_SECTOR, 0, range.num_sectors * BLOCK_SECTOR);
	*counter += range.num_sectors;
	return 0;
}

/* What the device writes besides the status. */
static u32 execute(const struct virtio_blk_outhdr *header, struct vring_desc **data, u32 count)
{
	u64 at = header->sector * BLOCK_SECTOR;

	CHECK_EQ(header->ioprio, 0);
	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		CHECK(at + bytes_of(data, count) <= sizeof(disk));
		return scatter(disk + at, data, count);
	case VIRTIO_BLK_T_OUT:
		CHECK(at + bytes_of(data, count) <= sizeof(disk));
		gather(disk + at, data, count);
		return 0;
	case VIRTIO_BLK_T_FLUSH:
		CHECK(count == 0 && header->sector == 0);
		flushes++;
		return 0;
	case VIRTIO_BLK_T_GET_ID:
		CHECK_EQ(bytes_of(data, count), 20);
		return scatter((const u8 *)"a serial of 20 bytes", data, count);
	case VIRTIO_BLK_T_DISCARD:
		return ranges(data, count, &discarded);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return ranges(data, count, &zeroed);
	}
	test_fail(__FILE__, __LINE__, "request of type %u", header->type);
}

static void work(void)
{
	struct vring_desc *chain[CHAIN_MAX];
	u32 count, head;

	while ((count = fake_take(0, chain, CHAIN_MAX, &head)) > 0) {
		struct vring_desc *status = chain[count - 1];
		CHECK(count >= 2 && chain[0]->len == 16 && !(chain[0]->flags & VRING_DESC_F_WRITE));
		CHECK(status->len == 1 && status->flags & VRING_DESC_F_WRITE);
		u32 written = next_status ? 0 : execute(phys_to_virt(chain[0]->addr), chain + 1, count - 2);
		*(u8 *)phys_to_virt(status->addr) = next_status;
		next_status = 0;
		requests++;
		most_segments = MAX(most_segments, count - 2);
		fake_complete(0, head, written + 1);
	}
}

#define WRITABLE (1U << VIRTIO_BLK_F_SIZE_MAX | 1U << VIRTIO_BLK_F_SEG_MAX | 1U << VIRTIO_BLK_F_BLK_SIZE | \
	1U << VIRTIO_BLK_F_FLUSH | 1U << VIRTIO_BLK_F_DISCARD | 1U << VIRTIO_BLK_F_WRITE_ZEROES | 1U << VIRTIO_RING_F_EVENT_IDX)

static void good_disk(void)
{
	fake_reset();
	device.id = 2;
	device.features = WRITABLE;
	device.queue_max[0] = 256;
	for (int i = 1; i < 6; i++)
		device.queue_max[i] = 0;
	device.config[0] = SECTORS;
	device.config[2] = 1 << 20;  /* size_max */
	device.config[3] = 254;      /* seg_max */
	device.config[9] = 1 << 10;  /* max_discard_sectors */
	device.config[12] = 1 << 10; /* max_write_zeroes_sectors */
	device.work = work;
	for (size_t i = 0; i < sizeof(disk); i++)
		disk[i] = (u8)test_random();
}

static void probed(void)
{
	good_disk();
	fake_probe();
	CHECK_EQ(block_disks(), 1);
}

static u8 *page(void)
{
	return phys_to_virt(frame_alloc(FRAME_ANY));
}

static void probes_a_disk(void)
{
	probed();
	CHECK_EQ(device.status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
	                            VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ(device.driver_features[0], WRITABLE & ~(1U << VIRTIO_BLK_F_BLK_SIZE));
	CHECK_EQ(block_capacity(0), SECTORS * BLOCK_SECTOR);
	CHECK(!block_read_only(0));
	CHECK_EQ(device.queue[0].notifies, 0);
	CHECK_STR(kernel.log, "");
}

static void probes_what_is_none(void)
{
	good_disk();
	device.refuse_features = true;
	fake_probe();
	CHECK(strstr(kernel.log, "refused the features"));
	good_disk();
	device.queue_max[0] = 2;
	fake_probe();
	CHECK(strstr(kernel.log, "a queue of 2 entries only"));
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	good_disk();
	device.config[3] = 0;
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	good_disk();
	device.config[2] = 512;
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	CHECK_EQ(block_disks(), 0);
	CHECK(!devices_poll());
}

static void no_more_than_there_is_room_for(void)
{
	for (u32 i = 0; i < BLOCK_DISKS_MAX; i++) {
		good_disk();
		fake_probe();
		CHECK_EQ(block_disks(), i + 1);
	}
	good_disk();
	fake_probe();
	CHECK_EQ(block_disks(), BLOCK_DISKS_MAX);
	CHECK(strstr(kernel.log, "left alone"));
}

static void reads_and_writes(void)
{
	static u8 expected[sizeof(disk)];

	probed();
	memcpy(expected, disk, sizeof(disk));
	u8 *pages[8];
	for (int i = 0; i < 8; i++)
		pages[i] = page();
	for (int i = 0; i < 3000; i++) {
		struct block_segment segments[8];
		u32 count = 1 + (u32)(test_random() % 8);
		u64 bytes = 0, sector = test_random() % (SECTORS - 64), done = 0;
		for (u32 k = 0; k < count; bytes += segments[k++].length)
			segments[k] = (struct block_segment){ pages[k], 512 * (1 + (u32)(test_random() % 8)) };
		if (test_random() % 2) {
			CHECK_EQ(block_read(0, sector, segments, count), 0);
			for (u32 k = 0; k < count; done += segments[k++].length)
				CHECK(memcmp(segments[k].data, expected + sector * 512 + done, segments[k].length) == 0);
		} else {
			for (u64 k = 0; k < 8; k++)
				pages[k][test_random() % 4096] = (u8)test_random();
			CHECK_EQ(block_write(0, sector, segments, count), 0);
			for (u32 k = 0; k < count; done += segments[k++].length)
				memcpy(expected + sector * 512 + done, segments[k].data, segments[k].length);
		}
	}
	CHECK(memcmp(disk, expected, sizeof(disk)) == 0);
	/* All of it inside the doorbell: nobody slept, and nothing was told by interrupt. */
	CHECK_EQ(device.queue[0].interrupts, 0);
	CHECK_EQ(device.queue[0].notifies, requests);
	CHECK_EQ(device.acknowledged, 0);
}

static void in_as_many_requests_as_the_device_wants(void)
{
	good_disk();
	device.config[3] = 3;
	fake_probe();
	struct block_segment segments[8];
	for (int i = 0; i < 8; i++)
		segments[i] = (struct block_segment){ page(), 1024 };
	CHECK_EQ(block_read(0, 10, segments, 8), 0);
	CHECK_EQ(requests, 3);
	CHECK_EQ(most_segments, 3);
	for (int i = 0; i < 8; i++)
		CHECK(memcmp(segments[i].data, disk + (10 + 2 * i) * 512, 1024) == 0);
}

static void in_a_small_queue(void)
{
	good_disk();
	device.queue_max[0] = 4;
	fake_probe();
	struct block_segment segments[5];
	for (int i = 0; i < 5; i++)
		segments[i] = (struct block_segment){ page(), 512 };
	CHECK_EQ(block_read(0, 0, segments, 5), 0);
	CHECK_EQ(most_segments, 2);
}

static void other_commands(void)
{
	char serial[BLOCK_SERIAL_BYTES];

	probed();
	CHECK_EQ(block_flush(0), 0);
	CHECK_EQ(flushes, 1);
	CHECK_EQ(block_serial(0, serial), 0);
	CHECK(memcmp(serial, "a serial of 20 bytes", 20) == 0);
	CHECK_EQ(block_write_zeroes(0, 1, 2047), 0);
	CHECK_EQ(zeroed, 2047);
	CHECK_EQ(requests, 4);
	CHECK(disk[511] != 0 || disk[510] != 0 || disk[509] != 0);
	CHECK_EQ(disk[512], 0);
	CHECK_EQ(block_discard(0, 0, 8), 0);
	CHECK_EQ(discarded, 8);
}

static void commands_that_are_not_there(void)
{
	good_disk();
	device.features = 1U << VIRTIO_BLK_F_RO;
	fake_probe();
	CHECK(block_read_only(0));
	CHECK_EQ(block_discard(0, 0, 8), -EOPNOTSUPP);
	CHECK_EQ(block_write_zeroes(0, 0, 8), -EOPNOTSUPP);
	CHECK_EQ(block_flush(0), 0);
	CHECK_EQ(requests, 0);
}

static void statuses(void)
{
	probed();
	struct block_segment segment = { page(), 512 };
	next_status = VIRTIO_BLK_S_IOERR;
	CHECK_EQ(block_read(0, 5, &segment, 1), -EIO);
	CHECK(strstr(kernel.log, "disk 0: request of type 0 at sector 5 failed"));
	size_t told = strlen(kernel.log);
	next_status = VIRTIO_BLK_S_UNSUPP;
	CHECK_EQ(block_flush(0), -EOPNOTSUPP);
	next_status = 77;
	CHECK_EQ(block_write(0, 5, &segment, 1), -EIO);
	CHECK_EQ(strlen(kernel.log), told);
	CHECK_EQ(block_read(0, 5, &segment, 1), 0);
}

static bool later(void)
{
	device.queue[0].hold = false;
	work();
	return true;
}

/* The device works beside the doorbell: the task sleeps, and only then is an interrupt asked for. */
static void device_is_done_later(void)
{
	probed();
	struct block_segment segment = { page(), 512 };
	kernel.outside = later;
	for (int i = 0; i < 100; i++) {
		device.queue[0].hold = true;
		CHECK_EQ(block_read(0, (u64)i, &segment, 1), 0);
		CHECK(memcmp(segment.data, disk + i * 512, 512) == 0);
		CHECK_EQ(device.queue[0].interrupts, i + 1);
	}
	device.queue[0].hold = false;
	CHECK_EQ(block_flush(0), 0);
	CHECK_EQ(device.queue[0].interrupts, 100);
}

static bool interrupts_only(void)
{
	device.queue[0].interrupts++;
	return true;
}

/* A device that holds a request back interrupts when its time has come, and works when that is acknowledged. */
static void device_goes_on_when_acknowledged(void)
{
	probed();
	struct block_segment segment = { page(), 512 };
	device.queue[0].paused = true;
	kernel.outside = interrupts_only;
	CHECK_EQ(block_read(0, 3, &segment, 1), 0);
	CHECK(memcmp(segment.data, disk + 3 * 512, 512) == 0);
	CHECK(device.acknowledged > 0);
	int acknowledged = device.acknowledged;
	CHECK(!devices_poll());
	CHECK_EQ(device.acknowledged, acknowledged);
}

static void used_ring_is_wrong(void)
{
	probed();
	fake_complete(0, 7, 1);
	struct block_segment segment = { page(), 512 };
	CHECK_PANICS(block_read(0, 0, &segment, 1), "which it did not have");
}

static void without_memory(void)
{
	good_disk();
	kernel.fail_allocation = 1;
	CHECK_PANICS(fake_probe(), "no memory for a disk's queue");
}

int main(void)
{
	static const struct test tests[] = {
		{ "probes a disk", probes_a_disk },
		{ "probes what is none", probes_what_is_none },
		{ "no more than there is room for", no_more_than_there_is_room_for },
		{ "reads and writes", reads_and_writes },
		{ "in as many requests as the device wants", in_as_many_requests_as_the_device_wants },
		{ "in a small queue", in_a_small_queue },
		{ "other commands", other_commands },
		{ "commands that are not there", commands_that_are_not_there },
		{ "statuses", statuses },
		{ "device is done later", device_is_done_later },
		{ "device goes on when acknowledged", device_goes_on_when_acknowledged },
		{ "used ring is wrong", used_ring_is_wrong },
		{ "without memory", without_memory },
	};
	return run_tests(tests, ARRAY_SIZE(tests)) ? 1 : 0;
}
