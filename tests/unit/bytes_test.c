/* bytes_test.c -- borrowed bytes: comparing, reading numbers, safe printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

/* An initialiser, so that tables can be static; for an argument, BYTES. */
#define BYTES_INIT(literal)                                                                        \
    { .at = (const uint8_t *)(literal), .len = sizeof(literal) - 1 }
#define BYTES(literal) ((redlock_bytes)BYTES_INIT(literal))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void equal_compares_every_byte_and_the_length(void **state) {
    const redlock_bytes none = {.at = NULL, .len = 0};

    (void)state;
    assert_true(redlock_bytes_equal(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(redlock_bytes_equal(BYTES("a\0b"), BYTES("a\0c")));
    assert_false(redlock_bytes_equal(BYTES("a"), BYTES("ab")));
    assert_true(redlock_bytes_equal(none, BYTES("")));
    assert_true(redlock_bytes_equal(none, none));
    assert_false(redlock_bytes_equal(none, BYTES("a")));
}

static void prefix_is_a_beginning_and_may_be_empty(void **state) {
    const redlock_bytes none = {.at = NULL, .len = 0};

    (void)state;
    assert_true(redlock_bytes_has_prefix(BYTES("abc"), BYTES("ab")));
    assert_true(redlock_bytes_has_prefix(BYTES("abc"), BYTES("abc")));
    assert_true(redlock_bytes_has_prefix(BYTES("abc"), none));
    assert_true(redlock_bytes_has_prefix(none, none));
    assert_false(redlock_bytes_has_prefix(BYTES("abc"), BYTES("b")));
    assert_false(redlock_bytes_has_prefix(BYTES("ab"), BYTES("abc")));
    assert_false(redlock_bytes_has_prefix(none, BYTES("a")));
}

static void text_is_cut_ended_and_safe_to_print(void **state) {
    static const struct {
        redlock_bytes bytes;
        size_t size;
        const char *text;
    } rows[] = {
        {BYTES_INIT("hello"), 6, "hello"},
        {BYTES_INIT("hello"), 5, "hell"},
        {BYTES_INIT("hello"), 1, ""},
        {BYTES_INIT(""), 8, ""},
        {BYTES_INIT("a\0b\x1b[31m\x7f"), 16, "a?b?[31m?"},
        {BYTES_INIT("a\r\n\tb"), 16, "a???b"},
        {BYTES_INIT("gr\xc3\xbc\xc3\x9f"), 16,
         "gr\xc3\xbc\xc3\x9f"}, /* letters of two bytes stay */
        {BYTES_INIT("\x9b"
                    "31m"),
         16, "?31m"}, /* C1 control alone ... */
        {BYTES_INIT("\xc2\x9b"
                    "31m"),
         16, "\xc2?31m"}, /* ... and in UTF-8 */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[16];

        memset(text, 'x', sizeof text);
        redlock_bytes_to_text(rows[i].bytes, text, rows[i].size);
        assert_string_equal(text, rows[i].text);
    }
}

static void append_goes_on_behind_what_is_there(void **state) {
    char text[8] = "ab";

    (void)state;
    redlock_bytes_append_text(BYTES("cd"), text, sizeof text);
    assert_string_equal(text, "abcd");
    redlock_bytes_append_text(BYTES("efghij"), text, sizeof text);
    assert_string_equal(text, "abcdefg");
    redlock_bytes_append_text(BYTES("k"), text, sizeof text);
    assert_string_equal(text, "abcdefg");
}

static void number_fills_the_bytes_and_obeys_the_maximum(void **state) {
    static const struct {
        redlock_bytes bytes;
        uint64_t max;
        bool is_number;
        uint64_t number;
    } rows[] = {
        {BYTES_INIT("0"), 0, true, 0},
        {BYTES_INIT("1"), 0, false, 0},
        {BYTES_INIT("42"), 42, true, 42},
        {BYTES_INIT("43"), 42, false, 0},
        {BYTES_INIT("007"), 7, true, 7},
        {BYTES_INIT("8"), 7, false, 0},
        {BYTES_INIT("18446744073709551615"), UINT64_MAX, true, UINT64_MAX},
        {BYTES_INIT("18446744073709551616"), UINT64_MAX, false, 0},
        {BYTES_INIT("18446744073709551615"), UINT64_MAX - 1, false, 0},
        {BYTES_INIT("99999999999999999999999"), UINT64_MAX, false, 0},
        {BYTES_INIT(""), 9, false, 0},
        {BYTES_INIT("-1"), 9, false, 0},
        {BYTES_INIT("+1"), 9, false, 0},
        {BYTES_INIT(" 1"), 9, false, 0},
        {BYTES_INIT("1 "), 9, false, 0},
        {BYTES_INIT("1\0"), 9, false, 0},
        {BYTES_INIT("0x1"), 99, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t number = 0;

        assert_int_equal(redlock_bytes_to_u64(rows[i].bytes, rows[i].max, &number),
                         rows[i].is_number);
        assert_int_equal(number, rows[i].number);
    }
}

static void number_comes_back_from_its_digits(void **state) {
    static const uint64_t numbers[] = {0, 1, 9, 10, 99, 100, 9007199254740991, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        uint8_t digits[REDLOCK_DIGITS_MAX];
        uint64_t number = 7;
        redlock_bytes text = redlock_bytes_from_u64(numbers[i], digits);

        assert_true(redlock_bytes_to_u64(text, UINT64_MAX, &number));
        assert_int_equal(number, numbers[i]);
        assert_true(text.len == 1 || text.at[0] != '0');
    }
}

static void digits_are_counted_at_each_power_of_ten(void **state) {
    uint64_t power = 1;

    (void)state;
    assert_int_equal(redlock_bytes_digits(0), 1);
    for (uint32_t digits = 1; digits <= REDLOCK_DIGITS_MAX; digits++) {
        uint64_t last = digits == REDLOCK_DIGITS_MAX ? UINT64_MAX : power * 10 - 1;
        uint8_t text[REDLOCK_DIGITS_MAX];

        assert_int_equal(redlock_bytes_digits(power), digits);
        assert_int_equal(redlock_bytes_digits(last), digits);
        assert_int_equal(redlock_bytes_put_u64(last, text), digits);
        assert_int_equal(text[0], digits == REDLOCK_DIGITS_MAX ? '1' : '9');
        power *= digits == REDLOCK_DIGITS_MAX ? 1 : 10;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_compares_every_byte_and_the_length),
        cmocka_unit_test(prefix_is_a_beginning_and_may_be_empty),
        cmocka_unit_test(text_is_cut_ended_and_safe_to_print),
        cmocka_unit_test(append_goes_on_behind_what_is_there),
        cmocka_unit_test(number_fills_the_bytes_and_obeys_the_maximum),
        cmocka_unit_test(number_comes_back_from_its_digits),
        cmocka_unit_test(digits_are_counted_at_each_power_of_ten),
    };

    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
