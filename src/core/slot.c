/* slot.c -- the life of one lock in the core: its memory, its state, its timer, its events. */
#include "base/mutant.h"
#include "core/inside.h"

#include <string.h>

/* --- memory ---------------------------------------------------------------------------------- */

size_t redlock_core_slot_size(const redlock_core *core, size_t name_bytes, size_t token_bytes) {
    size_t nodes = core->config.node_count;
    /* Only LOOK asks for so much room: its answer tells of waiters, too. */
    size_t waiters = token_bytes == REDLOCK_TOKEN_BYTES_MAX ? REDLOCK_WAITERS_BYTES_MAX : 0;
    return sizeof(redlock_slot) + nodes * sizeof(redlock_vote) + name_bytes +
           (nodes + 1) * token_bytes + waiters;
}

static void slot_lay_out(redlock_core *core, redlock_slot *slot, redlock_bytes name,
                         size_t token_bytes) {
    uint8_t *at = (uint8_t *)&slot->votes[core->config.node_count];
    slot->name = at;
    slot->name_len = (uint16_t)name.len;
    if (name.len > 0) {
        memcpy(at, name.at, name.len);
    }
    at += name.len;
    slot->token = at;
    slot->token_bytes_max = (uint16_t)token_bytes;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        at += token_bytes;
        slot->votes[i].token = at;
        slot->votes[i].slot = slot;
        slot->votes[i].node = i;
    }
    slot->waiters_at = at + token_bytes;
}

/* The longest token this slot can ever have: its own, or for LOOK the longest value there is. */
static size_t token_room(const redlock_fact *fact) {
    return fact->kind == REDLOCK_FACT_LOOK ? REDLOCK_TOKEN_BYTES_MAX : fact->as.ask.token.len;
}

redlock_slot *redlock_slot_begin(redlock_core *core, const redlock_fact *fact) {
    REDLOCK_ASSERT(fact->slot == redlock_core_vacant(core));
    REDLOCK_ASSERT(fact->as.ask.name.len <= REDLOCK_NAME_BYTES_MAX);
    REDLOCK_ASSERT(fact->as.ask.token.len <= REDLOCK_TOKEN_BYTES_MAX);
    core->vacant_count--;
    redlock_slot *slot = fact->as.ask.memory;
    memset(slot, 0, sizeof *slot + core->config.node_count * sizeof slot->votes[0]);
    core->slots[fact->slot] = slot;
    slot->index = fact->slot;
    slot->seek = fact->as.ask.seek;
    slot->question = fact->as.ask.question;
    slot->t1 = REDLOCK_NEVER;
    slot->wait_deadline = REDLOCK_NEVER;
    slot->linger_until = REDLOCK_NEVER;
    slot->renew_at = REDLOCK_NEVER;
    slot->renew_from = REDLOCK_NEVER;
    slot->round_limit = REDLOCK_NEVER;
    slot->extend_from = REDLOCK_NEVER;
    slot_lay_out(core, slot, fact->as.ask.name, token_room(fact));
    redlock_slot_set_token(slot, fact->as.ask.token);
    return slot;
}

void redlock_slot_set_token(redlock_slot *slot, redlock_bytes token) {
    REDLOCK_ASSERT(token.len <= slot->token_bytes_max);
    if (token.len > 0) {
        memcpy(slot->token, token.at, token.len);
    }
    slot->token_len = (uint16_t)token.len;
}

redlock_slot *redlock_slot_at(const redlock_core *core, uint32_t index) {
    REDLOCK_ASSERT(index < core->slot_count);
    REDLOCK_ASSERT(core->slots[index] != NULL);
    return core->slots[index];
}

/* --- state ----------------------------------------------------------------------------------- */

#define MOVE(state) (1u << REDLOCK_SLOT_##state)

