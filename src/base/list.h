/* list.h -- a doubly linked list whose links live in the elements: no memory of its own.
 *
 * A link is zeroed or on exactly one list; removing an unlinked link does nothing.  It is circular
 * through its head, so that no operation has an end to special-case. */
#ifndef REDLOCK_BASE_LIST_H
#define REDLOCK_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

typedef struct redlock_link {
    struct redlock_link *next, *prev;
} redlock_link;
typedef struct redlock_list {
    redlock_link head; /* head.next is the first; points at itself when empty */
} redlock_list;

/* The element that `link` is the member `field` of. */
#define REDLOCK_LIST_ELEMENT(link, type, field)                                                    \
    ((type *)(void *)((char *)(link)-offsetof(type, field)))

static inline void redlock_list_init(redlock_list *list) {
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

static inline bool redlock_list_is_empty(const redlock_list *list) {
    return list->head.next == &list->head;
}

static inline bool redlock_link_is_linked(const redlock_link *link) {
    return link->next != NULL;
}

/* In front of `behind`, which is on a list, or a list's head. */
static inline void redlock_list_insert(redlock_link *behind, redlock_link *link) {
    REDLOCK_ASSERT(!redlock_link_is_linked(link));
    link->prev = behind->prev;
    link->next = behind;
    behind->prev->next = link;
    behind->prev = link;
}

static inline void redlock_list_append(redlock_list *list, redlock_link *link) {
    redlock_list_insert(&list->head, link);
}

static inline void redlock_list_remove(redlock_link *link) {
    if (!redlock_link_is_linked(link)) {
        return;
    }
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

/* The first link, left in place; NULL when empty. */
static inline redlock_link *redlock_list_first(const redlock_list *list) {
    return redlock_list_is_empty(list) ? NULL : list->head.next;
}

/* The one behind `link`, which is on the list; NULL: it is the last. */
static inline redlock_link *redlock_list_next(const redlock_list *list, const redlock_link *link) {
    return link->next == &list->head ? NULL : link->next;
}

#endif
