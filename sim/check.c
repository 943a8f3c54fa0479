/* check.c -- see check.h.  The checkers look at what the cores say and do, at what the nodes hold,
 * and at true time; they know nothing of how the core comes to it. */
#include "sim/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/command.h"
#include "sim/picture.h"
#include "sim/queue_check.h"
#include "sim/trace.h"

#define MS REDLOCK_NS_PER_MS
#define SLACK_NS (5 * MS) /* what rounding up to the next millisecond may cost, several times */
#define SAMPLES_MIN 24u   /* before all of them alike mean something */
#define CALLS_IN_ROW_MAX 6u

static char who(const redlock_sim_lock *lock) {
    return (char)('A' + lock->client);
}

static redlock_ns local_now(const redlock_sim_world *world, uint32_t client) {
    return redlock_sim_local(&world->client[client], world->now);
}

static bool believes(const redlock_sim_world *world, const redlock_sim_lock *lock) {
    return lock->deadline != 0 && lock->ended_at == 0 &&
           local_now(world, lock->client) < lock->deadline;
}

/* --- C1: one holder by true time ------------------------------------------------------------- */

static void check_alone(redlock_sim_world *world, uint32_t index) {
    const redlock_sim_lock *lock = &world->lock[index];
    for (uint32_t i = 0; i < world->live_count; i++) {
        const redlock_sim_lock *other = &world->lock[world->live[i]];
        if (world->live[i] == index || other->name != lock->name || other->token == lock->token ||
            !believes(world, other)) {
            continue;
        }
        world->counts.doubles++;
        redlock_sim_trace_line(world, "", "two holders of job%" PRIu32, lock->name);
        if (world->plan.kind == REDLOCK_SIM_REDLOCK) {
            redlock_sim_complain(world, "C1",
                                 "%c and %c both hold job%" PRIu32 " (fences %" PRIu64
                                 " and %" PRIu64 ")",
                                 who(other), who(lock), lock->name, other->fence, lock->fence);
        }
    }
}

/* --- C2: fences ------------------------------------------------------------------------------ */

static bool is_ordered(const redlock_sim_world *world) {
    return world->plan.kind != REDLOCK_SIM_NOGUARD; /* theorem B wants the guard */
}

