/* metrics_test.c -- what a client counts, on real servers: known sequences have known numbers. */
#include <pthread.h>
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

#include <redlock/metrics.h>

#include "fleet.h"

#define PATIENCE_MS 20000

static test_fleet fleet;
static redlock_client *client;

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

static int setup(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.release_timeout_ms = 400;
    client = test_fleet_client(&fleet, &options);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_assert_free(&fleet, 3000);
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static uint64_t bucket_sum(const redlock_timing *timing) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < REDLOCK_TIMING_BUCKETS; i++) {
        sum += timing->bucket[i];
    }
    return sum;
}

static void assert_whole(const redlock_timing *timing) {
    assert_int_equal(bucket_sum(timing), timing->count);
    assert_true(timing->sum_us <= timing->count * timing->max_us);
    assert_true(redlock_timing_quantile_us(timing, 1000) <= (int64_t)timing->max_us);
}

static redlock_metrics metrics_of(redlock_client *of) {
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
    assert_int_equal(redlock_client_metrics(of, &metrics), REDLOCK_OK);
    assert_int_equal(metrics.struct_size, sizeof metrics);
    assert_whole(&metrics.acquire);
    assert_whole(&metrics.wait);
    assert_whole(&metrics.hold);
    assert_whole(&metrics.renew);
    return metrics;
}

static redlock_node_metrics node_of(redlock_client *of, uint32_t node) {
    redlock_node_metrics metrics = REDLOCK_INIT(redlock_node_metrics);
    assert_int_equal(redlock_client_node_metrics(of, node, &metrics), REDLOCK_OK);
    assert_int_equal(metrics.struct_size, sizeof metrics);
    assert_whole(&metrics.round_trip);
    return metrics;
}

static uint64_t answer_sum(const uint64_t answers[REDLOCK_ANSWERS]) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < REDLOCK_ANSWERS; i++) {
        sum += answers[i];
    }
    return sum;
}

static int try_for(redlock_client *by, int64_t wait_ms, redlock_wait *wait) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    options.wait_ms = wait_ms;
    options.wait = wait;
    int status = redlock_acquire(by, "job", 3, &options, &lock, NULL);
    if (status == REDLOCK_OK) {
        test_give(lock);
    }
    return status;
}

/* --- tests ----------------------------------------------------------------------------------- */

/* A login is in no metric. */
static void assert_is_where(const char *where, const test_server *server) {
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "unix://%s", test_server_socket(server));
    assert_string_equal(where, wanted);
}

static void new_client_has_done_nothing(void **state) {
    (void)state;
    redlock_metrics zero = {.struct_size = sizeof zero, .node_count = 1};
    redlock_metrics metrics = metrics_of(client);
    assert_memory_equal(&metrics, &zero, sizeof zero);
    redlock_node_metrics node = node_of(client, 0);
    assert_int_equal(node.commands + node.answers + node.connects + node.is_up, 0);
    assert_is_where(node.where, fleet.server[0]);
}

static void locks_taken_and_given(void **state) {
    (void)state;
    for (int i = 0; i < 25; i++) {
        redlock_lock *lock = test_take(client, "job", 5000);
        assert_int_equal(metrics_of(client).locks_held, 1);
        test_give(lock);
    }
    redlock_metrics metrics = metrics_of(client);
    assert_int_equal(metrics.acquires[0], 25);
    assert_int_equal(answer_sum(metrics.acquires), 25);
    assert_int_equal(metrics.releases[0], 25);
    assert_int_equal(answer_sum(metrics.releases), 25);
    assert_int_equal(metrics.acquire.count, 25);
    assert_int_equal(metrics.hold.count, 25);
    assert_int_equal(metrics.locks_held + metrics.acquires_going, 0);
    assert_int_equal(metrics.wait.count + metrics.handovers + metrics.losses, 0);
    assert_true(metrics.acquire.max_us >= 1);
    redlock_node_metrics node = node_of(client, 0);
    assert_int_equal(node.commands, 50); /* a GRANT and a RELEASE each */
    assert_int_equal(node.answers, 50);
    assert_int_equal(node.round_trip.count, 50);
    assert_int_equal(node.connects, 1);
    assert_int_equal(node.is_up, 1);
    assert_int_equal(node.unanswered + node.disconnects + node.connects_failed, 0);
    assert_int_equal(answer_sum(node.errors), 0);
}

