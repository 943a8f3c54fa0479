/* core_hold_test.c -- holding, on one core alone: renewing, extending, adopting and releasing while nodes are
 * slow, stand behind the cap, or still have something older of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stage.h"

#define OTHER_TOKEN "00000000000000000000000000000000:stage"
#define ADOPT_LIMIT (REDLOCK_NS_PER_S + 2 * TEST_STAGE_NODE_TIMEOUT)

static uint32_t hold(test_stage *stage) {
    redlock_seek seek = test_stage_seek();
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_grant_all(stage, slot, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_run(stage, MS); /* or the grants would answer an EXTEND of the same instant */
    return slot;
}

/* --- an older token on one node -------------------------------------------------------------- */

/* Held by two of three; on the third a RELEASE of the attempt before is unanswered. */
static uint32_t hold_beside_an_older_token(test_stage *stage) {
    redlock_seek seek = test_stage_seek();
    seek.wait = REDLOCK_NEVER;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_yes(stage, slot, 2, GRANT, 7);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_no(stage, slot, 1, GRANT);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    test_stage_token(stage, slot, OTHER_TOKEN);
    test_stage_yes(stage, slot, 0, GRANT, 8);
    test_stage_yes(stage, slot, 1, GRANT, 8);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_non_null(test_stage_open(stage, slot, 2, RELEASE));
    return slot;
}

static void node_with_an_older_token_is_not_renewed(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_beside_an_older_token(stage);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, false);
    assert_int_equal(test_stage_sent(stage, slot, 2, RENEW), 0);
    test_stage_yes(stage, slot, 0, RENEW, 8);
    test_stage_yes(stage, slot, 1, RENEW, 8);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_EXTENDED, REDLOCK_OK);
    test_stage_end(stage);
}

static void release_of_an_older_token_says_nothing_of_this_one(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_beside_an_older_token(stage);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_yes(stage, slot, 0, RELEASE, 8);
    test_stage_yes(stage, slot, 2, RELEASE, 7);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_RELEASED);
    test_stage_yes(stage, slot, 1, RELEASE, 8);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_OK);
    test_stage_end(stage);
}

static void node_with_an_older_token_that_goes_away_changes_no_release(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_beside_an_older_token(stage);
    test_stage_down(stage, 2, REDLOCK_IO); /* called again at once, and then refused */
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_down(stage, 2, REDLOCK_IO);
    test_stage_no(stage, slot, 0, RELEASE);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_NOT_HELD); /* two of three */
    test_stage_end(stage);
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void extend_right_behind_an_extend_asks_again_when_the_first_is_answered(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);

    (void)state;
    uint32_t slot = hold(stage);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    test_stage_run(stage, 10 * MS);
    test_stage_extend(stage, slot, 2 * TEST_STAGE_TTL, 0, true);
    assert_int_equal(test_stage_sent(stage, slot, 0, RENEW), 1);
    test_stage_yes(stage, slot, 0, RENEW, 7);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_EXTENDED); /* that was the shorter ttl */
    assert_int_equal(test_stage_open(stage, slot, 0, RENEW)->command.ttl_ms, 21000);
    test_stage_yes(stage, slot, 0, RENEW, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_EXTENDED, REDLOCK_OK);
    assert_true(redlock_core_held_until(stage->core, slot) > stage->now + TEST_STAGE_TTL);
    test_stage_end(stage);
}

static void extend_once_tells_after_one_round(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);

    (void)state;
    uint32_t slot = hold(stage);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    test_stage_run(stage, TEST_STAGE_NODE_TIMEOUT);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_EXTENDED, REDLOCK_NO_QUORUM);
    assert_true(redlock_core_held_until(stage->core, slot) > stage->now);
    test_stage_end(stage);
}

static void extend_may_set_the_interval_of_renewals(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);

    (void)state;
    uint32_t slot = hold(stage);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, REDLOCK_NS_PER_S, true);
    test_stage_yes(stage, slot, 0, RENEW, 7);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_non_null(test_stage_open(stage, slot, 0, RENEW));
    test_stage_end(stage);
}

static void extend_of_a_lost_lock_is_told_so(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);

    (void)state;
    uint32_t slot = hold(stage);
    test_stage_run(stage, TEST_STAGE_TTL);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_LOST, REDLOCK_LOST);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_EXTENDED, REDLOCK_LOST);
    test_stage_end(stage);
}

