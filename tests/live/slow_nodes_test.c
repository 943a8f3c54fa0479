/* slow_nodes_test.c -- a minority that is slow, silent or frozen costs nothing, and nothing of ours
 * stays on it, however late our words arrive there.
 *
 * The times here are ratios of two medians taken in one run, through the same relays. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fleet.h"

#define NODES 5u
#define SAMPLES 25
#define TRIES 8
#define TTL_MS 2000
#define LEFT_MS (TTL_MS + TTL_MS / 4 + TTL_MS / 20) /* ttl, margin, and one command's timeout */
#define RATIO_MAX 1.5
#define THIRD_FASTEST 2

static test_fleet fleet;

/* Round trips of 10, 15, 20 and 200 ms, and one node that is never heard. */
static void set_network(test_proxy_mode mode_of_last) {
    static const int64_t half_us[NODES] = {5000, 7500, 10000, 100000, 0};
    for (uint32_t i = 0; i < NODES; i++) {
        test_proxy_delay(fleet.proxy[i], half_us[i], half_us[i]);
    }
    test_proxy_set_mode(fleet.proxy[NODES - 1], mode_of_last);
}

static int group_setup(void **state) {
    (void)state;
    test_fleet_start(&fleet, NODES, true);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_fleet_stop(&fleet);
    return 0;
}

static int setup(void **state) {
    (void)state;
    test_fleet_clear(&fleet);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (uint32_t i = 0; i < NODES; i++) {
        test_proxy_set_mode(fleet.proxy[i], TEST_PROXY_PASS);
        test_proxy_delay(fleet.proxy[i], 0, 0);
    }
    test_fleet_assert_free(&fleet, 0);
    return 0;
}

/* --- medians --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static double median_ms(int64_t *samples_us) {
    qsort(samples_us, SAMPLES, sizeof samples_us[0], compare);
    return (double)samples_us[SAMPLES / 2] / 1000.0;
}

static double ping_median_ms(const test_proxy *proxy) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)test_proxy_port(proxy))};
    int64_t samples_us[SAMPLES];
    char pong[16];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_return_code(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (test_server_has_few_rights()) { /* nobody gets an answer without a name */
        assert_int_equal(send(fd, TEST_SERVER_AUTH, sizeof TEST_SERVER_AUTH - 1, MSG_NOSIGNAL),
                         sizeof TEST_SERVER_AUTH - 1);
        assert_int_equal(recv(fd, pong, 5, MSG_WAITALL), 5);
    }
    for (int i = 0; i < SAMPLES; i++) {
        int64_t before = test_now_us();
        assert_int_equal(send(fd, "PING\r\n", 6, MSG_NOSIGNAL), 6);
        assert_int_equal(recv(fd, pong, 7, MSG_WAITALL), 7);
        samples_us[i] = test_now_us() - before;
    }
    (void)close(fd);
    return median_ms(samples_us);
}

static double acquire_median_ms(redlock_client *client) {
    int64_t samples_us[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        int64_t before = test_now_us();
        redlock_lock *lock = test_take(client, "job", TTL_MS);
        samples_us[i] = test_now_us() - before;
        test_give(lock);
    }
    return median_ms(samples_us);
}

/* --- the tests ------------------------------------------------------------------------------- */

static void acquire_takes_the_third_fastest_round_trip(void **state) {
    (void)state;
    redlock_client *client = test_fleet_client(&fleet, NULL);
    double ratio = 0;
    set_network(TEST_PROXY_BLACKHOLE);
    test_give(test_take(client, "warm", TTL_MS)); /* connections are not what is measured */
    for (int i = 0; i < TRIES && (i == 0 || ratio >= RATIO_MAX); i++) {
        double ping_ms = ping_median_ms(fleet.proxy[THIRD_FASTEST]);
        double acquire_ms = acquire_median_ms(client);
        ratio = acquire_ms / ping_ms;
        print_message("# third-fastest round trip %.1f ms, acquire %.1f ms: ratio %.2f\n", ping_ms,
                      acquire_ms, ratio);
    }
    assert_true(ratio < RATIO_MAX);
    test_nap_ms(LEFT_MS);
    test_fleet_assert_free(&fleet, 1000);
    test_proxy_set_mode(fleet.proxy[NODES - 1], TEST_PROXY_PASS);
    redlock_client_destroy(client);
    test_nap_ms(50);
    test_fleet_assert_free(&fleet, 1000);
}

/* The client ends at once after the run: nobody is left to undo anything. */
static void nothing_stays_when_the_client_ends(void **state) {
    (void)state;
    redlock_client *client = test_fleet_client(&fleet, NULL);
    set_network(TEST_PROXY_BLACKHOLE);
    for (int i = 0; i < 5; i++) {
        test_give(test_take(client, "job", TTL_MS));
    }
    redlock_client_destroy(client);
    test_nap_ms(LEFT_MS);
    test_fleet_assert_free(&fleet, 1000);
}

static void work_while_frozen(int64_t frozen_ms) {
    redlock_client *client = test_fleet_client(&fleet, NULL);
    test_give(test_take(client, "warm", TTL_MS));
    test_fleet_assert_free(&fleet, 2000);
    test_proxy_set_mode(fleet.proxy[0], TEST_PROXY_FREEZE);
    int64_t until = test_now_ms() + frozen_ms;
    for (int i = 0; i < 10; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "job-%d", i);
        test_give(test_take(client, name, TTL_MS));
    }
    while (test_now_ms() < until) {
        test_nap_ms(20);
    }
    test_proxy_set_mode(fleet.proxy[0], TEST_PROXY_PASS); /* all that was kept arrives now */
    test_nap_ms(200);
    test_fleet_assert_free(&fleet, 1500); /* what would be left lives for longer */
    redlock_client_destroy(client);
}

/* Grant and release arrive one behind the other. */
static void words_kept_for_a_moment(void **state) {
    (void)state;
    work_while_frozen(400);
}

/* The client has hung up meanwhile; what it had sent arrives long after everything was decided. */
static void words_kept_beyond_ttl_and_margin(void **state) {
    (void)state;
    work_while_frozen(LEFT_MS + 1500);
}

static void broken_connections_leave_nothing(void **state) {
    (void)state;
    redlock_client *client = test_fleet_client(&fleet, NULL);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    options.ttl_ms = TTL_MS;
    options.wait_ms = TEST_PATIENCE_MS; /* the cuts of the last rounds may not be mended yet */
    for (uint32_t round = 0; round < 10; round++) {
        redlock_lock *lock = NULL;
        int status = redlock_acquire(client, "job", 3, &options, &lock, &report);
        TEST_STATUS(status, REDLOCK_OK, &report);
        test_proxy_cut(fleet.proxy[round % NODES]);
        test_proxy_cut(fleet.proxy[(round + 1) % NODES]);
        status = redlock_release(lock, NULL);
        assert_true(status == REDLOCK_OK || status == REDLOCK_UNKNOWN);
        test_nap_ms(30);
    }
    test_fleet_assert_free(&fleet, LEFT_MS);
    redlock_client_destroy(client);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(acquire_takes_the_third_fastest_round_trip),
        LIVE(nothing_stays_when_the_client_ends),
        LIVE(words_kept_for_a_moment),
        LIVE(words_kept_beyond_ttl_and_margin),
        LIVE(broken_connections_leave_nothing),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
