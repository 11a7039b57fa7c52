/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_TIME_H
#define SUBSTRATE_TIME_H

#include <substrate/types.h>

#define NSEC_PER_SEC 1000000000UL

/* Nanoseconds since boot; never goes back. From the TSC, without leaving the guest. */
u64 monotonic_ns(void);
/* Nanoseconds since the epoch, as last told by the host. */
u64 realtime_ns(void);
void realtime_set(u64 ns);

/* Saturating arithmetic for deadlines of monotonic_ns(); seconds and nanoseconds are not negative. */
u64 deadline_ns(s64 seconds, s64 nanoseconds);
u64 deadline_after(u64 ns);
/* When monotonic_ns() will be where realtime_ns() is `ns`. */
u64 realtime_to_monotonic(u64 ns);

/* The kernel's page with what the vDSO needs. */
const void *clock_page_address(void);

/* At boot: the TSC's frequency, 0: from CPUID. */
void time_init(u64 tsc_khz);

#endif
