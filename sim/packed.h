/* packed.h -- a sorted set or a hash as one text, so that the keyspace keeps, expires and undoes it
 * like a string.
 *
 * Every operation goes through all elements: queues are short.  A sorted set lies in the order of
 * its scores, equal scores in the order of their members' bytes; a hash in no order. */
#ifndef REDLOCK_SIM_PACKED_H
#define REDLOCK_SIM_PACKED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "sim/reply.h"

typedef enum redlock_sim_type {
    REDLOCK_SIM_STRING = 0, /* what a value is that says nothing else */
    REDLOCK_SIM_ZSET,
    REDLOCK_SIM_HASH
} redlock_sim_type;

typedef struct redlock_sim_element {
    redlock_bytes name;  /* the member of a sorted set, the field of a hash */
    redlock_bytes value; /* of a hash's field */
    double score;        /* of a sorted set's member */
} redlock_sim_element;

/* Goes through the elements; *cursor is 0 at first, false ends.  They are borrowed from `packed`. */
bool redlock_sim_packed_next(redlock_bytes packed, size_t *cursor,
                             redlock_sim_element *ret_element);
size_t redlock_sim_packed_count(redlock_bytes packed);
/* False when there is no element of that name.  `ret_rank`: how many lie in front of it. */
bool redlock_sim_packed_find(redlock_bytes packed, redlock_bytes name,
                             redlock_sim_element *ret_element, size_t *ret_rank);
/* Adds it, or takes the place of its namesake; true when there was none.  What the element borrows
 * must not be from `packed`. */
bool redlock_sim_packed_put(redlock_sim_text *packed, const redlock_sim_element *element);
/* True when it was there. */
bool redlock_sim_packed_remove(redlock_sim_text *packed, redlock_bytes name);

#endif