static void refusals(void **state) {
    (void)state;
    redlock_client *other = test_fleet_client(&fleet, NULL);
    redlock_wait *wait = NULL;
    redlock_lock *lock = test_take(client, "job", 20000);
    assert_int_equal(try_for(other, 0, NULL), REDLOCK_HELD);
    assert_int_equal(try_for(other, 0, NULL), REDLOCK_HELD);
    assert_int_equal(try_for(other, 150, NULL), REDLOCK_TIMEOUT);
    assert_int_equal(redlock_wait_create(other, &wait), REDLOCK_OK);
    redlock_cancel(wait);
    assert_int_equal(try_for(other, PATIENCE_MS, wait), REDLOCK_CANCELED);
    redlock_wait_destroy(wait);
    redlock_metrics metrics = metrics_of(other);
    assert_int_equal(metrics.acquires[-REDLOCK_HELD], 2);
    assert_int_equal(metrics.acquires[-REDLOCK_TIMEOUT], 1);
    assert_int_equal(metrics.acquires[-REDLOCK_CANCELED], 1);
    assert_int_equal(answer_sum(metrics.acquires), 4);
    assert_int_equal(metrics.acquire.count, 0);
    assert_int_equal(metrics.wait.count, 1); /* the one that stood in the queue */
    assert_in_range(metrics.wait.max_us, 150000, PATIENCE_MS * 1000);
    assert_int_equal(answer_sum(node_of(other, 0).errors), 0); /* to say no is no error */
    test_give(lock);
    redlock_client_destroy(other);
}

static void wrong_arguments_are_not_counted(void **state) {
    (void)state;
    redlock_lock *lock = NULL;
    assert_int_equal(redlock_acquire(client, "", 0, NULL, &lock, NULL), REDLOCK_BAD_NAME);
    assert_int_equal(answer_sum(metrics_of(client).acquires), 0);
}

typedef struct waiter {
    redlock_client *client;
    int status;
} waiter;

static void *wait_for_it(void *arg) {
    waiter *at = arg;
    at->status = try_for(at->client, PATIENCE_MS, NULL);
    return NULL;
}

static void await_going(redlock_client *of, uint32_t count) {
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (metrics_of(of).acquires_going != count && test_now_ms() < until) {
        test_nap_ms(2);
    }
    assert_int_equal(metrics_of(of).acquires_going, count);
}

static bool queue_has(int64_t count) {
    redlock_info info = REDLOCK_INIT(redlock_info);
    return redlock_inspect(client, "job", 3, &info, NULL) == REDLOCK_OK &&
           info.waiter_count == count;
}

static void lock_is_handed_over(void **state) {
    (void)state;
    waiter at = {.client = test_fleet_client(&fleet, NULL), .status = 1};
    pthread_t thread;
    /* A first wait opens the connection that wakes are heard on. */
    redlock_lock *lock = test_take(client, "job", 20000);
    assert_int_equal(try_for(at.client, 300, NULL), REDLOCK_TIMEOUT);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_it, &at), 0);
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (!queue_has(1) && test_now_ms() < until) {
        test_nap_ms(5);
    }
    await_going(at.client, 1);
    test_give(lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(at.status, REDLOCK_OK);
    redlock_metrics metrics = metrics_of(at.client);
    assert_int_equal(metrics.acquires_going, 0);
    assert_int_equal(metrics.handovers, 1);
    assert_int_equal(metrics.wait.count, 2);
    assert_int_equal(metrics.acquire.count, 1);
    assert_in_range(node_of(at.client, 0).wakes, 1, 100);
    redlock_client_destroy(at.client);
}

