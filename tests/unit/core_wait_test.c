/* core_wait_test.c -- waiting in queues, on one core alone: places, polls, and what is still being given
 * back while the wait goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "stage.h"

static void refuse(test_stage *stage, uint32_t slot, uint32_t node, uint32_t place) {
    redlock_answer answer = {.kind = REDLOCK_ANSWER_NO, .status = REDLOCK_HELD, .place = place};
    test_stage_answer(stage, slot, node, GRANT, answer);
}

static void subscribe_all(test_stage *stage) {
    for (uint32_t i = 0; i < stage->node_count; i++) {
        test_stage_node_fact(stage, REDLOCK_FACT_SUBSCRIBED, i);
    }
}

static uint64_t tag_of(test_stage *stage, uint32_t slot, uint32_t node) {
    return test_stage_open(stage, slot, node, GRANT)->command.entry.wake_tag;
}

/* --- tickets and places ---------------------------------------------------------------------- */

static void ticket_is_ours_while_the_nodes_clocks_are_not_known(void **state) {
    redlock_core_config config = test_stage_config(3);
    test_stage *stage = test_stage_begin(&config);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    uint64_t ours_us = test_stage_clock_ms(stage) * 1000;
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage) + 5000);
    assert_int_equal(test_stage_open(stage, slot, 0, GRANT)->command.entry.ticket, ours_us);
    test_stage_end(stage);
}

static void place_is_the_best_of_those_that_nodes_tell(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    refuse(stage, slot, 0, 3);
    refuse(stage, slot, 1, 1);
    test_stage_run(stage, 20 * MS); /* the third is hoped for a little longer */
    refuse(stage, slot, 2, 2);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_WAITING, REDLOCK_OK);
    assert_int_equal(redlock_core_place(stage->core, slot), 1);
    test_stage_end(stage);
}

static void place_that_no_node_tells_is_not_told(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    refuse(stage, slot, 0, 0);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_WAITING);
    assert_int_equal(redlock_core_place(stage->core, slot), 0);
    test_stage_run(stage, REDLOCK_NS_PER_S + MS); /* and asks as often as the first one would */
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 2);
    test_stage_end(stage);
}

/* --- the ear --------------------------------------------------------------------------------- */

/* How often it subscribes when a waiter has the place `before`, and when it asks again after `length` the
 * place `after`. */
static uint32_t subscribes_after(uint32_t before, redlock_ns length, uint32_t after) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting();
    uint32_t slot = test_stage_acquire(stage, &seek);
    uint64_t tag = tag_of(stage, slot, 0);
    refuse(stage, slot, 0, before);
    subscribe_all(stage); /* who waits asks again */
    refuse(stage, slot, 0, before);
    test_stage_leap(stage, length);
    test_stage_wake(stage, 0, tag);
    refuse(stage, slot, 0, after);
    assert_int_equal(stage->unsubscribes[0] + 1, stage->subscribes[0]);
    uint32_t count = stage->subscribes[0];
    test_stage_end(stage);
    return count;
}

static void ear_that_missed_a_wake_is_opened_anew(void **state) {
    (void)state;
    assert_int_equal(subscribes_after(1, 2 * REDLOCK_NS_PER_S, 2), 2);
    assert_int_equal(subscribes_after(2, 2 * REDLOCK_NS_PER_S, 2), 1); /* as before */
    assert_int_equal(subscribes_after(2, 2 * REDLOCK_NS_PER_S, 1), 1); /* nearer */
    assert_int_equal(subscribes_after(1, 10 * MS, 2), 1);              /* it is new */
}

/* --- polls ----------------------------------------------------------------------------------- */

#define DIGITS_28 "0123456789abcdef0123456789ab"

static const struct {
    const char *value;
    bool is_foreign;
} values[] = {
    {"", false},
    {DIGITS_28 "cdef:host", false},
    {DIGITS_28 "0099:host", false},
    {"a lock of another kind", true},
    {DIGITS_28 "cdef-host and more", true},
    {DIGITS_28 "cde/:host", true},
    {DIGITS_28 "cde?:host", true},
    {DIGITS_28 "cdeg:host", true},
    {DIGITS_28 "cdeF:host", true},
};

