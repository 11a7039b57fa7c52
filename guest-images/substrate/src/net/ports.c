/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/errno.h>
#include <substrate/string.h>
#include "ports.h"

static const u8 v4_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const u8 zeroes[16];

bool ip_is_v4(const u8 ip[16])
{
	return memcmp(ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool ip_is_any(const u8 ip[16])
{
	return memcmp(ip, zeroes, 16) == 0 || (ip_is_v4(ip) && memcmp(ip + 12, zeroes, 4) == 0);
}

bool ip_is_loopback(const u8 ip[16])
{
	return ip_is_v4(ip) ? ip[12] == 127 : memcmp(ip, zeroes, 15) == 0 && ip[15] == 1;
}

static struct list *bucket(struct port_table *t, u16 port)
{
	if (!t->ready) {
		for (u32 i = 0; i < PORT_BUCKETS; i++)
			list_init(&t->buckets[i]);
		t->ready = true;
	}
	return &t->buckets[port % PORT_BUCKETS];
}

/* Does a user that is bound so get what is sent to this address? */
static bool covers(const struct port_user *user, const u8 ip[16])
{
	if (memcmp(user->local.ip, ip, 16) == 0)
		return true;
	if (!ip_is_any(user->local.ip))
		return false;
	return ip_is_v4(user->local.ip) == ip_is_v4(ip) || (user->any_of_both && !ip_is_v4(user->local.ip));
}

static bool overlap(const struct port_user *a, const struct port_user *b)
{
	return a->local.port == b->local.port && (covers(a, b->local.ip) || covers(b, a->local.ip));
}

/* socket(7), SO_REUSEADDR and SO_REUSEPORT. */
static bool may_share(const struct port_user *a, const struct port_user *b)
{
	if (a->reuse_port && b->reuse_port && a->uid == b->uid)
		return true;
	return a->reuse_address && b->reuse_address && !a->listening && !b->listening;
}

static bool is_free(struct port_table *t, const struct port_user *user)
{
	const struct port_user *other;

	list_for_each(other, bucket(t, user->local.port), link)
		if (other != user && overlap(other, user) && !may_share(other, user))
			return false;
	return true;
}

/* A port that nobody has at all, so that no two connections can be mistaken for each other. */
static long choose(struct port_table *t, struct port_user *user, u32 start)
{
	const u32 ports = PORT_LAST - PORT_FIRST + 1;

	for (u32 i = 0; i < ports; i++) {
		const struct port_user *other;
		bool taken = false;
		user->local.port = (u16)(PORT_FIRST + (start + i) % ports);
		list_for_each(other, bucket(t, user->local.port), link) {
			taken = other->local.port == user->local.port;
			if (taken)
				break;
		}
		if (!taken)
			return 0;
	}
	user->local.port = 0;
	return -EADDRINUSE;
}

long port_bind(struct port_table *t, struct port_user *user, u32 start)
{
	long error = 0;

	if (user->local.port == 0)
		error = choose(t, user, start);
	else if (!is_free(t, user))
		error = -EADDRINUSE;
	if (error)
		return error;
	port_join(t, user);
	return 0;
}

void port_join(struct port_table *t, struct port_user *user)
{
	user->bound = true;
	user->turn = ++t->turn;
	list_push_back(bucket(t, user->local.port), &user->link);
}

void port_release(struct port_user *user)
{
	if (!user->bound)
		return;
	list_remove(&user->link);
	user->bound = false;
}

bool port_may_listen(const struct port_table *t, const struct port_user *user)
{
	const struct port_user *other;

	list_for_each(other, &t->buckets[user->local.port % PORT_BUCKETS], link)
		if (other != user && other->listening && overlap(other, user) &&
		    !(other->reuse_port && user->reuse_port && other->uid == user->uid))
			return false;
	return true;
}

/* An exact address goes before "any", that of the family before that of both. */
static u32 score(const struct port_user *user, const struct endpoint *to)
{
	if (user->local.port != to->port || !covers(user, to->ip))
		return 0;
	if (memcmp(user->local.ip, to->ip, 16) == 0)
		return 3;
	return ip_is_v4(user->local.ip) == ip_is_v4(to->ip) ? 2 : 1;
}

/* Those that share a port take turns. */
static bool better(const struct port_user *a, u32 score_a, const struct port_user *b, u32 score_b)
{
	return score_a > score_b || (b && score_a && score_a == score_b && (s32)(a->turn - b->turn) < 0);
}

struct port_user *port_listener(struct port_table *t, const struct endpoint *to)
{
	struct port_user *user, *best = NULL;
	u32 best_score = 0;

	list_for_each(user, bucket(t, to->port), link) {
		u32 mine = user->listening ? score(user, to) : 0;
		if (better(user, mine, best, best_score)) {
			best = user;
			best_score = mine;
		}
	}
	if (best && best->reuse_port)
		best->turn = ++t->turn;
	return best;
}

/* Among those that only share an address, the one that came last gets everything, as on Linux; sharers of a port take turns. */
struct port_user *port_receiver(struct port_table *t, const struct endpoint *from, const struct endpoint *to)
{
	struct port_user *user, *best = NULL;
	u32 best_score = 0;

	list_for_each(user, bucket(t, to->port), link) {
		u32 mine = score(user, to);
		if (mine && user->connected) {
			if (memcmp(user->remote.ip, from->ip, 16) != 0 || user->remote.port != from->port)
				continue;
			mine += 4;
		}
		bool first = user->reuse_port ? better(user, mine, best, best_score) : mine && mine >= best_score;
		if (first) {
			best = user;
			best_score = mine;
		}
	}
	if (best && best->reuse_port)
		best->turn = ++t->turn;
	return best;
}
