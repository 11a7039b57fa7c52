/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: bytes in order, as AF_UNIX streams and TCP have them, and how they come about. */
#include <asm/poll.h>
#include <asm/signal.h>
#include <substrate/mm.h>
#include <substrate/task.h>
#include "rights.h"
#include "socket.h"

/* The most that one message takes of memory: larger blocks are hard to find in one piece. */
#define PIECE_MAX ((32UL << 10) - sizeof(struct message))

/* ---- sending ---- */

static bool same_credentials(const struct message *m, const struct transfer *t)
{
	struct ucred mine = t->has_credentials ? t->credentials : credentials_of_current();

	return m->credentials.pid == mine.pid && m->credentials.uid == mine.uid && m->credentials.gid == mine.gid;
}

/* The message at the queue's end when more of the same may go into it. */
static struct message *tail_with_room(struct socket *s, const struct transfer *t)
{
	struct socket *peer = s->peer;
	if (list_empty(&peer->messages) || t->rights)
		return NULL;
	struct message *m = list_entry(peer->messages.prev, struct message, link);
	return m->sender == s && !m->rights && m->length < m->capacity && same_credentials(m, t) ? m : NULL;
}

static ssize_t append(struct socket *receiver, struct message *m, struct transfer *t)
{
	size_t n = iobuf_copy_in(t->io, m->data + m->length, MIN(t->io->left, (size_t)(m->capacity - m->length)));

	m->length += (u32)n;
	receiver->queued += n;
	if (n)
		wake_up_events(&receiver->queue, POLLIN | POLLRDNORM | POLLRDBAND);
	return n ? (ssize_t)n : -EFAULT;
}

/* As much as one message takes: bytes, or a negative errno. */
static ssize_t send_piece(struct socket *s, struct transfer *t)
{
	struct message *m = tail_with_room(s, t);
	if (m)
		return append(s->peer, m, t);
	size_t most = MIN(PIECE_MAX, MAX(s->send_limit / 2, SEND_BUFFER_MIN / 2));
	size_t wanted = MIN(t->io->left, most);
	m = message_new(s, wanted, MIN(wanted, PAGE_SIZE - sizeof(*m)));
	if (!m)
		return -ENOBUFS;
	m->length = (u32)iobuf_copy_in(t->io, m->data, MIN(wanted, (size_t)m->capacity));
	if (m->length == 0) {
		message_free(m);
		return -EFAULT;
	}
	ssize_t n = m->length;
	message_attach(m, t, s, s->peer);
	message_queue(s->peer, m);
	return n;
}

ssize_t stream_broken(const struct transfer *t, ssize_t error)
{
	if (error == -EPIPE && !(t->flags & MSG_NOSIGNAL))
		signal_send(current->process, SIGPIPE);
	return error;
}

/* What happened to the connection in the meantime counts for more than that it cannot be written to any longer. */
static long wait_for_room(struct socket *s, u64 deadline)
{
	long error = socket_sleep(&s->queue, deadline);

	return error ? error : socket_take_error(s);
}

ssize_t stream_send(struct socket *s, struct transfer *t)
{
	u64 deadline = send_deadline(s, t->flags);
	ssize_t done = 0;
	long error = 0;

	for (;;) {
		error = s->ops->may_send(s);
		if (error == DISCARD)
			return done + (ssize_t)t->io->left;
		if (error == -EAGAIN || (!error && t->io->left && !has_room(s) && !tail_with_room(s, t)))
			error = wait_for_room(s, deadline);
		else if (!error && t->io->left) {
			ssize_t n = send_piece(s, t);
			error = MIN(n, 0);
			done += MAX(n, 0);
			if (!t->io->left)
				return done;
		} else if (!error)
			return done;
		if (error || t->io->faulted)
			break;
	}
	return done ? done : stream_broken(t, error ? error : -EFAULT);
}

/* ---- receiving ---- */

struct reading {
	struct message *message;
	size_t skip; /* of it, when nothing is consumed */
	ssize_t done;
	bool attached;
	struct ucred credentials;
};

/* With SO_PASSCRED, bytes of different writers are not given out at once. */
static bool may_join(const struct socket *s, struct reading *r, const struct message *m)
{
	if (!s->pass_credentials)
		return true;
	if (!r->attached) {
		r->attached = true;
		r->credentials = m->credentials;
	}
	return r->credentials.pid == m->credentials.pid && r->credentials.uid == m->credentials.uid &&
	       r->credentials.gid == m->credentials.gid;
}

