/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of SPAWN. A string's terminator goes where the next field's first byte was, so it is written only when that field
 * has been read; the payload's last string needs the byte after the end.
 */
#include <substrate/err.h>
#include <substrate/mm.h>
#include <substrate/string.h>

#include "protocol.h"
#include "spawn.h"
#include "terminal.h"

struct cursor {
	u8 *at, *end;
	u8 *terminate; /* end of the string read last, or NULL */
	const char *wrong; /* why the payload is malformed, or NULL */
};

static void terminate(struct cursor *c)
{
	if (c->terminate)
		*c->terminate = 0;
	c->terminate = NULL;
}

static u32 take_u32(struct cursor *c)
{
	u32 value = 0;

	if (c->wrong)
		return 0;
	if ((size_t)(c->end - c->at) < sizeof(value)) {
		c->wrong = "it ends within a field";
		return 0;
	}
	memcpy(&value, c->at, sizeof(value));
	c->at += sizeof(value);
	terminate(c);
	return value;
}

static char *take_string(struct cursor *c)
{
	u32 length = take_u32(c);

	if (c->wrong)
		return NULL;
	if (length > (size_t)(c->end - c->at)) {
		c->wrong = "a string is longer than the frame";
		return NULL;
	}
	if (memchr(c->at, 0, length)) {
		c->wrong = "a string holds a NUL";
		return NULL;
	}
	char *string = (char *)c->at;
	c->at += length;
	c->terminate = c->at;
	return string;
}

static long take_strings(struct cursor *c, char ***strings, u32 *count)
{
	*count = take_u32(c);
	if (c->wrong)
		return 0;
	/* Each takes the four bytes of its length at least: this bounds what is allocated for them. */
	if (*count > (size_t)(c->end - c->at) / sizeof(u32)) {
		c->wrong = "it counts more strings than it holds";
		return 0;
	}
	*strings = kmalloc((*count + 1UL) * sizeof(char *));
	if (!*strings)
		return -ENOMEM;
	for (u32 i = 0; i < *count; i++)
		(*strings)[i] = take_string(c);
	(*strings)[*count] = NULL;
	return 0;
}

static long take_all(struct spawn *spawn, struct cursor *c)
{
	spawn->flags = take_u32(c);
	spawn->uid = take_u32(c);
	spawn->gid = take_u32(c);
	spawn->stdout_window = take_u32(c);
	spawn->stderr_window = take_u32(c);
	spawn->workdir = take_string(c);
	spawn->path = take_string(c);
	long error = take_strings(c, &spawn->argv, &spawn->argc);
	if (!error)
		error = take_strings(c, &spawn->envp, &spawn->envc);
	if (!error && spawn->flags & SPAWN_TRACE)
		spawn->trace_window = take_u32(c);
	if (!error && spawn->flags & SPAWN_TERMINAL) {
		spawn->rows = take_u32(c);
		spawn->columns = take_u32(c);
	}
	return error;
}

static const char *judge(const struct spawn *spawn, const struct cursor *c)
{
	if (c->wrong)
		return c->wrong;
	if (c->at != c->end)
		return "there are bytes after its last field";
	if (spawn->flags & ~(u32)SPAWN_FLAGS)
		return "unknown flags";
	if (spawn->rows > TERMINAL_SIDE_MAX || spawn->columns > TERMINAL_SIDE_MAX)
		return "a terminal of more than 65535 rows or columns";
	if (spawn->flags & SPAWN_TERMINAL && spawn->stdout_window <= TERMINAL_RESERVE)
		return "a terminal needs a stdout window of more than 4096 bytes";
	if (spawn->argc == 0)
		return "there is no argv[0]";
	return NULL;
}

long spawn_decode(struct spawn *spawn, u8 *payload, size_t length, const char **why)
{
	struct cursor c = { .at = payload, .end = payload + length };

	memset(spawn, 0, sizeof(*spawn));
	*why = NULL;
	long error = take_all(spawn, &c);
	if (!error) {
		*why = judge(spawn, &c);
		error = *why ? -EINVAL : 0;
	}
	if (error)
		spawn_free(spawn);
	else
		terminate(&c);
	return error;
}

void spawn_free(struct spawn *spawn)
{
	kfree(spawn->argv);
	kfree(spawn->envp);
	spawn->argv = spawn->envp = NULL;
}
