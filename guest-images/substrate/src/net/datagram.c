/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with boundaries. */
#include "rights.h"
#include "socket.h"

struct message *datagram_new(struct socket *charged, struct socket *sender, const struct socket *receiver, struct transfer *t)
{
	size_t length = t->io->left;
	struct message *m = message_new(charged, length, length);

	if (!m)
		return ERR_PTR(-ENOBUFS);
	m->length = (u32)iobuf_copy_in(t->io, m->data, length);
	if (m->length != length) {
		message_free(m);
		return ERR_PTR(-EFAULT);
	}
	message_attach(m, t, sender, receiver);
	return m;
}

static struct message *wait_for_message(struct socket *s, u32 flags)
{
	u64 deadline = receive_deadline(s, flags);

	for (;;) {
		if (s->error)
			return ERR_PTR(socket_take_error(s));
		struct message *m = message_first(s);
		if (m)
			return m;
		if (s->shut & SHUT_RECEIVE && (deadline || s->type == SOCK_SEQPACKET))
			return NULL;
		long error = socket_sleep(&s->queue, deadline);
		if (error)
			return ERR_PTR(error);
	}
}

ssize_t datagram_receive(struct socket *s, struct transfer *t)
{
	struct message *m = wait_for_message(s, t->flags);

	if (!m || IS_ERR(m))
		return PTR_ERR(m);
	if (t->from) {
		if (is_unix(s))
			unix_source(m->sender, t->from);
		else
			inet_source(s, &m->source, t->from);
	}
	size_t length = m->length, copied = MIN(t->io->left, length);
	bool fault = iobuf_copy_out(t->io, m->data, copied) != copied;
	if (copied < length)
		t->told |= MSG_TRUNC;
	if (is_unix(s) && !fault)
		message_detach(s, m, t);
	if (!(t->flags & MSG_PEEK))
		message_drop(s, m);
	return fault ? -EFAULT : (ssize_t)(t->flags & MSG_TRUNC ? length : copied);
}
