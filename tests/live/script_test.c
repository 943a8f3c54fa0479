/* script_test.c -- the server-side steps, run by a real server: what they answer and what they
 * leave behind.  Commands and replies go through the wire code, so both ends are held together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/command.h"
#include "node.h"
#include "script/script.h"
#include "server.h"
#include "wire/hello.h"
#include "wire/resp.h"
#include "wire/step.h"

#define NAME "job"
#define MARK_KEY "redlock:{job}:fence"
#define BOOT_KEY "redlock:{boot}"
#define TTL_MS 20000
#define RUN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RUN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define US_PER_HOUR UINT64_C(3600000000)

/* --- asking the server past the steps --------------------------------------------------------- */

static void assert_says(test_node *node, const char *wanted, const char *a, const char *b,
                        const char *c) {
    char *said = test_server_ask(node->server, a, b, c, NULL);

    assert_non_null(said);
    assert_string_equal(said, wanted);
    free(said);
}

static int64_t number_of(test_node *node, const char *word, const char *key) {
    char *said = test_server_ask(node->server, word, key, NULL);
    int64_t number;

    assert_non_null(said);
    number = strtoll(said, NULL, 10);
    free(said);
    return number;
}

static void set_key(test_node *node, const char *key, const char *value) {
    assert_says(node, "OK", "SET", key, value);
}

static void set_number(test_node *node, const char *key, const char *before, uint64_t number) {
    char value[96];

    snprintf(value, sizeof value, "%s%llu", before, (unsigned long long)number);
    set_key(node, key, value);
}

static void assert_value(test_node *node, const char *key, const char *value) {
    assert_says(node, value, "GET", key, NULL);
}

static void assert_number_at(test_node *node, const char *key, uint64_t number) {
    char value[32];

    snprintf(value, sizeof value, "%llu", (unsigned long long)number);
    assert_value(node, key, value);
}

static void assert_key_count(test_node *node, int count) {
    assert_int_equal(number_of(node, "DBSIZE", NULL), count);
}

static void assert_left_between(test_node *node, const char *key, int64_t least, int64_t most) {
    assert_in_range(number_of(node, "PTTL", key), least, most);
}

static uint64_t now_us(test_node *node) {
    redlock_command look = {.kind = REDLOCK_COMMAND_LOOK, .name = redlock_bytes_of("clock")};

    return test_node_run(node, look).time_ms * 1000;
}

/* --- commands --------------------------------------------------------------------------------- */

static redlock_command command_of(redlock_command_kind kind, const char *token, uint64_t fence) {
    return (redlock_command){.kind = kind,
                             .fenced = fence > 0,
                             .name = redlock_bytes_of(NAME),
                             .token = redlock_bytes_of(token),
                             .ttl_ms = TTL_MS,
                             .fence = fence};
}

static redlock_command grant(const char *token, uint64_t fence) {
    return command_of(REDLOCK_COMMAND_GRANT, token, fence);
}

static redlock_command renew(const char *token, uint64_t fence, bool heal) {
    redlock_command command = command_of(REDLOCK_COMMAND_RENEW, token, fence);

    command.heal = heal;
    return command;
}

static redlock_command with_ttl(redlock_command command, uint64_t ttl_ms) {
    command.ttl_ms = ttl_ms;
    return command;
}

static redlock_command not_after(redlock_command command, uint64_t not_after_ms) {
    command.not_after_ms = not_after_ms;
    return command;
}

static redlock_command guarded(redlock_command command, const char *run_id, uint64_t guard_ms) {
    command.run_id = redlock_bytes_of(run_id);
    command.guard_ms = guard_ms;
    return command;
}

static redlock_command unfenced(redlock_command command) {
    command.fenced = false;
    command.fence = 0;
    return command;
}

static void assert_answer(redlock_answer answer, redlock_answer_kind kind, redlock_status status,
                          uint64_t mark) {
    if (answer.kind == REDLOCK_ANSWER_ERROR && kind != REDLOCK_ANSWER_ERROR) {
        print_message("# %.*s\n", (int)answer.text.len, (const char *)answer.text.at);
    }
    assert_int_equal(answer.kind, kind);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.mark, mark);
    if (kind != REDLOCK_ANSWER_FORGOT && kind != REDLOCK_ANSWER_ERROR) {
        assert_true(answer.time_ms > UINT64_C(1600000000000));
    }
}

static void assert_text(redlock_answer answer, const char *text) {
    redlock_bytes wanted = redlock_bytes_of(text);

    assert_int_equal(answer.text.len, wanted.len);
    assert_memory_equal(answer.text.at, wanted.at, wanted.len);
}

static void assert_yes(redlock_answer answer, uint64_t mark) {
    assert_answer(answer, REDLOCK_ANSWER_YES, REDLOCK_OK, mark);
}

static void assert_not_held(redlock_answer answer, uint64_t mark) {
    assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD, mark);
}

