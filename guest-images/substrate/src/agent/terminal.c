/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a terminal's line discipline and the host. It works whenever one of both sides has something or has room, in
 * whatever context that happens, and never waits.
 */
#include "terminal.h"

#include <linux/uio.h>
#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/uaccess.h>

#include "../tty/pty.h"
#include "frame.h"
#include "process.h"
#include "protocol.h"

/* What may be sent of `n` bytes now. */
static size_t may_send(const struct agent_process *p, size_t n)
{
	u64 kept = p->ended ? 0 : TERMINAL_RESERVE;
	if (p->out.credit <= kept || !frame_room(FRAME_RESERVE + FRAME_HEADER_SIZE + FRAME_SLACK + 1))
		return 0;
	return MIN(n, p->out.credit - kept);
}

static void show(struct agent_process *p)
{
	struct tty *tty = p->terminal.tty;
	const u8 *bytes;
	size_t most;
	bool some = false;

	while ((most = may_send(p, ldisc_peek(&tty->ldisc, &bytes))) > 0) {
		struct iovec vec;
		struct iobuf io;
		/* The bytes are only read. */
		iobuf_init_kernel(&io, &vec, (void *)(unsigned long)bytes, most);
		frame_begin(FRAME_STDOUT, p->id);
		size_t sent = frame_copy_in(&io, most);
		frame_end();
		ldisc_consume(&tty->ldisc, sent);
		p->out.credit -= sent;
		some = true;
	}
	if (some) {
		wake_up(&tty->writers);
		agent_flush();
	}
}

static bool type_end(struct agent_process *p)
{
	struct agent_terminal *terminal = &p->terminal;
	const struct ldisc *ldisc = &terminal->tty->ldisc;

	/* As for a person, who types what means the end of input; a program in raw mode makes of it what it likes. */
	if (p->in.eof && p->in.count == 0 && !terminal->at_end)
		return terminal->at_end = ldisc_type(&terminal->tty->ldisc, &ldisc->termios.c_cc[VEOF], 1) > 0;
	return false;
}

static void type(struct agent_process *p)
{
	struct tty *tty = p->terminal.tty;
	const u8 *bytes;
	size_t n, typed;
	bool some = false;

	while ((n = agent_stdin_peek(p, &bytes)) > 0 && (typed = ldisc_type(&tty->ldisc, bytes, n)) > 0) {
		agent_stdin_consume(p, typed);
		some = true;
	}
	if (!type_end(p) && !some)
		return;
	wake_up(&tty->readers);
	show(p);
	if (agent_stdin_return_credit(p))
		agent_flush();
}

static void on_shows(struct waiter *waiter, u32 events)
{
	(void)events;
	show(container_of(waiter, struct agent_process, terminal.shows));
}

static void on_may_show(struct waiter *waiter, u32 events)
{
	(void)events;
	show(container_of(waiter, struct agent_process, terminal.may_show));
}

static void on_types(struct waiter *waiter, u32 events)
{
	(void)events;
	type(container_of(waiter, struct agent_process, terminal.types));
}

static void on_may_type(struct waiter *waiter, u32 events)
{
	(void)events;
	type(container_of(waiter, struct agent_process, terminal.may_type));
}

static void listen(struct waiter *waiter, struct wait_queue *q, void (*wake)(struct waiter *waiter, u32 events))
{
	waiter->wake = wake;
	list_push_back(&q->waiters, &waiter->link);
}

long agent_terminal_open(struct agent_process *p, u32 rows, u32 columns, u32 uid)
{
	struct agent_terminal *terminal = &p->terminal;
	struct tty *tty = tty_new(uid);

	if (IS_ERR(tty))
		return PTR_ERR(tty);
	tty->locked = false;
	tty->size = (struct winsize){ .ws_row = (u16)rows, .ws_col = (u16)columns };
	terminal->tty = tty;
	listen(&terminal->shows, &tty->master_readers, on_shows);
	listen(&terminal->may_show, &p->out.writers, on_may_show);
	listen(&terminal->types, &p->in.readers, on_types);
	listen(&terminal->may_type, &tty->master_writers, on_may_type);
	return 0;
}

void agent_terminal_resize(struct agent_process *p, u32 rows, u32 columns)
{
	struct tty *tty = p->terminal.tty;
	struct winsize size = tty->size;

	size.ws_row = (u16)rows;
	size.ws_col = (u16)columns;
	tty_resize(tty, &size);
}

void agent_terminal_hang_up(struct agent_process *p)
{
	struct tty *tty = p->terminal.tty;

	if (!tty)
		return;
	/* Nobody will type what lets it go on. */
	tty->ldisc.stopped = false;
	tty_hang_up(tty);
}

bool agent_terminal_drained(struct agent_process *p)
{
	const u8 *bytes;

	if (!p->terminal.tty)
		return true;
	show(p);
	return ldisc_peek(&p->terminal.tty->ldisc, &bytes) == 0;
}

void agent_terminal_close(struct agent_process *p)
{
	struct agent_terminal *terminal = &p->terminal;
	struct tty *tty = terminal->tty;

	if (!tty)
		return;
	terminal->tty = NULL;
	list_remove(&terminal->shows.link);
	list_remove(&terminal->may_show.link);
	list_remove(&terminal->types.link);
	list_remove(&terminal->may_type.link);
	tty_hang_up(tty);
	tty_put(tty);
}
