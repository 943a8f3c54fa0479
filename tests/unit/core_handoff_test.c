/* core_handoff_test.c -- when a wake makes the waiter the holder, and when it has to be claimed by a question.
 * One core alone; the whole of it in time are tests/scenario/handed_*.scn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stage.h"

#define HAND_OFF (2 * REDLOCK_NS_PER_S)
#define MARK 7

typedef struct waiting { /* a waiter, first in the queue, whose client listens */
    test_stage *stage;
    uint32_t slot;
    redlock_wake_call call; /* that it was handed the name, just now */
} waiting;

static redlock_core_config config_of(uint32_t nodes) {
    redlock_core_config config = test_stage_config(nodes);

    config.hand_off = HAND_OFF;
    return config;
}

static redlock_seek seek_of(void) {
    redlock_seek seek = test_stage_seek_waiting();

    seek.renew = 3 * REDLOCK_NS_PER_S;
    return seek;
}

static void refuse(waiting *at, uint32_t node) {
    redlock_answer answer = {
        .kind = REDLOCK_ANSWER_NO, .status = REDLOCK_HELD, .mark = MARK, .place = 1};

    test_stage_answer(at->stage, at->slot, node, GRANT, answer);
}

static waiting wait_on(const redlock_core_config *config, const redlock_seek *seek) {
    waiting at = {.stage = test_stage_ready(config)};

    at.slot = test_stage_acquire(at.stage, seek);
    at.call.tag = test_stage_open(at.stage, at.slot, 0, GRANT)->command.entry.wake_tag;
    for (uint32_t i = 0; i < config->node_count; i++) {
        refuse(&at, i);
    }
    for (uint32_t i = 0; i < config->node_count; i++) {
        test_stage_node_fact(at.stage, REDLOCK_FACT_SUBSCRIBED, i);
        refuse(&at, i); /* who waits asks again */
    }
    test_stage_leap(at.stage, 10 * MS);
    at.call.mark = MARK + 1;
    at.call.time_ms = test_stage_clock_ms(at.stage);
    at.call.token = redlock_core_token(at.stage->core, at.slot);
    return at;
}

/* One node, and nothing special. */
static waiting wait_plainly(void) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    return wait_on(&config, &seek);
}

static void hear(waiting *at) {
    redlock_fact fact = {.kind = REDLOCK_FACT_WAKE, .as.wake = at->call};

    test_stage_step(at->stage, &fact);
}

static bool is_held(const waiting *at) {
    return test_stage_told(at->stage, at->slot, REDLOCK_TELL_ACQUIRED) != NULL;
}

/* Hears of it, and does not hold by that.  Ends the stage. */
static void assert_not_taken(waiting *at) {
    hear(at);
    assert_false(is_held(at));
    assert_null(test_stage_open(at->stage, at->slot, 0, RENEW));
    test_stage_end(at->stage);
}

static void assert_claimed(waiting *at) {
    hear(at);
    assert_non_null(test_stage_open(at->stage, at->slot, 0, GRANT));
    assert_not_taken(at);
}

/* --- taken ----------------------------------------------------------------------------------- */

static void who_is_handed_the_name_holds_and_renews_soon(void **state) {
    waiting at = wait_plainly();

    (void)state;
    hear(&at);
    assert_true(is_held(&at));
    assert_true(redlock_core_fence(at.stage->core, at.slot) == MARK + 1);
    assert_null(test_stage_open(at.stage, at.slot, 0, GRANT));
    assert_null(
        test_stage_open(at.stage, at.slot, 0, RENEW)); /* the first moment is the holder's */
    test_stage_run(at.stage, HAND_OFF / 100);
    const test_sent *renewal = test_stage_open(at.stage, at.slot, 0, RENEW);
    assert_non_null(renewal);
    assert_true(renewal->command.fence == MARK + 1);
    test_stage_yes(at.stage, at.slot, 0, RENEW, MARK + 1);
    test_stage_assert_told(at.stage, at.slot, REDLOCK_TELL_RENEWED, REDLOCK_OK);
    test_stage_end(at.stage);
}

/* The node answered last 10 ms ago, and handed over `ago` before its words were heard.  Nothing is promised
 * that it does not keep: the margin off, a hundredth off, 2 ms off, and rounded down to its milliseconds. */
