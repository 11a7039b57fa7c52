/* SPDX-License-Identifier: Apache-2.0 */
#include <substrate/mm.h>
#include <substrate/printk.h>
#include <substrate/string.h>
#include "unix_names.h"

#define BUCKETS 64
#define FAMILY_SIZE offsetof(struct sockaddr_un, sun_path)
#define AUTOBIND_NAMES 0x100000u /* five digits (unix(7)) */

static struct {
	struct list buckets[BUCKETS]; /* struct socket.unix_.bound_link */
	bool ready;
	u32 next;
} names;

static struct list *bucket(u64 hash)
{
	if (!names.ready) {
		for (u32 i = 0; i < BUCKETS; i++)
			list_init(&names.buckets[i]);
		names.ready = true;
	}
	return &names.buckets[hash * 0x9e3779b97f4a7c15UL >> 58];
}

static u64 abstract_hash(const u8 *bytes, u32 len, u8 type)
{
	u64 hash = type;

	for (u32 i = 0; i < len; i++)
		hash = hash * 31 + bytes[i];
	return hash;
}

struct unix_name *unix_name_get(struct unix_name *name)
{
	name->refs++;
	return name;
}

void unix_name_put(struct unix_name *name)
{
	if (--name->refs)
		return;
	if (name->node)
		node_put(name->node);
	kfree(name);
}

static struct unix_name *name_new(const struct address *address)
{
	struct unix_name *name = kzalloc(sizeof(*name));

	if (!name)
		return NULL;
	name->refs = 1;
	name->len = address->len;
	memcpy(&name->address, address->bytes, address->len);
	return name;
}

static void enter(struct socket *s, struct unix_name *name, struct list *in)
{
	s->unix_.name = name;
	s->unix_.bound = true;
	list_push_back(in, &s->unix_.bound_link);
}

void unix_unbind(struct socket *s)
{
	if (!s->unix_.bound)
		return;
	list_remove(&s->unix_.bound_link);
	s->unix_.bound = false;
}

static long check(const struct address *address)
{
	return address->family != AF_UNIX || address->len <= FAMILY_SIZE || address->len > sizeof(struct sockaddr_un) ? -EINVAL : 0;
}

/* ---- abstract ---- */

static struct list *abstract_bucket(const struct address *address, u8 type)
{
	return bucket(abstract_hash(address->bytes, address->len, type));
}

static struct socket *abstract_find(const struct address *address, u8 type)
{
	struct socket *s;

	list_for_each(s, abstract_bucket(address, type), unix_.bound_link)
		if (s->type == type && !s->unix_.name->node && s->unix_.name->len == address->len &&
		    memcmp(&s->unix_.name->address, address->bytes, address->len) == 0)
			return s;
	return NULL;
}

static long bind_abstract(struct socket *s, const struct address *address)
{
	if (abstract_find(address, s->type))
		return -EADDRINUSE;
	struct unix_name *name = name_new(address);
	if (!name)
		return -ENOMEM;
	enter(s, name, abstract_bucket(address, s->type));
	return 0;
}

long unix_autobind(struct socket *s)
{
	struct address address = { .len = FAMILY_SIZE + 6 };
	long error = -EADDRINUSE;

	address.family = AF_UNIX;
	for (u32 tries = 0; tries < AUTOBIND_NAMES && error == -EADDRINUSE; tries++) {
		char digits[8];
		snprintf(digits, sizeof(digits), "%05x", names.next++ % AUTOBIND_NAMES);
		address.bytes[FAMILY_SIZE] = 0;
		memcpy(address.bytes + FAMILY_SIZE + 1, digits, 5);
		error = bind_abstract(s, &address);
	}
	return error == -EADDRINUSE ? -ENOSPC : error;
}

/* ---- path names ---- */

/* Terminated, in `path` of one byte more than there may be. */
static void copy_path(const struct address *address, char *path)
{
	size_t len = address->len - FAMILY_SIZE;

	memcpy(path, address->bytes + FAMILY_SIZE, len);
	path[len] = 0;
}

static struct list *node_bucket(const struct node *node)
{
	return bucket((u64)node >> 4);
}

static long bind_path(struct socket *s, const struct address *address)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	struct address terminated = { .len = 0 };

	copy_path(address, path);
	/* The name ends with its NUL, whatever length was given; one of full length has none. */
	terminated.family = AF_UNIX;
	terminated.len = (u32)MIN(FAMILY_SIZE + strlen(path) + 1, sizeof(struct sockaddr_un));
	memcpy(terminated.bytes + FAMILY_SIZE, path, terminated.len - FAMILY_SIZE);
	struct unix_name *name = name_new(&terminated);
	if (!name)
		return -ENOMEM;
	struct node *node = path_make_socket(path);
	if (IS_ERR(node)) {
		unix_name_put(name);
		return PTR_ERR(node) == -EEXIST ? -EADDRINUSE : PTR_ERR(node);
	}
	name->node = node;
	enter(s, name, node_bucket(node));
	return 0;
}

static struct socket *find_at(const struct node *node, u8 type)
{
	struct socket *s;

	if ((node_mode(node) & S_IFMT) != S_IFSOCK)
		return ERR_PTR(-ECONNREFUSED);
	list_for_each(s, node_bucket(node), unix_.bound_link)
		if (s->unix_.name->node == node)
			return s->type == type ? socket_get(s) : ERR_PTR(-EPROTOTYPE);
	return ERR_PTR(-ECONNREFUSED);
}

static struct socket *path_find(const struct address *address, u8 type)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	copy_path(address, path);
	struct node *node = path_lookup(path);
	if (IS_ERR(node))
		return (struct socket *)node;
	long error = node_permission(node, 2);
	struct socket *s = error ? ERR_PTR(error) : find_at(node, type);
	node_put(node);
	return s;
}

/* ---- both ---- */

/* Of a socket that has a name already; that the new one is in use counts for more, as on Linux. */
static long bind_again(const struct address *address)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	copy_path(address, path);
	struct node *node = path[0] ? path_lookup(path) : ERR_PTR(-ENOENT);
	if (IS_ERR(node))
		return -EINVAL;
	node_put(node);
	return -EADDRINUSE;
}

long unix_bind(struct socket *s, const struct address *address)
{
	if (address->family == AF_UNIX && address->len == FAMILY_SIZE)
		return s->unix_.name ? 0 : unix_autobind(s);
	long error = check(address);
	if (error)
		return error;
	if (s->unix_.name)
		return bind_again(address);
	return address->bytes[FAMILY_SIZE] ? bind_path(s, address) : bind_abstract(s, address);
}

struct socket *unix_find(const struct address *address, u8 type)
{
	long error = check(address);

	if (error)
		return ERR_PTR(error);
	if (address->bytes[FAMILY_SIZE])
		return path_find(address, type);
	struct socket *s = abstract_find(address, type);
	return s ? socket_get(s) : ERR_PTR(-ECONNREFUSED);
}

long unix_name_of(const struct socket *s, bool peer, struct address *out)
{
	if (peer && !s->peer)
		return -ENOTCONN;
	const struct unix_name *name = peer ? s->peer->unix_.name : s->unix_.name;
	out->family = AF_UNIX;
	out->len = name ? name->len : FAMILY_SIZE;
	if (name)
		memcpy(out->bytes, &name->address, name->len);
	return 0;
}

void unix_source(const struct socket *sender, struct address *out)
{
	const struct unix_name *name = sender->unix_.name;

	out->len = name ? name->len : 0;
	if (name)
		memcpy(out->bytes, &name->address, name->len);
}
