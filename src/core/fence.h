/* fence.h -- the arithmetic of fences: proposals, and when a quorum agrees on a mark.
 *
 * Grant-and-raise: a node that grants sets its mark to max(mark + 1, proposal); the fence is a value
 * that a quorum of granting nodes shows at the same time.  Two quorums meet in a node, and there the
 * later grant saw the earlier fence as its mark, so it got more: no clock is needed for the order.
 * The wall clock in the proposal only makes marks agree at once, and outlast lost data. */
#ifndef REDLOCK_CORE_FENCE_H
#define REDLOCK_CORE_FENCE_H

#include <stdint.h>

/* A hybrid clock: the wall clock, but above every mark seen. */
uint64_t redlock_fence_propose(uint64_t wall_us, uint64_t last_seen);
/* The mark that at least `quorum` of `count` votes show exactly; 0: there is none. */
uint64_t redlock_fence_agreed(const uint64_t *marks, uint32_t count, uint32_t quorum);

#endif
