/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals of programs that the host spawned: the master end is the host. */
#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H

#include <substrate/sched.h>
#include <substrate/types.h>

#include "../tty/ldisc.h"

/* Credit of the output that is kept for what the terminal has yet to show when the program ends. */
#define TERMINAL_RESERVE LDISC_SIZE

struct agent_process;
struct tty;

struct agent_terminal {
	struct tty *tty; /* NULL: there is none */
	/* What is to be shown: written by the program, or held back until the host has room for it. */
	struct waiter shows, may_show;
	/* What is to be typed: sent by the host, or held back until the program has read. */
	struct waiter types, may_type;
	bool at_end; /* the host's input has ended, and that was typed */
};

/* 0; -ENOSPC when there are as many as there can be, or -ENOMEM. */
long agent_terminal_open(struct agent_process *p, u32 rows, u32 columns, u32 uid);
void agent_terminal_resize(struct agent_process *p, u32 rows, u32 columns);
/* The program has ended: who still has the terminal finds its end. */
void agent_terminal_hang_up(struct agent_process *p);
/* After that: has the host all that was to be shown? */
bool agent_terminal_drained(struct agent_process *p);
void agent_terminal_close(struct agent_process *p);

#endif
