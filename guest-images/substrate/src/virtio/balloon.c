/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the memory balloon (virtio 1.2, 5.5). What goes into it is free memory that the host has paid for; RAM that nobody has
 * used costs the host nothing and stays out. When memory gets short the balloon gives way.
 *
 * An interrupt says here that there may be something in a ring, not of which device, and reading a register costs an exit. So a
 * change of the wanted size is noticed when the host asks for statistics, which a ring tells.
 */
#include "balloon.h"

#include <linux/virtio_balloon.h>
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/printk.h>

#include "queue.h"
#include "virtio.h"

enum { INFLATE = 0, DEFLATE = 1, STATISTICS = 2, QUEUES }; /* 5.5.2 */

#define ENTRIES 1 /* one buffer at a time each */
#define BATCH (PAGE_SIZE / sizeof(u32))
#define FEATURES (1U << VIRTIO_BALLOON_F_STATS_VQ | 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1U << VIRTIO_RING_F_EVENT_IDX)

static struct {
	struct virtio_device device;
	struct virtqueue queues[QUEUES];
	u32 *numbers[STATISTICS]; /* of the frames that the device is told of, a page for each queue */
	struct virtio_balloon_stat *statistics;
	bool busy[STATISTICS]; /* the device has the numbers */
	bool present, asked;
	u32 target, pages, told;
} balloon;

static u16 count_statistics(void)
{
	struct virtio_balloon_stat *s = balloon.statistics;

	*s++ = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMFREE, frames_free_now() * PAGE_SIZE };
	*s++ = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMTOT, frames_total() * PAGE_SIZE };
	*s++ = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_AVAIL, frames_available() * PAGE_SIZE };
	return (u16)(s - balloon.statistics);
}

static void offer_statistics(void)
{
	u32 bytes = count_statistics() * (u32)sizeof(*balloon.statistics);
	struct virtqueue_segment segment = { balloon.statistics, bytes };
	BUG_ON(!virtqueue_add(&balloon.queues[STATISTICS], &segment, 1, 0, balloon.statistics));
}

static bool take_numbers(u32 index)
{
	if (!balloon.busy[index] || !virtqueue_take(&balloon.queues[index], NULL))
		return false;
	balloon.busy[index] = false;
	return true;
}

/* A device that works inside the doorbell is done when it returns: then no interrupt is asked for. */
static void tell_numbers(u32 index, u32 count)
{
	struct virtqueue *queue = &balloon.queues[index];
	struct virtqueue_segment segment = { balloon.numbers[index], count * (u32)sizeof(u32) };

	BUG_ON(!virtqueue_add(queue, &segment, 1, 0, balloon.numbers[index]));
	balloon.busy[index] = true;
	virtqueue_kick(queue);
	if (!take_numbers(index)) {
		virtqueue_set_interrupts(queue, true);
		take_numbers(index);
	}
	if (!balloon.busy[index])
		virtqueue_set_interrupts(queue, false);
}

static bool inflate(void)
{
	if (balloon.busy[INFLATE] || balloon.pages >= balloon.target)
		return false;
	u32 count = frames_lend(balloon.numbers[INFLATE], MIN((u32)BATCH, balloon.target - balloon.pages));
	if (count > 0)
		tell_numbers(INFLATE, count);
	balloon.pages += count;
	return count > 0;
}

/* Frames of the balloon need nothing to be used again: the host finds memory when they are touched. */
static bool deflate(u32 surplus)
{
	if (balloon.busy[DEFLATE] || surplus == 0)
		return false;
	u32 count = frames_return(balloon.numbers[DEFLATE], MIN((u32)BATCH, surplus));
	if (count > 0)
		tell_numbers(DEFLATE, count);
	balloon.pages -= count;
	return count > 0;
}

static void tell_pages(void)
{
	if (balloon.told == balloon.pages)
		return;
	virtio_config_write32(&balloon.device, offsetof(struct virtio_balloon_config, actual), balloon.pages);
	balloon.told = balloon.pages;
}

static void adjust(void)
{
	while (inflate())
		;
	while (balloon.pages > balloon.target && deflate(balloon.pages - balloon.target))
		;
	if (balloon.busy[INFLATE] || balloon.busy[DEFLATE])
		return; /* goes on when the device is done */
	tell_pages();
	if (balloon.asked) {
		balloon.asked = false;
		offer_statistics();
		virtqueue_kick(&balloon.queues[STATISTICS]);
	}
}

/* A block may be larger than what is missing: as many frames as a batch has, so that one is sure to fit. */
static bool take_back(void)
{
	if (!deflate(MIN((u32)BATCH, balloon.pages)))
		return false;
	tell_pages();
	return true;
}

bool virtio_balloon_poll(void)
{
	if (!balloon.present)
		return false;
	bool some = take_numbers(INFLATE);
	some |= take_numbers(DEFLATE);
	if (virtqueue_take(&balloon.queues[STATISTICS], NULL)) {
		balloon.asked = some = true;
		balloon.target = virtio_config_read32(&balloon.device, offsetof(struct virtio_balloon_config, num_pages));
	}
	if (some)
		adjust();
	return some;
}

/* ---- set-up ---- */

static bool set_up(void)
{
	paddr_t rings = frame_alloc(FRAME_ZERO);

	if (!rings)
		return false;
	u8 *at = phys_to_virt(rings);
	for (u32 i = 0; i < QUEUES; i++) {
		virtqueue_init(&balloon.queues[i], &balloon.device, i, ENTRIES, at);
		virtio_queue_enable(&balloon.device, &balloon.queues[i]);
		at += virtqueue_bytes(ENTRIES);
	}
	balloon.statistics = (struct virtio_balloon_stat *)at; /* a few words: they fit too */
	for (u32 i = 0; i < STATISTICS; i++) {
		paddr_t numbers = frame_alloc(FRAME_ANY);
		if (!numbers)
			return false;
		balloon.numbers[i] = phys_to_virt(numbers);
	}
	return true;
}

void virtio_balloon_probe(const struct virtio_device *found)
{
	if (balloon.present) {
		printk("virtio-balloon: there is one already, the device at %p is left alone\n", (void *)found->window);
		return;
	}
	balloon.device = *found;
	if (!virtio_negotiate(&balloon.device, FEATURES)) {
		printk("virtio-balloon: the device refused the features\n");
		return;
	}
	if (!(balloon.device.features & VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ))) {
		printk("virtio-balloon: the device asks for no statistics\n");
		virtio_driver_failed(&balloon.device);
		return;
	}
	if (!set_up())
		panic("virtio-balloon: no memory for its queues");
	offer_statistics();
	virtqueue_set_interrupts(&balloon.queues[STATISTICS], true);
	virtqueue_publish(&balloon.queues[STATISTICS]);
	virtio_driver_ok(&balloon.device);
	if (balloon.device.features & VIRTIO_FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
		frames_when_short(take_back);
	balloon.present = true;
}
