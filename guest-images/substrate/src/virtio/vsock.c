/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the virtio socket device. A received payload is not copied: receive buffers are messages, which go into a socket's
 * queue as they are, unless they are so small that they would waste their block. As few of them are there as nobody needs more:
 * the device filling all of them is what asks for more and larger ones.
 */
#include "vsock.h"

#include <linux/virtio_config.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/sched.h>
#include <substrate/string.h>

#include "../net/socket.h"
#include "queue.h"
#include "virtio.h"

/* 5.10.2 */
enum { RECEIVE = 0, TRANSMIT = 1, EVENT = 2 };

#define RECEIVE_ENTRIES 64 /* two a buffer: header and payload */
#define RECEIVE_BUFFERS (RECEIVE_ENTRIES / 2)
#define FIRST_BUFFERS 4
#define MOST_BUFFERS 8 /* that are posted at a time */
#define TRANSMIT_ENTRIES 32
#define EVENT_ENTRIES 2
#define FEATURES (1U << VIRTIO_RING_F_EVENT_IDX)

/* Packets without payload, and packets with one, that the device can have at a time. */
#define CONTROL_SLOTS 16
#define FIRST_PLACES 2
#define PLACES 8

/* Blocks of kmalloc. */
#define SMALL_BLOCK PAGE_SIZE
#define LARGE_BLOCK (64UL << 10)
#define PLACE_BLOCK (64UL << 10)

/* A payload that is to be sent, in a block of its own. */
struct place {
	struct virtio_vsock_hdr header;
	u32 capacity;
	u8 data[] __attribute__((aligned(16)));
};

struct receive_buffer {
	struct virtio_vsock_hdr header;
	struct message *message;
};

static struct {
	struct virtio_device device;
	struct virtqueue receive, transmit, event;
	u64 cid;
	struct virtio_vsock_hdr *free_control[CONTROL_SLOTS], *control;
	u16 control_count;
	struct place *free_places[PLACES];
	u16 place_count, places; /* free, in all: a writer that needs more than there are gets more */
	struct receive_buffer *idle[RECEIVE_BUFFERS], *buffers; /* without a message, that is, not posted */
	u16 idle_count, posted, wanted;
	bool large, present;
	struct virtio_vsock_event *events;
} vsock;

struct wait_queue virtio_vsock_room = WAIT_QUEUE_INIT(virtio_vsock_room);

u32 virtio_vsock_cid(void)
{
	return (u32)vsock.cid;
}

/* ---- receive buffers ---- */

static size_t capacity_of(size_t block)
{
	return block - sizeof(struct message);
}

static void post(struct receive_buffer *buffer)
{
	struct virtqueue_segment segments[] = {
		{ &buffer->header, sizeof(buffer->header) },
		{ buffer->message->data, buffer->message->capacity },
	};

	/* There are never more buffers than pairs of descriptors. */
	BUG_ON(!virtqueue_add(&vsock.receive, segments, 0, 2, buffer));
	vsock.posted++;
}

static void fill(void)
{
	size_t size = capacity_of(vsock.large ? LARGE_BLOCK : SMALL_BLOCK);

	while (vsock.idle_count > RECEIVE_BUFFERS - vsock.wanted) {
		struct receive_buffer *buffer = vsock.idle[vsock.idle_count - 1];
		buffer->message = message_new(NULL, size, capacity_of(SMALL_BLOCK));
		if (!buffer->message)
			return;
		vsock.idle_count--;
		post(buffer);
	}
}

void virtio_vsock_refill(void)
{
	if (!vsock.present)
		return;
	if (vsock.posted * 2 <= vsock.wanted)
		fill();
	/* Others were posted again as they were. */
	virtqueue_kick(&vsock.receive);
}

/* ---- sending ---- */

static struct virtio_vsock_hdr *is_control(void *token)
{
	struct virtio_vsock_hdr *slot = token;
	return slot >= vsock.control && slot < vsock.control + CONTROL_SLOTS ? slot : NULL;
}

static bool reclaim(void)
{
	bool some = false;
	void *token;

	while ((token = virtqueue_take(&vsock.transmit, NULL)) != NULL) {
		if (is_control(token))
			vsock.free_control[vsock.control_count++] = token;
		else
			vsock.free_places[vsock.place_count++] = token;
		some = true;
	}
	if (some)
		virtqueue_acknowledge(&vsock.transmit);
	return some;
}

bool virtio_vsock_send(const struct virtio_vsock_hdr *header)
{
	if (vsock.control_count == 0)
		return false;
	struct virtio_vsock_hdr *slot = vsock.free_control[--vsock.control_count];
	struct virtqueue_segment segment = { slot, sizeof(*slot) };

	*slot = *header;
	/* There are never more slots and places than descriptors. */
	BUG_ON(!virtqueue_add(&vsock.transmit, &segment, 1, 0, slot));
	return true;
}

