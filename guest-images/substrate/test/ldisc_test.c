/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline: what is typed, what is shown, what is read; and noise under the sanitizers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>

#include "../src/tty/ldisc.h"

static struct ldisc l;
static int last_signal;
static int failed;

static void on_signal(struct ldisc *ldisc, int signo)
{
	(void)ldisc;
	last_signal = signo;
}

size_t iobuf_copy_out(struct iobuf *io, const void *src, size_t n)
{
	n = n < io->left ? n : io->left;
	memcpy((char *)io->vec->iov_base + io->vec_offset, src, n);
	io->vec_offset += n;
	io->left -= n;
	return n;
}

size_t iobuf_copy_in(struct iobuf *io, void *dst, size_t n)
{
	n = n < io->left ? n : io->left;
	memcpy(dst, (char *)io->vec->iov_base + io->vec_offset, n);
	io->vec_offset += n;
	io->left -= n;
	return n;
}

static void check_text(int line, const char *what, const char *actual, const char *wanted)
{
	if (strcmp(actual, wanted) == 0)
		return;
	failed++;
	fprintf(stderr, "ldisc_test.c:%d: %s is ", line, what);
	for (const char *c = actual; *c; c++)
		fprintf(stderr, *c >= ' ' && *c < 127 ? "%c" : "\\%03o", (unsigned char)*c);
	fprintf(stderr, "\n");
}

static char text[2 * LDISC_SIZE];

static const char *shown(void)
{
	const u8 *bytes;
	size_t n, done = 0;
	while ((n = ldisc_peek(&l, &bytes)) > 0) {
		memcpy(text + done, bytes, n);
		done += n;
		ldisc_consume(&l, n);
	}
	text[done] = 0;
	return text;
}

static const char *read_some(size_t most)
{
	struct iovec vec = { text, most };
	struct iobuf io = { .vec = &vec, .left = most };
	text[ldisc_readable(&l, 1) ? ldisc_read(&l, &io) : 0] = 0;
	return text;
}

static void type(const char *keys)
{
	ldisc_type(&l, (const u8 *)keys, strlen(keys));
}

static void say(const char *bytes)
{
	struct iovec vec = { (void *)(unsigned long)bytes, strlen(bytes) };
	struct iobuf io = { .vec = &vec, .left = strlen(bytes) };
	ldisc_write(&l, &io);
}

#define SHOWN(wanted) check_text(__LINE__, "shown", shown(), wanted)
#define READ(wanted) check_text(__LINE__, "read", read_some(1000), wanted)
#define CHECK(condition) ((condition) ? 0 : (failed++, fprintf(stderr, "ldisc_test.c:%d: " #condition "\n", __LINE__)))

static void begin(void)
{
	ldisc_init(&l, on_signal);
	last_signal = 0;
}

static void change(u32 lflag, u32 iflag, u32 oflag)
{
	struct termios termios = l.termios;
	termios.c_lflag ^= lflag;
	termios.c_iflag ^= iflag;
	termios.c_oflag ^= oflag;
	ldisc_set(&l, &termios);
}

static void lines(void)
{
	begin();
	type("ab");
	CHECK(!ldisc_readable(&l, 1));
	type("c\rd\n");
	SHOWN("abc\r\nd\r\n");
	READ("abc\n");
	READ("d\n");
	CHECK(!ldisc_readable(&l, 1));
	type("long line\n");
	check_text(__LINE__, "read", read_some(4), "long");
	READ(" line\n");
	type("no end\004");
	check_text(__LINE__, "read", read_some(6), "no end");
	CHECK(!ldisc_readable(&l, 1));
	type("\004");
	CHECK(ldisc_readable(&l, 1));
	READ("");
	CHECK(!ldisc_readable(&l, 1));
}

