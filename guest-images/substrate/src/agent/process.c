/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that the host spawned, from SPAWN until their end has been told. */
#include "process.h"

#include <substrate/device.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>

#include "frame.h"
#include "protocol.h"

#define UNSUPPORTED_FIRST 8
#define UNSUPPORTED_MAX 64
#define UNSUPPORTED_NAME_MAX 40
#define UNSUPPORTED_ENTRY_MAX (16 + 4 + UNSUPPORTED_NAME_MAX)
#define LOST_SIZE (FRAME_HEADER_SIZE + 8)
#define END_MAX (FRAME_HEADER_SIZE + 4 + 4 + 6 * 8 + 4 + sizeof(((struct exit_report *)0)->detail))

static struct list processes = LIST_INIT(processes);

static void init_output(struct agent_output *output, struct agent_process *p, u16 type)
{
	output->process = p;
	output->type = type;
	wait_queue_init(&output->writers);
}

struct agent_process *agent_process_new(u32 id, bool with_stdin)
{
	struct agent_process *p = kzalloc(sizeof(*p));
	if (!p)
		return NULL;
	if (with_stdin) {
		paddr_t frames = frames_alloc(STDIN_WINDOW_ORDER);
		if (!frames) {
			kfree(p);
			return NULL;
		}
		p->in.data = phys_to_virt(frames);
		p->in.credit = STDIN_WINDOW;
		p->in.connected = true;
	}
	p->id = id;
	p->refs = 1;
	wait_queue_init(&p->in.readers);
	init_output(&p->out, p, FRAME_STDOUT);
	init_output(&p->err, p, FRAME_STDERR);
	init_output(&p->trace, p, FRAME_TRACE);
	list_push_back(&processes, &p->link);
	return p;
}

struct agent_process *agent_process_get(struct agent_process *p)
{
	p->refs++;
	return p;
}

void agent_process_put(struct agent_process *p)
{
	if (--p->refs > 0)
		return;
	agent_stdin_close(p);
	kfree(p->unsupported);
	kfree(p);
}

void agent_process_forget(struct agent_process *p)
{
	p->ended = true;
	agent_stdin_close(p);
	agent_terminal_close(p);
	list_remove(&p->link);
	agent_process_put(p);
}

struct agent_process *agent_process_find(u32 id)
{
	struct agent_process *p;

	list_for_each(p, &processes, link)
		if (p->id == id)
			return p;
	return NULL;
}

u32 agent_process_count(void)
{
	struct agent_process *p;
	u32 count = 0;

	list_for_each(p, &processes, link)
		count++;
	return count;
}

/* ---- system calls that do not exist ---- */

static struct unsupported_call *new_call(struct agent_process *p, u32 nr)
{
	if (p->unsupported_count == UNSUPPORTED_MAX)
		return NULL;
	if (p->unsupported_count == p->unsupported_room) {
		u32 room = p->unsupported_room ? p->unsupported_room * 2 : UNSUPPORTED_FIRST;
		struct unsupported_call *more = krealloc(p->unsupported, room * sizeof(*more));
		if (!more)
			return NULL;
		p->unsupported = more;
		p->unsupported_room = room;
	}
	struct unsupported_call *call = &p->unsupported[p->unsupported_count++];
	*call = (struct unsupported_call){ .nr = nr };
	return call;
}

static struct unsupported_call *find_call(struct agent_process *p, u32 nr)
{
	for (u32 i = 0; i < p->unsupported_count; i++)
		if (p->unsupported[i].nr == nr)
			return &p->unsupported[i];
	return new_call(p, nr);
}

void agent_process_unsupported(struct process *process, u32 nr)
{
	struct process *spawned = process->agent ? process : process_spawned(process);
	if (!spawned)
		return;
	struct unsupported_call *call = find_call(spawned->agent, nr);
	if (call)
		call->times++;
	else
		spawned->agent->unsupported_others++;
}

