/* SPDX-License-Identifier: Apache-2.0 */
/* From the number in rax to the function, and what is told about calls that do not exist. */
#include <substrate/cpu.h>
#include <substrate/cputime.h>
#include <substrate/device.h>
#include <substrate/main.h>
#include <substrate/printk.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/trap.h>

#define SYSCALL_PARTIAL(name, arguments, missing) SYSCALL(name, arguments)
#define SYSCALL(name, arguments) long sys_##name(struct pt_regs *regs);
#include "syscalls.tbl"
#undef SYSCALL

static const syscall_fn handlers[] = {
#define SYSCALL(name, arguments) [__NR_##name] = sys_##name,
#include "syscalls.tbl"
#undef SYSCALL
};

static const u8 argument_counts[] = {
#define SYSCALL(name, arguments) [__NR_##name] = arguments,
#include "syscalls.tbl"
#undef SYSCALL
};

/*
 * -ENOSYS; the host is told which call it was. Except rseq: every C library tries it at the start of every program, as an
 * optimization, and does as well without.
 */
static long unsupported(u64 nr)
{
	struct process *process = current->process;
	if (nr != __NR_rseq)
		agent_process_unsupported(process, (u32)MIN(nr, 0xffffffffUL));
	return -ENOSYS;
}

/* `call`: the registers as they were; execve(2) and rt_sigreturn(2) leave others behind. */
static void trace(const struct pt_regs *call, long result)
{
	u64 nr = call->orig_rax;
	const u64 arguments[] = { call->rdi, call->rsi, call->rdx, call->r10, call->r8, call->r9 };
	u32 count = nr < ARRAY_SIZE(argument_counts) && handlers[nr] ? argument_counts[nr] : 6;
	char line[160];
	int n = 0;
	for (u32 i = 0; i < count; i++)
		n += snprintf(line + n, sizeof(line) - n, "%s0x%lx", i ? ", " : "", arguments[i]);
	line[n] = 0;
	const char *name = syscall_name((u32)nr);
	printk("[%u] %s(%s) = %ld\n", current->tid, name ? name : "unknown", line, result);
}

static long serve(struct pt_regs *regs, u64 nr)
{
	syscall_fn handler = nr < ARRAY_SIZE(handlers) ? handlers[nr] : NULL;
	return handler ? handler(regs) : unsupported(nr);
}

static long traced(struct pt_regs *regs, u64 nr)
{
	struct pt_regs call = *regs;
	long result = serve(regs, nr);
	trace(&call, result);
	return result;
}

void syscall_handler(struct pt_regs *regs)
{
	u64 nr = regs->orig_rax;
	struct task *task = current;
	if (unlikely(!task->process))
		kernel_main(regs);
	cputime_charge_user();
	task->regs = regs;
	long result = unlikely(task->trace) ? traced(regs, nr) : serve(regs, nr);
	regs->rax = (u64)result;
	/* A call that was cut short is finished or made again where signals are delivered. */
	if (unlikely(result == -ERESTARTSYS))
		cpu0.work = 1;
	cputime_charge_system();
}
