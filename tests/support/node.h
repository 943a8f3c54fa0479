/* node.h -- a real server and one connection to it, spoken to step by step through the wire code.
 *
 * For tests of single steps; what goes wrong with the connection fails the test. */
#ifndef REDLOCK_TESTS_NODE_H
#define REDLOCK_TESTS_NODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "server.h"
#include "wire/hello.h"
#include "wire/resp.h"
#include "wire/step.h"

typedef struct test_node {
    test_server *server;
    int fd;
    uint8_t in[REDLOCK_RESP_REPLY_BYTES_MAX + REDLOCK_RESP_LINE_BYTES_MAX];
    size_t in_len;
    size_t used; /* of `in`, by the last reply */
    redlock_resp_reader reader;
} test_node;

/* cmocka fixtures: a server of its own with a connection that has greeted it, in *state. */
int test_node_start(void **state);
int test_node_stop(void **state);
/* Before a single case: *state's server loses all its keys. */
int test_node_empty(void **state);
#define TEST_ON_EMPTY(name) cmocka_unit_test_setup(name, test_node_empty)

/* To node->server, which must have been started. */
void test_node_connect(test_node *node);
redlock_status test_node_greet(test_node *node, const char *url_text, redlock_hello *hello);
void test_node_send(test_node *node, const uint8_t *bytes, size_t len);
/* The next reply, into node->reader; its texts lie in node->in until the next call. */
void test_node_read(test_node *node);
redlock_answer test_node_run(test_node *node, redlock_command command);
redlock_answer test_node_run_with_prefix(test_node *node, const redlock_command *command,
                                         const char *prefix);

/* Past the steps, on a connection of its own: what the server says to up to three words. */
void test_node_assert_says(test_node *node, const char *wanted, const char *a, const char *b,
                           const char *c);
int64_t test_node_number(test_node *node, const char *word, const char *key);
void test_node_set(test_node *node, const char *key, const char *value);
/* The number stands behind the text `before`. */
void test_node_set_number(test_node *node, const char *key, const char *before, uint64_t number);
void test_node_configure(test_node *node, const char *option, const char *value);
void test_node_assert_value(test_node *node, const char *key, const char *value);
void test_node_assert_number(test_node *node, const char *key, uint64_t number);
void test_node_assert_key_count(test_node *node, int count);
/* What is left of the key's life, in ms. */
void test_node_assert_left(test_node *node, const char *key, int64_t least, int64_t most);
/* The server's own clock, asked by a step. */
uint64_t test_node_now_us(test_node *node);

#endif
