#include "steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

redlock_command test_step(redlock_command_kind kind, const char *token, uint64_t fence) {
    return (redlock_command){.kind = kind,
                             .fenced = fence > 0,
                             .name = redlock_bytes_of(NAME),
                             .token = redlock_bytes_of(token),
                             .ttl_ms = TTL_MS,
                             .fence = fence};
}

redlock_command test_grant(const char *token, uint64_t fence) {
    return test_step(REDLOCK_COMMAND_GRANT, token, fence);
}

redlock_command test_renew(const char *token, uint64_t fence, bool heal) {
    redlock_command command = test_step(REDLOCK_COMMAND_RENEW, token, fence);

    command.heal = heal;
    return command;
}

redlock_command test_with_ttl(redlock_command command, uint64_t ttl_ms) {
    command.ttl_ms = ttl_ms;
    return command;
}

redlock_command test_guarded(redlock_command command, const char *run_id, uint64_t guard_ms) {
    command.run_id = redlock_bytes_of(run_id);
    command.guard_ms = guard_ms;
    return command;
}

redlock_command test_hand_over(const char *name) {
    return (redlock_command){.kind = REDLOCK_COMMAND_RELEASE,
                             .fenced = true,
                             .name = redlock_bytes_of(name),
                             .token = redlock_bytes_of("tok"),
                             .not_after_ms = 5,
                             .hand_off_ms = 2000};
}

redlock_command test_claim(const char *name) {
    return (redlock_command){
        .kind = REDLOCK_COMMAND_GRANT,
        .fenced = true,
        .name = redlock_bytes_of(name),
        .token = redlock_bytes_of("next"),
        .ttl_ms = 30000,
        .fence = 77,
        .not_after_ms = 6,
        .follows = true,
        .entry = {.poll_ms = 1000, .channel = redlock_bytes_of("chan"), .wake_tag = 7}};
}

void test_assert_answer(redlock_answer answer, redlock_answer_kind kind, redlock_status status,
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

void test_assert_yes(redlock_answer answer, uint64_t mark) {
    test_assert_answer(answer, REDLOCK_ANSWER_YES, REDLOCK_OK, mark);
}

void test_assert_not_held(redlock_answer answer, uint64_t mark) {
    test_assert_answer(answer, REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD, mark);
}

/* Before Redis 7 the words of a command stand behind those about the script. */
static bool is_wrapped(redlock_bytes words, const char *words_begin) {
    return (redlock_bytes_has_prefix(words, redlock_bytes_of("ERR Error running script")) ||
            redlock_bytes_has_prefix(words, redlock_bytes_of("@user_script:"))) &&
           memmem(words.at, words.len, words_begin, strlen(words_begin)) != NULL;
}

void test_assert_refused(redlock_answer answer, const char *words_begin) {
    test_assert_answer(answer, REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED, 0);
    if (!redlock_bytes_has_prefix(answer.text, redlock_bytes_of(words_begin)) &&
        !is_wrapped(answer.text, words_begin)) {
        fail_msg("\"%.*s\" does not begin with \"%s\"", (int)answer.text.len,
                 (const char *)answer.text.at, words_begin);
    }
}

void test_assert_text(redlock_answer answer, const char *text) {
    redlock_bytes wanted = redlock_bytes_of(text);

    assert_int_equal(answer.text.len, wanted.len);
    assert_memory_equal(answer.text.at, wanted.at, wanted.len);
}
