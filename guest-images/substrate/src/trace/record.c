/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <substrate/err.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/uaccess.h>

#define PIECE_HEADER 4 /* u8 argument, u8 flags, u16 length */

static void put(struct record *record, const void *bytes, size_t n)
{
	BUG_ON(n > TRACE_RECORD_MAX - record->fill);
	memcpy(record->bytes + record->fill, bytes, n);
	record->fill += (u32)n;
}

void record_u8(struct record *record, u8 value)
{
	put(record, &value, sizeof(value));
}

void record_u32(struct record *record, u32 value)
{
	put(record, &value, sizeof(value));
}

void record_u64(struct record *record, u64 value)
{
	put(record, &value, sizeof(value));
}

void record_text(struct record *record, const char *text, size_t length)
{
	put(record, text, length);
}

/* Where the bytes of a piece go, and how many there can be; NULL when not even its header has a place. */
static u8 *piece_place(struct record *record, size_t *room)
{
	size_t left = TRACE_RECORD_MAX - record->fill;
	*room = left > PIECE_HEADER ? left - PIECE_HEADER : 0;
	return left >= PIECE_HEADER ? record->bytes + record->fill + PIECE_HEADER : NULL;
}

static void piece_end(struct record *record, u32 argument, size_t length, u8 flags)
{
	u16 length16 = (u16)length;
	record_u8(record, (u8)argument);
	record_u8(record, flags);
	put(record, &length16, sizeof(length16));
	record->fill += (u32)length;
}

void record_memory(struct record *record, u32 argument, const void __user *from, size_t n, bool cut)
{
	size_t room;
	u8 *to = piece_place(record, &room);
	if (!to)
		return;
	size_t length = MIN(n, room);
	bool fault = length > 0 && copy_from_user(to, from, length) != 0;
	u8 flags = (u8)((cut || length < n ? PIECE_CUT : 0) | (fault ? PIECE_FAULT : 0));
	piece_end(record, argument, fault ? 0 : length, flags);
}

void record_string(struct record *record, u32 argument, const char __user *from, size_t most)
{
	size_t room;
	u8 *to = piece_place(record, &room);
	/* The NUL is looked for where the string's bytes are, and one further. */
	if (!to || room < 2)
		return;
	size_t size = MIN(most, room - 1) + 1;
	ssize_t length = strncpy_from_user((char *)to, from, size);
	bool cut = length == -ENAMETOOLONG;
	if (cut)
		length = copy_from_user(to, from, size - 1) ? -EFAULT : (ssize_t)size - 1;
	if (length < 0)
		piece_end(record, argument, 0, PIECE_FAULT);
	else
		piece_end(record, argument, (size_t)length, cut ? PIECE_CUT : 0);
}

void record_kernel_memory(struct record *record, u32 argument, const void *from, size_t n, u8 flags)
{
	size_t room;
	u8 *to = piece_place(record, &room);
	if (!to)
		return;
	size_t length = MIN(n, room);
	memcpy(to, from, length);
	piece_end(record, argument, length, (u8)(flags | (length < n ? PIECE_CUT : 0)));
}
