/* script_grant_test.c -- grants and marks on a real server: what they are answered, what they leave behind,
 * under which keys.  Commands and replies go through the wire code, so both ends are held together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node.h"
#include "steps.h"

/* --- GRANT ------------------------------------------------------------------------------------ */

static void grant_of_a_free_name_leaves_token_and_mark(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    test_assert_yes(test_node_run(node, test_grant("mine", fence)), fence);
    test_node_assert_value(node, NAME, "mine");
    test_node_assert_left(node, NAME, TTL_MS - 5000, TTL_MS);
    test_node_assert_number(node, MARK_KEY, fence);
    test_node_assert_left(node, MARK_KEY, (int64_t)REDLOCK_MARK_TTL_MS - 5000,
                          (int64_t)REDLOCK_MARK_TTL_MS);
    test_node_assert_key_count(node, 2);
}

static void grant_of_a_held_name_tells_who_and_how_long(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    redlock_answer answer = test_node_run(node, test_grant("yours", fence + 1000));

    test_assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_HELD, fence);
    test_assert_text(answer, "mine");
    assert_in_range(answer.left_ms, TTL_MS - 5000, TTL_MS);
    test_node_assert_value(node, NAME, "mine");
    test_node_assert_number(node, MARK_KEY, fence);
}

static void grant_of_a_name_without_end_says_zero_left(void **state) {
    test_node *node = *state;

    test_node_set(node, NAME, "foreign");
    redlock_answer answer = test_node_run(node, test_grant("mine", 5));

    test_assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_HELD, 0);
    assert_int_equal(answer.left_ms, 0);
}

static void foreign_value_is_cut_to_a_tokens_length(void **state) {
    test_node *node = *state;
    char *value = malloc(100001);

    assert_non_null(value);
    memset(value, 'x', 100000);
    value[100000] = '\0';
    test_node_set(node, NAME, value);
    assert_int_equal(test_node_run(node, test_grant("mine", 5)).text.len, REDLOCK_TOKEN_BYTES_MAX);
    assert_int_equal(test_node_run(node, test_renew("mine", 5, true)).text.len,
                     REDLOCK_TOKEN_BYTES_MAX);
    assert_int_equal(test_node_run(node, test_step(REDLOCK_COMMAND_LOOK, "", 1)).text.len,
                     REDLOCK_TOKEN_BYTES_MAX);
    assert_int_equal(test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", 1)).text.len,
                     REDLOCK_TOKEN_BYTES_MAX);
    free(value);
}

static void grant_again_is_a_yes_that_never_shortens(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_yes(test_node_run(node, test_with_ttl(test_grant("mine", fence + 7), 1000)), fence);
    test_node_assert_left(node, NAME, TTL_MS - 5000, TTL_MS);
    test_assert_yes(test_node_run(node, test_with_ttl(test_grant("mine", fence + 7), 60000)),
                    fence);
    test_node_assert_left(node, NAME, 55000, 60000);
}

static void grant_again_restores_a_mark_that_is_gone(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    test_node_assert_says(node, "1", "DEL", MARK_KEY, NULL);
    test_assert_yes(test_node_run(node, test_grant("mine", fence + 9)), fence + 9);
    test_node_assert_number(node, MARK_KEY, fence + 9);
}

static void marks_grow_from_holder_to_holder(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("first", fence));
    (void)test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "first", 0));
    test_assert_yes(test_node_run(node, test_grant("second", 17)), fence + 1);
    (void)test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "second", 0));
    test_assert_yes(test_node_run(node, test_grant("third", fence + 1)), fence + 2);
    (void)test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "third", 0));
    test_assert_yes(test_node_run(node, test_grant("fourth", fence + 100)), fence + 100);
}

static void proposal_more_than_an_hour_ahead_is_refused(void **state) {
    test_node *node = *state;
    uint64_t ahead = test_node_now_us(node) + US_PER_HOUR + 60000000;

    test_assert_answer(test_node_run(node, test_grant("mine", ahead)), REDLOCK_ANSWER_CLOCK,
                       REDLOCK_CLOCK, 0);
    test_node_assert_key_count(node, 0);
    test_node_set_number(node, MARK_KEY, "", ahead - 1);
    test_assert_yes(test_node_run(node, test_grant("mine", ahead)), ahead);
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", 0)), 0);
    test_assert_yes(test_node_run(node, test_grant("mine", ahead - US_PER_HOUR)), ahead + 1);
}

static void plain_grant_leaves_the_lock_alone(void **state) {
    test_node *node = *state;
    redlock_answer answer = test_node_run(node, test_grant("mine", 0));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_YES);
    test_node_assert_value(node, NAME, "mine");
    test_node_assert_left(node, NAME, TTL_MS - 5000, TTL_MS);
    test_node_assert_key_count(node, 1);
    answer = test_node_run(node, test_grant("yours", 0));
    assert_int_equal(answer.kind, REDLOCK_ANSWER_NO);
    assert_int_equal(answer.status, REDLOCK_HELD);
    test_assert_yes(test_node_run(node, test_renew("mine", 0, false)), 0);
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", 0)), 0);
    test_node_assert_key_count(node, 0);
}

static void plain_grant_by_its_step_knows_its_own_token(void **state) {
    test_node *node = *state;
    redlock_command command = test_grant("mine", 0);

    command.teach = true;
    test_assert_yes(test_node_run(node, command), 0);
    test_assert_yes(test_node_run(node, command), 0);
    test_node_assert_key_count(node, 1);
}

/* --- RAISE ------------------------------------------------------------------------------------ */

