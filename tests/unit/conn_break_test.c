/* conn_break_test.c -- how a connection ends: by the server, by the network, or hung up and destroyed from
 * here; what was said before is told, and nothing of it afterwards. */
#include "drive/conn.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rig.h"

static void replies_before_the_end_are_told_first(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 2),
                                              SEND("-ERR one\r\n-ERR tw"), STEP(CLOSE)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 2);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_down(rig, 2, REDLOCK_IO, 0, "the server closed the connection");
    test_rig_end(rig);
}

static void reset_is_told_with_its_errno(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(PAUSE), STEP(RESET)};
    (void)state;
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 2);
    test_rig_assert_down(rig, 1, REDLOCK_IO, ECONNRESET, "the connection broke");
    test_rig_end(rig);
}

/* Writing finds the end first; the server's last words are read all the same.  No SIGPIPE. */
static void last_words_are_read_after_a_failed_write(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("-ERR bye\r\n"), STEP(CLOSE)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_flush(rig);
    redlock_fake_await(rig->fake); /* it closes before we read */
    for (int i = 0; i < 3; i++) {
        test_rig_send_many(rig, 1);
        test_rig_flush(rig);
    }
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR bye");
    test_rig_assert_down(rig, 2, REDLOCK_IO, 0, "the server closed the connection");
    assert_false(test_rig_pump(rig, 0));
    test_rig_end(rig);
}

/* A follower hangs up while the leader is between poll and receive. */
static void bytes_of_a_doomed_descriptor_are_never_told(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1), SEND("-ERR old\r\n"), STEP(ACCEPT),
        STEP(GREET),  STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_flush(rig);
    struct pollfd pollfd;
    pollfd.fd = redlock_conn_poll_want(rig->conn, &pollfd.events);
    assert_int_equal(poll(&pollfd, 1, TEST_RIG_WAIT_MS), 1);
    redlock_conn_hang_up(rig->conn);
    redlock_conn_connect(rig->conn);
    redlock_conn_receive(rig->conn, pollfd.revents);
    assert_false(redlock_conn_has_news(rig->conn));
    test_rig_dispatch(rig);
    assert_int_equal(rig->count, 1);
    test_rig_await(rig, 2);
    test_rig_assert_up(rig, 1);
    test_rig_end(rig);
}

static void destroy_works_in_the_middle_of_everything(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(STALL)};
    (void)state;
    redlock_conn_destroy(NULL);
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 100);
    assert_true(redlock_conn_flush_begin(rig->conn));
    test_rig_end(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_before_the_end_are_told_first),
        cmocka_unit_test(reset_is_told_with_its_errno),
        cmocka_unit_test(last_words_are_read_after_a_failed_write),
        cmocka_unit_test(bytes_of_a_doomed_descriptor_are_never_told),
        cmocka_unit_test(destroy_works_in_the_middle_of_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
