/* SPDX-License-Identifier: Apache-2.0 */
/* tcp(7) within the machine: ports and connections; what arrives is in order and complete by nature. */
#include <asm/poll.h>
#include <linux/in.h>
#include "inet.h"
#include "rights.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif
/* What Linux lets a connection's send buffer grow to by itself is more; this is enough not to wait for each other. */
#define SEND_BUFFER_GROWN (256u << 10)

static struct port_table ports;

void tcp_init(struct socket *s)
{
	s->send_limit = TCP_SEND_BUFFER;
	s->receive_limit = TCP_RECEIVE_BUFFER;
}

static long tcp_bind(struct socket *s, const struct address *address)
{
	return inet_bind(&ports, s, address);
}

/* ---- ends ---- */

static void reset(struct socket *s, int error)
{
	s->shut = SHUT_BOTH;
	socket_fail(s, error);
}

static void tcp_close(struct socket *s)
{
	struct socket *peer = s->peer;

	if (peer && !peer->dead && peer->peer == s && peer->shut != SHUT_BOTH) {
		/* RFC 1122, 4.2.2.13: what was not read is lost, which the other side must learn. */
		if (!list_empty(&s->messages) || !s->file || (s->linger && s->linger_seconds == 0)) {
			reset(peer, ECONNRESET);
		} else {
			peer->finished = true;
			peer->shut |= SHUT_RECEIVE;
			wake_up(&peer->queue);
		}
	}
	port_release(&s->inet);
	socket_abandon(s);
}

static void stop_listening(struct socket *s)
{
	while (!list_empty(&s->accept_queue)) {
		struct socket *embryo = list_first(&s->accept_queue, struct socket, accept_link);
		socket_discard(embryo);
	}
	while (!list_empty(&s->pending)) {
		struct socket *client = list_first(&s->pending, struct socket, accept_link);
		list_remove(&client->accept_link);
		connection_refused(client);
	}
	s->accept_count = 0;
	s->inet.listening = false;
	s->state = SOCKET_UNCONNECTED;
	wake_up(&s->queue);
}

static long tcp_shutdown(struct socket *s, u32 how)
{
	if (s->state == SOCKET_LISTENING) {
		if (how & SHUT_RECEIVE)
			stop_listening(s);
		return 0;
	}
	if (s->state != SOCKET_CONNECTED || s->peer->peer != s)
		return -ENOTCONN;
	s->shut |= (u8)how;
	if (how & SHUT_SEND && !s->peer->dead) {
		s->peer->finished = true;
		s->peer->shut |= SHUT_RECEIVE;
		wake_up(&s->peer->queue);
	}
	wake_up(&s->queue);
	return 0;
}

/* ---- connections ---- */

static long tcp_listen(struct socket *s)
{
	if (s->state != SOCKET_UNCONNECTED && s->state != SOCKET_LISTENING)
		return -EINVAL;
	long error = inet_autobind(&ports, s);
	if (error)
		return error;
	if (!port_may_listen(&ports, &s->inet))
		return -EADDRINUSE;
	s->inet.listening = true;
	s->state = SOCKET_LISTENING;
	return 0;
}

static void grow_buffer(struct socket *s)
{
	if (!s->owns_send_limit)
		s->send_limit = MAX(s->send_limit, SEND_BUFFER_GROWN);
}

static void tcp_child(struct socket *child, struct socket *listener, struct socket *client)
{
	child->inet = (struct port_user){
		.local = client->inet.remote,
		.remote = client->inet.local,
		.connected = true,
		.reuse_address = listener->inet.reuse_address,
		.reuse_port = listener->inet.reuse_port,
		.uid = listener->inet.uid,
	};
	list_init(&child->inet.link);
	port_join(&ports, &child->inet);
	grow_buffer(child);
	grow_buffer(client);
}

/* Asks the listener, if there is one: SOCKET_CONNECTED, or SOCKET_CONNECTING until it has room. */
static long request(struct socket *s)
{
	struct port_user *user = port_listener(&ports, &s->inet.remote);

	if (!user)
		return -ECONNREFUSED;
	struct socket *listener = socket_of_port(user);
	if (!backlog_full(listener))
		return connection_make(listener, s);
	s->state = SOCKET_CONNECTING;
	list_push_back(&listener->pending, &s->accept_link);
	return 0;
}

