/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_shim.h"

#include "../src/tty/pty.h"
#include "../src/virtio/virtio.h"
#include "../src/virtio/vsock.h"

#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <substrate/frame.h>
#include <substrate/printk.h>
#include <substrate/random.h>
#include <substrate/sched.h>
#include <substrate/scheduler.h>
#include <substrate/syscall.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>

/* <unistd.h> and <sys/wait.h> do not get along with the kernel's own types. */
int fork(void);
int wait(int *status);
unsigned int alarm(unsigned int seconds);
void _exit(int code) noreturn;

/* Far beyond what any test takes: one that waits for ever is to fail, not to hang. */
#define TEST_SECONDS 60

struct kernel kernel;
jmp_buf *panic_target;
char panic_message[512];
static u64 seed;

/* ---- checks ---- */

noreturn void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n%s", kernel.log);
	fflush(NULL);
	_exit(1);
}

u64 test_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

int run_seeded_test(const struct test *test, u64 first)
{
	int status;

	fflush(NULL);
	if (fork() == 0) {
		alarm(TEST_SECONDS);
		seed = first * 0x9e3779b97f4a7c15UL + 1;
		fake_reset();
		test->run();
		fflush(NULL);
		_exit(0);
	}
	if (wait(&status) >= 0 && status == 0)
		return 0;
	fprintf(stderr, "FAILED %s\n", test->name);
	return 1;
}

int run_tests(const struct test *tests, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++)
		failed += run_seeded_test(&tests[i], i + 1);
	printf("%zu tests, %d failed\n", count, failed);
	return failed;
}

/* ---- memory ---- */

#define MEMORY_FRAMES 4096UL

static u8 memory[MEMORY_FRAMES * PAGE_SIZE] __attribute__((aligned(4096)));
static u8 frame_used[MEMORY_FRAMES];
static u8 window[4096];

static bool may_allocate(void)
{
	if (kernel.fail_allocation < 0)
		return true;
	if (kernel.fail_allocation == 0)
		return false;
	return --kernel.fail_allocation > 0;
}

void *phys_to_virt(paddr_t pa)
{
	if (pa >= WINDOW_BASE && pa < WINDOW_BASE + sizeof(window))
		return window + (pa - WINDOW_BASE);
	CHECK(pa >= kernel.memory_base && pa < kernel.memory_base + sizeof(memory));
	return memory + (pa - kernel.memory_base);
}

paddr_t virt_to_phys(const void *va)
{
	CHECK((const u8 *)va >= memory && (const u8 *)va < memory + sizeof(memory));
	return (u64)((const u8 *)va - memory) + kernel.memory_base;
}

paddr_t frames_alloc(unsigned int order)
{
	size_t count = 1UL << order;

	if (!may_allocate())
		return 0;
	for (size_t i = count; i + count <= MEMORY_FRAMES; i += count) {
		if (memchr(frame_used + i, 1, count))
			continue;
		memset(frame_used + i, 1, count);
		ASAN_UNPOISON_MEMORY_REGION(memory + i * PAGE_SIZE, count * PAGE_SIZE);
		memset(memory + i * PAGE_SIZE, 0xa5, count * PAGE_SIZE);
		kernel.allocated++;
		return kernel.memory_base + i * PAGE_SIZE;
	}
	return 0;
}

void frames_free(paddr_t first, unsigned int order)
{
	size_t i = (first - kernel.memory_base) / PAGE_SIZE;
	CHECK(frame_used[i]);
	memset(frame_used + i, 0, 1UL << order);
	ASAN_POISON_MEMORY_REGION(memory + i * PAGE_SIZE, PAGE_SIZE << order);
	kernel.allocated--;
}

paddr_t frame_alloc(enum frame_flags flags)
{
	paddr_t frame = frames_alloc(0);
	if (frame && flags == FRAME_ZERO)
		memset(phys_to_virt(frame), 0, PAGE_SIZE);
	return frame;
}

void frame_put(paddr_t frame)
{
	frames_free(frame, 0);
}

