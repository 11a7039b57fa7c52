/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of sockets, and what it carries, beside a host that counts credit as virtio 1.2, 5.10.6.3, has it and fails the
 * test when the guest breaks a rule; and beside one that breaks the rules itself.
 */
#define VIRTIO_MMIO_NO_LEGACY
#define VIRTIO_RING_NO_LEGACY
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../src/net/socket.h"
#include "../src/virtio/virtio.h"
#include "../src/virtio/vsock.h"
#include "agent_shim.h"

enum { RECEIVE, TRANSMIT, EVENT };
#define GUEST 3
#define PORT 7000u /* of the host */
#define HEADER ((u32)sizeof(struct virtio_vsock_hdr))
#define GIB (1UL << 30)

/* ---- the host ---- */

/* The host's end of a connection. What a byte is depends on where it is in its stream. */
struct peer {
	u32 port, guest_port;
	u64 sent, due;   /* bytes to the guest, and those that are to be */
	u64 guest_taken; /* of them, by what it says */
	u32 guest_room;
	u64 got, taken;  /* bytes from the guest, and those that were read */
	u64 promised;    /* the most that it may have sent, by what it was told */
	u32 room, guest_shut;
	bool established;
};

static struct {
	struct peer peers[32];
	u32 count;
	enum { SILENT, ACCEPT, REFUSE } answer;
	u32 room;           /* that a new connection is told of */
	bool reads;         /* at once, and says so */
	bool lawless;       /* the guest has been told nonsense: it need not make sense of it */
	struct bytes waiting; /* packets without payload that there was no buffer for */
	size_t delivered;     /* of those */
	u32 cid;              /* of the guest */
	struct bytes said;  /* headers from the guest, but those that only carry bytes or credit */
	size_t looked_at;
	u32 packets, updates;
} host;

static struct peer *peer_of(u32 port, u32 guest_port)
{
	for (u32 i = 0; i < host.count; i++)
		if (host.peers[i].port == port && host.peers[i].guest_port == guest_port)
			return &host.peers[i];
	return NULL;
}

static struct peer *new_peer(u32 port, u32 guest_port)
{
	CHECK(host.count < ARRAY_SIZE(host.peers));
	struct peer *p = &host.peers[host.count++];
	*p = (struct peer){ .port = port, .guest_port = guest_port, .room = host.room };
	return p;
}

/* A stream's bytes, over and over. That is a prime, so that no length of a buffer or a packet divides it. */
#define PERIOD 65521
static u8 pattern[PERIOD];

static void fill(u8 *at, u64 position, u32 length)
{
	for (u32 done = 0, n; done < length; done += n) {
		u32 from = (u32)((position + done) % PERIOD);
		n = MIN(length - done, PERIOD - from);
		memcpy(at + done, pattern + from, n);
	}
}

static void check(const u8 *at, u64 position, u32 length)
{
	for (u32 done = 0, n; done < length; done += n) {
		u32 from = (u32)((position + done) % PERIOD);
		n = MIN(length - done, PERIOD - from);
		CHECK(memcmp(at + done, pattern + from, n) == 0);
	}
}

static struct virtio_vsock_hdr packet(struct peer *p, u32 op)
{
	p->promised = MAX(p->promised, p->taken + p->room);
	return (struct virtio_vsock_hdr){ .src_cid = VMADDR_CID_HOST, .dst_cid = GUEST, .src_port = p->port,
		                              .dst_port = p->guest_port, .type = VIRTIO_VSOCK_TYPE_STREAM, .op = (u16)op,
		                              .buf_alloc = p->room, .fwd_cnt = (u32)p->taken };
}

/* Puts a packet into the next receive buffer, and says that it is so long. False: there is none. */
static bool deliver(const struct virtio_vsock_hdr *header, const void *payload, u32 length, u32 written)
{
	struct vring_desc *chain[2];
	u32 head, count = fake_take(RECEIVE, chain, 2, &head);

	if (count == 0)
		return false;
	CHECK_EQ(count, 2);
	CHECK(chain[0]->len == HEADER && chain[0]->flags & VRING_DESC_F_WRITE && chain[1]->flags & VRING_DESC_F_WRITE);
	CHECK(length <= chain[1]->len);
	memcpy(phys_to_virt(chain[0]->addr), header, HEADER);
	if (length)
		memcpy(phys_to_virt(chain[1]->addr), payload, length);
	fake_complete(RECEIVE, head, written);
	return true;
}

/* In order, as buffers come. True: none waits. */
static bool deliver_waiting(void)
{
	while (host.delivered < host.waiting.length) {
		struct virtio_vsock_hdr header;
		memcpy(&header, host.waiting.data + host.delivered, HEADER);
		if (!deliver(&header, NULL, 0, HEADER))
			return false;
		host.delivered += HEADER;
	}
	return true;
}

static void say_packet(const struct virtio_vsock_hdr *header)
{
	bytes_add(&host.waiting, header, HEADER);
	deliver_waiting();
}

static void say(struct peer *p, u32 op)
{
	struct virtio_vsock_hdr header = packet(p, op);
	say_packet(&header);
}

static void say_shutdown(struct peer *p, u32 flags)
{
	struct virtio_vsock_hdr header = packet(p, VIRTIO_VSOCK_OP_SHUTDOWN);
	header.flags = flags;
	say_packet(&header);
}

static void guest_looks(void)
{
	while (devices_poll())
		;
}

static u32 guest_free(const struct peer *p)
{
	u64 under_way = p->sent - p->guest_taken;
	return p->guest_room > under_way ? p->guest_room - (u32)under_way : 0;
}

/* Bytes that are due, as far as there is credit, in as few packets as the buffers allow. */
static void send_due(struct peer *p)
{
	struct vring_desc *chain[2];
	u32 head;

	while (p->due > 0 && guest_free(p) > 0 && fake_take(RECEIVE, chain, 2, &head) > 0) {
		struct virtio_vsock_hdr header = packet(p, VIRTIO_VSOCK_OP_RW);
		header.len = (u32)MIN(p->due, (u64)MIN(guest_free(p), chain[1]->len));
		memcpy(phys_to_virt(chain[0]->addr), &header, HEADER);
		fill(phys_to_virt(chain[1]->addr), p->sent, header.len);
		p->sent += header.len;
		p->due -= header.len;
		fake_complete(RECEIVE, head, HEADER + header.len);
	}
}

