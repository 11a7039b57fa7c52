/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long random sequences of calls, made on Substrate's file system and on a tmpfs of the host's kernel: every result and every
 * byte must be the same. The tree at the start comes from an image, so that everything happens over a lower layer.
 */
#include <asm/ioctls.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "tree.h"

#define CALLS 100000
#define MOST_FDS 24
#define FULL_COMPARISON_EVERY 5000
#define OTHER_USER 1000

static const char script[] =
	"mkdir -p work/a/b/c work/b work/d/d dev proc sys tmp; cd work; for s in 0 10 4095 4096 5000 9000 20000; do head -c $s /dev/urandom > f$s; done;"
	"cp f5000 a/a; cp f9000 a/b/b; ln f4096 a/d; ln f4096 c; ln -s a e; ln -s ../f10 a/e; ln -s /work/b a/b/e;"
	"ln f20000 d/a; mkfifo d/c; chmod 777 . a b d a/b; chown 1000:1000 a/b f10 a/a; chmod 1777 d;";

struct open_pair {
	int ours, host;
	bool directory;
};

static struct open_pair fds[MOST_FDS];
static u32 fd_count;
static u64 state;
static u32 step_number;
static char trace[256];
static u64 mode_bits = 07777; /* that are given to files */

static u64 below(u64 n)
{
	return next_random(&state) % n;
}

/* ---- arguments ---- */

/* Few names, so that calls meet each other. */
static const char *random_path(u32 which)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f10", "f4096", "f5000", "f20000", "..", ".", "n1", "n2" };
	char *path = shared->path[which];
	u64 parts = 1 + below(4);
	size_t at = 0;

	if (below(8) == 0)
		at += (size_t)snprintf(path, 16, "/work/");
	for (u64 i = 0; i < parts; i++)
		at += (size_t)snprintf(path + at, 16, "%s%s", i ? "/" : "", names[below(ARRAY_SIZE(names))]);
	if (below(20) == 0)
		snprintf(path + at, 2, "/");
	return path;
}

/* Near page bounds and ends more often than chance has it. */
static u64 random_offset(void)
{
	switch (below(4)) {
	case 0:
		return below(20) * 4096;
	case 1:
		return below(20) * 4096 + below(3) - (below(2) ? 1 : 0);
	default:
		return below(60000);
	}
}

static u64 random_length(void)
{
	return below(3) ? below(300) : below(13000);
}

/* ---- calls on both sides ---- */

static void differ(const char *what, long ours, long host)
{
	CHECK(false, "call %u, %s: %s %ld, the host %ld", step_number, trace, what, ours, host);
}

static long same(const char *what, long ours, long host)
{
	if (ours != host)
		differ(what, ours, host);
	return ours;
}

/* Arguments are evaluated twice. */
#define BOTH(name, ...) same(#name, CALL(name, __VA_ARGS__), HOST(name, __VA_ARGS__))
/* With a descriptor first. */
#define BOTH_FD(name, pair, ...) same(#name, CALL(name, (pair)->ours, __VA_ARGS__), HOST(name, (pair)->host, __VA_ARGS__))

static void remember(long ours, long host)
{
	struct stat st;

	if (ours < 0 || host < 0) {
		same("open", ours, host);
		return;
	}
	CHECK_EQ(CALL(fstat, ours, &st), 0);
	fds[fd_count++] = (struct open_pair){ (int)ours, (int)host, (st.st_mode & S_IFMT) == S_IFDIR };
}

static void forget(u32 index)
{
	same("close", CALL(close, fds[index].ours), HOST(close, fds[index].host));
	fds[index] = fds[--fd_count];
}

static struct open_pair *random_fd(void)
{
	return &fds[below(fd_count)];
}

static void op_open(void)
{
	static const u32 flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_TRUNC,
		O_WRONLY | O_APPEND, O_RDWR | O_CREAT | O_TRUNC, O_RDONLY | O_DIRECTORY, O_PATH, O_RDWR | O_CREAT | O_APPEND,
		O_RDONLY | O_NOFOLLOW };
	/* A FIFO must not be waited for. */
	u32 f = flags[below(ARRAY_SIZE(flags))] | O_NONBLOCK, mode = (u32)below(01000) | 0600;
	const char *path = random_path(0);

	if (fd_count == MOST_FDS)
		forget((u32)below(fd_count));
	snprintf(trace, sizeof(trace), "open %s %o %o", path, f, mode);
	remember(CALL(open, path, f, mode), HOST(open, path, f, mode));
}

static void op_openat(void)
{
	const char *path = random_path(0);

	if (fd_count == 0 || fd_count == MOST_FDS)
		return;
	struct open_pair *at = random_fd();
	snprintf(trace, sizeof(trace), "openat %d %s", at->ours, path);
	remember(CALL(openat, at->ours, path, O_RDWR | O_CREAT | O_NONBLOCK, 0666),
	         HOST(openat, at->host, path, O_RDWR | O_CREAT | O_NONBLOCK, 0666));
}

