/* conn_greeting_test.c -- a connection's greeting: cut at any byte, refused, or no greeting at all; and the
 * scripts that the server lacks, taught in front of the first command. */
#include "drive/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "script/script.h"

/* --- the greeting ----------------------------------------------------------------------------- */

static void greeting_cut_in_two(size_t cut) {
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(EXPECT), STEP(SEND),
                                 STEP(PAUSE),  STEP(SEND),   STEP(STALL)};
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    steps[1].bytes = (redlock_bytes){rig->greeting, rig->greeting_len};
    steps[2].bytes = (redlock_bytes){rig->replies, cut};
    steps[4].bytes = (redlock_bytes){rig->replies + cut, rig->replies_len - cut};
    test_rig_serve(rig, rig->path, steps, COUNT_OF(steps));
    redlock_conn_connect(rig->conn);
    while (!test_rig_pump(rig, TEST_RIG_WAIT_MS)) {
    }
    assert_int_equal(rig->count, 0);
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_end(rig);
}

static void greeting_may_be_cut_at_every_byte(void **state) {
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    size_t len = rig->replies_len;
    test_rig_free(rig);
    for (size_t cut = 1; cut < len; cut++) {
        greeting_cut_in_two(cut);
    }
}

static void greeting_may_come_byte_by_byte(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(EXPECT), STEP(SEND_SLOWLY), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    steps[1].bytes = (redlock_bytes){rig->greeting, rig->greeting_len};
    steps[2].bytes = (redlock_bytes){rig->replies, rig->replies_len};
    test_rig_serve(rig, rig->path, steps, COUNT_OF(steps));
    redlock_conn_connect(rig->conn);
    for (size_t i = 0; i < rig->replies_len; i++) {
        assert_int_equal(rig->count, 0);
        redlock_fake_go(rig->fake);
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_end(rig);
}

static void greeting_that_is_not_resp_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), SEND("HTTP/1.1 400 Bad Request\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(test_rig_seen(rig, 0)->status, REDLOCK_PROTOCOL);
    assert_memory_equal(test_rig_seen(rig, 0)->text, "not RESP: ", 10);
    assert_true(strlen(test_rig_seen(rig, 0)->text) > 10);
    test_rig_end(rig);
}

#define NOAUTH "-NOAUTH Authentication required.\r\n"

static void greeting_that_is_refused_ends_the_link(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        SEND(NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH
                 NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH),
        STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(test_rig_seen(rig, 0)->status, REDLOCK_AUTH_REQUIRED);
    assert_false(test_rig_pump(rig, 0)); /* nothing more from the replies behind */
    test_rig_end(rig);
}

static void server_that_closes_in_the_greeting_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(CLOSE)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->status, REDLOCK_IO);
    test_rig_end(rig);
}

/* --- a server that votes alone ---------------------------------------------------------------- */

#define HELLO_OF(role)                                                                             \
    "*8\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$4\r\nmode\r\n"         \
    "$10\r\nstandalone\r\n$4\r\nrole\r\n" role "\r\n"
#define THE_REST                                                                                   \
    "*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n*2\r\n$10\r\n1700000000\r\n$"           \
    "1\r\n0\r\n+OK\r\n"                                                                            \
    "*3\r\n:1\r\n:1\r\n:1\r\n"

static test_rig *rig_start_alone(const redlock_fake_step *steps, uint32_t count) {
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    test_rig_serve(rig, rig->path, steps, count);
    redlock_conn_vote_alone(rig->conn);
    redlock_conn_connect(rig->conn);
    return rig;
}

static void alone_a_master_is_asked_once(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP_COUNT(COMMANDS, 5),
                                              SEND(HELLO_OF("$6\r\nmaster") THE_REST), STEP(STALL)};
    (void)state;
    test_rig *rig = rig_start_alone(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_LINK_UP);
    assert_string_equal(test_rig_seen(rig, 0)->text, ""); /* its run id was not asked for */
    assert_string_equal(redlock_conn_hello(rig->conn)->version, "7.0.15");
    test_rig_end(rig);
}

