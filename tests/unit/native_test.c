/* native_test.c -- who has DELIFEQ or DELEX, their bytes, their replies, and when they are used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/native.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void versions_say_who_has_it(void **state) {
    static const struct {
        bool is_valkey;
        const char *version;
        redlock_native_word word;
    } rows[] = {
        {false, "7.0.15", REDLOCK_NATIVE_NONE},
        {false, "8.3.99", REDLOCK_NATIVE_NONE},
        {false, "8.4.0", REDLOCK_NATIVE_DELEX},
        {false, "8.10.2", REDLOCK_NATIVE_DELEX},
        {false, "10.0", REDLOCK_NATIVE_DELEX},
        {false, "8", REDLOCK_NATIVE_NONE},
        {false, "", REDLOCK_NATIVE_NONE},
        {false, "x.y", REDLOCK_NATIVE_NONE},
        {false, "8.x", REDLOCK_NATIVE_NONE},
        {false, "255.255.255", REDLOCK_NATIVE_DELEX},
        {true, "8.1.1", REDLOCK_NATIVE_NONE},
        {true, "8.9.9", REDLOCK_NATIVE_NONE},
        {true, "9.0.0", REDLOCK_NATIVE_DELIFEQ},
        {true, "9.1.2", REDLOCK_NATIVE_DELIFEQ},
        {true, "10.0.0-rc1", REDLOCK_NATIVE_DELIFEQ},
        {true, "99999999999999999999.1", REDLOCK_NATIVE_DELIFEQ},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(redlock_native_of(rows[i].is_valkey, rows[i].version), rows[i].word);
    }
}

static redlock_command release(void) {
    return (redlock_command){.kind = REDLOCK_COMMAND_RELEASE,
                             .name = redlock_bytes_of("job"),
                             .token = redlock_bytes_of("tok"),
                             .not_after_ms = 5};
}

static void commands_are_what_the_servers_know(void **state) {
    static const char delifeq[] = "*3\r\n$7\r\nDELIFEQ\r\n$5\r\np:job\r\n$3\r\ntok\r\n";
    static const char delex[] = "*4\r\n$5\r\nDELEX\r\n$5\r\np:job\r\n$4\r\nIFEQ\r\n$3\r\ntok\r\n";
    redlock_command command = release();
    redlock_bytes prefix = redlock_bytes_of("p:");
    uint8_t out[64];

    (void)state;
    memset(out, 0xee, sizeof out);
    size_t len = redlock_native_encode(REDLOCK_NATIVE_DELIFEQ, &command, prefix, out, sizeof out);
    assert_int_equal(len, sizeof delifeq - 1);
    assert_memory_equal(out, delifeq, len);
    len = redlock_native_encode(REDLOCK_NATIVE_DELEX, &command, prefix, out, sizeof out);
    assert_int_equal(len, sizeof delex - 1);
    assert_memory_equal(out, delex, len);
    memset(out, 0xee, sizeof out);
    len = redlock_native_encode(REDLOCK_NATIVE_DELEX, &command, prefix, out, 20);
    assert_int_equal(len, sizeof delex - 1); /* what it would take */
    assert_int_equal(out[20], 0xee);
}

static redlock_answer decode(const char *reply) {
    redlock_resp_reader reader;
    size_t used = 0;

    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, (const uint8_t *)reply, strlen(reply), &used),
                     REDLOCK_RESP_DONE);
    return redlock_native_decode(&reader, (const uint8_t *)reply);
}

