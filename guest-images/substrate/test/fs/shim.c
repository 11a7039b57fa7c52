/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/resource.h>
#include <stdarg.h>
#include <substrate/tty.h>
#include <substrate/epoll.h>
#include <substrate/printk.h>
#include <substrate/random.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/time.h>
#include <substrate/uaccess.h>
#include "../../src/fs/node.h"
#include "../../src/virtio/rng.h"
#include "../../src/virtio/vsock.h"
#include "shim.h"

/* Of the C library, whose headers do not go together with the kernel's. */
void *malloc(size_t size);
void *realloc(void *p, size_t size);
void free(void *p);
int posix_memalign(void **p, size_t alignment, size_t size);
void __asan_poison_memory_region(const volatile void *p, size_t size);

long shim_allocations, shim_frames, shim_fail_after = -1;
bool shim_fail_once;
u64 shim_bad_from, shim_bad_to, shim_total_frames = 16384, shim_seed = 39608;
long (*shim_sleep)(struct wait_queue *q);
int shim_last_signal;
char shim_panic_text[256];

static const u8 *image_start, *image_end;
static struct process test_process;
static struct task test_task;
static void *panic_return[5];
static bool panic_armed;

/* ---- memory ---- */

static bool fails(void)
{
	if (shim_fail_after > 0)
		shim_fail_after--;
	else if (shim_fail_after == 0) {
		if (shim_fail_once)
			shim_fail_after = -1;
		return true;
	}
	return false;
}

void *kmalloc(size_t size)
{
	if (size > KMALLOC_MAX || fails())
		return NULL;
	shim_allocations++;
	return malloc(size);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);
	return p ? memset(p, 0, size) : NULL;
}

void *krealloc(void *p, size_t size)
{
	if (!p)
		return kmalloc(size);
	return size > KMALLOC_MAX || fails() ? NULL : realloc(p, size);
}

void kfree(const void *p)
{
	if (!p)
		return;
	shim_allocations--;
	free((void *)p);
}

char *kstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = kmalloc(len + 1);

	if (copy) {
		memcpy(copy, s, len);
		copy[len] = 0;
	}
	return copy;
}

/* A frame is a page of its own with its reference count half a page behind it: what lies between is out of bounds. */
#define COUNT_AT (PAGE_SIZE + PAGE_SIZE / 2)

static u32 *count_of(paddr_t frame)
{
	return (u32 *)(frame + COUNT_AT);
}

static bool in_image(paddr_t frame)
{
	return (const u8 *)frame >= image_start && (const u8 *)frame < image_end;
}

void *phys_to_virt(paddr_t pa) { return (void *)pa; }
paddr_t virt_to_phys(const void *va) { return (paddr_t)va; }
u64 frames_total(void) { return shim_total_frames; }
u64 frames_available(void) { return shim_total_frames - (u64)shim_frames; }

paddr_t frame_alloc(enum frame_flags flags)
{
	void *frame;

	if ((u64)shim_frames >= shim_total_frames || fails() || posix_memalign(&frame, PAGE_SIZE, COUNT_AT + sizeof(u32)))
		return 0;
	memset(frame, flags & FRAME_ZERO ? 0 : 0xa5, PAGE_SIZE);
	*count_of((paddr_t)frame) = 1;
	__asan_poison_memory_region((u8 *)frame + PAGE_SIZE, PAGE_SIZE / 2);
	shim_frames++;
	return (paddr_t)frame;
}

void frame_get(paddr_t frame)
{
	if (!in_image(frame))
		++*count_of(frame);
}

void frame_put(paddr_t frame)
{
	if (in_image(frame) || --*count_of(frame))
		return;
	shim_frames--;
	free((void *)frame);
}

/* ---- the program's memory ---- */

/* How much of n bytes at the address is there. */
static size_t reachable(u64 address, size_t n)
{
	if (address >= TASK_SIZE || n > TASK_SIZE - address || address < PAGE_SIZE)
		return 0;
	if (address < shim_bad_to && address + n > shim_bad_from)
		return address >= shim_bad_from ? 0 : shim_bad_from - address;
	return n;
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	size_t there = reachable((u64)src, n);
	memcpy(dst, src, there);
	return n - there;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	size_t there = reachable((u64)dst, n);
	memcpy(dst, src, there);
	return n - there;
}