/* To which states each may move. */
static const uint32_t legal_moves[] = {
    [REDLOCK_SLOT_NEW] = MOVE(SEEKING) | MOVE(ADOPTING) | MOVE(LOOKING),
    [REDLOCK_SLOT_SEEKING] = MOVE(PAUSED) | MOVE(HELD) | MOVE(CLOSING),
    [REDLOCK_SLOT_PAUSED] = MOVE(SEEKING) | MOVE(HELD) | MOVE(CLOSING),
    [REDLOCK_SLOT_ADOPTING] = MOVE(HELD) | MOVE(CLOSING),
    [REDLOCK_SLOT_HELD] = MOVE(LOST) | MOVE(RELEASING),
    [REDLOCK_SLOT_LOST] = MOVE(CLOSING),
    [REDLOCK_SLOT_RELEASING] = MOVE(CLOSING),
    [REDLOCK_SLOT_LOOKING] = MOVE(CLOSING),
    [REDLOCK_SLOT_CLOSING] = 0,
};

void redlock_slot_become(redlock_slot *slot, redlock_slot_state state) {
    REDLOCK_ASSERT((legal_moves[slot->state] >> state & 1) != 0);
    slot->state = state;
}

void redlock_slot_touch(redlock_core *core, redlock_slot *slot) {
    if (!redlock_link_is_linked(&slot->touched_link)) {
        redlock_list_append(&core->touched, &slot->touched_link);
    }
}

static bool slot_is_settled(const redlock_core *core, const redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (!redlock_vote_is_free(&slot->votes[i])) {
            return false;
        }
    }
    return true;
}

static void slot_review_state(redlock_core *core, redlock_slot *slot) {
    REDLOCK_ASSERT(slot->state != REDLOCK_SLOT_NEW); /* it leaves that in the step that begins it */
    switch (slot->state) {
    case REDLOCK_SLOT_SEEKING:
        redlock_seek_review(core, slot);
        return;
    case REDLOCK_SLOT_PAUSED:
        redlock_seek_pause_review(core, slot);
        return;
    case REDLOCK_SLOT_ADOPTING:
        redlock_watch_adopt_review(core, slot);
        return;
    case REDLOCK_SLOT_HELD:
        redlock_watch_review(core, slot);
        return;
    case REDLOCK_SLOT_RELEASING:
        redlock_release_review(core, slot);
        return;
    case REDLOCK_SLOT_LOOKING:
        redlock_look_review(core, slot);
        return;
    case REDLOCK_SLOT_NEW:
    case REDLOCK_SLOT_LOST:
    case REDLOCK_SLOT_CLOSING:
        return; /* only the undoing is left */
    }
    REDLOCK_ASSERT(false);
}

static void slot_review(redlock_core *core, redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote_expire(core, &slot->votes[i]);
    }
    slot_review_state(core, slot);
    redlock_release_undo_review(core, slot);
    redlock_slot_set_timer(core, slot);
    if (slot->state == REDLOCK_SLOT_CLOSING && slot_is_settled(core, slot)) {
        redlock_heap_set(&core->timers, slot->index, REDLOCK_NEVER);
        if (!redlock_link_is_linked(&slot->gone_link)) {
            redlock_list_append(&core->gone, &slot->gone_link);
        }
    }
}

void redlock_slot_review_all(redlock_core *core) {
    /* A review may touch its own slot again, once: it settles after one more look. */
    for (redlock_link *link; (link = redlock_list_first(&core->touched)) != NULL;) {
        redlock_slot *slot = REDLOCK_LIST_ELEMENT(link, redlock_slot, touched_link);
        redlock_list_remove(link);
        slot_review(core, slot);
    }
}

/* --- timer ----------------------------------------------------------------------------------- */

/* When the vote itself needs a look: a claim times out, an undo is due, a planted key is over. */
static redlock_ns vote_deadline(const redlock_core *core, const redlock_slot *slot,
                                const redlock_vote *vote) {
    redlock_ns deadline = REDLOCK_NEVER;
    bool asked = vote->outcome == REDLOCK_OUTCOME_OPEN || vote->claim == REDLOCK_COMMAND_RAISE;
    bool failed = vote->outcome == REDLOCK_OUTCOME_FAILED;
    if (vote->claim != 0 && asked && !failed && !REDLOCK_MUTANT(TIMEOUT_MISSING)) {
        deadline = redlock_ns_add(vote->claim_at, slot->seek.node_timeout);
    }
    if (redlock_release_is_due(core, slot, vote)) {
        deadline = redlock_ns_min(deadline, vote->plant_over);
        if (vote->want == 0 && !vote->release_open) {
            deadline = redlock_ns_min(deadline, vote->undo_at);
        }
    }
    return deadline;
}

