/* SPDX-License-Identifier: Apache-2.0 */
/* The program's memory, for the core: beneath uaccess.h. */
#ifndef SUBSTRATE_USER_H
#define SUBSTRATE_USER_H

#include <substrate/types.h>

void user_init(void);
/* Around code that follows addresses of the program itself (page tables being known good). */
void user_access_begin(void);
void user_access_end(void);

/* Atomic on an aligned 32-bit word; 0 or -EFAULT. `old` gets what was there. */
long user_compare_exchange(u32 __user *p, u32 expected, u32 new, u32 *old);
long user_load(const u32 __user *p, u32 *value);

#endif
