/* claim_test.c -- which claims go with the release in front of them, in which words, and what one answer
 * means for both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steps.h"
#include "wire/claim.h"
#include "wire/step.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Each changes one thing of two that suit. */
static void grant_barges(redlock_command *release, redlock_command *grant) {
    (void)release;
    grant->barge = true;
}

static void grant_does_not_follow(redlock_command *release, redlock_command *grant) {
    (void)release;
    grant->follows = false;
}

static void grant_is_guarded(redlock_command *release, redlock_command *grant) {
    (void)release;
    grant->run_id = redlock_bytes_of("aaaa");
}

static void grant_is_said_whole(redlock_command *release, redlock_command *grant) {
    (void)release;
    grant->teach = true;
}

static void grant_is_a_renewal(redlock_command *release, redlock_command *grant) {
    (void)release;
    grant->kind = REDLOCK_COMMAND_RENEW;
}

static void name_is_another(redlock_command *release, redlock_command *grant) {
    (void)release;
    grant->name = redlock_bytes_of("jo");
}

static void release_is_plain(redlock_command *release, redlock_command *grant) {
    (void)grant;
    release->fenced = false;
}

static void release_is_said_whole(redlock_command *release, redlock_command *grant) {
    (void)grant;
    release->teach = true;
}

static void release_hands_nothing_over(redlock_command *release, redlock_command *grant) {
    (void)grant;
    release->hand_off_ms = 0;
}

static void release_stays_in_the_queue(redlock_command *release, redlock_command *grant) {
    (void)grant;
    release->place = REDLOCK_PLACE_STAY;
}

static void release_is_a_look(redlock_command *release, redlock_command *grant) {
    (void)grant;
    release->kind = REDLOCK_COMMAND_LOOK;
}

static void claims_of_the_same_name_suit_and_nothing_else(void **state) {
    static void (*const change[])(redlock_command *, redlock_command *) = {
        grant_barges,
        grant_does_not_follow,
        grant_is_guarded,
        grant_is_said_whole,

        grant_is_a_renewal,
        name_is_another,
        release_is_plain,
        release_is_said_whole,
        release_is_a_look,
        release_hands_nothing_over,
        release_stays_in_the_queue,
    };
    redlock_command release = test_hand_over("job"), grant = test_claim("job");

    (void)state;
    assert_true(redlock_claim_is_awaited(&release));
    assert_true(redlock_claim_suits(&release, &grant));
    release.place = REDLOCK_PLACE_LEAVE; /* the lock of somebody who had waited */
    assert_true(redlock_claim_suits(&release, &grant));
    for (size_t i = 0; i < COUNT(change); i++) {
        release = test_hand_over("job");
        grant = test_claim("job");
        change[i](&release, &grant);
        if (redlock_claim_suits(&release, &grant)) {
            fail_msg("change %zu is not seen", i);
        }
    }
}

static void claim_stands_behind_the_release(void **state) {
    static const char end[] = "$4\r\nnext\r\n$5\r\n30000\r\n$1\r\n6\r\n";
    redlock_command release = test_hand_over("job"), grant = test_claim("job");
    uint8_t alone[1024], both[1024];

    (void)state;
    size_t alone_len = redlock_step_encode(&release, redlock_bytes_of("p:"), alone, sizeof alone);
    release.claim = redlock_claim_of(&grant);
    size_t both_len = redlock_step_encode(&release, redlock_bytes_of("p:"), both, sizeof both);
    assert_int_equal(both_len, alone_len + strlen(end));
    assert_memory_equal(both, "*14", 3);
    assert_memory_equal(alone, "*11", 3);
    assert_memory_equal(both + 3, alone + 3, alone_len - 3);
    assert_memory_equal(both + alone_len, end, strlen(end));
}

static redlock_answer decode(const char *reply) {
    redlock_resp_reader reader;
    size_t used = 0;

    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, (const uint8_t *)reply, strlen(reply), &used),
                     REDLOCK_RESP_DONE);
    return redlock_step_decode_claimed(&reader, (const uint8_t *)reply);
}

