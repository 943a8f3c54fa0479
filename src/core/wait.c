/* wait.c -- waiting in the nodes' queues: tickets, wakes, and the polls that make up for lost wakes.
 *
 * The very GRANT that finds the name taken puts the token into the queue; it keeps that token, and
 * with it its place, until the wait ends.  One node hands the name over: its wake says that the token
 * holds already, for a short while, and the next GRANT claims it.  Several nodes only wake the first
 * in their queues, which the ticket orders in the same way everywhere; the woken waiter makes an
 * attempt like any other.  It asks a node again when that node wakes it in the middle of the attempt,
 * and keeps what it has for a short while when it is not enough, because a release does not reach
 * all nodes at one instant.
 *
 * How often who asks without having been woken: the first of the queue at the end of what the holder
 * has left, or after `poll`; those behind it after two, three, and all others after four times that.
 * With polls of a third of the ttl, whoever is left finds within a ttl and a third that the holder and
 * all in front of it have died together, and W waiters cost W/4 questions in an interval. */
#include <string.h>

#include "core/inside.h"

#define LINGER_ROUND_TRIPS 3u
#define LINGER_NS_MIN (UINT64_C(2) * REDLOCK_NS_PER_MS)

static bool slot_waits(const redlock_slot *slot) {
    return slot->seek.queued &&
           (slot->state == REDLOCK_SLOT_SEEKING || slot->state == REDLOCK_SLOT_PAUSED);
}

/* The middle of the nodes' clocks, which no client's wrong clock moves; ours while they are not known.
 * In microseconds, below 2^53. */
static uint64_t ticket_now(const redlock_core *core, uint64_t wall_us) {
    uint64_t clocks[REDLOCK_NODE_MAX];
    uint32_t known = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        clocks[known] = redlock_node_clock_ms(core, &core->nodes[i]);
        known += clocks[known] > 0;
    }
    if (known < core->quorum) {
        return wall_us;
    }
    uint64_t middle_ms = redlock_quorum_kth_largest(clocks, known, known / 2 + 1);
    return middle_ms * 1000 + wall_us % 1000;
}

void redlock_wait_start(redlock_core *core, redlock_slot *slot, uint64_t wall_us) {
    REDLOCK_ASSERT(slot->seek.fenced && slot->seek.tries_max == 0);
    slot->ticket = core->config.node_count == 1 ? 0 : ticket_now(core, wall_us);
}

/* The slot's index; then the token, in 24 bits; then the link, in 8.  What a server says to us on which we
 * don't rely any more, because the link leads to another one by now, has another tag. */
#define WAKE_EPOCH_BITS 8u

uint64_t redlock_wait_tag(const redlock_slot *slot, const redlock_node *node) {
    uint32_t link = node->epoch & ((1u << WAKE_EPOCH_BITS) - 1);
    return (uint64_t)slot->index << 32 | slot->wake_number << WAKE_EPOCH_BITS | link;
}

static bool tag_is_of(const redlock_slot *slot, uint64_t tag) {
    return (uint32_t)tag >> WAKE_EPOCH_BITS ==
           (slot->wake_number << WAKE_EPOCH_BITS) >> WAKE_EPOCH_BITS;
}

redlock_queue_entry redlock_wait_entry(const redlock_core *core, const redlock_vote *vote) {
    const redlock_slot *slot = vote->slot;
    return (redlock_queue_entry){
        .poll_ms = redlock_ns_to_ms_up(slot->seek.poll),
        .ticket = slot->ticket,
        .channel = {core->config.channel, sizeof core->config.channel},
        .wake_tag = redlock_wait_tag(slot, &core->nodes[vote->node]),
    };
}

/* --- being woken ----------------------------------------------------------------------------- */

static void wake_vote(redlock_core *core, redlock_slot *slot, uint32_t node) {
    slot->votes[node].woken = true;
    if (slot->state == REDLOCK_SLOT_PAUSED) {
        slot->retry_at = core->now;
    }
    redlock_slot_touch(core, slot);
}

