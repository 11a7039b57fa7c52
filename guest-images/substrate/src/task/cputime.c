/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/cputime.h>
#include <substrate/task.h>
#include <substrate/time.h>

static u64 charged_until; /* monotonic_ns() */

static u64 since_last_charge(void)
{
	u64 now = monotonic_ns(), passed = now - charged_until;
	charged_until = now;
	return passed;
}

void cputime_charge_user(void)
{
	struct task *task = current;
	u64 passed = since_last_charge();
	task->user_ns += passed;
	if (task->process)
		task->process->user_ns += passed;
}

void cputime_charge_system(void)
{
	struct task *task = current;
	u64 passed = since_last_charge();
	task->system_ns += passed;
	if (task->process)
		task->process->system_ns += passed;
}

void cputime_skip(void)
{
	since_last_charge();
}
