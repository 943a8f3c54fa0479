/* conn_native_test.c -- a connection to a server that says it has DELEX (Redis 8.4) or DELIFEQ (Valkey 9),
 * and what that server may answer to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "script/script.h"

#define REDIS_8_4 "redis_version:8.4.00"
#define VALKEY_9 "valkey_version:9.1.2"
#define DELEX "*4\r\n$5\r\nDELEX\r\n$3\r\njob\r\n$4\r\nIFEQ\r\n$3\r\ntok\r\n"
#define DELIFEQ "*3\r\n$7\r\nDELIFEQ\r\n$3\r\njob\r\n$3\r\ntok\r\n"
#define RELEASED "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n"
#define EXPECT(words)                                                                              \
    {                                                                                              \
        .kind = REDLOCK_FAKE_EXPECT, .bytes = {(const uint8_t *)(words), sizeof(words) - 1 }       \
    }
#define STEPS_MAX 24

/* The rig's server with another version, said in as many bytes.  Its steps come behind each greeting;
 * ACCEPT means another one. */
static test_rig *rig_start(const char *version, const redlock_fake_step *steps, uint32_t count) {
    redlock_fake_step all[STEPS_MAX];
    uint32_t len = 0;
    test_rig *rig = test_rig_create();

    test_rig_open_unix(rig);
    uint8_t *at = memmem(rig->replies, rig->replies_len, "redis_version:7.0.15", 20);
    assert_non_null(at);
    assert_int_equal(strlen(version), 20);
    memcpy(at, version, 20);
    for (uint32_t i = 0; i < count; i++) {
        all[len++] = steps[i];
        if (steps[i].kind == REDLOCK_FAKE_ACCEPT) {
            all[len++] = (redlock_fake_step){.kind = REDLOCK_FAKE_EXPECT,
                                             .bytes = {rig->greeting, rig->greeting_len}};
            all[len++] = (redlock_fake_step){.kind = REDLOCK_FAKE_SEND,
                                             .bytes = {rig->replies, rig->replies_len}};
        }
        assert_true(len + 3 <= STEPS_MAX);
    }
    rig->fake = redlock_fake_start(rig->path, all, len);
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    return rig;
}

static void release_send(test_rig *rig, bool teach) {
    redlock_command command = {.kind = REDLOCK_COMMAND_RELEASE,
                               .teach = teach,
                               .name = redlock_bytes_of("job"),
                               .token = redlock_bytes_of("tok"),
                               .not_after_ms = 5};

    redlock_conn_send(rig->conn, ++rig->next_tag, &command);
}

static void assert_reply(const test_rig *rig, uint32_t index, redlock_answer_kind kind,
                         redlock_status status) {
    assert_int_equal(test_rig_seen(rig, index)->kind, REDLOCK_FACT_REPLY);
    assert_int_equal(test_rig_seen(rig, index)->tag, index);
    assert_int_equal(test_rig_seen(rig, index)->answer, kind);
    assert_int_equal(test_rig_seen(rig, index)->status, status);
}

static void answers_are_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              EXPECT(DELEX),
                                              SEND(":1\r\n"),
                                              EXPECT(DELEX),
                                              SEND(":0\r\n"),
                                              EXPECT(DELEX),
                                              SEND("-WRONGTYPE Operation against a key\r\n"),
                                              EXPECT(DELEX),
                                              SEND(":1\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = rig_start(REDIS_8_4, steps, COUNT_OF(steps));
    for (uint32_t i = 0; i < 4; i++) {
        release_send(rig, false);
        test_rig_await(rig, 2 + i);
    }
    assert_reply(rig, 1, REDLOCK_ANSWER_YES, REDLOCK_OK);
    assert_reply(rig, 2, REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD);
    test_rig_assert_error_reply(rig, 3, 3, "WRONGTYPE Operation against a key");
    assert_reply(rig, 4, REDLOCK_ANSWER_YES, REDLOCK_OK);
    test_rig_end(rig);
}

