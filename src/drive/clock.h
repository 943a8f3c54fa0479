/* clock.h -- the only places where time is read. */
#ifndef REDLOCK_DRIVE_CLOCK_H
#define REDLOCK_DRIVE_CLOCK_H

#include <stdint.h>

#include "base/time.h"

/* A clock that never goes back and counts suspend where the system has one (CLOCK_BOOTTIME on
 * Linux): a machine that slept must not believe in its lease.  clock_gettime(2). */
redlock_ns redlock_clock_now(void);
/* The wall clock in microseconds since 1970.  Orders fences; never measures a length. */
uint64_t redlock_clock_wall_us(void);

#endif
