/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the virtio console (virtio 1.2, 5.3). The layout of its queues is fixed by the specification, so the queues of
 * port 1 are set up before the host has said what the port is for; only the name it then gives makes it the agent's.
 *
 * Console input (queue 0) is not set up: nothing in this kernel reads it.
 */
#include "console.h"

#include <linux/virtio_console.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#include "virtio.h"

enum { CONSOLE_PORT = 0, AGENT_PORT = 1 };
/* 5.3.2 */
enum { PORT0_TRANSMIT = 1, CONTROL_RECEIVE = 2, CONTROL_TRANSMIT = 3, PORT1_RECEIVE = 4, PORT1_TRANSMIT = 5 };

/* With these sizes everything that the device and the driver share fits one page. */
#define CONTROL_ENTRIES 8
#define CONTROL_MESSAGE_SIZE 144 /* with the name of a port */
#define CONTROL_REFILL 2         /* the host's greetings fit without handing a buffer back */
#define TEXT_ENTRIES 4
#define FEATURES (1U << VIRTIO_CONSOLE_F_MULTIPORT | 1U << VIRTIO_RING_F_EVENT_IDX)

struct control_stack {
	void *items[CONTROL_ENTRIES];
	u16 count;
};

static struct {
	struct virtio_device device;
	struct virtqueue text, control_receive, control_transmit, agent_receive, agent_transmit;
	struct control_stack to_post, to_send; /* buffers for messages of the device and of the driver */
	bool present, multiport, agent_named;
	struct agent_port agent;
} console;

/* A queue size the device allows: a power of two as the split ring asks. */
static u16 queue_size(u32 wanted, u32 max)
{
	while (wanted > max)
		wanted /= 2;
	return (u16)wanted;
}

struct arena {
	u8 *at, *end;
};

static void *arena_take(struct arena *arena, size_t size)
{
	size = ALIGN_UP(size, 16);
	BUG_ON(size > (size_t)(arena->end - arena->at));
	void *p = arena->at;
	arena->at += size;
	return p;
}

static void new_queue(struct virtqueue *queue, u32 index, u16 size, struct arena *arena)
{
	virtqueue_init(queue, &console.device, index, size, arena_take(arena, virtqueue_bytes(size)));
	virtio_queue_enable(&console.device, queue);
}

static void post_control_buffers(void)
{
	struct control_stack *stack = &console.to_post;

	while (stack->count > 0) {
		struct virtqueue_segment segment = { stack->items[--stack->count], CONTROL_MESSAGE_SIZE };
		BUG_ON(!virtqueue_add(&console.control_receive, &segment, 0, 1, segment.data));
	}
}

static void fill_stack(struct control_stack *stack, size_t size, struct arena *arena)
{
	while (stack->count < CONTROL_ENTRIES)
		stack->items[stack->count++] = arena_take(arena, size);
}

static bool start_agent_port(struct arena *arena, u32 max)
{
	new_queue(&console.agent_transmit, PORT1_TRANSMIT, queue_size(STREAM_TX_PAGES, max), arena);
	new_queue(&console.agent_receive, PORT1_RECEIVE, queue_size(STREAM_RX_PAGES, max), arena);
	new_queue(&console.control_transmit, CONTROL_TRANSMIT, CONTROL_ENTRIES, arena);
	new_queue(&console.control_receive, CONTROL_RECEIVE, CONTROL_ENTRIES, arena);

	fill_stack(&console.to_post, CONTROL_MESSAGE_SIZE, arena);
	fill_stack(&console.to_send, sizeof(struct virtio_console_control), arena);
	post_control_buffers();
	virtqueue_set_interrupts(&console.control_receive, true);
	return stream_tx_init(&console.agent.tx, &console.agent_transmit) &&
	       stream_rx_init(&console.agent.rx, &console.agent_receive);
}

/* ---- control messages (5.3.6.2) ---- */

static void add_control(u32 port, u16 event, u16 value)
{
	struct control_stack *stack = &console.to_send;
	BUG_ON(stack->count == 0);
	struct virtio_console_control *message = stack->items[--stack->count];
	struct virtqueue_segment segment = { message, sizeof(*message) };

	*message = (struct virtio_console_control){ .id = port, .event = event, .value = value };
	BUG_ON(!virtqueue_add(&console.control_transmit, &segment, 1, 0, message));
}