static redlock_ns state_deadline(const redlock_core *core, const redlock_slot *slot) {
    switch (slot->state) {
    case REDLOCK_SLOT_SEEKING:
    case REDLOCK_SLOT_PAUSED:
        return redlock_seek_deadline(core, slot);
    case REDLOCK_SLOT_HELD:
        return redlock_watch_deadline(core, slot);
    case REDLOCK_SLOT_ADOPTING:
    case REDLOCK_SLOT_LOOKING:
        return slot->attempt_limit;
    case REDLOCK_SLOT_RELEASING:
        return slot->release_limit;
    case REDLOCK_SLOT_NEW:
    case REDLOCK_SLOT_LOST:
    case REDLOCK_SLOT_CLOSING:
        return REDLOCK_NEVER;
    }
    return REDLOCK_NEVER;
}

void redlock_slot_set_timer(redlock_core *core, redlock_slot *slot) {
    redlock_ns deadline = state_deadline(core, slot);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        deadline = redlock_ns_min(deadline, vote_deadline(core, slot, &slot->votes[i]));
    }
    redlock_heap_set(&core->timers, slot->index, deadline);
}

/* --- events ---------------------------------------------------------------------------------- */

void redlock_slot_tell(redlock_core *core, redlock_slot *slot, redlock_tell event,
                       redlock_status status) {
    slot->tells |= UINT32_C(1) << event;
    slot->tell_status[event] = status;
    if (!redlock_link_is_linked(&slot->tell_link)) {
        redlock_list_append(&core->tells, &slot->tell_link);
    }
}

bool redlock_slot_next_tell(redlock_core *core, redlock_wish *ret_wish) {
    redlock_link *link = redlock_list_first(&core->tells);
    if (link == NULL) {
        return false;
    }
    redlock_slot *slot = REDLOCK_LIST_ELEMENT(link, redlock_slot, tell_link);
    uint32_t event = 0;
    while ((slot->tells >> event & 1) == 0) {
        event++;
    }
    slot->tells &= ~(UINT32_C(1) << event);
    *ret_wish =
        (redlock_wish){.kind = REDLOCK_WISH_TELL, .slot = slot->index, .node = REDLOCK_NODE_MAX};
    ret_wish->as.tell.event = (redlock_tell)event;
    ret_wish->as.tell.status = slot->tell_status[event];
    if (slot->tells == 0) {
        redlock_list_remove(link);
    }
    return true;
}

bool redlock_slot_next_token(redlock_core *core, redlock_wish *ret_wish) {
    redlock_link *link = redlock_list_first(&core->tokens);
    if (link == NULL) {
        return false;
    }
    redlock_list_remove(link);
    const redlock_slot *slot = REDLOCK_LIST_ELEMENT(link, redlock_slot, token_link);
    *ret_wish =
        (redlock_wish){.kind = REDLOCK_WISH_TOKEN, .slot = slot->index, .node = REDLOCK_NODE_MAX};
    return true;
}

bool redlock_slot_next_gone(redlock_core *core, redlock_wish *ret_wish) {
    redlock_link *link = redlock_list_first(&core->gone);
    if (link == NULL) {
        return false;
    }
    redlock_list_remove(link);
    redlock_slot *slot = REDLOCK_LIST_ELEMENT(link, redlock_slot, gone_link);
    redlock_list_remove(&slot->token_link);
    redlock_list_remove(&slot->touched_link);
    *ret_wish =
        (redlock_wish){.kind = REDLOCK_WISH_GONE, .slot = slot->index, .node = REDLOCK_NODE_MAX};
    ret_wish->as.gone.memory = slot;
    core->slots[slot->index] = NULL;
    core->vacant[core->vacant_count++] = slot->index;
    return true;
}