/* Within one client a release takes the claim of the next along: one command, and nobody is woken. */
static void lock_is_handed_over_within_a_client(void **state) {
    (void)state;
    waiter at = {.client = client, .status = 1};
    pthread_t thread;
    redlock_lock *lock = test_take(client, "job", 20000);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_it, &at), 0);
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (!queue_has(1) && test_now_ms() < until) {
        test_nap_ms(5);
    }
    await_going(client, 1);
    test_give(lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(at.status, REDLOCK_OK);
    assert_int_equal(metrics_of(client).handovers, 1);
    assert_int_equal(node_of(client, 0).wakes, 0);
}

/* A holder of another kind hands nothing over: the waiter finds the name free by asking. */
static void name_that_is_found_free_was_not_handed_over(void **state) {
    (void)state;
    free(test_server_ask(fleet.server[0], "SET", "job", "foreign", "PX", "400", NULL));
    assert_int_equal(try_for(client, PATIENCE_MS, NULL), REDLOCK_OK);
    redlock_metrics metrics = metrics_of(client);
    assert_int_equal(metrics.wait.count, 1);
    assert_int_equal(metrics.acquires[0], 1);
    assert_int_equal(metrics.handovers, 0);
}

static void renewals_and_extensions(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "job", 600);
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (metrics_of(client).renewals < 3 && test_now_ms() < until) {
        test_nap_ms(5);
    }
    redlock_metrics metrics = metrics_of(client);
    assert_in_range(metrics.renewals, 3, 100);
    assert_int_equal(answer_sum(metrics.extends), 0);
    assert_int_equal(metrics.renew.count, metrics.renewals);
    assert_int_equal(redlock_extend(lock, 20000, NULL), REDLOCK_OK);
    assert_int_equal(redlock_try_extend(lock, 30000, NULL), REDLOCK_OK);
    metrics = metrics_of(client);
    assert_int_equal(metrics.extends[0], 2);
    assert_in_range(metrics.renewals, 5, 100); /* an extension moves the deadline too */
    assert_int_equal(metrics.losses, 0);
    test_give(lock);
}

/* An extension that does not move the deadline is no renewal, and does not make the next one long. */
static void extension_that_changes_nothing(void **state) {
    (void)state;
    redlock_lock *lock = test_take_unkept(client, "job", 20000);
    assert_int_equal(redlock_extend(lock, 5000, NULL), REDLOCK_OK);
    assert_int_equal(metrics_of(client).extends[0], 1);
    assert_int_equal(metrics_of(client).renewals, 0);
    test_nap_ms(200);
    int64_t from_us = test_now_us();
    assert_int_equal(redlock_extend(lock, 40000, NULL), REDLOCK_OK);
    redlock_metrics metrics = metrics_of(client);
    assert_int_equal(metrics.renewals, 1);
    assert_in_range(metrics.renew.max_us, 1, test_now_us() - from_us + 1);
    test_give(lock);
}

static void adopted_is_held(void **state) {
    (void)state;
    redlock_lock *lock = test_take_unkept(client, "job", 20000), *adopted = NULL;
    size_t len = 0;
    const char *token = redlock_lock_token(lock, &len);
    redlock_client *other = test_fleet_client(&fleet, NULL);
    assert_int_equal(redlock_adopt(other, "job", 3, token, len, 0, NULL, &adopted, NULL),
                     REDLOCK_OK);
    redlock_metrics metrics = metrics_of(other);
    assert_int_equal(metrics.adopts[0], 1);
    assert_int_equal(metrics.locks_held, 1);
    assert_int_equal(answer_sum(metrics.acquires) + metrics.renewals, 0);
    test_nap_ms(200);
    int64_t from_us = test_now_us();
    assert_int_equal(redlock_extend(adopted, 40000, NULL), REDLOCK_OK);
    metrics = metrics_of(other);
    assert_int_equal(metrics.renew.count, 1); /* adopting asks by the same command, and is none */
    assert_in_range(metrics.renew.max_us, 1, test_now_us() - from_us + 1);
    test_give(adopted);
    assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
    assert_int_equal(redlock_adopt(other, "job", 3, "other", 5, 0, NULL, &adopted, NULL),
                     REDLOCK_NOT_HELD);
    assert_int_equal(metrics_of(other).adopts[-REDLOCK_NOT_HELD], 1);
    assert_int_equal(metrics_of(client).releases[-REDLOCK_NOT_HELD], 1);
    redlock_client_destroy(other);
}

