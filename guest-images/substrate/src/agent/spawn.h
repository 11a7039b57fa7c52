/* SPDX-License-Identifier: Apache-2.0 */
/* SPAWN: from the frame to a running program. */
#ifndef AGENT_SPAWN_H
#define AGENT_SPAWN_H

#include <substrate/types.h>

/* A decoded SPAWN. The strings lie in the payload, terminated in place. */
struct spawn {
	u32 flags, uid, gid, stdout_window, stderr_window, trace_window, rows, columns;
	char *workdir, *path;
	char **argv, **envp; /* terminated by NULL as execve(2) wants them */
	u32 argc, envc;
};

/*
 * Reads the payload, which must have room for one byte after its end. 0, -ENOMEM, or -EINVAL with *why told.
 * After success the caller calls spawn_free.
 */
long spawn_decode(struct spawn *spawn, u8 *payload, size_t length, const char **why);
void spawn_free(struct spawn *spawn);

/* Runs it under the host's id and tells the host SPAWNED or SPAWN_FAILED. */
void spawn_run(u32 id, const struct spawn *spawn);
void spawn_failed(u32 id, long error, const char *reason);

#endif