static void validity_counts_from_when_the_node_handed_over(void **state) {
    redlock_ns length = HAND_OFF - REDLOCK_NS_PER_S;

    (void)state;
    for (uint64_t ago_ms = 0; ago_ms <= 10; ago_ms++) {
        waiting at = wait_plainly();
        at.call.time_ms -= ago_ms;
        hear(&at);
        redlock_ns handed = at.stage->now - ago_ms * MS;
        redlock_ns until = redlock_core_held_until(at.stage->core, at.slot);
        assert_true(until <= handed + length - length / 100 - 2 * MS);
        assert_true(until >= handed + length - length / 100 - 2 * MS - 2 * MS);
        test_stage_end(at.stage);
    }
}

/* A node that says that it handed over before it answered last, because its clock was set back. */
static void time_that_went_backwards_counts_from_the_last_answer(void **state) {
    waiting at = wait_plainly();
    redlock_ns length = HAND_OFF - REDLOCK_NS_PER_S;

    (void)state;
    at.call.time_ms -= 5000;
    hear(&at);
    assert_true(redlock_core_held_until(at.stage->core, at.slot) ==
                at.stage->now - 10 * MS + length - length / 100 - 2 * MS);
    test_stage_end(at.stage);
}

static void short_ttl_is_not_held_for_longer_than_itself(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    (void)state;
    seek.ttl = 100 * MS;
    seek.margin = 25 * MS;
    waiting at = wait_on(&config, &seek);
    hear(&at);
    assert_true(is_held(&at));
    assert_true(redlock_core_held_until(at.stage->core, at.slot) <=
                at.stage->now + 100 * MS - 1 * MS - 2 * MS);
    test_stage_end(at.stage);
}

/* --- claimed: what is asked for -------------------------------------------------------------- */

static void who_does_not_renew_claims(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    (void)state;
    seek.renew = 0;
    waiting at = wait_on(&config, &seek);
    assert_claimed(&at);
}

static void token_of_ones_own_claims(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    (void)state;
    seek.own_token = true;
    waiting at = wait_on(&config, &seek);
    assert_claimed(&at);
}

static void margin_that_leaves_nothing_claims(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    (void)state;
    seek.margin = HAND_OFF;
    waiting at = wait_on(&config, &seek);
    assert_claimed(&at);
}

static void guarded_node_is_asked(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    (void)state;
    config.guard = 60 * REDLOCK_NS_PER_S;
    waiting at = wait_on(&config, &seek);
    assert_claimed(&at);
}

static void one_of_several_nodes_hands_nothing_over(void **state) {
    redlock_core_config config = config_of(3);
    redlock_seek seek = seek_of();

    (void)state;
    waiting at = wait_on(&config, &seek);
    assert_claimed(&at);
}

static void wait_that_is_over_is_over(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();

    (void)state;
    seek.wait = REDLOCK_NS_PER_S;
    waiting at = wait_on(&config, &seek);
    test_stage_leap(at.stage, REDLOCK_NS_PER_S);
    at.call.time_ms = test_stage_clock_ms(at.stage);
    hear(&at);
    test_stage_assert_told(at.stage, at.slot, REDLOCK_TELL_FAILED, REDLOCK_TIMEOUT);
    assert_not_taken(&at);
}

/* --- claimed: what is said ------------------------------------------------------------------- */

static void mark_that_was_seen_already_is_no_hand_off(void **state) {
    waiting at = wait_plainly();

    (void)state;
    at.call.mark = MARK;
    assert_claimed(&at);
}

static void hand_off_to_another_token_is_claimed(void **state) {
    waiting at = wait_plainly();

    (void)state;
    at.call.token = redlock_bytes_of("0123456789abcdef0123456789abcdee:stage");
    assert_claimed(&at);
}

static void hand_off_of_the_future_is_claimed(void **state) {
    waiting at = wait_plainly();

    (void)state;
    at.call.time_ms += 2;
    assert_claimed(&at);
}

static void hand_off_that_is_nearly_over_is_claimed(void **state) {
    waiting at = wait_plainly();

    (void)state;
    test_stage_leap(at.stage, 990 * MS);
    assert_claimed(&at);
}

