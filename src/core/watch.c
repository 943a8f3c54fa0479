/* watch.c -- holding: renewals in rounds, healing, extending, and learning of the loss in time.
 *
 * What a YES proves is counted from the moment its command was sent; the deadline is what a quorum
 * of such proofs have in common.  It only moves while the old one has not passed: LOST is final. */
#include "base/mutant.h"
#include "core/fence.h"
#include "core/inside.h"

static bool vote_is_stale(const redlock_slot *slot, const redlock_vote *vote) {
    return vote->ours && vote->attempt != slot->attempt;
}

/* Renewals begin at ticks, so that those which are due at about the same time share their commands.
 * Ticks are close to each other, or renewals would come in lumps, and each core has its own. */
static redlock_ns at_tick(const redlock_core *core, const redlock_slot *slot, redlock_ns at) {
    redlock_ns tick = slot->seek.renew / REDLOCK_RENEW_TICKS;
    redlock_ns begun = tick > 0 ? redlock_ns_add(at, core->config.seed % tick) % tick : 0;
    redlock_ns next = redlock_ns_add(core->now, REDLOCK_RETRY_FLOOR_NS);
    return redlock_ns_max(redlock_ns_since(at, begun), next);
}

/* Earlier than asked by up to a tenth, so that many locks don't renew in step. */
static redlock_ns next_renewal(redlock_core *core, const redlock_slot *slot, redlock_ns from) {
    if (slot->seek.renew == 0) {
        return REDLOCK_NEVER;
    }
    redlock_ns early =
        REDLOCK_MUTANT(RENEWED_IN_STEP) ? 0 : redlock_prng_upto(&core->prng, slot->seek.renew / 10);
    return at_tick(core, slot, redlock_ns_add(from, slot->seek.renew - early));
}

static redlock_ns next_retry(redlock_core *core, const redlock_slot *slot) {
    redlock_ns base = redlock_ns_min(
        redlock_ns_max(slot->seek.ttl / 30, 2 * REDLOCK_RETRY_FLOOR_NS), REDLOCK_NS_PER_S);
    if (slot->is_handed) { /* there is less than a ttl to retry in */
        base = redlock_ns_min(
            base, redlock_ns_max(core->config.hand_off / 30, 2 * REDLOCK_RETRY_FLOOR_NS));
    }
    redlock_ns delay = base / 2 + redlock_prng_upto(&core->prng, base / 2);
    return at_tick(core, slot, redlock_ns_add(core->now, delay));
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void ask_renew(redlock_core *core, redlock_slot *slot, redlock_vote *vote) {
    if (vote_is_stale(slot, vote) || vote->release_open || vote->want != 0 ||
        redlock_wait_vote_is_spent(core, vote)) {
        /* An older token, or an older grant of this one, is still being undone there. */
        redlock_vote_fail(core, vote, REDLOCK_SILENT);
        return;
    }
    vote->relearned = false;
    if (vote->claim != 0) { /* asked before and not answered: it is asked again when it is */
        if (core->now >= redlock_ns_add(vote->claim_at, slot->seek.node_timeout)) {
            redlock_vote_fail(core, vote, REDLOCK_SILENT);
        }
        return;
    }
    vote->outcome = REDLOCK_OUTCOME_OPEN;
    vote->status = REDLOCK_SILENT;
    (void)redlock_node_ask(core, vote, REDLOCK_COMMAND_RENEW);
}

static void begin_round(redlock_core *core, redlock_slot *slot) {
    slot->round_from = core->now;
    slot->renew_from = redlock_ns_min(slot->renew_from, core->now);
    slot->round_limit = redlock_ns_add(core->now, slot->seek.node_timeout);
    slot->renew_at = REDLOCK_NEVER;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        ask_renew(core, slot, &slot->votes[i]); /* one that fails at once asks for a review */
    }
}

/* The instant up to which a quorum of votes is proved to be ours. */
static redlock_ns quorum_proved_until(const redlock_core *core, const redlock_slot *slot) {
    uint64_t values[REDLOCK_NODE_MAX];
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        values[i] = slot->votes[i].proved_until;
    }
    return redlock_quorum_kth_largest(values, core->config.node_count,
                                      REDLOCK_MUTANT(EXTENDED_WITHOUT_QUORUM) ? 1 : core->quorum);
}

/* The instant since which a quorum of votes has been asked and has said yes. */
static redlock_ns quorum_proved_at(const redlock_core *core, const redlock_slot *slot) {
    uint64_t values[REDLOCK_NODE_MAX];
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        values[i] = slot->votes[i].proved_at;
    }
    return redlock_quorum_kth_largest(values, core->config.node_count, core->quorum);
}

static void answer_extend(redlock_core *core, redlock_slot *slot, redlock_status status) {
    if (slot->extend_from != REDLOCK_NEVER) {
        slot->extend_from = REDLOCK_NEVER;
        redlock_slot_tell(core, slot, REDLOCK_TELL_EXTENDED, status);
    }
}

