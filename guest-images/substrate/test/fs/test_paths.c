/* SPDX-License-Identifier: Apache-2.0 */
/* A table of paths and what must become of them; the host's kernel has to agree with every line. */
#include <linux/fs.h>
#include <linux/openat2.h>
#include <substrate/string.h>
#include "tree.h"

static const char script[] =
	"mkdir -p d/e/f locked sticky; echo text > file; echo inner > d/inner; ln -s file link; ln -s d dlink; ln -s /d/e abs;"
	"ln -s nowhere broken; ln -s loop loop; ln -s b-link a-link; ln -s a-link b-link; ln -s d/ slashed; ln -s file/ badly;"
	"ln -s ../.. up; ln -s link link2; ln -s . here; echo secret > locked/file; chmod 700 locked; chmod 600 d/inner;"
	"p=file; for i in $(seq 1 40); do ln -s $p chain$i; p=chain$i; done; ln -s chain40 chain41; mkfifo fifo;"
	"mkdir outside; ln -s ../outside d/escape; ln -s /outside d/absolute";

/* One line: a call that takes up to two paths and two numbers. */
struct line {
	long nr;
	const char *path, *path2;
	u64 a, b;
	long expected;
};

#define OPEN(path, flags, expected) { __NR_openat, path, NULL, flags, 0644, expected }
#define ONE(name, path, expected) { __NR_##name, path, NULL, 0, 0, expected }
#define TWO(name, from, to, expected) { __NR_##name, from, to, 0, 0, expected }
#define RENAME2(from, to, flags, expected) { __NR_renameat2, from, to, flags, 0, expected }
#define ANY_FD 1000

