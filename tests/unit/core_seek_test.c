/* core_seek_test.c -- acquiring, on one core alone: what ends an attempt, what ends a wait, what is
 * undone, and answers that come when nobody counts on them any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"

#define OTHER_TOKEN "00000000000000000000000000000000:stage"
#define ATTEMPT_LIMIT (REDLOCK_NS_PER_S + 3 * TEST_STAGE_NODE_TIMEOUT)

static redlock_seek patient(redlock_ns wait) {
    redlock_seek seek = test_stage_seek();
    seek.wait = wait;
    return seek;
}

/* --- why an attempt failed ------------------------------------------------------------------- */

typedef struct cause_case {
    redlock_answer_kind answer; /* of all three nodes */
    redlock_status status;      /* with ERROR */
    redlock_status told;
    bool may_pass; /* who waits tries again */
} cause_case;

static const cause_case causes[] = {
    {REDLOCK_ANSWER_NO, REDLOCK_HELD, REDLOCK_HELD, true},
    {REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, REDLOCK_NOT_READY, true},
    {REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED, REDLOCK_REFUSED, true},
    {REDLOCK_ANSWER_ERROR, REDLOCK_NOMEM, REDLOCK_NOMEM, true},
    {REDLOCK_ANSWER_ERROR, REDLOCK_CLOSED, REDLOCK_NO_QUORUM, true},
    {REDLOCK_ANSWER_ERROR, REDLOCK_IO, REDLOCK_NO_QUORUM, true},
    {REDLOCK_ANSWER_ERROR, REDLOCK_NO_PERMISSION, REDLOCK_NO_PERMISSION, false},
    {REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK, REDLOCK_CLOCK, false},
};

static uint32_t all_answer(test_stage *stage, const cause_case *one, redlock_ns wait) {
    redlock_seek seek = patient(wait);
    uint32_t slot = test_stage_acquire(stage, &seek);
    for (uint32_t i = 0; i < stage->node_count; i++) {
        redlock_answer answer = {.kind = one->answer, .status = one->status};
        if (test_stage_open(stage, slot, i, GRANT) != NULL) {
            test_stage_answer(stage, slot, i, GRANT, answer);
        }
    }
    return slot;
}

static void cause_says_whether_it_is_tried_again(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        test_stage *stage = test_stage_ready_nodes(3);
        uint32_t slot = all_answer(stage, &causes[i], 0);
        test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, causes[i].told);
        test_stage_end(stage);

        stage = test_stage_ready_nodes(3);
        slot = all_answer(stage, &causes[i], REDLOCK_NEVER);
        assert_int_equal(test_stage_told(stage, slot, REDLOCK_TELL_FAILED) == NULL,
                         causes[i].may_pass);
        test_stage_end(stage);
    }
}

static void grants_that_come_after_the_ttl_are_expired(void **state) {
    (void)state;
    for (uint32_t waits = 0; waits < 2; waits++) {
        test_stage *stage = test_stage_ready_nodes(1);
        redlock_seek seek = patient(waits != 0 ? REDLOCK_NEVER : 0);
        seek.ttl = 20 * MS;
        uint32_t slot = test_stage_acquire(stage, &seek);
        test_stage_leap(stage, 30 * MS);
        test_stage_yes(stage, slot, 0, GRANT, 7);
        test_stage_assert_silent(stage, slot, REDLOCK_TELL_ACQUIRED);
        assert_non_null(test_stage_open(stage, slot, 0, RELEASE));
        assert_int_equal(test_stage_told(stage, slot, REDLOCK_TELL_FAILED) == NULL, waits);
        test_stage_end(stage);
    }
}

/* Of five: one says no, or is not ready, and the others would not be a quorum even with it. */
static void one_word_of_a_minority_is_no_cause(void **state) {
    static const redlock_answer_kind words[] = {REDLOCK_ANSWER_NO, REDLOCK_ANSWER_NOT_READY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        test_stage *stage = test_stage_ready_nodes(5);
        redlock_seek seek = test_stage_seek();
        uint32_t slot = test_stage_acquire(stage, &seek);
        test_stage_say(stage, slot, 0, GRANT, words[i]);
        test_stage_run(stage, TEST_STAGE_NODE_TIMEOUT);
        test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
        test_stage_end(stage);
    }
}

static void node_whose_clock_refuses_needs_no_release(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = all_answer(stage, &causes[7], 0);
    test_stage_yes(stage, slot, 2, RELEASE, 0); /* it was not waited for */
    assert_int_equal(test_stage_sent(stage, slot, 0, RELEASE), 0);
    assert_int_equal(test_stage_sent(stage, slot, 1, RELEASE), 0);
    test_stage_end(stage);
}

/* --- answers that ask for the question again ------------------------------------------------- */

