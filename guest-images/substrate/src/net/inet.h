/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6 of a machine whose only network is itself: 127.0.0.0/8 and ::1. Everything else is unreachable.
 */
#ifndef SUBSTRATE_NET_INET_H
#define SUBSTRATE_NET_INET_H

#include "socket.h"

/* From and to the program's struct sockaddr_in or sockaddr_in6, as the socket's family has it. */
long inet_endpoint(const struct socket *s, const struct address *address, struct endpoint *out);
void inet_address(const struct socket *s, const struct endpoint *endpoint, struct address *out);
long inet_name(const struct socket *s, bool peer, struct address *out);
/* Where something goes that is sent there: the any address is this machine's. 0 or -ENETUNREACH. */
long inet_route(struct endpoint *to);
/* The loopback address in place of the any address, of the same kind as `like`. */
void inet_choose_source(struct endpoint *source, const struct endpoint *like);

long inet_bind(struct port_table *t, struct socket *s, const struct address *address);
/* A port of its own for a socket that has none. 0 or -EAGAIN (there are no more). */
long inet_autobind(struct port_table *t, struct socket *s);
static inline struct socket *socket_of_port(struct port_user *user) { return container_of(user, struct socket, inet); }

extern const struct socket_ops tcp_ops, udp_ops;
/* Buffer sizes of tcp(7): what a program is told before it sets them. */
#define TCP_SEND_BUFFER 16384u
#define TCP_RECEIVE_BUFFER 131072u
void tcp_init(struct socket *s);

#endif