static struct place *new_place(size_t block)
{
	struct place *place = kmalloc(block);

	if (place)
		place->capacity = (u32)(block - sizeof(*place));
	return place;
}

static void add_place(size_t block)
{
	struct place *place = vsock.places < PLACES ? new_place(block) : NULL;

	if (!place)
		return;
	vsock.places++;
	vsock.free_places[vsock.place_count++] = place;
}

/* A larger block in its stead, if there is one. */
static struct place *enlarge(struct place *place, size_t wanted)
{
	for (size_t block = PLACE_BLOCK; block > place->capacity + sizeof(*place); block /= 2) {
		if (block / 2 >= wanted + sizeof(*place))
			continue;
		struct place *larger = new_place(block);
		if (larger) {
			kfree(place);
			return larger;
		}
	}
	return place;
}

bool virtio_vsock_has_room(void)
{
	if (vsock.place_count == 0)
		add_place(SMALL_BLOCK);
	return vsock.place_count > 0;
}

u8 *virtio_vsock_place(size_t wanted, size_t *capacity)
{
	if (!virtio_vsock_has_room())
		return NULL;
	struct place *place = vsock.free_places[--vsock.place_count];
	if (wanted > place->capacity)
		place = enlarge(place, wanted);
	*capacity = MIN(wanted, (size_t)place->capacity);
	return place->data;
}

void virtio_vsock_submit(u8 *data, const struct virtio_vsock_hdr *header)
{
	struct place *place = container_of(data, struct place, data[0]);
	struct virtqueue_segment segments[] = {
		{ &place->header, sizeof(place->header) },
		{ place->data, header->len },
	};

	place->header = *header;
	BUG_ON(!virtqueue_add(&vsock.transmit, segments, 2, 0, place));
}

void virtio_vsock_return(u8 *data)
{
	vsock.free_places[vsock.place_count++] = container_of(data, struct place, data[0]);
}

static bool is_full(void)
{
	return vsock.control_count == 0 || vsock.place_count == 0;
}

void virtio_vsock_kick(void)
{
	bool more = vsock.present;

	while (more) {
		virtqueue_kick(&vsock.transmit);
		more = reclaim();
		/* A device that does not take packets at once says when it has. */
		virtqueue_set_interrupts(&vsock.transmit, is_full());
		more |= reclaim();
		if (more) {
			wake_up(&virtio_vsock_room);
			more = vsock_send_due();
		}
	}
}

/* ---- receiving ---- */

static void give_back(struct receive_buffer *buffer)
{
	vsock.idle[vsock.idle_count++] = buffer;
}

static void received(struct receive_buffer *buffer, u32 written)
{
	struct virtio_vsock_hdr header = buffer->header;
	struct message *m = buffer->message;

	vsock.posted--;
	if (written < sizeof(header) || header.len > written - sizeof(header)) {
		printk("virtio-vsock: a packet of %u bytes\n", written);
		post(buffer);
		return;
	}
	if (header.len == 0) {
		post(buffer);
		vsock_received(&header, NULL);
	} else if (header.len <= m->capacity / 4 && vsock_joined(&header, m->data)) {
		post(buffer);
	} else {
		struct message *small = NULL;
		if (header.len <= m->capacity / 4)
			small = message_new(NULL, header.len, header.len);
		if (small) {
			memcpy(small->data, m->data, header.len);
			post(buffer);
			m = small;
		} else {
			buffer->message = NULL;
			give_back(buffer);
		}
		m->length = header.len;
		vsock_received(&header, m);
	}
}

static bool poll_receive(void)
{
	struct receive_buffer *buffer;
	bool some = false;
	u32 written;

	/* Each may ask for an answer. */
	while (vsock.control_count > 0 && (buffer = virtqueue_take(&vsock.receive, &written)) != NULL) {
		/* The device has filled all that it had to the brim: it has more to send than there is room for. */
		if (vsock.posted == 1 && written == sizeof(buffer->header) + buffer->message->capacity) {
			vsock.large = true;
			vsock.wanted = (u16)MIN(2U * vsock.wanted, (u32)MOST_BUFFERS);
		}
		received(buffer, written);
		some = true;
	}
	if (some)
		virtqueue_acknowledge(&vsock.receive);
	return some;
}

static void post_events(void)
{
	for (u32 i = 0; i < EVENT_ENTRIES; i++) {
		struct virtqueue_segment segment = { &vsock.events[i], sizeof(vsock.events[i]) };
		BUG_ON(!virtqueue_add(&vsock.event, &segment, 0, 1, segment.data));
	}
}

static void read_cid(void)
{
	vsock.cid = virtio_config_read32(&vsock.device, 0);
}