/* Before Redis 7 the words of a command stand behind those about the script. */
static bool is_wrapped(redlock_bytes words, const char *words_begin) {
    return (redlock_bytes_has_prefix(words, redlock_bytes_of("ERR Error running script")) ||
            redlock_bytes_has_prefix(words, redlock_bytes_of("@user_script:"))) &&
           memmem(words.at, words.len, words_begin, strlen(words_begin)) != NULL;
}

static void assert_refused(redlock_answer answer, const char *words_begin) {
    assert_answer(answer, REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED, 0);
    if (!redlock_bytes_has_prefix(answer.text, redlock_bytes_of(words_begin)) &&
        !is_wrapped(answer.text, words_begin)) {
        fail_msg("\"%.*s\" does not begin with \"%s\"", (int)answer.text.len,
                 (const char *)answer.text.at, words_begin);
    }
}

/* --- fixture ---------------------------------------------------------------------------------- */

static int empty(void **state) {
    assert_says(*state, "OK", "FLUSHALL", NULL, NULL);
    return 0;
}

/* --- GRANT ------------------------------------------------------------------------------------ */

static void grant_of_a_free_name_leaves_token_and_mark(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    assert_yes(test_node_run(node, grant("mine", fence)), fence);
    assert_value(node, NAME, "mine");
    assert_left_between(node, NAME, TTL_MS - 5000, TTL_MS);
    assert_number_at(node, MARK_KEY, fence);
    assert_left_between(node, MARK_KEY, (int64_t)REDLOCK_MARK_TTL_MS - 5000,
                        (int64_t)REDLOCK_MARK_TTL_MS);
    assert_key_count(node, 2);
}

static void grant_of_a_held_name_tells_who_and_how_long(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    redlock_answer answer = test_node_run(node, grant("yours", fence + 1000));

    assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_HELD, fence);
    assert_text(answer, "mine");
    assert_in_range(answer.left_ms, TTL_MS - 5000, TTL_MS);
    assert_value(node, NAME, "mine");
    assert_number_at(node, MARK_KEY, fence);
}

static void grant_of_a_name_without_end_says_zero_left(void **state) {
    test_node *node = *state;

    set_key(node, NAME, "foreign");
    redlock_answer answer = test_node_run(node, grant("mine", 5));

    assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_HELD, 0);
    assert_int_equal(answer.left_ms, 0);
}

static void foreign_value_is_cut_to_a_tokens_length(void **state) {
    test_node *node = *state;
    char *value = malloc(100001);

    assert_non_null(value);
    memset(value, 'x', 100000);
    value[100000] = '\0';
    set_key(node, NAME, value);
    assert_int_equal(test_node_run(node, grant("mine", 5)).text.len, REDLOCK_TOKEN_BYTES_MAX);
    assert_int_equal(test_node_run(node, renew("mine", 5, true)).text.len, REDLOCK_TOKEN_BYTES_MAX);
    assert_int_equal(test_node_run(node, command_of(REDLOCK_COMMAND_LOOK, "", 1)).text.len,
                     REDLOCK_TOKEN_BYTES_MAX);
    assert_int_equal(test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", 1)).text.len,
                     REDLOCK_TOKEN_BYTES_MAX);
    free(value);
}

static void grant_again_is_a_yes_that_never_shortens(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    assert_yes(test_node_run(node, with_ttl(grant("mine", fence + 7), 1000)), fence);
    assert_left_between(node, NAME, TTL_MS - 5000, TTL_MS);
    assert_yes(test_node_run(node, with_ttl(grant("mine", fence + 7), 60000)), fence);
    assert_left_between(node, NAME, 55000, 60000);
}

static void grant_again_restores_a_mark_that_is_gone(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    assert_says(node, "1", "DEL", MARK_KEY, NULL);
    assert_yes(test_node_run(node, grant("mine", fence + 9)), fence + 9);
    assert_number_at(node, MARK_KEY, fence + 9);
}

static void marks_grow_from_holder_to_holder(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("first", fence));
    (void)test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "first", 0));
    assert_yes(test_node_run(node, grant("second", 17)), fence + 1);
    (void)test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "second", 0));
    assert_yes(test_node_run(node, grant("third", fence + 1)), fence + 2);
    (void)test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "third", 0));
    assert_yes(test_node_run(node, grant("fourth", fence + 100)), fence + 100);
}

static void proposal_more_than_an_hour_ahead_is_refused(void **state) {
    test_node *node = *state;
    uint64_t ahead = now_us(node) + US_PER_HOUR + 60000000;

    assert_answer(test_node_run(node, grant("mine", ahead)), REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK,
                  0);
    assert_key_count(node, 0);
    set_number(node, MARK_KEY, "", ahead - 1);
    assert_yes(test_node_run(node, grant("mine", ahead)), ahead);
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", 0)), 0);
    assert_yes(test_node_run(node, grant("mine", ahead - US_PER_HOUR)), ahead + 1);
}

