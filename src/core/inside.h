/* inside.h -- the core's own structures, shared by its files and by nobody else.
 *
 * A node is one server, with its link and the queue of what waits to be sent.  A slot is one lock,
 * from the user's first word until nothing of it can be left on any node.  A vote is the place where
 * a slot and a node meet: what we asked, what the node said, and whether something of ours may
 * lie there.
 *
 * Facts change votes and nodes and *touch* slots; at the end of a step every touched slot is
 * reviewed, and only reviews decide.  A review depends on the slot, its votes and `now` alone, so it
 * may run once too often without harm. */
#ifndef REDLOCK_CORE_INSIDE_H
#define REDLOCK_CORE_INSIDE_H

#include "base/assert.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mutant.h"
#include "base/prng.h"
#include "core/core.h"
#include "core/quorum.h"

#define REDLOCK_HOLDER_BYTES 65 /* a holder's label, NUL included */
/* A link that broke sooner than this after it came up counts as a failed connect: a server that
 * greets and hangs up must not be called again at once, for ever. */
#define REDLOCK_LINK_STEADY_NS REDLOCK_NS_PER_S
#define REDLOCK_RETRY_FLOOR_NS REDLOCK_NS_PER_MS /* no loop turns faster, whatever the options */
#define REDLOCK_RENEW_TICKS 256u                 /* in an interval of renewals */
#define REDLOCK_UNDO_RETRY_NS (UINT64_C(100) * REDLOCK_NS_PER_MS)
/* The connection that waiters are woken on stays open for so long after the last of them. */
#define REDLOCK_LISTEN_IDLE_NS (UINT64_C(30) * REDLOCK_NS_PER_S)
/* Who can't be woken asks again at least so often; less than the scripts' AWAY_MS. */
#define REDLOCK_DEAF_POLL_NS REDLOCK_NS_PER_S
#define REDLOCK_LEASE_POLLS 3u     /* a place is kept for so many polls; as in prelude.lua */
#define REDLOCK_POLL_FACTOR_MAX 4u /* of the intervals of those at the back; as in prelude.lua */

/* --- vote ------------------------------------------------------------------------------------ */

typedef enum redlock_outcome {                           /* of the round in progress */
                               REDLOCK_OUTCOME_NONE = 0, /* not asked */
                               REDLOCK_OUTCOME_OPEN,     /* asked, or about to be */
                               REDLOCK_OUTCOME_YES,
                               REDLOCK_OUTCOME_HEALED, /* ours again, but it may not be counted yet */
                               REDLOCK_OUTCOME_NO, /* a definite no that is about the name: held, not held */
                               REDLOCK_OUTCOME_FAILED /* no answer that counts; status says why */
} redlock_outcome;

typedef struct redlock_vote {
    redlock_link want_link; /* in node->wants while want is set */
    redlock_link open_link; /* in node->open while a command is unanswered */
    struct redlock_slot *slot;
    uint32_t node;
    redlock_command_kind want;  /* the next command; 0: none */
    redlock_command_kind claim; /* unanswered command that is no RELEASE; 0: none */
    uint32_t claim_tag;
    redlock_ns claim_at;    /* the step in which it was sent */
    redlock_ns claim_until; /* what a YES to it proves: ours at least until then */
    bool release_open;      /* an unanswered RELEASE */
    bool release_cut; /* one was unanswered when its link broke: it may have been carried out */
    uint32_t release_tag;
    redlock_ns release_at;
    bool teach;     /* send the next command whole */
    bool relearned; /* LATE was answered once in this round */
    bool denied;    /* the last RENEW was answered NO */
    /* What may lie there: set when a command that can plant the key is sent, cleared when it is
     * certain that nothing of ours is there. */
    bool ours;
    uint32_t attempt; /* whose token that is */
    uint64_t claim_not_after_ms;
    /* claims unanswered when their link broke may take effect until the node's clock shows
     * this; 0: there are none */
    uint64_t stray_not_after_ms;
    redlock_ns plant_over; /* by our clock: whatever was planted has run out */
    /* The queue.  `queued` is for a place in it what `ours` is for the key; a hand-off may make one
     * of the other at any time, so neither is given up for certain without the other. */
    bool queued;
    bool stays; /* the unanswered RELEASE keeps the place in the queue */
    bool asked; /* GRANT, in this attempt */
    bool woken; /* since GRANT was sent last */
    redlock_ns
        spent_until; /* a RELEASE may still land: the token may not be given to the node again */
    bool foreign;    /* the holder's value is none that redlock makes: it will not hand over */
    uint32_t place;  /* as the node said last */
    uint64_t refused_ms;     /* its clock when it refused the last GRANT; 0: it did not */
    redlock_ns undo_at;      /* no RELEASE before this */
    redlock_ns proved_at;    /* claim_at of the last YES; 0: none */
    redlock_ns proved_until; /* claim_until of the last YES */
    redlock_outcome outcome;
    redlock_status status;
    uint64_t mark;
    redlock_ns left, latency;
    char holder[REDLOCK_HOLDER_BYTES];
    uint16_t token_len;
    uint8_t *token; /* token_bytes_max of them, in the slot's memory */
} redlock_vote;

