/* spin_test.c -- when waits look before they sleep: a look in vain costs ever fewer of them. */
#include "drive/spin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drive/clock.h"

/* How many of `waits` spin, when every spin comes to `paid`. */
static uint32_t spins_of(redlock_spin *spin, uint32_t waits, bool paid) {
    uint32_t spins = 0;
    for (uint32_t i = 0; i < waits; i++) {
        if (redlock_spin_is_due(spin)) {
            spins++;
            redlock_spin_learn(spin, paid);
        }
    }
    return spins;
}

static void spins_that_pay_go_on(void **state) {
    redlock_spin spin = {0};
    (void)state;
    assert_int_equal(spins_of(&spin, 1000, true), 1000);
}

static void spins_in_vain_become_rare(void **state) {
    redlock_spin spin = {0};
    (void)state;
    /* After 0, 1, 3, 7 ... waits that sleep at once: the tenth spin in vain is within 1,023 waits. */
    assert_int_equal(spins_of(&spin, 1023, false), 10);
    assert_int_equal(spins_of(&spin, 100 * (REDLOCK_SPIN_RESTS_MAX + 1), false), 100);
}

static void spins_come_back_when_they_pay_again(void **state) {
    redlock_spin spin = {0};
    (void)state;
    (void)spins_of(&spin, 1000000, false);
    uint32_t waits = 0;
    while (spins_of(&spin, 1, true) == 0 || spin.rests != 0) {
        assert_true(++waits <= 3 * (REDLOCK_SPIN_RESTS_MAX + 1));
    }
    assert_int_equal(spins_of(&spin, 1000, true), 1000);
}

/* Where every other spin is in vain, more waits sleep than spin. */
static void mixed_luck_rests(void **state) {
    redlock_spin spin = {0};
    uint32_t spins = 0;
    (void)state;
    for (uint32_t wait = 0; wait < 1000; wait++) {
        if (redlock_spin_is_due(&spin)) {
            redlock_spin_learn(&spin, spins++ % 2 == 0);
        }
    }
    assert_true(spins < 700);
    assert_true(spins > 100);
}

static void a_spin_ends(void **state) {
    redlock_ns begun = redlock_clock_now();
    (void)state;
    while (redlock_spin_again(begun)) {
        assert_true(redlock_ns_since(redlock_clock_now(), begun) < 10 * REDLOCK_NS_PER_S);
    }
    assert_true(redlock_ns_since(redlock_clock_now(), begun) >= REDLOCK_SPIN_NS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spins_that_pay_go_on),
        cmocka_unit_test(spins_in_vain_become_rare),
        cmocka_unit_test(spins_come_back_when_they_pay_again),
        cmocka_unit_test(mixed_luck_rests),
        cmocka_unit_test(a_spin_ends),
    };
    return cmocka_run_group_tests_name("spin", tests, NULL, NULL);
}
