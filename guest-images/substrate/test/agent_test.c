/* SPDX-License-Identifier: Apache-2.0 */
/* The agent, spoken to as the host speaks to it: bytes in, frames out, through the rings of a fake device. */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/unistd.h>
#include <linux/stat.h>

#include "../src/agent/process.h"
#include "../src/agent/protocol.h"
#include "../src/tty/pty.h"
#include "agent_shim.h"

#include <substrate/trace.h>

/* ---- the host's side ---- */

static void add32(struct bytes *b, u32 v) { bytes_add(b, &v, 4); }
static void add64(struct bytes *b, u64 v) { bytes_add(b, &v, 8); }
static void add_string(struct bytes *b, const char *s)
{
	add32(b, (u32)strlen(s));
	bytes_add(b, s, strlen(s));
}

static void add_raw_frame(struct bytes *to, u32 length, u16 type, u16 reserved, u32 process)
{
	add32(to, length);
	bytes_add(to, &type, 2);
	bytes_add(to, &reserved, 2);
	add32(to, process);
}

static void add_frame(struct bytes *to, u16 type, u32 process, const void *payload, size_t n)
{
	add_raw_frame(to, (u32)n, type, 0, process);
	bytes_add(to, payload, n);
}

static void send_frame(u16 type, u32 process, const void *payload, size_t n)
{
	struct bytes b = { 0 };
	add_frame(&b, type, process, payload, n);
	fake_send(b.data, b.length);
	free(b.data);
}

static struct bytes hello(u32 version, u64 realtime)
{
	struct bytes b = { 0 };
	add32(&b, version);
	add64(&b, realtime);
	for (u64 i = 1; i <= AGENT_SEED_BYTES / 8; i++)
		add64(&b, i);
	return b;
}

struct program {
	u32 flags, stdout_window, stderr_window, trace_window, rows, columns;
	const char *workdir, *path, *argv[5], *envp[5];
};

static struct bytes spawn_payload(const struct program *p)
{
	struct bytes b = { 0 };
	u32 argc = 0, envc = 0;

	add32(&b, p->flags);
	add32(&b, 11);
	add32(&b, 22);
	add32(&b, p->stdout_window);
	add32(&b, p->stderr_window);
	add_string(&b, p->workdir ? p->workdir : "");
	add_string(&b, p->path ? p->path : "");
	while (p->argv[argc])
		argc++;
	add32(&b, argc);
	for (u32 i = 0; i < argc; i++)
		add_string(&b, p->argv[i]);
	while (p->envp[envc])
		envc++;
	add32(&b, envc);
	for (u32 i = 0; i < envc; i++)
		add_string(&b, p->envp[i]);
	if (p->flags & SPAWN_TRACE)
		add32(&b, p->trace_window);
	if (p->flags & SPAWN_TERMINAL) {
		add32(&b, p->rows);
		add32(&b, p->columns);
	}
	return b;
}

static void send_spawn(u32 id, const struct program *p)
{
	struct bytes b = spawn_payload(p);
	send_frame(FRAME_SPAWN, id, b.data, b.length);
	free(b.data);
}

/* What the agent said, frame by frame. */
static size_t heard;
static struct {
	u16 type;
	u32 process, length;
	const u8 *payload;
} reply;

static bool next_reply(void)
{
	size_t left = device.from_agent.length - heard;
	const u8 *at = device.from_agent.data + heard;
	u16 reserved;

	if (left == 0)
		return false;
	/* A frame is whole in what the agent has sent; only a device that pauses can have part of one. */
	bool whole = left >= FRAME_HEADER_SIZE;
	if (whole) {
		memcpy(&reply.length, at, 4);
		whole = left - FRAME_HEADER_SIZE >= reply.length;
	}
	if (!whole) {
		CHECK(device.pause_after);
		return false;
	}
	memcpy(&reply.type, at + 4, 2);
	memcpy(&reserved, at + 6, 2);
	memcpy(&reply.process, at + 8, 4);
	CHECK(reserved == 0 && reply.length <= FRAME_PAYLOAD_MAX);
	reply.payload = at + FRAME_HEADER_SIZE;
	heard += FRAME_HEADER_SIZE + reply.length;
	return true;
}

static u32 reply32(size_t at)
{
	u32 v;
	CHECK(at + 4 <= reply.length);
	memcpy(&v, reply.payload + at, 4);
	return v;
}

static u64 reply64(size_t at)
{
	u64 v;
	CHECK(at + 8 <= reply.length);
	memcpy(&v, reply.payload + at, 8);
	return v;
}

static const char *reply_string(size_t at)
{
	static char text[512];
	u32 n = reply32(at);
	CHECK(n < sizeof(text) && at + 4 + n <= reply.length);
	memcpy(text, reply.payload + at + 4, n);
	text[n] = 0;
	return text;
}

static void poll_all(void)
{
	while (devices_poll())
		;
}

static void expect(u16 type, u32 process)
{
	poll_all();
	if (!next_reply())
		test_fail(__FILE__, __LINE__, "no reply, not even 0x%x", type);
	if (reply.type == FRAME_REFUSED && type != FRAME_REFUSED)
		test_fail(__FILE__, __LINE__, "refused: %s", reply_string(4));
	CHECK_EQ(reply.type, type);
	CHECK_EQ(reply.process, process);
}

static void expect_nothing(void)
{
	poll_all();
	if (next_reply())
		test_fail(__FILE__, __LINE__, "a reply of type 0x%x", reply.type);
}

static void expect_refused(u16 type, const char *reason)
{
	expect(FRAME_REFUSED, reply.process);
	CHECK_EQ(reply32(0), type);
	if (!strstr(reply_string(4), reason))
		test_fail(__FILE__, __LINE__, "refused for \"%s\", not \"%s\"", reply_string(4), reason);
}

static void greet(void)
{
	struct bytes b = hello(1, 12345);
	fake_probe();
	poll_all();
	send_frame(FRAME_HELLO, 0, b.data, b.length);
	expect(FRAME_HELLO_ANSWER, 0);
	free(b.data);
}

static void start(u32 id, u32 flags, u32 out, u32 err)
{
	struct program p = { .flags = flags, .stdout_window = out, .stderr_window = err, .argv = { "/bin/x" } };
	send_spawn(id, &p);
	expect(FRAME_SPAWNED, id);
}

static void give_window(u32 id, u32 stream, u32 bytes)
{
	u32 payload[2] = { stream, bytes };
	send_frame(FRAME_WINDOW, id, payload, 8);
}

/* ---- greeting, clock, end ---- */

static void says_hello(void)
{
	greet();
	CHECK_EQ(kernel.realtime, 12345);
	CHECK_EQ(kernel.seed[0], 1);
	CHECK_EQ(kernel.seed[3], 4);
	CHECK_EQ(reply32(0), 1);
	CHECK_STR(reply_string(4), "substrate");
	CHECK_STR(reply_string(17), "6.1.0-test");
	CHECK_EQ(reply32(31), 64);
	CHECK_EQ(reply.length, 35);
	u64 now = 777;
	send_frame(FRAME_CLOCK, 0, &now, 8);
	expect_nothing();
	CHECK_EQ(kernel.realtime, 777);
}

