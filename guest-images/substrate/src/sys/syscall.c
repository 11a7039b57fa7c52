/* SPDX-License-Identifier: Apache-2.0 */
/* From the number in rax to the function, and what is told about calls that do not exist. */
#include <substrate/cpu.h>
#include <substrate/cputime.h>
#include <substrate/device.h>
#include <substrate/main.h>
#include <substrate/syscall.h>
#include <substrate/task.h>
#include <substrate/trace.h>
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

/* Each has a signature for who traces it, of as many arguments. */
#define SIGNATURE0(name, ...) enum { ARGUMENTS_OF_##name = 0 };
#define SIGNATURE1(name, ...) enum { ARGUMENTS_OF_##name = 1 };
#define SIGNATURE2(name, ...) enum { ARGUMENTS_OF_##name = 2 };
#define SIGNATURE3(name, ...) enum { ARGUMENTS_OF_##name = 3 };
#define SIGNATURE4(name, ...) enum { ARGUMENTS_OF_##name = 4 };
#define SIGNATURE5(name, ...) enum { ARGUMENTS_OF_##name = 5 };
#define SIGNATURE6(name, ...) enum { ARGUMENTS_OF_##name = 6 };
#include "../trace/signatures.tbl"
/* rt_sigreturn(2) has none, and something to show. */
#define SYSCALL(name, arguments) \
	_Static_assert(ARGUMENTS_OF_##name == (arguments) || __NR_##name == __NR_rt_sigreturn, "the signature of " #name);
#include "syscalls.tbl"
#undef SYSCALL

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

static long serve(struct pt_regs *regs, u64 nr)
{
	syscall_fn handler = nr < ARRAY_SIZE(handlers) ? handlers[nr] : NULL;
	return handler ? handler(regs) : unsupported(nr);
}

static long traced(struct pt_regs *regs, u64 nr)
{
	/* execve(2) and rt_sigreturn(2) leave others behind. */
	struct pt_regs call = *regs;
	trace_enter(&call);
	long result = serve(regs, nr);
	trace_leave(&call, result);
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
