/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the memory balloon (virtio 1.2, 5.5). What goes into it is free memory that the host has paid for; RAM that nobody has
 * used costs the host nothing and stays out. When memory gets short the balloon gives way.
 *
 * Free memory is reported to the host without being asked for (5.5.6.7), but not at once: the next program may want it, and pays for
 * every page that the host has taken. Only when there has been a good deal of it for a while, a timer has it reported, a little
 * at a time.
 *
 * An interrupt says here that there may be something in a ring, not of which device, and reading a register costs an exit. So a
 * change of the wanted size is noticed when the host asks for statistics, which a ring tells.
 */
#include "balloon.h"

#include <linux/virtio_balloon.h>
#include <substrate/frame.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/time.h>
#include <substrate/timer.h>

#include "queue.h"
#include "virtio.h"

enum { INFLATE = 0, DEFLATE = 1, STATISTICS = 2, QUEUES, REPORTS = 4 }; /* 5.5.2 */

#define ENTRIES 1 /* one buffer at a time each */
#define BATCH (PAGE_SIZE / sizeof(u32))
#define FEATURES (1U << VIRTIO_BALLOON_F_STATS_VQ | 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1U << VIRTIO_BALLOON_F_REPORTING | \
	1U << VIRTIO_RING_F_EVENT_IDX)

#define REPORT_ENTRIES 32
#define REPORT_FRAMES (32UL << 20 >> PAGE_SHIFT) /* in one report, and so out of reach while a device takes its time */
#define REPORT_LEAST (16UL << 20 >> PAGE_SHIFT)
#define REPORT_DELAY (2 * NSEC_PER_SEC) /* Linux: PAGE_REPORTING_DELAY */
/* A timer keeps programs from running: it makes few reports, and comes again soon. */
#define REPORTS_AT_ONCE 16
#define REPORT_PAUSE (NSEC_PER_SEC / 100)

static struct {
	struct virtio_device device;
	struct virtqueue queues[QUEUES];
	u32 *numbers[STATISTICS]; /* of the frames that the device is told of, a page for each queue */
	struct virtio_balloon_stat *statistics;
	bool busy[STATISTICS]; /* the device has the numbers */
	bool present, asked;
	u32 target, pages, told;
	struct virtqueue reports;
	bool reports_wanted;
	struct timer report_timer;
	u32 *reported; /* the blocks of a report, a page; the first so many are with the device */
	u32 reporting;
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

/* ---- reports ---- */

/* In place and without recursion (Shell, with Ciura's gaps): frames that were freed one by one are neighbours more often than not. */
static void sort(u32 *numbers, u32 count)
{
	static const u16 gaps[] = { 701, 301, 132, 57, 23, 10, 4, 1 };

	for (u32 g = 0; g < ARRAY_SIZE(gaps); g++) {
		u32 gap = gaps[g];
		for (u32 i = gap; i < count; i++) {
			u32 number = numbers[i], at = i;
			for (; at >= gap && numbers[at - gap] > number; at -= gap)
				numbers[at] = numbers[at - gap];
			numbers[at] = number;
		}
	}
}

/* Neighbours are one segment. How many of the sorted blocks there was room for. */
static u32 gather(const u32 *blocks, u32 count, struct virtqueue_segment *segments, u16 *used)
{
	u32 done = 0;

	for (*used = 0; done < count; done++) {
		u8 *at = phys_to_virt((paddr_t)blocks[done] << PAGE_SHIFT);
		u32 length = frames_in_block(blocks[done]) * (u32)PAGE_SIZE;
		struct virtqueue_segment *last = &segments[*used - 1];
		if (*used > 0 && (u8 *)last->data + last->length == at)
			last->length += length;
		else if (*used < REPORT_ENTRIES)
			segments[(*used)++] = (struct virtqueue_segment){ at, length };
		else
			break;
	}
	return done;
}

static bool take_report(void)
{
	if (!balloon.reporting || !virtqueue_take(&balloon.reports, NULL))
		return false;
	virtqueue_set_interrupts(&balloon.reports, false);
	frames_give_back(balloon.reported, balloon.reporting, true);
	balloon.reporting = 0;
	return true;
}

/* True when the device has done with it at once, and there may be more. */
static bool report(void)
{
	struct virtqueue_segment segments[REPORT_ENTRIES];
	u16 used;

	u32 count = frames_take_free(balloon.reported, BATCH, REPORT_FRAMES);
	if (count == 0)
		return false;
	sort(balloon.reported, count);
	balloon.reporting = gather(balloon.reported, count, segments, &used);
	frames_give_back(balloon.reported + balloon.reporting, count - balloon.reporting, false);
	BUG_ON(!virtqueue_add(&balloon.reports, segments, 0, used, balloon.reported));
	virtqueue_kick(&balloon.reports);
	if (!take_report()) {
		virtqueue_set_interrupts(&balloon.reports, true);
		take_report();
	}
	return !balloon.reporting;
}

static bool has_place_for_reports(void)
{
	if (!balloon.reported) {
		paddr_t page = frame_alloc(FRAME_ANY);
		balloon.reported = page ? phys_to_virt(page) : NULL;
	}
	return balloon.reported;
}

static void report_some(struct timer *timer)
{
	u32 made = 0;

	if (balloon.reporting || !has_place_for_reports())
		return;
	while (made < REPORTS_AT_ONCE && report())
		made++;
	if (!balloon.reporting && frames_reportable() > 0)
		timer_arm(timer, deadline_after(REPORT_PAUSE));
}

static void plan_reports(void)
{
	if (take_report())
		timer_arm(&balloon.report_timer, deadline_after(REPORT_PAUSE));
	else if (balloon.reports_wanted && !balloon.reporting && frames_reportable() >= REPORT_LEAST &&
	         !timer_armed(&balloon.report_timer))
		timer_arm(&balloon.report_timer, deadline_after(REPORT_DELAY));
}

bool virtio_balloon_poll(void)
{
	if (!balloon.present)
		return false;
	plan_reports();
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

static void set_up_reports(u8 *ring)
{
	timer_init(&balloon.report_timer, report_some);
	/* A device that numbers its queues without gaps has it elsewhere, and is sent none. */
	if (!(balloon.device.features & VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING)) ||
	    virtio_queue_max(&balloon.device, REPORTS) < REPORT_ENTRIES)
		return;
	virtqueue_init(&balloon.reports, &balloon.device, REPORTS, REPORT_ENTRIES, ring);
	virtio_queue_enable(&balloon.device, &balloon.reports);
	balloon.reports_wanted = true;
}

static bool set_up(void)
{
	/* All of it is far less. */
	BUG_ON(QUEUES * virtqueue_bytes(ENTRIES) + virtqueue_bytes(REPORT_ENTRIES) +
	       VIRTIO_BALLOON_S_NR * sizeof(struct virtio_balloon_stat) > PAGE_SIZE);
	paddr_t rings = frame_alloc(FRAME_ZERO);

	if (!rings)
		return false;
	u8 *at = phys_to_virt(rings);
	for (u32 i = 0; i < QUEUES; i++) {
		virtqueue_init(&balloon.queues[i], &balloon.device, i, ENTRIES, at);
		virtio_queue_enable(&balloon.device, &balloon.queues[i]);
		at += virtqueue_bytes(ENTRIES);
	}
	set_up_reports(at);
	at += virtqueue_bytes(REPORT_ENTRIES);
	balloon.statistics = (struct virtio_balloon_stat *)at;
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
