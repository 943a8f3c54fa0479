/* conn_claim_test.c -- a release and the claim behind it go out as one command, as long as both are still
 * here, and one reply answers both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "steps.h"
#include "wire/claim.h"
#include "wire/step.h"

#define RELEASED "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n"
#define GRANTED "*4\r\n:1\r\n:8\r\n:99\r\n:0\r\n"
#define PASSED_ON "*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n:8\r\n"

static redlock_command both_of(const char *name) {
    redlock_command release = test_hand_over(name), grant = test_claim(name);

    release.claim = redlock_claim_of(&grant);
    return release;
}

/* The server wants just this command; kept for as long as the test program lives. */
static redlock_fake_step expect(redlock_command command) {
    size_t len = redlock_step_encode(&command, redlock_bytes_of(""), NULL, 0);
    uint8_t *bytes = test_malloc(len);

    assert_int_equal(redlock_step_encode(&command, redlock_bytes_of(""), bytes, len), len);
    return (redlock_fake_step){.kind = REDLOCK_FAKE_EXPECT, .bytes = {.at = bytes, .len = len}};
}

static test_rig *start(const redlock_fake_step *steps, uint32_t count) {
    test_rig *rig = test_rig_start(steps, count);

    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    return rig;
}

static void steps_free(redlock_fake_step *steps, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (steps[i].kind == REDLOCK_FAKE_EXPECT) {
            test_free((void *)(uintptr_t)steps[i].bytes.at);
        }
    }
}

static void send_command(test_rig *rig, redlock_command command) {
    redlock_conn_send(rig->conn, ++rig->next_tag, &command);
}

static void assert_reply(const test_rig *rig, uint32_t index, uint64_t tag,
                         redlock_answer_kind kind) {
    assert_int_equal(test_rig_seen(rig, index)->kind, REDLOCK_FACT_REPLY);
    assert_int_equal(test_rig_seen(rig, index)->tag, tag);
    assert_int_equal(test_rig_seen(rig, index)->answer, kind);
}

static void one_command_and_one_reply_serve_both(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), expect(both_of("job")), SEND(PASSED_ON),
                                 STEP(STALL)};

    (void)state;
    test_rig *rig = start(steps, COUNT_OF(steps));
    send_command(rig, test_hand_over("job"));
    send_command(rig, test_claim("job"));
    test_rig_await(rig, 3);
    assert_reply(rig, 1, 1, REDLOCK_ANSWER_YES);
    assert_reply(rig, 2, 2, REDLOCK_ANSWER_YES);
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

static void what_is_no_answer_to_the_claim_has_it_said_again(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 STEP(GREET),
                                 expect(both_of("job")),
                                 SEND(RELEASED),
                                 expect(both_of("job")),
                                 SEND("-NOSCRIPT No matching script.\r\n"),
                                 expect(both_of("job")),
                                 SEND("-OOM command not allowed\r\n"),
                                 STEP(STALL)};
    static const redlock_answer_kind answers[][2] = {{REDLOCK_ANSWER_YES, REDLOCK_ANSWER_UNSEEN},
                                                     {REDLOCK_ANSWER_FORGOT, REDLOCK_ANSWER_FORGOT},
                                                     {REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_ERROR}};

    (void)state;
    test_rig *rig = start(steps, COUNT_OF(steps));
    for (uint32_t i = 0; i < 3; i++) {
        send_command(rig, test_hand_over("job"));
        send_command(rig, test_claim("job"));
        test_rig_await(rig, 3 + 2 * i);
        assert_reply(rig, 1 + 2 * i, 1 + 2 * i, answers[i][0]);
        assert_reply(rig, 2 + 2 * i, 2 + 2 * i, answers[i][1]);
    }
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

/* What has gone out cannot take anything in any more. */
static void release_that_is_written_goes_alone(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 STEP(GREET),
                                 expect(test_hand_over("job")),
                                 expect(test_claim("job")),
                                 SEND(RELEASED GRANTED),
                                 STEP(STALL)};

    (void)state;
    test_rig *rig = start(steps, COUNT_OF(steps));
    send_command(rig, test_hand_over("job"));
    test_rig_flush(rig);
    send_command(rig, test_claim("job"));
    test_rig_await(rig, 3);
    assert_reply(rig, 1, 1, REDLOCK_ANSWER_YES);
    assert_reply(rig, 2, 2, REDLOCK_ANSWER_YES);
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

