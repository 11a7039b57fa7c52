/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline of terminals (termios(3)): what is typed becomes lines, echo and signals; what is written is put in the
 * form that a terminal shows. It knows no files and no processes, and never waits.
 */
#ifndef TTY_LDISC_H
#define TTY_LDISC_H

#include <asm/termbits.h>
#include <substrate/types.h>
#include <substrate/uaccess.h>

#define LDISC_SIZE 4096U /* of each direction; as Linux's N_TTY_BUF_SIZE */

struct ldisc {
	struct termios termios;
	u8 input[LDISC_SIZE];
	u8 ends[LDISC_SIZE / 8]; /* bits of `input`: the line ends here */
	u32 start, count;        /* of the input that has not been read */
	u32 complete;            /* of that, up to the end of the last whole line; all of it outside of canonical mode */
	u8 output[LDISC_SIZE];
	u32 output_start, output_count;
	u32 column;      /* of the cursor */
	bool literal;    /* the next character means itself (VLNEXT) */
	bool stopped;    /* VSTOP: output waits */
	/* A signal for the foreground process group. */
	void (*signal)(struct ldisc *ldisc, int signo);
};

void ldisc_init(struct ldisc *ldisc, void (*signal)(struct ldisc *ldisc, int signo));
/* Takes what was typed, as much as there is room for: how much. */
size_t ldisc_type(struct ldisc *ldisc, const u8 *bytes, size_t n);
/* Is there what a read of a program waits for? Outside of canonical mode: at least `least` bytes. */
bool ldisc_readable(const struct ldisc *ldisc, size_t least);
/* What one read(2) gets, 0 at an end of file that was typed. */
size_t ldisc_read(struct ldisc *ldisc, struct iobuf *io);
/* Takes what a program writes, as much as there is room for: how much. */
size_t ldisc_write(struct ldisc *ldisc, struct iobuf *io);
bool ldisc_writable(const struct ldisc *ldisc);
/* What the terminal shows next: bytes in one piece, and their removal. */
size_t ldisc_peek(const struct ldisc *ldisc, const u8 **bytes);
void ldisc_consume(struct ldisc *ldisc, size_t n);
void ldisc_flush_input(struct ldisc *ldisc);
void ldisc_flush_output(struct ldisc *ldisc);
void ldisc_set(struct ldisc *ldisc, const struct termios *termios);

#endif
