/* one_node_test.c -- everything a caller can ask of a lock on one real server, and what lies on that
 * server meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet.h"

#define MARK "redlock:{job}:fence"
#define WEEK_MS INT64_C(604800000)

typedef struct live_bench {
    test_fleet fleet;
    test_server *server;
    redlock_client *client;
} live_bench;

static int group_setup(void **state) {
    live_bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    test_fleet_start(&bench->fleet, 1, false);
    bench->server = bench->fleet.server[0];
    *state = bench;
    return 0;
}

static int group_teardown(void **state) {
    live_bench *bench = *state;
    test_fleet_stop(&bench->fleet);
    free(bench);
    return 0;
}

static int setup(void **state) {
    live_bench *bench = *state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.label = "tester";
    free(test_server_ask(bench->server, "FLUSHALL", NULL));
    bench->client = test_fleet_client(&bench->fleet, &options);
    return 0;
}

static int teardown(void **state) {
    live_bench *bench = *state;
    redlock_client_destroy(bench->client);
    test_fleet_assert_free(&bench->fleet, 0);
    return 0;
}

/* One attempt at "job" that is heard; TIMEOUT, HELD and the like are for the caller. */
static int try_job(redlock_client *client, const redlock_acquire_options *options,
                   redlock_lock **ret_lock, redlock_report *report) {
    return test_acquire(client, "job", options, ret_lock, report);
}

/* The key was planted to live for `wanted` ms, at `since_ms` at the earliest. */
static void assert_lives(test_server *server, const char *key, int64_t wanted, int64_t since_ms) {
    int64_t left = test_pttl(server, key);
    assert_true(left <= wanted);
    assert_true(left >= wanted - (test_now_ms() - since_ms) - 2);
}

static bool is_random_token(const char *token, const char *label) {
    return strspn(token, "0123456789abcdef") == 32 && token[32] == ':' &&
           strcmp(token + 33, label) == 0;
}

/* --- acquire and release --------------------------------------------------------------------- */

static void key_is_the_name_and_value_the_token(void **state) {
    live_bench *bench = *state;
    int64_t before = test_now_ms();
    redlock_lock *lock = test_take_unkept(bench->client, "job", 8000);
    size_t token_len = 0, name_len = 0;
    const char *token = redlock_lock_token(lock, &token_len);
    assert_int_equal(token_len, strlen(token));
    assert_true(is_random_token(token, "tester"));
    assert_true(test_value_is(bench->server, "job", token));
    assert_string_equal(redlock_lock_name(lock, &name_len), "job");
    assert_int_equal(name_len, 3);
    assert_lives(bench->server, "job", 9000, before); /* ttl and the margin, min(1 s, ttl/4) */
    int64_t left = redlock_lock_remaining_ms(lock);
    assert_true(left <= 8000 - 80 - 2 && left >= 8000 - 80 - 4 - (test_now_ms() - before));
    assert_true(redlock_lock_is_held(lock));
    test_give(lock);
    assert_int_equal(test_lock_count(bench->server), 0);
}

static void ttl_is_bounded_by_the_margin_asked_for(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    options.ttl_ms = 4000;
    options.margin_ms = 3000;
    options.renew_ms = REDLOCK_NO_RENEW;
    int64_t before = test_now_ms();
    assert_int_equal(try_job(bench->client, &options, &lock, NULL), REDLOCK_OK);
    assert_lives(bench->server, "job", 7000, before);
    test_give(lock);
    options.margin_ms = -1;
    before = test_now_ms();
    assert_int_equal(try_job(bench->client, &options, &lock, NULL), REDLOCK_OK);
    assert_lives(bench->server, "job", 4000, before);
    test_give(lock);
}

