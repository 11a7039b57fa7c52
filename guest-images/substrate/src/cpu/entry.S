/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into the kernel and out of it.
 *
 * Trap stubs stand in two tables. The native one runs as any kernel's. The de-privileged one runs at CPL 0, interpreted, so
 * it only writes down what happened on the TSS stack and "bounces" to trap_bounced at CPL 3, where code is quick again.
 *
 * De-privileged, the interrupt flag cannot be changed at CPL 3 and stays set in the kernel too. An interrupt that finds the
 * kernel running therefore only sets cpu0.work; the kernel looks at it before it goes back to the program. The code between
 * that look and the last instruction is the exit window: an interrupt in there restarts it at the look.
 */
#include <substrate/cpu.h>

/* The upper 32 bits of every address in the kernel's image, which are all ones. */
#define HIGH_HALF 0xffffffff00000000

.macro PUSH_GENERAL rax
	push	%rdi
	PUSH_AFTER_RDI \rax
.endm

.macro PUSH_AFTER_RDI rax
	push	%rsi
	push	%rdx
	push	%rcx
	pushq	\rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

/* Leaves %rsp at orig_rax. */
.macro POP_GENERAL
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
.endm

/* ---- trap stubs: first in the image, 16 bytes each, de-privileged then native ---- */

.macro STUB vector, target
	.balign 16
	/* vectors for which the processor pushes no error code */
	.if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
	pushq	$0
	.endif
	pushq	$\vector
	jmp	\target
.endm

	.section .text.traps, "ax"
	.globl trap_stubs_deprivileged
trap_stubs_deprivileged:
	.set	vector, 0
	.rept	VECTORS
	.if	vector == VECTOR_UD
	.balign	16
	jmp	undefined_bounce
	.elseif	vector >= VECTOR_IRQ
	.balign	16
	pushq	$0
	pushq	$vector
	jmp	interrupt_bounce
	.else
	STUB	vector, bounce
	.endif
	.set	vector, vector + 1
	.endr

	/* .org never goes back: a stub of more than 16 bytes is an error */
	.org	trap_stubs_deprivileged + VECTORS * 16
trap_stubs_native:
	.set	vector, 0
	.rept	VECTORS
	STUB	vector, trap_native
	.set	vector, vector + 1
	.endr
	.org	trap_stubs_native + VECTORS * 16


/* ---- CPL 0 on a de-privileging host: as few instructions as can be ---- */

/* Stack: vector, error, rip, cs, rflags, rsp, ss. */
bounce:
	push	%rax
	mov	%cr2, %rax
	push	%rax
	mov	%rsp, %rax
	pushq	$USER_SS
	push	%rax
	pushq	$0x202
	pushq	$USER_CS
	pushq	$trap_bounced
	iretq

/* Stack: rip, cs, rflags, rsp, ss. The gate's own #UD is a request: %rax says for what. */
undefined_bounce:
	cmpq	$gate_instruction, (%rsp)
	jne	1f
	addq	$2, (%rsp)
	jmp	*gate_operations(, %rax, 8)
1:	pushq	$0
	pushq	$VECTOR_UD
	jmp	bounce

gate_halt:
	cmpb	$0, cpu0 + CPU_WORK
	jne	1f
	sti		/* takes effect behind the next instruction: what comes before it ends the halt */
	hlt
1:	iretq
gate_load_cr3:
	mov	%rdi, %cr3
	iretq
gate_enable_interrupts:
	orl	$0x200, 16(%rsp)
	iretq
gate_invlpg:
	invlpg	(%rdi)
	iretq
gate_reset:
	mov	$0xfe, %al
	out	%al, $0x64
1:	hlt
	jmp	1b

/* Stack (IST 1): vector, 0, rip, cs, rflags, rsp, ss. The kernel lies in the top 4 GiB, a program never. */
interrupt_bounce:
	cmpl	$-1, 20(%rsp)
	je	1f
	push	%rax
	push	$0
	mov	%rsp, %rax
	pushq	$USER_SS
	push	%rax
	pushq	$0x2	/* no further interrupt until this stack is left */
	pushq	$USER_CS
	pushq	$trap_bounced
	iretq
1:	movb	$1, cpu0 + CPU_WORK
	cmpl	$(exit_window - HIGH_HALF), 16(%rsp)
	jb	2f
	cmpl	$(exit_window_end - HIGH_HALF), 16(%rsp)
	jae	2f
	movq	$exit_restart, 16(%rsp)
2:	add	$16, %rsp
	iretq

	.section .rodata
	.balign 8
gate_operations:
	.quad	gate_halt, gate_load_cr3, gate_enable_interrupts, gate_invlpg, gate_reset

/* ---- the kernel's own privilege from here ---- */

	.text
/* void gate(u64 operation, u64 argument) */
	.globl gate
gate:
	mov	%rdi, %rax
	mov	%rsi, %rdi
gate_instruction:
	ud2
	ret

/*
 * %rsp: cr2, rax, vector, error, rip, cs, rflags, rsp, ss, on the exception or interrupt stack, which must be left before
 * anything can fault.
 */
trap_bounced:
	mov	%rsp, %rax
	cmpl	$-1, 36(%rsp)		/* as in interrupt_bounce; all else is the program's, a non-canonical address too */
	je	1f
	mov	cpu0 + CPU_KERNEL_STACK, %rsp
	jmp	2f
1:	mov	56(%rsp), %rsp		/* the kernel's own trap goes on below its frame */
	and	$-16, %rsp
