/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/device.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/trace.h>

#include "record.h"

/* agent protocol, "Trace records" */
enum record_kind { ENTERED = 1, LEFT = 2, SIGNALLED = 3, STOPPED = 4, ENDED = 5 };

#define NAME_MAX_SHOWN 40
#define INFO_SIZE 48 /* of siginfo_t: what SIGCHLD has to say is the longest */

/*
 * One is enough: the kernel is not preempted, and between the wait for room and the end of a record nothing waits. It would
 * be too much for a kernel stack.
 */
static struct record record;

static bool begin(enum record_kind kind)
{
	const struct task *task = current;
	if (!agent_trace_wait(task->process))
		return false;
	record.fill = 0;
	record_u32(&record, 0); /* the length, which `end` knows */
	record_u32(&record, kind);
	record_u32(&record, task->process->pid);
	record_u32(&record, task->tid);
	return true;
}

static void end(void)
{
	u32 length = record.fill - (u32)sizeof(length);
	memcpy(record.bytes, &length, sizeof(length));
	agent_trace(current->process, record.bytes, record.fill);
}

static void put_signal(const siginfo_t *info)
{
	if (!begin(SIGNALLED))
		return;
	record_text(&record, (const char *)info, INFO_SIZE);
	end();
}

/* Signals that nobody but a tracer hears of. */
static void put_ignored(void)
{
	siginfo_t info;
	while (signal_take_ignored(&info))
		put_signal(&info);
}

void trace_enter(const struct pt_regs *call)
{
	const u64 arguments[] = { call->rdi, call->rsi, call->rdx, call->r10, call->r8, call->r9 };
	const char *name = syscall_name((u32)call->orig_rax);
	size_t length = name ? strnlen(name, NAME_MAX_SHOWN) : 0;
	put_ignored();
	if (!begin(ENTERED))
		return;
	record_u64(&record, call->orig_rax);
	for (u32 i = 0; i < ARRAY_SIZE(arguments); i++)
		record_u64(&record, arguments[i]);
	record_u8(&record, (u8)length);
	record_text(&record, name, length);
	capture_before(&record, call);
	end();
}

void trace_leave(const struct pt_regs *call, long result)
{
	if (begin(LEFT)) {
		record_u64(&record, (u64)result);
		capture_after(&record, call, result);
		end();
	}
	put_ignored();
	agent_flush();
}

void trace_signal(const siginfo_t *info)
{
	put_ignored();
	put_signal(info);
	agent_flush();
}

void trace_stop(int signo)
{
	if (!begin(STOPPED))
		return;
	record_u32(&record, (u32)signo);
	end();
	agent_flush();
}

void trace_end(u32 signo, u32 code)
{
	put_ignored();
	if (!begin(ENDED))
		return;
	record_u32(&record, signo);
	record_u32(&record, code);
	end();
	agent_flush();
}
