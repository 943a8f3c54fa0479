/* time_test.c -- instants and lengths: nothing wraps, and rounding goes where the name says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add_stops_at_never(void **state) {
    (void)state;
    assert_int_equal(redlock_ns_add(1, 2), 3);
    assert_int_equal(redlock_ns_add(0, 0), 0);
    assert_int_equal(redlock_ns_add(REDLOCK_NEVER - 1, 1), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_add(REDLOCK_NEVER - 1, 2), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_add(REDLOCK_NEVER, 0), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_add(0, REDLOCK_NEVER), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_add(REDLOCK_NEVER, REDLOCK_NEVER), REDLOCK_NEVER);
}

static void since_is_never_negative(void **state) {
    (void)state;
    assert_int_equal(redlock_ns_since(5, 3), 2);
    assert_int_equal(redlock_ns_since(3, 5), 0);
    assert_int_equal(redlock_ns_since(5, 5), 0);
    assert_int_equal(redlock_ns_since(REDLOCK_NEVER, 5), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_since(5, REDLOCK_NEVER), 0);
    assert_int_equal(redlock_ns_since(REDLOCK_NEVER, REDLOCK_NEVER), 0);
}

static void never_is_the_latest_instant(void **state) {
    (void)state;
    assert_int_equal(redlock_ns_min(4, REDLOCK_NEVER), 4);
    assert_int_equal(redlock_ns_max(4, REDLOCK_NEVER), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_min(4, 3), 3);
    assert_int_equal(redlock_ns_max(4, 3), 4);
}

static void milliseconds_round_the_way_they_are_asked_to(void **state) {
    static const struct {
        redlock_ns length;
        uint64_t up, down;
    } rows[] = {
        {0, 0, 0},
        {1, 1, 0},
        {999999, 1, 0},
        {1000000, 1, 1},
        {1000001, 2, 1},
        {REDLOCK_NEVER - 1, UINT64_C(18446744073710), UINT64_C(18446744073709)},
        {REDLOCK_NEVER, UINT64_MAX, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(redlock_ns_to_ms_up(rows[i].length), rows[i].up);
        assert_int_equal(redlock_ns_to_ms_down(rows[i].length), rows[i].down);
    }
}

static void too_many_milliseconds_are_never(void **state) {
    uint64_t most = UINT64_MAX / REDLOCK_NS_PER_MS;

    (void)state;
    assert_int_equal(redlock_ns_from_ms(0), 0);
    assert_int_equal(redlock_ns_from_ms(30000), UINT64_C(30000000000));
    assert_int_equal(redlock_ns_from_ms(most), most * REDLOCK_NS_PER_MS);
    assert_int_equal(redlock_ns_from_ms(most + 1), REDLOCK_NEVER);
    assert_int_equal(redlock_ns_from_ms(UINT64_MAX), REDLOCK_NEVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_stops_at_never),
        cmocka_unit_test(since_is_never_negative),
        cmocka_unit_test(never_is_the_latest_instant),
        cmocka_unit_test(milliseconds_round_the_way_they_are_asked_to),
        cmocka_unit_test(too_many_milliseconds_are_never),
    };

    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
