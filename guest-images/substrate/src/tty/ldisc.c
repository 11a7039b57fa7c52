/* SPDX-License-Identifier: Apache-2.0 */
#include "ldisc.h"

#include <asm/signal.h>
#include <substrate/string.h>

#define DISABLED 0 /* of c_cc: no such character (_POSIX_VDISABLE) */
#define TAB_WIDTH 8

static bool has(const struct ldisc *l, u32 flag)
{
	return l->termios.c_lflag & flag;
}

static bool is_key(const struct ldisc *l, int key, u8 c)
{
	return l->termios.c_cc[key] != DISABLED && l->termios.c_cc[key] == c;
}

void ldisc_init(struct ldisc *l, void (*signal)(struct ldisc *ldisc, int signo))
{
	static const struct termios initial = {
		.c_iflag = ICRNL | IXON,
		.c_oflag = OPOST | ONLCR,
		.c_cflag = B38400 | CS8 | CREAD,
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.c_cc = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VTIME] = 0, [VMIN] = 1,
		          [VSTART] = 17, [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23,
		          [VLNEXT] = 22 },
	};
	memset(l, 0, sizeof(*l));
	l->termios = initial;
	l->signal = signal;
}

/* ---- output ---- */

static size_t output_room(const struct ldisc *l)
{
	return LDISC_SIZE - l->output_count;
}

static void put_raw(struct ldisc *l, u8 c)
{
	l->output[(l->output_start + l->output_count++) % LDISC_SIZE] = c;
}

static void move_cursor(struct ldisc *l, u8 c)
{
	if (c == '\r')
		l->column = 0;
	else if (c == '\b')
		l->column -= l->column > 0;
	else if (c == '\t')
		l->column = ALIGN_DOWN(l->column, TAB_WIDTH) + TAB_WIDTH;
	else if (c >= ' ' && c != 127 && (c & 0xc0) != 0x80)
		l->column++;
}

static u32 spaces_of_tab(const struct ldisc *l)
{
	return TAB_WIDTH - l->column % TAB_WIDTH;
}

/* There is room for it. */
static void put_shown(struct ldisc *l, u8 c)
{
	u32 oflag = l->termios.c_oflag;
	if (!(oflag & OPOST)) {
		put_raw(l, c);
		return;
	}
	if (c == '\n' && oflag & ONLCR) {
		put_raw(l, '\r');
		l->column = 0;
	} else if (c == '\n' && oflag & ONLRET) {
		l->column = 0;
	} else if (c == '\r' && oflag & ONOCR && l->column == 0) {
		return;
	} else if (c == '\r' && oflag & OCRNL) {
		c = '\n';
	} else if (c == '\t' && (oflag & TABDLY) == XTABS) {
		for (u32 spaces = spaces_of_tab(l); spaces > 0; spaces--)
			put_raw(l, ' ');
		l->column += spaces_of_tab(l);
		return;
	}
	if (oflag & OLCUC && c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	move_cursor(l, c);
	put_raw(l, c);
}

bool ldisc_writable(const struct ldisc *l)
{
	return output_room(l) >= TAB_WIDTH;
}

size_t ldisc_write(struct ldisc *l, struct iobuf *io)
{
	size_t done = 0;
	while (io->left > 0 && ldisc_writable(l)) {
		u8 bytes[256];
		/* None of them needs more than eight places. */
		size_t n = iobuf_copy_in(io, bytes, MIN(MIN(io->left, sizeof(bytes)), output_room(l) / TAB_WIDTH));
		for (size_t i = 0; i < n; i++)
			put_shown(l, bytes[i]);
		done += n;
		if (n == 0)
			break;
	}
	return done;
}

size_t ldisc_peek(const struct ldisc *l, const u8 **bytes)
{
	*bytes = l->output + l->output_start;
	return l->stopped ? 0 : MIN(l->output_count, LDISC_SIZE - l->output_start);
}

void ldisc_consume(struct ldisc *l, size_t n)
{
	l->output_start = (l->output_start + (u32)n) % LDISC_SIZE;
	l->output_count -= (u32)n;
}

void ldisc_flush_output(struct ldisc *l)
{
	l->output_start = l->output_count = 0;
}

/* ---- echo ---- */

static void echo_bytes(struct ldisc *l, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && output_room(l) >= TAB_WIDTH; i++)
		put_shown(l, (u8)bytes[i]);
}

static bool is_control(u8 c)
{
	return c < ' ' || c == 127;
}

static bool as_caret(const struct ldisc *l, u8 c)
{
	return has(l, ECHOCTL) && is_control(c) && c != '\t';
}

