/* SPDX-License-Identifier: Apache-2.0 */
/* What all sockets have in common, and the files they are. */
#include <asm/poll.h>
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "rights.h"
#include "socket.h"

/* ---- life ---- */

/* Whoever waits here for room in the peer's queue. */
static void relay_space(struct waiter *waiter, u32 events)
{
	wake_up_events(&container_of(waiter, struct socket, space_relay)->queue, events);
}

struct socket *socket_new(u32 family, u32 type)
{
	struct socket *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->family = (u16)family;
	s->type = (u8)type;
	s->send_limit = s->receive_limit = BUFFER_DEFAULT;
	s->receive_low = 1;
	s->peer_credentials = (struct ucred){ 0, ~0U, ~0U };
	wait_queue_init(&s->queue);
	wait_queue_init(&s->space);
	s->space_relay.wake = relay_space;
	list_init(&s->space_relay.link);
	list_init(&s->messages);
	list_init(&s->accept_queue);
	list_init(&s->pending);
	list_init(&s->accept_link);
	list_init(&s->in_flight_link);
	list_init(&s->work_link);
	return s;
}

struct socket *socket_get(struct socket *s)
{
	s->refs++;
	return s;
}

void socket_put(struct socket *s)
{
	if (--s->refs)
		return;
	if (!s->dead)
		s->ops->close(s);
	if (s->ops->free)
		s->ops->free(s);
	wait_queue_clear(&s->queue);
	wait_queue_clear(&s->space);
	kfree(s->options);
	kfree(s);
}

void socket_discard(struct socket *s)
{
	s->ops->close(s);
	socket_put(s);
}

void socket_set_peer(struct socket *s, struct socket *peer)
{
	struct socket *old = s->peer;

	list_remove(&s->space_relay.link);
	s->peer = peer ? socket_get(peer) : NULL;
	if (peer)
		list_push_back(&peer->space.waiters, &s->space_relay.link);
	if (old)
		socket_put(old);
}

void socket_abandon(struct socket *s)
{
	s->dead = true;
	s->file = NULL;
	s->shut = SHUT_BOTH;
	list_remove(&s->accept_link);
	while (!list_empty(&s->accept_queue)) {
		struct socket *embryo = list_first(&s->accept_queue, struct socket, accept_link);
		socket_discard(embryo);
	}
	s->accept_count = 0;
	while (!list_empty(&s->pending)) {
		struct socket *client = list_first(&s->pending, struct socket, accept_link);
		list_remove(&client->accept_link);
		connection_refused(client);
	}
	messages_purge(s);
	socket_set_peer(s, NULL);
	wake_up(&s->queue);
	wake_up(&s->space);
}

long socket_take_error(struct socket *s)
{
	int error = s->error;

	s->error = 0;
	return -error;
}

void socket_fail(struct socket *s, int error)
{
	s->error = error;
	wake_up(&s->queue);
}

struct ucred credentials_of_current(void)
{
	const struct process *process = current->process;

	return (struct ucred){ (s32)process->pid, process->cred.euid, process->cred.egid };
}

/* ---- waiting ---- */

static u64 deadline_of(u64 timeout, u32 flags)
{
	return flags & MSG_DONTWAIT ? 0 : timeout ? deadline_after(timeout) : NO_DEADLINE;
}

u64 receive_deadline(const struct socket *s, u32 flags)
{
	return deadline_of(s->receive_timeout, flags);
}

u64 send_deadline(const struct socket *s, u32 flags)
{
	return deadline_of(s->send_timeout, flags);
}

long socket_sleep(struct wait_queue *q, u64 deadline)
{
	if (deadline == 0)
		return -EAGAIN;
	long error = wait_once(q, deadline);
	if (error == -ETIMEDOUT)
		return -EAGAIN;
	return error == -ERESTARTSYS && deadline != NO_DEADLINE ? -EINTR : error;
}

/* ---- the file ---- */

static u32 file_flags(const struct file *file)
{
	return file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

static ssize_t socket_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct socket *s = file->private;
	struct transfer t = { .io = io, .flags = file_flags(file) };

	(void)pos;
	if (io->left == 0)
		return 0;
	ssize_t n = s->ops->receive(s, &t);
	/* read(2) has nowhere to put descriptors. */
	if (t.rights)
		rights_free(t.rights);
	return n;
}

static ssize_t socket_write(struct file *file, struct iobuf *io, u64 pos)
{
	struct socket *s = file->private;
	struct transfer t = { .io = io, .flags = file_flags(file) };

	(void)pos;
	return s->ops->send(s, &t);
}

static unsigned int socket_poll(struct file *file, struct poll_table *table)
{
	struct socket *s = file->private;

	poll_wait(table, &s->queue);
	return s->ops->poll(s, table);
}

static void socket_release(struct file *file)
{
	struct socket *s = file->private;
	bool may_leave_garbage = is_unix(s);

	socket_discard(s);
	if (may_leave_garbage)
		rights_collect_garbage();
}

static const struct file_ops socket_file_ops = {
	.read = socket_read,
	.write = socket_write,
	.ioctl = socket_ioctl,
	.poll = socket_poll,
	.release = socket_release,
};

struct file *socket_file(struct socket *s, u32 flags)
{
	struct node *node = node_new_anonymous(S_IFSOCK | 0777);
	struct file *file = node ? file_new(&socket_file_ops, node, s, O_RDWR | (flags & O_NONBLOCK)) : NULL;

	if (!file)
		return ERR_PTR(-ENFILE);
	s->file = file;
	return file;
}

struct socket *socket_of(const struct file *file)
{
	return file->ops == &socket_file_ops ? file->private : NULL;
}
