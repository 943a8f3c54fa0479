#include "happening.h"

#include <stdbool.h>
#include <stdlib.h>

#define SIZE_FIRST 64u

void *redlock_happening_grown(void *memory, size_t count, size_t item_size) {
    void *result = realloc(memory, count * item_size);
    if (result == NULL) {
        abort();
    }
    return result;
}

static void queue_grow(redlock_happenings *queue) {
    uint32_t size = queue->size == 0 ? SIZE_FIRST : queue->size * 2;
    queue->pool = redlock_happening_grown(queue->pool, size, sizeof *queue->pool);
    queue->heap = redlock_happening_grown(queue->heap, size, sizeof *queue->heap);
    queue->spare = redlock_happening_grown(queue->spare, size, sizeof *queue->spare);
    for (uint32_t i = size; i > queue->size; i--) {
        queue->spare[queue->spare_count++] = i - 1;
    }
    queue->size = size;
}

static bool is_before(const redlock_happenings *queue, uint32_t a, uint32_t b) {
    const redlock_happening *x = &queue->pool[a], *y = &queue->pool[b];
    return x->at != y->at ? x->at < y->at : x->sequence < y->sequence;
}

static void swap_places(redlock_happenings *queue, uint32_t a, uint32_t b) {
    uint32_t kept = queue->heap[a];
    queue->heap[a] = queue->heap[b];
    queue->heap[b] = kept;
}

uint32_t redlock_happening_take(redlock_happenings *queue) {
    if (queue->spare_count == 0) {
        queue_grow(queue);
    }
    return queue->spare[--queue->spare_count];
}

void redlock_happening_push(redlock_happenings *queue, uint32_t place) {
    queue->pool[place].sequence = ++queue->sequence;
    uint32_t at = queue->heap_count++;
    queue->heap[at] = place;
    while (at > 0 && is_before(queue, queue->heap[at], queue->heap[(at - 1) / 2])) {
        swap_places(queue, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static uint32_t least_of_three(const redlock_happenings *queue, uint32_t at) {
    uint32_t least = at;
    for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
        if (child < queue->heap_count && is_before(queue, queue->heap[child], queue->heap[least])) {
            least = child;
        }
    }
    return least;
}

uint32_t redlock_happening_pop(redlock_happenings *queue) {
    uint32_t place = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->heap_count];
    uint32_t at = 0, least;
    while ((least = least_of_three(queue, at)) != at) {
        swap_places(queue, at, least);
        at = least;
    }
    return place;
}

void redlock_happening_give_back(redlock_happenings *queue, uint32_t place) {
    queue->spare[queue->spare_count++] = place;
}

redlock_ns redlock_happening_due(const redlock_happenings *queue) {
    return queue->heap_count == 0 ? REDLOCK_NEVER : queue->pool[queue->heap[0]].at;
}

void redlock_happening_deinit(redlock_happenings *queue) {
    for (uint32_t i = 0; i < queue->heap_count; i++) {
        free(queue->pool[queue->heap[i]].waiters);
    }
    free(queue->pool);
    free(queue->heap);
    free(queue->spare);
    *queue = (redlock_happenings){.pool = NULL};
}
