/* SPDX-License-Identifier: Apache-2.0 */
/* getsockopt(2), setsockopt(2) and ioctl(2) of sockets: socket(7), tcp(7), ip(7), ipv6(7). */
#include <asm/ioctls.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <substrate/mm.h>
#include <substrate/string.h>
#include <substrate/task.h>
#include <substrate/time.h>
#include "options.h"

/* Timeouts beyond this are none (Linux: MAX_SCHEDULE_TIMEOUT). */
#define TIMEOUT_MAX_SECONDS (1L << 31)

/* ---- options of protocols ---- */

/*
 * Numbers that say how packets and timers are to be, of which there are none: they are kept for whoever asks. Only
 * IPV6_V6ONLY is looked at.
 */
static const struct option {
	short level, name;
	s32 lowest, highest, initial;
} known[] = {
	{ SOL_TCP, TCP_NODELAY, 0, 1, 0 },
	{ SOL_TCP, TCP_MAXSEG, 0, 65535, 536 },
	{ SOL_TCP, TCP_CORK, 0, 1, 0 },
	{ SOL_TCP, TCP_KEEPIDLE, 1, 32767, 7200 },
	{ SOL_TCP, TCP_KEEPINTVL, 1, 32767, 75 },
	{ SOL_TCP, TCP_KEEPCNT, 1, 127, 9 },
	{ SOL_TCP, TCP_SYNCNT, 1, 127, 6 },
	{ SOL_TCP, TCP_LINGER2, -1, 120, 60 },
	{ SOL_TCP, TCP_DEFER_ACCEPT, 0, 65535, 0 },
	{ SOL_TCP, TCP_QUICKACK, 0, 1, 1 },
	{ SOL_TCP, TCP_USER_TIMEOUT, 0, 0x7fffffff, 0 },
	{ SOL_TCP, TCP_FASTOPEN_CONNECT, 0, 0, 0 },
	{ SOL_IP, IP_TOS, 0, 255, 0 },
	{ SOL_IP, IP_TTL, 1, 255, 64 },
	{ SOL_IP, IP_MTU_DISCOVER, 0, 5, 1 },
	{ SOL_IP, IP_RECVERR, 0, 1, 0 },
	{ SOL_IP, IP_FREEBIND, 0, 1, 0 },
	{ SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0, 1, 0 },
	{ SOL_IP, IP_MULTICAST_TTL, 0, 255, 1 },
	{ SOL_IP, IP_MULTICAST_LOOP, 0, 1, 1 },
	{ SOL_IPV6, IPV6_V6ONLY, 0, 1, 0 },
	{ SOL_IPV6, IPV6_UNICAST_HOPS, -1, 255, 64 },
	{ SOL_IPV6, IPV6_MULTICAST_HOPS, -1, 255, 1 },
	{ SOL_IPV6, IPV6_MULTICAST_LOOP, 0, 1, 1 },
	{ SOL_IPV6, IPV6_MTU_DISCOVER, 0, 5, 1 },
	{ SOL_IPV6, IPV6_RECVERR, 0, 1, 0 },
	{ SOL_IPV6, IPV6_TCLASS, -1, 255, 0 },
};

static bool has_level(const struct socket *s, int level)
{
	switch (level) {
	case SOL_TCP:
		return s->protocol == IPPROTO_TCP;
	case SOL_IP:
		return s->family == AF_INET || s->family == AF_INET6;
	default:
		return level == SOL_IPV6 && s->family == AF_INET6;
	}
}

static s32 index_of(const struct socket *s, int level, int name)
{
	for (u32 i = 0; i < ARRAY_SIZE(known) && has_level(s, level); i++)
		if (known[i].level == level && known[i].name == name)
			return (s32)i;
	return -1;
}

s32 socket_option(const struct socket *s, int level, int name)
{
	s32 i = index_of(s, level, name);

	return i < 0 ? 0 : s->options ? s->options[i] : known[i].initial;
}

static long protocol_set(struct socket *s, int level, int name, s32 value)
{
	s32 i = index_of(s, level, name);

	if (i < 0)
		return -ENOPROTOOPT;
	if (known[i].lowest == 0 && known[i].highest == 1)
		value = value != 0;
	if (value < known[i].lowest || value > known[i].highest)
		return -EINVAL;
	if (level == SOL_IPV6 && name == IPV6_V6ONLY && s->inet.bound)
		return -EINVAL;
	if (!s->options) {
		s->options = kmalloc(ARRAY_SIZE(known) * sizeof(*s->options));
		if (!s->options)
			return -ENOMEM;
		for (u32 k = 0; k < ARRAY_SIZE(known); k++)
			s->options[k] = known[k].initial;
	}
	s->options[i] = value;
	return 0;
}

/* ---- SOL_SOCKET ---- */