static uint64_t *fence_place(redlock_sim_register *resource, uint64_t fence) {
    uint32_t mask = resource->fences_size - 1;
    uint32_t at = (uint32_t)((fence * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & mask;
    while (resource->fences[at] != 0 && resource->fences[at] != fence) {
        at = (at + 1) & mask;
    }
    return &resource->fences[at];
}

/* False when it was there already. */
static bool fence_add(redlock_sim_register *resource, uint64_t fence) {
    if (resource->fences_count * 2 >= resource->fences_size) {
        uint64_t *old = resource->fences;
        uint32_t old_size = resource->fences_size;
        resource->fences_size = old_size == 0 ? 64 : old_size * 2;
        resource->fences = redlock_sim_zeroed(resource->fences_size, sizeof *resource->fences);
        for (uint32_t i = 0; i < old_size; i++) {
            if (old[i] != 0) {
                *fence_place(resource, old[i]) = old[i];
            }
        }
        free(old);
    }
    uint64_t *place = fence_place(resource, fence);
    if (*place == fence) {
        return false;
    }
    *place = fence;
    resource->fences_count++;
    return true;
}

/* The largest fence of all that had succeeded before `at`. */
static uint64_t largest_before(const redlock_sim_register *resource, redlock_ns at) {
    uint32_t low = 0, high = resource->log_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (resource->log[middle].at < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? 0 : resource->log[low - 1].largest;
}

static void log_add(redlock_sim_register *resource, redlock_ns at, uint64_t fence) {
    if (resource->log_count == resource->log_size) {
        resource->log_size = resource->log_size == 0 ? 64 : resource->log_size * 2;
        resource->log = redlock_sim_grown(resource->log, resource->log_size, sizeof *resource->log);
    }
    uint64_t before = resource->log_count == 0 ? 0 : resource->log[resource->log_count - 1].largest;
    resource->log[resource->log_count++] =
        (redlock_sim_fence){.at = at, .fence = fence, .largest = fence > before ? fence : before};
}

static void check_fence(redlock_sim_world *world, redlock_sim_lock *lock) {
    redlock_sim_register *resource = &world->resource[lock->name];
    if (!lock->seek.fenced || !is_ordered(world)) {
        return;
    }
    if (lock->fence == 0 && lock->asked == REDLOCK_FACT_ADOPT) {
        return; /* it was not told the fence, and the nodes that are left don't agree on one */
    }
    if (lock->fence == 0 || lock->fence > REDLOCK_FENCE_MAX) {
        redlock_sim_complain(world, "C2", "the fence %" PRIu64 " is none", lock->fence);
        return;
    }
    if (lock->asked == REDLOCK_FACT_ACQUIRE) {
        uint64_t before = largest_before(resource, lock->begun_at);
        if (!fence_add(resource, lock->fence)) {
            redlock_sim_complain(world, "C2",
                                 "the fence %" PRIu64 " of job%" PRIu32 " was given before",
                                 lock->fence, lock->name);
        }
        if (before >= lock->fence) {
            redlock_sim_complain(world, "C2",
                                 "the fence %" PRIu64 " of job%" PRIu32 " follows %" PRIu64,
                                 lock->fence, lock->name, before);
        }
    }
    log_add(resource, world->now, lock->fence);
}

/* --- C3, C7: what a command does to the keys of a node ------------------------------------------ */

static redlock_bytes mark_key(redlock_bytes name, uint8_t *text) {
    memcpy(text, "redlock:{", 9);
    memcpy(text + 9, name.at, name.len);
    memcpy(text + 9 + name.len, "}:fence", 7);
    return (redlock_bytes){.at = text, .len = 16 + name.len};
}

redlock_sim_sight redlock_sim_check_look(redlock_sim_world *world, uint32_t node,
                                         redlock_bytes name) {
    redlock_sim_server *server = world->node[node].server;
    redlock_sim_sight sight = {.token = REDLOCK_SIM_NONE};
    redlock_sim_entry entry;
    uint8_t key[64];
    if (name.len == 0 || name.len > 32) {
        return sight;
    }
    if (redlock_sim_server_get(server, name, &entry)) {
        sight.is_there = true;
        sight.token = redlock_sim_token_number(world, entry.value);
        sight.has_expiry = entry.has_expiry;
        sight.expires_ms = entry.expires_ms;
    }
    if (redlock_sim_server_get(server, mark_key(name, key), &entry)) {
        (void)redlock_bytes_to_u64(entry.value, UINT64_MAX, &sight.mark);
    }
    return sight;
}

static void check_planted(redlock_sim_world *world, uint32_t node, const redlock_sim_sight *before,
                          const redlock_sim_sight *after) {
    bool is_new = !before->is_there || before->token != after->token;
    if (!is_new || after->token == REDLOCK_SIM_NONE) {
        return;
    }
    const redlock_sim_token *token = &world->token[after->token];
    const redlock_sim_lock *lock = &world->lock[token->lock];
    if (token->is_closed && world->plan.is_strict && !lock->is_shared) {
        redlock_sim_complain(world, "C7",
                             "a key of %c appears on n%" PRIu32 " after its lock is gone",
                             who(lock), node + 1);
    }
}

void redlock_sim_check_command(redlock_sim_world *world, uint32_t node,
                               const redlock_command *command, const redlock_sim_sight *before,
                               const redlock_sim_sight *after) {
    uint32_t token = redlock_sim_token_number(world, command->token);
    if (command->kind == REDLOCK_COMMAND_BREAK) {
        return;
    }
    bool is_others = before->is_there && before->token != token;
    if (is_others && (!after->is_there || after->token != before->token)) {
        redlock_sim_complain(world, "C3", "%s takes a key on n%" PRIu32 " that is another token's",
                             redlock_sim_words_command(command->kind), node + 1);
    } else if (is_others && after->expires_ms != before->expires_ms) {
        redlock_sim_complain(world, "C3",
                             "%s extends a key on n%" PRIu32 " that is another token's",
                             redlock_sim_words_command(command->kind), node + 1);
    } else if (before->is_there && after->is_there && before->token == after->token &&
               after->expires_ms < before->expires_ms) {
        redlock_sim_complain(world, "C3", "%s shortens a key on n%" PRIu32,
                             redlock_sim_words_command(command->kind), node + 1);
    }
    if (after->mark < before->mark) {
        redlock_sim_complain(
            world, "C3", "%s lowers the mark on n%" PRIu32 " from %" PRIu64 " to %" PRIu64,
            redlock_sim_words_command(command->kind), node + 1, before->mark, after->mark);
    }
    /* A release may hand the name over, which is a grant. */
    bool hands_over = command->kind == REDLOCK_COMMAND_RELEASE && before->is_there &&
                      before->token == token && after->is_there;
    bool is_token = after->is_there && (after->token == token || hands_over);
    if (after->mark > before->mark && !is_token) {
        redlock_sim_complain(world, "C3",
                             "%s lifts the mark on n%" PRIu32 " for a token that does not hold",
                             redlock_sim_words_command(command->kind), node + 1);
    }
    if (after->is_there && !after->has_expiry) {
        redlock_sim_complain(world, "C6", "a key on n%" PRIu32 " never ends", node + 1);
    }
    if (after->is_there && !hands_over) {
        check_planted(world, node, before, after);
    }
}

void redlock_sim_check_gone(redlock_sim_world *world, uint32_t index) {
    redlock_sim_lock *lock = &world->lock[index];
    bool leaves = lock->asked == REDLOCK_FACT_ACQUIRE && !lock->is_shared;
    for (uint32_t t = lock->token; leaves && t != REDLOCK_SIM_NONE; t = world->token[t].next) {
        /* Without a not-after (plain, and no guard) a grant may land whenever it likes. */
        world->token[t].is_closed = lock->seek.fenced || world->plan.guard > 0;
    }
    uint8_t text[8];
    redlock_bytes name = redlock_sim_name_text(lock->name, text);
    for (uint32_t n = 0; leaves && n < world->plan.nodes; n++) {
        const redlock_sim_node *node = &world->node[n];
        if (node->is_down || node->lost_at >= lock->asked_at || !world->plan.is_strict) {
            continue; /* a lost second may bring a key back */
        }
        redlock_sim_server_set_clock(node->server, redlock_sim_node_wall_us(world, n));
        redlock_sim_sight sight = redlock_sim_check_look(world, n, name);
        bool is_ours = sight.is_there && sight.token != REDLOCK_SIM_NONE &&
                       world->token[sight.token].lock == index;
        if (is_ours && world->token[sight.token].is_closed) {
            redlock_sim_complain(world, "C7",
                                 "a lock of %c is gone and its key is still on n%" PRIu32,
                                 who(lock), n + 1);
        }
    }
    redlock_sim_queue_check_gone(world, index);
    bool owes_answer =
        lock->asked != REDLOCK_FACT_LOOK && lock->acquired_at == 0 && !lock->is_failed;
    if (owes_answer || (lock->acquired_at != 0 && !lock->is_released)) {
        redlock_sim_complain(world, "C5", "a lock of %c is gone before its last word", who(lock));
    }
}

/* --- C4: the deadline is earned -------------------------------------------------------------- */

static redlock_ns quorum_th(const redlock_sim_world *world, const redlock_ns *values) {
    redlock_ns sorted[REDLOCK_SIM_NODES_MAX];
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < values[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = values[i];
    }
    return sorted[world->plan.nodes / 2];
}

static void check_deadline(redlock_sim_world *world, const redlock_sim_lock *lock) {
    const redlock_sim_client *client = &world->client[lock->client];
    redlock_ns until = redlock_core_held_until(client->core, lock->slot);
    redlock_ns earned = quorum_th(world, lock->valid_until);
    if (until > earned) {
        redlock_sim_complain(
            world, "C4", "the deadline told to %c is %" PRIu64 " us later than a quorum has proved",
            who(lock), (until - earned) / 1000);
    }
    if (world->plan.kind != REDLOCK_SIM_REDLOCK || lock->asked != REDLOCK_FACT_ACQUIRE) {
        return;
    }
    redlock_ns kept = quorum_th(world, lock->kept_until);
    redlock_ns margin = lock->seek.margin - lock->seek.margin / 50;
    redlock_ns wanted = redlock_sim_true(client, until) + margin;
    if (kept < wanted) {
        redlock_sim_complain(world, "C4",
                             "a quorum keeps the token of %c for %" PRIu64
                             " us less than the deadline and the margin ask",
                             who(lock), (wanted - kept) / 1000);
    }
}

/* How much later than it was a hand-off may seem to its waiter, because the node's clock has jumped ahead
 * since its last answer.  The margin is for that, and in hostile worlds clocks do what they like. */
static redlock_ns handed_slack(const redlock_sim_world *world, uint32_t node,
                               redlock_ns handed_at) {
    const redlock_sim_plan *plan = &world->plan;
    redlock_ns slack = 0, window = 2 * (plan->ttl + plan->margin);
    if (plan->kind != REDLOCK_SIM_REDLOCK) {
        return world->now - handed_at;
    }
    for (uint32_t i = 0; i < REDLOCK_SIM_JUMPS_MAX; i++) {
        const redlock_sim_jump *jump = &world->node[node].jump[i];
        bool counts = jump->at <= handed_at && jump->at + window > handed_at;
        slack += counts ? (redlock_ns)jump->us * REDLOCK_NS_PER_US : 0;
    }
    return slack;
}

void redlock_sim_check_handed(redlock_sim_world *world, uint32_t client, uint32_t node,
                              const redlock_wake_call *call, redlock_ns handed_at) {
    redlock_ns rate = (redlock_ns)(INT64_C(1000000) + world->node[node].drift_ppm);
    redlock_ns kept = handed_at + world->plan.hand_off / rate * UINT64_C(1000000);
    for (uint32_t i = 0; call->mark > 0 && i < world->live_count; i++) {
        redlock_sim_lock *lock = &world->lock[world->live[i]];
        if (lock->client != client || lock->wake_tag != call->tag) {
            continue;
        }
        redlock_ns length = redlock_ns_since(world->plan.hand_off, lock->seek.margin);
        length = redlock_ns_min(length, lock->seek.ttl);
        redlock_ns slack = handed_slack(world, node, handed_at);
        redlock_ns valid = redlock_sim_local(&world->client[client], handed_at) + slack +
                           redlock_ns_since(length, (length + 99) / 100 + 2 * MS);
        lock->handed_at = handed_at;
        lock->valid_until[node] = redlock_ns_max(lock->valid_until[node], valid);
        lock->kept_until[node] = redlock_ns_max(lock->kept_until[node], kept + slack);
    }
}

static void check_first_deadline(redlock_sim_world *world, const redlock_sim_lock *lock) {
    redlock_ns until = redlock_core_held_until(world->client[lock->client].core, lock->slot);
    redlock_ns cost = (lock->seek.ttl + 99) / 100 + 2 * MS;
    redlock_ns promised = lock->begun_local + lock->seek.ttl - cost;
    if (lock->seek.queued && (until < promised || world->plan.nodes > 1)) {
        return; /* its attempt may have begun before or after; what is earned is checked below */
    }
    if (lock->asked == REDLOCK_FACT_ACQUIRE && until != promised) {
        bool is_late = until > promised;
        redlock_sim_complain(world, "C4",
                             "the validity of %c is %" PRIu64 " us %s than docs/guarantees.md says",
                             who(lock), (is_late ? until - promised : promised - until) / 1000,
                             is_late ? "longer" : "shorter");
    }
}

/* --- C5: the grammar of events --------------------------------------------------------------- */

/* A release that comes when the time is over already is the first to say so. */
static bool is_event_legal(const redlock_sim_world *world, const redlock_sim_lock *lock,
                           redlock_tell tell) {
    if (lock->is_failed || lock->is_released || lock->is_looked) {
        return false;
    }
    switch (tell) {
    case REDLOCK_TELL_ACQUIRED:
    case REDLOCK_TELL_FAILED:
        return lock->acquired_at == 0 && lock->asked != REDLOCK_FACT_LOOK;
    case REDLOCK_TELL_WAITING:
        return lock->acquired_at == 0 && lock->asked == REDLOCK_FACT_ACQUIRE && lock->seek.queued;
    case REDLOCK_TELL_LOOKED:
        return lock->asked == REDLOCK_FACT_LOOK;
    case REDLOCK_TELL_RENEWED:
    case REDLOCK_TELL_RENEW_LATE:
        return lock->acquired_at != 0 && lock->lost_at == 0;
    case REDLOCK_TELL_LOST:
        return lock->acquired_at != 0 && lock->lost_at == 0 &&
               (lock->ended_at == 0 || lock->ended_at == world->now);
    case REDLOCK_TELL_EXTENDED:
        return lock->acquired_at != 0;
    case REDLOCK_TELL_RELEASED:
        return lock->acquired_at != 0 && lock->ended_at != 0;
    case REDLOCK_TELL_NODE_UP:
    case REDLOCK_TELL_NODE_DOWN:
        return false;
    }
    return false;
}

/* A wait in queues makes many attempts with one token: the one that succeeded began with the earliest
 * of the questions that were granted. */
static void find_begin(const redlock_sim_world *world, redlock_sim_lock *lock) {
    redlock_ns earliest = REDLOCK_NEVER;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (lock->yes_sent[i] != 0) {
            earliest = redlock_ns_min(earliest, lock->yes_sent[i]);
        }
    }
    if (earliest == REDLOCK_NEVER && lock->handed_at != 0) {
        earliest = lock->handed_at;
    }
    if (lock->seek.queued && lock->asked == REDLOCK_FACT_ACQUIRE && earliest != REDLOCK_NEVER) {
        lock->begun_at = earliest;
        lock->begun_local = redlock_sim_local(&world->client[lock->client], earliest);
    }
}

static void told_acquired(redlock_sim_world *world, uint32_t index) {
    redlock_sim_lock *lock = &world->lock[index];
    redlock_core *core = world->client[lock->client].core;
    find_begin(world, lock);
    uint8_t text[REDLOCK_SIM_TOKEN_BYTES];
    redlock_bytes token = redlock_sim_token_text(lock->token, text);
    lock->acquired_at = world->now;
    lock->answered_by = REDLOCK_NEVER;
    lock->fence = redlock_core_fence(core, lock->slot);
    lock->deadline = redlock_core_held_until(core, lock->slot);
    lock->renewed_local = local_now(world, lock->client);
    world->counts.grants++;
    if (!redlock_bytes_equal(redlock_core_token(core, lock->slot), token)) {
        redlock_sim_complain(
            world, "C12", "%c holds with a token that was not given for this attempt", who(lock));
    }
    check_first_deadline(world, lock);
    check_deadline(world, lock);
    check_alone(world, index);
    check_fence(world, lock);
}

/* A holder that could have renewed and did not. */
static void check_renewing(redlock_sim_world *world, const redlock_sim_lock *lock) {
    const redlock_sim_client *client = &world->client[lock->client];
    redlock_ns patience = lock->seek.renew + lock->seek.node_timeout + lock->seek.ttl / 30 +
                          REDLOCK_NS_PER_S + SLACK_NS;
    redlock_ns since = lock->renewed_local, now = local_now(world, lock->client);
    bool was_frozen =
        client->frozen_until != 0 && redlock_sim_local(client, client->frozen_until) >= since;
    if (lock->seek.renew == 0 || now <= since + patience || was_frozen) {
        return;
    }
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const redlock_sim_link *link = &client->link[i];
        if (link->is_up && link->pending_count == 0 && link->up_at <= since) {
            redlock_sim_complain(world, "C10",
                                 "%c lost a lock that it had not tried to renew for %" PRIu64 " ms",
                                 who(lock), (now - since) / MS);
            return;
        }
    }
}

static void told_released(redlock_sim_world *world, redlock_sim_lock *lock, redlock_status status) {
    uint32_t yes = 0;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        yes += lock->release_yes >> i & 1;
    }
    if (status == REDLOCK_OK && yes < world->plan.nodes / 2 + 1) {
        redlock_sim_complain(world, "C4",
                             "%c was told that its lock is released, and only %" PRIu32
                             " nodes said so",
                             who(lock), yes);
    }
    lock->is_released = true;
    lock->release_by = REDLOCK_NEVER;
    world->counts.releases++;
}

