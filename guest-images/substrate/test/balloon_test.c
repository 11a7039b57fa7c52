/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the memory balloon against a device that works inside the doorbell, or later. */
#define VIRTIO_MMIO_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "../src/virtio/balloon.h"
#include "../src/virtio/virtio.h"
#include "agent_shim.h"

enum { INFLATE, DEFLATE, STATISTICS, REPORTS = 4 };
enum { NUM_PAGES, ACTUAL };
#define FRAMES 100000U
#define OFFERED (1U << VIRTIO_BALLOON_F_STATS_VQ | 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1U << VIRTIO_BALLOON_F_PAGE_POISON | \
	1U << VIRTIO_BALLOON_F_REPORTING | 1U << VIRTIO_RING_F_EVENT_IDX)

#define FIRST_FREE 0x1000U /* all of memory: what a report says of it is not looked at */
#define FREE_FRAMES 4096U

static bool in_balloon[FRAMES + 1000];
static u32 inside, answers;
static u64 said[VIRTIO_BALLOON_S_NR];
static bool holds_statistics;
static u32 statistics_head;

static void take_numbers(u32 queue, bool in)
{
	struct vring_desc *chain[1];
	u32 count, head;

	while ((count = fake_take(queue, chain, 1, &head)) > 0) {
		const u32 *numbers = phys_to_virt(chain[0]->addr);
		CHECK(!(chain[0]->flags & VRING_DESC_F_WRITE) && chain[0]->len % 4 == 0);
		for (u32 i = 0; i < chain[0]->len / 4; i++) {
			CHECK(numbers[i] >= 1000 && numbers[i] < FRAMES + 1000);
			CHECK(in_balloon[numbers[i]] != in);
			in_balloon[numbers[i]] = in;
			inside += in ? 1 : -1U;
		}
		fake_complete(queue, head, 0);
	}
}

static void take_statistics(void)
{
	struct vring_desc *chain[1];

	if (holds_statistics || fake_take(STATISTICS, chain, 1, &statistics_head) == 0)
		return;
	const struct virtio_balloon_stat *s = phys_to_virt(chain[0]->addr);
	for (u32 i = 0; i < chain[0]->len / sizeof(*s); i++)
		said[s[i].tag] = s[i].val;
	holds_statistics = true;
	answers++;
}

static u8 told_free[FREE_FRAMES];
static u32 reports;

static void take_reports(void)
{
	struct vring_desc *chain[32];
	u32 count, head;

	while ((count = fake_take(REPORTS, chain, 32, &head)) > 0) {
		for (u32 i = 0; i < count; i++) {
			CHECK(chain[i]->flags & VRING_DESC_F_WRITE && chain[i]->addr % 4096 == 0 && chain[i]->len % 4096 == 0);
			CHECK(i == 0 || chain[i - 1]->addr + chain[i - 1]->len < chain[i]->addr);
			for (u32 k = 0; k < chain[i]->len / 4096; k++) {
				u64 frame = (chain[i]->addr >> 12) + k - FIRST_FREE;
				CHECK(frame < FREE_FRAMES && !told_free[frame]);
				told_free[frame] = 1;
			}
		}
		reports++;
		fake_complete(REPORTS, head, 0);
	}
}

static void work(void)
{
	take_reports();
	take_numbers(INFLATE, true);
	take_numbers(DEFLATE, false);
	take_statistics();
}

static void good_device(void)
{
	fake_reset();
	device.id = 5;
	device.features = OFFERED;
	for (int i = 0; i < 6; i++)
		device.queue_max[i] = i < 3 ? 16 : i < 5 ? 32 : 0;
	device.work = work;
}

static void probed(void)
{
	good_device();
	kernel.spare = 5000;
	fake_probe();
	fake_work();
	CHECK_EQ(answers, 1);
}

static void ask(u32 pages)
{
	device.config[NUM_PAGES] = pages;
	CHECK(holds_statistics);
	holds_statistics = false;
	fake_complete(STATISTICS, statistics_head, 0);
}

static void probes_a_balloon(void)
{
	probed();
	CHECK_EQ(device.driver_features[0],
	         1U << VIRTIO_BALLOON_F_STATS_VQ | 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1U << VIRTIO_BALLOON_F_REPORTING |
	             1U << VIRTIO_RING_F_EVENT_IDX);
	CHECK(device.queue[REPORTS].ready && device.queue[REPORTS].size == 32);
	CHECK(said[VIRTIO_BALLOON_S_MEMFREE] == 5000 << 12 && said[VIRTIO_BALLOON_S_AVAIL] == 5000 << 12);
	CHECK_EQ(said[VIRTIO_BALLOON_S_MEMTOT], 4096 << 12);
	CHECK(!devices_poll());
	CHECK_STR(kernel.log, "");
}

