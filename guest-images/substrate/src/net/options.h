/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_NET_OPTIONS_H
#define SUBSTRATE_NET_OPTIONS_H

#include "socket.h"

/* The value of a protocol's option that options.c knows. */
s32 socket_option(const struct socket *s, int level, int name);

#endif
