/* vote.c -- one slot at one node: what is sent, what the answers mean.
 *
 * At most one claim (any command but RELEASE) and one RELEASE are unanswered at a time.  A RELEASE is
 * sent behind a claim without waiting: the link keeps the order. */
#include <string.h>

#include "base/mutant.h"
#include "core/inside.h"

static redlock_node *vote_node(redlock_core *core, const redlock_vote *vote) {
    return &core->nodes[vote->node];
}

bool redlock_vote_is_free(const redlock_vote *vote) {
    return vote->want == 0 && vote->claim == 0 && !vote->release_open && !vote->ours &&
           !vote->queued;
}

/* --- sending --------------------------------------------------------------------------------- */

static bool command_plants(redlock_command_kind kind) {
    return kind == REDLOCK_COMMAND_GRANT || kind == REDLOCK_COMMAND_RENEW;
}

/* The latest instant of the node's clock at which the command may still take effect.  A claim that
 * is executed after its timeout would plant a key that nobody counts; a RELEASE is good for as long
 * as the key it undoes can live (a caller's own token may be acquired again after that). */
static uint64_t not_after_ms(const redlock_core *core, const redlock_vote *vote) {
    const redlock_slot *slot = vote->slot;
    uint64_t clock_ms = redlock_node_clock_ms(core, &core->nodes[vote->node]);
    if (clock_ms == 0 || REDLOCK_MUTANT(NOT_AFTER_MISSING)) {
        return 0;
    }
    redlock_ns window = slot->seek.node_timeout;
    if (vote->want == REDLOCK_COMMAND_RELEASE) {
        window = redlock_ns_add(slot->seek.ttl, slot->seek.margin);
    } else if (slot->state == REDLOCK_SLOT_HELD) {
        window = redlock_ns_min(window, redlock_ns_since(slot->deadline, core->now));
    }
    return clock_ms + redlock_ns_to_ms_up(window);
}

/* The slot's token becomes the vote's when a new claim is made with it. */
static void vote_take_token(redlock_vote *vote) {
    const redlock_slot *slot = vote->slot;
    if (slot->token_len > 0) {
        memcpy(vote->token, slot->token, slot->token_len);
    }
    vote->token_len = slot->token_len;
    vote->attempt = slot->attempt;
}

/* An attempt of a wait that goes on gives back its grant, but not its place. */
static bool release_stays(const redlock_core *core, const redlock_slot *slot) {
    return slot->state == REDLOCK_SLOT_PAUSED && slot->seek.queued &&
           !redlock_wait_is_spent(core, slot) && !REDLOCK_MUTANT(PLACE_LOST);
}

static void add_queue(const redlock_core *core, const redlock_vote *vote,
                      redlock_command *command) {
    const redlock_slot *slot = vote->slot;
    bool stays = release_stays(core, slot);
    if (vote->want == REDLOCK_COMMAND_GRANT) {
        command->follows = slot->follows;
        command->barge = slot->seek.barge;
    } else {
        bool is_alone = core->config.node_count == 1;
        command->hand_off_ms = is_alone ? redlock_ns_to_ms_up(core->config.hand_off) : 0;
        command->place = stays          ? REDLOCK_PLACE_STAY
                         : vote->queued ? REDLOCK_PLACE_LEAVE
                                        : REDLOCK_PLACE_NONE;
        if (REDLOCK_MUTANT(QUEUE_NOT_LEFT) && !stays) {
            command->place = REDLOCK_PLACE_NONE;
        }
    }
    if (slot->seek.queued && (stays || vote->want == REDLOCK_COMMAND_GRANT)) {
        command->entry = redlock_wait_entry(core, vote);
    }
}

