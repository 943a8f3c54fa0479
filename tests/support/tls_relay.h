/* tls_relay.h -- TLS in front of a server's unix socket, on a thread of its own, that counts what it
 * hears: who connected, who was let in, what was said before and after.
 *
 * It listens on 127.0.0.1 and ::1 is not served.  What goes wrong in setting it up aborts the test
 * program. */
#ifndef REDLOCK_TEST_TLS_RELAY_H
#define REDLOCK_TEST_TLS_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

typedef enum test_tls_mode {
    TEST_TLS_PASS = 0,
    TEST_TLS_MUTE,   /* accepts and says nothing */
    TEST_TLS_DRIBBLE /* says one byte every two milliseconds */
} test_tls_mode;

typedef struct test_tls_counts {
    uint32_t connections, handshakes, resumed, failed;
    uint64_t sealed_bytes; /* from clients, as they came */
    uint64_t plain_bytes;  /* what was in them */
} test_tls_counts;

typedef struct test_tls_relay test_tls_relay;

test_tls_relay *test_tls_relay_start(SSL_CTX *take_context, const char *socket_path);
int test_tls_relay_port(const test_tls_relay *relay);
void test_tls_relay_set_mode(test_tls_relay *relay, test_tls_mode mode); /* of new connections */
/* Breaks every connection that exists; done when it returns. */
void test_tls_relay_cut(test_tls_relay *relay);
test_tls_counts test_tls_relay_counts(test_tls_relay *relay);
/* Whether `text` was in what any client said, on the wire or inside of it. */
bool test_tls_relay_heard(test_tls_relay *relay, const char *text);
/* NULL is fine. */
void test_tls_relay_stop(test_tls_relay *relay);

#endif
