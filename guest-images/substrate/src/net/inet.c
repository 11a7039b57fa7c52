/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/in.h>
#include <linux/in6.h>
#include <substrate/random.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include "inet.h"
#include "options.h"

#define SIN6_LENGTH_MIN 24 /* without the scope (RFC 2133) */
#define FIRST_UNPRIVILEGED 1024 /* ip(7), ip_unprivileged_port_start */

static void map_v4(u8 ip[16], const void *v4)
{
	memset(ip, 0, 10);
	ip[10] = ip[11] = 0xff;
	memcpy(ip + 12, v4, 4);
}

static u16 swapped(u16 port)
{
	return __builtin_bswap16(port);
}

long inet_endpoint(const struct socket *s, const struct address *address, struct endpoint *out)
{
	if (s->family == AF_INET) {
		struct sockaddr_in in;
		if (address->len < sizeof(in))
			return -EINVAL;
		memcpy(&in, address->bytes, sizeof(in));
		if (in.sin_family != AF_INET && in.sin_family != AF_UNSPEC)
			return -EAFNOSUPPORT;
		map_v4(out->ip, &in.sin_addr);
		out->port = swapped(in.sin_port);
		return 0;
	}
	struct sockaddr_in6 in6;
	if (address->len < SIN6_LENGTH_MIN)
		return -EINVAL;
	memcpy(&in6, address->bytes, SIN6_LENGTH_MIN);
	if (in6.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(out->ip, &in6.sin6_addr, 16);
	out->port = swapped(in6.sin6_port);
	return ip_is_v4(out->ip) && socket_option(s, SOL_IPV6, IPV6_V6ONLY) ? -ENETUNREACH : 0;
}

void inet_address(const struct socket *s, const struct endpoint *endpoint, struct address *out)
{
	if (s->family == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = swapped(endpoint->port) };
		memcpy(&in.sin_addr, endpoint->ip + 12, 4);
		memcpy(out->bytes, &in, sizeof(in));
		out->len = sizeof(in);
		return;
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = swapped(endpoint->port) };
	memcpy(&in6.sin6_addr, endpoint->ip, 16);
	memcpy(out->bytes, &in6, sizeof(in6));
	out->len = sizeof(in6);
}

void inet_source(const struct socket *receiver, const struct endpoint *source, struct address *out)
{
	inet_address(receiver, source, out);
}

long inet_name(const struct socket *s, bool peer, struct address *out)
{
	if (peer && (!s->inet.connected || s->state == SOCKET_CONNECTING))
		return -ENOTCONN;
	inet_address(s, peer ? &s->inet.remote : &s->inet.local, out);
	return 0;
}

static void loopback(u8 ip[16], bool v4)
{
	const u8 localhost[4] = { 127, 0, 0, 1 };

	memset(ip, 0, 16);
	ip[15] = 1;
	if (v4)
		map_v4(ip, localhost);
}

long inet_route(struct endpoint *to)
{
	if (ip_is_any(to->ip))
		loopback(to->ip, ip_is_v4(to->ip));
	return ip_is_loopback(to->ip) ? 0 : -ENETUNREACH;
}

void inet_choose_source(struct endpoint *source, const struct endpoint *like)
{
	if (ip_is_any(source->ip))
		loopback(source->ip, ip_is_v4(like->ip));
}

static long take_port(struct port_table *t, struct socket *s)
{
	u32 start;

	random_bytes(&start, sizeof(start));
	s->inet.any_of_both = s->family == AF_INET6 && !ip_is_v4(s->inet.local.ip) && ip_is_any(s->inet.local.ip) &&
	                      !socket_option(s, SOL_IPV6, IPV6_V6ONLY);
	s->inet.uid = current->process->cred.euid;
	return port_bind(t, &s->inet, start);
}

long inet_bind(struct port_table *t, struct socket *s, const struct address *address)
{
	struct endpoint to, before = s->inet.local;
	long error = inet_endpoint(s, address, &to);

	if (error)
		return error == -ENETUNREACH ? -EINVAL : error;
	if (!ip_is_any(to.ip) && !ip_is_loopback(to.ip))
		return -EADDRNOTAVAIL;
	if (to.port && to.port < FIRST_UNPRIVILEGED && current->process->cred.euid != 0)
		return -EACCES;
	if (s->inet.bound || s->state != SOCKET_UNCONNECTED)
		return -EINVAL;
	s->inet.local = to;
	error = take_port(t, s);
	if (error)
		s->inet.local = before;
	return error;
}

long inet_autobind(struct port_table *t, struct socket *s)
{
	if (s->inet.bound)
		return 0;
	s->inet.local.port = 0;
	return take_port(t, s) ? -EAGAIN : 0;
}

/* ---- the families ---- */

static long inet_create(struct socket *s, u32 protocol)
{
	const u32 wanted = s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;

	if (s->type != SOCK_STREAM && s->type != SOCK_DGRAM)
		return s->type == SOCK_RAW ? -EPERM : -ESOCKTNOSUPPORT;
	if (protocol && protocol != wanted)
		return -EPROTONOSUPPORT;
	list_init(&s->inet.link);
	s->protocol = (u16)wanted;
	s->ops = s->type == SOCK_STREAM ? &tcp_ops : &udp_ops;
	if (s->family == AF_INET)
		map_v4(s->inet.local.ip, "\0\0\0");
	if (s->type == SOCK_STREAM)
		tcp_init(s);
	return 0;
}

const struct socket_family inet_family = { AF_INET, inet_create, NULL };
const struct socket_family inet6_family = { AF_INET6, inet_create, NULL };
