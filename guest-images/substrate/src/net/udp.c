/* SPDX-License-Identifier: Apache-2.0 */
/* udp(7) within the machine. What does not fit into the receiver's buffer is lost, as on a wire. */
#include <asm/poll.h>
#include <linux/in.h>
#include <substrate/string.h>
#include "inet.h"
#include "rights.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif
#define LENGTH_MAX 65507u /* 16 bits, without the headers of IPv4 and UDP */
#define BROADCAST 0xffffffffu

static struct port_table ports;

static long udp_bind(struct socket *s, const struct address *address)
{
	return inet_bind(&ports, s, address);
}

static void udp_close(struct socket *s)
{
	port_release(&s->inet);
	socket_abandon(s);
}

static long udp_shutdown(struct socket *s, u32 how)
{
	s->shut |= (u8)how;
	wake_up(&s->queue);
	return s->inet.connected ? 0 : -ENOTCONN;
}

static long udp_connect(struct socket *s, const struct address *to, u64 deadline)
{
	struct endpoint remote;

	(void)deadline;
	if (to->family == AF_UNSPEC) {
		s->inet.connected = false;
		s->state = SOCKET_UNCONNECTED;
		return 0;
	}
	long error = inet_endpoint(s, to, &remote);
	if (!error)
		error = inet_route(&remote);
	if (!error)
		error = inet_autobind(&ports, s);
	if (error)
		return error;
	inet_choose_source(&s->inet.local, &remote);
	s->inet.remote = remote;
	s->inet.connected = true;
	s->state = SOCKET_CONNECTED;
	return 0;
}

static bool is_broadcast(const struct endpoint *to)
{
	const u32 all = BROADCAST;

	return ip_is_v4(to->ip) && memcmp(to->ip + 12, &all, 4) == 0;
}

static long destination(struct socket *s, const struct transfer *t, struct endpoint *to)
{
	if (!t->to) {
		*to = s->inet.remote;
		return s->inet.connected ? 0 : -EDESTADDRREQ;
	}
	long error = inet_endpoint(s, t->to, to);
	if (error)
		return error;
	if (to->port == 0)
		return -EINVAL;
	if (is_broadcast(to) && !s->broadcast)
		return -EACCES;
	return inet_route(to);
}

static long deliver(struct socket *s, const struct endpoint *to, struct transfer *t)
{
	struct endpoint source = s->inet.local;

	inet_choose_source(&source, to);
	struct port_user *user = port_receiver(&ports, &source, to);
	if (!user) {
		/* ICMP's "port unreachable" reaches those who are connected. */
		if (s->inet.connected)
			socket_fail(s, ECONNREFUSED);
		return 0;
	}
	struct socket *receiver = socket_of_port(user);
	struct message *m = datagram_new(NULL, s, receiver, t);
	if (IS_ERR(m))
		return PTR_ERR(m);
	m->source = source;
	if (receiver->receive_used + m->charge > receiver->receive_limit || receiver->shut & SHUT_RECEIVE)
		message_free(m);
	else
		message_queue(receiver, m);
	return 0;
}

static ssize_t udp_send(struct socket *s, struct transfer *t)
{
	ssize_t length = (ssize_t)t->io->left;
	struct endpoint to;

	if (t->rights)
		rights_free(t->rights);
	t->rights = NULL;
	/* Even one that fails has a port from then on, as on Linux. */
	long error = inet_autobind(&ports, s);
	if (!error && length > LENGTH_MAX)
		error = -EMSGSIZE;
	if (!error)
		error = destination(s, t, &to);
	if (!error)
		error = socket_take_error(s);
	if (!error && s->shut & SHUT_SEND)
		error = -EPIPE;
	if (!error)
		error = deliver(s, &to, t);
	return error ? error : length;
}

static unsigned int udp_poll(struct socket *s, struct poll_table *table)
{
	unsigned int mask = POLLOUT | POLLWRNORM | POLLWRBAND | (s->error ? POLLERR : 0);

	(void)table;
	if (s->shut == SHUT_BOTH)
		mask |= POLLHUP;
	if (s->shut & SHUT_RECEIVE)
		mask |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (!list_empty(&s->messages))
		mask |= POLLIN | POLLRDNORM;
	return mask;
}

const struct socket_ops udp_ops = {
	.bind = udp_bind,
	.connect = udp_connect,
	.send = udp_send,
	.receive = datagram_receive,
	.shutdown = udp_shutdown,
	.poll = udp_poll,
	.name = inet_name,
	.close = udp_close,
};
