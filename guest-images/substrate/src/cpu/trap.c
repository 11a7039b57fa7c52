/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions and interrupts, once entry.S has brought them to the kernel's own privilege. */
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <substrate/cpu.h>
#include <substrate/cputime.h>
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/task.h>
#include <substrate/trap.h>

struct extable_entry {
	u64 instruction, fixup;
};
extern const struct extable_entry extable_start[], extable_end[];

/* entry.S */
extern const char exit_instruction[], halt_instruction[];
noreturn void leave_kernel(const struct pt_regs *program);
void refused_state_report(struct pt_regs *regs);

#define RFLAGS_TF (1UL << 8)
#define PF_WRITE (1 << 1)
#define PF_FETCH (1 << 4)

/* What each exception is to a program (Intel SDM vol. 3, table 6-1; signals as Linux sends them). */
static const struct exception {
	const char *name;
	u8 signo;
	u8 si_code;
} exceptions[VECTOR_IRQ] = {
	[0] = { "division by zero", SIGFPE, FPE_INTDIV },
	[1] = { "debug trap", SIGTRAP, TRAP_TRACE },
	[2] = { "non-maskable interrupt", SIGBUS, 0 },
	[3] = { "breakpoint", SIGTRAP, TRAP_BRKPT },
	[4] = { "overflow", SIGSEGV, 0x80 },
	[5] = { "bound range exceeded", SIGSEGV, 0x80 },
	[6] = { "invalid instruction", SIGILL, ILL_ILLOPN },
	[7] = { "device not available", SIGFPE, 0 },
	[8] = { "double fault", SIGSEGV, 0x80 },
	[10] = { "invalid TSS", SIGSEGV, 0x80 },
	[11] = { "segment not present", SIGBUS, 0x80 },
	[12] = { "stack segment fault", SIGBUS, 0x80 },
	[13] = { "general protection fault", SIGSEGV, 0x80 },
	[14] = { "page fault", SIGSEGV, SEGV_MAPERR },
	[16] = { "x87 floating-point error", SIGFPE, FPE_FLTINV },
	[17] = { "misaligned access", SIGBUS, BUS_ADRALN },
	[18] = { "machine check", SIGBUS, 0 },
	[19] = { "SIMD floating-point error", SIGFPE, FPE_FLTINV },
};

static bool fix_up(struct pt_regs *regs)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++) {
		if (e->instruction == regs->rip) {
			regs->rip = e->fixup;
			return true;
		}
	}
	return false;
}

noreturn static void kernel_trap(const struct pt_regs *r, u64 vector, u64 cr2)
{
	const char *name = vector < VECTOR_IRQ && exceptions[vector].name ? exceptions[vector].name : "exception";
	panic("%s (vector %lu, error %lx, cr2 %lx) in the kernel at %lx\n"
	      "rax %016lx rbx %016lx rcx %016lx rdx %016lx\nrsi %016lx rdi %016lx rbp %016lx rsp %016lx\n"
	      "r8  %016lx r9  %016lx r10 %016lx r11 %016lx\nr12 %016lx r13 %016lx r14 %016lx r15 %016lx",
	      name, vector, r->orig_rax, cr2, r->rip, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->rsp,
	      r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15);
}

/*
 * True when it came from the program. De-privileged, the selector does not tell, the address does: the kernel's image lies in the
 * top 4 GiB, and an address may also be none at all (non-canonical). On a native host it is the other way round: a program may have jumped to any address, also into the kernel's half, where it meets closed pages.
 */
static bool from_program(const struct pt_regs *regs)
{
	return cpu_deprivileged ? regs->rip >> 32 != 0xffffffff : (regs->cs & 3) == 3;
}

/*
 * The way out failed: the program's own state, a signal handler at a non-canonical address for one, is what `iretq` refuses.
 * By then the program's general registers are back in the processor, so that `regs` has them, and the rest is still on top of
 * the kernel stack.
 */
noreturn static void refused_state(const struct pt_regs *regs)
{
	struct pt_regs program = *regs;
	struct pt_regs *top = (struct pt_regs *)(cpu0.kernel_stack - PT_REGS_SIZE);
	program.rip = top->rip, program.cs = top->cs, program.rflags = top->rflags;
	program.rsp = top->rsp, program.ss = top->ss;
	leave_kernel(&program);
}

void refused_state_report(struct pt_regs *regs)
{
	current->regs = regs;
	signal_fault(regs, SIGSEGV, SI_KERNEL, 0, "return to a state that the processor refuses", NULL);
}

static void page_fault(struct pt_regs *regs, u64 address)
{
	bool program = from_program(regs);
	u32 access = (regs->orig_rax & PF_WRITE ? FAULT_WRITE : 0) | (regs->orig_rax & PF_FETCH ? FAULT_EXEC : 0);
	struct fault_result result = { .signo = SIGSEGV, .si_code = SEGV_MAPERR, .what = "an unmapped address" };

	if (address < TASK_SIZE && current->mm && mm_fault(current->mm, address, access, &result))
		return;
	if (!program) {
		if (fix_up(regs))
			return;
		kernel_trap(regs, VECTOR_PF, address);
	}
	const char *verb = access & FAULT_EXEC ? "jump to" : access & FAULT_WRITE ? "write to" : "read of";
	signal_fault(regs, result.signo, result.si_code, address, verb, result.what);
}

static void handle(struct pt_regs *regs, u64 vector, u64 cr2)
{
	if (vector >= VECTOR_IRQ) {
		if (from_program(regs))
			cpu_enable_interrupts();
		/*
		 * A processor takes none between `sti` and `hlt`. One that left the guest just there may have forgotten that when
		 * it comes back (QEMU's VMRUN does), and the halt would wait for what has come.
		 */
		else if (regs->rip == (u64)halt_instruction)
			regs->rip++;
		cpu0.work = 1;
		return;
	}
	if (from_program(regs))
		current->regs = regs;
	if (vector == VECTOR_PF) {
		page_fault(regs, cr2);
		return;
	}
	if (!from_program(regs)) {
		if (vector == VECTOR_GP && regs->rip == (u64)exit_instruction)
			refused_state(regs);
		/* The program had set the trap flag before `syscall`; de-privileged, nothing masks it. */
		if (vector == VECTOR_DB) {
			regs->rflags &= ~RFLAGS_TF;
			return;
		}
		if (fix_up(regs))
			return;
		kernel_trap(regs, vector, cr2);
	}
	if (vector == VECTOR_BP || exceptions[vector].signo == 0 || vector == VECTOR_DB) {
		signal_fault(regs, SIGTRAP, vector == VECTOR_BP ? SI_KERNEL : TRAP_TRACE, regs->rip,
		             vector == VECTOR_BP ? "breakpoint" : "debug trap", NULL);
		return;
	}
	const struct exception *e = &exceptions[vector];
	/* Linux gives no address with #GP and its like. */
	u64 address = e->si_code == 0x80 ? 0 : regs->rip;
	signal_fault(regs, e->signo, e->si_code, address, e->name, NULL);
}

void trap_handler(struct pt_regs *regs, u64 vector, u64 cr2)
{
	bool program = from_program(regs);
	if (program)
		cputime_charge_user();
	handle(regs, vector, cr2);
	if (program)
		cputime_charge_system();
}
