/* script_renew_test.c -- what follows a grant, on a real server: renewals and heals, releases, looks and
 * breaks; and each of them too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node.h"
#include "steps.h"

/* --- RENEW ------------------------------------------------------------------------------------ */

static void renew_lengthens_and_never_shortens(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_yes(test_node_run(node, test_with_ttl(test_renew("mine", fence + 3, false), 60000)),
                    fence + 3);
    test_node_assert_left(node, NAME, 55000, 60000);
    test_node_assert_number(node, MARK_KEY, fence + 3);
    test_assert_yes(test_node_run(node, test_with_ttl(test_renew("mine", fence, false), 1000)),
                    fence + 3);
    test_node_assert_left(node, NAME, 55000, 60000);
}

static void renew_against_another_holder_is_a_no(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("yours", fence));
    redlock_answer answer = test_node_run(node, test_renew("mine", fence + 5, true));

    test_assert_not_held(answer, fence);
    test_assert_text(answer, "yours");
    test_node_assert_value(node, NAME, "yours");
    test_node_assert_number(node, MARK_KEY, fence);
}

static void renew_heals_a_lost_key_only_when_told(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);
    redlock_answer answer = test_node_run(node, test_renew("mine", fence, false));

    test_assert_not_held(answer, 0);
    test_assert_text(answer, "");
    test_node_assert_key_count(node, 0);
    answer = test_node_run(node, test_renew("mine", fence, true));
    test_assert_answer(answer, REDLOCK_ANSWER_HEALED, REDLOCK_NOT_HELD, fence);
    test_node_assert_value(node, NAME, "mine");
    test_node_assert_left(node, NAME, TTL_MS - 5000, TTL_MS);
    test_node_assert_number(node, MARK_KEY, fence);
    test_assert_yes(test_node_run(node, test_renew("mine", fence, true)), fence);
}

static void heal_is_refused_where_somebody_newer_was(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    test_node_set_number(node, MARK_KEY, "", fence + 1);
    test_assert_not_held(test_node_run(node, test_renew("mine", fence, true)), fence + 1);
    test_node_assert_key_count(node, 1);
    test_node_set_number(node, MARK_KEY, "", fence);
    test_assert_answer(test_node_run(node, test_renew("mine", fence, true)), REDLOCK_ANSWER_HEALED,
                       REDLOCK_NOT_HELD, fence);
}

/* Fenced and plain callers of one name: the plain answer tells no mark, with the guard or without. */
static void plain_renew_beside_a_mark_tells_none(void **state) {
    test_node *node = *state;
    redlock_command declare =
        test_guarded((redlock_command){.kind = REDLOCK_COMMAND_DECLARE}, RUN_A, 0);

    test_node_set_number(node, MARK_KEY, "", test_node_now_us(node));
    test_assert_yes(test_node_run(node, declare), 0);
    test_assert_yes(test_node_run(node, test_guarded(test_grant("mine", 0), RUN_A, 60000)), 0);
    test_assert_yes(test_node_run(node, test_guarded(test_renew("mine", 0, false), RUN_A, 60000)),
                    0);
    test_assert_yes(test_node_run(node, test_renew("mine", 0, false)), 0);
    test_assert_not_held(
        test_node_run(node, test_guarded(test_renew("yours", 0, false), RUN_A, 60000)), 0);
}

static void plain_renew_heals_without_a_mark(void **state) {
    test_node *node = *state;

    test_assert_answer(test_node_run(node, test_renew("mine", 0, true)), REDLOCK_ANSWER_HEALED,
                       REDLOCK_NOT_HELD, 0);
    test_node_assert_key_count(node, 1);
}

/* --- RELEASE, LOOK, BREAK --------------------------------------------------------------------- */

static void release_takes_only_its_own(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);

    (void)test_node_run(node, test_grant("mine", fence));
    test_assert_not_held(test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "yours", fence)),
                         0);
    test_node_assert_value(node, NAME, "mine");
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", fence)), 0);
    test_node_assert_value(node, NAME, "(nil)");
    test_node_assert_number(node, MARK_KEY, fence);
    test_assert_not_held(test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", fence)), 0);
}

static redlock_command unfenced(redlock_command command) {
    command.fenced = false;
    command.fence = 0;
    return command;
}

