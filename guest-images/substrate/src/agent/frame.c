/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <substrate/printk.h>
#include <substrate/string.h>

#include "../virtio/console.h"
#include "protocol.h"

static struct {
	u8 *header; /* of the frame begun, in a transmit buffer not yet published; NULL between frames */
	u32 length; /* of its payload so far */
} frame;

static struct stream_tx *transmit(void)
{
	struct agent_port *port = virtio_console_agent_port();
	BUG_ON(!port);
	return &port->tx;
}

bool frame_room(size_t size)
{
	if (stream_tx_room(transmit(), size) >= size)
		return true;
	stream_tx_want(transmit());
	return false;
}

static void put(const void *bytes, size_t n)
{
	const u8 *from = bytes;

	while (n > 0) {
		size_t length;
		u8 *to = stream_tx_place(transmit(), 1, &length);
		BUG_ON(!to); /* the caller asked for room */
		length = MIN(length, n);
		memcpy(to, from, length);
		stream_tx_advance(transmit(), (ssize_t)length);
		from += length;
		n -= length;
	}
}

/* The header stays in one piece with the first byte of the payload, so that it can be completed or cancelled later. */
void frame_begin(u16 type, u32 process)
{
	size_t length;
	u8 *header = stream_tx_place(transmit(), FRAME_HEADER_SIZE + 1, &length);
	u16 reserved = 0;

	BUG_ON(!header || frame.header);
	memcpy(header + 4, &type, sizeof(type));
	memcpy(header + 6, &reserved, sizeof(reserved));
	memcpy(header + 8, &process, sizeof(process));
	stream_tx_advance(transmit(), FRAME_HEADER_SIZE);
	frame.header = header;
	frame.length = 0;
}

static void put_payload(const void *bytes, size_t n)
{
	put(bytes, n);
	frame.length += (u32)n;
}

void frame_u32(u32 value)
{
	put_payload(&value, sizeof(value));
}

void frame_u64(u64 value)
{
	put_payload(&value, sizeof(value));
}

void frame_string(const char *text, size_t length)
{
	frame_u32((u32)length);
	put_payload(text, length);
}

size_t frame_copy_in(struct iobuf *io, size_t most)
{
	size_t room = stream_tx_room(transmit(), most + FRAME_RESERVE);
	size_t left = MIN(most, room > FRAME_RESERVE ? room - FRAME_RESERVE : 0);
	size_t done = 0;

	while (done < left && !io->faulted) {
		size_t length;
		u8 *to = stream_tx_place(transmit(), 1, &length);
		BUG_ON(!to);
		size_t copied = iobuf_copy_in(io, to, MIN(length, left - done));
		stream_tx_advance(transmit(), (ssize_t)copied);
		if (copied == 0)
			break;
		done += copied;
	}
	frame.length += (u32)done;
	return done;
}

void frame_end(void)
{
	BUG_ON(!frame.header || frame.length > FRAME_PAYLOAD_MAX);
	memcpy(frame.header, &frame.length, sizeof(frame.length));
	frame.header = NULL;
}

void frame_cancel(void)
{
	BUG_ON(!frame.header || frame.length != 0);
	stream_tx_advance(transmit(), -FRAME_HEADER_SIZE);
	frame.header = NULL;
}

void frame_flush(void)
{
	stream_tx_flush(transmit());
}

bool frame_room_returned(void)
{
	struct stream_tx *tx = transmit();

	if (!tx->wanted || stream_tx_room(tx, FRAME_RESERVE + FRAME_ANSWER_MAX) < FRAME_RESERVE + FRAME_ANSWER_MAX)
		return false;
	stream_tx_served(tx);
	return true;
}