static void question_that_came_too_late_is_asked_once_more(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_say(stage, slot, 0, GRANT, REDLOCK_ANSWER_LATE);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 2);
    test_stage_say(stage, slot, 0, GRANT, REDLOCK_ANSWER_LATE);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 2);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
    test_stage_end(stage);
}

static void silent_node_that_forgot_the_step_gets_its_chance(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    test_stage_run(stage, 40 * MS);
    test_stage_say(stage, slot, 2, GRANT, REDLOCK_ANSWER_FORGOT);
    test_stage_run(stage, 20 * MS); /* by now node 1 is silent, and node 2 still has time */
    test_stage_say(stage, slot, 1, GRANT, REDLOCK_ANSWER_FORGOT);
    assert_true(test_stage_open(stage, slot, 1, GRANT)->command.teach);
    test_stage_yes(stage, slot, 1, GRANT, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_end(stage);
}

/* --- tokens and tries ------------------------------------------------------------------------ */

static const char *second_token(bool is_own) {
    static char token[64];
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = patient(REDLOCK_NEVER);
    seek.own_token = is_own;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_int_equal(stage->token_count, 1);
    test_stage_token(stage, slot, OTHER_TOKEN);
    memcpy(token, test_stage_open(stage, slot, 0, GRANT)->token, sizeof token);
    test_stage_end(stage);
    return token;
}

static void each_attempt_has_a_fresh_token_but_for_the_callers_own(void **state) {
    (void)state;
    assert_string_equal(second_token(false), OTHER_TOKEN);
    assert_string_not_equal(second_token(true), OTHER_TOKEN);
}

static void tries_are_counted(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = patient(REDLOCK_NEVER);

    (void)state;
    seek.tries_max = 2;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_FAILED);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    test_stage_token(stage, slot, OTHER_TOKEN);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_HELD);
    test_stage_end(stage);
}

static void token_is_asked_for_once_and_comes_in_vain_after_a_cancel(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = patient(REDLOCK_NEVER);

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_no(stage, slot, 1, GRANT);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_int_equal(stage->token_count, 1);
    test_stage_yes(stage, slot, 2, GRANT, 7); /* something happens meanwhile */
    assert_int_equal(stage->token_count, 1);
    test_stage_user_fact(stage, REDLOCK_FACT_CANCEL, slot);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_CANCELED);
    test_stage_token(stage, slot, OTHER_TOKEN);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 1);
    test_stage_yes(stage, slot, 2, RELEASE, 0);
    assert_int_equal(stage->gone_count, 1);
    test_stage_end(stage);
}

/* --- the end of a wait ----------------------------------------------------------------------- */

static void last_try_comes_before_the_wait_is_over(void **state) {
    static const cause_case refused = {REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED, 0, true};
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = patient(150 * MS);

    (void)state;
    seek.retry_min = REDLOCK_NS_PER_S;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_run(stage, 149 * MS);
    assert_int_equal(stage->token_count, 1);
    test_stage_run(stage, MS);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_TIMEOUT);
    test_stage_end(stage);

    stage = test_stage_ready_nodes(1);
    slot = all_answer(stage, &refused, 150 * MS); /* nobody held it: it was no timeout */
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_FAILED);
    test_stage_run(stage, 150 * MS);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_REFUSED);
    test_stage_end(stage);
}

static void wait_that_ends_within_an_attempt_says_what_was_seen(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = patient(20 * MS);

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_run(stage, 20 * MS); /* nobody has answered yet */
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
    test_stage_end(stage);

    stage = test_stage_ready_nodes(1);
    seek = patient(120 * MS);
    slot = test_stage_acquire(stage, &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_run(stage, 100 * MS);
    test_stage_token(stage, slot, OTHER_TOKEN);
    assert_non_null(test_stage_open(stage, slot, 0, GRANT));
    test_stage_run(stage, 20 * MS); /* the attempt before it has seen the holder */
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_TIMEOUT);
    test_stage_end(stage);
}

static void answer_that_comes_with_the_end_of_the_wait_is_heard(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = patient(20 * MS);

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_leap(stage, 20 * MS);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_TIMEOUT);
    test_stage_end(stage);
}

static void grant_that_comes_after_the_end_of_the_wait_is_given_back(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = patient(20 * MS);

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_leap(stage, 21 * MS);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_ACQUIRED);
    assert_non_null(test_stage_told(stage, slot, REDLOCK_TELL_FAILED));
    assert_non_null(test_stage_open(stage, slot, 0, RELEASE));
    test_stage_end(stage);
}

/* --- the end of an attempt ------------------------------------------------------------------- */