u32 frames_lend(u32 *numbers, u32 most)
{
	u32 count = MIN(most, kernel.spare);
	for (u32 i = 0; i < count; i++)
		numbers[i] = 1000 + kernel.lent++;
	kernel.spare -= count;
	return count;
}

u32 frames_return(u32 *numbers, u32 most)
{
	u32 count = MIN(most, kernel.lent);
	for (u32 i = 0; i < count; i++)
		numbers[i] = 1000 + --kernel.lent;
	kernel.spare += count;
	return count;
}

void frames_when_short(bool (*take_back)(void))
{
	kernel.take_back = take_back;
}

u64 frames_total(void) { return MEMORY_FRAMES; }
u64 frames_free_now(void) { return kernel.spare; }
u64 frames_available(void) { return kernel.spare + kernel.lent; }

void *kmalloc(size_t size)
{
	CHECK(size <= KMALLOC_MAX);
	if (!may_allocate())
		return NULL;
	kernel.allocated++;
	return malloc(size);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);
	if (p)
		memset(p, 0, size);
	return p;
}

void *krealloc(void *p, size_t size)
{
	if (!may_allocate())
		return NULL;
	if (!p)
		kernel.allocated++;
	return realloc(p, size);
}

void kfree(const void *p)
{
	if (p)
		kernel.allocated--;
	free((void *)(size_t)p);
}

/* ---- text and ends ---- */

void printk(const char *fmt, ...)
{
	va_list args;
	size_t used = strlen(kernel.log);
	va_start(args, fmt);
	vsnprintf(kernel.log + used, sizeof(kernel.log) - used, fmt, args);
	va_end(args);
}

noreturn void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(panic_message, sizeof(panic_message), fmt, args);
	va_end(args);
	if (panic_target)
		longjmp(*panic_target, 1);
	test_fail(__FILE__, __LINE__, "panic: %s", panic_message);
}

noreturn void machine_power_off(void)
{
	kernel.powered_off = true;
	panic("power off");
}

const char *syscall_name(u32 nr)
{
	return nr == __NR_fork ? "fork" : NULL;
}

const char *kernel_release(void)
{
	return "6.1.0-test";
}

void realtime_set(u64 ns)
{
	kernel.realtime = ns;
}

void boot_id_renew(void) {}

void random_reseed(const void *seed, size_t n)
{
	CHECK_EQ(n, sizeof(kernel.seed));
	memcpy(kernel.seed, seed, n);
}

/* ---- waiting ---- */

void poll_wait(struct poll_table *table, struct wait_queue *q)
{
	(void)table;
	CHECK(q->waiters.next);
}

/* The queue that the one task waits at: only what wakes that one wakes the task. */
static struct wait_queue *waited;

/* The driver of sockets has a test of its own. */
void virtio_vsock_probe(const struct virtio_device *found) { (void)found; }
bool virtio_vsock_poll(void) { return false; }

void wake_up(struct wait_queue *q)
{
	struct waiter *waiter;
	CHECK(q->waiters.next);
	if (q == waited)
		kernel.wakes++;
	list_for_each(waiter, &q->waiters, link)
		waiter->wake(waiter, ~0U);
}

static int interrupts(void)
{
	int sum = 0;
	for (int i = 0; i < 6; i++)
		sum += device.queue[i].interrupts;
	return sum;
}

static bool poll_wakes(void)
{
	int wakes = kernel.wakes;
	while (devices_poll())
		;
	return kernel.wakes != wakes;
}

/* As the idle loop does: polls, then sleeps until the device interrupts. */
static long idle(void)
{
	if (poll_wakes())
		return 0;
	for (;;) {
		int before = interrupts(), wakes = kernel.wakes;
		if (!kernel.outside)
			test_fail(__FILE__, __LINE__, "waits for ever");
		if (!kernel.outside())
			return -ERESTARTSYS;
		if (!poll_wakes() && kernel.wakes == wakes)
			continue;
		if (interrupts() == before && !kernel.quiet_wakes)
			test_fail(__FILE__, __LINE__, "something came without an interrupt: the machine would sleep on");
		return 0;
	}
}

