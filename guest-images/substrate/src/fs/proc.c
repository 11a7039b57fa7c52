/* SPDX-License-Identifier: Apache-2.0 */
/* /proc and /sys as tables of names (proc(5), sysfs(5)). */
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "made.h"

/* How many processors programs see: one virtual processor runs everything. */
#define CPUS "0\n"

#define FIXED(function, content)                       \
	static long function(struct text *t, u32 pid)      \
	{                                                  \
		(void)pid;                                     \
		text_printf(t, "%s", content);                 \
		return 0;                                      \
	}

FIXED(print_pid_max, "32768\n")
FIXED(print_ngroups_max, "65536\n")
FIXED(print_overcommit, "1\n")
FIXED(print_max_map_count, "65530\n")
FIXED(print_mmap_min_addr, "65536\n")
FIXED(print_nr_open, "131072\n")
FIXED(print_pipe_max, "1048576\n")
FIXED(print_cap_last_cap, "40\n")
FIXED(print_entropy, "256\n")
FIXED(print_somaxconn, "4096\n")
FIXED(print_cpus, CPUS)
FIXED(print_huge_pages, "always madvise [never]\n")
FIXED(print_zero, "0\n")

static long print_threads_max(struct text *t, u32 pid)
{
	(void)pid;
	text_printf(t, "%u\n", task_limit());
	return 0;
}

static const struct node_ops directory_ops, file_ops_of_text;

/* Directories first: their numbers are the parents of others. */
enum {
	DIR_SYS = KIND_FIRST_OF_TABLE, DIR_KERNEL, DIR_RANDOM, DIR_VM, DIR_FS, DIR_NET, DIR_CORE,
	SYS_DEVICES, SYS_SYSTEM, SYS_CPU, SYS_CPU0, SYS_FS, SYS_CGROUP, SYS_KERNEL, SYS_MM, SYS_THP,
	FIRST_FILE,
};

#define NO_PARENT (~0u)
#define DIRECTORY(kind, name_, parent_) [kind] = { .name = name_, .parent = parent_, .mode = S_IFDIR | 0555 }
#define FILE_IN(parent_, name_, print_) { .name = name_, .parent = parent_, .mode = S_IFREG | 0444, .print = print_ }