static void take_credit(struct peer *p, const struct virtio_vsock_hdr *header)
{
	u32 news = header->fwd_cnt - (u32)p->guest_taken;

	CHECK(news <= p->sent - p->guest_taken);
	p->guest_taken += news;
	p->guest_room = header->buf_alloc;
}

static void take_bytes(struct peer *p, const struct virtio_vsock_hdr *header, const u8 *payload)
{
	CHECK(p->established && !(p->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND));
	CHECK(header->len > 0 && p->got + header->len <= p->promised);
	check(payload, p->got, header->len);
	p->got += header->len;
	if (!host.reads)
		return;
	p->taken = p->got;
	say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

static void take_packet(const struct virtio_vsock_hdr *header, const u8 *payload)
{
	struct peer *p = peer_of(header->dst_port, header->src_port);

	CHECK(header->src_cid == host.cid || header->op == VIRTIO_VSOCK_OP_RST);
	host.packets++;
	if (header->op != VIRTIO_VSOCK_OP_RW && header->op != VIRTIO_VSOCK_OP_CREDIT_UPDATE)
		bytes_add(&host.said, header, HEADER);
	if (!p && header->op == VIRTIO_VSOCK_OP_REQUEST && host.answer == ACCEPT)
		p = new_peer(header->dst_port, header->src_port);
	if (header->op == VIRTIO_VSOCK_OP_REQUEST && host.answer == REFUSE)
		say(&(struct peer){ .port = header->dst_port, .guest_port = header->src_port }, VIRTIO_VSOCK_OP_RST);
	if (!p)
		return;
	if (header->op != VIRTIO_VSOCK_OP_RST && !host.lawless)
		take_credit(p, header);
	host.updates += header->op == VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	switch (header->op) {
	case VIRTIO_VSOCK_OP_REQUEST:
		p->established = true;
		say(p, VIRTIO_VSOCK_OP_RESPONSE);
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		p->established = true;
		break;
	case VIRTIO_VSOCK_OP_RW:
		take_bytes(p, header, payload);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		CHECK((header->flags & p->guest_shut) == p->guest_shut);
		p->guest_shut = header->flags;
		if (header->flags == (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND) && host.answer != SILENT) {
			say(p, VIRTIO_VSOCK_OP_RST);
			*p = (struct peer){ 0 };
		}
		break;
	case VIRTIO_VSOCK_OP_RST:
		*p = (struct peer){ 0 };
		break;
	}
}

static void work(void)
{
	struct vring_desc *chain[2];
	u32 count, head;

	while ((count = fake_take(TRANSMIT, chain, 2, &head)) > 0) {
		struct virtio_vsock_hdr header;
		CHECK(chain[0]->len == HEADER && !(chain[0]->flags & VRING_DESC_F_WRITE));
		memcpy(&header, phys_to_virt(chain[0]->addr), HEADER);
		CHECK(count == 1 ? header.len == 0 : header.len == chain[1]->len && !(chain[1]->flags & VRING_DESC_F_WRITE));
		CHECK(header.len <= 64U << 10);
		take_packet(&header, count == 2 ? phys_to_virt(chain[1]->addr) : NULL);
		fake_complete(TRANSMIT, head, 0);
	}
	for (u32 i = 0; i < host.count && deliver_waiting(); i++)
		send_due(&host.peers[i]);
}

/* What the guest said next, apart from bytes and credit. */
static struct virtio_vsock_hdr next_said(u32 op)
{
	struct virtio_vsock_hdr header;

	CHECK(host.looked_at + HEADER <= host.said.length);
	memcpy(&header, host.said.data + host.looked_at, HEADER);
	host.looked_at += HEADER;
	CHECK_EQ(header.op, op);
	return header;
}

static void nothing_said(void)
{
	CHECK_EQ(host.said.length - host.looked_at, 0);
}

/* ---- the guest ---- */

static struct process program = { .pid = 5, .cred = { .euid = 1000 } };

static void good_device(void)
{
	fake_reset();
	memset(&host, 0, sizeof(host));
	host.answer = ACCEPT;
	host.room = 64U << 10;
	host.cid = GUEST;
	for (u32 i = 0; i < PERIOD; i++)
		pattern[i] = (u8)test_random();
	device.id = 19;
	device.features = 1U << VIRTIO_RING_F_EVENT_IDX;
	for (int i = 0; i < 6; i++)
		device.queue_max[i] = i < 3 ? 256 : 0;
	device.config[0] = GUEST;
	device.work = work;
	kernel.process = &program;
}

static void probed(void)
{
	good_device();
	fake_probe();
	CHECK_STR(kernel.log, "");
}

static struct socket *new_socket(void)
{
	struct socket *s = socket_new(AF_VSOCK, SOCK_STREAM);

	CHECK(s);
	CHECK_EQ(vsock_family.create(s, 0), 0);
	return s;
}

static struct address address_of(u32 cid, u32 port)
{
	struct sockaddr_vm vm = { .family = AF_VSOCK, .cid = cid, .port = port };
	struct address a = { .len = sizeof(vm) };

	memcpy(a.bytes, &vm, sizeof(vm));
	return a;
}

static long connect_until(struct socket *s, u32 cid, u32 port, u64 deadline)
{
	struct address a = address_of(cid, port);
	return s->ops->connect(s, &a, deadline);
}

static struct socket *connected(void)
{
	struct socket *s = new_socket();

	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), 0);
	CHECK_EQ(s->state, SOCKET_CONNECTED);
	next_said(VIRTIO_VSOCK_OP_REQUEST);
	return s;
}

static struct socket *listening(u32 port, u32 backlog)
{
	struct socket *s = new_socket();
	struct address a = address_of(VMADDR_CID_ANY, port);

	CHECK_EQ(s->ops->bind(s, &a), 0);
	s->backlog = backlog;
	CHECK_EQ(s->ops->listen(s), 0);
	return s;
}

/* The host's end of the connection that was made last. */
static struct peer *last_peer(void)
{
	CHECK(host.count > 0);
	return &host.peers[host.count - 1];
}