static void holder_that_hands_nothing_over_is_asked_about_often(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        test_stage *stage = test_stage_ready_nodes(1);
        redlock_seek seek = test_stage_seek_waiting();
        uint32_t slot = test_stage_acquire(stage, &seek);
        redlock_answer answer = {.kind = REDLOCK_ANSWER_NO, .status = REDLOCK_HELD, .place = 1};
        answer.text = redlock_bytes_of(values[i].value);
        test_stage_answer(stage, slot, 0, GRANT, answer);
        test_stage_run(stage, seek.retry_min + MS);
        assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), values[i].is_foreign ? 2 : 1);
        test_stage_end(stage);
    }
}

static void wait_goes_on_when_nodes_refuse_for_another_reason(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_error(stage, slot, 0, GRANT, REDLOCK_REFUSED);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_FAILED);
    test_stage_run(stage, seek.retry_min + MS);
    assert_non_null(test_stage_open(stage, slot, 0, GRANT));
    test_stage_end(stage);
}

/* --- following a release of ours ------------------------------------------------------------- */

static void release_is_followed_only_by_a_waiter_that_is_found_soon(void **state) {
    static const uint32_t others[] = {3, 16};
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        test_stage *stage = test_stage_ready_nodes(1);
        redlock_seek holder = test_stage_seek();
        uint32_t held = test_stage_acquire(stage, &holder);
        test_stage_yes(stage, held, 0, GRANT, 7);
        for (uint32_t n = 0; n < others[i]; n++) {
            char name[16];
            (void)snprintf(name, sizeof name, n % 2 == 0 ? "jo%c" : "other%c", (char)('c' + n));
            refuse(stage, test_stage_acquire_name(stage, name, &seek), 0, 1);
        }
        uint32_t slot = test_stage_acquire(stage, &seek);
        refuse(stage, slot, 0, 1);
        test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, held);
        assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), others[i] < 16 ? 2 : 1);
        test_stage_end(stage);
    }
}

static void waiter_that_is_asking_already_does_not_follow(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting(), holder = test_stage_seek();

    (void)state;
    uint32_t held = test_stage_acquire(stage, &holder);
    test_stage_yes(stage, held, 0, GRANT, 7);
    uint32_t slot = test_stage_acquire(stage, &seek);
    refuse(stage, slot, 0, 1);
    subscribe_all(stage); /* asks again */
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 2);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, held);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 2);
    test_stage_end(stage);
}

/* The first is woken while it asks, and so asks again before its first attempt is over: the second is
 * listed sooner, and still stands behind it. */
static void waiter_who_came_first_follows_first(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting(), holder = test_stage_seek();

    (void)state;
    uint32_t held = test_stage_acquire(stage, &holder);
    test_stage_yes(stage, held, 0, GRANT, 7);
    uint32_t third = test_stage_acquire_name(stage, "another", &seek);
    refuse(stage, third, 0, 1); /* opens the connection that wakes come by */
    uint32_t first = test_stage_acquire(stage, &seek);
    subscribe_all(stage);
    uint32_t second = test_stage_acquire(stage, &seek);
    refuse(stage, first, 0, 1);
    assert_int_equal(test_stage_sent(stage, first, 0, GRANT), 2);
    assert_false(test_stage_open(stage, first, 0, GRANT)->command.follows);
    refuse(stage, second, 0, 2);
    refuse(stage, first, 0, 1);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, held);
    assert_int_equal(test_stage_sent(stage, first, 0, GRANT), 3);
    assert_true(test_stage_open(stage, first, 0, GRANT)->command.follows);
    assert_int_equal(test_stage_sent(stage, second, 0, GRANT), 1);
    test_stage_end(stage);
}