static void held_says_who_and_how_long(void **state) {
    live_bench *bench = *state;
    redlock_client_options other_options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take(bench->client, "job", 20000), *none = NULL;
    other_options.label = "other";
    redlock_client *other = test_fleet_client(&bench->fleet, &other_options);
    int64_t before = test_now_ms();
    TEST_STATUS(try_job(other, NULL, &none, &report), REDLOCK_HELD, &report);
    assert_true(test_now_ms() - before < 15000); /* long before it ends */
    assert_null(none);
    assert_int_equal(report.status, REDLOCK_HELD);
    assert_int_equal(report.node[0].status, REDLOCK_HELD);
    assert_string_equal(report.node[0].words, "tester");
    assert_in_range(report.node[0].left_ms, 5000, 21000);
    assert_true(report.node[0].latency_us > 0);
    assert_non_null(strstr(report.sentence, "held by tester"));
    assert_non_null(strstr(report.node[0].where, "unix://"));
    redlock_client_destroy(other);
    test_give(lock);
}

static void waiter_gets_it_when_it_is_free(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    int64_t before = test_now_ms();
    free(test_server_ask(bench->server, "SET", "job", "foreign", "PX", "400", NULL));
    options.wait_ms = TEST_PATIENCE_MS;
    TEST_STATUS(try_job(bench->client, &options, &lock, &report), REDLOCK_OK, &report);
    assert_true(test_now_ms() - before >= 390);
    test_give(lock);
}

static void wait_runs_out(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    free(test_server_ask(bench->server, "SET", "job", "foreign", "PX", "200000", NULL));
    options.wait_ms = 400;
    int64_t before = test_now_ms();
    TEST_STATUS(try_job(bench->client, &options, &lock, &report), REDLOCK_TIMEOUT, &report);
    assert_true(test_now_ms() - before >= 399);
    assert_int_not_equal(report.sentence[0], '\0'); /* the last attempt may have been cut short */
    options.wait_ms = REDLOCK_FOREVER;
    options.tries_max = 3;
    options.retry_min_ms = 1;
    options.retry_jitter_ms = 2;
    TEST_STATUS(try_job(bench->client, &options, &lock, &report), REDLOCK_HELD, &report);
    assert_non_null(strstr(report.sentence, "held by"));
    assert_true(test_value_is(bench->server, "job", "foreign"));
    free(test_server_ask(bench->server, "DEL", "job", NULL));
}

static void fence_only_grows(void **state) {
    live_bench *bench = *state;
    uint64_t last = 0;
    for (int i = 0; i < 200; i++) {
        redlock_lock *lock = test_take(bench->client, "job", 5000);
        assert_true(redlock_lock_fence(lock) > last);
        last = redlock_lock_fence(lock);
        if (i == 0) {
            char text[24];
            (void)snprintf(text, sizeof text, "%llu", (unsigned long long)last);
            assert_true(test_value_is(bench->server, MARK, text));
        }
        test_give(lock);
    }
    assert_in_range(test_pttl(bench->server, MARK), WEEK_MS - 60000, WEEK_MS);
}

static void fence_grows_over_a_lifted_mark(void **state) {
    live_bench *bench = *state;
    redlock_lock *lock = test_take(bench->client, "job", 5000);
    char text[24];
    uint64_t lifted =
        redlock_lock_fence(lock) + 1000000000; /* 1,000 s ahead: a fast clock elsewhere */
    test_give(lock);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)lifted);
    free(test_server_ask(bench->server, "SET", MARK, text, NULL));
    lock = test_take(bench->client, "job", 5000);
    assert_int_equal(redlock_lock_fence(lock), lifted + 1);
    test_give(lock);
}

/* --- extend ---------------------------------------------------------------------------------- */

static void extend_lengthens_and_never_shortens(void **state) {
    live_bench *bench = *state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_unkept(bench->client, "job", 10000);
    uint64_t fence = redlock_lock_fence(lock);
    TEST_STATUS(redlock_extend(lock, 20000, &report), REDLOCK_OK, &report);
    assert_in_range(redlock_lock_remaining_ms(lock), 12000, 20000);
    assert_in_range(test_pttl(bench->server, "job"), 12000, 21000);
    assert_int_equal(report.granted, 1);
    int status = redlock_try_extend(lock, 2000, &report);
    for (int i = 0; status == REDLOCK_NO_QUORUM && i < 20; i++) { /* one round that was too slow */
        status = redlock_try_extend(lock, 2000, &report);
    }
    TEST_STATUS(status, REDLOCK_OK, &report);
    assert_true(redlock_lock_remaining_ms(lock) > 10000);
    assert_true(test_pttl(bench->server, "job") > 10000);
    TEST_STATUS(redlock_extend(lock, 30000, &report), REDLOCK_OK, &report);
    assert_true(redlock_lock_remaining_ms(lock) > 20000);
    TEST_STATUS(redlock_extend(lock, -1, &report), REDLOCK_BAD_TTL, &report);
    TEST_STATUS(redlock_extend(lock, 60001, &report), REDLOCK_BAD_TTL, &report);
    assert_int_equal(redlock_lock_fence(lock), fence);
    test_give(lock);
}