static ssize_t send_bytes(struct socket *s, const void *bytes, size_t n, u32 flags)
{
	struct iovec vec;
	struct iobuf io;

	test_iobuf(&io, &vec, (void *)(size_t)bytes, n);
	return s->ops->send(s, &(struct transfer){ .io = &io, .flags = flags });
}

static ssize_t receive_bytes(struct socket *s, void *bytes, size_t n, u32 flags)
{
	struct iovec vec;
	struct iobuf io;

	test_iobuf(&io, &vec, bytes, n);
	return s->ops->receive(s, &(struct transfer){ .io = &io, .flags = flags });
}

static u8 buffer[2 << 20];

/* The next bytes of the guest's stream, which begins at `position`. */
static ssize_t send_stream(struct socket *s, u64 position, u32 n, u32 flags)
{
	fill(buffer, position, n);
	return send_bytes(s, buffer, n, flags);
}

static ssize_t receive_stream(struct socket *s, u64 position, u32 n, u32 flags)
{
	ssize_t got = receive_bytes(s, buffer, n, flags);

	if (got > 0)
		check(buffer, position, (u32)got);
	return got;
}

static void close_socket(struct socket *s)
{
	socket_discard(s);
	guest_looks();
}

/* ---- setting up ---- */

static void probes_a_device(void)
{
	probed();
	CHECK_EQ(device.status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
	                            VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ(device.driver_features[0], 1U << VIRTIO_RING_F_EVENT_IDX);
	CHECK_EQ(virtio_vsock_cid(), GUEST);
	CHECK(!devices_poll());
	for (int i = 0; i < 3; i++)
		CHECK(device.queue[i].ready && device.queue[i].notifies == 0);
	fake_probe();
	CHECK(strstr(kernel.log, "left alone"));
}

static void probes_what_is_none(void)
{
	good_device();
	device.refuse_features = true;
	fake_probe();
	CHECK(strstr(kernel.log, "refused the features"));
	for (int i = 0; i < 3; i++) {
		good_device();
		device.queue_max[i] = 1;
		fake_probe();
		CHECK(strstr(kernel.log, "queues are too small"));
		CHECK(device.status & VIRTIO_CONFIG_S_FAILED);
	}
	CHECK_EQ(virtio_vsock_cid(), 0);
	CHECK(!devices_poll());
	struct socket *s = new_socket();
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), -ENODEV);
	close_socket(s);
}

static void without_memory_for(int what)
{
	good_device();
	kernel.fail_allocation = what;
	CHECK_PANICS(fake_probe(), "no memory for its queues");
}

static void without_memory_for_queues(void) { without_memory_for(1); }
static void without_memory_for_packets(void) { without_memory_for(2); }
static void without_memory_for_buffers(void) { without_memory_for(4); }

/* ---- connections ---- */

static void guest_connects(void)
{
	struct virtio_vsock_hdr h;
	struct address name;

	probed();
	struct socket *s = new_socket();
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), 0);
	h = next_said(VIRTIO_VSOCK_OP_REQUEST);
	CHECK(h.src_cid == GUEST && h.dst_cid == VMADDR_CID_HOST && h.dst_port == PORT && h.src_port >= 1024);
	CHECK(h.type == VIRTIO_VSOCK_TYPE_STREAM && h.len == 0 && h.flags == 0);
	CHECK(h.buf_alloc == 256U << 10 && h.fwd_cnt == 0);
	CHECK_EQ(s->ops->name(s, true, &name), 0);
	CHECK_EQ(((struct sockaddr_vm *)name.bytes)->port, PORT);
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), -EISCONN);
	/* All of it inside the doorbell. */
	CHECK_EQ(device.queue[TRANSMIT].notifies, 1);
	CHECK_EQ(device.queue[TRANSMIT].interrupts, 0);
	close_socket(s);
	h = next_said(VIRTIO_VSOCK_OP_SHUTDOWN);
	CHECK_EQ(h.flags, VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	nothing_said();
	CHECK_EQ(timers_run_out(), 0);
}

static void guest_is_refused(void)
{
	probed();
	host.answer = REFUSE;
	struct socket *s = new_socket();
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), -ECONNRESET);
	CHECK_EQ(s->state, SOCKET_UNCONNECTED);
	CHECK_EQ(send_bytes(s, "x", 1, 0), -ENOTCONN);
	/* And may try again. */
	host.answer = ACCEPT;
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), 0);
	close_socket(s);
	next_said(VIRTIO_VSOCK_OP_REQUEST);
	next_said(VIRTIO_VSOCK_OP_REQUEST);
	next_said(VIRTIO_VSOCK_OP_SHUTDOWN);
	nothing_said();
}

static bool time_passes(void)
{
	return false;
}

static void nobody_answers(void)
{
	probed();
	host.answer = SILENT;
	kernel.outside = time_passes;
	struct socket *s = new_socket();
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), -ETIMEDOUT);
	struct virtio_vsock_hdr h = next_said(VIRTIO_VSOCK_OP_REQUEST);
	/* An answer that comes too late finds nobody. */
	say(&(struct peer){ .port = PORT, .guest_port = h.src_port }, VIRTIO_VSOCK_OP_RESPONSE);
	guest_looks();
	h = next_said(VIRTIO_VSOCK_OP_RST);
	CHECK(h.dst_port == PORT && h.src_cid == GUEST && h.dst_cid == VMADDR_CID_HOST);
	close_socket(s);
	nothing_said();
}

static void connects_without_waiting(void)
{
	probed();
	host.answer = SILENT;
	struct socket *s = new_socket();
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, 0), -EINPROGRESS);
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, 0), -EALREADY);
	CHECK(!(s->ops->poll(s, NULL) & POLLOUT));
	struct virtio_vsock_hdr h = next_said(VIRTIO_VSOCK_OP_REQUEST);
	struct peer *p = new_peer(PORT, h.src_port);
	p->established = true;
	p->guest_room = h.buf_alloc;
	say(p, VIRTIO_VSOCK_OP_RESPONSE);
	guest_looks();
	CHECK(s->ops->poll(s, NULL) & POLLOUT);
	CHECK_EQ(send_stream(s, 0, 100, 0), 100);
	CHECK_EQ(p->got, 100);
	close_socket(s);
}