/* Bytes of one message: 0 when the call is over, 1 when it may go on, or -EFAULT. */
static long read_message(struct socket *s, struct transfer *t, struct reading *r)
{
	struct message *m = r->message;
	bool peek = t->flags & MSG_PEEK, discard = t->flags & MSG_TRUNC && !is_unix(s), had_rights = m->rights;
	size_t n = MIN(t->io->left, (size_t)(m->length - m->consumed));
	size_t moved = n;

	if (n == 0 || !may_join(s, r, m))
		return 0;
	if (discard)
		t->io->left -= n;
	else
		moved = iobuf_copy_out(t->io, m->data + m->consumed, n);
	if (moved == 0)
		return -EFAULT;
	if (is_unix(s)) {
		message_detach(s, m, t);
		if (t->from)
			unix_source(m->sender, t->from);
	}
	r->done += (ssize_t)moved;
	if (peek) {
		r->message = message_next(s, m);
		return moved == n && !had_rights;
	}
	m->consumed += (u32)moved;
	s->queued -= moved;
	if (s->ops->consumed)
		s->ops->consumed(s, moved);
	bool whole = m->consumed == m->length;
	if (whole)
		message_drop(s, m);
	r->message = NULL;
	return whole && !had_rights;
}

ssize_t stream_receive(struct socket *s, struct transfer *t)
{
	size_t asked = t->io->left, low = (size_t)MAX(s->receive_low, 1);
	ssize_t target = (ssize_t)MAX(t->flags & MSG_WAITALL ? asked : MIN(low, asked), 1UL);
	u64 deadline = receive_deadline(s, t->flags);
	struct reading r = { .done = 0 };
	long more = 1;

	while (more > 0 && (t->io->left || !r.done)) {
		if (!r.message && !(t->flags & MSG_PEEK && r.done))
			r.message = message_first(s);
		if (r.message) {
			more = read_message(s, t, &r);
			if (asked == 0)
				return 0;
			continue;
		}
		if (r.done >= target || s->finished)
			break;
		if (s->error)
			more = r.done ? 0 : socket_take_error(s);
		else if (s->shut & SHUT_RECEIVE || (t->flags & MSG_PEEK && r.done))
			break;
		else {
			more = socket_sleep(&s->queue, deadline);
			more = more ? more : 1;
		}
	}
	return r.done ? r.done : MIN(more, 0);
}

/* ---- connections ---- */

static struct socket *make_server(struct socket *listener)
{
	struct socket *server = socket_new(listener->family, listener->type);

	if (!server)
		return NULL;
	if (listener->ops->equip && !listener->ops->equip(server, listener)) {
		/* It has no operations yet that could close it. */
		kfree(server);
		return NULL;
	}
	server->ops = listener->ops;
	server->protocol = listener->protocol;
	server->state = SOCKET_CONNECTED;
	server->send_limit = listener->send_limit;
	server->receive_limit = listener->receive_limit;
	server->owns_send_limit = listener->owns_send_limit;
	server->receive_low = listener->receive_low;
	server->keep_alive = listener->keep_alive;
	server->pass_credentials = listener->pass_credentials;
	return server;
}

/* The queue has the only reference that is not the client's. */
static void await_accept(struct socket *listener, struct socket *server)
{
	list_push_back(&listener->accept_queue, &server->accept_link);
	listener->accept_count++;
	wake_up_events(&listener->queue, POLLIN | POLLRDNORM);
}

long connection_make(struct socket *listener, struct socket *client)
{
	struct socket *server = make_server(listener);

	if (!server)
		return -ENOMEM;
	client->state = SOCKET_CONNECTED;
	server->ops->child(server, listener, client);
	socket_set_peer(server, client);
	socket_set_peer(client, server);
	await_accept(listener, server);
	return 0;
}

struct socket *connection_make_remote(struct socket *listener)
{
	struct socket *server = make_server(listener);

	if (server)
		await_accept(listener, server);
	return server;
}

void connection_refused(struct socket *client)
{
	client->state = SOCKET_UNCONNECTED;
	client->shut = SHUT_BOTH;
	socket_fail(client, ECONNREFUSED);
}

static void admit_pending(struct socket *listener)
{
	while (!list_empty(&listener->pending) && !backlog_full(listener)) {
		struct socket *client = list_first(&listener->pending, struct socket, accept_link);
		list_remove(&client->accept_link);
		if (connection_make(listener, client) < 0)
			connection_refused(client);
		wake_up(&client->queue);
	}
}

struct socket *connection_accept(struct socket *listener, u64 deadline)
{
	for (;;) {
		if (listener->state != SOCKET_LISTENING)
			return ERR_PTR(-EINVAL);
		if (!list_empty(&listener->accept_queue))
			break;
		if (listener->shut & SHUT_RECEIVE)
			return ERR_PTR(-EINVAL);
		long error = socket_sleep(&listener->queue, deadline);
		if (error)
			return ERR_PTR(error);
	}
	struct socket *s = list_first(&listener->accept_queue, struct socket, accept_link);
	list_remove(&s->accept_link);
	listener->accept_count--;
	admit_pending(listener);
	wake_up_events(&listener->space, POLLOUT);
	return s;
}