static void hello_comes_first(void)
{
	u64 now = 1;
	struct bytes wrong = hello(2, 5), right = hello(1, 5), early = hello(1, (u64)-1);

	fake_probe();
	poll_all();
	send_frame(FRAME_CLOCK, 0, &now, 8);
	expect_refused(FRAME_CLOCK, "nothing comes before HELLO");
	CHECK_EQ(kernel.realtime, 0);
	send_frame(FRAME_HELLO, 0, wrong.data, wrong.length);
	expect_refused(FRAME_HELLO, "version 2");
	send_frame(FRAME_HELLO, 0, early.data, early.length);
	expect_refused(FRAME_HELLO, "before 1970");
	send_frame(FRAME_HELLO, 0, right.data, right.length);
	expect(FRAME_HELLO_ANSWER, 0);
	/* A machine that was saved after its first HELLO, and goes on, hears another. */
	send_frame(FRAME_HELLO, 0, right.data, right.length);
	expect(FRAME_HELLO_ANSWER, 0);
}

static void shutdown_powers_off(void)
{
	greet();
	send_frame(FRAME_SHUTDOWN, 0, NULL, 0);
	CHECK_PANICS(poll_all(), "power off");
	CHECK(kernel.powered_off);
}

static void hello_and_spawn_share_a_doorbell(void)
{
	struct bytes b = hello(1, 1), all = { 0 };
	struct program p = { .argv = { "/bin/x" } };
	struct bytes s = spawn_payload(&p);

	fake_probe();
	poll_all();
	add_frame(&all, FRAME_HELLO, 0, b.data, b.length);
	add_frame(&all, FRAME_SPAWN, 5, s.data, s.length);
	fake_send(all.data, all.length);
	expect(FRAME_HELLO_ANSWER, 0);
	expect(FRAME_SPAWNED, 5);
	CHECK_EQ(device.queue[5].notifies, 1);
}

/* ---- malformed frames ---- */

static void malformed_frames(void)
{
	static const struct {
		u32 length;
		u16 type, reserved;
		u32 process;
		const char *reason;
	} bad[] = {
		{ 0, 0x0000, 0, 0, "no frame of type 0x0" },
		{ 4, 0x0004, 0, 0, "no frame of type 0x4" },
		{ 262144, 0x8012, 0, 7, "no frame of type 0x8012" },
		{ 8, FRAME_CLOCK, 1, 0, "reserved field is 1" },
		{ 8, FRAME_CLOCK, 0xffff, 0, "reserved field is 65535" },
		{ 8, FRAME_CLOCK, 0, 7, "for the agent" },
		{ 7, FRAME_CLOCK, 0, 0, "a payload of 7 bytes" },
		{ 9, FRAME_CLOCK, 0, 0, "a payload of 9 bytes" },
		{ 0, FRAME_CLOCK, 0, 0, "a payload of 0 bytes" },
		{ 43, FRAME_HELLO, 0, 0, "a payload of 43 bytes" },
		{ 44, FRAME_HELLO, 0, 0, "version" },
		{ 1, FRAME_SHUTDOWN, 0, 0, "a payload of 1 bytes" },
		{ 0, FRAME_SHUTDOWN, 0, 7, "for the agent" },
		{ 100, FRAME_SPAWN, 0, 0, "process 0 is the agent" },
		{ 35, FRAME_SPAWN, 0, 9, "a payload of 35 bytes" },
		{ 36, FRAME_SPAWN, 0, 7, "process 7 is running" },
		{ 4, FRAME_STDIN, 0, 0, "process 0 is the agent" },
		{ 65537, FRAME_STDIN, 0, 7, "65537 bytes of standard input, the credit is 65536" },
		{ 1, FRAME_STDIN, 0, 8, "standard input is not open" },
		{ 0, FRAME_STDIN_EOF, 0, 8, "standard input is not open" },
		{ 3, FRAME_STDIN_EOF, 0, 7, "a payload of 3 bytes" },
		{ 4, FRAME_WINDOW, 0, 7, "a payload of 4 bytes" },
		{ 8, FRAME_WINDOW, 0, 7, "no stream 0" },
		{ 4, FRAME_SIGNAL, 0, 7, "no signal 0" },
		{ 5, FRAME_SIGNAL, 0, 7, "a payload of 5 bytes" },
		{ 4, FRAME_RESIZE, 0, 7, "a payload of 4 bytes" },
		{ 8, FRAME_RESIZE, 0, 7, "no terminal" },
	};
	static u8 zeroes[FRAME_PAYLOAD_MAX];

	greet();
	start(7, SPAWN_STDIN, 0, 0);
	start(8, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct bytes b = { 0 };
		add_raw_frame(&b, bad[i].length, bad[i].type, bad[i].reserved, bad[i].process);
		bytes_add(&b, zeroes, bad[i].length);
		fake_send(b.data, b.length);
		reply.process = bad[i].process;
		expect_refused(bad[i].type, bad[i].reason);
		expect_nothing();
		free(b.data);
	}
	/* The connection goes on. */
	u64 now = 99;
	send_frame(FRAME_CLOCK, 0, &now, 8);
	expect_nothing();
	CHECK_EQ(kernel.realtime, 99);
}

static void too_long_a_frame_ends_the_machine(void)
{
	struct bytes b = { 0 };
	greet();
	add_raw_frame(&b, FRAME_PAYLOAD_MAX + 1, FRAME_STDIN, 0, 1);
	fake_send(b.data, b.length);
	CHECK_PANICS(poll_all(), "announced a frame of 262145 bytes, more than 262144");
}

static void late_frames_are_ignored(void)
{
	u32 sigterm = 15;
	greet();
	start(7, SPAWN_STDIN, 10, 10);
	test_exit(0);
	expect(FRAME_EXITED, 7);
	send_frame(FRAME_STDIN, 7, "abc", 3);
	send_frame(FRAME_STDIN_EOF, 7, NULL, 0);
	give_window(7, 1, 10);
	send_frame(FRAME_SIGNAL, 7, &sigterm, 4);
	expect_nothing();
	CHECK_EQ(kernel.last_signal, 0);
	start(7, 0, 0, 0); /* the id is free again */
}

/* ---- SPAWN ---- */

