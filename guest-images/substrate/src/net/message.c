/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in queues. */
#include <asm/poll.h>
#include <substrate/mm.h>
#include <substrate/task.h>
#include "rights.h"
#include "socket.h"

/* All queues together take at most this part of memory. */
#define MEMORY_SHARE 4
/* Small writes one after the other go into the same message as long as there is room. */
#define BLOCK_MIN 256UL

static struct {
	u64 bytes;
} all_messages;

/* What kmalloc takes for it. */
static size_t block_size(size_t needed)
{
	size_t size = BLOCK_MIN;

	while (size < needed)
		size *= 2;
	return size;
}

struct message *message_new(struct socket *sender, size_t length, size_t at_least)
{
	u64 most = frames_total() * PAGE_SIZE / MEMORY_SHARE;

	for (;;) {
		size_t size = block_size(sizeof(struct message) + length);
		struct message *m = all_messages.bytes + size <= most ? kmalloc(size) : NULL;
		if (m) {
			*m = (struct message){ .charge = (u32)size, .capacity = (u32)(size - sizeof(*m)) };
			list_init(&m->link);
			all_messages.bytes += size;
			if (sender) {
				m->sender = socket_get(sender);
				sender->send_used += m->charge;
			}
			return m;
		}
		if (length <= at_least)
			return NULL;
		length = MAX(length / 2, at_least);
	}
}

/* poll(2) promises room only when there is a good deal of it, as on Linux. */
static bool may_write_again(const struct socket *s)
{
	return s->send_used * 4UL <= s->send_limit;
}

void message_free(struct message *m)
{
	struct socket *sender = m->sender;

	all_messages.bytes -= m->charge;
	if (m->rights)
		rights_free(m->rights);
	if (sender) {
		sender->send_used -= m->charge;
		if (!sender->dead && may_write_again(sender))
			wake_up_events(&sender->queue, POLLOUT | POLLWRNORM | POLLWRBAND);
		socket_put(sender);
	}
	kfree(m);
}

void message_queue(struct socket *receiver, struct message *m)
{
	if (m->rights)
		rights_send(m->rights);
	list_push_back(&receiver->messages, &m->link);
	receiver->message_count++;
	receiver->queued += m->length;
	receiver->receive_used += m->charge;
	wake_up_events(&receiver->queue, POLLIN | POLLRDNORM | POLLRDBAND);
}

struct message *message_first(struct socket *s)
{
	return list_empty(&s->messages) ? NULL : list_first(&s->messages, struct message, link);
}

struct message *message_next(struct socket *s, struct message *m)
{
	return m->link.next == &s->messages ? NULL : list_first(&m->link, struct message, link);
}

void message_drop(struct socket *s, struct message *m)
{
	list_remove(&m->link);
	s->message_count--;
	s->queued -= m->length - m->consumed;
	s->receive_used -= m->charge;
	if (s->message_count == DATAGRAMS_MAX - 1)
		wake_up_events(&s->space, POLLOUT | POLLWRNORM | POLLWRBAND);
	message_free(m);
}

void messages_purge(struct socket *s)
{
	struct message *m;

	while ((m = message_first(s)))
		message_drop(s, m);
}

void message_attach(struct message *m, struct transfer *t, const struct socket *sender, const struct socket *receiver)
{
	m->rights = t->rights;
	t->rights = NULL;
	m->has_credentials = t->has_credentials || sender->pass_credentials || receiver->pass_credentials;
	m->credentials = t->has_credentials ? t->credentials : credentials_of_current();
}

/* Messages that nobody asked credentials for when they were sent have those of nobody (Linux's overflow user). */
static const struct ucred nobody = { 0, 65534, 65534 };

void message_detach(struct socket *s, struct message *m, struct transfer *t)
{
	if (s->pass_credentials) {
		t->has_credentials = true;
		t->credentials = m->has_credentials ? m->credentials : nobody;
	}
	if (!m->rights)
		return;
	if (t->flags & MSG_PEEK) {
		t->rights = rights_copy(m->rights);
		if (!t->rights)
			t->told |= MSG_CTRUNC;
		return;
	}
	rights_receive(m->rights);
	t->rights = m->rights;
	m->rights = NULL;
}
