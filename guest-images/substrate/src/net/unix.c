/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX: streams, datagrams and packets in order, as unix(7) has them. */
#include <asm/poll.h>
#include "rights.h"
#include "unix_names.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif
#define SEND_OVERHEAD 32u /* of what SO_SNDBUF allows to one datagram (unix_dgram_sendmsg of Linux) */

bool is_unix(const struct socket *s)
{
	return s->family == AF_UNIX;
}

/* ---- ends ---- */

static bool connection_based(const struct socket *s)
{
	return s->type != SOCK_DGRAM;
}

static void unix_close(struct socket *s)
{
	struct socket *peer = s->peer;

	unix_unbind(s);
	if (peer && connection_based(s) && !peer->dead) {
		peer->shut = SHUT_BOTH;
		/* What was sent was not read, or not even accepted. */
		if (!list_empty(&s->messages) || !s->file)
			peer->error = ECONNRESET;
		wake_up(&peer->queue);
	}
	socket_abandon(s);
}

static void unix_free(struct socket *s)
{
	if (s->unix_.name)
		unix_name_put(s->unix_.name);
}

static long unix_shutdown(struct socket *s, u32 how)
{
	struct socket *peer = s->peer;

	s->shut |= (u8)how;
	if (peer && connection_based(s)) {
		peer->shut |= (how & SHUT_RECEIVE ? SHUT_SEND : 0) | (how & SHUT_SEND ? SHUT_RECEIVE : 0);
		wake_up(&peer->queue);
	}
	wake_up(&s->queue);
	wake_up(&s->space);
	return 0;
}

/* ---- connections ---- */

static long unix_listen(struct socket *s)
{
	if (!s->unix_.name || (s->state != SOCKET_UNCONNECTED && s->state != SOCKET_LISTENING))
		return -EINVAL;
	s->state = SOCKET_LISTENING;
	s->peer_credentials = credentials_of_current();
	wake_up(&s->space);
	return 0;
}

static void unix_child(struct socket *child, struct socket *listener, struct socket *client)
{
	child->unix_.name = listener->unix_.name ? unix_name_get(listener->unix_.name) : NULL;
	list_init(&child->unix_.bound_link);
	child->peer_credentials = client->credentials;
	client->peer_credentials = listener->peer_credentials;
}

/* 1 when there is no room: the caller waits. */
static long try_to_connect(struct socket *s, struct socket *listener)
{
	if (listener->state != SOCKET_LISTENING || listener->shut & SHUT_RECEIVE)
		return -ECONNREFUSED;
	if (backlog_full(listener))
		return 1;
	if (s->state != SOCKET_UNCONNECTED)
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EINVAL;
	s->credentials = credentials_of_current();
	return connection_make(listener, s);
}

static long unix_connect(struct socket *s, const struct address *to, u64 deadline)
{
	for (;;) {
		struct socket *listener = unix_find(to, s->type);
		if (IS_ERR(listener))
			return PTR_ERR(listener);
		long error = s->pass_credentials && !s->unix_.name ? unix_autobind(s) : 0;
		if (!error)
			error = try_to_connect(s, listener);
		if (error == 1)
			error = socket_sleep(&listener->space, deadline);
		else if (!error) {
			socket_put(listener);
			return 0;
		}
		socket_put(listener);
		if (error)
			return error;
	}
}

static long unix_may_send(struct socket *s)
{
	if (!s->peer)
		return -ENOTCONN;
	return s->shut & SHUT_SEND || s->peer->dead || s->peer->shut & SHUT_RECEIVE ? -EPIPE : 0;
}

static ssize_t unix_stream_send(struct socket *s, struct transfer *t)
{
	if (t->to)
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	return stream_send(s, t);
}

static ssize_t unix_stream_receive(struct socket *s, struct transfer *t)
{
	return s->state == SOCKET_CONNECTED ? stream_receive(s, t) : -EINVAL;
}

static bool writable(const struct socket *s)
{
	return s->state != SOCKET_LISTENING && s->send_used * 4UL <= s->send_limit;
}

static unsigned int common_poll(const struct socket *s)
{
	unsigned int mask = s->error ? POLLERR : 0;

	if (s->shut == SHUT_BOTH)
		mask |= POLLHUP;
	if (s->shut & SHUT_RECEIVE)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&s->messages) || !list_empty(&s->accept_queue))
		mask |= POLLIN | POLLRDNORM;
	if (connection_based(s) && s->state == SOCKET_UNCONNECTED)
		mask |= POLLHUP;
	return mask;
}

static unsigned int unix_stream_poll(struct socket *s, struct poll_table *table)
{
	(void)table;
	return common_poll(s) | (writable(s) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0);
}

/* ---- datagrams ---- */

static bool queue_full(const struct socket *receiver)
{
	return receiver->message_count >= DATAGRAMS_MAX;
}

/* Datagram sockets that are connected to another take from that one only. */
static bool takes_from(const struct socket *receiver, const struct socket *sender)
{
	return !receiver->peer || receiver->peer == sender;
}

static void datagram_disconnect(struct socket *s)
{
	struct socket *old = s->peer;

	if (!old)
		return;
	/* The other end of a connection that goes both ways learns of it when something is lost. */
	bool lost = !list_empty(&s->messages);
	messages_purge(s);
	if (lost && !old->dead && old->peer == s)
		socket_fail(old, ECONNRESET);
	s->state = SOCKET_UNCONNECTED;
	socket_set_peer(s, NULL);
}

