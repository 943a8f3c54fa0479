/* core_node_test.c -- the core and its nodes: links, clocks, run ids, subscriptions, and what comes from
 * them late, twice or from nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/inside.h"
#include "stage.h"

#define RUN_ID "0123456789abcdef0123456789abcdef01234567"

static test_stage *cold(uint32_t node_count) {
    redlock_core_config config = test_stage_config(node_count);
    return test_stage_begin(&config);
}

static void refuse_to_wait(test_stage *stage, uint32_t slot, uint32_t node) {
    redlock_answer answer = {.kind = REDLOCK_ANSWER_NO, .status = REDLOCK_HELD, .place = 1};
    test_stage_answer(stage, slot, node, GRANT, answer);
}

/* --- slots ----------------------------------------------------------------------------------- */

static void memory_of_a_slot_is_known_while_it_is_in_use(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    assert_null(redlock_core_memory(stage->core, 0));
    uint32_t slot = test_stage_acquire(stage, &seek);
    assert_non_null(redlock_core_memory(stage->core, slot));
    assert_null(redlock_core_memory(stage->core, TEST_STAGE_SLOTS));
    test_stage_no(stage, slot, 0, GRANT);
    assert_null(redlock_core_memory(stage->core, slot));
    test_stage_end(stage);
}

static void tags_wrap_and_none_of_them_is_none(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    stage->core->tag_last = UINT32_MAX;
    uint32_t slot = test_stage_acquire(stage, &seek);
    const test_sent *sent = test_stage_open(stage, slot, 0, GRANT);
    assert_true(sent->tag != REDLOCK_TAG_NONE);
    assert_int_equal((uint32_t)sent->tag, 1);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_end(stage);
}

static void it_waits_while_something_is_to_be_heard(void **state) {
    test_stage *stage = cold(1);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    assert_false(redlock_core_is_waiting(stage->core));
    uint32_t slot = test_stage_acquire(stage, &seek);
    assert_true(redlock_core_is_waiting(stage->core)); /* for the connection */
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage));
    assert_int_equal(redlock_core_inflight(stage->core), 1);
    assert_true(redlock_core_is_waiting(stage->core)); /* for the answer */
    refuse_to_wait(stage, slot, 0);
    assert_int_equal(redlock_core_inflight(stage->core), 0);
    assert_true(redlock_core_is_waiting(stage->core)); /* for the subscription */
    test_stage_node_fact(stage, REDLOCK_FACT_SUBSCRIBED, 0);
    refuse_to_wait(stage, slot, 0);
    assert_false(redlock_core_is_waiting(stage->core));
    test_stage_end(stage);
}

/* --- links ----------------------------------------------------------------------------------- */

/* Whether a node that refused with that status is called again after the shortest delay. */
static bool is_called_again_soon(redlock_status status, uint64_t seed) {
    redlock_core_config config = test_stage_config(3);
    config.seed = seed;
    test_stage *stage = test_stage_ready(&config);
    redlock_seek seek = test_stage_seek();
    test_stage_grant_all(stage, test_stage_acquire(stage, &seek), 7);
    test_stage_down(stage, 2, REDLOCK_IO); /* a steady link is called again at once */
    uint32_t before = stage->connects[2];
    test_stage_down(stage, 2, status);
    assert_int_equal(stage->connects[2], before);
    test_stage_run(stage, config.backoff_min + REDLOCK_NS_PER_MS);
    bool is_called = stage->connects[2] > before;
    test_stage_end(stage);
    return is_called;
}

static void refusals_that_need_people_are_not_repeated_at_once(void **state) {
    uint32_t soon = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 32; seed++) {
        assert_true(is_called_again_soon(REDLOCK_IO, seed));
        assert_true(is_called_again_soon(REDLOCK_SILENT, seed));
        assert_true(is_called_again_soon(REDLOCK_NOMEM, seed));
        soon += is_called_again_soon(REDLOCK_AUTH, seed);
    }
    assert_true(soon < 8); /* a hundredth of them would be */
}

