/* script_refusal_test.c -- what a real server refuses: keys that are garbled, bad arguments, steps that it
 * forgot; and servers without memory, that are replicas, or that deny the rights.  Nothing is written. */
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
#include "script/script.h"
#include "server.h"
#include "steps.h"

/* --- keys and arguments ----------------------------------------------------------------------- */

static void garbled_marks_are_refused(void **state) {
    test_node *node = *state;
    const char *garbled[] = {
        "", "x", "-1", "1.5", "1e9", " 1", "9007199254740992", "99999999999999999999"};

    for (size_t i = 0; i < sizeof garbled / sizeof garbled[0]; i++) {
        test_node_set(node, MARK_KEY, garbled[i]);
        test_assert_refused(test_node_run(node, test_grant("mine", 42)), "ERR redlock: bad mark");
        test_assert_refused(test_node_run(node, test_renew("mine", 42, true)),
                            "ERR redlock: bad mark");
        test_assert_refused(test_node_run(node, test_step(REDLOCK_COMMAND_RAISE, "mine", 42)),
                            "ERR redlock: bad mark");
        test_assert_refused(test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", 42)),
                            "ERR redlock: bad mark");
        test_node_assert_value(node, MARK_KEY, garbled[i]);
        test_node_assert_key_count(node, 1);
    }
    assert_int_equal(test_node_run(node, test_grant("mine", 0)).kind, REDLOCK_ANSWER_YES);
}

static void value_that_is_no_string_is_refused(void **state) {
    test_node *node = *state;

    test_node_assert_says(node, "1", "LPUSH", NAME, "x");
    test_assert_refused(test_node_run(node, test_grant("mine", 42)), "WRONGTYPE");
    test_assert_refused(test_node_run(node, test_renew("mine", 42, true)), "WRONGTYPE");
    test_assert_refused(test_node_run(node, test_step(REDLOCK_COMMAND_RELEASE, "mine", 0)),
                        "WRONGTYPE");
    test_assert_refused(test_node_run(node, test_step(REDLOCK_COMMAND_BREAK, "", 42)), "WRONGTYPE");
    test_node_assert_key_count(node, 1);
}

#define ARGUMENTS_MAX 12

static const struct {
    redlock_command_kind kind;
    const char *arguments[ARGUMENTS_MAX]; /* from the number of keys on */
    const char *what;
} bad[] = {
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "", "1", "0", "1", "", "0"}, "token"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m"}, "token"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t"}, "ttl_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "0", "0", "1", "", "0"}, "ttl_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "-1", "0", "1", "", "0"}, "ttl_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1.5", "0", "1", "", "0"}, "ttl_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "0x10", "0", "1", "", "0"}, "ttl_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "90000001", "0", "1", "", "0"}, "ttl_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "x", "1", "", "0"}, "not_after_ms"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "0", "nan", "", "0"}, "fence"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "0", "9007199254740992", "", "0"}, "fence"},
    {REDLOCK_COMMAND_GRANT, {"1", "k", "t", "1", "0", "1", "", "0"}, "number of keys"},
    {REDLOCK_COMMAND_GRANT, {"2", "k", "m", "t", "1", "0", "1", RUN_A, "0"}, "number of keys"},
    {REDLOCK_COMMAND_GRANT, {"3", "k", "m", "b", "t", "1", "0", "1", "a b", "0"}, "run_id"},
    {REDLOCK_COMMAND_GRANT,
     {"5", "k", "m", "q", "a", "b", "t", "1", "0", "1", RUN_A, "x"},
     "guard_ms"},
    {REDLOCK_COMMAND_RAISE, {"2", "k", "m", "t", "0", "0", "", "0"}, "fence"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "0", "0", "", "0", "1", "t", "1"}, "ttl_ms"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "x", "", "0", "1", "t", "1"}, "not_after_ms"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0", "3", "t", "1"}, "heal"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0"}, "heal"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0", "1"}, "number of keys"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", "", "0", "1", "t"}, "number of keys"},
    {REDLOCK_COMMAND_RENEW,
     {"3", "k", "m", "n", "1", "0", "", "0", "1", "t", "1", "u"},
     "number of keys"},
    {REDLOCK_COMMAND_RENEW, {"2", "k", "m", "1", "0", RUN_A, "0", "1", "t", "1"}, "number of keys"},
    {REDLOCK_COMMAND_RELEASE, {"1", "k", "", "0"}, "token"},
    {REDLOCK_COMMAND_RELEASE, {"1", "k", "t", "x"}, "not_after_ms"},
    {REDLOCK_COMMAND_RELEASE, {"4", "k", "m", "q", "a", "", "0", "0", ""}, "token"},
    {REDLOCK_COMMAND_RELEASE, {"4", "k", "m", "q", "a", "t", "0", "", ""}, "hand_off_ms"},
    {REDLOCK_COMMAND_RELEASE, {"4", "k", "m", "q", "a", "t", "0", "0", "stay"}, "poll_ms"},
    {REDLOCK_COMMAND_RELEASE,
     {"4", "k", "m", "q", "a", "t", "0", "0", "stay", "1", "x", "c 1"},
     "ticket"},
    {REDLOCK_COMMAND_RELEASE,
     {"4", "k", "m", "q", "a", "t", "0", "0", "stay", "1", "0", "c"},
     "queue"},
    {REDLOCK_COMMAND_RELEASE, {"4", "k", "m", "q", "a", "t", "0", "1", "", "n", "0"}, "ttl_ms"},
    {REDLOCK_COMMAND_RELEASE,
     {"4", "k", "m", "q", "a", "t", "0", "1", "", "n", "1", "-1"},
     "not_after_ms"},
    {REDLOCK_COMMAND_PROBE, {"1", "b", "", "0"}, "run_id"},
    {REDLOCK_COMMAND_DECLARE, {"1", "b", ""}, "run_id"},
    {REDLOCK_COMMAND_DECLARE, {"1", "b", RUN_A "a"}, "run_id"},
};