static void extend_of_a_stolen_lock_is_lost(void **state) {
    live_bench *bench = *state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_unkept(bench->client, "job", 5000);
    free(test_server_ask(bench->server, "SET", "job", "thief", "PX", "20000", NULL));
    TEST_STATUS(redlock_extend(lock, 0, &report), REDLOCK_LOST, &report);
    assert_false(redlock_lock_is_held(lock));
    TEST_STATUS(redlock_try_extend(lock, 0, &report), REDLOCK_LOST, &report);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report);
    assert_true(test_value_is(bench->server, "job", "thief"));
    free(test_server_ask(bench->server, "DEL", "job", NULL));
}

/* --- tokens ---------------------------------------------------------------------------------- */

static void own_token_acquires_or_extends(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *first = NULL, *again = NULL, *none = NULL;
    options.ttl_ms = 9000;
    options.renew_ms = REDLOCK_NO_RENEW;
    options.token = "job-4711";
    options.token_len = 8;
    TEST_STATUS(try_job(bench->client, &options, &first, &report), REDLOCK_OK, &report);
    assert_true(test_value_is(bench->server, "job", "job-4711"));
    options.ttl_ms = 20000;
    TEST_STATUS(try_job(bench->client, &options, &again, &report), REDLOCK_OK, &report);
    assert_int_equal(redlock_lock_fence(again), redlock_lock_fence(first));
    assert_true(test_pttl(bench->server, "job") > 10000);
    options.token = "job-4712";
    TEST_STATUS(try_job(bench->client, &options, &none, &report), REDLOCK_HELD, &report);
    test_give(again);
    TEST_STATUS(redlock_release(first, &report), REDLOCK_NOT_HELD, &report);
}

static void token_of_256_bytes_any_byte(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    char token[256];
    size_t len = 0;
    for (size_t i = 0; i < sizeof token; i++) {
        token[i] = (char)i;
    }
    options.token = token;
    options.token_len = sizeof token;
    assert_int_equal(try_job(bench->client, &options, &lock, NULL), REDLOCK_OK);
    assert_memory_equal(redlock_lock_token(lock, &len), token, sizeof token);
    assert_int_equal(len, sizeof token);
    test_give(lock);
}

static void adopt_hands_over(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *other = test_fleet_client(&bench->fleet, NULL);
    redlock_lock *lock = test_take_unkept(bench->client, "job", 9000), *adopted = NULL;
    size_t token_len = 0;
    const char *token = redlock_lock_token(lock, &token_len);
    options.ttl_ms = 20000;
    options.node_timeout_ms = 5000;
    TEST_STATUS(redlock_adopt(other, "job", 3, token, token_len, redlock_lock_fence(lock), &options,
                              &adopted, &report),
                REDLOCK_OK, &report);
    assert_int_equal(redlock_lock_fence(adopted), redlock_lock_fence(lock));
    assert_string_equal(redlock_lock_token(adopted, NULL), token);
    assert_in_range(redlock_lock_remaining_ms(adopted), 10000, 20000);
    test_give(adopted);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report);
    redlock_client_destroy(other);
}

static void adopt_without_the_fence_learns_it(void **state) {
    live_bench *bench = *state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_unkept(bench->client, "job", 8000), *adopted = NULL;
    size_t token_len = 0;
    const char *token = redlock_lock_token(lock, &token_len);
    TEST_STATUS(
        redlock_adopt(bench->client, "job", 3, token, token_len, 0, NULL, &adopted, &report),
        REDLOCK_OK, &report);
    assert_int_equal(redlock_lock_fence(adopted), redlock_lock_fence(lock));
    test_give(adopted);
    (void)redlock_release(lock, NULL);
}

