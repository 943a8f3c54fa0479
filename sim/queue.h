/* queue.h -- what is going to happen in a simulated world, ordered by (time, sequence).
 *
 * Two events at one time happen in the order in which they were put, so one seed is one world. */
#ifndef REDLOCK_SIM_QUEUE_H
#define REDLOCK_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "base/time.h"
#include "wire/native.h"

typedef enum redlock_sim_event_kind {
    REDLOCK_SIM_EVENT_CALL = 1,    /* a connect arrives at a node */
    REDLOCK_SIM_EVENT_TO_NODE,     /* a command, or bytes */
    REDLOCK_SIM_EVENT_HANG_UP,     /* the client's end of a connection is closed */
    REDLOCK_SIM_EVENT_ACCEPTED,    /* arrives at a client: the connection is there */
    REDLOCK_SIM_EVENT_TO_CLIENT,   /* an answer, or bytes */
    REDLOCK_SIM_EVENT_DOWN,        /* arrives at a client: the connection is gone */
    REDLOCK_SIM_EVENT_EAR_CALL,    /* a subscription arrives at a node */
    REDLOCK_SIM_EVENT_EAR_HANG_UP, /* the client's end of one is closed */
    REDLOCK_SIM_EVENT_EAR_ON,      /* arrives at a client: it will be woken from now on */
    REDLOCK_SIM_EVENT_EAR_WAKE,    /* a message */
    REDLOCK_SIM_EVENT_EAR_DOWN,    /* the subscription is gone */
    REDLOCK_SIM_EVENT_TOKEN,       /* a client gets the token it wished for */
    REDLOCK_SIM_EVENT_WAKE,        /* a client's core wanted to be woken */
    REDLOCK_SIM_EVENT_USER,        /* the next thing that a user does */
    REDLOCK_SIM_EVENT_WRITE,       /* a holder's write leaves its process */
    REDLOCK_SIM_EVENT_STORE,       /* it arrives at the guarded resource */
    REDLOCK_SIM_EVENT_SECOND,      /* files are synced, overdue answers looked for */
    REDLOCK_SIM_EVENT_FAULT,       /* something goes wrong */
    REDLOCK_SIM_EVENT_MEND         /* it is over */
} redlock_sim_event_kind;

typedef struct redlock_sim_parcel { /* what an event carries; owned by it */
    redlock_command command;        /* TO_NODE: its bytes lie in data; kind 0: bytes only */
    redlock_answer answer;          /* TO_CLIENT without the wire */
    redlock_status status;          /* DOWN, and the greeting without the wire */
    /* TO_NODE without the wire: which it is sent as; the greeting: what the server has */
    redlock_native_word native;
    uint64_t time_ms;
    redlock_ns handed_at;   /* EAR_WAKE: true time of the step that said it */
    size_t run_id_len, len; /* of the bytes behind what the command points at */
    size_t at;              /* where those bytes begin */
    uint8_t data[];
} redlock_sim_parcel;

typedef struct redlock_sim_event {
    redlock_ns at;
    uint64_t sequence;
    redlock_sim_event_kind kind;
    uint32_t client, node, connection;
    uint32_t life;   /* of the node, or of the client for what happens inside of it */
    uint32_t number; /* a lock, a user or a fault */
    uint64_t value;  /* a tag, a generation, a fence */
    redlock_sim_parcel *parcel;
} redlock_sim_event;

typedef struct redlock_sim_queue {
    redlock_sim_event *heap;
    size_t count, size;
    uint64_t sequence;
} redlock_sim_queue;

/* calloc and realloc that end the program when there is no memory: a world cannot go on then. */
void *redlock_sim_zeroed(size_t count, size_t size);
void *redlock_sim_grown(void *memory, size_t count, size_t size);

void redlock_sim_queue_put(redlock_sim_queue *queue, redlock_sim_event event);
/* An event that was taken, for later: it stays in front of what was put after it. */
void redlock_sim_queue_put_off(redlock_sim_queue *queue, redlock_sim_event event);
/* False when there is none. */
bool redlock_sim_queue_take(redlock_sim_queue *queue, redlock_sim_event *ret_event);
redlock_ns redlock_sim_queue_due(const redlock_sim_queue *queue);
void redlock_sim_queue_deinit(redlock_sim_queue *queue);

/* A parcel with the command's bytes copied in, and `bytes` behind them. */
redlock_sim_parcel *redlock_sim_parcel_create(const redlock_command *command, redlock_bytes bytes);
redlock_bytes redlock_sim_parcel_bytes(const redlock_sim_parcel *parcel);

#endif