size_t clear_user(void __user *dst, size_t n)
{
	size_t there = reachable((u64)dst, n);
	memset(dst, 0, there);
	return n - there;
}

/* The length of a string of the program's, below `size`. */
static ssize_t user_length(const char __user *src, size_t size)
{
	size_t there = reachable((u64)src, size), len = strnlen(src, there);

	return len < there ? (ssize_t)len : there < size ? -EFAULT : -ENAMETOOLONG;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size)
{
	ssize_t len = user_length(src, size);

	if (len >= 0)
		memcpy(dst, src, (size_t)len + 1);
	return len;
}

char *path_from_user_empty_ok(const char __user *src)
{
	ssize_t len = user_length(src, PATH_MAX);
	/* Exactly as long as the path, so that reading beyond it is noticed. */
	char *path = len < 0 ? ERR_PTR(len) : kstrndup(src, (size_t)len);

	return path ? path : ERR_PTR(-ENOMEM);
}

char *path_from_user(const char __user *src)
{
	char *path = path_from_user_empty_ok(src);

	if (!IS_ERR(path) && !*path) {
		kfree(path);
		return ERR_PTR(-ENOENT);
	}
	return path;
}

/* ---- tasks ---- */

struct task *current_task(void) { return &test_task; }
struct process *process_find(u32 pid) { return pid == test_process.pid ? &test_process : NULL; }
struct process *process_next(u32 pid) { return pid < test_process.pid ? &test_process : NULL; }
struct task *task_find(u32 tid) { return tid == test_task.tid ? &test_task : NULL; }

u32 process_parent_pid(const struct process *process)
{
	(void)process;
	return 1;
}

u32 task_limit(void)
{
	return 4096;
}

long signal_send(struct process *process, int signo)
{
	(void)process;
	shim_last_signal = signo;
	return 0;
}

long wait_once(struct wait_queue *q, u64 deadline)
{
	(void)deadline;
	CHECK(shim_sleep, "the test task would sleep for ever");
	return shim_sleep(q);
}

void wake_up(struct wait_queue *q) { (void)q; }

/* Terminals are not a part of this machine. */
bool tty_device(u32 number) { (void)number; return false; }
struct file *tty_open(struct node *node, u32 flags) { (void)flags; node_put(node); return ERR_PTR(-ENXIO); }
struct node *pts_lookup(struct node *dir, const char *name, u32 len) { (void)dir, (void)name, (void)len; return ERR_PTR(-ENOENT); }
long pts_readdir(struct node *dir, u64 *pos, struct dir_sink *sink) { (void)dir, (void)pos, (void)sink; return 0; }
bool tty_describe(const struct process *process, u32 *terminal, u32 *foreground)
{
	(void)process, (void)terminal, (void)foreground;
	return false;
}

void poll_wait(struct poll_table *table, struct wait_queue *q) { (void)table, (void)q; }

ssize_t mm_read(struct mm *mm, u64 addr, void *buf, size_t len);
ssize_t mm_read(struct mm *mm, u64 addr, void *buf, size_t len)
{
	(void)mm;
	return (ssize_t)(len - copy_from_user(buf, (void *)addr, len));
}

size_t mm_describe(struct mm *mm, u64 *addr, char *buf, size_t size)
{
	(void)mm;
	if (*addr >= 0x402000)
		return 0;
	*addr = *addr < 0x400000 ? 0x401000 : 0x402000;
	return (size_t)snprintf(buf, size, "%08lx-%08lx r-xp 00000000 00:00 0\n", (unsigned long)(*addr - 0x1000), (unsigned long)*addr);
}

u64 mm_resident_bytes(const struct mm *mm) { (void)mm; return 1UL << 20; }
u64 mm_virtual_bytes(const struct mm *mm) { (void)mm; return 4UL << 20; }

/* ---- the machine ---- */

static u64 clock_ns = 1700000000UL * NSEC_PER_SEC;

u64 realtime_ns(void) { return clock_ns += 1000; }
u64 monotonic_ns(void) { return clock_ns - 1699999900UL * NSEC_PER_SEC; }

void random_reseed(const void *seed, size_t n) { (void)seed, (void)n; }

