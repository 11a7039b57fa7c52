/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device behind the MMIO transport (virtio 1.2, 4.2), as its driver sees it. */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include <substrate/types.h>

struct virtqueue;

struct virtio_device {
	u8 *window; /* the registers */
	u32 irq;
	u32 status;   /* what the driver wrote last: reading it back would cost an exit */
	u32 selected; /* the queue that QUEUE_SEL names, or NO_QUEUE */
	u64 features; /* negotiated */
};

#define NO_QUEUE (~0U)
#define VIRTIO_FEATURE(bit) (1ULL << (bit))

/* Agrees on `wanted` as far as the device offers it, and on VIRTIO_F_VERSION_1. False, and the device left FAILED, when it refuses. */
bool virtio_negotiate(struct virtio_device *device, u32 wanted);
/* The most entries that queue can have; 0: there is no such queue. */
u32 virtio_queue_max(struct virtio_device *device, u32 index);
/* Tells the device where the queue lies. */
void virtio_queue_enable(struct virtio_device *device, const struct virtqueue *queue);
/* The device is live from here on; no doorbell may be rung before. */
void virtio_driver_ok(struct virtio_device *device);
void virtio_driver_failed(struct virtio_device *device);
void virtio_notify(struct virtio_device *device, u32 index);
/* Used buffers were seen: a device that paused until then goes on. */
void virtio_acknowledge(struct virtio_device *device);

/* Four bytes of the device's configuration space. */
u32 virtio_config_read32(const struct virtio_device *device, u32 offset);
void virtio_config_write32(struct virtio_device *device, u32 offset, u32 value);

/* Drivers: `found` is copied. */
void virtio_console_probe(const struct virtio_device *found);
void virtio_vsock_probe(const struct virtio_device *found);
void virtio_block_probe(const struct virtio_device *found);
void virtio_rng_probe(const struct virtio_device *found);
void virtio_balloon_probe(const struct virtio_device *found);

#ifdef SUBSTRATE_HOST_TEST
u32 mmio_read32(const void *at);
void mmio_write32(void *at, u32 value);
#else
static inline u32 mmio_read32(const void *at) { return *(const volatile u32 *)at; }
static inline void mmio_write32(void *at, u32 value) { *(volatile u32 *)at = value; }
#endif

#endif