static void spawns(void)
{
	struct program p = { .flags = SPAWN_STDIN | SPAWN_TRACE, .workdir = "/tmp", .path = "/bin/busybox",
		                 .argv = { "echo", "", "a b" }, .envp = { "A=1", "B=" } };
	greet();
	send_spawn(3, &p);
	expect(FRAME_SPAWNED, 3);
	CHECK_EQ(reply.length, 8);
	CHECK_EQ(reply32(0), 100);
	CHECK_EQ(reply32(4), 65536);
	CHECK_STR(kernel.spawned, "</bin/busybox> /tmp 11 22 trace [echo] [] [a b] {A=1} {B=}");
	CHECK(kernel.stdio[1] != kernel.stdio[2]);
	CHECK_EQ(node_mode(kernel.stdio[0]->node), S_IFIFO | 0600);
	test_exit(0);
	p = (struct program){ .flags = SPAWN_MERGE_STDERR, .argv = { "/bin/x" } };
	send_spawn(4, &p);
	expect(FRAME_EXITED, 3);
	expect(FRAME_SPAWNED, 4);
	CHECK_EQ(reply32(4), 0);
	CHECK_STR(kernel.spawned, "<> / 11 22 [/bin/x]");
	CHECK(kernel.stdio[1] == kernel.stdio[2]);
	CHECK_EQ(node_mode(kernel.stdio[0]->node), S_IFCHR | 0666);
	char c;
	CHECK_EQ(test_read(0, &c, 1), 0);
	CHECK_EQ(kernel.stdio[0]->ops->write(kernel.stdio[0], NULL, 0), -EBADF);
	CHECK_EQ(kernel.stdio[1]->ops->read(kernel.stdio[1], NULL, 0), -EBADF);
}

static void fails_to_spawn(void)
{
	struct program p = { .flags = SPAWN_STDIN, .path = "/bin/none", .argv = { "x" } };
	greet();
	long allocated = kernel.allocated;
	kernel.executable = "/bin/x";
	send_spawn(1, &p);
	expect(FRAME_SPAWN_FAILED, 1);
	CHECK_EQ(reply32(0), ENOENT);
	CHECK_STR(reply_string(4), "no such file: /bin/none");
	kernel.spawn_error = -ENOEXEC;
	send_spawn(1, &p);
	expect(FRAME_SPAWN_FAILED, 1);
	CHECK_EQ(reply32(0), ENOEXEC);
	CHECK_EQ(kernel.allocated, allocated);
	p.path = "/bin/x";
	send_spawn(1, &p); /* the id was free */
	expect(FRAME_SPAWNED, 1);
}

static void malformed_spawns(void)
{
	struct program p = { .argv = { "/bin/x", "arg" }, .envp = { "A=1" } };
	struct bytes good = spawn_payload(&p);
	u32 huge = 0xffffffff;

	greet();
	long allocated = kernel.allocated;
	/* Cut short anywhere, with a byte too many, with a NUL in a string. */
	for (size_t n = 36; n <= good.length + 1; n++) {
		struct bytes b = { 0 };
		bytes_add(&b, good.data, MIN(n, good.length));
		if (n > good.length)
			bytes_add(&b, "x", 1);
		reply.process = 1;
		send_frame(FRAME_SPAWN, 1, b.data, b.length);
		if (n == good.length) {
			expect(FRAME_SPAWNED, 1);
			test_exit(0);
			expect(FRAME_EXITED, 1);
		} else {
			expect_refused(FRAME_SPAWN, n > good.length ? "bytes after its last field" : "malformed SPAWN: ");
		}
		CHECK_EQ(kernel.allocated, allocated);
		free(b.data);
	}
	/* Every length and count, made huge: at 20 workdir, 24 path, 28 argc, 32 argv[0], 42 argv[1], 49 envc, 53 envp[0]. */
	static const size_t fields[] = { 20, 24, 28, 32, 42, 49, 53 };
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct bytes b = { 0 };
		bytes_add(&b, good.data, good.length);
		memcpy(b.data + fields[i], &huge, 4);
		reply.process = 1;
		send_frame(FRAME_SPAWN, 1, b.data, b.length);
		expect_refused(FRAME_SPAWN, "malformed SPAWN: ");
		CHECK_EQ(kernel.allocated, allocated);
		free(b.data);
	}
	reply.process = 1;
	good.data[38] = 0;
	send_frame(FRAME_SPAWN, 1, good.data, good.length);
	expect_refused(FRAME_SPAWN, "a string holds a NUL");
	p.flags = 16;
	struct bytes flags = spawn_payload(&p);
	send_frame(FRAME_SPAWN, 1, flags.data, flags.length);
	expect_refused(FRAME_SPAWN, "unknown flags");
	p = (struct program){ .path = "/bin/x" };
	struct bytes empty = spawn_payload(&p);
	send_frame(FRAME_SPAWN, 1, empty.data, empty.length);
	expect_refused(FRAME_SPAWN, "there is no argv[0]");
	CHECK_EQ(kernel.allocated, allocated);
}

static void largest_spawn(void)
{
	struct bytes b = { 0 };
	static char text[FRAME_PAYLOAD_MAX];

	greet();
	for (int i = 0; i < 5; i++)
		add32(&b, 0);
	add_string(&b, "");
	add_string(&b, "/bin/x");
	add32(&b, 1);
	memset(text, 'a', FRAME_PAYLOAD_MAX - b.length - 8);
	add_string(&b, text);
	add32(&b, 0);
	CHECK_EQ(b.length, FRAME_PAYLOAD_MAX);
	send_frame(FRAME_SPAWN, 1, b.data, b.length);
	expect(FRAME_SPAWNED, 1);
}

static void no_more_than_64(void)
{
	struct program p = { .argv = { "/bin/x" } };
	greet();
	for (u32 i = 1; i <= 64; i++)
		start(i, 0, 0, 0);
	send_spawn(65, &p);
	expect(FRAME_SPAWN_FAILED, 65);
	CHECK_EQ(reply32(0), EAGAIN);
	test_exit(3);
	expect(FRAME_EXITED, 64);
	start(65, 0, 0, 0);
}

/* Whatever allocation fails, the host is told and nothing is kept. */
static void spawn_without_memory(void)
{
	struct program p = { .flags = SPAWN_STDIN, .argv = { "x" }, .envp = { "PATH=/bin" } };
	greet();
	long allocated = kernel.allocated;
	for (long fail = 1;; fail++) {
		kernel.fail_allocation = fail;
		send_spawn((u32)fail, &p);
		poll_all();
		kernel.fail_allocation = -1;
		CHECK(next_reply());
		if (reply.type == FRAME_SPAWNED) {
			CHECK(fail > 8);
			return;
		}
		CHECK_EQ(reply.type, FRAME_SPAWN_FAILED);
		CHECK_EQ(reply.process, fail);
		CHECK_EQ(reply32(0), ENOMEM);
		CHECK_STR(reply_string(4), "out of memory");
		CHECK_EQ(kernel.allocated, allocated);
	}
}

/* ---- splitting ---- */

