/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host test of sockets and epoll under the sanitizers: random calls on random descriptors, with memory that runs out now and
 * then. Nothing may be used after it is freed, and nothing may be left when all is closed.
 */
#include <substrate/device.h>
#include <substrate/epoll.h>
#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/poll.h>
#include <substrate/printk.h>
#include <substrate/random.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/timer.h>
#include <substrate/uaccess.h>
#include <linux/eventpoll.h>
#include <linux/in.h>
#include <linux/resource.h>
#include "../src/net/abi.h"
#include "../src/net/ports.h"
#include "vsock_host.h"

#include <substrate/string.h>

/* The C library, whose headers do not go together with the kernel's. */
void *malloc(size_t size);
void free(void *p);
noreturn void exit(int code);
noreturn void abort(void);
int printf(const char *fmt, ...) printf_like(1, 2);

#define CHECK(ok)                                                                          \
	do {                                                                                   \
		if (!(ok)) {                                                                       \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #ok);                                \
			exit(1);                                                                       \
		}                                                                                  \
	} while (0)

/* ---- the kernel around it ---- */

static u64 seed = 1;
static u32 next_random(u32 below)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (u32)(seed >> 33) % below;
}

static long allocations;
static bool memory_fails;

void *kmalloc(size_t size)
{
	if (memory_fails && next_random(40) == 0)
		return NULL;
	allocations++;
	return malloc(size);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);
	return p ? memset(p, 0, size) : NULL;
}

void kfree(const void *p)
{
	allocations -= p != NULL;
	free((void *)p);
}

u64 frames_total(void) { return 2048; }
u64 monotonic_ns(void) { return ++seed >> 20; }
u64 deadline_after(u64 ns) { return ns; }
void timer_init(struct timer *timer, void (*expired)(struct timer *timer)) { list_init(&timer->link); timer->expired = expired; }
void timer_arm(struct timer *timer, u64 deadline) { (void)timer, (void)deadline; }
void timer_disarm(struct timer *timer) { (void)timer; }

void random_bytes(void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((u8 *)buf)[i] = (u8)next_random(256);
}

void panic(const char *fmt, ...)
{
	printf("panic: %s\n", fmt);
	abort();
}

size_t copy_from_user(void *dst, const void *src, size_t n)
{
	if (!src)
		return n;
	memcpy(dst, src, n);
	return 0;
}

size_t copy_to_user(void *dst, const void *src, size_t n)
{
	return copy_from_user(dst, src, n);
}

size_t clear_user(void *dst, size_t n)
{
	memset(dst, 0, n);
	return 0;
}

static struct process process = { .pid = 1, .cred = { .euid = 1000 }, .rlimit = { [RLIMIT_NOFILE] = { 60, 60 } } };
static struct task task = { .process = &process };
struct task *current_task(void) { return &task; }
struct process *process_find(u32 pid) { return pid == 1 ? &process : NULL; }
long signal_send(struct process *to, int signo) { return to == &process && signo == SIGPIPE ? 0 : -ESRCH; }

/* Nobody sleeps: a signal always comes first. */
long wait_once(struct wait_queue *q, u64 deadline) { (void)q, (void)deadline; return -ERESTARTSYS; }

void wake_up_events(struct wait_queue *q, u32 events)
{
	struct waiter *w;
	list_for_each(w, &q->waiters, link)
		w->wake(w, events);
}

void wake_up(struct wait_queue *q) { wake_up_events(q, ~0U); }

void wait_queue_clear(struct wait_queue *q)
{
	while (!list_empty(&q->waiters))
		list_remove(q->waiters.next);
}

void poll_wait(struct poll_table *table, struct wait_queue *q)
{
	if (table)
		table->enqueue(table, q);
}

long poll_timeout(const void *user, s64 unit, u64 *deadline) { (void)user, (void)unit, *deadline = NO_DEADLINE; return 0; }
long poll_mask_begin(const u64 *user, size_t size) { (void)user, (void)size; return 0; }
void poll_mask_end(const u64 *user, long result) { (void)user, (void)result; }

/* ---- files ---- */

struct node {
	u32 mode, refs;
};

