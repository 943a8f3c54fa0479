/* release.c -- giving up: what the user asked for, and what must be undone whoever asked.
 *
 * RELEASE goes to every node where something of ours may lie.  The user gets an answer in bounded
 * time; the undoing goes on until each node has said so, or until everything that could lie there
 * has run out by itself. */
#include "base/mutant.h"
#include "core/inside.h"

static void release_told(redlock_core *core, redlock_slot *slot, redlock_status status) {
    redlock_slot_become(slot, REDLOCK_SLOT_CLOSING);
    redlock_slot_tell(core, slot, REDLOCK_TELL_RELEASED, status);
    redlock_slot_touch(core, slot);
}

static void ask_release(redlock_core *core, redlock_slot *slot, redlock_vote *vote) {
    if (vote->want != REDLOCK_COMMAND_RELEASE && !REDLOCK_MUTANT(RENEWED_AFTER_RELEASE)) {
        redlock_node_unask(vote);
    }
    if (REDLOCK_MUTANT(RELEASED_AT_QUORUM_ONLY) && vote->node >= core->quorum) {
        vote->ours = false;
    }
    if (!vote->ours || vote->attempt != slot->attempt) {
        vote->outcome =
            REDLOCK_OUTCOME_NO; /* it never granted, or said since that it is not ours */
        vote->status = REDLOCK_NOT_HELD;
        return;
    }
    vote->outcome = REDLOCK_OUTCOME_OPEN;
    vote->status = REDLOCK_SILENT;
    if (vote->want == 0 && !vote->release_open) {
        /* A node that is down gets one more call: it may be back. */
        (void)redlock_node_ask(core, vote, REDLOCK_COMMAND_RELEASE);
    }
}

void redlock_release_start(redlock_core *core, redlock_slot *slot) {
    if (slot->state == REDLOCK_SLOT_HELD && core->now >= slot->deadline) {
        redlock_watch_drop(core, slot); /* the release is the first to hear of the time */
    }
    if (slot->state == REDLOCK_SLOT_SEEKING || slot->state == REDLOCK_SLOT_PAUSED) {
        redlock_seek_cancel(core, slot);
        return;
    }
    if (slot->state == REDLOCK_SLOT_LOST) {
        release_told(core, slot, REDLOCK_NOT_HELD);
        return;
    }
    REDLOCK_ASSERT(slot->state == REDLOCK_SLOT_HELD); /* else there is no handle to release */
    redlock_slot_become(slot, REDLOCK_SLOT_RELEASING);
    slot->deadline = 0; /* from here on it is not held, whatever the nodes answer */
    slot->release_limit = redlock_ns_add(core->now, core->config.release_timeout);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        ask_release(core, slot, &slot->votes[i]);
    }
    redlock_wait_follow(core, slot);
    redlock_slot_touch(core, slot);
}

void redlock_release_review(redlock_core *core, redlock_slot *slot) {
    redlock_tally tally = redlock_tally_of(core, slot);
    if (tally.yes >= (REDLOCK_MUTANT(RELEASED_AT_FIRST_YES) ? 1 : core->quorum)) {
        release_told(core, slot, REDLOCK_OK);
    } else if (tally.no > core->config.node_count - core->quorum) {
        release_told(core, slot, REDLOCK_NOT_HELD);
    } else if (tally.open == 0 || core->now >= slot->release_limit) {
        release_told(core, slot, REDLOCK_UNKNOWN);
    }
}

static bool state_undoes(redlock_slot_state state) {
    return state == REDLOCK_SLOT_PAUSED || state == REDLOCK_SLOT_LOST ||
           state == REDLOCK_SLOT_RELEASING || state == REDLOCK_SLOT_CLOSING;
}

/* A wait in queues goes on: with one node there is nothing that another could want back; with several
 * the grants of an attempt that failed, when it is known that they are some. */
static bool wait_gives_back(const redlock_core *core, const redlock_slot *slot,
                            const redlock_vote *vote) {
    if (redlock_wait_is_spent(core, slot)) {
        return vote->ours || vote->queued;
    }
    return core->config.node_count > 1 && vote->ours && vote->claim == 0 &&
           !REDLOCK_MUTANT(ATTEMPT_KEPT);
}

bool redlock_release_is_due(const redlock_core *core, const redlock_slot *slot,
                            const redlock_vote *vote) {
    if (slot->seek.queued && slot->state == REDLOCK_SLOT_PAUSED) {
        return wait_gives_back(core, slot, vote);
    }
    if (slot->state == REDLOCK_SLOT_HELD && vote->attempt == slot->attempt) {
        /* Who holds by a quorum of others waits in no queue; what counts is never given back. */
        return vote->queued && vote->claim == 0 && vote->proved_until == 0;
    }
    return (vote->ours || vote->queued) &&
           (state_undoes(slot->state) || vote->attempt != slot->attempt);
}

void redlock_release_undo_review(redlock_core *core, redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        if (!redlock_release_is_due(core, slot, vote)) {
            continue;
        }
        if (core->now >= vote->plant_over) {
            vote->ours = false; /* the ttl has cleaned up */
            vote->queued = false;
            vote->stray_not_after_ms = 0;
            redlock_node_unask(vote);
            if (slot->state == REDLOCK_SLOT_RELEASING && vote->outcome == REDLOCK_OUTCOME_OPEN) {
                vote->outcome = REDLOCK_OUTCOME_NO; /* no answer is needed to know that */
                vote->status = REDLOCK_NOT_HELD;
            }
            redlock_slot_touch(core, slot); /* who paused until this vote is free goes on now */
        } else if (core->now >= vote->undo_at) {
            redlock_vote_undo(core, vote);
        }
    }
}
