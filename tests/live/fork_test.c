/* fork_test.c -- a forked child inherits memory and descriptors, but no lock: everything it asks is
 * answered at once, nothing it does reaches a server, and the parent's lock lives on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <redlock/metrics.h>

#include "fleet.h"

static test_fleet fleet;
static test_server *server;
static redlock_client *client;

static int group_setup(void **state) {
    (void)state;
    test_fleet_start(&fleet, 1, false);
    server = fleet.server[0];
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_fleet_stop(&fleet);
    return 0;
}

static int setup(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.flags = REDLOCK_CLIENT_EVENT_QUEUE;
    client = test_fleet_client(&fleet, &options);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_assert_free(&fleet, 0);
    return 0;
}

/* The first wrong answer's line, for the exit status; 0: all is well.  Children assert nothing: a
 * cmocka failure in there would run the parent's tests once more. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return __LINE__ - line;                                                                \
        }                                                                                          \
    } while (0)

/* Whether the child has lost a byte; the sanitizer looks only when it is asked, for _exit skips it. */
static bool leaks(void) {
#ifdef __SANITIZE_ADDRESS__
    return __lsan_do_recoverable_leak_check() != 0;
#else
    return false;
#endif
}

static int child_asks(redlock_lock *lock) {
    const int line = __LINE__;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_event event = REDLOCK_INIT(redlock_event);
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
    redlock_node_metrics node_metrics = REDLOCK_INIT(redlock_node_metrics);
    redlock_lock *none = NULL;
    redlock_wait *wait = NULL;
    EXPECT(!redlock_lock_is_held(lock));
    EXPECT(redlock_lock_remaining_ms(lock) == 0);
    EXPECT(redlock_lock_lost_fd(lock) == -1);
    EXPECT(redlock_client_event_fd(client) == -1);
    EXPECT(redlock_client_next_event(client, &event) == 0);
    EXPECT(redlock_acquire(client, "other", 5, NULL, &none, &report) == REDLOCK_FORKED);
    EXPECT(report.status == REDLOCK_FORKED && report.sentence[0] != '\0');
    EXPECT(redlock_adopt(client, "other", 5, "t", 1, 0, NULL, &none, &report) == REDLOCK_FORKED);
    EXPECT(redlock_extend(lock, 0, &report) == REDLOCK_FORKED);
    EXPECT(redlock_try_extend(lock, 0, &report) == REDLOCK_FORKED);
    EXPECT(redlock_inspect(client, "job", 3, &info, &report) == REDLOCK_FORKED);
    EXPECT(redlock_client_metrics(client, &metrics) == REDLOCK_FORKED);
    EXPECT(redlock_client_node_metrics(client, 0, &node_metrics) == REDLOCK_FORKED);
    EXPECT(redlock_break(client, "job", 3, &info, &report) == REDLOCK_FORKED);
    EXPECT(redlock_wait_create(client, &wait) == REDLOCK_OK);
    redlock_cancel(wait);
    redlock_wait_destroy(wait);
    EXPECT(redlock_lock_fence(lock) != 0); /* what never changes may still be read */
    EXPECT(strcmp(redlock_lock_name(lock, NULL), "job") == 0);
    EXPECT(redlock_release(lock, &report) == REDLOCK_FORKED);
    redlock_client_destroy(client);
    EXPECT(!leaks());
    return 0;
}

/* A client of its own works in the child, beside the parent's. */
static int child_works(redlock_lock *lock) {
    const int line = __LINE__;
    redlock_client *own = NULL;
    redlock_lock *mine = NULL;
    (void)lock;
    EXPECT(redlock_client_create(fleet.url, 1, NULL, &own, NULL) == REDLOCK_OK);
    EXPECT(test_acquire(own, "job", NULL, &mine, NULL) == REDLOCK_HELD);
    EXPECT(test_acquire(own, "mine", NULL, &mine, NULL) == REDLOCK_OK);
    EXPECT(redlock_lock_is_held(mine));
    EXPECT(redlock_release(mine, NULL) == REDLOCK_OK);
    redlock_client_destroy(own);
    redlock_client_destroy(client);
    return 0;
}

/* Of a build that counts what is run, which _exit would lose. */
extern void __gcov_dump(void) __attribute__((weak));

static void in_child(int (*work)(redlock_lock *), redlock_lock *lock) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* a child that hangs ends by itself */
        int said = work(lock);
        if (__gcov_dump != NULL) {
            __gcov_dump();
        }
        _exit(said);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int64_t info_number(const char *field) {
    char *said = test_server_ask(server, "INFO", "all", NULL);
    assert_non_null(said);
    const char *at = strstr(said, field);
    int64_t number = at != NULL ? strtoll(at + strlen(field), NULL, 10) : -1;
    free(said);
    return number;
}

static void child_is_told_and_server_is_not(void **state) {
    (void)state;
    redlock_lock *lock = test_take_unkept(client, "job", 20000);
    assert_true(redlock_lock_lost_fd(lock) >= 0);
    int64_t before = info_number("total_commands_processed:");
    int64_t came = info_number("total_connections_received:");
    int64_t own = info_number("total_commands_processed:") - before; /* what two questions cost */
    int64_t here = info_number("connected_clients:");
    before = info_number("total_commands_processed:");
    in_child(child_asks, lock);
    int64_t after = info_number("total_commands_processed:");
    assert_int_equal(after - before, own / 2);
    assert_int_equal(info_number("connected_clients:"), here);
    assert_true(info_number("total_connections_received:") - came <= 6); /* the questions' own */
    assert_true(redlock_lock_is_held(lock));
    assert_true(test_value_is(server, "job", redlock_lock_token(lock, NULL)));
    test_give(lock);
}

static void parent_goes_on_renewing(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 300);
    int64_t reconnects = info_number("total_connections_received:");
    in_child(child_asks, lock);
    assert_true(redlock_lock_is_held(lock));
    assert_true(test_is_renewed(lock));
    assert_true(test_is_renewed(lock));
    assert_true(info_number("total_connections_received:") - reconnects <=
                1); /* the same connection */
    test_give(lock);
    test_give(test_take(client, "job", 900));
}

static void child_makes_a_client_of_its_own(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 300);
    in_child(child_works, lock);
    assert_true(test_is_renewed(lock));
    test_give(lock);
}

static int child_exits(redlock_lock *lock) {
    (void)lock;
    return 0;
}

/* A child that just ends, as after exec or a crash: the parent's sockets stay open. */
static void child_that_ends_changes_nothing(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 300);
    for (int i = 0; i < 10; i++) {
        in_child(child_exits, lock);
    }
    assert_true(test_is_renewed(lock));
    test_give(lock);
}

static int child_forks_again(redlock_lock *lock) {
    int status = 0;
    pid_t grandchild = fork();
    if (grandchild == 0) {
        _exit(child_asks(lock));
    }
    return waitpid(grandchild, &status, 0) == grandchild && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                              : 255;
}

static void grandchild_is_told_too(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 300);
    in_child(child_forks_again, lock);
    assert_true(test_is_renewed(lock));
    test_give(lock);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(child_is_told_and_server_is_not), LIVE(parent_goes_on_renewing),
        LIVE(child_makes_a_client_of_its_own), LIVE(child_that_ends_changes_nothing),
        LIVE(grandchild_is_told_too),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
