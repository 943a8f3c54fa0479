#include "sim/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 64u

static void *found(void *memory) {
    if (memory == NULL) {
        (void)fputs("sim: no memory\n", stderr);
        abort();
    }
    return memory;
}

void *redlock_sim_zeroed(size_t count, size_t size) {
    return found(calloc(count > 0 ? count : 1, size));
}

void *redlock_sim_grown(void *memory, size_t count, size_t size) {
    return found(realloc(memory, count * size));
}

static bool is_before(const redlock_sim_event *a, const redlock_sim_event *b) {
    return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

void redlock_sim_queue_put_off(redlock_sim_queue *queue, redlock_sim_event event) {
    if (queue->count == queue->size) {
        queue->size = queue->size == 0 ? SIZE_FIRST : queue->size * 2;
        queue->heap = redlock_sim_grown(queue->heap, queue->size, sizeof *queue->heap);
    }
    size_t at = queue->count++;
    while (at > 0 && is_before(&event, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = event;
}

void redlock_sim_queue_put(redlock_sim_queue *queue, redlock_sim_event event) {
    event.sequence = ++queue->sequence;
    redlock_sim_queue_put_off(queue, event);
}

/* Lets the last event sink from the top to its place. */
static void sink(redlock_sim_queue *queue, redlock_sim_event event) {
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->count) {
            break;
        }
        if (child + 1 < queue->count && is_before(&queue->heap[child + 1], &queue->heap[child])) {
            child++;
        }
        if (!is_before(&queue->heap[child], &event)) {
            break;
        }
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = event;
}

bool redlock_sim_queue_take(redlock_sim_queue *queue, redlock_sim_event *ret_event) {
    if (queue->count == 0) {
        return false;
    }
    *ret_event = queue->heap[0];
    redlock_sim_event last = queue->heap[--queue->count];
    if (queue->count > 0) {
        sink(queue, last);
    }
    return true;
}

redlock_ns redlock_sim_queue_due(const redlock_sim_queue *queue) {
    return queue->count == 0 ? REDLOCK_NEVER : queue->heap[0].at;
}

void redlock_sim_queue_deinit(redlock_sim_queue *queue) {
    for (size_t i = 0; i < queue->count; i++) {
        free(queue->heap[i].parcel);
    }
    free(queue->heap);
    *queue = (redlock_sim_queue){.heap = NULL};
}

/* --- parcels --------------------------------------------------------------------------------- */

static redlock_bytes keep(redlock_sim_parcel *parcel, size_t *at, redlock_bytes bytes) {
    uint8_t *place = parcel->data + *at;
    if (bytes.len > 0) {
        memcpy(place, bytes.at, bytes.len);
    }
    *at += bytes.len;
    return (redlock_bytes){.at = place, .len = bytes.len};
}

redlock_sim_parcel *redlock_sim_parcel_create(const redlock_command *command, redlock_bytes bytes) {
    size_t size = bytes.len, at = 0;
    if (command != NULL) {
        size += command->name.len + command->token.len + command->run_id.len +
                command->entry.channel.len + command->claim.token.len;
    }
    redlock_sim_parcel *parcel = redlock_sim_zeroed(1, sizeof *parcel + size);
    if (command != NULL) {
        parcel->command = *command;
        parcel->command.name = keep(parcel, &at, command->name);
        parcel->command.token = keep(parcel, &at, command->token);
        parcel->command.run_id = keep(parcel, &at, command->run_id);
        parcel->command.entry.channel = keep(parcel, &at, command->entry.channel);
        parcel->command.claim.token = keep(parcel, &at, command->claim.token);
    }
    parcel->at = at;
    parcel->len = bytes.len;
    (void)keep(parcel, &at, bytes);
    return parcel;
}

redlock_bytes redlock_sim_parcel_bytes(const redlock_sim_parcel *parcel) {
    return (redlock_bytes){.at = parcel->data + parcel->at, .len = parcel->len};
}
