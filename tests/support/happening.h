/* happening.h -- what is going to happen in a world, ordered by (time, sequence).
 *
 * Happenings lie in a pool and are named by their place in it; the pool moves when it grows, so a
 * pointer into it is good until the next redlock_happening_take. */
#ifndef REDLOCK_TESTS_HAPPENING_H
#define REDLOCK_TESTS_HAPPENING_H

#include <stdint.h>

#include "base/command.h"
#include "base/time.h"
#include "model.h"

typedef enum redlock_happening_kind {
    REDLOCK_HAPPENING_COMMAND = 1, /* arrives at a node */
    REDLOCK_HAPPENING_CALL,        /* a connect arrives at a node */
    REDLOCK_HAPPENING_ANSWER,      /* arrives at a client */
    REDLOCK_HAPPENING_UP,
    REDLOCK_HAPPENING_DOWN,
    REDLOCK_HAPPENING_TOKEN,
    REDLOCK_HAPPENING_LISTEN,   /* a client's wish to be woken arrives at a node */
    REDLOCK_HAPPENING_UNLISTEN, /* the end of it does */
    REDLOCK_HAPPENING_LISTENED, /* the node's yes arrives at the client */
    REDLOCK_HAPPENING_DEAF,     /* the end of being woken arrives at the client */
    REDLOCK_HAPPENING_WAKE      /* arrives at a client */
} redlock_happening_kind;

typedef struct redlock_happening {
    redlock_ns at;
    uint64_t sequence;
    redlock_happening_kind kind;
    uint32_t client, node, epoch, life;
    uint32_t lock;           /* COMMAND, ANSWER, TOKEN */
    uint64_t tag;            /* COMMAND, ANSWER */
    redlock_wake_call call;  /* WAKE */
    redlock_command command; /* its bytes are the ones below */
    redlock_answer answer;   /* UP: time_ms */
    uint8_t *waiters;        /* the answer's, of which most have none; owned */
    uint8_t name[REDLOCK_MODEL_NAME_BYTES];
    uint8_t token[REDLOCK_MODEL_VALUE_BYTES]; /* also the answer's text */
    uint8_t run_id[REDLOCK_RUN_ID_BYTES];
    uint8_t channel[REDLOCK_CHANNEL_BYTES];
} redlock_happening;

typedef struct redlock_happenings {
    redlock_happening *pool;
    uint32_t *heap;  /* places, earliest first */
    uint32_t *spare; /* vacant places */
    uint32_t heap_count, spare_count, size;
    uint64_t sequence;
} redlock_happenings;

/* realloc for `count` items; there is no world without memory. */
void *redlock_happening_grown(void *memory, size_t count, size_t item_size);
/* A place to fill and then to push. */
uint32_t redlock_happening_take(redlock_happenings *queue);
void redlock_happening_push(redlock_happenings *queue, uint32_t place);
/* The earliest, out of the order; its place is kept until it is given back or pushed again. */
uint32_t redlock_happening_pop(redlock_happenings *queue);
void redlock_happening_give_back(redlock_happenings *queue, uint32_t place);
/* When the earliest is due; REDLOCK_NEVER: there is none. */
redlock_ns redlock_happening_due(const redlock_happenings *queue);
/* Frees what has not happened, too. */
void redlock_happening_deinit(redlock_happenings *queue);

#endif