/* The server stands still until the lock is lost. */
static void loss_is_counted_once(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "job", 900);
    test_server_pause(fleet.server[0]);
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (metrics_of(client).losses == 0 && test_now_ms() < until) {
        test_nap_ms(5);
    }
    redlock_metrics metrics = metrics_of(client);
    int status = redlock_extend(lock, 1000, NULL);
    int released = redlock_release(lock, NULL);
    test_server_resume(fleet.server[0]);
    assert_int_equal(status, REDLOCK_LOST);
    assert_true(released == REDLOCK_NOT_HELD || released == REDLOCK_UNKNOWN);
    assert_int_equal(metrics.losses, 1);
    assert_int_equal(metrics.locks_held, 0);
    assert_int_equal(metrics.hold.count, 1);
    assert_in_range(metrics.renewals_late, 1, 100);
    metrics = metrics_of(client);
    assert_int_equal(metrics.losses, 1);
    assert_int_equal(metrics.hold.count, 1);
    assert_int_equal(metrics.locks_held, 0);
    assert_int_equal(metrics.extends[-REDLOCK_LOST], 1);
    assert_int_equal(metrics.releases[-released], 1);
}

static void node_that_dies_and_comes_back(void **state) {
    (void)state;
    test_give(test_take(client, "job", 5000));
    test_server_kill(fleet.server[0]);
    uint64_t tries = 0;
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (node_of(client, 0).connects_failed == 0 && test_now_ms() < until) {
        assert_int_equal(try_for(client, 0, NULL), REDLOCK_NO_QUORUM);
        tries++;
        test_nap_ms(5);
    }
    redlock_node_metrics node = node_of(client, 0);
    assert_int_equal(metrics_of(client).acquires[-REDLOCK_NO_QUORUM], tries);
    assert_int_equal(node.is_up, 0);
    assert_int_equal(node.connects, 1);
    assert_int_equal(node.disconnects, 1);
    assert_in_range(node.connects_failed, 1, 1000);
    assert_in_range(node.errors[-REDLOCK_IO], 1, 1000);
    assert_int_equal(answer_sum(node.errors), node.errors[-REDLOCK_IO]);
    assert_int_equal(node.commands, node.answers + node.unanswered);
    test_server_restart(fleet.server[0], false);
    assert_int_equal(try_for(client, PATIENCE_MS, NULL), REDLOCK_OK);
    node = node_of(client, 0);
    assert_int_equal(node.is_up, 1);
    assert_int_equal(node.connects, 2);
    assert_int_equal(node.disconnects, 1);
}

/* A server that refuses to write is asked, answers, and is counted by what it says. */
static void errors_are_counted_by_kind(void **state) {
    (void)state;
    test_give(test_take(client, "job", 5000));
    free(test_server_ask(fleet.server[0], "CONFIG", "SET", "maxmemory", "1", NULL));
    int status = try_for(client, 0, NULL);
    free(test_server_ask(fleet.server[0], "CONFIG", "SET", "maxmemory", "0", NULL));
    assert_int_not_equal(status, REDLOCK_OK);
    redlock_node_metrics node = node_of(client, 0);
    assert_in_range(node.errors[-REDLOCK_REFUSED], 1, 10);
    assert_int_equal(answer_sum(node.errors), node.errors[-REDLOCK_REFUSED]);
    assert_int_equal(node.disconnects, 0);
}

