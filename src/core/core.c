/* core.c -- the machine's outside: its memory, its step, its wishes, and the checks on all of it. */
#include <string.h>

#include "base/mutant.h"
#include "base/near.h"
#include "core/inside.h"

#define DUE_AT_ONCE 32u
#define WORDS_BYTES 128u /* of name and token, behind a slot's votes */

size_t redlock_core_size(void) {
    return sizeof(redlock_core);
}

redlock_core *redlock_core_init(void *memory, const redlock_core_config *config) {
    REDLOCK_ASSERT(config->node_count >= 1);
    REDLOCK_ASSERT(config->node_count <= REDLOCK_NODE_MAX);
    REDLOCK_ASSERT(config->inflight_max >= 1);
    redlock_core *core = memory;
    memset(core, 0, sizeof *core);
    core->config = *config;
    core->quorum = redlock_quorum_of(config->node_count);
    redlock_prng_init(&core->prng, config->seed);
    redlock_list_init(&core->touched);
    redlock_list_init(&core->tells);
    redlock_list_init(&core->tokens);
    redlock_list_init(&core->gone);
    redlock_list_init(&core->listening);
    for (uint32_t i = 0; i < config->node_count; i++) {
        redlock_node_init(core, i);
    }
    return core;
}

/* --- slots ----------------------------------------------------------------------------------- */

size_t redlock_core_table_size(uint32_t slot_count) {
    size_t per_slot = sizeof(redlock_slot *) + sizeof(redlock_heap_entry) + 2 * sizeof(uint32_t);
    return slot_count * per_slot;
}

void *redlock_core_grow(redlock_core *core, void *memory, uint32_t slot_count) {
    REDLOCK_ASSERT(slot_count > core->slot_count);
    redlock_heap_entry *entries = memory; /* the strictest alignment first */
    redlock_slot **slots = (redlock_slot **)(void *)(entries + slot_count);
    uint32_t *place = (uint32_t *)(void *)(slots + slot_count);
    uint32_t *vacant = place + slot_count;
    if (core->slot_count == 0) {
        redlock_heap_init(&core->timers, entries, place, slot_count);
    } else {
        redlock_heap_move(&core->timers, entries, place, slot_count);
        memcpy(slots, core->slots, core->slot_count * sizeof slots[0]);
        memcpy(vacant, core->vacant, core->vacant_count * sizeof vacant[0]);
    }
    for (uint32_t i = slot_count; i > core->slot_count; i--) { /* the lowest on top */
        slots[i - 1] = NULL;
        vacant[core->vacant_count++] = i - 1;
    }
    void *old = core->table;
    core->table = memory;
    core->slots = slots;
    core->vacant = vacant;
    core->slot_count = slot_count;
    return old;
}

uint32_t redlock_core_vacant(const redlock_core *core) {
    return core->vacant_count > 0 ? core->vacant[core->vacant_count - 1] : REDLOCK_SLOT_NONE;
}

uint32_t redlock_core_slot_count(const redlock_core *core) {
    return core->slot_count;
}

uint32_t redlock_core_slot_of(uint64_t tag) {
    return (uint32_t)(tag >> 32);
}

void redlock_core_bring_near(const redlock_core *core, uint32_t slot) {
    size_t votes = core->config.node_count * sizeof(redlock_vote);
    if (slot < core->slot_count && core->slots[slot] != NULL) {
        redlock_bring_near(core->slots[slot], sizeof(redlock_slot) + votes + WORDS_BYTES);
    }
}

/* --- facts ----------------------------------------------------------------------------------- */

static void step_ask(redlock_core *core, const redlock_fact *fact) {
    redlock_slot *slot = redlock_slot_begin(core, fact);
    if (fact->kind == REDLOCK_FACT_ACQUIRE) {
        redlock_seek_start(core, slot, fact->as.ask.wall_us);
    } else if (fact->kind == REDLOCK_FACT_ADOPT) {
        redlock_watch_adopt(core, slot, fact->as.ask.fence);
    } else {
        redlock_look_start(core, slot, fact->as.ask.wall_us);
    }
}

static void step_reply(redlock_core *core, const redlock_fact *fact) {
    redlock_slot *slot = redlock_slot_at(core, redlock_core_slot_of(fact->as.reply.tag));
    redlock_vote_reply(core, &slot->votes[fact->node], (uint32_t)fact->as.reply.tag,
                       &fact->as.reply.answer);
}

