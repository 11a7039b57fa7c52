/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio console (virtio 1.2, 5.3) of two ports: the console itself, and the agent's. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <linux/virtio_console.h>

#include "mmio.h"

/* Of what the device has to tell the driver no more than one message each can wait. */
#define MOST_CONTROL_MESSAGES 8
#define MOST_TO_AGENT 4096
#define MOST_TEXT 8192

struct console {
	struct virtio_mmio mmio;
	void (*received)(void *agent, const void *bytes, size_t length);
	void *agent;

	struct virtio_console_control control[MOST_CONTROL_MESSAGES]; /* for which there was no buffer yet */
	int control_count;
	bool agent_port_open;
	char to_agent[MOST_TO_AGENT]; /* likewise */
	size_t to_agent_length;

	char text[MOST_TEXT]; /* the first that the guest's kernel says */
	size_t text_length;
};

/* `received` hears what the agent sends, while the guest is in its doorbell. */
void console_init(struct console *console, const struct memory *memory,
		  void (*received)(void *agent, const void *bytes, size_t length), void *agent);

/* Goes on where another was that had nothing left to say. */
void console_restore(struct console *console, const struct console *saved);

/* Sends bytes to the agent, now or as soon as it has room. */
void console_send(struct console *console, const void *bytes, size_t length);

#endif
