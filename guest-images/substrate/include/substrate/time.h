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

#endif
