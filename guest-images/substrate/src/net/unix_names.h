/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of AF_UNIX (unix(7)): path names, abstract names, none. */
#ifndef SUBSTRATE_NET_UNIX_NAMES_H
#define SUBSTRATE_NET_UNIX_NAMES_H

#include <linux/un.h>
#include "socket.h"

struct unix_name {
	u32 refs;
	u32 len; /* of `address` */
	struct node *node; /* held; NULL: abstract */
	struct sockaddr_un address;
};

struct unix_name *unix_name_get(struct unix_name *name);
void unix_name_put(struct unix_name *name);
/* Gives the socket a name of its own; one without any characters is chosen (autobind). 0 or a negative errno. */
long unix_bind(struct socket *s, const struct address *address);
long unix_autobind(struct socket *s);
/* Nobody finds the socket by its name any more. */
void unix_unbind(struct socket *s);
/* The socket of that name and type: one reference, or ERR_PTR. */
struct socket *unix_find(const struct address *address, u8 type);
long unix_name_of(const struct socket *s, bool peer, struct address *out);

#endif
