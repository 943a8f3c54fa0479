/* loop.c -- a client whose locks are kept by the application's own loop. */
#include "api/inside.h"
#include "drive/clock.h"

/* A wait runs on a clock that stops while the machine is suspended, deadlines do not: whoever sleeps
 * looks again at least so often. */
#define NAP_MS_MAX 1000

static bool is_driven(const redlock_client *client) {
    return client != NULL && client->has_own_loop && !redlock_engine_is_child(client->engine);
}

int redlock_client_fd(redlock_client *client) {
    if (!is_driven(client)) {
        return -1;
    }
    redlock_engine_lock(client->engine);
    int fd = redlock_engine_loop_fd(client->engine);
    redlock_engine_unlock(client->engine);
    return fd;
}

int64_t redlock_client_deadline_ms(redlock_client *client) {
    if (!is_driven(client)) {
        return REDLOCK_FOREVER;
    }
    redlock_engine_lock(client->engine);
    redlock_ns due = redlock_engine_loop_due(client->engine);
    redlock_engine_unlock(client->engine);
    if (due == REDLOCK_NEVER) {
        return REDLOCK_FOREVER;
    }
    redlock_ns nap =
        redlock_ns_min(redlock_ns_since(due, redlock_clock_now()), redlock_ns_from_ms(NAP_MS_MAX));
    return (int64_t)redlock_ns_to_ms_up(nap); /* down would be a busy loop in the last one */
}

int redlock_client_process(redlock_client *client) {
    if (client == NULL || !client->has_own_loop) {
        return REDLOCK_INVALID;
    }
    if (redlock_engine_is_child(client->engine)) {
        return REDLOCK_FORKED;
    }
    redlock_engine_lock(client->engine);
    redlock_engine_process(client->engine);
    redlock_engine_unlock(client->engine);
    return REDLOCK_OK;
}