/* The value is doubled, as socket(7) says, because the kernel's own needs are charged as well. */
static u32 buffer_size(s32 wanted, u32 least)
{
	u32 most = MIN((u32)MAX(wanted, 0), BUFFER_MAX / 2);

	return MAX(most * 2, least);
}

static long set_timeout(u64 *timeout, const void __user *user, int length)
{
	s64 tv[2];

	if (length < (int)sizeof(tv))
		return -EINVAL;
	if (copy_from_user(tv, user, sizeof(tv)))
		return -EFAULT;
	if (tv[1] < 0 || tv[1] >= 1000000)
		return -EDOM;
	/* Zero waits for ever; a negative one, not at all. */
	if (tv[0] < 0)
		*timeout = 1;
	else
		*timeout = tv[0] > TIMEOUT_MAX_SECONDS ? 0 : (u64)tv[0] * NSEC_PER_SEC + (u64)tv[1] * 1000;
	return 0;
}

static long set_linger(struct socket *s, const void __user *user, int length)
{
	struct linger linger;

	if (length < (int)sizeof(linger))
		return -EINVAL;
	if (copy_from_user(&linger, user, sizeof(linger)))
		return -EFAULT;
	s->linger = linger.on;
	s->linger_seconds = linger.seconds;
	return 0;
}

static bool *flag_of(struct socket *s, int name)
{
	bool inet = s->family == AF_INET || s->family == AF_INET6;

	switch (name) {
	case SO_KEEPALIVE:
		return &s->keep_alive;
	case SO_BROADCAST:
		return &s->broadcast;
	case SO_PASSCRED:
		return &s->pass_credentials;
	case SO_REUSEADDR:
		return inet ? &s->inet.reuse_address : NULL;
	case SO_REUSEPORT:
		return inet ? &s->inet.reuse_port : NULL;
	default:
		return NULL;
	}
}

/* Accepted because it changes nothing that a program could see. */
static bool without_effect(int name)
{
	return name == SO_DONTROUTE || name == SO_OOBINLINE || name == SO_PRIORITY || name == SO_REUSEADDR || name == SO_REUSEPORT;
}

static long set_number(struct socket *s, int name, s32 value)
{
	bool *flag = flag_of(s, name);

	if (flag) {
		*flag = value != 0;
		return 0;
	}
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		s->send_limit = buffer_size(value, SEND_BUFFER_MIN);
		s->owns_send_limit = true;
		wake_up(&s->queue);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		s->receive_limit = buffer_size(value, RECEIVE_BUFFER_MIN);
		return 0;
	case SO_RCVLOWAT:
		s->receive_low = value < 0 ? 0x7fffffff : value ? value : 1;
		return 0;
	default:
		return without_effect(name) ? 0 : -ENOPROTOOPT;
	}
}

long socket_set_option(struct socket *s, int level, int name, const void __user *user, int length)
{
	s32 value = 0;

	if (length < 0)
		return -EINVAL;
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW))
		return set_timeout(&s->receive_timeout, user, length);
	if (level == SOL_SOCKET && (name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW))
		return set_timeout(&s->send_timeout, user, length);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(s, user, length);
	if (level == AF_VSOCK && s->family == AF_VSOCK)
		return vsock_set_option(s, name, user, length);
	if (level != SOL_SOCKET && !has_level(s, level))
		return is_unix(s) ? -EOPNOTSUPP : -ENOPROTOOPT;
	/* Of IP's options a byte is enough. */
	if (length < (int)sizeof(value) && !(level == SOL_IP && length >= 1))
		return -EINVAL;
	if (copy_from_user(&value, user, MIN((size_t)length, sizeof(value))))
		return -EFAULT;
	return level == SOL_SOCKET ? set_number(s, name, value) : protocol_set(s, level, name, value);
}

/* ---- getting ---- */

/* What getsockopt gives: at most this many bytes. */
struct answer {
	size_t length;
	union {
		s32 number;
		struct ucred credentials;
		struct linger linger;
		s64 timeout[2];
		char text[16];
		struct tcp_info info;
	};
};

static long answer_number(struct answer *a, s32 number)
{
	a->length = sizeof(a->number);
	a->number = number;
	return 0;
}

static long answer_timeout(struct answer *a, u64 ns)
{
	a->length = sizeof(a->timeout);
	a->timeout[0] = (s64)(ns / NSEC_PER_SEC);
	a->timeout[1] = (s64)(ns % NSEC_PER_SEC / 1000);
	return 0;
}

