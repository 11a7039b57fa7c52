/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio drivers against a device that works inside the doorbell. */
#define VIRTIO_MMIO_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>

#include "../src/virtio/console.h"
#include "../src/virtio/queue.h"
#include "../src/virtio/virtio.h"
#include "agent_shim.h"

/* ---- the transport ---- */

static void probes_a_good_device(void)
{
	fake_probe();
	CHECK_EQ(device.status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
	                            VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ(device.driver_features[0], 1U << VIRTIO_CONSOLE_F_MULTIPORT | 1U << VIRTIO_RING_F_EVENT_IDX);
	CHECK(!device.queue[0].ready);
	for (int i = 1; i < 6; i++)
		CHECK(device.queue[i].ready);
	/* Each costs an exit: magic, version, id, features, FEATURES_OK, one queue's limit; no more. */
	CHECK_EQ(device.reads, 6);
	CHECK(device.writes <= 41);
	CHECK_EQ(device.queue[3].notifies, 2); /* ready; the two ports are ready and open */
	CHECK_EQ(device.queue[2].notifies + device.queue[4].notifies + device.queue[5].notifies + device.queue[1].notifies, 0);
	CHECK(virtio_console_agent_port() == NULL);
	CHECK(devices_poll());
	CHECK(virtio_console_agent_port() != NULL);
	CHECK(!devices_poll());
	CHECK_EQ(device.queue[2].notifies + device.queue[4].notifies + device.queue[5].notifies, 0);
	CHECK_STR(kernel.log, "");
}

static void high_memory(void)
{
	kernel.memory_base = 0x140000000UL;
	fake_probe();
	CHECK(device.queue[5].desc >> 32 == 1);
	devices_poll();
	CHECK(virtio_console_agent_port() != NULL);
}

static void probe_finds_nothing(void)
{
	static const struct {
		u32 magic, version, id;
		int reads;
		const char *log;
	} bad[] = {
		{ 0, 2, 3, 1, "no device at 0xd0000000 (magic 0x0)" },
		{ 0x74726976, 1, 3, 2, "transport version 1, not 2" },
		{ 0x74726976, 2, 0, 3, "" },
		{ 0x74726976, 2, 77, 3, "no driver for the device of type 77" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_reset();
		device.magic = bad[i].magic;
		device.version = bad[i].version;
		device.id = bad[i].id;
		fake_probe();
		CHECK_EQ(device.reads, bad[i].reads);
		CHECK_EQ(device.writes, 0);
		CHECK(strstr(kernel.log, bad[i].log));
		CHECK((*bad[i].log == 0) == (*kernel.log == 0));
	}
	fake_reset();
	virtio_mmio_probe(WINDOW_BASE, 0x80, 5);
	virtio_mmio_probe(WINDOW_BASE + 2, 0x200, 5);
	virtio_mmio_probe(DIRECT_MAP_SIZE - 0x100, 0x200, 5);
	virtio_mmio_probe(~0UL - 3, 0x200, 5);
	CHECK_EQ(device.reads, 0);
}

static void features_refused(void)
{
	device.refuse_features = true;
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	CHECK(!(device.status & VIRTIO_CONFIG_S_DRIVER_OK));
	CHECK(!devices_poll());
	CHECK(strstr(kernel.log, "refused the features"));
}

static void without_ports(void)
{
	device.features = 0;
	device.queue_max[2] = device.queue_max[3] = device.queue_max[4] = device.queue_max[5] = 0;
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_DRIVER_OK);
	console_write("hello", 5);
	CHECK_EQ(device.text.length, 5);
	devices_poll();
	CHECK(virtio_console_agent_port() == NULL);
}

static void too_few_queues(void)
{
	device.queue_max[5] = 0;
	fake_probe();
	CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	CHECK(strstr(kernel.log, "no port for the agent"));
	CHECK_EQ(kernel.allocated, 0);
	console_write("x", 1);
	CHECK(!devices_poll());
}

static void small_queues(void)
{
	for (int i = 0; i < 6; i++)
		device.queue_max[i] = 8;
	fake_probe();
	devices_poll();
	CHECK(virtio_console_agent_port() != NULL);
	CHECK_EQ(virtio_console_agent_port()->tx.queue->size, 8);
}

static void second_console(void)
{
	fake_probe();
	int writes = device.writes;
	fake_probe();
	CHECK_EQ(device.writes, writes);
	CHECK(strstr(kernel.log, "there is one already"));
}

static void unnamed_port_is_no_agent(void)
{
	device.port_name = "io.vivarium.agent.00";
	fake_probe();
	while (devices_poll())
		;
	CHECK(virtio_console_agent_port() == NULL);
}

/* ---- queues ---- */

static struct virtio_device plain;

/* A queue with no device behind it but this test. */
static void make_queue(struct virtqueue *queue, u16 size, bool event_idx)
{
	void *memory = phys_to_virt(frame_alloc(FRAME_ZERO));

	CHECK(virtqueue_bytes(size) <= PAGE_SIZE);
	plain = (struct virtio_device){ .window = phys_to_virt(WINDOW_BASE), .selected = NO_QUEUE };
	plain.features = event_idx ? VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
	virtqueue_init(queue, &plain, 4, size, memory);
	struct fake_queue *q = &device.queue[4];
	memset(q, 0, sizeof(*q));
	*q = (struct fake_queue){ .size = size, .desc = virt_to_phys(queue->desc), .avail = virt_to_phys(queue->avail),
		                      .used = virt_to_phys(queue->used), .ready = true, .hold = true };
	device.driver_features[0] = event_idx ? 1U << VIRTIO_RING_F_EVENT_IDX : 0;
	device.status = VIRTIO_CONFIG_S_DRIVER_OK;
}

static u16 next_available(void)
{
	struct fake_queue *q = &device.queue[4];
	struct vring_avail *ring = phys_to_virt(q->avail);
	CHECK(q->next_avail != ring->idx);
	return ring->ring[q->next_avail++ % q->size];
}

/* Chains of one to three descriptors, completed in any order, all the way round the 16-bit indices. */
static void any_order_for_long(void)
{
	struct virtqueue queue;
	static u8 *area;
	struct {
		u16 id;
		u32 length, descriptors;
		size_t token;
	} out[16];
	u32 count = 0, in_use = 0;
	size_t token = 0;

	make_queue(&queue, 16, true);
	area = phys_to_virt(frame_alloc(FRAME_ANY));
	for (u32 step = 0; step < 300000; step++) {
		struct virtqueue_segment segments[3] = { { area, 7 }, { area + 64, 8 }, { area + 128, 9 } };
		u16 readable = test_random() % 3, writable = 1 + test_random() % (3 - readable);
		if (test_random() % 2) {
			token++;
			u16 before = queue.free_count;
			if (virtqueue_add(&queue, segments, readable, writable, (void *)token)) {
				virtqueue_publish(&queue);
				out[count].id = next_available();
				out[count].token = token;
				out[count].descriptors = readable + writable;
				in_use += out[count].descriptors;
				u32 most = 0;
				for (u16 i = readable; i < readable + writable; i++)
					most += segments[i].length;
				out[count].length = (u32)(test_random() % (most + 1));
				struct vring_desc *d = &queue.desc[out[count].id];
				for (u16 i = 0; i < readable + writable; i++) {
					CHECK_EQ(d->addr, virt_to_phys(segments[i].data));
					CHECK_EQ(d->len, segments[i].length);
					CHECK_EQ(d->flags & VRING_DESC_F_WRITE, i >= readable ? VRING_DESC_F_WRITE : 0);
					CHECK_EQ(d->flags & VRING_DESC_F_NEXT, i + 1 < readable + writable ? VRING_DESC_F_NEXT : 0);
					d = &queue.desc[d->next];
				}
				count++;
			} else {
				CHECK_EQ(queue.free_count, before);
				CHECK(before < readable + writable);
			}
		} else if (count > 0) {
			u32 which = (u32)(test_random() % count), written;
			fake_complete(4, out[which].id, out[which].length);
			CHECK(virtqueue_take(&queue, &written) == (void *)out[which].token);
			CHECK_EQ(written, out[which].length);
			CHECK(virtqueue_take(&queue, &written) == NULL);
			in_use -= out[which].descriptors;
			out[which] = out[--count];
		}
		CHECK_EQ(queue.free_count, 16 - in_use);
	}
	CHECK(queue.added > 0 && token > 100000);
}

static void check_bad_used(u32 id, u32 length, const char *panic)
{
	struct virtqueue queue;

	fake_reset();
	make_queue(&queue, 8, false);
	u8 *area = phys_to_virt(frame_alloc(FRAME_ANY));
	struct virtqueue_segment segments[2] = { { area, 8 }, { area + 64, 64 } };
	CHECK(virtqueue_add(&queue, segments, 1, 1, area));
	virtqueue_publish(&queue);
	fake_complete(4, id, length);
	CHECK_PANICS(virtqueue_take(&queue, NULL), panic);
	CHECK(virtqueue_take(&queue, NULL) == NULL);
}

static void hostile_used_rings(void)
{
	check_bad_used(8, 0, "descriptor 8 of queue 4");
	check_bad_used(0xffffffff, 0, "descriptor 4294967295");
	check_bad_used(0x10000, 0, "descriptor 65536"); /* not cut to 16 bits */
	check_bad_used(1, 0, "descriptor 1 of queue 4"); /* in the chain, not its head */
	check_bad_used(3, 0, "descriptor 3 of queue 4"); /* free */
	check_bad_used(0, 65, "wrote 65 bytes into 64");
}

static void returned_twice(void)
{
	struct virtqueue queue;

	make_queue(&queue, 8, false);
	struct virtqueue_segment segment = { phys_to_virt(frame_alloc(FRAME_ANY)), 64 };
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_publish(&queue);
	fake_complete(4, 0, 64);
	fake_complete(4, 0, 64);
	CHECK(virtqueue_take(&queue, NULL) == segment.data);
	CHECK_PANICS(virtqueue_take(&queue, NULL), "which it did not have");
}

static void doorbells(void)
{
	struct virtqueue queue;
	struct virtqueue_segment segment;

	make_queue(&queue, 8, false);
	segment = (struct virtqueue_segment){ phys_to_virt(frame_alloc(FRAME_ANY)), 64 };
	struct fake_queue *q = &device.queue[4];
	virtqueue_kick(&queue);
	CHECK_EQ(q->notifies, 0); /* nothing new */
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_kick(&queue);
	CHECK_EQ(q->notifies, 1); /* one for both */
	queue.used->flags = VRING_USED_F_NO_NOTIFY;
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_kick(&queue);
	CHECK_EQ(q->notifies, 1);

	make_queue(&queue, 8, true);
	u16 *avail_event = (u16 *)&queue.used->ring[queue.size];
	*avail_event = 1;
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_kick(&queue);
	CHECK_EQ(q->notifies, 0);
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_kick(&queue);
	CHECK_EQ(q->notifies, 1);
	virtqueue_add(&queue, &segment, 0, 1, segment.data);
	virtqueue_kick(&queue);
	CHECK_EQ(q->notifies, 1);
}

static void interrupts_on_and_off(void)
{
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		struct virtqueue queue;
		make_queue(&queue, 8, event_idx);
		struct virtqueue_segment segment = { phys_to_virt(frame_alloc(FRAME_ANY)), 64 };
		struct fake_queue *q = &device.queue[4];
		int expected = 0;
		for (int i = 0; i < 1000; i++) {
			bool on = test_random() % 2;
			virtqueue_set_interrupts(&queue, on);
			virtqueue_add(&queue, &segment, 0, 1, segment.data);
			virtqueue_publish(&queue);
			fake_complete(4, next_available(), 1);
			expected += on;
			CHECK_EQ(q->interrupts, expected);
			CHECK(virtqueue_take(&queue, NULL) == segment.data);
		}
	}
}

