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
/* To node->server, which must have been started. */
void test_node_connect(test_node *node);
redlock_status test_node_greet(test_node *node, const char *url_text, redlock_hello *hello);
void test_node_send(test_node *node, const uint8_t *bytes, size_t len);
/* The next reply, into node->reader; its texts lie in node->in until the next call. */
void test_node_read(test_node *node);
redlock_answer test_node_run(test_node *node, redlock_command command);
redlock_answer test_node_run_with_prefix(test_node *node, const redlock_command *command,
                                         const char *prefix);

#endif