struct node *node_new_anonymous(u32 mode)
{
	struct node *node = kmalloc(sizeof(*node));
	if (node)
		*node = (struct node){ mode, 1 };
	return node;
}

void node_put(struct node *node)
{
	if (--node->refs == 0)
		kfree(node);
}

u32 node_mode(const struct node *node) { return node->mode; }
long node_permission(const struct node *node, u32 may) { (void)node, (void)may; return 0; }
struct node *path_lookup(const char *path) { (void)path; return ERR_PTR(-ENOENT); }

/* Two names for one node each do for a tree. */
struct node *path_make_socket(const char *path)
{
	struct node *node = strcmp(path, "taken") == 0 ? NULL : node_new_anonymous(S_IFSOCK);
	return node ? node : ERR_PTR(-EEXIST);
}

struct file *file_new(const struct file_ops *ops, struct node *node, void *private, u32 flags)
{
	struct file *file = kmalloc(sizeof(*file));
	if (!file) {
		node_put(node);
		return NULL;
	}
	*file = (struct file){ .ops = ops, .node = node, .private = private, .flags = flags, .refs = 1 };
	return file;
}

struct file *file_get(struct file *file)
{
	CHECK(file->refs > 0);
	file->refs++;
	return file;
}

void file_put(struct file *file)
{
	CHECK(file->refs > 0);
	if (--file->refs)
		return;
	epoll_file_closed(file);
	if (file->ops->release)
		file->ops->release(file);
	node_put(file->node);
	kfree(file);
}

#define FDS 48
static struct file *table[FDS];

int fd_install(struct fd_table *t, struct file *file, int min, bool close_on_exec)
{
	(void)t, (void)close_on_exec;
	for (int fd = min; fd < FDS; fd++) {
		if (!table[fd]) {
			table[fd] = file;
			return fd;
		}
	}
	return -EMFILE;
}

struct file *fd_get(struct fd_table *t, int fd)
{
	(void)t;
	return fd >= 0 && fd < FDS && table[fd] ? file_get(table[fd]) : NULL;
}

static void close_fd(u32 fd)
{
	struct file *file = table[fd];
	table[fd] = NULL;
	if (file)
		file_put(file);
}

void fd_remove(struct fd_table *t, int fd, const struct file *file)
{
	(void)t;
	if (table[fd] == file)
		close_fd((u32)fd);
}

/* ---- calls ---- */

#define SYSCALL_PARTIAL(name, arguments, missing) SYSCALL(name, arguments)
#define SYSCALL(name, arguments) long sys_##name(struct pt_regs *regs);
#include "../src/event/syscalls.tbl"
#include "../src/net/syscalls.tbl"
#undef SYSCALL

static long call(syscall_fn fn, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct pt_regs regs = { .rdi = a, .rsi = b, .rdx = c, .r10 = d, .r8 = e, .r9 = f };
	return fn(&regs);
}
#define PADDED(fn, a, b, c, d, e, f, ...) call(fn, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))
#define CALL(name, ...) PADDED(sys_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

struct name {
	u16 family;
	char path[14];
};

static u32 unix_name(struct name *n)
{
	*n = (struct name){ .family = AF_UNIX };
	u32 which = next_random(8);
	if (which == 7)
		return 2;
	if (which == 6)
		return (u32)snprintf(n->path, sizeof(n->path), "taken") + 3;
	n->path[1] = (char)('a' + which);
	return 4;
}

static struct sockaddr_in inet_name(void)
{
	static const u16 ports[] = { 0, 80, 4000, 4001, 40000 };
	static const u32 hosts[] = { 0, 0x7f000001, 0x7f000002, 0xc0000201 };
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = __builtin_bswap16(ports[next_random(5)]),
		                         .sin_addr = { __builtin_bswap32(hosts[next_random(4)]) } };
}

/* Of this machine and of the host; the latter has ports that are small numbers. */
static struct sockaddr_vm vsock_name(void)
{
	static const u32 cids[] = { VMADDR_CID_ANY, 1, 2, 2, 3, 7 };
	return (struct sockaddr_vm){ .family = next_random(20) ? AF_VSOCK : AF_INET, .cid = cids[next_random(6)],
		                         .port = next_random(20) ? 2000 + next_random(4) : VMADDR_PORT_ANY };
}