long wait_once(struct wait_queue *q, u64 deadline)
{
	CHECK_EQ(deadline, NO_DEADLINE);
	CHECK(q->waiters.next);
	waited = q;
	return idle();
}

long wait_once_killable(struct wait_queue *q)
{
	return wait_once(q, NO_DEADLINE);
}

void task_wake(struct task *task)
{
	CHECK(task == current_task());
	kernel.wakes++;
}

void wait_uninterrupted(void)
{
	waited = NULL;
	idle();
}

/* ---- files ---- */

struct node {
	u32 mode;
};

struct node *node_new_anonymous(u32 mode)
{
	struct node *node = kmalloc(sizeof(*node));
	if (node)
		node->mode = mode;
	return node;
}

void node_put(struct node *node)
{
	kfree(node);
}

u32 node_mode(const struct node *node)
{
	return node->mode;
}

struct file *file_new(const struct file_ops *ops, struct node *node, void *private, u32 flags)
{
	struct file *file = kzalloc(sizeof(*file));
	if (!file) {
		node_put(node);
		return NULL;
	}
	*file = (struct file){ .ops = ops, .node = node, .private = private, .flags = flags, .refs = 1 };
	return file;
}

struct file *file_get(struct file *file)
{
	file->refs++;
	return file;
}

void file_put(struct file *file)
{
	if (--file->refs > 0)
		return;
	file->ops->release(file);
	node_put(file->node);
	kfree(file);
}

/* One iovec of test memory; `readable` is how much of it is there. */
static size_t readable;

static void iobuf_one(struct iobuf *io, struct iovec *vec, const void *bytes, size_t n, size_t good)
{
	*vec = (struct iovec){ (void *)(size_t)bytes, n };
	*io = (struct iobuf){ .vec = vec, .left = n };
	readable = good;
}

void test_iobuf(struct iobuf *io, struct iovec *vec, void *bytes, size_t n)
{
	iobuf_one(io, vec, bytes, n, n);
}

static u8 *iobuf_step(struct iobuf *io, size_t *n)
{
	size_t there = readable > io->vec_offset ? readable - io->vec_offset : 0;
	*n = MIN(*n, io->left);
	if (*n > there) {
		*n = there;
		io->faulted = true;
	}
	u8 *at = (u8 *)io->vec->iov_base + io->vec_offset;
	io->vec_offset += *n;
	io->left -= *n;
	return at;
}

void iobuf_init_kernel(struct iobuf *io, struct iovec *vec, void *buf, size_t len)
{
	iobuf_one(io, vec, buf, len, len);
}

size_t iobuf_copy_out(struct iobuf *io, const void *src, size_t n)
{
	u8 *to = iobuf_step(io, &n);
	memcpy(to, src, n);
	return n;
}

size_t iobuf_copy_in(struct iobuf *io, void *dst, size_t n)
{
	const u8 *from = iobuf_step(io, &n);
	memcpy(dst, from, n);
	return n;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
	return 0;
}

ssize_t test_write_faulting(int fd, const void *bytes, size_t n, size_t good)
{
	struct iovec vec;
	struct iobuf io;
	iobuf_one(&io, &vec, bytes, n, good);
	return kernel.stdio[fd]->ops->write(kernel.stdio[fd], &io, 0);
}

ssize_t test_write(int fd, const void *bytes, size_t n)
{
	return test_write_faulting(fd, bytes, n, n);
}

ssize_t test_read(int fd, void *bytes, size_t n)
{
	struct iovec vec;
	struct iobuf io;
	iobuf_one(&io, &vec, bytes, n, n);
	return kernel.stdio[fd]->ops->read(kernel.stdio[fd], &io, 0);
}

/* ---- processes ---- */

struct task *current_task(void)
{
	static struct task task;
	task.process = kernel.process;
	return &task;
}

/* ---- terminals: only the line discipline is the kernel's ---- */

