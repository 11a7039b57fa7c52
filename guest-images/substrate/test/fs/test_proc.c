/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc and /sys: everything that is listed is there and can be read, every file has the form proc(5) gives it, and where the
 * host's /proc has the same file, the names in it and their order are the host's.
 */
#include <linux/fs.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/version.h>
#include "../../src/fs/node.h"
#include "tree.h"

#define FILE_SIZE 65536
#define OTHER_USER 1000

/* The image holds the host's files, as seen by a process of the host. */
static const char script[] =
	"mkdir proc sys dev tmp host gone; echo program > program; for f in cpuinfo meminfo stat; do cat /proc/$f > host/$f; done;"
	"for f in status limits stat statm; do cat /proc/self/$f > host/self-$f; done; uname -m > host/machine";

static char text[FILE_SIZE], other[FILE_SIZE];

static const char *load_into(char *buf, const char *path)
{
	long fd = CALL(open, path, O_RDONLY), n, total = 0;

	CHECK(fd >= 0, "%s: %ld", path, fd);
	while ((n = CALL(read, fd, buf + total, FILE_SIZE - 1 - total)) > 0)
		total += n;
	CHECK(n == 0 && total < FILE_SIZE - 1, "%s: %ld", path, n);
	CALL(close, fd);
	buf[total] = 0;
	return buf;
}

static const char *load(const char *path)
{
	return load_into(text, path);
}

/* ---- all that is listed ---- */

static u32 files, directories, links;

/* The same text whole and in pieces; text at all. */
static void check_file(const char *path)
{
	const char *name = path + strlen(path);
	long fd = CALL(open, path, O_RDONLY), n;
	bool raw;

	while (name[-1] != '/')
		name--;
	raw = !strcmp(name, "cmdline") || !strcmp(name, "environ");
	CHECK(fd >= 0, "%s: %ld", path, fd);
	n = CALL(read, fd, text, FILE_SIZE);
	CHECK(n > 0 && n < FILE_SIZE, "%s: %ld", path, n);
	CHECK_EQ(CALL(read, fd, other, FILE_SIZE), 0);
	for (long at = 1; at < n; at += 7) {
		long piece = CALL(pread64, fd, other, 7, at);
		CHECK(piece == MIN(7, n - at) && !memcmp(other, text + at, (size_t)piece), "%s is another at %ld", path, at);
	}
	for (long i = 0; i < n && !raw; i++)
		CHECK(text[i] == '\n' || text[i] == '\t' || (text[i] >= ' ' && text[i] <= '~'), "%s: byte %d at %ld", path, text[i], i);
	CHECK(raw || text[n - 1] == '\n', "%s does not end with a line", path);
	CALL(close, fd);
	files++;
}

static void walk_tree(char *path, u32 depth);

static void check_entry(char *path, u32 type, u32 depth)
{
	struct stat st;

	CHECK_EQ(CALL(lstat, path, &st), 0);
	CHECK(type_of_mode(st.st_mode) == type, "%s: type %u, mode %o", path, type, st.st_mode);
	CHECK(st.st_ino, "%s", path);
	if (type == DT_DIR) {
		walk_tree(path, depth + 1);
	} else if (type == DT_LNK) {
		long n = CALL(readlink, path, other, 4096);
		CHECK(n > 0, "%s: %ld", path, n);
		links++;
	} else {
		check_file(path);
	}
}