static bool poll_event(void)
{
	struct virtio_vsock_event *event;
	bool some = false;

	while ((event = virtqueue_take(&vsock.event, NULL)) != NULL) {
		struct virtqueue_segment segment = { event, sizeof(*event) };
		if (event->id == VIRTIO_VSOCK_EVENT_TRANSPORT_RESET) {
			read_cid();
			vsock_transport_reset();
		}
		BUG_ON(!virtqueue_add(&vsock.event, &segment, 0, 1, event));
		some = true;
	}
	if (some)
		virtqueue_kick(&vsock.event);
	return some;
}

bool virtio_vsock_poll(void)
{
	if (!vsock.present)
		return false;
	bool some = reclaim();
	if (some)
		wake_up(&virtio_vsock_room);
	/* First: connections that are gone get nothing any more. */
	some |= poll_event();
	some |= poll_receive();
	if (some) {
		vsock_send_due();
		virtio_vsock_kick();
	}
	/* Where memory was short for all of them, nothing else would ever ask for more: there may be some now. */
	if (some || vsock.posted == 0)
		virtio_vsock_refill();
	return some;
}

/* ---- setting up ---- */

/* Memory that is shared with the device, taken piece by piece from one block. */
static void *take_memory(u8 **at, size_t size)
{
	void *memory = *at;
	*at += ALIGN_UP(size, 16);
	return memory;
}

static void new_queue(struct virtqueue *queue, u32 index, u16 size, u8 **memory)
{
	virtqueue_init(queue, &vsock.device, index, size, take_memory(memory, virtqueue_bytes(size)));
	virtio_queue_enable(&vsock.device, queue);
}

static bool set_up(void)
{
	size_t needed = virtqueue_bytes(RECEIVE_ENTRIES) + virtqueue_bytes(TRANSMIT_ENTRIES) + virtqueue_bytes(EVENT_ENTRIES) +
	                RECEIVE_BUFFERS * sizeof(*vsock.buffers) + CONTROL_SLOTS * sizeof(*vsock.control) +
	                EVENT_ENTRIES * sizeof(*vsock.events) + 6 * 16;
	u8 *memory = kzalloc(needed);

	if (!memory)
		return false;
	new_queue(&vsock.receive, RECEIVE, RECEIVE_ENTRIES, &memory);
	new_queue(&vsock.transmit, TRANSMIT, TRANSMIT_ENTRIES, &memory);
	new_queue(&vsock.event, EVENT, EVENT_ENTRIES, &memory);
	vsock.buffers = take_memory(&memory, RECEIVE_BUFFERS * sizeof(*vsock.buffers));
	vsock.control = take_memory(&memory, CONTROL_SLOTS * sizeof(*vsock.control));
	vsock.events = take_memory(&memory, EVENT_ENTRIES * sizeof(*vsock.events));
	for (u32 i = 0; i < RECEIVE_BUFFERS; i++)
		give_back(&vsock.buffers[i]);
	for (u32 i = 0; i < CONTROL_SLOTS; i++)
		vsock.free_control[vsock.control_count++] = &vsock.control[i];
	for (u32 i = 0; i < FIRST_PLACES; i++)
		add_place(SMALL_BLOCK);
	vsock.wanted = FIRST_BUFFERS;
	fill();
	post_events();
	virtqueue_set_interrupts(&vsock.receive, true);
	virtqueue_set_interrupts(&vsock.event, true);
	return vsock.posted > 0 && vsock.places == FIRST_PLACES;
}

void virtio_vsock_probe(const struct virtio_device *found)
{
	if (vsock.present) {
		printk("virtio-vsock: there is one already, the device at %p is left alone\n", (void *)found->window);
		return;
	}
	vsock.device = *found;
	if (!virtio_negotiate(&vsock.device, FEATURES)) {
		printk("virtio-vsock: the device refused the features\n");
		return;
	}
	/* No queue is larger than the first, as far as the device is concerned. */
	if (virtio_queue_max(&vsock.device, RECEIVE) < RECEIVE_ENTRIES ||
	    virtio_queue_max(&vsock.device, TRANSMIT) < TRANSMIT_ENTRIES ||
	    virtio_queue_max(&vsock.device, EVENT) < EVENT_ENTRIES) {
		printk("virtio-vsock: the device's queues are too small\n");
		virtio_driver_failed(&vsock.device);
		return;
	}
	read_cid();
	if (!set_up())
		panic("virtio-vsock: no memory for its queues");
	/* The device sees buffers as soon as it looks for one: no doorbell is due. */
	virtqueue_publish(&vsock.receive);
	virtqueue_publish(&vsock.event);
	virtio_driver_ok(&vsock.device);
	vsock.present = true;
}
