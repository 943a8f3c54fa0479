/* resp_test.c -- the reader and writer of RESP2: what is understood, what is refused, and that it
 * makes no difference into which pieces a reply is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/resp.h"

#define BYTES_INIT(literal)                                                                        \
    { .at = (const uint8_t *)(literal), .len = sizeof(literal) - 1 }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- reading --------------------------------------------------------------------------------- */

/* A reply as a line of text: +s -e :1 $bulk nil [ ... ], for comparing. */
static void reply_describe(const redlock_resp_reader *reader, const uint8_t *data, char *text,
                           size_t size) {
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < reader->value_count; i++) {
        const redlock_resp_value *value = &reader->values[i];
        redlock_bytes bytes = redlock_resp_text(value, data);
        static const char marks[] = "?+-:$_*";

        len +=
            (size_t)snprintf(text + len, size - len, "%s%c", i > 0 ? " " : "", marks[value->kind]);
        if (value->kind == REDLOCK_RESP_INTEGER) {
            len += (size_t)snprintf(text + len, size - len, "%lld", (long long)value->integer);
        } else if (value->kind == REDLOCK_RESP_ARRAY) {
            len += (size_t)snprintf(text + len, size - len, "%u", value->count);
        } else {
            len += (size_t)snprintf(text + len, size - len, "%.*s", (int)bytes.len,
                                    bytes.len == 0 ? "" : (const char *)bytes.at);
        }
    }
}

/* Gives the bytes to the reader in pieces of `step`; each piece in memory of its own size, so that
 * a sanitizer sees any look beyond it. */
static redlock_resp_status read_in_steps(redlock_bytes bytes, size_t step, char *text, size_t size,
                                         size_t *ret_used) {
    redlock_resp_reader reader;
    redlock_resp_status status = REDLOCK_RESP_MORE;

    redlock_resp_reader_init(&reader);
    for (size_t len = 0; status == REDLOCK_RESP_MORE && len <= bytes.len; len += step) {
        uint8_t *data = malloc(len + 1);

        assert_non_null(data);
        uint8_t *exact = data + 1; /* an end that is the end of the block */

        if (len > 0) {
            memcpy(exact, bytes.at, len);
        }
        status = redlock_resp_read(&reader, exact, len, ret_used);
        if (status == REDLOCK_RESP_DONE) {
            reply_describe(&reader, exact, text, size);
        }
        free(data);
        if (len < bytes.len && len + step > bytes.len) {
            step = bytes.len - len;
        }
    }
    if (status == REDLOCK_RESP_BAD) {
        snprintf(text, size, "%s", redlock_resp_complaint(&reader));
    }
    return status;
}

static void reply_is_understood_in_any_pieces(void **state) {
    static const struct {
        redlock_bytes bytes;
        const char *reply;
        size_t left; /* bytes behind the reply */
    } rows[] = {
        {BYTES_INIT("+OK\r\n"), "+OK", 0},
        {BYTES_INIT("+\r\n"), "+", 0},
        {BYTES_INIT("-ERR no\r\n+OK\r\n"), "-ERR no", 5},
        {BYTES_INIT("+a\rb\nc\r\n"), "+a\rb\nc", 0},
        {BYTES_INIT("+a\r\r\n"), "+a\r", 0},
        {BYTES_INIT(":0\r\n"), ":0", 0},
        {BYTES_INIT(":-1\r\n"), ":-1", 0},
        {BYTES_INIT(":9223372036854775807\r\n"), ":9223372036854775807", 0},
        {BYTES_INIT(":-9223372036854775808\r\n"), ":-9223372036854775808", 0},
        {BYTES_INIT("$0\r\n\r\n"), "$", 0},
        {BYTES_INIT("$5\r\na\r\nbc\r\n+"), "$a\r\nbc", 1},
        {BYTES_INIT("$-1\r\n"), "_", 0},
        {BYTES_INIT("*-1\r\n"), "_", 0},
        {BYTES_INIT("*0\r\n:1\r\n"), "*0", 4},
        {BYTES_INIT("*4\r\n:1\r\n:0\r\n:17\r\n$1\r\nx\r\n"), "*4 :1 :0 :17 $x", 0},
        {BYTES_INIT("*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n+x\r\n"), "*2 *2 :1 *0 *1 +x", 0},
        {BYTES_INIT("*1\r\n*1\r\n*1\r\n*1\r\n:4\r\n"), "*1 *1 *1 *1 :4", 0},
        {BYTES_INIT("*3\r\n$-1\r\n*-1\r\n+x\r\n"), "*3 _ _ +x", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step <= rows[i].bytes.len; step++) {
            char text[256];
            size_t used = 0;

            assert_int_equal(read_in_steps(rows[i].bytes, step, text, sizeof text, &used),
                             REDLOCK_RESP_DONE);
            assert_string_equal(text, rows[i].reply);
            assert_int_equal(used, rows[i].bytes.len - rows[i].left);
        }
    }
}

