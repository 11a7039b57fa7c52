/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_MAIN_H
#define SUBSTRATE_MAIN_H

#include <substrate/regs.h>
#include <substrate/types.h>

/* Boot continues here at the kernel's own privilege; regs->rdi is the address of boot_params. */
noreturn void kernel_main(struct pt_regs *regs);

#endif