static long start(struct socket *s, const struct address *to)
{
	long error = inet_endpoint(s, to, &s->inet.remote);

	if (!error)
		error = inet_route(&s->inet.remote);
	if (!error)
		error = inet_autobind(&ports, s) ? -EADDRNOTAVAIL : 0;
	if (error)
		return error;
	inet_choose_source(&s->inet.local, &s->inet.remote);
	/* An IPv4 address and an IPv6 address do not go together. */
	if (ip_is_v4(s->inet.local.ip) != ip_is_v4(s->inet.remote.ip))
		return -ENETUNREACH;
	s->inet.connected = true;
	s->inet.any_of_both = false;
	s->shut = 0;
	s->finished = false;
	return 0;
}

/* The attempt is over: tells how it ended, once. */
static long conclude(struct socket *s)
{
	s->unreported = false;
	if (s->state == SOCKET_CONNECTED)
		return 0;
	s->shut = 0;
	s->inet.connected = false;
	long error = socket_take_error(s);
	return error ? error : -ECONNABORTED;
}

static long wait_for_connection(struct socket *s, u64 deadline)
{
	while (s->state == SOCKET_CONNECTING) {
		long error = socket_sleep(&s->queue, deadline);
		if (error)
			return error == -EAGAIN ? -EINPROGRESS : error;
	}
	return conclude(s);
}

static void disconnect(struct socket *s)
{
	list_remove(&s->accept_link);
	if (s->state == SOCKET_LISTENING)
		stop_listening(s);
	if (s->peer && !s->peer->dead)
		reset(s->peer, ECONNRESET);
	messages_purge(s);
	socket_set_peer(s, NULL);
	port_release(&s->inet);
	s->inet.connected = s->finished = s->unreported = false;
	s->state = SOCKET_UNCONNECTED;
	s->shut = 0;
	s->error = 0;
}

static long tcp_connect(struct socket *s, const struct address *to, u64 deadline)
{
	if (to->family == AF_UNSPEC) {
		disconnect(s);
		return 0;
	}
	if (s->state == SOCKET_CONNECTING)
		return deadline ? wait_for_connection(s, deadline) : -EALREADY;
	if (s->unreported)
		return conclude(s);
	if (s->state != SOCKET_UNCONNECTED)
		return -EISCONN;
	long error = start(s, to);
	if (error)
		return error;
	s->unreported = true;
	error = request(s);
	if (error == -ECONNREFUSED)
		connection_refused(s);
	else if (error)
		return error;
	/* Without waiting nobody can know yet, as far as the program is concerned. */
	return deadline ? wait_for_connection(s, deadline) : -EINPROGRESS;
}

/* ---- bytes ---- */

static long tcp_may_send(struct socket *s)
{
	if (s->state == SOCKET_CONNECTING)
		return -EAGAIN;
	if (s->error)
		return socket_take_error(s);
	if (s->state != SOCKET_CONNECTED || s->shut & SHUT_SEND)
		return -EPIPE;
	if (!s->peer->dead)
		return 0;
	/* The first bytes find out that nobody is there (RFC 9293, 3.10.7.1: a reset comes back). */
	reset(s, EPIPE);
	return DISCARD;
}

static ssize_t tcp_send(struct socket *s, struct transfer *t)
{
	if (t->flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	/* Descriptors and credentials mean nothing here. */
	if (t->rights)
		rights_free(t->rights);
	t->rights = NULL;
	return stream_send(s, t);
}

static ssize_t tcp_receive(struct socket *s, struct transfer *t)
{
	if (s->state == SOCKET_UNCONNECTED || s->state == SOCKET_LISTENING)
		return s->error ? socket_take_error(s) : -ENOTCONN;
	return stream_receive(s, t);
}

static unsigned int tcp_poll(struct socket *s, struct poll_table *table)
{
	unsigned int mask = s->error ? POLLERR : 0;

	(void)table;
	if (s->state == SOCKET_LISTENING)
		return mask | (list_empty(&s->accept_queue) ? 0 : POLLIN | POLLRDNORM);
	if (s->shut == SHUT_BOTH || s->state == SOCKET_UNCONNECTED)
		mask |= POLLHUP;
	if (s->shut & SHUT_RECEIVE)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (s->state == SOCKET_CONNECTING)
		return mask;
	if (s->queued >= (u64)MAX(s->receive_low, 1))
		mask |= POLLIN | POLLRDNORM;
	if (s->shut & SHUT_SEND || s->send_used * 3UL <= s->send_limit * 2UL)
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

const struct socket_ops tcp_ops = {
	.bind = tcp_bind,
	.connect = tcp_connect,
	.listen = tcp_listen,
	.send = tcp_send,
	.receive = tcp_receive,
	.shutdown = tcp_shutdown,
	.poll = tcp_poll,
	.name = inet_name,
	.close = tcp_close,
	.may_send = tcp_may_send,
	.child = tcp_child,
};