static void round_failed(redlock_core *core, redlock_slot *slot) {
    slot->round_limit = REDLOCK_NEVER;
    redlock_slot_tell(core, slot, REDLOCK_TELL_RENEW_LATE, REDLOCK_NO_QUORUM);
    if (slot->extend_once) {
        answer_extend(core, slot, REDLOCK_NO_QUORUM);
    }
    bool goes_on = (slot->seek.renew > 0 && !REDLOCK_MUTANT(RENEWING_GIVEN_UP)) ||
                   slot->extend_from != REDLOCK_NEVER;
    slot->renew_at = goes_on ? next_retry(core, slot) : REDLOCK_NEVER;
}

static void round_review(redlock_core *core, redlock_slot *slot) {
    if (quorum_proved_at(core, slot) >= slot->round_from) {
        slot->round_limit = REDLOCK_NEVER;
        slot->renew_from = REDLOCK_NEVER;
        slot->renew_at = next_renewal(core, slot, slot->round_from);
        answer_extend(core, slot, REDLOCK_OK);
        return;
    }
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        bool older = vote->claim == 0 && vote->want == 0 && vote->claim_at < slot->round_from;
        if (older && vote->outcome != REDLOCK_OUTCOME_FAILED) {
            ask_renew(core, slot, vote);
        }
    }
    redlock_tally tally = redlock_tally_of(core, slot);
    bool waiting = false; /* for an answer that could still count */
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        waiting = waiting || slot->votes[i].want != 0 ||
                  (slot->votes[i].claim != 0 && slot->votes[i].outcome != REDLOCK_OUTCOME_FAILED);
    }
    if (core->now >= slot->round_limit || (tally.open == 0 && !waiting)) {
        round_failed(core, slot);
    }
}

/* --- the hold -------------------------------------------------------------------------------- */

void redlock_watch_drop(redlock_core *core, redlock_slot *slot) {
    redlock_slot_become(slot, REDLOCK_SLOT_LOST);
    slot->deadline = 0;
    slot->round_limit = REDLOCK_NEVER;
    answer_extend(core, slot, REDLOCK_LOST);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote_undo(core, &slot->votes[i]);
    }
}

static void watch_lost(redlock_core *core, redlock_slot *slot) {
    if (REDLOCK_MUTANT(LOST_NOT_FINAL)) {
        slot->deadline = core->now + slot->seek.ttl;
        redlock_slot_tell(core, slot, REDLOCK_TELL_LOST, REDLOCK_LOST);
        return;
    }
    redlock_watch_drop(core, slot);
    redlock_slot_tell(core, slot, REDLOCK_TELL_LOST, REDLOCK_LOST);
}

void redlock_watch_start(redlock_core *core, redlock_slot *slot) {
    REDLOCK_ASSERT(core->now < slot->deadline);
    redlock_slot_become(slot, REDLOCK_SLOT_HELD);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        if (vote->want == REDLOCK_COMMAND_GRANT || vote->want == REDLOCK_COMMAND_RAISE) {
            redlock_node_unask(vote); /* the next renewal reaches these nodes */
        }
        if (vote->outcome == REDLOCK_OUTCOME_OPEN && vote->claim == 0) {
            vote->outcome = REDLOCK_OUTCOME_NONE;
        }
    }
    redlock_ns from = slot->t1 != REDLOCK_NEVER ? slot->t1 : core->now;
    slot->renew_at = next_renewal(core, slot, from);
    redlock_slot_tell(core, slot, REDLOCK_TELL_ACQUIRED, REDLOCK_OK);
    redlock_slot_touch(core, slot);
}

void redlock_watch_review(redlock_core *core, redlock_slot *slot) {
    uint32_t denied = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        denied += slot->votes[i].denied;
    }
    if (REDLOCK_MUTANT(RENEWED_TOO_LATE)) {
        slot->deadline = redlock_ns_max(slot->deadline, quorum_proved_until(core, slot));
    }
    if (core->now >= slot->deadline || denied > core->config.node_count - core->quorum) {
        watch_lost(core, slot);
        return;
    }
    redlock_ns proved = quorum_proved_until(core, slot);
    if (proved > slot->deadline) {
        slot->deadline = proved;
        slot->is_handed = false;
        slot->renew_took = redlock_ns_since(core->now, slot->renew_from);
        slot->renew_from = REDLOCK_NEVER;
        redlock_slot_tell(core, slot, REDLOCK_TELL_RENEWED, REDLOCK_OK);
    }
    /* Answers may be slower than rounds: what was asked since the EXTEND is enough. */
    if (slot->extend_from != REDLOCK_NEVER && quorum_proved_at(core, slot) >= slot->extend_from) {
        answer_extend(core, slot, REDLOCK_OK);
    }
    /* Answers from before may have moved the deadline meanwhile: still held, and not extended. */
    if (slot->extend_from != REDLOCK_NEVER && core->now >= slot->extend_limit) {
        answer_extend(core, slot, REDLOCK_NO_QUORUM);
    }
    if (slot->round_limit != REDLOCK_NEVER) {
        round_review(core, slot);
    }
    if (slot->round_limit == REDLOCK_NEVER && core->now >= slot->renew_at) {
        begin_round(core, slot);
    }
}