static bool is_fifo(const struct open_pair *fd)
{
	struct stat st;
	CHECK_EQ(CALL(fstat, fd->ours, &st), 0);
	return (st.st_mode & S_IFMT) == S_IFIFO;
}

/*
 * How much fits into a pipe depends on how writes fall into its pages, which is not the same here and there: pipes are kept
 * from getting full.
 */
static bool nearly_full(const struct open_pair *fd)
{
	int available;
	return CALL(ioctl, fd->ours, FIONREAD, &available) == 0 && is_fifo(fd) && available > 16000;
}

static void op_read(void)
{
	struct open_pair *fd = random_fd();
	u64 len = random_length(), offset = random_offset();
	bool at = below(2);
	long n;

	snprintf(trace, sizeof(trace), "read %lu at %lu", (unsigned long)len, (unsigned long)offset);
	if (at)
		n = same("pread", CALL(pread64, fd->ours, shared->kernel, len, offset), HOST(pread64, fd->host, shared->host, len, offset));
	else
		n = same("read", CALL(read, fd->ours, shared->kernel, len), HOST(read, fd->host, shared->host, len));
	CHECK(n <= 0 || !memcmp(shared->kernel, shared->host, (size_t)n), "call %u, %s: bytes differ", step_number, trace);
}

static void op_write(void)
{
	struct open_pair *fd = random_fd();
	u64 len = random_length(), offset = random_offset();
	u8 *data = shared->data;

	for (u64 i = 0; i < len; i++)
		data[i] = (u8)next_random(&state);
	snprintf(trace, sizeof(trace), "write %lu at %lu", (unsigned long)len, (unsigned long)offset);
	if (nearly_full(fd))
		return;
	if (below(2))
		BOTH_FD(pwrite64, fd, data, len, offset);
	else
		BOTH_FD(write, fd, data, len);
}

static void op_writev(void)
{
	struct open_pair *fd = random_fd();
	struct iovec *vec = (struct iovec *)(shared->data + 65536);
	u64 count = below(12);

	for (u64 i = 0; i < count; i++)
		vec[i] = (struct iovec){ .iov_base = shared->data + below(5000), .iov_len = below(3) * below(3000) };
	snprintf(trace, sizeof(trace), "writev %lu", (unsigned long)count);
	if (nearly_full(fd))
		return;
	BOTH_FD(writev, fd, vec, count);
}

static void op_seek(void)
{
	struct open_pair *fd = random_fd();
	u64 whence = below(6);
	s64 offset = (s64)random_offset() - (below(4) == 0 ? 30000 : 0);

	if (fd->directory) {
		whence = 0;
		offset = 0;
	}
	snprintf(trace, sizeof(trace), "lseek %ld %lu", (long)offset, (unsigned long)whence);
	BOTH_FD(lseek, fd, offset, whence);
}

static void op_truncate(void)
{
	u64 size = random_offset();

	snprintf(trace, sizeof(trace), "truncate %lu", (unsigned long)size);
	if (below(2) && fd_count) {
		struct open_pair *fd = random_fd();
		BOTH_FD(ftruncate, fd, size);
	} else {
		const char *path = random_path(0);
		BOTH(truncate, path, size);
	}
}