static void inflates_and_deflates_as_it_is_asked_to(void)
{
	static const u32 sizes[] = { 1, 1024, 1025, 3000, 2999, 0, 5000, 100, 0 };

	probed();
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		ask(sizes[i]);
		CHECK(devices_poll());
		CHECK(inside == sizes[i] && device.config[ACTUAL] == sizes[i] && answers == i + 2);
		CHECK_EQ(said[VIRTIO_BALLOON_S_MEMFREE], (5000UL - sizes[i]) << 12);
		CHECK_EQ(said[VIRTIO_BALLOON_S_AVAIL], 5000UL << 12);
		CHECK(!devices_poll());
	}
	/* A device that is done at once is not to interrupt, but with what nobody waits for. */
	CHECK(device.queue[INFLATE].interrupts == 0 && device.queue[DEFLATE].interrupts == 0);
	CHECK_EQ(device.queue[STATISTICS].interrupts, ARRAY_SIZE(sizes));
}

static void gives_what_it_has(void)
{
	probed();
	ask(~0U);
	devices_poll();
	CHECK(inside == 5000 && device.config[ACTUAL] == 5000 && answers == 2);
	kernel.spare += 10;
	CHECK(!devices_poll()); /* until it is asked again */
	ask(~0U);
	devices_poll();
	CHECK(inside == 5010 && device.config[ACTUAL] == 5010);
}

static void answers_when_a_slow_device_has_it_all(void)
{
	probed();
	device.queue[INFLATE].hold = true;
	ask(3000);
	CHECK(devices_poll());
	for (u32 batch = 1024; inside < 3000; batch = MIN(batch + 1024, 3000U)) {
		CHECK(answers == 1 && device.config[ACTUAL] == 0);
		device.queue[INFLATE].hold = false;
		int before = device.queue[INFLATE].interrupts;
		fake_work();
		device.queue[INFLATE].hold = true;
		CHECK_EQ(device.queue[INFLATE].interrupts, before + 1);
		CHECK_EQ(inside, batch);
		CHECK(devices_poll());
	}
	CHECK(answers == 2 && device.config[ACTUAL] == 3000);
}

static void gives_way_when_memory_is_short(void)
{
	probed();
	ask(5000);
	devices_poll();
	kernel.spare = 0;
	CHECK(kernel.take_back());
	CHECK(inside == 5000 - 1024 && kernel.spare == 1024 && device.config[ACTUAL] == inside);
	/* The device still has the numbers of the last: there are no others to be told of now. */
	device.queue[DEFLATE].hold = true;
	CHECK(kernel.take_back());
	CHECK(!kernel.take_back());
	device.queue[DEFLATE].hold = false;
	fake_work();
	devices_poll();
	while (inside > 0)
		CHECK(kernel.take_back());
	CHECK(!kernel.take_back());
	CHECK_EQ(kernel.spare, 5000);
}

static void without_that_feature_it_does_not(void)
{
	good_device();
	device.features &= ~(1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_DRIVER_OK && !kernel.take_back);
}

static void probes_what_is_none(void)
{
	good_device();
	device.refuse_features = true;
	fake_probe();
	CHECK(strstr(kernel.log, "refused the features"));
	good_device();
	device.features = 0;
	fake_probe();
	CHECK(strstr(kernel.log, "asks for no statistics"));
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	CHECK(!devices_poll());
	good_device();
	fake_probe();
	fake_probe();
	CHECK(strstr(kernel.log, "left alone"));
}

/* Free blocks of one frame: every `step`th, so that all come once. */
static void set_free(u32 count, u32 step)
{
	for (u32 i = 0; i < count; i++)
		kernel.free_blocks[i] = FIRST_FREE + i * step % FREE_FRAMES;
	kernel.free_count = count;
}

static void all_is_reported(void)
{
	CHECK(kernel.free_count == 0 && kernel.reported == FREE_FRAMES);
	for (u32 i = 0; i < FREE_FRAMES; i++)
		CHECK(told_free[i]);
	CHECK_EQ(device.queue[REPORTS].interrupts, 0);
	CHECK(!devices_poll());
	CHECK_EQ(timers_run_out(), 0);
}

static void reports_what_has_been_free_for_a_while(void)
{
	probed();
	set_free(FREE_FRAMES, FREE_FRAMES - 1); /* descending, as they came from a program that ends */
	CHECK(!devices_poll());
	CHECK_EQ(reports, 0);
	CHECK_EQ(timers_run_out(), 1);
	/* Each full of blocks, which are one segment. */
	CHECK_EQ(reports, 4);
	CHECK_EQ(device.queue[REPORTS].notifies, 4);
	all_is_reported();
}