static void plain_grant_leaves_the_lock_alone(void **state) {
    test_node *node = *state;
    redlock_answer answer = test_node_run(node, grant("mine", 0));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_YES);
    assert_value(node, NAME, "mine");
    assert_left_between(node, NAME, TTL_MS - 5000, TTL_MS);
    assert_key_count(node, 1);
    answer = test_node_run(node, grant("yours", 0));
    assert_int_equal(answer.kind, REDLOCK_ANSWER_NO);
    assert_int_equal(answer.status, REDLOCK_HELD);
    assert_yes(test_node_run(node, renew("mine", 0, false)), 0);
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", 0)), 0);
    assert_key_count(node, 0);
}

static void plain_grant_by_its_step_knows_its_own_token(void **state) {
    test_node *node = *state;
    redlock_command command = grant("mine", 0);

    command.teach = true;
    assert_yes(test_node_run(node, command), 0);
    assert_yes(test_node_run(node, command), 0);
    assert_key_count(node, 1);
}

/* --- RAISE and RENEW -------------------------------------------------------------------------- */

static void raise_lifts_the_mark_and_never_lowers_it(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "mine", fence + 50)),
               fence + 50);
    assert_number_at(node, MARK_KEY, fence + 50);
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "mine", fence + 20)),
               fence + 50);
    assert_number_at(node, MARK_KEY, fence + 50);
}

static void raise_by_somebody_else_is_a_no(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    assert_not_held(test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "mine", fence)), 0);
    assert_key_count(node, 0);
    (void)test_node_run(node, grant("mine", fence));
    assert_not_held(test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "yours", fence + 9)),
                    fence);
    assert_number_at(node, MARK_KEY, fence);
}

static void raise_more_than_a_day_ahead_is_refused(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);
    uint64_t ahead = fence + 24 * US_PER_HOUR + 60000000;

    (void)test_node_run(node, grant("mine", fence));
    assert_answer(test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "mine", ahead)),
                  REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK, fence);
    assert_answer(test_node_run(node, renew("mine", ahead, true)), REDLOCK_ANSWER_CLOCK,
                  REDLOCK_CLOCK, fence);
    assert_number_at(node, MARK_KEY, fence);
    assert_yes(
        test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "mine", fence + 23 * US_PER_HOUR)),
        fence + 23 * US_PER_HOUR);
}

static void renew_lengthens_and_never_shortens(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    assert_yes(test_node_run(node, with_ttl(renew("mine", fence + 3, false), 60000)), fence + 3);
    assert_left_between(node, NAME, 55000, 60000);
    assert_number_at(node, MARK_KEY, fence + 3);
    assert_yes(test_node_run(node, with_ttl(renew("mine", fence, false), 1000)), fence + 3);
    assert_left_between(node, NAME, 55000, 60000);
}

static void renew_against_another_holder_is_a_no(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("yours", fence));
    redlock_answer answer = test_node_run(node, renew("mine", fence + 5, true));

    assert_not_held(answer, fence);
    assert_text(answer, "yours");
    assert_value(node, NAME, "yours");
    assert_number_at(node, MARK_KEY, fence);
}

static void renew_heals_a_lost_key_only_when_told(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);
    redlock_answer answer = test_node_run(node, renew("mine", fence, false));

    assert_not_held(answer, 0);
    assert_text(answer, "");
    assert_key_count(node, 0);
    answer = test_node_run(node, renew("mine", fence, true));
    assert_answer(answer, REDLOCK_ANSWER_HEALED, REDLOCK_NOT_HELD, fence);
    assert_value(node, NAME, "mine");
    assert_left_between(node, NAME, TTL_MS - 5000, TTL_MS);
    assert_number_at(node, MARK_KEY, fence);
    assert_yes(test_node_run(node, renew("mine", fence, true)), fence);
}

static void heal_is_refused_where_somebody_newer_was(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    set_number(node, MARK_KEY, "", fence + 1);
    assert_not_held(test_node_run(node, renew("mine", fence, true)), fence + 1);
    assert_key_count(node, 1);
    set_number(node, MARK_KEY, "", fence);
    assert_answer(test_node_run(node, renew("mine", fence, true)), REDLOCK_ANSWER_HEALED,
                  REDLOCK_NOT_HELD, fence);
}

/* Fenced and plain callers of one name: the plain answer tells no mark, with the guard or without. */
static void plain_renew_beside_a_mark_tells_none(void **state) {
    test_node *node = *state;
    redlock_command declare = guarded((redlock_command){.kind = REDLOCK_COMMAND_DECLARE}, RUN_A, 0);

    set_number(node, MARK_KEY, "", now_us(node));
    assert_yes(test_node_run(node, declare), 0);
    assert_yes(test_node_run(node, guarded(grant("mine", 0), RUN_A, 60000)), 0);
    assert_yes(test_node_run(node, guarded(renew("mine", 0, false), RUN_A, 60000)), 0);
    assert_yes(test_node_run(node, renew("mine", 0, false)), 0);
    assert_not_held(test_node_run(node, guarded(renew("yours", 0, false), RUN_A, 60000)), 0);
}

static void plain_renew_heals_without_a_mark(void **state) {
    test_node *node = *state;

    assert_answer(test_node_run(node, renew("mine", 0, true)), REDLOCK_ANSWER_HEALED,
                  REDLOCK_NOT_HELD, 0);
    assert_key_count(node, 1);
}