static void host_connects(void)
{
	probed();
	struct socket *l = listening(5000, 1);
	struct peer *p = new_peer(PORT, 5000);
	say(p, VIRTIO_VSOCK_OP_REQUEST);
	guest_looks();
	struct virtio_vsock_hdr h = next_said(VIRTIO_VSOCK_OP_RESPONSE);
	CHECK(h.src_port == 5000 && h.dst_port == PORT && h.buf_alloc == 256U << 10);
	CHECK(l->ops->poll(l, NULL) & POLLIN);
	struct socket *s = connection_accept(l, 0);
	CHECK(!IS_ERR(s));
	CHECK_EQ(PTR_ERR(connection_accept(l, 0)), -EAGAIN);
	p->due = 1000;
	work();
	CHECK_EQ(receive_stream(s, 0, 2000, 0), 1000);
	CHECK_EQ(send_stream(s, 0, 3000, 0), 3000);
	CHECK_EQ(p->got, 3000);
	nothing_said();
	close_socket(s);
	close_socket(l);
	next_said(VIRTIO_VSOCK_OP_SHUTDOWN);
	nothing_said();
}

static void host_is_refused(void)
{
	probed();
	/* Nobody listens. */
	say(&(struct peer){ .port = PORT, .guest_port = 5000 }, VIRTIO_VSOCK_OP_REQUEST);
	guest_looks();
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_RST).src_port, 5000);
	/* Who listens has as many as he wanted. */
	struct socket *l = listening(5000, 0);
	for (u32 i = 0; i < 2; i++) {
		say(new_peer(PORT + i, 5000), VIRTIO_VSOCK_OP_REQUEST);
		guest_looks();
	}
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_RESPONSE).dst_port, PORT);
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_RST).dst_port, PORT + 1);
	/* There is no memory. */
	struct socket *s = connection_accept(l, 0);
	kernel.fail_allocation = 0;
	say(new_peer(PORT + 2, 5000), VIRTIO_VSOCK_OP_REQUEST);
	guest_looks();
	kernel.fail_allocation = -1;
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_RST).dst_port, PORT + 2);
	nothing_said();
	close_socket(s);
	/* Connections that nobody accepted end with the socket that listened. */
	say(new_peer(PORT + 3, 5000), VIRTIO_VSOCK_OP_REQUEST);
	guest_looks();
	close_socket(l);
	next_said(VIRTIO_VSOCK_OP_SHUTDOWN);
	next_said(VIRTIO_VSOCK_OP_RESPONSE);
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_SHUTDOWN).dst_port, PORT + 3);
}

/* More than the device can have at a time wait their turn, and come in it. */
static void requests_wait_for_room(void)
{
	struct socket *sockets[30];

	probed();
	device.queue[TRANSMIT].hold = true;
	for (u32 i = 0; i < ARRAY_SIZE(sockets); i++) {
		sockets[i] = new_socket();
		CHECK_EQ(connect_until(sockets[i], VMADDR_CID_HOST, PORT + i, 0), -EINPROGRESS);
	}
	CHECK(!devices_poll());
	device.queue[TRANSMIT].hold = false;
	work();
	CHECK(device.queue[TRANSMIT].interrupts > 0);
	guest_looks();
	for (u32 i = 0; i < ARRAY_SIZE(sockets); i++) {
		CHECK_EQ(next_said(VIRTIO_VSOCK_OP_REQUEST).dst_port, PORT + i);
		CHECK_EQ(sockets[i]->state, SOCKET_CONNECTED);
	}
	for (u32 i = 0; i < ARRAY_SIZE(sockets); i++)
		close_socket(sockets[i]);
}

/* ---- credit ---- */

static void guest_keeps_the_hosts_credit(void)
{
	probed();
	host.room = 1000;
	struct socket *s = connected();
	struct peer *p = last_peer();
	CHECK_EQ(send_stream(s, 0, 3000, MSG_DONTWAIT), 1000);
	CHECK_EQ(send_stream(s, 1000, 1, MSG_DONTWAIT), -EAGAIN);
	CHECK(!(s->ops->poll(s, NULL) & POLLOUT));
	p->taken = 600;
	say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	guest_looks();
	CHECK(s->ops->poll(s, NULL) & POLLOUT);
	CHECK_EQ(send_stream(s, 1000, 3000, MSG_DONTWAIT), 600);
	/* A buffer that is smaller than what is under way holds nothing, and not a great deal. */
	p->room = 10;
	say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	guest_looks();
	CHECK_EQ(send_stream(s, 1600, 1, MSG_DONTWAIT), -EAGAIN);
	p->taken = 1595;
	say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	guest_looks();
	CHECK_EQ(send_stream(s, 1600, 100, MSG_DONTWAIT), 5);
	/* The largest there can be. */
	p->room = ~0U;
	say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	guest_looks();
	CHECK_EQ(send_stream(s, 1605, 1 << 20, 0), 1 << 20);
	CHECK_EQ(p->got, 1605 + (1 << 20));
	close_socket(s);
}

static bool host_reads(void)
{
	struct peer *p = last_peer();

	device.queue[TRANSMIT].hold = false;
	work();
	if (p->taken != p->got) {
		p->taken = p->got;
		say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	}
	return true;
}

static void a_writer_waits_for_credit(void)
{
	probed();
	host.room = 5000;
	kernel.outside = host_reads;
	struct socket *s = connected();
	CHECK_EQ(send_stream(s, 0, 1 << 20, 0), 1 << 20);
	CHECK_EQ(last_peer()->got, 1 << 20);
	close_socket(s);
}

static void a_writer_waits_for_the_device(void)
{
	probed();
	host.room = 4U << 20;
	struct socket *s = connected();
	device.queue[TRANSMIT].hold = true;
	ssize_t n = send_stream(s, 0, 1 << 20, MSG_DONTWAIT);
	CHECK(n > 0 && n <= 8 * (64 << 10));
	CHECK_EQ(send_stream(s, (u64)n, 1, MSG_DONTWAIT), -EAGAIN);
	CHECK_EQ(last_peer()->got, 0);
	kernel.outside = host_reads;
	CHECK_EQ(send_stream(s, (u64)n, 1 << 20, 0), 1 << 20);
	CHECK_EQ(last_peer()->got, (u64)n + (1 << 20));
	close_socket(s);
}

