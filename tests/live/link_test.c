/* link_test.c -- the ways to a server, and what becomes of calls when the way breaks, comes back, or
 * what comes along it is not what a healthy server says. */
#include <arpa/inet.h>
#include <pthread.h>
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

#include "fake_server.h"
#include "fleet.h"
#include "wire/hello.h"

#define LOADING "-LOADING Redis is loading the dataset in memory\r\n"

static test_server *server; /* on a unix socket and a TCP port */

static void *do_nothing(void *ctx) {
    return ctx;
}

/* A first thread, before threads are counted: a sanitizer starts one of its own along with it. */
static int group_setup(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, do_nothing, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    server = test_server_start_tcp(NULL);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_server_stop(server);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return test_lock_count(server) != 0;
}

static redlock_client *client_at(const char *url, const redlock_client_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    TEST_STATUS(redlock_client_create(&url, 1, options, &client, &report), REDLOCK_OK, &report);
    return client;
}

static const char *unix_url(const char *tail) {
    static char url[160];
    (void)snprintf(url, sizeof url, "unix://%s%s%s", test_server_login(),
                   test_server_socket(server), tail);
    return url;
}

static const char *tcp_url(const char *host, const char *tail) {
    static char url[160];
    (void)snprintf(url, sizeof url, "redis://%s%s:%d%s", test_server_login(), host,
                   test_server_port(server), tail);
    return url;
}

/* The value of "job" in one database, seen from a connection of the test's own. */
static bool db_has(const char *db, const char *value) {
    static const char script[] = "redis.call('SELECT', ARGV[1]) return redis.call('GET', 'job')";
    char *said = test_server_ask(server, "EVAL", script, "0", db, NULL);
    bool same = said != NULL && strcmp(said, value) == 0;
    free(said);
    return same;
}

static void answer_is(const char *wanted, const char *a, const char *b, const char *c,
                      const char *d) {
    char *said = test_server_ask(server, a, b, c, d, NULL);
    assert_non_null(said);
    assert_string_equal(said, wanted);
    free(said);
}

/* --- addresses ------------------------------------------------------------------------------- */

static void works_at(const char *url) {
    int fds = test_fd_count(), threads = test_thread_count();
    redlock_client *client = client_at(url, NULL);
    redlock_lock *lock = test_take(client, "job", 8000);
    assert_true(test_value_is(server, "job", redlock_lock_token(lock, NULL)));
    test_give(lock);
    redlock_client_destroy(client);
    assert_int_equal(test_fd_count(), fds);
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (test_thread_count() > threads && test_now_ms() < until) {
        test_nap_ms(5);
    }
    assert_int_equal(test_thread_count(), threads);
}

static void every_way_to_write_it(void **state) {
    (void)state;
    char bare[64];
    works_at(unix_url(""));
    works_at(tcp_url("127.0.0.1", ""));
    works_at(tcp_url("127.0.0.1", "/0"));
    works_at(tcp_url("localhost", ""));
    works_at(unix_url("?db=0"));
    (void)snprintf(bare, sizeof bare, "127.0.0.1:%d", test_server_port(server));
    if (!test_server_has_few_rights()) { /* there is no place for a login in it */
        works_at(bare);
    }
}

static bool has_ipv6(void) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return has;
}

static void ipv6(void **state) {
    (void)state;
    if (!has_ipv6()) {
        print_message("# no IPv6 here\n");
        skip();
    }
    const char *const args[] = {"--bind", "127.0.0.1", "::1", NULL};
    test_server *both = test_server_start_tcp(args);
    char url[96];
    (void)snprintf(url, sizeof url, "redis://%s[::1]:%d", test_server_login(),
                   test_server_port(both));
    redlock_client *client = client_at(url, NULL);
    redlock_lock *lock = test_take(client, "job", 8000);
    assert_true(test_value_is(both, "job", redlock_lock_token(lock, NULL)));
    test_give(lock);
    redlock_client_destroy(client);
    test_server_stop(both);
}

static void database_is_the_one_asked_for(void **state) {
    (void)state;
    const char *const urls[] = {unix_url("?db=3"), tcp_url("127.0.0.1", "/3")};
    for (int i = 0; i < 2; i++) {
        redlock_client *client = client_at(urls[i], NULL);
        redlock_lock *lock = test_take_unkept(client, "job", 20000);
        assert_true(db_has("3", redlock_lock_token(lock, NULL)));
        answer_is("(nil)", "GET", "job", NULL, NULL);
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
        assert_int_equal(redlock_extend(lock, 40000, NULL), REDLOCK_OK); /* on a new connection */
        assert_true(db_has("3", redlock_lock_token(lock, NULL)));
        answer_is("(nil)", "GET", "job", NULL, NULL);
        test_give(lock);
        redlock_client_destroy(client);
    }
    redlock_client *other = client_at(unix_url("?db=4"), NULL),
                   *third = client_at(unix_url("?db=3"), NULL);
    redlock_lock *here = test_take(other, "job", 8000), *there = test_take(third, "job", 8000);
    test_give(here);
    test_give(there);
    redlock_client_destroy(other);
    redlock_client_destroy(third);
}