u32 virtio_vsock_cid(void) { return 3; }
bool virtio_rng_present(void) { return true; }

ssize_t virtio_rng_read(struct iobuf *io)
{
	static const u8 bytes[100] = { 4 };
	return (ssize_t)iobuf_copy_out(io, bytes, MIN(io->left, sizeof(bytes)));
}

void random_bytes(void *buf, size_t n)
{
	static u64 state = 1;
	for (size_t i = 0; i < n; i++)
		((u8 *)buf)[i] = (u8)next_random(&state);
}

bool contains(const char *text, const char *part)
{
	for (; *text; text++)
		if (!strncmp(text, part, strlen(part)))
			return true;
	return false;
}

/* xorshift64* */
u64 next_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DUL >> 8;
}

noreturn void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shim_panic_text, sizeof(shim_panic_text), fmt, args);
	va_end(args);
	if (panic_armed)
		__builtin_longjmp(panic_return, 1);
	host_print("panic: %s\n", shim_panic_text);
	host_abort();
}

noreturn void check_failed(const char *file, int line, const char *what, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	host_print("%s:%d: %s: %s\n", file, line, what, text);
	host_abort();
}

void check_equal(const char *file, int line, const char *what, long actual, long expected)
{
	if (actual != expected)
		check_failed(file, line, what, "is %ld, expected %ld", actual, expected);
}

/* ---- boot and shut down ---- */

bool shim_boot(const void *image, u64 size)
{
	memset(&root_fs, 0, sizeof(root_fs));
	image_start = image;
	image_end = image_start + ALIGN_UP(size, PAGE_SIZE);
	panic_armed = true;
	if (__builtin_setjmp(panic_return)) {
		panic_armed = false;
		return false;
	}
	fs_init((paddr_t)image, size);
	panic_armed = false;

	test_process = (struct process){ .pid = 7, .pgid = 7, .sid = 7, .refs = 1, .name = "test" };
	for (int i = 0; i < RLIM_NLIMITS; i++)
		test_process.rlimit[i][0] = test_process.rlimit[i][1] = ~0UL;
	test_process.rlimit[RLIMIT_NOFILE][0] = 1024;
	test_task = (struct task){ .tid = 7, .process = &test_process, .state = TASK_RUNNABLE, .mm = (struct mm *)1 };
	list_init(&test_process.threads);
	list_push_back(&test_process.threads, &test_task.thread_link);
	test_task.files = fd_table_new();
	test_task.fs = fs_context_new();
	return true;
}

void shim_shut_down(void)
{
	shim_fail_after = -1;
	fd_table_put(test_task.files);
	fs_context_put(test_task.fs);
	if (test_process.executable)
		node_put(test_process.executable);
	test_task.fs = NULL;
	/* Nodes of the image with more than one name are held by the table until their last name goes. */
	for (u32 i = 0; i < root_fs.nid_buckets; i++) {
		struct node **at = &root_fs.nid_table[i];
		while (*at) {
			if (is_dir(*at))
				at = &(*at)->nid_next;
			else
				nid_table_drop(*at);
		}
	}
	node_put(root_fs.root);
	kfree(root_fs.nid_table);
	CHECK_EQ(root_fs.frames, 0);
	CHECK_EQ(root_fs.nodes, 0);
	CHECK_EQ(shim_frames, 0);
	CHECK_EQ(shim_allocations, 0);
}

/* ---- system calls ---- */

#define SYSCALL_PARTIAL(name, arguments, missing) SYSCALL(name, arguments)
#define SYSCALL(name, arguments) long sys_##name(struct pt_regs *regs);
#include "../../src/fs/syscalls.tbl"
#undef SYSCALL

static const syscall_fn calls[] = {
#define SYSCALL(name, arguments) [__NR_##name] = sys_##name,
#include "../../src/fs/syscalls.tbl"
#undef SYSCALL
};

long call(long nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct pt_regs regs = { .orig_rax = (u64)nr, .rdi = a, .rsi = b, .rdx = c, .r10 = d, .r8 = e, .r9 = f };

	CHECK((u64)nr < ARRAY_SIZE(calls) && calls[nr], "no system call %ld", nr);
	return calls[nr](&regs);
}

/* Nothing is watched here. */
void epoll_file_closed(struct file *file) { (void)file; }