/* `words` refuse the native command; then the core says it whole, and the next one by its SHA1. */
static void refusal_play(const char *version, redlock_fake_step command, const char *words) {
    char sha1[96], text[16];
    const redlock_script *script = redlock_script_of(REDLOCK_COMMAND_RELEASE);
    assert_true(snprintf(text, sizeof text, "$%zu\r\n", script->text_len) > 0);
    assert_true(snprintf(sha1, sizeof sha1, "*6\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n", script->sha1) >
                0);
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 command,
                                 SEND(""),
                                 EXPECT("*6\r\n$4\r\nEVAL\r\n"),
                                 STEP(EXPECT),
                                 STEP(EXPECT),
                                 EXPECT("\r\n$1\r\n1\r\n$3\r\njob\r\n$3\r\ntok\r\n$1\r\n5\r\n"),
                                 SEND(RELEASED),
                                 STEP(EXPECT),
                                 STEP(STALL)};
    steps[2].bytes = redlock_bytes_of(words);
    steps[4].bytes = redlock_bytes_of(text);
    steps[5].bytes = redlock_bytes_of(script->text);
    steps[8].bytes = redlock_bytes_of(sha1);
    test_rig *rig = rig_start(version, steps, COUNT_OF(steps));
    release_send(rig, false);
    test_rig_await(rig, 2);
    assert_reply(rig, 1, REDLOCK_ANSWER_FORGOT, REDLOCK_REFUSED);
    release_send(rig, true);
    test_rig_await(rig, 3);
    assert_reply(rig, 2, REDLOCK_ANSWER_YES, REDLOCK_OK);
    release_send(rig, false);
    test_rig_flush(rig);
    redlock_fake_await(rig->fake);
    test_rig_end(rig);
}

static void refusal_is_a_step_that_is_not_known(void **state) {
    static const redlock_fake_step delex = EXPECT(DELEX), delifeq = EXPECT(DELIFEQ);
    (void)state;
    refusal_play(REDIS_8_4, delex, "-ERR unknown command 'DELEX', with args beginning with: \r\n");
    refusal_play(REDIS_8_4, delex,
                 "-NOPERM User u has no permissions to run the 'delex' command\r\n");
    refusal_play(REDIS_8_4, delex,
                 "-ERR Key should be of string type if conditions are specified\r\n");
    refusal_play(VALKEY_9, delifeq,
                 "-ERR unknown command 'DELIFEQ', with args beginning with: 'job' 'tok' \r\n");
    refusal_play(VALKEY_9, delifeq,
                 "-NOPERM User u has no permissions to run the 'delifeq' command\r\n");
}

/* Behind the first, which is not answered yet, the others are scripts: a refusal concerns one. */
static void first_one_goes_alone(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              EXPECT(DELIFEQ "*6\r\n$7\r\nEVALSHA\r\n"),
                                              SEND(":1\r\n" RELEASED), STEP(STALL)};
    (void)state;
    test_rig *rig = rig_start(VALKEY_9, steps, COUNT_OF(steps));
    release_send(rig, false);
    release_send(rig, false);
    test_rig_await(rig, 3);
    assert_reply(rig, 1, REDLOCK_ANSWER_YES, REDLOCK_OK);
    assert_reply(rig, 2, REDLOCK_ANSWER_YES, REDLOCK_OK);
    test_rig_end(rig);
}

/* What a script says, or half of a number, is no answer to it. */
static void strange_answers_are_errors(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),  EXPECT(DELEX),  SEND(RELEASED),
                                              EXPECT(DELEX), SEND(":7\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = rig_start(REDIS_8_4, steps, COUNT_OF(steps));
    for (uint32_t i = 1; i <= 2; i++) {
        release_send(rig, false);
        test_rig_await(rig, 1 + i);
        assert_reply(rig, i, REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL);
    }
    test_rig_end(rig);
}

/* The answer is cut off, so the outcome is unknown; the next connection does not try it, the one after
 * that does. */
static void cut_reply_is_followed_by_a_link_without(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),  EXPECT(DELEX),
                                              SEND(":"),     STEP(CLOSE),
                                              STEP(ACCEPT),  EXPECT("*6\r\n$7\r\nEVALSHA\r\n"),
                                              STEP(CLOSE),   STEP(ACCEPT),
                                              EXPECT(DELEX), STEP(STALL)};
    (void)state;
    test_rig *rig = rig_start(REDIS_8_4, steps, COUNT_OF(steps));
    for (uint32_t i = 0; i < 2; i++) {
        release_send(rig, false);
        test_rig_await(rig, 2 + 2 * i);
        assert_int_equal(test_rig_seen(rig, 1 + 2 * i)->kind, REDLOCK_FACT_LINK_DOWN);
        redlock_conn_connect(rig->conn);
        test_rig_await(rig, 3 + 2 * i);
        test_rig_assert_up(rig, 2 + 2 * i);
    }
    release_send(rig, false);
    test_rig_flush(rig);
    redlock_fake_await(rig->fake);
    test_rig_end(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_told),
        cmocka_unit_test(refusal_is_a_step_that_is_not_known),
        cmocka_unit_test(first_one_goes_alone),
        cmocka_unit_test(strange_answers_are_errors),
        cmocka_unit_test(cut_reply_is_followed_by_a_link_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
