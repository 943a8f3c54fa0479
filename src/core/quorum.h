/* quorum.h -- the arithmetic of majorities and of validity, without any state. */
#ifndef REDLOCK_CORE_QUORUM_H
#define REDLOCK_CORE_QUORUM_H

#include <stdint.h>

#include "base/time.h"

/* floor(n/2) + 1 of the configured nodes, whether they can be reached or not. */
uint32_t redlock_quorum_of(uint32_t node_count);
/* The k-th largest of `count` values, k from 1; 0 when there are fewer than k.  At most
 * REDLOCK_NODE_MAX values. */
uint64_t redlock_quorum_kth_largest(const uint64_t *values, uint32_t count, uint32_t k);
/* What a holder may count on of a ttl that the nodes keep: less the drift between any two clocks
 * and the granularity of their expiry.  Rounded down; 0 when nothing is left. */
redlock_ns redlock_quorum_validity(redlock_ns ttl, uint32_t drift_ppm, redlock_ns drift_floor);
/* A length on our clock that no node's clock, as slow as drift allows, takes longer for. */
redlock_ns redlock_quorum_outlast(redlock_ns length, uint32_t drift_ppm, redlock_ns drift_floor);

#endif
