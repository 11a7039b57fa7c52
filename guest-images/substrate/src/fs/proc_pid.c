/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says about a process (proc(5)). */
#include <linux/resource.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include <substrate/tty.h>
#include "file.h"
#include "made.h"
#include "path.h"

#define TICK_NS (NSEC_PER_SEC / USER_HZ)

ssize_t mm_read(struct mm *mm, u64 addr, void *buf, size_t len);

/* A task that has what the threads of a process share; NULL when none is left, or no such process. */
static struct task *some_task(u32 pid)
{
	struct process *process = process_find(pid);

	if (!process || list_empty(&process->threads))
		return NULL;
	return list_first(&process->threads, struct task, thread_link);
}

/* ---- self ---- */

static ssize_t self_readlink(struct node *link, char *buf, size_t size)
{
	(void)link;
	return snprintf(buf, size, "%u", current->process->pid);
}

static ssize_t thread_self_readlink(struct node *link, char *buf, size_t size)
{
	(void)link;
	return snprintf(buf, size, "%u/task/%u", current->process->pid, current->tid);
}

const struct node_ops proc_self_ops = { .readlink = self_readlink };
const struct node_ops proc_thread_self_ops = { .readlink = thread_self_readlink };

/* ---- the directory of a process ---- */

static long pid_readdir(struct node *dir, u64 *pos, struct dir_sink *sink)
{
	if (!process_find(dir->key))
		return -ENOENT;
	made_readdir(dir, pos, sink);
	return 0;
}

static struct node *pid_lookup(struct node *dir, const char *name, u32 len)
{
	return process_find(dir->key) ? made_lookup(dir, name, len) : ERR_PTR(-ENOENT);
}

const struct node_ops proc_pid_ops = { .lookup = pid_lookup, .readdir = pid_readdir };

/* ---- links to nodes ---- */

/* The text of a link to a node: its path, or what it is when it has none. */
static ssize_t node_text(struct node *node, char *buf, size_t size)
{
	ssize_t len = node_path(node, buf, size);

	if (len != -ENOENT)
		return len;
	switch (node->mode & S_IFMT) {
	case S_IFIFO:
		return snprintf(buf, size, "pipe:[%lu]", (unsigned long)node->ino);
	case S_IFSOCK:
		return snprintf(buf, size, "socket:[%lu]", (unsigned long)node->ino);
	default:
		return snprintf(buf, size, "anon_inode:[%lu]", (unsigned long)node->ino);
	}
}

/* May the current task see where another's links lead? (ptrace(2), access mode checks.) */
static bool may_inspect(const struct process *process)
{
	return fs_uid() == 0 || fs_uid() == process->cred.euid;
}

typedef struct node *(*place_fn)(const struct process *process, const struct task *task);

static struct node *place_of(const struct node *link, place_fn place)
{
	struct process *process = process_find(link->key);
	struct task *task = some_task(link->key);
	struct node *node;

	if (!process || !task)
		return ERR_PTR(-ENOENT);
	if (!may_inspect(process))
		return ERR_PTR(-EACCES);
	node = place(process, task);
	return node ? node_get(node) : ERR_PTR(-ENOENT);
}

static ssize_t place_text(const struct node *link, place_fn place, char *buf, size_t size)
{
	struct node *node = place_of(link, place);
	ssize_t len;

	if (IS_ERR(node))
		return PTR_ERR(node);
	len = node_text(node, buf, size);
	node_put(node);
	return len;
}

static struct node *executable(const struct process *process, const struct task *task)
{
	(void)task;
	return process->executable;
}

static struct node *working_directory(const struct process *process, const struct task *task)
{
	(void)process;
	return task->fs ? task->fs->cwd : NULL;
}

static struct node *root_directory(const struct process *process, const struct task *task)
{
	(void)process;
	return task->fs ? task->fs->root : NULL;
}

static ssize_t exe_readlink(struct node *link, char *buf, size_t size) { return place_text(link, executable, buf, size); }
static ssize_t cwd_readlink(struct node *link, char *buf, size_t size) { return place_text(link, working_directory, buf, size); }
static ssize_t root_readlink(struct node *link, char *buf, size_t size) { return place_text(link, root_directory, buf, size); }

static struct node *exe_follow(struct node *link, struct file **file)
{
	(void)file;
	return place_of(link, executable);
}

