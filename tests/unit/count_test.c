/* count_test.c -- counting what passes between a core and a node, whatever it is and however much; and
 * the memory that is kept for the next lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/inside.h"

static redlock_meter meter;

static int setup(void **state) {
    (void)state;
    memset(&meter, 0, sizeof meter);
    return 0;
}

static void wish(redlock_wish_kind kind, redlock_ns now) {
    redlock_meter_wish(&meter, &(redlock_wish){.kind = kind}, now);
}

static void told(redlock_tell event, redlock_status status) {
    redlock_wish told = {.kind = REDLOCK_WISH_TELL};
    told.as.tell.event = event;
    told.as.tell.status = status;
    redlock_meter_wish(&meter, &told, 0);
}

static void heard(redlock_fact_kind kind, redlock_ns now) {
    redlock_meter_fact(&meter, &(redlock_fact){.kind = kind}, now);
}

static void reply(redlock_answer_kind kind, redlock_status status) {
    redlock_fact fact = {.kind = REDLOCK_FACT_REPLY};
    fact.as.reply.answer = (redlock_answer){.kind = kind, .status = status};
    redlock_meter_fact(&meter, &fact, 0);
}

/* --- commands and answers -------------------------------------------------------------------- */

static void commands_beyond_the_ring_are_counted_and_not_timed(void **state) {
    (void)state;
    for (uint32_t i = 0; i < REDLOCK_SENT_MAX + 2; i++) {
        wish(REDLOCK_WISH_SEND, 0);
    }
    for (uint32_t i = 0; i < REDLOCK_SENT_MAX; i++) {
        heard(REDLOCK_FACT_REPLY, REDLOCK_NS_PER_MS);
    }
    wish(REDLOCK_WISH_SEND, 0); /* it stands behind two whose times are not known */
    for (uint32_t i = 0; i < 3; i++) {
        heard(REDLOCK_FACT_REPLY, REDLOCK_NS_PER_MS);
    }
    assert_int_equal(meter.commands, REDLOCK_SENT_MAX + 3);
    assert_int_equal(meter.answers, REDLOCK_SENT_MAX + 3);
    assert_int_equal(meter.round_trip.count, REDLOCK_SENT_MAX);
    wish(REDLOCK_WISH_SEND, 0);
    heard(REDLOCK_FACT_REPLY, REDLOCK_NS_PER_MS); /* and now times are known again */
    assert_int_equal(meter.round_trip.count, REDLOCK_SENT_MAX + 1);
}

static void answer_to_nothing_is_counted_and_not_timed(void **state) {
    (void)state;
    heard(REDLOCK_FACT_REPLY, REDLOCK_NS_PER_MS);
    assert_int_equal(meter.answers, 1);
    assert_int_equal(meter.round_trip.count, 0);
}

static void link_that_ends_leaves_nothing_unanswered_behind(void **state) {
    (void)state;
    wish(REDLOCK_WISH_CONNECT, 0);
    wish(REDLOCK_WISH_HANG_UP, 0); /* it never stood */
    assert_int_equal(meter.connects_failed, 1);
    heard(REDLOCK_FACT_LINK_UP, 0);
    wish(REDLOCK_WISH_SEND, 0);
    heard(REDLOCK_FACT_LINK_DOWN, 0);
    assert_int_equal(meter.unanswered, 1);
    assert_int_equal(meter.disconnects, 1);
    assert_int_equal(meter.connects, 1);
}

static void node_is_up_and_down_as_it_is_told(void **state) {
    (void)state;
    told(REDLOCK_TELL_NODE_UP, REDLOCK_OK);
    assert_true(meter.up);
    told(REDLOCK_TELL_RENEWED, REDLOCK_OK);
    assert_true(meter.up);
    told(REDLOCK_TELL_NODE_DOWN, REDLOCK_AUTH);
    assert_false(meter.up);
    assert_int_equal(meter.errors[13], 1); /* AUTH is -13 */
}

static void refusals_are_errors_and_answers_to_questions_are_none(void **state) {
    (void)state;
    reply(REDLOCK_ANSWER_NO, REDLOCK_HELD);
    reply(REDLOCK_ANSWER_LATE, REDLOCK_SILENT);
    reply(REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED);
    reply(REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK);
    reply(REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY);
    uint64_t errors = 0;
    for (uint32_t i = 0; i < REDLOCK_ANSWERS; i++) {
        errors += meter.errors[i];
    }
    assert_int_equal(errors, 3);
}

