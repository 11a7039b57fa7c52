/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of the boot console. It waits in a ring until a transmit buffer is free and never holds up the kernel: when the host
 * does not take it, the oldest text makes room for the newest and the loss is told.
 */
#include <substrate/device.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#include "console.h"

#define TEXT_SIZE 8192U /* a power of two */
#define BUFFERS 4U
#define BUFFER_SIZE (PAGE_SIZE / BUFFERS)

/* About a second of PAUSE: a host that has not taken the text by then will not. */
#define FLUSH_SPINS 20000000U

static struct {
	struct virtqueue *transmit; /* NULL before the port is there */
	char *buffers;              /* a page, cut in BUFFERS; NULL before the first text */
	u32 free_buffers;           /* a bit each */
	bool pushing;
	u32 start, length; /* of the text that waits */
	u64 dropped;       /* bytes lost since the host was told last */
	char text[TEXT_SIZE];
} console;

#define ALL_BUFFERS ((1U << BUFFERS) - 1)

static void append(const char *text, size_t n)
{
	if (n > TEXT_SIZE) {
		console.dropped += n - TEXT_SIZE;
		text += n - TEXT_SIZE;
		n = TEXT_SIZE;
	}
	u32 spare = TEXT_SIZE - console.length;
	if (n > spare) {
		u32 lost = (u32)n - spare;
		console.dropped += lost;
		console.start = (console.start + lost) % TEXT_SIZE;
		console.length -= lost;
	}
	u32 end = (console.start + console.length) % TEXT_SIZE;
	u32 first = MIN((u32)n, TEXT_SIZE - end);
	memcpy(console.text + end, text, first);
	memcpy(console.text, text + first, n - first);
	console.length += (u32)n;
}

static u32 remove_text(char *to, u32 n)
{
	n = MIN(n, console.length);
	u32 first = MIN(n, TEXT_SIZE - console.start);
	memcpy(to, console.text + console.start, first);
	memcpy(to + first, console.text, n - first);
	console.start = (console.start + n) % TEXT_SIZE;
	console.length -= n;
	return n;
}

static bool reclaim(void)
{
	bool some = false;
	char *buffer;

	while ((buffer = virtqueue_take(console.transmit, NULL)) != NULL) {
		console.free_buffers |= 1U << ((size_t)(buffer - console.buffers) / BUFFER_SIZE);
		some = true;
	}
	if (some)
		virtqueue_acknowledge(console.transmit);
	return some;
}

static bool have_buffers(void)
{
	if (console.buffers)
		return true;
	paddr_t frame = frame_alloc(FRAME_ANY);
	if (!frame)
		return false;
	console.buffers = phys_to_virt(frame);
	console.free_buffers = ALL_BUFFERS;
	return true;
}

static void send_buffer(u32 index)
{
	char *buffer = console.buffers + index * BUFFER_SIZE;
	u32 n = 0;

	if (console.dropped > 0) {
		n = (u32)snprintf(buffer, BUFFER_SIZE, "\n[console: %llu bytes lost here]\n", (unsigned long long)console.dropped);
		console.dropped = 0;
	}
	n += remove_text(buffer + n, (u32)BUFFER_SIZE - n);

	struct virtqueue_segment segment = { buffer, n };
	BUG_ON(!virtqueue_add(console.transmit, &segment, 1, 0, buffer)); /* the queue has BUFFERS entries */
	console.free_buffers &= ~(1U << index);
}

static bool send(void)
{
	bool some = reclaim();

	while (console.length > 0 && have_buffers() && console.free_buffers != 0) {
		while (console.length > 0 && console.free_buffers != 0)
			send_buffer((u32)__builtin_ctz(console.free_buffers));
		virtqueue_kick(console.transmit);
		some = true;
		reclaim();
	}
	return some;
}

bool console_text_push(void)
{
	/* Something that goes wrong below here prints: that text waits. */
	if (!console.transmit || console.pushing)
		return false;
	console.pushing = true;
	bool some = send();
	bool waiting = console.length > 0;
	if (waiting != console.transmit->interrupts)
		virtqueue_set_interrupts(console.transmit, waiting);
	console.pushing = false;
	return some;
}

void console_text_start(struct virtqueue *transmit)
{
	console.transmit = transmit;
	console_text_push();
}

void console_write(const char *text, size_t len)
{
	append(text, len);
	console_text_push();
}

void console_flush(void)
{
	if (!console.transmit)
		return;
	for (u32 i = 0; i < FLUSH_SPINS; i++) {
		send();
		if (console.length == 0 && (!console.buffers || console.free_buffers == ALL_BUFFERS))
			return;
		if (console.transmit->broken)
			return;
		__builtin_ia32_pause();
	}
}
