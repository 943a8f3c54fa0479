/* allocations.h -- how often a thread asked for memory: a warm cycle should never do so. */
#ifndef REDLOCK_BENCH_ALLOCATIONS_H
#define REDLOCK_BENCH_ALLOCATIONS_H

#include <stdint.h>

/* malloc, calloc and realloc of the calling thread so far; always 0 with sanitizers, which bring
 * functions of their own. */
int64_t bench_allocations(void);

#endif
