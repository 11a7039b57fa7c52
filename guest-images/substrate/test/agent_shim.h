/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel gives the drivers and the agent, on the host: memory, files, waiting, processes, and a fake console device. */
#ifndef TEST_AGENT_SHIM_H
#define TEST_AGENT_SHIM_H

#include <substrate/device.h>
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/task.h>
#include <substrate/types.h>

/* After the kernel's: <linux/stat.h> holds back its constants where it sees the C library. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- checks ---- */

noreturn void test_fail(const char *file, int line, const char *fmt, ...) printf_like(3, 4);
#define CHECK(cond)                                                                        \
	do {                                                                                   \
		if (!(cond))                                                                       \
			test_fail(__FILE__, __LINE__, "%s", #cond);                                    \
	} while (0)
#define CHECK_EQ(actual, expected)                                                         \
	do {                                                                                   \
		long long a_ = (long long)(actual), e_ = (long long)(expected);                    \
		if (a_ != e_)                                                                      \
			test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, a_, e_);        \
	} while (0)
#define CHECK_STR(actual, expected)                                                        \
	do {                                                                                   \
		const char *a_ = (actual), *e_ = (expected);                                       \
		if (strcmp(a_, e_) != 0)                                                           \
			test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual, a_, e_);    \
	} while (0)

/* Each test runs in its own process: the drivers' state begins anew. Answers how many failed. */
struct test {
	const char *name;
	void (*run)(void);
};
int run_tests(const struct test *tests, size_t count);
/* The same for one test, with random numbers of that seed: 0 or 1. */
int run_seeded_test(const struct test *test, u64 seed);

/* The statement must panic with a message that holds `text`. */
extern jmp_buf *panic_target;
extern char panic_message[512];
#define CHECK_PANICS(statement, text)                                                      \
	do {                                                                                   \
		jmp_buf here_;                                                                     \
		panic_target = &here_;                                                             \
		if (setjmp(here_) == 0) {                                                          \
			statement;                                                                     \
			test_fail(__FILE__, __LINE__, "no panic: %s", #statement);                     \
		}                                                                                  \
		panic_target = NULL;                                                               \
		if (!strstr(panic_message, text))                                                  \
			test_fail(__FILE__, __LINE__, "panic says \"%s\", not \"%s\"", panic_message, text); \
	} while (0)

u64 test_random(void);

/* ---- the kernel ---- */

#define WINDOW_BASE 0xd0000000UL

struct kernel {
	u64 memory_base;      /* guest-physical address of RAM; set before the first allocation */
	long fail_allocation; /* counts down; the allocation that makes it 0, and all after it, fail; < 0: none */
	long allocated;       /* blocks and frames that are out */
	u32 spare, lent;      /* frames for the balloon, and in it; they have the numbers from 1000 */
	bool (*take_back)(void);
	bool powered_off;
	u64 realtime;
	u64 seed[4];
	char log[4096]; /* what printk said */
	int wakes;
	/* Called when a task waits and devices_poll has nothing: the outside world's turn. False: a signal arrives. */
	bool (*outside)(void);
	bool quiet_wakes; /* what happens outside is another task's doing: it needs no interrupt */
	int last_signal;
	struct process *signalled;
	/* What process_spawn does: the path it accepts, the error for all others. */
	const char *executable;
	long spawn_error;
	char spawned[1024]; /* path, workdir, ids, argv and envp of the last one */
	struct file *stdio[3];
	struct tty *terminal; /* of the last one spawned */
	int terminals;        /* that are there */
	int signal_of_terminal;
	struct process *process;
	int processes;
};
extern struct kernel kernel;

/* The program writes to its terminal; it reads from it: how much there was. */
void test_show(const char *text);
size_t test_typed(void *bytes, size_t n);
/* The current process's system calls on the last spawned process's files. */
ssize_t test_write(int fd, const void *bytes, size_t n);
ssize_t test_read(int fd, void *bytes, size_t n);
/* Memory of the current process: n bytes. */
void test_iobuf(struct iobuf *io, struct iovec *vec, void *bytes, size_t n);
/* A write whose memory is readable for `good` bytes only. */
ssize_t test_write_faulting(int fd, const void *bytes, size_t n, size_t good);
void test_exit(u32 code);
void test_close_stdio(void);

/* ---- the device ---- */

struct bytes {
	u8 *data;
	size_t length, room;
};
void bytes_add(struct bytes *b, const void *data, size_t n);

struct fake_queue {
	u32 size;
	u64 desc, avail, used;
	bool ready;
	u16 next_avail;  /* the next chain to take */
	int notifies, interrupts;
	bool hold;   /* the device does not work on this queue */
	bool paused; /* nor here, until its interrupt is acknowledged */
};

struct vring_desc;

struct fake_device {
	u32 magic, version, id, features, queue_max[6];
	u32 config[16];
	void (*work)(void); /* instead of a console's: on the queues that are not held */
	bool refuse_features, quiet; /* quiet: asks for no doorbells where it can do without */
	const char *port_name;       /* of port 1 */
	int pause_after;             /* chains taken in one go; 0: all */
	int acknowledged;
	size_t chunk;                /* most bytes it puts in one receive buffer; 0: what fits */
	u32 status, driver_features[2], device_features_sel, driver_features_sel, queue_sel;
	int reads, writes;
	struct fake_queue queue[6];
	struct bytes text, from_agent, control;
	struct bytes to_agent;
	size_t to_agent_sent;
	struct {
		u8 bytes[64];
		u32 length;
	} to_control[32];
	u32 control_count, control_sent;
};
extern struct fake_device device;

void fake_reset(void);              /* a good device */
void fake_probe(void);              /* virtio_mmio_probe of it */
void fake_work(void);               /* all of its queues that are not held */
void fake_send(const void *bytes, size_t n); /* to the agent */
/* The next chain of a queue that is not held: at most `most` descriptors, how many; 0: there is none. */
u32 fake_take(u32 queue, struct vring_desc **chain, u32 most, u32 *head);
void fake_complete(u32 queue, u32 id, u32 length); /* a used element, right or wrong */

#endif
