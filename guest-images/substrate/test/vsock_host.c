/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for the test of sockets, in the place of the virtio driver: it sends packets by chance, to connections that there are
 * more often than not, and answers some of what it is sent. Many of its packets no host may send.
 */
#include <substrate/device.h>
#include <substrate/mm.h>
#include <substrate/string.h>

#include "../src/net/socket.h"
#include "../src/virtio/vsock.h"
#include "vsock_host.h"

#define REMEMBERED 64
#define PLACE 4000

static u64 seed = 7;
static struct virtio_vsock_hdr remembered[REMEMBERED];
static u32 remembered_count, room;
static u8 place[PLACE];
static bool polling;

struct wait_queue virtio_vsock_room = WAIT_QUEUE_INIT(virtio_vsock_room);

static u32 next_random(u32 below)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (u32)(seed >> 33) % below;
}

u32 virtio_vsock_cid(void) { return 3; }
void virtio_vsock_kick(void) { room = next_random(4); }
void virtio_vsock_refill(void) {}

static void remember(const struct virtio_vsock_hdr *header)
{
	remembered[remembered_count++ % REMEMBERED] = *header;
}

bool virtio_vsock_send(const struct virtio_vsock_hdr *header)
{
	if (!polling && next_random(8) == 0)
		return false;
	remember(header);
	return true;
}

u8 *virtio_vsock_place(size_t wanted, size_t *capacity)
{
	if (room == 0)
		return NULL;
	room--;
	*capacity = MIN(wanted, (size_t)PLACE);
	return place;
}

void virtio_vsock_submit(u8 *at, const struct virtio_vsock_hdr *header)
{
	(void)at;
	remember(header);
}

void virtio_vsock_return(u8 *at) { (void)at; }
bool virtio_vsock_has_room(void) { return room > 0; }

/* A packet back along one that was sent, or from anywhere. */
static struct virtio_vsock_hdr any_packet(void)
{
	struct virtio_vsock_hdr h = { .src_cid = 2, .dst_cid = 3, .type = 1, .src_port = next_random(6), .dst_port = 2000 + next_random(4) };
	struct virtio_vsock_hdr *sent = &remembered[next_random(REMEMBERED)];

	if (sent->src_cid && next_random(4)) {
		h.src_port = sent->dst_port;
		h.dst_port = sent->src_port;
		h.src_cid = sent->dst_cid;
	}
	h.op = (u16)(next_random(20) ? 1 + next_random(7) : next_random(300));
	if (sent->op == VIRTIO_VSOCK_OP_REQUEST && next_random(2))
		h.op = VIRTIO_VSOCK_OP_RESPONSE;
	if (sent->op == VIRTIO_VSOCK_OP_SHUTDOWN && next_random(2))
		h.op = VIRTIO_VSOCK_OP_RST;
	h.flags = next_random(5);
	h.buf_alloc = next_random(3) ? 65536 : next_random(5) ? 0 : ~0U;
	h.fwd_cnt = next_random(3) ? sent->fwd_cnt : next_random(100000);
	if (next_random(40) == 0)
		h.type = (u16)next_random(5);
	return h;
}

bool devices_poll(void)
{
	if (polling || next_random(2))
		return false;
	polling = true;
	for (u32 n = next_random(4); n > 0; n--) {
		struct virtio_vsock_hdr h = any_packet();
		struct message *payload = NULL;
		if (h.op == VIRTIO_VSOCK_OP_RW || next_random(50) == 0) {
			payload = message_new(NULL, 1 + next_random(5000), 100);
			if (!payload)
				continue;
			h.len = payload->length = 1 + next_random(payload->capacity);
			memset(payload->data, 'h', payload->length);
			if (vsock_joined(&h, payload->data)) {
				message_free(payload);
				continue;
			}
		}
		vsock_received(&h, payload);
	}
	vsock_send_due();
	if (next_random(200) == 0)
		vsock_transport_reset();
	polling = false;
	return true;
}

void vsock_host_ends(void)
{
	vsock_transport_reset();
	remembered_count = 0;
	memset(remembered, 0, sizeof(remembered));
}
