/* ask_test.c -- plain questions of tools to one server: answers of every kind, logins, and servers
 * that are slow, rude or gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <redlock/ask.h>

#include "fake_server.h"
#include "server.h"

#define BYTES(literal)                                                                             \
    (redlock_bytes) {                                                                              \
        .at = (const uint8_t *)(literal), .len = sizeof(literal) - 1                               \
    }

static test_server *server;

static int group_setup(void **state) {
    (void)state;
    server = test_server_start_tcp((const char *const[]){"--requirepass", "s3 cret", NULL});
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_server_stop(server);
    return 0;
}

static const char *url_of(const char *login, const char *tail) {
    static char url[256];
    (void)snprintf(url, sizeof url, "redis://%s127.0.0.1:%d%s", login, test_server_port(server),
                   tail);
    return url;
}

static redlock_ask *opened(const char *url) {
    redlock_ask_options options = REDLOCK_INIT(redlock_ask_options);
    redlock_node_report report;
    redlock_ask *ask = NULL;
    options.answer_timeout_ms = 30000; /* sanitizers and busy machines are slow */
    options.connect_timeout_ms = 30000;
    int status = redlock_ask_open(url, &options, &ask, &report);
    if (status != REDLOCK_OK) {
        fail_msg("open: %s: %s", redlock_status_name(status), report.words);
    }
    return ask;
}

static const redlock_reply *answer(redlock_ask *ask, const char *const *words, size_t count) {
    const redlock_reply *reply = NULL;
    assert_int_equal(redlock_ask_command(ask, words, NULL, count, &reply, NULL), REDLOCK_OK);
    return reply;
}

#define ANSWER(ask, ...)                                                                           \
    answer(ask, (const char *const[]){__VA_ARGS__},                                                \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void answers_of_every_kind_are_told(void **state) {
    (void)state;
    redlock_ask *ask = opened(url_of(":s3%20cret@", ""));
    const redlock_reply *reply = ANSWER(ask, "PING");
    assert_int_equal(reply->kind, REDLOCK_REPLY_TEXT);
    assert_string_equal(reply->text, "PONG");
    assert_int_equal(ANSWER(ask, "GET", "nothing")->kind, REDLOCK_REPLY_NIL);
    assert_int_equal(ANSWER(ask, "DBSIZE")->integer, 0);
    reply = ANSWER(ask, "NOSUCHCOMMAND");
    assert_int_equal(reply->kind, REDLOCK_REPLY_ERROR);
    assert_int_equal(reply->status, REDLOCK_REFUSED);
    assert_non_null(strstr(reply->text, "unknown command"));

    reply = ANSWER(ask, "EVAL", "return {1, {'a', {}, 'b'}, 'c'}", "0");
    assert_int_equal(reply->kind, REDLOCK_REPLY_ARRAY);
    assert_int_equal(reply->integer, 3);
    assert_int_equal(reply->first->integer, 1);
    const redlock_reply *inner = reply->first->next;
    assert_string_equal(inner->first->text, "a");
    assert_int_equal(inner->first->next->integer, 0);
    assert_null(inner->first->next->first);
    assert_string_equal(inner->first->next->next->text, "b");
    assert_null(inner->first->next->next->next);
    assert_string_equal(inner->next->text, "c");
    assert_null(inner->next->next);
    redlock_ask_close(ask);
}

static void words_may_be_any_bytes(void **state) {
    (void)state;
    redlock_ask *ask = opened(url_of(":s3%20cret@", ""));
    const char *const words[] = {"ECHO", "a\0b\r\n\xff"};
    const size_t lengths[] = {4, 6};
    const redlock_reply *reply = NULL;
    redlock_node_report report;
    assert_int_equal(redlock_ask_command(ask, words, lengths, 2, &reply, &report), REDLOCK_OK);
    assert_int_equal(reply->text_len, 6);
    assert_memory_equal(reply->text, "a\0b\r\n\xff", 7); /* and a NUL */
    assert_true(report.latency_us >= 0 && report.latency_us < 30000000);
    assert_null(strstr(report.where, "s3"));
    redlock_ask_close(ask);
}

static void many_are_sent_before_the_first_answer_is_taken(void **state) {
    enum { MANY = 20000 };
    (void)state;
    redlock_ask *ask = opened(url_of(":s3%20cret@", ""));
    const redlock_reply *reply = NULL;
    char text[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        const char *const words[] = {"ECHO", text};
        assert_int_equal(redlock_ask_send(ask, words, NULL, 2, NULL), REDLOCK_OK);
    }
    const char *const ping[] = {"PING"};
    assert_int_equal(redlock_ask_command(ask, ping, NULL, 1, &reply, NULL), REDLOCK_INVALID);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(redlock_ask_receive(ask, &reply, NULL), REDLOCK_OK);
        assert_int_equal(strtoll(reply->text, NULL, 10), i);
    }
    assert_int_equal(redlock_ask_receive(ask, &reply, NULL), REDLOCK_INVALID);
    assert_string_equal(ANSWER(ask, "PING")->text, "PONG");
    redlock_ask_close(ask);
}