static void replies_are_what_a_comparison_meant(void **state) {
    static const struct {
        const char *reply;
        redlock_answer_kind kind;
        redlock_status status;
    } rows[] = {
        {":1\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK},
        {":0\r\n", REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD},
        /* Refused: nothing was done, and a script may be asked. */
        {"-ERR unknown command 'DELIFEQ', with args beginning with: 'job' \r\n",
         REDLOCK_ANSWER_FORGOT, REDLOCK_REFUSED},
        {"-ERR unknown command `DELEX`, with args beginning with: \r\n", REDLOCK_ANSWER_FORGOT,
         REDLOCK_REFUSED},
        {"-ERR wrong number of arguments for 'delex' command\r\n", REDLOCK_ANSWER_FORGOT,
         REDLOCK_REFUSED},
        {"-ERR Key should be of string type if conditions are specified\r\n", REDLOCK_ANSWER_FORGOT,
         REDLOCK_REFUSED},
        {"-NOPERM User u has no permissions to run the 'delifeq' command\r\n",
         REDLOCK_ANSWER_FORGOT, REDLOCK_REFUSED},
        /* What the script would be told too. */
        {"-WRONGTYPE Operation against a key\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"-LOADING Redis is loading\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"-READONLY You can't write\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_REPLICA},
        {"-NOAUTH Authentication required.\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_AUTH_REQUIRED},
        {"-MOVED 5 10.0.0.1:6379\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        /* None of these is a comparison's; the third is what the script says. */
        {":2\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL},
        {":-1\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL},
        {"*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL},
        {"+OK\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL},
        {"$-1\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL},
        {"$1\r\n1\r\n", REDLOCK_ANSWER_ERROR, REDLOCK_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_answer answer = decode(rows[i].reply);

        assert_int_equal(answer.kind, rows[i].kind);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.time_ms, 0);
        assert_int_equal(answer.mark, 0);
    }
}

static void only_plain_releases_of_fresh_tokens_suit(void **state) {
    redlock_native native = {.word = REDLOCK_NATIVE_DELIFEQ};
    redlock_command command = release();

    (void)state;
    assert_true(redlock_native_suits(&native, &command));
    command.run_id = redlock_bytes_of("abc"); /* the guard has no say in releases */
    assert_true(redlock_native_suits(&native, &command));
    command.fenced = true;
    assert_false(redlock_native_suits(&native, &command));
    command = release();
    command.teach = true;
    assert_false(redlock_native_suits(&native, &command));
    command = release();
    command.may_hold = true;
    assert_false(redlock_native_suits(&native, &command));
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        command = release();
        command.kind = (redlock_command_kind)kind;
        assert_int_equal(redlock_native_suits(&native, &command), kind == REDLOCK_COMMAND_RELEASE);
    }
    native.word = REDLOCK_NATIVE_NONE;
    command = release();
    assert_false(redlock_native_suits(&native, &command));
}

static void answered(redlock_native *native, redlock_answer_kind kind) {
    redlock_answer answer = {.kind = kind};

    redlock_native_answered(native, &answer);
}

static void one_is_tried_before_the_others(void **state) {
    redlock_native native = {.word = REDLOCK_NATIVE_NONE};
    redlock_command command = release();

    (void)state;
    redlock_native_begin(&native, REDLOCK_NATIVE_DELEX);
    assert_true(redlock_native_suits(&native, &command));
    redlock_native_sent(&native);
    assert_false(redlock_native_suits(&native, &command));
    answered(&native, REDLOCK_ANSWER_ERROR); /* LOADING proves nothing */
    assert_true(redlock_native_suits(&native, &command));
    redlock_native_sent(&native);
    answered(&native, REDLOCK_ANSWER_NO);
    redlock_native_sent(&native);
    assert_true(redlock_native_suits(&native, &command));
    redlock_native_sent(&native);
    answered(&native, REDLOCK_ANSWER_FORGOT); /* the right was taken away meanwhile */
    assert_false(redlock_native_suits(&native, &command));
    answered(&native, REDLOCK_ANSWER_FORGOT);
    redlock_native_end(&native);
    redlock_native_begin(&native, REDLOCK_NATIVE_DELEX); /* forgotten with the link */
    assert_true(redlock_native_suits(&native, &command));
}

static void link_that_breaks_behind_the_first_is_followed_by_one_without(void **state) {
    redlock_native native = {.word = REDLOCK_NATIVE_NONE};
    redlock_command command = release();

    (void)state;
    redlock_native_begin(&native, REDLOCK_NATIVE_DELIFEQ);
    redlock_native_sent(&native);
    redlock_native_end(&native);
    redlock_native_end(&native); /* connecting fails: no link comes up */
    redlock_native_begin(&native, REDLOCK_NATIVE_DELIFEQ);
    assert_false(redlock_native_suits(&native, &command));
    redlock_native_end(&native);
    redlock_native_begin(&native, REDLOCK_NATIVE_DELIFEQ);
    assert_true(redlock_native_suits(&native, &command));
    redlock_native_sent(&native);
    answered(&native, REDLOCK_ANSWER_YES);
    redlock_native_sent(&native); /* it broke for another reason */
    redlock_native_end(&native);
    redlock_native_begin(&native, REDLOCK_NATIVE_DELIFEQ);
    assert_true(redlock_native_suits(&native, &command));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_say_who_has_it),
        cmocka_unit_test(commands_are_what_the_servers_know),
        cmocka_unit_test(replies_are_what_a_comparison_meant),
        cmocka_unit_test(only_plain_releases_of_fresh_tokens_suit),
        cmocka_unit_test(one_is_tried_before_the_others),
        cmocka_unit_test(link_that_breaks_behind_the_first_is_followed_by_one_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