static const struct line lines[] = {
	/* looking */
	ONE(stat, "/", 0), ONE(stat, "//", 0), ONE(stat, "/.", 0), ONE(stat, "/..", 0), ONE(stat, "/../../d", 0), ONE(stat, ".", 0),
	ONE(stat, "", -ENOENT), ONE(stat, "file", 0), ONE(stat, "./file", 0), ONE(stat, ".//./file", 0), ONE(stat, "file/", -ENOTDIR),
	ONE(stat, "file/.", -ENOTDIR), ONE(stat, "file/..", -ENOTDIR), ONE(stat, "file/x", -ENOTDIR), ONE(stat, "nowhere", -ENOENT),
	ONE(stat, "nowhere/..", -ENOENT), ONE(stat, "nowhere/x", -ENOENT), ONE(stat, "d/", 0), ONE(stat, "d//e//f//", 0),
	ONE(stat, "d/../file", 0), ONE(stat, "d/e/../../file", 0), ONE(stat, "link", 0), ONE(stat, "link/", -ENOTDIR),
	ONE(lstat, "link/", -ENOTDIR), ONE(lstat, "dlink/", 0), ONE(stat, "dlink/e/f", 0), ONE(stat, "dlink/../file", 0),
	ONE(stat, "abs/f", 0), ONE(stat, "abs/../e", 0), ONE(stat, "broken", -ENOENT), ONE(lstat, "broken", 0),
	ONE(lstat, "broken/", -ENOENT), ONE(stat, "loop", -ELOOP), ONE(lstat, "loop", 0), ONE(lstat, "loop/", -ELOOP),
	ONE(stat, "a-link", -ELOOP), ONE(stat, "a-link/x", -ELOOP), ONE(stat, "slashed", 0), ONE(stat, "slashed/e", 0),
	ONE(stat, "badly", -ENOTDIR), ONE(stat, "up", 0), ONE(stat, "up/d/e", 0), ONE(stat, "link2", 0), ONE(stat, "chain39", 0),
	ONE(stat, "chain40", 0), ONE(stat, "chain41", -ELOOP), ONE(stat, "here/here/here/file", 0),
	ONE(stat, "here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/"
	          "here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/file", 0),
	ONE(stat, "here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/"
	          "here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/here/file", -ELOOP),

	/* opening */
	OPEN("file", O_RDONLY, ANY_FD), OPEN("file/", O_RDONLY, -ENOTDIR), OPEN("d", O_RDONLY, ANY_FD), OPEN("d", O_WRONLY, -EISDIR),
	OPEN("d", O_RDWR, -EISDIR), OPEN("d", O_RDONLY | O_TRUNC, -EISDIR), OPEN("d", O_CREAT, -EISDIR),
	OPEN("d", O_CREAT | O_EXCL, -EEXIST), OPEN("file", O_DIRECTORY, -ENOTDIR), OPEN("d", O_DIRECTORY, ANY_FD),
	OPEN("link", O_NOFOLLOW, -ELOOP), OPEN("link", O_NOFOLLOW | O_PATH, ANY_FD), OPEN("dlink", O_NOFOLLOW | O_DIRECTORY, -ENOTDIR),
	OPEN("dlink/", O_NOFOLLOW, ANY_FD), OPEN("dlink", O_PATH, ANY_FD), OPEN("loop", O_RDONLY, -ELOOP),
	OPEN("broken", O_RDONLY, -ENOENT), OPEN("broken", O_CREAT | O_EXCL | O_WRONLY, -EEXIST), OPEN("broken", O_CREAT | O_WRONLY, ANY_FD),
	OPEN("nowhere", O_RDONLY, ANY_FD), OPEN("new", O_RDONLY, -ENOENT), OPEN("new/", O_CREAT | O_WRONLY, -EISDIR),
	OPEN("new/x", O_CREAT | O_WRONLY, -ENOENT), OPEN("new", O_CREAT | O_WRONLY | O_EXCL, ANY_FD),
	OPEN("new", O_CREAT | O_WRONLY | O_EXCL, -EEXIST), OPEN("new", O_CREAT | O_RDWR, ANY_FD), OPEN(".", O_CREAT | O_RDONLY, -EISDIR),
	OPEN("/", O_CREAT | O_RDONLY, -EISDIR), OPEN("d/..", O_CREAT | O_RDONLY, -EISDIR), OPEN("file/x", O_CREAT | O_WRONLY, -ENOTDIR),
	OPEN("link2", O_RDWR | O_CREAT, ANY_FD), OPEN("fifo", O_RDONLY | O_NONBLOCK, ANY_FD), OPEN("fifo", O_WRONLY | O_NONBLOCK, -ENXIO),
	OPEN("fifo", O_PATH, ANY_FD), OPEN("", O_RDONLY, -ENOENT), OPEN(".", O_RDONLY | O_DIRECTORY, ANY_FD),
	OPEN("slashed", O_RDONLY | O_NOFOLLOW, -ELOOP), OPEN("d/e", O_WRONLY | O_CREAT | O_TRUNC, -EISDIR),

	/* making */
	ONE(mkdir, "d", -EEXIST), ONE(mkdir, "d/", -EEXIST), ONE(mkdir, "made/", 0), ONE(mkdir, "made/.", -EEXIST),
	ONE(mkdir, "made/..", -EEXIST), ONE(mkdir, "/", -EEXIST), ONE(mkdir, "file/x", -ENOTDIR), ONE(mkdir, "absent/x", -ENOENT),
	ONE(mkdir, "loop", -EEXIST), ONE(mkdir, "loop/x", -ELOOP), ONE(mkdir, "", -ENOENT),
	{ __NR_mknod, "d", NULL, S_IFREG | 0644, 0, -EEXIST }, { __NR_mknod, "node/", NULL, S_IFREG | 0644, 0, -ENOENT },
	{ __NR_mknod, "node", NULL, S_IFREG | 0644, 0, 0 }, { __NR_mknod, "node/", NULL, S_IFREG | 0644, 0, -EEXIST },
	{ __NR_mknod, "node2", NULL, S_IFDIR | 0644, 0, -EPERM }, { __NR_mknod, "node2", NULL, 0170000, 0, -EINVAL },
	{ __NR_mknod, "zero", NULL, S_IFCHR | 0644, 1 << 8 | 5, 0 },
	TWO(symlink, "target", "file", -EEXIST), TWO(symlink, "target", "sym/", -ENOENT), TWO(symlink, "", "sym", -ENOENT),
	TWO(symlink, "target", "sym", 0), TWO(symlink, "target", "sym", -EEXIST), TWO(symlink, "target", "absent/x", -ENOENT),
	TWO(link, "file", "hard", 0), TWO(link, "file", "hard", -EEXIST), TWO(link, "d", "hard2", -EPERM),
	TWO(link, "absent", "hard2", -ENOENT), TWO(link, "link", "hard-of-link", 0), TWO(link, "broken", "hard-of-broken", 0),
	TWO(link, "file/", "hard2", -ENOTDIR), TWO(link, "file", "hard2/", -ENOENT),

	/* removing */
	ONE(unlink, "d", -EISDIR), ONE(unlink, "d/", -EISDIR), ONE(unlink, "file/", -ENOTDIR), ONE(unlink, "absent", -ENOENT),
	ONE(unlink, "absent/", -ENOENT), ONE(unlink, ".", -EISDIR), ONE(unlink, "..", -EISDIR), ONE(unlink, "/", -EISDIR),
	ONE(unlink, "dlink/", -ENOTDIR), ONE(unlink, "", -ENOENT), ONE(unlink, "hard-of-link", 0), ONE(unlink, "file/x", -ENOTDIR),
	ONE(rmdir, "file", -ENOTDIR), ONE(rmdir, "d", -ENOTEMPTY), ONE(rmdir, ".", -EINVAL), ONE(rmdir, "d/.", -EINVAL),
	ONE(rmdir, "d/..", -ENOTEMPTY), ONE(rmdir, "/", -EBUSY), ONE(rmdir, "absent", -ENOENT), ONE(rmdir, "dlink", -ENOTDIR),
	ONE(rmdir, "dlink/", -ENOTDIR), ONE(rmdir, "made/", 0), ONE(rmdir, "made", -ENOENT),

	/* renaming */
	TWO(rename, "absent", "x", -ENOENT), TWO(rename, "file", "absent/x", -ENOENT), TWO(rename, "file", "file", 0),
	TWO(rename, "file", "hard", 0), ONE(stat, "file", 0), TWO(rename, "file", "d", -EISDIR), TWO(rename, "d", "file", -ENOTDIR),
	TWO(rename, "d", "d/e/x", -EINVAL), TWO(rename, "d", "d/x", -EINVAL), TWO(rename, "d/e", "d", -ENOTEMPTY),
	TWO(rename, "d/e/f", "d", -ENOTEMPTY), TWO(rename, "d/.", "x", -EBUSY), TWO(rename, "d/..", "x", -EBUSY),
	TWO(rename, "file", ".", -EBUSY), TWO(rename, "/", "x", -EBUSY), TWO(rename, "file/", "x", -ENOTDIR),
	TWO(rename, "file", "x/", -ENOTDIR), TWO(rename, "d/e/f", "moved/", 0), TWO(rename, "moved", "d/e/f", 0),
	TWO(rename, "link", "dlink", 0), TWO(rename, "dlink", "link", 0), TWO(rename, "d", "d", 0), TWO(rename, "fifo", "d/fifo", 0),
	RENAME2("file", "d/inner", RENAME_NOREPLACE, -EEXIST), RENAME2("file", "fresh", RENAME_NOREPLACE, 0),
	RENAME2("fresh", "file", RENAME_NOREPLACE, 0), RENAME2("file", "absent", RENAME_EXCHANGE, -ENOENT),
	RENAME2("file", "d", RENAME_EXCHANGE, 0), ONE(stat, "file/e", 0), RENAME2("d", "file", RENAME_EXCHANGE, 0),
	RENAME2("d", "d/e", RENAME_EXCHANGE, -EINVAL), RENAME2("d/e", "d", RENAME_EXCHANGE, -EINVAL),
	RENAME2("file", "x", RENAME_EXCHANGE | RENAME_NOREPLACE, -EINVAL), RENAME2("file", "x", 64, -EINVAL),
	RENAME2("file", ".", RENAME_NOREPLACE, -EEXIST), RENAME2("d/", "file/", RENAME_EXCHANGE, -ENOTDIR),

	/* working directories */
	ONE(chdir, "file", -ENOTDIR), ONE(chdir, "absent", -ENOENT), ONE(chdir, "dlink/e", -ENOENT), ONE(chdir, "d/e", 0),
	ONE(stat, "f", 0), ONE(stat, "../inner", 0), ONE(chdir, "/", 0),
	{ __NR_access, "file", NULL, 4, 0, 0 }, { __NR_access, "file", NULL, 1, 0, -EACCES }, { __NR_access, "d", NULL, 7, 0, 0 },
	{ __NR_access, "file", NULL, 8, 0, -EINVAL }, { __NR_truncate, "d", NULL, 0, 0, -EISDIR },
	{ __NR_truncate, "zero", NULL, 0, 0, -EINVAL }, { __NR_truncate, "file", NULL, (u64)-1, 0, -EINVAL },
};

