/* clock.c -- clock_gettime(2) behind the two questions that the driver may ask. */
#include "drive/clock.h"

#include <time.h>

#include "base/assert.h"

/* Elsewhere CLOCK_MONOTONIC: on macOS and OpenBSD it counts suspend as well. */
#if defined(__linux__) && defined(CLOCK_BOOTTIME)
#define CLOCK_OF_LEASES CLOCK_BOOTTIME
#else
#define CLOCK_OF_LEASES CLOCK_MONOTONIC
#endif

redlock_ns redlock_clock_now(void) {
    struct timespec now = {0};
    int rc = clock_gettime(CLOCK_OF_LEASES, &now);
    REDLOCK_ASSERT(rc == 0); /* a lease cannot be judged without a clock */
    return (uint64_t)now.tv_sec * REDLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t redlock_clock_wall_us(void) {
    struct timespec now = {0};
    int rc = clock_gettime(CLOCK_REALTIME, &now);
    REDLOCK_ASSERT(rc == 0);
    if (now.tv_sec < 0) {
        return 0; /* a wall clock set before 1970 orders nothing */
    }
    return (uint64_t)now.tv_sec * UINT64_C(1000000) + (uint64_t)now.tv_nsec / REDLOCK_NS_PER_US;
}