static void adopt_of_a_foreign_token_touches_nothing(void **state) {
    live_bench *bench = *state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_unkept(bench->client, "job", 8000), *adopted = NULL;
    TEST_STATUS(redlock_adopt(bench->client, "job", 3, "not-mine", 8, 0, NULL, &adopted, &report),
                REDLOCK_NOT_HELD, &report);
    assert_null(adopted);
    assert_true(test_value_is(bench->server, "job", redlock_lock_token(lock, NULL)));
    uint64_t fence = redlock_lock_fence(lock);
    test_give(lock);
    /* The name is free now, and the token's fence is the last one: still nothing may be planted. */
    TEST_STATUS(
        redlock_adopt(bench->client, "job", 3, "not-mine", 8, fence, NULL, &adopted, &report),
        REDLOCK_NOT_HELD, &report);
    assert_int_equal(test_lock_count(bench->server), 0);
}

/* --- plain, prefix, names -------------------------------------------------------------------- */

static void plain_leaves_no_companion(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL, *none = NULL;
    options.flags = REDLOCK_ACQUIRE_PLAIN;
    TEST_STATUS(try_job(bench->client, &options, &lock, &report), REDLOCK_OK, &report);
    assert_int_equal(redlock_lock_fence(lock), 0);
    TEST_STATUS(try_job(bench->client, &options, &none, &report), REDLOCK_HELD, &report);
    TEST_STATUS(redlock_extend(lock, 40000, &report), REDLOCK_OK, &report);
    char *keys = test_server_ask(bench->server, "KEYS", "*", NULL);
    assert_string_equal(keys, "job\n");
    free(keys);
    test_give(lock);
    keys = test_server_ask(bench->server, "DBSIZE", NULL);
    assert_string_equal(keys, "0");
    free(keys);
}

/* What the server has for a plain release, as the greeting reads it. */
static const char *native_word(test_server *server) {
    char *info = test_server_ask(server, "INFO", "server", NULL);
    const char *valkey = strstr(info, "valkey_version:"), *redis = strstr(info, "redis_version:");
    double version = 0;
    if (valkey != NULL) {
        version = strtod(valkey + strlen("valkey_version:"), NULL);
    } else if (redis != NULL) {
        version = strtod(redis + strlen("redis_version:"), NULL);
    }
    const char *word = valkey != NULL ? "delifeq" : "delex";
    bool has_it = version >= (valkey != NULL ? 9 : 8.4);
    free(info);
    return has_it ? word : NULL;
}

/* How often the server has run the command, or has refused it. */
static int call_count(test_server *server, const char *word, const char *what) {
    char start[64];
    char *info = test_server_ask(server, "INFO", "commandstats", NULL);
    (void)snprintf(start, sizeof start, "cmdstat_%s:", word);
    const char *line = strstr(info, start);
    const char *at = line != NULL ? strstr(line, what) : NULL;
    int count = at != NULL ? (int)strtol(at + strlen(what), NULL, 10) : 0;
    free(info);
    return count;
}

static void plain_give(live_bench *bench, int wanted) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    options.flags = REDLOCK_ACQUIRE_PLAIN;
    TEST_STATUS(try_job(bench->client, &options, &lock, &report), REDLOCK_OK, &report);
    if (wanted == REDLOCK_NOT_HELD) {
        free(test_server_ask(bench->server, "SET", "job", "somebody else", NULL));
    }
    TEST_STATUS(redlock_release(lock, &report), wanted, &report);
    assert_true(test_value_is(bench->server, "job",
                              wanted == REDLOCK_NOT_HELD ? "somebody else" : "(nil)"));
    free(test_server_ask(bench->server, "DEL", "job", NULL));
}

