/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets a time end KVM_RUN, or a wait, of this thread. SIGALRM tells: it stays blocked but inside KVM_RUN, which so returns
 * EINTR, and never is delivered.
 */
#ifndef WAKE_H
#define WAKE_H

#include <stdint.h>

void wake_init(void);

/* Sets the time, CLOCK_MONOTONIC in ns; 0 for none. */
void wake_at(uint64_t deadline);

/* Waits for it. */
void wake_wait(void);

/* Takes the signal back, if it came. */
void wake_absorb(void);

/* KVM_SET_SIGNAL_MASK: lets the signal into KVM_RUN. */
void wake_admit(int vcpu);

#endif
