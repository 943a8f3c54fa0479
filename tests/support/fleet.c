/* fleet.c -- servers, clients and questions for live tests. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "fleet.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* --- servers --------------------------------------------------------------------------------- */

test_proxy *test_proxy_of(const test_server *server) {
    test_proxy *proxy = test_proxy_start(test_server_socket(server));
    test_proxy_set_login(proxy, test_server_login());
    return proxy;
}

void test_fleet_start(test_fleet *fleet, uint32_t count, bool with_proxies) {
    *fleet = (test_fleet){.count = count};
    for (uint32_t i = 0; i < count; i++) {
        fleet->server[i] = test_server_start(NULL);
        fleet->url[i] = test_server_url(fleet->server[i]);
        if (with_proxies) {
            fleet->proxy[i] = test_proxy_of(fleet->server[i]);
            fleet->url[i] = test_proxy_url(fleet->proxy[i]);
        }
    }
}

void test_fleet_stop(test_fleet *fleet) {
    for (uint32_t i = 0; i < fleet->count; i++) {
        test_proxy_stop(fleet->proxy[i]);
        test_server_stop(fleet->server[i]);
    }
    *fleet = (test_fleet){.count = 0};
}

redlock_client *test_fleet_client(const test_fleet *fleet, const redlock_client_options *options) {
    redlock_client *client = NULL;
    redlock_report report = REDLOCK_INIT(redlock_report);
    int status = redlock_client_create(fleet->url, fleet->count, options, &client, &report);
    TEST_STATUS(status, REDLOCK_OK, &report);
    return client;
}

void test_fleet_init_nodes(const test_fleet *fleet) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = test_fleet_client(fleet, NULL);
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    int status = redlock_client_init_nodes(client, 1, &report);
    while (status == REDLOCK_NO_QUORUM && test_now_ms() < until) {
        status = redlock_client_init_nodes(client, 1, &report);
    }
    redlock_client_destroy(client);
    TEST_STATUS(status, REDLOCK_OK, &report);
}

void test_fleet_clear(const test_fleet *fleet) {
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (test_server_pid(fleet->server[i]) == 0) {
            test_server_restart(fleet->server[i], true);
        }
        free(test_server_ask(fleet->server[i], "FLUSHALL", NULL));
    }
    test_fleet_init_nodes(fleet);
}

/* --- what is there --------------------------------------------------------------------------- */

int test_lock_count(test_server *server) {
    static const char script[] =
        "local count = 0 for _, key in ipairs(redis.call('KEYS', '*')) do "
        "if not string.find(key, 'redlock:', 1, true) then count = count + 1 end end "
        "return count";
    char *said = test_server_ask(server, "EVAL", script, "0", NULL);
    if (said == NULL) {
        return -1;
    }
    int count = (int)strtol(said, NULL, 10);
    free(said);
    return count;
}

static int fleet_lock_count(const test_fleet *fleet) {
    int count = 0;
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (test_server_pid(fleet->server[i]) != 0) {
            count += abs(test_lock_count(fleet->server[i]));
        }
    }
    return count;
}

void test_fleet_assert_free(const test_fleet *fleet, int64_t within_ms) {
    int64_t until = test_now_ms() + within_ms;
    int count = fleet_lock_count(fleet);
    while (count > 0 && test_now_ms() < until) {
        test_nap_ms(10);
        count = fleet_lock_count(fleet);
    }
    for (uint32_t i = 0; i < fleet->count && count > 0; i++) {
        char *keys = test_server_ask(fleet->server[i], "KEYS", "*", NULL);
        print_message("# node %u has: %s\n", i, keys != NULL ? keys : "(no answer)");
        free(keys);
    }
    assert_int_equal(count, 0);
}

bool test_value_is(test_server *server, const char *name, const char *value) {
    char *said = test_server_ask(server, "GET", name, NULL);
    bool same = said != NULL && strcmp(said, value) == 0;
    free(said);
    return same;
}

