/* bad_input_test.c -- what a caller can get wrong, in arguments and in servers: each has a status and
 * a sentence of its own, nothing crashes, and no key of ours is left anywhere. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <redlock/metrics.h>

#include "fake_server.h"
#include "fleet.h"

#define SAID(text) ((redlock_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static test_fleet fleet; /* one healthy server */
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
    client = test_fleet_client(&fleet, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_assert_free(&fleet, 0);
    return 0;
}

/* --- arguments of acquire -------------------------------------------------------------------- */

static void acquire_says(int wanted, const char *name, size_t name_len,
                         const redlock_acquire_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    TEST_STATUS(redlock_acquire(client, name, name_len, options, &lock, &report), wanted, &report);
    assert_null(lock);
    assert_int_equal(report.status, wanted);
    assert_int_not_equal(report.sentence[0], '\0');
    assert_int_equal(redlock_acquire(client, name, name_len, options, &lock, NULL), wanted);
}

static void names(void **state) {
    (void)state;
    char longest[513];
    memset(longest, 'x', sizeof longest);
    acquire_says(REDLOCK_BAD_NAME, "", 0, NULL);
    acquire_says(REDLOCK_BAD_NAME, "job", 0, NULL);
    acquire_says(REDLOCK_BAD_NAME, NULL, 0, NULL);
    acquire_says(REDLOCK_BAD_NAME, NULL, 3, NULL);
    acquire_says(REDLOCK_BAD_NAME, longest, sizeof longest, NULL);
    acquire_says(REDLOCK_BAD_NAME, longest, SIZE_MAX, NULL);
    acquire_says(REDLOCK_BAD_NAME, "redlock:{job}:fence", 19, NULL);
    acquire_says(REDLOCK_BAD_NAME, "redlock:{boot}", 14, NULL);
    redlock_info info = REDLOCK_INIT(redlock_info);
    assert_int_equal(redlock_inspect(client, "", 0, &info, NULL), REDLOCK_BAD_NAME);
    assert_int_equal(redlock_break(client, longest, sizeof longest, &info, NULL), REDLOCK_BAD_NAME);
    assert_int_equal(redlock_inspect(client, "job", 3, NULL, NULL), REDLOCK_INVALID);
}

static void lengths_of_time(void **state) {
    (void)state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    const int64_t bad_ttls[] = {-1, 60001, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof bad_ttls / sizeof bad_ttls[0]; i++) {
        options.ttl_ms = bad_ttls[i];
        acquire_says(REDLOCK_BAD_TTL, "job", 3, &options);
    }
    options.ttl_ms = 0;
    int64_t *const fields[] = {&options.wait_ms, &options.tries_max, &options.node_timeout_ms};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *fields[i] = -1;
        acquire_says(REDLOCK_INVALID, "job", 3, &options);
        *fields[i] = INT64_MIN;
        acquire_says(REDLOCK_INVALID, "job", 3, &options);
        *fields[i] = 0;
    }
    int64_t *const less_one[] = {&options.margin_ms, &options.renew_ms, &options.retry_min_ms,
                                 &options.retry_jitter_ms};
    for (size_t i = 0; i < sizeof less_one / sizeof less_one[0]; i++) {
        *less_one[i] = -2;
        acquire_says(REDLOCK_INVALID, "job", 3, &options);
        *less_one[i] = 0;
    }
}