/* ---- the boot console ---- */

static bool text_is(const char *text)
{
	return device.text.length == strlen(text) && memcmp(device.text.data, text, strlen(text)) == 0;
}

static void text_waits_for_the_port(void)
{
	console_write("early ", 6);
	console_flush();
	CHECK_EQ(kernel.allocated, 0);
	fake_probe();
	CHECK(text_is("early "));
	console_write("late", 4);
	CHECK(text_is("early late"));
	CHECK_EQ(device.queue[1].notifies, 2);
	CHECK_EQ(device.queue[1].interrupts, 0);
}

static void long_text(void)
{
	static char text[50000];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	fake_probe();
	console_write(text, 8000);
	CHECK(device.text.length == 8000 && memcmp(device.text.data, text, 8000) == 0);
	CHECK_EQ(device.queue[1].notifies, 2); /* 4 KiB each */
	device.text.length = 0;
	console_write(text, sizeof(text));
	const char *notice = "\n[console: 41808 bytes lost here]\n";
	CHECK_EQ(device.text.length, 8192 + strlen(notice));
	CHECK(memcmp(device.text.data, notice, strlen(notice)) == 0);
	CHECK(memcmp(device.text.data + strlen(notice), text + sizeof(text) - 8192, 8192) == 0);
}

static void slow_console_loses_the_oldest(void)
{
	char line[101];

	fake_probe();
	device.queue[1].hold = true;
	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "%0100d", i);
		console_write(line, 100);
	}
	CHECK_EQ(device.text.length, 0);
	device.queue[1].hold = false;
	int before = device.queue[1].interrupts;
	fake_work();
	CHECK(device.queue[1].interrupts > before); /* somebody waits for room: that is worth an interrupt */
	while (devices_poll())
		;
	bytes_add(&device.text, "", 1);
	char *text = (char *)device.text.data;
	snprintf(line, sizeof(line), "%0100d", 3);
	CHECK(strstr(text, line)); /* what the device had is whole */
	snprintf(line, sizeof(line), "%0100d", 199);
	CHECK(strstr(text, line));
	char *notice = strstr(text, "[console: ");
	CHECK(notice);
	long lost = strtol(notice + 10, NULL, 10);
	size_t notices = strlen("\n[console:  bytes lost here]\n") + (size_t)snprintf(line, sizeof(line), "%ld", lost);
	CHECK_EQ(strlen(text) - notices + (size_t)lost, 200 * 100);
	CHECK(!strstr(notice + 1, "[console: "));
}

