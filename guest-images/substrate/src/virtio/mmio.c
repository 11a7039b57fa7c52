/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of the virtio-mmio transport, version 2 (virtio 1.2, 4.2). Every access to a register leaves the
 * guest, so none is made twice and nothing is read that the specification does not ask to be read.
 */
#define VIRTIO_MMIO_NO_LEGACY
#include "virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <substrate/device.h>
#include <substrate/mm.h>
#include <substrate/printk.h>

#include "queue.h"

#define MMIO_MAGIC 0x74726976 /* "virt" */
#define MMIO_VERSION 2

static u32 read_register(const struct virtio_device *device, u32 offset)
{
	return mmio_read32(device->window + offset);
}

static void write_register(struct virtio_device *device, u32 offset, u32 value)
{
	mmio_write32(device->window + offset, value);
}

static void add_status(struct virtio_device *device, u32 bits)
{
	device->status |= bits;
	write_register(device, VIRTIO_MMIO_STATUS, device->status);
}

static void write_driver_features(struct virtio_device *device, u32 word, u32 bits)
{
	write_register(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
	write_register(device, VIRTIO_MMIO_DRIVER_FEATURES, bits);
}

bool virtio_negotiate(struct virtio_device *device, u32 wanted)
{
	/* No reset first: no firmware ran, so the device is as the machine's own reset left it. */
	add_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(device, VIRTIO_CONFIG_S_DRIVER);

	/*
	 * The upper word is not read: every device must offer VIRTIO_F_VERSION_1 (6.2), the only one of its bits that is
	 * wanted, and one that does not will refuse FEATURES_OK.
	 */
	write_register(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	u32 low = read_register(device, VIRTIO_MMIO_DEVICE_FEATURES) & wanted;
	write_driver_features(device, 0, low);
	write_driver_features(device, 1, (u32)(VIRTIO_FEATURE(VIRTIO_F_VERSION_1) >> 32));
	device->features = low | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);

	add_status(device, VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(read_register(device, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK)) {
		device->status &= ~(u32)VIRTIO_CONFIG_S_FEATURES_OK;
		virtio_driver_failed(device);
		return false;
	}
	return true;
}

static void select_queue(struct virtio_device *device, u32 index)
{
	if (device->selected == index)
		return;
	write_register(device, VIRTIO_MMIO_QUEUE_SEL, index);
	device->selected = index;
}

u32 virtio_queue_max(struct virtio_device *device, u32 index)
{
	select_queue(device, index);
	return read_register(device, VIRTIO_MMIO_QUEUE_NUM_MAX);
}

/* The upper halves of a device that was never set up are zero: written only when they are not to stay so. */
static void write_address(struct virtio_device *device, u32 low_register, const void *memory)
{
	paddr_t at = virt_to_phys(memory);
	write_register(device, low_register, (u32)at);
	if (at >> 32)
		write_register(device, low_register + 4, (u32)(at >> 32));
}

void virtio_queue_enable(struct virtio_device *device, const struct virtqueue *queue)
{
	select_queue(device, queue->index);
	write_register(device, VIRTIO_MMIO_QUEUE_NUM, queue->size);
	write_address(device, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->desc);
	write_address(device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, queue->avail);
	write_address(device, VIRTIO_MMIO_QUEUE_USED_LOW, queue->used);
	write_register(device, VIRTIO_MMIO_QUEUE_READY, 1);
}

void virtio_driver_ok(struct virtio_device *device)
{
	add_status(device, VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_driver_failed(struct virtio_device *device)
{
	add_status(device, VIRTIO_CONFIG_S_FAILED);
}

void virtio_notify(struct virtio_device *device, u32 index)
{
	write_register(device, VIRTIO_MMIO_QUEUE_NOTIFY, index);
}

void virtio_acknowledge(struct virtio_device *device)
{
	write_register(device, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
}

u32 virtio_config_read32(const struct virtio_device *device, u32 offset)
{
	return read_register(device, VIRTIO_MMIO_CONFIG + offset);
}

void virtio_config_write32(struct virtio_device *device, u32 offset, u32 value)
{
	write_register(device, VIRTIO_MMIO_CONFIG + offset, value);
}

void virtio_mmio_probe(paddr_t base, u64 size, u32 irq)
{
	struct virtio_device device = { .irq = irq, .selected = NO_QUEUE };

	if (size < VIRTIO_MMIO_CONFIG || base % sizeof(u32) != 0 || base >= DIRECT_MAP_SIZE ||
	    size > DIRECT_MAP_SIZE - base) {
		printk("virtio: no device window of %llu bytes at 0x%llx is possible\n", (unsigned long long)size,
		       (unsigned long long)base);
		return;
	}
	device.window = phys_to_virt(base);

	u32 magic = read_register(&device, VIRTIO_MMIO_MAGIC_VALUE);
	if (magic != MMIO_MAGIC) {
		printk("virtio: no device at 0x%llx (magic 0x%x)\n", (unsigned long long)base, magic);
		return;
	}
	u32 version = read_register(&device, VIRTIO_MMIO_VERSION);
	if (version != MMIO_VERSION) {
		printk("virtio: the device at 0x%llx speaks transport version %u, not %u\n", (unsigned long long)base, version,
		       MMIO_VERSION);
		return;
	}
	u32 id = read_register(&device, VIRTIO_MMIO_DEVICE_ID);
	switch (id) {
	case 0: /* a placeholder (4.2.2.2) */
		break;
	case VIRTIO_ID_CONSOLE:
		virtio_console_probe(&device);
		break;
	case VIRTIO_ID_VSOCK:
		virtio_vsock_probe(&device);
		break;
	case VIRTIO_ID_BLOCK:
		virtio_block_probe(&device);
		break;
	case VIRTIO_ID_RNG:
		virtio_rng_probe(&device);
		break;
	case VIRTIO_ID_BALLOON:
		virtio_balloon_probe(&device);
		break;
	default:
		printk("virtio: no driver for the device of type %u at 0x%llx\n", id, (unsigned long long)base);
		break;
	}
}