static void echo_caret(struct ldisc *l, u8 c)
{
	char text[2] = { '^', (char)(c ^ 0100) };
	echo_bytes(l, text, 2);
}

static void echo(struct ldisc *l, u8 c)
{
	if (!has(l, ECHO) && !(c == '\n' && has(l, ECHONL) && has(l, ICANON)))
		return;
	if (as_caret(l, c) && c != '\n')
		echo_caret(l, c);
	else
		echo_bytes(l, (const char *)&c, 1);
}

/* ---- input ---- */

static u8 *byte_at(struct ldisc *l, u32 offset)
{
	return &l->input[(l->start + offset) % LDISC_SIZE];
}

static bool ends_at(const struct ldisc *l, u32 offset)
{
	u32 at = (l->start + offset) % LDISC_SIZE;
	return l->ends[at / 8] >> at % 8 & 1;
}

static void mark(struct ldisc *l, u32 offset, bool end)
{
	u32 at = (l->start + offset) % LDISC_SIZE;
	l->ends[at / 8] = (u8)((l->ends[at / 8] & ~(1 << at % 8)) | end << at % 8);
}

static void add_input(struct ldisc *l, u8 c, bool end)
{
	*byte_at(l, l->count) = c;
	mark(l, l->count, end);
	l->count++;
	if (end || !has(l, ICANON))
		l->complete = l->count;
}

void ldisc_flush_input(struct ldisc *l)
{
	l->start = l->count = l->complete = 0;
	l->literal = false;
}

void ldisc_set(struct ldisc *l, const struct termios *termios)
{
	bool canonical = has(l, ICANON);
	l->termios = *termios;
	/* What was typed so far is there to be read without its end; the other way round it is a line (Linux does both). */
	if (canonical != has(l, ICANON)) {
		if (!canonical && l->count > 0)
			mark(l, l->count - 1, true);
		l->complete = l->count;
	}
	if (!(termios->c_iflag & IXON))
		l->stopped = false;
}

/* How far the cursor is after the part of the line that is still being typed, when that begins at column `from`. */
static u32 column_after(struct ldisc *l, u32 from)
{
	u32 column = from;
	for (u32 i = l->complete; i < l->count; i++) {
		u8 c = *byte_at(l, i);
		if (c == '\t')
			column = ALIGN_DOWN(column, TAB_WIDTH) + TAB_WIDTH;
		else if (as_caret(l, c))
			column += 2;
		else if (!is_control(c) && (c & 0xc0) != 0x80)
			column++;
	}
	return column;
}

/* Takes the last character of the line off the screen as well. */
static void erase_one(struct ldisc *l)
{
	u32 from = 0;
	u32 before = column_after(l, 0);
	/* Where the line begins follows from where the cursor is, for all but tabs. */
	if (l->column >= before)
		from = l->column - before;
	before = column_after(l, from);
	u8 c;
	do {
		c = *byte_at(l, --l->count);
	} while (l->termios.c_iflag & IUTF8 && (c & 0xc0) == 0x80 && l->count > l->complete);
	if (!has(l, ECHO))
		return;
	if (!has(l, ECHOE)) {
		echo(l, l->termios.c_cc[VERASE]);
		return;
	}
	u32 after = column_after(l, from);
	if (c == '\t') {
		while (before-- > after)
			echo_bytes(l, "\b", 1);
		return;
	}
	while (before-- > after)
		echo_bytes(l, "\b \b", 3);
}