static redlock_command vote_command(const redlock_core *core, const redlock_vote *vote) {
    const redlock_slot *slot = vote->slot;
    const redlock_node *node = &core->nodes[vote->node];
    redlock_command command = {
        .kind = vote->want,
        .teach = vote->teach,
        .fenced = slot->seek.fenced,
        .name = {slot->name, slot->name_len},
        .token = {vote->token, vote->token_len},
        .may_hold = slot->seek.own_token || vote->stray_not_after_ms != 0,
    };
    if (slot->state != REDLOCK_SLOT_LOOKING) {
        command.not_after_ms = not_after_ms(core, vote);
    }
    if (command_plants(vote->want)) {
        redlock_ns margin = REDLOCK_MUTANT(MARGIN_MISSING) ? 0 : slot->seek.margin;
        command.ttl_ms = redlock_ns_to_ms_up(redlock_ns_add(slot->seek.ttl, margin));
        /* Without a mark nobody can tell a lost key from one that was broken, or had in between. */
        command.heal = slot->state == REDLOCK_SLOT_HELD && slot->seek.fenced;
    }
    if (slot->seek.fenced &&
        (vote->want == REDLOCK_COMMAND_GRANT || vote->want == REDLOCK_COMMAND_RELEASE)) {
        add_queue(core, vote, &command);
    }
    if (slot->seek.fenced) {
        command.fence = vote->want == REDLOCK_COMMAND_GRANT || vote->want == REDLOCK_COMMAND_BREAK
                            ? slot->proposal
                        : vote->want == REDLOCK_COMMAND_RAISE ? slot->raise_to
                                                              : slot->fence;
    }
    if (core->config.guard > 0 && !REDLOCK_MUTANT(GUARD_SKIPPED)) {
        command.run_id = (redlock_bytes){node->run_id, node->run_id_len};
        command.guard_ms = redlock_ns_to_ms_up(core->config.guard);
    }
    return command;
}

/* By our clock: when what is sent now has no effect any more.  A claim takes effect until its not-after,
 * which lies the later the less exactly the node's clock is known, and what it plants lives for ttl
 * and margin; a RELEASE is not taken for longer than that. */
static redlock_ns effect_over(const redlock_core *core, const redlock_vote *vote) {
    const redlock_seek *seek = &vote->slot->seek;
    redlock_ns until = redlock_ns_add(seek->node_timeout, core->nodes[vote->node].clock_slack);
    redlock_ns lives = redlock_ns_add(redlock_ns_add(seek->ttl, seek->margin), until);
    return redlock_ns_add(
        core->now, redlock_quorum_outlast(lives, core->config.drift_ppm, core->config.drift_floor));
}

static void sent_claim(redlock_core *core, redlock_vote *vote) {
    redlock_slot *slot = vote->slot;
    const redlock_core_config *config = &core->config;
    vote->claim = vote->want;
    vote->claim_tag = core->tag_last;
    vote->claim_at = core->now;
    vote->claim_until = 0;
    vote->claim_not_after_ms = not_after_ms(core, vote);
    if (!command_plants(vote->want)) {
        return;
    }
    redlock_ns validity =
        redlock_quorum_validity(slot->seek.ttl, config->drift_ppm, config->drift_floor);
    vote->claim_until = redlock_ns_add(core->now, validity);
    if (vote->want == REDLOCK_COMMAND_GRANT) {
        slot->t1 = redlock_ns_min(slot->t1, core->now); /* before the first byte of the attempt */
        vote->claim_until = redlock_ns_add(slot->t1, validity);
    }
    if (slot->state == REDLOCK_SLOT_ADOPTING) {
        return; /* asks for what is there; plants nothing */
    }
    vote->ours = true;
    vote->queued = vote->queued || (slot->seek.queued && vote->want == REDLOCK_COMMAND_GRANT);
    vote->woken = false;
    vote->plant_over = redlock_ns_max(vote->plant_over, effect_over(core, vote));
}

