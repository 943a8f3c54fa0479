/* wake_test.c -- a wake is readable from the first raise to the next clear; clocks and entropy. */
#include "drive/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drive/clock.h"
#include "drive/entropy.h"

static bool is_readable(const redlock_wake *wake) {
    struct pollfd pollfd = {.fd = wake->read_fd, .events = POLLIN};
    return poll(&pollfd, 1, 0) == 1;
}

static void wake_is_readable_until_cleared(void **state) {
    redlock_wake wake;
    (void)state;
    assert_true(redlock_wake_init(&wake));
    assert_false(is_readable(&wake));
    redlock_wake_clear(&wake); /* nothing there: does not block */
    redlock_wake_raise(&wake);
    assert_true(is_readable(&wake));
    redlock_wake_raise(&wake);
    redlock_wake_clear(&wake);
    assert_false(is_readable(&wake));
    redlock_wake_deinit(&wake);
    assert_int_equal(wake.read_fd, -1);
}

static void wake_never_blocks_and_keeps_errno(void **state) {
    redlock_wake wake;
    (void)state;
    assert_true(redlock_wake_init(&wake));
    for (int i = 0; i < 100000; i++) {
        errno = EDOM;
        redlock_wake_raise(&wake);
        assert_int_equal(errno, EDOM);
    }
    assert_true(is_readable(&wake));
    redlock_wake_clear(&wake);
    assert_false(is_readable(&wake));
    redlock_wake_deinit(&wake);
    errno = EDOM;
    redlock_wake_raise(&wake); /* a descriptor that is gone */
    assert_int_equal(errno, EDOM);
}

static void wake_is_not_inherited(void **state) {
    redlock_wake wake;
    (void)state;
    assert_true(redlock_wake_init(&wake));
    assert_true((fcntl(wake.read_fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(wake.write_fd, F_GETFD) & FD_CLOEXEC) != 0);
    redlock_wake_deinit(&wake);
}

static void clocks_run_forward(void **state) {
    (void)state;
    redlock_ns before = redlock_clock_now();
    for (int i = 0; i < 1000; i++) {
        redlock_ns now = redlock_clock_now();
        assert_true(now >= before);
        before = now;
    }
    /* Later than 2023 and earlier than 2200: the unit is right. */
    assert_in_range(redlock_clock_wall_us() / 1000000, 1672531200, 7258118400);
}

static void entropy_fills_all_of_it(void **state) {
    uint8_t once[1000], again[1000];
    uint8_t zero[16] = {0};
    (void)state;
    memset(once, 0, sizeof once);
    assert_true(redlock_entropy_fill(once, sizeof once));
    assert_true(redlock_entropy_fill(again, sizeof again));
    assert_memory_not_equal(once, again, sizeof once);
    assert_memory_not_equal(once + sizeof once - sizeof zero, zero, sizeof zero);
    assert_true(redlock_entropy_fill(NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wake_is_readable_until_cleared),
        cmocka_unit_test(wake_never_blocks_and_keeps_errno),
        cmocka_unit_test(wake_is_not_inherited),
        cmocka_unit_test(clocks_run_forward),
        cmocka_unit_test(entropy_fills_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
