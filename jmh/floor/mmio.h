/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device behind memory-mapped registers (virtio 1.2, 4.2). */
#ifndef MMIO_H
#define MMIO_H

#include "virtqueue.h"

#define MAX_QUEUES 6

struct virtio_mmio;

/* What a device is, and does. */
struct virtio_device {
	uint32_t id;
	uint64_t features; /* of the device itself */
	uint32_t queue_count;
	uint32_t queue_max[MAX_QUEUES];
	uint64_t (*read_config)(uint64_t offset);
	/* The driver has rung the doorbell of a queue, or made the device live, which may stand for it. */
	void (*notified)(struct virtio_mmio *mmio, uint32_t queue);
};

struct virtio_mmio {
	const struct virtio_device *device;
	const struct memory *memory;
	uint64_t driver_features;
	uint32_t device_features_sel, driver_features_sel, queue_sel, status, interrupt_status;
	bool interrupt; /* due to the guest; whoever raises it there takes it back */
	struct virtqueue queues[MAX_QUEUES];
};

void virtio_mmio_init(struct virtio_mmio *mmio, const struct virtio_device *device, const struct memory *memory);

/* Goes on where another was, whose driver's memory is now this one's. */
void virtio_mmio_restore(struct virtio_mmio *mmio, const struct virtio_mmio *saved);

uint64_t virtio_mmio_read(struct virtio_mmio *mmio, uint64_t offset);
void virtio_mmio_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value);

/* A queue that the driver has set up, once the device is live; NULL otherwise. */
struct virtqueue *virtio_mmio_queue(struct virtio_mmio *mmio, uint32_t index);

/* Interrupts the driver if it wants to know of what was pushed. */
void virtio_mmio_used(struct virtio_mmio *mmio, struct virtqueue *queue);

#endif
