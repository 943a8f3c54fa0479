/* handoff.c -- being handed the name: the wake of a single node says that the waiter holds already.
 *
 *   PAUSED --wake with a mark, in time--> HELD, for as long as the hand-off surely lasts; a renewal in
 *                                         a moment makes a lock like any other of it
 *   PAUSED --any other wake-->            SEEKING: the GRANT claims it, a round trip later
 *
 * The wake is as good as an answer: it was written by the very step that made us the holder, on the node
 * that this link leads to (the tag names the link), for our token (which is in it, and which nobody else
 * knows who cannot write the node's keys).  Only nobody asked, so there is no instant of ours before which
 * it cannot have been done.  The node's clock gives one.  It refused us at some time of its own, after we had
 * asked, and it handed over later than that, because the mark has grown; so the hand-off is as much younger
 * than our question as its clock has gone since, less what it may be too fast.  A jump back makes that less,
 * and what it jumped ahead is the margin's business, as everywhere. */
#include "core/inside.h"

/* A hand-off is short.  Who may need more than a part of it for the renewal claims it first: to hold a
 * little later is better than to hold and lose. */
#define RENEWAL_ROUND_TRIPS 50u
/* Of what is left, until that renewal: the first moment is the holder's own.  Who has released by then has
 * spared the question. */
#define RENEWED_AFTER_PART 64u

/* Nothing of this wait is still under way: no question that its attempt has given up, and none that was sent
 * on an older link.  On a single node a wait gives nothing back before it ends. */
static bool vote_is_at_rest(const redlock_vote *vote) {
    REDLOCK_ASSERT(vote->want == 0 && !vote->release_open);
    return vote->claim == 0 && vote->stray_not_after_ms == 0;
}

/* Without renewals the short validity would be all there is.  A guarded node has not said yet that this run
 * of it may vote.  A token of the caller's own may be in other hands, too. */
static bool may_take(const redlock_core *core, const redlock_slot *slot,
                     const redlock_wake_call *call) {
    return core->config.node_count == 1 && core->config.guard == 0 && slot->seek.renew > 0 &&
           !slot->seek.own_token && slot->state == REDLOCK_SLOT_PAUSED &&
           core->now < slot->wait_deadline && call->mark > slot->last_seen &&
           core->nodes[0].link == REDLOCK_LINK_UP &&
           call->tag == redlock_wait_tag(slot, &core->nodes[0]) &&
           redlock_bytes_equal(call->token, (redlock_bytes){slot->token, slot->token_len}) &&
           vote_is_at_rest(&slot->votes[0]);
}

/* What the hand-off is surely good for, from when it was made: of its time the margin is the server's. */
static redlock_ns validity_of(const redlock_core *core, const redlock_slot *slot) {
    redlock_ns margin = REDLOCK_MUTANT(HAND_OFF_WITHOUT_MARGIN) ? 0 : slot->seek.margin;
    redlock_ns lives = redlock_ns_since(core->config.hand_off, margin);
    return redlock_quorum_validity(redlock_ns_min(lives, slot->seek.ttl), core->config.drift_ppm,
                                   core->config.drift_floor);
}

/* An instant at which it cannot have been handed over yet, or just was; NEVER: not known, or the node's clock
 * has jumped.  Both times are whole milliseconds, rounded down. */
static redlock_ns handed_after(const redlock_core *core, const redlock_vote *vote,
                               uint64_t time_ms) {
    uint64_t gone_ms = time_ms > vote->refused_ms ? time_ms - vote->refused_ms - 1 : 0;
    redlock_ns gone =
        redlock_quorum_validity(redlock_ns_from_ms(gone_ms), core->config.drift_ppm, 0);
    redlock_ns instant = redlock_ns_add(vote->claim_at, gone);
    if (vote->refused_ms == 0 || instant > core->now) {
        return REDLOCK_NEVER;
    }
    return REDLOCK_MUTANT(HAND_OFF_FROM_NOW) ? core->now : instant;
}

static void hold(redlock_core *core, redlock_slot *slot, redlock_ns from, uint64_t mark) {
    redlock_vote *vote = &slot->votes[0];
    vote->outcome = REDLOCK_OUTCOME_YES;
    vote->status = REDLOCK_OK;
    vote->mark = mark;
    vote->ours = true;
    vote->queued = false;
    vote->denied = false;
    vote->proved_at = from;
    vote->proved_until = slot->deadline;
    vote->plant_over =
        redlock_ns_max(vote->plant_over,
                       redlock_ns_add(core->now, redlock_quorum_outlast(core->config.hand_off,
                                                                        core->config.drift_ppm,
                                                                        core->config.drift_floor)));
    slot->t1 = from;
    slot->fence = mark;
    slot->last_seen = mark;
    slot->is_handed = true;
    redlock_listen_end(core, slot);
    redlock_watch_start(core, slot);
    slot->renew_at = core->now + redlock_ns_since(slot->deadline, core->now) / RENEWED_AFTER_PART;
}

bool redlock_handoff_take(redlock_core *core, redlock_slot *slot, const redlock_wake_call *call) {
    if (!may_take(core, slot, call)) {
        return false;
    }
    redlock_ns from = handed_after(core, &slot->votes[0], call->time_ms);
    redlock_ns until = redlock_ns_add(from, validity_of(core, slot));
    redlock_ns left = until == REDLOCK_NEVER ? 0 : redlock_ns_since(until, core->now);
    if (left == 0 || left < RENEWAL_ROUND_TRIPS * core->nodes[0].answer_took) {
        return false;
    }
    slot->deadline = until;
    hold(core, slot, from, call->mark);
    return true;
}
