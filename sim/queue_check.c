/* queue_check.c -- see queue_check.h.  The order is judged by what lies on the server itself, before
 * and after each command; what clients do when they are woken, in the worlds where nothing goes
 * wrong, because there is no excuse there. */
#include "sim/queue_check.h"

#include <inttypes.h>
#include <string.h>

#include "sim/packed.h"
#include "sim/trace.h"

#define MS REDLOCK_NS_PER_MS

static char who(const redlock_sim_world *world, uint32_t token) {
    return token == REDLOCK_SIM_NONE ? '?'
                                     : (char)('A' + world->lock[world->token[token].lock].client);
}

/* --- the queue as it lies there -------------------------------------------------------------- */

static redlock_bytes companion(redlock_bytes name, const char *suffix, uint8_t *text) {
    redlock_bytes end = redlock_bytes_of(suffix);
    memcpy(text, "redlock:{", 9);
    memcpy(text + 9, name.at, name.len);
    memcpy(text + 9 + name.len, end.at, end.len);
    return (redlock_bytes){.at = text, .len = 9 + name.len + end.len};
}

/* "1800000000000 channel tag": whether that time is not over, and somebody listens there. */
static bool can_be_reached(redlock_sim_world *world, uint32_t node, redlock_bytes alive) {
    uint8_t channel[64];
    const uint8_t *space = alive.len == 0 ? NULL : memchr(alive.at, ' ', alive.len);
    uint64_t until_ms;
    if (space == NULL || alive.len < (size_t)(space - alive.at) + 1 + REDLOCK_CHANNEL_BYTES) {
        return false;
    }
    redlock_bytes until = {.at = alive.at, .len = (size_t)(space - alive.at)};
    if (!redlock_bytes_to_u64(until, UINT64_MAX, &until_ms) ||
        until_ms < redlock_sim_node_wall_us(world, node) / 1000) {
        return false;
    }
    memcpy(channel, "redlock:wake:", 13);
    memcpy(channel + 13, space + 1, REDLOCK_CHANNEL_BYTES);
    return redlock_sim_server_listeners(
               world->node[node].server,
               (redlock_bytes){.at = channel, .len = 13 + REDLOCK_CHANNEL_BYTES}) > 0;
}

static void line_read(redlock_sim_world *world, uint32_t node, redlock_bytes name,
                      redlock_sim_line *line) {
    uint8_t queue_text[64], alive_text[64];
    redlock_sim_server *server = world->node[node].server;
    redlock_sim_entry queue, alive;
    redlock_sim_element waits, lives;
    size_t rank;
    line->count = 0;
    if (!redlock_sim_server_get(server, companion(name, "}:queue", queue_text), &queue)) {
        return;
    }
    bool has_alive = redlock_sim_server_get(server, companion(name, "}:alive", alive_text), &alive);
    for (size_t cursor = 0; line->count < REDLOCK_SIM_LINE_MAX &&
                            redlock_sim_packed_next(queue.value, &cursor, &waits);) {
        redlock_sim_waiter *waiter = &line->waiter[line->count++];
        waiter->token = redlock_sim_token_number(world, waits.name);
        waiter->can_be_reached = has_alive &&
                                 redlock_sim_packed_find(alive.value, waits.name, &lives, &rank) &&
                                 can_be_reached(world, node, lives.value);
    }
}

/* The first who can be reached in front of `token`; NONE: nobody. */
static uint32_t line_first_before(const redlock_sim_line *line, uint32_t token) {
    for (uint32_t i = 0; i < line->count && line->waiter[i].token != token; i++) {
        if (line->waiter[i].can_be_reached) {
            return line->waiter[i].token;
        }
    }
    return REDLOCK_SIM_NONE;
}

/* The first who can be reached and is not `token`; NONE: nobody.  Who claims need not be reached. */
static uint32_t line_first_other(const redlock_sim_line *line, uint32_t token, uint32_t claim) {
    for (uint32_t i = 0; i < line->count; i++) {
        bool counts = line->waiter[i].can_be_reached || line->waiter[i].token == claim;
        if (counts && line->waiter[i].token != token) {
            return line->waiter[i].token;
        }
    }
    return REDLOCK_SIM_NONE;
}