static void step_fact(redlock_core *core, const redlock_fact *fact) {
    switch (fact->kind) {
    case REDLOCK_FACT_ACQUIRE:
    case REDLOCK_FACT_ADOPT:
    case REDLOCK_FACT_LOOK:
        step_ask(core, fact);
        return;
    case REDLOCK_FACT_TOKEN:
        redlock_seek_token(core, redlock_slot_at(core, fact->slot), fact->as.token.token,
                           fact->as.token.wall_us);
        return;
    case REDLOCK_FACT_EXTEND:
        redlock_watch_extend(core, redlock_slot_at(core, fact->slot), fact);
        return;
    case REDLOCK_FACT_RELEASE:
        redlock_release_start(core, redlock_slot_at(core, fact->slot));
        return;
    case REDLOCK_FACT_CANCEL:
        redlock_seek_cancel(core, redlock_slot_at(core, fact->slot));
        return;
    case REDLOCK_FACT_LINK_UP:
        redlock_node_up(core, fact);
        return;
    case REDLOCK_FACT_LINK_DOWN:
        redlock_node_down(core, fact);
        return;
    case REDLOCK_FACT_REPLY:
        step_reply(core, fact);
        return;
    case REDLOCK_FACT_SUBSCRIBED:
        redlock_listen_up(core, fact->node);
        return;
    case REDLOCK_FACT_UNSUBSCRIBED:
        redlock_listen_down(core, fact->node);
        return;
    case REDLOCK_FACT_WAKE:
        redlock_wait_wake(core, &fact->as.wake, fact->node);
        return;
    case REDLOCK_FACT_TIME:
        return; /* what is due is looked at in every step */
    }
    REDLOCK_ASSERT(false);
}

#ifdef REDLOCK_MUTANTS
static void mutate_quorum(redlock_core *core) {
    uint32_t up = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        up += core->nodes[i].link == REDLOCK_LINK_UP;
    }
    bool is_mutant = REDLOCK_MUTANT(QUORUM_OF_REACHABLE) && up > 0;
    core->quorum = redlock_quorum_of(is_mutant ? up : core->config.node_count);
}
#endif

/* Of many that are due together each is on its way from memory while the next is taken from the heap. */
static void touch_due(redlock_core *core) {
    uint32_t due[DUE_AT_ONCE], count = 0;
    while (count < DUE_AT_ONCE && redlock_heap_deadline(&core->timers) <= core->now) {
        due[count] = redlock_heap_first(&core->timers);
        redlock_heap_set(&core->timers, due[count], REDLOCK_NEVER); /* its review sets it anew */
        redlock_core_bring_near(core, due[count++]);
    }
    for (uint32_t i = 0; i < count; i++) {
        redlock_slot_touch(core, core->slots[due[i]]);
    }
}

static void step_time(redlock_core *core) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_node_time(core, &core->nodes[i]);
        redlock_listen_time(core, &core->nodes[i]);
    }
    while (redlock_heap_deadline(&core->timers) <= core->now) {
        touch_due(core);
    }
}

void redlock_core_step(redlock_core *core, const redlock_fact *fact, redlock_ns now) {
    REDLOCK_ASSERT(fact->kind >= REDLOCK_FACT_ACQUIRE);
    REDLOCK_ASSERT(redlock_list_is_empty(&core->touched));
    core->now = redlock_ns_max(core->now, now);
    step_fact(core, fact);
    step_time(core);
#ifdef REDLOCK_MUTANTS
    mutate_quorum(core);
#endif
    redlock_slot_review_all(core);
}

/* --- wishes ---------------------------------------------------------------------------------- */

static bool next_node_event(redlock_core *core, redlock_wish *ret_wish) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_node *node = &core->nodes[i];
        if (node->tell_up || node->tell_down) {
            bool up = node->tell_up;
            *ret_wish =
                (redlock_wish){.kind = REDLOCK_WISH_TELL, .slot = REDLOCK_SLOT_NONE, .node = i};
            ret_wish->as.tell.event = up ? REDLOCK_TELL_NODE_UP : REDLOCK_TELL_NODE_DOWN;
            ret_wish->as.tell.status = node->status;
            node->tell_up = false;
            node->tell_down = false;
            return true;
        }
    }
    return false;
}

bool redlock_core_next(redlock_core *core, redlock_wish *ret_wish) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (redlock_node_next(core, &core->nodes[i], ret_wish) ||
            redlock_listen_next(&core->nodes[i], ret_wish)) {
            return true;
        }
    }
    return redlock_slot_next_token(core, ret_wish) || next_node_event(core, ret_wish) ||
           redlock_slot_next_tell(core, ret_wish) || redlock_slot_next_gone(core, ret_wish);
}

redlock_ns redlock_core_deadline(const redlock_core *core) {
    redlock_ns deadline = redlock_heap_deadline(&core->timers);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_node *node = &core->nodes[i];
        deadline = redlock_ns_min(deadline, redlock_node_deadline(core, node));
        deadline = redlock_ns_min(deadline, redlock_listen_deadline(core, node));
    }
    return deadline;
}

/* --- asking ---------------------------------------------------------------------------------- */

redlock_ns redlock_core_held_until(const redlock_core *core, uint32_t slot) {
    return redlock_slot_at(core, slot)->state == REDLOCK_SLOT_HELD
               ? redlock_slot_at(core, slot)->deadline
               : 0;
}

uint64_t redlock_core_fence(const redlock_core *core, uint32_t slot) {
    return redlock_slot_at(core, slot)->fence;
}

redlock_ns redlock_core_renewal(const redlock_core *core, uint32_t slot) {
    return redlock_slot_at(core, slot)->renew_took;
}

redlock_bytes redlock_core_token(const redlock_core *core, uint32_t slot) {
    const redlock_slot *at = redlock_slot_at(core, slot);
    return (redlock_bytes){at->token, at->token_len};
}

