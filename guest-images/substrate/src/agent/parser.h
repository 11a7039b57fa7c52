/* SPDX-License-Identifier: Apache-2.0 */
/* Splits the host's byte stream into frames, however it is cut. */
#ifndef AGENT_PARSER_H
#define AGENT_PARSER_H

#include <substrate/types.h>

#include "protocol.h"

struct frame_header {
	u32 length;
	u16 type;
	u16 reserved;
	u32 process;
};

struct frame_parser;

/* What becomes of a frame's payload. */
enum payload_use {
	PAYLOAD_SKIP,   /* nothing: the frame was refused, or is for nobody */
	PAYLOAD_STREAM, /* each piece as it comes to `piece` */
	PAYLOAD_WHOLE,  /* collected, then handed to `whole` */
};

struct frame_sink {
	/* The header is there; payload follows unless length is 0. Judges the frame before any of it is kept. */
	enum payload_use (*header)(const struct frame_header *header);
	void (*piece)(const struct frame_header *header, const u8 *bytes, size_t n);
	/* `payload` holds header->length bytes and has room for one more. It may be changed; it is gone afterwards. */
	void (*whole)(const struct frame_header *header, u8 *payload);
	/* There is no memory to collect the payload in; it will be skipped. */
	void (*no_memory)(const struct frame_header *header);
};

#define PAYLOAD_INLINE 16 /* payloads up to here are collected without allocating */

struct frame_parser {
	const struct frame_sink *sink;
	u8 header_bytes[FRAME_HEADER_SIZE];
	struct frame_header header;
	u32 have;    /* bytes of the header or, when that is complete, of the payload */
	bool inside; /* the header is complete, payload is missing */
	enum payload_use use;
	u8 *heap;    /* what a large payload is collected in */
	u8 small[PAYLOAD_INLINE + 1];
};

/*
 * Takes up to `n` bytes (at least one) and answers how many; at most one frame ends within them. A frame longer than
 * FRAME_PAYLOAD_MAX ends the machine: where the next one begins cannot be known.
 */
size_t frame_parse(struct frame_parser *parser, const u8 *bytes, size_t n);

#endif
