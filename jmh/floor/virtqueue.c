/* SPDX-License-Identifier: Apache-2.0 */
#include "virtqueue.h"

#include <err.h>

void virtqueue_attach(struct virtqueue *queue, const struct memory *memory)
{
	uint32_t size = queue->size;

	/* Both rings end with an event index. */
	queue->desc = memory_at(memory, queue->descriptor_area, size * sizeof(struct vring_desc), false);
	queue->avail = memory_at(memory, queue->driver_area, sizeof(struct vring_avail) + (size + 1) * 2, false);
	queue->used = memory_at(memory, queue->device_area,
				sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + 2, true);
}

void virtqueue_start(struct virtqueue *queue, const struct memory *memory, uint32_t max_size, bool event_idx)
{
	uint32_t size = queue->size;

	if (size == 0 || size > max_size || (size & (size - 1)))
		errx(1, "the guest sets up a queue of %u entries, of at most %u", size, max_size);
	virtqueue_attach(queue, memory);
	queue->event_idx = event_idx;
	queue->ready = true;
}

static bool is_available(struct virtqueue *queue)
{
	return __atomic_load_n(&queue->avail->idx, __ATOMIC_ACQUIRE) != queue->next_avail;
}

static bool ask_for_doorbell(struct virtqueue *queue)
{
	if (!queue->event_idx)
		return false; /* its doorbell was never switched off */
	*(uint16_t *)&queue->used->ring[queue->size] = queue->next_avail;
	/* The driver publishes, fences, and looks whether to ring: with the order turned round here, one sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return is_available(queue);
}

bool virtqueue_pop(struct virtqueue *queue, const struct memory *memory, bool write, struct chain *chain)
{
	if (!is_available(queue) && !ask_for_doorbell(queue))
		return false;
	uint16_t index = queue->avail->ring[queue->next_avail++ & (queue->size - 1)];
	struct vring_desc desc;

	chain->head = index;
	chain->count = 0;
	do {
		if (index >= queue->size || chain->count == CHAIN_PARTS)
			errx(1, "the guest's chain at %u leads nowhere or is too long", chain->head);
		desc = *(volatile struct vring_desc *)&queue->desc[index];
		if ((desc.flags & VRING_DESC_F_INDIRECT) || !(desc.flags & VRING_DESC_F_WRITE) == write)
			errx(1, "the guest's descriptor %u has flags 0x%x", index, desc.flags);
		chain->parts[chain->count++] =
			(struct iovec){ memory_at(memory, desc.addr, desc.len, write), desc.len };
		index = desc.next;
	} while (desc.flags & VRING_DESC_F_NEXT);
	return true;
}

void virtqueue_push(struct virtqueue *queue, const struct chain *chain, uint32_t written)
{
	queue->used->ring[queue->next_used & (queue->size - 1)] =
		(struct vring_used_elem){ .id = chain->head, .len = written };
	queue->next_used++;
	__atomic_store_n(&queue->used->idx, queue->next_used, __ATOMIC_RELEASE);
}

bool virtqueue_wants_interrupt(struct virtqueue *queue)
{
	uint16_t before = queue->used_notified;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* as in ask_for_doorbell */
	queue->used_notified = queue->next_used;
	if (before == queue->next_used)
		return false;
	if (!queue->event_idx)
		return !(queue->avail->flags & VRING_AVAIL_F_NO_INTERRUPT);
	return vring_need_event(queue->avail->ring[queue->size], queue->next_used, before);
}
