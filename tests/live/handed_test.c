/* handed_test.c -- a lock that goes from one client to another on a real server: who keeps it alive holds with
 * the wake, who does not claims it first. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <redlock/metrics.h>

#include "fleet.h"

#define TTL_MS 20000
#define HAND_OFF_MS                                                                                \
    2000 /* so long the server keeps for who was handed the name and does not speak */

static test_fleet fleet;

static int group_setup(void **state) {
    (void)state;
    test_fleet_start(&fleet, 1, false);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_fleet_stop(&fleet);
    return 0;
}

typedef struct waiter {
    redlock_client *client;
    redlock_lock *lock;
    pthread_t thread;
    int64_t renew_ms, remaining_ms;
    int status;
} waiter;

static void *wait_for_it(void *arg) {
    waiter *at = arg;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);

    options.ttl_ms = TTL_MS;
    options.renew_ms = at->renew_ms;
    options.wait_ms = TEST_PATIENCE_MS;
    at->status = redlock_acquire(at->client, "job", 3, &options, &at->lock, NULL);
    if (at->status == REDLOCK_OK) {
        at->remaining_ms = redlock_lock_remaining_ms(at->lock);
    }
    return NULL;
}

static redlock_metrics metrics_of(redlock_client *client) {
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);

    assert_int_equal(redlock_client_metrics(client, &metrics), REDLOCK_OK);
    return metrics;
}

static void await_queued(redlock_client *client) {
    redlock_info info = REDLOCK_INIT(redlock_info);
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;

    while (info.waiter_count != 1 && test_now_ms() < until) {
        test_nap_ms(5);
        assert_int_equal(redlock_inspect(client, "job", 3, &info, NULL), REDLOCK_OK);
    }
    test_nap_ms(100); /* it asks once more when its subscription is confirmed */
}

/* From a holder to a waiter of another client. */
static void hand_over(waiter *at) {
    redlock_client *holder = test_fleet_client(&fleet, NULL);
    redlock_lock *lock = test_take(holder, "job", TTL_MS);
    uint64_t fence = redlock_lock_fence(lock);

    at->client = test_fleet_client(&fleet, NULL);
    assert_int_equal(pthread_create(&at->thread, NULL, wait_for_it, at), 0);
    await_queued(holder);
    test_give(lock);
    assert_int_equal(pthread_join(at->thread, NULL), 0);
    assert_int_equal(at->status, REDLOCK_OK);
    assert_int_equal(redlock_lock_fence(at->lock), fence + 1);
    assert_int_equal(metrics_of(at->client).handovers, 1);
    redlock_client_destroy(holder);
}

static void let_go(waiter *at) {
    test_give(at->lock);
    redlock_client_destroy(at->client);
    test_fleet_assert_free(&fleet, 3000);
}

/* Its first deadline is within the hand-off; the renewal behind it is not waited for by anybody. */
static void who_keeps_it_alive_holds_with_the_wake(void **state) {
    waiter at = {.renew_ms = 5000};
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;

    (void)state;
    hand_over(&at);
    assert_true(at.remaining_ms > 0);
    while (metrics_of(at.client).renewals == 0 && test_now_ms() < until) {
        test_nap_ms(1);
    }
    assert_int_equal(metrics_of(at.client).renewals, 1);
    assert_true(redlock_lock_remaining_ms(at.lock) > HAND_OFF_MS);
    assert_true(test_pttl(fleet.server[0], "job") > HAND_OFF_MS);
    let_go(&at);
}

static void who_does_not_keep_it_alive_has_all_of_its_time(void **state) {
    waiter at = {.renew_ms = REDLOCK_NO_RENEW};

    (void)state;
    hand_over(&at);
    assert_true(at.remaining_ms > HAND_OFF_MS);
    assert_int_equal(metrics_of(at.client).renewals, 0);
    let_go(&at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_keeps_it_alive_holds_with_the_wake),
        cmocka_unit_test(who_does_not_keep_it_alive_has_all_of_its_time),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
