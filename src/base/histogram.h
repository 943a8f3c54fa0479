/* histogram.h -- how long things took: counts in buckets that grow with the length.
 *
 * Memory is fixed, and adding is a few instructions.  Lengths are counted in whole microseconds,
 * rounded up.  Each doubling of the length is cut into four buckets: 1, 2, 3, 4 us, then 5, 6, 7, 8, then
 * 10, 12, 14, 16 and so on, up to 2^37 us (38 hours); what is longer shares the last one.
 * A quantile is the upper bound of the bucket that it lies in, and never more than the largest value:
 * it is never below the true one (of the rounded lengths), and at most a quarter above it.  Only the
 * last bucket has no bound: there it is the largest value. */
#ifndef REDLOCK_BASE_HISTOGRAM_H
#define REDLOCK_BASE_HISTOGRAM_H

#include "base/time.h"

#define REDLOCK_HISTOGRAM_DOUBLINGS 36u /* 1 to 4 us are the first */
#define REDLOCK_HISTOGRAM_BUCKETS (4u * REDLOCK_HISTOGRAM_DOUBLINGS + 1u)

typedef struct redlock_histogram { /* zeroed: empty */
    uint64_t count;
    redlock_ns sum, max;
    uint64_t bucket[REDLOCK_HISTOGRAM_BUCKETS];
} redlock_histogram;

/* REDLOCK_NEVER counts as the longest that there is.  The sum stops at REDLOCK_NEVER. */
void redlock_histogram_add(redlock_histogram *histogram, redlock_ns length);
/* In microseconds: the longest that the bucket counts; UINT64_MAX for the last. */
uint64_t redlock_histogram_bound_us(uint32_t bucket);
/* In microseconds: at least `permille` thousandths (1,000 at most) are no longer.  0 when `count` is 0. */
uint64_t redlock_histogram_quantile_us(const uint64_t bucket[REDLOCK_HISTOGRAM_BUCKETS],
                                       uint64_t count, uint64_t max_us, uint32_t permille);

#endif