static void walk_tree(char *path, u32 depth)
{
	u8 entries[300];
	long fd = CALL(open, path, O_RDONLY | O_DIRECTORY), n;
	size_t len = strlen(path);

	CHECK(fd >= 0, "%s: %ld", path, fd);
	CHECK(depth < 8, "%s: there is no end", path);
	while ((n = CALL(getdents64, fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(entries + at);
			at += d->length;
			if (!strcmp(d->name, ".") || !strcmp(d->name, ".."))
				continue;
			snprintf(path + len, 300, "/%s", d->name);
			check_entry(path, d->type, depth);
			path[len] = 0;
		}
	CHECK_EQ(n, 0);
	CALL(close, fd);
	directories++;
}

static void check_all(void)
{
	char path[4096] = "/proc";

	walk_tree(path, 0);
	memcpy(path, "/sys", 5);
	walk_tree(path, 0);
	CHECK(files > 50 && directories > 15 && links > 10, "%u files, %u directories, %u links", files, directories, links);
}

/* ---- forms ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* '#' is a decimal number, 'X' hexadecimal digits, '@' a word (up to what follows in the form), '*' the rest of the line, ' ' some blanks. */
static bool has_form(const char *line, const char *form)
{
	for (; *form; form++) {
		const char *start = line;
		switch (*form) {
		case '#':
			while (is_digit(*line))
				line++;
			break;
		case 'X':
			while (is_hex(*line))
				line++;
			break;
		case '@':
			while (*line != '\n' && !is_blank(*line) && *line != form[1])
				line++;
			break;
		case ' ':
			while (is_blank(*line))
				line++;
			break;
		case '*':
			while (*line != '\n')
				line++;
			continue; /* may be nothing */
		default:
			line += *line == *form;
		}
		if (line == start)
			return false;
	}
	return *line == '\n';
}

static const struct { const char *path; u32 lines; const char *forms[6]; } forms[] = {
	{ "/proc/uptime", 1, { "#.# #.#" } },
	{ "/proc/loadavg", 1, { "#.# #.# #.# #/# #" } },
	{ "/proc/version", 1, { "Linux version " SUBSTRATE_RELEASE " *" } },
	{ "/proc/meminfo", 20, { "@: # kB", "HugePages_@: #" } },
	{ "/proc/stat", 8, { "@ # # # # # # # # # #", "softirq # # # # # # # # # # #", "@ #" } },
	{ "/proc/cpuinfo", 20, { "processor : 0", "@ :*", "@ @ :*", "@:*", "@ @:*", "" } },
	{ "/proc/filesystems", 6, { "nodev @", " @" } },
	{ "/proc/mounts", 6, { "@ @ @ @ # #" } },
	{ "/proc/self/mounts", 6, { "@ @ @ @ # #" } },
	{ "/proc/self/mountinfo", 6, { "# # #:# / @ @ - @ @ @" } },
	{ "/proc/self/cgroup", 1, { "0::/" } },
	{ "/proc/self/comm", 1, { "test" } },
	{ "/proc/self/maps", 2, { "X-X r-xp X X:X #*" } },
	{ "/proc/self/statm", 1, { "# # # # # # #" } },
	{ "/proc/self/status", 25, { "@: *", "@: " } },
	{ "/proc/self/limits", 17, { "Limit Soft Limit Hard Limit Units *", "Max *" } },
	{ "/proc/sys/kernel/osrelease", 1, { SUBSTRATE_RELEASE } },
	{ "/proc/sys/kernel/hostname", 1, { SUBSTRATE_HOSTNAME } },
	{ "/proc/sys/kernel/ostype", 1, { "Linux" } },
	{ "/proc/sys/kernel/pid_max", 1, { "#" } },
	{ "/proc/sys/kernel/random/uuid", 1, { "X-X-X-X-X" } },
	{ "/proc/sys/vm/overcommit_memory", 1, { "#" } },
	{ "/proc/sys/fs/file-max", 1, { "#" } },
	{ "/sys/devices/system/cpu/online", 1, { "0" } },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", 1, { "always madvise [never]" } },
};

static void check_forms(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(forms); i++) {
		u32 lines = 0;
		for (const char *line = load(forms[i].path); *line; line = strchr(line, '\n') + 1) {
			bool ok = false;
			for (u32 k = 0; k < ARRAY_SIZE(forms[i].forms) && !ok; k++)
				ok = forms[i].forms[k] && has_form(line, forms[i].forms[k]);
			CHECK(ok, "%s, line %u: %.100s", forms[i].path, lines + 1, line);
			lines++;
		}
		CHECK(lines >= forms[i].lines, "%s has %u lines", forms[i].path, lines);
	}
}

/* ---- as on the host ---- */

static bool same_until(const char *a, const char *b, char end)
{
	while (*a == *b && *a && *a != end)
		a++, b++;
	return *a == end && *b == end;
}

/* Every name (up to a colon) is one the host has, in the same order. */
static void check_names(const char *path, const char *host_path)
{
	const char *host = load_into(other, host_path);

	for (const char *line = load(path); *line && *line != '\n'; line = strchr(line, '\n') + 1) {
		while (*host && !same_until(line, host, ':'))
			host = strchr(host, '\n') + 1;
		CHECK(*host, "%s: the host has no such line there: %.40s", path, line);
	}
}

/* The line of this name is the host's. */
static void check_line(const char *path, const char *host_path, const char *name)
{
	const char *ours = load(path), *host = load_into(other, host_path);

	while (*ours && strncmp(ours, name, strlen(name)))
		ours = strchr(ours, '\n') + 1;
	while (*host && strncmp(host, name, strlen(name)))
		host = strchr(host, '\n') + 1;
	CHECK(*ours && same_until(ours, host, '\n'), "%s: %.100s, the host %.100s", path, ours, host);
}

static u32 words(const char *s)
{
	u32 count = 0;

	for (; *s && *s != '\n'; s++)
		count += !is_blank(*s) && (is_blank(s[1]) || s[1] == '\n' || !s[1]);
	return count;
}

static void check_against_host(void)
{
	static const char *const of_processor[] = { "vendor_id", "cpu family", "model\t", "model name", "stepping", "clflush size" };
	const char *ours, *host;

	check_names("/proc/self/status", "/host/self-status");
	check_names("/proc/meminfo", "/host/meminfo");
	if (contains(load("/host/machine"), "x86_64")) {
		check_names("/proc/cpuinfo", "/host/cpuinfo");
		for (u32 i = 0; i < ARRAY_SIZE(of_processor); i++)
			check_line("/proc/cpuinfo", "/host/cpuinfo", of_processor[i]);
	}
	CHECK_EQ(words(load("/proc/self/stat")), words(load_into(other, "/host/self-stat")));
	CHECK_EQ(words(load("/proc/self/statm")), words(load_into(other, "/host/self-statm")));
	CHECK_EQ(words(load("/proc/stat")), words(load_into(other, "/host/stat")));

	/* The columns of limits: programs cut them out. */
	ours = load("/proc/self/limits");
	host = load_into(other, "/host/self-limits");
	CHECK(same_until(ours, host, '\n'), "%.100s", ours);
	while (*ours && *host) {
		CHECK(!strncmp(ours, host, 26), "%.30s, the host %.30s", ours, host);
		CHECK(same_until(ours + 68, host + 68, '\n'), "%.80s, the host %.80s", ours, host);
		ours = strchr(ours, '\n') + 1;
		host = strchr(host, '\n') + 1;
	}
	CHECK(!*ours && !*host, "limits: %s, the host %s", ours, host);
}

/* ---- what is said ---- */

static u64 number_at(const char *s)
{
	u64 number = 0;

	while (*s && !is_digit(*s))
		s++;
	while (is_digit(*s))
		number = number * 10 + (u64)(*s++ - '0');
	return number;
}

static const char *after(const char *s, const char *part)
{
	for (; *s; s++)
		if (!strncmp(s, part, strlen(part)))
			return s + strlen(part);
	CHECK(false, "there is no %s", part);
}

static void check_mounts(void)
{
	u32 mounts = 0;

	for (const char *line = load("/proc/self/mountinfo"); *line; line = strchr(line, '\n') + 1) {
		const char *point = after(line, " / ");
		struct stat st;
		u64 minor = number_at(after(line, ":"));
		u32 len = 0;
		while (!is_blank(point[len]))
			len++;
		snprintf(other, sizeof(other), "%.*s", (int)len, point);
		CHECK_EQ(CALL(lstat, other, &st), 0);
		CHECK(st.st_dev == minor, "%s: device %lu, minor %lu", other, (unsigned long)st.st_dev, (unsigned long)minor);
		mounts++;
	}
	CHECK_EQ(mounts, 6);
}

static void check_values(void)
{
	static const char arguments[] = "program\0argument";
	struct process *process = current->process;

	CHECK_EQ(number_at(after(load("/proc/meminfo"), "MemTotal:")), shim_total_frames * 4);
	CHECK_EQ(number_at(after(load("/proc/meminfo"), "MemFree:")), (shim_total_frames - (u64)shim_frames) * 4);
	CHECK_EQ(number_at(after(load("/proc/self/status"), "VmRSS:")), 1024);
	CHECK_EQ(number_at(after(load("/proc/self/status"), "VmSize:")), 4096);
	CHECK(contains(load("/proc/self/status"), "\nUmask:\t0022\nState:\tR (running)\nTgid:\t7\n"), "%s", text);
	CHECK(contains(load("/proc/self/statm"), "1024 256 "), "%s", text);
	CHECK(!strncmp(load("/proc/self/stat"), "7 (test) R 1 7 7 0 ", 19), "%s", text);

	memcpy(shared->data, arguments, sizeof(arguments));
	process->args_start = (u64)shared->data;
	process->args_end = process->args_start + sizeof(arguments);
	process->env_start = process->args_end;
	memcpy((void *)process->env_start, "A=b", 4);
	process->env_end = process->env_start + 4;
	CHECK(!memcmp(load("/proc/self/cmdline"), arguments, sizeof(arguments)), "%s", text);
	CHECK(!memcmp(load("/proc/self/environ"), "A=b", 4), "%s", text);

	/* Of two numbers that are made at random, one is made once. */
	load("/proc/sys/kernel/random/boot_id");
	load_into(other, "/proc/sys/kernel/random/boot_id");
	CHECK(strlen(text) == 37 && text[14] == '4' && !strcmp(text, other), "%s, %s", text, other);
	load("/proc/sys/kernel/random/uuid");
	load_into(other, "/proc/sys/kernel/random/uuid");
	CHECK(strlen(text) == 37 && text[14] == '4' && strcmp(text, other), "%s, %s", text, other);
}

/* ---- links ---- */

static void check_link(const char *path, const char *expected)
{
	long n = CALL(readlink, path, text, sizeof(text) - 1);

	CHECK(n > 0, "%s: %ld", path, n);
	text[n] = 0;
	CHECK(!strcmp(text, expected), "%s leads to %s, expected %s", path, text, expected);
	CHECK(CALL(readlink, path, text, 1) == 1 && text[0] == expected[0], "%s cut short", path);
}

static void check_links(void)
{
	char path[64], expected[64];
	struct stat st, through;
	long fd, again;

	check_link("/proc/self", "7");
	check_link("/proc/thread-self", "7/task/7");
	CHECK_EQ(CALL(readlink, "/proc/self/exe", text, 10), -ENOENT);
	current->process->executable = path_lookup("/program");
	check_link("/proc/self/exe", "/program");
	CHECK(!strcmp(load("/proc/self/exe"), "program\n"), "%s", text);
	check_link("/proc/self/root", "/");
	CHECK_EQ(CALL(chdir, "/gone"), 0);
	check_link("/proc/thread-self/cwd", "/gone");
	CHECK_EQ(CALL(rmdir, "/gone"), 0);
	check_link("/proc/7/task/7/cwd", "/gone (deleted)");
	CHECK_EQ(CALL(chdir, "/proc/self/root/tmp"), 0);

	/* What is open. */
	fd = CALL(open, "/program", O_RDONLY);
	snprintf(path, sizeof(path), "/dev/fd/%ld", fd);
	check_link(path, "/program");
	CHECK_EQ(CALL(lseek, fd, 5, SEEK_SET), 5);
	CHECK(!strcmp(load(path), "program\n"), "%s", text);
	CHECK_EQ(CALL(lstat, path, &st), 0);
	CHECK_EQ(st.st_mode, S_IFLNK | 0500);
	again = CALL(open, path, O_RDWR);
	CHECK_EQ(CALL(pwrite64, again, "P", 1, 0), 1);
	CALL(close, again);
	CHECK_EQ(CALL(unlink, "/program"), 0);
	check_link(path, "/program (deleted)");
	CHECK(!strcmp(load(path), "Program\n"), "%s", text);
	CHECK_EQ(CALL(stat, path, &through), 0);
	CHECK_EQ(through.st_nlink, 0);
	CALL(close, fd);
	CHECK_EQ(CALL(readlink, path, text, 10), -ENOENT);
	CHECK_EQ(CALL(open, path, O_RDONLY), -ENOENT);

	fd = CALL(memfd_create, "name", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	check_link(path, "/memfd:name (deleted)");
	CALL(close, fd);
	CHECK_EQ(CALL(pipe, shared->data), 0);
	for (int i = 0; i < 2; i++) {
		fd = ((int *)shared->data)[i];
		CHECK_EQ(CALL(fstat, fd, &st), 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
		snprintf(expected, sizeof(expected), "pipe:[%lu]", (unsigned long)st.st_ino);
		check_link(path, expected);
		CHECK_EQ(CALL(lstat, path, &st), 0);
		CHECK_EQ(st.st_mode, S_IFLNK | (i ? 0300 : 0500));
	}
	/* The directory lists just what is open: itself, and the pipe. */
	list_directory(call, "/proc/self/fd", other, sizeof(other));
	CHECK(!strcmp(other, ". 4\n.. 4\n0 10\n1 10\n2 10\n"), "%s", other);
	CALL(close, 0);
	CALL(close, 1);
}

/* ---- what is not there, and what is not allowed ---- */

static void check_refusals(void)
{
	static const char *const missing[] = { "/proc/07", "/proc/8", "/proc/-7", "/proc/7x", "/proc/4294967303", "/proc/0", "/proc/ 7",
		"/proc/self/fd/00", "/proc/self/fd/999", "/proc/self/fd/-1", "/proc/self/fd/2147483648", "/proc/self/task/8",
		"/proc/self/task/7/task", "/proc/nothing", "/sys/nothing", "/proc/self/nothing" };
	struct credentials root = current->process->cred;
	struct stat st;
	long fd;

	for (u32 i = 0; i < ARRAY_SIZE(missing); i++)
		CHECK(CALL(lstat, missing[i], &st) == -ENOENT, "%s", missing[i]);
	CHECK_EQ(CALL(mkdir, "/proc/new", 0755), -ENOENT);
	CHECK_EQ(CALL(open, "/proc/new", O_CREAT | O_RDWR, 0644), -ENOENT);
	CHECK_EQ(CALL(unlink, "/proc/meminfo"), -EPERM);
	CHECK_EQ(CALL(rename, "/proc/meminfo", "/proc/other"), -EPERM);
	CHECK_EQ(CALL(rename, "/proc/meminfo", "/other"), -EXDEV);
	CHECK_EQ(CALL(link, "/proc/meminfo", "/other"), -EXDEV);
	CHECK_EQ(CALL(chmod, "/proc/meminfo", 0777), -EPERM);
	CHECK_EQ(CALL(truncate, "/proc/meminfo", 0), -EINVAL);
	CHECK_EQ(CALL(rmdir, "/proc"), -EBUSY);

	/* Another user sees what is public. */
	current->process->cred.fsuid = current->process->cred.fsgid = OTHER_USER;
	CHECK(strlen(load("/proc/7/status")) > 100, "%s", text);
	CHECK_EQ(CALL(open, "/proc/7/environ", O_RDONLY), -EACCES);
	CHECK_EQ(CALL(open, "/proc/7/fd", O_RDONLY), -EACCES);
	CHECK_EQ(CALL(readlink, "/proc/7/cwd", text, 10), -EACCES);
	CHECK_EQ(CALL(chdir, "/proc/7/root"), -EACCES);
	CHECK_EQ(CALL(open, "/proc/meminfo", O_WRONLY), -EACCES);
	current->process->cred = root;

	/* The process ends while somebody looks. */
	fd = CALL(open, "/proc/7", O_RDONLY);
	long file = CALL(open, "/proc/7/status", O_RDONLY);
	current->process->pid = 9;
	CHECK_EQ(CALL(read, file, text, 100), -ESRCH);
	CHECK_EQ(CALL(openat, fd, "status", O_RDONLY), -ENOENT);
	long n;
	while ((n = CALL(getdents64, fd, shared->kernel, 1000)) > 0)
		CHECK(n < 60, "%ld bytes of names that are gone", n);
	CHECK_EQ(n, -ENOENT);
	current->process->pid = 7;
	CALL(close, fd);
	CALL(close, file);
}

void test_proc(void)
{
	const char *directory = tree_make("proc", script);
	void *image = tree_boot(directory, "");

	check_values();
	check_forms();
	check_against_host();
	check_mounts();
	check_links();
	check_refusals();
	check_all();
	shim_shut_down();
	host_free(image);
}