static void console_without_memory(void)
{
	fake_probe();
	kernel.fail_allocation = 0;
	console_write("kept", 4);
	CHECK_EQ(device.text.length, 0);
	kernel.fail_allocation = -1;
	devices_poll();
	CHECK(text_is("kept"));
}

static void acknowledges_a_device_that_pauses(void)
{
	static char text[8000];

	memset(text, 'x', sizeof(text));
	fake_probe();
	CHECK_EQ(device.acknowledged, 0);
	device.pause_after = 3;
	console_write(text, sizeof(text));
	while (devices_poll())
		;
	CHECK_EQ(device.text.length, sizeof(text));
	CHECK(device.acknowledged > 0);
}

static void flush_of_a_broken_console_ends(void)
{
	fake_probe();
	console_write("a", 1);
	fake_complete(1, 3, 0);
	CHECK_PANICS(console_write("b", 1), "queue 1, which it did not have");
	console_write("c", 1);
	console_flush();
	CHECK(device.queue[1].notifies > 1); /* there were buffers left: the text still got out */
	CHECK(device.text.data[device.text.length - 1] == 'c');
}

/* ---- the byte stream ---- */

static struct agent_port *connect_port(void)
{
	fake_probe();
	while (virtio_console_poll())
		;
	struct agent_port *port = virtio_console_agent_port();
	CHECK(port != NULL);
	return port;
}

