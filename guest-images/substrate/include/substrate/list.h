/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_LIST_H
#define SUBSTRATE_LIST_H

#include <substrate/types.h>

/* A circular doubly linked list whose links live inside its elements. */
struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert(struct list *e, struct list *prev, struct list *next)
{
	e->prev = prev;
	e->next = next;
	prev->next = e;
	next->prev = e;
}

static inline void list_push_front(struct list *head, struct list *e) { list_insert(e, head, head->next); }
static inline void list_push_back(struct list *head, struct list *e) { list_insert(e, head->prev, head); }

/* Removes `e` and leaves it an empty list, so that removing it twice is harmless. */
static inline void list_remove(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(pos, head, member)                                                   \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head); \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_safe(pos, tmp, head, member)                                         \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),                         \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member);                      \
	     &pos->member != (head); pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))

#endif