/* --- RELEASE, LOOK, BREAK --------------------------------------------------------------------- */

static void release_takes_only_its_own(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    assert_not_held(test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "yours", fence)), 0);
    assert_value(node, NAME, "mine");
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", fence)), 0);
    assert_value(node, NAME, "(nil)");
    assert_number_at(node, MARK_KEY, fence);
    assert_not_held(test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", fence)), 0);
}

static void look_tells_and_changes_nothing(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);
    redlock_command look = command_of(REDLOCK_COMMAND_LOOK, "", 1);
    redlock_answer answer = test_node_run(node, look);

    assert_yes(answer, 0);
    assert_text(answer, "");
    assert_int_equal(answer.left_ms, 0);
    assert_key_count(node, 0);
    (void)test_node_run(node, grant("mine", fence));
    answer = test_node_run(node, look);
    assert_yes(answer, fence);
    assert_text(answer, "mine");
    assert_in_range(answer.left_ms, TTL_MS - 5000, TTL_MS);
    answer = test_node_run(node, unfenced(look));
    assert_yes(answer, 0);
    assert_text(answer, "mine");
}

static void broken_lock_is_not_healed_by_its_holder(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node) + US_PER_HOUR / 2;

    (void)test_node_run(node, grant("mine", fence));
    redlock_answer answer = test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", 1));

    assert_yes(answer, fence + 1);
    assert_text(answer, "mine");
    assert_value(node, NAME, "(nil)");
    assert_number_at(node, MARK_KEY, fence + 1);
    assert_not_held(test_node_run(node, renew("mine", fence, true)), fence + 1);
    assert_value(node, NAME, "(nil)");
}

static void break_lifts_the_mark_to_the_proposal(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);
    redlock_answer answer = test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", fence));

    assert_yes(answer, fence);
    assert_text(answer, "");
    assert_number_at(node, MARK_KEY, fence);
    /* Never down, and one wrong clock does not put the mark out of everybody's reach. */
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", 1)), fence + 1);
    uint64_t years_ahead = fence + 20000 * US_PER_HOUR;
    assert_yes(test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", years_ahead)), fence + 2);
}

static void late_commands_do_nothing(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);
    uint64_t past = fence / 1000 - 1;
    redlock_command late[] = {
        not_after(guarded(grant("yours", fence), RUN_A, 1), past),
        not_after(command_of(REDLOCK_COMMAND_RAISE, "mine", fence + 5), past),
        not_after(with_ttl(renew("mine", fence + 5, true), 60000), past),
        not_after(command_of(REDLOCK_COMMAND_RELEASE, "mine", 0), past),
    };

    (void)test_node_run(node, grant("mine", fence));
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) {
        assert_answer(test_node_run(node, late[i]), REDLOCK_ANSWER_LATE, REDLOCK_SILENT, 0);
    }
    assert_value(node, NAME, "mine");
    assert_left_between(node, NAME, TTL_MS - 5000, TTL_MS);
    assert_number_at(node, MARK_KEY, fence);
    assert_key_count(node, 2);
    assert_yes(test_node_run(node, not_after(renew("mine", fence, true), past + 60000)), fence);
}

/* --- the restart guard ------------------------------------------------------------------------ */

static void guard_silences_a_server_that_is_new(void **state) {
    test_node *node = *state;
    redlock_command command = guarded(grant("mine", now_us(node)), RUN_A, 60000);
    redlock_answer answer = test_node_run(node, command);

    assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_int_equal(answer.left_ms, 60000);
    assert_key_count(node, 1);
    assert_int_equal(number_of(node, "PTTL", BOOT_KEY), -1);
    answer = test_node_run(node, command);
    assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_in_range(answer.left_ms, 55000, 60000);
}

static void guard_silences_another_run(void **state) {
    test_node *node = *state;

    set_key(node, BOOT_KEY, RUN_A " 0");
    redlock_answer answer =
        test_node_run(node, guarded(renew("mine", now_us(node), true), RUN_B, 60000));

    assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_int_equal(answer.left_ms, 60000);
    assert_value(node, NAME, "(nil)");
    assert_answer(test_node_run(node, guarded(grant("mine", 1), RUN_A, 60000)),
                  REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
}

static void guard_ends_when_its_time_is_over(void **state) {
    test_node *node = *state;
    uint64_t now = now_us(node);

    set_number(node, BOOT_KEY, RUN_A " ", now / 1000 - 50000);
    redlock_answer answer = test_node_run(node, guarded(grant("mine", now), RUN_A, 60000));

    assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_in_range(answer.left_ms, 5000, 10000);
    assert_yes(test_node_run(node, guarded(grant("mine", now), RUN_A, 50000)), now);
    assert_yes(test_node_run(node, guarded(renew("mine", now, true), RUN_A, 50000)), now);
    assert_yes(
        test_node_run(node, guarded(command_of(REDLOCK_COMMAND_RAISE, "mine", now), RUN_A, 50000)),
        now);
}

static void guard_begins_again_when_the_clock_was_set_back(void **state) {
    test_node *node = *state;
    uint64_t now = now_us(node);

    set_number(node, BOOT_KEY, RUN_A " ", now / 1000 + 3600000);
    redlock_answer answer = test_node_run(node, guarded(grant("mine", now), RUN_A, 60000));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_NOT_READY);
    assert_int_equal(answer.left_ms, 60000);
    answer = test_node_run(node, guarded(grant("mine", now), RUN_A, 60000));
    assert_in_range(answer.left_ms, 55000, 60000);
}