static void put_call(u32 nr, u64 times, const char *name)
{
	frame_u32(nr);
	frame_u32(0);
	frame_u64(times);
	frame_string(name, strnlen(name, UNSUPPORTED_NAME_MAX));
}

static void tell_unsupported(const struct agent_process *p)
{
	u32 count = p->unsupported_count + (p->unsupported_others > 0 ? 1 : 0);

	if (count == 0)
		return;
	frame_begin(FRAME_UNSUPPORTED, p->id);
	frame_u32(count);
	for (u32 i = 0; i < p->unsupported_count; i++) {
		char number[16];
		const char *name = syscall_name(p->unsupported[i].nr);
		if (!name) {
			snprintf(number, sizeof(number), "#%u", p->unsupported[i].nr);
			name = number;
		}
		put_call(p->unsupported[i].nr, p->unsupported[i].times, name);
	}
	if (p->unsupported_others > 0)
		put_call(~0U, p->unsupported_others, "others");
	frame_end();
}

/* ---- the end ---- */

static void tell_exited(const struct agent_process *p)
{
	frame_begin(FRAME_EXITED, p->id);
	frame_u32(p->exit.code & 0xff);
	frame_u64(p->user_ns);
	frame_u64(p->system_ns);
	frame_u64(p->max_resident);
	frame_end();
}

static void tell_killed(const struct agent_process *p)
{
	frame_begin(FRAME_KILLED, p->id);
	frame_u32(p->exit.signo);
	frame_u32((u32)p->exit.si_code);
	frame_u64(p->exit.address);
	frame_u64(p->exit.rip);
	frame_u64(p->exit.rsp);
	frame_u64(p->user_ns);
	frame_u64(p->system_ns);
	frame_u64(p->max_resident);
	frame_string(p->exit.detail, strnlen(p->exit.detail, sizeof(p->exit.detail)));
	frame_end();
}

static void tell_lost(const struct agent_process *p)
{
	frame_begin(FRAME_TRACE_LOST, p->id);
	frame_u64(p->trace_lost);
	frame_end();
}

/* Forgets the process when the host could be told; false when there is no room for that now. */
static bool tell_end(struct agent_process *p)
{
	if (!agent_terminal_drained(p))
		return false;
	size_t calls = FRAME_HEADER_SIZE + 4 + (p->unsupported_count + 1) * UNSUPPORTED_ENTRY_MAX;

	if (!frame_room(calls + LOST_SIZE + END_MAX + 3 * FRAME_SLACK))
		return false;
	tell_unsupported(p);
	if (p->trace_lost > 0)
		tell_lost(p);
	if (p->exit.signo)
		tell_killed(p);
	else
		tell_exited(p);
	agent_process_forget(p);
	return true;
}

void agent_process_ended(struct process *process)
{
	struct agent_process *p = process->agent;

	if (!p)
		return;
	process->agent = NULL;
	p->process = NULL;
	p->exit = process->exit;
	p->user_ns = process->user_ns;
	p->system_ns = process->system_ns;
	p->max_resident = process->max_resident;
	p->ended = true;
	/* Its children may still hold the streams: whatever they wait for there does not come. */
	wake_up(&p->in.readers);
	wake_up(&p->out.writers);
	wake_up(&p->err.writers);
	wake_up(&p->trace.writers);
	agent_stdin_close(p);
	agent_terminal_hang_up(p);
	if (tell_end(p))
		agent_flush();
}

bool agent_processes_catch_up(void)
{
	struct agent_process *p, *next;
	bool some = false;

	list_for_each_safe(p, next, &processes, link) {
		if (p->ended)
			some |= tell_end(p);
		else
			some |= agent_stdin_return_credit(p);
	}
	return some;
}

void agent_processes_wake_writers(void)
{
	struct agent_process *p;

	list_for_each(p, &processes, link) {
		wake_up(&p->out.writers);
		wake_up(&p->err.writers);
		wake_up(&p->trace.writers);
	}
}
