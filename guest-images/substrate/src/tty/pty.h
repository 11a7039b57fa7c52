/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of terminals. */
#ifndef TTY_PTY_H
#define TTY_PTY_H

#include <asm/termios.h>
#include <substrate/list.h>
#include <substrate/sched.h>
#include <substrate/tty.h>

#include "ldisc.h"

struct tty {
	struct list link; /* among all, by index */
	u32 refs;
	u32 index;
	struct node *node; /* of the slave end; held */
	struct winsize size;
	u32 session, foreground; /* 0: nobody's controlling terminal; no group */
	u32 slaves;              /* open files of the slave end */
	bool slave_closed;       /* it was open, and is not any more */
	bool locked;             /* until unlockpt(3) */
	bool hung_up;            /* the master end is closed, or the session ended */
	struct wait_queue readers, writers;               /* of the slave end */
	struct wait_queue master_readers, master_writers;
	struct ldisc ldisc;
};

/* One whose slave end belongs to that user, with a reference; or -ENOSPC when there are as many as there can be, -ENOMEM. */
struct tty *tty_new(u32 uid);
void tty_resize(struct tty *tty, const struct winsize *size);
struct tty *tty_get(struct tty *tty);
void tty_put(struct tty *tty);
struct tty *tty_find(u32 index);
struct file *slave_open(struct tty *tty, struct node *node, u32 flags);
long tty_ioctl(struct tty *tty, unsigned int cmd, u64 arg, bool master);

/* ---- session.c ---- */

/* The controlling terminal of the current process, without a reference; NULL: it has none. */
struct tty *tty_current(void);
/* The current process opened it: does it become the controlling terminal of its session? */
void tty_offer(struct tty *tty);
/*
 * May the current process do what only the foreground may? 0; -ERESTARTSYS when its group was stopped by `signo`; -EIO when that can
 * stop nobody. `insist`: who ignores or blocks the signal may not either.
 */
long tty_check_foreground(struct tty *tty, int signo, bool insist);
void tty_signal_foreground(struct tty *tty, int signo);
/* Everybody who has the slave end open finds the end. */
void tty_hang_up(struct tty *tty);
long tty_session_ioctl(struct tty *tty, unsigned int cmd, u64 arg, bool master);

#endif
