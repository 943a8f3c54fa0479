/* histogram.c -- log-linear buckets: the position of the highest bit, and the two bits below it. */
#include "base/histogram.h"

#include "base/assert.h"

#define BITS 2u /* four buckets for each doubling */
#define STEPS (1u << BITS)

static uint64_t us_up(redlock_ns length) {
    return length / REDLOCK_NS_PER_US + (length % REDLOCK_NS_PER_US != 0);
}

static uint32_t highest_bit(uint64_t value) {
    uint32_t bit = 0;
    for (uint32_t shift = 32; shift > 0; shift /= 2) {
        uint32_t step = value >> shift != 0 ? shift : 0; /* no branch: lengths are unforeseeable */
        value >>= step;
        bit += step;
    }
    return bit;
}

/* A bucket has its upper bound inside, hence the one less. */
static uint32_t bucket_of(uint64_t us) {
    uint64_t at = us > 0 ? us - 1 : 0;
    if (at < STEPS) {
        return (uint32_t)at;
    }
    uint32_t bit = highest_bit(at);
    uint32_t index = (bit - BITS + 1) * STEPS + (uint32_t)(at >> (bit - BITS) & (STEPS - 1));
    return index < REDLOCK_HISTOGRAM_BUCKETS ? index : REDLOCK_HISTOGRAM_BUCKETS - 1;
}

void redlock_histogram_add(redlock_histogram *histogram, redlock_ns length) {
    histogram->count++;
    histogram->sum = redlock_ns_add(histogram->sum, length);
    histogram->max = redlock_ns_max(histogram->max, length);
    histogram->bucket[bucket_of(us_up(length))]++;
}

uint64_t redlock_histogram_bound_us(uint32_t bucket) {
    REDLOCK_ASSERT(bucket < REDLOCK_HISTOGRAM_BUCKETS);
    if (bucket == REDLOCK_HISTOGRAM_BUCKETS - 1) {
        return UINT64_MAX;
    }
    return bucket < STEPS ? bucket + 1
                          : (uint64_t)(STEPS + bucket % STEPS + 1) << (bucket / STEPS - 1);
}

uint64_t redlock_histogram_quantile_us(const uint64_t bucket[REDLOCK_HISTOGRAM_BUCKETS],
                                       uint64_t count, uint64_t max_us, uint32_t permille) {
    REDLOCK_ASSERT(permille <= 1000);
    /* In two parts: the product could overflow. */
    uint64_t rank = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;
    rank = rank == 0 && count > 0 ? 1 : rank;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < REDLOCK_HISTOGRAM_BUCKETS && rank > 0; i++) {
        seen += bucket[i];
        if (seen >= rank) {
            uint64_t bound = redlock_histogram_bound_us(i);
            return bound < max_us ? bound : max_us;
        }
    }
    return count > 0 ? max_us : 0;
}