static void editing(void)
{
	begin();
	type("abc\177\177x\n");
	SHOWN("abc\b \b\b \bx\r\n");
	READ("ax\n");
	type("\177\177q\n");
	SHOWN("q\r\n");
	READ("q\n");
	type("one two,  \027\n");
	READ("one \n");
	shown();
	type("gone\025new\n");
	SHOWN("gone\b \b\b \b\b \b\b \bnew\r\n");
	READ("new\n");
	type("\001\177z\n");
	SHOWN("^A\b \b\b \bz\r\n");
	READ("z\n");
	type("a\026\003b\n");
	SHOWN("a^\b^Cb\r\n");
	READ("a\003b\n");
	CHECK(last_signal == 0);
	type("a\tb\177\177c\n");
	SHOWN("a\tb\b \b\b\b\b\b\b\b\bc\r\n");
	READ("ac\n");
	type("xy\022\n");
	SHOWN("xy^R\r\nxy\r\n");
	READ("xy\n");
	change(0, IUTF8, 0);
	type("\303\251\177e\n");
	SHOWN("\303\251\b \be\r\n");
	READ("e\n");
}

static void signals(void)
{
	begin();
	type("half\003");
	CHECK(last_signal == SIGINT);
	SHOWN("^C");
	type("\n");
	READ("\n");
	type("\034");
	CHECK(last_signal == SIGQUIT);
	type("\032");
	CHECK(last_signal == SIGTSTP);
	last_signal = 0;
	change(ISIG, 0, 0);
	type("\003\n");
	CHECK(last_signal == 0);
	READ("\003\n");
}

static void output(void)
{
	begin();
	say("a\nb");
	SHOWN("a\r\nb");
	change(0, 0, ONLCR);
	say("\n");
	SHOWN("\n");
	change(0, 0, XTABS);
	say("\rab\tc");
	SHOWN("\rab      c");
	change(0, 0, OPOST);
	say("\n\t");
	SHOWN("\n\t");
	type("\023");
	say("later");
	SHOWN("");
	type("\021");
	SHOWN("later");
}

static void raw(void)
{
	begin();
	type("typed");
	shown();
	change(ICANON | ECHO | ISIG, ICRNL | IXON, 0);
	CHECK(ldisc_readable(&l, 5));
	READ("typed");
	type("\r\003\004\177");
	SHOWN("");
	CHECK(!ldisc_readable(&l, 5));
	CHECK(ldisc_readable(&l, 4));
	READ("\r\003\004\177");
	begin();
	change(ECHO, 0, 0);
	type("secret\n");
	SHOWN("");
	READ("secret\n");
	change(ECHONL, 0, 0);
	type("s\n");
	SHOWN("\r\n");
}

static void full(void)
{
	static char many[3 * LDISC_SIZE];
	begin();
	memset(many, 'x', sizeof(many) - 1);
	CHECK(ldisc_type(&l, (u8 *)many, sizeof(many) - 1) == sizeof(many) - 1);
	shown();
	type("\n");
	CHECK(strlen(read_some(sizeof(text) - 1)) == LDISC_SIZE);
	change(ICANON, 0, 0);
	CHECK(ldisc_type(&l, (u8 *)many, sizeof(many) - 1) == LDISC_SIZE - 1);
}

static void noise(void)
{
	unsigned long seed = 1;
	for (int round = 0; round < 300; round++) {
		begin();
		for (int step = 0; step < 400; step++) {
			u8 keys[40];
			seed = seed * 6364136223846793005UL + 1442695040888963407UL;
			size_t n = seed >> 33 & 31;
			for (size_t i = 0; i < n; i++) {
				seed = seed * 6364136223846793005UL + 1442695040888963407UL;
				keys[i] = (u8)(seed >> 40 & (seed >> 60 & 1 ? 0x1f : 0xff));
			}
			keys[n] = 0;
			switch (seed >> 50 & 7) {
			case 0:
				say((char *)keys);
				break;
			case 1:
				read_some(n + 1);
				break;
			case 2:
				shown();
				break;
			case 3:
				change((u32)(seed >> 20) & 0xffff, (u32)(seed >> 30) & 0x7fff, (u32)(seed >> 41) & 0x1fff);
				break;
			default:
				ldisc_type(&l, keys, n);
			}
			CHECK(l.count <= LDISC_SIZE && l.output_count <= LDISC_SIZE && l.complete <= l.count);
		}
	}
}

int main(void)
{
	lines();
	editing();
	signals();
	output();
	raw();
	full();
	noise();
	printf("ldisc: %d failed\n", failed);
	return failed != 0;
}
