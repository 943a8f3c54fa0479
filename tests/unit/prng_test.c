/* prng_test.c -- the generator for jitter: known numbers, bounds, and no favourites. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"

static void same_seed_gives_same_numbers(void **state) {
    redlock_prng a, b, other;
    int differing = 0;

    (void)state;
    redlock_prng_init(&a, 42);
    redlock_prng_init(&b, 42);
    redlock_prng_init(&other, 43);
    for (int i = 0; i < 1000; i++) {
        uint64_t number = redlock_prng_next(&a);

        assert_int_equal(number, redlock_prng_next(&b));
        differing += number != redlock_prng_next(&other);
    }
    assert_int_equal(differing, 1000);
}

/* By hand from the published algorithm: with the state 1, 2, 3, 4 the first three numbers are
 * rotl(2 * 5, 7) * 9 = 11520, then 0 (the second word has become 0), then
 * rotl(262149 * 5, 7) * 9. */
static void numbers_are_those_of_the_published_algorithm(void **state) {
    redlock_prng prng = {.state = {1, 2, 3, 4}};

    (void)state;
    assert_int_equal(redlock_prng_next(&prng), 11520);
    assert_int_equal(redlock_prng_next(&prng), 0);
    assert_int_equal(redlock_prng_next(&prng), 1509978240);
}

/* The first number that splitmix64 gives for the seed 1234567, as its authors publish it. */
static void seed_is_spread_by_splitmix64(void **state) {
    redlock_prng prng;

    (void)state;
    redlock_prng_init(&prng, 1234567);
    assert_int_equal(prng.state[0], UINT64_C(6457827717110365317));
    assert_int_equal(prng.state[1], UINT64_C(3203168211198807973));
    assert_int_equal(prng.state[2], UINT64_C(9817491932198370423));
    assert_int_equal(prng.state[3], UINT64_C(4593380528125082431));
}

static void upto_reaches_both_ends_evenly(void **state) {
    redlock_prng prng;
    int counts[6] = {0};

    (void)state;
    redlock_prng_init(&prng, 7);
    for (int i = 0; i < 60000; i++) {
        uint64_t number = redlock_prng_upto(&prng, 5);

        assert_in_range(number, 0, 5);
        counts[number]++;
    }
    for (int i = 0; i < 6; i++) {
        assert_in_range(counts[i], 9500, 10500); /* 10,000 with a deviation of 91 */
    }
}

static void upto_copes_with_the_smallest_and_the_largest_bound(void **state) {
    redlock_prng prng;
    uint64_t seen = 0;

    (void)state;
    redlock_prng_init(&prng, 7);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(redlock_prng_upto(&prng, 0), 0);
        seen |= redlock_prng_upto(&prng, UINT64_MAX);
        assert_true(redlock_prng_upto(&prng, UINT64_MAX / 2 + 1) <= UINT64_MAX / 2 + 1);
    }
    assert_int_equal(seen, UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_same_numbers),
        cmocka_unit_test(numbers_are_those_of_the_published_algorithm),
        cmocka_unit_test(seed_is_spread_by_splitmix64),
        cmocka_unit_test(upto_reaches_both_ends_evenly),
        cmocka_unit_test(upto_copes_with_the_smallest_and_the_largest_bound),
    };

    return cmocka_run_group_tests_name("prng", tests, NULL, NULL);
}
