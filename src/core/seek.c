/* seek.c -- acquiring: attempts at all nodes at once, fences by grant-and-raise, pauses between.
 *
 *   SEEKING: ask GRANT everywhere; at a quorum of equal marks -> HELD
 *            a quorum granted, marks differ: RAISE the lagging ones to the largest
 *            a quorum is out of reach: undo -> PAUSED or the end
 *   PAUSED:  full jitter, bounded by what the holder has left; then a fresh token, then SEEKING
 *            in queues (wait.c): until a node wakes it, or a poll is due; the token stays the same
 *
 * Why the fence only grows: docs/guarantees.md, "Fences". */
#include "base/mutant.h"
#include "core/fence.h"
#include "core/inside.h"

static uint32_t free_votes(const redlock_core *core, const redlock_slot *slot) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        count += redlock_vote_is_free(&slot->votes[i]);
    }
    return count;
}

/* A vote that still has an older token to undo takes no part: two tokens of ours at one node could
 * not be told apart by what is on the way.  Who waits in queues has one token all the time. */
static bool vote_may_be_asked(const redlock_core *core, const redlock_vote *vote) {
    bool is_idle = vote->want == 0 && vote->claim == 0 && !vote->release_open;
    bool goes_on = vote->slot->seek.queued && vote->attempt == vote->slot->attempt;
    return goes_on ? is_idle && !redlock_wait_vote_is_spent(core, vote)
                   : redlock_vote_is_free(vote);
}

static void ask_grant(redlock_core *core, redlock_vote *vote) {
    if (!vote_may_be_asked(core, vote)) {
        redlock_vote_fail(core, vote, vote->status == REDLOCK_OK ? REDLOCK_SILENT : vote->status);
        return;
    }
    vote->asked = true;
    vote->outcome = REDLOCK_OUTCOME_OPEN;
    vote->status = REDLOCK_SILENT; /* until it answers */
    vote->mark = 0;
    vote->left = 0;
    vote->place = 0;
    vote->refused_ms = 0;
    vote->relearned = false;
    vote->plant_over = vote->slot->seek.queued ? vote->plant_over : 0;
    vote->proved_at = 0;
    vote->proved_until = 0;
    vote->holder[0] = '\0';
    (void)redlock_node_ask(core, vote, REDLOCK_COMMAND_GRANT); /* a failure is the vote's outcome */
}

static void begin_attempt(redlock_core *core, redlock_slot *slot, uint64_t wall_us) {
    redlock_slot_become(slot, REDLOCK_SLOT_SEEKING);
    slot->linger_until = REDLOCK_NEVER;
    slot->t1 = REDLOCK_MUTANT(CLOCK_KEPT_OVER_TRIES) ? slot->t1 : REDLOCK_NEVER;
    slot->wall_us = wall_us;
    slot->proposal = slot->seek.fenced ? redlock_fence_propose(wall_us, slot->last_seen) : 0;
    slot->raise_to = 0;
    slot->attempt_limit = redlock_ns_add(
        core->now, redlock_ns_add(core->config.connect_timeout, 3 * slot->seek.node_timeout));
    if (REDLOCK_MUTANT(TIMEOUT_MISSING)) {
        slot->attempt_limit = REDLOCK_NEVER;
    }
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        slot->votes[i].asked = false;
        ask_grant(core, &slot->votes[i]);
    }
    redlock_slot_touch(core, slot);
}

/* The first attempt with a token. */
static void begin_token(redlock_core *core, redlock_slot *slot, uint64_t wall_us) {
    slot->attempt++;
    slot->asked_at = core->now;
    slot->wake_number = ++core->wake_last; /* what wakes an older token is no news for this one */
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        slot->votes[i].spent_until = 0;
    }
    begin_attempt(core, slot, wall_us);
}

/* Another attempt with the same token, whose place in the queues goes on. */
static void begin_again(redlock_core *core, redlock_slot *slot) {
    uint64_t passed_us = redlock_ns_since(core->now, slot->asked_at) / REDLOCK_NS_PER_US;
    slot->asked_at = core->now;
    if (REDLOCK_MUTANT(TICKET_PER_TRY)) {
        redlock_wait_start(core, slot, slot->wall_us + passed_us);
    }
    begin_attempt(core, slot, slot->wall_us + passed_us);
}

