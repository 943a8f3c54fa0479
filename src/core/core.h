/* core.h -- the whole lock protocol as one deterministic machine: facts in, wishes out.
 *
 * No sockets, clock, heap, errno or randomness in here.  The driver and the simulator are the only
 * callers, and they call it the same way:
 *     redlock_core_step(core, &fact, now);
 *     while (redlock_core_next(core, &wish)) carry_out(&wish);
 *     sleep until redlock_core_deadline(core)
 * Same facts, same times, same seed: same wishes, byte for byte.  A step never fails: all memory
 * is brought before it.  docs/architecture.md has the state machines. */
#ifndef REDLOCK_CORE_CORE_H
#define REDLOCK_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "base/status.h"
#include "base/time.h"

#define REDLOCK_WORDS_BYTES 112 /* a server's words in a report, NUL included */
#define REDLOCK_TAG_NONE 0      /* no command has this tag */

typedef struct redlock_core redlock_core;

typedef struct redlock_core_config {
    uint32_t node_count;                 /* 1 .. REDLOCK_NODE_MAX */
    uint64_t seed;                       /* of the jitter */
    uint32_t drift_ppm;                  /* rate error between any two clocks, parts per million */
    redlock_ns drift_floor;              /* PX granularity */
    redlock_ns connect_timeout;          /* from CONNECT to LINK_UP */
    redlock_ns backoff_min, backoff_max; /* between failed connects to one node */
    redlock_ns silence_max;              /* a link whose oldest command waits longer is hung up */
    redlock_ns release_timeout;
    redlock_ns guard;      /* how long a node with a new run gives no vote; 0: guard off */
    uint32_t inflight_max; /* unanswered commands per node; more wait in order */
    redlock_ns hand_off;   /* one node: how long the next waiter has to claim what it is given */
    uint8_t
        channel[REDLOCK_CHANNEL_BYTES]; /* letters and digits: where nodes wake us; no one else's */
} redlock_core_config;

/* --- facts ----------------------------------------------------------------------------------- */

typedef enum redlock_fact_kind {
    REDLOCK_FACT_ACQUIRE = 1, /* user asks; a new slot */
    REDLOCK_FACT_ADOPT,       /* user brings a token that holds already; a new slot */
    REDLOCK_FACT_LOOK,        /* user asks every node one question; a new slot */
    REDLOCK_FACT_TOKEN,       /* answers WISH_TOKEN */
    REDLOCK_FACT_EXTEND,
    REDLOCK_FACT_RELEASE, /* ends the user's interest in the slot, whatever its state */
    REDLOCK_FACT_CANCEL,  /* stop seeking; ignored in any other state */
    REDLOCK_FACT_LINK_UP,
    REDLOCK_FACT_LINK_DOWN,    /* also: connecting failed; also: the greeting said it can't vote */
    REDLOCK_FACT_REPLY,        /* answers WISH_SEND by its tag, however late */
    REDLOCK_FACT_SUBSCRIBED,   /* the node wakes us from now on */
    REDLOCK_FACT_UNSUBSCRIBED, /* it no longer does, or subscribing failed */
    REDLOCK_FACT_WAKE,         /* the node says that a waiter's turn has come, or may have */
    REDLOCK_FACT_TIME          /* nothing but the clock moved */
} redlock_fact_kind;

typedef struct redlock_seek {           /* how to acquire */
    redlock_ns ttl;                     /* what validity is counted from */
    redlock_ns margin;                  /* added for the servers */
    redlock_ns node_timeout;            /* per command */
    redlock_ns wait;                    /* 0: one attempt; REDLOCK_NEVER: for ever */
    uint32_t tries_max;                 /* attempts; 0: as many as the wait allows */
    redlock_ns retry_min, retry_jitter; /* between attempts: retry_min + 0 .. retry_jitter */
    redlock_ns renew;                   /* between renewals; 0: never renew */
    bool fenced;                        /* false: plain */
    bool queued;     /* waits in the nodes' queues; only with fenced, wait > 0 and tries_max 0 */
    bool barge;      /* takes a free name though others wait for it */
    redlock_ns poll; /* queued: the first waiter asks again so often, though nobody woke it */
    bool own_token;  /* the token is the caller's: it is kept for every attempt */
} redlock_seek;

