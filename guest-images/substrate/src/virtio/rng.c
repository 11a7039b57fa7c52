/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the entropy device (virtio 1.2, 5.4). The kernel's own generator is seeded by the host with each launch; this device
 * is for programs that want the host's randomness itself. Most never do: it is set up when somebody first reads.
 */
#include "rng.h"

#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/scheduler.h>
#include <substrate/string.h>
#include <substrate/task.h>

#include "queue.h"
#include "virtio.h"

#define REQUESTS 0U
#define ENTRIES 1 /* one reader at a time */
#define FEATURES (1U << VIRTIO_RING_F_EVENT_IDX)

static struct {
	struct virtio_device device;
	struct virtqueue queue;
	enum { ABSENT, FOUND, READY, FAILED } state;
	u8 *bytes; /* that the device writes: a page */
	u32 written;
	bool busy, done;
	struct task *waiter;
	struct wait_queue turn;
} rng;

bool virtio_rng_present(void)
{
	return rng.state != ABSENT;
}

static bool set_up(void)
{
	paddr_t ring = frame_alloc(FRAME_ZERO), bytes = ring ? frame_alloc(FRAME_ANY) : 0;

	if (!bytes) {
		if (ring)
			frame_put(ring);
		return false;
	}
	rng.bytes = phys_to_virt(bytes);
	rng.state = FAILED;
	if (!virtio_negotiate(&rng.device, FEATURES)) {
		printk("virtio-rng: the device refused the features\n");
		return true;
	}
	virtqueue_init(&rng.queue, &rng.device, REQUESTS, ENTRIES, phys_to_virt(ring));
	virtio_queue_enable(&rng.device, &rng.queue);
	virtio_driver_ok(&rng.device);
	rng.state = READY;
	return true;
}

static bool take_done(void)
{
	if (!rng.busy || rng.done || !virtqueue_take(&rng.queue, &rng.written))
		return false;
	rng.done = true;
	if (rng.waiter)
		task_wake(rng.waiter);
	return true;
}

bool virtio_rng_poll(void)
{
	return take_done();
}

/* The device has the memory until it is done: no signal cuts that short. */
static void wait_until_done(void)
{
	if (take_done())
		return;
	virtqueue_set_interrupts(&rng.queue, true);
	take_done(); /* what was done before it was to be told */
	rng.waiter = current;
	while (!rng.done)
		wait_uninterrupted();
	rng.waiter = NULL;
	virtqueue_set_interrupts(&rng.queue, false);
}

static ssize_t request(struct iobuf *io)
{
	struct virtqueue_segment segment = { rng.bytes, (u32)MIN(io->left, PAGE_SIZE) };

	rng.busy = true;
	rng.done = false;
	BUG_ON(!virtqueue_add(&rng.queue, &segment, 0, 1, rng.bytes));
	virtqueue_kick(&rng.queue);
	wait_until_done();
	size_t moved = iobuf_copy_out(io, rng.bytes, rng.written);
	/* Nobody is to find them here later. */
	memset(rng.bytes, 0, rng.written);
	rng.busy = false;
	wake_up(&rng.turn);
	if (!rng.written)
		return -EIO; /* 5.4.6.2 demands one byte at least */
	return moved ? (ssize_t)moved : -EFAULT;
}

ssize_t virtio_rng_read(struct iobuf *io)
{
	while (rng.busy) {
		long error = wait_once(&rng.turn, NO_DEADLINE);
		if (error)
			return error;
	}
	if (rng.state == FOUND && !set_up())
		return -ENOMEM;
	return rng.state == READY ? request(io) : -ENODEV;
}

void virtio_rng_probe(const struct virtio_device *found)
{
	if (rng.state != ABSENT) {
		printk("virtio-rng: there is one already, the device at %p is left alone\n", (void *)found->window);
		return;
	}
	rng.device = *found;
	rng.state = FOUND;
	wait_queue_init(&rng.turn);
}