static void lock_note(redlock_sim_world *world, uint32_t index, redlock_tell tell,
                      redlock_status status) {
    redlock_sim_lock *lock = &world->lock[index];
    switch (tell) {
    case REDLOCK_TELL_ACQUIRED:
        told_acquired(world, index);
        return;
    case REDLOCK_TELL_FAILED:
        lock->is_failed = true;
        lock->failed_with = status;
        lock->answered_by = REDLOCK_NEVER;
        world->counts.failures++;
        return;
    case REDLOCK_TELL_LOOKED:
        lock->is_looked = true;
        lock->answered_by = REDLOCK_NEVER;
        return;
    case REDLOCK_TELL_RENEWED:
        world->counts.renewals++;
        check_deadline(world, lock);
        lock->deadline = redlock_core_held_until(world->client[lock->client].core, lock->slot);
        check_alone(world, index);
        return;
    case REDLOCK_TELL_RENEW_LATE:
        return;
    case REDLOCK_TELL_LOST:
        world->counts.losses++;
        check_renewing(world, lock);
        lock->lost_at = world->now;
        lock->deadline = 0;
        return;
    case REDLOCK_TELL_EXTENDED:
        lock->extend_by = REDLOCK_NEVER;
        return;
    case REDLOCK_TELL_WAITING:
        return;
    case REDLOCK_TELL_RELEASED:
        told_released(world, lock, status);
        return;
    case REDLOCK_TELL_NODE_UP:
    case REDLOCK_TELL_NODE_DOWN:
        return;
    }
}