static struct bytes script(void)
{
	struct bytes all = { 0 }, b = hello(1, 42);
	struct program p = { .flags = SPAWN_STDIN, .argv = { "/bin/x", "arg" } };
	struct bytes s = spawn_payload(&p);
	u32 window[2] = { 1, 1000 }, usr1 = 10, bad = 99;
	u64 clock = 43;

	add_frame(&all, FRAME_HELLO, 0, b.data, b.length);
	add_frame(&all, FRAME_SPAWN, 1, s.data, s.length);
	add_frame(&all, FRAME_STDIN, 1, "some input", 10);
	add_frame(&all, FRAME_STDIN, 1, NULL, 0);
	add_frame(&all, FRAME_WINDOW, 1, window, 8);
	add_frame(&all, FRAME_CLOCK, 0, &clock, 8);
	add_frame(&all, 0x77, 0, "skipped", 7);
	add_frame(&all, FRAME_SIGNAL, 1, &bad, 4);
	add_frame(&all, FRAME_SIGNAL, 1, &usr1, 4);
	add_frame(&all, FRAME_STDIN_EOF, 1, NULL, 0);
	return all;
}

static void check_script(void)
{
	char input[20];
	expect(FRAME_HELLO_ANSWER, 0);
	expect(FRAME_SPAWNED, 1);
	CHECK_STR(kernel.spawned, "<> / 11 22 [/bin/x] [arg]");
	reply.process = 0;
	expect_refused(0x77, "no frame of type");
	reply.process = 1;
	expect_refused(FRAME_SIGNAL, "no signal 99");
	expect_nothing();
	CHECK_EQ(kernel.realtime, 43);
	CHECK_EQ(kernel.last_signal, 10);
	CHECK_EQ(test_read(0, input, sizeof(input)), 10);
	CHECK(memcmp(input, "some input", 10) == 0);
	CHECK_EQ(test_read(0, input, sizeof(input)), 0);
	CHECK_EQ(test_write(1, input, 10), 10);
	expect(FRAME_STDOUT, 1);
}

static size_t cut;

static void cut_in_two(void)
{
	struct bytes all = script();
	fake_probe();
	poll_all();
	fake_send(all.data, cut);
	poll_all();
	fake_send(all.data + cut, all.length - cut);
	check_script();
}

static void cut_in_pieces(void)
{
	struct bytes all = script();
	fake_probe();
	poll_all();
	device.chunk = cut;
	fake_send(all.data, all.length);
	check_script();
}

static void cut_everywhere(void)
{
	size_t length = script().length;
	struct test two = { "cut in two", cut_in_two }, pieces = { "cut in pieces", cut_in_pieces };
	int failed = 0;

	fclose(stdout);
	for (cut = 1; cut < length; cut++)
		failed += run_tests(&two, 1);
	for (cut = 1; cut < 40; cut++)
		failed += run_tests(&pieces, 1);
	CHECK_EQ(failed, 0);
}

/* ---- output ---- */

static void output_is_one_frame_and_one_doorbell(void)
{
	greet();
	start(1, 0, 100, 100);
	int before = device.queue[5].notifies;
	CHECK_EQ(test_write(1, "hello", 5), 5);
	CHECK_EQ(device.queue[5].notifies, before + 1);
	expect(FRAME_STDOUT, 1);
	CHECK(reply.length == 5 && memcmp(reply.payload, "hello", 5) == 0);
	CHECK_EQ(test_write(2, "oops", 4), 4);
	expect(FRAME_STDERR, 1);
	CHECK(reply.length == 4 && memcmp(reply.payload, "oops", 4) == 0);
	CHECK_EQ(test_write(1, "", 0), 0);
	expect_nothing();
	CHECK_EQ(device.queue[5].notifies, before + 2);
}

static void merged_output(void)
{
	greet();
	start(1, SPAWN_MERGE_STDERR, 100, 0);
	CHECK_EQ(test_write(2, "e", 1), 1);
	expect(FRAME_STDOUT, 1);
}

static bool signal_arrives(void)
{
	return false;
}

static void no_credit(void)
{
	greet();
	start(1, 0, 3, 0);
	kernel.outside = signal_arrives;
	CHECK_EQ(test_write(2, "x", 1), -ERESTARTSYS);
	CHECK_EQ(test_write(1, "hello", 5), 3);
	expect(FRAME_STDOUT, 1);
	CHECK_EQ(reply.length, 3);
	CHECK_EQ(kernel.stdio[1]->ops->poll(kernel.stdio[1], NULL), 0);
	kernel.stdio[1]->flags |= O_NONBLOCK;
	CHECK_EQ(test_write(1, "lo", 2), -EAGAIN);
	give_window(1, 1, 1);
	poll_all();
	CHECK_EQ(kernel.stdio[1]->ops->poll(kernel.stdio[1], NULL), POLLOUT | POLLWRNORM);
	CHECK_EQ(test_write(1, "lo", 2), 1);
	expect(FRAME_STDOUT, 1);
	CHECK_EQ(reply.payload[0], 'l');
	expect_nothing();
}

static bool window_arrives(void)
{
	kernel.outside = NULL;
	give_window(1, 3, 10000);
	poll_all();
	return true;
}

static void trace_waits_for_room_of_a_record(void)
{
	struct program p = { .flags = SPAWN_TRACE, .argv = { "/bin/x" }, .trace_window = TRACE_RECORD_MAX };
	greet();
	send_spawn(1, &p);
	expect(FRAME_SPAWNED, 1);
	CHECK(agent_trace_wait(kernel.process));
	agent_trace(kernel.process, "record", 6);
	agent_flush();
	expect(FRAME_TRACE, 1);
	CHECK(reply.length == 6 && memcmp(reply.payload, "record", 6) == 0);
	kernel.outside = window_arrives;
	CHECK(agent_trace_wait(kernel.process));
	agent_trace(kernel.process, "another", 7);
	agent_flush();
	expect(FRAME_TRACE, 1);
	test_exit(0);
	expect(FRAME_EXITED, 1);
}

static void lost_records_are_told(void)
{
	struct program p = { .flags = SPAWN_TRACE, .argv = { "/bin/x" }, .trace_window = 1 };
	greet();
	send_spawn(1, &p);
	expect(FRAME_SPAWNED, 1);
	kernel.outside = signal_arrives;
	CHECK(!agent_trace_wait(kernel.process));
	CHECK(!agent_trace_wait(kernel.process));
	test_exit(0);
	expect(FRAME_TRACE_LOST, 1);
	CHECK(reply.length == 8 && reply32(0) == 2);
	expect(FRAME_EXITED, 1);
}

