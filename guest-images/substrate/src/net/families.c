/* SPDX-License-Identifier: Apache-2.0 */
/* The address families there are. Programs that ask for others (AF_NETLINK first of all) know how to do without. */
#include <substrate/mm.h>
#include "socket.h"

static const struct socket_family *const families[] = {
	&unix_family,
	&inet_family,
	&inet6_family,
	&vsock_family,
};

const struct socket_family *socket_family(u32 number)
{
	for (u32 i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i]->number == number)
			return families[i];
	return NULL;
}

struct socket *socket_create(u32 family_number, u32 type, u32 protocol)
{
	const struct socket_family *family = socket_family(family_number);

	if (family_number >= AF_MAX || !family)
		return ERR_PTR(-EAFNOSUPPORT);
	if (type >= SOCK_MAX)
		return ERR_PTR(-EINVAL);
	struct socket *s = socket_new(family_number, type);
	if (!s)
		return ERR_PTR(-ENOMEM);
	long error = family->create(s, protocol);
	if (error) {
		/* It has no operations yet that could close it. */
		kfree(s);
		return ERR_PTR(error);
	}
	return s;
}
