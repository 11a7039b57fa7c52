/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio socket device (virtio 1.2, 5.10): packets to and from the host. What they mean is the matter of net/vsock.c. */
#ifndef VIRTIO_VSOCK_H
#define VIRTIO_VSOCK_H

#include <linux/virtio_vsock.h>
#include <substrate/types.h>

struct message;
struct wait_queue;

/* This machine's context id; 0: there is no such device. */
u32 virtio_vsock_cid(void);
/* Takes back what was sent and hands out what was received. True when there was something. */
bool virtio_vsock_poll(void);

/* Has the device see a packet without payload, with the next kick. False: there is no room, see virtio_vsock_room. */
bool virtio_vsock_send(const struct virtio_vsock_hdr *header);
/* A place for at most `wanted` bytes of payload, *capacity of them; NULL: there is none now. */
u8 *virtio_vsock_place(size_t wanted, size_t *capacity);
/* Has the device see a packet with the first header->len bytes of that place, with the next kick; or gives the place back. */
void virtio_vsock_submit(u8 *place, const struct virtio_vsock_hdr *header);
void virtio_vsock_return(u8 *place);
/* Rings the doorbell that is owed for what was sent, if any is, and takes back what the device has taken by then. */
void virtio_vsock_kick(void);
/* Whether virtio_vsock_place would give one. */
bool virtio_vsock_has_room(void);
/* Woken when there is room again for packets, after there was none. */
extern struct wait_queue virtio_vsock_room;
/* Messages were freed: where memory was short, there may be some for receive buffers. */
void virtio_vsock_refill(void);

/* ---- what the driver asks of net/vsock.c ---- */

/* A packet; there is room for one to be sent in answer. `payload`, of header->len bytes, is to be queued or freed; NULL: none. */
void vsock_received(const struct virtio_vsock_hdr *header, struct message *payload);
/* Whether header->len bytes for a connection could be joined to what waits there already, and were copied. */
bool vsock_joined(const struct virtio_vsock_hdr *header, const u8 *payload);
/* There is room for packets: those that wait are to be sent. True when there were some. */
bool vsock_send_due(void);
/* Connections are gone, and the machine's context id may have changed. */
void vsock_transport_reset(void);

#endif
