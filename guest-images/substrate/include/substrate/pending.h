/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that wait to be taken: by one thread, or by any thread of a process. */
#ifndef SUBSTRATE_PENDING_H
#define SUBSTRATE_PENDING_H

#include <asm/siginfo.h>
#include <substrate/list.h>
#include <substrate/types.h>

#define SIGNAL_BIT(signo) (1UL << ((signo) - 1))

struct pending {
	u64 set;           /* SIGNAL_BIT of each */
	struct list queue; /* what is known of them, oldest first */
	u32 queued;
};

void pending_init(struct pending *pending);
/*
 * A standard signal is pending once, with what came first; each real-time signal counts (signal(7)). False when a real-time signal
 * finds `limit` signals queued; without memory a signal comes all the same, with no word of who sent it (both as in Linux).
 */
bool pending_add(struct pending *pending, int signo, const siginfo_t *info, u64 limit);
/* The lowest of these that is pending (SIGKILL before all), or 0. */
int pending_take(struct pending *pending, u64 set, siginfo_t *info);
/* These are forgotten; ~0UL: all. */
void pending_drop(struct pending *pending, u64 set);
/* The signal of this POSIX timer that nobody has taken yet; NULL: none. */
siginfo_t *pending_of_timer(struct pending *pending, int timer_id);

#endif