/* Only the very next command may be taken in, and only of the same name. */
static void another_name_or_command_between_keeps_them_apart(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 STEP(GREET),
                                 expect(test_hand_over("job")),
                                 expect(test_claim("jo")),
                                 expect(test_hand_over("job")),
                                 expect(test_hand_over("jo")),
                                 expect(test_claim("job")),
                                 SEND(RELEASED GRANTED RELEASED RELEASED GRANTED),
                                 STEP(STALL)};

    (void)state;
    test_rig *rig = start(steps, COUNT_OF(steps));
    send_command(rig, test_hand_over("job"));
    send_command(rig, test_claim("jo"));
    send_command(rig, test_hand_over("job"));
    send_command(rig, test_hand_over("jo"));
    send_command(rig, test_claim("job"));
    test_rig_await(rig, 6);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_reply(rig, i, i, REDLOCK_ANSWER_YES);
    }
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

/* Two pairs one behind the other, and a claim that finds its release taken already. */
static void each_release_takes_in_one_claim(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 STEP(GREET),
                                 expect(both_of("job")),
                                 expect(both_of("a")),
                                 expect(test_claim("a")),
                                 SEND(PASSED_ON PASSED_ON GRANTED),
                                 STEP(STALL)};

    (void)state;
    test_rig *rig = start(steps, COUNT_OF(steps));
    send_command(rig, test_hand_over("job"));
    send_command(rig, test_claim("job"));
    send_command(rig, test_hand_over("a"));
    send_command(rig, test_claim("a"));
    send_command(rig, test_claim("a"));
    test_rig_await(rig, 6);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_reply(rig, i, i, REDLOCK_ANSWER_YES);
    }
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

/* The release outlives the bytes that it was asked with. */
static void release_is_kept_until_the_claim_comes(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), expect(both_of("job")), SEND(PASSED_ON),
                                 STEP(STALL)};
    char name[] = "job", token[] = "tok";
    redlock_command release = test_hand_over("job");

    (void)state;
    release.name.at = (const uint8_t *)name;
    release.token.at = (const uint8_t *)token;
    test_rig *rig = start(steps, COUNT_OF(steps));
    send_command(rig, release);
    memset(name, 'x', sizeof name);
    memset(token, 'x', sizeof token);
    send_command(rig, test_claim("job"));
    test_rig_await(rig, 3);
    assert_reply(rig, 2, 2, REDLOCK_ANSWER_YES);
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

/* Both are in the dark, and the next connection begins anew. */
static void connection_that_breaks_forgets_both(void **state) {
    redlock_fake_step steps[] = {
        STEP(ACCEPT), STEP(GREET), expect(both_of("job")),    STEP(CLOSE),
        STEP(ACCEPT), STEP(GREET), expect(test_claim("job")), SEND(GRANTED),
        STEP(STALL)};

    (void)state;
    test_rig *rig = start(steps, COUNT_OF(steps));
    send_command(rig, test_hand_over("job"));
    send_command(rig, test_claim("job"));
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_LINK_DOWN);
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 3);
    test_rig_assert_up(rig, 2);
    send_command(rig, test_claim("job"));
    test_rig_await(rig, 4);
    assert_reply(rig, 3, 3, REDLOCK_ANSWER_YES);
    test_rig_end(rig);
    steps_free(steps, COUNT_OF(steps));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_command_and_one_reply_serve_both),
        cmocka_unit_test(what_is_no_answer_to_the_claim_has_it_said_again),
        cmocka_unit_test(release_that_is_written_goes_alone),
        cmocka_unit_test(another_name_or_command_between_keeps_them_apart),
        cmocka_unit_test(each_release_takes_in_one_claim),
        cmocka_unit_test(release_is_kept_until_the_claim_comes),
        cmocka_unit_test(connection_that_breaks_forgets_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