static void plain_release_is_native_where_the_server_has_it(void **state) {
    live_bench *bench = *state;
    const char *word = native_word(bench->server);
    free(test_server_ask(bench->server, "CONFIG", "RESETSTAT", NULL));
    for (int i = 0; i < 3; i++) {
        plain_give(bench, REDLOCK_OK);
        plain_give(bench, REDLOCK_NOT_HELD);
    }
    if (word == NULL) {
        assert_int_equal(call_count(bench->server, "delifeq", "calls="), 0);
        assert_int_equal(call_count(bench->server, "delex", "calls="), 0);
    } else {
        assert_int_equal(call_count(bench->server, word, "calls="), 6);
        assert_int_equal(call_count(bench->server, "evalsha", "calls="), 0);
    }
}

/* As for a user of before the command was there: the connection asks once, and then uses the script. */
static void plain_release_without_the_right_is_a_script(void **state) {
    live_bench *bench = *state;
    const char *word = native_word(bench->server);
    char rule[16];
    if (word == NULL) {
        skip();
    }
    free(test_server_ask(bench->server, "CONFIG", "RESETSTAT", NULL));
    (void)snprintf(rule, sizeof rule, "-%s", word);
    char *said = test_server_ask(bench->server, "ACL", "SETUSER", "default", rule, NULL);
    assert_string_equal(said, "OK");
    free(said);
    plain_give(bench, REDLOCK_OK);
    plain_give(bench, REDLOCK_NOT_HELD);
    plain_give(bench, REDLOCK_OK);
    rule[0] = '+';
    free(test_server_ask(bench->server, "ACL", "SETUSER", "default", rule, NULL));
    assert_int_equal(call_count(bench->server, word, "rejected_calls="), 1);
    assert_int_equal(call_count(bench->server, word, "calls="), 0);
    assert_int_equal(call_count(bench->server, "eval", "calls="), 1);
    assert_int_equal(call_count(bench->server, "evalsha", "calls="), 2);
}

/* Its own token may come again: only the script knows until when the release may take effect. */
static void plain_release_of_an_own_token_is_a_script(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    options.flags = REDLOCK_ACQUIRE_PLAIN;
    options.token = "mine";
    options.token_len = 4;
    free(test_server_ask(bench->server, "CONFIG", "RESETSTAT", NULL));
    TEST_STATUS(try_job(bench->client, &options, &lock, &report), REDLOCK_OK, &report);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_OK, &report);
    assert_int_equal(call_count(bench->server, "delifeq", "calls="), 0);
    assert_int_equal(call_count(bench->server, "delex", "calls="), 0);
}

static void prefix_goes_in_front_of_every_key(void **state) {
    live_bench *bench = *state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.key_prefix = "app7:";
    redlock_client *client = test_fleet_client(&bench->fleet, &options);
    redlock_lock *lock = test_take(client, "job", 8000),
                 *other = test_take(bench->client, "job", 8000);
    assert_true(test_value_is(bench->server, "app7:job", redlock_lock_token(lock, NULL)));
    char *keys = test_server_ask(bench->server, "KEYS", "app7:*", NULL);
    assert_non_null(strstr(keys, "app7:redlock:{job}:fence\n"));
    free(keys);
    test_give(other);
    test_give(lock);
    redlock_client_destroy(client);
    free(test_server_ask(bench->server, "FLUSHALL", NULL));
}

static void names_may_hold_any_byte(void **state) {
    live_bench *bench = *state;
    redlock_lock *one = NULL, *two = NULL, *none = NULL;
    assert_int_equal(redlock_acquire(bench->client, "a\0b", 3, NULL, &one, NULL), REDLOCK_OK);
    assert_int_equal(redlock_acquire(bench->client, "a\0c", 3, NULL, &two, NULL), REDLOCK_OK);
    assert_int_equal(redlock_acquire(bench->client, "a\0b", 3, NULL, &none, NULL), REDLOCK_HELD);
    assert_int_equal(test_lock_count(bench->server), 2);
    assert_memory_equal(redlock_lock_name(one, NULL), "a\0b", 4);
    test_give(one);
    test_give(two);
}

static void names_of_512_bytes(void **state) {
    live_bench *bench = *state;
    char name[512];
    redlock_lock *lock = NULL, *other = NULL;
    memset(name, '{', sizeof name); /* braces: the hash tag's own letters */
    assert_int_equal(redlock_acquire(bench->client, name, sizeof name, NULL, &lock, NULL),
                     REDLOCK_OK);
    name[511] = '}';
    assert_int_equal(redlock_acquire(bench->client, name, sizeof name, NULL, &other, NULL),
                     REDLOCK_OK);
    assert_int_equal(test_lock_count(bench->server), 2);
    test_give(other);
    test_give(lock);
}

