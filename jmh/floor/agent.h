/* SPDX-License-Identifier: Apache-2.0 */
/* The host's end of the agent protocol (guest-images/docs/agent-protocol.md), for one program at a time. */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "console.h"

#define FRAME_HEADER_SIZE 12
#define FRAME_PAYLOAD_MAX 262144
#define MOST_OUTPUT 64

struct agent {
	struct console *console;
	uint64_t hello_at, output_at, exited_at; /* CLOCK_MONOTONIC in ns; 0: not yet */

	uint32_t process; /* the last that was spawned */
	uint32_t credit, consumed;
	uint32_t exit_code;
	char output[MOST_OUTPUT];
	size_t output_length;

	size_t length; /* of the frame that comes in */
	uint8_t frame[FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX];
};

uint64_t monotonic_ns(void);

void agent_init(struct agent *agent, struct console *console);

/* What the guest sends. */
void agent_received(void *agent, const void *bytes, size_t length);

/* Greets the agent; its answer sets hello_at. */
void agent_greet(struct agent *agent);

/* Runs a program; its first output sets output_at, its end exited_at. */
void agent_spawn(struct agent *agent, const char *const *argv);

#endif