static void what_is_no_traffic_changes_no_count(void **state) {
    static const redlock_wish_kind wishes[] = {REDLOCK_WISH_CONNECT, REDLOCK_WISH_SUBSCRIBE,
                                               REDLOCK_WISH_UNSUBSCRIBE, REDLOCK_WISH_TOKEN,
                                               REDLOCK_WISH_GONE};
    static const redlock_fact_kind facts[] = {REDLOCK_FACT_ACQUIRE,      REDLOCK_FACT_ADOPT,
                                              REDLOCK_FACT_LOOK,         REDLOCK_FACT_TOKEN,
                                              REDLOCK_FACT_EXTEND,       REDLOCK_FACT_RELEASE,
                                              REDLOCK_FACT_CANCEL,       REDLOCK_FACT_SUBSCRIBED,
                                              REDLOCK_FACT_UNSUBSCRIBED, REDLOCK_FACT_TIME};
    static const redlock_meter zero;
    (void)state;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        wish(wishes[i], 1);
    }
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        heard(facts[i], 1);
    }
    assert_memory_equal(&meter, &zero, sizeof meter);
}

static void status_that_is_none_is_counted_nowhere(void **state) {
    static const redlock_answers none;
    redlock_answers answers = {0};
    (void)state;
    redlock_count_answer(answers, (redlock_status)1);
    redlock_count_answer(answers, (redlock_status)(-(int)REDLOCK_ANSWERS));
    assert_memory_equal(answers, none, sizeof answers);
    redlock_count_answer(answers, REDLOCK_HELD);
    assert_int_equal(answers[1], 1);
}

/* --- wakes, whose tags come from the network --------------------------------------------------- */

static void wake_is_noted_for_the_call_that_waits_and_for_nobody_else(void **state) {
    redlock_op op = {.woken = false};
    redlock_owner owners[2] = {{.op = NULL}, {.op = &op}};
    redlock_client client = {.owners = owners, .owner_count = 2, .meters = &meter};
    redlock_fact fact = {.kind = REDLOCK_FACT_WAKE};
    static const uint64_t slots[] = {0, 2, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fact.as.wake.tag = slots[i] << 32;
        redlock_metrics_heard(&client, &fact, 0);
        assert_false(op.woken);
    }
    fact.as.wake.tag = UINT64_C(1) << 32;
    redlock_metrics_heard(&client, &fact, 0);
    assert_true(op.woken);
    assert_int_equal(meter.wakes, 4);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void block_that_was_given_back_is_taken_again(void **state) {
    struct redlock_pool *pool = redlock_pool_create();
    (void)state;
    assert_non_null(pool);
    void *first = redlock_pool_take(pool, 100);
    redlock_pool_give(pool, first);
    assert_ptr_equal(redlock_pool_take(pool, 200), first); /* of the same size class */
    redlock_pool_give(pool, first);
    redlock_pool_give(pool, NULL);
    redlock_pool_destroy(pool);
    redlock_pool_destroy(NULL);
}

#define MANY 300u /* more than are kept of one class */

static void take_and_give(struct redlock_pool *pool, size_t size) {
    void *blocks[MANY];
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = redlock_pool_take(pool, size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size); /* the sanitizer sees one that is too small, */
    }
    for (size_t i = 0; i < MANY; i++) {
        redlock_pool_give(pool, blocks[i]); /* given back twice, */
    }
}

static void pool_keeps_neither_large_blocks_nor_many(void **state) {
    static const size_t sizes[] = {100, 10000, 100, 8000};
    struct redlock_pool *pool = redlock_pool_create();
    (void)state;
    assert_non_null(pool);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        take_and_give(pool, sizes[i]);
    }
    redlock_pool_destroy(pool); /* or left behind */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(commands_beyond_the_ring_are_counted_and_not_timed, setup),
        cmocka_unit_test_setup(answer_to_nothing_is_counted_and_not_timed, setup),
        cmocka_unit_test_setup(link_that_ends_leaves_nothing_unanswered_behind, setup),
        cmocka_unit_test_setup(node_is_up_and_down_as_it_is_told, setup),
        cmocka_unit_test_setup(refusals_are_errors_and_answers_to_questions_are_none, setup),
        cmocka_unit_test_setup(what_is_no_traffic_changes_no_count, setup),
        cmocka_unit_test_setup(status_that_is_none_is_counted_nowhere, setup),
        cmocka_unit_test_setup(wake_is_noted_for_the_call_that_waits_and_for_nobody_else, setup),
        cmocka_unit_test(block_that_was_given_back_is_taken_again),
        cmocka_unit_test(pool_keeps_neither_large_blocks_nor_many),
    };

    return cmocka_run_group_tests_name("counts and kept memory", tests, NULL, NULL);
}
