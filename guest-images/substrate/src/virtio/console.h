/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio console device (virtio 1.2, 5.3): port 0 is the boot console, port 1 the agent's stream. */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include <substrate/types.h>

#include "queue.h"
#include "stream.h"

struct agent_port {
	struct stream_tx tx;
	struct stream_rx rx;
};

/* Reads control messages and moves console text on. True when there was something. */
bool virtio_console_poll(void);
/* The stream of the port that the host named io.vivarium.agent.0, or NULL while there is none. */
struct agent_port *virtio_console_agent_port(void);

/* console_text.c: port 0 is there; text goes out through this queue. */
void console_text_start(struct virtqueue *transmit);
/* Sends what is waiting as far as there are buffers. True when some were taken back or sent. */
bool console_text_push(void);

#endif