static const struct made table[] = {
	[PROC_ROOT] = { .parent = NO_PARENT, .mode = S_IFDIR | 0555 },
	[PROC_SELF] = { .name = "self", .parent = PROC_ROOT, .mode = S_IFLNK | 0777, .ops = &proc_self_ops },
	[PROC_THREAD_SELF] = { .name = "thread-self", .parent = PROC_ROOT, .mode = S_IFLNK | 0777, .ops = &proc_thread_self_ops },
	[PROC_PID] = { .parent = NO_PARENT, .mode = S_IFDIR | 0555, .ops = &proc_pid_ops },
	[PROC_FD_DIR] = { .name = "fd", .parent = PROC_PID, .mode = S_IFDIR | 0500, .ops = &proc_fd_dir_ops },
	[PROC_FD] = { .parent = NO_PARENT, .mode = S_IFLNK | 0700, .ops = &proc_fd_ops },
	[PROC_TASK_DIR] = { .name = "task", .parent = PROC_PID, .mode = S_IFDIR | 0555, .ops = &proc_task_dir_ops },
	[PROC_TID] = { .parent = NO_PARENT, .mode = S_IFDIR | 0555, .ops = &proc_pid_ops },
	[SYS_ROOT] = { .parent = NO_PARENT, .mode = S_IFDIR | 0555 },

	DIRECTORY(DIR_SYS, "sys", PROC_ROOT),
	DIRECTORY(DIR_KERNEL, "kernel", DIR_SYS),
	DIRECTORY(DIR_RANDOM, "random", DIR_KERNEL),
	DIRECTORY(DIR_VM, "vm", DIR_SYS),
	DIRECTORY(DIR_FS, "fs", DIR_SYS),
	DIRECTORY(DIR_NET, "net", DIR_SYS),
	DIRECTORY(DIR_CORE, "core", DIR_NET),
	DIRECTORY(SYS_DEVICES, "devices", SYS_ROOT),
	DIRECTORY(SYS_SYSTEM, "system", SYS_DEVICES),
	DIRECTORY(SYS_CPU, "cpu", SYS_SYSTEM),
	DIRECTORY(SYS_CPU0, "cpu0", SYS_CPU),
	DIRECTORY(SYS_FS, "fs", SYS_ROOT),
	DIRECTORY(SYS_CGROUP, "cgroup", SYS_FS),
	DIRECTORY(SYS_KERNEL, "kernel", SYS_ROOT),
	DIRECTORY(SYS_MM, "mm", SYS_KERNEL),
	DIRECTORY(SYS_THP, "transparent_hugepage", SYS_MM),

	[FIRST_FILE] = FILE_IN(PROC_ROOT, "cpuinfo", print_cpuinfo),
	FILE_IN(PROC_ROOT, "meminfo", print_meminfo),
	FILE_IN(PROC_ROOT, "stat", print_stat),
	FILE_IN(PROC_ROOT, "uptime", print_uptime),
	FILE_IN(PROC_ROOT, "version", print_version),
	FILE_IN(PROC_ROOT, "loadavg", print_loadavg),
	FILE_IN(PROC_ROOT, "filesystems", print_filesystems),
	FILE_IN(PROC_ROOT, "partitions", print_partitions),
	{ .name = "mounts", .parent = PROC_ROOT, .mode = S_IFREG | 0444, .print = print_mounts },

	FILE_IN(DIR_KERNEL, "ostype", print_ostype),
	FILE_IN(DIR_KERNEL, "osrelease", print_osrelease),
	FILE_IN(DIR_KERNEL, "hostname", print_hostname),
	FILE_IN(DIR_KERNEL, "pid_max", print_pid_max),
	FILE_IN(DIR_KERNEL, "ngroups_max", print_ngroups_max),
	FILE_IN(DIR_KERNEL, "threads-max", print_threads_max),
	FILE_IN(DIR_KERNEL, "cap_last_cap", print_cap_last_cap),
	FILE_IN(DIR_KERNEL, "randomize_va_space", print_zero),
	FILE_IN(DIR_RANDOM, "uuid", print_uuid),
	FILE_IN(DIR_RANDOM, "boot_id", print_boot_id),
	FILE_IN(DIR_RANDOM, "entropy_avail", print_entropy),
	FILE_IN(DIR_VM, "overcommit_memory", print_overcommit),
	FILE_IN(DIR_VM, "max_map_count", print_max_map_count),
	FILE_IN(DIR_VM, "mmap_min_addr", print_mmap_min_addr),
	FILE_IN(DIR_FS, "file-max", print_file_max),
	FILE_IN(DIR_FS, "nr_open", print_nr_open),
	FILE_IN(DIR_FS, "pipe-max-size", print_pipe_max),
	FILE_IN(DIR_CORE, "somaxconn", print_somaxconn),

	FILE_IN(PROC_PID, "cmdline", print_cmdline),
	{ .name = "environ", .parent = PROC_PID, .mode = S_IFREG | 0400, .print = print_environ },
	FILE_IN(PROC_PID, "comm", print_comm),
	FILE_IN(PROC_PID, "maps", print_maps),
	FILE_IN(PROC_PID, "stat", print_pid_stat),
	FILE_IN(PROC_PID, "statm", print_statm),
	FILE_IN(PROC_PID, "status", print_status),
	FILE_IN(PROC_PID, "limits", print_limits),
	FILE_IN(PROC_PID, "mounts", print_mounts),
	FILE_IN(PROC_PID, "mountinfo", print_mountinfo),
	FILE_IN(PROC_PID, "cgroup", print_cgroup),
	{ .name = "exe", .parent = PROC_PID, .mode = S_IFLNK | 0777, .ops = &proc_exe_ops },
	{ .name = "cwd", .parent = PROC_PID, .mode = S_IFLNK | 0777, .ops = &proc_cwd_ops },
	{ .name = "root", .parent = PROC_PID, .mode = S_IFLNK | 0777, .ops = &proc_root_link_ops },

	FILE_IN(SYS_CPU, "online", print_cpus),
	FILE_IN(SYS_CPU, "possible", print_cpus),
	FILE_IN(SYS_CPU, "present", print_cpus),
	FILE_IN(SYS_THP, "enabled", print_huge_pages),
};

/* ---- nodes ---- */

static u64 ino_of(u32 kind, u32 pid, u32 extra)
{
	return 1UL << 48 | (u64)pid << 28 | (u64)extra << 8 | kind;
}

struct node *made_node(struct node *parent, u32 kind, u32 pid, const char *name, u32 len)
{
	const struct made *made = &table[kind];
	struct process *process = pid ? process_find(pid) : NULL;
	struct node *node = node_new(parent->fs, made->mode);