static long get_from_socket(struct socket *s, int name, struct answer *a)
{
	const bool *flag = flag_of(s, name);

	if (flag)
		return answer_number(a, *flag);
	switch (name) {
	case SO_TYPE:
		return answer_number(a, s->type);
	case SO_DOMAIN:
		return answer_number(a, s->family);
	case SO_PROTOCOL:
		return answer_number(a, s->protocol);
	case SO_ERROR:
		return answer_number(a, (s32)-socket_take_error(s));
	case SO_ACCEPTCONN:
		return answer_number(a, s->state == SOCKET_LISTENING);
	case SO_SNDBUF:
		return answer_number(a, (s32)s->send_limit);
	case SO_RCVBUF:
		return answer_number(a, (s32)s->receive_limit);
	case SO_RCVLOWAT:
		return answer_number(a, s->receive_low);
	case SO_SNDLOWAT:
		return answer_number(a, 1);
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return answer_timeout(a, s->receive_timeout);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return answer_timeout(a, s->send_timeout);
	case SO_LINGER:
		a->linger = (struct linger){ s->linger, s->linger_seconds };
		a->length = sizeof(a->linger);
		return 0;
	case SO_PEERCRED:
		a->credentials = s->peer_credentials;
		a->length = sizeof(a->credentials);
		return 0;
	default:
		return without_effect(name) ? answer_number(a, 0) : -ENOPROTOOPT;
	}
}

/* Numbers of <netinet/tcp.h>: TCP_ESTABLISHED and so on. */
static u8 tcp_state(const struct socket *s)
{
	switch (s->state) {
	case SOCKET_LISTENING:
		return 10;
	case SOCKET_CONNECTING:
		return 2;
	case SOCKET_CONNECTED:
		if (s->shut == SHUT_BOTH)
			return 7;
		return s->shut & SHUT_RECEIVE && s->finished ? 8 : s->shut & SHUT_SEND ? 5 : 1;
	default:
		return 7;
	}
}

static long get_from_protocol(struct socket *s, int level, int name, struct answer *a)
{
	if (!has_level(s, level))
		return is_unix(s) ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (level == SOL_TCP && name == TCP_INFO) {
		a->info.tcpi_state = tcp_state(s);
		a->length = sizeof(a->info);
		return 0;
	}
	if (level == SOL_TCP && name == TCP_CONGESTION) {
		memcpy(a->text, "cubic", 6);
		a->length = sizeof(a->text);
		return 0;
	}
	return index_of(s, level, name) < 0 ? -ENOPROTOOPT : answer_number(a, socket_option(s, level, name));
}

long socket_get_option(struct socket *s, int level, int name, void __user *user, int __user *user_length)
{
	struct answer a;
	int length;

	memset(&a, 0, sizeof(a));
	if (copy_from_user(&length, user_length, sizeof(length)))
		return -EFAULT;
	if (length < 0)
		return -EINVAL;
	long error = level == SOL_SOCKET ? get_from_socket(s, name, &a)
	             : level == AF_VSOCK && s->family == AF_VSOCK ? vsock_get_option(s, name, a.timeout, &a.length)
	                                                          : get_from_protocol(s, level, name, &a);
	if (error)
		return error;
	length = MIN(length, (int)a.length);
	return copy_to_user(user, &a.number, (size_t)length) || copy_to_user(user_length, &length, sizeof(length)) ? -EFAULT : 0;
}

/* ---- ioctl ---- */

#define LOOPBACK_INDEX 1

/* struct ifreq of netdevice(7): a name, and 24 bytes that depend on the question. */
struct interface_request {
	char name[16];
	union {
		s32 index;
		short flags;
		u8 bytes[24];
	};
};
#define IFF_UP 0x1
#define IFF_LOOPBACK 0x8
#define IFF_RUNNING 0x40

/* The one interface there is. */
static long loopback_request(unsigned int cmd, void __user *arg)
{
	struct interface_request r;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (cmd == SIOCGIFNAME ? r.index != LOOPBACK_INDEX : strncmp(r.name, "lo", sizeof(r.name)) != 0)
		return -ENODEV;
	if (cmd == SIOCGIFNAME)
		memcpy(r.name, "lo", 3);
	else if (cmd == SIOCGIFINDEX)
		r.index = LOOPBACK_INDEX;
	else
		r.flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	return copy_to_user(arg, &r, sizeof(r)) ? -EFAULT : 0;
}

static long bytes_to_read(struct socket *s)
{
	if (s->state == SOCKET_LISTENING)
		return -EINVAL;
	if (s->type != SOCK_DGRAM)
		return (long)s->queued;
	struct message *m = message_first(s);
	return m ? (long)m->length : 0;
}

long socket_ioctl(struct file *file, unsigned int cmd, u64 arg)
{
	struct socket *s = file->private;
	long value;

	switch (cmd) {
	case FIONREAD:
		value = bytes_to_read(s);
		break;
	case SIOCOUTQ:
		value = s->send_used;
		break;
	case SIOCGIFNAME:
	case SIOCGIFINDEX:
	case SIOCGIFFLAGS:
		return loopback_request(cmd, (void __user *)arg);
	default:
		return -ENOTTY;
	}
	if (value < 0)
		return value;
	int number = (int)value;
	return copy_to_user((void __user *)arg, &number, sizeof(number)) ? -EFAULT : 0;
}