static struct node *cwd_follow(struct node *link, struct file **file)
{
	(void)file;
	return place_of(link, working_directory);
}

static struct node *root_follow(struct node *link, struct file **file)
{
	(void)file;
	return place_of(link, root_directory);
}

const struct node_ops proc_exe_ops = { .readlink = exe_readlink, .follow = exe_follow };
const struct node_ops proc_cwd_ops = { .readlink = cwd_readlink, .follow = cwd_follow };
const struct node_ops proc_root_link_ops = { .readlink = root_readlink, .follow = root_follow };

/* ---- fd ---- */

static struct file *open_file_of(u32 pid, int fd)
{
	struct task *task = some_task(pid);

	return task && task->files ? fd_get(task->files, fd) : NULL;
}

static struct node *fd_lookup(struct node *dir, const char *name, u32 len)
{
	struct file *file;
	struct node *link;
	u32 fd;

	if (!parse_number(name, len, 0x7fffffff, &fd))
		return ERR_PTR(-ENOENT);
	file = open_file_of(dir->key, (int)fd);
	if (!file)
		return ERR_PTR(-ENOENT);
	link = made_node(dir, PROC_FD, dir->key, name, len);
	if (!IS_ERR(link)) {
		link->device = fd;
		link->ino += (u64)(fd + 1) << 8;
		link->mode = S_IFLNK | (file_readable(file) ? 0500 : 0) | (file_writable(file) ? 0300 : 0);
		link->size = 64; /* as on Linux */
	}
	file_put(file);
	return link;
}

static long fd_readdir(struct node *dir, u64 *pos, struct dir_sink *sink)
{
	struct task *task = some_task(dir->key);
	int fd = (int)MIN(*pos, 0x7ffffffeUL);

	if (!task || !task->files)
		return -ENOENT;
	while ((fd = fd_next_open(task->files, fd)) >= 0) {
		char name[12];
		int len = snprintf(name, sizeof(name), "%u", (u32)fd);
		if (!sink->emit(sink, name, (u32)len, dir->ino + ((u64)fd + 1), DT_LNK, (u64)fd + 1))
			break;
		*pos = (u64)++fd;
	}
	return 0;
}

static ssize_t fd_readlink(struct node *link, char *buf, size_t size)
{
	struct file *file = open_file_of(link->key, (int)link->device);
	ssize_t len;

	if (!file)
		return -ENOENT;
	len = node_text(file->node, buf, size);
	file_put(file);
	return len;
}

static struct node *fd_follow(struct node *link, struct file **shared)
{
	struct process *process = process_find(link->key);
	struct file *file = open_file_of(link->key, (int)link->device);
	struct node *node;

	if (!file)
		return ERR_PTR(-ENOENT);
	if (!process || !may_inspect(process)) {
		file_put(file);
		return ERR_PTR(-EACCES);
	}
	node = node_get(file->node);
	/* Nothing sleeps before the walk's end, so the table's own reference keeps the file. */
	*shared = file;
	file_put(file);
	return node;
}

const struct node_ops proc_fd_dir_ops = { .lookup = fd_lookup, .readdir = fd_readdir };
const struct node_ops proc_fd_ops = { .readlink = fd_readlink, .follow = fd_follow };

/* ---- task ---- */

static struct node *task_lookup(struct node *dir, const char *name, u32 len)
{
	struct task *task;
	u32 tid;

	if (!parse_number(name, len, ~0u, &tid))
		return ERR_PTR(-ENOENT);
	task = task_find(tid);
	if (!task || task->process->pid != dir->key)
		return ERR_PTR(-ENOENT);
	return made_node(dir, PROC_TID, dir->key, name, len);
}

static long task_readdir(struct node *dir, u64 *pos, struct dir_sink *sink)
{
	struct process *process = process_find(dir->key);
	const struct task *task;
	u64 number = 0;

	if (!process)
		return -ENOENT;
	list_for_each(task, &process->threads, thread_link) {
		char name[12];
		int len;
		if (number++ < *pos)
			continue;
		len = snprintf(name, sizeof(name), "%u", task->tid);
		if (!sink->emit(sink, name, (u32)len, dir->ino + task->tid, DT_DIR, number))
			break;
		*pos = number;
	}
	return 0;
}

const struct node_ops proc_task_dir_ops = { .lookup = task_lookup, .readdir = task_readdir };

