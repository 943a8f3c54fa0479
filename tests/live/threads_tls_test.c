/* threads_tls_test.c -- many threads through one TLS connection that breaks again and again: each gets
 * its own answer, and no two are inside the TLS at once (ThreadSanitizer says so).  In threads nothing
 * is asserted, what goes wrong is counted. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "authority.h"
#include "fleet.h"
#include "tls_relay.h"

#define THREADS 16

typedef struct worker {
    pthread_t thread;
    int index, rounds, failures;
    int64_t wait_ms;
    int last_status;
    uint64_t last_fence;
} worker;

static test_authority *authority;
static test_server *server;
static test_tls_relay *relay;
static redlock_client *client;
static worker workers[THREADS];
static atomic_int holders,
    is_going_on;        /* rounds are made until it is 0, and as many as were asked for */
static int64_t counter; /* guarded by the lock "shared" alone */

static int group_setup(void **state) {
    const test_certificate host = {.names = "IP:127.0.0.1"};
    (void)state;
    authority = test_authority_create();
    test_authority_issue(authority, "host", &host);
    server = test_server_start(NULL);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_server_stop(server);
    test_authority_destroy(authority);
    return 0;
}

static int setup(void **state) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    char url[96];
    const char *const urls[] = {url};
    (void)state;
    relay = test_tls_relay_start(test_authority_server(authority, "host", 0),
                                 test_server_socket(server));
    (void)snprintf(url, sizeof url, "rediss://%s127.0.0.1:%d", test_server_login(),
                   test_tls_relay_port(relay));
    options.tls_ca_file = test_authority_path(authority, "ca.crt");
    options.connect_timeout_ms = 20000;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.index = i};
    }
    counter = 0;
    return redlock_client_create(urls, 1, &options, &client, NULL);
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_tls_relay_stop(relay);
    int64_t until = test_now_ms() +
                    TEST_PATIENCE_MS; /* what an acquire that failed may have left for its ttl */
    while (test_lock_count(server) != 0 && test_now_ms() < until) {
        test_nap_ms(20);
    }
    return test_lock_count(server);
}

static void start(int count, int rounds, int64_t wait_ms, void *(*work)(void *)) {
    for (int i = 0; i < count; i++) {
        workers[i].rounds = rounds;
        workers[i].wait_ms = wait_ms;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

static void join(int count) {
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        if (workers[i].failures > 0) {
            print_message("# thread %d: %d failures, the last %s\n", i, workers[i].failures,
                          redlock_status_name(workers[i].last_status));
        }
        assert_int_equal(workers[i].failures, 0);
    }
}

static bool is_good(worker *self, int status) {
    if (status != REDLOCK_OK) {
        self->failures++;
        self->last_status = status;
    }
    return status == REDLOCK_OK;
}

static void *own_names(void *ctx) {
    worker *self = ctx;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    char name[32];
    (void)snprintf(name, sizeof name, "own-%d", self->index);
    options.wait_ms = self->wait_ms;
    options.ttl_ms = 5000;
    for (int i = 0; i < self->rounds || atomic_load(&is_going_on) != 0; i++) {
        redlock_lock *lock = NULL;
        int status = test_acquire(client, name, &options, &lock, NULL);
        if (!is_good(self, status)) {
            continue;
        }
        self->failures += redlock_lock_fence(lock) <= self->last_fence;
        self->last_fence = redlock_lock_fence(lock);
        status = redlock_release(lock, NULL);
        /* Where connections break, nobody may have answered. */
        (void)is_good(self, self->wait_ms > 0 && status == REDLOCK_UNKNOWN ? REDLOCK_OK : status);
    }
    return NULL;
}

static void sixteen_threads_share_a_connection(void **state) {
    (void)state;
    start(16, 100, 0, own_names);
    join(16);
    assert_int_equal(test_tls_relay_counts(relay).handshakes, 1);
}

static void *one_name(void *ctx) {
    worker *self = ctx;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    options.wait_ms = 60000;
    for (int i = 0; i < self->rounds; i++) {
        redlock_lock *lock = NULL;
        if (!is_good(self, redlock_acquire(client, "shared", 6, &options, &lock, NULL))) {
            continue;
        }
        self->failures += atomic_fetch_add(&holders, 1) != 0;
        counter++;
        atomic_fetch_sub(&holders, 1);
        (void)is_good(self, redlock_release(lock, NULL));
    }
    return NULL;
}

/* Woken over the listening connection, which is TLS as well. */
static void eight_threads_count_under_one_lock(void **state) {
    (void)state;
    start(8, 25, 0, one_name);
    join(8);
    assert_int_equal(counter, 8 * 25);
}

static void threads_outlive_their_connections(void **state) {
    (void)state;
    atomic_store(&is_going_on, 1);
    start(8, 60, 30000, own_names);
    for (uint32_t i = 0, handshakes = 0; i < 10; i++) {
        int64_t until =
            test_now_ms() + 5000; /* what is cut before it stood was no connection yet */
        while (test_tls_relay_counts(relay).handshakes <= handshakes && test_now_ms() < until) {
            test_nap_ms(5);
        }
        handshakes = test_tls_relay_counts(relay).handshakes;
        test_nap_ms(30);
        test_tls_relay_cut(relay);
    }
    atomic_store(&is_going_on, 0);
    join(8);
    assert_true(test_tls_relay_counts(relay).resumed > 0);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(sixteen_threads_share_a_connection),
        LIVE(eight_threads_count_under_one_lock),
        LIVE(threads_outlive_their_connections),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
