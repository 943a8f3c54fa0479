/* message_test.c -- what is said on the connection that waiters are woken on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/command.h"
#include "wire/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CHANNEL "0123456789abcdef0123456789abcdef"

static void read_reply(redlock_resp_reader *reader, const char *reply) {
    size_t used = 0;

    redlock_resp_reader_init(reader);
    assert_int_equal(redlock_resp_read(reader, (const uint8_t *)reply, strlen(reply), &used),
                     REDLOCK_RESP_DONE);
    assert_int_equal(used, strlen(reply));
}

static redlock_message_kind decode(const char *reply, redlock_wake_call *ret_call) {
    redlock_resp_reader reader;

    read_reply(&reader, reply);
    return redlock_message_decode(reader.values, (const uint8_t *)reply, ret_call);
}

static void subscribing_names_the_channel_behind_the_prefix(void **state) {
    static const char wanted[] = "*2\r\n$9\r\nSUBSCRIBE\r\n$45\r\nredlock:wake:" CHANNEL "\r\n";
    uint8_t out[128];
    redlock_resp_writer writer = {.at = out, .size = sizeof out, .len = 0};

    (void)state;
    assert_int_equal(strlen(CHANNEL), REDLOCK_CHANNEL_BYTES);
    redlock_message_subscribe(&writer, redlock_bytes_of(CHANNEL));
    assert_int_equal(writer.len, sizeof wanted - 1);
    assert_memory_equal(out, wanted, sizeof wanted - 1);
}

static void only_an_answer_to_subscribe_confirms(void **state) {
    static const struct {
        const char *reply;
        bool confirms;
    } rows[] = {
        {"*3\r\n$9\r\nsubscribe\r\n$14\r\nredlock:wake:a\r\n:1\r\n", true},
        {"*3\r\n$11\r\nunsubscribe\r\n$14\r\nredlock:wake:a\r\n:0\r\n", false},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$1\r\n7\r\n", false},
        {"*2\r\n$9\r\nsubscribe\r\n$14\r\nredlock:wake:a\r\n", false},
        {"*3\r\n:9\r\n$14\r\nredlock:wake:a\r\n:1\r\n", false},
        {"*0\r\n", false},
        {"$9\r\nsubscribe\r\n", false},
        {"+OK\r\n", false},
        {"$-1\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_resp_reader reader;

        read_reply(&reader, rows[i].reply);
        assert_int_equal(redlock_message_confirms(reader.values, (const uint8_t *)rows[i].reply),
                         rows[i].confirms);
    }
}

static void messages_are_wakes_when_they_are_numbers(void **state) {
    static const struct {
        const char *reply;
        redlock_message_kind kind;
        uint64_t tag;
    } rows[] = {
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$1\r\n7\r\n", REDLOCK_MESSAGE_WAKE, 7},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$20\r\n18446744073709551615\r\n",
         REDLOCK_MESSAGE_WAKE, UINT64_MAX},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$20\r\n18446744073709551616\r\n",
         REDLOCK_MESSAGE_OTHER, 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$2\r\n-1\r\n", REDLOCK_MESSAGE_OTHER, 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$5\r\nhello\r\n", REDLOCK_MESSAGE_OTHER,
         0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$0\r\n\r\n", REDLOCK_MESSAGE_OTHER, 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n:7\r\n", REDLOCK_MESSAGE_STRANGE, 0},
        {"*3\r\n$7\r\nmessage\r\n$14\r\nredlock:wake:a\r\n$-1\r\n", REDLOCK_MESSAGE_STRANGE, 0},
        {"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$14\r\nredlock:wake:a\r\n$1\r\n7\r\n",
         REDLOCK_MESSAGE_STRANGE, 0},
        {"*3\r\n$9\r\nsubscribe\r\n$14\r\nredlock:wake:a\r\n:1\r\n", REDLOCK_MESSAGE_STRANGE, 0},
        {"*0\r\n", REDLOCK_MESSAGE_STRANGE, 0},
        {"-ERR no\r\n", REDLOCK_MESSAGE_STRANGE, 0},
        {":7\r\n", REDLOCK_MESSAGE_STRANGE, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_wake_call call = {0};

        assert_int_equal(decode(rows[i].reply, &call), rows[i].kind);
        if (rows[i].kind == REDLOCK_MESSAGE_WAKE) {
            assert_true(call.tag == rows[i].tag);
            assert_true(call.mark == 0);
        }
    }
}

static void a_hand_off_comes_with_its_mark_and_time(void **state) {
    static const struct {
        const char *text;
        bool is_call;
        redlock_wake_call call;
    } rows[] = {
        {"7", true, {7, 0, 0, {0}}},
        {"7 8 9 ab:c", true, {7, 8, 9, {0}}},
        {"0 1 0 t", true, {0, 1, 0, {0}}},
        {"18446744073709551615 9007199254740991 9007199254740991 t",
         true,
         {UINT64_MAX, REDLOCK_FENCE_MAX, REDLOCK_FENCE_MAX, {0}}},
        {"7 9007199254740992 9 t", false, {0}}, /* no fence */
        {"7 8 9007199254740992 t", false, {0}},
        {"7 0 9 t", false, {0}}, /* a hand-off raises the mark */
        {"7 8", false, {0}},
        {"7 8 ", false, {0}},
        {"7 ", false, {0}},
        {" 7", false, {0}},
        {"7  8 9 t", false, {0}},
        {"7 8 9 ", false, {0}},
        {"7 8 9", false, {0}},
        {"7 -8 9 t", false, {0}},
        {"7 8.5 9 t", false, {0}},
        {"7 8 now t", false, {0}},
        {"", false, {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_wake_call call = {.tag = 99};

        assert_int_equal(redlock_message_call(redlock_bytes_of(rows[i].text), &call),
                         rows[i].is_call);
        assert_true(call.tag == (rows[i].is_call ? rows[i].call.tag : 99));
        assert_true(call.mark == rows[i].call.mark);
        assert_true(call.time_ms == rows[i].call.time_ms);
    }
}

static void token_of_a_hand_off_is_the_rest(void **state) {
    char text[6 + REDLOCK_TOKEN_BYTES_MAX + 2] = "7 8 9 ";
    redlock_wake_call call = {0};

    (void)state;
    assert_true(redlock_message_call(redlock_bytes_of("7 8 9 a b "), &call));
    assert_true(redlock_bytes_equal(call.token, redlock_bytes_of("a b ")));
    memset(text + 6, 'x', REDLOCK_TOKEN_BYTES_MAX + 1);
    assert_false(redlock_message_call(redlock_bytes_of(text), &call));
    text[6 + REDLOCK_TOKEN_BYTES_MAX] = '\0';
    assert_true(redlock_message_call(redlock_bytes_of(text), &call));
    assert_int_equal(call.token.len, REDLOCK_TOKEN_BYTES_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribing_names_the_channel_behind_the_prefix),
        cmocka_unit_test(only_an_answer_to_subscribe_confirms),
        cmocka_unit_test(messages_are_wakes_when_they_are_numbers),
        cmocka_unit_test(a_hand_off_comes_with_its_mark_and_time),
        cmocka_unit_test(token_of_a_hand_off_is_the_rest),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