/* ---- from the program's memory ---- */

static long print_memory(struct text *t, u32 pid, u64 start, u64 end)
{
	struct task *task = some_task(pid);
	char *to;
	ssize_t n;

	if (!task || !task->mm || start >= end)
		return 0;
	end = MIN(end, start + KMALLOC_MAX);
	to = text_reserve(t, end - start);
	if (!to)
		return 0;
	n = mm_read(task->mm, start, to, end - start);
	if (n > 0)
		t->len += (size_t)n;
	return 0;
}

long print_cmdline(struct text *t, u32 pid)
{
	const struct process *process = process_find(pid);

	return process ? print_memory(t, pid, process->args_start, process->args_end) : -ESRCH;
}

long print_environ(struct text *t, u32 pid)
{
	const struct process *process = process_find(pid);

	if (!process)
		return -ESRCH;
	return may_inspect(process) ? print_memory(t, pid, process->env_start, process->env_end) : -EACCES;
}

long print_maps(struct text *t, u32 pid)
{
	struct task *task = some_task(pid);
	u64 addr = 0;

	if (!task || !task->mm)
		return 0;
	while (!t->failed) {
		/* A line has a path in it at most. */
		size_t most = PATH_MAX + 128, n;
		char *to = text_reserve(t, most);
		if (!to)
			break;
		n = mm_describe(task->mm, &addr, to, most);
		if (n == 0)
			break;
		t->len += MIN(n, most);
	}
	return 0;
}

/* ---- accounts ---- */

struct account {
	const struct process *process;
	const struct task *task; /* NULL when the process has ended */
	u64 virtual_pages, resident_pages;
	u32 threads;
	char state;
};

static bool account_of(u32 pid, struct account *a)
{
	const struct task *task;

	*a = (struct account){ .process = process_find(pid), .task = some_task(pid), .state = 'Z' };
	if (!a->process)
		return false;
	list_for_each(task, &a->process->threads, thread_link) {
		a->threads++;
		if (task->state == TASK_RUNNABLE)
			a->state = 'R';
		else if (a->state != 'R')
			a->state = 'S';
	}
	if (a->process->stop_signal)
		a->state = 'T';
	if (a->task && a->task->mm) {
		a->virtual_pages = mm_virtual_bytes(a->task->mm) >> PAGE_SHIFT;
		a->resident_pages = mm_resident_bytes(a->task->mm) >> PAGE_SHIFT;
	}
	return true;
}

long print_comm(struct text *t, u32 pid)
{
	const struct process *process = process_find(pid);

	if (!process)
		return -ESRCH;
	text_printf(t, "%.16s\n", process->name);
	return 0;
}

long print_pid_stat(struct text *t, u32 pid)
{
	struct account a;

	if (!account_of(pid, &a))
		return -ESRCH;
	const struct process *p = a.process;
	/* pid comm state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt */
	u32 terminal, foreground;
	bool has_terminal = tty_describe(p, &terminal, &foreground);
	text_printf(t, "%u (%.16s) %c %u %u %u %u %d 0 0 0 0 0 ", p->pid, p->name, a.state, process_parent_pid(p), p->pgid, p->sid,
	            has_terminal ? terminal : 0, has_terminal ? (int)foreground : -1);
	/* utime stime cutime cstime priority nice num_threads itrealvalue starttime */
	text_printf(t, "%lu %lu %lu %lu %d %d %u 0 %lu ", (unsigned long)(p->user_ns / TICK_NS), (unsigned long)(p->system_ns / TICK_NS),
	            (unsigned long)(p->reaped.user_ns / TICK_NS), (unsigned long)(p->reaped.system_ns / TICK_NS),
	            20 + p->nice, p->nice, a.threads, (unsigned long)(p->start_ns / TICK_NS));
	/* vsize rss rsslim startcode endcode startstack kstkesp kstkeip signal blocked sigignore sigcatch */
	text_printf(t, "%lu %lu %lu 0 0 0 0 0 %lu %lu 0 0 ", (unsigned long)(a.virtual_pages << PAGE_SHIFT),
	            (unsigned long)a.resident_pages, (unsigned long)p->rlimit[RLIMIT_RSS][0],
	            (unsigned long)(a.task ? a.task->pending.set : 0), (unsigned long)(a.task ? a.task->signals_blocked : 0));
	/* wchan nswap cnswap exit_signal processor rt_priority policy blkio guest cguest start_data end_data start_brk */
	text_printf(t, "0 0 0 17 0 0 0 0 0 0 0 0 %lu ", (unsigned long)p->brk_start);
	/* arg_start arg_end env_start env_end exit_code */
	text_printf(t, "%lu %lu %lu %lu 0\n", (unsigned long)p->args_start, (unsigned long)p->args_end,
	            (unsigned long)p->env_start, (unsigned long)p->env_end);
	return 0;
}