static void short_ttl_of_five_ms(void **state) {
    live_bench *bench = *state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    options.ttl_ms = 5;
    options.renew_ms = REDLOCK_NO_RENEW;
    int status = try_job(bench->client, &options, &lock, NULL);
    assert_true(status == REDLOCK_OK || status == REDLOCK_EXPIRED || status == REDLOCK_NO_QUORUM);
    if (status == REDLOCK_OK) {
        (void)redlock_release(lock, NULL);
    }
    test_fleet_assert_free(&bench->fleet, 5000);
}

/* --- looking --------------------------------------------------------------------------------- */

static void inspect_tells_the_holder(void **state) {
    live_bench *bench = *state;
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_report report = REDLOCK_INIT(redlock_report);
    TEST_STATUS(redlock_inspect(bench->client, "job", 3, &info, &report), REDLOCK_OK, &report);
    assert_int_equal(info.holder_count, 0);
    assert_int_equal(info.left_ms, 0);
    assert_string_equal(info.holder, "");
    redlock_lock *lock = test_take(bench->client, "job", 8000);
    TEST_STATUS(redlock_inspect(bench->client, "job", 3, &info, &report), REDLOCK_OK, &report);
    assert_int_equal(info.holder_count, 1);
    assert_in_range(info.left_ms, 5000, 9000);
    assert_int_equal(info.fence, redlock_lock_fence(lock));
    assert_string_equal(info.holder, redlock_lock_token(lock, NULL));
    test_give(lock);
}

static void break_is_not_healed(void **state) {
    live_bench *bench = *state;
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take(bench->client, "job", 600);
    char token[80];
    (void)snprintf(token, sizeof token, "%s", redlock_lock_token(lock, NULL));
    TEST_STATUS(redlock_break(bench->client, "job", 3, &info, &report), REDLOCK_OK, &report);
    assert_string_equal(info.holder, token);
    assert_int_equal(test_lock_count(bench->server), 0);
    int64_t until = test_now_ms() + 600;
    while (redlock_lock_is_held(lock) && test_now_ms() < until) {
        test_nap_ms(5);
    }
    assert_false(redlock_lock_is_held(lock));
    assert_int_equal(test_lock_count(bench->server), 0);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report);
}

static void release_after_expiry_is_not_held(void **state) {
    live_bench *bench = *state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_unkept(bench->client, "job", 200);
    test_nap_ms(300);
    assert_false(redlock_lock_is_held(lock));
    assert_int_equal(redlock_lock_remaining_ms(lock), 0);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(key_is_the_name_and_value_the_token),
        LIVE(ttl_is_bounded_by_the_margin_asked_for),
        LIVE(held_says_who_and_how_long),
        LIVE(waiter_gets_it_when_it_is_free),
        LIVE(wait_runs_out),
        LIVE(fence_only_grows),
        LIVE(fence_grows_over_a_lifted_mark),
        LIVE(extend_lengthens_and_never_shortens),
        LIVE(extend_of_a_stolen_lock_is_lost),
        LIVE(own_token_acquires_or_extends),
        LIVE(token_of_256_bytes_any_byte),
        LIVE(adopt_hands_over),
        LIVE(adopt_without_the_fence_learns_it),
        LIVE(adopt_of_a_foreign_token_touches_nothing),
        LIVE(plain_leaves_no_companion),
        LIVE(plain_release_is_native_where_the_server_has_it),
        LIVE(plain_release_without_the_right_is_a_script),
        LIVE(plain_release_of_an_own_token_is_a_script),
        LIVE(prefix_goes_in_front_of_every_key),
        LIVE(names_may_hold_any_byte),
        LIVE(names_of_512_bytes),
        LIVE(short_ttl_of_five_ms),
        LIVE(inspect_tells_the_holder),
        LIVE(break_is_not_healed),
        LIVE(release_after_expiry_is_not_held),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
