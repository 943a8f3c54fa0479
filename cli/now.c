/* now.c -- the clock for lengths of time. */
#include "cli/now.h"

#include <time.h>

int64_t redlock_now_us(void) {
    struct timespec now;

#ifdef CLOCK_BOOTTIME
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
#else
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t redlock_now_ms(void) {
    return redlock_now_us() / 1000;
}

int64_t redlock_now_wall_us(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
