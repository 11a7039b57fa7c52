/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_TRAP_H
#define SUBSTRATE_TRAP_H

#include <substrate/mm.h>
#include <substrate/regs.h>

/* Called by entry.S. */
void trap_handler(struct pt_regs *regs, u64 vector, u64 cr2);
void syscall_handler(struct pt_regs *regs);
void exit_work(struct pt_regs *regs);
void task_started(void);

/*
 * The program did something its processor refused: runs its handler, or ends it with a report. `what` names the trap or,
 * with `object`, the access and what it met ("write to", "an unmapped address").
 */
void signal_fault(struct pt_regs *regs, int signo, int si_code, u64 address, const char *what, const char *object);

/* Why a fault could not be mended. */
struct fault_result {
	int signo;
	int si_code;
	const char *what;
};
enum { FAULT_WRITE = 1, FAULT_EXEC = 2 };

/* Makes the page at `address` accessible if the address space allows; false with `result` filled in otherwise. */
bool mm_fault(struct mm *mm, u64 address, u32 access, struct fault_result *result);

#endif