/* --- slot ------------------------------------------------------------------------------------ */

typedef enum redlock_slot_state {
    REDLOCK_SLOT_NEW = 0,
    REDLOCK_SLOT_SEEKING,  /* an attempt: grants, then raises */
    REDLOCK_SLOT_PAUSED,   /* between two attempts */
    REDLOCK_SLOT_ADOPTING, /* asking whether a token holds */
    REDLOCK_SLOT_HELD,
    REDLOCK_SLOT_LOST, /* told; the user's release is awaited */
    REDLOCK_SLOT_RELEASING,
    REDLOCK_SLOT_LOOKING,
    REDLOCK_SLOT_CLOSING /* the user is done with it; what may be left on nodes is undone */
} redlock_slot_state;

#define REDLOCK_TELL_COUNT (REDLOCK_TELL_NODE_DOWN + 1)

typedef struct redlock_slot {
    redlock_link touched_link, tell_link, token_link, gone_link;
    uint32_t index;
    redlock_slot_state state;
    redlock_seek seek;
    redlock_command_kind question; /* LOOKING */
    /* seeking */
    uint32_t attempt; /* counts up; names a token */
    redlock_ns wait_deadline, retry_at, attempt_limit;
    redlock_ns t1; /* before the first byte of the attempt; NEVER: none sent */
    uint64_t wall_us, last_seen, proposal, raise_to;
    bool held_seen; /* the last attempt failed because somebody holds the name */
    /* waiting in queues */
    redlock_link listen_link; /* in core->listening: waits to be woken */
    bool follows;             /* asks right behind a release of ours */
    bool has_followed;        /* and was given the name */
    uint32_t wake_number;     /* names the token that waits among all that the slot's index had */
    uint64_t ticket;          /* its place on every node of several; 0: each node gives one */
    redlock_ns asked_at;      /* when wall_us was right */
    redlock_ns linger_until;  /* an attempt that has some grants hopes for more; NEVER: not yet */
    uint32_t place;           /* as it was told last */
    redlock_status pause_cause;
    bool token_asked;
    /* holding */
    redlock_ns deadline;                /* held means now < deadline */
    bool is_handed;                     /* by a hand-off, which no renewal has made longer yet */
    redlock_ns renew_at;                /* when the next round of renewals begins */
    redlock_ns round_from, round_limit; /* the round in progress; NEVER: none */
    redlock_ns renew_from;              /* the first round since a quorum said yes; NEVER: none */
    redlock_ns renew_took;              /* as it was told last; 0: nothing to tell */
    redlock_ns extend_from;             /* NEVER: no EXTEND waits */
    redlock_ns extend_limit;            /* it waits no longer: the deadline that it found */
    bool extend_once;
    uint64_t fence;
    /* ending */
    redlock_ns release_limit;
    uint32_t tells; /* bits of redlock_tell */
    redlock_status tell_status[REDLOCK_TELL_COUNT];
    uint32_t waiters; /* LOOKING: how many wait where most do, and who */
    uint16_t waiters_len;
    uint8_t *waiters_at; /* REDLOCK_WAITERS_BYTES_MAX of them, for LOOKING only */
    uint8_t *name;
    uint16_t name_len, token_len, token_bytes_max;
    uint8_t *token;
    redlock_vote votes[]; /* node_count; then name, token, a token for each vote */
} redlock_slot;

