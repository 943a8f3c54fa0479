/* script_guard_test.c -- the restart guard on a real server: who is silent, why and for how long, and what
 * is answered all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "node.h"
#include "steps.h"

#define BOOT_KEY "redlock:{boot}"

static void guard_silences_a_server_that_is_new(void **state) {
    test_node *node = *state;
    redlock_command command =
        test_guarded(test_grant("mine", test_node_now_us(node)), RUN_A, 60000);
    redlock_answer answer = test_node_run(node, command);

    test_assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_int_equal(answer.left_ms, 60000);
    test_node_assert_key_count(node, 1);
    assert_int_equal(test_node_number(node, "PTTL", BOOT_KEY), -1);
    answer = test_node_run(node, command);
    test_assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_in_range(answer.left_ms, 55000, 60000);
}

static void guard_silences_another_run(void **state) {
    test_node *node = *state;

    test_node_set(node, BOOT_KEY, RUN_A " 0");
    redlock_answer answer = test_node_run(
        node, test_guarded(test_renew("mine", test_node_now_us(node), true), RUN_B, 60000));

    test_assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_int_equal(answer.left_ms, 60000);
    test_node_assert_value(node, NAME, "(nil)");
    test_assert_answer(test_node_run(node, test_guarded(test_grant("mine", 1), RUN_A, 60000)),
                       REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
}

static void guard_ends_when_its_time_is_over(void **state) {
    test_node *node = *state;
    uint64_t now = test_node_now_us(node);

    test_node_set_number(node, BOOT_KEY, RUN_A " ", now / 1000 - 50000);
    redlock_answer answer =
        test_node_run(node, test_guarded(test_grant("mine", now), RUN_A, 60000));

    test_assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_in_range(answer.left_ms, 5000, 10000);
    test_assert_yes(test_node_run(node, test_guarded(test_grant("mine", now), RUN_A, 50000)), now);
    test_assert_yes(test_node_run(node, test_guarded(test_renew("mine", now, true), RUN_A, 50000)),
                    now);
    test_assert_yes(test_node_run(node, test_guarded(test_step(REDLOCK_COMMAND_RAISE, "mine", now),
                                                     RUN_A, 50000)),
                    now);
}

static void guard_begins_again_when_the_clock_was_set_back(void **state) {
    test_node *node = *state;
    uint64_t now = test_node_now_us(node);

    test_node_set_number(node, BOOT_KEY, RUN_A " ", now / 1000 + 3600000);
    redlock_answer answer =
        test_node_run(node, test_guarded(test_grant("mine", now), RUN_A, 60000));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_NOT_READY);
    assert_int_equal(answer.left_ms, 60000);
    answer = test_node_run(node, test_guarded(test_grant("mine", now), RUN_A, 60000));
    assert_in_range(answer.left_ms, 55000, 60000);
}

static void guard_takes_a_garbled_boot_key_for_a_restart(void **state) {
    test_node *node = *state;
    const char *garbled[] = {"", "x", RUN_A, RUN_A " ", RUN_A " x", RUN_A "  1", RUN_A " 1 2"};

    for (size_t i = 0; i < sizeof garbled / sizeof garbled[0]; i++) {
        test_node_set(node, BOOT_KEY, garbled[i]);
        assert_int_equal(
            test_node_run(node, test_guarded(test_grant("mine", 5), RUN_A, 60000)).left_ms, 60000);
    }
}

static void guard_asks_neither_release_nor_look_nor_break(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_yes(
        test_node_run(node, test_guarded(test_step(REDLOCK_COMMAND_LOOK, "", 1), RUN_A, 60000)),
        fence);
    test_assert_yes(test_node_run(node, test_guarded(test_step(REDLOCK_COMMAND_RELEASE, "mine", 1),
                                                     RUN_A, 60000)),
                    0);
    redlock_command command = test_guarded(test_step(REDLOCK_COMMAND_BREAK, "", 1), RUN_A, 60000);

    assert_int_equal(test_node_run(node, command).kind, REDLOCK_ANSWER_YES);
    test_node_assert_value(node, BOOT_KEY, "(nil)");
}

static void declared_server_votes_at_once_also_plain(void **state) {
    test_node *node = *state;
    redlock_command declare =
        test_guarded((redlock_command){.kind = REDLOCK_COMMAND_DECLARE}, RUN_A, 0);

    test_assert_yes(test_node_run(node, declare), 0);
    test_node_assert_value(node, BOOT_KEY, RUN_A " 0");
    test_assert_yes(
        test_node_run(node, test_guarded(test_grant("mine", 0), RUN_A, REDLOCK_FENCE_MAX)), 0);
    test_assert_yes(
        test_node_run(node, test_guarded(test_renew("mine", 0, false), RUN_A, REDLOCK_FENCE_MAX)),
        0);
    test_node_assert_key_count(node, 2);
    redlock_answer answer = test_node_run(node, test_guarded(test_grant("yours", 0), RUN_A, 1));

    test_assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_HELD, 0);
    test_assert_text(answer, "mine");
}

static void probe_tells_why_and_writes_nothing(void **state) {
    test_node *node = *state;
    redlock_command probe =
        test_guarded((redlock_command){.kind = REDLOCK_COMMAND_PROBE}, RUN_A, 60000);
    uint64_t now_ms = test_node_now_us(node) / 1000;
    redlock_answer answer = test_node_run(node, probe);

    test_assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    test_assert_text(answer, "new");
    test_node_assert_key_count(node, 0);
    test_node_set_number(node, BOOT_KEY, RUN_B " ", now_ms);
    answer = test_node_run(node, probe);
    test_assert_text(answer, "restarted");
    assert_int_equal(answer.left_ms, 60000);
    test_node_assert_says(node, "1", "DEL", BOOT_KEY, NULL);
    test_node_set_number(node, BOOT_KEY, RUN_A " ", now_ms);
    answer = test_node_run(node, probe);
    assert_int_equal(answer.kind, REDLOCK_ANSWER_NOT_READY);
    test_assert_text(answer, "silent");
    assert_in_range(answer.left_ms, 55000, 60000);
    test_node_set_number(node, BOOT_KEY, RUN_A " ", now_ms - 60000);
    answer = test_node_run(node, probe);
    test_assert_yes(answer, 0);
    test_assert_text(answer, "ready");
    char boot[96];

    snprintf(boot, sizeof boot, RUN_A " %llu", (unsigned long long)(now_ms - 60000));
    test_node_assert_value(node, BOOT_KEY, boot);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(guard_silences_a_server_that_is_new),
        TEST_ON_EMPTY(guard_silences_another_run),
        TEST_ON_EMPTY(guard_ends_when_its_time_is_over),
        TEST_ON_EMPTY(guard_begins_again_when_the_clock_was_set_back),
        TEST_ON_EMPTY(guard_takes_a_garbled_boot_key_for_a_restart),
        TEST_ON_EMPTY(guard_asks_neither_release_nor_look_nor_break),
        TEST_ON_EMPTY(declared_server_votes_at_once_also_plain),
        TEST_ON_EMPTY(probe_tells_why_and_writes_nothing),
    };

    return cmocka_run_group_tests_name("script_guard", tests, test_node_start, test_node_stop);
}