void redlock_seek_start(redlock_core *core, redlock_slot *slot, uint64_t wall_us) {
    if (slot->seek.wait > 0) {
        slot->wait_deadline = redlock_ns_add(core->now, slot->seek.wait);
    }
    if (slot->seek.queued) {
        redlock_wait_start(core, slot, wall_us);
    }
    begin_token(core, slot, wall_us);
}

void redlock_seek_token(redlock_core *core, redlock_slot *slot, redlock_bytes token,
                        uint64_t wall_us) {
    slot->token_asked = false;
    if (slot->state != REDLOCK_SLOT_PAUSED) {
        return; /* canceled or timed out meanwhile */
    }
    if (!slot->seek.own_token && !REDLOCK_MUTANT(TOKEN_REUSED)) {
        redlock_slot_set_token(slot, token);
    }
    begin_token(core, slot, wall_us);
}

/* --- the end of an attempt ------------------------------------------------------------------- */

static void seek_fail(redlock_core *core, redlock_slot *slot, redlock_status status) {
    redlock_ns leaves = redlock_wait_over(core, slot);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        if (vote->queued) { /* for so long it is tried to leave the queue */
            vote->plant_over = redlock_ns_max(vote->plant_over, leaves);
        }
    }
    redlock_listen_end(core, slot);
    redlock_slot_become(slot, REDLOCK_SLOT_CLOSING);
    redlock_slot_tell(core, slot, REDLOCK_TELL_FAILED, status);
    redlock_slot_touch(core, slot);
}

/* A link that broke for want of our own memory may be had again a moment later. */
static bool cause_may_pass(redlock_status cause) {
    return cause == REDLOCK_HELD || cause == REDLOCK_NO_QUORUM || cause == REDLOCK_NOT_READY ||
           cause == REDLOCK_EXPIRED || cause == REDLOCK_REFUSED || cause == REDLOCK_NOMEM;
}

redlock_ns redlock_seek_holders_leave(const redlock_core *core, const redlock_slot *slot) {
    uint64_t closeness[REDLOCK_NODE_MAX]; /* the closer the end, the larger */
    uint32_t held = 0, count = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_vote *vote = &slot->votes[i];
        held += vote->outcome == REDLOCK_OUTCOME_NO;
        if (vote->outcome == REDLOCK_OUTCOME_NO && vote->left > 0) {
            closeness[count++] = REDLOCK_NEVER - vote->left;
        }
    }
    uint32_t others = core->config.node_count - held;
    uint32_t needed = others < core->quorum ? core->quorum - others : 1;
    uint64_t kth = redlock_quorum_kth_largest(closeness, count, needed);
    return kth == 0 ? 0 : REDLOCK_NEVER - kth;
}

static redlock_ns retry_delay(redlock_core *core, const redlock_slot *slot, redlock_status cause) {
    redlock_ns delay = redlock_ns_add(
        slot->seek.retry_min, REDLOCK_MUTANT(JITTER_MISSING)
                                  ? 0
                                  : redlock_prng_upto(&core->prng, slot->seek.retry_jitter));
    if (slot->seek.queued && cause == REDLOCK_HELD) {
        return redlock_ns_max(redlock_wait_poll_delay(core, slot), REDLOCK_RETRY_FLOOR_NS);
    }
    redlock_ns leave = cause == REDLOCK_HELD ? redlock_seek_holders_leave(core, slot) : 0;
    if (leave > 0) {
        delay = redlock_ns_min(delay, redlock_ns_add(leave, REDLOCK_RETRY_FLOOR_NS));
    }
    redlock_ns left = redlock_ns_since(slot->wait_deadline, core->now);
    if (delay >= left) { /* one more try before the wait is over, rather than none */
        delay = redlock_prng_upto(&core->prng, left);
    }
    return redlock_ns_max(delay, REDLOCK_RETRY_FLOOR_NS);
}

/* Who goes on waiting in queues keeps its places; its grants are given back by the review. */
static void give_up_attempt(redlock_core *core, redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        if (REDLOCK_MUTANT(MINORITY_NOT_RELEASED)) {
            vote->ours = false;
        }
        if (!slot->seek.queued) {
            redlock_vote_undo(core, vote);
        } else if (vote->want != REDLOCK_COMMAND_RELEASE) {
            redlock_node_unask(vote);
        }
    }
}

