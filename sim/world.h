/* world.h -- a simulated world: real cores as clients, model servers that run the real scripts,
 * a network between them, and one virtual clock.
 *
 * Time is true time, in nanoseconds; every client and every node has a clock of its own made from
 * it.  All that happens comes out of one queue.  What goes wrong is fault.c's, what users do is
 * user.c's, what must hold is check.c's, connections are link.c's; this file is what they share. */
#ifndef REDLOCK_SIM_WORLD_H
#define REDLOCK_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "core/core.h"
#include "sim/plan.h"
#include "sim/queue.h"
#include "sim/server.h"
#include "wire/hello.h"
#include "wire/resp.h"

#define REDLOCK_SIM_START (UINT64_C(1000) * REDLOCK_NS_PER_S) /* true time at first */
#define REDLOCK_SIM_WALL_US UINT64_C(1800000000000000)        /* what wall clocks show then */
#define REDLOCK_SIM_CLIENTS_MAX 8u
#define REDLOCK_SIM_NODES_MAX 5u
#define REDLOCK_SIM_NAMES_MAX 4u
#define REDLOCK_SIM_TOKEN_BYTES 36u
#define REDLOCK_SIM_STRAYS_MAX 4u
#define REDLOCK_SIM_JUMPS_MAX 16u
#define REDLOCK_SIM_NONE UINT32_MAX
#define REDLOCK_SIM_COMPLAINT_BYTES 400

/* --- connections ----------------------------------------------------------------------------- */

typedef struct redlock_sim_pending { /* sent and not answered */
    uint64_t tag;
    redlock_command_kind kind;
    bool fenced, is_native;
    bool has_claim; /* its answer is one to the GRANT behind it, too */
    uint64_t fence; /* that it asked for */
    uint32_t lock;
    bool is_seen, kept_before; /* carried out, on a node that had that token already */
    uint64_t mark;             /* the node's, after it */
    redlock_ns kept_until; /* carried out: true time until which the node keeps that token; 0: no */
    redlock_ns valid_until; /* the client's clock: what a yes is worth to it */
    uint32_t token;
    redlock_ns sent_at; /* true time */
} redlock_sim_pending;

typedef struct redlock_sim_stray { /* what is on its way on a connection that has ended */
    uint32_t connection;
    redlock_ns until; /* it arrives then; NEVER: it is lost */
} redlock_sim_stray;

typedef struct redlock_sim_link { /* between one client and one node */
    uint32_t connection;          /* 0: none */
    uint32_t life;                /* of the node, when it accepted */
    bool is_up;                   /* greeted */
    bool is_stuck_there, is_stuck_back;
    bool breaks_behind, tears; /* the next request */
    bool breaks_asking;        /* the next GRANT, and no other */
    redlock_ns break_delay;    /* what was sent before that arrives so much later */
    redlock_ns way, jitter, slow_until, slow;
    redlock_ns cut_until, refused_until, hangs_until, nameless_until;
    redlock_ns there_last, back_last;
    redlock_ns up_at, failed_at; /* the client's clock */
    uint32_t calls_in_row;
    redlock_sim_pending *pending;
    uint32_t pending_count, pending_size;
    redlock_sim_stray stray[REDLOCK_SIM_STRAYS_MAX];
    uint32_t stray_next;
    redlock_native native;
    redlock_hello hello; /* with the wire */
    redlock_resp_reader reader;
    bool is_greeting;
    uint8_t *in;
    size_t in_len, in_size;
} redlock_sim_link;

typedef struct redlock_sim_ear { /* the connection on which a node wakes a client's waiters */
    uint32_t connection;         /* 0: none */
    uint32_t life;               /* of the node, when it accepted */
    bool is_on;                  /* the client was told SUBSCRIBED */
    bool is_deaf;                /* half-open: the node thinks that it is there */
    uint32_t loses;              /* so many of the next messages */
    redlock_ns refused_until, back_last;
} redlock_sim_ear;

/* --- nodes and clients ----------------------------------------------------------------------- */

typedef struct redlock_sim_jump {
    redlock_ns at;
    int64_t us;
} redlock_sim_jump;

typedef struct redlock_sim_node {
    redlock_sim_server *server;
    bool is_down;
    uint32_t life; /* restarts so far */
    redlock_sim_loss loss;
    redlock_ns paused_until;
    redlock_ns lost_at; /* when data was lost last; 0: never */
    int64_t drift_ppm, offset_us;
    redlock_sim_jump jump[REDLOCK_SIM_JUMPS_MAX]; /* forward ones, a ring */
    uint32_t jump_next;
    uint32_t fault_count[REDLOCK_SIM_FAULT_COUNT]; /* each may be on more than once */
    uint32_t password;                             /* changes so far */
    bool is_isolated;
} redlock_sim_node;

typedef enum redlock_sim_user_state {
    REDLOCK_SIM_USER_IDLE = 0,
    REDLOCK_SIM_USER_ASKED,
    REDLOCK_SIM_USER_HOLDS,
    REDLOCK_SIM_USER_LOST,
    REDLOCK_SIM_USER_RELEASES
} redlock_sim_user_state;

typedef struct redlock_sim_user {
    redlock_sim_user_state state;
    uint32_t lock;
    uint32_t generation;   /* USER events of an older one are void */
    redlock_ns hold_until; /* true time */
    uint32_t own_token;    /* REDLOCK_SIM_NONE: fresh ones */
} redlock_sim_user;

typedef struct redlock_sim_client {
    redlock_core *core; /* NULL: crashed */
    void *memory, *table;
    uint32_t life;
    int64_t drift_ppm, skew_us;
    redlock_ns frozen_until;
    redlock_ns freezes_behind; /* right behind the next request it stands still for so long */
    bool freezes_asking;       /* behind a GRANT, and behind no renewal */
    redlock_ns wake_at;        /* true time of the earliest WAKE event; NEVER: none */
    uint32_t *lock_of;         /* by slot */
    uint32_t slots;
    redlock_ns spin_at;
    uint32_t spins;
    redlock_sim_link link[REDLOCK_SIM_NODES_MAX];
    redlock_sim_ear ear[REDLOCK_SIM_NODES_MAX];
    uint8_t channel[REDLOCK_CHANNEL_BYTES];
    redlock_sim_user user[REDLOCK_SIM_USERS_MAX];
} redlock_sim_client;

/* --- locks ----------------------------------------------------------------------------------- */

typedef struct redlock_sim_lock { /* one slot as its user and the checkers see it */
    redlock_fact_kind asked;
    uint32_t client, user, slot, name;
    redlock_seek seek;
    bool is_gone, is_canceled, is_shared, is_own_token;
    uint32_t attempt, token; /* token: number of the current one */
    redlock_ns asked_at, begun_at, acquired_at, ended_at, lost_at; /* true time; 0: not yet */
    redlock_ns asked_local, begun_local, answered_by;              /* the client's clock */
    redlock_ns release_by, extend_by;
    redlock_ns deadline; /* the client's clock; 0: not held */
    uint64_t fence;
    redlock_status failed_with;
    bool is_failed, is_released, is_looked;
    redlock_ns kept_until[REDLOCK_SIM_NODES_MAX];  /* by the nodes' own yes; true time */
    redlock_ns valid_until[REDLOCK_SIM_NODES_MAX]; /* the client's clock */
    uint32_t release_yes;                          /* bits */
    uint32_t said_no, said_else;                   /* bits, of this attempt */
    redlock_ns decided_local, renewed_local;
    redlock_ns yes_sent[REDLOCK_SIM_NODES_MAX]; /* true time: of the GRANT that was granted last */
    redlock_ns handed_at;                       /* true time; as the last wake said; 0: never */
    redlock_ns woken_at[REDLOCK_SIM_NODES_MAX]; /* true time; 0: it has asked since */
    uint64_t ticket, wake_tag;          /* of its last GRANT that could wait; wake_tag 0: none */
    bool leaves;                        /* in this step it has asked to leave a queue */
    redlock_ns shown_from, shown_until; /* what was believed, for the picture; true time */
} redlock_sim_lock;

typedef struct redlock_sim_token {
    uint32_t lock;
    bool is_closed; /* its lock is gone: it may never be planted again */
    uint32_t next;  /* an older one of the same lock */
} redlock_sim_token;

typedef struct redlock_sim_found { /* what a crashed process has left to be adopted */
    uint32_t token, name;
    uint64_t fence;
    redlock_seek seek;
} redlock_sim_found;

typedef struct redlock_sim_fence { /* an acquisition, in the order of their success */
    redlock_ns at;
    uint64_t fence, largest; /* of this and all before it */
} redlock_sim_fence;

typedef struct redlock_sim_register { /* the guarded resource of one name */
    uint64_t fence;
    redlock_ns newest_begun; /* among those who have written */
    redlock_sim_fence *log;
    uint32_t log_count, log_size;
    uint64_t *fences; /* a hash set */
    uint32_t fences_count, fences_size;
} redlock_sim_register;

/* --- the world ------------------------------------------------------------------------------- */

typedef struct redlock_sim_counts {
    uint64_t queued, handed, wakes; /* entered a queue, given by a release, heard */
    uint64_t claimed;               /* of those given: to the claim behind the release */
    uint64_t taken;                 /* of those given: held as soon as the wake was heard */
    uint64_t grants, renewals, losses, releases, failures, commands, events, doubles, writes, stale;
    uint64_t faults[REDLOCK_SIM_TROUBLE_COUNT];
    redlock_ns simulated;
} redlock_sim_counts;

#define REDLOCK_SIM_LINE_MAX 128u

typedef struct redlock_sim_waiter {
    uint32_t token;      /* REDLOCK_SIM_NONE: not one of this world */
    bool can_be_reached; /* its lease lasts, and somebody listens */
} redlock_sim_waiter;

