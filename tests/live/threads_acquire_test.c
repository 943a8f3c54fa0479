/* threads_acquire_test.c -- many threads inside one client: each gets its own answer, a name has one
 * holder, nothing is left over.  Runs under ThreadSanitizer too; in threads nothing is asserted, what
 * goes wrong is counted. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "fleet.h"

#define THREADS_MAX 100

typedef struct worker {
    pthread_t thread;
    int index, rounds;
    int failures, last_status; /* its own, read after the join */
    uint64_t last_fence;
} worker;

static test_fleet fleet;
static redlock_client *client;
static worker workers[THREADS_MAX];
static atomic_int stop_now, holders;
static int64_t counter; /* guarded by the lock "shared" alone */
static redlock_lock *shared_lock;
static redlock_wait *alarm_wait; /* for the signal handler */

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
    client = test_fleet_client(&fleet, NULL);
    atomic_store(&stop_now, 0);
    atomic_store(&holders, 0);
    counter = 0;
    memset(workers, 0, sizeof workers);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_assert_free(&fleet, 0);
    return 0;
}

static void start(int first, int count, int rounds, void *(*work)(void *)) {
    for (int i = first; i < first + count; i++) {
        workers[i].index = i;
        workers[i].rounds = rounds;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

static void join(int first, int count) {
    for (int i = first; i < first + count; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        if (workers[i].failures > 0) {
            print_message("# thread %d: %d failures, the last %s\n", i, workers[i].failures,
                          redlock_status_name(workers[i].last_status));
        }
        assert_int_equal(workers[i].failures, 0);
    }
}

static void check(worker *self, int status) {
    if (status != REDLOCK_OK) {
        self->failures++;
        self->last_status = status;
    }
}

/* --- acquiring ------------------------------------------------------------------------------- */

static void *own_names(void *ctx) {
    worker *self = ctx;
    char name[32];
    (void)snprintf(name, sizeof name, "own-%d", self->index);
    for (int i = 0; i < self->rounds; i++) {
        redlock_lock *lock = NULL;
        int status = test_acquire(client, name, NULL, &lock, NULL);
        check(self, status);
        if (status != REDLOCK_OK) {
            continue;
        }
        self->failures += redlock_lock_fence(lock) <= self->last_fence;
        self->last_fence = redlock_lock_fence(lock);
        self->failures += !redlock_lock_is_held(lock);
        check(self, redlock_release(lock, NULL));
    }
    return NULL;
}

static void sixteen_threads_with_own_names(void **state) {
    (void)state;
    start(0, 16, 200, own_names);
    join(0, 16);
}

static void serve_with_four_in_flight(int threads, int cycles) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.inflight_max = 4;
    redlock_client_destroy(client);
    client = test_fleet_client(&fleet, &options);
    start(0, threads, cycles, own_names);
    join(0, threads);
}

static void four_commands_in_flight_serve_32_threads(void **state) {
    (void)state;
    serve_with_four_in_flight(32, 30);
}

/* More than anybody looks for, nearly all of them asleep. */
static void four_commands_in_flight_serve_a_hundred_threads(void **state) {
    (void)state;
    serve_with_four_in_flight(100, 10);
}

static void *one_name(void *ctx) {
    worker *self = ctx;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    options.wait_ms = 60000;
    options.retry_min_ms = 1;
    options.retry_jitter_ms = 4;
    for (int i = 0; i < self->rounds; i++) {
        redlock_lock *lock = NULL;
        int status = redlock_acquire(client, "shared", 6, &options, &lock, NULL);
        check(self, status);
        if (status != REDLOCK_OK) {
            continue;
        }
        self->failures += atomic_fetch_add(&holders, 1) != 0;
        counter++;
        atomic_fetch_sub(&holders, 1);
        check(self, redlock_release(lock, NULL));
    }
    return NULL;
}

static void eight_threads_count_under_one_lock(void **state) {
    (void)state;
    start(0, 8, 25, one_name);
    join(0, 8);
    assert_int_equal(counter, 8 * 25);
}

/* Keeps one lock all the while; it must stay held however busy the others are. */
static void *keep_one(void *ctx) {
    worker *self = ctx;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    char name[32];
    (void)snprintf(name, sizeof name, "kept-%d", self->index);
    options.ttl_ms = 6000;
    options.renew_ms = 300;
    int status = test_acquire(client, name, &options, &lock, NULL);
    check(self, status);
    while (status == REDLOCK_OK && atomic_load(&stop_now) == 0) {
        self->failures += !redlock_lock_is_held(lock);
        test_nap_ms(5);
    }
    if (status == REDLOCK_OK) {
        check(self, redlock_release(lock, NULL));
    }
    return NULL;
}

static void kept_locks_live_beside_busy_threads(void **state) {
    (void)state;
    int64_t until = test_now_ms() + 2500;
    start(0, 4, 0, keep_one);
    while (test_now_ms() < until) {
        start(4, 4, 40, own_names);
        join(4, 4);
    }
    atomic_store(&stop_now, 1);
    join(0, 4);
}

/* --- one lock, many threads ------------------------------------------------------------------ */

static void *extend_it(void *ctx) {
    worker *self = ctx;
    for (int i = 0; i < self->rounds; i++) {
        int status = i % 2 == 0 ? redlock_extend(shared_lock, 20000 + i, NULL)
                                : redlock_try_extend(shared_lock, 0, NULL);
        while (status == REDLOCK_NO_QUORUM) { /* one round that was too slow; it is held still */
            status = redlock_try_extend(shared_lock, 0, NULL);
        }
        check(self, status);
    }
    return NULL;
}

static void *ask_it(void *ctx) {
    worker *self = ctx;
    while (atomic_load(&stop_now) == 0) {
        size_t len = 0;
        self->failures += !redlock_lock_is_held(shared_lock);
        self->failures += redlock_lock_remaining_ms(shared_lock) <= 0;
        self->failures += redlock_lock_fence(shared_lock) == 0;
        self->failures += redlock_lock_token(shared_lock, &len) == NULL || len < 33;
        self->failures += redlock_lock_lost_fd(shared_lock) < 0;
        test_nap_ms(1);
    }
    return NULL;
}

static void extending_and_asking_in_parallel(void **state) {
    (void)state;
    shared_lock = test_take(client, "shared", 20000);
    start(4, 4, 0, ask_it);
    start(0, 4, 50, extend_it);
    join(0, 4);
    atomic_store(&stop_now, 1);
    join(4, 4);
    test_give(shared_lock);
}

/* --- canceling ------------------------------------------------------------------------------- */

static void *cancel_soon(void *ctx) {
    worker *self = ctx;
    test_nap_ms(self->rounds);
    redlock_cancel(alarm_wait);
    return NULL;
}

static int wait_for_taken(redlock_client *of, redlock_wait *wait) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *none = NULL;
    options.wait_ms = 20000;
    options.retry_min_ms = 5000; /* what ends it early is the cancel, not a retry */
    options.wait = wait;
    return redlock_acquire(of, "shared", 6, &options, &none, NULL);
}

