/* inside.h -- the handles behind the public API, shared by the files of this room only.
 *
 * Everything here is guarded by the engine's mutex, but for the atomics that the asking functions
 * read and what never changes after creation. */
#ifndef REDLOCK_API_INSIDE_H
#define REDLOCK_API_INSIDE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <redlock/redlock.h>

#include "api/count.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/time.h"
#include "core/core.h"
#include "drive/engine.h"
#include "drive/wake.h"

#define REDLOCK_LABEL_BYTES_MAX 64
#define REDLOCK_EVENTS_MAX 1024u
#define REDLOCK_WHERE_BYTES 96

/* One blocking call in progress, on its caller's stack. */
typedef struct redlock_op {
    redlock_call call;
    redlock_status status;
    redlock_report *report; /* the caller's; may be NULL */
    redlock_info *info;     /* LOOK and BREAK; may be NULL */
    redlock_wait *wait;     /* acquire; may be NULL */
    redlock_ns begun, over; /* when it was stepped, and when it was answered */
    /* acquire: it had to wait in a queue; a node has woken it there, or handed it the name without */
    bool queued, woken;
} redlock_op;

/* Whom the core's events about a slot concern. */
typedef struct redlock_owner {
    redlock_lock *lock; /* NULL for LOOK */
    redlock_op *op;     /* NULL when nobody waits */
} redlock_owner;

struct redlock_lock {
    redlock_client *client;
    uint32_t slot;
    _Atomic redlock_ns held_until; /* 0: not held */
    bool lost;
    bool lost_wake_made;
    redlock_wake lost_wake;
    redlock_ns held_from;                /* for counting; 0: not held */
    uint64_t fence;                      /* fixed once acquired, like name and token */
    int64_t ttl_ms, margin_ms, renew_ms; /* as asked for: what extend computes anew from */
    size_t name_len, token_len;
    char *name, *token; /* in this block of memory, each with a NUL behind */
    char label[REDLOCK_LABEL_BYTES_MAX + 1];
};

struct redlock_wait {
    redlock_client *client;
    redlock_link link; /* in client->waits while an acquire uses it */
    uint32_t slot;
    atomic_int canceled;
};

typedef struct redlock_events { /* a ring; oldest at first */
    redlock_event ring[REDLOCK_EVENTS_MAX];
    uint32_t first, count;
    uint32_t minor; /* how many of them a full ring loses first */
} redlock_events;

struct redlock_client {
    redlock_engine *engine;
    uint32_t node_count, quorum;
    bool guarded, queues_events;
    bool has_own_loop; /* the application's: there is no keeper */
    int64_t ttl_max_ms;
    redlock_event_fn *on_event;
    void *user;
    char label[REDLOCK_LABEL_BYTES_MAX + 1];
    char where[REDLOCK_NODES_MAX][REDLOCK_WHERE_BYTES];
    redlock_owner *owners; /* by slot */
    uint32_t owner_count;
    redlock_list waits;
    redlock_events *callbacks; /* on their way to on_event; NULL without one */
    redlock_events *queue;     /* for next_event; NULL without the flag */
    redlock_wake queue_wake;
    const redlock_lock *delivering; /* whose event on_event is looking at */
    struct redlock_pool *pool;
    redlock_counts counts;
    redlock_meter *meters; /* by node */
};

/* --- options.c: reading what the caller passed ----------------------------------------------- */

/* Copies a caller's options struct of any released size; what it lacks is 0.  UNSUPPORTED when it is
 * newer and sets something unknown: a wish that can't be read must not be ignored. */
redlock_status redlock_options_read(void *out, size_t size, const void *options);
redlock_status redlock_options_seek(const redlock_client *client,
                                    const redlock_acquire_options *options, redlock_seek *ret_seek);
redlock_status redlock_options_name(const char *name, size_t name_len);
/* A holder label: printable, no space, cut at 64 bytes; other bytes become '_'. */
void redlock_options_label(const char *label, char out[REDLOCK_LABEL_BYTES_MAX + 1]);

/* --- lock.c ---------------------------------------------------------------------------------- */

/* The memory and descriptor of a handle that nothing refers to any more.  NULL is fine. */
void redlock_lock_free(redlock_lock *lock);

/* --- report.c: for people -------------------------------------------------------------------- */

void redlock_report_start(redlock_report *report);
/* What a call that sent nothing says. */
int redlock_report_refuse(redlock_report *report, redlock_status status, const char *sentence);
void redlock_report_fill(redlock_report *report, const redlock_client *client, redlock_core *core,
                         uint32_t slot, redlock_status status);

/* --- event.c --------------------------------------------------------------------------------- */

void redlock_event_push(redlock_client *client, redlock_event_kind kind, redlock_lock *lock,
                        redlock_status status, int32_t node);
/* An acquire has this place in the queue now. */
void redlock_event_push_place(redlock_client *client, redlock_wait *wait, uint32_t place);
bool redlock_event_is_pending(void *ctx);
void redlock_event_deliver(void *ctx);
/* Nothing about this lock is delivered any more; waits for a callback that looks at it. */
void redlock_event_forget(redlock_client *client, const redlock_lock *lock);

/* --- metrics.c: counting; all [locked] ------------------------------------------------------- */

/* Engine hooks. */
void redlock_metrics_wished(void *ctx, const redlock_wish *wish, redlock_ns now);
void redlock_metrics_heard(void *ctx, const redlock_fact *fact, redlock_ns now);
void redlock_metrics_held(redlock_client *client, redlock_lock *lock);
/* Lost or released; only the first of them counts. */
void redlock_metrics_held_no_more(redlock_client *client, redlock_lock *lock);
void redlock_metrics_renewed(redlock_client *client, uint32_t slot);
/* What redlock_acquire is about to answer. */
void redlock_metrics_acquired(redlock_client *client, const redlock_op *op, redlock_status status);

/* --- pool.c: blocks of memory that come and go with every lock ------------------------------- */

struct redlock_pool *redlock_pool_create(void);
void redlock_pool_destroy(struct redlock_pool *pool);
void *redlock_pool_take(struct redlock_pool *pool, size_t size);
void redlock_pool_give(struct redlock_pool *pool, void *memory); /* NULL is fine */

/* --- op.c: blocking calls on the core -------------------------------------------------------- */

/* [locked] Room for one slot and its owner. */
bool redlock_op_reserve(redlock_client *client);
/* [locked] Steps `fact` for the slot and waits until the core has answered the op. */
redlock_status redlock_op_run(redlock_client *client, const redlock_fact *fact, redlock_lock *lock,
                              redlock_op *op);
/* Engine hooks. */
void redlock_op_tell(void *ctx, const redlock_wish *wish);
size_t redlock_op_token(void *ctx, uint32_t slot, uint8_t *out, size_t size);
void redlock_op_gone(void *ctx, uint32_t slot, void *memory);
void redlock_op_bring_near(void *ctx, uint32_t slot);
void redlock_op_woken(void *ctx);
/* `size` random hex digits, 32 at most; false: no entropy. */
bool redlock_op_random_digits(uint8_t *out, size_t size);
/* A random token: 32 hex digits, ':', the label.  0: no entropy. */
size_t redlock_op_random_token(const char *label, uint8_t *out, size_t size);

#endif
