#include "core/fence.h"

#include "base/assert.h"
#include "base/command.h"

uint64_t redlock_fence_propose(uint64_t wall_us, uint64_t last_seen) {
    uint64_t proposal = wall_us > last_seen ? wall_us : last_seen + 1;
    return proposal < REDLOCK_FENCE_MAX ? proposal : REDLOCK_FENCE_MAX;
}

uint64_t redlock_fence_agreed(const uint64_t *marks, uint32_t count, uint32_t quorum) {
    REDLOCK_ASSERT(quorum >= 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t same = 0;
        for (uint32_t j = 0; j < count; j++) {
            same += marks[j] == marks[i];
        }
        if (same >= quorum) {
            return marks[i];
        }
    }
    return 0;
}