/* --- node ------------------------------------------------------------------------------------ */

typedef enum redlock_link_state {
    REDLOCK_LINK_DOWN = 0,
    REDLOCK_LINK_CONNECTING,
    REDLOCK_LINK_UP
} redlock_link_state;

typedef enum redlock_listening {
    REDLOCK_LISTENING_OFF = 0,
    REDLOCK_LISTENING_OPENING,
    REDLOCK_LISTENING_ON
} redlock_listening;

typedef struct redlock_node {
    redlock_link_state link;
    redlock_listening listening;
    bool wish_subscribe, wish_unsubscribe;
    redlock_ns listen_at; /* OFF: not before this; else since when */
    uint32_t listen_failures;
    uint32_t index, epoch; /* epoch: which link this is; answers never cross it */
    bool wish_hang_up, wish_connect, tell_up, tell_down;
    redlock_ns retry_at; /* DOWN: not before this */
    redlock_ns connect_started;
    redlock_ns up_at;
    uint32_t failures;
    redlock_status status; /* why it is down, or its last refusal */
    /* what the user was told last: every failed call again would be noise */
    redlock_status told;
    int sys_errno;
    char words[REDLOCK_WORDS_BYTES];
    uint8_t run_id[REDLOCK_RUN_ID_BYTES];
    uint32_t run_id_len;
    bool clock_known;
    uint64_t clock_ms;      /* the node's clock was at most this ... */
    redlock_ns clock_at;    /* ... at this instant of ours ... */
    redlock_ns clock_slack; /* ... and behind that by at most this */
    redlock_ns answer_took; /* its last answer */
    uint32_t inflight;
    redlock_ns waiting_since; /* last sign of life while something is unanswered; NEVER: idle */
    redlock_list wants, open;
} redlock_node;

struct redlock_core {
    redlock_core_config config;
    uint32_t quorum;
    redlock_ns now;
    redlock_prng prng;
    uint32_t tag_last;
    uint32_t wake_last;      /* of the slots' wake_number */
    redlock_list listening;  /* slots that wait to be woken, by wake_number */
    redlock_ns listen_until; /* without them: when the connections are closed */
    uint32_t follow_skips;   /* so many releases are not followed */
    redlock_node nodes[REDLOCK_NODE_MAX];
    redlock_slot **slots; /* slot_count; NULL: vacant */
    uint32_t *vacant;     /* a stack of vacant indexes */
    uint32_t slot_count, vacant_count;
    void *table;
    redlock_heap timers;
    redlock_list touched, tells, tokens, gone;
};

/* --- tally.c: what the votes of a round say together ----------------------------------------- */

typedef struct redlock_tally {
    uint32_t yes, healed, no, failed, open;
    uint32_t not_ready;        /* of failed */
    redlock_status preventing; /* what so many failed ones share that no quorum is left; OK: none */
    /* of so many failed votes that it alone prevents a quorum; OK: there is none */
    redlock_status common;
} redlock_tally;

redlock_tally redlock_tally_of(const redlock_core *core, const redlock_slot *slot);
/* Why a round in which nothing can reach a quorum any more has failed; `no` is the status that a
 * definite no stands for.  Open votes get the benefit of the doubt. */
redlock_status redlock_tally_cause(const redlock_core *core, const redlock_tally *tally,
                                   redlock_status no);

/* --- node.c: links, queues, clocks ----------------------------------------------------------- */