static u8 bytes[70000];

static void send_something(int fd)
{
	struct {
		struct cmsghdr header;
		int fds[4];
	} control = { { sizeof(struct cmsghdr) + next_random(4) * sizeof(int), SOL_SOCKET, SCM_RIGHTS }, { 0 } };
	for (int i = 0; i < 4; i++)
		control.fds[i] = (int)next_random(FDS);
	static const u32 lengths[] = { 0, 1, 100, 5000, 66000 };
	struct iovec v = { bytes, lengths[next_random(5)] };
	struct name name;
	struct sockaddr_in in = inet_name();
	struct msghdr m = { .iov = &v, .iov_count = 1, .control = &control,
		                .control_length = next_random(2) ? sizeof(control) : 0 };
	if (next_random(3) == 0) {
		m.name = &name;
		m.name_length = (s32)unix_name(&name);
	} else if (next_random(3) == 0) {
		m.name = &in;
		m.name_length = sizeof(in);
	}
	CALL(sendmsg, fd, &m, MSG_DONTWAIT);
}

static void receive_something(int fd)
{
	u8 control[64];
	struct name name;
	struct iovec v = { bytes, next_random(2) ? 50 : sizeof(bytes) };
	struct msghdr m = { .iov = &v, .iov_count = 1, .control = control, .control_length = next_random(sizeof(control)),
		                .name = &name, .name_length = sizeof(name) };
	CALL(recvmsg, fd, &m, MSG_DONTWAIT | (next_random(4) ? 0 : MSG_PEEK) | (next_random(8) ? 0 : MSG_TRUNC));
}

static void do_something(void)
{
	static const u32 types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int fd = (int)next_random(FDS), pair[2], one = (int)next_random(2), length = sizeof(one);
	struct name name;
	struct sockaddr_in in = inet_name();
	struct sockaddr_vm vm = vsock_name();
	u64 size = next_random(400000);
	struct epoll_event event = { next_random(2) ? EPOLLIN | EPOLLOUT : EPOLLIN | EPOLLET, (u64)fd }, events[4];
	u32 flags = next_random(2) ? SOCK_NONBLOCK : 0;

	switch (next_random(28)) {
	case 0:
		CALL(socketpair, AF_UNIX, types[next_random(3)] | flags, 0, pair);
		break;
	case 1:
		CALL(socket, AF_UNIX, types[next_random(3)] | flags, 0);
		break;
	case 2:
		CALL(socket, AF_INET, types[next_random(2)] | flags, 0);
		break;
	case 3:
		CALL(bind, fd, &name, unix_name(&name));
		break;
	case 4:
		CALL(bind, fd, &in, sizeof(in));
		break;
	case 5:
		CALL(listen, fd, next_random(3));
		break;
	case 6:
		CALL(connect, fd, &name, unix_name(&name));
		break;
	case 7:
		in.sin_family = next_random(8) ? AF_INET : AF_UNSPEC;
		CALL(connect, fd, &in, sizeof(in));
		break;
	case 8:
		CALL(accept4, fd, NULL, NULL, flags);
		break;
	case 9:
		CALL(shutdown, fd, next_random(4));
		break;
	case 10:
		CALL(setsockopt, fd, SOL_SOCKET, next_random(2) ? SO_PASSCRED : SO_REUSEADDR, &one, sizeof(one));
		break;
	case 11:
		one = (int)next_random(9000);
		CALL(setsockopt, fd, SOL_SOCKET, next_random(2) ? SO_SNDBUF : SO_RCVBUF, &one, sizeof(one));
		break;
	case 12:
		CALL(getsockopt, fd, SOL_SOCKET, next_random(60), bytes, &length);
		break;
	case 13:
		CALL(epoll_create1, 0);
		break;
	case 14:
		CALL(epoll_ctl, next_random(FDS), 1 + next_random(3), fd, &event);
		break;
	case 15:
		CALL(epoll_wait, fd, events, 4, 0);
		break;
	case 16:
		CALL(eventfd2, 1, O_NONBLOCK);
		break;
	case 17:
	case 18:
		send_something(fd);
		break;
	case 19:
		receive_something(fd);
		break;
	case 20:
		CALL(socket, AF_VSOCK, SOCK_STREAM | flags, 0);
		break;
	case 21:
		CALL(bind, fd, &vm, sizeof(vm));
		break;
	case 22:
		CALL(connect, fd, &vm, sizeof(vm));
		break;
	case 23:
		CALL(setsockopt, fd, AF_VSOCK, next_random(4), &size, sizeof(size));
		break;
	case 24:
		length = 16;
		CALL(getsockopt, fd, AF_VSOCK, next_random(9), bytes, &length);
		break;
	case 25:
		devices_poll();
		break;
	default:
		close_fd((u32)fd);
	}
}