static void release_of_a_plain_lock_is_not_followed(void **state) {
    test_stage *stage = test_stage_ready_nodes(1);
    redlock_seek seek = test_stage_seek_waiting(), holder = test_stage_seek();

    (void)state;
    holder.fenced = false;
    uint32_t held = test_stage_acquire(stage, &holder);
    test_stage_yes(stage, held, 0, GRANT, 0);
    uint32_t slot = test_stage_acquire(stage, &seek);
    refuse(stage, slot, 0, 1);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, held);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 1);
    test_stage_end(stage);
}

/* --- grants that nobody hoped for ------------------------------------------------------------ */

static void grant_of_the_only_node_is_claimed_however_late_it_comes(void **state) {
    (void)state;
    for (uint32_t granted = 0; granted < 2; granted++) {
        test_stage *stage = test_stage_ready_nodes(1);
        redlock_seek seek = test_stage_seek_waiting();
        seek.retry_min = REDLOCK_NS_PER_S;
        uint32_t slot = test_stage_acquire(stage, &seek);
        test_stage_run(stage, TEST_STAGE_NODE_TIMEOUT); /* silent: it pauses */
        if (granted != 0) {
            test_stage_yes(stage, slot, 0, GRANT, 7);
        } else {
            refuse(stage, slot, 0, 1);
        }
        assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 1 + granted);
        test_stage_end(stage);
    }
}

static void grant_of_one_of_several_is_given_back_and_the_place_kept(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    uint64_t tag = tag_of(stage, slot, 0);
    refuse(stage, slot, 0, 1);
    refuse(stage, slot, 1, 1);
    test_stage_run(stage, 20 * MS);
    assert_null(test_stage_open(stage, slot, 2, RELEASE)); /* it has not said what it did */
    test_stage_wake(stage, 0, tag);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 2);
    assert_int_equal(test_stage_sent(stage, slot, 2, GRANT), 1); /* it is asked already */
    refuse(stage, slot, 0, 1);
    refuse(stage, slot, 1, 1);
    test_stage_yes(stage, slot, 2, GRANT, 7);
    assert_int_equal(test_stage_open(stage, slot, 2, RELEASE)->command.place, REDLOCK_PLACE_STAY);
    test_stage_end(stage);
}

static void attempt_that_lingers_goes_on_when_a_wake_gives_it_hope(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    uint64_t tag = tag_of(stage, slot, 0);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    refuse(stage, slot, 1, 1);
    refuse(stage, slot, 2, 1);
    test_stage_wake(stage, 1, tag);
    test_stage_run(stage, 40 * MS); /* longer than it lingers */
    assert_int_equal(test_stage_sent(stage, slot, 0, RELEASE), 0);
    test_stage_yes(stage, slot, 1, GRANT, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_end(stage);
}

/* --- what is being given back while the wait goes on ------------------------------------------ */

/* Node 0 has granted and is told to give it back; the waiter is woken and asks the others again. */
static uint32_t begin_giving_back(test_stage *stage, const redlock_seek *seek) {
    uint32_t slot = test_stage_acquire(stage, seek);
    uint64_t tag = tag_of(stage, slot, 1);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    refuse(stage, slot, 1, 1);
    refuse(stage, slot, 2, 1);
    test_stage_run(stage, 20 * MS);
    assert_non_null(test_stage_open(stage, slot, 0, RELEASE));
    test_stage_wake(stage, 1, tag);
    assert_non_null(test_stage_open(stage, slot, 1, GRANT));
    return slot;
}

/* Nodes 1 and 2 refuse, and are told to forget a token that is spent. */
static void leave_the_others(test_stage *stage, uint32_t slot) {
    refuse(stage, slot, 1, 1);
    refuse(stage, slot, 2, 1);
    test_stage_no(stage, slot, 1, RELEASE);
    test_stage_no(stage, slot, 2, RELEASE);
}

static void node_on_which_a_release_may_still_land_is_not_asked(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = begin_giving_back(stage, &seek);
    test_stage_down(stage, 0, REDLOCK_IO);
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage));
    test_stage_yes(stage, slot, 0, RELEASE, 7);
    assert_int_equal(test_stage_sent(stage, slot, 0, GRANT), 1); /* the first may land even now */
    leave_the_others(stage, slot);
    test_stage_run(stage, 2 * REDLOCK_NS_PER_S);
    assert_int_equal(stage->token_count, 1); /* it goes on with a fresh token */
    test_stage_end(stage);
}

