/* SPDX-License-Identifier: Apache-2.0 */
/* A byte stream over a pair of virtqueues: pages of buffers, allocated as traffic asks for them and kept. */
#ifndef VIRTIO_STREAM_H
#define VIRTIO_STREAM_H

#include <substrate/types.h>

#include "queue.h"

#define STREAM_TX_PAGES 16
#define STREAM_RX_PAGES 16

struct stream_tx {
	struct virtqueue *queue;
	void *free[STREAM_TX_PAGES]; /* a stack: the page used last is the one that is warm */
	u16 free_count, allocated;
	u8 *page; /* being filled, or NULL */
	u32 fill;
	bool wanted; /* somebody waits for room */
};

struct stream_rx {
	struct virtqueue *queue;
	void *idle[STREAM_RX_PAGES]; /* consumed, not posted again yet */
	u16 idle_count, allocated, posted;
	u8 *page; /* being read, or NULL */
	u32 length, offset; /* of the buffer taken last */
};

/*
 * At least two pages are there from the beginning, so that the stream works when memory is exhausted. False when even
 * those are not to be had.
 */
bool stream_tx_init(struct stream_tx *tx, struct virtqueue *queue);
/* Takes back what the device has sent. True when there was something. */
bool stream_tx_reclaim(struct stream_tx *tx);
/* Takes back what the device has sent and answers how many bytes can be written, allocating until they are `enough`. */
size_t stream_tx_room(struct stream_tx *tx, size_t enough);
/*
 * The place for the next bytes: at least `least` (at most a page) in one piece. *length says how many there are. Never
 * NULL when stream_tx_room answered `least` and a page's tail of as many bytes more.
 */
u8 *stream_tx_place(struct stream_tx *tx, size_t least, size_t *length);
/* `n` bytes of that place were written (or, negative, the last ones of it are taken back). */
void stream_tx_advance(struct stream_tx *tx, ssize_t n);
/* Hands everything written to the device: one doorbell at most. */
void stream_tx_flush(struct stream_tx *tx);
/* From now on the device interrupts when it has sent something, until stream_tx_served. */
void stream_tx_want(struct stream_tx *tx);
void stream_tx_served(struct stream_tx *tx);

/* Posts the first buffers; the device is told with the next kick of the queue, if it wants to know. */
bool stream_rx_init(struct stream_rx *rx, struct virtqueue *queue);
/* The unread bytes of the oldest buffer, or NULL when nothing has arrived. */
const u8 *stream_rx_peek(struct stream_rx *rx, size_t *length);
void stream_rx_consume(struct stream_rx *rx, size_t n);
/* Gives consumed buffers back to the device, when they are enough to be worth it. */
void stream_rx_refill(struct stream_rx *rx);

#endif