static void look_tells_and_changes_nothing(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);
    redlock_command look = test_step(REDLOCK_COMMAND_LOOK, "", 1);
    redlock_answer answer = test_node_run(node, look);

    test_assert_yes(answer, 0);
    test_assert_text(answer, "");
    assert_int_equal(answer.left_ms, 0);
    test_node_assert_key_count(node, 0);
    (void)test_node_run(node, test_grant("mine", fence));
    answer = test_node_run(node, look);
    test_assert_yes(answer, fence);
    test_assert_text(answer, "mine");
    assert_in_range(answer.left_ms, TTL_MS - 5000, TTL_MS);
    answer = test_node_run(node, unfenced(look));
    test_assert_yes(answer, 0);
    test_assert_text(answer, "mine");
}

static void broken_lock_is_not_healed_by_its_holder(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node) + US_PER_HOUR / 2;

    (void)test_node_run(node, test_grant("mine", fence));
    redlock_answer answer = test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", 1));

    test_assert_yes(answer, fence + 1);
    test_assert_text(answer, "mine");
    test_node_assert_value(node, NAME, "(nil)");
    test_node_assert_number(node, MARK_KEY, fence + 1);
    test_assert_not_held(test_node_run(node, test_renew("mine", fence, true)), fence + 1);
    test_node_assert_value(node, NAME, "(nil)");
}

static void break_lifts_the_mark_to_the_proposal(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);
    redlock_answer answer = test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", fence));

    test_assert_yes(answer, fence);
    test_assert_text(answer, "");
    test_node_assert_number(node, MARK_KEY, fence);
    /* Never down, and one wrong clock does not put the mark out of everybody's reach. */
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", 1)), fence + 1);
    uint64_t years_ahead = fence + 20000 * US_PER_HOUR;
    test_assert_yes(test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", years_ahead)),
                    fence + 2);
}

/* --- too late --------------------------------------------------------------------------------- */

static redlock_command not_after(redlock_command command, uint64_t not_after_ms) {
    command.not_after_ms = not_after_ms;
    return command;
}

static void late_commands_do_nothing(void **state) {
    test_node *node = *state;
    uint64_t fence = test_node_now_us(node);
    uint64_t past = fence / 1000 - 1;
    redlock_command late[] = {
        not_after(test_guarded(test_grant("yours", fence), RUN_A, 1), past),
        not_after(test_step(REDLOCK_COMMAND_RAISE, "mine", fence + 5), past),
        not_after(test_with_ttl(test_renew("mine", fence + 5, true), 60000), past),
        not_after(test_step(REDLOCK_COMMAND_RELEASE, "mine", 0), past),
    };

    (void)test_node_run(node, test_grant("mine", fence));
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        test_assert_answer(test_node_run(node, late[i]), REDLOCK_ANSWER_LATE, REDLOCK_SILENT, 0);
    }
    test_node_assert_value(node, NAME, "mine");
    test_node_assert_left(node, NAME, TTL_MS - 5000, TTL_MS);
    test_node_assert_number(node, MARK_KEY, fence);
    test_node_assert_key_count(node, 2);
    test_assert_yes(test_node_run(node, not_after(test_renew("mine", fence, true), past + 60000)),
                    fence);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(renew_lengthens_and_never_shortens),
        TEST_ON_EMPTY(renew_against_another_holder_is_a_no),
        TEST_ON_EMPTY(renew_heals_a_lost_key_only_when_told),
        TEST_ON_EMPTY(heal_is_refused_where_somebody_newer_was),
        TEST_ON_EMPTY(plain_renew_beside_a_mark_tells_none),
        TEST_ON_EMPTY(plain_renew_heals_without_a_mark),
        TEST_ON_EMPTY(release_takes_only_its_own),
        TEST_ON_EMPTY(look_tells_and_changes_nothing),
        TEST_ON_EMPTY(broken_lock_is_not_healed_by_its_holder),
        TEST_ON_EMPTY(break_lifts_the_mark_to_the_proposal),
        TEST_ON_EMPTY(late_commands_do_nothing),
    };

    return cmocka_run_group_tests_name("script_renew", tests, test_node_start, test_node_stop);
}
