#include "core/quorum.h"

#include "base/assert.h"
#include "base/command.h"
#include "base/mutant.h"

#define PPM UINT64_C(1000000)

uint32_t redlock_quorum_of(uint32_t node_count) {
    REDLOCK_ASSERT(node_count >= 1);
    REDLOCK_ASSERT(node_count <= REDLOCK_NODE_MAX);
    return node_count / 2 + 1;
}

uint64_t redlock_quorum_kth_largest(const uint64_t *values, uint32_t count, uint32_t k) {
    REDLOCK_ASSERT(k >= 1);
    REDLOCK_ASSERT(count <= REDLOCK_NODE_MAX);
    if (count < k) {
        return 0;
    }
    if (count == 1) { /* one node is what most have */
        return values[0];
    }
    uint64_t sorted[REDLOCK_NODE_MAX] = {0}; /* descending; insertion is fastest for so few */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < values[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = values[i];
    }
    return sorted[k - 1];
}

/* length * ppm / 1e6, rounded up, without overflow for any length. */
static redlock_ns drift_of(redlock_ns length, uint32_t drift_ppm) {
    redlock_ns whole = length / PPM * drift_ppm;
    return whole + (length % PPM * drift_ppm + PPM - 1) / PPM;
}

redlock_ns redlock_quorum_validity(redlock_ns ttl, uint32_t drift_ppm, redlock_ns drift_floor) {
    REDLOCK_ASSERT(drift_ppm < PPM);
    if (REDLOCK_MUTANT(DRIFT_IGNORED)) {
        return ttl;
    }
    return redlock_ns_since(ttl, redlock_ns_add(drift_of(ttl, drift_ppm), drift_floor));
}

redlock_ns redlock_quorum_outlast(redlock_ns length, uint32_t drift_ppm, redlock_ns drift_floor) {
    REDLOCK_ASSERT(drift_ppm < PPM);
    return redlock_ns_add(length, redlock_ns_add(drift_of(length, drift_ppm), drift_floor));
}
