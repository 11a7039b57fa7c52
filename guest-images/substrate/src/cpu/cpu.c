/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/cpu.h>
#include <substrate/mm.h>
#include <substrate/printk.h>

bool cpu_deprivileged;

/* head.S and entry.S */
void gate(u64 operation, u64 argument);
void halt_native(void);
extern u64 boot_pml4[], kernel_pd[];
extern const char idt_native_pointer[], text_end[];
extern u8 tss_rsp0[];

#define KERNEL_BASE 0xffffffff80000000UL
#define KERNEL_TEXT_PHYS 0x200000UL
#define PTE_NX (1UL << 63)

#define MSR_SFMASK 0xc0000084
#define RFLAGS_IF (1UL << 9)
#define CR4_FSGSBASE (1UL << 16)
#define CR4_OSXSAVE (1UL << 18)
#define CR4_SMEP (1UL << 20)
#define CR4_SMAP (1UL << 21)

void cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

static u64 rdmsr(u32 index)
{
	u32 low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static void wrmsr(u32 index, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/*
 * The tables of head.S are open to CPL 3, where the boot code runs. A native kernel closes its half of the address space:
 * supervisor only, text and constants read-only, everything but text not executable.
 */
static void close_kernel_half(void)
{
	const unsigned int text = KERNEL_TEXT_PHYS >> 21, constants = text + 1;
	for (unsigned int i = 0; i < 512; i++) {
		if (i == text || i == constants)
			kernel_pd[i] &= ~(u64)PTE_WRITE;
		if (i != text)
			kernel_pd[i] |= PTE_NX;
	}
	/* A right that is missing at the top is missing below. */
	boot_pml4[273] = (boot_pml4[273] & ~(u64)PTE_USER) | PTE_NX;
	boot_pml4[511] &= ~(u64)PTE_USER;
}

static void init_native(void)
{
	u64 cr4;
	u32 leaf1[4], leaf7[4], leafd[4];

	/*
	 * A native kernel keeps interrupts off. De-privileged it could not switch them on again: `syscall` must leave the flag
	 * alone there, as head.S has it.
	 */
	__asm__ volatile("cli");
	wrmsr(MSR_SFMASK, rdmsr(MSR_SFMASK) | RFLAGS_IF);
	BUG_ON((u64)text_end > KERNEL_BASE + KERNEL_TEXT_PHYS + (2UL << 20));
	__asm__ volatile("lidt (%0)" : : "r"(idt_native_pointer) : "memory");
	close_kernel_half();
	cpuid(1, 0, leaf1);
	cpuid(7, 0, leaf7);
	cpuid(0xd, 0, leafd);
	if (!(leaf7[1] & 1) || !(leaf1[2] & 1 << 26))
		panic("the processor has no %s", leaf7[1] & 1 ? "XSAVE" : "FSGSBASE");
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 |= CR4_FSGSBASE | CR4_OSXSAVE;
	if (leaf7[1] & 1 << 7)
		cr4 |= CR4_SMEP;
	if (leaf7[1] & 1 << 20)
		cr4 |= CR4_SMAP;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	__asm__ volatile("xsetbv" : : "c"(0), "a"(leafd[0]), "d"(leafd[3]));
	/* Toggling PGE drops global entries too; none are used, the reload of cr3 below drops the rest. */
	__asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

void cpu_init(unsigned int cpl)
{
	cpu_deprivileged = cpl == 3;
	if (!cpu_deprivileged)
		init_native();
}

void cpu_set_kernel_stack(u64 top)
{
	cpu0.kernel_stack = top;
	/* De-privileged, exceptions always arrive on the small exception stack and bounce from there. */
	if (!cpu_deprivileged)
		__builtin_memcpy(tss_rsp0, &top, sizeof(top));
}

void cpu_load_cr3(u64 cr3)
{
	if (cpu_deprivileged)
		gate(GATE_LOAD_CR3, cr3);
	else
		__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

void cpu_invlpg(u64 address)
{
	if (cpu_deprivileged)
		gate(GATE_INVLPG, address);
	else
		__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

void cpu_enable_interrupts(void)
{
	if (cpu_deprivileged)
		gate(GATE_ENABLE_INTERRUPTS, 0);
}

void cpu_halt(void)
{
	if (cpu_deprivileged) {
		gate(GATE_HALT, 0);
		return;
	}
	if (!cpu0.work)
		halt_native();
}

noreturn void cpu_reset(void)
{
	if (cpu_deprivileged)
		gate(GATE_RESET, 0);
	for (;;) {
		/* The keyboard controller's reset line, as Linux's reboot=k pulls it. */
		__asm__ volatile("outb %0, $0x64; hlt" : : "a"((u8)0xfe));
	}
}

u32 cpu_xsave_size(void)
{
	u32 leaf[4];
	cpuid(0xd, 0, leaf);
	return leaf[1];
}

void cpu_xsave(void *area)
{
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
}

void cpu_xrstor(const void *area)
{
	__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
}