static void guard_takes_a_garbled_boot_key_for_a_restart(void **state) {
    test_node *node = *state;
    const char *garbled[] = {"", "x", RUN_A, RUN_A " ", RUN_A " x", RUN_A "  1", RUN_A " 1 2"};

    for (size_t i = 0; i < sizeof garbled / sizeof garbled[0]; i++) {
        set_key(node, BOOT_KEY, garbled[i]);
        assert_int_equal(test_node_run(node, guarded(grant("mine", 5), RUN_A, 60000)).left_ms,
                         60000);
    }
}

static void guard_asks_neither_release_nor_look_nor_break(void **state) {
    test_node *node = *state;
    uint64_t fence = now_us(node);

    (void)test_node_run(node, grant("mine", fence));
    assert_yes(test_node_run(node, guarded(command_of(REDLOCK_COMMAND_LOOK, "", 1), RUN_A, 60000)),
               fence);
    assert_yes(
        test_node_run(node, guarded(command_of(REDLOCK_COMMAND_RELEASE, "mine", 1), RUN_A, 60000)),
        0);
    redlock_command command = guarded(command_of(REDLOCK_COMMAND_BREAK, "", 1), RUN_A, 60000);

    assert_int_equal(test_node_run(node, command).kind, REDLOCK_ANSWER_YES);
    assert_value(node, BOOT_KEY, "(nil)");
}

static void declared_server_votes_at_once_also_plain(void **state) {
    test_node *node = *state;
    redlock_command declare = guarded((redlock_command){.kind = REDLOCK_COMMAND_DECLARE}, RUN_A, 0);

    assert_yes(test_node_run(node, declare), 0);
    assert_value(node, BOOT_KEY, RUN_A " 0");
    assert_yes(test_node_run(node, guarded(grant("mine", 0), RUN_A, REDLOCK_FENCE_MAX)), 0);
    assert_yes(test_node_run(node, guarded(renew("mine", 0, false), RUN_A, REDLOCK_FENCE_MAX)), 0);
    assert_key_count(node, 2);
    redlock_answer answer = test_node_run(node, guarded(grant("yours", 0), RUN_A, 1));

    assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_HELD, 0);
    assert_text(answer, "mine");
}

static void probe_tells_why_and_writes_nothing(void **state) {
    test_node *node = *state;
    redlock_command probe = guarded((redlock_command){.kind = REDLOCK_COMMAND_PROBE}, RUN_A, 60000);
    uint64_t now_ms = now_us(node) / 1000;
    redlock_answer answer = test_node_run(node, probe);

    assert_answer(answer, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY, 0);
    assert_text(answer, "new");
    assert_key_count(node, 0);
    set_number(node, BOOT_KEY, RUN_B " ", now_ms);
    answer = test_node_run(node, probe);
    assert_text(answer, "restarted");
    assert_int_equal(answer.left_ms, 60000);
    assert_says(node, "1", "DEL", BOOT_KEY, NULL);
    set_number(node, BOOT_KEY, RUN_A " ", now_ms);
    answer = test_node_run(node, probe);
    assert_int_equal(answer.kind, REDLOCK_ANSWER_NOT_READY);
    assert_text(answer, "silent");
    assert_in_range(answer.left_ms, 55000, 60000);
    set_number(node, BOOT_KEY, RUN_A " ", now_ms - 60000);
    answer = test_node_run(node, probe);
    assert_yes(answer, 0);
    assert_text(answer, "ready");
    char boot[96];

    snprintf(boot, sizeof boot, RUN_A " %llu", (unsigned long long)(now_ms - 60000));
    assert_value(node, BOOT_KEY, boot);
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
        redlock_command command = grant("mine", 42);

        assert_says(node, "OK", "FLUSHALL", NULL, NULL);
        command.name = redlock_bytes_of(rows[i].name);
        assert_yes(test_node_run_with_prefix(node, &command, rows[i].prefix), 42);
        assert_value(node, rows[i].lock, "mine");
        assert_value(node, rows[i].mark, "42");
        assert_key_count(node, 2);
    }
}