/* A host that sends what it may is never reset, and one that waits for room is told of it. */
static void host_is_told_of_room(void)
{
	u64 position = 0;

	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	p->due = 40UL << 20;
	work();
	while (p->due > 0 || p->sent > position) {
		ssize_t n = receive_stream(s, position, 1 + (u32)(test_random() % 100000), MSG_DONTWAIT);
		CHECK(n > 0);
		position += (u64)n;
	}
	CHECK_EQ(position, 40UL << 20);
	CHECK_EQ(receive_stream(s, position, 1, MSG_DONTWAIT), -EAGAIN);
	nothing_said();
	/* It made good use of its room and was given more: a 32nd of memory. One update is due for a quarter of it. */
	CHECK_EQ(p->guest_room, 512U << 10);
	CHECK(host.updates > 0 && host.updates <= 40UL * 4 * 4);
	close_socket(s);
}

static void nobody_has_more_than_he_asked_for(void)
{
	u64 size = 20000, position = 0;

	probed();
	struct socket *s = new_socket();
	CHECK_EQ(vsock_set_option(s, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)), 0);
	CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE), 0);
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_REQUEST).buf_alloc, size);
	struct peer *p = last_peer();
	p->due = 4UL << 20;
	for (work(), guest_looks(); p->due > 0 || p->sent > position; guest_looks()) {
		CHECK(s->queued <= size);
		position += (u64)receive_stream(s, position, sizeof(buffer), MSG_DONTWAIT);
	}
	CHECK_EQ(p->guest_room, size);
	close_socket(s);
}

static void host_asks_for_credit(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	p->due = 100;
	work();
	CHECK_EQ(receive_stream(s, 0, 60, 0), 60);
	CHECK_EQ(p->guest_taken, 0);
	say(p, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	guest_looks();
	CHECK_EQ(p->guest_taken, 60);
	nothing_said();
	close_socket(s);
}

/* The counters of a connection have 32 bits, and go on from 0. */
static void counters_to_the_host_wrap(void)
{
	probed();
	host.reads = true;
	host.room = 1U << 20;
	struct socket *s = connected();
	struct peer *p = last_peer();
	u64 position = 0;
	for (u32 piece = 64U << 10; position < 4 * GIB + (3 << 20); position += piece)
		CHECK_EQ(send_stream(s, position, piece, MSG_DONTWAIT), piece);
	CHECK_EQ(p->got, position);
	CHECK_EQ(send_stream(s, position, 100000, MSG_DONTWAIT), 100000);
	close_socket(s);
}

static void counters_to_the_guest_wrap(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	u64 position = 0;
	p->due = 4 * GIB + (3 << 20);
	work();
	while (p->due > 0 || p->sent > position) {
		ssize_t n = receive_stream(s, position, sizeof(buffer), MSG_DONTWAIT);
		CHECK(n > 0);
		position += (u64)n;
	}
	CHECK_EQ(position, 4 * GIB + (3 << 20));
	p->due = 100000;
	work();
	CHECK_EQ(receive_stream(s, position, 200000, MSG_DONTWAIT), 100000);
	nothing_said();
	close_socket(s);
}

/* ---- ends ---- */

static void guest_closes_one_direction(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	CHECK_EQ(send_stream(s, 0, 10, 0), 10);
	CHECK_EQ(s->ops->shutdown(s, SHUT_SEND), 0);
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_SHUTDOWN).flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	kernel.last_signal = 0;
	CHECK_EQ(send_bytes(s, "x", 1, 0), -EPIPE);
	CHECK_EQ(kernel.last_signal, SIGPIPE);
	p->due = 5000;
	work();
	CHECK_EQ(receive_stream(s, 0, 9000, 0), 5000);
	close_socket(s);
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_SHUTDOWN).flags, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	nothing_said();
}

static void host_closes_one_direction(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	p->due = 10;
	work();
	say_shutdown(p, VIRTIO_VSOCK_SHUTDOWN_SEND);
	guest_looks();
	CHECK(s->ops->poll(s, NULL) & POLLRDHUP);
	CHECK_EQ(receive_stream(s, 0, 100, 0), 10);
	CHECK_EQ(receive_stream(s, 10, 100, 0), 0);
	CHECK_EQ(send_stream(s, 0, 1000, 0), 1000);
	CHECK_EQ(p->got, 1000);
	nothing_said();
	/* What it does no more, it does not begin again. */
	say_shutdown(p, VIRTIO_VSOCK_SHUTDOWN_RCV);
	guest_looks();
	CHECK_EQ(send_bytes(s, "x", 1, MSG_NOSIGNAL), -EPIPE);
	next_said(VIRTIO_VSOCK_OP_RST);
	CHECK_EQ(receive_stream(s, 10, 100, 0), 0);
	close_socket(s);
	nothing_said();
}

static void host_reads_no_more(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	say_shutdown(p, VIRTIO_VSOCK_SHUTDOWN_RCV);
	guest_looks();
	CHECK_EQ(send_bytes(s, "x", 1, MSG_NOSIGNAL), -EPIPE);
	p->due = 70;
	work();
	CHECK_EQ(receive_stream(s, 0, 100, 0), 70);
	close_socket(s);
}

static void host_sends_after_it_said_it_would_not(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	say_shutdown(p, VIRTIO_VSOCK_SHUTDOWN_SEND);
	p->due = 10;
	work();
	guest_looks();
	next_said(VIRTIO_VSOCK_OP_RST);
	/* The end of its stream was one. */
	CHECK_EQ(receive_bytes(s, buffer, 10, 0), 0);
	CHECK_EQ(send_bytes(s, "x", 1, MSG_NOSIGNAL), -ECONNRESET);
	CHECK_EQ(send_bytes(s, "x", 1, MSG_NOSIGNAL), -EPIPE);
	close_socket(s);
	nothing_said();
}

static void host_resets(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	p->due = 10;
	work();
	say(p, VIRTIO_VSOCK_OP_RST);
	guest_looks();
	CHECK(s->ops->poll(s, NULL) & POLLERR);
	/* What came before it is there, and then it is no end like any other. */
	CHECK_EQ(receive_stream(s, 0, 100, 0), 10);
	CHECK_EQ(receive_bytes(s, buffer, 100, 0), -ECONNRESET);
	CHECK_EQ(receive_bytes(s, buffer, 100, 0), 0);
	CHECK_EQ(send_bytes(s, "x", 1, MSG_NOSIGNAL), -EPIPE);
	close_socket(s);
	nothing_said();
}