static void canceled_by_another_thread(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "shared", 8000);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(redlock_wait_create(client, &alarm_wait), REDLOCK_OK);
        start(0, 1, i * 3, cancel_soon);
        int64_t before = test_now_ms();
        assert_int_equal(wait_for_taken(client, alarm_wait), REDLOCK_CANCELED);
        assert_true(test_now_ms() - before < 15000); /* less than its wait */
        join(0, 1);
        assert_int_equal(wait_for_taken(client, alarm_wait), REDLOCK_CANCELED); /* and ever after */
        redlock_wait_destroy(alarm_wait);
    }
    test_give(lock);
}

static void on_alarm(int number) {
    (void)number;
    redlock_cancel(alarm_wait);
}

static void canceled_by_a_signal_handler(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm}, before_action;
    const struct itimerval soon = {.it_value = {.tv_usec = 100000}};
    redlock_lock *lock = test_take(client, "shared", 8000);
    assert_int_equal(redlock_wait_create(client, &alarm_wait), REDLOCK_OK);
    assert_return_code(sigaction(SIGALRM, &action, &before_action), 0);
    assert_return_code(setitimer(ITIMER_REAL, &soon, NULL), 0);
    int64_t before = test_now_ms();
    assert_int_equal(wait_for_taken(client, alarm_wait), REDLOCK_CANCELED);
    assert_true(test_now_ms() - before < 15000); /* less than its wait */
    assert_return_code(sigaction(SIGALRM, &before_action, NULL), 0);
    redlock_wait_destroy(alarm_wait);
    test_give(lock);
}

/* Other threads drive the client meanwhile: the cancel must reach a sleeper, not only the leader. */
static void canceled_while_others_lead(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "shared", 8000);
    assert_int_equal(redlock_wait_create(client, &alarm_wait), REDLOCK_OK);
    start(1, 6, 150, own_names);
    start(0, 1, 20, cancel_soon);
    assert_int_equal(wait_for_taken(client, alarm_wait), REDLOCK_CANCELED);
    join(0, 7);
    redlock_wait_destroy(alarm_wait);
    test_give(lock);
}

/* --- ends ------------------------------------------------------------------------------------ */

static void destroyed_while_the_keeper_renews(void **state) {
    (void)state;
    int fds = test_fd_count();
    for (int i = 0; i < 20; i++) {
        redlock_client *own = test_fleet_client(&fleet, NULL);
        redlock_lock *lock = test_take(own, "kept", 150);
        assert_true(redlock_lock_lost_fd(lock) >= 0);
        test_nap_ms(40 + i);
        redlock_client_destroy(own); /* the lock's handle goes with it; its key runs out */
        test_fleet_assert_free(&fleet, 5000);
    }
    assert_int_equal(test_fd_count(), fds);
}

static void clients_come_and_go_without_a_trace(void **state) {
    (void)state;
    int fds = test_fd_count(), threads = test_thread_count();
    for (int i = 0; i < 200; i++) {
        redlock_client *own = test_fleet_client(&fleet, NULL);
        if (i % 2 == 0) {
            redlock_lock *lock = test_take(own, "job", i % 4 == 0 ? 3000 : 400);
            (void)redlock_release(lock, NULL);
        }
        redlock_client_destroy(own);
    }
    assert_int_equal(test_fd_count(), fds);
    int64_t until =
        test_now_ms() + TEST_PATIENCE_MS; /* a joined thread leaves /proc a moment later */
    while (test_thread_count() > threads && test_now_ms() < until) {
        test_nap_ms(5);
    }
    assert_int_equal(test_thread_count(), threads);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(sixteen_threads_with_own_names),
        LIVE(four_commands_in_flight_serve_32_threads),
        LIVE(four_commands_in_flight_serve_a_hundred_threads),
        LIVE(eight_threads_count_under_one_lock),
        LIVE(kept_locks_live_beside_busy_threads),
        LIVE(extending_and_asking_in_parallel),
        LIVE(canceled_by_another_thread),
        LIVE(canceled_by_a_signal_handler),
        LIVE(canceled_while_others_lead),
        LIVE(destroyed_while_the_keeper_renews),
        LIVE(clients_come_and_go_without_a_trace),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