long print_statm(struct text *t, u32 pid)
{
	struct account a;

	if (!account_of(pid, &a))
		return -ESRCH;
	text_printf(t, "%lu %lu 0 0 0 %lu 0\n", (unsigned long)a.virtual_pages, (unsigned long)a.resident_pages,
	            (unsigned long)a.virtual_pages);
	return 0;
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R': return "R (running)";
	case 'S': return "S (sleeping)";
	case 'T': return "T (stopped)";
	default: return "Z (zombie)";
	}
}

static unsigned long kib(u64 pages)
{
	return pages << (PAGE_SHIFT - 10);
}

long print_status(struct text *t, u32 pid)
{
	struct account a;

	if (!account_of(pid, &a))
		return -ESRCH;
	const struct process *p = a.process;
	const struct credentials *c = &p->cred;
	text_printf(t, "Name:\t%.16s\n", p->name);
	if (a.task && a.task->fs)
		text_printf(t, "Umask:\t0%u%u%u\n", a.task->fs->umask >> 6 & 7, a.task->fs->umask >> 3 & 7, a.task->fs->umask & 7);
	text_printf(t, "State:\t%s\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n", state_name(a.state), p->pid, p->pid,
	            process_parent_pid(p));
	text_printf(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid,
	            c->fsgid);
	text_printf(t, "FDSize:\t64\nGroups:\t");
	for (u32 i = 0; c->groups && i < c->groups->count; i++)
		text_printf(t, "%u ", c->groups->ids[i]);
	text_printf(t, "%s\nNStgid:\t%u\nNSpid:\t%u\n", c->groups ? "" : " ", p->pid, p->pid);
	text_printf(t, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\n", kib(a.virtual_pages), kib(a.virtual_pages));
	text_printf(t, "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", kib(MAX(a.resident_pages, p->max_resident >> PAGE_SHIFT)),
	            kib(a.resident_pages));
	text_printf(t, "Threads:\t%u\n", a.threads);
	text_printf(t, "SigPnd:\t%016lx\nSigBlk:\t%016lx\n", (unsigned long)(a.task ? a.task->pending.set : 0),
	            (unsigned long)(a.task ? a.task->signals_blocked : 0));
	text_printf(t, "NoNewPrivs:\t0\nSeccomp:\t0\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n");
	text_printf(t, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
	return 0;
}

static void print_limit(struct text *t, u64 value)
{
	if (value == ~0UL)
		text_printf(t, "%-21s", "unlimited");
	else
		text_printf(t, "%-20lu ", (unsigned long)value);
}

long print_limits(struct text *t, u32 pid)
{
	/* In the order of RLIMIT_*. */
	static const char *const names[RLIM_NLIMITS][2] = {
		{ "Max cpu time", "seconds" },		{ "Max file size", "bytes" },		{ "Max data size", "bytes" },
		{ "Max stack size", "bytes" },		{ "Max core file size", "bytes" },	{ "Max resident set", "bytes" },
		{ "Max processes", "processes" },	{ "Max open files", "files" },		{ "Max locked memory", "bytes" },
		{ "Max address space", "bytes" },	{ "Max file locks", "locks" },		{ "Max pending signals", "signals" },
		{ "Max msgqueue size", "bytes" },	{ "Max nice priority", "" },		{ "Max realtime priority", "" },
		{ "Max realtime timeout", "us" },
	};
	const struct process *process = process_find(pid);

	if (!process)
		return -ESRCH;
	text_printf(t, "%-26s%-21s%-21s%-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (u32 i = 0; i < RLIM_NLIMITS; i++) {
		text_printf(t, "%-26s", names[i][0]);
		print_limit(t, process->rlimit[i][0]);
		print_limit(t, process->rlimit[i][1]);
		text_printf(t, *names[i][1] ? "%-10s\n" : "%s\n", names[i][1]);
	}
	return 0;
}