void redlock_wait_wake(redlock_core *core, const redlock_wake_call *call, uint32_t node) {
    uint32_t index = redlock_core_slot_of(call->tag);
    redlock_slot *slot = index < core->slot_count ? core->slots[index] : NULL;
    if (slot == NULL || !tag_is_of(slot, call->tag) || !slot_waits(slot) ||
        REDLOCK_MUTANT(WAKE_IGNORED)) {
        return;
    }
    if (call->mark == 0 || !redlock_handoff_take(core, slot, call)) {
        wake_vote(core, slot, node);
    }
}

void redlock_wait_wake_all(redlock_core *core, uint32_t node) {
    for (uint32_t i = 0; i < core->slot_count; i++) {
        if (core->slots[i] != NULL && slot_waits(core->slots[i])) {
            wake_vote(core, core->slots[i], node);
        }
    }
}

/* --- following a release of ours ------------------------------------------------------------- */

#define FOLLOW_LOOKS_MAX 16u
#define FOLLOW_SKIPS 64u

static redlock_slot *waiter_of(const redlock_core *core, const redlock_slot *released) {
    uint32_t looks = 0;
    for (redlock_link *link = redlock_list_first(&core->listening);
         link != NULL && looks < FOLLOW_LOOKS_MAX;
         link = redlock_list_next(&core->listening, link), looks++) {
        redlock_slot *slot = REDLOCK_LIST_ELEMENT(link, redlock_slot, listen_link);
        if (slot->name_len == released->name_len &&
            memcmp(slot->name, released->name, slot->name_len) == 0) {
            return slot;
        }
    }
    return NULL;
}

/* The node hands the name to its first waiter.  If that is the one who has waited longest of ours, its
 * claim can travel right behind the release: a round trip less than with the wake.  The node decides
 * all the same, so a wrong guess is a question in vain, and the next releases are not followed. */
void redlock_wait_follow(redlock_core *core, const redlock_slot *released) {
    if (core->config.node_count > 1 || !released->seek.fenced) {
        return; /* several nodes hand nothing over */
    }
    if (core->follow_skips > 0) {
        core->follow_skips--;
        return;
    }
    redlock_slot *next = waiter_of(core, released);
    if (next != NULL && next->state == REDLOCK_SLOT_PAUSED) {
        next->follows = true;
        next->retry_at = core->now;
        redlock_slot_touch(core, next);
    }
}

void redlock_wait_followed(redlock_core *core, redlock_slot *slot, bool is_ours) {
    if (slot->follows && !is_ours) {
        core->follow_skips = FOLLOW_SKIPS;
    }
    slot->has_followed = slot->follows && is_ours;
    slot->follows = false;
}

/* --- releases that may still land ------------------------------------------------------------ */

bool redlock_wait_vote_is_spent(const redlock_core *core, const redlock_vote *vote) {
    return core->now < vote->spent_until;
}

redlock_ns redlock_wait_over(const redlock_core *core, const redlock_slot *slot) {
    redlock_ns lease = slot->seek.poll * REDLOCK_POLL_FACTOR_MAX * REDLOCK_LEASE_POLLS;
    redlock_ns lives = redlock_ns_add(lease, core->config.hand_off + slot->seek.node_timeout);
    return redlock_ns_add(
        core->now, redlock_quorum_outlast(lives, core->config.drift_ppm, core->config.drift_floor));
}

redlock_ns redlock_wait_spent_until(const redlock_core *core, const redlock_slot *slot) {
    redlock_ns until = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        until = redlock_ns_max(until, slot->votes[i].spent_until);
    }
    return until;
}

bool redlock_wait_is_spent(const redlock_core *core, const redlock_slot *slot) {
    return core->now < redlock_wait_spent_until(core, slot);
}

/* --- asking without having been woken -------------------------------------------------------- */

void redlock_wait_learn_place(redlock_core *core, redlock_slot *slot) {
    uint32_t place = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_vote *vote = &slot->votes[i];
        bool is_in = vote->outcome == REDLOCK_OUTCOME_NO && vote->place > 0;
        place = is_in && (place == 0 || vote->place < place) ? vote->place : place;
    }
    /* A single node only ever moves forward who keeps its place.  Who is further back was put out: mostly
     * it was woken and did not ask, so the wake was not heard.  (It may have been frozen, or the queue lost:
     * then to listen anew does no harm.) */
    if (core->config.node_count == 1 && slot->place != 0 && place > slot->place) {
        redlock_listen_doubt(core, &core->nodes[0]);
    }
    if (place != 0 && place != slot->place) {
        slot->place = place;
        redlock_slot_tell(core, slot, REDLOCK_TELL_WAITING, REDLOCK_OK);
    }
}

