/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <substrate/types.h>

/* Handles what the host sent and tells what could not be told before. True when there was something. */
bool agent_poll(void);

#endif