static long unix_datagram_connect(struct socket *s, const struct address *to, u64 deadline)
{
	(void)deadline;
	if (to->family == AF_UNSPEC) {
		datagram_disconnect(s);
		return 0;
	}
	struct socket *peer = unix_find(to, s->type);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	long error = takes_from(peer, s) ? 0 : -EPERM;
	if (!error && s->pass_credentials && !s->unix_.name)
		error = unix_autobind(s);
	if (!error) {
		if (s->peer != peer)
			datagram_disconnect(s);
		s->state = SOCKET_CONNECTED;
		socket_set_peer(s, peer);
	}
	socket_put(peer);
	return error;
}

static struct socket *receiver_of(struct socket *s, const struct transfer *t)
{
	if (t->to && s->type == SOCK_DGRAM)
		return unix_find(t->to, s->type);
	return s->peer ? socket_get(s->peer) : ERR_PTR(-ENOTCONN);
}

/* 0 when it was sent, 1 when something changed and it is worth another try, or a negative errno. */
static long send_or_wait(struct socket *s, struct socket *receiver, struct transfer *t, u64 deadline)
{
	if (t->io->left > s->send_limit - SEND_OVERHEAD)
		return -EMSGSIZE;
	if (s->shut & SHUT_SEND)
		return -EPIPE;
	if (receiver->dead) {
		if (s->peer == receiver)
			datagram_disconnect(s);
		return -ECONNREFUSED;
	}
	if (!takes_from(receiver, s))
		return -EPERM;
	if (receiver->shut & SHUT_RECEIVE)
		return -EPIPE;
	long error = 0;
	if (queue_full(receiver) && receiver->peer != s)
		error = socket_sleep(&receiver->space, deadline);
	else if (!has_room(s))
		error = socket_sleep(&s->queue, deadline);
	else {
		struct message *m = datagram_new(s, s, receiver, t);
		if (IS_ERR(m))
			return PTR_ERR(m);
		message_queue(receiver, m);
		return 0;
	}
	return error ? error : 1;
}

static ssize_t unix_datagram_send(struct socket *s, struct transfer *t)
{
	u64 deadline = send_deadline(s, t->flags);
	ssize_t length = (ssize_t)t->io->left;
	long error = s->pass_credentials && !s->unix_.name && s->type == SOCK_DGRAM ? unix_autobind(s) : 0;

	if (error)
		return error;
	do {
		struct socket *receiver = receiver_of(s, t);
		if (IS_ERR(receiver))
			return PTR_ERR(receiver);
		error = send_or_wait(s, receiver, t, deadline);
		socket_put(receiver);
	} while (error == 1);
	return error ? error : length;
}

static unsigned int unix_datagram_poll(struct socket *s, struct poll_table *table)
{
	(void)table;
	bool full = s->peer && s->peer->peer != s && queue_full(s->peer);
	return common_poll(s) | (writable(s) && !full ? POLLOUT | POLLWRNORM | POLLWRBAND : 0);
}

static ssize_t packet_send(struct socket *s, struct transfer *t)
{
	if (s->error)
		return socket_take_error(s);
	return s->state == SOCKET_CONNECTED ? unix_datagram_send(s, t) : -ENOTCONN;
}

static ssize_t packet_receive(struct socket *s, struct transfer *t)
{
	return s->state == SOCKET_CONNECTED ? datagram_receive(s, t) : -ENOTCONN;
}

/* ---- the family ---- */

static const struct socket_ops stream_ops = {
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.send = unix_stream_send,
	.receive = unix_stream_receive,
	.shutdown = unix_shutdown,
	.poll = unix_stream_poll,
	.name = unix_name_of,
	.close = unix_close,
	.free = unix_free,
	.may_send = unix_may_send,
	.child = unix_child,
};

static const struct socket_ops packet_ops = {
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.send = packet_send,
	.receive = packet_receive,
	.shutdown = unix_shutdown,
	.poll = unix_datagram_poll,
	.name = unix_name_of,
	.close = unix_close,
	.free = unix_free,
	.child = unix_child,
};

static const struct socket_ops datagram_ops = {
	.bind = unix_bind,
	.connect = unix_datagram_connect,
	.send = unix_datagram_send,
	.receive = datagram_receive,
	.shutdown = unix_shutdown,
	.poll = unix_datagram_poll,
	.name = unix_name_of,
	.close = unix_close,
	.free = unix_free,
};

static long unix_create(struct socket *s, u32 protocol)
{
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	list_init(&s->unix_.bound_link);
	switch (s->type) {
	case SOCK_STREAM:
		s->ops = &stream_ops;
		return 0;
	case SOCK_SEQPACKET:
		s->ops = &packet_ops;
		return 0;
	case SOCK_RAW: /* as Linux takes it */
		s->type = SOCK_DGRAM;
		/* fall through */
	case SOCK_DGRAM:
		s->ops = &datagram_ops;
		return 0;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

static void unix_pair(struct socket *a, struct socket *b)
{
	a->credentials = b->credentials = a->peer_credentials = b->peer_credentials = credentials_of_current();
	a->state = b->state = SOCKET_CONNECTED;
	socket_set_peer(a, b);
	socket_set_peer(b, a);
}

const struct socket_family unix_family = { AF_UNIX, unix_create, unix_pair };
