/* owed.h -- the replies that a server owes us, oldest first: on one connection answers come in order. */
#ifndef REDLOCK_DRIVE_OWED_H
#define REDLOCK_DRIVE_OWED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/command.h"

#define REDLOCK_OWED_MAX 65536u /* the core's inflight_max is never more */

typedef struct redlock_owed {
    uint64_t tag;
    redlock_command_kind kind;
    bool fenced, is_native;
    uint8_t batch; /* one reply answers so many: this one and those behind it; 0: it is behind
                    * another, or waits for more and is not sent */
} redlock_owed;

typedef struct redlock_owed_ring { /* zeroed: empty; `at` is the owner's to free */
    redlock_owed *at;
    uint32_t first, count, size; /* size is 0 or a power of two */
} redlock_owed_ring;

bool redlock_owed_push(redlock_owed_ring *ring, redlock_owed owed); /* false: no memory */
redlock_owed redlock_owed_pop(redlock_owed_ring *ring);             /* not when it is empty */
/* The tag of the one with so many in front of it; not beyond the end. */
uint64_t redlock_owed_tag(const redlock_owed_ring *ring, uint32_t place);
/* The oldest has been sent: a reply may come. */
bool redlock_owed_is_asked(const redlock_owed_ring *ring);
/* The newest `count` are answered by one reply. */
void redlock_owed_join(redlock_owed_ring *ring, uint32_t count);

#endif
