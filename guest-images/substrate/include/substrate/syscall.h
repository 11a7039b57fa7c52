/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls. One is written as
 *
 *     SYSCALL_DEFINE3(read, int, fd, void __user *, buf, size_t, count) { … return bytes or -errno; }
 *
 * and listed in its subsystem's .tbl file as `SYSCALL(read, 3)`. The number is __NR_read of <asm/unistd.h>.
 */
#ifndef SUBSTRATE_SYSCALL_H
#define SUBSTRATE_SYSCALL_H

#include <asm/unistd.h>
#include <substrate/err.h>
#include <substrate/regs.h>

typedef long (*syscall_fn)(struct pt_regs *regs);

#define SYSCALL_DEFINE0(name)                                                              \
	static long do_##name(void);                                                           \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs) { (void)regs; return do_##name(); }              \
	static long do_##name(void)
#define SYSCALL_DEFINE1(name, t1, a1)                                                      \
	static long do_##name(t1 a1);                                                          \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs) { return do_##name((t1)regs->rdi); }             \
	static long do_##name(t1 a1)
#define SYSCALL_DEFINE2(name, t1, a1, t2, a2)                                              \
	static long do_##name(t1 a1, t2 a2);                                                   \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs) { return do_##name((t1)regs->rdi, (t2)regs->rsi); } \
	static long do_##name(t1 a1, t2 a2)
#define SYSCALL_DEFINE3(name, t1, a1, t2, a2, t3, a3)                                      \
	static long do_##name(t1 a1, t2 a2, t3 a3);                                            \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs)                                                  \
	{                                                                                      \
		return do_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx);                     \
	}                                                                                      \
	static long do_##name(t1 a1, t2 a2, t3 a3)
#define SYSCALL_DEFINE4(name, t1, a1, t2, a2, t3, a3, t4, a4)                              \
	static long do_##name(t1 a1, t2 a2, t3 a3, t4 a4);                                     \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs)                                                  \
	{                                                                                      \
		return do_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx, (t4)regs->r10);      \
	}                                                                                      \
	static long do_##name(t1 a1, t2 a2, t3 a3, t4 a4)
#define SYSCALL_DEFINE5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                      \
	static long do_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5);                              \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs)                                                  \
	{                                                                                      \
		return do_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx, (t4)regs->r10, (t5)regs->r8); \
	}                                                                                      \
	static long do_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)
#define SYSCALL_DEFINE6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)              \
	static long do_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6);                       \
	long sys_##name(struct pt_regs *regs);                                                 \
	long sys_##name(struct pt_regs *regs)                                                  \
	{                                                                                      \
		return do_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx, (t4)regs->r10, (t5)regs->r8, \
		                 (t6)regs->r9);                                                    \
	}                                                                                      \
	static long do_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)

#endif
