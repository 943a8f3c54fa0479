/* pool.c -- keeps freed blocks for the next lock, so that a warm cycle of acquire and release
 * allocates nothing. */
#include <stdlib.h>

#include "api/inside.h"

#define CLASS_BYTES 512u
#define CLASS_COUNT 16u /* blocks beyond 8 KiB are not kept */
#define KEPT_MAX 256u   /* blocks of one class */

typedef struct block { /* in front of what the caller gets */
    size_t class_index;
    struct block *next;
} block;

struct redlock_pool {
    block *kept[CLASS_COUNT];
    uint32_t kept_count[CLASS_COUNT];
};

struct redlock_pool *redlock_pool_create(void) {
    return calloc(1, sizeof(struct redlock_pool));
}

void redlock_pool_destroy(struct redlock_pool *pool) {
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        for (block *at = pool->kept[i], *next; at != NULL; at = next) {
            next = at->next;
            free(at);
        }
    }
    free(pool);
}

void *redlock_pool_take(struct redlock_pool *pool, size_t size) {
    size_t index = (size + sizeof(block)) / CLASS_BYTES;
    if (index < CLASS_COUNT && pool->kept[index] != NULL) {
        block *at = pool->kept[index];
        pool->kept[index] = at->next;
        pool->kept_count[index]--;
        return at + 1;
    }
    block *fresh = malloc((index + 1) * CLASS_BYTES);
    if (fresh == NULL) {
        return NULL;
    }
    *fresh = (block){.class_index = index};
    return fresh + 1;
}

void redlock_pool_give(struct redlock_pool *pool, void *memory) {
    if (memory == NULL) {
        return;
    }
    block *at = (block *)memory - 1;
    size_t index = at->class_index;
    if (index >= CLASS_COUNT || pool->kept_count[index] >= KEPT_MAX) {
        free(at);
        return;
    }
    at->next = pool->kept[index];
    pool->kept[index] = at;
    pool->kept_count[index]++;
}
