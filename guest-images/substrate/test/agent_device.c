/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio console as the driver meets it: it works inside the doorbell and fails the test when the driver breaks a rule. */
#define VIRTIO_MMIO_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "../src/virtio/virtio.h"
#include "agent_shim.h"

enum { TEXT_TX = 1, CONTROL_RX = 2, CONTROL_TX = 3, AGENT_RX = 4, AGENT_TX = 5 };

struct fake_device device;

void bytes_add(struct bytes *b, const void *data, size_t n)
{
	if (b->length + n > b->room) {
		b->room = (b->length + n) * 2;
		b->data = realloc(b->data, b->room);
	}
	if (n)
		memcpy(b->data + b->length, data, n);
	b->length += n;
}

void fake_reset(void)
{
	memset(&device, 0, sizeof(device));
	device.magic = 0x74726976;
	device.version = 2;
	device.id = 3;
	device.features = 1U << VIRTIO_CONSOLE_F_MULTIPORT | 1U << VIRTIO_RING_F_EVENT_IDX | 1U << VIRTIO_CONSOLE_F_SIZE;
	for (int i = 0; i < 6; i++)
		device.queue_max[i] = 64;
	device.port_name = "io.vivarium.agent.0";
	memset(&kernel, 0, sizeof(kernel));
	kernel.memory_base = 0x1000000;
	kernel.fail_allocation = -1;
}

void fake_probe(void)
{
	virtio_mmio_probe(WINDOW_BASE, 0x200, 5);
}

/* ---- queues ---- */

static bool event_idx(void)
{
	return device.driver_features[0] & 1U << VIRTIO_RING_F_EVENT_IDX;
}

static struct vring_avail *avail(struct fake_queue *q)
{
	return phys_to_virt(q->avail);
}

static struct vring_used *used(struct fake_queue *q)
{
	return phys_to_virt(q->used);
}

static struct vring_desc *descriptor(struct fake_queue *q, u32 i)
{
	CHECK(i < q->size);
	return (struct vring_desc *)phys_to_virt(q->desc) + i;
}

static void complete(struct fake_queue *q, u32 id, u32 length)
{
	struct vring_used *ring = used(q);
	u16 old = ring->idx;

	ring->ring[old % q->size] = (struct vring_used_elem){ id, length };
	ring->idx = old + 1;
	if (event_idx() ? vring_need_event(avail(q)->ring[q->size], ring->idx, old)
	                : !(avail(q)->flags & VRING_AVAIL_F_NO_INTERRUPT))
		q->interrupts++;
}

void fake_complete(u32 queue, u32 id, u32 length)
{
	complete(&device.queue[queue], id, length);
}

static bool more(struct fake_queue *q)
{
	return q->ready && !q->hold && !q->paused && avail(q)->idx != q->next_avail;
}

static void set_doorbell(struct fake_queue *q, bool on)
{
	used(q)->flags = on ? 0 : VRING_USED_F_NO_NOTIFY;
	*(u16 *)&used(q)->ring[q->size] = on ? q->next_avail : (u16)(q->next_avail + 0x7fff);
}

static void drain(struct fake_queue *q, struct bytes *to)
{
	int taken = 0;

	while (more(q)) {
		if (device.pause_after && taken++ == device.pause_after) {
			q->paused = true;
			q->interrupts++;
			break;
		}
		u32 head = avail(q)->ring[q->next_avail++ % q->size];
		struct vring_desc *d = descriptor(q, head);
		for (;;) {
			CHECK(!(d->flags & VRING_DESC_F_WRITE));
			CHECK(d->len > 0);
			bytes_add(to, phys_to_virt(d->addr), d->len);
			if (!(d->flags & VRING_DESC_F_NEXT))
				break;
			d = descriptor(q, d->next);
		}
		complete(q, head, 0);
	}
	set_doorbell(q, true);
}

/* Bytes put into the next receive buffer; 0 when there is none. */
static u32 deliver(struct fake_queue *q, const void *bytes, size_t n)
{
	if (!more(q))
		return 0;
	u32 head = avail(q)->ring[q->next_avail++ % q->size];
	struct vring_desc *d = descriptor(q, head);
	CHECK(d->flags == VRING_DESC_F_WRITE);
	u32 length = (u32)MIN(n, (size_t)d->len);
	memcpy(phys_to_virt(d->addr), bytes, length);
	complete(q, head, length);
	return length;
}