int64_t test_pttl(test_server *server, const char *key) {
    char *said = test_server_ask(server, "PTTL", key, NULL);
    assert_non_null(said);
    int64_t number = strtoll(said, NULL, 10);
    free(said);
    return number;
}

/* --- this process ---------------------------------------------------------------------------- */

int64_t test_now_us(void) {
    struct timespec now;
#ifdef CLOCK_BOOTTIME
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
#else
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t test_now_ms(void) {
    return test_now_us() / 1000;
}

void test_nap_ms(int64_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static int entry_count(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

int test_fd_count(void) {
    return entry_count("/proc/self/fd");
}

int test_thread_count(void) {
    return entry_count("/proc/self/task");
}

/* --- locks ----------------------------------------------------------------------------------- */

void test_status_at(int status, int wanted, const redlock_report *report, const char *file,
                    int line) {
    if (status == wanted) {
        return;
    }
    print_message("# %s:%d: %s, but %s was wanted: %s\n", file, line, redlock_status_name(status),
                  redlock_status_name(wanted), report != NULL ? report->sentence : "");
    for (uint32_t i = 0; report != NULL && i < report->node_count; i++) {
        print_message("#   %s: %s errno %d words '%s'\n", report->node[i].where,
                      redlock_status_name(report->node[i].status), report->node[i].sys_errno,
                      report->node[i].words);
    }
    _fail(file, line);
}

bool test_was_unheard(int status, const redlock_report *report) {
    bool was_silent = false;
    for (uint32_t i = 0; i < report->node_count; i++) {
        was_silent = was_silent || report->node[i].status == REDLOCK_SILENT;
    }
    return status == REDLOCK_EXPIRED || (status == REDLOCK_NO_QUORUM && was_silent);
}

int test_acquire(redlock_client *client, const char *name, const redlock_acquire_options *options,
                 redlock_lock **ret_lock, redlock_report *report) {
    redlock_report own = REDLOCK_INIT(redlock_report);
    redlock_report *told = report != NULL ? report : &own;
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    int status = redlock_acquire(client, name, strlen(name), options, ret_lock, told);
    while (test_was_unheard(status, told) && test_now_ms() < until) {
        test_nap_ms(5);
        status = redlock_acquire(client, name, strlen(name), options, ret_lock, told);
    }
    return status;
}

redlock_lock *test_take_kept(redlock_client *client, const char *name, int64_t ttl_ms,
                             int64_t renew_ms) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    options.ttl_ms = ttl_ms;
    options.renew_ms = renew_ms;
    int64_t before = test_now_ms();
    TEST_STATUS(test_acquire(client, name, &options, &lock, &report), REDLOCK_OK, &report);
    while (!redlock_lock_is_held(lock)) { /* we stood still for all of its ttl */
        assert_true(test_now_ms() - before >= ttl_ms - ttl_ms / 100 - 3);
        assert_true(test_now_ms() - before < TEST_PATIENCE_MS);
        (void)redlock_release(lock, NULL);
        TEST_STATUS(test_acquire(client, name, &options, &lock, &report), REDLOCK_OK, &report);
    }
    return lock;
}

redlock_lock *test_take(redlock_client *client, const char *name, int64_t ttl_ms) {
    return test_take_kept(client, name, ttl_ms, 0);
}

redlock_lock *test_take_unkept(redlock_client *client, const char *name, int64_t ttl_ms) {
    return test_take_kept(client, name, ttl_ms, REDLOCK_NO_RENEW);
}

void test_give(redlock_lock *lock) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_OK, &report);
}

bool test_is_renewed(redlock_lock *lock) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS, last = redlock_lock_remaining_ms(lock);
    while (test_now_ms() < until && redlock_lock_is_held(lock)) {
        test_nap_ms(5);
        int64_t left = redlock_lock_remaining_ms(lock);
        if (left > last + 10) {
            return true;
        }
        last = left < last ? left : last;
    }
    return false;
}
