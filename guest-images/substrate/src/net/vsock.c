/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_VSOCK: vsock(7). Streams to the host, packet by packet through the virtio driver, and to sockets of this machine
 * (VMADDR_CID_LOCAL or its own context id), which are peers of each other as those of the other families.
 *
 * What can be asked of a socket, and with which errors it answers, is as in Linux, but for one thing: where the host breaks a
 * connection off, a reader is told (ECONNRESET) and does not take it for the end of the stream.
 */
#include <asm/poll.h>
#include <substrate/device.h>
#include <substrate/mm.h>
#include <substrate/random.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/timer.h>
#include "../virtio/vsock.h"
#include "socket.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

/* Linux: VSOCK_DEFAULT_BUFFER_SIZE and so on, VSOCK_DEFAULT_CONNECT_TIMEOUT, VSOCK_CLOSE_TIMEOUT. */
#define RECEIVE_BUFFER (256u << 10)
#define RECEIVE_BUFFER_LEAST 128u
/* What a connection that makes good use of that is given, unless the program has said how much it wants. */
#define RECEIVE_BUFFER_WIDEST (1u << 20)
#define MEMORY_SHARE 32
#define CONNECT_TIMEOUT (2 * NSEC_PER_SEC)
#define CLOSE_TIMEOUT (8 * NSEC_PER_SEC)
/* Ports below are for root. */
#define FIRST_FREE_PORT 1024u
/* The most that one packet carries (Linux: VIRTIO_VSOCK_MAX_PKT_BUF_SIZE). */
#define PAYLOAD_MAX (64u << 10)

/* Packets that wait for room: struct vsock_end.due. */
#define DUE(op) (1u << (op))

struct vsock_end {
	struct socket *socket;
	struct list bound_link, connection_link, due_link;
	u32 local_cid, local_port, remote_cid, remote_port;
	bool remote;     /* of a connection with the host; it is in the table and holds a reference */
	bool was_connected; /* SOCK_DONE of Linux: it has ended in the usual way */
	u8 peer_shut;    /* what the peer does no more: SHUT_SEND, SHUT_RECEIVE */
	u8 told_shut;    /* what the host was told we do no more */
	u16 due;
	u32 sent, peer_room, peer_taken; /* bytes to the host, its buffer, those that left it */
	u32 taken, told_taken, told_room, received;
	u64 buffer, buffer_least, buffer_most, connect_timeout;
	u32 widened; /* what the host is told instead of `buffer`; 0: that */
	bool sized;  /* by the program */
	struct timer closing;
};

#define BUCKETS 64
static struct {
	struct list bound[BUCKETS], connections[BUCKETS], due;
	bool ready;
	u32 next_port;
} vsock;

static const struct socket_ops vsock_ops;

/* ---- tables ---- */

static void tables_init(void)
{
	if (vsock.ready)
		return;
	for (u32 i = 0; i < BUCKETS; i++) {
		list_init(&vsock.bound[i]);
		list_init(&vsock.connections[i]);
	}
	list_init(&vsock.due);
	vsock.ready = true;
}

static struct list *bound_bucket(u32 port)
{
	return &vsock.bound[port % BUCKETS];
}

static struct list *connection_bucket(u32 local_port, u32 remote_port)
{
	return &vsock.connections[(local_port * 31 + remote_port) % BUCKETS];
}

static bool cids_meet(u32 a, u32 b)
{
	return a == b || a == VMADDR_CID_ANY || b == VMADDR_CID_ANY;
}

/* Who was given that address by bind(2). */
static struct vsock_end *find_bound(u32 cid, u32 port)
{
	struct vsock_end *v;

	list_for_each(v, bound_bucket(port), bound_link)
		if (v->local_port == port && cids_meet(v->local_cid, cid))
			return v;
	return NULL;
}

static struct vsock_end *find_connection(u32 remote_cid, u32 local_port, u32 remote_port)
{
	struct vsock_end *v;

	list_for_each(v, connection_bucket(local_port, remote_port), connection_link)
		if (v->local_port == local_port && v->remote_port == remote_port && v->remote_cid == remote_cid)
			return v;
	return NULL;
}

