/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks: fcntl(2)'s of the process and of open files, and flock(2)'s, at random on one file, against the host's. Open files are
 * what conflicts within one process; two processes' record locks are tried on Substrate alone.
 */
#include <asm/fcntl.h>
#include <linux/fs.h>
#include <substrate/string.h>
#include "both.h"

#define FILES 4
#define STEPS 8000
#define RANGE 24 /* bytes that are locked */

static struct pair files[FILES];
static u64 state;

static u64 below(u64 n)
{
	return next_random(&state) % n;
}

/* Asks both sides; `type` F_UNLCK when nothing is in the way. */
static struct flock ask(const struct pair *fd, u32 command, u32 type, s64 start, s64 len)
{
	struct flock *ours = (struct flock *)shared->kernel, *host = (struct flock *)shared->host;

	*ours = *host = (struct flock){ .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	CHECK_EQ(CALL(fcntl, fd->ours, command, ours), 0);
	CHECK_EQ(HOST(fcntl, fd->host, command, host), 0);
	CHECK(ours->l_type == host->l_type, "command %u, type %u, %ld+%ld: %d is in the way, the host's %d", command, type, (long)start,
	      (long)len, ours->l_type, host->l_type);
	return *ours;
}

/* Everything that somebody could lock, byte by byte; and what is in the way there. */
static void compare_locks(void)
{
	for (u32 i = 0; i < FILES; i++)
		for (s64 at = 0; at < RANGE + 2; at++) {
			struct flock process = ask(&files[i], F_GETLK, F_WRLCK, at, 1), file = ask(&files[i], F_OFD_GETLK, F_WRLCK, at, 1);
			const struct flock *found[] = { &process, &file };
			for (u32 k = 0; k < ARRAY_SIZE(found); k++)
				CHECK(found[k]->l_type == F_UNLCK ||
				      (found[k]->l_start <= at && (found[k]->l_len == 0 || found[k]->l_start + found[k]->l_len > at)),
				      "what is in the way at %ld is said to be at %ld+%ld", (long)at, (long)found[k]->l_start, (long)found[k]->l_len);
			CHECK(process.l_type == F_UNLCK || process.l_pid == -1, "a file's lock has process %d", process.l_pid);
			CHECK(file.l_type == F_UNLCK || file.l_pid == -1 || file.l_pid == (int)current->process->pid, "%d", file.l_pid);
		}
}

static void set_range(void)
{
	static const u32 commands[] = { F_SETLK, F_OFD_SETLK };
	static const u32 types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct flock *request = (struct flock *)shared->data;
	struct pair *fd = &files[below(FILES)];
	u32 command = commands[below(2)];

	*request = (struct flock){ .l_type = (short)types[below(3)], .l_whence = (short)below(3) };
	request->l_start = (s64)below(RANGE) - (request->l_whence == SEEK_END ? RANGE : 0);
	request->l_len = below(6) == 0 ? 0 : (s64)below(10) - (below(4) == 0 ? 5 : 0);
	BOTH_FD(fcntl, *fd, command, request);
}

static void set_whole(void)
{
	static const u32 operations[] = { LOCK_SH, LOCK_EX, LOCK_UN };
	struct pair *fd = &files[below(FILES)];
	u32 operation = operations[below(3)] | LOCK_NB;

	BOTH_FD(flock, *fd, operation);
}

static struct pair open_again(u32 index)
{
	/* One that cannot be locked for writing, one not for reading. */
	static const u32 flags[FILES] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	struct pair fd = both_open("/file", flags[index], 0);

	BOTH_FD(lseek, fd, 3, SEEK_SET);
	return fd;
}

static void step(void)
{
	u64 what = below(20);
	u32 index = (u32)below(FILES);

	if (what < 13) {
		set_range();
	} else if (what < 18) {
		set_whole();
	} else if (what == 18) {
		both_close(files[index]);
		files[index] = open_again(index);
	} else {
		/* Another descriptor of the same open file: closing it ends the process' locks, not the open file's. */
		struct pair copy = { CALL(dup, files[index].ours), HOST(dup, files[index].host) };
		both_close(copy);
	}
}

static void check_random(void)
{
	state = shim_seed;
	for (u32 i = 0; i < FILES; i++)
		files[i] = open_again(i);
	for (u32 i = 0; i < STEPS; i++) {
		step();
		if (i % 100 == 0)
			compare_locks();
	}
	for (u32 i = 0; i < FILES; i++)
		both_close(files[i]);
}

static void check_bad_requests(void)
{
	const s64 most = 0x7fffffffffffffffL;
	static const struct { u32 command; struct flock request; long expected; } table[] = {
		{ F_SETLK, { .l_type = 7 }, -EINVAL }, { F_SETLK, { .l_type = F_RDLCK, .l_whence = 3 }, -EINVAL },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = -1 }, -EINVAL },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = 5, .l_len = -6 }, -EINVAL },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = 5, .l_len = -5 }, 0 },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = most, .l_len = 1 }, 0 },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = most, .l_len = 2 }, -EOVERFLOW },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = 1, .l_len = most }, 0 },
		{ F_SETLK, { .l_type = F_RDLCK, .l_start = 2, .l_len = most }, -EOVERFLOW },
		{ F_SETLK, { .l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = most }, -EOVERFLOW },
		{ F_SETLK, { .l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = most }, -EOVERFLOW },
		{ F_SETLK, { .l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = -RANGE - 1 }, -EINVAL },
		{ F_SETLK, { .l_type = F_RDLCK, .l_len = -most - 1 }, -EINVAL },
		{ F_OFD_SETLK, { .l_type = F_RDLCK, .l_pid = 1 }, -EINVAL }, { F_OFD_GETLK, { .l_type = F_RDLCK, .l_pid = 1 }, -EINVAL },
		{ F_GETLK, { .l_type = 7 }, -EINVAL }, { F_SETLK, { .l_type = F_UNLCK }, 0 },
	};
	struct pair fd = open_again(0), path_only = both_open("/file", O_PATH, 0);

	for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
		struct flock *request = (struct flock *)shared->data;
		*request = table[i].request;
		CHECK(BOTH_FD(fcntl, fd, table[i].command, request) == table[i].expected, "line %u", i);
	}
	CHECK_EQ(BOTH_FD(fcntl, fd, F_SETLK, 0x10), -EFAULT);
	CHECK_EQ(BOTH_FD(fcntl, path_only, F_SETLK, shared->data), -EBADF);
	CHECK_EQ(BOTH_FD(flock, path_only, LOCK_SH), -EBADF);
	CHECK_EQ(BOTH_FD(flock, fd, LOCK_NB), -EINVAL);
	CHECK_EQ(BOTH_FD(flock, fd, LOCK_SH | LOCK_EX), -EINVAL);
	both_close(path_only);
	both_close(fd);
}