uint32_t redlock_core_place(const redlock_core *core, uint32_t slot) {
    return redlock_slot_at(core, slot)->place;
}

bool redlock_core_has_followed(const redlock_core *core, uint32_t slot) {
    return redlock_slot_at(core, slot)->has_followed;
}

uint32_t redlock_core_waiters(const redlock_core *core, uint32_t slot, redlock_bytes *ret_lines) {
    const redlock_slot *at = redlock_slot_at(core, slot);
    *ret_lines = (redlock_bytes){at->waiters_at, at->waiters_len};
    return at->waiters;
}

redlock_bytes redlock_core_value(const redlock_core *core, uint32_t slot, uint32_t node) {
    REDLOCK_ASSERT(node < core->config.node_count);
    const redlock_vote *vote = &redlock_slot_at(core, slot)->votes[node];
    return (redlock_bytes){vote->token, vote->token_len};
}

/* The words that go with a vote: the server's when it refused or went away, else the holder's label. */
static const char *report_words(const redlock_node *node, const redlock_vote *vote) {
    if (vote->outcome == REDLOCK_OUTCOME_OPEN) {
        return "decided before it answered";
    }
    bool down = node->link != REDLOCK_LINK_UP && vote->status == node->status;
    bool refused = vote->outcome == REDLOCK_OUTCOME_FAILED && vote->status != REDLOCK_SILENT &&
                   vote->status != REDLOCK_NOT_READY;
    return down || refused ? node->words : vote->holder;
}

void redlock_core_report(const redlock_core *core, uint32_t slot, uint32_t node,
                         redlock_vote_report *ret_report) {
    REDLOCK_ASSERT(node < core->config.node_count);
    const redlock_slot *at = redlock_slot_at(core, slot);
    const redlock_vote *vote = &at->votes[node];
    const redlock_node *place = &core->nodes[node];
    bool down = place->link != REDLOCK_LINK_UP && vote->status == place->status;
    *ret_report = (redlock_vote_report){
        .status = vote->status,
        .sys_errno = down ? place->sys_errno : 0,
        .latency = vote->latency,
        .mark = vote->mark,
        .left = vote->left,
    };
    redlock_bytes words = redlock_bytes_of(report_words(place, vote));
    if (at->question != 0 && vote->token_len > 0) {
        words = (redlock_bytes){vote->token, vote->token_len};
    }
    redlock_bytes_to_text(words, ret_report->words, sizeof ret_report->words);
}

void *redlock_core_memory(const redlock_core *core, uint32_t slot) {
    return slot < core->slot_count ? core->slots[slot] : NULL;
}

uint32_t redlock_core_inflight(const redlock_core *core) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        count += core->nodes[i].inflight;
    }
    return count;
}

bool redlock_core_is_waiting(const redlock_core *core) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_node *node = &core->nodes[i];
        if (node->inflight > 0 || node->link == REDLOCK_LINK_CONNECTING ||
            node->listening == REDLOCK_LISTENING_OPENING) {
            return true;
        }
    }
    return false;
}

/* --- invariants ------------------------------------------------------------------------------ */

static uint32_t check_slot(const redlock_core *core, const redlock_slot *slot) {
    uint32_t inflight = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_vote *vote = &slot->votes[i];
        REDLOCK_ASSERT(vote->slot == slot && vote->node == i);
        REDLOCK_ASSERT((vote->want != 0) == redlock_link_is_linked(&vote->want_link));
        bool open = vote->claim != 0 || vote->release_open;
        REDLOCK_ASSERT(open == redlock_link_is_linked(&vote->open_link));
        inflight += (vote->claim != 0 ? 1u : 0u) + (vote->release_open ? 1u : 0u);
    }
    REDLOCK_ASSERT((slot->state == REDLOCK_SLOT_HELD) == (slot->deadline != 0));
    bool listens = redlock_link_is_linked(&slot->listen_link);
    REDLOCK_ASSERT(!listens || slot->state == REDLOCK_SLOT_SEEKING ||
                   slot->state == REDLOCK_SLOT_PAUSED);
    REDLOCK_ASSERT(slot->state != REDLOCK_SLOT_HELD || core->now < slot->deadline);
    REDLOCK_ASSERT(slot->state != REDLOCK_SLOT_HELD || !slot->seek.fenced || slot->fence > 0);
    return inflight;
}

void redlock_core_check(const redlock_core *core) {
    uint32_t inflight = 0, live = 0;
    for (uint32_t i = 0; i < core->slot_count; i++) {
        if (core->slots[i] != NULL) {
            live++;
            inflight += check_slot(core, core->slots[i]);
        }
    }
    REDLOCK_ASSERT(live + core->vacant_count == core->slot_count);
    REDLOCK_ASSERT(inflight == redlock_core_inflight(core));
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_node *node = &core->nodes[i];
        REDLOCK_ASSERT(node->inflight <= core->config.inflight_max);
        REDLOCK_ASSERT(node->link == REDLOCK_LINK_UP || node->inflight == 0);
    }
    REDLOCK_ASSERT(redlock_core_deadline(core) > core->now); /* nothing due is left undone */
}
