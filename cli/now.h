/* now.h -- the clock for lengths of time. */
#ifndef REDLOCK_CLI_NOW_H
#define REDLOCK_CLI_NOW_H

#include <stdint.h>

/* Milliseconds of a clock that is never set, and counts suspend where there is such a one. */
int64_t redlock_now_ms(void);
int64_t redlock_now_us(void);
/* The wall clock, in microseconds since 1970: to compare with other machines' only. */
int64_t redlock_now_wall_us(void);

#endif
