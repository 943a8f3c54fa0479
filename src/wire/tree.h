/* tree.h -- a whole reply of more values than a step ever has: what tools ask for.
 *
 * Reads like resp.h does, value by value and with the same caps on lines and strings, but into as
 * many places as the caller has.  What is there has been read once when the rest comes. */
#ifndef REDLOCK_WIRE_TREE_H
#define REDLOCK_WIRE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "wire/resp.h"

#define REDLOCK_TREE_DEPTH_MAX 8u

typedef struct redlock_tree {
    redlock_resp_value *values; /* the caller's; in the order of the bytes */
    uint32_t values_max, value_count;
    uint32_t left[REDLOCK_TREE_DEPTH_MAX]; /* elements still missing, outermost first */
    uint32_t depth;
    size_t at;                  /* first byte that is not consumed by a value */
    redlock_resp_reader reader; /* of the value that begins there */
    const char *complaint;      /* static; NULL until something is BAD */
} redlock_tree;

/* Begins a new reply; `values` and `values_max` stay. */
void redlock_tree_start(redlock_tree *tree);
/* As redlock_resp_read: `data` begins with the reply and has all bytes passed so far. */
redlock_resp_status redlock_tree_read(redlock_tree *tree, const uint8_t *data, size_t len,
                                      size_t *ret_used);

#endif
