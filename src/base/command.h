/* command.h -- what the core says to a node and hears back, by meaning and not by Redis's names.
 *
 * The shared vocabulary of core (which decides), wire (which turns it into bytes) and the model
 * nodes of the tests.  A node of another kind would be another translation of the same words. */
#ifndef REDLOCK_BASE_COMMAND_H
#define REDLOCK_BASE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define REDLOCK_NODE_MAX 15
#define REDLOCK_NAME_BYTES_MAX 512
#define REDLOCK_TOKEN_BYTES_MAX 256
#define REDLOCK_RUN_ID_BYTES 40                     /* Redis and Valkey: 40 hex digits */
#define REDLOCK_FENCE_MAX ((UINT64_C(1) << 53) - 1) /* exact in a Lua number (a double) */
#define REDLOCK_MARK_TTL_MS UINT64_C(604800000)     /* marks live 7 days beyond their last use */
#define REDLOCK_CHANNEL_BYTES 32                    /* of a client's own channel: 32 hex digits */
#define REDLOCK_WAITERS_BYTES_MAX 2080              /* what LOOK tells of the waiters: 32 lines */

typedef enum redlock_command_kind {
    REDLOCK_COMMAND_GRANT = 1, /* give the name to this token, if nobody has it */
    REDLOCK_COMMAND_RAISE,     /* lift the mark to `fence`, if the token still holds */
    REDLOCK_COMMAND_RENEW,     /* RAISE, and let the grant live for ttl_ms from now */
    REDLOCK_COMMAND_RELEASE,   /* take the name from this token, if it has it */
    REDLOCK_COMMAND_LOOK,      /* who holds?  changes nothing */
    REDLOCK_COMMAND_BREAK,     /* take the name from whoever has it, and lift the mark above it */
    REDLOCK_COMMAND_PROBE,     /* restart guard: may this node vote?  changes nothing; no name */
    REDLOCK_COMMAND_DECLARE    /* restart guard: this node is new and may vote at once; no name */
} redlock_command_kind;

typedef enum redlock_place { /* of RELEASE: what becomes of the token's place in the queue */
                             REDLOCK_PLACE_NONE = 0, /* it has none */
                             REDLOCK_PLACE_LEAVE,    /* it may have one, and gives it up */
                             REDLOCK_PLACE_STAY /* only this attempt has failed: back to the ticket's place */
} redlock_place;

typedef struct redlock_queue_entry { /* how a token waits on a node */
    uint64_t poll_ms;                /* the first waiter asks again so often; 0: it does not wait */
    uint64_t ticket;                 /* the lowest is next; 0: behind all others */
    redlock_bytes channel;           /* letters and digits: where the node wakes it ... */
    uint64_t wake_tag;               /* ... and with what */
} redlock_queue_entry;

typedef struct redlock_claim { /* a GRANT that waits right behind a RELEASE of the same name */
    redlock_bytes token;       /* empty: there is none */
    uint64_t ttl_ms, not_after_ms;
} redlock_claim;

typedef struct redlock_command {
    redlock_command_kind kind;
    bool teach;  /* the node forgot the step: send it whole */
    bool fenced; /* false: plain, no mark and no companion key */
    /* The token may hold already (GRANT: a yes then), or may come to hold again (RELEASE: which is not
     * to be ended by one that is late) */
    bool may_hold;
    bool heal; /* RENEW: a node that lost the key may be given it again */
    redlock_bytes name, token;
    uint64_t ttl_ms;       /* GRANT, RENEW: what the node counts, margin included; at least 1 */
    uint64_t fence;        /* GRANT: the proposal; RAISE, RENEW: the mark to reach; 0 when plain */
    uint64_t not_after_ms; /* the node's own clock, ms since 1970; 0: no limit */
    redlock_bytes run_id;  /* restart guard: the run that this connection leads to; empty: off */
    uint64_t guard_ms;     /* how long a run that is new to the node gives no vote */
    /* the queue; only when fenced */
    bool barge;                /* GRANT: a free name is taken though others wait for it */
    redlock_queue_entry entry; /* GRANT: who is refused waits; RELEASE: to STAY */
    bool follows;              /* GRANT: in the queue, and right behind a RELEASE of its client */
    redlock_place place;       /* RELEASE */
    /* RELEASE: the first waiter is given the name for so long; 0: it is only woken */
    uint64_t hand_off_ms;
    /* RELEASE: if it is next, it is given the name for its whole ttl (wire/claim.h) */
    redlock_claim claim;
} redlock_command;

typedef enum redlock_answer_kind {
    REDLOCK_ANSWER_YES = 1,   /* granted, raised, renewed, released, looked, broken */
    REDLOCK_ANSWER_HEALED,    /* RENEW: the key was gone and is planted again; no vote this time */
    REDLOCK_ANSWER_NO,        /* GRANT: another token holds; others: this token does not hold */
    REDLOCK_ANSWER_LATE,      /* not_after has passed on the node's clock; nothing was done */
    REDLOCK_ANSWER_NOT_READY, /* restart guard: no vote yet; left_ms says for how long */
    REDLOCK_ANSWER_CLOCK,     /* the proposal is too far ahead of the node's clock */
    REDLOCK_ANSWER_FORGOT,    /* the node does not know the step: say it again with teach */
    REDLOCK_ANSWER_ERROR,     /* anything else; status and text say what.  Nothing was done */
    REDLOCK_ANSWER_UNSEEN /* GRANT: it came along with a RELEASE and was not looked at: say it alone */
} redlock_answer_kind;

typedef struct redlock_answer {
    redlock_answer_kind kind;
    redlock_status status; /* OK for YES; else the one that fits the kind (NO to GRANT: HELD) */
    uint64_t mark;         /* the node's mark after the command; 0: none, or not told */
    uint64_t time_ms;      /* the node's clock; 0: not told */
    /* NO to GRANT, LOOK: what the holder has left; NOT_READY: the silence left; 0: not told or
     * not running out */
    uint64_t left_ms;
    /* NO to GRANT, LOOK, BREAK: the holder's value; ERROR: the server's words; PROBE: "ready",
     * or with NOT_READY "silent" (counting down), "new" (never seen by redlock) or "restarted"
     * (another run was seen before) */
    redlock_bytes text;
    uint32_t place; /* NO to a GRANT that waits: the first is 1; LOOK: how many wait; else 0 */
    redlock_bytes waiters; /* LOOK: the first of them, a line each; at most WAITERS_BYTES_MAX */
} redlock_answer;

typedef struct redlock_wake_call { /* what a node says to who waits */
    uint64_t tag;                  /* wake_tag of the command that put it into the queue */
    uint64_t mark;       /* it was handed the name, with this mark; 0: it is its turn to ask */
    uint64_t time_ms;    /* the node's clock when that was done; 0: not told */
    redlock_bytes token; /* with a mark: whose it is now */
} redlock_wake_call;

#endif
