#include <net/if.h>

static void say_error(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "no error");
}

int main(void)
{
	struct sockaddr_in a = { AF_INET, htons(80), { htonl(0xc0000201) } }; /* 192.0.2.1, of no network (RFC 5737) */
	struct sockaddr_in6 b = { AF_INET6, htons(80) };
	inet_pton(AF_INET6, "2001:db8::1", &b.sin6_addr);
	say_error("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	say_error("packet", socket(AF_PACKET, SOCK_RAW, 0));
	say_error("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	say_error("connect", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	say_error("sendto", sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (void *)&a, sizeof(a)));
	say_error("connect IPv6", connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&b, sizeof(b)));
	printf("lo is %u\n", if_nametoindex("lo"));
	return 0;
}