static void unreadable_memory(void)
{
	static u8 data[10000];
	greet();
	start(1, 0, 20000, 0);
	CHECK_EQ(test_write_faulting(1, data, sizeof(data), 0), -EFAULT);
	expect_nothing();
	CHECK_EQ(test_write_faulting(1, data, sizeof(data), 5000), 5000);
	expect(FRAME_STDOUT, 1);
	CHECK_EQ(reply.length, 5000);
	CHECK_EQ(test_write_faulting(1, data, 100, 0), -EFAULT);
	CHECK_EQ(test_write(1, data, 10), 10);
	expect(FRAME_STDOUT, 1);
	CHECK_EQ(reply.length, 10);
	expect_nothing();
	/* Also with the header at any place of a page. */
	for (int i = 0; i < 200; i++) {
		give_window(1, 1, 10000);
		poll_all();
		size_t n = 1 + test_random() % 4200;
		device.queue[5].hold = true;
		CHECK_EQ(test_write(1, data, n), n);
		CHECK_EQ(test_write_faulting(1, data, 10, 0), -EFAULT);
		CHECK_EQ(test_write_faulting(1, data, 10, 1), 1);
		device.queue[5].hold = false;
		fake_work();
		expect(FRAME_STDOUT, 1);
		CHECK_EQ(reply.length, n);
		expect(FRAME_STDOUT, 1);
		CHECK_EQ(reply.length, 1);
		expect_nothing();
	}
}

/* The host of the long transfer: takes what has come, checks it, gives credit by bits, works on its queue now and then. */
static u64 given, received;
static u8 pattern(u64 i) { return (u8)(i * 131 + (i >> 8) * 17); }

static void take_output(void)
{
	while (next_reply()) {
		if (reply.type == FRAME_STDIN_WINDOW)
			continue;
		CHECK_EQ(reply.type, FRAME_STDOUT);
		CHECK(reply.length > 0);
		for (u32 i = 0; i < reply.length; i++)
			CHECK(reply.payload[i] == pattern(received + i));
		received += reply.length;
		CHECK(received <= given);
	}
	if (heard == device.from_agent.length)
		heard = device.from_agent.length = 0;
}

static bool host_takes_and_gives(void)
{
	device.queue[5].hold = test_random() % 4 == 0;
	fake_work();
	take_output();
	if (given - received < 300000 && test_random() % 2) {
		u32 more = (u32)(1 + test_random() % (test_random() % 2 ? 10 : 200000));
		given += more;
		give_window(1, 1, more);
	}
	return true;
}

static int long_output_pause;

static void long_output(void)
{
	static u8 data[300000];
	u64 written = 0;

	greet();
	given = 10;
	start(1, 0, (u32)given, 0);
	device.pause_after = long_output_pause;
	kernel.outside = host_takes_and_gives;
	while (written < 16u << 20) {
		size_t n = 1 + test_random() % (test_random() % 4 ? 5000 : sizeof(data));
		for (size_t i = 0; i < n; i++)
			data[i] = pattern(written + i);
		ssize_t done = test_write(1, data, n);
		CHECK_EQ(done, n);
		written += n;
		device.queue[5].hold = test_random() % 8 == 0;
	}
	while (received < written) {
		host_takes_and_gives();
		poll_all(); /* the guest is idle now and woken by interrupts */
	}
	CHECK_EQ(received, written);
	device.queue[5].hold = false;
	fake_work();
	test_exit(0);
	expect(FRAME_EXITED, 1);
	expect_nothing();
}

/* The device takes a few buffers at a time and goes on only when its interrupt is acknowledged. */
static void long_output_with_pauses(void)
{
	long_output_pause = 3;
	long_output();
}

static void large_writes_share_doorbells(void)
{
	static u8 data[1 << 20];
	greet();
	start(1, 0, 1 << 20, 0);
	int before = device.queue[5].notifies;
	CHECK_EQ(test_write(1, data, sizeof(data)), sizeof(data));
	CHECK(device.queue[5].notifies - before <= (1 << 20) / 48000);
}

/* ---- input ---- */

static void input_blocks_polls_and_ends(void)
{
	char buf[10];
	int pending;
	greet();
	start(1, SPAWN_STDIN, 0, 0);
	struct file *in = kernel.stdio[0];
	kernel.outside = signal_arrives;
	CHECK_EQ(test_read(0, buf, 10), -ERESTARTSYS);
	CHECK_EQ(test_read(0, buf, 0), 0);
	in->flags |= O_NONBLOCK;
	CHECK_EQ(test_read(0, buf, 10), -EAGAIN);
	CHECK_EQ(in->ops->poll(in, NULL), 0);
	send_frame(FRAME_STDIN, 1, "abc", 3);
	poll_all();
	CHECK_EQ(in->ops->poll(in, NULL), POLLIN | POLLRDNORM);
	CHECK_EQ(in->ops->ioctl(in, FIONREAD, (u64)&pending), 0);
	CHECK_EQ(pending, 3);
	CHECK_EQ(in->ops->ioctl(in, TCGETS, 0), -ENOTTY);
	CHECK_EQ(test_read(0, buf, 2), 2);
	send_frame(FRAME_STDIN_EOF, 1, NULL, 0);
	poll_all();
	CHECK_EQ(in->ops->poll(in, NULL), POLLIN | POLLRDNORM | POLLHUP);
	CHECK_EQ(test_read(0, buf, 10), 1);
	CHECK_EQ(buf[0], 'c');
	CHECK_EQ(test_read(0, buf, 10), 0);
	CHECK_EQ(in->ops->poll(in, NULL), POLLHUP);
	expect_nothing();
	send_frame(FRAME_STDIN, 1, "x", 1);
	reply.process = 1;
	expect_refused(FRAME_STDIN, "standard input is not open");
}

static u64 stdin_credit, stdin_sent;

static bool host_feeds(void)
{
	static u8 data[65536];
	fake_work();
	while (next_reply()) {
		CHECK_EQ(reply.type, FRAME_STDIN_WINDOW);
		stdin_credit += reply32(0);
	}
	CHECK(stdin_credit <= STDIN_WINDOW);
	u64 n = test_random() % 3 ? stdin_credit : test_random() % (stdin_credit + 1);
	CHECK(stdin_credit > 0); /* a reader that waits has given back enough */
	for (u64 i = 0; i < n; i++)
		data[i] = pattern(stdin_sent + i);
	send_frame(FRAME_STDIN, 1, data, n);
	stdin_credit -= n;
	stdin_sent += n;
	return true;
}

static void long_input(void)
{
	static u8 data[100000];
	u64 got = 0;

	greet();
	start(1, SPAWN_STDIN, 0, 0);
	stdin_credit = STDIN_WINDOW;
	kernel.outside = host_feeds;
	while (got < 8u << 20) {
		ssize_t n = test_read(0, data, 1 + test_random() % sizeof(data));
		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			CHECK(data[i] == pattern(got + (u64)i));
		got += (u64)n;
	}
}