static bool host_breaks_off(void)
{
	say(last_peer(), VIRTIO_VSOCK_OP_RST);
	return true;
}

static void who_waits_is_told_of_a_reset(void)
{
	probed();
	host.room = 100;
	kernel.outside = host_breaks_off;
	struct socket *s = connected();
	CHECK_EQ(receive_bytes(s, buffer, 100, 0), -ECONNRESET);
	close_socket(s);
	s = connected();
	/* What was sent before is told first, and the reason is not forgotten over it. */
	CHECK_EQ(send_stream(s, 0, 1000, 0), 100);
	CHECK_EQ(receive_bytes(s, buffer, 100, 0), -ECONNRESET);
	CHECK_EQ(receive_bytes(s, buffer, 100, 0), 0);
	close_socket(s);
	nothing_said();
}

/* Until the host confirms the end, the ports are taken; it does not have for ever. */
static void host_does_not_confirm(void)
{
	probed();
	host.answer = SILENT;
	struct socket *l = listening(5000, 5);
	struct peer *p = new_peer(PORT, 5000);
	say(p, VIRTIO_VSOCK_OP_REQUEST);
	guest_looks();
	next_said(VIRTIO_VSOCK_OP_RESPONSE);
	close_socket(connection_accept(l, 0));
	CHECK_EQ(next_said(VIRTIO_VSOCK_OP_SHUTDOWN).flags, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
	/* What still comes for it is not kept. */
	long allocated = kernel.allocated;
	p->due = 100;
	work();
	guest_looks();
	CHECK_EQ(kernel.allocated, allocated);
	CHECK_EQ(timers_run_out(), 1);
	CHECK(kernel.allocated < allocated);
	say(p, VIRTIO_VSOCK_OP_REQUEST);
	guest_looks();
	next_said(VIRTIO_VSOCK_OP_RESPONSE);
	close_socket(l);
	CHECK_EQ(timers_run_out(), 1);
}

static void machine_is_another(void)
{
	struct vring_desc *chain[1];
	u32 head;

	probed();
	struct socket *l = listening(5000, 5), *s = connected(), *waiting = new_socket();
	host.answer = SILENT;
	CHECK_EQ(connect_until(waiting, VMADDR_CID_HOST, PORT + 1, 0), -EINPROGRESS);
	next_said(VIRTIO_VSOCK_OP_REQUEST);
	for (u32 i = 0; i < 5; i++) {
		device.config[0] = host.cid = GUEST + i;
		CHECK_EQ(fake_take(EVENT, chain, 1, &head), 1);
		*(u32 *)phys_to_virt(chain[0]->addr) = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET;
		fake_complete(EVENT, head, 4);
		guest_looks();
		CHECK_EQ(virtio_vsock_cid(), GUEST + i);
	}
	device.config[0] = GUEST;
	CHECK_EQ(fake_take(EVENT, chain, 1, &head), 1);
	*(u32 *)phys_to_virt(chain[0]->addr) = 77; /* there is no such event */
	fake_complete(EVENT, head, 4);
	guest_looks();
	CHECK_EQ(virtio_vsock_cid(), GUEST + 4);
	CHECK_EQ(receive_bytes(s, buffer, 1, 0), -ECONNRESET);
	CHECK_EQ(waiting->error, ECONNRESET);
	close_socket(s);
	close_socket(waiting);
	nothing_said();
	/* Who listens goes on. */
	struct virtio_vsock_hdr h = packet(new_peer(PORT, 5000), VIRTIO_VSOCK_OP_REQUEST);
	h.dst_cid = GUEST + 4;
	host.lawless = true;
	CHECK_EQ(l->state, SOCKET_LISTENING);
	say_packet(&h);
	guest_looks();
	CHECK_EQ(l->accept_count, 1);
	close_socket(l);
	timers_run_out();
}

/* ---- memory ---- */

static void small_packets_share_their_memory(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	for (u32 i = 0; i < 2000; i++) {
		p->due = 10;
		work();
		guest_looks();
	}
	CHECK_EQ(s->queued, 20000);
	CHECK(s->receive_used <= 4 * s->queued);
	CHECK_EQ(receive_stream(s, 0, 30000, 0), 20000);
	close_socket(s);
}

/* Receive buffers that memory was short for come back with it, though nobody reads from these sockets. */
static void buffers_come_back_with_memory(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	p->due = 100000;
	kernel.fail_allocation = 0;
	work();
	guest_looks();
	CHECK(p->due > 0 && s->queued > 0);
	u64 before = p->due;
	guest_looks();
	CHECK_EQ(p->due, before);
	kernel.fail_allocation = -1;
	int before_interrupts = device.queue[RECEIVE].interrupts;
	guest_looks();
	CHECK_EQ(p->due, 0);
	CHECK(device.queue[RECEIVE].interrupts > before_interrupts);
	guest_looks();
	CHECK_EQ(receive_stream(s, 0, 200000, 0), 100000);
	close_socket(s);
}

static void connections_leave_nothing(void)
{
	long allocated = 0;

	probed();
	host.reads = true;
	struct socket *l = listening(5000, 5);
	for (u32 i = 0; i < 60; i++) {
		host.count = 0;
		host.answer = i % 5 ? ACCEPT : REFUSE;
		struct socket *s = new_socket();
		if (connect_until(s, VMADDR_CID_HOST, PORT, NO_DEADLINE) == 0) {
			last_peer()->due = 300000;
			work();
			send_stream(s, 0, 300000, 0);
			receive_bytes(s, buffer, 1000, 0);
			if (i % 3 == 0)
				say(last_peer(), VIRTIO_VSOCK_OP_RST);
		}
		close_socket(s);
		say(new_peer(PORT + 1, 5000), VIRTIO_VSOCK_OP_REQUEST);
		guest_looks();
		close_socket(connection_accept(l, 0));
		if (i == 30)
			allocated = kernel.allocated;
	}
	CHECK_EQ(kernel.allocated, allocated);
	close_socket(l);
}

/* ---- hosts that follow no rule ---- */

static void lengths_that_cannot_be(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	struct virtio_vsock_hdr h = packet(p, VIRTIO_VSOCK_OP_RW);
	static const struct {
		u32 length, written;
	} bad[] = { { 0, 0 }, { 0, HEADER - 1 }, { 1, HEADER }, { 1000, HEADER + 999 }, { ~0U, HEADER + 10 }, { 1U << 31, HEADER } };
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		h.len = bad[i].length;
		CHECK(deliver(&h, NULL, 0, bad[i].written));
		kernel.log[0] = 0;
		guest_looks();
		CHECK(strstr(kernel.log, "a packet of") && s->queued == 0);
	}
	nothing_said();
	/* The buffers were posted again: none is lost. */
	p->due = 50000;
	work();
	CHECK_EQ(receive_stream(s, 0, 50000, MSG_WAITALL), 50000);
	close_socket(s);
}