static void quorum_has_numbers_for_each_node(void **state) {
    (void)state;
    test_fleet five;
    test_fleet_start(&five, 5, false);
    test_fleet_init_nodes(&five);
    test_server_kill(five.server[4]);
    redlock_client *of_five = test_fleet_client(&five, NULL);
    for (int i = 0; i < 10; i++) {
        test_give(test_take(of_five, "job", 5000));
    }
    assert_int_equal(metrics_of(of_five).node_count, 5);
    assert_int_equal(metrics_of(of_five).acquires[0], 10);
    uint64_t commands = 0;
    for (uint32_t i = 0; i < 5; i++) {
        redlock_node_metrics node = node_of(of_five, i);
        assert_is_where(node.where, five.server[i]);
        assert_true(i < 4 ? node.connects <= 1 : node.connects + node.commands + node.is_up == 0);
        assert_int_equal(node.errors[-REDLOCK_IO], i < 4 ? 0 : 1);
        commands += node.commands;
    }
    assert_true(commands >= 10 * 3 * 2); /* of a slow node the others don't wait for */
    redlock_client_destroy(of_five);
    test_fleet_stop(&five);
}

static void sizes_of_other_releases(void **state) {
    (void)state;
    struct {
        redlock_metrics metrics;
        uint64_t behind;
    } newer = {.metrics = {.struct_size = sizeof newer}, .behind = 7};
    redlock_metrics unset = {.struct_size = 0};
    redlock_node_metrics node = REDLOCK_INIT(redlock_node_metrics);
    assert_int_equal(redlock_client_metrics(client, &newer.metrics), REDLOCK_OK);
    assert_int_equal(newer.metrics.node_count, 1);
    assert_int_equal(newer.metrics.struct_size, sizeof newer);
    assert_int_equal(newer.behind, 7);
    assert_int_equal(redlock_client_metrics(client, &unset), REDLOCK_INVALID);
    assert_int_equal(redlock_client_metrics(client, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_client_metrics(NULL, &newer.metrics), REDLOCK_INVALID);
    assert_int_equal(redlock_client_node_metrics(client, 1, &node), REDLOCK_INVALID);
    assert_int_equal(node.commands, 0);
}

static void child_is_told_so(void **state) {
    (void)state;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
        redlock_node_metrics node = REDLOCK_INIT(redlock_node_metrics);
        alarm(20);
        _exit(redlock_client_metrics(client, &metrics) == REDLOCK_FORKED &&
                      redlock_client_node_metrics(client, 0, &node) == REDLOCK_FORKED
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void bounds_and_quantiles(void **state) {
    (void)state;
    redlock_timing timing = {.count = 0};
    assert_int_equal(redlock_timing_bound_us(0), 1);
    assert_int_equal(redlock_timing_bound_us(REDLOCK_TIMING_BUCKETS - 2), INT64_C(1) << 37);
    assert_true(redlock_timing_bound_us(REDLOCK_TIMING_BUCKETS - 1) == INT64_MAX);
    assert_true(redlock_timing_bound_us(UINT32_MAX) == INT64_MAX);
    assert_int_equal(redlock_timing_quantile_us(&timing, 500), 0);
    timing = (redlock_timing){.count = 2, .sum_us = 12, .max_us = 11, .bucket = {1}};
    timing.bucket[9] = 1;
    assert_int_equal(redlock_timing_quantile_us(&timing, 500), 1);
    assert_int_equal(redlock_timing_quantile_us(&timing, 1000), 11);
    assert_int_equal(redlock_timing_quantile_us(&timing, UINT32_MAX), 11);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(new_client_has_done_nothing),
        TEST(locks_taken_and_given),
        TEST(refusals),
        TEST(wrong_arguments_are_not_counted),
        TEST(lock_is_handed_over),
        TEST(lock_is_handed_over_within_a_client),
        TEST(name_that_is_found_free_was_not_handed_over),
        TEST(renewals_and_extensions),
        TEST(extension_that_changes_nothing),
        TEST(adopted_is_held),
        TEST(loss_is_counted_once),
        TEST(node_that_dies_and_comes_back),
        TEST(errors_are_counted_by_kind),
        TEST(quorum_has_numbers_for_each_node),
        TEST(sizes_of_other_releases),
        TEST(child_is_told_so),
        TEST(bounds_and_quantiles),
    };
    return cmocka_run_group_tests_name("metrics", tests, group_setup, group_teardown);
}