static void names_and_tokens_are_any_bytes(void **state) {
    test_node *node = *state;
    uint8_t name[REDLOCK_NAME_BYTES_MAX], token[REDLOCK_TOKEN_BYTES_MAX];
    redlock_command command = grant("", 42);

    for (size_t i = 0; i < sizeof name; i++) {
        name[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof token; i++) {
        token[i] = (uint8_t)(255 - i);
    }
    command.name = (redlock_bytes){.at = name, .len = sizeof name};
    command.token = (redlock_bytes){.at = token, .len = sizeof token};
    command.teach = true;
    assert_yes(test_node_run(node, command), 42);
    command.teach = false;
    command.kind = REDLOCK_COMMAND_LOOK;
    redlock_answer answer = test_node_run(node, command);

    assert_int_equal(answer.text.len, sizeof token);
    assert_memory_equal(answer.text.at, token, sizeof token);
    command.kind = REDLOCK_COMMAND_RELEASE;
    assert_yes(test_node_run(node, command), 0);
}

static void numbers_stay_exact_up_to_the_last_one(void **state) {
    test_node *node = *state;

    set_key(node, MARK_KEY, "9007199254740989");
    assert_yes(test_node_run(node, grant("mine", 1)), REDLOCK_FENCE_MAX - 1);
    assert_value(node, MARK_KEY, "9007199254740990");
    (void)test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", 1));
    assert_yes(test_node_run(node, grant("mine", 1)), REDLOCK_FENCE_MAX);
    assert_value(node, MARK_KEY, "9007199254740991");
    (void)test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", 1));
    assert_refused(test_node_run(node, grant("mine", 1)), "ERR redlock: bad mark");
    assert_value(node, NAME, "(nil)");
}

/* --- refusals: nothing is written ------------------------------------------------------------- */

static void garbled_marks_are_refused(void **state) {
    test_node *node = *state;
    const char *garbled[] = {
        "", "x", "-1", "1.5", "1e9", " 1", "9007199254740992", "99999999999999999999"};

    for (size_t i = 0; i < sizeof garbled / sizeof garbled[0]; i++) {
        set_key(node, MARK_KEY, garbled[i]);
        assert_refused(test_node_run(node, grant("mine", 42)), "ERR redlock: bad mark");
        assert_refused(test_node_run(node, renew("mine", 42, true)), "ERR redlock: bad mark");
        assert_refused(test_node_run(node, command_of(REDLOCK_COMMAND_RAISE, "mine", 42)),
                       "ERR redlock: bad mark");
        assert_refused(test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", 42)),
                       "ERR redlock: bad mark");
        assert_value(node, MARK_KEY, garbled[i]);
        assert_key_count(node, 1);
    }
    assert_int_equal(test_node_run(node, grant("mine", 0)).kind, REDLOCK_ANSWER_YES);
}

static void value_that_is_no_string_is_refused(void **state) {
    test_node *node = *state;

    assert_says(node, "1", "LPUSH", NAME, "x");
    assert_refused(test_node_run(node, grant("mine", 42)), "WRONGTYPE");
    assert_refused(test_node_run(node, renew("mine", 42, true)), "WRONGTYPE");
    assert_refused(test_node_run(node, command_of(REDLOCK_COMMAND_RELEASE, "mine", 0)),
                   "WRONGTYPE");
    assert_refused(test_node_run(node, command_of(REDLOCK_COMMAND_BREAK, "", 42)), "WRONGTYPE");
    assert_key_count(node, 1);
}

#define ARGUMENTS_MAX 12

static void bad_arguments_are_refused_before_anything_is_written(void **state) {
    static const struct {
        redlock_command_kind kind;
        const char *arguments[ARGUMENTS_MAX]; /* from the number of keys on */
        const char *what;
    } rows[] = {
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "", "1", "0", "1", "", "0"}, "token"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m"}, "token"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t"}, "ttl_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "0", "0", "1", "", "0"}, "ttl_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "-1", "0", "1", "", "0"}, "ttl_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1.5", "0", "1", "", "0"}, "ttl_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "0x10", "0", "1", "", "0"}, "ttl_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "90000001", "0", "1", "", "0"}, "ttl_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "x", "1", "", "0"}, "not_after_ms"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "0", "nan", "", "0"}, "fence"},
        {REDLOCK_COMMAND_GRANT,
         {"2", "k", "m", "t", "1", "0", "9007199254740992", "", "0"},
         "fence"},
        {REDLOCK_COMMAND_GRANT, {"1", "k", "t", "1", "0", "1", "", "0"}, "number of keys"},
        {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "0", "1", RUN_A, "0"}, "number of keys"},
        {REDLOCK_COMMAND_GRANT, {"3", "k", "m", "b", "t", "1", "0", "1", "a b", "0"}, "run_id"},
        {REDLOCK_COMMAND_GRANT,
         {"5", "k", "m", "q", "a", "b", "t", "1", "0", "1", RUN_A, "x"},
         "guard_ms"},
        {REDLOCK_COMMAND_RAISE, {"2", "k", "m", "t", "0", "0", "", "0"}, "fence"},
        {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "0", "0", "", "0", "1", "t", "1"}, "ttl_ms"},
        {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "x", "", "0", "1", "t", "1"}, "not_after_ms"},
        {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0", "3", "t", "1"}, "heal"},
        {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0"}, "heal"},
        {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0", "1"}, "number of keys"},
        {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0", "1", "t"}, "number of keys"},
        {REDLOCK_COMMAND_RENEW,
         {"3", "k", "m", "n", "1", "0", "", "0", "1", "t", "1", "u"},
         "number of keys"},
        {REDLOCK_COMMAND_RENEW,
         {"2", "k", "m", "1", "0", RUN_A, "0", "1", "t", "1"},
         "number of keys"},
        {REDLOCK_COMMAND_RELEASE, {"1", "k", "", "0"}, "token"},
        {REDLOCK_COMMAND_RELEASE, {"1", "k", "t", "x"}, "not_after_ms"},
        {REDLOCK_COMMAND_PROBE, {"1", "b", "", "0"}, "run_id"},
        {REDLOCK_COMMAND_DECLARE, {"1", "b", ""}, "run_id"},
        {REDLOCK_COMMAND_DECLARE, {"1", "b", RUN_A "a"}, "run_id"},
    };
    test_node *node = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *words[ARGUMENTS_MAX + 2] = {"EVALSHA", redlock_script_of(rows[i].kind)->sha1};
        char wanted[64];
        int count = 2;

        for (; count - 2 < ARGUMENTS_MAX && rows[i].arguments[count - 2] != NULL; count++) {
            words[count] = rows[i].arguments[count - 2];
        }
        snprintf(wanted, sizeof wanted, "-ERR redlock: bad %s", rows[i].what);
        char *said = test_server_command(node->server, count, words);

        assert_non_null(said);
        assert_string_equal(said, wanted);
        free(said);
        assert_key_count(node, 0);
    }
}

static void token_of_257_bytes_is_refused(void **state) {
    test_node *node = *state;
    char token[258];

    memset(token, 't', 257);
    token[257] = '\0';
    assert_refused(test_node_run(node, grant(token, 42)), "ERR redlock: bad token");
    token[256] = '\0';
    assert_yes(test_node_run(node, grant(token, 42)), 42);
}

/* --- forgetting, roles and rights ------------------------------------------------------------- */

static void forgotten_step_is_known_again_once_taught(void **state) {
    test_node *node = *state;
    redlock_command command = grant("mine", 42);

    assert_says(node, "OK", "SCRIPT", "FLUSH", NULL);
    redlock_answer answer = test_node_run(node, command);

    assert_int_equal(answer.kind, REDLOCK_ANSWER_FORGOT);
    command.teach = true;
    assert_yes(test_node_run(node, command), 42);
    command.teach = false;
    assert_yes(test_node_run(node, command), 42);
}

static void config_set(test_node *node, const char *option, const char *value) {
    char *said = test_server_ask(node->server, "CONFIG", "SET", option, value, NULL);

    assert_non_null(said);
    assert_string_equal(said, "OK");
    free(said);
}

static void server_without_memory_grants_nothing(void **state) {
    test_node *node = *state;

    config_set(node, "maxmemory", "1");
    redlock_answer fenced = test_node_run(node, grant("mine", 42));

    assert_refused(fenced, "OOM");
    assert_refused(test_node_run(node, grant("mine", 0)), "OOM");
    config_set(node, "maxmemory", "0");
    assert_key_count(node, 0);
}

static void replica_does_not_vote(void **state) {
    test_node *node = *state;
    redlock_hello hello;

    assert_says(node, "OK", "REPLICAOF", "127.0.0.1", "1");
    redlock_answer answer = test_node_run(node, grant("mine", 42));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_ERROR);
    assert_int_equal(answer.status, REDLOCK_REPLICA);
    assert_int_equal(test_node_run(node, grant("mine", 0)).status, REDLOCK_REPLICA);
    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_REPLICA);
    assert_string_equal(hello.words, "replica of 127.0.0.1:1");
    assert_says(node, "OK", "REPLICAOF", "NO", "ONE");
}

