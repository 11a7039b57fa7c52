/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "text.h"

char *text_reserve(struct text *t, size_t len)
{
	size_t room = t->room ? t->room : 512;
	char *bytes;

	if (t->failed)
		return NULL;
	if (t->room - t->len >= len)
		return t->bytes + t->len;
	while (room - t->len < len && room < KMALLOC_MAX)
		room *= 2;
	bytes = room - t->len >= len ? krealloc(t->bytes, room) : NULL;
	if (!bytes) {
		t->failed = true;
		return NULL;
	}
	t->bytes = bytes;
	t->room = room;
	return bytes + t->len;
}

void text_append(struct text *t, const void *bytes, size_t len)
{
	char *to = text_reserve(t, len);

	if (!to)
		return;
	memcpy(to, bytes, len);
	t->len += len;
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char line[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	text_append(t, line, MIN((size_t)n, sizeof(line) - 1));
}

void text_free(struct text *t)
{
	kfree(t->bytes);
	*t = (struct text){ 0 };
}