void redlock_sim_check_told(redlock_sim_world *world, uint32_t index, redlock_tell tell,
                            redlock_status status) {
    const redlock_sim_lock *lock = &world->lock[index];
    redlock_sim_trace_client(
        world, lock->client, "* %s job%" PRIu32 " %s%s", redlock_sim_words_tell(tell), lock->name,
        redlock_sim_words_status(status), lock->lost_at != 0 ? " (was lost)" : "");
    if (!is_event_legal(world, lock, tell)) {
        redlock_sim_complain(world, "C5", "%c is told %s, which may not come here", who(lock),
                             redlock_sim_words_tell(tell));
        return;
    }
    lock_note(world, index, tell, status);
    redlock_sim_picture_told(world, index, tell);
    if (tell == REDLOCK_TELL_ACQUIRED) {
        redlock_sim_trace_client(world, lock->client,
                                 "  fence %" PRIu64 ", held for %" PRIu64 " ms", lock->fence,
                                 (lock->deadline - local_now(world, lock->client)) / MS);
    }
}

/* --- what is sent and heard ------------------------------------------------------------------ */

static void sent_grant(redlock_sim_world *world, redlock_sim_lock *lock, uint32_t token) {
    if (lock->begun_at == 0) {
        lock->begun_at = world->now;
        lock->begun_local = local_now(world, lock->client);
        memset(lock->kept_until, 0, sizeof lock->kept_until);
        memset(lock->valid_until, 0, sizeof lock->valid_until);
        lock->attempt++;
    }
    if (token != lock->token) {
        redlock_sim_complain(world, "C12",
                             "%c asks with a token that was not given for this attempt", who(lock));
    }
}