static const char *copy_path(u32 which, const char *path)
{
	memcpy(shared->path[which], path, strlen(path) + 1);
	return shared->path[which];
}

static long make_call(call_fn side, const struct line *line)
{
	u64 path = (u64)copy_path(0, line->path), path2 = line->path2 ? (u64)copy_path(1, line->path2) : 0;

	switch (line->nr) {
	case __NR_openat:
		return side(line->nr, (u64)AT_FDCWD, path, line->a, line->b, 0, 0);
	case __NR_renameat2:
		return side(line->nr, (u64)AT_FDCWD, path, (u64)AT_FDCWD, path2, line->a, 0);
	case __NR_stat:
	case __NR_lstat:
		return side(line->nr, path, (u64)shared->host, 0, 0, 0, 0);
	case __NR_mkdir:
		return side(line->nr, path, 0755, 0, 0, 0, 0);
	default:
		return path2 ? side(line->nr, path, path2, 0, 0, 0, 0) : side(line->nr, path, line->a, line->b, 0, 0, 0);
	}
}

static long result(call_fn side, const struct line *line)
{
	long value = make_call(side, line);

	if (line->nr == __NR_openat && value >= 0) {
		side(__NR_close, (u64)value, 0, 0, 0, 0, 0);
		value = ANY_FD;
	}
	return value;
}