/* A server without TLS is never talked to in the clear instead: it gets bytes that are no command, and
 * a build without TLS says so. */
static void tls_is_never_left_out_silently(void **state) {
    (void)state;
    char url[96];
    const char *const urls[] = {url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    redlock_lock *lock = NULL;
    (void)snprintf(url, sizeof url, "rediss://%s127.0.0.1:%d", test_server_login(),
                   test_server_port(server));
    options.connect_timeout_ms = 300;
    int status = redlock_client_create(urls, 1, &options, &client, &report);
    if (status == REDLOCK_OK) {
        status = redlock_acquire(client, "job", 3, NULL, &lock, &report);
        redlock_client_destroy(client);
        TEST_STATUS(status, REDLOCK_NO_QUORUM, &report);
    } else {
        TEST_STATUS(status, REDLOCK_UNSUPPORTED, &report);
    }
    assert_int_not_equal(report.sentence[0], '\0');
    assert_null(lock);
}

/* --- ways that break ------------------------------------------------------------------------- */

static void restarts_between_calls(void **state) {
    (void)state;
    const char *const urls[] = {unix_url(""), tcp_url("127.0.0.1", "")};
    for (int i = 0; i < 2; i++) {
        redlock_client *client = client_at(urls[i], NULL);
        test_give(test_take(client, "job", 8000));
        test_nap_ms(1100); /* a connection that has stood for a while */
        test_server_restart(server, i == 0);
        test_give(test_take(client, "job", 8000));
        redlock_client_destroy(client);
    }
}

static void killed_connection_between_calls(void **state) {
    (void)state;
    redlock_client *client = client_at(tcp_url("127.0.0.1", ""), NULL);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    options.wait_ms =
        TEST_PATIENCE_MS; /* a connection that broke as soon as it stood is not called again at once */
    for (int i = 0; i < 3; i++) {
        redlock_lock *lock = NULL;
        redlock_report report = REDLOCK_INIT(redlock_report);
        TEST_STATUS(redlock_acquire(client, "job", 3, &options, &lock, &report), REDLOCK_OK,
                    &report);
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
        TEST_STATUS(redlock_extend(lock, 0, &report), REDLOCK_OK, &report);
        test_give(lock);
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
    }
    redlock_client_destroy(client);
}

static void *open_later(void *ctx) {
    test_nap_ms(500);
    test_proxy_set_mode(ctx, TEST_PROXY_PASS);
    return NULL;
}

static void server_comes_up_within_the_wait(void **state) {
    (void)state;
    test_proxy *proxy = test_proxy_of(server);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    pthread_t thread;
    test_proxy_set_mode(proxy, TEST_PROXY_REFUSE);
    redlock_client *client = client_at(test_proxy_url(proxy), NULL);
    TEST_STATUS(redlock_acquire(client, "job", 3, NULL, &lock, &report), REDLOCK_NO_QUORUM,
                &report);
    assert_int_equal(report.node[0].status, REDLOCK_IO);
    assert_int_equal(pthread_create(&thread, NULL, open_later, proxy), 0);
    options.wait_ms = TEST_PATIENCE_MS;
    TEST_STATUS(redlock_acquire(client, "job", 3, &options, &lock, &report), REDLOCK_OK, &report);
    assert_int_equal(pthread_join(thread, NULL), 0);
    test_give(lock);
    redlock_client_destroy(client);
    test_proxy_stop(proxy);
}

/* Accepted by the kernel, answered by nobody: bounded by the connect timeout. */
static void server_that_never_greets(void **state) {
    (void)state;
    test_proxy *proxy = test_proxy_of(server);
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    test_proxy_set_mode(proxy, TEST_PROXY_BLACKHOLE);
    options.connect_timeout_ms = 300;
    redlock_client *client = client_at(test_proxy_url(proxy), &options);
    int64_t before = test_now_ms();
    TEST_STATUS(redlock_acquire(client, "job", 3, NULL, &lock, &report), REDLOCK_NO_QUORUM,
                &report);
    assert_in_range(test_now_ms() - before, 250, TEST_PATIENCE_MS);
    assert_int_equal(report.node[0].status, REDLOCK_SILENT);
    redlock_client_destroy(client);
    test_proxy_stop(proxy);
}

/* --- answers that are none ------------------------------------------------------------------- */

/* Asks again and again until it works: after such a server the client pauses for up to 2 s. */
static void works_again(redlock_client *client, int64_t within_ms) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    int64_t until = test_now_ms() + within_ms;
    int status = redlock_acquire(client, "job", 3, NULL, &lock, &report);
    while (status != REDLOCK_OK && test_now_ms() < until) {
        test_nap_ms(20);
        status = redlock_acquire(client, "job", 3, NULL, &lock, &report);
    }
    TEST_STATUS(status, REDLOCK_OK, &report);
    test_give(lock);
}