static void tokens_and_flags(void **state) {
    (void)state;
    char token[257];
    redlock_lock *lock = NULL;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    memset(token, 't', sizeof token);
    options.token = token;
    acquire_says(REDLOCK_BAD_TOKEN, "job", 3, &options);
    options.token_len = sizeof token;
    acquire_says(REDLOCK_BAD_TOKEN, "job", 3, &options);
    options.token = NULL;
    options.token_len = 5;
    acquire_says(REDLOCK_BAD_TOKEN, "job", 3, &options);
    options.token_len = 0;
    options.flags = 1u << 30;
    acquire_says(REDLOCK_INVALID, "job", 3, &options);
    assert_int_equal(redlock_adopt(client, "job", 3, NULL, 0, 0, NULL, &lock, NULL),
                     REDLOCK_BAD_TOKEN);
    assert_int_equal(redlock_adopt(client, "job", 3, token, 257, 0, NULL, &lock, NULL),
                     REDLOCK_BAD_TOKEN);
    assert_int_equal(redlock_adopt(client, "job", 3, token, 8, UINT64_MAX, NULL, &lock, NULL),
                     REDLOCK_INVALID);
    assert_int_equal(redlock_acquire(client, "job", 3, NULL, NULL, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_adopt(client, "job", 3, token, 0, 0, NULL, &lock, NULL),
                     REDLOCK_BAD_TOKEN);
    assert_int_equal(redlock_acquire(NULL, "job", 3, NULL, &lock, NULL), REDLOCK_INVALID);
    assert_null(lock);
    assert_int_equal(redlock_adopt(client, "job", 3, token, 8, 0, NULL, NULL, NULL),
                     REDLOCK_INVALID);
    assert_int_equal(redlock_adopt(client, "", 0, token, 8, 0, NULL, &lock, NULL),
                     REDLOCK_BAD_NAME);
}

static void places_for_answers(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);
    redlock_node_metrics node = REDLOCK_INIT(redlock_node_metrics);
    assert_int_equal(redlock_inspect(NULL, "job", 3, &info, &report), REDLOCK_INVALID);
    assert_int_equal(report.status, REDLOCK_INVALID);
    assert_int_equal(redlock_client_init_nodes(NULL, 0, &report), REDLOCK_INVALID);
    assert_int_equal(redlock_client_init_nodes(client, 0, NULL),
                     REDLOCK_OK); /* there is no guard */
    assert_int_equal(redlock_client_metrics(NULL, &metrics), REDLOCK_INVALID);
    assert_int_equal(redlock_client_metrics(client, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_client_node_metrics(NULL, 0, &node), REDLOCK_INVALID);
    assert_int_equal(redlock_client_node_metrics(client, 0, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_client_node_metrics(client, 1, &node), REDLOCK_INVALID);
    assert_int_equal(redlock_client_node_metrics(client, 0, &node), REDLOCK_OK);
    info.struct_size = metrics.struct_size = node.struct_size = 8; /* room for nothing */
    assert_int_equal(redlock_inspect(client, "job", 3, &info, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_client_metrics(client, &metrics), REDLOCK_INVALID);
    assert_int_equal(redlock_client_node_metrics(client, 0, &node), REDLOCK_INVALID);
    assert_int_equal(redlock_client_event_fd(client), -1); /* it was not asked for */
    redlock_event event = REDLOCK_INIT(redlock_event);
    assert_int_equal(redlock_client_next_event(client, &event), 0);
}

/* As if they had not been given. */
static void empty_words(void **state) {
    (void)state;
    char own[128];
    redlock_client *other = NULL;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options acquire = REDLOCK_INIT(redlock_acquire_options);
    options.label = options.password_file = "";
    options.connect_timeout_ms = TEST_PATIENCE_MS;
    acquire.label = "";
    redlock_lock *lock = test_take(client, "job", 0);
    (void)snprintf(own, sizeof own, "%s", strchr(redlock_lock_token(lock, NULL), ':'));
    test_give(lock);
    assert_int_equal(redlock_client_create(fleet.url, 1, &options, &other, NULL), REDLOCK_OK);
    assert_int_equal(test_acquire(other, "job", &acquire, &lock, NULL), REDLOCK_OK);
    assert_string_equal(strchr(redlock_lock_token(lock, NULL), ':'), own);
    test_give(lock);
    redlock_client_destroy(other);
}

static void sizes_of_options(void **state) {
    (void)state;
    struct {
        redlock_acquire_options known;
        uint64_t unknown;
    } newer = {.known = {.struct_size = sizeof newer}};
    redlock_lock *lock = NULL;
    newer.unknown = 1;
    acquire_says(REDLOCK_UNSUPPORTED, "job", 3, &newer.known);
    newer.unknown = 0; /* newer, but wishes for nothing new */
    assert_int_equal(redlock_acquire(client, "job", 3, &newer.known, &lock, NULL), REDLOCK_OK);
    test_give(lock);
    redlock_acquire_options older = {.struct_size = offsetof(redlock_acquire_options, wait_ms)};
    older.ttl_ms = 5000;
    older.wait_ms = -77; /* beyond its size: not read */
    older.flags = 0;
    assert_int_equal(redlock_acquire(client, "job", 3, &older, &lock, NULL), REDLOCK_OK);
    assert_in_range(redlock_lock_remaining_ms(lock), 1, 5000);
    test_give(lock);
    older.struct_size = 0;
    acquire_says(REDLOCK_INVALID, "job", 3, &older);
}

/* --- arguments of create --------------------------------------------------------------------- */

static redlock_report create_says(int wanted, const char *const *urls, size_t count,
                                  const redlock_client_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *none = NULL;
    TEST_STATUS(redlock_client_create(urls, count, options, &none, &report), wanted, &report);
    assert_null(none);
    assert_int_equal(report.status, wanted);
    assert_int_not_equal(report.sentence[0], '\0');
    return report;
}

static void numbers_of_nodes(void **state) {
    (void)state;
    char texts[16][32];
    const char *urls[16];
    for (int i = 0; i < 16; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "redis://127.0.0.1:%d", 1000 + i);
        urls[i] = texts[i];
    }
    (void)create_says(REDLOCK_INVALID, urls, 16, NULL);
    (void)create_says(REDLOCK_INVALID, urls, 0, NULL);
    (void)create_says(REDLOCK_INVALID, NULL, 1, NULL);
    (void)create_says(REDLOCK_EVEN_NODES, urls, 2, NULL);
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client *even = NULL;
    options.flags = REDLOCK_CLIENT_EVEN_NODES;
    assert_int_equal(redlock_client_create(urls, 2, &options, &even, NULL), REDLOCK_OK);
    redlock_client_destroy(even);
    assert_int_equal(redlock_client_create(urls, 1, NULL, NULL, NULL), REDLOCK_INVALID);
}

static void urls_say_where_they_are_wrong(void **state) {
    (void)state;
    const char *urls[3] = {"redis://a", "redis://b", "redis://b:6379/0"};
    (void)create_says(REDLOCK_SAME_NODE, urls, 3, NULL);
    urls[2] = "redis://ho st";
    redlock_report report = create_says(REDLOCK_BAD_URL, urls, 3, NULL);
    assert_non_null(strstr(report.sentence, "URL 3, character 11:"));
    urls[2] = "redis://c:66666";
    report = create_says(REDLOCK_BAD_URL, urls, 3, NULL);
    assert_non_null(strstr(report.sentence, "URL 3, character 1"));
    urls[2] = "";
    (void)create_says(REDLOCK_BAD_URL, urls, 3, NULL);
    urls[2] = NULL;
    (void)create_says(REDLOCK_BAD_URL, urls, 3, NULL);
    urls[2] = "memcached://c";
    (void)create_says(REDLOCK_UNSUPPORTED, urls, 3, NULL);
    urls[2] = "redis://user:hush-hush@c:port";
    report = create_says(REDLOCK_BAD_URL, urls, 3, NULL);
    assert_null(strstr(report.sentence, "hush"));
}

static void options_of_clients(void **state) {
    (void)state;
    const char *const urls[] = {"redis://a"};
    char prefix[130];
    memset(prefix, 'p', sizeof prefix);
    prefix[129] = '\0';
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    int64_t *const fields[] = {&options.ttl_max_ms,         &options.connect_timeout_ms,
                               &options.release_timeout_ms, &options.drift_ppm,
                               &options.drift_floor_us,     &options.inflight_max};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        *fields[i] = -1;
        (void)create_says(REDLOCK_INVALID, urls, 1, &options);
        *fields[i] = INT64_MAX;
        (void)create_says(REDLOCK_INVALID, urls, 1, &options);
        *fields[i] = 0;
    }
    options.flags = 1u << 20;
    (void)create_says(REDLOCK_INVALID, urls, 1, &options);
    options.flags = 0;
    options.key_prefix = prefix;
    (void)create_says(REDLOCK_INVALID, urls, 1, &options);
    options.struct_size = 0;
    (void)create_says(REDLOCK_INVALID, urls, 1, &options);
}

/* --- servers --------------------------------------------------------------------------------- */

/* What one acquire at this one server says, from the call and from the node. */
static redlock_report server_says(int wanted, const char *url) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client *one = NULL;
    redlock_lock *lock = NULL;
    options.connect_timeout_ms = TEST_PATIENCE_MS; /* it is never silent, though it may be slow */
    TEST_STATUS(redlock_client_create(&url, 1, &options, &one, &report), REDLOCK_OK, &report);
    int status = redlock_acquire(one, "job", 3, NULL, &lock, &report);
    if (status == REDLOCK_OK) {
        test_give(lock);
    }
    redlock_client_destroy(one);
    TEST_STATUS(status, wanted, &report);
    assert_int_equal(report.node_count, 1);
    assert_int_equal(report.node[0].status, wanted);
    assert_int_not_equal(report.sentence[0], '\0');
    return report;
}

