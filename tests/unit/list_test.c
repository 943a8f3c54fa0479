/* list_test.c -- the linked list whose links live in its elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

typedef struct list_item {
    int number;
    redlock_link link;
} list_item;

static int first_number(const redlock_list *list) {
    return REDLOCK_LIST_ELEMENT(redlock_list_first(list), list_item, link)->number;
}

/* The numbers on the list as decimal digits: 1, 2, 3 is 123. */
static int numbers_of(const redlock_list *list) {
    int numbers = 0;

    for (redlock_link *link = list->head.next; link != &list->head; link = link->next) {
        assert_ptr_equal(link->next->prev, link);
        numbers = numbers * 10 + REDLOCK_LIST_ELEMENT(link, list_item, link)->number;
    }
    return numbers;
}

static void new_list_is_empty(void **state) {
    redlock_list list;

    (void)state;
    redlock_list_init(&list);
    assert_true(redlock_list_is_empty(&list));
    assert_null(redlock_list_first(&list));
}

static void elements_stay_in_the_order_of_their_coming(void **state) {
    redlock_list list;
    list_item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};

    (void)state;
    redlock_list_init(&list);
    for (int i = 0; i < 3; i++) {
        assert_false(redlock_link_is_linked(&items[i].link));
        redlock_list_append(&list, &items[i].link);
        assert_true(redlock_link_is_linked(&items[i].link));
    }
    assert_false(redlock_list_is_empty(&list));
    assert_int_equal(numbers_of(&list), 123);
    assert_int_equal(first_number(&list), 1);
}

static void element_leaves_from_any_place_and_may_come_back(void **state) {
    redlock_list list;
    list_item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};

    (void)state;
    redlock_list_init(&list);
    for (int i = 0; i < 3; i++) {
        redlock_list_append(&list, &items[i].link);
    }
    redlock_list_remove(&items[1].link);
    assert_int_equal(numbers_of(&list), 13);
    redlock_list_remove(&items[0].link);
    assert_int_equal(numbers_of(&list), 3);
    redlock_list_append(&list, &items[1].link);
    assert_int_equal(numbers_of(&list), 32);
    redlock_list_remove(&items[2].link);
    redlock_list_remove(&items[1].link);
    assert_true(redlock_list_is_empty(&list));
    assert_false(redlock_link_is_linked(&items[1].link));
}

static void element_may_stand_in_front_of_any_other(void **state) {
    redlock_list list;
    list_item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};

    (void)state;
    redlock_list_init(&list);
    redlock_list_insert(&list.head, &items[3].link);
    redlock_list_insert(&items[3].link, &items[0].link);
    redlock_list_insert(&items[3].link, &items[2].link);
    redlock_list_insert(&items[2].link, &items[1].link);
    assert_int_equal(numbers_of(&list), 1234);
}

static void removing_what_is_on_no_list_does_nothing(void **state) {
    list_item item = {.number = 1};

    (void)state;
    redlock_list_remove(&item.link);
    assert_false(redlock_link_is_linked(&item.link));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_list_is_empty),
        cmocka_unit_test(elements_stay_in_the_order_of_their_coming),
        cmocka_unit_test(element_leaves_from_any_place_and_may_come_back),
        cmocka_unit_test(element_may_stand_in_front_of_any_other),
        cmocka_unit_test(removing_what_is_on_no_list_does_nothing),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
