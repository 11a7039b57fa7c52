/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include <err.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define VERSION 1
#define SEED_BYTES 32
#define WINDOW 262144U /* first credit of each output stream */
#define MOST_FRAME 1024

enum {
	HELLO = 0x0001,
	SPAWN = 0x0010,
	MORE_CREDIT = 0x0013,
	HELLO_ANSWER = 0x8001,
	SPAWNED = 0x8010,
	STDOUT = 0x8012,
	UNSUPPORTED = 0x8015,
	EXITED = 0x8016,
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void agent_init(struct agent *agent, struct console *console)
{
	agent->console = console;
	agent->hello_at = agent->output_at = agent->exited_at = 0;
	agent->process = 0;
	agent->length = 0;
}

/* ---- host to guest ---- */

struct frame {
	size_t length;
	uint8_t bytes[MOST_FRAME];
};

static void put(struct frame *frame, const void *bytes, size_t length)
{
	if (length > sizeof(frame->bytes) - frame->length)
		errx(1, "a frame of more than %d bytes", MOST_FRAME);
	memcpy(frame->bytes + frame->length, bytes, length);
	frame->length += length;
}

static void put_u32(struct frame *frame, uint32_t value)
{
	put(frame, &value, sizeof(value));
}

static void put_u64(struct frame *frame, uint64_t value)
{
	put(frame, &value, sizeof(value));
}

static void put_string(struct frame *frame, const char *text)
{
	put_u32(frame, (uint32_t)strlen(text));
	put(frame, text, strlen(text));
}

static void begin(struct frame *frame, uint32_t type, uint32_t process)
{
	frame->length = 0;
	put_u32(frame, 0); /* its length, for `send` to fill in */
	put_u32(frame, type);
	put_u32(frame, process);
}

static void send(struct agent *agent, struct frame *frame)
{
	uint32_t length = (uint32_t)(frame->length - FRAME_HEADER_SIZE);

	memcpy(frame->bytes, &length, sizeof(length));
	console_send(agent->console, frame->bytes, frame->length);
}

void agent_greet(struct agent *agent)
{
	struct frame frame;
	char seed[SEED_BYTES];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		err(1, "getrandom");
	begin(&frame, HELLO, 0);
	put_u32(&frame, VERSION);
	put_u64(&frame, clock_ns(CLOCK_REALTIME));
	put(&frame, seed, sizeof(seed));
	send(agent, &frame);
}

void agent_spawn(struct agent *agent, const char *const *argv)
{
	struct frame frame;
	uint32_t argc = 0;

	agent->output_at = agent->exited_at = 0;
	agent->output_length = 0;
	agent->credit = WINDOW;
	agent->consumed = 0;
	while (argv[argc])
		argc++;
	begin(&frame, SPAWN, ++agent->process);
	put_u32(&frame, 0); /* flags */
	put_u32(&frame, 0); /* uid */
	put_u32(&frame, 0); /* gid */
	put_u32(&frame, WINDOW);
	put_u32(&frame, WINDOW);
	put_string(&frame, "/");
	put_string(&frame, ""); /* path: as argv[0] says */
	put_u32(&frame, argc);
	for (uint32_t i = 0; i < argc; i++)
		put_string(&frame, argv[i]);
	put_u32(&frame, 1);
	put_string(&frame, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	send(agent, &frame);
}

/* Half a window is worth a frame. */
static void give_credit(struct agent *agent)
{
	struct frame frame;

	if (agent->consumed < WINDOW / 2)
		return;
	begin(&frame, MORE_CREDIT, agent->process);
	put_u32(&frame, 1); /* stdout */
	put_u32(&frame, agent->consumed);
	send(agent, &frame);
	agent->credit += agent->consumed;
	agent->consumed = 0;
}

/* ---- guest to host ---- */

static uint32_t get_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void on_hello(struct agent *agent, const uint8_t *payload, uint32_t length)
{
	if (length < 4 || get_u32(payload) != VERSION || agent->hello_at)
		errx(1, "the agent greets twice, or in another version");
	agent->hello_at = monotonic_ns();
}

static void on_stdout(struct agent *agent, const uint8_t *payload, uint32_t length)
{
	if (length > agent->credit)
		errx(1, "%u bytes of output for a credit of %u", length, agent->credit);
	if (!agent->output_at)
		agent->output_at = monotonic_ns();
	agent->credit -= length;
	agent->consumed += length;
	size_t kept = MOST_OUTPUT - agent->output_length < length ? MOST_OUTPUT - agent->output_length : length;
	memcpy(agent->output + agent->output_length, payload, kept);
	agent->output_length += kept;
	give_credit(agent);
}

static void on_exited(struct agent *agent, const uint8_t *payload, uint32_t length)
{
	if (length != 28)
		errx(1, "EXITED of %u bytes", length);
	agent->exit_code = get_u32(payload);
	agent->exited_at = monotonic_ns();
}

static void on_frame(struct agent *agent, uint32_t type, uint32_t process, const uint8_t *payload, uint32_t length)
{
	if (type == HELLO_ANSWER ? process != 0 : !agent->hello_at || process != agent->process || agent->exited_at)
		errx(1, "the agent sends a frame of type 0x%x for process %u out of turn", type, process);
	switch (type) {
	case HELLO_ANSWER:
		on_hello(agent, payload, length);
		break;
	case SPAWNED:
	case UNSUPPORTED:
		break;
	case STDOUT:
		on_stdout(agent, payload, length);
		break;
	case EXITED:
		on_exited(agent, payload, length);
		break;
	default: /* REFUSED, SPAWN_FAILED, STDERR, KILLED: not what was asked for */
		errx(1, "the agent answers with a frame of type 0x%x: %.*s", type, (int)length, payload);
	}
}

/* Bytes may be cut anywhere. */
void agent_received(void *context, const void *bytes, size_t length)
{
	struct agent *agent = context;
	const uint8_t *from = bytes;

	while (length > 0) {
		size_t wanted = FRAME_HEADER_SIZE;
		if (agent->length >= FRAME_HEADER_SIZE)
			wanted += get_u32(agent->frame);
		size_t n = wanted - agent->length < length ? wanted - agent->length : length;
		memcpy(agent->frame + agent->length, from, n);
		agent->length += n;
		from += n;
		length -= n;
		if (agent->length < FRAME_HEADER_SIZE)
			return;
		uint32_t payload = get_u32(agent->frame);
		if (payload > FRAME_PAYLOAD_MAX)
			errx(1, "the agent sends a frame of %u bytes", payload);
		if (agent->length == FRAME_HEADER_SIZE + payload) {
			agent->length = 0;
			/* The upper half is reserved, and 0. */
			on_frame(agent, get_u32(agent->frame + 4), get_u32(agent->frame + 8),
				 agent->frame + FRAME_HEADER_SIZE, payload);
		}
	}
}