static void two_ways_to_one_server(void **state) {
    (void)state;
    test_server *server = test_server_start_tcp(NULL);
    char by_socket[128];
    (void)snprintf(by_socket, sizeof by_socket, "unix://%s%s", test_server_login(),
                   test_server_socket(server));
    const char *urls[3] = {by_socket, test_server_url(server), fleet.url[0]};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *three = NULL;
    redlock_lock *lock = NULL;
    options.flags = REDLOCK_CLIENT_GUARD_OFF;
    options.connect_timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(redlock_client_create(urls, 3, &options, &three, NULL), REDLOCK_OK);
    TEST_STATUS(test_acquire(three, "job", NULL, &lock, &report), REDLOCK_OK, &report);
    int same = 0; /* the two real servers are a quorum, and the third way may be noticed later */
    for (int64_t until = test_now_ms() + TEST_PATIENCE_MS; same == 0 && test_now_ms() < until;) {
        TEST_STATUS(redlock_extend(lock, 0, &report), REDLOCK_OK, &report);
        for (int i = 0; i < 2; i++) {
            same += report.node[i].status == REDLOCK_SAME_NODE;
        }
        test_nap_ms(20);
    }
    test_give(lock);
    assert_int_equal(same, 1);
    redlock_client_destroy(three);
    assert_int_equal(test_lock_count(server), 0);
    test_server_stop(server);
}

