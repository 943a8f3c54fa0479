/* event_test.c -- the ring of events when nobody takes them: what it forgets, and what never; and the names
 * of what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/inside.h"

#define SEEN REDLOCK_EVENTS_MAX

static redlock_events events;
static redlock_client client; /* no more than events need */
static redlock_lock lock;

static int setup(void **state) {
    (void)state;
    memset(&events, 0, sizeof events);
    memset(&client, 0, sizeof client);
    memset(&lock, 0, sizeof lock);
    client.callbacks = &events;
    return 0;
}

static void push(redlock_event_kind kind, int32_t node) {
    redlock_event_push(&client, kind, &lock, REDLOCK_OK, node);
}

static void push_many(redlock_event_kind kind, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        push(kind, (int32_t)i);
    }
}

static const redlock_event *at(uint32_t offset) {
    return &events.ring[(events.first + offset) % REDLOCK_EVENTS_MAX];
}

static uint32_t count_of(redlock_event_kind kind) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < events.count; i++) {
        count += at(i)->kind == (uint32_t)kind;
    }
    return count;
}

static void full_ring_forgets_first_that_locks_go_on(void **state) {
    (void)state;
    push_many(REDLOCK_EVENT_RELEASED, SEEN - 3);
    push(REDLOCK_EVENT_RENEWED, 1);
    push(REDLOCK_EVENT_RENEW_LATE, 2);
    redlock_event_push_place(&client, NULL, 3);
    push_many(REDLOCK_EVENT_RELEASED, 3);
    assert_int_equal(count_of(REDLOCK_EVENT_RELEASED), SEEN);
    assert_int_equal(at(0)->node, 0); /* none of those was lost, and their order is the same */
    assert_int_equal(at(SEEN - 1)->node, 2);
    push(REDLOCK_EVENT_RELEASED, 9); /* nothing of the kind is left to forget */
    assert_int_equal(at(SEEN - 1)->node, 9);
    assert_int_equal(at(0)->node, 1);
}

static void what_a_handle_took_along_need_not_be_forgotten_again(void **state) {
    (void)state;
    push(REDLOCK_EVENT_RENEWED, 1);
    redlock_event_forget(&client, &lock);
    push_many(REDLOCK_EVENT_RELEASED, SEEN);
    push(REDLOCK_EVENT_RELEASED, 9);
    assert_int_equal(events.count, SEEN);
    assert_int_equal(at(SEEN - 1)->node, 9);
}

static void full_ring_forgets_the_oldest_that_is_no_loss(void **state) {
    (void)state;
    push(REDLOCK_EVENT_LOST, 0);
    push_many(REDLOCK_EVENT_RELEASED, SEEN - 1);
    push(REDLOCK_EVENT_LOST, 1);
    assert_int_equal(events.count, SEEN);
    assert_int_equal(count_of(REDLOCK_EVENT_LOST), 2);
    assert_int_equal(at(0)->kind, REDLOCK_EVENT_LOST);
    assert_int_equal(at(1)->node, 1); /* the first release is the one that is gone */
}

static void losses_give_way_to_losses_alone(void **state) {
    (void)state;
    push_many(REDLOCK_EVENT_LOST, SEEN);
    push(REDLOCK_EVENT_RELEASED, 0);
    assert_int_equal(count_of(REDLOCK_EVENT_LOST), SEEN);
    assert_int_equal(at(0)->node, 0);
    push(REDLOCK_EVENT_LOST, 7);
    assert_int_equal(events.count, SEEN);
    assert_int_equal(at(0)->node, 1);
    assert_int_equal(at(SEEN - 1)->node, 7);
}

static void released_handle_has_no_events_but_its_release(void **state) {
    redlock_lock other = {.held_until = 0};
    (void)state;
    push(REDLOCK_EVENT_RENEWED, 1);
    push(REDLOCK_EVENT_RELEASED, 2);
    redlock_event_push(&client, REDLOCK_EVENT_LOST, &other, REDLOCK_LOST, 3);
    client.delivering = &other;
    redlock_event_forget(&client, &lock);
    assert_int_equal(events.count, 2);
    assert_int_equal(at(0)->node, 2);
    assert_int_equal(at(1)->node, 3);
}

static void nobody_listens_and_nothing_is_kept(void **state) {
    (void)state;
    client.callbacks = NULL;
    push(REDLOCK_EVENT_LOST, 0);
    redlock_event_push_place(&client, NULL, 1);
    assert_false(redlock_event_is_pending(&client));
    client.callbacks = &events;
    assert_false(redlock_event_is_pending(&client));
    push(REDLOCK_EVENT_LOST, 0);
    assert_true(redlock_event_is_pending(&client));
}

#define NUMBER(name, number, text) number,
static const int statuses[] = {REDLOCK_STATUS_MAP(NUMBER)};

static void every_status_has_a_name_and_a_sentence(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        const char *name = redlock_status_name(statuses[i]);
        assert_true(strlen(name) >= 2);
        assert_true(strlen(redlock_status_text(statuses[i])) >= 4);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(name, redlock_status_name(statuses[j]));
        }
    }
    assert_string_equal(redlock_status_name(1), "?");
    assert_string_equal(redlock_status_name(-1000), "?");
    assert_non_null(strstr(redlock_status_text(1), "does not know"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(full_ring_forgets_first_that_locks_go_on, setup),
        cmocka_unit_test_setup(what_a_handle_took_along_need_not_be_forgotten_again, setup),
        cmocka_unit_test_setup(full_ring_forgets_the_oldest_that_is_no_loss, setup),
        cmocka_unit_test_setup(losses_give_way_to_losses_alone, setup),
        cmocka_unit_test_setup(released_handle_has_no_events_but_its_release, setup),
        cmocka_unit_test_setup(nobody_listens_and_nothing_is_kept, setup),
        cmocka_unit_test(every_status_has_a_name_and_a_sentence),
    };

    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
