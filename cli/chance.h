/* chance.h -- a random length of time, so that many processes do not act at once. */
#ifndef REDLOCK_CLI_CHANCE_H
#define REDLOCK_CLI_CHANCE_H

#include <stdint.h>

/* From 0 to `max` - 1; `max` is at least 1. */
int64_t redlock_chance(int64_t max);

#endif