static void closed_input_gets_no_credit(void)
{
	static u8 data[65536];
	greet();
	long allocated = kernel.allocated;
	start(1, SPAWN_STDIN, 0, 0);
	send_frame(FRAME_STDIN, 1, data, 100);
	poll_all();
	file_put(kernel.stdio[0]);
	kernel.stdio[0] = NULL;
	send_frame(FRAME_STDIN, 1, data, 65436);
	expect_nothing();
	send_frame(FRAME_STDIN, 1, data, 1);
	reply.process = 1;
	expect_refused(FRAME_STDIN, "the credit is 0");
	test_exit(0);
	expect(FRAME_EXITED, 1);
	/* Only receive pages, of which a large frame asks for more, are kept. */
	CHECK(kernel.allocated <= allocated + 14);
}

/* ---- the end ---- */

static void exits(void)
{
	greet();
	long allocated = kernel.allocated;
	start(1, SPAWN_STDIN, 100, 0);
	test_write(1, "last words", 10);
	kernel.process->user_ns = 1;
	kernel.process->system_ns = 2;
	kernel.process->max_resident = 3;
	test_exit(42);
	expect(FRAME_STDOUT, 1);
	expect(FRAME_EXITED, 1);
	CHECK_EQ(reply32(0), 42);
	CHECK_EQ(reply64(4), 1);
	CHECK_EQ(reply64(12), 2);
	CHECK_EQ(reply64(20), 3);
	CHECK_EQ(reply.length, 28);
	CHECK_EQ(kernel.allocated, allocated);
}

static void is_killed(void)
{
	greet();
	start(1, 0, 0, 0);
	kernel.process->exit = (struct exit_report){ .signo = 11, .si_code = -6, .address = 0x10, .rip = 0x20, .rsp = 0x30 };
	memset(kernel.process->exit.detail, 'd', sizeof(kernel.process->exit.detail)); /* not terminated: still bounded */
	kernel.process->user_ns = 7;
	agent_process_ended(kernel.process);
	expect(FRAME_KILLED, 1);
	CHECK_EQ(reply32(0), 11);
	CHECK_EQ((s32)reply32(4), -6);
	CHECK_EQ(reply64(8), 0x10);
	CHECK_EQ(reply64(16), 0x20);
	CHECK_EQ(reply64(24), 0x30);
	CHECK_EQ(reply64(32), 7);
	CHECK_EQ(strlen(reply_string(56)), 160);
	agent_process_ended(kernel.process); /* told once */
	expect_nothing();
}

static void unsupported_calls(void)
{
	greet();
	start(1, 0, 0, 0);
	struct process *child = calloc(1, sizeof(*child)), *stranger = calloc(1, sizeof(*stranger));
	child->tree = kernel.process->tree;
	agent_process_unsupported(kernel.process, __NR_fork);
	agent_process_unsupported(child, __NR_fork);
	agent_process_unsupported(kernel.process, 999);
	agent_process_unsupported(stranger, 5);
	test_exit(1);
	expect(FRAME_UNSUPPORTED, 1);
	CHECK_EQ(reply32(0), 2);
	CHECK_EQ(reply32(4), __NR_fork);
	CHECK_EQ(reply32(8), 0);
	CHECK_EQ(reply64(12), 2);
	CHECK_STR(reply_string(20), "fork");
	CHECK_EQ(reply32(28), 999);
	CHECK_EQ(reply64(36), 1);
	CHECK_STR(reply_string(44), "#999");
	CHECK_EQ(reply.length, 52);
	expect(FRAME_EXITED, 1);
	free(child);
	free(stranger);
}

static void many_unsupported_calls(void)
{
	greet();
	long allocated = kernel.allocated;
	start(1, 0, 0, 0);
	for (u32 i = 0; i < 10000; i++)
		agent_process_unsupported(kernel.process, 4000000000u + i);
	test_exit(0);
	expect(FRAME_UNSUPPORTED, 1);
	CHECK_EQ(reply32(0), 65);
	CHECK_STR(reply_string(reply.length - 10), "others");
	CHECK_EQ(reply32(reply.length - 26), ~0U);
	CHECK_EQ(reply64(reply.length - 18), 10000 - 64);
	expect(FRAME_EXITED, 1);
	CHECK_EQ(kernel.allocated, allocated);
}

static void unsupported_without_memory(void)
{
	greet();
	start(1, 0, 0, 0);
	kernel.fail_allocation = 0;
	agent_process_unsupported(kernel.process, 1);
	kernel.fail_allocation = -1;
	test_exit(0);
	expect(FRAME_UNSUPPORTED, 1);
	CHECK_EQ(reply32(0), 1);
	CHECK_STR(reply_string(20), "others");
	expect(FRAME_EXITED, 1);
}

/* The buffers are full when it ends: the end waits, then comes after the output, and the machine would be woken for it. */
static void end_waits_for_room(void)
{
	static u8 data[1 << 20];
	u64 out = 0;

	greet();
	start(1, 0, 1 << 20, 0);
	device.queue[5].hold = true;
	kernel.stdio[1]->flags |= O_NONBLOCK;
	ssize_t n = test_write(1, data, sizeof(data));
	CHECK(n > 0 && n < (ssize_t)sizeof(data));
	CHECK_EQ(test_write(1, data, 1), -EAGAIN);
	for (u32 i = 0; i < 64; i++)
		agent_process_unsupported(kernel.process, 4000000000u + i);
	u32 refused = 0;
	for (; refused < 40; refused++)
		send_frame(0x99, 0, NULL, 0);
	poll_all();
	test_exit(5);
	expect_nothing();
	struct program p = { .argv = { "/bin/x" } };
	send_spawn(1, &p); /* its id is not free yet; and there is no room to say so */
	expect_nothing();
	int before = device.queue[5].interrupts;
	device.queue[5].hold = false;
	fake_work();
	CHECK(device.queue[5].interrupts > before);
	poll_all();
	bool ended = false;
	while (next_reply()) {
		if (reply.type == FRAME_STDOUT) {
			CHECK(!ended);
			out += reply.length;
		} else if (reply.type == FRAME_REFUSED) {
			CHECK(reply32(0) == 0x99 ? refused-- > 0 : reply32(0) == FRAME_SPAWN && !ended);
		} else if (reply.type == FRAME_UNSUPPORTED) {
			CHECK(!ended);
		} else if (reply.type == FRAME_EXITED) {
			ended = true;
			CHECK_EQ(reply32(0), 5);
		} else {
			CHECK(reply.type == FRAME_SPAWNED && ended);
		}
	}
	CHECK_EQ(out, n);
	CHECK_EQ(refused, 0);
	CHECK(ended);
	/* The host hears no more of it. */
	expect_nothing();
}

static void streams_outlive_the_process(void)
{
	char buf[4];
	greet();
	long allocated = kernel.allocated;
	start(1, SPAWN_STDIN, 100, 0);
	send_frame(FRAME_STDIN, 1, "abc", 3);
	poll_all();
	struct file *in = kernel.stdio[0], *out = kernel.stdio[1];
	agent_process_ended(kernel.process);
	expect(FRAME_EXITED, 1);
	CHECK_EQ(test_read(0, buf, 4), 0);
	CHECK_EQ(test_write(1, "x", 1), -EPIPE);
	CHECK_EQ(kernel.last_signal, SIGPIPE);
	CHECK_EQ(in->ops->poll(in, NULL), POLLHUP);
	CHECK_EQ(out->ops->poll(out, NULL), POLLOUT | POLLWRNORM | POLLERR);
	test_close_stdio();
	expect_nothing();
	CHECK_EQ(kernel.allocated, allocated);
}

