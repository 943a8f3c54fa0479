/* near.h -- asks the processor to fetch memory that will be needed soon.  A hint: it changes nothing, and may
 * name any address. */
#ifndef REDLOCK_BASE_NEAR_H
#define REDLOCK_BASE_NEAR_H

#include <stddef.h>

#define REDLOCK_CACHE_LINE_BYTES 64u /* of x86 and most ARM; elsewhere the hint is worth less */

static inline void redlock_bring_near(const void *memory, size_t size) {
#ifdef __GNUC__ /* and clang */
    for (size_t at = 0; at < size; at += REDLOCK_CACHE_LINE_BYTES) {
        __builtin_prefetch((const char *)memory + at);
    }
#else
    (void)memory;
    (void)size;
#endif
}

#endif
