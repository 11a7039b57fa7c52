/* SPDX-License-Identifier: Apache-2.0 */
/* What sockets need of the kernel besides what agent_shim.h has. */
#ifndef TEST_VSOCK_SHIM_H
#define TEST_VSOCK_SHIM_H

#include "agent_shim.h"

/* The time of every timer that is armed comes. How many there were. */
u32 timers_run_out(void);

#endif
