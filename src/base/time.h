/* time.h -- instants and lengths, in nanoseconds, with overflow and "never" handled once.
 *
 * Waits round up, validity rounds down: the helpers' names say which way they go. */
#ifndef REDLOCK_BASE_TIME_H
#define REDLOCK_BASE_TIME_H

#include <stdint.h>

typedef uint64_t redlock_ns; /* an instant of a clock that counts suspend, or a length */

#define REDLOCK_NEVER UINT64_MAX /* sorts after every instant */
#define REDLOCK_NS_PER_MS UINT64_C(1000000)
#define REDLOCK_NS_PER_US UINT64_C(1000)
#define REDLOCK_NS_PER_S UINT64_C(1000000000)

/* instant + length, REDLOCK_NEVER when it would overflow or either is NEVER. */
redlock_ns redlock_ns_add(redlock_ns instant, redlock_ns length);
/* a - b, or 0 when b is later; from any instant to NEVER it is NEVER. */
redlock_ns redlock_ns_since(redlock_ns a, redlock_ns b);
redlock_ns redlock_ns_min(redlock_ns a, redlock_ns b);
redlock_ns redlock_ns_max(redlock_ns a, redlock_ns b);
/* Too long for nanoseconds is NEVER; NEVER in milliseconds is UINT64_MAX. */
redlock_ns redlock_ns_from_ms(uint64_t ms);
uint64_t redlock_ns_to_ms_up(redlock_ns length);
uint64_t redlock_ns_to_ms_down(redlock_ns length);

#endif
