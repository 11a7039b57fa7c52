/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/signal.h>
#include <substrate/mm.h>
#include <substrate/pending.h>
#include <substrate/string.h>

/* However high a program sets RLIMIT_SIGPENDING: the queue is the kernel's memory. */
#define QUEUED_MAX 16384

struct queued {
	struct list link;
	siginfo_t info;
};

void pending_init(struct pending *pending)
{
	pending->set = 0;
	pending->queued = 0;
	list_init(&pending->queue);
}

bool pending_add(struct pending *pending, int signo, const siginfo_t *info, u64 limit)
{
	if (pending->set & SIGNAL_BIT(signo) && signo < SIGRTMIN)
		return true;
	if (signo >= SIGRTMIN && pending->queued >= MIN(limit, (u64)QUEUED_MAX))
		return false;
	struct queued *queued = kmalloc(sizeof(*queued));
	if (queued) {
		queued->info = *info;
		list_push_back(&pending->queue, &queued->link);
		pending->queued++;
	}
	pending->set |= SIGNAL_BIT(signo);
	return true;
}

static void forget(struct pending *pending, struct queued *queued)
{
	list_remove(&queued->link);
	pending->queued--;
	kfree(queued);
}

int pending_take(struct pending *pending, u64 set, siginfo_t *info)
{
	u64 wanted = pending->set & set;
	if (!wanted)
		return 0;
	int signo = wanted & SIGNAL_BIT(SIGKILL) ? SIGKILL : __builtin_ctzl(wanted) + 1;
	struct queued *queued, *next, *found = NULL;
	bool more = false;
	list_for_each_safe(queued, next, &pending->queue, link) {
		if (queued->info.si_signo != signo)
			continue;
		more |= found != NULL;
		if (!found)
			found = queued;
	}
	memset(info, 0, sizeof(*info));
	info->si_signo = signo;
	if (found) {
		*info = found->info;
		forget(pending, found);
	}
	if (!more)
		pending->set &= ~SIGNAL_BIT(signo);
	return signo;
}

void pending_drop(struct pending *pending, u64 set)
{
	struct queued *queued, *next;
	list_for_each_safe(queued, next, &pending->queue, link)
		if (SIGNAL_BIT(queued->info.si_signo) & set)
			forget(pending, queued);
	pending->set &= ~set;
}

siginfo_t *pending_of_timer(struct pending *pending, int timer_id)
{
	struct queued *queued;
	list_for_each(queued, &pending->queue, link)
		if (queued->info.si_code == SI_TIMER && queued->info.si_tid == timer_id)
			return &queued->info;
	return NULL;
}