static void alone_a_replica_is_asked_whose_it_is(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        STEP_COUNT(COMMANDS, 5),
        SEND(HELLO_OF("$7\r\nreplica") THE_REST),
        STEP_COUNT(COMMANDS, 2),
        SEND("$20\r\nredis_version:7.0.15\r\n$49\r\nrole:slave\r\nmaster_host:10.0.0.1\r\n"
             "master_port:1\r\n\r\n"),
        STEP(STALL)};
    (void)state;
    test_rig *rig = rig_start_alone(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_assert_down(rig, 0, REDLOCK_REPLICA, 0, "replica of 10.0.0.1:1");
    test_rig_end(rig);
}

/* --- scripts ---------------------------------------------------------------------------------- */

/* A server that does not know one of the scripts.  `answers` comes after all of them and a command. */
static test_rig *rig_start_unlearned(const redlock_fake_step *answers) {
    redlock_hello hello = {.status = REDLOCK_OK, .lacks_scripts = true};
    static uint8_t script[REDLOCK_HELLO_BYTES_MAX];
    size_t script_len = redlock_hello_teach(&hello, script, sizeof script);
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    assert_memory_equal(rig->replies + rig->replies_len - 12, ":1\r\n:1\r\n", 8);
    rig->replies[rig->replies_len - 11] = '0';
    const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        {.kind = REDLOCK_FAKE_EXPECT, .bytes = {rig->greeting, rig->greeting_len}},
        {.kind = REDLOCK_FAKE_SEND, .bytes = {rig->replies, rig->replies_len}},
        {.kind = REDLOCK_FAKE_EXPECT, .bytes = {script, script_len}},
        STEP_COUNT(COMMANDS, 1),
        *answers,
        STEP(STALL)};
    rig->fake = redlock_fake_start(rig->path, steps, COUNT_OF(steps));
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_send_many(rig, 1);
    return rig;
}

static void scripts_are_taught_in_front_of_the_first_command(void **state) {
    char said[1024];
    size_t len = 0;
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        len += (size_t)snprintf(said + len, sizeof said - len, "$40\r\n%s\r\n",
                                redlock_script_of((redlock_command_kind)kind)->sha1);
    }
    (void)snprintf(said + len, sizeof said - len, "-ERR x\r\n");
    const redlock_fake_step answers = {.kind = REDLOCK_FAKE_SEND, .bytes = redlock_bytes_of(said)};
    (void)state;
    test_rig *rig = rig_start_unlearned(&answers);
    test_rig_await(rig, 2);
    test_rig_assert_error_reply(rig, 1, 1, "ERR x");
    test_rig_end(rig);
}

static void script_that_is_refused_ends_the_link(void **state) {
    static const redlock_fake_step answers = SEND("-NOPERM no scripts\r\n-NOSCRIPT x\r\n");
    (void)state;
    test_rig *rig = rig_start_unlearned(&answers);
    test_rig_await(rig, 2);
    test_rig_assert_down(rig, 1, REDLOCK_NO_PERMISSION, 0, "NOPERM no scripts");
    test_rig_end(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting_may_be_cut_at_every_byte),
        cmocka_unit_test(greeting_may_come_byte_by_byte),
        cmocka_unit_test(greeting_that_is_not_resp_is_told),
        cmocka_unit_test(greeting_that_is_refused_ends_the_link),
        cmocka_unit_test(server_that_closes_in_the_greeting_is_told),
        cmocka_unit_test(alone_a_master_is_asked_once),
        cmocka_unit_test(alone_a_replica_is_asked_whose_it_is),
        cmocka_unit_test(scripts_are_taught_in_front_of_the_first_command),
        cmocka_unit_test(script_that_is_refused_ends_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