/* ---- between two processes, and waiting ---- */

/* Puts the test task into the other process. */
static void switch_process(struct fd_table **other)
{
	struct fd_table *mine = current->files;

	current->files = *other;
	*other = mine;
	current->process->pid = current->process->pid == 7 ? 8 : 7;
}

static struct fd_table *other_files;
static long other_fd;

static long set(long fd, u32 command, u32 type, s64 start, s64 len)
{
	struct flock request = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	return CALL(fcntl, fd, command, &request);
}

static long other_unlocks(struct wait_queue *q)
{
	(void)q;
	switch_process(&other_files);
	CHECK_EQ(set(other_fd, F_SETLK, F_UNLCK, 5, 2), 0);
	switch_process(&other_files);
	return 0;
}

static long other_closes(struct wait_queue *q)
{
	(void)q;
	switch_process(&other_files);
	CHECK_EQ(CALL(close, other_fd), 0);
	switch_process(&other_files);
	return 0;
}

static long interrupted(struct wait_queue *q)
{
	(void)q;
	return -ERESTARTSYS;
}

static void check_processes(void)
{
	long fd = CALL(open, "/file", O_RDWR);
	struct flock found = { .l_type = F_RDLCK };

	other_files = fd_table_new();
	switch_process(&other_files);
	other_fd = CALL(open, "/file", O_RDWR);
	CHECK_EQ(set(other_fd, F_SETLK, F_WRLCK, 0, 10), 0);
	switch_process(&other_files);

	CHECK_EQ(set(fd, F_SETLK, F_RDLCK, 9, 5), -EAGAIN);
	CHECK_EQ(set(fd, F_SETLK, F_RDLCK, 10, 5), 0);
	CHECK_EQ(CALL(fcntl, fd, F_GETLK, &found), 0);
	CHECK(found.l_type == F_WRLCK && found.l_start == 0 && found.l_len == 10 && found.l_pid == 8, "%d, %ld+%ld of %d", found.l_type,
	      (long)found.l_start, (long)found.l_len, found.l_pid);
	shim_sleep = interrupted;
	CHECK_EQ(set(fd, F_SETLKW, F_WRLCK, 5, 2), -ERESTARTSYS);
	shim_sleep = other_unlocks;
	CHECK_EQ(set(fd, F_SETLKW, F_WRLCK, 5, 2), 0);
	CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 4, 1), -EAGAIN);
	CHECK_EQ(set(fd, F_SETLK, F_WRLCK, 7, 1), -EAGAIN);
	shim_sleep = other_closes;
	CHECK_EQ(set(fd, F_SETLKW, F_WRLCK, 0, 0), 0);
	shim_sleep = NULL;

	/* A process that ends leaves no lock behind. */
	switch_process(&other_files);
	other_fd = CALL(open, "/file", O_RDWR);
	CHECK_EQ(set(other_fd, F_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	CHECK_EQ(CALL(flock, other_fd, LOCK_EX), 0);
	switch_process(&other_files);
	CHECK_EQ(CALL(flock, fd, LOCK_SH | LOCK_NB), -EAGAIN);
	fd_table_put(other_files);
	CHECK_EQ(CALL(flock, fd, LOCK_SH | LOCK_NB), 0);
	CALL(close, fd);
}

void test_locks(void)
{
	const char *directory = tree_make("locks", "printf %024d 0 > file");
	void *image;

	CHECK(oracle_start(directory), "cannot chroot: the tests need root");
	image = tree_boot(directory, "");
	check_bad_requests();
	check_random();
	check_processes();
	shim_shut_down();
	oracle_stop();
	host_free(image);
}
