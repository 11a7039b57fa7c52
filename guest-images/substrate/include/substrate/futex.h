/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_FUTEX_H
#define SUBSTRATE_FUTEX_H

#include <substrate/types.h>

/* Wakes up to `count` tasks of the current address space that wait at `address`; how many there were. */
long futex_wake_address(u64 address, u32 count);

#endif