/* Two of three agree on the mark before the third has been raised to it. */
static uint32_t hold_while_one_is_raised(test_stage *stage) {
    redlock_seek seek = test_stage_seek();
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_yes(stage, slot, 0, GRANT, 5);
    test_stage_yes(stage, slot, 1, GRANT, 7);
    test_stage_yes(stage, slot, 2, GRANT, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_run(stage, MS);
    return slot;
}

static void round_waits_for_a_node_that_has_to_answer_something_else_first(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_while_one_is_raised(stage);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    test_stage_error(stage, slot, 1, RENEW, REDLOCK_REFUSED);
    test_stage_error(stage, slot, 2, RENEW, REDLOCK_REFUSED);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_EXTENDED);
    test_stage_run(stage, MS);
    test_stage_yes(stage, slot, 0, RAISE, 7);
    test_stage_yes(stage, slot, 0, RENEW, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_EXTENDED, REDLOCK_NO_QUORUM);
    test_stage_end(stage);
}

static void raise_that_waits_is_taken_back_once_others_agree(void **state) {
    test_stage *stage = test_stage_ready_narrow(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    uint32_t look = test_stage_look(stage, LOOK, "other");
    test_stage_yes(stage, slot, 0, GRANT, 5); /* and the question is sent behind it */
    test_stage_yes(stage, slot, 1, GRANT, 7);
    test_stage_yes(stage, slot, 2, GRANT, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_no(stage, look, 0, LOOK);
    assert_int_equal(test_stage_sent(stage, slot, 0, RAISE), 0);
    test_stage_end(stage);
}

/* --- adopting -------------------------------------------------------------------------------- */

static void adopting_that_cannot_be_sent_ends_in_time(void **state) {
    test_stage *stage = test_stage_ready_narrow(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    (void)test_stage_look(stage, LOOK, "other"); /* never answered */
    uint32_t slot = test_stage_adopt(stage, &seek, 7);
    test_stage_run(stage, ADOPT_LIMIT - MS);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_FAILED);
    test_stage_run(stage, MS);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
    test_stage_end(stage);
}

static void adopting_in_plain_mode_asks_for_no_fence(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    seek.fenced = false;
    uint32_t slot = test_stage_adopt(stage, &seek, 0);
    test_stage_yes(stage, slot, 0, RENEW, 0);
    test_stage_yes(stage, slot, 1, RENEW, 0);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_int_equal(redlock_core_fence(stage->core, slot), 0);
    test_stage_end(stage);
}

static void adopting_waits_for_nodes_that_may_agree_on_the_fence(void **state) {
    test_stage *stage = test_stage_ready_narrow(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t look = test_stage_look(stage, LOOK, "other");
    test_stage_no(stage, look, 0, LOOK);
    test_stage_no(stage, look, 1, LOOK);
    uint32_t slot = test_stage_adopt(stage, &seek, 0); /* node 2 is busy */
    test_stage_yes(stage, slot, 0, RENEW, 5);
    test_stage_yes(stage, slot, 1, RENEW, 7);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_ACQUIRED);
    test_stage_run(stage, ADOPT_LIMIT);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_int_equal(redlock_core_fence(stage->core, slot), 0); /* none is made up */
    test_stage_end(stage);
}

static void adopting_finds_the_fence_that_a_quorum_agrees_on(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_adopt(stage, &seek, 0);
    test_stage_yes(stage, slot, 0, RENEW, 9); /* its grant came late */
    test_stage_yes(stage, slot, 1, RENEW, 7);
    test_stage_yes(stage, slot, 2, RENEW, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_int_equal(redlock_core_fence(stage->core, slot), 7);
    test_stage_end(stage);
}

static void adopting_without_an_agreed_fence_holds_without_one(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_adopt(stage, &seek, 0);
    for (uint32_t i = 0; i < 3; i++) {
        test_stage_yes(stage, slot, i, RENEW, 5 + i);
    }
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_int_equal(redlock_core_fence(stage->core, slot), 0);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    assert_false(test_stage_open(stage, slot, 0, RENEW)->command.heal);
    test_stage_end(stage);
}

static void token_that_ran_out_while_it_was_adopted_is_expired(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    seek.ttl = 40 * MS;
    uint32_t slot = test_stage_adopt(stage, &seek, 7);
    test_stage_leap(stage, 45 * MS);
    test_stage_yes(stage, slot, 0, RENEW, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_EXPIRED);
    assert_int_equal(test_stage_sent(stage, slot, 0, RELEASE), 0); /* it is somebody else's */
    test_stage_end(stage);
}

static void question_of_a_failed_adopting_is_not_repeated(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_adopt(stage, &seek, 7);
    test_stage_no(stage, slot, 0, RENEW);
    test_stage_no(stage, slot, 1, RENEW);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NOT_HELD);
    test_stage_down(stage, 2, REDLOCK_IO);
    assert_int_equal(stage->gone_count, 1);
    test_stage_end(stage);
}

/* --- releasing ------------------------------------------------------------------------------- */

static void release_that_nodes_refuse_is_unknown(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold(stage);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_yes(stage, slot, 0, RELEASE, 7);
    test_stage_error(stage, slot, 1, RELEASE, REDLOCK_REFUSED);
    test_stage_say(stage, slot, 2, RELEASE, REDLOCK_ANSWER_LATE); /* asked again a moment later */
    test_stage_run(stage, 2 * MS);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_RELEASED);
    test_stage_error(stage, slot, 2, RELEASE, REDLOCK_REFUSED);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_UNKNOWN);
    test_stage_run(stage, REDLOCK_NS_PER_S / 2);
    assert_non_null(
        test_stage_open(stage, slot, 1, RELEASE)); /* it is tried until the ttl is over */
    test_stage_end(stage);
}