static void tell(u32 port, u16 event, u16 value, const char *name)
{
	struct virtio_console_control message = { port, event, value };
	u8 *at = device.to_control[device.control_count].bytes;
	memcpy(at, &message, sizeof(message));
	memcpy(at + sizeof(message), name, strlen(name));
	device.to_control[device.control_count++].length = (u32)(sizeof(message) + strlen(name));
}

static void answer_control(void)
{
	struct virtio_console_control m;

	for (; device.control.length >= sizeof(m); device.control.length -= sizeof(m)) {
		memcpy(&m, device.control.data, sizeof(m));
		memmove(device.control.data, device.control.data + sizeof(m), device.control.length - sizeof(m));
		switch (m.event) {
		case VIRTIO_CONSOLE_DEVICE_READY:
			CHECK_EQ(m.value, 1);
			tell(0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
			tell(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
			break;
		case VIRTIO_CONSOLE_PORT_READY:
			CHECK(device.control_sent > m.id && m.id <= 1); /* told of it before */
			CHECK_EQ(m.value, 1);
			if (m.id == 0)
				tell(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "");
			else
				tell(1, VIRTIO_CONSOLE_PORT_NAME, 1, device.port_name);
			tell(m.id, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
			break;
		case VIRTIO_CONSOLE_PORT_OPEN:
			CHECK(m.value == 1 && m.id <= 1);
			break;
		default:
			test_fail(__FILE__, __LINE__, "control event %u", m.event);
		}
	}
}

static void send_control(void)
{
	struct fake_queue *q = &device.queue[CONTROL_RX];

	while (device.control_sent < device.control_count && more(q)) {
		CHECK_EQ(deliver(q, device.to_control[device.control_sent].bytes, device.to_control[device.control_sent].length),
		         device.to_control[device.control_sent].length);
		device.control_sent++;
	}
	if (q->ready)
		set_doorbell(q, !device.quiet || device.control_sent < device.control_count);
}

static void send_to_agent(void)
{
	struct fake_queue *q = &device.queue[AGENT_RX];

	while (device.to_agent_sent < device.to_agent.length && more(q)) {
		size_t n = device.to_agent.length - device.to_agent_sent;
		if (device.chunk)
			n = MIN(n, device.chunk);
		device.to_agent_sent += deliver(q, device.to_agent.data + device.to_agent_sent, n);
	}
	if (q->ready)
		set_doorbell(q, !device.quiet || device.to_agent_sent < device.to_agent.length);
}

u32 fake_take(u32 queue, struct vring_desc **chain, u32 most, u32 *head)
{
	struct fake_queue *q = &device.queue[queue];
	u32 count = 0;

	if (!more(q)) {
		if (q->ready)
			set_doorbell(q, true);
		return 0;
	}
	*head = avail(q)->ring[q->next_avail++ % q->size];
	for (struct vring_desc *d = descriptor(q, *head);; d = descriptor(q, d->next)) {
		CHECK(count < most && d->len > 0);
		chain[count++] = d;
		if (!(d->flags & VRING_DESC_F_NEXT))
			return count;
	}
}

void fake_work(void)
{
	if (device.work) {
		device.work();
		return;
	}
	if (device.queue[TEXT_TX].ready)
		drain(&device.queue[TEXT_TX], &device.text);
	if (device.queue[CONTROL_TX].ready)
		drain(&device.queue[CONTROL_TX], &device.control);
	answer_control();
	send_control();
	if (device.queue[AGENT_TX].ready)
		drain(&device.queue[AGENT_TX], &device.from_agent);
	send_to_agent();
}

void fake_send(const void *bytes, size_t n)
{
	bytes_add(&device.to_agent, bytes, n);
	send_to_agent();
}

/* ---- registers ---- */

static u32 offset_of(const void *at)
{
	size_t offset = (size_t)((const u8 *)at - (const u8 *)phys_to_virt(WINDOW_BASE));
	CHECK(offset < 0x200 && offset % 4 == 0);
	return (u32)offset;
}

u32 mmio_read32(const void *at)
{
	u32 offset = offset_of(at);

	device.reads++;
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE: return device.magic;
	case VIRTIO_MMIO_VERSION: return device.version;
	case VIRTIO_MMIO_DEVICE_ID: return device.id;
	case VIRTIO_MMIO_DEVICE_FEATURES: return device.device_features_sel == 0 ? device.features : 1;
	case VIRTIO_MMIO_QUEUE_NUM_MAX: return device.queue_sel < 6 ? device.queue_max[device.queue_sel] : 0;
	case VIRTIO_MMIO_STATUS: return device.status;
	}
	if (offset >= VIRTIO_MMIO_CONFIG && offset < VIRTIO_MMIO_CONFIG + sizeof(device.config))
		return device.config[(offset - VIRTIO_MMIO_CONFIG) / 4];
	test_fail(__FILE__, __LINE__, "reads register 0x%x", offset);
}

static void write_status(u32 value)
{
	CHECK((value & device.status) == device.status);
	CHECK(__builtin_popcount(value & ~device.status) == 1); /* one step at a time */
	if (value & VIRTIO_CONFIG_S_FEATURES_OK && !(device.status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		CHECK((device.driver_features[0] & ~device.features) == 0);
		CHECK_EQ(device.driver_features[1], 1);
		if (device.refuse_features)
			value &= ~(u32)VIRTIO_CONFIG_S_FEATURES_OK;
	}
	device.status = value;
}

static void set_half(u64 *address, u32 value, bool high)
{
	*address = high ? (*address & 0xffffffff) | (u64)value << 32 : (*address & ~0xffffffffUL) | value;
}

static void queue_ready(struct fake_queue *q)
{
	CHECK(device.status & VIRTIO_CONFIG_S_FEATURES_OK && !(device.status & VIRTIO_CONFIG_S_DRIVER_OK));
	CHECK(q->size > 0 && q->size <= device.queue_max[device.queue_sel] && !(q->size & (q->size - 1)));
	CHECK(q->desc % 16 == 0 && q->avail % 2 == 0 && q->used % 4 == 0);
	CHECK_EQ(used(q)->idx, 0);
	q->ready = true;
}

static void write_queue(u32 offset, u32 value)
{
	struct fake_queue *q = &device.queue[device.queue_sel];

	CHECK(device.queue_sel < 6 && !q->ready);
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM: q->size = value; return;
	case VIRTIO_MMIO_QUEUE_DESC_LOW: set_half(&q->desc, value, false); return;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH: set_half(&q->desc, value, true); return;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW: set_half(&q->avail, value, false); return;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: set_half(&q->avail, value, true); return;
	case VIRTIO_MMIO_QUEUE_USED_LOW: set_half(&q->used, value, false); return;
	case VIRTIO_MMIO_QUEUE_USED_HIGH: set_half(&q->used, value, true); return;
	case VIRTIO_MMIO_QUEUE_READY: CHECK_EQ(value, 1); queue_ready(q); return;
	}
	test_fail(__FILE__, __LINE__, "writes register 0x%x", offset);
}

void mmio_write32(void *at, u32 value)
{
	u32 offset = offset_of(at);

	device.writes++;
	switch (offset) {
	case VIRTIO_MMIO_STATUS: write_status(value); return;
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL: device.device_features_sel = value; return;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL: device.driver_features_sel = value; return;
	case VIRTIO_MMIO_DRIVER_FEATURES: device.driver_features[device.driver_features_sel & 1] = value; return;
	case VIRTIO_MMIO_QUEUE_SEL: device.queue_sel = value; return;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		CHECK_EQ(value, VIRTIO_MMIO_INT_VRING);
		device.acknowledged++;
		for (int i = 0; i < 6; i++)
			device.queue[i].paused = false;
		fake_work();
		return;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		CHECK(device.status & VIRTIO_CONFIG_S_DRIVER_OK);
		CHECK(value < 6 && device.queue[value].ready);
		device.queue[value].notifies++;
		fake_work();
		return;
	}
	if (offset >= VIRTIO_MMIO_CONFIG && offset < VIRTIO_MMIO_CONFIG + sizeof(device.config)) {
		CHECK(device.status & VIRTIO_CONFIG_S_DRIVER_OK);
		device.config[(offset - VIRTIO_MMIO_CONFIG) / 4] = value;
		return;
	}
	write_queue(offset, value);
}
