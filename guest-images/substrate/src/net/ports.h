/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which port. IPv4 addresses are kept as IPv6 has them, mapped (RFC 4291, 2.5.5.2). */
#ifndef SUBSTRATE_NET_PORTS_H
#define SUBSTRATE_NET_PORTS_H

#include <substrate/list.h>
#include <substrate/types.h>

struct endpoint {
	u8 ip[16];
	u16 port; /* of the host's byte order; 0: none */
};

struct port_user {
	struct list link;
	struct endpoint local, remote;
	bool bound;      /* in the table */
	bool connected;  /* `remote` counts */
	bool listening;
	bool any_of_both; /* bound to :: and not IPV6_V6ONLY: IPv4 as well */
	bool reuse_address, reuse_port;
	u32 uid;
	u32 turn; /* of those that share a port: who came last is first */
};

#define PORT_BUCKETS 512

struct port_table {
	struct list buckets[PORT_BUCKETS];
	bool ready; /* the lists are */
	u32 turn;
};

/* ip_local_port_range of ip(7). */
#define PORT_FIRST 32768u
#define PORT_LAST 60999u

/*
 * Gives `user` the port of user->local; 0 is replaced by a free one, looked for from `start` on. 0, -EADDRINUSE.
 */
long port_bind(struct port_table *t, struct port_user *user, u32 start);
/* As another user of a port that somebody has: an accepted connection. */
void port_join(struct port_table *t, struct port_user *user);
void port_release(struct port_user *user);
/* May a bound user listen? Two cannot at the same place, whatever they may share otherwise. */
bool port_may_listen(const struct port_table *t, const struct port_user *user);
/* Who listens there; best match first. NULL: nobody. */
struct port_user *port_listener(struct port_table *t, const struct endpoint *to);
/* Who gets a datagram from…to. */
struct port_user *port_receiver(struct port_table *t, const struct endpoint *from, const struct endpoint *to);

bool ip_is_any(const u8 ip[16]); /* 0.0.0.0 or :: */
bool ip_is_v4(const u8 ip[16]);
bool ip_is_loopback(const u8 ip[16]);

#endif