/* Whatever the queues of sockets hold, and whoever holds them. */
static void everything_is_freed(void)
{
	for (u32 fd = 0; fd < FDS; fd++)
		close_fd(fd);
	vsock_host_ends();
	memory_fails = false;
	long fd = CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	close_fd((u32)fd);
	CHECK(allocations == 0);
}

static void random_calls(void)
{
	for (u32 round = 0; round < 200; round++) {
		memory_fails = round % 2;
		for (u32 i = 0; i < 1500; i++)
			do_something();
		everything_is_freed();
	}
}

/* ---- ports ---- */

static void set_ip(struct endpoint *e, u32 host)
{
	const u8 ip[16] = { [10] = 0xff, [11] = 0xff, [12] = (u8)(host >> 24), [13] = (u8)(host >> 16), [14] = (u8)(host >> 8),
		                [15] = (u8)host };
	memcpy(e->ip, ip, 16);
}

static void ports_run_out(void)
{
	static struct port_table ports;
	static struct port_user users[PORT_LAST - PORT_FIRST + 2];
	u32 n = 0;

	for (; n < ARRAY_SIZE(users); n++) {
		set_ip(&users[n].local, 0x7f000001);
		list_init(&users[n].link);
		if (port_bind(&ports, &users[n], next_random(1 << 30)) < 0)
			break;
		CHECK(users[n].local.port >= PORT_FIRST && users[n].local.port <= PORT_LAST);
	}
	CHECK(n == ARRAY_SIZE(users) - 1);
	u16 freed = users[77].local.port;
	port_release(&users[77]);
	CHECK(port_bind(&ports, &users[n], 5) == 0 && users[n].local.port == freed);
}

static void ports_are_shared(void)
{
	static struct port_table ports;
	struct port_user any = { .local = { .port = 80 } }, exact = { .local = { .port = 80 } }, both = { .any_of_both = true };
	struct endpoint to = { .port = 80 };

	set_ip(&any.local, 0);
	set_ip(&exact.local, 0x7f000001);
	set_ip(&to, 0x7f000001);
	CHECK(port_bind(&ports, &any, 0) == 0);
	CHECK(port_bind(&ports, &exact, 0) == -EADDRINUSE);
	any.reuse_address = exact.reuse_address = true;
	CHECK(port_bind(&ports, &exact, 0) == 0);
	CHECK(!port_listener(&ports, &to));
	any.listening = true;
	CHECK(port_listener(&ports, &to) == &any);
	CHECK(!port_may_listen(&ports, &exact));
	port_release(&any);
	exact.listening = true;
	CHECK(port_listener(&ports, &to) == &exact);
	port_release(&exact);
	both.local.port = 80;
	both.listening = true;
	CHECK(port_bind(&ports, &both, 0) == 0);
	CHECK(port_listener(&ports, &to) == &both);
	any.listening = any.reuse_address = false;
	CHECK(port_bind(&ports, &any, 0) == -EADDRINUSE);
	both.any_of_both = false;
	CHECK(port_bind(&ports, &any, 0) == 0);
	CHECK(!port_listener(&ports, &to));
}

int main(void)
{
	ports_run_out();
	ports_are_shared();
	random_calls();
	printf("net: ok\n");
	return 0;
}
