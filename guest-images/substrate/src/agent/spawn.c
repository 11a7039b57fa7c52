/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program for the host: its descriptors, its credit, and what the host is told. */
#include "spawn.h"

#include <substrate/err.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include <substrate/task.h>

#include "frame.h"
#include "process.h"
#include "protocol.h"

#define REASON_SIZE 256

void spawn_failed(u32 id, long error, const char *reason)
{
	frame_begin(FRAME_SPAWN_FAILED, id);
	frame_u32((u32)-error);
	frame_string(reason, strnlen(reason, REASON_SIZE));
	frame_end();
}

static void spawned(const struct agent_process *p)
{
	frame_begin(FRAME_SPAWNED, p->id);
	frame_u32(p->process->pid);
	frame_u32(p->in.credit);
	frame_end();
}

static long open_streams(struct agent_process *p, const struct spawn *spawn, struct spawn_request *request, char *reason)
{
	if (!(spawn->flags & SPAWN_TERMINAL))
		return agent_stdio_open(p, spawn->flags & SPAWN_MERGE_STDERR, request->stdio);
	long error = agent_terminal_open(p, spawn->rows, spawn->columns, spawn->uid);
	if (error == -ENOSPC)
		snprintf(reason, REASON_SIZE, "there are as many terminals as there can be");
	request->terminal = p->terminal.tty;
	return error;
}

static long start_process(struct agent_process *p, const struct spawn *spawn, char *reason)
{
	char root[] = "/";
	struct spawn_request request = {
		.path = spawn->path,
		.argv = spawn->argv,
		.envp = spawn->envp,
		.argc = spawn->argc,
		.envc = spawn->envc,
		.workdir = *spawn->workdir ? spawn->workdir : root,
		.uid = spawn->uid,
		.gid = spawn->gid,
		.trace = spawn->flags & SPAWN_TRACE,
		.agent = p,
	};
	long error = open_streams(p, spawn, &request, reason);

	if (error)
		return error;
	struct process *process = process_spawn(&request, reason, REASON_SIZE);
	if (IS_ERR(process)) {
		for (int i = 0; i < 3; i++)
			if (request.stdio[i])
				file_put(request.stdio[i]);
		return PTR_ERR(process);
	}
	p->process = process;
	return 0;
}

void spawn_run(u32 id, const struct spawn *spawn)
{
	char reason[REASON_SIZE] = "";

	if (agent_process_count() >= AGENT_PROCESSES_MAX) {
		spawn_failed(id, -EAGAIN, "as many programs as the agent can hold are running");
		return;
	}
	struct agent_process *p = agent_process_new(id, spawn->flags & SPAWN_STDIN);
	if (!p) {
		spawn_failed(id, -ENOMEM, "out of memory");
		return;
	}
	p->out.credit = spawn->stdout_window;
	p->err.credit = spawn->stderr_window;
	p->trace.credit = spawn->trace_window;

	long error = start_process(p, spawn, reason);
	if (error) {
		if (!*reason)
			snprintf(reason, sizeof(reason), "%s", error == -ENOMEM ? "out of memory" : "the program cannot be started");
		agent_process_forget(p);
		spawn_failed(id, error, reason);
		return;
	}
	spawned(p);
}
