/* batch.h -- renewals of many names in one call of RENEW's script.
 *
 * A holder of many locks renews them all the time, and what one renewal costs a server is mostly the call:
 * its arguments that are the same for all, the clock, the guard.  Renewals that differ in name, token and
 * fence alone share one.  docs/protocol.md describes keys, arguments and the reply. */
#ifndef REDLOCK_WIRE_BATCH_H
#define REDLOCK_WIRE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "wire/resp.h"

/* A server does nothing else during a call, so a batch is to take well under a millisecond. */
#define REDLOCK_BATCH_NAMES_MAX 100u
#define REDLOCK_BATCH_KEYS_BYTES 16384u
#define REDLOCK_BATCH_OWN_BYTES 16384u
#define REDLOCK_BATCH_SHARED_BYTES 256u

/* What all renewals of a batch have in common, besides the bytes that say so. */
typedef struct redlock_batch_shared {
    bool teach;
    uint32_t keys_of_each;
    uint64_t ttl_ms, not_after_ms, guard_ms, heal;
    uint8_t run_id[REDLOCK_RUN_ID_BYTES];
    size_t run_id_len;
} redlock_batch_shared;

typedef struct redlock_batch {
    uint32_t count, key_count;
    redlock_batch_shared common;
    size_t keys_len, shared_len, own_len, boot_len;
    uint8_t shared[REDLOCK_BATCH_SHARED_BYTES], boot[REDLOCK_BATCH_SHARED_BYTES];
    uint8_t keys[REDLOCK_BATCH_KEYS_BYTES], own[REDLOCK_BATCH_OWN_BYTES];
} redlock_batch;

void redlock_batch_clear(redlock_batch *batch);
/* Adds a copy of the renewal.  False: it shares too little with those that are in, or there is no room for it. */
bool redlock_batch_add(redlock_batch *batch, const redlock_command *renewal, redlock_bytes prefix);
/* How many bytes the whole command takes; they were written if that is at most `size`. */
size_t redlock_batch_encode(const redlock_batch *batch, uint8_t *out, size_t size);

/* A lone renewal is written by step.c: its arguments are these. */
void redlock_batch_write_shared(redlock_resp_writer *writer, const redlock_command *renewal);
void redlock_batch_write_own(redlock_resp_writer *writer, const redlock_command *renewal);

#endif