static void release_that_waits_for_a_link_outlives_the_attempt(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = begin_giving_back(stage, &seek);
    test_stage_down(stage, 0, REDLOCK_IO);
    refuse(stage, slot, 1, 1);
    refuse(stage, slot, 2, 1);
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage));
    assert_non_null(test_stage_open(stage, slot, 0, RELEASE));
    test_stage_end(stage);
}

static void callers_own_token_waits_until_no_release_of_it_can_land(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    seek.own_token = true;
    uint32_t slot = begin_giving_back(stage, &seek);
    test_stage_down(stage, 0, REDLOCK_IO);
    leave_the_others(stage, slot);
    uint32_t asked = test_stage_sent(stage, slot, 1, GRANT);
    test_stage_run(stage, TEST_STAGE_TTL);
    assert_int_equal(stage->token_count, 0);
    assert_int_equal(test_stage_sent(stage, slot, 1, GRANT), asked);
    test_stage_run(stage, 3 * REDLOCK_NS_PER_S);
    assert_true(test_stage_sent(stage, slot, 1, GRANT) > asked);
    test_stage_end(stage);
}

/* Node 2 was silent for longer than the ttl, and answers with the RELEASE behind its claim. */
static void grant_with_a_release_behind_it_is_no_vote(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    seek.own_token = true;
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    refuse(stage, slot, 1, 1);
    test_stage_run(stage, 60 * MS);
    test_stage_down(stage, 0, REDLOCK_IO); /* with the RELEASE unanswered: the token is spent */
    test_stage_up(stage, 0, NULL, test_stage_clock_ms(stage));
    assert_non_null(test_stage_open(stage, slot, 2, RELEASE));
    test_stage_yes(stage, slot, 0, RELEASE, 7);
    test_stage_no(stage, slot, 1, RELEASE);
    uint32_t asked = test_stage_sent(stage, slot, 0, GRANT);
    while (test_stage_sent(stage, slot, 0, GRANT) == asked) {
        test_stage_run(stage, 10 * MS);
    }
    test_stage_say(stage, slot, 2, GRANT, REDLOCK_ANSWER_FORGOT);
    assert_int_equal(test_stage_sent(stage, slot, 2, GRANT), 1); /* not before it has released */
    test_stage_yes(stage, slot, 0, GRANT, 9);
    test_stage_assert_silent(stage, slot, REDLOCK_TELL_ACQUIRED);
    test_stage_no(stage, slot, 2, RELEASE);
    test_stage_yes(stage, slot, 2, GRANT, 9);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    test_stage_end(stage);
}

/* --- holding by others ----------------------------------------------------------------------- */

/* Held by nodes 0 and 1.  Node 2 was asked twice, on two links: it refused, but the first question may
 * still take effect there. */