typedef struct redlock_fact { /* everything it points at is borrowed for the step, but for memory */
    redlock_fact_kind kind;
    /* ACQUIRE, ADOPT, LOOK: redlock_core_vacant(); else the lock meant */
    uint32_t slot;
    uint32_t node; /* LINK_*, REPLY, SUBSCRIBED, UNSUBSCRIBED, WAKE */
    union {
        struct {          /* ACQUIRE, ADOPT, LOOK */
            void *memory; /* redlock_core_slot_size() bytes, the core's until WISH_GONE */
            redlock_bytes name, token; /* LOOK: no token */
            /* ADOPT: ttl, margin, node_timeout, renew, fenced; LOOK: node_timeout */
            redlock_seek seek;
            uint64_t fence;   /* ADOPT: 0 when not known */
            uint64_t wall_us; /* ACQUIRE, LOOK (BREAK): the wall clock; only orders fences */
            redlock_command_kind question; /* LOOK: LOOK, BREAK, PROBE or DECLARE */
        } ask;
        struct {
            redlock_bytes token; /* fresh random bytes, printable */
            uint64_t wall_us;
        } token;
        struct {
            redlock_ns ttl;
            redlock_ns margin;
            redlock_ns renew; /* the new interval; 0: as before */
            bool once;        /* one round; else until the old deadline */
        } extend;
        struct {
            redlock_bytes run_id; /* empty: not known; with one node and no guard nobody asks */
            uint64_t time_ms;     /* the node's clock when the greeting was answered */
        } up;
        struct {
            redlock_status status; /* IO, AUTH, REPLICA ... */
            int sys_errno;
            redlock_bytes words;
        } down;
        struct {
            uint64_t tag;
            redlock_answer answer;
        } reply;
        redlock_wake_call wake; /* any tag is harmless */
    } as;
} redlock_fact;

/* --- wishes ---------------------------------------------------------------------------------- */

typedef enum redlock_wish_kind {
    REDLOCK_WISH_SEND =
        1,                /* one command to one node; answered by REPLY with the tag or LINK_DOWN */
    REDLOCK_WISH_CONNECT, /* answered by LINK_UP or LINK_DOWN */
    REDLOCK_WISH_HANG_UP, /* close the link, or give up connecting; answered by nothing */
    REDLOCK_WISH_SUBSCRIBE, /* listen to config.channel on a connection of its own: (UN)SUBSCRIBED */
    REDLOCK_WISH_UNSUBSCRIBE, /* close that, or give up; answered by nothing */
    REDLOCK_WISH_TOKEN,       /* a fresh token for the slot's next attempt: FACT_TOKEN */
    REDLOCK_WISH_TELL,        /* an event for the user */
    REDLOCK_WISH_GONE         /* the slot is free again, and so is its memory */
} redlock_wish_kind;

typedef enum redlock_tell {
    REDLOCK_TELL_ACQUIRED = 1, /* ACQUIRE or ADOPT succeeded; status OK */
    REDLOCK_TELL_FAILED,       /* ACQUIRE or ADOPT failed; status says why.  The slot ends itself */
    REDLOCK_TELL_RENEWED,      /* the deadline moved */
    REDLOCK_TELL_RENEW_LATE,   /* a renewal has not reached a quorum yet; it goes on */
    REDLOCK_TELL_EXTENDED,     /* answers EXTEND; status OK, NO_QUORUM (still held) or LOST */
    REDLOCK_TELL_LOST,         /* final; RELEASE is still owed */
    REDLOCK_TELL_RELEASED,     /* answers RELEASE; status OK, NOT_HELD or UNKNOWN */
    REDLOCK_TELL_LOOKED,       /* answers LOOK */
    REDLOCK_TELL_WAITING,      /* an ACQUIRE is in the queue; redlock_core_place says where */
    REDLOCK_TELL_NODE_UP,      /* slot is REDLOCK_SLOT_NONE */
    REDLOCK_TELL_NODE_DOWN
} redlock_tell;

#define REDLOCK_SLOT_NONE UINT32_MAX