typedef struct redlock_sim_line { /* a queue of one node, the first first */
    redlock_sim_waiter waiter[REDLOCK_SIM_LINE_MAX];
    uint32_t count;
} redlock_sim_line;

struct redlock_sim_trace;
struct redlock_sim_picture;

typedef struct redlock_sim_world {
    redlock_sim_plan plan;
    redlock_ns now, calm_at, lag; /* calm_at: 0 in the storm; lag: backward jumps so far */
    redlock_sim_queue queue;
    redlock_prng network, clocks, workload, jitter, mishap;
    redlock_sim_client client[REDLOCK_SIM_CLIENTS_MAX];
    redlock_sim_node node[REDLOCK_SIM_NODES_MAX];
    redlock_sim_lock *lock;
    uint32_t lock_count, lock_size;
    redlock_sim_token *token;
    uint32_t token_count, token_size;
    redlock_sim_register resource[REDLOCK_SIM_NAMES_MAX];
    redlock_sim_found found;
    bool has_found;
    uint32_t connections, runs, processes;
    uint32_t *live; /* locks that are not gone */
    uint32_t live_count, live_size;
    redlock_sim_counts counts;
    uint64_t hash;                                /* of all that happened */
    redlock_sim_line line;                        /* before the command that is being carried out */
    uint32_t published;                           /* messages by it */
    redlock_ns free_since[REDLOCK_SIM_NAMES_MAX]; /* though somebody waits; 0: it is not */
    uint32_t jitter_samples, jitter_still, early_samples, early_still;
    char complaint[REDLOCK_SIM_COMPLAINT_BYTES]; /* empty: all is well */
    struct redlock_sim_trace *trace;
    struct redlock_sim_picture *picture;
    uint8_t *scratch; /* REDLOCK_HELLO_BYTES_MAX */
} redlock_sim_world;

/* Draws the run and puts everything in its place. */
redlock_sim_world *redlock_sim_world_create(redlock_sim_kind kind, uint64_t seed,
                                            struct redlock_sim_trace *trace,
                                            struct redlock_sim_picture *picture);
void redlock_sim_world_destroy(redlock_sim_world *world);
/* The storm, the calm, the end.  False: world->complaint says what was broken. */
bool redlock_sim_world_run(redlock_sim_world *world);

/* --- clocks ---------------------------------------------------------------------------------- */

redlock_ns redlock_sim_local(const redlock_sim_client *client, redlock_ns at);
/* The first true instant at which the client's clock shows `local` or more. */
redlock_ns redlock_sim_true(const redlock_sim_client *client, redlock_ns local);
uint64_t redlock_sim_client_wall_us(const redlock_sim_world *world,
                                    const redlock_sim_client *client);
uint64_t redlock_sim_node_wall_us(const redlock_sim_world *world, uint32_t node);

/* --- chance ---------------------------------------------------------------------------------- */

uint64_t redlock_sim_upto(redlock_prng *prng, uint64_t bound);
bool redlock_sim_one_in(redlock_prng *prng, uint64_t n);

/* --- clients --------------------------------------------------------------------------------- */

/* Steps the client's core, carries out its wishes, checks. */
void redlock_sim_step(redlock_sim_world *world, uint32_t client, redlock_fact *fact);
bool redlock_sim_is_frozen(const redlock_sim_world *world, uint32_t client);
void redlock_sim_client_start(redlock_sim_world *world, uint32_t client);
/* The process is gone.  keeps_sockets: a forked child holds its connections open. */
void redlock_sim_client_crash(redlock_sim_world *world, uint32_t client, bool keeps_sockets);
/* Room for the next slot; its number. */
uint32_t redlock_sim_client_vacant(redlock_sim_world *world, uint32_t client);
/* A new lock record, alive. */
uint32_t redlock_sim_lock_new(redlock_sim_world *world, uint32_t client, uint32_t slot);

/* --- tokens ---------------------------------------------------------------------------------- */

uint32_t redlock_sim_token_new(redlock_sim_world *world, uint32_t lock);
/* Writes REDLOCK_SIM_TOKEN_BYTES bytes. */
redlock_bytes redlock_sim_token_text(uint32_t token, uint8_t *text);
/* REDLOCK_SIM_NONE: not one of this world. */
uint32_t redlock_sim_token_number(const redlock_sim_world *world, redlock_bytes text);
/* Where nodes wake the client; writes fewer than 64 bytes. */
redlock_bytes redlock_sim_channel_text(const redlock_sim_world *world, uint32_t client,
                                       uint8_t *text);
redlock_bytes redlock_sim_name_text(uint32_t name, uint8_t *text);

/* --- nodes ----------------------------------------------------------------------------------- */

void redlock_sim_node_crash(redlock_sim_world *world, uint32_t node, redlock_sim_loss loss);
void redlock_sim_node_restart(redlock_sim_world *world, uint32_t node);
void redlock_sim_node_declare(redlock_sim_world *world, uint32_t node);

/* The first complaint ends the run. */
void redlock_sim_complain(redlock_sim_world *world, const char *number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