static void op_punch(void)
{
	struct open_pair *fd = random_fd();
	u64 offset = random_offset(), len = random_length() + below(2) * 8192;

	snprintf(trace, sizeof(trace), "punch %lu %lu", (unsigned long)offset, (unsigned long)len);
	BOTH_FD(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
}

static bool same_file(const struct open_pair *a, const struct open_pair *b)
{
	struct stat first, second;
	CHECK(CALL(fstat, a->ours, &first) == 0 && CALL(fstat, b->ours, &second) == 0, "fstat");
	return first.st_ino == second.st_ino;
}

static void op_copy(void)
{
	struct open_pair *in = random_fd(), *out = random_fd();
	u64 len = random_length();

	snprintf(trace, sizeof(trace), "sendfile %lu", (unsigned long)len);
	/* Within one file the host copies pages that it is changing by the copy. */
	if (in->directory || out->directory || is_fifo(in) || is_fifo(out) || same_file(in, out))
		return;
	same("sendfile", CALL(sendfile, out->ours, in->ours, 0, len), HOST(sendfile, out->host, in->host, 0, len));
}

static void op_make(void)
{
	const char *path = random_path(0);
	u64 mode = below(02000) & mode_bits;

	snprintf(trace, sizeof(trace), "mkdir/mknod %s %lo", path, (unsigned long)mode);
	switch (below(4)) {
	case 0:
		BOTH(mknod, path, S_IFREG | mode, 0);
		break;
	case 1:
		BOTH(mknod, path, S_IFIFO | mode, 0);
		break;
	default:
		BOTH(mkdir, path, mode | 0700);
	}
}

static void op_remove(void)
{
	const char *path = random_path(0);

	snprintf(trace, sizeof(trace), "unlink/rmdir %s", path);
	if (below(3))
		BOTH(unlink, path);
	else
		BOTH(rmdir, path);
}

static void op_rename(void)
{
	const char *from = random_path(0), *to = random_path(1);
	u64 flags = below(4) ? 0 : below(3);

	snprintf(trace, sizeof(trace), "rename %s %s %lu", from, to, (unsigned long)flags);
	BOTH(renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void op_link(void)
{
	const char *from = random_path(0), *to = random_path(1);
	u64 follow = below(2) ? AT_SYMLINK_FOLLOW : 0;

	snprintf(trace, sizeof(trace), "link %s %s", from, to);
	if (below(3) == 0)
		BOTH(symlink, from, to);
	else if (current->process->cred.fsuid == 0) /* the host may restrict others (fs.protected_hardlinks, proc(5)) */
		BOTH(linkat, AT_FDCWD, from, AT_FDCWD, to, follow);
}

static void compare_stat(const struct stat *a, const struct stat *b)
{
	bool directory = (a->st_mode & S_IFMT) == S_IFDIR;

	same("st_mode", a->st_mode, b->st_mode);
	same("st_nlink", (long)a->st_nlink, (long)b->st_nlink);
	same("st_uid", a->st_uid, b->st_uid);
	same("st_gid", a->st_gid, b->st_gid);
	if (!directory)
		same("st_size", a->st_size, b->st_size);
}

static void op_stat(void)
{
	struct stat *a = (struct stat *)shared->kernel, *b = (struct stat *)shared->host;
	const char *path = random_path(0);
	u64 how = below(3);
	long error;

	snprintf(trace, sizeof(trace), "stat %s", path);
	if (how == 0 && fd_count) {
		struct open_pair *fd = random_fd();
		error = same("fstat", CALL(fstat, fd->ours, a), HOST(fstat, fd->host, b));
	} else if (how == 1) {
		error = same("lstat", CALL(lstat, path, a), HOST(lstat, path, b));
	} else {
		error = same("stat", CALL(stat, path, a), HOST(stat, path, b));
	}
	if (error == 0)
		compare_stat(a, b);
}

static void op_readlink(void)
{
	const char *path = random_path(0);
	long n;

	snprintf(trace, sizeof(trace), "readlink %s", path);
	n = same("readlink", CALL(readlink, path, shared->kernel, 100), HOST(readlink, path, shared->host, 100));
	CHECK(n <= 0 || !memcmp(shared->kernel, shared->host, (size_t)n), "%s", trace);
}

static void op_list(void)
{
	static char ours[1 << 16], host[1 << 16];
	const char *path = random_path(0);
	long n;

	snprintf(trace, sizeof(trace), "list %s", path);
	n = same("getdents64", list_directory(call, path, ours, sizeof(ours)), list_directory(oracle_call, path, host, sizeof(host)));
	CHECK(n <= 0 || !memcmp(ours, host, (size_t)n), "%s:\n%s--\n%s", trace, ours, host);
}

static void op_attributes(void)
{
	const char *path = random_path(0);
	u64 mode = below(010000) & mode_bits, may = below(8), nofollow = below(2) ? AT_SYMLINK_NOFOLLOW : 0;
	u32 uid = (u32[]){ 0, OTHER_USER, ~0u }[below(3)], gid = (u32[]){ 0, OTHER_USER, ~0u }[below(3)];

	snprintf(trace, sizeof(trace), "chmod/chown/access %s %lo %d %d", path, (unsigned long)mode, (int)uid, (int)gid);
	switch (below(5)) {
	case 0:
		BOTH(chmod, path, mode | 0400);
		break;
	case 1:
		BOTH(chown, path, uid, gid);
		break;
	case 2:
		BOTH(lchown, path, uid, gid);
		break;
	case 3:
		BOTH(utimensat, AT_FDCWD, path, 0, nofollow);
		break;
	default:
		BOTH(access, path, may);
	}
}

static const char *base_path(void)
{
	memcpy(shared->path[1], "/work", 6);
	return shared->path[1];
}

static void op_directory(void)
{
	const char *path = random_path(0);
	long n;

	snprintf(trace, sizeof(trace), "chdir %s", path);
	if (below(3) == 0)
		BOTH(chdir, path);
	else if (below(3) == 0)
		BOTH(chdir, base_path());
	n = same("getcwd", CALL(getcwd, shared->kernel, 4096), HOST(getcwd, shared->host, 4096));
	CHECK(n <= 0 || !memcmp(shared->kernel, shared->host, (size_t)n), "%s: %s, %s", trace, shared->kernel, shared->host);
}

static void op_descriptors(void)
{
	struct open_pair *fd = random_fd();
	u64 append = below(2) ? O_APPEND : 0;

	snprintf(trace, sizeof(trace), "dup/fcntl/fchdir");
	switch (below(4)) {
	case 0:
		if (fd_count < MOST_FDS)
			remember(CALL(dup, fd->ours), HOST(dup, fd->host));
		break;
	case 1:
		BOTH_FD(fcntl, fd, F_GETFL, 0);
		break;
	case 2:
		BOTH_FD(fcntl, fd, F_SETFL, O_NONBLOCK | append);
		break;
	default:
		BOTH_FD(fsync, fd, 0);
	}
}

/* Root and another user by turns, as the file system sees them (setfsuid(2)). */
static void op_user(void)
{
	u32 uid = current->process->cred.fsuid ? 0 : OTHER_USER;

	/* Into the group first, while it is allowed. */
	HOST(setfsuid, 0);
	HOST(setfsgid, uid);
	HOST(setfsuid, uid);
	current->process->cred.fsuid = current->process->cred.fsgid = uid;
	current->process->cred.uid = current->process->cred.gid = 0;
}

static void op_umask(void)
{
	u64 mask = below(2) ? 022 : below(01000) & 077;
	BOTH(umask, mask);
}

static void step(void)
{
	static const struct { void (*run)(void); u32 weight; bool needs_fd; } ops[] = {
		{ op_open, 20, false },	{ op_openat, 4, true },	{ op_read, 15, true },	{ op_write, 15, true },	{ op_writev, 4, true },
		{ op_seek, 6, true },	{ op_truncate, 6, false },	{ op_punch, 4, true },	{ op_copy, 4, true },	{ op_make, 7, false },
		{ op_remove, 8, false },	{ op_rename, 10, false },	{ op_link, 6, false },	{ op_stat, 10, false },
		{ op_readlink, 2, false },	{ op_list, 2, false },	{ op_attributes, 8, false },	{ op_directory, 4, false },
		{ op_descriptors, 4, true },	{ op_user, 1, false },	{ op_umask, 1, false },
	};
	u32 total = 0, pick;

	for (u32 i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	pick = (u32)below(total);
	for (u32 i = 0; i < ARRAY_SIZE(ops); i++) {
		if (pick >= ops[i].weight) {
			pick -= ops[i].weight;
			continue;
		}
		if (!ops[i].needs_fd || fd_count)
			ops[i].run();
		return;
	}
}

static void become_root(void)
{
	if (current->process->cred.fsuid)
		op_user();
}

/* What is open, files without a name among it. */
static void compare_open_files(void)
{
	for (u32 i = 0; i < fd_count; i++) {
		struct open_pair *fd = &fds[i];
		if (is_fifo(fd))
			continue;
		snprintf(trace, sizeof(trace), "comparing descriptor %u", i);
		BOTH_FD(lseek, fd, 0, SEEK_CUR);
		long n = same("pread", CALL(pread64, fd->ours, shared->kernel, sizeof(shared->kernel), 0),
		              HOST(pread64, fd->host, shared->host, sizeof(shared->host), 0));
		CHECK(n <= 0 || !memcmp(shared->kernel, shared->host, (size_t)n), "call %u: open file %u differs", step_number, i);
	}
}

void test_random(void)
{
	const char *directory = tree_make("random", script);
	void *image;
	u32 nodes = 0;

	state = shim_seed;
	host_print("  seed %lu\n", (unsigned long)shim_seed);
	/* Hosts may restrict what is done in sticky directories (proc(5)); Substrate, as the kernel by itself, does not. */
	if (host_number("/proc/sys/fs/protected_symlinks") || host_number("/proc/sys/fs/protected_regular") ||
	    host_number("/proc/sys/fs/protected_fifos")) {
		host_print("  without sticky directories: this host restricts them\n");
		host_shell("chmod -t %s/work/d", directory);
		mode_bits &= ~(u64)S_ISVTX;
	}
	CHECK(oracle_start(directory), "cannot chroot: the tests need root");
	image = tree_boot(directory, "");
	BOTH(chdir, base_path());
	for (step_number = 0; step_number < CALLS; step_number++) {
		step();
		if (step_number % FULL_COMPARISON_EVERY == FULL_COMPARISON_EVERY - 1) {
			become_root();
			nodes += compare_trees("/work");
			compare_open_files();
		}
	}
	CHECK(nodes > 200, "only %u nodes compared: the calls leave nothing behind", nodes);
	while (fd_count)
		forget(0);
	become_root();
	shim_shut_down();
	oracle_stop();
	host_free(image);
}
