/* conn_listen_test.c -- a connection that only listens: it hears wakes until something that is none. */
#include "drive/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define CHANNEL "0123456789abcdef0123456789abcdef"
#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$45\r\nredlock:wake:" CHANNEL "\r\n:1\r\n"
#define MESSAGE(words) "*3\r\n$7\r\nmessage\r\n$45\r\nredlock:wake:" CHANNEL "\r\n" words "\r\n"

/* After CLIENT SETNAME and SUBSCRIBE the server says what `steps` say. */
static test_rig *rig_listen(const redlock_fake_step *steps, uint32_t count) {
    static const redlock_fake_step greeting[] = {STEP(ACCEPT), STEP_COUNT(COMMANDS, 2),
                                                 SEND("+OK\r\n")};
    redlock_fake_step all[REDLOCK_FAKE_STEPS_MAX];
    test_rig *rig = test_rig_create();
    rig->url.scheme = REDLOCK_URL_UNIX;
    memcpy(rig->url.path, rig->path, sizeof rig->path);
    rig->conn = redlock_conn_create_listening(3, &rig->url, redlock_bytes_of("redlock-test"),
                                              redlock_bytes_of(CHANNEL), rig->resolver);
    assert_non_null(rig->conn);
    memcpy(all, greeting, sizeof greeting);
    memcpy(all + COUNT_OF(greeting), steps, count * sizeof steps[0]);
    test_rig_serve(rig, rig->path, all, COUNT_OF(greeting) + count);
    redlock_conn_connect(rig->conn);
    return rig;
}

static void listener_hears_wakes_until_the_end(void **state) {
    static const redlock_fake_step steps[] = {
        SEND(SUBSCRIBED MESSAGE("$1\r\n7") MESSAGE("$5\r\nhello")),
        SEND(MESSAGE("$20\r\n18446744073709551615")), STEP(CLOSE)};
    (void)state;
    test_rig *rig = rig_listen(steps, COUNT_OF(steps));
    test_rig_await(rig, 4);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_SUBSCRIBED);
    assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_WAKE);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 7);
    assert_int_equal(test_rig_seen(rig, 2)->kind, REDLOCK_FACT_WAKE);
    assert_true(test_rig_seen(rig, 2)->tag == UINT64_MAX);
    assert_int_equal(test_rig_seen(rig, 3)->kind, REDLOCK_FACT_UNSUBSCRIBED);
    test_rig_end(rig);
}

static void listener_hears_wakes_byte_by_byte(void **state) {
    static const redlock_fake_step steps[] = {
        {.kind = REDLOCK_FAKE_SEND_SLOWLY,
         .bytes = {(const uint8_t *)SUBSCRIBED MESSAGE("$1\r\n7"),
                   sizeof SUBSCRIBED MESSAGE("$1\r\n7") - 1}},
        STEP(STALL)};
    (void)state;
    test_rig *rig = rig_listen(steps, COUNT_OF(steps));
    for (uint32_t i = 0; rig->count < 2; i++) {
        assert_true(i < 1000);
        redlock_fake_go(rig->fake);
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_SUBSCRIBED);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 7);
    test_rig_end(rig);
}

static void listener_that_is_refused_is_told(void **state) {
    static const redlock_fake_step rows[][2] = {
        {SEND("-NOPERM this user has no permissions\r\n"), STEP(STALL)},
        {SEND("+OK\r\n"), STEP(STALL)},
        {SEND("hello\r\n"), STEP(STALL)},
        {STEP(CLOSE), STEP(STALL)},
    };
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        test_rig *rig = rig_listen(rows[i], rows[i][0].kind == REDLOCK_FAKE_CLOSE ? 1 : 2);
        test_rig_await(rig, 1);
        assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_UNSUBSCRIBED);
        test_rig_end(rig);
    }
}

static void listener_ends_with_what_is_no_message(void **state) {
    static const redlock_fake_step rows[][2] = {
        {SEND(SUBSCRIBED ":7\r\n" MESSAGE("$1\r\n7")), STEP(STALL)},
        {SEND(SUBSCRIBED "-ERR no\r\n" MESSAGE("$1\r\n7")), STEP(STALL)},
        {SEND(SUBSCRIBED "?\r\n"), STEP(STALL)},
    };
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        test_rig *rig = rig_listen(rows[i], 2);
        test_rig_await(rig, 2);
        assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_SUBSCRIBED);
        assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_UNSUBSCRIBED);
        test_rig_end(rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listener_hears_wakes_until_the_end),
        cmocka_unit_test(listener_hears_wakes_byte_by_byte),
        cmocka_unit_test(listener_that_is_refused_is_told),
        cmocka_unit_test(listener_ends_with_what_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
