/* threads_loop_test.c -- a client with one loop and with threads in blocking calls: whoever leads does all of
 * it, the loop sleeps meanwhile, and hears when the lead is nobody's again.  In threads nothing is
 * asserted. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet.h"

#define THREADS 6
#define CYCLES 150

static test_fleet fleet;
static redlock_client *client, *other;
static atomic_int renewed, lost; /* heard by the client's callback, on whatever thread */
static atomic_int working;       /* threads */
static redlock_wait *a_wait;
static int status_of_waiter, status_of_giver; /* their threads', until joined */

static void hear(const redlock_event *event, void *user) {
    (void)user;
    atomic_fetch_add(&renewed, event->kind == REDLOCK_EVENT_RENEWED);
    atomic_fetch_add(&lost, event->kind == REDLOCK_EVENT_LOST);
}

static int setup(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.flags = REDLOCK_CLIENT_OWN_LOOP;
    options.on_event = hear;
    atomic_store(&renewed, 0);
    atomic_store(&lost, 0);
    atomic_store(&working, 0);
    test_fleet_start(&fleet, 1, false);
    client = test_fleet_client(&fleet, &options);
    other = test_fleet_client(&fleet, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    redlock_client_destroy(other);
    test_fleet_stop(&fleet);
    return 0;
}

/* Sleeps as long as it is told to, and no longer than `max_ms`. */
static void turn(int64_t max_ms) {
    struct pollfd news = {.fd = redlock_client_fd(client), .events = POLLIN};
    int64_t ms = redlock_client_deadline_ms(client);
    assert_true(news.fd >= 0);
    (void)poll(&news, 1, (int)(ms < max_ms ? ms : max_ms));
    assert_int_equal(redlock_client_process(client), REDLOCK_OK);
}

static uint32_t loop_for(int64_t ms) {
    int64_t until = test_now_ms() + ms;
    uint32_t turns = 0;
    for (int64_t now = test_now_ms(); now < until; now = test_now_ms()) {
        turn(until - now);
        turns++;
    }
    return turns;
}

static bool loop_until_renewed(int count) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (atomic_load(&renewed) < count && test_now_ms() < until) {
        turn(TEST_PATIENCE_MS);
    }
    return atomic_load(&renewed) >= count;
}

/* --- one that waits -------------------------------------------------------------------------- */

static void *waiter(void *ctx) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    (void)ctx;
    options.ttl_ms = 20000;
    options.wait_ms = TEST_PATIENCE_MS;
    options.wait = a_wait;
    status_of_waiter = redlock_acquire(client, "taken", 5, &options, &lock, NULL);
    if (status_of_waiter == REDLOCK_OK) {
        status_of_waiter = redlock_release(lock, NULL);
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static pthread_t waiter_start(void) {
    pthread_t thread;
    atomic_store(&working, 1);
    assert_int_equal(pthread_create(&thread, NULL, waiter, NULL), 0);
    return thread;
}

/* While a caller leads, it keeps the loop's locks, and the loop sleeps; when it has left, with the next
 * renewal some time away, the loop has to hear of that though it sleeps without an end. */
static void caller_keeps_the_locks_while_it_waits(void **state) {
    (void)state;
    redlock_lock *taken = test_take(other, "taken", 20000);
    redlock_lock *lock = test_take_kept(client, "job", 6000, 300);
    assert_true(loop_until_renewed(1));
    pthread_t thread = waiter_start();
    (void)loop_for(300); /* by now it waits */
    int before = atomic_load(&renewed);
    uint32_t turns = loop_for(1500);
    assert_true(redlock_client_deadline_ms(client) == REDLOCK_FOREVER);
    assert_in_range(turns, 1, 3); /* not one for each answer, wake or renewal */
    assert_true(atomic_load(&renewed) >= before + 2);
    test_give(taken);
    assert_int_equal(pthread_join(thread, NULL), 0); /* the loop stands still meanwhile */
    assert_int_equal(status_of_waiter, REDLOCK_OK);
    assert_true(loop_until_renewed(atomic_load(&renewed) + 4));
    assert_true(redlock_lock_is_held(lock));
    assert_int_equal(atomic_load(&lost), 0);
    test_give(lock);
}

/* The same, but the loop sleeps when the caller leaves. */
static void *release_later(void *ctx) {
    test_nap_ms(400);
    status_of_giver = redlock_release(ctx, NULL);
    return NULL;
}

static void sleeping_loop_hears_that_the_caller_left(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 3000, 300);
    for (int i = 0; i < 5; i++) {
        redlock_lock *taken = test_take(other, "taken", 20000);
        pthread_t giver, thread = waiter_start();
        assert_int_equal(pthread_create(&giver, NULL, release_later, taken), 0);
        (void)loop_for(200);
        assert_true(loop_until_renewed(atomic_load(&renewed) + 5));
        assert_int_equal(pthread_join(giver, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(status_of_giver, REDLOCK_OK);
        assert_int_equal(status_of_waiter, REDLOCK_OK);
        assert_true(redlock_lock_is_held(lock));
    }
    assert_int_equal(atomic_load(&lost), 0);
    test_give(lock);
}

static void waiter_is_canceled_by_the_loop(void **state) {
    (void)state;
    redlock_lock *taken = test_take(other, "taken", 20000);
    assert_int_equal(redlock_wait_create(client, &a_wait), REDLOCK_OK);
    pthread_t thread = waiter_start();
    (void)loop_for(300);
    redlock_cancel(a_wait);
    int64_t before = test_now_ms();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(test_now_ms() - before < TEST_PATIENCE_MS / 2);
    assert_int_equal(status_of_waiter, REDLOCK_CANCELED);
    (void)loop_for(100);
    redlock_wait_destroy(a_wait);
    a_wait = NULL;
    test_give(taken);
}

/* --- many ------------------------------------------------------------------------------------ */

static void *cycler(void *ctx) {
    int *failures = ctx;
    char name[32];
    (void)snprintf(name, sizeof name, "own-%p", ctx);
    for (int i = 0; i < CYCLES; i++) {
        redlock_lock *lock = NULL;
        int status = test_acquire(client, i % 2 == 0 ? name : "shared", NULL, &lock, NULL);
        *failures += status != REDLOCK_OK && (i % 2 == 0 || status != REDLOCK_HELD);
        *failures += status == REDLOCK_OK && redlock_release(lock, NULL) != REDLOCK_OK;
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

/* Leads change all the time; the loop is one of those who get it. */
static void loop_among_many_callers(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    int failures[THREADS] = {0};
    redlock_lock *lock = test_take_kept(client, "job", 6000, 200);
    atomic_store(&working, THREADS);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, cycler, &failures[i]), 0);
    }
    while (atomic_load(&working) > 0) {
        turn(50);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failures[i], 0);
    }
    assert_true(loop_until_renewed(atomic_load(&renewed) + 3));
    assert_true(redlock_lock_is_held(lock));
    test_give(lock);
    assert_in_range(loop_for(1000), 1, 30);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(caller_keeps_the_locks_while_it_waits),
        LIVE(sleeping_loop_hears_that_the_caller_left),
        LIVE(waiter_is_canceled_by_the_loop),
        LIVE(loop_among_many_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
