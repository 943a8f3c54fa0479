/* event.c -- telling the program: by callback, by a queue with a descriptor. */
#include <string.h>

#include "api/inside.h"
#include "drive/clock.h"

static redlock_event *ring_at(redlock_events *events, uint32_t offset) {
    return &events->ring[(events->first + offset) % REDLOCK_EVENTS_MAX];
}

/* What a full ring loses first: it says that the lock, or the wait, goes on. */
static bool is_minor(const redlock_event *event) {
    return event->kind == REDLOCK_EVENT_RENEWED || event->kind == REDLOCK_EVENT_RENEW_LATE ||
           event->kind == REDLOCK_EVENT_WAITING;
}

/* Moves up what is in front of it: what goes is mostly the oldest, and a full ring loses one for each
 * that comes. */
static void ring_remove(redlock_events *events, uint32_t offset) {
    events->minor -= is_minor(ring_at(events, offset));
    for (uint32_t i = offset; i > 0; i--) {
        *ring_at(events, i) = *ring_at(events, i - 1);
    }
    events->first = (events->first + 1) % REDLOCK_EVENTS_MAX;
    events->count--;
}

/* A full ring loses what matters least: the oldest event that says the lock goes on, else the oldest
 * that is not a loss. */
static bool ring_make_room(redlock_events *events) {
    if (events->count < REDLOCK_EVENTS_MAX) {
        return true;
    }
    for (uint32_t i = 0; i < events->count; i++) {
        const redlock_event *event = ring_at(events, i);
        if (events->minor > 0 ? is_minor(event) : event->kind != REDLOCK_EVENT_LOST) {
            ring_remove(events, i);
            return true;
        }
    }
    return false;
}

static void ring_push(redlock_events *events, const redlock_event *event) {
    if (events != NULL && (event->kind == REDLOCK_EVENT_LOST ||
                           events->count < REDLOCK_EVENTS_MAX || ring_make_room(events))) {
        if (!ring_make_room(events)) {
            ring_remove(events, 0); /* nothing but losses: their descriptors have told already */
        }
        *ring_at(events, events->count) = *event;
        events->count++;
        events->minor += is_minor(event);
    }
}

static bool ring_take(redlock_events *events, redlock_event *ret_event) {
    if (events == NULL || events->count == 0) {
        return false;
    }
    *ret_event = *ring_at(events, 0);
    ring_remove(events, 0);
    return true;
}

static void ring_forget(redlock_events *events, const redlock_lock *lock) {
    if (events == NULL) {
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < events->count; i++) {
        const redlock_event *event = ring_at(events, i);
        if (event->lock != lock || event->kind == REDLOCK_EVENT_RELEASED) {
            *ring_at(events, kept++) = *event;
        } else {
            events->minor -= is_minor(event);
        }
    }
    events->count = kept;
}

static void push(redlock_client *client, const redlock_event *event) {
    ring_push(client->callbacks, event);
    ring_push(client->queue, event);
    if (client->queue != NULL) {
        redlock_wake_raise(&client->queue_wake);
    }
}

void redlock_event_push_place(redlock_client *client, redlock_wait *wait, uint32_t place) {
    if (client->callbacks != NULL || client->queue != NULL) {
        const redlock_event event = {.struct_size = sizeof event,
                                     .kind = REDLOCK_EVENT_WAITING,
                                     .status = REDLOCK_HELD,
                                     .node = -1,
                                     .wait = wait,
                                     .place = place};
        push(client, &event);
    }
}

void redlock_event_push(redlock_client *client, redlock_event_kind kind, redlock_lock *lock,
                        redlock_status status, int32_t node) {
    if (client->callbacks == NULL && client->queue == NULL) {
        return;
    }
    redlock_event event = {
        .struct_size = sizeof event, .kind = kind, .lock = lock, .status = status, .node = node};
    if (lock != NULL) {
        redlock_ns until = atomic_load(&lock->held_until);
        event.remaining_ms =
            (int64_t)redlock_ns_to_ms_down(redlock_ns_since(until, redlock_clock_now()));
    }
    push(client, &event);
}

bool redlock_event_is_pending(void *ctx) {
    const redlock_client *client = ctx;
    return client->callbacks != NULL && client->callbacks->count > 0;
}

void redlock_event_deliver(void *ctx) {
    redlock_client *client = ctx;
    redlock_event event;
    redlock_engine_lock(client->engine);
    bool taken = ring_take(client->callbacks, &event);
    client->delivering = taken ? event.lock : NULL;
    redlock_engine_unlock(client->engine);
    if (taken) {
        client->on_event(&event, client->user);
    }
    redlock_engine_lock(client->engine);
    client->delivering = NULL;
    redlock_engine_unlock(client->engine);
}

void redlock_event_forget(redlock_client *client, const redlock_lock *lock) {
    ring_forget(client->callbacks, lock);
    ring_forget(client->queue, lock);
    while (client->delivering == lock) {
        redlock_engine_wait_change(client->engine);
    }
}

int redlock_client_event_fd(const redlock_client *client) {
    return client->queue != NULL && !redlock_engine_is_child(client->engine)
               ? client->queue_wake.read_fd
               : -1;
}

int redlock_client_next_event(redlock_client *client, redlock_event *ret_event) {
    if (client->queue == NULL || redlock_engine_is_child(client->engine)) {
        return 0;
    }
    redlock_engine_lock(client->engine);
    bool taken = ring_take(client->queue, ret_event);
    if (client->queue->count == 0) {
        redlock_wake_clear(&client->queue_wake);
    }
    redlock_engine_unlock(client->engine);
    return taken;
}
