/* SPDX-License-Identifier: Apache-2.0 */
/* How a time-stamp becomes a time: for the kernel and, on a page that every program can read, for the vDSO. */
#ifndef SUBSTRATE_CLOCK_H
#define SUBSTRATE_CLOCK_H

#include <substrate/types.h>

struct clock {
	u64 boot_tsc;
	u64 mult; /* nanoseconds a tick, times 2^32 */
	/* Of CLOCK_REALTIME to CLOCK_MONOTONIC. The only one that changes, in one store, so that no reader sees half of it. */
	volatile u64 realtime_offset;
};

static inline u64 clock_monotonic(const struct clock *clock, u64 tsc)
{
	return (u64)(((unsigned __int128)(tsc - clock->boot_tsc) * clock->mult) >> 32);
}

#endif
