/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/fs.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "tree.h"

struct shared *shared;

const char *tree_make(const char *name, const char *script)
{
	static char path[256];

	if (!shared)
		shared = oracle_memory(sizeof(*shared));
	snprintf(path, sizeof(path), "%s/%s", host_temp_dir(), name);
	host_shell("mkdir %s; cd %s; %s", path, path, script);
	return path;
}

void *tree_boot(const char *directory, const char *options)
{
	char image[256];
	void *bytes;
	u64 size;

	snprintf(image, sizeof(image), "%s.erofs", directory);
	host_shell("mkfs.erofs --quiet %s %s %s >/dev/null 2>&1", options, image, directory);
	bytes = host_load(image, &size);
	CHECK(shim_boot(bytes, size), "%s", shim_panic_text);
	return bytes;
}

#define MOST_NAMES 4000

static void sort(char **lines, u32 count)
{
	for (u32 gap = count / 2; gap > 0; gap /= 2)
		for (u32 i = gap; i < count; i++)
			for (u32 j = i; j >= gap && strcmp(lines[j - gap], lines[j]) > 0; j -= gap) {
				char *line = lines[j];
				lines[j] = lines[j - gap];
				lines[j - gap] = line;
			}
}

long list_directory(call_fn make_call, const char *path, char *buf, size_t size)
{
	static char *lines[MOST_NAMES], text[1 << 18];
	u8 *entries = make_call == call ? shared->kernel : shared->host;
	size_t at = 0, out = 0;
	u32 count = 0;
	long n, fd = make_call(__NR_open, (u64)path, O_RDONLY | O_DIRECTORY, 0, 0, 0, 0);

	if (fd < 0)
		return fd;
	/* Small and odd, so that a directory takes many calls. */
	while ((n = make_call(__NR_getdents64, (u64)fd, (u64)entries, 699, 0, 0, 0)) > 0) {
		for (long i = 0; i < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(entries + i);
			CHECK(count < MOST_NAMES, "too many names in %s", path);
			lines[count++] = text + at;
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %u\n", d->name, d->type) + 1;
			i += d->length;
		}
	}
	CHECK_EQ(n, 0);
	make_call(__NR_close, (u64)fd, 0, 0, 0, 0, 0);
	sort(lines, count);
	for (u32 i = 0; i < count; i++)
		out += (size_t)snprintf(buf + out, size - out, "%s", lines[i]);
	CHECK(out < size, "%s", path);
	return (long)out;
}

/* Where the type begins: the last space of the line. */
static const char *last_space(const char *line)
{
	const char *end = strchr(line, '\n');
	while (*end != ' ')
		end--;
	return end;
}

static void compare_contents(const char *path, u64 size)
{
	long fd = CALL(open, path, O_RDONLY), host = HOST(open, path, O_RDONLY);

	CHECK(fd >= 0 && host >= 0, "%s: %ld, %ld", path, fd, host);
	for (u64 at = 0; at <= size; at += sizeof(shared->kernel)) {
		long n = CALL(pread64, fd, shared->kernel, sizeof(shared->kernel), at);
		CHECK_EQ(HOST(pread64, host, shared->host, sizeof(shared->host), at), n);
		CHECK(n >= 0 && !memcmp(shared->kernel, shared->host, (size_t)n), "%s differs from %lu on", path, (unsigned long)at);
	}
	CHECK_EQ(CALL(close, fd), 0);
	HOST(close, host);
}

static void compare_links(const char *path)
{
	long n = CALL(readlink, path, shared->kernel, PATH_MAX);

	CHECK_EQ(HOST(readlink, path, shared->host, PATH_MAX), n);
	CHECK(n > 0 && !memcmp(shared->kernel, shared->host, (size_t)n), "%s", path);
}

u32 compare_trees(const char *path)
{
	static char kernel_names[1 << 18], host_names[1 << 18];
	struct stat kernel_stat, host_stat, *a = &kernel_stat, *b = &host_stat;
	size_t base;
	u32 seen = 1;
	long n;

	if (path != shared->path[0])
		snprintf(shared->path[0], sizeof(shared->path[0]), "%s", path);
	path = shared->path[0];
	base = strlen(path);
	CHECK(CALL(lstat, path, a) == 0 && HOST(lstat, path, shared->host) == 0, "%s", path);
	memcpy(b, shared->host, sizeof(*b));
	CHECK(a->st_mode == b->st_mode, "%s: mode %o, %o", path, a->st_mode, b->st_mode);
	CHECK(a->st_nlink == b->st_nlink, "%s: %u links, %u", path, (u32)a->st_nlink, (u32)b->st_nlink);
	CHECK(a->st_uid == b->st_uid && a->st_gid == b->st_gid, "%s: owner", path);
	if ((a->st_mode & S_IFMT) == S_IFLNK)
		compare_links(path);
	if ((a->st_mode & S_IFMT) == S_IFREG) {
		CHECK_EQ(a->st_size, b->st_size);
		compare_contents(path, (u64)a->st_size);
	}
	if ((a->st_mode & S_IFMT) != S_IFDIR)
		return seen;

	n = list_directory(call, path, kernel_names, sizeof(kernel_names));
	CHECK_EQ(list_directory(oracle_call, path, host_names, sizeof(host_names)), n);
	CHECK(n > 0 && !memcmp(kernel_names, host_names, (size_t)n), "%s:\n%s\n--\n%s", path, kernel_names, host_names);
	char *names = host_copy(kernel_names, (u64)n + 1);
	for (char *line = names; *line;) {
		char *name = line;
		u32 len = (u32)(last_space(line) - line);
		line = strchr(line, '\n') + 1;
		if (len == 1 && name[0] == '.')
			continue;
		if (len == 2 && name[0] == '.' && name[1] == '.')
			continue;
		snprintf(shared->path[0] + base, sizeof(shared->path[0]) - base, "/%.*s", (int)len, name);
		seen += compare_trees(shared->path[0]);
	}
	host_free(names);
	shared->path[0][base] = 0;
	return seen;
}
