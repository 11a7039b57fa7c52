/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include <err.h>
#include <linux/virtio_ids.h>
#include <string.h>


/* 5.3.2 */
enum { TEXT_RECEIVE, TEXT_TRANSMIT, CONTROL_RECEIVE, CONTROL_TRANSMIT, AGENT_RECEIVE, AGENT_TRANSMIT };
enum { CONSOLE_PORT, AGENT_PORT, PORTS };

static const char agent_name[] = "io.vivarium.agent.0";

static struct console *console_of(struct virtio_mmio *mmio)
{
	return (struct console *)((char *)mmio - offsetof(struct console, mmio));
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- host to guest ---- */

/* Copies into one request of the driver. */
static bool place(struct console *console, struct virtqueue *queue, const char *bytes, size_t *length)
{
	struct chain chain;
	size_t done = 0;

	if (!virtqueue_pop(queue, console->mmio.memory, true, &chain))
		return false;
	for (int i = 0; i < chain.count && done < *length; i++) {
		size_t n = min(chain.parts[i].iov_len, *length - done);
		memcpy(chain.parts[i].iov_base, bytes + done, n);
		done += n;
	}
	virtqueue_push(queue, &chain, (uint32_t)done);
	*length = done;
	return true;
}

static void flush_to_agent(struct console *console)
{
	struct virtqueue *queue = virtio_mmio_queue(&console->mmio, AGENT_RECEIVE);
	size_t done = 0, n;

	if (!queue || !console->agent_port_open)
		return;
	while ((n = console->to_agent_length - done) > 0 && place(console, queue, console->to_agent + done, &n))
		done += n;
	console->to_agent_length -= done;
	memmove(console->to_agent, console->to_agent + done, console->to_agent_length);
	virtio_mmio_used(&console->mmio, queue);
}

void console_send(struct console *console, const void *bytes, size_t length)
{
	if (length > MOST_TO_AGENT - console->to_agent_length)
		errx(1, "the agent takes nothing");
	memcpy(console->to_agent + console->to_agent_length, bytes, length);
	console->to_agent_length += length;
	flush_to_agent(console);
}

/* ---- control messages (5.3.6.2) ---- */

static void flush_control(struct console *console)
{
	struct virtqueue *queue = virtio_mmio_queue(&console->mmio, CONTROL_RECEIVE);
	int sent = 0;

	if (!queue)
		return;
	for (; sent < console->control_count; sent++) {
		const struct virtio_console_control *control = &console->control[sent];
		char message[sizeof(*control) + sizeof(agent_name)];
		size_t length = sizeof(*control);

		memcpy(message, control, sizeof(*control));
		if (control->event == VIRTIO_CONSOLE_PORT_NAME) {
			memcpy(message + length, agent_name, sizeof(agent_name) - 1);
			length += sizeof(agent_name) - 1;
		}
		if (!place(console, queue, message, &length))
			break;
	}
	console->control_count -= sent;
	memmove(console->control, console->control + sent, (size_t)console->control_count * sizeof(console->control[0]));
	virtio_mmio_used(&console->mmio, queue);
}

static void add_control(struct console *console, uint32_t port, uint16_t event, uint16_t value)
{
	if (console->control_count == MOST_CONTROL_MESSAGES)
		errx(1, "the guest's console driver does not know what it wants");
	console->control[console->control_count++] =
		(struct virtio_console_control){ .id = port, .event = event, .value = value };
}

static void handle_control(struct console *console, const struct virtio_console_control *message)
{
	uint32_t port = message->id;

	if (message->event == VIRTIO_CONSOLE_DEVICE_READY) {
		for (uint32_t i = 0; i < PORTS; i++)
			add_control(console, i, VIRTIO_CONSOLE_PORT_ADD, 0);
		return;
	}
	if (port >= PORTS)
		errx(1, "the guest's console driver speaks of port %u", port);
	if (message->event == VIRTIO_CONSOLE_PORT_READY && message->value) {
		add_control(console, port, port == CONSOLE_PORT ? VIRTIO_CONSOLE_CONSOLE_PORT : VIRTIO_CONSOLE_PORT_NAME, 1);
		add_control(console, port, VIRTIO_CONSOLE_PORT_OPEN, 1);
	} else if (message->event == VIRTIO_CONSOLE_PORT_OPEN && port == AGENT_PORT) {
		console->agent_port_open = message->value;
	}
}

/* ---- guest to host ---- */

static void take_control(struct console *console, const struct iovec *part)
{
	struct virtio_console_control message;

	if (part->iov_len != sizeof(message))
		errx(1, "the guest sends a control message of %zu bytes", part->iov_len);
	memcpy(&message, part->iov_base, sizeof(message));
	handle_control(console, &message);
	/* A driver may send its half of the handshake at one go: it counts on an answer before the next is looked at. */
	flush_control(console);
}

static void take_text(struct console *console, const struct iovec *part)
{
	size_t n = min(part->iov_len, MOST_TEXT - console->text_length);

	memcpy(console->text + console->text_length, part->iov_base, n);
	console->text_length += n;
}

static void take_from_agent(struct console *console, const struct iovec *part)
{
	console->received(console->agent, part->iov_base, part->iov_len);
}

static void drain(struct console *console, uint32_t index,
		  void (*take)(struct console *console, const struct iovec *part))
{
	struct virtqueue *queue = virtio_mmio_queue(&console->mmio, index);
	struct chain chain;

	if (!queue)
		return;
	while (virtqueue_pop(queue, console->mmio.memory, false, &chain)) {
		for (int i = 0; i < chain.count; i++)
			take(console, &chain.parts[i]);
		virtqueue_push(queue, &chain, 0);
	}
	virtio_mmio_used(&console->mmio, queue);
}

static void notified(struct virtio_mmio *mmio, uint32_t queue)
{
	struct console *console = console_of(mmio);

	switch (queue) {
	case TEXT_TRANSMIT:
		drain(console, TEXT_TRANSMIT, take_text);
		break;
	case CONTROL_RECEIVE:
		flush_control(console);
		break;
	case CONTROL_TRANSMIT:
		drain(console, CONTROL_TRANSMIT, take_control);
		flush_to_agent(console); /* its port may have been opened */
		break;
	case AGENT_RECEIVE:
		flush_to_agent(console);
		break;
	case AGENT_TRANSMIT:
		drain(console, AGENT_TRANSMIT, take_from_agent);
		break;
	}
}

/* ---- the device ---- */

/* struct virtio_console_config: le16 cols, le16 rows, le32 max_nr_ports, le32 emerg_wr */
static uint64_t read_config(uint64_t offset)
{
	return offset == offsetof(struct virtio_console_config, max_nr_ports) ? PORTS : 0;
}

static const struct virtio_device device = {
	.id = VIRTIO_ID_CONSOLE,
	.features = 1UL << VIRTIO_CONSOLE_F_MULTIPORT,
	.queue_count = 2 * (PORTS + 1),
	.queue_max = { 256, 256, 64, 64, 256, 256 },
	.read_config = read_config,
	.notified = notified,
};

void console_init(struct console *console, const struct memory *memory,
		  void (*received)(void *agent, const void *bytes, size_t length), void *agent)
{
	virtio_mmio_init(&console->mmio, &device, memory);
	console->received = received;
	console->agent = agent;
	console->control_count = 0;
	console->agent_port_open = false;
	console->to_agent_length = 0;
	console->text_length = 0;
}

void console_restore(struct console *console, const struct console *saved)
{
	virtio_mmio_restore(&console->mmio, &saved->mmio);
	console->agent_port_open = saved->agent_port_open;
}
