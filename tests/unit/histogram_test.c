/* histogram_test.c -- buckets, bounds and quantiles, against a twin that keeps and sorts all values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/histogram.h"
#include "base/prng.h"

#define LAST (REDLOCK_HISTOGRAM_BUCKETS - 1)
#define VALUES 1000

static uint32_t only_bucket(redlock_ns length) {
    redlock_histogram histogram = {.count = 0};
    uint32_t found = REDLOCK_HISTOGRAM_BUCKETS;
    redlock_histogram_add(&histogram, length);
    for (uint32_t i = 0; i < REDLOCK_HISTOGRAM_BUCKETS; i++) {
        if (histogram.bucket[i] != 0) {
            assert_int_equal(histogram.bucket[i], 1);
            assert_int_equal(found, REDLOCK_HISTOGRAM_BUCKETS);
            found = i;
        }
    }
    assert_in_range(found, 0, LAST);
    return found;
}

static void bounds_are_those_written_down(void **state) {
    static const uint64_t first[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40};
    (void)state;
    for (uint32_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        assert_int_equal(redlock_histogram_bound_us(i), first[i]);
    }
    assert_int_equal(redlock_histogram_bound_us(LAST - 1), UINT64_C(1) << 37);
    assert_true(redlock_histogram_bound_us(LAST) == UINT64_MAX);
}

/* Prometheus counts what is "less or equal": so the bound itself is inside, one nanosecond more is not. */
static void bound_is_in_its_bucket_and_no_more(void **state) {
    (void)state;
    for (uint32_t i = 0; i < LAST; i++) {
        redlock_ns bound = redlock_histogram_bound_us(i) * REDLOCK_NS_PER_US;
        assert_int_equal(only_bucket(bound), i);
        assert_int_equal(only_bucket(bound + 1), i + 1);
    }
}

static void ends_of_the_range(void **state) {
    (void)state;
    assert_int_equal(only_bucket(0), 0);
    assert_int_equal(only_bucket(1), 0);
    assert_int_equal(only_bucket(REDLOCK_NEVER - 1), LAST);
    assert_int_equal(only_bucket(REDLOCK_NEVER), LAST);
}

static void bucket_is_a_quarter_wide_at_most(void **state) {
    (void)state;
    for (uint32_t i = 4; i < LAST; i++) {
        uint64_t below = redlock_histogram_bound_us(i - 1), bound = redlock_histogram_bound_us(i);
        assert_true(bound > below);
        assert_true((bound - below) * 4 <= below);
    }
}

/* Numbers that were read while they changed need not fit together: then it is the largest value. */
static void quantile_of_more_than_the_buckets_have_is_the_largest(void **state) {
    const uint64_t bucket[REDLOCK_HISTOGRAM_BUCKETS] = {1, 2};
    (void)state;
    assert_int_equal(redlock_histogram_quantile_us(bucket, 9, 77, 1000), 77);
    assert_int_equal(redlock_histogram_quantile_us(bucket, 0, 77, 1000), 0);
    assert_int_equal(redlock_histogram_quantile_us(bucket, 0, 77, 0), 0);
}

static void sum_and_largest(void **state) {
    redlock_histogram histogram = {.count = 0};
    (void)state;
    redlock_histogram_add(&histogram, 1500);
    redlock_histogram_add(&histogram, 2);
    assert_int_equal(histogram.count, 2);
    assert_int_equal(histogram.sum, 1502);
    assert_int_equal(histogram.max, 1500);
    redlock_histogram_add(&histogram, REDLOCK_NEVER);
    redlock_histogram_add(&histogram, 5);
    assert_true(histogram.sum == REDLOCK_NEVER);
    assert_true(histogram.max == REDLOCK_NEVER);
}

static uint64_t quantile(const redlock_histogram *histogram, uint32_t permille) {
    uint64_t max_us = (histogram->max + REDLOCK_NS_PER_US - 1) / REDLOCK_NS_PER_US;
    return redlock_histogram_quantile_us(histogram->bucket, histogram->count, max_us, permille);
}

static void quantiles_of_few(void **state) {
    redlock_histogram histogram = {.count = 0};
    (void)state;
    assert_int_equal(quantile(&histogram, 500), 0);
    redlock_histogram_add(&histogram, 9 * REDLOCK_NS_PER_US);
    assert_int_equal(quantile(&histogram, 0), 9); /* the bound is 10, the largest is known */
    assert_int_equal(quantile(&histogram, 1000), 9);
    redlock_histogram_add(&histogram, 100 * REDLOCK_NS_PER_MS);
    assert_int_equal(quantile(&histogram, 500), 10);
    assert_int_equal(quantile(&histogram, 501), 100000);
}

/* Counts so large that a rank computed in one product would overflow. */
static void quantile_of_very_many(void **state) {
    redlock_histogram histogram = {.count = 0};
    (void)state;
    histogram.count = UINT64_MAX / 2;
    histogram.bucket[3] = UINT64_MAX / 4;
    histogram.bucket[20] = histogram.count - histogram.bucket[3];
    histogram.max = REDLOCK_NS_PER_S;
    assert_int_equal(quantile(&histogram, 490), 4);
    assert_int_equal(quantile(&histogram, 510), redlock_histogram_bound_us(20));
}

static int compare(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Lengths of every magnitude: the quantile is never below the true one, and a quarter above at most. */
static void quantiles_keep_their_promise(void **state) {
    redlock_prng prng;
    (void)state;
    redlock_prng_init(&prng, 7);
    for (uint32_t round = 0; round < 50; round++) {
        redlock_histogram histogram = {.count = 0};
        uint64_t us[VALUES];
        for (uint32_t i = 0; i < VALUES; i++) {
            redlock_ns length =
                redlock_prng_upto(&prng, UINT64_C(1) << redlock_prng_upto(&prng, 46));
            us[i] = (length + REDLOCK_NS_PER_US - 1) / REDLOCK_NS_PER_US;
            redlock_histogram_add(&histogram, length);
        }
        qsort(us, VALUES, sizeof us[0], compare);
        for (uint32_t permille = 1; permille <= 1000; permille++) {
            uint64_t real = us[permille * VALUES / 1000 - 1], got = quantile(&histogram, permille);
            uint64_t above = real < 4 ? 1 : real / 4;
            assert_in_range(got, real, real + above);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_are_those_written_down),
        cmocka_unit_test(bound_is_in_its_bucket_and_no_more),
        cmocka_unit_test(quantile_of_more_than_the_buckets_have_is_the_largest),
        cmocka_unit_test(ends_of_the_range),
        cmocka_unit_test(bucket_is_a_quarter_wide_at_most),
        cmocka_unit_test(sum_and_largest),
        cmocka_unit_test(quantiles_of_few),
        cmocka_unit_test(quantile_of_very_many),
        cmocka_unit_test(quantiles_keep_their_promise),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
