/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls that wait for files have in common. */
#ifndef SUBSTRATE_POLL_H
#define SUBSTRATE_POLL_H

#include <substrate/types.h>

/*
 * The program's timeout, two 64-bit numbers of which the second counts `unit_per_second`, as a deadline: 0 for "do not wait",
 * NO_DEADLINE for NULL. 0, -EFAULT or -EINVAL.
 */
long poll_timeout(const void __user *user, s64 unit_per_second, u64 *deadline);
/* The mask (NULL: none) holds while waiting; a signal that it lets through is handled before the old one comes back. */
long poll_mask_begin(const u64 __user *user, size_t size);
void poll_mask_end(const u64 __user *user, long result);

#endif
