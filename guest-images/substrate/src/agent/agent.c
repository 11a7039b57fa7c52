/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: serves the host's frames (agent protocol, version 1). It runs inside devices_poll, on the stack of whoever
 * polled, so it never waits: a frame is taken up only when there is room for its answer, and what must be told later is kept
 * with its process.
 */
#include "agent.h"

#include <substrate/random.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>

#include "../virtio/console.h"
#include "frame.h"
#include "parser.h"
#include "process.h"
#include "protocol.h"
#include "spawn.h"

#define SPAWN_LENGTH_MIN 36 /* five numbers, two empty strings, two counts */
#define SIGNAL_MAX 64

static bool greeted; /* HELLO was answered */

static u32 get_u32(const u8 *at)
{
	u32 value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static s64 get_s64(const u8 *at)
{
	s64 value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static void refuse(const struct frame_header *header, const char *fmt, ...) printf_like(2, 3);
static void refuse(const struct frame_header *header, const char *fmt, ...)
{
	char reason[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	frame_begin(FRAME_REFUSED, header->process);
	frame_u32(header->type);
	frame_string(reason, strlen(reason));
	frame_end();
}

/* ---- frames for the agent itself ---- */

static bool set_clock(const struct frame_header *header, s64 realtime)
{
	if (realtime < 0) {
		refuse(header, "the time is before 1970");
		return false;
	}
	realtime_set((u64)realtime);
	return true;
}

static void on_hello(const struct frame_header *header, u8 *payload)
{
	static const char kernel[] = "substrate";
	u32 version = get_u32(payload);
	const char *release = kernel_release();

	if (version != AGENT_VERSION) {
		refuse(header, "version %u of the agent protocol is not spoken here, only %u", version, AGENT_VERSION);
		return;
	}
	if (!set_clock(header, get_s64(payload + 4)))
		return;
	/* Any number of machines may have been made from one in this state: from here on each has randomness of its own. */
	random_reseed(payload + 12, AGENT_SEED_BYTES);
	memset(payload + 12, 0, AGENT_SEED_BYTES);
	boot_id_renew();
	greeted = true;
	frame_begin(FRAME_HELLO_ANSWER, 0);
	frame_u32(AGENT_VERSION);
	frame_string(kernel, sizeof(kernel) - 1);
	frame_string(release, strnlen(release, 64));
	frame_u32(AGENT_PROCESSES_MAX);
	frame_end();
}

static void on_clock(const struct frame_header *header, u8 *payload)
{
	set_clock(header, get_s64(payload));
}

static void on_shutdown(const struct frame_header *header, u8 *payload)
{
	(void)header;
	(void)payload;
	frame_flush();
	console_flush();
	machine_power_off();
}

/* ---- frames for a program ---- */

static void on_spawn(const struct frame_header *header, u8 *payload)
{
	struct spawn spawn;
	const char *why;
	long error = spawn_decode(&spawn, payload, header->length, &why);

	if (error == -EINVAL) {
		refuse(header, "malformed SPAWN: %s", why);
	} else if (error) {
		spawn_failed(header->process, error, "out of memory");
	} else {
		spawn_run(header->process, &spawn);
		spawn_free(&spawn);
	}
}

/* A program that ended already is no mistake of the host's: the two may cross. */
static struct agent_process *running(const struct frame_header *header)
{
	struct agent_process *p = agent_process_find(header->process);
	return p && !p->ended ? p : NULL;
}

static void on_stdin_eof(const struct frame_header *header, u8 *payload)
{
	struct agent_process *p = running(header);
	(void)payload;

	if (!p)
		return;
	if (!p->in.connected || p->in.eof)
		refuse(header, "standard input is not open");
	else
		agent_stdin_end(p);
}

static void on_window(const struct frame_header *header, u8 *payload)
{
	u32 stream = get_u32(payload);
	struct agent_process *p = running(header);

	if (stream < WINDOW_STDOUT || stream > WINDOW_TRACE) {
		refuse(header, "there is no stream %u", stream);
		return;
	}
	if (!p)
		return;
	struct agent_output *output = stream == WINDOW_STDOUT ? &p->out : stream == WINDOW_STDERR ? &p->err : &p->trace;
	output->credit += get_u32(payload + 4);
	wake_up(&output->writers);
}

static void on_signal(const struct frame_header *header, u8 *payload)
{
	u32 signo = get_u32(payload);
	struct agent_process *p = running(header);

	if (signo < 1 || signo > SIGNAL_MAX)
		refuse(header, "there is no signal %u", signo);
	else if (p)
		signal_send_tree(p->process, (int)signo);
}

static void on_resize(const struct frame_header *header, u8 *payload)
{
	u32 rows = get_u32(payload), columns = get_u32(payload + 4);
	struct agent_process *p = running(header);

	if (rows > TERMINAL_SIDE_MAX || columns > TERMINAL_SIDE_MAX)
		refuse(header, "a terminal of %u rows and %u columns", rows, columns);
	else if (p && !p->terminal.tty)
		refuse(header, "the program has no terminal");
	else if (p)
		agent_terminal_resize(p, rows, columns);
}

/* ---- which frames there are ---- */

struct frame_kind {
	u16 type;
	bool to_process;
	u32 length_min, length_max;
	void (*handle)(const struct frame_header *header, u8 *payload); /* NULL: the payload is streamed */
};

static const struct frame_kind kinds[] = {
	{ FRAME_HELLO, false, 12 + AGENT_SEED_BYTES, 12 + AGENT_SEED_BYTES, on_hello },
	{ FRAME_CLOCK, false, 8, 8, on_clock },
	{ FRAME_SHUTDOWN, false, 0, 0, on_shutdown },
	{ FRAME_SPAWN, true, SPAWN_LENGTH_MIN, FRAME_PAYLOAD_MAX, on_spawn },
	{ FRAME_STDIN, true, 0, FRAME_PAYLOAD_MAX, NULL },
	{ FRAME_STDIN_EOF, true, 0, 0, on_stdin_eof },
	{ FRAME_WINDOW, true, 8, 8, on_window },
	{ FRAME_SIGNAL, true, 4, 4, on_signal },
	{ FRAME_RESIZE, true, 8, 8, on_resize },
};

static const struct frame_kind *find_kind(u16 type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

/* Standard input is judged by its header, because its payload is used as it comes. */
static enum payload_use judge_stdin(const struct frame_header *header)
{
	struct agent_process *p = running(header);

	if (!p)
		return PAYLOAD_SKIP;
	if (!p->in.connected || p->in.eof) {
		refuse(header, "standard input is not open");
		return PAYLOAD_SKIP;
	}
	if (header->length > p->in.credit) {
		refuse(header, "%u bytes of standard input, the credit is %u", header->length, p->in.credit);
		return PAYLOAD_SKIP;
	}
	return PAYLOAD_STREAM;
}

static enum payload_use on_header(const struct frame_header *header)
{
	const struct frame_kind *kind = find_kind(header->type);

	if (!kind)
		refuse(header, "there is no frame of type 0x%x", header->type);
	else if (header->reserved != 0)
		refuse(header, "the reserved field is %u, not 0", header->reserved);
	else if (kind->to_process != (header->process != 0))
		refuse(header, kind->to_process ? "process 0 is the agent" : "the frame is for the agent, not for a process");
	else if (header->length < kind->length_min || header->length > kind->length_max)
		refuse(header, "a payload of %u bytes", header->length);
	else if (!greeted && header->type != FRAME_HELLO)
		refuse(header, "nothing comes before HELLO");
	else if (header->type == FRAME_SPAWN && agent_process_find(header->process))
		refuse(header, "process %u is running", header->process);
	else if (header->type == FRAME_STDIN)
		return judge_stdin(header);
	else
		return PAYLOAD_WHOLE;
	return PAYLOAD_SKIP;
}

static void on_piece(const struct frame_header *header, const u8 *bytes, size_t n)
{
	/* The program may have ended between two pieces of one frame. */
	struct agent_process *p = running(header);
	if (p)
		agent_stdin_receive(p, bytes, n);
}

static void on_whole(const struct frame_header *header, u8 *payload)
{
	find_kind(header->type)->handle(header, payload);
}

static void on_no_memory(const struct frame_header *header)
{
	/* Only SPAWN is ever too large to be collected without allocating. */
	spawn_failed(header->process, -ENOMEM, "out of memory");
}

static const struct frame_sink sink = {
	.header = on_header,
	.piece = on_piece,
	.whole = on_whole,
	.no_memory = on_no_memory,
};

static struct frame_parser parser = { .sink = &sink };

static bool receive(struct stream_rx *rx)
{
	bool some = false;
	const u8 *bytes;
	size_t n;

	while (frame_room(FRAME_ANSWER_MAX) && (bytes = stream_rx_peek(rx, &n)) != NULL) {
		stream_rx_consume(rx, frame_parse(&parser, bytes, n));
		some = true;
	}
	stream_rx_refill(rx);
	return some;
}

bool agent_poll(void)
{
	struct agent_port *port = virtio_console_agent_port();

	if (!port)
		return false;
	bool some = stream_tx_reclaim(&port->tx);
	if (frame_room_returned()) {
		agent_processes_wake_writers();
		some = true;
	}
	some |= agent_processes_catch_up();
	some |= receive(&port->rx);
	frame_flush();
	return some;
}

void agent_flush(void)
{
	if (virtio_console_agent_port())
		frame_flush();
}
