/* prng.h -- a small seeded generator for jitter.  Never for tokens: those come from the kernel. */
#ifndef REDLOCK_BASE_PRNG_H
#define REDLOCK_BASE_PRNG_H

#include <stdint.h>

typedef struct redlock_prng {
    uint64_t state[4]; /* xoshiro256**, seeded by splitmix64 (Blackman and Vigna, public domain) */
} redlock_prng;

void redlock_prng_init(redlock_prng *prng, uint64_t seed);
uint64_t redlock_prng_next(redlock_prng *prng);
/* Uniform in 0 .. bound, both included. */
uint64_t redlock_prng_upto(redlock_prng *prng, uint64_t bound);

#endif
