/* heap.h -- a heap of deadlines over numbered slots, in memory that the caller gives.
 *
 * Ties break by slot number, so that equal deadlines fire in the same order every time. */
#ifndef REDLOCK_BASE_HEAP_H
#define REDLOCK_BASE_HEAP_H

#include <stdint.h>

#include "base/time.h"

#define REDLOCK_HEAP_NONE UINT32_MAX

typedef struct redlock_heap_entry {
    redlock_ns deadline;
    uint32_t slot;
} redlock_heap_entry;

typedef struct redlock_heap {
    redlock_heap_entry *entries; /* capacity many */
    uint32_t *place;             /* slot -> index into entries, or REDLOCK_HEAP_NONE */
    uint32_t count, capacity;    /* slots are 0 .. capacity - 1 */
} redlock_heap;

/* An empty heap.  `entries` and `place` hold `capacity` elements each and outlive the heap. */
void redlock_heap_init(redlock_heap *heap, redlock_heap_entry *entries, uint32_t *place,
                       uint32_t capacity);
/* Moves to larger memory; contents are copied.  The old memory is the caller's again.  A zeroed
 * heap may be moved too: it has no slots yet. */
void redlock_heap_move(redlock_heap *heap, redlock_heap_entry *entries, uint32_t *place,
                       uint32_t capacity);
/* Sets the slot's deadline; REDLOCK_NEVER takes it out. */
void redlock_heap_set(redlock_heap *heap, uint32_t slot, redlock_ns deadline);
/* The earliest deadline, REDLOCK_NEVER when empty. */
redlock_ns redlock_heap_deadline(const redlock_heap *heap);
/* The slot of the earliest deadline, REDLOCK_HEAP_NONE when empty. */
uint32_t redlock_heap_first(const redlock_heap *heap);

#endif