static void stream_in(void)
{
	struct agent_port *port = connect_port();
	static u8 data[1 << 20];
	size_t got = 0, length;
	const u8 *bytes;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)test_random();
	CHECK_EQ(port->rx.allocated, 2);
	fake_send(data, 100);
	CHECK((bytes = stream_rx_peek(&port->rx, &length)) && length == 100);
	stream_rx_consume(&port->rx, 100);
	stream_rx_refill(&port->rx);
	CHECK_EQ(port->rx.allocated, 2);
	CHECK_EQ(device.queue[4].notifies, 0);
	got = 100;
	fake_send(data + got, sizeof(data) - got);
	while ((bytes = stream_rx_peek(&port->rx, &length)) != NULL) {
		size_t n = 1 + test_random() % length;
		CHECK(memcmp(bytes, data + got, n) == 0);
		stream_rx_consume(&port->rx, n);
		got += n;
		if (test_random() % 4 == 0)
			stream_rx_refill(&port->rx);
		if (!port->rx.posted)
			stream_rx_refill(&port->rx);
	}
	CHECK_EQ(got, sizeof(data));
	CHECK(port->rx.allocated > 2 && port->rx.allocated <= STREAM_RX_PAGES);
}

static void stream_out(void)
{
	struct agent_port *port = connect_port();
	static u8 data[1 << 20];
	size_t put = 0, length;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)test_random();
	while (put < sizeof(data)) {
		device.queue[5].hold = test_random() % 3 == 0;
		size_t least = 1 + test_random() % 20;
		stream_tx_room(&port->tx, test_random() % 100000);
		u8 *to = stream_tx_place(&port->tx, least, &length);
		if (to) {
			CHECK(length >= least);
			size_t n = 1 + test_random() % length;
			n = MIN(n, sizeof(data) - put);
			memcpy(to, data + put, n);
			stream_tx_advance(&port->tx, (ssize_t)n);
			put += n;
		}
		if (test_random() % 4 == 0 || !to)
			stream_tx_flush(&port->tx);
		if (!device.queue[5].hold)
			fake_work();
	}
	device.queue[5].hold = false;
	stream_tx_flush(&port->tx);
	fake_work();
	CHECK_EQ(device.from_agent.length, sizeof(data));
	CHECK(memcmp(device.from_agent.data, data, sizeof(data)) == 0);
	CHECK(port->tx.allocated <= STREAM_TX_PAGES);
}

