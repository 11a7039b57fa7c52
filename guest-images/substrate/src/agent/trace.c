/* SPDX-License-Identifier: Apache-2.0 */
/* Trace records on their way to the host: a stream of each program's own, whole records in one frame each. */
#include <substrate/device.h>
#include <substrate/task.h>
#include <substrate/trace.h>
#include <substrate/uaccess.h>

#include "frame.h"
#include "process.h"
#include "protocol.h"

/* The program that the process descends from; NULL when it has ended. */
static struct agent_process *program_of(const struct process *process)
{
	const struct process *spawned = process->agent ? process : process_spawned(process);
	return spawned ? spawned->agent : NULL;
}

static bool room(const struct agent_process *p)
{
	return p->trace.credit >= TRACE_RECORD_MAX &&
	       frame_room(FRAME_RESERVE + FRAME_HEADER_SIZE + FRAME_SLACK + TRACE_RECORD_MAX);
}

bool agent_trace_wait(const struct process *process)
{
	struct agent_process *p = program_of(process);
	if (!p)
		return false;
	long error = 0;
	agent_process_get(p);
	while (!error && !p->ended && !room(p)) {
		/* What is in the buffers must be on its way before somebody waits for buffers or for credit. */
		agent_flush();
		error = wait_once_killable(&p->trace.writers);
	}
	bool there = !error && !p->ended;
	if (error)
		p->trace_lost++;
	agent_process_put(p);
	return there;
}

void agent_trace(const struct process *process, const void *record, size_t n)
{
	struct agent_process *p = program_of(process);
	struct iovec vec;
	struct iobuf io;
	/* The record is only read. */
	iobuf_init_kernel(&io, &vec, (void *)(unsigned long)record, n);
	frame_begin(FRAME_TRACE, p->id);
	frame_copy_in(&io, n);
	frame_end();
	p->trace.credit -= n;
}