2:	pushq	64(%rax)
	pushq	56(%rax)
	pushq	48(%rax)
	pushq	40(%rax)
	pushq	32(%rax)
	pushq	24(%rax)
	PUSH_GENERAL 8(%rax)
	cld
	mov	(%rax), %rdx
	mov	16(%rax), %rsi
	mov	%rsp, %rdi
	xor	%ebp, %ebp
	call	trap_handler
	cmpl	$-1, 16 * 8 + 4(%rsp)
	jne	exit_to_program
	POP_GENERAL
	add	$8, %rsp
	iretq

/* Stack: vector, error, rip, cs, rflags, rsp, ss. The vector stands where pt_regs has rdi. */
trap_native:
	xchg	%rdi, (%rsp)
	PUSH_AFTER_RDI %rax
	/* The program's AC flag would open its memory to the kernel; `clac` is not on every processor. */
	pushfq
	andl	$~0x40000, (%rsp)
	popfq
	cld
	mov	%rdi, %rsi
	mov	%cr2, %rdx
	mov	%rsp, %rdi
	xor	%ebp, %ebp
	call	trap_handler
	testb	$3, 17 * 8(%rsp)
	jnz	exit_to_program
	POP_GENERAL
	add	$8, %rsp
	iretq

/* rcx: return address, r11: flags (SDM vol. 2, SYSCALL). */
	.globl syscall_entry
syscall_entry:
	mov	%rsp, cpu0 + CPU_USER_RSP
	mov	cpu0 + CPU_KERNEL_STACK, %rsp
	pushq	$USER_SS
	pushq	cpu0 + CPU_USER_RSP
	push	%r11
	pushq	$USER_CS
	push	%rcx
	push	%rax
	PUSH_GENERAL $-38
	cld
	mov	%rsp, %rdi
	xor	%ebp, %ebp
	call	syscall_handler

/* %rsp: the program's pt_regs, at the top of the kernel stack. */
	.globl exit_to_program
exit_to_program:
exit_window:
	cmpb	$0, cpu0 + CPU_WORK
	jne	exit_work_pending
	POP_GENERAL
	add	$8, %rsp
	.globl exit_instruction
exit_instruction:
	iretq
exit_window_end:

exit_restart:
	mov	cpu0 + CPU_KERNEL_STACK, %rsp
	sub	$PT_REGS_SIZE, %rsp
exit_work_pending:
	mov	%rsp, %rdi
	xor	%ebp, %ebp
	call	exit_work
	jmp	exit_to_program

/*
 * void leave_kernel(const struct pt_regs *program): forgets what the kernel was doing, copies the registers, which lie
 * below, to the top of its stack, and ends the program, or runs its handler, for what they hold.
 */
	.globl leave_kernel
leave_kernel:
	mov	%rdi, %rsi
	mov	cpu0 + CPU_KERNEL_STACK, %rdi
	sub	$PT_REGS_SIZE, %rdi
	mov	%rdi, %rax
	/* From the top down: the two may overlap. */
	add	$(PT_REGS_SIZE - 8), %rdi
	add	$(PT_REGS_SIZE - 8), %rsi
	mov	$(PT_REGS_SIZE / 8), %ecx
	std
	rep movsq
	cld
	mov	%rax, %rsp
	mov	%rsp, %rdi
	xor	%ebp, %ebp
	call	refused_state_report
	jmp	exit_to_program

/* void halt_native(void): waits with interrupts on, which one that is pending ends. */
	.globl halt_native, halt_instruction
halt_native:
	sti		/* takes effect behind the next instruction */
halt_instruction:
	hlt
	cli
	ret

/* void switch_stack(u64 *save_rsp, u64 rsp): goes on where `rsp` was saved. */
	.globl switch_stack
switch_stack:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* First return of a new task: its stack holds pt_regs only. */
	.globl task_start
task_start:
	call	task_started
	jmp	exit_to_program

/* ---- the program's memory ---- */

/* Both: rdi destination, rsi source or byte, rdx count; rax = bytes not done. A fault goes on at the fixup. */
	.globl user_copy, user_fill
user_copy:
	mov	%rdx, %rcx
1:	rep movsb
2:	mov	%rcx, %rax
	ret
	.pushsection .extable, "a"
	.quad	1b, 2b
	.popsection

user_fill:
	mov	%rdx, %rcx
	mov	%esi, %eax
1:	rep stosb
2:	mov	%rcx, %rax
	ret
	.pushsection .extable, "a"
	.quad	1b, 2b
	.popsection

/* u64 user_strnlen(const char *s, u64 max): length up to max, or -1 when the memory is not there. */
	.globl user_strnlen
user_strnlen:
	xor	%eax, %eax
1:	cmp	%rsi, %rax
	jae	3f
2:	cmpb	$0, (%rdi, %rax)
	je	3f
	inc	%rax
	jmp	1b
3:	ret
4:	mov	$-1, %rax
	ret
	.pushsection .extable, "a"
	.quad	2b, 4b
	.popsection

/* long user_cmpxchg32(u32 *p, u32 expected, u32 new, u32 *old): 0 or -14 (EFAULT). */
	.globl user_cmpxchg32, user_load32
user_cmpxchg32:
	mov	%rcx, %r8
	mov	%esi, %eax
1:	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%r8)
	xor	%eax, %eax
	ret
2:	mov	$-14, %rax
	ret
	.pushsection .extable, "a"
	.quad	1b, 2b
	.popsection

/* long user_load32(const u32 *p, u32 *value): one atomic load; 0 or -14 (EFAULT). */
user_load32:
1:	mov	(%rdi), %eax
	mov	%eax, (%rsi)
	xor	%eax, %eax
	ret
2:	mov	$-14, %rax
	ret
	.pushsection .extable, "a"
	.quad	1b, 2b
	.popsection
