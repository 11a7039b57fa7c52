/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that the host spawned. */
#ifndef AGENT_PROCESS_H
#define AGENT_PROCESS_H

#include <substrate/list.h>
#include <substrate/sched.h>
#include <substrate/task.h>
#include <substrate/types.h>

#include "terminal.h"

#define AGENT_PROCESSES_MAX 64
/* Bytes that the host may send ahead of the program's reads; a power of two, in pages. */
#define STDIN_WINDOW (64U << 10)
#define STDIN_WINDOW_ORDER 4

struct file;
struct agent_process;

/* What the host sends for descriptor 0. */
struct agent_stdin {
	u8 *data; /* STDIN_WINDOW bytes, used as a ring; NULL when there is no stream or nobody can read it any more */
	u32 start, count;
	u32 credit;   /* what the host may still send */
	u32 consumed; /* read by the program, not yet given to the host as credit */
	bool connected, eof;
	struct wait_queue readers;
};

/* Where the bytes of descriptor 1 or 2 go. */
struct agent_output {
	struct agent_process *process;
	u16 type; /* of the frames that carry them */
	u64 credit;
	struct wait_queue writers;
};

struct unsupported_call {
	u32 nr;
	u64 times;
};

/* Referenced by the list of processes until its end was told to the host, and by each of its open files. */
struct agent_process {
	struct list link;
	u32 id; /* the host's name for it */
	u32 refs;
	struct process *process; /* NULL before it runs and after it ended */
	bool ended;
	struct agent_stdin in;
	struct agent_output out, err, trace;
	struct agent_terminal terminal;
	u64 trace_lost; /* records that there was no more time to send */
	struct unsupported_call *unsupported;
	u32 unsupported_count, unsupported_room;
	u64 unsupported_others; /* calls there was no more place to tell apart */
	/* How it ended, copied because the process is gone when there is room to tell it. */
	struct exit_report exit;
	u64 user_ns, system_ns, max_resident;
};

/* In the list, with one reference; NULL when memory is exhausted. */
struct agent_process *agent_process_new(u32 id, bool with_stdin);
struct agent_process *agent_process_get(struct agent_process *p);
void agent_process_put(struct agent_process *p);
/* Takes it off the list and puts the list's reference: its id means nothing any more. */
void agent_process_forget(struct agent_process *p);
struct agent_process *agent_process_find(u32 id);
u32 agent_process_count(void);
/* Tells ends and credit that there was no room for. True when something was told. */
bool agent_processes_catch_up(void);
/* There is room again in the transmit buffers. */
void agent_processes_wake_writers(void);

/* stdio.c */

/* The three files of a new process, each with a reference; 0 or -ENOMEM and none. */
long agent_stdio_open(struct agent_process *p, bool merge_stderr, struct file *stdio[3]);
/* Takes `n` bytes within the credit. */
void agent_stdin_receive(struct agent_process *p, const u8 *bytes, size_t n);
void agent_stdin_end(struct agent_process *p);
/* What has come and was not read, as far as it lies in one piece; and that so much of it has been. */
size_t agent_stdin_peek(const struct agent_process *p, const u8 **bytes);
void agent_stdin_consume(struct agent_process *p, size_t n);
/* Nobody reads any more: the buffer goes, no credit is given again. */
void agent_stdin_close(struct agent_process *p);
/* Gives the host credit for what was read, when it is worth a frame and there is room for one. True when it did. */
bool agent_stdin_return_credit(struct agent_process *p);

#endif
