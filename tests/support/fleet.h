/* fleet.h -- what every live test needs: some servers, a client of them, and the question whether
 * anything of ours is left behind. */
#ifndef REDLOCK_TEST_FLEET_H
#define REDLOCK_TEST_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include <redlock/redlock.h>

#include "proxy.h"
#include "server.h"

#define TEST_FLEET_MAX 5

typedef struct test_fleet {
    uint32_t count;
    test_server *server[TEST_FLEET_MAX];
    test_proxy *proxy[TEST_FLEET_MAX]; /* NULL unless started with proxies */
    const char *url[TEST_FLEET_MAX];   /* where a client goes: the proxy, else the server */
} test_fleet;

/* A proxy whose URL has the login that the server's has. */
test_proxy *test_proxy_of(const test_server *server);
/* `with_proxies`: a proxy in front of each server. */
void test_fleet_start(test_fleet *fleet, uint32_t count, bool with_proxies);
void test_fleet_stop(test_fleet *fleet);
/* A client of all servers; `options` may be NULL.  Fails the test when there is none. */
redlock_client *test_fleet_client(const test_fleet *fleet, const redlock_client_options *options);
/* Declares all nodes ready, whatever they have seen. */
void test_fleet_init_nodes(const test_fleet *fleet);
/* Empties every running server and declares it ready again. */
void test_fleet_clear(const test_fleet *fleet);

/* Keys on one server but marks and the guard's own; -1 when it doesn't answer. */
int test_lock_count(test_server *server);
/* Fails the test unless every running server is free of locks within `within_ms`. */
void test_fleet_assert_free(const test_fleet *fleet, int64_t within_ms);
/* The answer to GET or PTTL. */
bool test_value_is(test_server *server, const char *name, const char *value);
int64_t test_pttl(test_server *server, const char *key);

/* What has to happen is waited for so long: sanitizers and busy machines are slow. */
#define TEST_PATIENCE_MS INT64_C(30000)

int64_t test_now_ms(void); /* of a clock that counts suspend, as the library's does */
int64_t test_now_us(void);
void test_nap_ms(int64_t ms);
int test_fd_count(void);
int test_thread_count(void);

/* Whether an attempt failed because servers that are well were not heard in time.  On a machine that
 * stands still for a moment it is the right answer. */
bool test_was_unheard(int status, const redlock_report *report);
/* redlock_acquire, again and again until it was heard: for servers that are well.  Asserts nothing. */
int test_acquire(redlock_client *client, const char *name, const redlock_acquire_options *options,
                 redlock_lock **ret_lock, redlock_report *report);
/* Takes and releases in one word, for tests whose point is another; a take is tried until it was
 * heard.  A kept one is renewed every `renew_ms`, so that its ttl may be long. */
redlock_lock *test_take(redlock_client *client, const char *name, int64_t ttl_ms);
redlock_lock *test_take_kept(redlock_client *client, const char *name, int64_t ttl_ms,
                             int64_t renew_ms);
redlock_lock *test_take_unkept(redlock_client *client, const char *name, int64_t ttl_ms);
void test_give(redlock_lock *lock);
/* Waits until the lock is renewed once more; false when it is lost or never is. */
bool test_is_renewed(redlock_lock *lock);
/* Fails with both statuses by name and the report's sentence. */
void test_status_at(int status, int wanted, const redlock_report *report, const char *file,
                    int line);
#define TEST_STATUS(status, wanted, report)                                                        \
    test_status_at(status, wanted, report, __FILE__, __LINE__)

#endif
