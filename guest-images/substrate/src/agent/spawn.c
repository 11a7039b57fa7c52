/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program for the host: which file it is, as execvp(3) finds it, and what its descriptors are. */
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

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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

static const char *search_path(const struct spawn *spawn)
{
	for (u32 i = 0; i < spawn->envc; i++)
		if (strncmp(spawn->envp[i], "PATH=", 5) == 0)
			return spawn->envp[i] + 5;
	return DEFAULT_PATH;
}

/* "<directory>/<name>"; an empty directory is the working directory. False when that is longer than a path may be. */
static bool join(char *to, const char *directory, size_t length, const char *name)
{
	size_t name_size = strlen(name) + 1;
	size_t slash = length > 0 ? 1 : 0;

	if (length + slash + name_size > PATH_MAX)
		return false;
	memcpy(to, directory, length);
	if (slash)
		to[length] = '/';
	memcpy(to + length + slash, name, name_size);
	return true;
}

/* As execvp(3): a directory where it cannot be is passed over, a file that may not be run is remembered. */
static struct process *spawn_along_path(struct spawn_request *request, const char *directories, char *reason)
{
	const char *name = request->argv[0];
	char *candidate = kmalloc(PATH_MAX);
	struct process *process = ERR_PTR(-ENOENT);
	bool denied = false;

	if (!candidate)
		return ERR_PTR(-ENOMEM);
	request->path = candidate;
	for (const char *at = directories;; at++) {
		const char *colon = strchr(at, ':');
		size_t length = colon ? (size_t)(colon - at) : strlen(at);
		if (join(candidate, at, length, name)) {
			process = process_spawn(request, reason, REASON_SIZE);
			long error = IS_ERR(process) ? PTR_ERR(process) : 0;
			if (error == -EACCES)
				denied = true;
			else if (error != -ENOENT && error != -ENOTDIR)
				break;
		}
		at += length;
		if (*at == '\0') {
			process = ERR_PTR(denied ? -EACCES : -ENOENT);
			snprintf(reason, REASON_SIZE, "%s: %.100s", denied ? "not allowed to run" : "no such program on PATH", name);
			break;
		}
	}
	request->path = NULL;
	kfree(candidate);
	return process;
}

static struct process *start(const struct spawn *spawn, struct spawn_request *request, char *reason)
{
	const char *name = spawn->argv[0];

	if (*spawn->path)
		request->path = spawn->path;
	else if (strchr(name, '/'))
		request->path = spawn->argv[0];
	else if (*name)
		return spawn_along_path(request, search_path(spawn), reason);
	else {
		snprintf(reason, REASON_SIZE, "the program's name is empty");
		return ERR_PTR(-ENOENT);
	}
	return process_spawn(request, reason, REASON_SIZE);
}

static long start_process(struct agent_process *p, const struct spawn *spawn, char *reason)
{
	char root[] = "/";
	struct spawn_request request = {
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
	long error = agent_stdio_open(p, spawn->flags & SPAWN_MERGE_STDERR, request.stdio);

	if (error)
		return error;
	struct process *process = start(spawn, &request, reason);
	if (IS_ERR(process)) {
		for (int i = 0; i < 3; i++)
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
