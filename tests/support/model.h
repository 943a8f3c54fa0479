/* model.h -- one node as plain C: a small keyspace that answers the typed commands.
 *
 * It follows the server-side steps rule by rule, so that the protocol can be tested without a
 * server, a socket or a script.  It has no clock of its own: every command brings the node's wall
 * clock.  It is not fast, and it is not meant to hold more than a handful of names. */
#ifndef REDLOCK_TESTS_MODEL_H
#define REDLOCK_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"

#define REDLOCK_MODEL_KEYS_MAX 8
#define REDLOCK_MODEL_NAME_BYTES 64
#define REDLOCK_MODEL_VALUE_BYTES 128

typedef struct redlock_model_key {
    uint8_t name[REDLOCK_MODEL_NAME_BYTES];
    size_t name_len;
    uint8_t value[REDLOCK_MODEL_VALUE_BYTES];
    size_t value_len;    /* 0: free */
    uint64_t expires_ms; /* the node's clock; gone when it is past this */
    uint64_t mark;       /* 0: none */
    uint64_t mark_expires_ms;
    uint64_t queue_expires_ms;
} redlock_model_key;

typedef struct redlock_model_waiter { /* one of a name's queue */
    uint32_t key;                     /* which */
    uint8_t token[REDLOCK_MODEL_VALUE_BYTES];
    size_t token_len;
    uint64_t ticket;
    uint64_t until_ms; /* it counts until then */
    uint8_t channel[REDLOCK_CHANNEL_BYTES];
    size_t channel_len;
    uint64_t wake_tag;
} redlock_model_waiter;

/* Carries a message to whoever listens to the channel; whether anybody does. */
typedef bool redlock_model_publish_fn(void *context, uint32_t number, redlock_bytes channel,
                                      const redlock_wake_call *call);

typedef struct redlock_model {
    char run_id[REDLOCK_RUN_ID_BYTES + 1];
    bool has_boot; /* the restart guard's key: this run, seen since then */
    char boot_run[REDLOCK_RUN_ID_BYTES + 1];
    uint64_t boot_since_ms;    /* 0: declared ready */
    uint32_t steps_forgotten;  /* bit per command kind: answered FORGOT until taught */
    redlock_status fails_with; /* not OK: every command but those below gets this ERROR */
    bool fails_grants_only;
    bool has_compare;     /* a plain RELEASE is a command of the server's own */
    bool refuses_compare; /* the next one is refused, and the connection goes on with steps */
    uint32_t key_count;
    redlock_model_key key[REDLOCK_MODEL_KEYS_MAX];
    redlock_model_waiter *waiters; /* of all names, the lowest ticket first; owned */
    uint32_t waiter_count, waiter_size;
    uint32_t number;
    redlock_model_publish_fn *publish; /* NULL: nobody ever listens */
    void *publish_context;
    uint8_t said[REDLOCK_MODEL_VALUE_BYTES]; /* what the last answer's text points at */
    uint8_t *said_waiters;                   /* made when it is needed first; owned */
} redlock_model;

/* An empty node in its first run.  `number` makes its run ids differ from other nodes'. */
void redlock_model_init(redlock_model *model, uint32_t number);
void redlock_model_deinit(redlock_model *model);
/* A new run; the data survive unless `lose` is set. */
void redlock_model_restart(redlock_model *model, bool lose);
/* The answer; its texts are borrowed from the model until its next answer. */
redlock_answer redlock_model_answer(redlock_model *model, const redlock_command *command,
                                    uint64_t now_us);

/* The value that holds the name now; empty when it is free. */
redlock_bytes redlock_model_value(const redlock_model *model, redlock_bytes name, uint64_t now_us);
uint64_t redlock_model_mark(const redlock_model *model, redlock_bytes name, uint64_t now_us);
/* Who waits for the name at this place, the first is 1; NULL: nobody. */
const redlock_model_waiter *redlock_model_waiter_at(const redlock_model *model, redlock_bytes name,
                                                    uint32_t place, uint64_t now_us);
/* Makes somebody hold the name, past all rules; mark 0 leaves the mark as it is. */
void redlock_model_plant(redlock_model *model, redlock_bytes name, redlock_bytes value,
                         uint64_t expires_ms, uint64_t mark);
/* Forgets the name's value, as if its time were over; the mark stays. */
void redlock_model_expire(redlock_model *model, redlock_bytes name);

#endif
