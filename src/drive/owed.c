#include "drive/owed.h"

#include <stdlib.h>

#include "base/assert.h"

#define OWED_MIN 64u

static bool ring_grow(redlock_owed_ring *ring) {
    uint32_t size = ring->size > 0 ? ring->size * 2 : OWED_MIN;
    redlock_owed *at = malloc(size * sizeof *at);
    if (at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < ring->count; i++) {
        at[i] = ring->at[(ring->first + i) & (ring->size - 1)];
    }
    free(ring->at);
    ring->at = at;
    ring->first = 0;
    ring->size = size;
    return true;
}

bool redlock_owed_push(redlock_owed_ring *ring, redlock_owed owed) {
    REDLOCK_ASSERT(ring->count < REDLOCK_OWED_MAX);
    if (ring->count == ring->size && !ring_grow(ring)) {
        return false;
    }
    ring->at[(ring->first + ring->count) & (ring->size - 1)] = owed;
    ring->count++;
    return true;
}

redlock_owed redlock_owed_pop(redlock_owed_ring *ring) {
    REDLOCK_ASSERT(ring->count > 0);
    redlock_owed owed = ring->at[ring->first];
    ring->first = (ring->first + 1) & (ring->size - 1);
    ring->count--;
    return owed;
}

uint64_t redlock_owed_tag(const redlock_owed_ring *ring, uint32_t place) {
    REDLOCK_ASSERT(place < ring->count);
    return ring->at[(ring->first + place) & (ring->size - 1)].tag;
}

void redlock_owed_join(redlock_owed_ring *ring, uint32_t count) {
    REDLOCK_ASSERT(count > 0 && count <= ring->count && count <= UINT8_MAX);
    ring->at[(ring->first + ring->count - count) & (ring->size - 1)].batch = (uint8_t)count;
}

bool redlock_owed_is_asked(const redlock_owed_ring *ring) {
    return ring->count > 0 && ring->at[ring->first].batch > 0;
}