static void nothing_but_one_server(void **state) {
    (void)state;
    test_server *server = test_server_start_tcp(NULL);
    char by_socket[128];
    (void)snprintf(by_socket, sizeof by_socket, "unix://%s%s", test_server_login(),
                   test_server_socket(server));
    const char *urls[3] = {by_socket, test_server_url(server), "unix:///tmp/nobody-is-here.sock"};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *three = NULL;
    redlock_lock *lock = NULL;
    options.flags = REDLOCK_CLIENT_GUARD_OFF;
    options.connect_timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(redlock_client_create(urls, 3, &options, &three, NULL), REDLOCK_OK);
    int status = redlock_acquire(three, "job", 3, NULL, &lock, &report);
    redlock_client_destroy(three);
    TEST_STATUS(status, REDLOCK_NO_QUORUM, &report);
    assert_int_equal(report.node[2].status, REDLOCK_IO);
    assert_int_equal(report.node[2].sys_errno, ENOENT);
    assert_true(report.node[0].status == REDLOCK_SAME_NODE ||
                report.node[1].status == REDLOCK_SAME_NODE);
    assert_int_equal(test_lock_count(server), 0);
    test_server_stop(server);
}

static void a_web_server(void **state) {
    (void)state;
    static const char page[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    const redlock_fake_step steps[] = {
        {.kind = REDLOCK_FAKE_ACCEPT},
        {.kind = REDLOCK_FAKE_COMMANDS, .count = 1},
        {.kind = REDLOCK_FAKE_SEND, .bytes = SAID(page)},
        {.kind = REDLOCK_FAKE_CLOSE},
    };
    redlock_fake *fake = redlock_fake_start(NULL, steps, sizeof steps / sizeof steps[0]);
    char url[64];
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%u", redlock_fake_port(fake));
    redlock_report report = server_says(REDLOCK_PROTOCOL, url);
    assert_int_not_equal(report.node[0].words[0], '\0');
    (void)redlock_fake_finish(fake, NULL);
}

static void passwords(void **state) {
    (void)state;
    const char *const args[] = {"--requirepass", "open-sesame", NULL};
    test_server *server = test_server_start(args);
    char url[192];
    redlock_report report = server_says(REDLOCK_AUTH_REQUIRED, test_server_url(server));
    (void)snprintf(url, sizeof url, "unix://:close-sesame@%s", test_server_socket(server));
    report = server_says(REDLOCK_AUTH, url);
    assert_null(strstr(report.node[0].where, "sesame"));
    assert_null(strstr(report.node[0].words, "sesame"));
    assert_null(strstr(report.sentence, "sesame"));
    (void)snprintf(url, sizeof url, "unix://:open-sesame@%s", test_server_socket(server));
    report = server_says(REDLOCK_OK, url);
    assert_null(strstr(report.node[0].where, "sesame"));
    assert_int_equal(test_lock_count(server), 0);
    test_server_stop(server);
}

static void acl_user(test_server *server, const char *rule_a, const char *rule_b) {
    char *said = test_server_ask(server, "ACL", "SETUSER", "alice", "reset", "on", ">pw", rule_a,
                                 rule_b, "+@all", "-flushall", NULL);
    assert_string_equal(said, "OK");
    free(said);
}

static void acl_users(void **state) {
    (void)state;
    test_server *server = test_server_start(NULL);
    char url[192];
    (void)snprintf(url, sizeof url, "unix://alice:pw@%s", test_server_socket(server));
    (void)server_says(REDLOCK_AUTH, url);
    acl_user(server, "~*", "&*");
    (void)server_says(REDLOCK_OK, url);
    char *said = test_server_ask(server, "ACL", "SETUSER", "alice", "-evalsha", NULL);
    free(said);
    redlock_report report = server_says(REDLOCK_NO_PERMISSION, url);
    assert_non_null(strstr(report.node[0].words, "evalsha"));
    acl_user(server, "~elsewhere:*", "&*");
    (void)server_says(REDLOCK_NO_PERMISSION, url);
    acl_user(server, "~*", "&*");
    said = test_server_ask(server, "ACL", "SETUSER", "alice", "-set",
                           NULL); /* forbidden inside the script */
    free(said);
    (void)server_says(REDLOCK_NO_PERMISSION, url);
    assert_int_equal(test_lock_count(server), 0);
    test_server_stop(server);
}

static void replica_and_evicting_server(void **state) {
    (void)state;
    test_server *master = test_server_start_tcp(NULL);
    char port[16];
    (void)snprintf(port, sizeof port, "%d", test_server_port(master));
    const char *const replica_args[] = {"--replicaof", "127.0.0.1", port, NULL};
    const char *const lru_args[] = {"--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru",
                                    NULL};
    test_server *replica = test_server_start(replica_args);
    test_server *evicting = test_server_start(lru_args);
    (void)server_says(REDLOCK_REPLICA, test_server_url(replica));
    redlock_report report = server_says(REDLOCK_EVICTS, test_server_url(evicting));
    assert_non_null(strstr(report.node[0].words, "volatile-lru"));
    assert_int_equal(test_lock_count(master), 0);
    assert_int_equal(test_lock_count(evicting), 0);
    test_server_stop(evicting);
    test_server_stop(replica);
    test_server_stop(master);
}

static redlock_report nobody_says(const char *const *urls, size_t count) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *lonely = NULL;
    redlock_lock *lock = NULL;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.connect_timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(redlock_client_create(urls, count, &options, &lonely, NULL), REDLOCK_OK);
    int64_t before = test_now_ms();
    int status = redlock_acquire(lonely, "job", 3, NULL, &lock, &report);
    int64_t took = test_now_ms() - before;
    redlock_client_destroy(lonely);
    TEST_STATUS(status, REDLOCK_NO_QUORUM, &report);
    assert_true(took < 9000); /* at once, not after the connect timeout */
    return report;
}