void redlock_node_init(redlock_core *core, uint32_t index);
/* Queues `kind` for the vote.  False: the node can't be reached now, and the vote has FAILED. */
bool redlock_node_ask(redlock_core *core, redlock_vote *vote, redlock_command_kind kind);
/* Takes back what was queued and not sent. */
void redlock_node_unask(redlock_vote *vote);
void redlock_node_up(redlock_core *core, const redlock_fact *fact);
void redlock_node_down(redlock_core *core, const redlock_fact *fact);
void redlock_node_time(redlock_core *core, redlock_node *node);
redlock_ns redlock_node_deadline(const redlock_core *core, const redlock_node *node);
void redlock_node_answered(redlock_core *core, redlock_node *node, const redlock_answer *answer,
                           redlock_ns sent_at);
/* The most that the node's clock can show now; 0: not known. */
uint64_t redlock_node_clock_ms(const redlock_core *core, const redlock_node *node);
bool redlock_node_next(redlock_core *core, redlock_node *node, redlock_wish *ret_wish);

/* --- listen.c: the connections that waiters are woken on ------------------------------------- */

/* The slot waits to be woken from now on; it no longer does. */
void redlock_listen_begin(redlock_core *core, redlock_slot *slot);
void redlock_listen_end(redlock_core *core, redlock_slot *slot);
void redlock_listen_up(redlock_core *core, uint32_t index);
void redlock_listen_down(redlock_core *core, uint32_t index);
/* A wake of this node was not heard: its connection is opened anew, unless that has just been done. */
void redlock_listen_doubt(redlock_core *core, redlock_node *node);
void redlock_listen_time(redlock_core *core, redlock_node *node);
redlock_ns redlock_listen_deadline(const redlock_core *core, const redlock_node *node);
bool redlock_listen_next(redlock_node *node, redlock_wish *ret_wish);

/* --- wait.c: waiting in queues --------------------------------------------------------------- */

/* Gives the slot its ticket and its number; before the first attempt. */
void redlock_wait_start(redlock_core *core, redlock_slot *slot, uint64_t wall_us);
/* How the slot's token waits, for a command. */
redlock_queue_entry redlock_wait_entry(const redlock_core *core, const redlock_vote *vote);
/* With what the node wakes the slot's token, if it was put into the queue on the link that is up now. */
uint64_t redlock_wait_tag(const redlock_slot *slot, const redlock_node *node);
/* The delay before nobody having woken it is looked into. */
redlock_ns redlock_wait_poll_delay(redlock_core *core, const redlock_slot *slot);
/* Whether an attempt that can't succeed at the moment keeps what it has a little longer. */
bool redlock_wait_lingers(redlock_core *core, redlock_slot *slot, const redlock_tally *tally);
/* Some node's queue wakes a slot; what it says is checked. */
void redlock_wait_wake(redlock_core *core, const redlock_wake_call *call, uint32_t node);
/* Whoever waits may have missed this node's wake. */
void redlock_wait_wake_all(redlock_core *core, uint32_t node);
/* A RELEASE of the slot's token may still land on the vote's node; on some node. */
bool redlock_wait_vote_is_spent(const redlock_core *core, const redlock_vote *vote);
bool redlock_wait_is_spent(const redlock_core *core, const redlock_slot *slot);
/* When no place in a queue that was taken by now can be kept, or made a grant of, any more. */
redlock_ns redlock_wait_over(const redlock_core *core, const redlock_slot *slot);
/* When the releases that may still land are over on all of them. */
redlock_ns redlock_wait_spent_until(const redlock_core *core, const redlock_slot *slot);
/* The name is being given back: if one of ours may be the next, it asks now. */
void redlock_wait_follow(redlock_core *core, const redlock_slot *released);
/* How the attempt of a slot ended, which may have followed. */
void redlock_wait_followed(redlock_core *core, redlock_slot *slot, bool is_ours);
/* Learns the place from the nodes' answers, and tells it when it has changed. */
void redlock_wait_learn_place(redlock_core *core, redlock_slot *slot);

/* --- handoff.c: being handed the name -------------------------------------------------------- */

/* The wake says that the waiting slot holds.  False: it is a wake like any other. */
bool redlock_handoff_take(redlock_core *core, redlock_slot *slot, const redlock_wake_call *call);