void redlock_vote_send(redlock_core *core, redlock_vote *vote, redlock_wish *ret_wish) {
    REDLOCK_ASSERT(vote->want != 0);
    REDLOCK_ASSERT(vote_node(core, vote)->link == REDLOCK_LINK_UP);
    core->tag_last = core->tag_last == UINT32_MAX ? 1 : core->tag_last + 1;
    bool releases = vote->want == REDLOCK_COMMAND_RELEASE;
    if (!releases) {
        REDLOCK_ASSERT(vote->claim == 0);
        REDLOCK_ASSERT(!vote->release_open); /* whose answer would hide the claim */
        vote_take_token(vote);
    }
    *ret_wish =
        (redlock_wish){.kind = REDLOCK_WISH_SEND, .slot = vote->slot->index, .node = vote->node};
    ret_wish->as.send.tag = (uint64_t)vote->slot->index << 32 | core->tag_last;
    ret_wish->as.send.command = vote_command(core, vote);
    if (releases) {
        REDLOCK_ASSERT(!vote->release_open);
        vote->release_open = true;
        vote->stays = ret_wish->as.send.command.place == REDLOCK_PLACE_STAY;
        vote->queued = vote->queued || vote->stays;
        vote->release_tag = core->tag_last;
        vote->release_at = core->now;
        vote->undo_at = 0;
        vote->proved_at = 0; /* what is given back proves nothing any more */
        vote->proved_until = 0;
    } else {
        sent_claim(core, vote);
    }
    vote->teach = false;
    redlock_list_remove(&vote->open_link);
    redlock_list_append(&vote_node(core, vote)->open, &vote->open_link);
    redlock_node_unask(vote);
    redlock_slot_set_timer(core, vote->slot);
}

/* --- hearing --------------------------------------------------------------------------------- */

void redlock_vote_fail(redlock_core *core, redlock_vote *vote, redlock_status status) {
    vote->outcome = REDLOCK_OUTCOME_FAILED;
    vote->status = status;
    redlock_slot_touch(core, vote->slot);
}

void redlock_vote_expire(redlock_core *core, redlock_vote *vote) {
    redlock_ns limit = redlock_ns_add(vote->claim_at, vote->slot->seek.node_timeout);
    bool asked = vote->outcome == REDLOCK_OUTCOME_OPEN || vote->claim == REDLOCK_COMMAND_RAISE;
    bool failed =
        vote->outcome == REDLOCK_OUTCOME_FAILED; /* once is enough, or reviews never end */
    if (vote->claim != 0 && asked && !failed && core->now >= limit &&
        !REDLOCK_MUTANT(TIMEOUT_MISSING)) {
        redlock_vote_fail(core, vote, REDLOCK_SILENT);
    }
}

void redlock_vote_undo(redlock_core *core, redlock_vote *vote) {
    if (vote->want != REDLOCK_COMMAND_RELEASE) {
        redlock_node_unask(vote);
    }
    if (REDLOCK_MUTANT(SILENT_NOT_RELEASED) && vote->outcome == REDLOCK_OUTCOME_FAILED) {
        vote->ours = false;
    }
    if ((vote->ours || vote->queued) && !vote->release_open && vote->want == 0) {
        (void)redlock_node_ask(core, vote, REDLOCK_COMMAND_RELEASE); /* if not now, when it is up */
    }
}

/* The label behind the digits of a holder's value, for people; nothing for a foreign value. */
static void keep_holder(redlock_vote *vote, redlock_bytes value) {
    const uint8_t *colon = value.len > 0 ? memchr(value.at, ':', value.len) : NULL;
    redlock_bytes label = {NULL, 0};
    if (colon != NULL) {
        label.at = colon + 1;
        label.len = value.len - (size_t)(label.at - value.at);
    }
    redlock_bytes_to_text(label, vote->holder, sizeof vote->holder);
}

/* LOOK keeps the whole value: its slot has no use for the vote's token otherwise. */
static void keep_value(redlock_vote *vote, redlock_bytes value) {
    size_t len = value.len < vote->slot->token_bytes_max ? value.len : vote->slot->token_bytes_max;
    if (len > 0) {
        memcpy(vote->token, value.at, len);
    }
    vote->token_len = (uint16_t)len;
}

/* Of the node where most wait. */
static void keep_waiters(redlock_slot *slot, const redlock_answer *answer) {
    if (answer->place > slot->waiters) {
        REDLOCK_ASSERT(answer->waiters.len <= REDLOCK_WAITERS_BYTES_MAX);
        slot->waiters = answer->place;
        slot->waiters_len = (uint16_t)answer->waiters.len;
        memcpy(slot->waiters_at, answer->waiters.at, answer->waiters.len);
    }
}