static void nobody_listens(void **state) {
    (void)state;
    const char *const paths[] = {"unix:///tmp/nobody-is-here.sock",
                                 "unix:///tmp/nobody-is-there.sock",
                                 "unix:///tmp/nobody-is-anywhere.sock"};
    redlock_report report = nobody_says(paths, 3);
    int missing = 0;
    for (int i = 0; i < 3; i++) { /* the third may be left unasked: two are enough to know */
        missing += report.node[i].status == REDLOCK_IO && report.node[i].sys_errno == ENOENT;
    }
    assert_true(missing >= 2);
    assert_non_null(strstr(report.sentence, " IO"));
    test_proxy *proxy = test_proxy_of(fleet.server[0]);
    test_proxy_set_mode(proxy, TEST_PROXY_REFUSE);
    const char *const ports[] = {test_proxy_url(proxy)};
    report = nobody_says(ports, 1);
    assert_int_equal(report.node[0].status, REDLOCK_IO);
    assert_int_equal(report.node[0].sys_errno, ECONNREFUSED);
    test_proxy_stop(proxy);
}

/* A cause shared by enough nodes is the answer, even when others are healthy. */
static void shared_cause_of_three_nodes(void **state) {
    (void)state;
    const char *const args[] = {"--requirepass", "x", NULL};
    test_server *one = test_server_start(args), *two = test_server_start(args);
    const char *const urls[] = {test_server_url(one), fleet.url[0], test_server_url(two)};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *three = NULL;
    redlock_lock *lock = NULL;
    options.flags = REDLOCK_CLIENT_GUARD_OFF;
    options.connect_timeout_ms = TEST_PATIENCE_MS;
    assert_int_equal(redlock_client_create(urls, 3, &options, &three, NULL), REDLOCK_OK);
    int status = redlock_acquire(three, "job", 3, NULL, &lock, &report);
    TEST_STATUS(status, REDLOCK_AUTH_REQUIRED, &report);
    assert_true(report.node[1].status == REDLOCK_OK ||
                report.node[1].status == REDLOCK_SILENT); /* decided without it */
    test_fleet_assert_free(&fleet, 5000); /* while the client lives: its grant is undone */
    redlock_client_destroy(three);
    test_server_stop(two);
    test_server_stop(one);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(names),
        LIVE(lengths_of_time),
        LIVE(tokens_and_flags),
        LIVE(places_for_answers),
        LIVE(empty_words),
        LIVE(sizes_of_options),
        LIVE(numbers_of_nodes),
        LIVE(urls_say_where_they_are_wrong),
        LIVE(options_of_clients),
        LIVE(two_ways_to_one_server),
        LIVE(nothing_but_one_server),
        LIVE(a_web_server),
        LIVE(passwords),
        LIVE(acl_users),
        LIVE(replica_and_evicting_server),
        LIVE(nobody_listens),
        LIVE(shared_cause_of_three_nodes),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