/* The token of the release's claim, if that is in time. */
static uint32_t claim_of(redlock_sim_world *world, uint32_t node, const redlock_command *release) {
    const redlock_claim *claim = &release->claim;
    uint64_t now_ms = redlock_sim_node_wall_us(world, node) / 1000;
    bool is_late = claim->not_after_ms > 0 && now_ms > claim->not_after_ms;
    return claim->token.len == 0 || is_late ? REDLOCK_SIM_NONE
                                            : redlock_sim_token_number(world, claim->token);
}

void redlock_sim_queue_check_before(redlock_sim_world *world, uint32_t node,
                                    const redlock_command *command) {
    world->line.count = 0;
    world->published = 0;
    bool is_meant =
        command->kind == REDLOCK_COMMAND_GRANT || command->kind == REDLOCK_COMMAND_RELEASE;
    if (is_meant && command->fenced && command->name.len <= 32) {
        line_read(world, node, command->name, &world->line);
    }
}

/* --- C13 ------------------------------------------------------------------------------------- */

static void check_granted(redlock_sim_world *world, uint32_t node, const redlock_command *command,
                          uint32_t token) {
    uint32_t first = line_first_before(&world->line, token);
    if (command->fenced && !command->barge && first != REDLOCK_SIM_NONE) {
        redlock_sim_complain(world, "C13",
                             "n%" PRIu32 " gives the name to %c, and %c waits in front of it",
                             node + 1, who(world, token), who(world, first));
    }
}

static void check_handed(redlock_sim_world *world, uint32_t node, const redlock_command *command,
                         const redlock_sim_sight *before, const redlock_sim_sight *after) {
    uint32_t claim = claim_of(world, node, command);
    uint32_t first = line_first_other(&world->line, before->token, claim);
    uint64_t now_ms = redlock_sim_node_wall_us(world, node) / 1000;
    bool is_claimed = claim != REDLOCK_SIM_NONE && after->token == claim;
    uint64_t length_ms = is_claimed ? command->claim.ttl_ms : command->hand_off_ms;
    world->counts.handed++;
    world->counts.claimed += is_claimed;
    if (first != after->token) {
        redlock_sim_complain(world, "C13", "n%" PRIu32 " hands the name to %c, and %c is next",
                             node + 1, who(world, after->token), who(world, first));
    }
    if (after->expires_ms > now_ms + length_ms + 1) {
        redlock_sim_complain(
            world, "C13",
            "n%" PRIu32 " hands the name to %c for %" PRIu64 " ms, the release says %" PRIu64,
            node + 1, who(world, after->token), after->expires_ms - now_ms, length_ms);
    }
    if (after->mark <= before->mark) {
        redlock_sim_complain(world, "C13", "n%" PRIu32 " hands the name over with an old mark",
                             node + 1);
    }
}

static void check_freed(redlock_sim_world *world, uint32_t node, const redlock_command *command,
                        const redlock_sim_sight *before) {
    uint32_t first = line_first_other(&world->line, before->token, claim_of(world, node, command));
    if (first == REDLOCK_SIM_NONE || command->place == REDLOCK_PLACE_STAY) {
        return;
    }
    if (command->hand_off_ms > 0 && before->mark > 0) {
        redlock_sim_complain(world, "C13", "n%" PRIu32 " frees the name, and %c waits for it",
                             node + 1, who(world, first));
    } else if (world->published == 0) {
        redlock_sim_complain(world, "C13", "n%" PRIu32 " frees the name, and does not wake %c",
                             node + 1, who(world, first));
    }
}

void redlock_sim_queue_check_command(redlock_sim_world *world, uint32_t node,
                                     const redlock_command *command,
                                     const redlock_sim_sight *before,
                                     const redlock_sim_sight *after) {
    uint32_t token = redlock_sim_token_number(world, command->token);
    bool had_it = before->is_there && before->token == token;
    bool has_it = after->is_there && after->token == token;
    if (command->kind == REDLOCK_COMMAND_GRANT && has_it && !had_it) {
        check_granted(world, node, command, token);
    }
    if (command->kind == REDLOCK_COMMAND_RELEASE && command->fenced && had_it && !has_it) {
        if (after->is_there) {
            check_handed(world, node, command, before, after);
        } else {
            check_freed(world, node, command, before);
        }
    }
}

