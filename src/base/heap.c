/* heap.c -- a min-heap of (deadline, slot) with four children to each entry, and the way back from slot to
 * place.  Four, because a step down then meets half as many entries, and the children of one lie together.
 *
 * Every move of an entry goes through entry_put, so `place` can't disagree with `entries`. */
#include "base/heap.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/near.h"

#define CHILDREN 4u

static bool entry_is_before(redlock_heap_entry a, redlock_heap_entry b) {
    return a.deadline < b.deadline || (a.deadline == b.deadline && a.slot < b.slot);
}

static void entry_put(redlock_heap *heap, uint32_t index, redlock_heap_entry entry) {
    heap->entries[index] = entry;
    heap->place[entry.slot] = index;
}

/* Puts `entry` where it belongs at or above the free place `index`. */
static void entry_rise(redlock_heap *heap, uint32_t index, redlock_heap_entry entry) {
    while (index > 0) {
        uint32_t parent = (index - 1) / CHILDREN;

        if (!entry_is_before(entry, heap->entries[parent])) {
            break;
        }
        entry_put(heap, index, heap->entries[parent]);
        index = parent;
    }
    entry_put(heap, index, entry);
}

/* The first in order of those from `first` on that have one parent. */
static uint32_t child_first(const redlock_heap *heap, uint32_t first) {
    uint32_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;
    uint32_t best = first;

    for (uint32_t child = first + 1; child < end; child++) {
        if (entry_is_before(heap->entries[child], heap->entries[best])) {
            best = child;
        }
    }
    return best;
}

/* Puts `entry` where it belongs at or below the free place `index`. */
static void entry_sink(redlock_heap *heap, uint32_t index, redlock_heap_entry entry) {
    while (index < (heap->count + CHILDREN - 2) / CHILDREN) { /* has a child */
        uint32_t first = CHILDREN * index + 1, next = CHILDREN * first + 1;
        if (next < heap->count) { /* one of these is looked at next, and they may lie far off */
            redlock_bring_near(heap->entries + next, CHILDREN * CHILDREN * sizeof heap->entries[0]);
        }
        uint32_t child = child_first(heap, first);

        if (!entry_is_before(heap->entries[child], entry)) {
            break;
        }
        entry_put(heap, index, heap->entries[child]);
        index = child;
    }
    entry_put(heap, index, entry);
}

/* Puts `entry` at the free place `index` or wherever the order wants it from there. */
static void entry_settle(redlock_heap *heap, uint32_t index, redlock_heap_entry entry) {
    if (index > 0 && entry_is_before(entry, heap->entries[(index - 1) / CHILDREN])) {
        entry_rise(heap, index, entry);
    } else {
        entry_sink(heap, index, entry);
    }
}

static void slot_remove(redlock_heap *heap, uint32_t slot) {
    uint32_t index = heap->place[slot];

    if (index == REDLOCK_HEAP_NONE) {
        return;
    }
    redlock_heap_entry last = heap->entries[--heap->count];

    heap->place[slot] = REDLOCK_HEAP_NONE;
    if (last.slot != slot) {
        entry_settle(heap, index, last);
    }
}

void redlock_heap_init(redlock_heap *heap, redlock_heap_entry *entries, uint32_t *place,
                       uint32_t capacity) {
    *heap = (redlock_heap){.entries = entries, .place = place, .capacity = capacity};
    for (uint32_t slot = 0; slot < capacity; slot++) {
        place[slot] = REDLOCK_HEAP_NONE;
    }
}

void redlock_heap_move(redlock_heap *heap, redlock_heap_entry *entries, uint32_t *place,
                       uint32_t capacity) {
    REDLOCK_ASSERT(capacity >= heap->capacity);
    if (heap->capacity > 0) { /* memcpy must not see the NULL of a heap that never had memory */
        memcpy(entries, heap->entries, heap->count * sizeof(*entries));
        memcpy(place, heap->place, heap->capacity * sizeof(*place));
    }
    for (uint32_t slot = heap->capacity; slot < capacity; slot++) {
        place[slot] = REDLOCK_HEAP_NONE;
    }
    heap->entries = entries;
    heap->place = place;
    heap->capacity = capacity;
}

void redlock_heap_set(redlock_heap *heap, uint32_t slot, redlock_ns deadline) {
    REDLOCK_ASSERT(slot < heap->capacity);
    redlock_heap_entry entry = {.deadline = deadline, .slot = slot};

    if (deadline == REDLOCK_NEVER) {
        slot_remove(heap, slot);
    } else if (heap->place[slot] == REDLOCK_HEAP_NONE) {
        entry_rise(heap, heap->count++, entry);
    } else if (heap->entries[heap->place[slot]].deadline != deadline) {
        entry_settle(heap, heap->place[slot], entry);
    }
    REDLOCK_ASSERT(heap->count <= heap->capacity);
}

redlock_ns redlock_heap_deadline(const redlock_heap *heap) {
    return heap->count == 0 ? REDLOCK_NEVER : heap->entries[0].deadline;
}

uint32_t redlock_heap_first(const redlock_heap *heap) {
    return heap->count == 0 ? REDLOCK_HEAP_NONE : heap->entries[0].slot;
}
