/* time.h -- instants and lengths, in nanoseconds, with overflow and "never" handled once; nothing wraps.
 *
 * Waits round up, validity rounds down: the helpers' names say which way they go.  All of it is here in
 * the header, because a renewal asks sixty times. */
#ifndef REDLOCK_BASE_TIME_H
#define REDLOCK_BASE_TIME_H

#include <stdint.h>

typedef uint64_t redlock_ns; /* an instant of a clock that counts suspend, or a length */

#define REDLOCK_NEVER UINT64_MAX /* sorts after every instant */
#define REDLOCK_NS_PER_MS UINT64_C(1000000)
#define REDLOCK_NS_PER_US UINT64_C(1000)
#define REDLOCK_NS_PER_S UINT64_C(1000000000)

/* instant + length, REDLOCK_NEVER when it would overflow or either is NEVER. */
static inline redlock_ns redlock_ns_add(redlock_ns instant, redlock_ns length) {
    return length > REDLOCK_NEVER - instant ? REDLOCK_NEVER : instant + length;
}

/* a - b, or 0 when b is later; from any instant to NEVER it is NEVER. */
static inline redlock_ns redlock_ns_since(redlock_ns a, redlock_ns b) {
    if (b >= a) {
        return 0;
    }
    return a == REDLOCK_NEVER ? REDLOCK_NEVER : a - b;
}

static inline redlock_ns redlock_ns_min(redlock_ns a, redlock_ns b) {
    return a < b ? a : b;
}

static inline redlock_ns redlock_ns_max(redlock_ns a, redlock_ns b) {
    return a > b ? a : b;
}

/* Too long for nanoseconds is NEVER; NEVER in milliseconds is UINT64_MAX. */
static inline redlock_ns redlock_ns_from_ms(uint64_t ms) {
    return ms > REDLOCK_NEVER / REDLOCK_NS_PER_MS ? REDLOCK_NEVER : ms * REDLOCK_NS_PER_MS;
}

static inline uint64_t redlock_ns_to_ms_up(redlock_ns length) {
    if (length == REDLOCK_NEVER) {
        return UINT64_MAX;
    }
    return length / REDLOCK_NS_PER_MS + (length % REDLOCK_NS_PER_MS != 0);
}

static inline uint64_t redlock_ns_to_ms_down(redlock_ns length) {
    return length == REDLOCK_NEVER ? UINT64_MAX : length / REDLOCK_NS_PER_MS;
}

#endif