static void connection_that_was_given_up_on_may_come_up_or_break(void **state) {
    test_stage *stage = cold(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_int_equal(stage->hang_ups[0], 1);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
    uint32_t told = stage->told_count;
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage));
    test_stage_down(stage, 0, REDLOCK_AUTH);
    assert_int_equal(stage->told_count, told); /* neither NODE_UP nor NODE_DOWN */
    assert_int_equal(stage->sent_count, 0);
    test_stage_end(stage);
}

static void one_server_has_one_vote_however_many_urls_lead_to_it(void **state) {
    test_stage *stage = cold(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_up(stage, 0, RUN_ID, 0);
    test_stage_up(stage, 1, RUN_ID, 0);
    test_stage_up(stage, 2, RUN_ID "8", 0); /* 40 bytes are what a run id has */
    for (uint32_t i = 1; i < 3; i++) {
        assert_int_equal(stage->hang_ups[i], 1);
        assert_null(test_stage_open(stage, slot, i, GRANT));
    }
    assert_int_equal(stage->hang_ups[0], 0);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_SAME_NODE);
    test_stage_end(stage);
}

static void servers_without_run_ids_are_not_taken_for_one(void **state) {
    test_stage *stage = cold(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_up(stage, 0, "", 0);
    test_stage_up(stage, 1, "", 0);
    test_stage_up(stage, 2, "short", 0);
    test_stage_grant_all(stage, slot, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_run(stage, 200 * REDLOCK_NS_PER_MS);
    test_stage_up(stage, 0, RUN_ID, 0); /* beside a shorter one */
    assert_int_equal(stage->hang_ups[0], 0);
    test_stage_end(stage);
}

static void guard_takes_no_server_without_a_run_id(void **state) {
    redlock_core_config config = test_stage_config(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    config.guard = 60 * REDLOCK_NS_PER_S;
    test_stage *stage = test_stage_begin(&config);
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_up(stage, 0, "", test_stage_clock_ms(stage));
    assert_int_equal(stage->hang_ups[0], 1);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_UNSUPPORTED);
    test_stage_end(stage);
}

/* --- clocks ---------------------------------------------------------------------------------- */

static void clock_that_the_greeting_does_not_tell_is_learned_from_answers(void **state) {
    test_stage *stage = cold(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_up(stage, 0, NULL, 0);
    assert_int_equal(test_stage_open(stage, slot, 0, GRANT)->command.not_after_ms, 0);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    uint64_t limit = test_stage_open(stage, slot, 0, RELEASE)->command.not_after_ms;
    assert_true(limit > test_stage_clock_ms(stage));
    test_stage_end(stage);
}

static void release_behind_a_claim_without_a_limit_is_enough(void **state) {
    test_stage *stage = cold(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_up(stage, 0, NULL, 0);
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
    test_stage_run(stage, 200 * REDLOCK_NS_PER_MS);
    test_stage_up(stage, 0, NULL, 0);
    test_stage_no(stage, slot, 0, RELEASE);
    assert_int_equal(stage->gone_count, 1);
    test_stage_end(stage);
}

/* --- questions ------------------------------------------------------------------------------- */

static void question_is_answered_by_what_a_quorum_says(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = test_stage_look(stage, LOOK, "job");
    test_stage_yes(stage, slot, 0, LOOK, 7);
    test_stage_yes(stage, slot, 2, LOOK, 7);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_LOOKED);
    test_stage_error(stage, slot, 1, LOOK, REDLOCK_REFUSED);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_LOOKED, REDLOCK_OK);
    test_stage_end(stage);
}

static void question_that_cannot_even_be_sent_is_answered_in_time(void **state) {
    redlock_core_config config = test_stage_config(1);
    config.inflight_max = 1;
    test_stage *stage = test_stage_ready(&config);

    (void)state;
    uint32_t first = test_stage_look(stage, LOOK, "job");
    uint32_t second = test_stage_look(stage, LOOK, "other");
    redlock_ns begun = stage->now;
    test_stage_run(stage, 10 * REDLOCK_NS_PER_S);
    assert_null(test_stage_open(stage, second, 0, LOOK));
    test_stage_assert_told(stage, first, REDLOCK_TELL_LOOKED, REDLOCK_NO_QUORUM);
    test_stage_assert_told(stage, second, REDLOCK_TELL_LOOKED, REDLOCK_NO_QUORUM);
    assert_int_equal(test_stage_told(stage, second, REDLOCK_TELL_LOOKED)->at - begun,
                     config.connect_timeout + 2 * TEST_STAGE_NODE_TIMEOUT);
    test_stage_end(stage);
}

/* --- subscriptions --------------------------------------------------------------------------- */

static void subscription_that_hangs_is_given_up_and_tried_again(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    seek.poll = 3600 * REDLOCK_NS_PER_S;
    uint32_t slot = test_stage_acquire(stage, &seek);
    refuse_to_wait(stage, slot, 0);
    assert_int_equal(stage->subscribes[0], 1);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_int_equal(stage->unsubscribes[0], 1);
    refuse_to_wait(stage, slot, 0); /* that nobody wakes it was noticed, and it has asked */
    uint32_t sent = stage->sent_count;
    test_stage_node_fact(stage, REDLOCK_FACT_SUBSCRIBED, 0); /* they crossed */
    test_stage_node_fact(stage, REDLOCK_FACT_UNSUBSCRIBED, 0);
    assert_int_equal(stage->sent_count, sent); /* nobody listens, so nobody has missed anything */
    test_stage_run(stage, 100 * REDLOCK_NS_PER_MS); /* one failure: the shortest delay */
    assert_int_equal(stage->subscribes[0], 2);
    test_stage_end(stage);
}

static void wakes_that_mean_nobody_do_nothing(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek(), queued = test_stage_seek_waiting();

    (void)state;
    uint32_t held = test_stage_acquire_name(stage, "held", &seek);
    test_stage_yes(stage, held, 0, GRANT, 7);
    uint32_t slot = test_stage_acquire(stage, &queued);
    uint64_t tag = test_stage_open(stage, slot, 0, GRANT)->command.entry.wake_tag;
    refuse_to_wait(stage, slot, 0);
    test_stage_node_fact(stage, REDLOCK_FACT_SUBSCRIBED,
                         0); /* asks for the waiter, not the holder */
    assert_int_equal(test_stage_sent(stage, held, 0, GRANT), 1);
    refuse_to_wait(stage, slot, 0);
    uint32_t sent = stage->sent_count;
    test_stage_wake(stage, 0, UINT64_MAX);
    test_stage_wake(stage, 0, (uint64_t)(slot + 1) << 32 | (uint32_t)tag);
    test_stage_wake(stage, 0, tag + 256);
    for (uint32_t number = 0; number < 8; number++) {
        test_stage_wake(stage, 0, (uint64_t)held << 32 | number << 8);
    }
    assert_int_equal(stage->sent_count, sent);
    test_stage_wake(stage, 0, tag);
    assert_int_equal(stage->sent_count, sent + 1);
    test_stage_end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_a_slot_is_known_while_it_is_in_use),
        cmocka_unit_test(tags_wrap_and_none_of_them_is_none),
        cmocka_unit_test(it_waits_while_something_is_to_be_heard),
        cmocka_unit_test(refusals_that_need_people_are_not_repeated_at_once),
        cmocka_unit_test(connection_that_was_given_up_on_may_come_up_or_break),
        cmocka_unit_test(one_server_has_one_vote_however_many_urls_lead_to_it),
        cmocka_unit_test(servers_without_run_ids_are_not_taken_for_one),
        cmocka_unit_test(guard_takes_no_server_without_a_run_id),
        cmocka_unit_test(clock_that_the_greeting_does_not_tell_is_learned_from_answers),
        cmocka_unit_test(release_behind_a_claim_without_a_limit_is_enough),
        cmocka_unit_test(question_is_answered_by_what_a_quorum_says),
        cmocka_unit_test(question_that_cannot_even_be_sent_is_answered_in_time),
        cmocka_unit_test(subscription_that_hangs_is_given_up_and_tried_again),
        cmocka_unit_test(wakes_that_mean_nobody_do_nothing),
    };

    return cmocka_run_group_tests_name("core and nodes", tests, NULL, NULL);
}
