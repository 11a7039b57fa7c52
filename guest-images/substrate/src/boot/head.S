/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of the 64-bit Linux boot protocol (Documentation/arch/x86/boot.rst): long mode, CPL 0, identity page tables,
 * %rsi = boot_params. All tables are written out by the assembler, because on a de-privileging host each instruction here
 * is interpreted: nothing is computed that can be a constant.
 */
#include <substrate/cpu.h>

#define KERNEL_BASE 0xffffffff80000000
#define TABLE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)
#define LEAF (TABLE | PTE_DIRTY)

/* MSRs (Intel SDM vol. 4) */
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084
#define EFER_BITS 0xd01        /* SCE, LME, LMA, NXE */
#define SFMASK_BITS 0x47500    /* AC, NT, IOPL, DF, TF: what the kernel wants clear; init_native adds IF */
#define CR0_BITS 0x80010033    /* PG, WP, NE, ET, MP, PE; not AM, so that a program's AC flag means nothing */
#define CR4_BITS 0x6a0         /* PAE, PGE, OSFXSR, OSXMMEXCPT; init_native adds what CPUID offers */

	.text
	.globl startup_64
startup_64:
	mov	$(boot_pml4 - KERNEL_BASE), %eax
	mov	%rax, %cr3
	mov	$1f, %rax
	jmp	*%rax
1:
	mov	%cr4, %rax
	or	$CR4_BITS, %eax
	mov	%rax, %cr4
	mov	$CR0_BITS, %eax
	mov	%rax, %cr0
	lgdt	gdt_pointer(%rip)
	lidt	idt_deprivileged_pointer(%rip)
	mov	$TSS_SELECTOR, %eax
	ltr	%ax
	xor	%edx, %edx
	mov	$MSR_EFER, %ecx
	mov	$EFER_BITS, %eax
	wrmsr
	mov	$MSR_SFMASK, %ecx
	mov	$SFMASK_BITS, %eax
	wrmsr
	/* sysret takes user CS from STAR[63:48] + 16 and SS from + 8; syscall takes kernel CS from STAR[47:32]. */
	mov	$MSR_STAR, %ecx
	xor	%eax, %eax
	mov	$(0x23 << 16 | KERNEL_CS), %edx
	wrmsr
	mov	$MSR_LSTAR, %ecx
	mov	$(syscall_entry - 0xffffffff00000000), %eax
	mov	$-1, %edx
	wrmsr
	/* Down to CPL 3, to see at which privilege `syscall` comes back. */
	mov	%rsi, %rdi
	mov	$boot_user_stack_top, %rax
	mov	$exception_stack_top, %rsp
	pushq	$USER_SS
	push	%rax
	pushq	$0x202
	pushq	$USER_CS
	pushq	$boot_probe
	iretq

boot_probe:
	mov	$BOOT_SYSCALL, %eax
	syscall
	ud2

/* ---- page tables ---- */

	.data
	.balign 4096
	.globl boot_pml4
boot_pml4:
	.quad	boot_low_pdpt - KERNEL_BASE + TABLE    /* for the jump to the high half; dropped by mm_init */
	.fill	272, 8, 0
	.quad	direct_pdpt - KERNEL_BASE + TABLE      /* 273: 0xffff888000000000 */
	.fill	237, 8, 0
	.quad	kernel_pdpt - KERNEL_BASE + TABLE      /* 511: 0xffffff8000000000 */

boot_low_pdpt:
	.quad	kernel_pd - KERNEL_BASE + TABLE
	.fill	511, 8, 0

	.globl kernel_pdpt
kernel_pdpt:
	.fill	510, 8, 0
	.quad	kernel_pd - KERNEL_BASE + TABLE
	.quad	0

	.globl kernel_pd
kernel_pd:
	.set	address, 0
	.rept	512
	.quad	address + LEAF + PTE_LARGE
	.set	address, address + 0x200000
	.endr

/* The first GiB is the kernel's own; the last below 4 GiB holds the device windows; direct_map() adds what else there is. */
	.globl direct_pdpt
direct_pdpt:
	.quad	kernel_pd - KERNEL_BASE + TABLE
	.fill	2, 8, 0
	.quad	device_pd - KERNEL_BASE + TABLE
	.fill	508, 8, 0

device_pd:
	.set	address, 0xc0000000
	.rept	512
	.quad	address + LEAF + PTE_LARGE
	.set	address, address + 0x200000
	.endr

/* ---- segments ---- */

	.section .data.tss, "aw"
	.globl tss
tss:
	.long	0
	.globl tss_rsp0
tss_rsp0:
	.quad	exception_stack_top
	.fill	3, 8, 0
	.quad	interrupt_stack_top    /* IST 1 */
	.quad	fault_stack_top        /* IST 2: double fault, on a native host */
	.fill	5, 8, 0
	.fill	5, 2, 0
	.word	0x68                   /* no I/O bitmap: no port is the program's */
tss_end:
	.if	tss_end - tss != 0x68
	.error	"a TSS has 104 bytes"
	.endif

	.data
	.balign 16
gdt:
	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff     /* 0x10 kernel code */
	.quad	0x00cf93000000ffff     /* 0x18 kernel data */
	.quad	0x00cffb000000ffff     /* 0x20 32-bit user code, unused: sysret counts from it */
	.quad	0x00cff3000000ffff     /* 0x28 user data */
	.quad	0x00affb000000ffff     /* 0x30 user code */
	.quad	0
	.quad	0x8000896000000067     /* 0x40 TSS at 0xffffffff80600000 */
	.quad	0xffffffff
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt

	.section .rodata
	.globl idt_deprivileged_pointer, idt_native_pointer
idt_deprivileged_pointer:
	.word	VECTORS * 16 - 1
	.quad	idt_deprivileged
idt_native_pointer:
	.word	VECTORS * 16 - 1
	.quad	idt_native

/* A 64-bit interrupt gate (SDM vol. 3, 6.14.1) to KERNEL_BASE + 0x200000 + offset; the low half of that base is zero. */
.macro GATE offset, ist, dpl
	.word	(\offset) & 0xffff
	.word	KERNEL_CS
	.byte	\ist
	.byte	0x8e | \dpl << 5
	.word	0x8020
	.long	0xffffffff
	.long	0
.endm

/* `first`: where the table's stubs begin. Only #BP and #OF may be raised by an instruction of the program. */
.macro IDT name, first, interrupt_ist, double_fault_ist
	.balign 16
\name:
	.set	vector, 0
	.rept	VECTORS
	.if	vector == 3 || vector == 4
	GATE	(\first + vector * 16), 0, 3
	.elseif	vector == VECTOR_DF
	GATE	(\first + vector * 16), \double_fault_ist, 0
	.elseif	vector >= VECTOR_IRQ
	GATE	(\first + vector * 16), \interrupt_ist, 0
	.else
	GATE	(\first + vector * 16), 0, 0
	.endif
	.set	vector, vector + 1
	.endr
.endm

	IDT	idt_deprivileged, 0, 1, 0
	IDT	idt_native, (VECTORS * 16), 0, 2

/* ---- stacks ---- */

	.bss
	.balign 16
	.fill	1024, 1, 0
	.globl exception_stack_top
exception_stack_top:
	.fill	1024, 1, 0
interrupt_stack_top:
	.fill	4096, 1, 0
fault_stack_top:
	.fill	64, 1, 0
boot_user_stack_top:
