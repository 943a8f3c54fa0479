/* world.h -- a virtual world: real cores as clients, model nodes as servers, one virtual clock.
 *
 * Everything that happens comes from a queue ordered by (time, sequence), so that one world is the
 * same world every time.  A connection keeps its order in both directions; an answer never crosses
 * to another connection; a command that was sent arrives even when its connection is gone, unless
 * the link is cut.  Tests reach into the structures to set latencies and faults.  After every step
 * each core checks itself, and the world checks the order of what it tells its user. */
#ifndef REDLOCK_TESTS_WORLD_H
#define REDLOCK_TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "core/core.h"
#include "happening.h"
#include "model.h"
#include "trace.h"

#define REDLOCK_WORLD_CLIENTS_MAX 6 /* A to F: their letters are hex digits in tokens */
#define REDLOCK_WORLD_LOCK_NONE UINT32_MAX
#define REDLOCK_WORLD_TOKEN_BYTES 34                 /* of its tokens, which traces show as A#1 */
#define REDLOCK_WORLD_START REDLOCK_NS_PER_S         /* the virtual clock at first */
#define REDLOCK_WORLD_ORIGIN (12 * REDLOCK_NS_PER_S) /* what traces show as 0 ms */
/* All wall clocks show this at the origin, in microseconds since 1970, but for their skew. */
#define REDLOCK_WORLD_WALL_US UINT64_C(100000000)

typedef struct redlock_world redlock_world;

typedef struct redlock_world_config {
    uint32_t client_count, node_count;
    redlock_ns latency; /* one way, at first, of all links */
    redlock_ns guard;   /* 0: off */
    bool is_fresh;      /* guard: nodes are not declared ready at first */
    uint64_t seed;
    redlock_core_config core; /* zero fields get defaults; node_count and guard come from above */
} redlock_world_config;

typedef struct redlock_world_link { /* between one client and one node */
    redlock_ns there, back;         /* one way */
    redlock_ns jitter;              /* up to so much is added to each, at random */
    bool is_cut;                    /* nothing passes, and the connection does not recover */
    bool is_mute;                   /* answers do not pass */
    uint32_t drop_there, drop_back; /* so many of the next commands, answers are lost */
    /* the connection on which the node wakes the client */
    redlock_ns wake_way;     /* how long a wake takes; 0: as long as an answer */
    uint32_t drop_wakes;     /* so many of the next ones are lost */
    bool is_refusing_listen; /* subscribing is refused */
    /* the world's own */
    bool is_listening, is_listen_stuck; /* the client's end */
    uint32_t listen_epoch;              /* which connection of these it is */
    bool is_heard;                      /* the node's end: PUBLISH finds a receiver */
    uint32_t heard_epoch;
    redlock_ns listen_there_last, listen_back_last;
    bool is_up, is_stuck;
    uint32_t epoch;
    uint32_t unanswered;
    redlock_ns there_last, back_last; /* what was sent before arrives before */
} redlock_world_link;

typedef struct redlock_world_node {
    redlock_model model;
    int64_t skew_us;
    bool is_paused;    /* commands arrive and wait */
    bool is_down;      /* crashed: connecting is refused */
    bool is_refusing;  /* connecting is refused, connections live on */
    uint32_t life;     /* crashes so far */
    uint32_t *backlog; /* events that wait for the resume */
    uint32_t backlog_count, backlog_size;
} redlock_world_node;

typedef struct redlock_world_client {
    redlock_core *core;
    void *memory, *table;
    int64_t skew_us;
    redlock_ns frozen_until; /* the process stands still before this */
    uint8_t channel[REDLOCK_CHANNEL_BYTES];
    uint32_t token_count;
    redlock_world_link link[REDLOCK_NODE_MAX];
} redlock_world_client;

typedef struct redlock_world_lock { /* what a user sees of one slot; kept when the slot is gone */
    uint32_t client, slot;
    bool is_gone;
    void *memory;
    char name[REDLOCK_MODEL_NAME_BYTES + 1];
    /* what was told, in that order: 0 means not told, instants are of the virtual clock */
    redlock_status status; /* of ACQUIRED, FAILED or LOOKED */
    redlock_ns acquired_at, failed_at, lost_at, released_at, looked_at;
    redlock_status release_status, extend_status;
    redlock_ns extended_at;
    uint32_t renewed_count, renew_late_count, waiting_count;
    uint32_t place;               /* in the queue, as told last */
    redlock_ns acquired_deadline; /* held_until when ACQUIRED was told */
    uint64_t fence;
    redlock_ns first_grant_at;         /* of the last attempt */
    redlock_ns renew_at, renew_before; /* when RENEW was sent last, and the time before; 0: never */
    uint32_t attempts;
    redlock_ns asked_at, ended_at;
    redlock_ns node_timeout;
    redlock_ns
        waits_until[REDLOCK_NODE_MAX]; /* for an answer of that node; 0: for none.  For the trace */
} redlock_world_lock;

typedef void redlock_world_tell_fn(void *context, redlock_world *world, uint32_t lock,
                                   redlock_tell tell);

struct redlock_world {
    redlock_world_config config;
    redlock_ns now;
    redlock_world_client client[REDLOCK_WORLD_CLIENTS_MAX];
    redlock_world_node node[REDLOCK_NODE_MAX];
    redlock_world_lock *lock;
    uint32_t lock_count, lock_size;
    redlock_prng prng;
    redlock_trace *trace; /* NULL: none */
    redlock_world_tell_fn *on_tell;
    void *context;
    redlock_happenings queue;
    uint64_t steps;
    redlock_ns spin_at; /* guards against a core that wants to be woken for ever */
    uint32_t spins;
};

/* The client's token of that number, NUL-terminated: 28 times its letter, the number, a label. */
void redlock_world_token(uint32_t client, uint32_t number,
                         char text[REDLOCK_WORLD_TOKEN_BYTES + 1]);
/* Defaults that scenarios and tests start from: 10 s ttl, 1 s margin, 50 ms node timeout, one
 * attempt, fenced, never renewed. */
redlock_seek redlock_world_seek(void);
redlock_world *redlock_world_create(const redlock_world_config *config);
void redlock_world_destroy(redlock_world *world);
/* Connects every client to every node, and goes on to the origin: by then the links are steady. */
void redlock_world_warm_up(redlock_world *world);

/* --- users; each returns the lock's number ------------------------------------------------- */

/* `token` NULL: a fresh one. */
uint32_t redlock_world_acquire(redlock_world *world, uint32_t client, const char *name,
                               const redlock_seek *seek, const char *token);
uint32_t redlock_world_adopt(redlock_world *world, uint32_t client, const char *name,
                             const redlock_seek *seek, redlock_bytes token, uint64_t fence);
uint32_t redlock_world_look(redlock_world *world, uint32_t client, const char *name,
                            redlock_command_kind question, redlock_ns node_timeout);
void redlock_world_extend(redlock_world *world, uint32_t lock, redlock_ns ttl, redlock_ns margin,
                          bool once);
void redlock_world_release(redlock_world *world, uint32_t lock);
void redlock_world_cancel(redlock_world *world, uint32_t lock);
/* By the client's own clock, now. */
bool redlock_world_is_held(const redlock_world *world, uint32_t lock);

/* --- faults -------------------------------------------------------------------------------- */

void redlock_world_pause(redlock_world *world, uint32_t node);
void redlock_world_resume(redlock_world *world, uint32_t node);
void redlock_world_crash(redlock_world *world, uint32_t node);
void redlock_world_restart(redlock_world *world, uint32_t node, bool lose);
/* The client sees the connection break; what is under way to the node still arrives. */
void redlock_world_break(redlock_world *world, uint32_t client, uint32_t node);
/* The node no longer wakes the client, which hears of it unless it is `quiet`. */
void redlock_world_deafen(redlock_world *world, uint32_t client, uint32_t node, bool quiet);
/* The client's process is gone; what it sent still arrives. */
void redlock_world_kill(redlock_world *world, uint32_t client);

/* --- time ---------------------------------------------------------------------------------- */

/* The next thing that happens, if it happens by `limit`; else false, and the clock shows `limit`. */
bool redlock_world_next(redlock_world *world, redlock_ns limit);
void redlock_world_run_until(redlock_world *world, redlock_ns limit);
/* Until nothing is under way and no core awaits anything; false when that takes beyond `limit`. */
bool redlock_world_settle(redlock_world *world, redlock_ns limit);
/* Until a user is told something about a lock; false when that takes beyond `limit`. */
bool redlock_world_until_told(redlock_world *world, redlock_ns limit);

uint64_t redlock_world_node_us(const redlock_world *world, uint32_t node);
/* The value that holds the name on the node now; empty when free. */
redlock_bytes redlock_world_value(const redlock_world *world, uint32_t node, const char *name);
/* Makes somebody else hold the name on the node for ttl. */
void redlock_world_plant(redlock_world *world, uint32_t node, const char *name, const char *value,
                         redlock_ns ttl, uint64_t mark);

#endif
