/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to the host. A frame is begun, filled and ended without anything in between that could wait. */
#ifndef AGENT_FRAME_H
#define AGENT_FRAME_H

#include <substrate/types.h>
#include <substrate/uaccess.h>

/* Room that output of programs leaves for answers and ends: a page. */
#define FRAME_RESERVE 4096
/* The longest answer to a frame of the host, header included. */
#define FRAME_ANSWER_MAX 512
/* Bytes of a buffer that a frame may leave unused because its header does not fit the rest. */
#define FRAME_SLACK 16

/* Are there `size` bytes for frames, headers and slack included? Asks to be told of room when not. */
bool frame_room(size_t size);
void frame_begin(u16 type, u32 process);
void frame_u32(u32 value);
void frame_u64(u64 value);
void frame_string(const char *text, size_t length);
/*
 * Payload from the caller of a write: as much of `most` bytes (1 … the payload's maximum) as there is room for beyond the
 * reserve. Answers how much it was; 0 with io->faulted set when the program's memory is not there.
 */
size_t frame_copy_in(struct iobuf *io, size_t most);
void frame_end(void);
/* Forgets a frame begun with nothing in it. */
void frame_cancel(void);
/* The doorbell for everything ended so far. */
void frame_flush(void);
/* Wakes those who waited for room, when it is there again. True when it is. */
bool frame_room_returned(void);

#endif
