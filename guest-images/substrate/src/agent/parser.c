/* SPDX-License-Identifier: Apache-2.0 */
#include "parser.h"

#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

static u8 *payload_place(struct frame_parser *parser)
{
	return parser->heap ? parser->heap : parser->small;
}

static void frame_done(struct frame_parser *parser)
{
	if (parser->use == PAYLOAD_WHOLE)
		parser->sink->whole(&parser->header, payload_place(parser));
	kfree(parser->heap);
	parser->heap = NULL;
	parser->have = 0;
	parser->inside = false;
}

static void read_header(struct frame_parser *parser)
{
	const u8 *bytes = parser->header_bytes;
	struct frame_header *header = &parser->header;

	memcpy(&header->length, bytes, 4);
	memcpy(&header->type, bytes + 4, 2);
	memcpy(&header->reserved, bytes + 6, 2);
	memcpy(&header->process, bytes + 8, 4);
}

static void header_done(struct frame_parser *parser)
{
	read_header(parser);
	if (parser->header.length > FRAME_PAYLOAD_MAX)
		panic("agent: the host announced a frame of %u bytes, more than %u: the stream cannot be followed any further",
		      parser->header.length, FRAME_PAYLOAD_MAX);
	parser->have = 0;
	parser->use = parser->sink->header(&parser->header);
	if (parser->use == PAYLOAD_WHOLE && parser->header.length > PAYLOAD_INLINE) {
		parser->heap = kmalloc(parser->header.length + 1);
		if (!parser->heap) {
			parser->sink->no_memory(&parser->header);
			parser->use = PAYLOAD_SKIP;
		}
	}
	if (parser->header.length > 0)
		parser->inside = true;
	else
		frame_done(parser);
}

static size_t take_header(struct frame_parser *parser, const u8 *bytes, size_t n)
{
	n = MIN(n, FRAME_HEADER_SIZE - (size_t)parser->have);
	memcpy(parser->header_bytes + parser->have, bytes, n);
	parser->have += (u32)n;
	if (parser->have == FRAME_HEADER_SIZE)
		header_done(parser);
	return n;
}

static size_t take_payload(struct frame_parser *parser, const u8 *bytes, size_t n)
{
	n = MIN(n, (size_t)(parser->header.length - parser->have));
	if (parser->use == PAYLOAD_WHOLE)
		memcpy(payload_place(parser) + parser->have, bytes, n);
	else if (parser->use == PAYLOAD_STREAM)
		parser->sink->piece(&parser->header, bytes, n);
	parser->have += (u32)n;
	if (parser->have == parser->header.length)
		frame_done(parser);
	return n;
}

size_t frame_parse(struct frame_parser *parser, const u8 *bytes, size_t n)
{
	return parser->inside ? take_payload(parser, bytes, n) : take_header(parser, bytes, n);
}
