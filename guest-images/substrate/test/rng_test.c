/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the entropy device against a device that works inside the doorbell, later, or not as it must. */
#define VIRTIO_MMIO_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "../src/virtio/rng.h"
#include "../src/virtio/virtio.h"
#include "agent_shim.h"

static u32 requests, most_bytes, wrong_length;
static u8 next_byte;

static void work(void)
{
	struct vring_desc *chain[1];
	u32 count, head;

	while ((count = fake_take(0, chain, 1, &head)) > 0) {
		u32 bytes = MIN(chain[0]->len, most_bytes);
		CHECK(chain[0]->flags & VRING_DESC_F_WRITE);
		memset(phys_to_virt(chain[0]->addr), ++next_byte, bytes);
		requests++;
		fake_complete(0, head, wrong_length ? wrong_length : bytes);
	}
}

static void good_device(void)
{
	fake_reset();
	device.id = 4;
	device.features = 1U << VIRTIO_RING_F_EVENT_IDX;
	device.queue_max[0] = 64;
	for (int i = 1; i < 6; i++)
		device.queue_max[i] = 0;
	device.work = work;
	most_bytes = 1 << 20;
}

static ssize_t read_bytes(u8 *to, size_t n)
{
	struct iovec vec;
	struct iobuf io;
	test_iobuf(&io, &vec, to, n);
	return virtio_rng_read(&io);
}

static void nothing_is_set_up_before_somebody_reads(void)
{
	good_device();
	CHECK(!virtio_rng_present());
	fake_probe();
	CHECK(virtio_rng_present());
	CHECK(device.status == 0 && device.writes == 0 && kernel.allocated == 0);
	CHECK(!devices_poll());
}

static void reads_what_the_device_gives(void)
{
	u8 bytes[8192] = { 0 };

	good_device();
	fake_probe();
	CHECK_EQ(read_bytes(bytes, 100), 100);
	CHECK(bytes[0] == 1 && bytes[99] == 1 && bytes[100] == 0);
	CHECK_EQ(read_bytes(bytes, sizeof(bytes)), 4096); /* a page at a time */
	CHECK(bytes[0] == 2 && bytes[4095] == 2 && bytes[4096] == 0);
	most_bytes = 5;
	CHECK_EQ(read_bytes(bytes, 100), 5);
	CHECK(bytes[4] == 3 && bytes[5] == 2);
	CHECK(requests == 3 && device.queue[0].notifies == 3 && device.queue[0].interrupts == 0);
	CHECK_EQ(device.status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
	                            VIRTIO_CONFIG_S_DRIVER_OK);
}

static bool release(void)
{
	device.queue[0].hold = false;
	fake_work();
	return true;
}

static void a_device_that_takes_its_time_is_waited_for(void)
{
	u8 bytes[10];

	good_device();
	fake_probe();
	kernel.outside = release;
	for (u8 i = 1; i <= 3; i++) {
		device.queue[0].hold = true;
		CHECK_EQ(read_bytes(bytes, sizeof(bytes)), 10);
		CHECK_EQ(bytes[9], i);
		CHECK_EQ(device.queue[0].interrupts, i);
	}
}

static void a_device_that_gives_nothing_is_an_error(void)
{
	u8 bytes[10];

	good_device();
	fake_probe();
	most_bytes = 0;
	CHECK_EQ(read_bytes(bytes, sizeof(bytes)), -EIO);
	most_bytes = 1;
	CHECK_EQ(read_bytes(bytes, sizeof(bytes)), 1);
}

static void a_device_that_claims_more_than_it_was_given_is_not_believed(void)
{
	u8 bytes[10];

	good_device();
	fake_probe();
	wrong_length = 11;
	CHECK_PANICS(read_bytes(bytes, sizeof(bytes)), "says it wrote 11 bytes into 10");
}

static void a_device_that_refuses_is_none(void)
{
	u8 byte;

	good_device();
	device.refuse_features = true;
	fake_probe();
	CHECK_EQ(read_bytes(&byte, 1), -ENODEV);
	CHECK_EQ(read_bytes(&byte, 1), -ENODEV);
	CHECK(strstr(kernel.log, "refused the features"));
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
}

static void memory_that_is_short_is_asked_for_again(void)
{
	u8 byte;

	for (long fail = 1; fail <= 2; fail++) {
		good_device();
		if (fail == 1)
			fake_probe();
		kernel.fail_allocation = fail;
		CHECK_EQ(read_bytes(&byte, 1), -ENOMEM);
		CHECK_EQ(kernel.allocated, 0);
	}
	kernel.fail_allocation = -1;
	CHECK_EQ(read_bytes(&byte, 1), 1);
}

static void a_second_one_is_left_alone(void)
{
	good_device();
	fake_probe();
	fake_probe();
	CHECK(strstr(kernel.log, "left alone"));
}

int main(void)
{
	static const struct test tests[] = {
		{ "nothing is set up before somebody reads", nothing_is_set_up_before_somebody_reads },
		{ "reads what the device gives", reads_what_the_device_gives },
		{ "a device that takes its time is waited for", a_device_that_takes_its_time_is_waited_for },
		{ "a device that gives nothing is an error", a_device_that_gives_nothing_is_an_error },
		{ "a device that claims more than it was given is not believed", a_device_that_claims_more_than_it_was_given_is_not_believed },
		{ "a device that refuses is none", a_device_that_refuses_is_none },
		{ "memory that is short is asked for again", memory_that_is_short_is_asked_for_again },
		{ "a second one is left alone", a_second_one_is_left_alone },
	};
	return run_tests(tests, ARRAY_SIZE(tests)) != 0;
}
