/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor: what differs between the two worlds.
 *
 * On a host whose KVM runs guest kernels natively, the kernel runs at CPL 0. On one that de-privileges guests, CPL 0 code is
 * interpreted at about 0.6 us an instruction, so that all of the kernel but the code in src/cpu/ runs at CPL 3, where `syscall`
 * arrives at CPL 3 too. There, a privileged instruction is asked for through the *gate*: an undefined instruction at a known
 * address, whose #UD handler at CPL 0 does it.
 */
#ifndef SUBSTRATE_CPU_H
#define SUBSTRATE_CPU_H

#define KERNEL_CS 0x10
#define KERNEL_SS 0x18
#define USER_SS 0x2b
#define USER_CS 0x33
#define TSS_SELECTOR 0x40

/* Bits of a page-table entry (Intel SDM vol. 3, 4.5). */
#define PTE_PRESENT (1 << 0)
#define PTE_WRITE (1 << 1)
#define PTE_USER (1 << 2)
#define PTE_ACCESSED (1 << 5)
#define PTE_DIRTY (1 << 6)
#define PTE_LARGE (1 << 7)

/* Vectors. Interrupts are wake-ups: whatever the vector, the kernel looks at all its devices. */
#define VECTOR_DB 1
#define VECTOR_BP 3
#define VECTOR_UD 6
#define VECTOR_DF 8
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_IRQ 32
#define VECTORS 64

/* Number that only the boot code passes to `syscall`: finds out at which privilege it arrives. */
#define BOOT_SYSCALL 0xb007

/* Operations of the gate. */
#define GATE_HALT 0
#define GATE_LOAD_CR3 1
#define GATE_ENABLE_INTERRUPTS 2
#define GATE_INVLPG 3
#define GATE_RESET 4

#define KERNEL_STACK_BYTES 16384
#define PT_REGS_SIZE 168

/* Offsets in struct cpu, for the entry code. */
#define CPU_USER_RSP 0
#define CPU_KERNEL_STACK 8
#define CPU_WORK 16

#ifndef __ASSEMBLER__

#include <substrate/regs.h>
#include <substrate/types.h>

/* What the entry code needs of a processor. */
struct cpu {
	u64 user_rsp;     /* scratch of the system-call entry */
	u64 kernel_stack; /* top of the current task's */
	u8 work;          /* look before going back to the program: interrupt, signal, other task */
};
extern struct cpu cpu0;

extern bool cpu_deprivileged;

void cpu_init(unsigned int cpl);
/* Called at each change of task. */
void cpu_set_kernel_stack(u64 top);
void cpu_load_cr3(u64 cr3);
u64 cpu_read_cr3(void);
void cpu_invlpg(u64 address);
/* On the way out of an interrupt that came with them off (de-privileged only). */
void cpu_enable_interrupts(void);
/* Waits for an interrupt or a wake-up by the host; returns at once when cpu0.work is set. */
void cpu_halt(void);
noreturn void cpu_reset(void);

/* Bytes that XSAVE needs for the features in XCR0. */
u32 cpu_xsave_size(void);
void cpu_xsave(void *area);
void cpu_xrstor(const void *area);

static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

void cpuid(u32 leaf, u32 subleaf, u32 out[4]);

#endif
#endif