/* --- vote.c: sending and hearing ------------------------------------------------------------- */

void redlock_vote_send(redlock_core *core, redlock_vote *vote, redlock_wish *ret_wish);
void redlock_vote_reply(redlock_core *core, redlock_vote *vote, uint32_t tag,
                        const redlock_answer *answer);
/* The link broke with commands unanswered: their outcome is unknown. */
void redlock_vote_cut(redlock_core *core, redlock_vote *vote);
void redlock_vote_fail(redlock_core *core, redlock_vote *vote, redlock_status status);
/* Nothing is queued, unanswered or possibly left there. */
bool redlock_vote_is_free(const redlock_vote *vote);
/* Whatever of ours may be there is to be taken back. */
void redlock_vote_undo(redlock_core *core, redlock_vote *vote);
/* A claim that waited node_timeout for its answer has FAILED; it may still be answered. */
void redlock_vote_expire(redlock_core *core, redlock_vote *vote);

/* --- slot.c: memory, reviews, events --------------------------------------------------------- */

redlock_slot *redlock_slot_begin(redlock_core *core, const redlock_fact *fact);
redlock_slot *redlock_slot_at(const redlock_core *core, uint32_t index);
void redlock_slot_touch(redlock_core *core, redlock_slot *slot);
void redlock_slot_review_all(redlock_core *core);
void redlock_slot_tell(redlock_core *core, redlock_slot *slot, redlock_tell event,
                       redlock_status status);
void redlock_slot_become(redlock_slot *slot, redlock_slot_state state);
void redlock_slot_set_timer(redlock_core *core, redlock_slot *slot);
void redlock_slot_set_token(redlock_slot *slot, redlock_bytes token);
bool redlock_slot_next_tell(redlock_core *core, redlock_wish *ret_wish);
bool redlock_slot_next_token(redlock_core *core, redlock_wish *ret_wish);
bool redlock_slot_next_gone(redlock_core *core, redlock_wish *ret_wish);

/* --- the states: seek.c, watch.c, release.c, look.c ------------------------------------------ */

void redlock_seek_start(redlock_core *core, redlock_slot *slot, uint64_t wall_us);
void redlock_seek_token(redlock_core *core, redlock_slot *slot, redlock_bytes token,
                        uint64_t wall_us);
void redlock_seek_cancel(redlock_core *core, redlock_slot *slot);
void redlock_seek_review(redlock_core *core, redlock_slot *slot);
void redlock_seek_pause_review(redlock_core *core, redlock_slot *slot);
redlock_ns redlock_seek_deadline(const redlock_core *core, const redlock_slot *slot);
/* How long until so many holders have run out that a quorum could be had; 0: not known. */
redlock_ns redlock_seek_holders_leave(const redlock_core *core, const redlock_slot *slot);

void redlock_watch_start(redlock_core *core, redlock_slot *slot);
void redlock_watch_adopt(redlock_core *core, redlock_slot *slot, uint64_t fence);
void redlock_watch_extend(redlock_core *core, redlock_slot *slot, const redlock_fact *fact);
/* The hold is over for good; undoes what may be left.  Telling is the caller's. */
void redlock_watch_drop(redlock_core *core, redlock_slot *slot);
void redlock_watch_review(redlock_core *core, redlock_slot *slot);
void redlock_watch_adopt_review(redlock_core *core, redlock_slot *slot);
redlock_ns redlock_watch_deadline(const redlock_core *core, const redlock_slot *slot);

void redlock_release_start(redlock_core *core, redlock_slot *slot);
void redlock_release_review(redlock_core *core, redlock_slot *slot);
/* Something of ours is there that is not to stay. */
bool redlock_release_is_due(const redlock_core *core, const redlock_slot *slot,
                            const redlock_vote *vote);
/* Sends what is due of the undoing, gives up what has run out by itself. */
void redlock_release_undo_review(redlock_core *core, redlock_slot *slot);

void redlock_look_start(redlock_core *core, redlock_slot *slot, uint64_t wall_us);
void redlock_look_review(redlock_core *core, redlock_slot *slot);

#endif
