/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/resource.h>
#include <substrate/mm.h>
#include <substrate/task.h>
#include "rights.h"
#include "socket.h"

/* Of memory, for each file on its way: a share of it bounds even those who may exceed RLIMIT_NOFILE. */
#define BYTES_FOR_EACH (64UL << 10)

static struct {
	u32 files;           /* on their way */
	struct list sockets; /* AF_UNIX sockets on their way */
	struct list closing; /* struct rights.link */
	bool is_closing, collecting;
} transit = { .sockets = LIST_INIT(transit.sockets), .closing = LIST_INIT(transit.closing) };

static bool too_many(u32 count)
{
	const struct process *process = current->process;
	u64 most = frames_total() * PAGE_SIZE / BYTES_FOR_EACH;

	if (process->cred.euid != 0)
		most = MIN(most, process->rlimit[RLIMIT_NOFILE][0]);
	return transit.files + count > most;
}

struct rights *rights_of(const int *fds, u32 count)
{
	if (count > SCM_MAX_FD)
		return ERR_PTR(-EINVAL);
	if (too_many(count))
		rights_collect_garbage();
	if (too_many(count))
		return ERR_PTR(-ETOOMANYREFS);
	struct rights *r = kmalloc(sizeof(*r) + count * sizeof(struct file *));
	if (!r)
		return ERR_PTR(-ENOMEM);
	*r = (struct rights){ .count = 0 };
	list_init(&r->link);
	for (; r->count < count; r->count++) {
		r->files[r->count] = fd_get(current->files, fds[r->count]);
		if (!r->files[r->count]) {
			rights_free(r);
			return ERR_PTR(-EBADF);
		}
	}
	return r;
}

struct rights *rights_copy(const struct rights *r)
{
	struct rights *copy = kmalloc(sizeof(*r) + r->count * sizeof(struct file *));

	if (!copy)
		return NULL;
	*copy = (struct rights){ .count = r->count };
	list_init(&copy->link);
	for (u32 i = 0; i < r->count; i++)
		copy->files[i] = file_get(r->files[i]);
	return copy;
}

static struct socket *unix_socket_of(const struct file *file)
{
	struct socket *s = socket_of(file);
	return s && is_unix(s) ? s : NULL;
}

void rights_send(struct rights *r)
{
	r->in_flight = true;
	transit.files += r->count;
	for (u32 i = 0; i < r->count; i++) {
		struct socket *s = unix_socket_of(r->files[i]);
		if (s && s->in_flight++ == 0)
			list_push_back(&transit.sockets, &s->in_flight_link);
	}
}

void rights_receive(struct rights *r)
{
	if (!r->in_flight)
		return;
	r->in_flight = false;
	transit.files -= r->count;
	for (u32 i = 0; i < r->count; i++) {
		struct socket *s = unix_socket_of(r->files[i]);
		if (s && --s->in_flight == 0)
			list_remove(&s->in_flight_link);
	}
}

void rights_free(struct rights *r)
{
	rights_receive(r);
	list_push_back(&transit.closing, &r->link);
	if (transit.is_closing)
		return;
	transit.is_closing = true;
	while (!list_empty(&transit.closing)) {
		r = list_first(&transit.closing, struct rights, link);
		list_remove(&r->link);
		for (u32 i = 0; i < r->count; i++)
			file_put(r->files[i]);
		kfree(r);
	}
	transit.is_closing = false;
}

/* ---- garbage ---- */

/* Calls back for each candidate on its way in a queue of this socket, or of a connection to it that nobody has accepted. */
static void for_each_held_by_queue(struct socket *s, void (*found)(struct socket *held, struct list *work), struct list *work)
{
	for (struct message *m = message_first(s); m; m = message_next(s, m)) {
		for (u32 i = 0; m->rights && i < m->rights->count; i++) {
			struct socket *held = unix_socket_of(m->rights->files[i]);
			if (held && held->candidate)
				found(held, work);
		}
	}
}

static void for_each_held(struct socket *s, void (*found)(struct socket *held, struct list *work), struct list *work)
{
	struct socket *embryo;

	for_each_held_by_queue(s, found, work);
	list_for_each(embryo, &s->accept_queue, accept_link)
		for_each_held_by_queue(embryo, found, work);
}

static void held_inside(struct socket *held, struct list *work)
{
	(void)work;
	held->outside--;
}

static void reached(struct socket *held, struct list *work)
{
	held->candidate = false;
	list_push_back(work, &held->work_link);
}

static void purge_garbage(void)
{
	struct socket *s, *next;
	struct list garbage = LIST_INIT(garbage);

	list_for_each(s, &transit.sockets, in_flight_link) {
		if (!s->candidate)
			continue;
		s->candidate = false;
		list_push_back(&garbage, &socket_get(s)->work_link);
	}
	list_for_each_safe(s, next, &garbage, work_link) {
		struct socket *embryo;
		list_remove(&s->work_link);
		messages_purge(s);
		list_for_each(embryo, &s->accept_queue, accept_link)
			messages_purge(embryo);
		socket_put(s);
	}
}

void rights_collect_garbage(void)
{
	struct list work = LIST_INIT(work);
	struct socket *s;

	if (transit.collecting || list_empty(&transit.sockets))
		return;
	transit.collecting = true;
	list_for_each(s, &transit.sockets, in_flight_link) {
		s->candidate = s->file && s->file->refs == s->in_flight;
		s->outside = s->in_flight;
	}
	list_for_each(s, &transit.sockets, in_flight_link)
		if (s->candidate)
			for_each_held(s, held_inside, NULL);
	/* What is on its way in a queue of somebody who is not a candidate is in use, and so is all that it leads to. */
	list_for_each(s, &transit.sockets, in_flight_link)
		if (s->candidate && s->outside)
			reached(s, &work);
	while (!list_empty(&work)) {
		s = list_first(&work, struct socket, work_link);
		list_remove(&s->work_link);
		for_each_held(s, reached, &work);
	}
	purge_garbage();
	transit.collecting = false;
}