static void garbage_is_a_protocol_error_and_passes(void **state) {
    (void)state;
    test_proxy *proxy = test_proxy_of(server);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = client_at(test_proxy_url(proxy), NULL);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    options.ttl_ms = 3000;
    options.node_timeout_ms = 2500;
    test_give(test_take(client, "job", 3000));
    test_nap_ms(50);
    test_proxy_set_mode(proxy,
                        TEST_PROXY_GARBLE); /* on a connection that stands, then on new ones */
    TEST_STATUS(redlock_acquire(client, "job", 3, &options, &lock, &report), REDLOCK_PROTOCOL,
                &report);
    assert_int_equal(report.node[0].status, REDLOCK_PROTOCOL);
    assert_int_not_equal(report.node[0].words[0], '\0');
    test_proxy_set_mode(proxy, TEST_PROXY_PASS);
    works_again(client, TEST_PATIENCE_MS);
    redlock_client_destroy(client);
    test_proxy_stop(proxy);
    int64_t until = test_now_ms() + 5000; /* what the garbled grant may have planted */
    while (test_lock_count(server) != 0 && test_now_ms() < until) {
        test_nap_ms(10);
    }
}

static void loading_server_is_refused_with_its_words(void **state) {
    (void)state;
    static uint8_t greeting[REDLOCK_HELLO_BYTES_MAX];
    redlock_hello hello;
    redlock_url url;
    redlock_url_error error;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    char text[64];
    assert_int_equal(redlock_url_parse(redlock_bytes_of("redis://127.0.0.1"), &url, &error),
                     REDLOCK_OK);
    (void)redlock_hello_start_alone(&hello, &url, redlock_bytes_of("x"), greeting, sizeof greeting);
    const redlock_bytes loading = redlock_bytes_of(LOADING);
    const redlock_fake_step steps[] = {
        {.kind = REDLOCK_FAKE_ACCEPT},
        {.kind = REDLOCK_FAKE_COMMANDS, .count = hello.asked},
        {.kind = REDLOCK_FAKE_SEND_TIMES, .bytes = loading, .count = hello.asked},
        {.kind = REDLOCK_FAKE_STALL},
    };
    redlock_fake *fake = redlock_fake_start(NULL, steps, sizeof steps / sizeof steps[0]);
    (void)snprintf(text, sizeof text, "redis://127.0.0.1:%u", redlock_fake_port(fake));
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.connect_timeout_ms = TEST_PATIENCE_MS; /* it accepts once */
    redlock_client *client = client_at(text, &options);
    TEST_STATUS(redlock_acquire(client, "job", 3, NULL, &lock, &report), REDLOCK_REFUSED, &report);
    assert_non_null(strstr(report.node[0].words, "LOADING"));
    redlock_client_destroy(client);
    assert_true(redlock_fake_finish(fake, NULL));
}

/* A healthy connection, and a server that will not write just now: it says why, and works again as
 * soon as it will. */
static void refused_with(redlock_client *client, const char *setting, const char *value,
                         const char *restore, const char *word) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    answer_is("OK", "CONFIG", "SET", setting, value);
    TEST_STATUS(test_acquire(client, "job", NULL, &lock, &report), REDLOCK_REFUSED, &report);
    assert_int_equal(report.node[0].status, REDLOCK_REFUSED);
    assert_non_null(strstr(report.node[0].words, word));
    answer_is("OK", "CONFIG", "SET", setting, restore);
    test_give(test_take(client, "job", 8000));
}

static void server_that_will_not_write(void **state) {
    (void)state;
    redlock_client *client = client_at(unix_url(""), NULL);
    test_give(test_take(client, "job", 8000));
    refused_with(client, "maxmemory", "1", "0", "OOM");
    refused_with(client, "min-replicas-to-write", "1", "0", "NOREPLICAS");
    redlock_client_destroy(client);
}

/* Something else sits under the name, or under the mark's key. */
static void keys_of_the_wrong_type(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    redlock_client *client = client_at(unix_url(""), NULL);
    answer_is("1", "LPUSH", "job", "x", NULL);
    int status = test_acquire(client, "job", NULL, &lock, &report);
    assert_true(status == REDLOCK_REFUSED || status == REDLOCK_HELD);
    assert_int_not_equal(report.sentence[0], '\0');
    answer_is("1", "DEL", "job", NULL, NULL);
    answer_is("OK", "SET", "redlock:{job}:fence", "not a number", NULL);
    TEST_STATUS(test_acquire(client, "job", NULL, &lock, &report), REDLOCK_REFUSED, &report);
    assert_non_null(strstr(report.node[0].words, "mark"));
    answer_is("1", "DEL", "redlock:{job}:fence", NULL, NULL);
    test_give(test_take(client, "job", 8000));
    redlock_client_destroy(client);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(every_way_to_write_it),
        LIVE(ipv6),
        LIVE(database_is_the_one_asked_for),
        LIVE(tls_is_never_left_out_silently),
        LIVE(restarts_between_calls),
        LIVE(killed_connection_between_calls),
        LIVE(server_comes_up_within_the_wait),
        LIVE(server_that_never_greets),
        LIVE(garbage_is_a_protocol_error_and_passes),
        LIVE(loading_server_is_refused_with_its_words),
        LIVE(server_that_will_not_write),
        LIVE(keys_of_the_wrong_type),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