static struct process *writer;

static bool process_ends(void)
{
	agent_process_ended(writer);
	return true;
}

static void writer_of_a_process_that_ends(void)
{
	greet();
	start(1, 0, 0, 0);
	writer = kernel.process;
	kernel.outside = process_ends;
	kernel.quiet_wakes = true;
	CHECK_EQ(test_write(1, "x", 1), -EPIPE);
	expect(FRAME_EXITED, 1);
	expect_nothing();
}

/* ---- terminals ---- */

#define TERMINAL_WINDOW (TERMINAL_RESERVE + 100)

static void start_terminal(u32 id, u32 flags, u32 out)
{
	struct program p = { .flags = flags | SPAWN_TERMINAL, .stdout_window = out, .rows = 24, .columns = 80, .argv = { "/bin/x" } };
	send_spawn(id, &p);
	expect(FRAME_SPAWNED, id);
	CHECK(!kernel.stdio[0] && !kernel.stdio[1] && !kernel.stdio[2]);
	CHECK_EQ(kernel.terminal->size.ws_row, 24);
	CHECK_EQ(kernel.terminal->size.ws_col, 80);
	CHECK(!kernel.terminal->locked);
}

static void expect_shown(u32 id, const char *text)
{
	expect(FRAME_STDOUT, id);
	CHECK_EQ(reply.length, strlen(text));
	CHECK(memcmp(reply.payload, text, reply.length) == 0);
}

static void terminal_shows_and_types(void)
{
	char line[16];
	greet();
	start_terminal(7, SPAWN_STDIN, TERMINAL_WINDOW);
	test_show("hi\n");
	expect_shown(7, "hi\r\n");
	send_frame(FRAME_STDIN, 7, "ls", 2);
	expect_shown(7, "ls");
	CHECK(!ldisc_readable(&kernel.terminal->ldisc, 1));
	send_frame(FRAME_STDIN, 7, "\x7f\r", 2);
	expect_shown(7, "\b \b\r\n");
	CHECK_EQ(test_typed(line, sizeof(line)), 2);
	CHECK(memcmp(line, "l\n", 2) == 0);
	send_frame(FRAME_STDIN, 7, "\x03", 1);
	expect_shown(7, "^C");
	CHECK_EQ(kernel.signal_of_terminal, 2);
	test_exit(3);
	expect(FRAME_EXITED, 7);
	CHECK_EQ(kernel.terminals, 0);
}

static void terminal_types_the_end(void)
{
	char line[16];
	greet();
	start_terminal(7, SPAWN_STDIN, TERMINAL_WINDOW);
	send_frame(FRAME_STDIN, 7, "a\n", 2);
	send_frame(FRAME_STDIN_EOF, 7, NULL, 0);
	expect_shown(7, "a\r\n");
	CHECK_EQ(test_typed(line, sizeof(line)), 2);
	CHECK(ldisc_readable(&kernel.terminal->ldisc, 1));
	CHECK_EQ(test_typed(line, sizeof(line)), 0);
	CHECK(!ldisc_readable(&kernel.terminal->ldisc, 1));
	expect_nothing();
}

static void terminal_is_resized(void)
{
	const u32 large[2] = { 50, 132 }, too_large[2] = { 65536, 1 };
	greet();
	start_terminal(7, 0, TERMINAL_WINDOW);
	send_frame(FRAME_RESIZE, 7, large, 8);
	expect_nothing();
	CHECK_EQ(kernel.terminal->size.ws_row, 50);
	CHECK_EQ(kernel.terminal->size.ws_col, 132);
	send_frame(FRAME_RESIZE, 7, too_large, 8);
	reply.process = 7;
	expect_refused(FRAME_RESIZE, "65536 rows");
	CHECK_EQ(kernel.terminal->size.ws_row, 50);
}

static void terminal_waits_for_credit(void)
{
	char text[151];
	greet();
	start_terminal(7, 0, TERMINAL_WINDOW);
	memset(text, 'x', sizeof(text) - 1);
	text[150] = 0;
	test_show(text);
	expect(FRAME_STDOUT, 7);
	CHECK_EQ(reply.length, 100);
	expect_nothing();
	give_window(7, WINDOW_STDOUT, 20);
	expect(FRAME_STDOUT, 7);
	CHECK_EQ(reply.length, 20);
	expect_nothing();
	give_window(7, WINDOW_STDOUT, 1000);
	expect(FRAME_STDOUT, 7);
	CHECK_EQ(reply.length, 30);
	expect_nothing();
}

static void terminal_shows_all_before_the_end(void)
{
	static char text[TERMINAL_RESERVE - 15]; /* as much as a terminal takes in one go */
	size_t shown = 0;
	greet();
	start_terminal(7, 0, TERMINAL_RESERVE + 1);
	memset(text, 'x', sizeof(text) - 1);
	test_show("y");
	expect_shown(7, "y");
	/* As much as the terminal holds, stopped by who sits at it. */
	test_show(text);
	kernel.terminal->ldisc.stopped = true;
	test_exit(0);
	poll_all();
	while (next_reply() && reply.type == FRAME_STDOUT)
		shown += reply.length;
	CHECK_EQ(shown, sizeof(text) - 1);
	CHECK_EQ(reply.type, FRAME_EXITED);
	CHECK_EQ(kernel.terminals, 0);
}

static void terminal_types_when_there_is_room(void)
{
	static char lines[3 * LDISC_SIZE], line[64];
	size_t read = 0;
	greet();
	start_terminal(7, SPAWN_STDIN, TERMINAL_WINDOW);
	kernel.terminal->ldisc.termios.c_lflag &= ~(u32)ECHO;
	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = i % 64 == 63 ? '\n' : 'x';
	send_frame(FRAME_STDIN, 7, lines, sizeof(lines));
	poll_all();
	while (ldisc_readable(&kernel.terminal->ldisc, 1)) {
		CHECK_EQ(test_typed(line, sizeof(line)), 64);
		CHECK(memcmp(line, lines, 64) == 0);
		read += 64;
	}
	CHECK_EQ(read, sizeof(lines));
}