void redlock_sim_check_sent(redlock_sim_world *world, uint32_t client, uint32_t node,
                            uint32_t index, const redlock_command *command) {
    redlock_sim_lock *lock = &world->lock[index];
    uint32_t token = redlock_sim_token_number(world, command->token);
    if (command->kind == REDLOCK_COMMAND_GRANT) {
        sent_grant(world, lock, token);
    }
    if (command->kind == REDLOCK_COMMAND_RENEW) {
        redlock_ns now = local_now(world, client);
        redlock_ns planned = lock->begun_local + lock->seek.renew;
        /* The first renewal of an undisturbed hold shows how early it comes. */
        if (lock->asked == REDLOCK_FACT_ACQUIRE && lock->renewed_local != 0 && now <= planned &&
            lock->seek.renew > 100 * MS && lock->extend_by == REDLOCK_NEVER &&
            now + lock->seek.renew / 10 >= planned) {
            world->early_samples++;
            /* A 256th of the interval is a tick. */
            world->early_still += planned - now < lock->seek.renew / 200;
        }
        lock->renewed_local = now;
    }
    if (command->kind == REDLOCK_COMMAND_RELEASE && lock->acquired_at == 0) {
        lock->kept_until[node] = lock->valid_until[node] = 0;
        lock->yes_sent[node] = 0;
    }
    redlock_sim_queue_check_sent(world, node, index, command);
    bool plants = command->kind == REDLOCK_COMMAND_GRANT || command->kind == REDLOCK_COMMAND_RENEW;
    if (plants && lock->ended_at != 0) {
        redlock_sim_complain(world, "C5", "%c asks for a lock that was given up already",
                             who(lock));
    }
}

