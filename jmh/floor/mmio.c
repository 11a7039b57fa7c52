/* SPDX-License-Identifier: Apache-2.0 */
#define VIRTIO_MMIO_NO_LEGACY
#include "mmio.h"

#include <err.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stddef.h>

#define MAGIC 0x74726976  /* "virt" */
#define VENDOR 0x41564956 /* "VIVA" */

#define TRANSPORT_FEATURES (1UL << VIRTIO_F_VERSION_1 | 1UL << VIRTIO_RING_F_EVENT_IDX)

void virtio_mmio_init(struct virtio_mmio *mmio, const struct virtio_device *device, const struct memory *memory)
{
	*mmio = (struct virtio_mmio){ .device = device, .memory = memory };
}

void virtio_mmio_restore(struct virtio_mmio *mmio, const struct virtio_mmio *saved)
{
	const struct memory *memory = mmio->memory;

	*mmio = *saved;
	mmio->memory = memory;
	for (uint32_t i = 0; i < mmio->device->queue_count; i++)
		if (mmio->queues[i].ready)
			virtqueue_attach(&mmio->queues[i], memory);
}

static uint64_t features(const struct virtio_mmio *mmio)
{
	return mmio->device->features | TRANSPORT_FEATURES;
}

static struct virtqueue *selected(struct virtio_mmio *mmio)
{
	if (mmio->queue_sel >= mmio->device->queue_count)
		errx(1, "the guest sets up queue %u, which is not there", mmio->queue_sel);
	return &mmio->queues[mmio->queue_sel];
}

uint64_t virtio_mmio_read(struct virtio_mmio *mmio, uint64_t offset)
{
	if (offset >= VIRTIO_MMIO_CONFIG)
		return mmio->device->read_config(offset - VIRTIO_MMIO_CONFIG);
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->device->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return mmio->device_features_sel > 1 ? 0 : (uint32_t)(features(mmio) >> 32 * mmio->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return mmio->queue_sel < mmio->device->queue_count ? mmio->device->queue_max[mmio->queue_sel] : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return mmio->queue_sel < mmio->device->queue_count && mmio->queues[mmio->queue_sel].ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return mmio->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return mmio->status;
	default:
		return 0;
	}
}

static void set_half(uint64_t *number, unsigned half, uint32_t value)
{
	*number = (*number & ~(0xffffffffUL << 32 * half)) | (uint64_t)value << 32 * half;
}

static void start_queue(struct virtio_mmio *mmio)
{
	virtqueue_start(selected(mmio), mmio->memory, mmio->device->queue_max[mmio->queue_sel],
			mmio->driver_features & 1UL << VIRTIO_RING_F_EVENT_IDX);
}

static void set_status(struct virtio_mmio *mmio, uint32_t status)
{
	uint32_t added = status & ~mmio->status;

	if (status == 0) {
		virtio_mmio_init(mmio, mmio->device, mmio->memory);
		return;
	}
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((mmio->driver_features & ~features(mmio)) || !(mmio->driver_features & 1UL << VIRTIO_F_VERSION_1)))
		status &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	mmio->status = status;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		for (uint32_t i = 0; i < mmio->device->queue_count; i++)
			mmio->device->notified(mmio, i);
}

void virtio_mmio_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (mmio->driver_features_sel <= 1)
			set_half(&mmio->driver_features, mmio->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
		selected(mmio)->size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&selected(mmio)->descriptor_area, (offset - VIRTIO_MMIO_QUEUE_DESC_LOW) / 4, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&selected(mmio)->driver_area, (offset - VIRTIO_MMIO_QUEUE_AVAIL_LOW) / 4, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&selected(mmio)->device_area, (offset - VIRTIO_MMIO_QUEUE_USED_LOW) / 4, value);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (value)
			start_queue(mmio);
		else
			*selected(mmio) = (struct virtqueue){ 0 };
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		mmio->device->notified(mmio, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		mmio->interrupt_status &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(mmio, value);
		break;
	}
}

struct virtqueue *virtio_mmio_queue(struct virtio_mmio *mmio, uint32_t index)
{
	bool live = mmio->status & VIRTIO_CONFIG_S_DRIVER_OK && index < mmio->device->queue_count;
	return live && mmio->queues[index].ready ? &mmio->queues[index] : NULL;
}

void virtio_mmio_used(struct virtio_mmio *mmio, struct virtqueue *queue)
{
	if (virtqueue_wants_interrupt(queue)) {
		mmio->interrupt_status |= VIRTIO_MMIO_INT_VRING;
		mmio->interrupt = true;
	}
}