static void malformed_terminals(void)
{
	struct program rows = { .flags = SPAWN_TERMINAL, .stdout_window = 5000, .rows = 65536, .argv = { "/bin/x" } };
	struct program columns = { .flags = SPAWN_TERMINAL, .stdout_window = 5000, .columns = ~0U, .argv = { "/bin/x" } };
	struct program window = { .flags = SPAWN_TERMINAL, .stdout_window = TERMINAL_RESERVE, .argv = { "/bin/x" } };
	greet();
	reply.process = 7;
	send_spawn(7, &rows);
	expect_refused(FRAME_SPAWN, "more than 65535 rows or columns");
	send_spawn(7, &columns);
	expect_refused(FRAME_SPAWN, "more than 65535 rows or columns");
	send_spawn(7, &window);
	expect_refused(FRAME_SPAWN, "stdout window");
	CHECK_EQ(kernel.terminals, 0);
}

static void terminal_without_memory(void)
{
	struct program p = { .flags = SPAWN_TERMINAL, .stdout_window = TERMINAL_WINDOW, .argv = { "/bin/x" } };
	greet();
	poll_all();
	long before = kernel.allocated;
	for (long n = 1; n < 20; n++) {
		kernel.fail_allocation = n;
		send_spawn((u32)n, &p);
		poll_all();
		kernel.fail_allocation = -1;
		CHECK(next_reply());
		if (reply.type == FRAME_SPAWNED) {
			test_exit(0);
			expect(FRAME_EXITED, (u32)n);
			CHECK_EQ(kernel.allocated, before);
			return;
		}
		CHECK_EQ(reply.type, FRAME_SPAWN_FAILED);
		CHECK_EQ(kernel.allocated, before);
		CHECK_EQ(kernel.terminals, 0);
	}
	test_fail(__FILE__, __LINE__, "it needs memory without end");
}

/* ---- noise ---- */

static void one_noise(void)
{
	struct bytes good = script(), b = { 0 };
	u64 rounds = 1 + test_random() % 60;
	jmp_buf target;

	if (test_random() % 2)
		kernel.executable = "";
	device.pause_after = (int)(test_random() % 4);
	if (test_random() % 2)
		device.features &= ~(1U << 29);
	device.quiet = test_random() % 2;
	device.chunk = test_random() % 2 ? 0 : 1 + test_random() % 50;
	greet();
	panic_target = &target;
	if (setjmp(target) == 0) {
		while (rounds-- > 0) {
			b.length = 0;
			switch (test_random() % 4) {
			case 0: { /* bytes */
				for (u64 n = test_random() % 200; n > 0; n--) {
					u8 c = (u8)(test_random() % 5 ? 0 : test_random());
					bytes_add(&b, &c, 1);
				}
				break;
			}
			case 1: { /* a frame with a payload of noise */
				static const u16 types[] = { 1, 2, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15 };
				u8 payload[100];
				size_t n = test_random() % sizeof(payload);
				for (size_t i = 0; i < n; i++)
					payload[i] = (u8)(test_random() % 2 ? test_random() % 4 : test_random());
				add_frame(&b, types[test_random() % 8], (u32)(test_random() % 3), payload, n);
				break;
			}
			case 2: { /* the script with a byte changed */
				bytes_add(&b, good.data, good.length);
				b.data[test_random() % b.length] ^= (u8)(1 << test_random() % 8);
				break;
			}
			default: { /* a program does something */
				char buf[300] = { 0 };
				if (!kernel.process)
					break;
				kernel.outside = signal_arrives;
				test_write(1, buf, test_random() % sizeof(buf));
				test_read(0, buf, test_random() % sizeof(buf));
				if (test_random() % 8 == 0)
					test_exit((u32)test_random());
				break;
			}
			}
			device.queue[5].hold = test_random() % 3 == 0;
			fake_send(b.data, b.length);
			poll_all();
			fake_work();
		}
		device.queue[5].hold = false;
		fake_work();
		poll_all();
		fake_work();
		while (next_reply())
			CHECK(reply.type >= FRAME_HELLO_ANSWER && reply.type <= FRAME_KILLED);
		return;
	}
	if (!strstr(panic_message, "announced a frame") && !strstr(panic_message, "power off"))
		test_fail(__FILE__, __LINE__, "panic: %s", panic_message);
}

static void noise(void)
{
	const char *rounds = getenv("AGENT_NOISE_ROUNDS");
	long count = rounds ? atol(rounds) : 400;
	int failed = 0;

	fclose(stdout);
	for (long i = 0; i < count; i++) {
		char name[40];
		struct test t = { name, one_noise };
		snprintf(name, sizeof(name), "noise with seed %ld", i);
		failed += run_seeded_test(&t, (u64)i + 1000);
	}
	CHECK_EQ(failed, 0);
}

int main(void)
{
	static const struct test tests[] = {
		{ "says hello", says_hello },
		{ "hello comes first", hello_comes_first },
		{ "shutdown powers off", shutdown_powers_off },
		{ "hello and spawn share a doorbell", hello_and_spawn_share_a_doorbell },
		{ "malformed frames", malformed_frames },
		{ "too long a frame ends the machine", too_long_a_frame_ends_the_machine },
		{ "late frames are ignored", late_frames_are_ignored },
		{ "spawns", spawns },
		{ "fails to spawn", fails_to_spawn },
		{ "malformed spawns", malformed_spawns },
		{ "largest spawn", largest_spawn },
		{ "no more than 64", no_more_than_64 },
		{ "spawn without memory", spawn_without_memory },
		{ "cut everywhere", cut_everywhere },
		{ "output is one frame and one doorbell", output_is_one_frame_and_one_doorbell },
		{ "merged output", merged_output },
		{ "no credit", no_credit },
		{ "trace waits for room of a record", trace_waits_for_room_of_a_record },
		{ "lost records are told", lost_records_are_told },
		{ "unreadable memory", unreadable_memory },
		{ "long output", long_output },
		{ "long output with pauses", long_output_with_pauses },
		{ "large writes share doorbells", large_writes_share_doorbells },
		{ "input blocks, polls and ends", input_blocks_polls_and_ends },
		{ "long input", long_input },
		{ "closed input gets no credit", closed_input_gets_no_credit },
		{ "exits", exits },
		{ "is killed", is_killed },
		{ "unsupported calls", unsupported_calls },
		{ "many unsupported calls", many_unsupported_calls },
		{ "unsupported without memory", unsupported_without_memory },
		{ "end waits for room", end_waits_for_room },
		{ "streams outlive the process", streams_outlive_the_process },
		{ "writer of a process that ends", writer_of_a_process_that_ends },
		{ "terminal shows and types", terminal_shows_and_types },
		{ "terminal types the end", terminal_types_the_end },
		{ "terminal is resized", terminal_is_resized },
		{ "terminal waits for credit", terminal_waits_for_credit },
		{ "terminal shows all before the end", terminal_shows_all_before_the_end },
		{ "terminal types when there is room", terminal_types_when_there_is_room },
		{ "malformed terminals", malformed_terminals },
		{ "terminal without memory", terminal_without_memory },
		{ "noise", noise },
	};
	return run_tests(tests, ARRAY_SIZE(tests)) ? 1 : 0;
}
