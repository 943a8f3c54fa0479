/* conn_reply_test.c -- replies on a connection: in order whatever their pieces, one for several renewals,
 * none that is malformed, too large or not asked for; and a sink that hangs up while it takes one. */
#include "drive/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

/* --- in order --------------------------------------------------------------------------------- */

static void replies_may_come_byte_by_byte(void **state) {
    static const char replies[] = "-ERR one\r\n-ERR two\r\n-ERR three\r\n";
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 3),
                                 STEP(SEND_SLOWLY), STEP(STALL)};
    (void)state;
    steps[3].bytes = redlock_bytes_of(replies);
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 3);
    for (size_t i = 0; i < sizeof replies - 1; i++) {
        redlock_fake_go(rig->fake);
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    test_rig_await(rig, 4);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_error_reply(rig, 2, 2, "ERR two");
    test_rig_assert_error_reply(rig, 3, 3, "ERR three");
    test_rig_end(rig);
}

static void plain_grant_is_answered_yes(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("+OK\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->answer, REDLOCK_ANSWER_YES);
    test_rig_end(rig);
}

static void many_commands_are_answered_in_order(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1000),
                                              {.kind = REDLOCK_FAKE_SEND_TIMES,
                                               .count = 1000,
                                               .bytes = {(const uint8_t *)"-ERR x\r\n", 8}},
                                              STEP_COUNT(COMMANDS, 1000),
                                              {.kind = REDLOCK_FAKE_SEND_TIMES,
                                               .count = 1000,
                                               .bytes = {(const uint8_t *)"-ERR y\r\n", 8}},
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    for (uint32_t round = 0; round < 2; round++) {
        test_rig_send_many(rig, 1000);
        test_rig_await(rig, 1001 + round * 1000);
    }
    for (uint32_t i = 1; i <= 2000; i++) {
        test_rig_assert_error_reply(rig, i, i, i <= 1000 ? "ERR x" : "ERR y");
    }
    test_rig_end(rig);
}

static void rig_renew(test_rig *rig, const char *name, uint64_t ttl_ms) {
    redlock_command command = {.kind = REDLOCK_COMMAND_RENEW,
                               .fenced = true,
                               .name = redlock_bytes_of(name),
                               .token = redlock_bytes_of("0123456789abcdef"),
                               .fence = 7,
                               .ttl_ms = ttl_ms};
    redlock_conn_send(rig->conn, ++rig->next_tag, &command);
}

#define RENEWED_HEAD(elements) "*" #elements "\r\n:1\r\n:0\r\n:99\r\n:0\r\n"
#define RENEWED ":1\r\n:7\r\n$0\r\n\r\n"
#define DENIED ":3\r\n:7\r\n$0\r\n\r\n"

/* Seven commands, in five: what is sent in between keeps its place, and so does each answer. */
static void renewals_in_a_row_share_a_command(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        STEP(GREET),
        STEP_COUNT(COMMANDS, 5),
        SEND("-ERR a\r\n" RENEWED_HEAD(13) RENEWED DENIED RENEWED "-ERR b\r\n"),
        SEND(RENEWED_HEAD(7) RENEWED "-ERR c\r\n"),
        STEP(STALL)};
    static const redlock_answer_kind kinds[] = {
        REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_YES, REDLOCK_ANSWER_NO,   REDLOCK_ANSWER_YES,
        REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_YES, REDLOCK_ANSWER_ERROR};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send(rig, redlock_bytes_of("name"));
    rig_renew(rig, "a", 10000);
    rig_renew(rig, "b", 10000);
    rig_renew(rig, "c", 10000);
    test_rig_send(rig, redlock_bytes_of("name"));
    rig_renew(rig, "d", 10000);
    rig_renew(rig, "e", 20000); /* another ttl: a command of its own */
    test_rig_await(rig, 8);
    for (uint32_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_int_equal(test_rig_seen(rig, 1 + i)->tag, 1 + i);
        assert_int_equal(test_rig_seen(rig, 1 + i)->answer, kinds[i]);
    }
    test_rig_end(rig);
}

/* --- wrong ------------------------------------------------------------------------------------ */