static struct socket *find_listener(u32 cid, u32 port)
{
	struct vsock_end *v = find_bound(cid, port);

	return v && v->socket->state == SOCKET_LISTENING ? v->socket : NULL;
}

/* The table holds a reference: packets find the socket until the host has said its last word. */
static void enter_connections(struct vsock_end *v)
{
	v->remote = true;
	socket_get(v->socket);
	list_push_back(connection_bucket(v->local_port, v->remote_port), &v->connection_link);
}

static void leave_connections(struct vsock_end *v)
{
	if (!v->remote)
		return;
	v->remote = false;
	v->due = 0;
	list_remove(&v->due_link);
	list_remove(&v->connection_link);
	timer_disarm(&v->closing);
	socket_put(v->socket);
}

static bool is_own_cid(u32 cid)
{
	return cid == VMADDR_CID_LOCAL || (cid == virtio_vsock_cid() && cid != 0);
}

/* ---- packets to the host ---- */

static u32 buffer_of(const struct vsock_end *v)
{
	return v->widened ? v->widened : (u32)v->buffer;
}

static void fill_header(const struct vsock_end *v, struct virtio_vsock_hdr *header, u32 op, u32 flags, u32 length)
{
	*header = (struct virtio_vsock_hdr){
		.src_cid = virtio_vsock_cid(),
		.dst_cid = v->remote_cid,
		.src_port = v->local_port,
		.dst_port = v->remote_port,
		.len = length,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = (u16)op,
		.flags = flags,
		.buf_alloc = buffer_of(v),
		.fwd_cnt = v->taken,
	};
}