static void check_table(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(lines); i++) {
		const struct line *line = &lines[i];
		long ours = result(call, line), host = result(oracle_call, line);
		CHECK(ours == line->expected && host == line->expected, "line %u, call %ld \"%s\" \"%s\" %lx: %ld, the host %ld, expected %ld",
		      i, line->nr, line->path, line->path2 ? line->path2 : "", (unsigned long)line->a, ours, host, line->expected);
	}
}

/* Names and paths that are too long. */
static void check_lengths(void)
{
	static const struct { u32 name, total; long expected; } table[] = {
		{ 255, 255, -ENOENT }, { 256, 256, -ENAMETOOLONG }, { 100, 4094, -ENOENT }, { 100, 4095, -ENOENT }, { 100, 4096, -ENAMETOOLONG },
		{ 100, 8000, -ENAMETOOLONG },
	};
	for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
		char *path = shared->path[0];
		for (u32 n = 0; n < table[i].total; n++)
			path[n] = n % (table[i].name + 1) == table[i].name ? '/' : 'n';
		path[table[i].total] = 0;
		CHECK_EQ(CALL(stat, path, shared->kernel), table[i].expected);
		CHECK_EQ(HOST(stat, path, shared->host), table[i].expected);
	}
	CHECK_EQ(CALL(stat, 0x10, shared->kernel), -EFAULT);
	CHECK_EQ(CALL(stat, "/", 0x10), -EFAULT);
	CHECK_EQ(CALL(stat, ~0UL, shared->kernel), -EFAULT);
}

static void check_resolve(void)
{
	static const struct { const char *path; u64 resolve; long expected; } table[] = {
		{ "inner", RESOLVE_BENEATH, ANY_FD }, { "e/../inner", RESOLVE_BENEATH, ANY_FD }, { "../file", RESOLVE_BENEATH, -EXDEV },
		{ "/file", RESOLVE_BENEATH, -EXDEV }, { "escape", RESOLVE_BENEATH, -EXDEV }, { "absolute", RESOLVE_BENEATH, -EXDEV },
		{ "..", RESOLVE_IN_ROOT, ANY_FD }, { "../inner", RESOLVE_IN_ROOT, ANY_FD }, { "/inner", RESOLVE_IN_ROOT, ANY_FD },
		{ "/file", RESOLVE_IN_ROOT, -ENOENT }, { "escape", RESOLVE_IN_ROOT, -ENOENT }, { "absolute", RESOLVE_IN_ROOT, -ENOENT },
		{ "escape", RESOLVE_NO_SYMLINKS, -ELOOP }, { "inner", RESOLVE_NO_SYMLINKS, ANY_FD }, { "escape", 0, ANY_FD },
		{ "../file", 0, ANY_FD }, { "inner", RESOLVE_BENEATH | RESOLVE_IN_ROOT, -EINVAL }, { "inner", 1 << 20, -EINVAL },
	};
	struct open_how *how = (struct open_how *)shared->data;
	long ours_dir = CALL(open, copy_path(0, "/d"), O_RDONLY), host_dir = HOST(open, shared->path[0], O_RDONLY);

	for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
		*how = (struct open_how){ .flags = O_RDONLY, .resolve = table[i].resolve };
		copy_path(0, table[i].path);
		long ours = CALL(openat2, ours_dir, shared->path[0], how, sizeof(*how));
		long host = HOST(openat2, host_dir, shared->path[0], how, sizeof(*how));
		if (ours >= 0)
			ours = CALL(close, ours) + ANY_FD;
		if (host >= 0)
			host = HOST(close, host) + ANY_FD;
		CHECK(ours == table[i].expected && host == ours, "%s %lx: %ld, the host %ld, expected %ld", table[i].path,
		      (unsigned long)table[i].resolve, ours, host, table[i].expected);
	}
	CALL(close, ours_dir);
	HOST(close, host_dir);
}

void test_paths(void)
{
	const char *directory = tree_make("paths", script);
	void *image;

	CHECK(oracle_start(directory), "cannot chroot: the tests need root");
	image = tree_boot(directory, "");
	check_lengths();
	check_table();
	check_resolve();
	shim_shut_down();
	oracle_stop();
	host_free(image);
}