/* How long after the no's of a majority the next attempt begins: retry_min and a random part. */
static void note_no(redlock_sim_world *world, redlock_sim_lock *lock, uint32_t node) {
    uint32_t count = 0;
    lock->said_no |= UINT32_C(1) << node;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        count += lock->said_no >> i & 1;
    }
    if (count == world->plan.nodes - world->plan.nodes / 2 && lock->said_else == 0) {
        lock->decided_local = local_now(world, lock->client);
    }
}

/* A node's yes means what it says. */
static void check_yes(redlock_sim_world *world, uint32_t node, const redlock_sim_pending *pending,
                      const redlock_answer *answer) {
    bool raises = pending->kind == REDLOCK_COMMAND_GRANT ||
                  pending->kind == REDLOCK_COMMAND_RAISE || pending->kind == REDLOCK_COMMAND_RENEW;
    if (!pending->is_seen || !raises) {
        return;
    }
    if (pending->fenced && answer->mark != pending->mark) {
        redlock_sim_complain(world, "C3",
                             "n%" PRIu32 " says that its mark is %" PRIu64 ", and keeps %" PRIu64,
                             node + 1, answer->mark, pending->mark);
    }
    if (pending->fenced && pending->kind != REDLOCK_COMMAND_GRANT &&
        answer->mark < pending->fence) {
        redlock_sim_complain(world, "C3", "n%" PRIu32 " says yes, and its mark is below the fence",
                             node + 1);
    }
    if (pending->kind == REDLOCK_COMMAND_RENEW && !pending->kept_before) {
        redlock_sim_complain(world, "C3", "n%" PRIu32 " renews a token that it had lost", node + 1);
    }
}