static void rings_that_cannot_be(void)
{
	probed();
	fake_complete(RECEIVE, 1, HEADER); /* the middle of a chain */
	CHECK_PANICS(devices_poll(), "which it did not have");
	fake_complete(TRANSMIT, 3, 0);
	CHECK_PANICS(virtio_vsock_poll(), "which it did not have");
}

static void more_than_the_buffer_holds(void)
{
	struct vring_desc *chain[2];
	u32 head;

	probed();
	CHECK_EQ(fake_take(RECEIVE, chain, 2, &head), 2);
	fake_complete(RECEIVE, head, HEADER + chain[1]->len + 1);
	CHECK_PANICS(devices_poll(), "says it wrote");
}

static void host_sends_more_than_it_may(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	p->due = 256U << 10;
	for (work(); p->due > 0; work())
		CHECK(devices_poll());
	guest_looks();
	CHECK_EQ(s->queued, 256U << 10);
	struct virtio_vsock_hdr h = packet(p, VIRTIO_VSOCK_OP_RW);
	h.len = 1;
	CHECK(deliver(&h, "x", 1, HEADER + 1));
	guest_looks();
	next_said(VIRTIO_VSOCK_OP_RST);
	/* What it was allowed to send is there. */
	CHECK_EQ(receive_stream(s, 0, sizeof(buffer), 0), 256U << 10);
	CHECK_EQ(receive_bytes(s, buffer, 1, 0), -ECONNRESET);
	close_socket(s);
}