static void little_output_touches_one_page(void)
{
	struct agent_port *port = connect_port();
	size_t length;
	u8 *first = stream_tx_place(&port->tx, 1, &length);

	for (int i = 0; i < 100; i++) {
		CHECK(stream_tx_place(&port->tx, 1, &length) == first);
		*first = 'x';
		stream_tx_advance(&port->tx, 1);
		stream_tx_flush(&port->tx);
		stream_tx_room(&port->tx, 1);
	}
	CHECK_EQ(device.queue[5].notifies, 100);
	CHECK_EQ(port->tx.allocated, 2);
	stream_tx_flush(&port->tx);
	CHECK_EQ(device.queue[5].notifies, 100);
}

int main(void)
{
	static const struct test tests[] = {
		{ "probes a good device", probes_a_good_device },
		{ "high memory", high_memory },
		{ "probe finds nothing", probe_finds_nothing },
		{ "features refused", features_refused },
		{ "without ports", without_ports },
		{ "too few queues", too_few_queues },
		{ "small queues", small_queues },
		{ "second console", second_console },
		{ "a port of another name", unnamed_port_is_no_agent },
		{ "any order for long", any_order_for_long },
		{ "hostile used rings", hostile_used_rings },
		{ "returned twice", returned_twice },
		{ "doorbells", doorbells },
		{ "interrupts on and off", interrupts_on_and_off },
		{ "text waits for the port", text_waits_for_the_port },
		{ "long text", long_text },
		{ "a slow console loses the oldest text", slow_console_loses_the_oldest },
		{ "console without memory", console_without_memory },
		{ "acknowledges a device that pauses", acknowledges_a_device_that_pauses },
		{ "flush of a broken console", flush_of_a_broken_console_ends },
		{ "stream in", stream_in },
		{ "stream out", stream_out },
		{ "little output touches one page", little_output_touches_one_page },
	};
	return run_tests(tests, ARRAY_SIZE(tests)) ? 1 : 0;
}