static void user_without_rights_hears_no_permission(void **state) {
    test_node *node = *state;
    redlock_hello hello;
    char url[256];
    const char *rights[] = {"ACL", "SETUSER", "weak", "on", ">pw", "~job", "+@all"};

    free(test_server_command(node->server, 7, rights));
    close(node->fd);
    test_node_connect(node);
    snprintf(url, sizeof url, "unix://weak:pw@%s", test_server_socket(node->server));
    assert_int_equal(test_node_greet(node, url, &hello), REDLOCK_OK);
    redlock_answer answer =
        test_node_run(node, grant("mine", 42)); /* may not touch the mark's key */

    assert_int_equal(answer.kind, REDLOCK_ANSWER_ERROR);
    assert_int_equal(answer.status, REDLOCK_NO_PERMISSION);
    assert_key_count(node, 0);
    const char *fewer[] = {"ACL", "SETUSER", "weak", "allkeys", "-set"};

    free(test_server_command(node->server, 5, fewer));
    answer = test_node_run(node, grant("mine", 42));
    assert_int_equal(answer.status, REDLOCK_NO_PERMISSION);
    const char *fewest[] = {"ACL", "SETUSER", "weak", "-info"};

    free(test_server_command(node->server, 4, fewest));
    assert_int_equal(test_node_greet(node, url, &hello), REDLOCK_NO_PERMISSION);
    close(node->fd);
    test_node_connect(node);
    assert_key_count(node, 0);
}

/* --- the greeting ----------------------------------------------------------------------------- */