static void reply_without_its_end_wants_more(void **state) {
    static const redlock_bytes rows[] = {
        BYTES_INIT(""),
        BYTES_INIT("+"),
        BYTES_INIT("+OK"),
        BYTES_INIT("+OK\r"),
        BYTES_INIT("$"),
        BYTES_INIT("$3\r\n"),
        BYTES_INIT("$3\r\nabc\r"),
        BYTES_INIT("*1\r\n"),
        BYTES_INIT("*2\r\n:1\r\n"),
        BYTES_INIT("*1\r\n*1\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[256];
        size_t used = 0;

        assert_int_equal(read_in_steps(rows[i], 1, text, sizeof text, &used), REDLOCK_RESP_MORE);
    }
}

static void what_is_not_resp2_is_refused(void **state) {
    static const struct {
        redlock_bytes bytes;
        const char *complaint;
    } rows[] = {
        {BYTES_INIT("H"), "the server does not speak the protocol of Redis (RESP2)"},
        {BYTES_INIT("220 mail ready\r\n"),
         "the server does not speak the protocol of Redis (RESP2)"},
        {BYTES_INIT("\r\n"), "the server does not speak the protocol of Redis (RESP2)"},
        {BYTES_INIT("%1\r\n"), "the server does not speak the protocol of Redis (RESP2)"},
        {BYTES_INIT("*1\r\n_\r\n"), "the server does not speak the protocol of Redis (RESP2)"},
        {BYTES_INIT(":\r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT(":-\r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT(":+1\r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT(":-0\r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT(":01\r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT(":1 \r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT(":9223372036854775808\r\n"),
         "the server sent something else where a number belongs"},
        {BYTES_INIT(":-9223372036854775809\r\n"),
         "the server sent something else where a number belongs"},
        {BYTES_INIT("$x\r\n"), "the server sent something else where a number belongs"},
        {BYTES_INIT("$-2\r\n"), "the server sent a string that is longer than 64 KiB"},
        {BYTES_INIT("$65537\r\n"), "the server sent a string that is longer than 64 KiB"},
        {BYTES_INIT("$9223372036854775807\r\n"),
         "the server sent a string that is longer than 64 KiB"},
        {BYTES_INIT("$3\r\nabcd\r\n"),
         "the server sent a string that does not end where it should"},
        {BYTES_INIT("$3\r\nabc\r\r"), "the server sent a string that does not end where it should"},
        {BYTES_INIT("*-2\r\n"), "the server sent a reply of more than 320 values"},
        {BYTES_INIT("*321\r\n"), "the server sent a reply of more than 320 values"},
        {BYTES_INIT("*320\r\n"), "the server sent a reply of more than 320 values"},
        {BYTES_INIT("*1\r\n*319\r\n"), "the server sent a reply of more than 320 values"},
        {BYTES_INIT("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"),
         "the server sent arrays inside arrays, more than 4 deep"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step <= rows[i].bytes.len; step++) {
            char text[256];
            size_t used = 0;

            assert_int_equal(read_in_steps(rows[i].bytes, step, text, sizeof text, &used),
                             REDLOCK_RESP_BAD);
            assert_string_equal(text, rows[i].complaint);
        }
    }
}

static redlock_resp_status read_whole(const uint8_t *data, size_t len, redlock_resp_reader *reader,
                                      size_t *ret_used) {
    redlock_resp_reader_init(reader);
    return redlock_resp_read(reader, data, len, ret_used);
}

static void line_may_be_as_long_as_the_cap_and_no_longer(void **state) {
    static uint8_t data[REDLOCK_RESP_LINE_BYTES_MAX + 8];
    redlock_resp_reader reader;
    size_t max = REDLOCK_RESP_LINE_BYTES_MAX, used = 0;

    (void)state;
    memset(data, 'x', sizeof data);
    data[0] = '+';
    assert_int_equal(read_whole(data, 1 + max, &reader, &used), REDLOCK_RESP_MORE);
    assert_int_equal(read_whole(data, 1 + max + 1, &reader, &used), REDLOCK_RESP_BAD);
    assert_string_equal(redlock_resp_complaint(&reader),
                        "the server sent a line that is longer than 4096 bytes");
    memcpy(data + 1 + max, "\r\n", 2);
    assert_int_equal(read_whole(data, 1 + max + 2, &reader, &used), REDLOCK_RESP_DONE);
    assert_int_equal(reader.values[0].len, max);
    memcpy(data + 1 + max, "x\r\n", 3);
    assert_int_equal(read_whole(data, 1 + max + 3, &reader, &used), REDLOCK_RESP_BAD);
}

static void bulks_may_fill_the_cap_of_a_reply_and_no_more(void **state) {
    enum { BULK = REDLOCK_RESP_BULK_BYTES_MAX, PIECE = 8 + BULK + 2 };
    static uint8_t data[4 + 5 * PIECE];
    redlock_resp_reader reader;
    size_t len = 4, used = 0;

    (void)state;
    memset(data, 'x', sizeof data);
    memcpy(data, "*5\r\n", 4);
    for (int i = 0; i < 5; i++) {
        memcpy(data + len, "$65536\r\n", 8);
        memcpy(data + len + 8 + BULK, "\r\n", 2);
        len += PIECE;
    }
    /* Three fit into 256 KiB; the fourth is refused by its head, before it has come. */
    assert_int_equal(read_whole(data, 4 + 3 * PIECE, &reader, &used), REDLOCK_RESP_MORE);
    assert_int_equal(reader.value_count, 4);
    assert_int_equal(read_whole(data, 4 + 3 * PIECE + 8, &reader, &used), REDLOCK_RESP_BAD);
    assert_string_equal(redlock_resp_complaint(&reader),
                        "the server sent a reply that is longer than 256 KiB");
    data[1] = '3';
    assert_int_equal(read_whole(data, len, &reader, &used), REDLOCK_RESP_DONE);
    assert_int_equal(used, 4 + 3 * PIECE);
}

static void reply_of_320_values_is_understood(void **state) {
    uint8_t data[6 + 319 * 4];
    redlock_resp_reader reader;
    size_t used = 0;

    (void)state;
    memcpy(data, "*319\r\n", 6);
    for (size_t i = 0; i < 319; i++) {
        memcpy(data + 6 + i * 4, ":7\r\n", 4);
    }
    assert_int_equal(read_whole(data, sizeof data, &reader, &used), REDLOCK_RESP_DONE);
    assert_int_equal(reader.value_count, 320);
    assert_int_equal(used, sizeof data);
}

/* A line that comes byte by byte must not be searched from its start each time: with 4,096 bytes
 * that would be eight million looks.  The reader says how far it has searched. */
static void search_for_a_line_end_goes_on_where_it_stopped(void **state) {
    static uint8_t data[REDLOCK_RESP_LINE_BYTES_MAX];
    redlock_resp_reader reader;
    size_t used = 0;

    (void)state;
    memset(data, 'x', sizeof data);
    data[0] = '-';
    redlock_resp_reader_init(&reader);
    for (size_t len = 1; len <= sizeof data; len++) {
        assert_int_equal(redlock_resp_read(&reader, data, len, &used), REDLOCK_RESP_MORE);
        assert_int_equal(reader.scanned, len);
    }
}

static void nothing_is_wrong_before_something_is(void **state) {
    redlock_resp_reader reader;

    (void)state;
    redlock_resp_reader_init(&reader);
    assert_string_equal(redlock_resp_complaint(&reader), "nothing is wrong with the reply");
}

/* --- writing --------------------------------------------------------------------------------- */

static size_t write_example(redlock_resp_writer *writer) {
    const redlock_bytes none = {.at = NULL, .len = 0};

    redlock_resp_write_header(writer, 4);
    redlock_resp_write_bulk(writer, redlock_bytes_of("SET"));
    redlock_resp_write_bulk(writer, (redlock_bytes)BYTES_INIT("a\0\r\n"));
    redlock_resp_write_bulk(writer, none);
    redlock_resp_write_u64(writer, UINT64_MAX);
    return writer->len;
}

static const char example[] =
    "*4\r\n$3\r\nSET\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n$20\r\n18446744073709551615\r\n";

static void command_is_written_argument_by_argument(void **state) {
    uint8_t out[128];
    redlock_resp_writer writer = {.at = out, .size = sizeof out, .len = 0};

    (void)state;
    assert_int_equal(write_example(&writer), sizeof example - 1);
    assert_memory_equal(out, example, sizeof example - 1);
}

static void writer_measures_beyond_its_end_and_writes_nothing_there(void **state) {
    (void)state;
    for (size_t size = 0; size < sizeof example - 1; size++) {
        uint8_t *out = malloc(size + 1);

        assert_non_null(out);
        out[size] = 0xaa;
        redlock_resp_writer writer = {.at = out, .size = size, .len = 0};

        assert_int_equal(write_example(&writer), sizeof example - 1);
        assert_int_equal(out[size], 0xaa);
        free(out);
    }
    redlock_resp_writer measure = {.at = NULL, .size = 0, .len = 0};

    assert_int_equal(write_example(&measure), sizeof example - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_is_understood_in_any_pieces),
        cmocka_unit_test(reply_without_its_end_wants_more),
        cmocka_unit_test(what_is_not_resp2_is_refused),
        cmocka_unit_test(line_may_be_as_long_as_the_cap_and_no_longer),
        cmocka_unit_test(bulks_may_fill_the_cap_of_a_reply_and_no_more),
        cmocka_unit_test(reply_of_320_values_is_understood),
        cmocka_unit_test(search_for_a_line_end_goes_on_where_it_stopped),
        cmocka_unit_test(nothing_is_wrong_before_something_is),
        cmocka_unit_test(command_is_written_argument_by_argument),
        cmocka_unit_test(writer_measures_beyond_its_end_and_writes_nothing_there),
    };

    return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
