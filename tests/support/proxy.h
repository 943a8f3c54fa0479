/* proxy.h -- a small relay in front of a test's server, on a thread of its own, that can be a bad
 * network: slow in each direction, silent, gone, or broken in the middle.
 *
 * It listens on 127.0.0.1 and relays to a server's unix socket.  What goes wrong in setting it up
 * aborts the test program. */
#ifndef REDLOCK_TEST_PROXY_H
#define REDLOCK_TEST_PROXY_H

#include <stdint.h>

typedef enum test_proxy_mode {
    TEST_PROXY_PASS = 0,
    TEST_PROXY_BLACKHOLE, /* accepts, and swallows every byte; such connections never recover */
    TEST_PROXY_FREEZE,    /* accepts and keeps every byte; all of it goes on its way with PASS */
    TEST_PROXY_GARBLE,    /* what the server says arrives as so many '?' */
    TEST_PROXY_REFUSE     /* nobody listens; connections that exist go on */
} test_proxy_mode;

typedef struct test_proxy test_proxy;

test_proxy *test_proxy_start(const char *socket_path);
/* The URL has it in front of the address from now on: "user:password@". */
void test_proxy_set_login(test_proxy *proxy, const char *login);
const char *test_proxy_url(const test_proxy *proxy); /* "redis://127.0.0.1:port" */
int test_proxy_port(const test_proxy *proxy);
/* For bytes that come from now on. */
void test_proxy_delay(test_proxy *proxy, int64_t to_server_us, int64_t to_client_us);
/* Has taken effect when it returns. */
void test_proxy_set_mode(test_proxy *proxy, test_proxy_mode mode);
/* Breaks every connection that exists. */
void test_proxy_cut(test_proxy *proxy);
/* Ends the thread, closes everything, frees.  NULL is fine. */
void test_proxy_stop(test_proxy *proxy);

#endif