static void port_added(u32 port)
{
	bool known = port == CONSOLE_PORT || port == AGENT_PORT;

	add_control(port, VIRTIO_CONSOLE_PORT_READY, known);
	if (known)
		add_control(port, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void port_named(u32 port, const char *name, size_t size)
{
	static const char agent_name[] = "io.vivarium.agent.0";
	size_t length = strnlen(name, size);

	if (length != sizeof(agent_name) - 1 || memcmp(name, agent_name, length) != 0)
		return;
	if (port == AGENT_PORT)
		console.agent_named = true;
	else
		printk("virtio-console: %s is port %u, not %u\n", agent_name, port, AGENT_PORT);
}

static void handle_control(const u8 *bytes, u32 length)
{
	struct virtio_console_control message;

	if (length < sizeof(message)) {
		printk("virtio-console: a control message of %u bytes\n", length);
		return;
	}
	memcpy(&message, bytes, sizeof(message));
	if (message.event == VIRTIO_CONSOLE_PORT_ADD)
		port_added(message.id);
	else if (message.event == VIRTIO_CONSOLE_PORT_NAME)
		port_named(message.id, (const char *)bytes + sizeof(message), length - sizeof(message));
	/* The others tell of the host's side of a port, which its bytes tell as well. */
}

static bool poll_control(void)
{
	bool some = false;
	void *buffer;
	u32 length;

	while ((buffer = virtqueue_take(&console.control_transmit, NULL)) != NULL) {
		console.to_send.items[console.to_send.count++] = buffer;
		some = true;
	}
	if (some)
		virtqueue_acknowledge(&console.control_transmit);
	/* Each may ask for two answers. */
	while (console.to_send.count >= 2 && (buffer = virtqueue_take(&console.control_receive, &length)) != NULL) {
		handle_control(buffer, length);
		console.to_post.items[console.to_post.count++] = buffer;
		some = true;
	}
	virtqueue_kick(&console.control_transmit);
	if (CONTROL_ENTRIES - console.to_post.count < CONTROL_REFILL) {
		post_control_buffers();
		virtqueue_kick(&console.control_receive);
	}
	return some;
}

void virtio_console_probe(const struct virtio_device *found)
{
	if (console.present) {
		printk("virtio-console: there is one already, the device at %p is left alone\n", (void *)found->window);
		return;
	}
	console.device = *found;
	if (!virtio_negotiate(&console.device, FEATURES)) {
		printk("virtio-console: the device refused the features\n");
		return;
	}
	paddr_t frame = frame_alloc(FRAME_ZERO);
	if (!frame)
		panic("virtio-console: no memory for its queues");
	struct arena arena = { phys_to_virt(frame), (u8 *)phys_to_virt(frame) + PAGE_SIZE };

	/* The last queue that is needed stands for all: the ports' queues come in pairs and none is smaller. */
	bool offers_ports = console.device.features & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
	u32 max = virtio_queue_max(&console.device, offers_ports ? PORT1_TRANSMIT : PORT0_TRANSMIT);
	if (max < TEXT_ENTRIES || (offers_ports && max < CONTROL_ENTRIES)) {
		printk("virtio-console: the device has no port for the agent, or queues of %u entries only\n", max);
		virtio_driver_failed(&console.device);
		frame_put(frame);
		return;
	}
	if (offers_ports && !start_agent_port(&arena, max))
		panic("virtio-console: no memory for the agent's buffers");
	new_queue(&console.text, PORT0_TRANSMIT, TEXT_ENTRIES, &arena);

	/*
	 * Receive buffers are seen by the device as soon as it looks for one; it cannot have looked yet, so no doorbell is due for
	 * them.
	 */
	if (offers_ports) {
		virtqueue_publish(&console.control_receive);
		virtqueue_publish(&console.agent_receive);
	}
	virtio_driver_ok(&console.device);
	console.multiport = offers_ports;
	console.present = true;
	if (offers_ports) {
		add_control(VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
		virtqueue_kick(&console.control_transmit);
		/* A device that works inside the doorbell has announced its ports by now. */
		poll_control();
	}
	console_text_start(&console.text);
}

bool virtio_console_poll(void)
{
	if (!console.present)
		return false;
	bool some = console.multiport && poll_control();
	return console_text_push() || some;
}

struct agent_port *virtio_console_agent_port(void)
{
	return console.agent_named ? &console.agent : NULL;
}
