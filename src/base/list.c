/* list.c -- a circular list through its head, so that no operation has an end to special-case. */
#include "base/list.h"

#include "base/assert.h"

void redlock_list_init(redlock_list *list) {
    list->head.next = &list->head;
    list->head.prev = &list->head;
}

bool redlock_list_is_empty(const redlock_list *list) {
    return list->head.next == &list->head;
}

bool redlock_link_is_linked(const redlock_link *link) {
    return link->next != NULL;
}

void redlock_list_insert(redlock_link *behind, redlock_link *link) {
    REDLOCK_ASSERT(!redlock_link_is_linked(link));
    link->prev = behind->prev;
    link->next = behind;
    behind->prev->next = link;
    behind->prev = link;
}

void redlock_list_append(redlock_list *list, redlock_link *link) {
    redlock_list_insert(&list->head, link);
}

void redlock_list_remove(redlock_link *link) {
    if (!redlock_link_is_linked(link)) {
        return;
    }
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

redlock_link *redlock_list_first(const redlock_list *list) {
    return redlock_list_is_empty(list) ? NULL : list->head.next;
}

redlock_link *redlock_list_next(const redlock_list *list, const redlock_link *link) {
    return link->next == &list->head ? NULL : link->next;
}