static void end_attempt(redlock_core *core, redlock_slot *slot, redlock_status cause) {
    give_up_attempt(core, slot);
    redlock_wait_followed(core, slot, false);
    bool waits = slot->wait_deadline != REDLOCK_NEVER || slot->seek.wait == REDLOCK_NEVER;
    bool over = waits && core->now >= slot->wait_deadline;
    bool tries_left = slot->seek.tries_max == 0 || slot->attempt < slot->seek.tries_max;
    slot->held_seen = cause == REDLOCK_HELD;
    if (over && slot->held_seen) {
        cause = REDLOCK_TIMEOUT;
    }
    if (!waits || over || !tries_left || !cause_may_pass(cause)) {
        seek_fail(core, slot, cause);
        return;
    }
    if (slot->seek.queued) {
        redlock_listen_begin(core, slot);
        redlock_wait_learn_place(core, slot);
    }
    slot->pause_cause = cause;
    slot->retry_at = redlock_ns_add(core->now, retry_delay(core, slot, cause));
    redlock_slot_become(slot, REDLOCK_SLOT_PAUSED);
    redlock_slot_touch(core, slot);
}

void redlock_seek_cancel(redlock_core *core, redlock_slot *slot) {
    if (slot->state != REDLOCK_SLOT_SEEKING && slot->state != REDLOCK_SLOT_PAUSED) {
        return;
    }
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (REDLOCK_MUTANT(CANCELED_NOT_RELEASED)) {
            slot->votes[i].ours = false;
        }
        redlock_vote_undo(core, &slot->votes[i]);
    }
    seek_fail(core, slot, REDLOCK_CANCELED);
}

void redlock_seek_pause_review(redlock_core *core, redlock_slot *slot) {
    if (core->now >= slot->wait_deadline && !REDLOCK_MUTANT(WAIT_FOREVER)) {
        seek_fail(core, slot, slot->held_seen ? REDLOCK_TIMEOUT : slot->pause_cause);
        return;
    }
    if (slot->seek.queued && !redlock_wait_is_spent(core, slot)) {
        if (core->now >= slot->retry_at) {
            begin_again(core, slot);
        }
        return;
    }
    if (slot->seek.queued && slot->seek.own_token) {
        /* It has no other token: nothing is asked until the release can't land any more. */
        slot->retry_at = redlock_ns_max(slot->retry_at, redlock_wait_spent_until(core, slot));
        return;
    }
    if (core->now >= slot->retry_at && !slot->token_asked &&
        free_votes(core, slot) >= core->quorum) {
        slot->token_asked = true;
        redlock_list_append(&core->tokens, &slot->token_link);
    }
}

/* --- deciding -------------------------------------------------------------------------------- */

static void raise_lagging(redlock_core *core, redlock_slot *slot, uint64_t mark) {
    slot->raise_to = mark;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        if (vote->outcome == REDLOCK_OUTCOME_YES && vote->mark < mark && vote->claim == 0 &&
            vote->want == 0) {
            vote->relearned = false;
            (void)redlock_node_ask(core, vote, REDLOCK_COMMAND_RAISE);
        }
    }
}

/* What the counted grants have in common. */
static redlock_ns granted_until(const redlock_core *core, const redlock_slot *slot) {
    uint64_t values[REDLOCK_NODE_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (slot->votes[i].outcome == REDLOCK_OUTCOME_YES) {
            values[count++] = slot->votes[i].proved_until;
        }
    }
    return redlock_quorum_kth_largest(values, count, core->quorum);
}

static void seek_granted(redlock_core *core, redlock_slot *slot, uint64_t fence) {
    REDLOCK_ASSERT(slot->t1 != REDLOCK_NEVER);
    redlock_ns validity =
        redlock_quorum_validity(slot->seek.ttl, core->config.drift_ppm, core->config.drift_floor);
    slot->deadline =
        redlock_ns_add(REDLOCK_MUTANT(CLOCK_STARTED_LATE) ? core->now : slot->t1, validity);
    if (slot->seek.queued) { /* an answer may be to a question of an attempt before this one */
        slot->deadline = redlock_ns_min(slot->deadline, granted_until(core, slot));
    }
    if (REDLOCK_MUTANT(LATE_GRANT_COUNTED)) {
        slot->deadline = redlock_ns_max(slot->deadline, core->now + 1);
    }
    if (core->now >= slot->deadline) {
        slot->deadline = 0;
        end_attempt(core, slot, REDLOCK_EXPIRED);
        return;
    }
    slot->fence = fence;
    redlock_wait_followed(core, slot, true);
    redlock_listen_end(core, slot);
    redlock_watch_start(core, slot);
}