static void attempt_that_cannot_even_be_sent_ends_in_time(void **state) {
    test_stage *stage = test_stage_ready_narrow(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    (void)test_stage_look(stage, LOOK, "other"); /* never answered */
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_run(stage, ATTEMPT_LIMIT - MS);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_FAILED);
    test_stage_run(stage, MS);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_NO_QUORUM);
    assert_int_equal(stage->gone_count, 1); /* nothing of it was sent */
    test_stage_end(stage);
}

static void grant(test_stage *stage, uint32_t slot, uint32_t node, uint64_t mark) {
    test_stage_yes(stage, slot, node, GRANT, mark);
}

/* One node is silent when it is to be raised, another says again and again that it forgot how. */
static void raising_ends_with_its_attempt(void **state) {
    test_stage *stage = test_stage_ready_nodes(5);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    for (uint32_t i = 0; i < 4; i++) {
        grant(stage, slot, i, i < 2 ? 5 + i : 7);
    }
    test_stage_no(stage, slot, 4, GRANT);
    for (redlock_ns passed = 40 * MS; passed < ATTEMPT_LIMIT; passed += 40 * MS) {
        test_stage_run(stage, 40 * MS);
        test_stage_say(stage, slot, 1, RAISE, REDLOCK_ANSWER_FORGOT);
    }
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_FAILED);
    test_stage_run(stage, 40 * MS);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_HELD);
    for (uint32_t i = 0; i < 4; i++) {
        redlock_vote_report report;
        redlock_core_report(stage->core, slot, i, &report);
        assert_int_equal(report.status, i < 2 ? REDLOCK_SILENT : REDLOCK_OK);
        assert_non_null(test_stage_open(stage, slot, i, RELEASE));
    }
    test_stage_end(stage);
}

static void mark_that_moves_at_the_end_of_the_attempt_is_not_followed(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    grant(stage, slot, 0, 5);
    test_stage_no(stage, slot, 2, GRANT);
    grant(stage, slot, 1, 7);
    test_stage_leap(stage, ATTEMPT_LIMIT);
    test_stage_yes(stage, slot, 0, RAISE, 9);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_HELD);
    assert_int_equal(test_stage_sent(stage, slot, 1, RAISE), 0);
    assert_non_null(test_stage_open(stage, slot, 0, RELEASE));
    assert_non_null(test_stage_open(stage, slot, 1, RELEASE));
    test_stage_end(stage);
}

/* --- undoing --------------------------------------------------------------------------------- */

static void release_of_an_attempt_is_a_cancel_and_a_cancel_of_a_hold_is_nothing(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_CANCELED);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_no(stage, slot, 0, RELEASE);
    seek.wait = REDLOCK_NEVER;
    slot = test_stage_acquire_name(stage, "paused", &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_FAILED, REDLOCK_CANCELED);
    slot = test_stage_acquire_name(stage, "held", &seek);
    grant(stage, slot, 0, 7);
    test_stage_user_fact(stage, REDLOCK_FACT_CANCEL, slot);
    assert_true(redlock_core_held_until(stage->core, slot) > stage->now);
    test_stage_end(stage);
}

static void refused_claim_takes_back_the_release_that_waits_behind_it(void **state) {
    test_stage *stage = test_stage_ready_narrow(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_user_fact(stage, REDLOCK_FACT_CANCEL, slot);
    test_stage_no(stage, slot, 0, GRANT);
    assert_int_equal(stage->gone_count, 1);
    assert_int_equal(test_stage_sent(stage, slot, 0, RELEASE), 0);

    seek.wait = REDLOCK_NEVER;
    seek.queued = true;
    slot = test_stage_acquire(stage, &seek);
    test_stage_user_fact(stage, REDLOCK_FACT_CANCEL, slot);
    test_stage_no(stage, slot, 0, GRANT); /* who was refused is in the queue, and leaves it */
    assert_int_equal(test_stage_open(stage, slot, 0, RELEASE)->command.place, REDLOCK_PLACE_LEAVE);
    test_stage_end(stage);
}

static void link_that_breaks_with_a_claim_nobody_waits_for_is_followed_by_a_release(void **state) {
    test_stage *stage = test_stage_ready_narrow(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_user_fact(stage, REDLOCK_FACT_CANCEL, slot);
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage));
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 1);
    assert_non_null(test_stage_open(stage, slot, 0, RELEASE));
    test_stage_end(stage);
}

static void claim_whose_answer_is_lost_is_settled_by_the_end_of_its_link(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_user_fact(stage, REDLOCK_FACT_CANCEL, slot);
    test_stage_no(stage, slot, 0, RELEASE); /* no server answers so, but a lost answer looks it */
    assert_int_equal(stage->gone_count, 0);
    assert_int_equal(redlock_core_inflight(stage->core), 1);
    test_stage_down(stage, 0, REDLOCK_IO);
    assert_int_equal(stage->gone_count, 1);
    test_stage_end(stage);
}