/* Says that it read what it was not sent: the guest must not believe it has more room for it. */
static void counters_that_cannot_be(void)
{
	probed();
	host.room = 1000;
	struct socket *s = connected();
	struct peer *p = last_peer();
	CHECK_EQ(send_stream(s, 0, 1000, MSG_DONTWAIT), 1000);
	static const u32 bad[] = { 1001, 5000, 1U << 31, ~0U, -1U - 1000 };
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		struct virtio_vsock_hdr h = packet(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		h.fwd_cnt = bad[i];
		say_packet(&h);
		guest_looks();
		CHECK_EQ(send_stream(s, 1000, 1, MSG_DONTWAIT), -EAGAIN);
	}
	p->taken = 600;
	say(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	struct virtio_vsock_hdr back = packet(p, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	back.fwd_cnt = 0; /* and what was read once stays read */
	say_packet(&back);
	guest_looks();
	CHECK_EQ(send_stream(s, 1000, 2000, MSG_DONTWAIT), 600);
	close_socket(s);
}

static void packets_that_are_none_of_ours(void)
{
	probed();
	struct socket *s = connected();
	struct peer *p = last_peer();
	struct virtio_vsock_hdr good = packet(p, VIRTIO_VSOCK_OP_RW), h;
	good.len = 5;
	host.lawless = true;
	for (u32 i = 0; i < 7; i++) {
		h = good;
		switch (i) {
		case 0: h.type = VIRTIO_VSOCK_TYPE_SEQPACKET; break;
		case 1: h.type = 77; break;
		case 2: h.dst_cid = GUEST + 1; break;
		case 3: h.dst_cid = 1UL << 32 | GUEST; break;
		case 4: h.src_port++; break;
		case 5: h.dst_port++; break;
		case 6: h.src_cid = 9; break;
		}
		CHECK(deliver(&h, "hello", 5, HEADER + 5));
		guest_looks();
		struct virtio_vsock_hdr answer = next_said(VIRTIO_VSOCK_OP_RST);
		CHECK(answer.dst_port == h.src_port && answer.src_port == h.dst_port && answer.type == h.type);
		/* A reset of what there is not is not answered, or two would go on for ever. */
		h.op = VIRTIO_VSOCK_OP_RST;
		h.len = 0;
		say_packet(&h);
		guest_looks();
		nothing_said();
	}
	CHECK_EQ(s->queued, 0);
	CHECK_EQ(s->state, SOCKET_CONNECTED);
	CHECK_EQ(send_bytes(s, "", 0, 0), 0);
	close_socket(s);
}

static void packets_out_of_turn(void)
{
	static const u16 bad[] = { VIRTIO_VSOCK_OP_INVALID, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE, 8, 0xffff };

	probed();
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		host.count = 0;
		struct socket *s = connected();
		say(last_peer(), bad[i]);
		guest_looks();
		next_said(VIRTIO_VSOCK_OP_RST);
		CHECK_EQ(receive_bytes(s, buffer, 1, 0), -ECONNRESET);
		close_socket(s);
		nothing_said();
	}
	/* Before there is a connection. */
	static const u16 early[] = { VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_REQUEST, 0 };
	host.answer = SILENT;
	for (u32 i = 0; i < ARRAY_SIZE(early); i++) {
		struct socket *s = new_socket();
		CHECK_EQ(connect_until(s, VMADDR_CID_HOST, PORT, 0), -EINPROGRESS);
		say(&(struct peer){ .port = PORT, .guest_port = next_said(VIRTIO_VSOCK_OP_REQUEST).src_port }, early[i]);
		guest_looks();
		next_said(VIRTIO_VSOCK_OP_RST);
		CHECK_EQ(s->error, EPROTO);
		close_socket(s);
		nothing_said();
	}
}

/* What asks for an answer is looked at only while there is room for one: the host cannot have the guest keep any. */
static void answers_that_the_host_does_not_take(void)
{
	probed();
	device.queue[TRANSMIT].hold = true;
	u32 delivered = 0;
	struct peer stranger = { .port = PORT, .guest_port = 5000 };
	struct virtio_vsock_hdr h = packet(&stranger, VIRTIO_VSOCK_OP_RESPONSE);
	long allocated = kernel.allocated;
	for (u32 i = 0; i < 1000; i++) {
		delivered += deliver(&h, NULL, 0, HEADER);
		devices_poll();
	}
	CHECK(delivered < 100);
	CHECK_EQ(kernel.allocated, allocated);
	device.queue[TRANSMIT].hold = false;
	work();
	guest_looks();
	for (u32 i = 0; i < delivered; i++)
		next_said(VIRTIO_VSOCK_OP_RST);
	nothing_said();
	/* And all goes on. */
	close_socket(connected());
}

/* ---- by chance ---- */

struct stream {
	struct socket *socket;
	struct peer *peer;
	u64 sent, got;
};

static void do_something(struct stream *s)
{
	struct virtio_vsock_hdr h;
	ssize_t n;

	switch (test_random() % 6) {
	case 0:
	case 1:
		n = send_stream(s->socket, s->sent, (u32)(test_random() % (test_random() % 4 ? 5000 : 300000)), MSG_DONTWAIT);
		s->sent += n > 0 ? (u64)n : 0;
		CHECK(n >= 0 || n == -EAGAIN);
		break;
	case 2:
		n = receive_stream(s->socket, s->got, (u32)(test_random() % (test_random() % 4 ? 5000 : 300000)), MSG_DONTWAIT);
		s->got += n > 0 ? (u64)n : 0;
		CHECK(n >= 0 || n == -EAGAIN);
		break;
	case 3:
		s->peer->due += test_random() % (test_random() % 4 ? 3000 : 200000);
		break;
	case 4:
		s->peer->taken += test_random() % (s->peer->got - s->peer->taken + 1);
		s->peer->room = (u32)(test_random() % 150000); /* it may shrink */
		h = packet(s->peer, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		deliver(&h, NULL, 0, HEADER);
		break;
	default:
		device.queue[test_random() % 2 ? TRANSMIT : RECEIVE].hold = test_random() % 2;
		if (test_random() % 2)
			work();
	}
	devices_poll();
}

/* All that was sent arrives, whatever the credit, the pace of the device and the memory there is. */
static void finish(struct stream *s)
{
	s->peer->room = 1 << 20;
	while (s->peer->due > 0 || s->got < s->peer->sent || s->peer->got < s->sent) {
		s->peer->taken = s->peer->got;
		say(s->peer, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		work();
		guest_looks();
		ssize_t n = receive_stream(s->socket, s->got, sizeof(buffer), MSG_DONTWAIT);
		s->got += n > 0 ? (u64)n : 0;
	}
}

static void by_chance(void)
{
	struct stream streams[4];

	probed();
	for (u32 i = 0; i < ARRAY_SIZE(streams); i++) {
		streams[i] = (struct stream){ .socket = connected() };
		streams[i].peer = last_peer();
	}
	for (u32 i = 0; i < 20000; i++) {
		kernel.fail_allocation = i / 1000 % 3 ? -1 : (long)(test_random() % 4);
		do_something(&streams[test_random() % ARRAY_SIZE(streams)]);
	}
	kernel.fail_allocation = -1;
	device.queue[TRANSMIT].hold = device.queue[RECEIVE].hold = false;
	work();
	guest_looks();
	for (u32 i = 0; i < ARRAY_SIZE(streams); i++)
		finish(&streams[i]);
	nothing_said();
	for (u32 i = 0; i < ARRAY_SIZE(streams); i++)
		close_socket(streams[i].socket);
}

int main(void)
{
	static const struct test tests[] = {
		{ "probes a device", probes_a_device },
		{ "probes what is none", probes_what_is_none },
		{ "without memory for queues", without_memory_for_queues },
		{ "without memory for packets", without_memory_for_packets },
		{ "without memory for buffers", without_memory_for_buffers },
		{ "guest connects", guest_connects },
		{ "guest is refused", guest_is_refused },
		{ "nobody answers", nobody_answers },
		{ "connects without waiting", connects_without_waiting },
		{ "host connects", host_connects },
		{ "host is refused", host_is_refused },
		{ "requests wait for room", requests_wait_for_room },
		{ "guest keeps the host's credit", guest_keeps_the_hosts_credit },
		{ "a writer waits for credit", a_writer_waits_for_credit },
		{ "a writer waits for the device", a_writer_waits_for_the_device },
		{ "host is told of room", host_is_told_of_room },
		{ "nobody has more than he asked for", nobody_has_more_than_he_asked_for },
		{ "host asks for credit", host_asks_for_credit },
		{ "counters to the host wrap", counters_to_the_host_wrap },
		{ "counters to the guest wrap", counters_to_the_guest_wrap },
		{ "guest closes one direction", guest_closes_one_direction },
		{ "host closes one direction", host_closes_one_direction },
		{ "host reads no more", host_reads_no_more },
		{ "host sends after it said it would not", host_sends_after_it_said_it_would_not },
		{ "host resets", host_resets },
		{ "who waits is told of a reset", who_waits_is_told_of_a_reset },
		{ "host does not confirm", host_does_not_confirm },
		{ "machine is another", machine_is_another },
		{ "small packets share their memory", small_packets_share_their_memory },
		{ "buffers come back with memory", buffers_come_back_with_memory },
		{ "connections leave nothing", connections_leave_nothing },
		{ "lengths that cannot be", lengths_that_cannot_be },
		{ "rings that cannot be", rings_that_cannot_be },
		{ "more than the buffer holds", more_than_the_buffer_holds },
		{ "host sends more than it may", host_sends_more_than_it_may },
		{ "counters that cannot be", counters_that_cannot_be },
		{ "packets that are none of ours", packets_that_are_none_of_ours },
		{ "packets out of turn", packets_out_of_turn },
		{ "answers that the host does not take", answers_that_the_host_does_not_take },
	};
	static const struct test chance = { "by chance", by_chance };
	int failed = run_tests(tests, ARRAY_SIZE(tests));
	for (u64 seed = 1; seed <= 20; seed++)
		failed += run_seeded_test(&chance, seed);
	return failed != 0;
}
