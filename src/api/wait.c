/* wait.c -- canceling a wait from another thread or a signal handler. */
#include <stdlib.h>

#include "api/inside.h"

int redlock_wait_create(redlock_client *client, redlock_wait **ret_wait) {
    redlock_wait *wait = calloc(1, sizeof *wait);
    if (wait == NULL) {
        return REDLOCK_NOMEM;
    }
    wait->client = client;
    *ret_wait = wait;
    return REDLOCK_OK;
}

void redlock_wait_destroy(redlock_wait *wait) {
    free(wait);
}

/* Only a lock-free store and a write(2): safe in a signal handler. */
void redlock_cancel(redlock_wait *wait) {
    atomic_store(&wait->canceled, 1);
    if (!redlock_engine_is_child(wait->client->engine)) {
        redlock_engine_wake(wait->client->engine);
    }
}
