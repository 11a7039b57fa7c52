/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages of sendmsg(2) and recvmsg(2): cmsg(3). */
#ifndef SUBSTRATE_NET_CONTROL_H
#define SUBSTRATE_NET_CONTROL_H

#include "socket.h"

/* What the program wants to go with the bytes. 0 or a negative errno, and nothing is held then. */
long control_read(const struct msghdr *header, struct transfer *t);
/* Writes what came with them, takes t->rights, and leaves in header->control_length what was used. 0 or -EFAULT. */
long control_write(struct msghdr *header, struct transfer *t);

#endif
