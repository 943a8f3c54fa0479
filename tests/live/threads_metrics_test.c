/* threads_metrics_test.c -- reading the numbers while threads work and callbacks run: nothing goes
 * back, nothing is torn, and at the end they are exact.  Runs under ThreadSanitizer too. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <redlock/metrics.h>

#include "fleet.h"

#define WORKERS 6
#define ROUNDS 120

static test_fleet fleet;
static redlock_client *client;
static atomic_uint working, callbacks, wrong;
static atomic_ulong taken, refused;

static void hear(const redlock_event *event, void *user) {
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
    (void)event;
    (void)user;
    /* The client does not know itself before create has returned; nothing happens before that. */
    if (redlock_client_metrics(client, &metrics) != REDLOCK_OK) {
        atomic_fetch_add(&wrong, 1);
    }
    atomic_fetch_add(&callbacks, 1);
}

static int group_setup(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.on_event = hear;
    test_fleet_start(&fleet, 1, false);
    client = test_fleet_client(&fleet, &options);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_stop(&fleet);
    return 0;
}

/* Three names for six threads, so that some are refused. */
static void *work(void *arg) {
    const int index = *(const int *)arg;
    char name[16];
    (void)snprintf(name, sizeof name, "job-%d", index % 3);
    for (int i = 0; i < ROUNDS; i++) {
        redlock_lock *lock = NULL;
        int status = redlock_acquire(client, name, strlen(name), NULL, &lock, NULL);
        atomic_fetch_add(status == REDLOCK_OK ? &taken : &refused, 1);
        if (status == REDLOCK_OK && redlock_release(lock, NULL) != REDLOCK_OK) {
            atomic_fetch_add(&wrong, 1);
        }
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static uint64_t bucket_sum(const redlock_timing *timing) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < REDLOCK_TIMING_BUCKETS; i++) {
        sum += timing->bucket[i];
    }
    return sum;
}

static uint64_t answer_sum(const redlock_metrics *metrics) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < REDLOCK_ANSWERS; i++) {
        sum += metrics->acquires[i];
    }
    return sum;
}

static bool is_sound(const redlock_metrics *metrics, const redlock_metrics *before) {
    return metrics->locks_held <= 3 && metrics->acquires_going <= WORKERS &&
           metrics->acquires[0] >= metrics->releases[0] &&
           metrics->acquires[0] >= before->acquires[0] &&
           metrics->acquire.count == metrics->acquires[0] &&
           bucket_sum(&metrics->acquire) == metrics->acquire.count &&
           bucket_sum(&metrics->hold) == metrics->hold.count;
}

static void *read_on(void *arg) {
    redlock_metrics before = {.struct_size = 0};
    (void)arg;
    while (atomic_load(&working) > 0) {
        redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
        redlock_node_metrics node = REDLOCK_INIT(redlock_node_metrics);
        bool is_well = redlock_client_metrics(client, &metrics) == REDLOCK_OK &&
                       redlock_client_node_metrics(client, 0, &node) == REDLOCK_OK &&
                       is_sound(&metrics, &before) && node.commands >= node.answers &&
                       bucket_sum(&node.round_trip) == node.round_trip.count;
        atomic_fetch_add(&wrong, is_well ? 0 : 1);
        before = metrics;
    }
    return NULL;
}

static void reading_while_threads_work(void **state) {
    pthread_t readers[2], workers[WORKERS];
    int index[WORKERS];
    (void)state;
    atomic_store(&working, WORKERS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        index[i] = i;
        assert_int_equal(pthread_create(&workers[i], NULL, work, &index[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(workers[i], NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
    assert_int_equal(redlock_client_metrics(client, &metrics), REDLOCK_OK);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(answer_sum(&metrics), WORKERS * ROUNDS);
    assert_int_equal(metrics.acquires[0], atomic_load(&taken));
    assert_int_equal(answer_sum(&metrics) - metrics.acquires[0], atomic_load(&refused));
    assert_int_equal(metrics.releases[0], atomic_load(&taken));
    assert_int_equal(metrics.locks_held + metrics.acquires_going, 0);
    assert_true(atomic_load(&callbacks) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading_while_threads_work)};
    return cmocka_run_group_tests_name("threads_metrics", tests, group_setup, group_teardown);
}