/* Two nodes refuse, the third has granted and is told to give it back. */
static uint32_t begin_giving_back(test_stage *stage) {
    redlock_seek seek = patient(REDLOCK_NEVER);
    uint32_t slot = test_stage_acquire(stage, &seek);
    grant(stage, slot, 2, 7);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_no(stage, slot, 1, GRANT);
    assert_non_null(test_stage_open(stage, slot, 2, RELEASE));
    return slot;
}

static void release_whose_link_breaks_is_sent_on_the_next_one(void **state) {
    (void)state;
    for (uint32_t seeks = 0; seeks < 2; seeks++) { /* in the pause; in the next attempt */
        test_stage *stage = test_stage_ready_nodes(3);
        uint32_t slot = begin_giving_back(stage);
        if (seeks != 0) {
            test_stage_run(stage, REDLOCK_NS_PER_S);
            test_stage_token(stage, slot, OTHER_TOKEN);
            assert_non_null(test_stage_open(stage, slot, 0, GRANT));
        }
        test_stage_down(stage, 2, REDLOCK_IO);
        test_stage_up(stage, 2, NULL, test_stage_clock_ms(stage));
        assert_string_not_equal(test_stage_open(stage, slot, 2, RELEASE)->token, OTHER_TOKEN);
        assert_int_equal(test_stage_sent(stage, slot, 2, GRANT), 1); /* not before it is undone */
        test_stage_end(stage);
    }
}

static void late_answer_to_an_older_attempt_is_no_vote(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = patient(REDLOCK_NEVER);

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_no(stage, slot, 0, GRANT);
    test_stage_no(stage, slot, 1, GRANT);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    test_stage_token(stage, slot, OTHER_TOKEN);
    grant(stage, slot, 2, 7); /* the old token's */
    grant(stage, slot, 0, 7);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_ACQUIRED);
    grant(stage, slot, 1, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_end(stage);
}

/* --- plain ----------------------------------------------------------------------------------- */

static void plain_lock_has_no_fence_and_is_never_healed(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek();

    (void)state;
    seek.fenced = false;
    seek.renew = REDLOCK_NS_PER_S;
    uint32_t slot = test_stage_acquire(stage, &seek);
    assert_int_equal(test_stage_open(stage, slot, 0, GRANT)->command.fence, 0);
    grant(stage, slot, 0, 0);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_int_equal(redlock_core_fence(stage->core, slot), 0);
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_false(test_stage_open(stage, slot, 0, RENEW)->command.heal);
    test_stage_yes(stage, slot, 0, RENEW, 0);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RENEWED, REDLOCK_OK);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_yes(stage, slot, 0, RELEASE, 0);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_OK);
    test_stage_end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cause_says_whether_it_is_tried_again),
        cmocka_unit_test(grants_that_come_after_the_ttl_are_expired),
        cmocka_unit_test(one_word_of_a_minority_is_no_cause),
        cmocka_unit_test(node_whose_clock_refuses_needs_no_release),
        cmocka_unit_test(question_that_came_too_late_is_asked_once_more),
        cmocka_unit_test(silent_node_that_forgot_the_step_gets_its_chance),
        cmocka_unit_test(each_attempt_has_a_fresh_token_but_for_the_callers_own),
        cmocka_unit_test(tries_are_counted),
        cmocka_unit_test(token_is_asked_for_once_and_comes_in_vain_after_a_cancel),
        cmocka_unit_test(last_try_comes_before_the_wait_is_over),
        cmocka_unit_test(wait_that_ends_within_an_attempt_says_what_was_seen),
        cmocka_unit_test(answer_that_comes_with_the_end_of_the_wait_is_heard),
        cmocka_unit_test(grant_that_comes_after_the_end_of_the_wait_is_given_back),
        cmocka_unit_test(attempt_that_cannot_even_be_sent_ends_in_time),
        cmocka_unit_test(raising_ends_with_its_attempt),
        cmocka_unit_test(mark_that_moves_at_the_end_of_the_attempt_is_not_followed),
        cmocka_unit_test(release_of_an_attempt_is_a_cancel_and_a_cancel_of_a_hold_is_nothing),
        cmocka_unit_test(refused_claim_takes_back_the_release_that_waits_behind_it),
        cmocka_unit_test(link_that_breaks_with_a_claim_nobody_waits_for_is_followed_by_a_release),
        cmocka_unit_test(claim_whose_answer_is_lost_is_settled_by_the_end_of_its_link),
        cmocka_unit_test(release_whose_link_breaks_is_sent_on_the_next_one),
        cmocka_unit_test(late_answer_to_an_older_attempt_is_no_vote),
        cmocka_unit_test(plain_lock_has_no_fence_and_is_never_healed),
    };

    return cmocka_run_group_tests_name("core and attempts", tests, NULL, NULL);
}
