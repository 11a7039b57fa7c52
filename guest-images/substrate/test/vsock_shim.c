/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_shim.h"

#include <substrate/random.h>
#include <substrate/uaccess.h>

#include "../src/net/rights.h"
#include "../src/net/socket.h"

void random_bytes(void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((u8 *)buf)[i] = (u8)test_random();
}

/* ---- waiting ---- */

void wake_up_events(struct wait_queue *q, u32 events)
{
	struct waiter *waiter;

	list_for_each(waiter, &q->waiters, link)
		waiter->wake(waiter, events);
	wake_up(q);
}

void wait_queue_clear(struct wait_queue *q)
{
	while (!list_empty(&q->waiters))
		list_remove(q->waiters.next);
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	memcpy(dst, src, n);
	return 0;
}

/* ---- of the other families ---- */

bool is_unix(const struct socket *s)
{
	return s->family == AF_UNIX;
}

noreturn static void no_such_thing(const char *what)
{
	test_fail(__FILE__, __LINE__, "%s of a socket that has none", what);
}

void unix_source(const struct socket *sender, struct address *out) { (void)sender, (void)out, no_such_thing("address"); }
struct rights *rights_copy(const struct rights *r) { (void)r, no_such_thing("files"); }
void rights_send(struct rights *r) { (void)r, no_such_thing("files"); }
void rights_receive(struct rights *r) { (void)r, no_such_thing("files"); }
void rights_free(struct rights *r) { (void)r, no_such_thing("files"); }
void rights_collect_garbage(void) { no_such_thing("files"); }
long socket_ioctl(struct file *file, unsigned int cmd, u64 arg) { (void)file, (void)cmd, (void)arg, no_such_thing("ioctl"); }