static void greeting_learns_run_time_and_version(void **state) {
    test_node *node = *state;
    redlock_hello hello;

    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_OK);
    assert_int_equal(hello.run_id_len, REDLOCK_RUN_ID_BYTES);
    assert_true(hello.version[0] >= '5' && hello.version[0] <= '9');
    assert_in_range(hello.time_ms, now_us(node) / 1000 - 60000, now_us(node) / 1000);
    assert_string_equal(hello.words, "");
    char *list = test_server_ask(node->server, "CLIENT", "LIST", NULL);

    assert_non_null(list);
    assert_non_null(strstr(list, " name=test "));
    free(list);
}

static void greeting_refuses_a_server_that_evicts(void **state) {
    test_node *node = *state;
    redlock_hello hello;

    config_set(node, "maxmemory-policy", "volatile-ttl");
    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_EVICTS);
    assert_string_equal(hello.words, "maxmemory-policy is volatile-ttl");
    config_set(node, "maxmemory-policy", "noeviction");
}

static void greeting_tells_a_wrong_password_from_a_missing_one(void **state) {
    static const struct {
        const char *user;
        redlock_status status;
    } rows[] = {
        {"", REDLOCK_AUTH_REQUIRED},      {":wrong@", REDLOCK_AUTH},
        {"nobody:secret@", REDLOCK_AUTH}, {":secret@", REDLOCK_OK},
        {"default:secret@", REDLOCK_OK},
    };
    test_node *node = *state;

    if (test_server_has_few_rights()) {
        print_message("# it is about the default user's password, and that user is off\n");
        skip();
    }
    config_set(node, "requirepass", "secret");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redlock_hello hello;
        char url[256];

        close(node->fd);
        test_node_connect(node);
        snprintf(url, sizeof url, "unix://%s%s?db=3", rows[i].user,
                 test_server_socket(node->server));
        assert_int_equal(test_node_greet(node, url, &hello), rows[i].status);
        assert_null(strstr(hello.words, "secret"));
    }
    /* The last of them is logged in: it takes the password away again for the others. */
    test_node_send(node, (const uint8_t *)"CONFIG SET requirepass \"\"\r\nSELECT 0\r\n", 37);
    test_node_read(node);
    test_node_read(node);
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(grant_of_a_free_name_leaves_token_and_mark),
        TEST(grant_of_a_held_name_tells_who_and_how_long),
        TEST(grant_of_a_name_without_end_says_zero_left),
        TEST(foreign_value_is_cut_to_a_tokens_length),
        TEST(grant_again_is_a_yes_that_never_shortens),
        TEST(grant_again_restores_a_mark_that_is_gone),
        TEST(marks_grow_from_holder_to_holder),
        TEST(proposal_more_than_an_hour_ahead_is_refused),
        TEST(plain_grant_leaves_the_lock_alone),
        TEST(plain_grant_by_its_step_knows_its_own_token),
        TEST(raise_lifts_the_mark_and_never_lowers_it),
        TEST(raise_by_somebody_else_is_a_no),
        TEST(raise_more_than_a_day_ahead_is_refused),
        TEST(renew_lengthens_and_never_shortens),
        TEST(renew_against_another_holder_is_a_no),
        TEST(renew_heals_a_lost_key_only_when_told),
        TEST(heal_is_refused_where_somebody_newer_was),
        TEST(plain_renew_beside_a_mark_tells_none),
        TEST(plain_renew_heals_without_a_mark),
        TEST(release_takes_only_its_own),
        TEST(look_tells_and_changes_nothing),
        TEST(broken_lock_is_not_healed_by_its_holder),
        TEST(break_lifts_the_mark_to_the_proposal),
        TEST(late_commands_do_nothing),
        TEST(guard_silences_a_server_that_is_new),
        TEST(guard_silences_another_run),
        TEST(guard_ends_when_its_time_is_over),
        TEST(guard_begins_again_when_the_clock_was_set_back),
        TEST(guard_takes_a_garbled_boot_key_for_a_restart),
        TEST(guard_asks_neither_release_nor_look_nor_break),
        TEST(declared_server_votes_at_once_also_plain),
        TEST(probe_tells_why_and_writes_nothing),
        TEST(companion_keys_stand_where_the_name_says),
        TEST(names_and_tokens_are_any_bytes),
        TEST(numbers_stay_exact_up_to_the_last_one),
        TEST(garbled_marks_are_refused),
        TEST(value_that_is_no_string_is_refused),
        TEST(bad_arguments_are_refused_before_anything_is_written),
        TEST(token_of_257_bytes_is_refused),
        TEST(forgotten_step_is_known_again_once_taught),
        TEST(server_without_memory_grants_nothing),
        TEST(replica_does_not_vote),
        TEST(user_without_rights_hears_no_permission),
        TEST(greeting_learns_run_time_and_version),
        TEST(greeting_refuses_a_server_that_evicts),
        TEST(greeting_tells_a_wrong_password_from_a_missing_one),
    };

    return cmocka_run_group_tests_name("script", tests, test_node_start, test_node_stop);
}