static void reports_scattered_frames_a_few_at_a_time(void)
{
	probed();
	set_free(FREE_FRAMES, 1777);
	devices_poll();
	while (kernel.free_count > 0) {
		u32 before = reports;
		CHECK_EQ(timers_run_out(), 1);
		CHECK(reports > before && reports <= before + 16);
	}
	all_is_reported();
}

static void reports_large_blocks(void)
{
	probed();
	kernel.large_block = 8;
	for (u32 i = 0; i < FREE_FRAMES / 8; i++)
		kernel.free_blocks[kernel.free_count++] = FIRST_FREE + i * 8 * 77 % FREE_FRAMES;
	devices_poll();
	CHECK_EQ(timers_run_out(), 1);
	CHECK_EQ(reports, 1);
	all_is_reported();
}

static void does_not_report_a_little(void)
{
	probed();
	set_free(FREE_FRAMES - 1, 1);
	CHECK(!devices_poll());
	CHECK_EQ(timers_run_out(), 0);
	CHECK_EQ(reports, 0);
}

static void what_is_taken_again_meanwhile_is_not_reported(void)
{
	probed();
	set_free(FREE_FRAMES, 1);
	devices_poll();
	kernel.free_count = 0;
	CHECK_EQ(timers_run_out(), 1);
	CHECK_EQ(reports, 0);
	CHECK_EQ(timers_run_out(), 0);
}

static void goes_on_when_a_slow_device_has_taken_a_report(void)
{
	probed();
	set_free(FREE_FRAMES, 1);
	devices_poll();
	device.queue[REPORTS].hold = true;
	CHECK_EQ(timers_run_out(), 1);
	CHECK(kernel.free_count == FREE_FRAMES - 1024 && kernel.reported == 0);
	CHECK(!devices_poll());
	CHECK_EQ(timers_run_out(), 0);
	device.queue[REPORTS].hold = false;
	fake_work();
	CHECK_EQ(device.queue[REPORTS].interrupts, 1);
	devices_poll();
	CHECK_EQ(kernel.reported, 1024);
	device.queue[REPORTS].interrupts = 0;
	CHECK_EQ(timers_run_out(), 1);
	all_is_reported();
}

static void reports_to_nobody(void)
{
	good_device();
	device.features &= ~(1U << VIRTIO_BALLOON_F_REPORTING);
	fake_probe();
	set_free(FREE_FRAMES, 1);
	devices_poll();
	CHECK(!device.queue[REPORTS].ready);
	CHECK_EQ(timers_run_out(), 0);
}

static void reports_to_a_queue_that_is_not_there(void)
{
	good_device();
	device.queue_max[REPORTS] = 0;
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_DRIVER_OK);
	set_free(FREE_FRAMES, 1);
	devices_poll();
	CHECK_EQ(timers_run_out(), 0);
}

static void reports_again_when_there_is_memory_to_do_so(void)
{
	probed();
	set_free(FREE_FRAMES, 1);
	devices_poll();
	kernel.fail_allocation = 0;
	CHECK_EQ(timers_run_out(), 1);
	CHECK_EQ(reports, 0);
	kernel.fail_allocation = -1;
	devices_poll();
	CHECK_EQ(timers_run_out(), 1);
	all_is_reported();
}

int main(void)
{
	static const struct test tests[] = {
		{ "probes a balloon", probes_a_balloon },
		{ "inflates and deflates as it is asked to", inflates_and_deflates_as_it_is_asked_to },
		{ "gives what it has", gives_what_it_has },
		{ "answers when a slow device has it all", answers_when_a_slow_device_has_it_all },
		{ "gives way when memory is short", gives_way_when_memory_is_short },
		{ "without that feature it does not", without_that_feature_it_does_not },
		{ "probes what is none", probes_what_is_none },
		{ "reports what has been free for a while", reports_what_has_been_free_for_a_while },
		{ "reports scattered frames a few at a time", reports_scattered_frames_a_few_at_a_time },
		{ "reports large blocks", reports_large_blocks },
		{ "does not report a little", does_not_report_a_little },
		{ "what is taken again meanwhile is not reported", what_is_taken_again_meanwhile_is_not_reported },
		{ "goes on when a slow device has taken a report", goes_on_when_a_slow_device_has_taken_a_report },
		{ "reports to nobody", reports_to_nobody },
		{ "reports to a queue that is not there", reports_to_a_queue_that_is_not_there },
		{ "reports again when there is memory to do so", reports_again_when_there_is_memory_to_do_so },
	};
	return run_tests(tests, ARRAY_SIZE(tests)) != 0;
}