static void claim_yes(redlock_core *core, redlock_vote *vote, redlock_command_kind claim,
                      const redlock_answer *answer) {
    vote->mark = answer->mark;
    vote->status = REDLOCK_OK;
    vote->denied = false;
    vote->outcome = REDLOCK_OUTCOME_YES;
    if (command_plants(claim)) {
        vote->ours = true;
        vote->proved_at = vote->claim_at;
        vote->proved_until = redlock_ns_max(vote->proved_until, vote->claim_until);
        if (vote->plant_over == 0) { /* adopted: now it is known to be there */
            vote->plant_over = redlock_ns_add(
                core->now, redlock_ns_add(vote->slot->seek.ttl, vote->slot->seek.margin));
        }
    }
}

/* Whether the value is one that redlock makes: 32 hex digits, a colon, a label. */
static bool value_is_foreign(redlock_bytes value) {
    bool is_ours = value.len > 32 && value.at[32] == ':';
    for (size_t i = 0; is_ours && i < 32; i++) {
        uint8_t c = value.at[i];
        is_ours = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    return value.len > 0 && !is_ours;
}

static void claim_no(redlock_vote *vote, redlock_command_kind claim, const redlock_answer *answer) {
    vote->outcome = REDLOCK_OUTCOME_NO;
    vote->status = answer->status;
    vote->denied = claim != REDLOCK_COMMAND_GRANT;
    vote->proved_at = 0;
    vote->proved_until = 0;
    vote->left = redlock_ns_from_ms(answer->left_ms);
    vote->place = answer->place;
    vote->refused_ms = claim == REDLOCK_COMMAND_GRANT ? answer->time_ms : 0;
    vote->foreign = value_is_foreign(answer->text);
    keep_holder(vote, answer->text);
}

/* Once more after LATE (the node's clock is known better now), FORGOT or UNSEEN. */
static void claim_again(redlock_core *core, redlock_vote *vote, redlock_command_kind claim) {
    REDLOCK_ASSERT(vote->slot->state != REDLOCK_SLOT_CLOSING); /* there no claim is current */
    REDLOCK_ASSERT(vote->slot->state != REDLOCK_SLOT_LOST);
    if (vote->outcome == REDLOCK_OUTCOME_FAILED) {
        vote->outcome = REDLOCK_OUTCOME_OPEN;
    }
    (void)redlock_node_ask(core, vote, claim);
}

static void claim_answered(redlock_core *core, redlock_vote *vote, redlock_command_kind claim,
                           const redlock_answer *answer) {
    switch (answer->kind) {
    case REDLOCK_ANSWER_YES:
        claim_yes(core, vote, claim, answer);
        return;
    case REDLOCK_ANSWER_HEALED:
        if (REDLOCK_MUTANT(HEAL_COUNTED)) {
            claim_yes(core, vote, claim, answer);
            return;
        }
        vote->outcome = REDLOCK_OUTCOME_HEALED;
        vote->status = REDLOCK_OK;
        vote->mark = answer->mark;
        vote->denied = false;
        return;
    case REDLOCK_ANSWER_NO:
        claim_no(vote, claim, answer);
        return;
    case REDLOCK_ANSWER_LATE:
        if (!vote->relearned) {
            vote->relearned = true;
            claim_again(core, vote, claim);
            return;
        }
        redlock_vote_fail(core, vote, REDLOCK_SILENT);
        return;
    case REDLOCK_ANSWER_FORGOT:
    case REDLOCK_ANSWER_UNSEEN:
        vote->teach = answer->kind == REDLOCK_ANSWER_FORGOT;
        claim_again(core, vote, claim);
        return;
    case REDLOCK_ANSWER_NOT_READY:
        vote->left = redlock_ns_from_ms(answer->left_ms);
        redlock_vote_fail(core, vote, REDLOCK_NOT_READY);
        return;
    case REDLOCK_ANSWER_CLOCK:
    case REDLOCK_ANSWER_ERROR:
        redlock_vote_fail(core, vote, answer->status);
        return;
    }
    REDLOCK_ASSERT(false);
}

/* Whether nothing that was sent on an older link can take effect after this answer.  On one link
 * answers come in order, so nothing of this link is missing either. */
static bool strays_are_over(const redlock_vote *vote, const redlock_answer *answer) {
    return REDLOCK_MUTANT(STRAYS_FORGOTTEN) || vote->stray_not_after_ms == 0 ||
           answer->time_ms > vote->stray_not_after_ms;
}

/* That the key is not there may be the work of the RELEASE whose answer was lost. */
static void release_decides(redlock_core *core, redlock_vote *vote, bool is_yes) {
    if (!is_yes && vote->release_cut) {
        redlock_vote_fail(core, vote, REDLOCK_UNKNOWN);
        return;
    }
    vote->outcome = is_yes ? REDLOCK_OUTCOME_YES : REDLOCK_OUTCOME_NO;
    vote->status = is_yes ? REDLOCK_OK : REDLOCK_NOT_HELD;
}

static void release_answered(redlock_core *core, redlock_vote *vote, const redlock_answer *answer) {
    bool deciding =
        vote->slot->state == REDLOCK_SLOT_RELEASING && vote->outcome == REDLOCK_OUTCOME_OPEN;
    switch (answer->kind) {
    case REDLOCK_ANSWER_YES:
    case REDLOCK_ANSWER_NO:
        vote->ours = !strays_are_over(vote, answer);
        vote->queued = vote->slot->seek.queued && (vote->ours || vote->stays);
        if (vote->ours) { /* this RELEASE came too early: again when no stray can land any more */
            uint64_t wait_ms = vote->stray_not_after_ms - answer->time_ms + 1;
            vote->undo_at = redlock_ns_add(core->now, redlock_ns_from_ms(wait_ms));
        } else {
            vote->stray_not_after_ms = 0;
        }
        if (deciding) {
            release_decides(core, vote, answer->kind == REDLOCK_ANSWER_YES);
        }
        return;
    case REDLOCK_ANSWER_FORGOT:
        vote->teach = true;
        return;
    case REDLOCK_ANSWER_LATE:
        vote->undo_at = redlock_ns_add(core->now, REDLOCK_RETRY_FLOOR_NS);
        return;
    case REDLOCK_ANSWER_HEALED:
    case REDLOCK_ANSWER_NOT_READY:
    case REDLOCK_ANSWER_CLOCK:
    case REDLOCK_ANSWER_UNSEEN:
    case REDLOCK_ANSWER_ERROR:
        vote->undo_at = redlock_ns_add(core->now, REDLOCK_UNDO_RETRY_NS);
        if (deciding) {
            redlock_vote_fail(core, vote, answer->status);
        }
        return;
    }
    REDLOCK_ASSERT(false);
}

/* A claim that is answered after its round was given up: it changes what is known, not what was
 * decided; the RELEASE that undoes it is behind it on the same link. */
static bool claim_is_current(const redlock_vote *vote) {
    const redlock_slot *slot = vote->slot;
    /* What may have been granted is being given back, with an older token or with this one. */
    bool is_over = vote->attempt != slot->attempt || vote->release_open ||
                   vote->want == REDLOCK_COMMAND_RELEASE;
    if (is_over && !REDLOCK_MUTANT(OLD_ANSWER_COUNTED)) {
        return false;
    }
    switch (slot->state) {
    case REDLOCK_SLOT_SEEKING:
    case REDLOCK_SLOT_ADOPTING:
    case REDLOCK_SLOT_HELD:
    case REDLOCK_SLOT_LOOKING:
        return true;
    case REDLOCK_SLOT_NEW:
    case REDLOCK_SLOT_PAUSED:
    case REDLOCK_SLOT_LOST:
    case REDLOCK_SLOT_RELEASING:
    case REDLOCK_SLOT_CLOSING:
        return false;
    }
    return false;
}

/* Whether the answer proves that nothing of ours is there, but for strays: the steps write nothing
 * before they have said yes, and they see a grant that came before. */
static bool answer_denies(redlock_command_kind claim, redlock_answer_kind answer) {
    if (claim == REDLOCK_COMMAND_RENEW) {
        return answer == REDLOCK_ANSWER_NO;
    }
    return claim == REDLOCK_COMMAND_GRANT &&
           (answer == REDLOCK_ANSWER_NO || answer == REDLOCK_ANSWER_LATE ||
            answer == REDLOCK_ANSWER_NOT_READY || answer == REDLOCK_ANSWER_CLOCK);
}

/* Such a node needs no RELEASE. */
static void claim_leaves(redlock_vote *vote, redlock_command_kind claim,
                         const redlock_answer *answer) {
    if (claim == REDLOCK_COMMAND_GRANT && answer->kind == REDLOCK_ANSWER_YES) {
        vote->queued =
            false; /* who holds is in no queue, and a stray GRANT does not put it there */
    }
    if (answer_denies(claim, answer->kind) && strays_are_over(vote, answer)) {
        vote->ours = false;
        vote->stray_not_after_ms = 0;
        if (vote->want == REDLOCK_COMMAND_RELEASE && !vote->queued) {
            redlock_node_unask(vote);
        }
    }
}

void redlock_vote_reply(redlock_core *core, redlock_vote *vote, uint32_t tag,
                        const redlock_answer *answer) {
    redlock_node *node = vote_node(core, vote);
    redlock_slot *slot = vote->slot;
    if (vote->release_open && vote->release_tag == tag) {
        vote->release_open = false;
        redlock_node_answered(core, node, answer, vote->release_at);
        release_answered(core, vote, answer);
    } else {
        REDLOCK_ASSERT(vote->claim != 0);
        REDLOCK_ASSERT(vote->claim_tag == tag);
        redlock_command_kind claim = vote->claim;
        vote->claim = 0;
        vote->latency = redlock_ns_since(core->now, vote->claim_at);
        redlock_node_answered(core, node, answer, vote->claim_at);
        slot->last_seen = slot->last_seen > answer->mark ? slot->last_seen : answer->mark;
        if (slot->state == REDLOCK_SLOT_LOOKING) {
            keep_value(vote, answer->text);
            keep_waiters(slot, answer);
            vote->left = redlock_ns_from_ms(answer->left_ms);
        }
        if (claim_is_current(vote)) {
            claim_answered(core, vote, claim, answer);
        } else if (slot->state == REDLOCK_SLOT_PAUSED && slot->seek.queued &&
                   answer->kind == REDLOCK_ANSWER_YES && core->config.node_count == 1) {
            /* Granted when nobody hoped for it: claimed at once.  One of several is given back, or
             * each of some waiters could keep a node for ever. */
            slot->retry_at = core->now;
        }
        claim_leaves(vote, claim, answer);
    }
    if (vote->claim == 0 && !vote->release_open) {
        redlock_list_remove(&vote->open_link);
    }
    redlock_slot_touch(core, slot);
}

void redlock_vote_cut(redlock_core *core, redlock_vote *vote) {
    redlock_command_kind claim = vote->claim;
    bool released = vote->release_open;
    vote->claim = 0;
    vote->release_open = false;
    redlock_list_remove(&vote->open_link);
    redlock_slot_touch(core, vote->slot);
    if (command_plants(claim) && vote->claim_not_after_ms > vote->stray_not_after_ms) {
        vote->stray_not_after_ms = vote->claim_not_after_ms;
    }
    if (released) {
        vote->release_cut = vote->slot->state == REDLOCK_SLOT_RELEASING;
        bool goes_on = vote->slot->state == REDLOCK_SLOT_PAUSED ||
                       vote->slot->state == REDLOCK_SLOT_SEEKING ||
                       vote->slot->state == REDLOCK_SLOT_HELD;
        if (goes_on && vote->slot->seek.queued) {
            vote->spent_until = effect_over(core, vote);
        }
        redlock_vote_undo(core, vote);
        return;
    }
    REDLOCK_ASSERT(claim != 0); /* or nothing was unanswered */
    bool open = vote->outcome == REDLOCK_OUTCOME_OPEN || claim == REDLOCK_COMMAND_RAISE;
    if (vote->want == 0 && open && claim_is_current(vote)) {
        /* Asked once more on the next link: the same token makes the repetition harmless. */
        (void)redlock_node_ask(core, vote, claim);
    }
}