static bool waits(const redlock_sim_lock *lock) {
    return lock->seek.queued && lock->asked == REDLOCK_FACT_ACQUIRE && lock->acquired_at == 0 &&
           !lock->is_failed && !lock->is_canceled && lock->wake_tag != 0;
}

/* --- C14 ------------------------------------------------------------------------------------- */

void redlock_sim_queue_check_sent(redlock_sim_world *world, uint32_t node, uint32_t index,
                                  const redlock_command *command) {
    redlock_sim_lock *lock = &world->lock[index];
    if (command->kind == REDLOCK_COMMAND_RELEASE || command->kind == REDLOCK_COMMAND_GRANT) {
        lock->woken_at[node] = 0;
    }
    if (command->kind == REDLOCK_COMMAND_RELEASE && lock->seek.queued) {
        lock->leaves = lock->leaves || command->place != REDLOCK_PLACE_STAY;
    }
    if (command->kind != REDLOCK_COMMAND_GRANT) {
        return;
    }
    if (command->entry.poll_ms == 0) {
        return;
    }
    world->counts.queued += lock->wake_tag == 0;
    if (lock->wake_tag != 0 && lock->ticket != command->entry.ticket) {
        redlock_sim_complain(world, "C14", "%c changes its ticket", (char)('A' + lock->client));
    }
    lock->ticket = command->entry.ticket;
    lock->wake_tag = command->entry.wake_tag;
}

void redlock_sim_queue_check_gone(redlock_sim_world *world, uint32_t index) {
    const redlock_sim_lock *lock = &world->lock[index];
    uint8_t text[8];
    if (!world->plan.is_quiet || !lock->seek.queued || lock->asked != REDLOCK_FACT_ACQUIRE) {
        return;
    }
    for (uint32_t n = 0; n < world->plan.nodes; n++) {
        line_read(world, n, redlock_sim_name_text(lock->name, text), &world->line);
        for (uint32_t i = 0; i < world->line.count; i++) {
            if (world->line.waiter[i].token == lock->token) {
                redlock_sim_complain(world, "C14",
                                     "a lock of %c is gone and still in the queue of n%" PRIu32,
                                     (char)('A' + lock->client), n + 1);
            }
        }
    }
}

/* Whether it has ended, or holds by other nodes, is told in the same step. */
void redlock_sim_queue_check_left(redlock_sim_world *world, redlock_sim_lock *lock) {
    if (lock->leaves && world->plan.is_quiet && waits(lock)) {
        redlock_sim_complain(world, "C14", "%c goes on waiting, and leaves a queue",
                             (char)('A' + lock->client));
    }
    lock->leaves = false;
}

/* --- C15 ------------------------------------------------------------------------------------- */

/* Whether a wake of this node concerns the lock: it is in the queue there, or has been handed the name. */
static bool is_concerned(redlock_sim_world *world, uint32_t node, const redlock_sim_lock *lock) {
    uint8_t text[8];
    redlock_bytes name = redlock_sim_name_text(lock->name, text);
    redlock_sim_server_set_clock(world->node[node].server, redlock_sim_node_wall_us(world, node));
    line_read(world, node, name, &world->line);
    bool is_in = redlock_sim_check_look(world, node, name).token == lock->token;
    for (uint32_t i = 0; i < world->line.count; i++) {
        is_in = is_in || world->line.waiter[i].token == lock->token;
    }
    return is_in;
}

void redlock_sim_queue_check_woken(redlock_sim_world *world, uint32_t client, uint32_t node,
                                   uint64_t tag) {
    for (uint32_t i = 0; i < world->live_count; i++) {
        redlock_sim_lock *lock = &world->lock[world->live[i]];
        if (lock->client == client && waits(lock) && lock->wake_tag == tag &&
            is_concerned(world, node, lock)) {
            lock->woken_at[node] = world->now;
        }
    }
}

void redlock_sim_queue_check_subscribed(redlock_sim_world *world, uint32_t client, uint32_t node) {
    for (uint32_t i = 0; i < world->live_count; i++) {
        redlock_sim_lock *lock = &world->lock[world->live[i]];
        if (lock->client == client && waits(lock) && is_concerned(world, node, lock)) {
            lock->woken_at[node] = world->now;
        }
    }
}