static void far_node_is_asked(void **state) {
    waiting at = wait_plainly();

    (void)state;
    redlock_seek once = test_stage_seek();
    uint32_t other = test_stage_acquire_name(at.stage, "other", &once);
    test_stage_leap(at.stage, 30 * MS);
    test_stage_no(at.stage, other, 0, GRANT);
    at.call.time_ms = test_stage_clock_ms(at.stage);
    assert_claimed(&at);
}

/* --- claimed: what is still under way -------------------------------------------------------- */

static void question_under_way_is_waited_for(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();
    waiting at = {.stage = test_stage_ready(&config)};

    (void)state;
    at.slot = test_stage_acquire(at.stage, &seek);
    at.call = (redlock_wake_call){
        .tag = test_stage_open(at.stage, at.slot, 0, GRANT)->command.entry.wake_tag,
        .mark = MARK + 1,
        .time_ms = test_stage_clock_ms(at.stage),
        .token = redlock_core_token(at.stage->core, at.slot)};
    assert_not_taken(&at);
}

/* The attempt is over, and its question is not answered. */
static void question_that_was_given_up_is_waited_for(void **state) {
    redlock_core_config config = config_of(1);
    redlock_seek seek = seek_of();
    waiting at = wait_on(&config, &seek);

    (void)state;
    test_stage_wake(at.stage, 0, at.call.tag);
    test_stage_run(at.stage, 60 * MS);
    at.call.time_ms = test_stage_clock_ms(at.stage);
    assert_not_taken(&at);
}

static void relink(waiting *at) {
    test_stage_down(at->stage, 0, REDLOCK_IO);
    test_stage_up(at->stage, 0, NULL, test_stage_clock_ms(at->stage));
}

static void question_that_may_still_land_is_waited_for(void **state) {
    waiting at = wait_plainly();

    (void)state;
    test_stage_wake(at.stage, 0, at.call.tag);
    relink(&at);
    at.call.tag = test_stage_open(at.stage, at.slot, 0, GRANT)->command.entry.wake_tag;
    refuse(&at, 0);
    assert_claimed(&at);
}

/* --- claimed: another link ------------------------------------------------------------------- */

static void what_is_said_of_an_older_link_is_claimed_on_this_one(void **state) {
    waiting at = wait_plainly();

    (void)state;
    relink(&at);
    assert_claimed(&at);
}

static void node_that_is_down_is_asked_when_it_is_up(void **state) {
    waiting at = wait_plainly();

    (void)state;
    test_stage_down(at.stage, 0, REDLOCK_IO);
    assert_not_taken(&at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_handed_the_name_holds_and_renews_soon),
        cmocka_unit_test(validity_counts_from_when_the_node_handed_over),
        cmocka_unit_test(time_that_went_backwards_counts_from_the_last_answer),
        cmocka_unit_test(short_ttl_is_not_held_for_longer_than_itself),
        cmocka_unit_test(who_does_not_renew_claims),
        cmocka_unit_test(token_of_ones_own_claims),
        cmocka_unit_test(margin_that_leaves_nothing_claims),
        cmocka_unit_test(guarded_node_is_asked),
        cmocka_unit_test(one_of_several_nodes_hands_nothing_over),
        cmocka_unit_test(wait_that_is_over_is_over),
        cmocka_unit_test(mark_that_was_seen_already_is_no_hand_off),
        cmocka_unit_test(hand_off_to_another_token_is_claimed),
        cmocka_unit_test(hand_off_of_the_future_is_claimed),
        cmocka_unit_test(hand_off_that_is_nearly_over_is_claimed),
        cmocka_unit_test(far_node_is_asked),
        cmocka_unit_test(question_under_way_is_waited_for),
        cmocka_unit_test(question_that_was_given_up_is_waited_for),
        cmocka_unit_test(question_that_may_still_land_is_waited_for),
        cmocka_unit_test(what_is_said_of_an_older_link_is_claimed_on_this_one),
        cmocka_unit_test(node_that_is_down_is_asked_when_it_is_up),
    };

    return cmocka_run_group_tests_name("core_handoff", tests, NULL, NULL);
}
