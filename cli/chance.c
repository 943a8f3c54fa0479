/* chance.c -- a random length of time. */
#include "cli/chance.h"

#include <sys/random.h>

#include "cli/now.h"

int64_t redlock_chance(int64_t max) {
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number)) {
        number = (uint64_t)redlock_now_ms(); /* early at boot: spread out is enough */
    }
    return (int64_t)(number % (uint64_t)max);
}
