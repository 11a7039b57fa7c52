/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a split virtqueue. The device may run on this very thread, inside the doorbell, or beside it:
 * indices are published with release order and read with acquire order, so both are right. What the device writes
 * is checked against the driver's own record of what the device has been given.
 */
#include "queue.h"

#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#include "virtio.h"

/* The used ring needs 4-byte alignment (2.7), the record its pointers'. */
static size_t used_offset(u16 size)
{
	size_t available = sizeof(struct vring_avail) + (size + 1UL) * sizeof(u16); /* with used_event */
	return ALIGN_UP(size * sizeof(struct vring_desc) + available, VRING_USED_ALIGN_SIZE);
}

static size_t state_offset(u16 size)
{
	size_t used = sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + sizeof(u16); /* avail_event */
	return ALIGN_UP(used_offset(size) + used, sizeof(void *));
}

size_t virtqueue_bytes(u16 size)
{
	return ALIGN_UP(state_offset(size) + size * sizeof(struct virtqueue_descriptor), VRING_DESC_ALIGN_SIZE);
}

static bool has_event_idx(const struct virtqueue *queue)
{
	return queue->device->features & VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX);
}

void virtqueue_init(struct virtqueue *queue, struct virtio_device *device, u32 index, u16 size, void *memory)
{
	u8 *base = memory;

	memset(queue, 0, sizeof(*queue));
	queue->device = device;
	queue->index = index;
	queue->size = size;
	queue->desc = memory;
	queue->avail = (struct vring_avail *)(base + size * sizeof(struct vring_desc));
	queue->used = (struct vring_used *)(base + used_offset(size));
	queue->state = (struct virtqueue_descriptor *)(base + state_offset(size));
	queue->free_count = size;
	for (u16 i = 0; i < size; i++)
		queue->state[i].next = i + 1;
	virtqueue_set_interrupts(queue, false);
}

static u16 take_free(struct virtqueue *queue)
{
	u16 id = queue->free_head;
	queue->free_head = queue->state[id].next;
	queue->free_count--;
	return id;
}

bool virtqueue_add(struct virtqueue *queue, const struct virtqueue_segment *segments, u16 out, u16 in, void *token)
{
	u16 count = out + in;
	BUG_ON(count == 0 || token == NULL);
	if (queue->free_count < count)
		return false;

	u16 head = queue->free_head;
	u32 writable = 0;
	for (u16 i = 0; i < count; i++) {
		u16 id = take_free(queue);
		struct vring_desc *desc = &queue->desc[id];
		u16 remaining = count - i;

		desc->addr = virt_to_phys(segments[i].data);
		desc->len = segments[i].length;
		desc->flags = (i >= out ? VRING_DESC_F_WRITE : 0) | (remaining > 1 ? VRING_DESC_F_NEXT : 0);
		desc->next = remaining > 1 ? queue->state[id].next : 0;
		queue->state[id].remaining = remaining;
		if (i >= out)
			writable += segments[i].length;
	}
	queue->state[head].token = token;
	queue->state[head].writable = writable;
	queue->avail->ring[queue->added % queue->size] = head;
	queue->added++;
	return true;
}

void virtqueue_publish(struct virtqueue *queue)
{
	queue->published = queue->added;
	__atomic_store_n(&queue->avail->idx, queue->published, __ATOMIC_RELEASE);
}

static bool device_wants_doorbell(const struct virtqueue *queue)
{
	if (has_event_idx(queue)) {
		const u16 *avail_event = (const u16 *)&queue->used->ring[queue->size];
		return vring_need_event(__atomic_load_n(avail_event, __ATOMIC_RELAXED), queue->published, queue->offered);
	}
	return !(__atomic_load_n(&queue->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

void virtqueue_kick(struct virtqueue *queue)
{
	virtqueue_publish(queue);
	if (queue->published == queue->offered)
		return;
	/* The index must be out before the device's wish is read, or each could miss the other (2.7.13.4). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	bool wanted = device_wants_doorbell(queue);
	queue->offered = queue->published;
	if (wanted)
		virtio_notify(queue->device, queue->index);
}

static void give_back_descriptors(struct virtqueue *queue, u16 head)
{
	u16 last = head;
	u16 count = queue->state[head].remaining;

	for (u16 i = 1; i < count; i++)
		last = queue->state[last].next;
	queue->state[last].next = queue->free_head;
	queue->free_head = head;
	queue->free_count += count;
}

/* The event index is a threshold; one half the index space away is never passed between two takes. */
static void write_used_event(struct virtqueue *queue)
{
	u16 event = queue->interrupts ? queue->seen : (u16)(queue->seen + 0x7fff);
	__atomic_store_n(&queue->avail->ring[queue->size], event, __ATOMIC_RELAXED);
}

void *virtqueue_take(struct virtqueue *queue, u32 *written)
{
	if (queue->broken || __atomic_load_n(&queue->used->idx, __ATOMIC_ACQUIRE) == queue->seen)
		return NULL;

	const volatile struct vring_used_elem *element = &queue->used->ring[queue->seen % queue->size];
	u32 id = element->id;
	u32 length = element->len;

	if (id >= queue->size || queue->state[id].token == NULL) {
		queue->broken = true;
		panic("virtio: the device returned descriptor %u of queue %u, which it did not have", id, queue->index);
	}
	if (length > queue->state[id].writable) {
		queue->broken = true;
		panic("virtio: the device says it wrote %u bytes into %u of queue %u", length, queue->state[id].writable,
		      queue->index);
	}
	void *token = queue->state[id].token;
	queue->state[id].token = NULL;
	give_back_descriptors(queue, (u16)id);
	queue->seen++;
	if (has_event_idx(queue)) {
		write_used_event(queue);
		/* The threshold must be out before the index is read again, or the next chain could come unannounced. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	if (written)
		*written = length;
	return token;
}

void virtqueue_acknowledge(struct virtqueue *queue)
{
	if (queue->published != queue->seen)
		virtio_acknowledge(queue->device);
}

void virtqueue_set_interrupts(struct virtqueue *queue, bool on)
{
	queue->interrupts = on;
	if (has_event_idx(queue))
		write_used_event(queue);
	else
		__atomic_store_n(&queue->avail->flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
