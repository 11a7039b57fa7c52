/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing: what the threads of a program with task->trace do is told to the host, as records (agent protocol, "Trace
 * records"). Each of these waits until the host has room for the record; only SIGKILL ends that wait, and the record is lost
 * then, which is told too.
 */
#ifndef SUBSTRATE_TRACE_H
#define SUBSTRATE_TRACE_H

#include <asm/siginfo.h>
#include <substrate/regs.h>
#include <substrate/types.h>

/* The longest record, its length field included. */
#define TRACE_RECORD_MAX 3584U

/* The call is about to be made; `call`: the registers as the program set them, the number in orig_rax. */
void trace_enter(const struct pt_regs *call);
/* It returned. */
void trace_leave(const struct pt_regs *call, long result);
/* The signal was taken and is about to be handled, whatever that means for it. */
void trace_signal(const siginfo_t *info);
/* The process stopped by this signal. */
void trace_stop(int signo);
/* The current thread ends: by a signal, or (0) with `code`. */
void trace_end(u32 signo, u32 code);

/* What a system call's arguments are. */
struct trace_signature {
	u8 count;
	u8 types[6];
};
const struct trace_signature *trace_signature(u64 nr); /* NULL: not known */

#endif