typedef struct redlock_wish { /* what it points at is borrowed until the next step */
    redlock_wish_kind kind;
    uint32_t slot, node;
    union {
        struct {
            uint64_t tag;
            redlock_command command;
        } send;
        struct {
            redlock_tell event;
            redlock_status status;
        } tell;
        struct {
            void *memory;
        } gone;
    } as;
} redlock_wish;

/* --- the machine ----------------------------------------------------------------------------- */

size_t redlock_core_size(void);
/* In `memory`, which outlives the core.  It has no slots yet: grow first. */
redlock_core *redlock_core_init(void *memory, const redlock_core_config *config);
/* Room for slots: a table of `slot_count` (more than before) in `memory` of redlock_core_table_size
 * bytes.  Returns the old table, no longer used, for the caller to free; NULL at first. */
size_t redlock_core_table_size(uint32_t slot_count);
void *redlock_core_grow(redlock_core *core, void *memory, uint32_t slot_count);
/* The slot that the next ACQUIRE, ADOPT or LOOK must name; REDLOCK_SLOT_NONE: grow first. */
uint32_t redlock_core_vacant(const redlock_core *core);
uint32_t redlock_core_slot_count(const redlock_core *core);
/* Whose command the tag of a SEND is, and who is meant by the tag of a WAKE, if it is one of ours. */
uint32_t redlock_core_slot_of(uint64_t tag);
/* Bytes that one slot takes; token_bytes is the longest token it will ever have (for LOOK, which
 * keeps the holder's value: REDLOCK_TOKEN_BYTES_MAX). */
size_t redlock_core_slot_size(const redlock_core *core, size_t name_bytes, size_t token_bytes);

void redlock_core_step(redlock_core *core, const redlock_fact *fact, redlock_ns now);
bool redlock_core_next(redlock_core *core, redlock_wish *ret_wish);
/* When a TIME fact is due at the latest; REDLOCK_NEVER: nothing is awaited. */
redlock_ns redlock_core_deadline(const redlock_core *core);
/* Every invariant; tests and the simulator call it after each step. */
void redlock_core_check(const redlock_core *core);

/* --- asking about a slot; valid between its first fact and WISH_GONE ------------------------- */

typedef struct redlock_vote_report {
    redlock_status status; /* OK: this node counts for us */
    int sys_errno;
    redlock_ns latency; /* of its last answer; 0: none */
    uint64_t mark;
    redlock_ns left;                 /* what the holder has left there; 0: not known */
    char words[REDLOCK_WORDS_BYTES]; /* the server's words or the holder's value; maybe empty */
} redlock_vote_report;

/* The instant up to which the lock counts as held; 0: it does not. */
redlock_ns redlock_core_held_until(const redlock_core *core, uint32_t slot);
uint64_t redlock_core_fence(const redlock_core *core, uint32_t slot);
/* RENEWED: how long that took, from its first try on; 0: that was told before. */
redlock_ns redlock_core_renewal(const redlock_core *core, uint32_t slot);
redlock_bytes redlock_core_token(const redlock_core *core, uint32_t slot);
/* The place in the queue, the first is 1; 0: not known, or not in one. */
uint32_t redlock_core_place(const redlock_core *core, uint32_t slot);
/* It asked right behind a release of the same client, and was given the name: no wake tells of that. */
bool redlock_core_has_followed(const redlock_core *core, uint32_t slot);
/* LOOK: how many wait, and the first of them, a line each; borrowed until the next step. */
uint32_t redlock_core_waiters(const redlock_core *core, uint32_t slot, redlock_bytes *ret_lines);
/* LOOK: the whole value that the node showed; borrowed until the next step. */
redlock_bytes redlock_core_value(const redlock_core *core, uint32_t slot, uint32_t node);
void redlock_core_report(const redlock_core *core, uint32_t slot, uint32_t node,
                         redlock_vote_report *ret_report);
/* The memory of a slot that is in use, for whoever ends the core; NULL for a vacant one. */
void *redlock_core_memory(const redlock_core *core, uint32_t slot);
/* Commands sent and not answered, over all nodes. */
uint32_t redlock_core_inflight(const redlock_core *core);
/* A hint: this slot is stepped soon, and may lie far off in memory. */
void redlock_core_bring_near(const redlock_core *core, uint32_t slot);
/* Something is to be heard from the nodes: answers, or connections that come up. */
bool redlock_core_is_waiting(const redlock_core *core);

#endif