static bool is_word(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static void erase_word(struct ldisc *l)
{
	bool seen = false;
	while (l->count > l->complete) {
		bool word = is_word(*byte_at(l, l->count - 1));
		if (!word && seen)
			break;
		seen |= word;
		erase_one(l);
	}
}

static void erase_line(struct ldisc *l)
{
	bool by_letter = has(l, ECHO) && has(l, ECHOK) && has(l, ECHOKE) && has(l, ECHOE);
	if (by_letter) {
		while (l->count > l->complete)
			erase_one(l);
		return;
	}
	l->count = l->complete;
	echo(l, l->termios.c_cc[VKILL]);
	if (has(l, ECHO) && has(l, ECHOK))
		echo_bytes(l, "\n", 1);
}

static void reprint(struct ldisc *l)
{
	echo_caret(l, l->termios.c_cc[VREPRINT]);
	echo_bytes(l, "\n", 1);
	for (u32 i = l->complete; i < l->count; i++)
		echo(l, *byte_at(l, i));
}

static int signal_of(const struct ldisc *l, u8 c)
{
	if (!has(l, ISIG))
		return 0;
	return is_key(l, VINTR, c) ? SIGINT : is_key(l, VQUIT, c) ? SIGQUIT : is_key(l, VSUSP, c) ? SIGTSTP : 0;
}

static void interrupt(struct ldisc *l, u8 c, int signo)
{
	if (!has(l, NOFLSH)) {
		ldisc_flush_input(l);
		ldisc_flush_output(l);
	}
	echo(l, c);
	l->signal(l, signo);
}

/* Does the character do something in canonical mode, rather than be a part of the line? */
static bool edits(struct ldisc *l, u8 c)
{
	bool any = l->count > l->complete;
	if (is_key(l, VERASE, c)) {
		if (any)
			erase_one(l);
	} else if (is_key(l, VKILL, c)) {
		erase_line(l);
	} else if (has(l, IEXTEN) && is_key(l, VWERASE, c)) {
		erase_word(l);
	} else if (has(l, IEXTEN) && is_key(l, VLNEXT, c)) {
		l->literal = true;
		if (has(l, ECHO) && has(l, ECHOCTL))
			echo_bytes(l, "^\b", 2);
	} else if (has(l, IEXTEN) && has(l, ECHO) && is_key(l, VREPRINT, c)) {
		reprint(l);
	} else {
		return false;
	}
	return true;
}

static bool ends_line(const struct ldisc *l, u8 c)
{
	return c == '\n' || is_key(l, VEOL, c) || (has(l, IEXTEN) && is_key(l, VEOL2, c));
}

static void type_canonical(struct ldisc *l, u8 c, bool literal)
{
	if (!literal && edits(l, c))
		return;
	if (!literal && is_key(l, VEOF, c)) {
		/* An end of file is the end of a line without a character of its own; that place holds none that is read. */
		if (l->count < LDISC_SIZE)
			add_input(l, DISABLED, true);
		return;
	}
	bool end = !literal && ends_line(l, c);
	/* The last place is for the end of the line. */
	if (l->count >= LDISC_SIZE - (end ? 0 : 1)) {
		if (l->termios.c_iflag & IMAXBEL)
			echo_bytes(l, "\a", 1);
		return;
	}
	echo(l, c);
	add_input(l, c, end);
}

static void type_one(struct ldisc *l, u8 c)
{
	u32 iflag = l->termios.c_iflag;
	bool literal = l->literal;
	l->literal = false;
	if (iflag & ISTRIP)
		c &= 0x7f;
	if (!literal) {
		if (iflag & IXON && is_key(l, VSTART, c)) {
			l->stopped = false;
			return;
		}
		if (iflag & IXON && is_key(l, VSTOP, c)) {
			l->stopped = true;
			return;
		}
		if (iflag & IXON && iflag & IXANY)
			l->stopped = false;
		int signo = signal_of(l, c);
		if (signo) {
			l->stopped = false;
			interrupt(l, c, signo);
			return;
		}
		if (c == '\r' && iflag & IGNCR)
			return;
		if (c == '\r' && iflag & ICRNL)
			c = '\n';
		else if (c == '\n' && iflag & INLCR)
			c = '\r';
	}
	if (has(l, ICANON)) {
		type_canonical(l, c, literal);
		return;
	}
	echo(l, c);
	add_input(l, c, false);
}

size_t ldisc_type(struct ldisc *l, const u8 *bytes, size_t n)
{
	size_t done = 0;
	/* In canonical mode a line that is too long is cut, or nobody could end it; whole lines wait for a reader. */
	while (done < n && (l->count < LDISC_SIZE - 1 || (has(l, ICANON) && l->complete == 0)))
		type_one(l, bytes[done++]);
	return done;
}

bool ldisc_readable(const struct ldisc *l, size_t least)
{
	return has(l, ICANON) ? l->complete > 0 : l->count >= MAX(least, (size_t)1);
}

static void drop_input(struct ldisc *l, u32 n)
{
	l->start = (l->start + n) % LDISC_SIZE;
	l->count -= n;
	l->complete -= MIN(n, l->complete);
}

size_t ldisc_read(struct ldisc *l, struct iobuf *io)
{
	bool canonical = has(l, ICANON);
	size_t done = 0;
	for (u32 left = canonical ? l->complete : l->count; left > 0 && io->left > 0; left--) {
		u8 c = *byte_at(l, 0);
		bool end = canonical && ends_at(l, 0);
		bool typed_eof = end && c == DISABLED;
		if (!typed_eof && iobuf_copy_out(io, &c, 1) == 0)
			break;
		drop_input(l, 1);
		done += !typed_eof;
		if (end)
			break;
	}
	/* An end of file right behind what was read is its end, not another one. */
	if (canonical && done > 0 && io->left == 0 && l->complete > 0 && ends_at(l, 0) && *byte_at(l, 0) == DISABLED)
		drop_input(l, 1);
	return done;
}