/* The time of the attempt is over: what was not answered by now, also not in raising, does not count. */
static void close_open_votes(redlock_core *core, redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        bool raising = vote->want == REDLOCK_COMMAND_RAISE || vote->claim == REDLOCK_COMMAND_RAISE;
        if (vote->want == REDLOCK_COMMAND_RAISE) {
            redlock_node_unask(vote);
        }
        if (vote->outcome == REDLOCK_OUTCOME_OPEN ||
            (raising && vote->outcome == REDLOCK_OUTCOME_YES)) {
            redlock_vote_fail(core, vote, REDLOCK_SILENT);
        }
    }
}

static void agree_on_fence(redlock_core *core, redlock_slot *slot, const redlock_tally *tally) {
    uint64_t marks[REDLOCK_NODE_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (slot->votes[i].outcome == REDLOCK_OUTCOME_YES) {
            marks[count++] = slot->votes[i].mark;
        }
    }
    uint64_t fence = redlock_fence_agreed(marks, count, core->quorum);
    if (REDLOCK_MUTANT(FENCE_AT_FIRST_MAJORITY)) {
        fence = redlock_quorum_kth_largest(marks, count, 1);
    } else if (REDLOCK_MUTANT(FENCE_AGREED_LOOSELY)) {
        fence = redlock_quorum_kth_largest(marks, count, core->quorum);
    }
    if (fence != 0) {
        seek_granted(core, slot, fence);
    } else if (core->now >= slot->attempt_limit) {
        end_attempt(core, slot, redlock_tally_cause(core, tally, REDLOCK_HELD));
    } else {
        raise_lagging(core, slot, redlock_quorum_kth_largest(marks, count, 1));
    }
}

/* Nodes that could not be asked before, and those that have woken us since they said no. */
static void ask_rest(redlock_core *core, redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        bool is_woken = vote->woken && vote->outcome == REDLOCK_OUTCOME_NO &&
                        !REDLOCK_MUTANT(WAKE_LOST_WHILE_ASKING);
        if ((!vote->asked || is_woken) && vote_may_be_asked(core, vote)) {
            ask_grant(core, vote);
        }
    }
}

void redlock_seek_review(redlock_core *core, redlock_slot *slot) {
    if (core->now >= slot->attempt_limit) {
        close_open_votes(core, slot);
    } else if (slot->seek.queued) {
        ask_rest(core, slot);
    }
    redlock_tally tally = redlock_tally_of(core, slot);
    bool over = slot->seek.wait > 0 && core->now >= slot->wait_deadline;
    if (over || tally.yes + tally.open < core->quorum) {
        if (!over && core->now < slot->attempt_limit && redlock_wait_lingers(core, slot, &tally)) {
            return;
        }
        redlock_status cause = redlock_tally_cause(core, &tally, REDLOCK_HELD);
        bool cut_short =
            over && tally.open > 0; /* then what the attempt before it saw still stands */
        end_attempt(core, slot, cut_short && slot->held_seen ? REDLOCK_HELD : cause);
        return;
    }
    if (tally.yes < core->quorum) {
        return;
    }
    if (slot->seek.fenced) {
        agree_on_fence(core, slot, &tally);
    } else {
        seek_granted(core, slot, 0);
    }
}

redlock_ns redlock_seek_deadline(const redlock_core *core, const redlock_slot *slot) {
    if (slot->state == REDLOCK_SLOT_SEEKING) {
        /* After it has passed, nothing but the attempt's own end is left to wait for. */
        redlock_ns linger = core->now < slot->linger_until ? slot->linger_until : REDLOCK_NEVER;
        return redlock_ns_min(linger, redlock_ns_min(slot->attempt_limit, slot->wait_deadline));
    }
    bool asks =
        core->now < slot->retry_at; /* later it waits for votes to be free, or for a token */
    return asks                           ? redlock_ns_min(slot->retry_at, slot->wait_deadline)
           : REDLOCK_MUTANT(WAIT_FOREVER) ? REDLOCK_NEVER
                                          : slot->wait_deadline;
}