static void the_url_says_login_and_database(void **state) {
    redlock_ask_options options = REDLOCK_INIT(redlock_ask_options);
    redlock_ask *ask = NULL;
    redlock_node_report report;
    (void)state;
    options.connect_timeout_ms = 30000;
    assert_int_equal(redlock_ask_open(url_of("", ""), &options, &ask, &report),
                     REDLOCK_AUTH_REQUIRED);
    assert_non_null(strstr(report.words, "NOAUTH"));
    assert_int_equal(redlock_ask_open(url_of(":wrong@", ""), &options, &ask, &report),
                     REDLOCK_AUTH);
    assert_int_equal(redlock_ask_open(url_of(":s3%20cret@", "/999"), &options, &ask, &report),
                     REDLOCK_REFUSED);
    assert_null(ask);
    ask = opened(url_of("default:s3%20cret@", "/3"));
    (void)ANSWER(ask, "SET", "in-three", "x");
    redlock_ask_close(ask);
    ask = opened(url_of(":s3%20cret@", ""));
    assert_int_equal(ANSWER(ask, "GET", "in-three")->kind, REDLOCK_REPLY_NIL);
    redlock_ask_close(ask);
}

static void what_cannot_be_reached_is_told(void **state) {
    redlock_ask *ask = NULL;
    redlock_node_report report;
    (void)state;
    assert_int_equal(redlock_ask_open("unix:///nowhere/s", NULL, &ask, &report), REDLOCK_IO);
    assert_int_equal(report.sys_errno, ENOENT);
    assert_string_equal(report.where, "unix:///nowhere/s");
    assert_int_equal(redlock_ask_open("redis://127.0.0.1:1", NULL, &ask, &report), REDLOCK_IO);
    assert_int_equal(report.sys_errno, ECONNREFUSED);
    assert_int_equal(redlock_ask_open("ftp://x", NULL, &ask, &report), REDLOCK_UNSUPPORTED);
    assert_int_equal(redlock_ask_open("redis://:p@:x", NULL, &ask, &report), REDLOCK_BAD_URL);
    assert_int_equal(redlock_ask_open("redis://nosuch.invalid", NULL, &ask, &report), REDLOCK_IO);
    assert_true(report.words[0] != '\0');
    assert_null(ask);
    redlock_ask_close(NULL);
}

static void a_server_that_hangs_costs_the_timeout(void **state) {
    redlock_ask_options options = REDLOCK_INIT(redlock_ask_options);
    redlock_node_report report;
    redlock_ask *ask = NULL;
    const redlock_reply *reply = NULL;
    const char *const ping[] = {"PING"};
    (void)state;
    options.answer_timeout_ms = 100;
    options.connect_timeout_ms = 30000;
    assert_int_equal(redlock_ask_open(url_of(":s3%20cret@", ""), &options, &ask, &report),
                     REDLOCK_OK);
    options.connect_timeout_ms = 100;
    test_server_pause(server);
    assert_int_equal(redlock_ask_command(ask, ping, NULL, 1, &reply, &report), REDLOCK_SILENT);
    assert_int_equal(redlock_ask_command(ask, ping, NULL, 1, &reply, &report), REDLOCK_CLOSED);
    redlock_ask_close(ask);
    ask = NULL;
    assert_int_equal(redlock_ask_open(url_of(":s3%20cret@", ""), &options, &ask, &report),
                     REDLOCK_SILENT);
    test_server_resume(server);
    assert_null(ask);
}

/* What a server says to one question behind a login's PONG. */
static int status_after(const redlock_fake_step *says, uint32_t count) {
    redlock_fake_step steps[8] = {{.kind = REDLOCK_FAKE_ACCEPT},
                                  {.kind = REDLOCK_FAKE_COMMANDS, .count = 1},
                                  {.kind = REDLOCK_FAKE_SEND, .bytes = BYTES("+PONG\r\n")},
                                  {.kind = REDLOCK_FAKE_COMMANDS, .count = 1}};
    redlock_node_report report;
    const redlock_reply *reply = NULL;
    const char *const words[] = {"ASK"};
    char url[64];
    memcpy(steps + 4, says, count * sizeof steps[0]);
    redlock_fake *fake = redlock_fake_start(NULL, steps, 4 + count);
    (void)snprintf(url, sizeof url, "redis://127.0.0.1:%d", redlock_fake_port(fake));
    redlock_ask *ask = opened(url);
    int status = redlock_ask_command(ask, words, NULL, 1, &reply, &report);
    if (status != REDLOCK_OK) {
        assert_true(report.words[0] != '\0');
    }
    redlock_ask_close(ask);
    (void)redlock_fake_finish(fake, NULL);
    return status;
}

