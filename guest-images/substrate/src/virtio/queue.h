/* SPDX-License-Identifier: Apache-2.0 */
/* A split virtqueue (virtio 1.2, 2.7). */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>
#include <substrate/types.h>

#include "virtio.h"

/* What the driver knows of a descriptor; kept apart from the ring, whose contents the device can see. */
struct virtqueue_descriptor {
	void *token;   /* of a chain's head while the device has it; NULL when it has not */
	u32 writable;  /* of a head: bytes that the device may write */
	u16 next;      /* in the chain or in the free list */
	u16 remaining; /* descriptors of the chain from here on; 1 is the last */
};

struct virtqueue {
	struct virtio_device *device;
	u32 index;
	u16 size; /* a power of two */
	u16 free_head, free_count;
	u16 added;     /* available index with all that was added */
	u16 published; /* available index that the device can see */
	u16 offered;   /* available index when a doorbell was last considered */
	u16 seen;      /* used index up to which chains were taken back */
	bool interrupts; /* the device shall interrupt when it used something */
	bool broken;   /* the device broke the rules: nothing more is taken from it */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct virtqueue_descriptor *state;
};

/* Memory of the direct map that the device reads (out) or writes (in). */
struct virtqueue_segment {
	void *data;
	u32 length;
};

/* Bytes that a queue of `size` entries needs; 128 entries fit a page. */
size_t virtqueue_bytes(u16 size);
/* `memory`: zeroed, 16-byte aligned, physically contiguous, from the direct map. Interrupts are off. */
void virtqueue_init(struct virtqueue *queue, struct virtio_device *device, u32 index, u16 size, void *memory);
/*
 * Adds a chain of `out` segments to read followed by `in` segments to write, which the device sees with the next
 * publish or kick. `token` (not NULL) comes back from virtqueue_take. False when there are not enough free descriptors.
 */
bool virtqueue_add(struct virtqueue *queue, const struct virtqueue_segment *segments, u16 out, u16 in, void *token);
/* Lets the device see what was added, without a doorbell: for before it is live. */
void virtqueue_publish(struct virtqueue *queue);
/* Publishes and rings the doorbell unless there is nothing new or the device does not want it. */
void virtqueue_kick(struct virtqueue *queue);
/* The token of a chain that the device is done with and the bytes it wrote, or NULL. */
void *virtqueue_take(struct virtqueue *queue, u32 *written);
/*
 * For after taking some. Interrupts are not acknowledged as they come: the rings say all there is to know, and the
 * register costs an exit. Only a device that took some and left some may have paused until its interrupt is acknowledged.
 */
void virtqueue_acknowledge(struct virtqueue *queue);
/* Asks for interrupts or for none. What was used before is not told: look at the queue afterwards. */
void virtqueue_set_interrupts(struct virtqueue *queue, bool on);

#endif
