/* SPDX-License-Identifier: Apache-2.0 */
/* A record that is being made. Bytes that find no place are left out, and said to be. */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H

#include <substrate/trace.h>
#include <substrate/types.h>

struct record {
	u32 fill;
	u8 bytes[TRACE_RECORD_MAX];
};

/* Fixed fields come first, and have their place. */
void record_u8(struct record *record, u8 value);
void record_u32(struct record *record, u32 value);
void record_u64(struct record *record, u64 value);
void record_text(struct record *record, const char *text, size_t length);

/* What is not all there, of a captured piece of memory. */
enum piece_flags { PIECE_CUT = 1, PIECE_FAULT = 2 };

/* `n` bytes of the program's memory, of which there are more when `cut`. */
void record_memory(struct record *record, u32 argument, const void __user *from, size_t n, bool cut);
/* A string of the program's, without its NUL, of at most `most` bytes. */
void record_string(struct record *record, u32 argument, const char __user *from, size_t most);
void record_kernel_memory(struct record *record, u32 argument, const void *from, size_t n, u8 flags);

/* What a tracer is shown of the memory that a call's arguments point to, before the call and after it. */
void capture_before(struct record *record, const struct pt_regs *call);
void capture_after(struct record *record, const struct pt_regs *call, long result);

#endif