void redlock_sim_check_heard(redlock_sim_world *world, uint32_t node,
                             const redlock_sim_pending *pending, const redlock_answer *answer) {
    redlock_sim_lock *lock = &world->lock[pending->lock];
    bool is_yes = answer->kind == REDLOCK_ANSWER_YES;
    bool plants = pending->kind == REDLOCK_COMMAND_GRANT || pending->kind == REDLOCK_COMMAND_RENEW;
    if (is_yes) {
        check_yes(world, node, pending, answer);
    }
    if (lock->is_gone) {
        return;
    }
    if (plants && is_yes && pending->token == lock->token) {
        lock->kept_until[node] = redlock_ns_max(lock->kept_until[node], pending->kept_until);
        lock->valid_until[node] = redlock_ns_max(lock->valid_until[node], pending->valid_until);
    }
    if (plants && is_yes && pending->kind == REDLOCK_COMMAND_GRANT) {
        lock->yes_sent[node] = pending->sent_at;
    }
    if (plants && answer->kind == REDLOCK_ANSWER_NO && pending->token == lock->token) {
        lock->kept_until[node] = lock->valid_until[node] = 0;
        lock->yes_sent[node] = 0;
    }
    redlock_sim_queue_check_heard(world, node, pending, answer);
    if (plants && answer->kind == REDLOCK_ANSWER_NO && pending->kept_until != 0) {
        redlock_sim_complain(world, "C3", "n%" PRIu32 " says no to a token of %c that it keeps",
                             node + 1, who(lock));
    }
    if (pending->kind == REDLOCK_COMMAND_RELEASE && is_yes) {
        lock->release_yes |= UINT32_C(1) << node;
    }
    if (pending->kind == REDLOCK_COMMAND_GRANT && answer->kind == REDLOCK_ANSWER_NO) {
        note_no(world, lock, node);
    } else if (pending->kind == REDLOCK_COMMAND_GRANT) {
        lock->said_else |= UINT32_C(1) << node;
    }
}

void redlock_sim_check_token(redlock_sim_world *world, uint32_t index) {
    redlock_sim_lock *lock = &world->lock[index];
    redlock_ns now = local_now(world, lock->client);
    redlock_ns earliest = lock->decided_local + lock->seek.retry_min;
    redlock_ns jitter = lock->seek.retry_jitter;
    if (lock->decided_local == 0 || now < earliest || now > earliest + jitter || jitter < 10 * MS) {
        return; /* cut short by a holder's end or by the wait's, or held up */
    }
    world->jitter_samples++;
    world->jitter_still += now - earliest < jitter / 100;
}

void redlock_sim_check_call(redlock_sim_world *world, uint32_t client, uint32_t node) {
    redlock_sim_link *link = &world->client[client].link[node];
    redlock_ns now = local_now(world, client);
    bool was_steady = link->up_at != 0 && link->failed_at >= link->up_at + REDLOCK_NS_PER_S;
    bool is_soon = link->failed_at != 0 && now < link->failed_at + 5 * MS && !was_steady;
    link->calls_in_row = is_soon ? link->calls_in_row + 1 : 0;
    if (link->calls_in_row >= CALLS_IN_ROW_MAX) {
        redlock_sim_complain(world, "C8", "%c calls n%" PRIu32 " again and again without a pause",
                             (char)('A' + client), node + 1);
    }
    link->up_at = 0;
}

/* --- C5, C10: in time ------------------------------------------------------------------------ */

static void check_in_time(redlock_sim_world *world, redlock_sim_lock *lock, redlock_ns slack) {
    redlock_ns now = local_now(world, lock->client);
    if (lock->deadline != 0 && lock->ended_at == 0 && lock->lost_at == 0 && now >= lock->deadline) {
        redlock_sim_complain(world, "C5",
                             "%c has not been told LOST, %" PRIu64 " us after its deadline",
                             who(lock), (now - lock->deadline) / 1000);
    }
    if (now > redlock_ns_add(lock->answered_by, slack)) {
        redlock_sim_complain(world, "C10", "%c waits for an answer to %s", who(lock),
                             lock->asked == REDLOCK_FACT_ACQUIRE ? "acquire"
                             : lock->asked == REDLOCK_FACT_ADOPT ? "adopt"
                                                                 : "look");
    }
    if (now > redlock_ns_add(lock->release_by, slack)) {
        redlock_sim_complain(world, "C10", "%c waits for an answer to release", who(lock));
    }
    if (now > redlock_ns_add(lock->extend_by, slack)) {
        redlock_sim_complain(world, "C10", "%c waits for an answer to extend", who(lock));
    }
}