/* Whether so many nodes would not wake us that the others are not enough. */
static bool is_deaf(const redlock_core *core) {
    uint32_t listening = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        listening += core->nodes[i].listening == REDLOCK_LISTENING_ON;
    }
    return listening < core->quorum;
}

static bool holder_is_foreign(const redlock_core *core, const redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (slot->votes[i].outcome == REDLOCK_OUTCOME_NO && slot->votes[i].foreign) {
            return true;
        }
    }
    return false;
}

static bool has_grants(const redlock_core *core, const redlock_slot *slot) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (slot->votes[i].outcome == REDLOCK_OUTCOME_YES) {
            return true;
        }
    }
    return false;
}

/* As poll_interval_ms in prelude.lua, less up to a fifth so that waiters don't ask in step. */
static redlock_ns poll_interval(redlock_core *core, const redlock_slot *slot) {
    uint64_t place = slot->place > 0 ? slot->place : 1;
    uint64_t factor = place < REDLOCK_POLL_FACTOR_MAX ? place : REDLOCK_POLL_FACTOR_MAX;
    redlock_ns interval = slot->seek.poll * factor;
    return interval - redlock_prng_upto(&core->prng, interval / 5);
}

redlock_ns redlock_wait_poll_delay(redlock_core *core, const redlock_slot *slot) {
    if (REDLOCK_MUTANT(POLL_MISSING)) {
        return REDLOCK_NEVER;
    }
    redlock_ns quick = redlock_ns_add(slot->seek.retry_min,
                                      redlock_prng_upto(&core->prng, slot->seek.retry_jitter));
    redlock_ns delay = poll_interval(core, slot);
    redlock_ns leave = redlock_seek_holders_leave(core, slot);
    if (slot->place <= 1 && leave > 0) {
        delay = redlock_ns_min(delay, redlock_ns_add(leave, REDLOCK_RETRY_FLOOR_NS));
    }
    if (slot->place <= 1 && (holder_is_foreign(core, slot) || has_grants(core, slot))) {
        delay =
            redlock_ns_min(delay, quick); /* nobody hands over; nobody but us is to be waited for */
    }
    if (slot->place == 2 && core->config.node_count == 1) {
        /* The first may be frozen: then the second learns of its hand-off while that lasts. */
        delay = redlock_ns_min(delay, core->config.hand_off / 2);
    }
    if (is_deaf(core)) {
        redlock_ns left = redlock_ns_since(slot->wait_deadline, core->now);
        delay = redlock_ns_min(delay, redlock_ns_max(quick, REDLOCK_DEAF_POLL_NS));
        /* One more try before the wait is over; who is woken has no need of it. */
        delay = delay >= left ? redlock_prng_upto(&core->prng, left) : delay;
    }
    return delay;
}

/* --- attempts at several nodes --------------------------------------------------------------- */

/* A random part, so that two who keep parts of a quorum don't give them back together. */
static redlock_ns linger_length(redlock_core *core, const redlock_slot *slot) {
    redlock_ns slowest = LINGER_NS_MIN;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        if (slot->votes[i].outcome != REDLOCK_OUTCOME_FAILED) {
            slowest = redlock_ns_max(slowest, slot->votes[i].latency);
        }
    }
    redlock_ns length = redlock_ns_min(LINGER_ROUND_TRIPS * slowest, slot->seek.node_timeout);
    return length / 2 + redlock_prng_upto(&core->prng, length);
}

bool redlock_wait_lingers(redlock_core *core, redlock_slot *slot, const redlock_tally *tally) {
    if (!slot->seek.queued || core->config.node_count == 1 || tally->yes + tally->open == 0) {
        return false;
    }
    if (slot->linger_until == REDLOCK_NEVER) {
        slot->linger_until = redlock_ns_add(core->now, linger_length(core, slot));
    }
    return core->now < slot->linger_until;
}
