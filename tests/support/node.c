#include "node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

void test_node_connect(test_node *node) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", test_server_socket(node->server));
    node->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    node->in_len = 0;
    node->used = 0;
    assert_true(node->fd >= 0);
    assert_return_code(connect(node->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void test_node_send(test_node *node, const uint8_t *bytes, size_t len) {
    for (size_t sent = 0; sent < len;) {
        ssize_t count = send(node->fd, bytes + sent, len - sent, MSG_NOSIGNAL);

        assert_true(count > 0);
        sent += (size_t)count;
    }
}

void test_node_read(test_node *node) {
    redlock_resp_status status;

    memmove(node->in, node->in + node->used, node->in_len - node->used);
    node->in_len -= node->used;
    redlock_resp_reader_init(&node->reader);
    while ((status = redlock_resp_read(&node->reader, node->in, node->in_len, &node->used)) ==
           REDLOCK_RESP_MORE) {
        ssize_t count = recv(node->fd, node->in + node->in_len, sizeof node->in - node->in_len, 0);

        assert_true(count > 0);
        node->in_len += (size_t)count;
    }
    assert_int_equal(status, REDLOCK_RESP_DONE);
}

redlock_answer test_node_run_with_prefix(test_node *node, const redlock_command *command,
                                         const char *prefix) {
    static uint8_t out[REDLOCK_STEP_BYTES_MAX];
    size_t len = redlock_step_encode(command, redlock_bytes_of(prefix), out, sizeof out);

    assert_true(len <= sizeof out);
    test_node_send(node, out, len);
    test_node_read(node);
    return command->claim.token.len > 0
               ? redlock_step_decode_claimed(&node->reader, node->in)
               : redlock_step_decode(command->kind, command->fenced, &node->reader, node->in);
}

redlock_answer test_node_run(test_node *node, redlock_command command) {
    return test_node_run_with_prefix(node, &command, "");
}

redlock_status test_node_greet(test_node *node, const char *url_text, redlock_hello *hello) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url;
    redlock_url_error error;

    assert_int_equal(redlock_url_parse(redlock_bytes_of(url_text), &url, &error), REDLOCK_OK);
    size_t len = redlock_hello_start(hello, &url, redlock_bytes_of("test"), out, sizeof out);

    while (len > 0) {
        test_node_send(node, out, len);
        do {
            test_node_read(node);
        } while (!redlock_hello_take(hello, &node->reader, node->in));
        len = hello->status == REDLOCK_OK ? redlock_hello_teach(hello, out, sizeof out) : 0;
    }
    return hello->status;
}

int test_node_start(void **state) {
    test_node *node = calloc(1, sizeof *node);
    redlock_hello hello;

    assert_non_null(node);
    node->server = test_server_start(NULL);
    test_node_connect(node);
    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_OK);
    *state = node;
    return 0;
}

int test_node_stop(void **state) {
    test_node *node = *state;

    close(node->fd);
    test_server_stop(node->server);
    free(node);
    return 0;
}

int test_node_empty(void **state) {
    test_node_assert_says(*state, "OK", "FLUSHALL", NULL, NULL);
    return 0;
}

void test_node_assert_says(test_node *node, const char *wanted, const char *a, const char *b,
                           const char *c) {
    char *said = test_server_ask(node->server, a, b, c, NULL);

    assert_non_null(said);
    assert_string_equal(said, wanted);
    free(said);
}

int64_t test_node_number(test_node *node, const char *word, const char *key) {
    char *said = test_server_ask(node->server, word, key, NULL);
    int64_t number;

    assert_non_null(said);
    number = strtoll(said, NULL, 10);
    free(said);
    return number;
}

void test_node_set(test_node *node, const char *key, const char *value) {
    test_node_assert_says(node, "OK", "SET", key, value);
}

void test_node_set_number(test_node *node, const char *key, const char *before, uint64_t number) {
    char value[96];

    snprintf(value, sizeof value, "%s%llu", before, (unsigned long long)number);
    test_node_set(node, key, value);
}

void test_node_configure(test_node *node, const char *option, const char *value) {
    char *said = test_server_ask(node->server, "CONFIG", "SET", option, value, NULL);

    assert_non_null(said);
    assert_string_equal(said, "OK");
    free(said);
}

void test_node_assert_value(test_node *node, const char *key, const char *value) {
    test_node_assert_says(node, value, "GET", key, NULL);
}

void test_node_assert_number(test_node *node, const char *key, uint64_t number) {
    char value[32];

    snprintf(value, sizeof value, "%llu", (unsigned long long)number);
    test_node_assert_value(node, key, value);
}

void test_node_assert_key_count(test_node *node, int count) {
    assert_int_equal(test_node_number(node, "DBSIZE", NULL), count);
}

void test_node_assert_left(test_node *node, const char *key, int64_t least, int64_t most) {
    assert_in_range(test_node_number(node, "PTTL", key), least, most);
}

uint64_t test_node_now_us(test_node *node) {
    redlock_command look = {.kind = REDLOCK_COMMAND_LOOK, .name = redlock_bytes_of("clock")};

    return test_node_run(node, look).time_ms * 1000;
}