static void malformed_reply_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 2),
                                              SEND("-ERR one\r\n?what\r\n-ERR two\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 2);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    assert_int_equal(test_rig_seen(rig, 2)->status, REDLOCK_PROTOCOL);
    assert_true(strlen(test_rig_seen(rig, 2)->text) > 0);
    test_rig_end(rig);
}

static void reply_that_nobody_asked_for_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("-ERR one\r\n-ERR two\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_down(rig, 2, REDLOCK_PROTOCOL, 0, "a reply that nobody asked for");
    test_rig_end(rig);
}

static void endless_bulk_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("$999999999\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->status, REDLOCK_PROTOCOL);
    test_rig_end(rig);
}

/* Each part is within the codec's caps; the whole is more than a connection keeps. */
static void oversized_reply_is_told(void **state) {
    static uint8_t bulk[8 + 60000 + 2];
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 STEP(GREET),
                                 STEP_COUNT(COMMANDS, 1),
                                 SEND("*10\r\n"),
                                 STEP_COUNT(SEND_TIMES, 4),
                                 STEP(PAUSE),
                                 STEP_COUNT(SEND_TIMES, 6)};
    (void)state;
    memset(bulk, 'b', sizeof bulk);
    memcpy(bulk, "$60000\r\n", 8);
    memcpy(bulk + sizeof bulk - 2, "\r\n", 2);
    steps[4].bytes = (redlock_bytes){bulk, sizeof bulk};
    steps[6].bytes = (redlock_bytes){bulk, sizeof bulk};
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(test_rig_seen(rig, 1)->status, REDLOCK_PROTOCOL);
    (void)redlock_fake_finish(rig->fake, NULL); /* it may be stuck in sending the rest */
    test_rig_free(rig);
}

/* --- a sink that hangs up --------------------------------------------------------------------- */

static void react_by_reconnecting(test_rig *rig, const redlock_fact *fact) {
    if (fact->kind == REDLOCK_FACT_REPLY) {
        rig->react = NULL;
        redlock_conn_hang_up(rig->conn);
        redlock_conn_connect(rig->conn);
    }
}

/* The replies behind the first belong to a link that is gone: the next one must not see them. */
static void sink_may_hang_up_and_connect(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 3),
                                              SEND("-ERR one\r\n-ERR two\r\n-ERR thr"),
                                              STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1),
                                              SEND("-ERR new\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    rig->react = react_by_reconnecting;
    test_rig_send_many(rig, 3);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_up(rig, 2);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 4);
    test_rig_assert_error_reply(rig, 3, 4, "ERR new");
    test_rig_end(rig);
}

/* The first of three that one reply answers ends the link. */
static void sink_may_hang_up_inside_of_a_reply(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1),
                                              SEND(RENEWED_HEAD(13) RENEWED RENEWED RENEWED),
                                              STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1),
                                              SEND(RENEWED_HEAD(7) DENIED),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    rig->react = react_by_reconnecting;
    for (uint32_t i = 0; i < 3; i++) {
        rig_renew(rig, "name", 10000);
    }
    test_rig_await(rig, 3);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 1);
    test_rig_assert_up(rig, 2);
    rig_renew(rig, "name", 10000);
    test_rig_await(rig, 4);
    assert_int_equal(test_rig_seen(rig, 3)->tag, 4);
    assert_int_equal(test_rig_seen(rig, 3)->answer, REDLOCK_ANSWER_NO);
    test_rig_end(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_may_come_byte_by_byte),
        cmocka_unit_test(plain_grant_is_answered_yes),
        cmocka_unit_test(many_commands_are_answered_in_order),
        cmocka_unit_test(renewals_in_a_row_share_a_command),
        cmocka_unit_test(malformed_reply_is_told),
        cmocka_unit_test(reply_that_nobody_asked_for_is_told),
        cmocka_unit_test(endless_bulk_is_told),
        cmocka_unit_test(oversized_reply_is_told),
        cmocka_unit_test(sink_may_hang_up_and_connect),
        cmocka_unit_test(sink_may_hang_up_inside_of_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
