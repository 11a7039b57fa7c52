/* SPDX-License-Identifier: Apache-2.0 */
/* Trees whose nodes are made up when they are looked at, and forgotten when nobody looks any more: /proc and /sys. */
#ifndef SUBSTRATE_FS_MADE_H
#define SUBSTRATE_FS_MADE_H

#include "node.h"
#include "text.h"

struct process;

/* A kind of node. A kind's number is its place in the table; its parent is the kind of directory it is in. */
struct made {
	const char *name; /* NULL: names come from the parent's own operations */
	u32 parent;
	u32 mode;
	/* For files: writes the contents. 0 or a negative errno (the process is gone). */
	long (*print)(struct text *text, u32 pid);
	const struct node_ops *ops; /* for directories and links; NULL: a plain directory of the table, or a file */
};

/*
 * /proc/<pid> and below are PID_FIRST and above; plain numbers so that the tables may lie in different files.
 */
enum made_kind {
	PROC_ROOT, PROC_SELF, PROC_THREAD_SELF, PROC_PID, PROC_FD_DIR, PROC_FD, PROC_TASK_DIR, PROC_TID,
	SYS_ROOT, KIND_FIRST_OF_TABLE,
};

/* A node of this kind about process `pid`, named `name` in `parent`: one reference, or ERR_PTR(-ENOMEM). */
struct node *made_node(struct node *parent, u32 kind, u32 pid, const char *name, u32 len);
/* Looks a name up among the kinds whose parent is the directory's kind. */
struct node *made_lookup(struct node *dir, const char *name, u32 len);
/* Hands out those kinds' names, at positions below MADE_FIRST_OWN; false when the sink is full. */
#define MADE_FIRST_OWN 1024
bool made_readdir(struct node *dir, u64 *pos, struct dir_sink *sink);

/* A decimal number without leading zeroes, at most `max`; false when the name is none. */
bool parse_number(const char *name, u32 len, u32 max, u32 *number);

/* ---- proc_pid.c ---- */

extern const struct node_ops proc_self_ops, proc_thread_self_ops, proc_pid_ops, proc_fd_dir_ops, proc_fd_ops, proc_task_dir_ops;
extern const struct node_ops proc_exe_ops, proc_cwd_ops, proc_root_link_ops;
long print_cmdline(struct text *t, u32 pid);
long print_environ(struct text *t, u32 pid);
long print_comm(struct text *t, u32 pid);
long print_maps(struct text *t, u32 pid);
long print_pid_stat(struct text *t, u32 pid);
long print_statm(struct text *t, u32 pid);
long print_status(struct text *t, u32 pid);
long print_limits(struct text *t, u32 pid);

/* ---- proc_system.c ---- */

#define USER_HZ 100UL /* clock ticks of /proc (proc(5), sysconf(_SC_CLK_TCK)) */

long print_cpuinfo(struct text *t, u32 pid);
long print_meminfo(struct text *t, u32 pid);
long print_stat(struct text *t, u32 pid);
long print_uptime(struct text *t, u32 pid);
long print_version(struct text *t, u32 pid);
long print_loadavg(struct text *t, u32 pid);
long print_mounts(struct text *t, u32 pid);
long print_mountinfo(struct text *t, u32 pid);
long print_filesystems(struct text *t, u32 pid);
long print_partitions(struct text *t, u32 pid);
long print_cgroup(struct text *t, u32 pid);
long print_ostype(struct text *t, u32 pid);
long print_osrelease(struct text *t, u32 pid);
long print_hostname(struct text *t, u32 pid);
long print_uuid(struct text *t, u32 pid);
long print_boot_id(struct text *t, u32 pid);
long print_file_max(struct text *t, u32 pid);

#endif