static void credit_was_told(struct vsock_end *v)
{
	v->told_room = buffer_of(v);
	v->told_taken = v->taken;
	v->due &= (u16)~DUE(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

static u32 shutdown_flags(const struct vsock_end *v)
{
	return (v->told_shut & SHUT_RECEIVE ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0) | (v->told_shut & SHUT_SEND ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0);
}

static bool send_control(struct vsock_end *v, u32 op)
{
	struct virtio_vsock_hdr header;

	fill_header(v, &header, op, op == VIRTIO_VSOCK_OP_SHUTDOWN ? shutdown_flags(v) : 0, 0);
	if (!virtio_vsock_send(&header))
		return false;
	credit_was_told(v);
	v->due &= (u16)~DUE(op);
	return true;
}

/* Now or when there is room. */
static void tell(struct vsock_end *v, u32 op)
{
	if (!v->remote || (list_empty(&v->due_link) && send_control(v, op)))
		return;
	v->due |= DUE(op);
	if (list_empty(&v->due_link))
		list_push_back(&vsock.due, &v->due_link);
}

bool vsock_send_due(void)
{
	static const u8 order[] = { VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE, VIRTIO_VSOCK_OP_SHUTDOWN,
		                        VIRTIO_VSOCK_OP_CREDIT_UPDATE };
	bool some = false;

	tables_init();
	while (!list_empty(&vsock.due)) {
		struct vsock_end *v = list_first(&vsock.due, struct vsock_end, due_link);
		for (u32 i = 0; i < ARRAY_SIZE(order); i++)
			if (v->due & DUE(order[i])) {
				if (!send_control(v, order[i]))
					return some;
				some = true;
			}
		list_remove(&v->due_link);
	}
	return some;
}

/* The last word to the host about a connection that there is not, or is no more. There is room for one answer. */
static void send_reset(const struct virtio_vsock_hdr *to)
{
	struct virtio_vsock_hdr header = {
		.src_cid = to->dst_cid,
		.dst_cid = to->src_cid,
		.src_port = to->dst_port,
		.dst_port = to->src_port,
		.type = to->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};

	virtio_vsock_send(&header);
}

static u32 peer_free(const struct vsock_end *v)
{
	u32 on_their_way = v->sent - v->peer_taken;

	return v->peer_room > on_their_way ? v->peer_room - on_their_way : 0;
}

static void widen(struct vsock_end *v)
{
	u64 most = MIN((u64)RECEIVE_BUFFER_WIDEST, frames_total() * PAGE_SIZE / MEMORY_SHARE);

	if (!v->sized && 2UL * buffer_of(v) <= most)
		v->widened = 2 * buffer_of(v);
}

/* The host should know of room when it is a good part of the buffer, and it knows of little. */
static void update_credit(struct vsock_end *v)
{
	u32 known = v->told_room - (v->received - v->told_taken);

	if (known < v->told_room / 2 && v->taken - v->told_taken >= v->told_room / 4) {
		widen(v);
		tell(v, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		virtio_vsock_kick();
	}
}

/* ---- ends ---- */

/* There is no connection any more: nothing comes, nothing goes. */
static void connection_over(struct vsock_end *v, int error)
{
	struct socket *s = v->socket;

	v->peer_shut = SHUT_BOTH;
	v->was_connected = true;
	if (!s->dead) {
		if (error)
			s->error = error;
		else
			s->finished = true;
		wake_up(&s->queue);
	}
	leave_connections(v);
}

static void connect_failed(struct vsock_end *v, int error)
{
	struct socket *s = v->socket;

	s->state = SOCKET_UNCONNECTED;
	if (!s->dead)
		socket_fail(s, error);
	leave_connections(v);
}

/* The host does not confirm that a connection is over. */
static void closing_expired(struct timer *timer)
{
	leave_connections(container_of(timer, struct vsock_end, closing));
}

static void peer_closed(struct socket *peer, u8 how)
{
	struct vsock_end *v = peer->vsock;

	v->peer_shut |= how;
	if (v->peer_shut & SHUT_SEND)
		peer->finished = true;
	wake_up(&peer->queue);
}

static long vsock_shutdown(struct socket *s, u32 how)
{
	struct vsock_end *v = s->vsock;

	if (s->state == SOCKET_UNCONNECTED || s->state == SOCKET_CONNECTING)
		return -ENOTCONN;
	s->shut |= (u8)how;
	if (s->peer && !s->peer->dead) {
		peer_closed(s->peer, (u8)how);
	} else if (v->remote) {
		v->told_shut |= (u8)how;
		tell(v, VIRTIO_VSOCK_OP_SHUTDOWN);
		virtio_vsock_kick();
	}
	wake_up(&s->queue);
	return 0;
}

static void vsock_close(struct socket *s)
{
	struct vsock_end *v = s->vsock;
	struct socket *peer = s->peer;

	if (peer && !peer->dead && peer->peer == s) {
		peer->vsock->was_connected = true;
		peer_closed(peer, SHUT_BOTH);
	}
	list_remove(&v->bound_link);
	if (v->remote) {
		/* The host answers with a reset; until then the ports are taken. */
		v->told_shut = SHUT_BOTH;
		timer_arm(&v->closing, deadline_after(CLOSE_TIMEOUT));
		tell(v, VIRTIO_VSOCK_OP_SHUTDOWN);
	}
	/* The table's reference may be given up under the doorbell. */
	socket_get(s);
	socket_abandon(s);
	virtio_vsock_kick();
	socket_put(s);
}

static void vsock_free(struct socket *s)
{
	kfree(s->vsock);
}

/* ---- addresses ---- */

static long read_address(const struct address *address, struct sockaddr_vm *out)
{
	if (address->len < sizeof(*out))
		return -EINVAL;
	memcpy(out, address->bytes, sizeof(*out));
	return out->family == AF_VSOCK && out->reserved == 0 ? 0 : -EINVAL;
}

static void write_address(struct address *out, u32 cid, u32 port)
{
	struct sockaddr_vm vm = { .family = AF_VSOCK, .cid = cid, .port = port };

	memcpy(out->bytes, &vm, sizeof(vm));
	out->len = sizeof(vm);
}

static long vsock_name(const struct socket *s, bool peer, struct address *name)
{
	const struct vsock_end *v = s->vsock;

	if (peer && s->state != SOCKET_CONNECTED)
		return -ENOTCONN;
	write_address(name, peer ? v->remote_cid : v->local_cid, peer ? v->remote_port : v->local_port);
	return 0;
}

static long take_port(struct vsock_end *v, u32 cid, u32 port)
{
	if (port == VMADDR_PORT_ANY) {
		if (!vsock.next_port)
			random_bytes(&vsock.next_port, sizeof(vsock.next_port));
		do {
			if (vsock.next_port < FIRST_FREE_PORT || vsock.next_port == VMADDR_PORT_ANY)
				vsock.next_port = FIRST_FREE_PORT;
			port = vsock.next_port++;
		} while (find_bound(cid, port));
	} else if (port < FIRST_FREE_PORT && current->process->cred.euid != 0) {
		return -EACCES;
	} else if (find_bound(cid, port)) {
		return -EADDRINUSE;
	}
	v->local_cid = cid;
	v->local_port = port;
	list_push_back(bound_bucket(port), &v->bound_link);
	return 0;
}

static bool is_bound(const struct vsock_end *v)
{
	return v->local_port != VMADDR_PORT_ANY;
}

static long vsock_bind(struct socket *s, const struct address *address)
{
	struct sockaddr_vm to;

	if (read_address(address, &to) || is_bound(s->vsock))
		return -EINVAL;
	if (to.cid != VMADDR_CID_ANY && !is_own_cid(to.cid))
		return -EADDRNOTAVAIL;
	return take_port(s->vsock, to.cid, to.port);
}

static long vsock_listen(struct socket *s)
{
	if ((s->state != SOCKET_UNCONNECTED && s->state != SOCKET_LISTENING) || !is_bound(s->vsock))
		return -EINVAL;
	s->state = SOCKET_LISTENING;
	return 0;
}

/* ---- connections ---- */

static struct vsock_end *new_end(struct socket *s)
{
	struct vsock_end *v = kzalloc(sizeof(*v));

	if (!v)
		return NULL;
	tables_init();
	v->socket = s;
	v->local_cid = v->remote_cid = VMADDR_CID_ANY;
	v->local_port = v->remote_port = VMADDR_PORT_ANY;
	v->buffer = v->buffer_most = RECEIVE_BUFFER;
	v->buffer_least = RECEIVE_BUFFER_LEAST;
	v->connect_timeout = CONNECT_TIMEOUT;
	list_init(&v->bound_link);
	list_init(&v->connection_link);
	list_init(&v->due_link);
	timer_init(&v->closing, closing_expired);
	s->vsock = v;
	return v;
}

static bool vsock_equip(struct socket *child, struct socket *listener)
{
	const struct vsock_end *from = listener->vsock;
	struct vsock_end *v = new_end(child);

	if (!v)
		return false;
	v->buffer = from->buffer;
	v->buffer_least = from->buffer_least;
	v->buffer_most = from->buffer_most;
	v->sized = from->sized;
	v->connect_timeout = from->connect_timeout;
	v->local_cid = from->local_cid;
	v->local_port = from->local_port;
	return true;
}

static void vsock_child(struct socket *child, struct socket *listener, struct socket *client)
{
	(void)listener;
	child->vsock->local_cid = client->vsock->remote_cid;
	child->vsock->remote_cid = VMADDR_CID_LOCAL;
	child->vsock->remote_port = client->vsock->local_port;
}

static long connect_here(struct socket *s, const struct sockaddr_vm *to)
{
	struct socket *listener = find_listener(to->cid, to->port);

	if (!listener || listener->shut & SHUT_RECEIVE || backlog_full(listener))
		return -ECONNRESET;
	return connection_make(listener, s);
}

static long wait_for_answer(struct socket *s, u64 deadline)
{
	while (s->state == SOCKET_CONNECTING) {
		long error = wait_event_until(&s->queue, s->state != SOCKET_CONNECTING, deadline);
		if (error == 0)
			break;
		connect_failed(s->vsock, 0);
		socket_take_error(s);
		return error == -ETIMEDOUT ? -ETIMEDOUT : -EINTR;
	}
	return s->state == SOCKET_CONNECTED ? 0 : socket_take_error(s);
}

static long connect_to_host(struct socket *s, const struct sockaddr_vm *to, u64 deadline)
{
	struct vsock_end *v = s->vsock;

	v->remote_cid = to->cid;
	v->remote_port = to->port;
	if (find_connection(to->cid, v->local_port, to->port))
		return -EADDRINUSE;
	s->state = SOCKET_CONNECTING;
	enter_connections(v);
	tell(v, VIRTIO_VSOCK_OP_REQUEST);
	virtio_vsock_kick();
	/* A device that works inside the doorbell has answered by now. */
	devices_poll();
	if (deadline == 0)
		return -EINPROGRESS;
	return wait_for_answer(s, MIN(deadline, deadline_after(v->connect_timeout)));
}

static long vsock_connect(struct socket *s, const struct address *address, u64 deadline)
{
	struct vsock_end *v = s->vsock;
	struct sockaddr_vm to;

	if (s->state == SOCKET_CONNECTED)
		return -EISCONN;
	if (s->state == SOCKET_CONNECTING)
		return deadline ? wait_for_answer(s, MIN(deadline, deadline_after(v->connect_timeout))) : -EALREADY;
	if (s->state == SOCKET_LISTENING || read_address(address, &to))
		return -EINVAL;
	bool here = is_own_cid(to.cid);
	if (!here && to.cid < VMADDR_CID_HOST)
		return -ENETUNREACH;
	if (!here && !virtio_vsock_cid())
		return -ENODEV;
	if (to.port == VMADDR_PORT_ANY || to.cid == VMADDR_CID_ANY)
		return -ENETUNREACH;
	long error = is_bound(v) ? 0 : take_port(v, VMADDR_CID_ANY, VMADDR_PORT_ANY);
	if (error)
		return error;
	s->shut = 0;
	s->finished = false;
	s->error = 0;
	v->peer_shut = v->told_shut = 0;
	v->was_connected = false;
	v->sent = v->peer_room = v->peer_taken = v->taken = v->told_taken = v->told_room = v->received = v->widened = 0;
	if (!here)
		return connect_to_host(s, &to, deadline);
	v->remote_cid = to.cid;
	v->remote_port = to.port;
	return connect_here(s, &to);
}

/* ---- bytes ---- */

static long vsock_may_send(struct socket *s)
{
	const struct vsock_end *v = s->vsock;

	if (s->shut & SHUT_SEND || v->peer_shut & SHUT_RECEIVE)
		return -EPIPE;
	return s->state == SOCKET_CONNECTED ? 0 : -ENOTCONN;
}

/* One packet: bytes, 0 when there is no room or credit, or -EFAULT. */
static ssize_t send_packet(struct vsock_end *v, struct transfer *t)
{
	struct virtio_vsock_hdr header;
	size_t wanted = MIN(t->io->left, (size_t)MIN(peer_free(v), PAYLOAD_MAX)), capacity;
	u8 *place = wanted ? virtio_vsock_place(wanted, &capacity) : NULL;

	if (!place)
		return 0;
	size_t n = iobuf_copy_in(t->io, place, capacity);
	if (n == 0) {
		virtio_vsock_return(place);
		return -EFAULT;
	}
	fill_header(v, &header, VIRTIO_VSOCK_OP_RW, 0, (u32)n);
	credit_was_told(v);
	v->sent += (u32)n;
	virtio_vsock_submit(place, &header);
	return (ssize_t)n;
}

static long wait_to_send(struct socket *s, u64 deadline)
{
	struct vsock_end *v = s->vsock;

	/* The host may have made room meanwhile. */
	if (devices_poll() && (vsock_may_send(s) || peer_free(v)))
		return 0;
	if (!peer_free(v))
		return socket_sleep(&s->queue, deadline);
	return virtio_vsock_has_room() ? 0 : socket_sleep(&virtio_vsock_room, deadline);
}

static ssize_t send_to_host(struct socket *s, struct transfer *t)
{
	u64 deadline = send_deadline(s, t->flags);
	ssize_t done = 0;
	long error = 0;

	for (;;) {
		error = s->error ? -s->error : vsock_may_send(s);
		if (error || !t->io->left)
			break;
		ssize_t n = send_packet(s->vsock, t);
		done += MAX(n, 0);
		if (n < 0 || t->io->faulted) {
			error = -EFAULT;
			break;
		}
		if (n == 0 || !t->io->left)
			virtio_vsock_kick();
		if (n == 0) {
			error = wait_to_send(s, deadline);
			if (error)
				break;
		}
	}
	virtio_vsock_kick();
	if (done || !error)
		return done; /* what befell the connection meanwhile, the next call says */
	if (error == -s->error)
		s->error = 0;
	return stream_broken(t, error);
}

static ssize_t vsock_send(struct socket *s, struct transfer *t)
{
	if (t->to)
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	long error = vsock_may_send(s);
	if (error && !s->error)
		return stream_broken(t, error);
	return s->peer ? stream_send(s, t) : send_to_host(s, t);
}

/* Packets may lie there that nobody was told of yet. */
static ssize_t vsock_receive(struct socket *s, struct transfer *t)
{
	const struct vsock_end *v = s->vsock;

	if (s->state != SOCKET_CONNECTED && !s->error)
		return v->was_connected ? 0 : -ENOTCONN;
	if (s->shut & SHUT_RECEIVE || (v->was_connected && !s->error && list_empty(&s->messages)))
		return 0;
	if (v->remote && list_empty(&s->messages))
		devices_poll();
	ssize_t n = stream_receive(s, t);
	virtio_vsock_refill();
	return n;
}

static void vsock_consumed(struct socket *s, size_t bytes)
{
	struct vsock_end *v = s->vsock;

	v->taken += (u32)bytes;
	if (v->remote)
		update_credit(v);
}

static unsigned int vsock_poll(struct socket *s, struct poll_table *table)
{
	const struct vsock_end *v = s->vsock;
	unsigned int mask = s->error ? POLLERR : 0;

	(void)table;
	if (s->shut == SHUT_BOTH || (s->shut & SHUT_SEND && v->peer_shut & SHUT_SEND))
		mask |= POLLHUP;
	if (s->shut & SHUT_RECEIVE || v->peer_shut & SHUT_SEND)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (s->state == SOCKET_LISTENING)
		return mask | (list_empty(&s->accept_queue) ? 0 : POLLIN | POLLRDNORM);
	if (s->queued >= (u64)MAX(s->receive_low, 1))
		mask |= POLLIN | POLLRDNORM;
	if (s->shut & SHUT_SEND)
		return mask;
	if (s->state == SOCKET_UNCONNECTED)
		return mask | POLLOUT | POLLWRNORM;
	bool room = s->peer ? has_room(s) : peer_free(v) > 0;
	if (s->state == SOCKET_CONNECTED && (room || v->peer_shut & SHUT_RECEIVE))
		mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return mask;
}

/* ---- packets from the host ---- */

static void request(const struct virtio_vsock_hdr *header)
{
	struct socket *listener = find_listener(virtio_vsock_cid(), header->dst_port), *s = NULL;

	if (listener && !(listener->shut & SHUT_RECEIVE) && !backlog_full(listener))
		s = connection_make_remote(listener);
	if (!s) {
		send_reset(header);
		return;
	}
	struct vsock_end *v = s->vsock;
	v->local_cid = virtio_vsock_cid();
	v->remote_cid = (u32)header->src_cid;
	v->remote_port = header->src_port;
	v->peer_room = header->buf_alloc;
	enter_connections(v);
	tell(v, VIRTIO_VSOCK_OP_RESPONSE);
}

static void take_credit(struct vsock_end *v, const struct virtio_vsock_hdr *header)
{
	u32 before = peer_free(v);

	v->peer_room = header->buf_alloc;
	/* The host cannot have read more than was sent. */
	if (header->fwd_cnt - v->peer_taken <= v->sent - v->peer_taken)
		v->peer_taken = header->fwd_cnt;
	if (peer_free(v) > before)
		wake_up_events(&v->socket->queue, POLLOUT | POLLWRNORM | POLLWRBAND);
}

static void answered(struct vsock_end *v)
{
	v->socket->state = SOCKET_CONNECTED;
	wake_up(&v->socket->queue);
}

/* What came in the middle of a connection that the host was not to send then. */
static void break_off(struct vsock_end *v, const struct virtio_vsock_hdr *header)
{
	send_reset(header);
	if (v->socket->state == SOCKET_CONNECTING)
		connect_failed(v, EPROTO);
	else
		connection_over(v, ECONNRESET);
}

static void reset(struct vsock_end *v)
{
	if (v->socket->state == SOCKET_CONNECTING)
		connect_failed(v, ECONNRESET);
	else
		connection_over(v, v->peer_shut & SHUT_SEND || v->told_shut == SHUT_BOTH ? 0 : ECONNRESET);
}

static void shut_by_host(struct vsock_end *v, const struct virtio_vsock_hdr *header)
{
	u32 flags = header->flags;

	v->peer_shut |= (flags & VIRTIO_VSOCK_SHUTDOWN_RCV ? SHUT_RECEIVE : 0) | (flags & VIRTIO_VSOCK_SHUTDOWN_SEND ? SHUT_SEND : 0);
	if (v->peer_shut == SHUT_BOTH) {
		send_reset(header);
		connection_over(v, 0);
		return;
	}
	if (v->peer_shut & SHUT_SEND)
		v->socket->finished = true;
	wake_up(&v->socket->queue);
}

static void take_payload(struct vsock_end *v, const struct virtio_vsock_hdr *header, struct message *payload)
{
	struct socket *s = v->socket;

	if (header->len > v->told_room - (v->received - v->told_taken)) {
		message_free(payload);
		break_off(v, header);
		return;
	}
	v->received += header->len;
	if (s->dead || s->shut & SHUT_RECEIVE) {
		v->taken += header->len;
		message_free(payload);
	} else {
		message_queue(s, payload);
	}
}

void vsock_received(const struct virtio_vsock_hdr *header, struct message *payload)
{
	bool known = header->type == VIRTIO_VSOCK_TYPE_STREAM && header->dst_cid == virtio_vsock_cid();

	tables_init();
	struct vsock_end *v = known ? find_connection((u32)header->src_cid, header->dst_port, header->src_port) : NULL;
	bool connecting = v && v->socket->state == SOCKET_CONNECTING;
	if (v)
		take_credit(v, header);
	if (payload && v && header->op == VIRTIO_VSOCK_OP_RW && !connecting && !(v->peer_shut & SHUT_SEND)) {
		take_payload(v, header, payload);
		return;
	}
	if (payload)
		message_free(payload);
	if (!v && header->op == VIRTIO_VSOCK_OP_REQUEST && known)
		request(header);
	else if (!v && header->op != VIRTIO_VSOCK_OP_RST)
		send_reset(header);
	if (!v)
		return;
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RST:
		reset(v);
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		connecting ? answered(v) : break_off(v, header);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		connecting ? break_off(v, header) : shut_by_host(v, header);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		tell(v, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	default:
		if (header->op != VIRTIO_VSOCK_OP_RW || header->len || connecting)
			break_off(v, header);
		break;
	}
}

bool vsock_joined(const struct virtio_vsock_hdr *header, const u8 *payload)
{
	tables_init();
	struct vsock_end *v = find_connection((u32)header->src_cid, header->dst_port, header->src_port);

	if (!v || header->type != VIRTIO_VSOCK_TYPE_STREAM || header->dst_cid != virtio_vsock_cid() ||
	    header->op != VIRTIO_VSOCK_OP_RW || v->socket->dead || v->peer_shut & SHUT_SEND || v->socket->shut & SHUT_RECEIVE ||
	    list_empty(&v->socket->messages) || header->len > v->told_room - (v->received - v->told_taken))
		return false;
	struct message *last = list_entry(v->socket->messages.prev, struct message, link);
	if (last->capacity - last->length < header->len)
		return false;
	memcpy(last->data + last->length, payload, header->len);
	last->length += header->len;
	v->socket->queued += header->len;
	v->received += header->len;
	take_credit(v, header);
	wake_up_events(&v->socket->queue, POLLIN | POLLRDNORM);
	return true;
}

void vsock_transport_reset(void)
{
	tables_init();
	for (u32 i = 0; i < BUCKETS; i++)
		while (!list_empty(&vsock.connections[i])) {
			struct vsock_end *v = list_first(&vsock.connections[i], struct vsock_end, connection_link);
			if (v->socket->state == SOCKET_CONNECTING)
				connect_failed(v, ECONNRESET);
			else
				connection_over(v, ECONNRESET);
		}
}

/* ---- options ---- */

long vsock_get_option(const struct socket *s, int name, void *value, size_t *length)
{
	const struct vsock_end *v = s->vsock;
	s64 *numbers = value;

	*length = sizeof(u64);
	switch (name) {
	case SO_VM_SOCKETS_BUFFER_SIZE:
		numbers[0] = (s64)v->buffer;
		return 0;
	case SO_VM_SOCKETS_BUFFER_MIN_SIZE:
		numbers[0] = (s64)v->buffer_least;
		return 0;
	case SO_VM_SOCKETS_BUFFER_MAX_SIZE:
		numbers[0] = (s64)v->buffer_most;
		return 0;
	case SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD:
	case SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW:
		numbers[0] = (s64)(v->connect_timeout / NSEC_PER_SEC);
		numbers[1] = (s64)(v->connect_timeout % NSEC_PER_SEC / 1000);
		*length = 2 * sizeof(s64);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static void set_buffer(struct vsock_end *v, u64 size)
{
	v->buffer = MAX(MIN(size, v->buffer_most), v->buffer_least);
	v->widened = 0;
	v->sized = true;
	tell(v, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	virtio_vsock_kick();
}

static long set_connect_timeout(struct vsock_end *v, const void __user *user, int length)
{
	s64 tv[2];

	if (length < (int)sizeof(tv))
		return -EINVAL;
	if (copy_from_user(tv, user, sizeof(tv)))
		return -EFAULT;
	if (tv[0] < 0 || tv[1] < 0 || tv[1] >= 1000000 || tv[0] > 1L << 31)
		return -ERANGE;
	v->connect_timeout = (u64)tv[0] * NSEC_PER_SEC + (u64)tv[1] * 1000;
	if (v->connect_timeout == 0)
		v->connect_timeout = CONNECT_TIMEOUT;
	return 0;
}

long vsock_set_option(struct socket *s, int name, const void __user *user, int length)
{
	struct vsock_end *v = s->vsock;
	u64 value;

	if (name == SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD || name == SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW)
		return set_connect_timeout(v, user, length);
	if (name < SO_VM_SOCKETS_BUFFER_SIZE || name > SO_VM_SOCKETS_BUFFER_MAX_SIZE)
		return -ENOPROTOOPT;
	if (length < (int)sizeof(value))
		return -EINVAL;
	if (copy_from_user(&value, user, sizeof(value)))
		return -EFAULT;
	/* The device cannot be promised more than memory has room for. */
	value = MIN(value, (u64)BUFFER_MAX * 8);
	if (name == SO_VM_SOCKETS_BUFFER_SIZE) {
		set_buffer(v, value);
	} else if (name == SO_VM_SOCKETS_BUFFER_MIN_SIZE) {
		v->buffer_least = value;
		set_buffer(v, v->buffer);
	} else {
		v->buffer_most = value;
		set_buffer(v, v->buffer);
	}
	return 0;
}

/* ---- the family ---- */

static const struct socket_ops vsock_ops = {
	.bind = vsock_bind,
	.connect = vsock_connect,
	.listen = vsock_listen,
	.send = vsock_send,
	.receive = vsock_receive,
	.shutdown = vsock_shutdown,
	.poll = vsock_poll,
	.name = vsock_name,
	.close = vsock_close,
	.free = vsock_free,
	.may_send = vsock_may_send,
	.consumed = vsock_consumed,
	.equip = vsock_equip,
	.child = vsock_child,
};

static long vsock_create(struct socket *s, u32 protocol)
{
	if (protocol && protocol != AF_VSOCK)
		return -EPROTONOSUPPORT;
	/* No device has datagrams, and this one offers no packets in order (5.10.3). */
	if (s->type == SOCK_DGRAM)
		return -ENODEV;
	if (s->type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (!new_end(s))
		return -ENOMEM;
	s->ops = &vsock_ops;
	return 0;
}

const struct socket_family vsock_family = { AF_VSOCK, vsock_create, NULL };
