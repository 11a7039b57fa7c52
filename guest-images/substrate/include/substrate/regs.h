/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_REGS_H
#define SUBSTRATE_REGS_H

#include <substrate/types.h>

/* The interrupted program's registers, as the entry code lays them on the kernel stack (Linux's struct pt_regs). */
struct pt_regs {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* system call number; for exceptions the error code */
	u64 rip, cs, rflags, rsp, ss;
};

#endif
