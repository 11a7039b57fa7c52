/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "wake.h"

#include <err.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "kvm.h"

static timer_t timer;
static sigset_t alarm_signal;

void wake_init(void)
{
	sigemptyset(&alarm_signal);
	sigaddset(&alarm_signal, SIGALRM);
	if (sigprocmask(SIG_BLOCK, &alarm_signal, NULL) < 0)
		err(1, "sigprocmask");
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) < 0)
		err(1, "timer_create");
}

void wake_at(uint64_t deadline)
{
	struct itimerspec when = { .it_value = { (time_t)(deadline / 1000000000), (long)(deadline % 1000000000) } };

	if (timer_settime(timer, TIMER_ABSTIME, &when, NULL) < 0)
		err(1, "timer_settime");
}

void wake_wait(void)
{
	int signal;

	sigwait(&alarm_signal, &signal);
}

void wake_absorb(void)
{
	sigtimedwait(&alarm_signal, NULL, &(struct timespec){ 0 });
}

void wake_admit(int vcpu)
{
	/* The kernel's set has 8 bytes. */
	union {
		struct kvm_signal_mask mask;
		char room[sizeof(struct kvm_signal_mask) + 8];
	} nothing = { .mask.len = 8 };

	memset(nothing.mask.sigset, 0, 8);
	KVM_CALL(vcpu, KVM_SET_SIGNAL_MASK, &nothing);
}