	if (!node || tree_name(node, parent, name, len) < 0) {
		if (node)
			node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	node->kind = kind;
	node->key = pid;
	node->ino = ino_of(kind, pid, 0);
	node->uid = process ? process->cred.euid : 0;
	node->gid = process ? process->cred.egid : 0;
	if (made->ops)
		node->ops = made->ops;
	else
		node->ops = is_dir(node) ? &directory_ops : &file_ops_of_text;
	return node;
}

/* A thread's directory has what its process' has, but for the threads: a walk down the tree would have no end. */
static bool has(const struct node *dir, u32 kind)
{
	if (dir->kind == PROC_TID)
		return table[kind].name && table[kind].parent == PROC_PID && kind != PROC_TASK_DIR;
	return table[kind].name && table[kind].parent == dir->kind;
}

struct node *made_lookup(struct node *dir, const char *name, u32 len)
{
	for (u32 kind = 0; kind < ARRAY_SIZE(table); kind++) {
		const struct made *made = &table[kind];
		if (has(dir, kind) && strlen(made->name) == len && !memcmp(made->name, name, len))
			return made_node(dir, kind, dir->key, name, len);
	}
	return ERR_PTR(-ENOENT);
}

bool made_readdir(struct node *dir, u64 *pos, struct dir_sink *sink)
{
	for (u64 kind = *pos; kind < ARRAY_SIZE(table); kind++) {
		const struct made *made = &table[kind];
		if (has(dir, (u32)kind) &&
		    !sink->emit(sink, made->name, (u32)strlen(made->name), ino_of((u32)kind, dir->key, 0), type_of_mode(made->mode),
		                kind + 1))
			return false;
		*pos = kind + 1;
	}
	if (*pos < MADE_FIRST_OWN)
		*pos = MADE_FIRST_OWN;
	return true;
}

_Static_assert(ARRAY_SIZE(table) < 256, "kinds are eight bits of an inode number");

bool parse_number(const char *name, u32 len, u32 max, u32 *number)
{
	u64 value = 0;

	if (len == 0 || len > 10 || (name[0] == '0' && len > 1))
		return false;
	for (u32 i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		value = value * 10 + (u64)(name[i] - '0');
	}
	*number = (u32)value;
	return value <= max;
}

/* ---- directories of the tables ---- */

static struct node *directory_lookup(struct node *dir, const char *name, u32 len)
{
	struct node *node = made_lookup(dir, name, len);
	u32 pid;

	if (!IS_ERR(node) || dir->kind != PROC_ROOT || !parse_number(name, len, ~0u, &pid) || !process_find(pid))
		return node;
	return made_node(dir, PROC_PID, pid, name, len);
}

static long directory_readdir(struct node *dir, u64 *pos, struct dir_sink *sink)
{
	const struct process *process;

	if (!made_readdir(dir, pos, sink) || dir->kind != PROC_ROOT)
		return 0;
	while ((process = process_next((u32)(*pos - MADE_FIRST_OWN)))) {
		char name[12];
		int len = snprintf(name, sizeof(name), "%u", process->pid);
		u64 next = MADE_FIRST_OWN + (u64)process->pid;
		if (!sink->emit(sink, name, (u32)len, ino_of(PROC_PID, process->pid, 0), DT_DIR, next))
			break;
		*pos = next;
	}
	return 0;
}

static const struct node_ops directory_ops = { .lookup = directory_lookup, .readdir = directory_readdir };

/* ---- files of text: made anew whenever they are read from the start ---- */

static ssize_t text_read(struct file *file, struct iobuf *io, u64 pos)
{
	struct text *t = file->private;
	size_t n;

	if (!t) {
		t = file->private = kzalloc(sizeof(*t));
		if (!t)
			return -ENOMEM;
	}
	if (pos == 0) {
		long error;
		text_free(t);
		error = table[file->node->kind].print(t, file->node->key);
		if (error < 0)
			return error;
		if (t->failed)
			return -ENOMEM;
	}
	if (pos >= t->len)
		return 0;
	n = MIN(io->left, t->len - pos);
	if (n == 0)
		return 0;
	n = iobuf_copy_out(io, t->bytes + pos, n);
	return n ? (ssize_t)n : -EFAULT;
}

static void text_release(struct file *file)
{
	struct text *t = file->private;

	if (t)
		text_free(t);
	kfree(t);
}

static const struct file_ops text_file_ops = { .read = text_read, .release = text_release };
static const struct node_ops file_ops_of_text = { .file_ops = &text_file_ops };

/* ---- roots ---- */

static struct node *root_of(enum fs_id fs, u32 kind)
{
	struct node *node = node_new(fs, table[kind].mode);

	if (node) {
		node->kind = kind;
		node->ino = ino_of(kind, 0, 0);
		node->ops = &directory_ops;
	}
	return node;
}

struct node *proc_new(void)
{
	return root_of(FS_PROC, PROC_ROOT);
}

struct node *sys_new(void)
{
	return root_of(FS_SYS, SYS_ROOT);
}
