/* time.c -- the arithmetic of instants and lengths; nothing here wraps. */
#include "base/time.h"

redlock_ns redlock_ns_add(redlock_ns instant, redlock_ns length) {
    return length > REDLOCK_NEVER - instant ? REDLOCK_NEVER : instant + length;
}

redlock_ns redlock_ns_since(redlock_ns a, redlock_ns b) {
    if (b >= a) {
        return 0;
    }
    return a == REDLOCK_NEVER ? REDLOCK_NEVER : a - b;
}

redlock_ns redlock_ns_min(redlock_ns a, redlock_ns b) {
    return a < b ? a : b;
}

redlock_ns redlock_ns_max(redlock_ns a, redlock_ns b) {
    return a > b ? a : b;
}

redlock_ns redlock_ns_from_ms(uint64_t ms) {
    return ms > REDLOCK_NEVER / REDLOCK_NS_PER_MS ? REDLOCK_NEVER : ms * REDLOCK_NS_PER_MS;
}

uint64_t redlock_ns_to_ms_up(redlock_ns length) {
    if (length == REDLOCK_NEVER) {
        return UINT64_MAX;
    }
    return length / REDLOCK_NS_PER_MS + (length % REDLOCK_NS_PER_MS != 0);
}

uint64_t redlock_ns_to_ms_down(redlock_ns length) {
    return length == REDLOCK_NEVER ? UINT64_MAX : length / REDLOCK_NS_PER_MS;
}