static bool is_busy_with(const redlock_sim_link *link, uint32_t lock) {
    for (uint32_t i = 0; i < link->pending_count; i++) {
        if (link->pending[i].lock == lock) {
            return true;
        }
    }
    return false;
}

void redlock_sim_queue_check_asks(redlock_sim_world *world, uint32_t client) {
    /* With several nodes a wake may come while this one is being given back, or while others decide. */
    bool is_plain = world->plan.is_quiet && world->plan.nodes == 1;
    for (uint32_t i = 0; is_plain && i < world->live_count; i++) {
        const redlock_sim_lock *lock = &world->lock[world->live[i]];
        for (uint32_t n = 0; lock->client == client && waits(lock) && n < world->plan.nodes; n++) {
            const redlock_sim_link *link = &world->client[client].link[n];
            bool is_granted = lock->yes_sent[n] != 0; /* there is nothing more to ask for there */
            if (lock->woken_at[n] != 0 && !is_granted && link->is_up &&
                !is_busy_with(link, world->live[i])) {
                redlock_sim_complain(world, "C15", "%c was woken by n%" PRIu32 ", and asks nothing",
                                     (char)('A' + client), n + 1);
            }
        }
    }
}

/* --- C16 ------------------------------------------------------------------------------------- */

/* On one node: the first who can be reached asks at the latest after four polls, and then it is its. */
static void check_free(redlock_sim_world *world, uint32_t name) {
    uint8_t text[8];
    redlock_ns bound = 4 * world->plan.poll + 6 * world->plan.node_timeout + REDLOCK_NS_PER_S;
    redlock_sim_server_set_clock(world->node[0].server, redlock_sim_node_wall_us(world, 0));
    redlock_sim_sight sight = redlock_sim_check_look(world, 0, redlock_sim_name_text(name, text));
    line_read(world, 0, redlock_sim_name_text(name, text), &world->line);
    bool is_waited = line_first_before(&world->line, REDLOCK_SIM_NONE) != REDLOCK_SIM_NONE;
    if (sight.is_there || !is_waited) {
        world->free_since[name] = 0;
    } else if (world->free_since[name] == 0) {
        world->free_since[name] = world->now;
    } else if (world->now > world->free_since[name] + bound) {
        redlock_sim_complain(
            world, "C17", "job%" PRIu32 " is free since %" PRIu64 " ms, and somebody waits for it",
            name, (world->now - world->free_since[name]) / MS);
    }
}

void redlock_sim_queue_check_second(redlock_sim_world *world) {
    const redlock_sim_plan *plan = &world->plan;
    for (uint32_t i = 0; plan->is_quiet && plan->nodes == 1 && i < plan->names; i++) {
        check_free(world, i);
    }
    redlock_ns longest =
        plan->connect_timeout + 4 * plan->node_timeout + 2 * plan->latency + 5 * MS;
    for (uint32_t i = 0; plan->is_quiet && i < world->live_count; i++) {
        const redlock_sim_lock *lock = &world->lock[world->live[i]];
        for (uint32_t n = 0; waits(lock) && n < plan->nodes; n++) {
            if (lock->yes_sent[n] != 0 && world->now > lock->yes_sent[n] + longest) {
                redlock_sim_complain(world, "C16",
                                     "%c keeps a grant of n%" PRIu32 " that it does not use",
                                     (char)('A' + lock->client), n + 1);
            }
        }
    }
}

void redlock_sim_queue_check_heard(redlock_sim_world *world, uint32_t node,
                                   const redlock_sim_pending *pending,
                                   const redlock_answer *answer) {
    if (pending->kind == REDLOCK_COMMAND_GRANT && answer->kind != REDLOCK_ANSWER_NO) {
        world->lock[pending->lock].woken_at[node] =
            0; /* not refused by a holder: it is in no queue */
    }
    /* A place is told only to those who asked for one. */
    if (pending->kind == REDLOCK_COMMAND_GRANT && answer->place > 0 &&
        !world->lock[pending->lock].seek.queued) {
        redlock_sim_complain(world, "C14", "n%" PRIu32 " queues who did not ask for it", node + 1);
    }
}
