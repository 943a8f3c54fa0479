/* script_greeting_test.c -- the greeting of a real server: what is learned of it, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node.h"
#include "server.h"

static void greeting_learns_run_time_and_version(void **state) {
    test_node *node = *state;
    redlock_hello hello;

    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_OK);
    assert_int_equal(hello.run_id_len, REDLOCK_RUN_ID_BYTES);
    assert_true(hello.version[0] >= '5' && hello.version[0] <= '9');
    assert_in_range(hello.time_ms, test_node_now_us(node) / 1000 - 60000,
                    test_node_now_us(node) / 1000);
    assert_string_equal(hello.words, "");
    char *list = test_server_ask(node->server, "CLIENT", "LIST", NULL);

    assert_non_null(list);
    assert_non_null(strstr(list, " name=test "));
    free(list);
}

static void greeting_refuses_a_server_that_evicts(void **state) {
    test_node *node = *state;
    redlock_hello hello;

    test_node_configure(node, "maxmemory-policy", "volatile-ttl");
    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_EVICTS);
    assert_string_equal(hello.words, "maxmemory-policy is volatile-ttl");
    test_node_configure(node, "maxmemory-policy", "noeviction");
}

static void greeting_tells_a_wrong_password_from_a_missing_one(void **state) {
    static const struct {
        const char *user;
        redlock_status status;
    } rows[] = {
        {"", REDLOCK_AUTH_REQUIRED},      {":wrong@", REDLOCK_AUTH},
        {"nobody:secret@", REDLOCK_AUTH}, {":secret@", REDLOCK_OK},
        {"default:secret@", REDLOCK_OK},
    };
    test_node *node = *state;

    if (test_server_has_few_rights()) {
        print_message("# it is about the default user's password, and that user is off\n");
        skip();
    }
    test_node_configure(node, "requirepass", "secret");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redlock_hello hello;
        char url[256];

        close(node->fd);
        test_node_connect(node);
        snprintf(url, sizeof url, "unix://%s%s?db=3", rows[i].user,
                 test_server_socket(node->server));
        assert_int_equal(test_node_greet(node, url, &hello), rows[i].status);
        assert_null(strstr(hello.words, "secret"));
    }
    /* The last of them is logged in: it takes the password away again for the others. */
    test_node_send(node, (const uint8_t *)"CONFIG SET requirepass \"\"\r\nSELECT 0\r\n", 37);
    test_node_read(node);
    test_node_read(node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(greeting_learns_run_time_and_version),
        TEST_ON_EMPTY(greeting_refuses_a_server_that_evicts),
        TEST_ON_EMPTY(greeting_tells_a_wrong_password_from_a_missing_one),
    };

    return cmocka_run_group_tests_name("script_greeting", tests, test_node_start, test_node_stop);
}