static void bad_arguments_are_refused_before_anything_is_written(void **state) {
    test_node *node = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *words[ARGUMENTS_MAX + 2] = {"EVALSHA", redlock_script_of(bad[i].kind)->sha1};
        char wanted[64];
        int count = 2;

        for (; count - 2 < ARGUMENTS_MAX && bad[i].arguments[count - 2] != NULL; count++) {
            words[count] = bad[i].arguments[count - 2];
        }
        snprintf(wanted, sizeof wanted, "-ERR redlock: bad %s", bad[i].what);
        char *said = test_server_command(node->server, count, words);

        assert_non_null(said);
        assert_string_equal(said, wanted);
        free(said);
        test_node_assert_key_count(node, 0);
    }
}

static void token_of_257_bytes_is_refused(void **state) {
    test_node *node = *state;
    char token[258];

    memset(token, 't', 257);
    token[257] = '\0';
    test_assert_refused(test_node_run(node, test_grant(token, 42)), "ERR redlock: bad token");
    token[256] = '\0';
    test_assert_yes(test_node_run(node, test_grant(token, 42)), 42);
}

/* --- forgetting, roles and rights ------------------------------------------------------------- */

static void forgotten_step_is_known_again_once_taught(void **state) {
    test_node *node = *state;
    redlock_command command = test_grant("mine", 42);

    test_node_assert_says(node, "OK", "SCRIPT", "FLUSH", NULL);
    redlock_answer answer = test_node_run(node, command);

    assert_int_equal(answer.kind, REDLOCK_ANSWER_FORGOT);
    command.teach = true;
    test_assert_yes(test_node_run(node, command), 42);
    command.teach = false;
    test_assert_yes(test_node_run(node, command), 42);
}

static void server_without_memory_grants_nothing(void **state) {
    test_node *node = *state;

    test_node_configure(node, "maxmemory", "1");
    redlock_answer fenced = test_node_run(node, test_grant("mine", 42));

    test_assert_refused(fenced, "OOM");
    test_assert_refused(test_node_run(node, test_grant("mine", 0)), "OOM");
    test_node_configure(node, "maxmemory", "0");
    test_node_assert_key_count(node, 0);
}

static void replica_does_not_vote(void **state) {
    test_node *node = *state;
    redlock_hello hello;

    test_node_assert_says(node, "OK", "REPLICAOF", "127.0.0.1", "1");
    redlock_answer answer = test_node_run(node, test_grant("mine", 42));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_ERROR);
    assert_int_equal(answer.status, REDLOCK_REPLICA);
    assert_int_equal(test_node_run(node, test_grant("mine", 0)).status, REDLOCK_REPLICA);
    assert_int_equal(test_node_greet(node, test_server_url(node->server), &hello), REDLOCK_REPLICA);
    assert_string_equal(hello.words, "replica of 127.0.0.1:1");
    test_node_assert_says(node, "OK", "REPLICAOF", "NO", "ONE");
}

static void user_without_rights_hears_no_permission(void **state) {
    test_node *node = *state;
    redlock_hello hello;
    char url[256];
    const char *rights[] = {"ACL", "SETUSER", "weak", "on", ">pw", "~job", "+@all"};

    free(test_server_command(node->server, 7, rights));
    close(node->fd);
    test_node_connect(node);
    snprintf(url, sizeof url, "unix://weak:pw@%s", test_server_socket(node->server));
    assert_int_equal(test_node_greet(node, url, &hello), REDLOCK_OK);
    redlock_answer answer =
        test_node_run(node, test_grant("mine", 42)); /* may not touch the mark's key */

    assert_int_equal(answer.kind, REDLOCK_ANSWER_ERROR);
    assert_int_equal(answer.status, REDLOCK_NO_PERMISSION);
    test_node_assert_key_count(node, 0);
    const char *fewer[] = {"ACL", "SETUSER", "weak", "allkeys", "-set"};

    free(test_server_command(node->server, 5, fewer));
    answer = test_node_run(node, test_grant("mine", 42));
    assert_int_equal(answer.status, REDLOCK_NO_PERMISSION);
    const char *fewest[] = {"ACL", "SETUSER", "weak", "-info"};

    free(test_server_command(node->server, 4, fewest));
    assert_int_equal(test_node_greet(node, url, &hello), REDLOCK_NO_PERMISSION);
    close(node->fd);
    test_node_connect(node);
    test_node_assert_key_count(node, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(garbled_marks_are_refused),
        TEST_ON_EMPTY(value_that_is_no_string_is_refused),
        TEST_ON_EMPTY(bad_arguments_are_refused_before_anything_is_written),
        TEST_ON_EMPTY(token_of_257_bytes_is_refused),
        TEST_ON_EMPTY(forgotten_step_is_known_again_once_taught),
        TEST_ON_EMPTY(server_without_memory_grants_nothing),
        TEST_ON_EMPTY(replica_does_not_vote),
        TEST_ON_EMPTY(user_without_rights_hears_no_permission),
    };

    return cmocka_run_group_tests_name("script_refusal", tests, test_node_start, test_node_stop);
}
