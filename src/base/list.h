/* list.h -- a doubly linked list whose links live in the elements: no memory of its own.
 *
 * A link is zeroed or on exactly one list; removing an unlinked link does nothing. */
#ifndef REDLOCK_BASE_LIST_H
#define REDLOCK_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct redlock_link {
    struct redlock_link *next, *prev;
} redlock_link;
typedef struct redlock_list {
    redlock_link head; /* head.next is the first; points at itself when empty */
} redlock_list;

/* The element that `link` is the member `field` of. */
#define REDLOCK_LIST_ELEMENT(link, type, field)                                                    \
    ((type *)(void *)((char *)(link)-offsetof(type, field)))

void redlock_list_init(redlock_list *list);
bool redlock_list_is_empty(const redlock_list *list);
bool redlock_link_is_linked(const redlock_link *link);
void redlock_list_append(redlock_list *list, redlock_link *link);
/* In front of `behind`, which is on a list, or a list's head. */
void redlock_list_insert(redlock_link *behind, redlock_link *link);
void redlock_list_remove(redlock_link *link);
/* The first link, left in place; NULL when empty. */
redlock_link *redlock_list_first(const redlock_list *list);
/* The one behind `link`, which is on the list; NULL: it is the last. */
redlock_link *redlock_list_next(const redlock_list *list, const redlock_link *link);

#endif