static void one_answer_is_for_both(void **state) {
    static const struct {
        const char *reply;
        redlock_answer_kind release, grant;
        redlock_status release_status, grant_status;
        uint64_t mark, time_ms;
    } rows[] = {
        {"*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n:8\r\n", REDLOCK_ANSWER_YES, REDLOCK_ANSWER_YES,
         REDLOCK_OK, REDLOCK_OK, 8, 99},
        {"*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n:9007199254740991\r\n", REDLOCK_ANSWER_YES,
         REDLOCK_ANSWER_YES, REDLOCK_OK, REDLOCK_OK, REDLOCK_FENCE_MAX, 99},
        /* Not looked at: the claim is said again. */
        {"*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_YES, REDLOCK_ANSWER_UNSEEN, REDLOCK_OK,
         REDLOCK_REFUSED, 0, 99},
        {"*4\r\n:3\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_NO, REDLOCK_ANSWER_UNSEEN,
         REDLOCK_NOT_HELD, REDLOCK_REFUSED, 0, 99},
        {"*4\r\n:4\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_LATE, REDLOCK_ANSWER_UNSEEN,
         REDLOCK_SILENT, REDLOCK_REFUSED, 0, 99},
        /* Nothing was done for either. */
        {"-NOSCRIPT No matching script.\r\n", REDLOCK_ANSWER_FORGOT, REDLOCK_ANSWER_FORGOT,
         REDLOCK_REFUSED, REDLOCK_REFUSED, 0, 0},
        {"-OOM command not allowed\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_ERROR,
         REDLOCK_REFUSED, REDLOCK_REFUSED, 0, 0},
        {"-READONLY You can't write\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_ERROR,
         REDLOCK_REPLICA, REDLOCK_REPLICA, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_answer release = decode(rows[i].reply);
        redlock_answer grant = redlock_claim_answer(&release);

        assert_int_equal(release.kind, rows[i].release);
        assert_int_equal(release.status, rows[i].release_status);
        assert_int_equal(release.mark, 0);
        assert_int_equal(grant.kind, rows[i].grant);
        assert_int_equal(grant.status, rows[i].grant_status);
        assert_int_equal(grant.mark, rows[i].mark);
        assert_int_equal(release.time_ms, rows[i].time_ms);
        assert_int_equal(grant.time_ms, rows[i].time_ms);
    }
}

/* A server that answers what no script of ours does has given nothing to anybody. */
static void strange_answers_are_errors_of_both(void **state) {
    static const char *const rows[] = {
        "*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n:0\r\n",
        "*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n:-1\r\n",
        "*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n:9007199254740992\r\n",
        "*5\r\n:1\r\n:0\r\n:99\r\n:0\r\n$1\r\n8\r\n",
        "*5\r\n:1\r\n:8\r\n:99\r\n:0\r\n:8\r\n",
        "*5\r\n:3\r\n:0\r\n:99\r\n:0\r\n:8\r\n",
        "*5\r\n:4\r\n:0\r\n:99\r\n:0\r\n:8\r\n",
        "*5\r\n:5\r\n:0\r\n:99\r\n:0\r\n:8\r\n",
        "*6\r\n:1\r\n:0\r\n:99\r\n:0\r\n:8\r\n:8\r\n",
        "*4\r\n:1\r\n:8\r\n:99\r\n:0\r\n",
        "*0\r\n",
        ":8\r\n",
        "+OK\r\n",
        "$-1\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_answer release = decode(rows[i]);
        redlock_answer grant = redlock_claim_answer(&release);

        assert_int_equal(release.kind, REDLOCK_ANSWER_ERROR);
        assert_int_equal(release.status, REDLOCK_PROTOCOL);
        assert_int_equal(grant.kind, REDLOCK_ANSWER_ERROR);
        assert_int_equal(grant.status, REDLOCK_PROTOCOL);
        assert_int_equal(grant.mark, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_of_the_same_name_suit_and_nothing_else),
        cmocka_unit_test(claim_stands_behind_the_release),
        cmocka_unit_test(one_answer_is_for_both),
        cmocka_unit_test(strange_answers_are_errors_of_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