static void release_is_over_with_the_ttl_however_long_it_may_take(void **state) {
    redlock_core_config config = test_stage_config(3);

    (void)state;
    config.release_timeout = 3600 * REDLOCK_NS_PER_S;
    test_stage *stage = test_stage_ready(&config);
    uint32_t slot = hold(stage);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_down(stage, 0, REDLOCK_IO); /* called again at once, and then refused */
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_yes(stage, slot, 1, RELEASE, 7);
    test_stage_run(stage, TEST_STAGE_TTL);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_RELEASED);
    test_stage_run(stage, 2 * REDLOCK_NS_PER_S);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_UNKNOWN);
    test_stage_end(stage);
}

static void node_that_goes_away_before_the_release_is_sent_is_not_waited_for(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold(stage);
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_down(stage, 1, REDLOCK_IO);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot); /* calls both, and both refuse */
    test_stage_yes(stage, slot, 2, RELEASE, 7);
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_RELEASED);
    test_stage_down(stage, 1, REDLOCK_IO);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_UNKNOWN);
    test_stage_end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_with_an_older_token_is_not_renewed),
        cmocka_unit_test(release_of_an_older_token_says_nothing_of_this_one),
        cmocka_unit_test(node_with_an_older_token_that_goes_away_changes_no_release),
        cmocka_unit_test(extend_right_behind_an_extend_asks_again_when_the_first_is_answered),
        cmocka_unit_test(extend_once_tells_after_one_round),
        cmocka_unit_test(extend_may_set_the_interval_of_renewals),
        cmocka_unit_test(extend_of_a_lost_lock_is_told_so),
        cmocka_unit_test(round_waits_for_a_node_that_has_to_answer_something_else_first),
        cmocka_unit_test(raise_that_waits_is_taken_back_once_others_agree),
        cmocka_unit_test(adopting_that_cannot_be_sent_ends_in_time),
        cmocka_unit_test(adopting_in_plain_mode_asks_for_no_fence),
        cmocka_unit_test(adopting_waits_for_nodes_that_may_agree_on_the_fence),
        cmocka_unit_test(adopting_finds_the_fence_that_a_quorum_agrees_on),
        cmocka_unit_test(adopting_without_an_agreed_fence_holds_without_one),
        cmocka_unit_test(token_that_ran_out_while_it_was_adopted_is_expired),
        cmocka_unit_test(question_of_a_failed_adopting_is_not_repeated),
        cmocka_unit_test(release_that_nodes_refuse_is_unknown),
        cmocka_unit_test(release_is_over_with_the_ttl_however_long_it_may_take),
        cmocka_unit_test(node_that_goes_away_before_the_release_is_sent_is_not_waited_for),
    };

    return cmocka_run_group_tests_name("core and holds", tests, NULL, NULL);
}