static void a_rude_server_is_an_error_and_no_harm(void **state) {
    const redlock_fake_step close[] = {{.kind = REDLOCK_FAKE_CLOSE}};
    const redlock_fake_step reset[] = {{.kind = REDLOCK_FAKE_RESET}};
    const redlock_fake_step half[] = {{.kind = REDLOCK_FAKE_SEND, .bytes = BYTES("*2\r\n$3\r\nab")},
                                      {.kind = REDLOCK_FAKE_CLOSE}};
    const redlock_fake_step web[] = {
        {.kind = REDLOCK_FAKE_SEND, .bytes = BYTES("HTTP/1.1 400\r\n")}};
    const redlock_fake_step deep[] = {
        {.kind = REDLOCK_FAKE_SEND_TIMES, .bytes = BYTES("*1\r\n"), .count = 100}};
    const redlock_fake_step wide[] = {{.kind = REDLOCK_FAKE_SEND, .bytes = BYTES("*4097\r\n")}};
    const redlock_fake_step long_one[] = {
        {.kind = REDLOCK_FAKE_SEND, .bytes = BYTES("*4095\r\n")},
        {.kind = REDLOCK_FAKE_SEND_TIMES,
         .bytes = BYTES("+0123456789012345678901234567890123456789\r\n"),
         .count = 4095}};
    (void)state;
    assert_int_equal(status_after(close, 1), REDLOCK_IO);
    assert_int_equal(status_after(reset, 1), REDLOCK_IO);
    assert_int_equal(status_after(half, 2), REDLOCK_IO);
    assert_int_equal(status_after(web, 1), REDLOCK_PROTOCOL);
    assert_int_equal(status_after(deep, 1), REDLOCK_PROTOCOL);
    assert_int_equal(status_after(wide, 1), REDLOCK_PROTOCOL);
    assert_int_equal(status_after(long_one, 2), REDLOCK_OK);
}

static void arguments_are_checked(void **state) {
    redlock_ask_options options = REDLOCK_INIT(redlock_ask_options);
    redlock_ask *ask = NULL;
    (void)state;
    assert_int_equal(redlock_ask_open(NULL, NULL, &ask, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_open("redis://x", NULL, NULL, NULL), REDLOCK_INVALID);
    int64_t *const times[] = {&options.answer_timeout_ms, &options.connect_timeout_ms};
    for (size_t i = 0; i < 2; i++) {
        static const int64_t bad[] = {-1, INT64_MIN, INT64_MAX};
        for (size_t j = 0; j < 3; j++) {
            *times[i] = bad[j];
            assert_int_equal(redlock_ask_open("redis://x", &options, &ask, NULL), REDLOCK_INVALID);
        }
        *times[i] = 0;
    }
    options.flags = 1u << 30;
    assert_int_equal(redlock_ask_open("redis://x", &options, &ask, NULL), REDLOCK_INVALID);
    options.struct_size = 0;
    assert_int_equal(redlock_ask_open("redis://x", &options, &ask, NULL), REDLOCK_INVALID);
    assert_null(ask);
    assert_string_equal(redlock_ask_tls_version(NULL), "");
    assert_int_equal(redlock_ask_tls_until_s(NULL), 0);
    assert_int_equal(redlock_ask_send(NULL, NULL, NULL, 0, NULL), REDLOCK_INVALID);
    ask = opened(url_of(":s3%20cret@", ""));
    const char *const ping[] = {"PING"};
    assert_int_equal(redlock_ask_send(ask, ping, NULL, 0, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_send(ask, ping, NULL, 1025, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_send(ask, NULL, NULL, 1, NULL), REDLOCK_INVALID);
    const redlock_reply *reply = NULL;
    assert_int_equal(redlock_ask_receive(NULL, &reply, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_receive(ask, NULL, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_receive(ask, &reply, NULL), REDLOCK_INVALID); /* none is due */
    assert_int_equal(redlock_ask_command(NULL, ping, NULL, 1, &reply, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_command(ask, ping, NULL, 1, NULL, NULL), REDLOCK_INVALID);
    assert_string_equal(ANSWER(ask, "PING")->text, "PONG"); /* nothing was sent */
    assert_int_equal(redlock_ask_send(ask, ping, NULL, 1, NULL), REDLOCK_OK);
    assert_int_equal(redlock_ask_command(ask, ping, NULL, 1, &reply, NULL), REDLOCK_INVALID);
    assert_int_equal(redlock_ask_receive(ask, &reply, NULL), REDLOCK_OK); /* the one that was due */
    assert_string_equal(reply->text, "PONG");
    redlock_ask_close(ask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_every_kind_are_told),
        cmocka_unit_test(words_may_be_any_bytes),
        cmocka_unit_test(many_are_sent_before_the_first_answer_is_taken),
        cmocka_unit_test(the_url_says_login_and_database),
        cmocka_unit_test(what_cannot_be_reached_is_told),
        cmocka_unit_test(a_server_that_hangs_costs_the_timeout),
        cmocka_unit_test(a_rude_server_is_an_error_and_no_harm),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests_name("ask", tests, group_setup, group_teardown);
}
