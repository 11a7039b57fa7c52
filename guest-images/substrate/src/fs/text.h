/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows: what the files of /proc are made of. */
#ifndef SUBSTRATE_FS_TEXT_H
#define SUBSTRATE_FS_TEXT_H

#include <substrate/types.h>

struct text {
	char *bytes;
	size_t len, room;
	bool failed; /* memory ran out: what follows is dropped */
};

void text_printf(struct text *t, const char *fmt, ...) printf_like(2, 3);
void text_append(struct text *t, const void *bytes, size_t len);
/* Room for `len` more bytes, to be counted in t->len by the caller; NULL when there is none. */
char *text_reserve(struct text *t, size_t len);
void text_free(struct text *t);

#endif
