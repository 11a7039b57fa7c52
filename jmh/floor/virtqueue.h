/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a split virtqueue (virtio 1.2, 2.7), without indirect descriptors, which are not offered. */
#ifndef VIRTQUEUE_H
#define VIRTQUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory.h"

#define CHAIN_PARTS 16

struct virtqueue {
	/* As the driver writes them to the registers. */
	uint32_t size;
	uint64_t descriptor_area, driver_area, device_area;

	bool ready, event_idx;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail, next_used, used_notified;
};

/* A request of the driver. */
struct chain {
	uint16_t head;
	int count;
	struct iovec parts[CHAIN_PARTS];
};

/* Takes over what the driver has set up. */
void virtqueue_start(struct virtqueue *queue, const struct memory *memory, uint32_t max_size, bool event_idx);

/* Finds the queue again in the memory of a machine that goes on from the one where it was started. */
void virtqueue_attach(struct virtqueue *queue, const struct memory *memory);

/* Takes the next request, all of whose parts must be for the device to write, or to read. Asks for a doorbell when there is
 * none. */
bool virtqueue_pop(struct virtqueue *queue, const struct memory *memory, bool write, struct chain *chain);

/* Gives a request back, with `written` bytes in it. */
void virtqueue_push(struct virtqueue *queue, const struct chain *chain, uint32_t written);

/* Whether the driver wants an interrupt for what was pushed since this was last asked. */
bool virtqueue_wants_interrupt(struct virtqueue *queue);

#endif
