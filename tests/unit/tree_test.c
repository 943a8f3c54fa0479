/* tree_test.c -- whole replies of any shape: the same as resp.h reads, and more of it, in any pieces;
 * what is over a cap is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/tree.h"

#define VALUES_MAX 100u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Reads `text` in pieces of `step`, each in memory of its own size.  The values' kinds as letters in
 * `shape`: s e i b n a. */
static redlock_resp_status tree_read(const char *text, size_t step, char *shape, size_t *ret_used) {
    static const char letters[] = "?seibna";
    redlock_resp_value values[VALUES_MAX];
    redlock_tree tree = {.values = values, .values_max = VALUES_MAX};
    redlock_resp_status status = REDLOCK_RESP_MORE;
    size_t whole = strlen(text);

    redlock_tree_start(&tree);
    for (size_t len = step; status == REDLOCK_RESP_MORE; len += step) {
        size_t some = len < whole ? len : whole;
        uint8_t *data = malloc(some);

        assert_non_null(data);
        memcpy(data, text, some);
        status = redlock_tree_read(&tree, data, some, ret_used);
        free(data);
        if (some == whole) {
            break;
        }
    }
    for (uint32_t i = 0; i < tree.value_count; i++) {
        shape[i] = letters[values[i].kind];
    }
    shape[tree.value_count] = '\0';
    assert_true((status == REDLOCK_RESP_BAD) == (tree.complaint != NULL));
    return status;
}

static void reply_is_read_in_any_pieces(void **state) {
    static const struct {
        const char *text, *shape;
    } rows[] = {
        {"+OK\r\n", "s"},
        {"-ERR no\r\n", "e"},
        {":-12\r\n", "i"},
        {"$5\r\nab\r\nc\r\n", "b"},
        {"$-1\r\n", "n"},
        {"*-1\r\n", "n"},
        {"*0\r\n", "a"},
        {"*2\r\n$1\r\n0\r\n*3\r\n$1\r\na\r\n$0\r\n\r\n$-1\r\n", "ababbn"},
        {"*2\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n*0\r\n", "aaaaaaia"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t whole = strlen(rows[i].text);

        for (size_t step = 1; step <= whole; step++) {
            char shape[VALUES_MAX + 1];
            size_t used = 0;

            assert_int_equal(tree_read(rows[i].text, step, shape, &used), REDLOCK_RESP_DONE);
            assert_int_equal(used, whole);
            assert_string_equal(shape, rows[i].shape);
        }
        for (size_t len = 1; len < whole; len++) {
            char *part = strndup(rows[i].text, len);
            char shape[VALUES_MAX + 1];
            size_t used = 0;

            assert_non_null(part);
            assert_int_equal(tree_read(part, 3, shape, &used), REDLOCK_RESP_MORE);
            free(part);
        }
    }
}

static void reply_over_a_cap_is_refused(void **state) {
    static const char *const rows[] = {
        "*101\r\n",
        "*99999999999999999999\r\n",
        "*1x\r\n",
        "*\r\n",
        "*-2\r\n",
        "*123456789012345678901234567890",
        "*2\r\n*99\r\n+a\r\n%1\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        "$65537\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "*1\r\n_\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step < 40; step++) {
            char shape[VALUES_MAX + 1];
            size_t used = 0;

            assert_int_equal(tree_read(rows[i], step, shape, &used), REDLOCK_RESP_BAD);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_is_read_in_any_pieces),
        cmocka_unit_test(reply_over_a_cap_is_refused),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