static void on_signal(struct ldisc *ldisc, int signo)
{
	(void)ldisc;
	kernel.signal_of_terminal = signo;
}

struct tty *tty_new(u32 uid)
{
	CHECK_EQ(uid, 11);
	struct tty *tty = kzalloc(sizeof(*tty));
	if (!tty)
		return ERR_PTR(-ENOMEM);
	wait_queue_init(&tty->readers);
	wait_queue_init(&tty->writers);
	wait_queue_init(&tty->master_readers);
	wait_queue_init(&tty->master_writers);
	ldisc_init(&tty->ldisc, on_signal);
	kernel.terminals++;
	return tty;
}

void tty_resize(struct tty *tty, const struct winsize *size)
{
	tty->size = *size;
}

void tty_hang_up(struct tty *tty)
{
	tty->hung_up = true;
}

void tty_put(struct tty *tty)
{
	CHECK(list_empty(&tty->master_readers.waiters) && list_empty(&tty->master_writers.waiters));
	kernel.terminals--;
	kfree(tty);
}

void test_show(const char *text)
{
	struct iovec vec;
	struct iobuf io;
	test_iobuf(&io, &vec, (void *)(unsigned long)text, strlen(text));
	while (io.left > 0) {
		CHECK(ldisc_writable(&kernel.terminal->ldisc));
		ldisc_write(&kernel.terminal->ldisc, &io);
		wake_up(&kernel.terminal->master_readers);
	}
}

size_t test_typed(void *bytes, size_t n)
{
	struct iovec vec;
	struct iobuf io;
	test_iobuf(&io, &vec, bytes, n);
	size_t read = ldisc_read(&kernel.terminal->ldisc, &io);
	wake_up(&kernel.terminal->master_writers);
	return read;
}

struct process *process_spawned(const struct process *process)
{
	return kernel.process && kernel.process->tree == process->tree ? kernel.process : NULL;
}

long signal_send_tree(struct process *process, int signo)
{
	return signal_send(process, signo);
}

long signal_send(struct process *process, int signo)
{
	kernel.signalled = process;
	kernel.last_signal = signo;
	return 0;
}

static void describe(const struct spawn_request *r)
{
	size_t size = sizeof(kernel.spawned);
	size_t n = (size_t)snprintf(kernel.spawned, size, "<%s> %s %u %u%s", r->path, r->workdir, r->uid, r->gid,
	                            r->trace ? " trace" : "");
	CHECK(r->argv[r->argc] == NULL && r->envp[r->envc] == NULL);
	for (u32 i = 0; i < r->argc && n < size; i++)
		n += (size_t)snprintf(kernel.spawned + n, size - n, " [%s]", r->argv[i]);
	for (u32 i = 0; i < r->envc && n < size; i++)
		n += (size_t)snprintf(kernel.spawned + n, size - n, " {%s}", r->envp[i]);
}

struct process *process_spawn(struct spawn_request *request, char *reason, size_t reason_size)
{
	if (kernel.executable && strcmp(kernel.executable, request->path) != 0) {
		snprintf(reason, reason_size, "no such file: %s", request->path);
		return ERR_PTR(kernel.spawn_error ? kernel.spawn_error : -ENOENT);
	}
	if (!may_allocate())
		return ERR_PTR(-ENOMEM);
	struct process *process = calloc(1, sizeof(*process));
	process->pid = (u32)(100 + kernel.processes++);
	process->tree = process->pid;
	process->agent = request->agent;
	memcpy(kernel.stdio, request->stdio, sizeof(kernel.stdio));
	kernel.terminal = request->terminal;
	describe(request);
	kernel.process = process;
	return process;
}

void test_close_stdio(void)
{
	for (int i = 0; i < 3; i++)
		if (kernel.stdio[i])
			file_put(kernel.stdio[i]);
	memset(kernel.stdio, 0, sizeof(kernel.stdio));
}

void test_exit(u32 code)
{
	kernel.process->exit.code = code;
	agent_process_ended(kernel.process);
	test_close_stdio();
	free(kernel.process);
	kernel.process = NULL;
}