static uint32_t hold_beside_a_stray(test_stage *stage) {
    redlock_seek seek = test_stage_seek_waiting();
    uint32_t slot = test_stage_acquire(stage, &seek);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    test_stage_down(stage, 2, REDLOCK_IO);
    test_stage_up(stage, 2, NULL, test_stage_clock_ms(stage));
    refuse(stage, slot, 2, 1);
    test_stage_yes(stage, slot, 1, GRANT, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    assert_non_null(test_stage_open(stage, slot, 2, RELEASE)); /* who holds waits in no queue */
    return slot;
}

static void release_before_a_stray_is_repeated_after_it(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_beside_a_stray(stage);
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    assert_int_equal(test_stage_sent(stage, slot, 2, RENEW), 0); /* it would be given back */
    test_stage_no(stage, slot, 2, RELEASE);
    assert_null(test_stage_open(stage, slot, 2, RELEASE));
    test_stage_run(stage, 2 * TEST_STAGE_NODE_TIMEOUT);
    assert_non_null(test_stage_open(stage, slot, 2, RELEASE));
    test_stage_end(stage);
}

static void users_release_takes_the_one_that_is_under_way(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_beside_a_stray(stage);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    assert_int_equal(test_stage_sent(stage, slot, 2, RELEASE), 1);
    test_stage_yes(stage, slot, 0, RELEASE, 7);
    test_stage_yes(stage, slot, 2, RELEASE, 7);
    test_stage_assert_told(stage, slot, REDLOCK_TELL_RELEASED, REDLOCK_OK);
    test_stage_end(stage);
}

static void users_release_takes_the_one_that_waits_for_a_link(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);

    (void)state;
    uint32_t slot = hold_beside_a_stray(stage);
    test_stage_down(stage, 2, REDLOCK_IO); /* a new link is not called again at once */
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    test_stage_yes(stage, slot, 0, RENEW, 7);
    test_stage_user_fact(stage, REDLOCK_FACT_RELEASE, slot);
    test_stage_run(stage, 200 * MS);
    test_stage_up(stage, 2, NULL, test_stage_clock_ms(stage));
    assert_int_equal(test_stage_sent(stage, slot, 2, RELEASE), 2);
    test_stage_end(stage);
}

static void what_counts_for_the_hold_is_not_given_back(void **state) {
    test_stage *stage = test_stage_ready_nodes(3);
    redlock_seek seek = test_stage_seek_waiting();

    (void)state;
    uint32_t slot = test_stage_acquire(stage, &seek);
    refuse(stage, slot, 2, 1);
    test_stage_yes(stage, slot, 0, GRANT, 7);
    test_stage_yes(stage, slot, 1, GRANT, 7);
    test_stage_error(stage, slot, 2, RELEASE, REDLOCK_REFUSED); /* again in a moment */
    test_stage_extend(stage, slot, TEST_STAGE_TTL, 0, true);
    test_stage_yes(stage, slot, 2, RENEW, 7); /* it was handed over meanwhile */
    test_stage_run(stage, REDLOCK_NS_PER_S);
    assert_int_equal(test_stage_sent(stage, slot, 2, RELEASE), 1);
    test_stage_end(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticket_is_ours_while_the_nodes_clocks_are_not_known),
        cmocka_unit_test(place_is_the_best_of_those_that_nodes_tell),
        cmocka_unit_test(place_that_no_node_tells_is_not_told),
        cmocka_unit_test(ear_that_missed_a_wake_is_opened_anew),
        cmocka_unit_test(holder_that_hands_nothing_over_is_asked_about_often),
        cmocka_unit_test(wait_goes_on_when_nodes_refuse_for_another_reason),
        cmocka_unit_test(release_is_followed_only_by_a_waiter_that_is_found_soon),
        cmocka_unit_test(waiter_that_is_asking_already_does_not_follow),
        cmocka_unit_test(waiter_who_came_first_follows_first),
        cmocka_unit_test(release_of_a_plain_lock_is_not_followed),
        cmocka_unit_test(grant_of_the_only_node_is_claimed_however_late_it_comes),
        cmocka_unit_test(grant_of_one_of_several_is_given_back_and_the_place_kept),
        cmocka_unit_test(attempt_that_lingers_goes_on_when_a_wake_gives_it_hope),
        cmocka_unit_test(node_on_which_a_release_may_still_land_is_not_asked),
        cmocka_unit_test(release_that_waits_for_a_link_outlives_the_attempt),
        cmocka_unit_test(callers_own_token_waits_until_no_release_of_it_can_land),
        cmocka_unit_test(grant_with_a_release_behind_it_is_no_vote),
        cmocka_unit_test(release_before_a_stray_is_repeated_after_it),
        cmocka_unit_test(users_release_takes_the_one_that_is_under_way),
        cmocka_unit_test(users_release_takes_the_one_that_waits_for_a_link),
        cmocka_unit_test(what_counts_for_the_hold_is_not_given_back),
    };

    return cmocka_run_group_tests_name("core and queues", tests, NULL, NULL);
}
