/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_FUTEX_H
#define SUBSTRATE_FUTEX_H

#include <substrate/types.h>

/* Wakes up to `count` tasks of the current address space that wait at `address`; how many there were. */
long futex_wake_address(u64 address, u32 count);

/* A thread ends: marks the locks of its robust list (set_robust_list(2)) as left by a dead owner and wakes a waiter each. */
void futex_release_robust(u64 head, u32 tid);

#endif