void redlock_watch_extend(redlock_core *core, redlock_slot *slot, const redlock_fact *fact) {
    if (slot->state != REDLOCK_SLOT_HELD) {
        redlock_slot_tell(core, slot, REDLOCK_TELL_EXTENDED, REDLOCK_LOST);
        return;
    }
    slot->seek.ttl = fact->as.extend.ttl;
    slot->seek.margin = fact->as.extend.margin;
    if (fact->as.extend.renew > 0) {
        slot->seek.renew = fact->as.extend.renew;
    }
    slot->extend_from = core->now;
    slot->extend_limit = slot->deadline;
    slot->extend_once = fact->as.extend.once;
    begin_round(core, slot);
    redlock_slot_touch(core, slot);
}

redlock_ns redlock_watch_deadline(const redlock_core *core, const redlock_slot *slot) {
    (void)core;
    if (REDLOCK_MUTANT(LOST_AT_NEXT_CHANCE)) {
        return redlock_ns_min(slot->renew_at, slot->round_limit);
    }
    redlock_ns answer_by = slot->extend_from != REDLOCK_NEVER ? slot->extend_limit : REDLOCK_NEVER;
    return redlock_ns_min(redlock_ns_min(slot->deadline, answer_by),
                          redlock_ns_min(slot->renew_at, slot->round_limit));
}

/* --- adopting -------------------------------------------------------------------------------- */

void redlock_watch_adopt(redlock_core *core, redlock_slot *slot, uint64_t fence) {
    redlock_slot_become(slot, REDLOCK_SLOT_ADOPTING);
    slot->attempt++;
    slot->fence = fence;
    slot->seek.own_token = true; /* whoever brings it may take it again */
    slot->attempt_limit = redlock_ns_add(
        core->now, redlock_ns_add(core->config.connect_timeout, 2 * slot->seek.node_timeout));
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        vote->attempt = slot->attempt;
        vote->outcome = REDLOCK_OUTCOME_OPEN;
        vote->status = REDLOCK_SILENT;
        (void)redlock_node_ask(core, vote, REDLOCK_COMMAND_RENEW);
    }
    redlock_slot_touch(core, slot);
}

/* A token that could not be adopted is somebody else's still: nothing of it may be released. */
static void adopt_failed(redlock_core *core, redlock_slot *slot, redlock_status status) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        slot->votes[i].ours = false;
        slot->votes[i].stray_not_after_ms = 0;
        redlock_node_unask(&slot->votes[i]);
    }
    redlock_slot_become(slot, REDLOCK_SLOT_CLOSING);
    redlock_slot_tell(core, slot, REDLOCK_TELL_FAILED, status);
    redlock_slot_touch(core, slot);
}

/* The holder's fence, when its adopter was not told it.  The quorum that agreed on it keeps exactly
 * that mark while the token holds, so a mark that any quorum agrees on is the fence; the largest one
 * may belong to a node whose grant came late.  0: they don't agree. */
static uint64_t adopt_fence(const redlock_core *core, const redlock_slot *slot) {
    uint64_t marks[REDLOCK_NODE_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (slot->votes[i].outcome == REDLOCK_OUTCOME_YES) {
            marks[count++] = slot->votes[i].mark;
        }
    }
    return redlock_fence_agreed(marks, count, core->quorum);
}

void redlock_watch_adopt_review(redlock_core *core, redlock_slot *slot) {
    redlock_tally tally = redlock_tally_of(core, slot);
    bool over = core->now >= slot->attempt_limit;
    if (tally.yes < core->quorum) {
        if (over || tally.yes + tally.open < core->quorum) {
            adopt_failed(core, slot, redlock_tally_cause(core, &tally, REDLOCK_NOT_HELD));
        }
        return;
    }
    if (slot->seek.fenced && slot->fence == 0) {
        slot->fence = adopt_fence(core, slot);
        if (slot->fence == 0 && tally.open > 0 && !over) {
            return; /* who has not answered yet may be one of those that agree */
        }
    }
    /* No fence is known: without one nothing can be healed safely, as in plain mode. */
    slot->seek.fenced = slot->seek.fenced && slot->fence > 0;
    slot->deadline = quorum_proved_until(core, slot);
    if (core->now >= slot->deadline) {
        slot->deadline = 0;
        adopt_failed(core, slot, REDLOCK_EXPIRED);
        return;
    }
    redlock_watch_start(core, slot);
}