void redlock_sim_check_step(redlock_sim_world *world, uint32_t client) {
    redlock_core *core = world->client[client].core;
    redlock_ns wakes_at = redlock_core_deadline(core);
    for (uint32_t i = 0; i < world->live_count; i++) {
        redlock_sim_lock *lock = &world->lock[world->live[i]];
        if (lock->client != client) {
            continue;
        }
        bool is_held = lock->acquired_at != 0 && lock->ended_at == 0 && lock->lost_at == 0;
        redlock_ns until = is_held ? redlock_core_held_until(core, lock->slot) : 0;
        if (is_held && until != lock->deadline) {
            redlock_sim_complain(world, "C5", "the deadline of %c has moved without a word",
                                 who(lock));
        }
        if (is_held && wakes_at > until) {
            redlock_sim_complain(
                world, "C5", "the core of %c does not want to be woken at its deadline", who(lock));
        }
        check_in_time(world, lock, SLACK_NS);
        redlock_sim_queue_check_left(world, lock);
    }
}

void redlock_sim_check_overdue(redlock_sim_world *world) {
    for (uint32_t i = 0; i < world->live_count; i++) {
        redlock_sim_lock *lock = &world->lock[world->live[i]];
        if (!redlock_sim_is_frozen(world, lock->client)) {
            check_in_time(world, lock, 50 * MS);
        }
    }
}

/* --- C11: the guarded resource --------------------------------------------------------------- */

void redlock_sim_check_store(redlock_sim_world *world, uint32_t index, uint64_t fence) {
    const redlock_sim_lock *lock = &world->lock[index];
    redlock_sim_register *resource = &world->resource[lock->name];
    if (fence < resource->fence) {
        world->counts.stale++;
        redlock_sim_trace_client(world, lock->client, "a write with fence %" PRIu64 " is refused",
                                 fence);
        return;
    }
    world->counts.writes++;
    if (lock->acquired_at < resource->newest_begun && is_ordered(world)) {
        redlock_sim_complain(world, "C11",
                             "the resource took a write of %c, whose successor had written before",
                             who(lock));
    }
    resource->fence = fence;
    /* Who adopts began when it asked: the order is that of the holds. */
    resource->newest_begun = redlock_ns_max(resource->newest_begun, lock->begun_at);
}

/* --- C6, C12: the end ------------------------------------------------------------------------ */

static void check_left(redlock_sim_world *world, uint32_t node) {
    redlock_sim_server *server = world->node[node].server;
    redlock_sim_entry entry;
    redlock_sim_server_set_clock(server, redlock_sim_node_wall_us(world, node));
    for (size_t cursor = 0; redlock_sim_server_next(server, &cursor, &entry);) {
        bool is_ours = redlock_bytes_has_prefix(entry.key, redlock_bytes_of("redlock:"));
        if (!is_ours) {
            redlock_sim_complain(
                world, "C6", "at the end n%" PRIu32 " still has the key %.*s for %" PRIu64 " ms",
                node + 1, (int)entry.key.len, (const char *)entry.key.at, entry.left_ms);
        } else if (!entry.has_expiry &&
                   !redlock_bytes_equal(entry.key, redlock_bytes_of("redlock:{boot}"))) {
            redlock_sim_complain(world, "C6", "the mark %.*s on n%" PRIu32 " never ends",
                                 (int)entry.key.len, (const char *)entry.key.at, node + 1);
        }
    }
}

void redlock_sim_check_end(redlock_sim_world *world) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        check_left(world, i);
    }
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        if (world->client[i].core != NULL && redlock_core_inflight(world->client[i].core) != 0) {
            redlock_sim_complain(world, "C6", "%c still waits for answers at the end",
                                 (char)('A' + i));
        }
    }
    if (world->jitter_samples >= SAMPLES_MIN && world->jitter_still == world->jitter_samples) {
        redlock_sim_complain(world, "C12",
                             "all of %" PRIu32 " retries came after exactly the same delay",
                             world->jitter_samples);
    }
    if (world->early_samples >= SAMPLES_MIN && world->early_still == world->early_samples) {
        redlock_sim_complain(world, "C12",
                             "all of %" PRIu32 " first renewals came at exactly the same time",
                             world->early_samples);
    }
}
