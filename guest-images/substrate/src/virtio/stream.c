/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream over a pair of virtqueues. Pages are the unit of everything, because the first touch of a page is dear: a
 * program that writes little touches one page again and again, one that writes much gets many, so that a doorbell carries many
 * of them.
 */
#include "stream.h"

#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#define FIRST_PAGES 2

static void *new_page(void)
{
	paddr_t frame = frame_alloc(FRAME_ANY);
	return frame ? phys_to_virt(frame) : NULL;
}

/* ---- guest to host ---- */

static bool add_tx_page(struct stream_tx *tx)
{
	if (tx->allocated == MIN(STREAM_TX_PAGES, tx->queue->size))
		return false;
	void *page = new_page();
	if (!page)
		return false;
	tx->free[tx->free_count++] = page;
	tx->allocated++;
	return true;
}

bool stream_tx_init(struct stream_tx *tx, struct virtqueue *queue)
{
	memset(tx, 0, sizeof(*tx));
	tx->queue = queue;
	for (u16 i = 0; i < FIRST_PAGES; i++)
		if (!add_tx_page(tx))
			return false;
	return true;
}

bool stream_tx_reclaim(struct stream_tx *tx)
{
	bool some = false;
	void *page;

	while ((page = virtqueue_take(tx->queue, NULL)) != NULL) {
		tx->free[tx->free_count++] = page;
		some = true;
	}
	if (some)
		virtqueue_acknowledge(tx->queue);
	return some;
}

static size_t room(const struct stream_tx *tx)
{
	return (tx->page ? PAGE_SIZE - tx->fill : 0) + tx->free_count * PAGE_SIZE;
}

size_t stream_tx_room(struct stream_tx *tx, size_t enough)
{
	stream_tx_reclaim(tx);
	while (room(tx) < enough && add_tx_page(tx))
		;
	return room(tx);
}

static void submit(struct stream_tx *tx)
{
	struct virtqueue_segment segment = { tx->page, tx->fill };

	/* There are never more pages than descriptors. */
	BUG_ON(!virtqueue_add(tx->queue, &segment, 1, 0, tx->page));
	tx->page = NULL;
}

u8 *stream_tx_place(struct stream_tx *tx, size_t least, size_t *length)
{
	if (tx->page && PAGE_SIZE - tx->fill < least)
		submit(tx);
	if (!tx->page) {
		if (tx->free_count == 0)
			return NULL;
		tx->page = tx->free[--tx->free_count];
		tx->fill = 0;
	}
	*length = PAGE_SIZE - tx->fill;
	return tx->page + tx->fill;
}

void stream_tx_advance(struct stream_tx *tx, ssize_t n)
{
	tx->fill += (u32)n;
}

void stream_tx_flush(struct stream_tx *tx)
{
	if (tx->page) {
		if (tx->fill > 0) {
			submit(tx);
		} else {
			tx->free[tx->free_count++] = tx->page;
			tx->page = NULL;
		}
	}
	virtqueue_kick(tx->queue);
}

void stream_tx_want(struct stream_tx *tx)
{
	if (tx->wanted)
		return;
	tx->wanted = true;
	virtqueue_set_interrupts(tx->queue, true);
}

void stream_tx_served(struct stream_tx *tx)
{
	tx->wanted = false;
	virtqueue_set_interrupts(tx->queue, false);
}

/* ---- host to guest ---- */

static bool add_rx_page(struct stream_rx *rx)
{
	if (rx->allocated == MIN(STREAM_RX_PAGES, rx->queue->size))
		return false;
	void *page = new_page();
	if (!page)
		return false;
	rx->idle[rx->idle_count++] = page;
	rx->allocated++;
	return true;
}

static void post(struct stream_rx *rx)
{
	while (rx->idle_count > 0) {
		struct virtqueue_segment segment = { rx->idle[rx->idle_count - 1], PAGE_SIZE };

		/* There are never more pages than descriptors. */
		BUG_ON(!virtqueue_add(rx->queue, &segment, 0, 1, segment.data));
		rx->idle_count--;
		rx->posted++;
	}
}

bool stream_rx_init(struct stream_rx *rx, struct virtqueue *queue)
{
	memset(rx, 0, sizeof(*rx));
	rx->queue = queue;
	for (u16 i = 0; i < FIRST_PAGES; i++)
		if (!add_rx_page(rx))
			return false;
	post(rx);
	virtqueue_set_interrupts(queue, true);
	return true;
}

const u8 *stream_rx_peek(struct stream_rx *rx, size_t *length)
{
	while (!rx->page) {
		u32 written;
		void *page = virtqueue_take(rx->queue, &written);
		if (!page)
			return NULL;
		rx->posted--;
		if (written == 0) {
			rx->idle[rx->idle_count++] = page;
			continue;
		}
		rx->page = page;
		rx->length = written;
		rx->offset = 0;
	}
	*length = rx->length - rx->offset;
	return rx->page + rx->offset;
}

void stream_rx_consume(struct stream_rx *rx, size_t n)
{
	rx->offset += (u32)n;
	if (rx->offset == rx->length) {
		rx->idle[rx->idle_count++] = rx->page;
		rx->page = NULL;
	}
}

void stream_rx_refill(struct stream_rx *rx)
{
	if (rx->idle_count == 0 || rx->posted * 2 >= rx->allocated)
		return;
	/* The host filled all that it had to the brim: it has more to send than there are buffers. */
	if (rx->posted == 0 && rx->length == PAGE_SIZE)
		for (u16 more = rx->allocated; more > 0 && add_rx_page(rx); more--)
			;
	post(rx);
	virtqueue_kick(rx->queue);
}
