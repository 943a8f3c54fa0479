/* prng.c -- xoshiro256** seeded by splitmix64, after Blackman and Vigna (https://prng.di.unimi.it).
 *
 * The same seed gives the same numbers on every machine, which is what makes a run repeatable. */
#include "base/prng.h"

static uint64_t rotate_left(uint64_t bits, unsigned count) {
    return (bits << count) | (bits >> (64 - count));
}

static uint64_t splitmix64_next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void redlock_prng_init(redlock_prng *prng, uint64_t seed) {
    /* splitmix64 maps no seed to four zeros, the one state that xoshiro never leaves. */
    for (int i = 0; i < 4; i++) {
        prng->state[i] = splitmix64_next(&seed);
    }
}

uint64_t redlock_prng_next(redlock_prng *prng) {
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t redlock_prng_upto(redlock_prng *prng, uint64_t bound) {
    if (bound == UINT64_MAX) {
        return redlock_prng_next(prng);
    }
    /* The first 2^64 mod n numbers are drawn again: what is left divides evenly by n. */
    uint64_t n = bound + 1;
    uint64_t redrawn = (0 - n) % n;
    uint64_t number = redlock_prng_next(prng);

    while (number < redrawn) {
        number = redlock_prng_next(prng);
    }
    return number % n;
}