static void raise_lifts_the_mark_and_never_lowers_it(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "mine", fence + 50)),
                    fence + 50);
    test_node_assert_number(node, MARK_KEY, fence + 50);
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "mine", fence + 20)),
                    fence + 50);
    test_node_assert_number(node, MARK_KEY, fence + 50);
}

static void raise_by_somebody_else_is_a_no(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    test_assert_not_held(test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "mine", fence)), 0);
    test_node_assert_key_count(node, 0);
    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_not_held(test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "yours", fence + 9)),
                         fence);
    test_node_assert_number(node, MARK_KEY, fence);
}

static void raise_more_than_a_day_ahead_is_refused(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);
    uint64_t ahead = fence + 24 * US_PER_HOUR + 60000000;

    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_answer(test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "mine", ahead)),
                       REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK, fence);
    test_assert_answer(test_node_run(node, test_renew("mine", ahead, true)), REDLOCK_ANSWER_CLOCK,
                       REDLOCK_CLOCK, fence);
    test_node_assert_number(node, MARK_KEY, fence);
    test_assert_yes(
        test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "mine", fence + 23 * US_PER_HOUR)),
        fence + 23 * US_PER_HOUR);
}

/* --- keys and bytes --------------------------------------------------------------------------- */

static void companion_keys_stand_where_the_name_says(void **state) {
    static const struct {
        const char *prefix, *name, *lock, *mark;
    } rows[] = {
        {"", "job", "job", "redlock:{job}:fence"},
        {"app:", "job", "app:job", "app:redlock:{job}:fence"},
        {"", "a{b}c", "a{b}c", "redlock:=a{b}c:fence"},
        {"", "a{}c", "a{}c", "redlock:{a{}c}:fence"},
        {"", "a{}{b}", "a{}{b}", "redlock:{a{}{b}}:fence"},
        {"", "a}b{c", "a}b{c", "redlock:{a}b{c}:fence"},
        {"", "{b}", "{b}", "redlock:={b}:fence"},
    };
    test_node *node = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redlock_command command = test_grant("mine", 42);

        test_node_assert_says(node, "OK", "FLUSHALL", NULL, NULL);
        command.name = redlock_bytes_of(rows[i].name);
        test_assert_yes(test_node_run_with_prefix(node, &command, rows[i].prefix), 42);
        test_node_assert_value(node, rows[i].lock, "mine");
        test_node_assert_value(node, rows[i].mark, "42");
        test_node_assert_key_count(node, 2);
    }
}

static void names_and_tokens_are_any_bytes(void **state) {
    test_node *node = *state;
    uint8_t name[REDLOCK_NAME_BYTES_MAX], token[REDLOCK_TOKEN_BYTES_MAX];
    redlock_command command = test_grant("", 42);

    for (size_t i = 0; i < sizeof name; i++) {
        name[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof token; i++) {
        token[i] = (uint8_t)(255 - i);
    }
    command.name = (redlock_bytes){.at = name, .len = sizeof name};
    command.token = (redlock_bytes){.at = token, .len = sizeof token};
    command.teach = true;
    test_assert_yes(test_node_run(node, command), 42);
    command.teach = false;
    command.kind = REDLOCK_COMMAND_LOOK;
    redlock_answer answer = test_node_run(node, command);

    assert_int_equal(answer.text.len, sizeof token);
    assert_memory_equal(answer.text.at, token, sizeof token);
    command.kind = REDLOCK_COMMAND_RELEASE;
    test_assert_yes(test_node_run(node, command), 0);
}

static void numbers_stay_exact_up_to_the_last_one(void **state) {
    test_node *node = *state;

    test_node_set(node, MARK_KEY, "9007199254740989");
    test_assert_yes(test_node_run(node, test_grant("mine", 1)), REDLOCK_FENCE_MAX - 1);
    test_node_assert_value(node, MARK_KEY, "9007199254740990");
    (void)test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", 1));
    test_assert_yes(test_node_run(node, test_grant("mine", 1)), REDLOCK_FENCE_MAX);
    test_node_assert_value(node, MARK_KEY, "9007199254740991");
    (void)test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", 1));
    test_assert_refused(test_node_run(node, test_grant("mine", 1)), "ERR redlock: bad mark");
    test_node_assert_value(node, NAME, "(nil)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(grant_of_a_free_name_leaves_token_and_mark),
        TEST_ON_EMPTY(grant_of_a_held_name_tells_who_and_how_long),
        TEST_ON_EMPTY(grant_of_a_name_without_end_says_zero_left),
        TEST_ON_EMPTY(foreign_value_is_cut_to_a_tokens_length),
        TEST_ON_EMPTY(grant_again_is_a_yes_that_never_shortens),
        TEST_ON_EMPTY(grant_again_restores_a_mark_that_is_gone),
        TEST_ON_EMPTY(marks_grow_from_holder_to_holder),
        TEST_ON_EMPTY(proposal_more_than_an_hour_ahead_is_refused),
        TEST_ON_EMPTY(plain_grant_leaves_the_lock_alone),
        TEST_ON_EMPTY(plain_grant_by_its_step_knows_its_own_token),
        TEST_ON_EMPTY(raise_lifts_the_mark_and_never_lowers_it),
        TEST_ON_EMPTY(raise_by_somebody_else_is_a_no),
        TEST_ON_EMPTY(raise_more_than_a_day_ahead_is_refused),
        TEST_ON_EMPTY(companion_keys_stand_where_the_name_says),
        TEST_ON_EMPTY(names_and_tokens_are_any_bytes),
        TEST_ON_EMPTY(numbers_stay_exact_up_to_the_last_one),
    };

    return cmocka_run_group_tests_name("script_grant", tests, test_node_start, test_node_stop);
}
