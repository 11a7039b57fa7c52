/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and what is done with them, beside what test_random.c does at random. */
#include <asm/ioctls.h>
#include <asm/statfs.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/resource.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/uio.h>
#include <asm/signal.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "../../src/fs/path.h"
#include "both.h"

#define TMPFILE 020200000u /* O_TMPFILE */
#define UTIME_NOW 0x3fffffffL
#define UTIME_OMIT 0x3ffffffeL

static const char script[] =
	"mkdir -p d/e big dev proc sys tmp; head -c 20000 /dev/urandom > f; printf 0123456789 > ten; echo 1 > d/one; ln -s ../ten d/link;"
	"for i in $(seq 1 300); do : > big/file-$i; done; chmod 777 d tmp; chmod 600 d/one";

/* The same limit for both. */
static void limit(u32 resource, u64 most)
{
	u64 *pair = (u64 *)shared->data;

	HOST(prlimit64, 0, resource, 0, pair);
	pair[0] = most;
	CHECK_EQ(HOST(prlimit64, 0, resource, pair, 0), 0);
	current->process->rlimit[resource][0] = most;
}

/* ---- descriptors ---- */

static void check_descriptors(void)
{
	struct pair fd = both_open("/ten", O_RDWR, 0), path_only = both_open("/ten", O_PATH, 0);

	limit(RLIMIT_NOFILE, 512);
	CHECK_EQ(BOTH_FD(dup2, fd, 100), 100);
	CHECK_EQ(BOTH(dup2, 100, 100), 100);
	CHECK_EQ(BOTH(dup2, 99, 99), -EBADF);
	CHECK_EQ(BOTH(dup2, 99, 100), -EBADF);
	CHECK_EQ(BOTH(dup2, 100, 512), -EBADF);
	CHECK_EQ(BOTH(dup2, 100, -1), -EBADF);
	CHECK_EQ(BOTH(dup2, 100, 511), 511);
	CHECK_EQ(BOTH(dup3, 100, 100, 0), -EINVAL);
	CHECK_EQ(BOTH(dup3, 100, 101, O_CLOEXEC), 101);
	CHECK_EQ(BOTH(dup3, 100, 102, O_NONBLOCK), -EINVAL);
	CHECK_EQ(BOTH(fcntl, 101, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(BOTH(fcntl, 101, F_SETFD, 0), 0);
	CHECK_EQ(BOTH(fcntl, 101, F_GETFD), 0);
	CHECK_EQ(BOTH(fcntl, 99, F_GETFD), -EBADF);
	CHECK_EQ(BOTH(fcntl, 100, F_DUPFD, 100), 102);
	CHECK_EQ(BOTH(fcntl, 100, F_DUPFD_CLOEXEC, 100), 103);
	CHECK_EQ(BOTH(fcntl, 103, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(BOTH(fcntl, 100, F_DUPFD, 511), -EMFILE);
	CHECK_EQ(BOTH(fcntl, 100, F_DUPFD, 512), -EINVAL);
	CHECK_EQ(BOTH(fcntl, 100, 12345, 0), -EINVAL);
	/* One position and one set of flags for all of them. */
	CHECK_EQ(BOTH(lseek, 103, 4, SEEK_SET), 4);
	CHECK_EQ(BOTH(lseek, 511, 0, SEEK_CUR), 4);
	CHECK_EQ(BOTH(fcntl, 103, F_SETFL, O_APPEND), 0);
	CHECK_EQ(BOTH(fcntl, 100, F_GETFL, 0), O_RDWR | O_APPEND | O_LARGEFILE | 0100000);
	CHECK_EQ(BOTH(ioctl, 100, FIOCLEX), 0);
	CHECK_EQ(BOTH(fcntl, 100, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(BOTH(close_range, 101, 102, 0), 0);
	CHECK_EQ(BOTH(close_range, 102, 101, 0), -EINVAL);
	CHECK_EQ(BOTH(close_range, 102, 110, 1 << 5), -EINVAL);
	CHECK_EQ(BOTH(close, 101), -EBADF);
	CHECK_EQ(BOTH(close_range, 103, 600, CLOSE_RANGE_CLOEXEC), 0);
	CHECK_EQ(BOTH(fcntl, 511, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(BOTH(close_range, 100, 1u << 31, CLOSE_RANGE_UNSHARE), 0);
	CHECK_EQ(BOTH(close, 511), -EBADF);

	/* O_PATH: a place, not a file. */
	CHECK_EQ(BOTH_FD(read, path_only, shared->kernel, 1), -EBADF);
	CHECK_EQ(BOTH_FD(write, path_only, shared->kernel, 1), -EBADF);
	CHECK_EQ(BOTH_FD(lseek, path_only, 0, SEEK_SET), -EBADF);
	CHECK_EQ(BOTH_FD(ftruncate, path_only, 0), -EBADF);
	CHECK_EQ(BOTH_FD(fchmod, path_only, 0600), -EBADF);
	CHECK_EQ(BOTH_FD(fchown, path_only, 0, 0), -EBADF);
	CHECK_EQ(BOTH_FD(ioctl, path_only, FIONREAD, shared->data), -EBADF);
	CHECK_EQ(BOTH_FD(fcntl, path_only, F_GETFL, 0), O_PATH);
	CHECK_EQ(BOTH_FD(fcntl, path_only, F_SETFL, 0), -EBADF);
	CHECK_EQ(BOTH_FD(fstat, path_only, shared->kernel), 0);
	CHECK_EQ(BOTH_FD(fchdir, path_only, 0), -ENOTDIR);
	both_close(path_only);
	both_close(fd);
	CHECK_EQ(BOTH_FD(fstat, fd, shared->kernel), -EBADF);
}

/* ---- reading and writing ---- */

static void check_transfers(void)
{
	struct pair fd = both_open("/f", O_RDWR, 0), append = both_open("/ten", O_WRONLY | O_APPEND, 0);
	struct iovec *vec = (struct iovec *)shared->data;
	int *left = (int *)shared->kernel;

	CHECK_EQ(BOTH_READ(pread64, fd, 10, -1), -EINVAL);
	CHECK_EQ(BOTH_READ(pread64, fd, -1, 0), -EFAULT);
	CHECK_EQ(BOTH_READ(pread64, fd, 100, 19950), 50);
	CHECK_EQ(BOTH_READ(pread64, fd, 100, 1L << 62), 0);
	CHECK_EQ(BOTH_FD(pwrite64, fd, shared->data, 1, 0x7fffffffffffffff), -EINVAL);
	CHECK_EQ(BOTH_READ(pread64, fd, 2, 0x7ffffffffffffffe), -EINVAL);
	CHECK_EQ(BOTH_READ(pread64, fd, 1, 0x7ffffffffffffffe), 0);
	CHECK_EQ(BOTH_READ(read, append, 1), -EBADF);
	CHECK_EQ(BOTH_FD(pwrite64, append, "ab", 2, 0), 2); /* at the end all the same (pwrite(2), BUGS) */
	CHECK_EQ(BOTH_FD(lseek, append, 0, SEEK_END), 12);
	CHECK_EQ(BOTH_FD(lseek, append, 2, SEEK_SET), 2);
	CHECK_EQ(BOTH_FD(write, append, "c", 1), 1);
	CHECK_EQ(BOTH_FD(lseek, append, 0, SEEK_CUR), 13);
	CHECK_EQ(BOTH_FD(lseek, append, -14, SEEK_END), -EINVAL);
	CHECK_EQ(BOTH_FD(lseek, append, 0, 9), -EINVAL);

	/* readv(2) and its kin */
	for (u32 i = 0; i < 20; i++)
		vec[i] = (struct iovec){ shared->path[0] + i * 100, i == 7 ? 0 : i * 5 };
	memset(shared->path, 0, sizeof(shared->path));
	CHECK_EQ(CALL(preadv, fd.ours, vec, 20, 4000), 915);
	memcpy(shared->kernel, shared->path, 2000);
	memset(shared->path, 0, sizeof(shared->path));
	CHECK_EQ(HOST(preadv, fd.host, vec, 20, 4000), 915);
	CHECK(!memcmp(shared->kernel, shared->path, 2000), "preadv");
	CHECK_EQ(BOTH_FD(pwritev, fd, vec, 20, 8100), 915);
	CHECK_EQ(BOTH_FD(pwritev2, fd, vec, 20, -1, 0, 0), 915);
	CHECK_EQ(BOTH_FD(lseek, fd, 0, SEEK_CUR), 915);
	CHECK_EQ(BOTH_FD(preadv2, fd, vec, 20, -1, 0, 0x8000), -EOPNOTSUPP);
	CHECK_EQ(BOTH_FD(writev, fd, vec, UIO_MAXIOV + 1), -EINVAL);
	CHECK_EQ(BOTH_FD(writev, fd, vec, -1), -EINVAL);
	CHECK_EQ(BOTH_FD(writev, fd, 0x10, 1), -EFAULT);
	CHECK_EQ(BOTH_FD(writev, fd, vec, 0), 0);
	vec[3].iov_len = -1UL;
	CHECK_EQ(BOTH_FD(readv, fd, vec, 20), -EINVAL);
	CHECK_EQ(BOTH_READ(pread64, fd, 30000, 0), 20000);

	CHECK_EQ(BOTH_FD(lseek, fd, 19000, SEEK_SET), 19000);
	CHECK_EQ(BOTH_FD(ioctl, fd, FIONREAD, left), 0);
	CHECK_EQ(*left, 1000);
	CHECK_EQ(BOTH_FD(ioctl, fd, 0x5401, shared->kernel), -ENOTTY); /* TCGETS: isatty(3) */
	CHECK_EQ(BOTH_FD(fadvise64, fd, 0, 0, 6), -EINVAL);
	CHECK_EQ(BOTH_FD(fadvise64, fd, 0, 0, 2), 0);
	CHECK_EQ(BOTH_FD(fallocate, fd, 0, -1, 1), -EINVAL);
	CHECK_EQ(BOTH_FD(fallocate, fd, 0, 0, 0), -EINVAL);
	CHECK_EQ(BOTH_FD(fallocate, fd, 0, 1, 0x7fffffffffffffff), -EFBIG);
	CHECK_EQ(BOTH_FD(fallocate, fd, FALLOC_FL_PUNCH_HOLE, 0, 1), -EOPNOTSUPP);
	both_close(fd);
	both_close(append);
}

/* The program's memory ends within a transfer. */
static void check_faults(void)
{
	struct pair fd = both_open("/f", O_RDWR, 0), out = both_open("/faults", O_RDWR | O_CREAT, 0600);
	u8 *bad = shared->data + 65536;

	CHECK_EQ(HOST(mprotect, bad, 65536, 0), 0);
	shim_bad_from = (u64)bad;
	shim_bad_to = shim_bad_from + 65536;
	CHECK_EQ(BOTH_FD(read, fd, bad, 100), -EFAULT);
	CHECK_EQ(BOTH_FD(read, fd, bad - 4096, 10000), 4096);
	CHECK_EQ(BOTH_FD(lseek, fd, 0, SEEK_CUR), 4096);
	CHECK_EQ(BOTH_FD(write, out, bad, 100), -EFAULT);
	CHECK_EQ(BOTH_FD(write, out, bad - 8192, 10000), 8192);
	CHECK_EQ(BOTH_FD(lseek, out, 0, SEEK_END), 8192);
	CHECK_EQ(BOTH_FD(fstat, out, bad - 8), -EFAULT);
	CHECK_EQ(BOTH(stat, bad, shared->kernel), -EFAULT);
	CHECK_EQ(BOTH(getcwd, bad, 100), -EFAULT);
	CHECK_EQ(BOTH(readlink, "/d/link", bad, 100), -EFAULT);
	shim_bad_from = shim_bad_to = 0;
	CHECK_EQ(HOST(mprotect, bad, 65536, 3), 0);
	CHECK_EQ(BOTH_READ(pread64, out, 10000, 0), 8192);
	both_close(fd);
	both_close(out);
}

static void check_file_size_limit(void)
{
	struct pair fd = both_open("/limited", O_RDWR | O_CREAT, 0600), in = both_open("/f", O_RDONLY, 0);

	limit(RLIMIT_FSIZE, 5000);
	shim_last_signal = 0;
	CHECK_EQ(BOTH_FD(write, fd, shared->path, 6000), 5000);
	CHECK_EQ(shim_last_signal, 0);
	CHECK_EQ(BOTH_FD(write, fd, shared->path, 1), -EFBIG);
	CHECK_EQ(shim_last_signal, SIGXFSZ);
	CHECK_EQ(BOTH_FD(pwrite64, fd, shared->path, 10, 4995), 5);
	shim_last_signal = 0;
	CHECK_EQ(BOTH_FD(ftruncate, fd, 5001), -EFBIG);
	CHECK_EQ(shim_last_signal, SIGXFSZ);
	CHECK_EQ(BOTH_FD(ftruncate, fd, 100), 0);
	CHECK_EQ(BOTH_FD(fallocate, fd, 0, 0, 5001), -EFBIG);
	/* What could not be written is not lost for the reader. */
	CHECK_EQ(BOTH_FD(lseek, fd, 0, SEEK_SET), 0);
	CHECK_EQ(both_answer(__FILE__, __LINE__, "sendfile", CALL(sendfile, fd.ours, in.ours, 0, 8000),
	                     HOST(sendfile, fd.host, in.host, 0, 8000)), 5000);
	CHECK_EQ(BOTH_FD(lseek, in, 0, SEEK_CUR), 5000);
	both_close(in);
	limit(RLIMIT_FSIZE, ~0UL);
	CHECK_EQ(BOTH_FD(ftruncate, fd, 5001), 0);
	both_close(fd);
}

/* Copies within the kernel; the offsets that a program gives are moved. */
static void check_copies(void)
{
	struct pair in = both_open("/f", O_RDONLY, 0), out = both_open("/copy", O_RDWR | O_CREAT, 0600);
	struct pair append = both_open("/copy", O_WRONLY | O_APPEND, 0), both_ways = both_open("/copy", O_RDWR, 0);
	s64 *from = (s64 *)shared->data, *to = from + 1;
	long answers[2];

#define COPY(source, from, target, to, len, flags)                                                       \
	both_answer(__FILE__, __LINE__, "copy_file_range", CALL(copy_file_range, source.ours, from, target.ours, to, len, flags), \
	            HOST(copy_file_range, source.host, from, target.host, to, len, flags))
#define SEND(source, from, target, len)                                                        \
	both_answer(__FILE__, __LINE__, "sendfile", CALL(sendfile, target.ours, source.ours, from, len), \
	            HOST(sendfile, target.host, source.host, from, len))
	CHECK_EQ(COPY(in, 0, out, 0, 7000, 0), 7000);
	CHECK_EQ(COPY(in, 0, out, 0, 70000, 0), 13000);
	CHECK_EQ(COPY(in, 0, out, 0, 1, 0), 0);
	for (int side = 0; side < 2; side++) {
		*from = 19000, *to = 30000;
		answers[side] = side ? HOST(copy_file_range, in.host, from, out.host, to, 5000, 0) :
		                       CALL(copy_file_range, in.ours, from, out.ours, to, 5000, 0);
		CHECK(answers[side] == 1000 && *from == 20000 && *to == 31000, "%ld, to %ld, %ld", answers[side], (long)*from, (long)*to);
		*from = 10;
		answers[side] = side ? HOST(sendfile, out.host, in.host, from, 500) : CALL(sendfile, out.ours, in.ours, from, 500);
		CHECK(answers[side] == 500 && *from == 510, "%ld, to %ld", answers[side], (long)*from);
	}
	CHECK_EQ(COPY(in, 0, out, 0, 1, 1), -EINVAL);
	CHECK_EQ(COPY(in, 0, append, 0, 1, 0), -EBADF);
	CHECK_EQ(COPY(append, 0, out, 0, 1, 0), -EBADF);
	CHECK_EQ(COPY(in, 0, in, 0, 1, 0), -EBADF);
	*from = 0, *to = 50;
	CHECK_EQ(COPY(both_ways, from, both_ways, to, 100, 0), -EINVAL);
	*from = -100;
	CHECK_EQ(COPY(in, from, out, 0, 1, 0), -EINVAL);
	CHECK_EQ(SEND(in, from, out, 1), -EINVAL);
	CHECK_EQ(SEND(in, 0x10, out, 1), -EFAULT);
	CHECK_EQ(SEND(append, 0, out, 1), -EBADF);
	CHECK_EQ(BOTH_READ(pread64, out, 100000, 0), 31000);
#undef COPY
#undef SEND
	both_close(in);
	both_close(out);
	both_close(append);
	both_close(both_ways);
}

/* ---- files without a name ---- */

static void check_unnamed(void)
{
	struct pair fd = both_open("/d", TMPFILE | O_RDWR, 0640), exclusive = both_open("/d", TMPFILE | O_RDWR | O_EXCL, 0600);
	struct stat *ours = (struct stat *)shared->kernel, *host = (struct stat *)shared->host;

	CHECK_EQ(both_open("/d", TMPFILE, 0600).ours, -EINVAL);
	CHECK_EQ(both_open("/d", 020000000 | O_RDWR, 0600).ours, -EINVAL);
	CHECK_EQ(both_open("/ten", TMPFILE | O_RDWR, 0600).ours, -ENOTDIR);
	CHECK_EQ(both_open("/absent", TMPFILE | O_RDWR, 0600).ours, -ENOENT);
	CHECK_EQ(BOTH_FD(write, fd, "unnamed", 7), 7);
	CHECK_EQ(CALL(fstat, fd.ours, ours), 0);
	CHECK_EQ(HOST(fstat, fd.host, host), 0);
	CHECK(ours->st_nlink == 0 && host->st_nlink == 0 && ours->st_mode == host->st_mode, "%o, %o", ours->st_mode, host->st_mode);
	CHECK_EQ(BOTH_FD(linkat, exclusive, "", AT_FDCWD, "/d/new", AT_EMPTY_PATH), -ENOENT);
	CHECK_EQ(BOTH_FD(linkat, fd, "", AT_FDCWD, "/d/new", AT_EMPTY_PATH), 0);
	CHECK_EQ(BOTH_FD(linkat, fd, "", AT_FDCWD, "/d/new", AT_EMPTY_PATH), -EEXIST);
	CHECK_EQ(BOTH_FD(linkat, fd, "", AT_FDCWD, "/d/new2", AT_EMPTY_PATH), 0);
	both_close(fd);
	both_close(exclusive);
	compare_trees("/d");
	CHECK_EQ(BOTH(unlink, "/d/new"), 0);
	CHECK_EQ(BOTH(unlink, "/d/new2"), 0);

	/* What is open stays, though its name and its directory are gone. */
	CHECK_EQ(BOTH(mkdir, "/gone", 0755), 0);
	fd = both_open("/gone/file", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(BOTH_FD(write, fd, "still here", 10), 10);
	CHECK_EQ(BOTH(unlink, "/gone/file"), 0);
	CHECK_EQ(BOTH_FD(linkat, fd, "", AT_FDCWD, "/again", AT_EMPTY_PATH), -ENOENT);
	CHECK_EQ(BOTH(chdir, "/gone"), 0);
	CHECK_EQ(BOTH(rmdir, "/gone"), 0);
	CHECK_EQ(BOTH(getcwd, shared->kernel, 100), -ENOENT);
	CHECK_EQ(both_open("new", O_RDWR | O_CREAT, 0600).ours, -ENOENT);
	CHECK_EQ(BOTH(mkdir, "new", 0755), -ENOENT);
	CHECK_EQ(BOTH(stat, "..", shared->kernel), 0);
	CHECK_EQ(BOTH(chdir, ".."), 0);
	CHECK_EQ(BOTH_READ(pread64, fd, 100, 0), 10);
	both_close(fd);
}

static void check_seals(void)
{
	struct pair fd = { CALL(memfd_create, "m", MFD_ALLOW_SEALING), HOST(memfd_create, "m", MFD_ALLOW_SEALING) };
	struct pair sealed = { CALL(memfd_create, "s", 0), HOST(memfd_create, "s", 0) }, file = both_open("/f", O_RDWR, 0);

	CHECK_EQ(BOTH_FD(fcntl, sealed, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_EQ(BOTH_FD(fcntl, sealed, F_ADD_SEALS, F_SEAL_GROW), -EPERM);
	CHECK_EQ(BOTH_FD(write, fd, shared->path, 5000), 5000);
	CHECK_EQ(BOTH_FD(fcntl, fd, F_GET_SEALS), 0);
	CHECK_EQ(BOTH_FD(fcntl, fd, F_ADD_SEALS, 1 << 10), -EINVAL);
	CHECK_EQ(BOTH_FD(fcntl, fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(BOTH_FD(write, fd, shared->path, 1), -EPERM);
	CHECK_EQ(BOTH_FD(pwrite64, fd, shared->path, 1, 4999), 1);
	CHECK_EQ(BOTH_FD(ftruncate, fd, 5001), -EPERM);
	CHECK_EQ(BOTH_FD(fallocate, fd, 0, 0, 5001), -EPERM);
	CHECK_EQ(BOTH_FD(ftruncate, fd, 4000), 0);
	CHECK_EQ(BOTH_FD(fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_EQ(BOTH_FD(ftruncate, fd, 3999), -EPERM);
	CHECK_EQ(BOTH_FD(fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), 0);
	CHECK_EQ(BOTH_FD(pwrite64, fd, shared->path, 1, 0), -EPERM);
	CHECK_EQ(BOTH_FD(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 100), -EPERM);
	CHECK_EQ(BOTH_FD(fcntl, fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	CHECK_EQ(BOTH_READ(pread64, fd, 10000, 0), 4000);
	CHECK_EQ(BOTH(memfd_create, "m", 1 << 10), -EINVAL);
	memset(shared->data, 'n', 300);
	shared->data[250] = 0;
	CHECK_EQ(BOTH(memfd_create, shared->data, 0), -EINVAL);
	both_close(fd);
	both_close(sealed);
	both_close(file);
}

/* ---- attributes ---- */

static void compare_times(const char *path)
{
	struct statx *ours = (struct statx *)shared->kernel, *host = (struct statx *)shared->host;
	const struct statx_timestamp *pairs[][2] = { { &ours->stx_atime, &host->stx_atime }, { &ours->stx_mtime, &host->stx_mtime } };

	CHECK_EQ(CALL(statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, ours), 0);
	CHECK_EQ(HOST(statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, host), 0);
	for (u32 i = 0; i < 2; i++)
		CHECK(pairs[i][0]->tv_sec == pairs[i][1]->tv_sec && pairs[i][0]->tv_nsec == pairs[i][1]->tv_nsec, "%s, time %u: %ld.%u, the host %ld.%u",
		      path, i, (long)pairs[i][0]->tv_sec, pairs[i][0]->tv_nsec, (long)pairs[i][1]->tv_sec, pairs[i][1]->tv_nsec);
	CHECK(ours->stx_mode == host->stx_mode && ours->stx_nlink == host->stx_nlink, "%s", path);
	CHECK((ours->stx_mode & S_IFMT) == S_IFDIR || ours->stx_size == host->stx_size, "%s", path);
	CHECK((ours->stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS, "%x", ours->stx_mask);
}

static void check_times(void)
{
	static const s64 table[][4] = { { 1, 2, 3, 4 }, { -5, 999999999, 1700000000, 0 }, { 0, UTIME_OMIT, 77, 7 }, { 88, 8, 0, UTIME_OMIT } };
	static const s64 bad[][4] = { { 1, 1000000000, 1, 1 }, { 1, 1, 1, -1 } };
	static const char *const paths[] = { "/ten", "/d", "/d/link" };

	for (u32 p = 0; p < ARRAY_SIZE(paths); p++)
		for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
			memcpy(shared->data, table[i], sizeof(table[i]));
			CHECK_EQ(BOTH(utimensat, AT_FDCWD, paths[p], shared->data, AT_SYMLINK_NOFOLLOW), 0);
			compare_times(paths[p]);
		}
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(shared->data, bad[i], sizeof(bad[i]));
		CHECK_EQ(BOTH(utimensat, AT_FDCWD, "/ten", shared->data, 0), -EINVAL);
	}
	memcpy(shared->data, (s64[]){ 11, 22, 33, 44 }, 32);
	CHECK_EQ(BOTH(utimes, "/ten", shared->data), 0);
	compare_times("/ten");
	CHECK_EQ(BOTH(utime, "/ten", shared->data), 0);
	compare_times("/ten");
	memcpy(shared->data, (s64[]){ 11, 1000000, 33, 44 }, 32);
	CHECK_EQ(BOTH(utimes, "/ten", shared->data), -EINVAL);
	CHECK_EQ(BOTH(utimensat, AT_FDCWD, "/absent", 0, 0), -ENOENT);
	CHECK_EQ(BOTH(statx, AT_FDCWD, "/ten", 0x6000, 0, shared->kernel), -EINVAL);
	CHECK_EQ(BOTH(statx, AT_FDCWD, "", AT_EMPTY_PATH, 0, shared->kernel), 0);
	CHECK_EQ(BOTH(newfstatat, AT_FDCWD, "", shared->kernel, 0), -ENOENT);
	CHECK_EQ(BOTH(newfstatat, AT_FDCWD, "", shared->kernel, AT_EMPTY_PATH), 0);
	CHECK_EQ(BOTH(newfstatat, AT_FDCWD, "/ten", shared->kernel, 1), -EINVAL);
	CHECK_EQ(BOTH(newfstatat, 77, "ten", shared->kernel, 0), -EBADF);
	CHECK_EQ(BOTH(newfstatat, 77, "/ten", shared->kernel, 0), 0);

	/* access(2) asks for the real user, faccessat(2) with AT_EACCESS for the effective one. */
	current->process->cred.uid = current->process->cred.gid = 1000;
	CHECK_EQ(CALL(access, "/d/one", 4), -EACCES);
	CHECK_EQ(CALL(faccessat2, AT_FDCWD, "/d/one", 4, 0x200), 0);
	CHECK_EQ(current->process->cred.fsuid, 0);
	current->process->cred.uid = current->process->cred.gid = 0;
}

/* ---- directories ---- */

static u32 count_names(long fd)
{
	u32 count = 0;
	long n;

	while ((n = CALL(getdents64, fd, shared->kernel, 1000)) > 0)
		for (long at = 0; at < n; at += ((struct dirent64 *)(shared->kernel + at))->length)
			count++;
	CHECK_EQ(n, 0);
	return count;
}

/* A reader of a directory sees each name once, even when he renames or removes what he sees. */
static void check_changed_while_read(void)
{
	char path[64], moved[64];
	u32 seen = 0, removed = 0;
	long fd = CALL(open, "/big", O_RDONLY | O_DIRECTORY), n;

	while ((n = CALL(getdents64, fd, shared->kernel, 700)) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(shared->kernel + at);
			at += d->length;
			if (d->name[0] == '.')
				continue;
			CHECK(++seen <= 300, "a name is seen again: %s", d->name);
			snprintf(path, sizeof(path), "/big/%s", d->name);
			snprintf(moved, sizeof(moved), "/big/%s-moved", d->name);
			CHECK_EQ(CALL(rename, path, moved), 0);
		}
	CHECK_EQ(seen, 300);
	CHECK_EQ(CALL(lseek, fd, 0, SEEK_SET), 0);
	CHECK_EQ(count_names(fd), 302);

	/* Positions are good for coming back to. */
	CHECK_EQ(CALL(lseek, fd, 0, SEEK_SET), 0);
	for (u32 i = 0; i < 302; i++) {
		n = CALL(getdents64, fd, shared->kernel, 48);
		const struct dirent64 *first = (const struct dirent64 *)shared->kernel;
		s64 next = first->next;
		CHECK(n > 0, "%ld", n);
		CHECK_EQ(CALL(lseek, fd, next, SEEK_SET), next);
	}
	CHECK_EQ(count_names(fd), 0);

	CHECK_EQ(CALL(lseek, fd, 0, SEEK_SET), 0);
	while ((n = CALL(getdents64, fd, shared->kernel, 700)) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(shared->kernel + at);
			at += d->length;
			snprintf(path, sizeof(path), "/big/%s", d->name);
			removed += d->name[0] != '.' && CALL(unlink, path) == 0;
		}
	CHECK_EQ(removed, 300);
	CHECK_EQ(CALL(rmdir, "/big"), 0);
	CHECK_EQ(CALL(getdents64, fd, shared->kernel, 700), -ENOENT);
	CHECK_EQ(CALL(close, fd), 0);
}

/* getdents(2), whose records are others. */
static void check_old_records(void)
{
	struct old { u64 ino, next; u16 length; char name[]; };
	struct pair fd = both_open("/d", O_RDONLY | O_DIRECTORY, 0);
	u32 names = 0, expected = 5; /* . .. e one link */
	long n = CALL(getdents, fd.ours, shared->kernel, 1000);

	for (long at = 0; at < n;) {
		const struct old *d = (const struct old *)(shared->kernel + at);
		u8 type = shared->kernel[at + d->length - 1];
		struct stat st;
		CHECK_EQ(CALL(newfstatat, fd.ours, d->name, &st, AT_SYMLINK_NOFOLLOW), 0);
		CHECK(type_of_mode(st.st_mode) == type, "%s: type %u", d->name, type);
		CHECK(!strcmp(d->name, "..") || st.st_ino == d->ino, "%s: inode number", d->name);
		at += d->length;
		names++;
	}
	CHECK_EQ(names, expected);
	CHECK_EQ(HOST(getdents, fd.host, shared->host, 1000), n);
	CHECK_EQ(CALL(lseek, fd.ours, 0, SEEK_SET), 0);
	CHECK_EQ(HOST(lseek, fd.host, 0, SEEK_SET), 0);
	CHECK_EQ(BOTH_FD(getdents, fd, shared->kernel, 10), -EINVAL);
	CHECK_EQ(BOTH_FD(getdents64, fd, 0x10, 100), -EFAULT);
	CHECK_EQ(BOTH_READ(read, fd, 10), -EISDIR);
	CHECK_EQ(BOTH_FD(write, fd, "x", 1), -EBADF);
	both_close(fd);
	fd = both_open("/ten", O_RDONLY, 0);
	CHECK_EQ(BOTH_FD(getdents64, fd, shared->kernel, 100), -ENOTDIR);
	both_close(fd);
}

static void check_root(void)
{
	CHECK_EQ(CALL(chroot, "/d"), 0);
	CHECK_EQ(CALL(chdir, "/"), 0);
	CHECK_EQ(CALL(stat, "/one", shared->kernel), 0);
	CHECK_EQ(CALL(stat, "/../../one", shared->kernel), 0);
	CHECK_EQ(CALL(stat, "/../ten", shared->kernel), -ENOENT);
	CHECK_EQ(CALL(stat, "/link", shared->kernel), -ENOENT);
	CHECK_EQ(CALL(getcwd, shared->kernel, 100), 2);
	current->process->cred.euid = 1000;
	CHECK_EQ(CALL(chroot, "/e"), -EPERM);
	current->process->cred.euid = 0;
	node_put(current->fs->root);
	current->fs->root = node_get(root_fs.root);
	CHECK_EQ(CALL(chdir, "/"), 0);
}

/* ---- pages for mappings ---- */

static u8 *page_of(struct node *node, u64 index, bool write)
{
	paddr_t frame;

	CHECK_EQ(node_frame(node, index, write, &frame), 0);
	frame_put(frame); /* the file holds it */
	return (u8 *)frame;
}

static void check_mappings(void)
{
	struct node *node = path_lookup("/f");
	long fd = CALL(open, "/f", O_RDWR);
	paddr_t frame;

	CHECK_EQ(CALL(ftruncate, fd, 9000), 0);
	/* A write through a mapping is read, and the other way round. */
	page_of(node, 1, true)[7] = 'm';
	CHECK_EQ(CALL(pread64, fd, shared->kernel, 1, 4096 + 7), 1);
	CHECK_EQ(shared->kernel[0], 'm');
	CHECK_EQ(CALL(pwrite64, fd, "w", 1, 4096 + 8), 1);
	CHECK_EQ(page_of(node, 1, false)[8], 'w');
	CHECK(page_of(node, 1, false) == page_of(node, 1, true), "one page has two frames");
	/* What lies behind the end is zero, and is not taken into the file when it grows. */
	CHECK_EQ(page_of(node, 2, false)[9000 - 8192], 0);
	page_of(node, 2, true)[9000 - 8192] = 'x';
	CHECK_EQ(CALL(ftruncate, fd, 10000), 0);
	CHECK_EQ(CALL(pread64, fd, shared->kernel, 1, 9000), 1);
	CHECK_EQ(shared->kernel[0], 0);
	CHECK_EQ(node_frame(node, 3, false, &frame), -ENXIO);
	/* A frame that somebody has mapped outlives the file's end. */
	CHECK_EQ(node_frame(node, 1, true, &frame), 0);
	CHECK_EQ(CALL(ftruncate, fd, 0), 0);
	CHECK_EQ(((u8 *)frame)[7], 'm');
	frame_put(frame);
	CHECK_EQ(node_frame(node, 0, false, &frame), -ENXIO);
	node_put(node);
	node = path_lookup("/d");
	CHECK_EQ(node_frame(node, 0, false, &frame), -ENODEV);
	node_put(node);
	CALL(close, fd);
}

/* ---- devices ---- */

static void check_devices(void)
{
	long fd = CALL(open, "/dev/null", O_RDWR);

	CHECK_EQ(CALL(read, fd, shared->kernel, 10), 0);
	CHECK_EQ(CALL(write, fd, 0x10, 10), 10);
	CALL(close, fd);
	fd = CALL(open, "/dev/zero", O_RDWR);
	memset(shared->kernel, 1, 100);
	CHECK_EQ(CALL(read, fd, shared->kernel, 99), 99);
	CHECK(shared->kernel[0] == 0 && shared->kernel[98] == 0 && shared->kernel[99] == 1, "/dev/zero");
	CHECK_EQ(CALL(read, fd, 0x10, 99), -EFAULT);
	CALL(close, fd);
	fd = CALL(open, "/dev/full", O_RDWR);
	CHECK_EQ(CALL(write, fd, shared->kernel, 99), -ENOSPC);
	CALL(close, fd);
	fd = CALL(open, "/dev/urandom", O_RDWR);
	CHECK_EQ(CALL(read, fd, shared->kernel, 1000), 1000);
	CHECK_EQ(CALL(read, fd, shared->host, 1000), 1000);
	CHECK(memcmp(shared->kernel, shared->host, 1000), "/dev/urandom repeats itself");
	CHECK_EQ(CALL(write, fd, shared->kernel, 1000), 1000);
	CALL(close, fd);
	CHECK_EQ(CALL(open, "/dev/tty", O_RDWR), -ENXIO);
	CHECK_EQ(CALL(rename, "/dev/null", "/null"), -EXDEV);
	CHECK_EQ(CALL(link, "/dev/null", "/null"), -EXDEV);
	CHECK_EQ(CALL(open, "/dev/shm/new", O_CREAT | O_RDWR | O_EXCL, 0600), 0);
	CHECK_EQ(CALL(close, 0), 0);
}

void test_files(void)
{
	const char *directory = tree_make("files", script);
	void *image;

	CHECK(oracle_start(directory), "cannot chroot: the tests need root");
	image = tree_boot(directory, "");
	check_descriptors();
	check_transfers();
	check_faults();
	check_file_size_limit();
	check_copies();
	check_unnamed();
	check_seals();
	check_times();
	check_old_records();
	check_changed_while_read();
	check_root();
	check_mappings();
	check_devices();
	shim_shut_down();
	oracle_stop();
	host_free(image);
}
