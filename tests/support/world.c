#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define SLOTS_FIRST 8u
#define SPINS_MAX 1000u

static redlock_bytes keep(uint8_t *memory, size_t size, redlock_bytes bytes) {
    REDLOCK_ASSERT(bytes.len <= size);
    if (bytes.len > 0) {
        memcpy(memory, bytes.at, bytes.len);
    }
    return (redlock_bytes){.at = memory, .len = bytes.len};
}

/* --- clocks and words ---------------------------------------------------------------------- */

static uint64_t wall_us(const redlock_world *world, int64_t skew_us) {
    uint64_t true_us = REDLOCK_WORLD_WALL_US + world->now / REDLOCK_NS_PER_US -
                       REDLOCK_WORLD_ORIGIN / REDLOCK_NS_PER_US;
    return (uint64_t)((int64_t)true_us + skew_us);
}

uint64_t redlock_world_node_us(const redlock_world *world, uint32_t node) {
    return wall_us(world, world->node[node].skew_us);
}

static char letter(uint32_t client) {
    return (char)('A' + client);
}

static void trace_node(redlock_world *world, uint32_t client, char sign, uint32_t node,
                       const char *words) {
    if (world->trace != NULL) {
        redlock_trace_node(world->trace, world->now, letter(client), sign, node, words);
    }
}

static void trace_command(redlock_world *world, uint32_t client, char sign, uint32_t node,
                          const char *before, const redlock_command *command) {
    if (world->trace != NULL) {
        char words[REDLOCK_TRACE_WORDS_BYTES], all[REDLOCK_TRACE_WORDS_BYTES];
        redlock_words_command(command, words, sizeof words - 32);
        (void)snprintf(all, sizeof all, "%s%.200s", before, words);
        trace_node(world, client, sign, node, all);
    }
}

/* --- sending ------------------------------------------------------------------------------- */

/* When something sent now arrives: never before what was sent earlier on the same connection. */
static redlock_ns arrival(redlock_world *world, const redlock_world_link *link, redlock_ns way,
                          redlock_ns *last) {
    redlock_ns jitter = link->jitter > 0 ? redlock_prng_upto(&world->prng, link->jitter) : 0;
    *last = redlock_ns_max(*last, world->now + way + jitter);
    return *last;
}

static redlock_happening *post(redlock_world *world, redlock_happening_kind kind, uint32_t client,
                               uint32_t node, uint32_t *ret_place) {
    *ret_place = redlock_happening_take(&world->queue);
    redlock_happening *made = &world->queue.pool[*ret_place];
    memset(made, 0, offsetof(redlock_happening, name));
    made->kind = kind;
    made->client = client;
    made->node = node;
    made->epoch = world->client[client].link[node].epoch;
    made->life = world->node[node].life;
    return made;
}

/* A connection on which something was lost never carries anything again: bytes have an order. */
static bool passes(redlock_world_link *link) {
    if (link->is_cut) {
        link->is_stuck = true;
    }
    return !link->is_stuck;
}

static bool is_dropped(uint32_t *drop) {
    if (*drop == 0) {
        return false;
    }
    *drop -= 1;
    return true;
}

static uint32_t lock_of_slot(const redlock_world *world, uint32_t client, uint32_t slot) {
    for (uint32_t i = world->lock_count; i > 0; i--) {
        const redlock_world_lock *lock = &world->lock[i - 1];
        if (lock->client == client && lock->slot == slot && !lock->is_gone) {
            return i - 1;
        }
    }
    abort(); /* a wish for a slot that nobody has */
}

static void wish_send(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_world_link *link = &world->client[client].link[wish->node];
    const redlock_command *command = &wish->as.send.command;
    REDLOCK_ASSERT(link->is_up);
    REDLOCK_ASSERT(wish->as.send.tag != REDLOCK_TAG_NONE);
    link->unanswered++;
    REDLOCK_ASSERT(link->unanswered <= world->config.core.inflight_max);
    trace_command(world, client, '>', wish->node, "", command);
    bool is_lost = !passes(link);
    if (is_lost || is_dropped(&link->drop_there)) {
        trace_command(world, client, '?', wish->node, "lost on the way: ", command);
        return;
    }
    uint32_t place;
    redlock_happening *sent = post(world, REDLOCK_HAPPENING_COMMAND, client, wish->node, &place);
    sent->at = arrival(world, link, link->there, &link->there_last);
    sent->tag = wish->as.send.tag;
    sent->lock = lock_of_slot(world, client, wish->slot);
    sent->command = *command;
    sent->command.name = keep(sent->name, sizeof sent->name, command->name);
    sent->command.token = keep(sent->token, sizeof sent->token, command->token);
    sent->command.run_id = keep(sent->run_id, sizeof sent->run_id, command->run_id);
    sent->command.entry.channel = keep(sent->channel, sizeof sent->channel, command->entry.channel);
    redlock_happening_push(&world->queue, place);
}

/* Ends the client's end of a connection; what is under way to the node still arrives there. */
static void link_end(redlock_world_link *link) {
    link->is_up = false;
    link->epoch++;
    link->unanswered = 0;
}

static void wish_connect(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    REDLOCK_ASSERT(!link->is_up);
    link_end(link);
    link->is_stuck = false;
    link->there_last = link->back_last = world->now;
    trace_node(world, client, '~', node, "connect");
    if (!passes(link)) {
        return; /* nobody answers; the core gives up by itself */
    }
    uint32_t place;
    redlock_happening *call = post(world, REDLOCK_HAPPENING_CALL, client, node, &place);
    call->at = arrival(world, link, link->there, &link->there_last);
    redlock_happening_push(&world->queue, place);
}

/* --- being woken ----------------------------------------------------------------------------- */

/* As `passes`, for the connection that wakes come on. */
static bool wakes_pass(redlock_world_link *link) {
    if (link->is_cut) {
        link->is_listen_stuck = true;
    }
    return !link->is_listen_stuck;
}

static redlock_happening *post_listen(redlock_world *world, redlock_happening_kind kind,
                                      uint32_t client, uint32_t node, uint32_t *ret_place) {
    redlock_happening *made = post(world, kind, client, node, ret_place);
    made->epoch = world->client[client].link[node].listen_epoch;
    return made;
}

/* To the node. */
static void listen_say(redlock_world *world, redlock_happening_kind kind, uint32_t client,
                       uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    if (wakes_pass(link)) {
        uint32_t place;
        redlock_happening *said = post_listen(world, kind, client, node, &place);
        said->at = arrival(world, link, link->there, &link->listen_there_last);
        redlock_happening_push(&world->queue, place);
    }
}

/* To the client, on the connection of that epoch. */
static void listen_answer(redlock_world *world, redlock_happening_kind kind, uint32_t client,
                          uint32_t node, uint32_t epoch) {
    redlock_world_link *link = &world->client[client].link[node];
    if (wakes_pass(link)) {
        uint32_t place;
        redlock_happening *said = post_listen(world, kind, client, node, &place);
        said->epoch = epoch;
        said->at = arrival(world, link, link->back, &link->listen_back_last);
        redlock_happening_push(&world->queue, place);
    }
}

static void wish_subscribe(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    REDLOCK_ASSERT(!link->is_listening);
    link->listen_epoch++;
    link->is_listen_stuck = false;
    link->listen_there_last = link->listen_back_last = world->now;
    trace_node(world, client, '~', node, "subscribe");
    listen_say(world, REDLOCK_HAPPENING_LISTEN, client, node);
}

static void wish_unsubscribe(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    trace_node(world, client, '~', node, "unsubscribe");
    listen_say(world, REDLOCK_HAPPENING_UNLISTEN, client, node);
    link->listen_epoch++;
    link->is_listening = false;
}

void redlock_world_deafen(redlock_world *world, uint32_t client, uint32_t node, bool quiet) {
    redlock_world_link *link = &world->client[client].link[node];
    if (link->is_heard && !quiet) {
        listen_answer(world, REDLOCK_HAPPENING_DEAF, client, node, link->heard_epoch);
    }
    link->is_heard = false;
}

void redlock_world_kill(redlock_world *world, uint32_t client) {
    world->client[client].frozen_until = REDLOCK_NEVER;
    for (uint32_t n = 0; n < world->config.node_count; n++) {
        listen_say(world, REDLOCK_HAPPENING_UNLISTEN, client, n);
    }
}

/* PUBLISH on a node: whether anybody has heard it, as far as the node can tell. */
static bool publish(void *context, uint32_t node, redlock_bytes channel, uint64_t tag) {
    redlock_world *world = context;
    uint32_t client = 0;
    while (client < world->config.client_count &&
           memcmp(world->client[client].channel, channel.at, channel.len) != 0) {
        client++;
    }
    REDLOCK_ASSERT(client < world->config.client_count);
    redlock_world_link *link = &world->client[client].link[node];
    if (!link->is_heard) {
        return false;
    }
    bool is_lost = !wakes_pass(link);
    if (is_lost || is_dropped(&link->drop_wakes)) {
        trace_node(world, client, '?', node, "lost on the way: wake");
        return true;
    }
    uint32_t place;
    redlock_happening *wake = post_listen(world, REDLOCK_HAPPENING_WAKE, client, node, &place);
    redlock_ns way = link->wake_way > 0 ? link->wake_way : link->back;
    wake->epoch = link->heard_epoch;
    wake->at = arrival(world, link, way, &link->listen_back_last);
    wake->tag = tag;
    redlock_happening_push(&world->queue, place);
    return true;
}

static void listen_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    redlock_world_node *node = &world->node[arrived->node];
    bool is_refused = node->is_refusing || node->is_down || arrived->life != node->life ||
                      link->is_refusing_listen;
    if (!is_refused) {
        link->is_heard = true;
        link->heard_epoch = arrived->epoch;
    }
    listen_answer(world, is_refused ? REDLOCK_HAPPENING_DEAF : REDLOCK_HAPPENING_LISTENED,
                  arrived->client, arrived->node, arrived->epoch);
}

static void unlisten_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (link->heard_epoch == arrived->epoch) {
        link->is_heard = false;
    }
}

/* --- locks as their users see them ----------------------------------------------------------- */

bool redlock_world_is_held(const redlock_world *world, uint32_t index) {
    const redlock_world_lock *lock = &world->lock[index];
    if (lock->is_gone || lock->ended_at != 0) {
        return false;
    }
    redlock_ns until = redlock_core_held_until(world->client[lock->client].core, lock->slot);
    return world->now < until;
}

/* WAITING* ACQUIRED (RENEWED | RENEW_LATE | EXTENDED)* LOST? EXTENDED? RELEASED, or WAITING* FAILED, or LOOKED. */
static void check_order(const redlock_world_lock *lock, redlock_tell tell) {
    bool is_over = lock->failed_at != 0 || lock->released_at != 0 || lock->looked_at != 0;
    REDLOCK_ASSERT(!is_over);
    switch (tell) {
    case REDLOCK_TELL_ACQUIRED:
    case REDLOCK_TELL_FAILED:
    case REDLOCK_TELL_LOOKED:
        REDLOCK_ASSERT(lock->acquired_at == 0);
        return;
    case REDLOCK_TELL_RENEWED:
    case REDLOCK_TELL_RENEW_LATE:
        REDLOCK_ASSERT(lock->lost_at == 0);
        REDLOCK_ASSERT(lock->acquired_at != 0);
        return;
    case REDLOCK_TELL_LOST:
        REDLOCK_ASSERT(lock->lost_at == 0);
        REDLOCK_ASSERT(lock->acquired_at != 0);
        REDLOCK_ASSERT(lock->ended_at == 0);
        return;
    case REDLOCK_TELL_EXTENDED:
        REDLOCK_ASSERT(lock->acquired_at != 0);
        return;
    case REDLOCK_TELL_WAITING:
        REDLOCK_ASSERT(lock->acquired_at == 0);
        return;
    case REDLOCK_TELL_RELEASED:
        REDLOCK_ASSERT(lock->ended_at != 0);
        return;
    case REDLOCK_TELL_NODE_UP:
    case REDLOCK_TELL_NODE_DOWN:
        break;
    }
    abort();
}

static void lock_note(redlock_world *world, redlock_world_lock *lock, redlock_tell tell,
                      redlock_status status) {
    redlock_core *core = world->client[lock->client].core;
    switch (tell) {
    case REDLOCK_TELL_ACQUIRED:
        lock->acquired_at = world->now;
        lock->status = status;
        lock->acquired_deadline = redlock_core_held_until(core, lock->slot);
        lock->fence = redlock_core_fence(core, lock->slot);
        return;
    case REDLOCK_TELL_FAILED:
        lock->failed_at = world->now;
        lock->status = status;
        return;
    case REDLOCK_TELL_LOOKED:
        lock->looked_at = world->now;
        lock->status = status;
        return;
    case REDLOCK_TELL_RENEWED:
        lock->renewed_count++;
        return;
    case REDLOCK_TELL_RENEW_LATE:
        lock->renew_late_count++;
        return;
    case REDLOCK_TELL_EXTENDED:
        lock->extended_at = world->now;
        lock->extend_status = status;
        return;
    case REDLOCK_TELL_LOST:
        lock->lost_at = world->now;
        return;
    case REDLOCK_TELL_RELEASED:
        lock->released_at = world->now;
        lock->release_status = status;
        return;
    case REDLOCK_TELL_WAITING:
        lock->waiting_count++;
        lock->place = redlock_core_place(core, lock->slot);
        REDLOCK_ASSERT(lock->place > 0);
        return;
    case REDLOCK_TELL_NODE_UP:
    case REDLOCK_TELL_NODE_DOWN:
        return;
    }
}

/* "n1 OK, n2 n3 SILENT": what each node said, neighbours together. */
static void words_votes(const redlock_world *world, const redlock_world_lock *lock, char *text,
                        size_t size) {
    size_t len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < world->config.node_count; i++) {
        redlock_vote_report vote, next = {.status = REDLOCK_STATUS_INT_};
        redlock_core *core = world->client[lock->client].core;
        redlock_core_report(core, lock->slot, i, &vote);
        if (i + 1 < world->config.node_count) {
            redlock_core_report(core, lock->slot, i + 1, &next);
        }
        bool ends = next.status != vote.status;
        const char *after = !ends ? " " : i + 1 < world->config.node_count ? ", " : "";
        int wrote = snprintf(text + len, size - len, "n%" PRIu32 "%s%s%s", i + 1, ends ? " " : "",
                             ends ? redlock_words_status(vote.status) : "", after);
        len += (size_t)wrote < size - len ? (size_t)wrote : size - len - 1;
    }
}

static void trace_tell(redlock_world *world, const redlock_world_lock *lock, redlock_tell tell,
                       redlock_status status) {
    if (world->trace == NULL) {
        return;
    }
    char detail[160] = "", words[REDLOCK_TRACE_WORDS_BYTES];
    redlock_core *core = world->client[lock->client].core;
    redlock_ns until = redlock_core_held_until(core, lock->slot);
    if (tell == REDLOCK_TELL_FAILED || status == REDLOCK_UNKNOWN || tell == REDLOCK_TELL_LOOKED) {
        detail[0] = ':';
        detail[1] = ' ';
        words_votes(world, lock, detail + 2, sizeof detail - 2);
    } else if (tell == REDLOCK_TELL_WAITING) {
        (void)snprintf(detail, sizeof detail, ", place %" PRIu32,
                       redlock_core_place(core, lock->slot));
    } else if (until > world->now) {
        uint64_t fence = tell == REDLOCK_TELL_ACQUIRED ? redlock_core_fence(core, lock->slot) : 0;
        int len = snprintf(detail, sizeof detail, ", held until %" PRIu64 "ms",
                           (until - REDLOCK_WORLD_ORIGIN) / REDLOCK_NS_PER_MS);
        if (fence > 0) {
            (void)snprintf(detail + len, sizeof detail - (size_t)len, ", fence %" PRIu64, fence);
        }
    }
    (void)snprintf(words, sizeof words, "%s %s%s", lock->name, redlock_words_status(status),
                   detail);
    redlock_trace_told(world->trace, world->now, letter(lock->client), redlock_words_tell(tell),
                       words);
}

static void wish_tell(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_tell tell = wish->as.tell.event;
    if (wish->slot == REDLOCK_SLOT_NONE) {
        REDLOCK_ASSERT(tell == REDLOCK_TELL_NODE_UP || tell == REDLOCK_TELL_NODE_DOWN);
        bool is_up = tell == REDLOCK_TELL_NODE_UP;
        char words[64];
        (void)snprintf(words, sizeof words, "is %s%s%s", is_up ? "up" : "down", is_up ? "" : ": ",
                       is_up ? "" : redlock_words_status(wish->as.tell.status));
        trace_node(world, client, '~', wish->node, words);
        return;
    }
    uint32_t index = lock_of_slot(world, client, wish->slot);
    redlock_world_lock *lock = &world->lock[index];
    check_order(lock, tell);
    trace_tell(world, lock, tell, wish->as.tell.status);
    lock_note(world, lock, tell, wish->as.tell.status);
    if (world->on_tell != NULL) {
        world->on_tell(world->context, world, index, tell);
    }
}

/* --- stepping a core ------------------------------------------------------------------------- */

static void note_sent(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_world_lock *lock = &world->lock[lock_of_slot(world, client, wish->slot)];
    redlock_command_kind kind = wish->as.send.command.kind;
    if (kind != REDLOCK_COMMAND_RELEASE) {
        lock->waits_until[wish->node] = redlock_ns_add(world->now, lock->node_timeout);
    }
    if (kind == REDLOCK_COMMAND_RENEW && lock->renew_at != world->now) {
        lock->renew_before = lock->renew_at;
        lock->renew_at = world->now;
    }
    if (kind == REDLOCK_COMMAND_GRANT && lock->first_grant_at == 0) {
        lock->first_grant_at = world->now;
        lock->attempts++;
    }
}

static void wish_gone(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_world_lock *lock = &world->lock[lock_of_slot(world, client, wish->slot)];
    REDLOCK_ASSERT(wish->as.gone.memory == lock->memory);
    free(lock->memory);
    lock->memory = NULL;
    lock->is_gone = true;
}

static void wish_token(redlock_world *world, uint32_t client, uint32_t slot) {
    uint32_t place;
    redlock_happening *token = post(world, REDLOCK_HAPPENING_TOKEN, client, 0, &place);
    token->at = world->now;
    token->lock = lock_of_slot(world, client, slot);
    redlock_happening_push(&world->queue, place);
}

static void carry_out(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    switch (wish->kind) {
    case REDLOCK_WISH_SEND:
        note_sent(world, client, wish);
        wish_send(world, client, wish);
        return;
    case REDLOCK_WISH_CONNECT:
        wish_connect(world, client, wish->node);
        return;
    case REDLOCK_WISH_HANG_UP:
        trace_node(world, client, '~', wish->node, "hang up");
        link_end(&world->client[client].link[wish->node]);
        return;
    case REDLOCK_WISH_SUBSCRIBE:
        wish_subscribe(world, client, wish->node);
        return;
    case REDLOCK_WISH_UNSUBSCRIBE:
        wish_unsubscribe(world, client, wish->node);
        return;
    case REDLOCK_WISH_TOKEN:
        wish_token(world, client, wish->slot);
        return;
    case REDLOCK_WISH_TELL:
        wish_tell(world, client, wish);
        return;
    case REDLOCK_WISH_GONE:
        wish_gone(world, client, wish);
        return;
    }
    abort();
}

/* The trace says when a node was given up on; the core only decides by it. */
static void trace_silence(redlock_world *world, uint32_t client) {
    for (uint32_t i = 0; world->trace != NULL && i < world->lock_count; i++) {
        redlock_world_lock *lock = &world->lock[i];
        for (uint32_t n = 0;
             lock->client == client && !lock->is_gone && n < world->config.node_count; n++) {
            bool is_due = lock->waits_until[n] != 0 && world->now >= lock->waits_until[n];
            redlock_vote_report vote;
            redlock_core_report(world->client[client].core, lock->slot, n, &vote);
            if (is_due && vote.status == REDLOCK_SILENT) {
                trace_node(world, client, '!', n, "silent");
            }
            lock->waits_until[n] = is_due ? 0 : lock->waits_until[n];
        }
    }
}

static void step(redlock_world *world, uint32_t client, const redlock_fact *fact) {
    redlock_core *core = world->client[client].core;
    redlock_wish wish;
    world->steps++;
    redlock_core_step(core, fact, world->now);
    trace_silence(world, client);
    while (redlock_core_next(core, &wish)) {
        carry_out(world, client, &wish);
    }
    redlock_core_check(core);
}

/* --- arrivals at a node ---------------------------------------------------------------------- */

static void backlog_add(redlock_world_node *node, uint32_t place) {
    if (node->backlog_count == node->backlog_size) {
        node->backlog_size = node->backlog_size == 0 ? 16 : node->backlog_size * 2;
        node->backlog =
            redlock_happening_grown(node->backlog, node->backlog_size, sizeof *node->backlog);
    }
    node->backlog[node->backlog_count++] = place;
}

static bool is_current(const redlock_world *world, const redlock_happening *arrived) {
    return world->client[arrived->client].link[arrived->node].epoch == arrived->epoch;
}

static void send_down(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    uint32_t place;
    redlock_happening *down = post(world, REDLOCK_HAPPENING_DOWN, client, node, &place);
    down->at = arrival(world, link, link->back, &link->back_last);
    redlock_happening_push(&world->queue, place);
}

static void call_arrives(redlock_world *world, const redlock_happening *call) {
    redlock_world_link *link = &world->client[call->client].link[call->node];
    redlock_world_node *node = &world->node[call->node];
    if (!is_current(world, call) || !passes(link)) {
        return;
    }
    if (node->is_refusing || node->is_down || call->life != node->life) {
        send_down(world, call->client, call->node);
        return;
    }
    uint32_t place;
    redlock_happening *up = post(world, REDLOCK_HAPPENING_UP, call->client, call->node, &place);
    up->at = arrival(world, link, link->back, &link->back_last);
    up->answer.time_ms = redlock_world_node_us(world, call->node) / 1000;
    up->command.run_id = keep(up->run_id, sizeof up->run_id, redlock_bytes_of(node->model.run_id));
    node->model.steps_forgotten = 0; /* greeting a node teaches it all steps */
    redlock_happening_push(&world->queue, place);
}

static void command_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    redlock_world_node *node = &world->node[arrived->node];
    if (node->is_down || arrived->life != node->life) {
        return;
    }
    uint64_t now_us = redlock_world_node_us(world, arrived->node);
    redlock_answer answer = redlock_model_answer(&node->model, &arrived->command, now_us);
    if (!is_current(world, arrived)) {
        return; /* carried out, and nobody is there to hear it */
    }
    bool is_lost = !passes(link) || link->is_mute;
    if (is_lost || is_dropped(&link->drop_back)) {
        trace_command(world, arrived->client, '?', arrived->node,
                      "carried out, answer lost: ", &arrived->command);
        return;
    }
    uint32_t place;
    redlock_happening *reply =
        post(world, REDLOCK_HAPPENING_ANSWER, arrived->client, arrived->node, &place);
    reply->at = arrival(world, link, link->back, &link->back_last);
    reply->tag = arrived->tag;
    reply->lock = arrived->lock;
    reply->command.kind = arrived->command.kind;
    reply->answer = answer;
    reply->answer.text = keep(reply->token, sizeof reply->token, answer.text);
    if (answer.waiters.len > 0) {
        reply->waiters = redlock_happening_grown(NULL, answer.waiters.len, 1);
        reply->answer.waiters = keep(reply->waiters, answer.waiters.len, answer.waiters);
    }
    redlock_happening_push(&world->queue, place);
}

/* --- arrivals at a client -------------------------------------------------------------------- */

/* The node has answered the lock that the tag belongs to: nobody waits for it there any more. */
static void hear(redlock_world *world, const redlock_happening *arrived) {
    if (arrived->command.kind != REDLOCK_COMMAND_RELEASE) {
        world->lock[arrived->lock].waits_until[arrived->node] = 0;
    }
}

static void answer_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (!is_current(world, arrived) || !passes(link)) {
        return;
    }
    REDLOCK_ASSERT(link->unanswered > 0);
    link->unanswered--;
    redlock_fact fact = {.kind = REDLOCK_FACT_REPLY, .node = arrived->node};
    fact.as.reply.tag = arrived->tag;
    fact.as.reply.answer = arrived->answer;
    fact.as.reply.answer.text.at = arrived->token; /* the pool may have moved since */
    hear(world, arrived);
    if (world->trace != NULL) {
        char words[REDLOCK_TRACE_WORDS_BYTES];
        redlock_words_answer(arrived->command.kind, &fact.as.reply.answer, words, sizeof words);
        trace_node(world, arrived->client, '<', arrived->node, words);
    }
    step(world, arrived->client, &fact);
}

static void up_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (!is_current(world, arrived) || !passes(link)) {
        return;
    }
    link->is_up = true;
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_UP, .node = arrived->node};
    fact.as.up.run_id = (redlock_bytes){.at = arrived->run_id, .len = REDLOCK_RUN_ID_BYTES};
    fact.as.up.time_ms = arrived->answer.time_ms;
    step(world, arrived->client, &fact);
}

static void client_hears_down(redlock_world *world, uint32_t client, uint32_t node, int sys_errno) {
    link_end(&world->client[client].link[node]);
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_DOWN, .node = node};
    fact.as.down.status = REDLOCK_IO;
    fact.as.down.sys_errno = sys_errno;
    step(world, client, &fact);
}

static void down_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (is_current(world, arrived) && passes(link)) {
        client_hears_down(world, arrived->client, arrived->node,
                          link->is_up ? ECONNRESET : ECONNREFUSED);
    }
}

static bool listen_is_current(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    return link->listen_epoch == arrived->epoch && wakes_pass(link);
}

static void listened_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (listen_is_current(world, arrived)) {
        link->is_listening = true;
        trace_node(world, arrived->client, '~', arrived->node, "subscribed");
        redlock_fact fact = {.kind = REDLOCK_FACT_SUBSCRIBED, .node = arrived->node};
        step(world, arrived->client, &fact);
    }
}

static void deaf_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (listen_is_current(world, arrived)) {
        link->is_listening = false;
        link->listen_epoch++;
        trace_node(world, arrived->client, '~', arrived->node, "unsubscribed");
        redlock_fact fact = {.kind = REDLOCK_FACT_UNSUBSCRIBED, .node = arrived->node};
        step(world, arrived->client, &fact);
    }
}

static void wake_arrives(redlock_world *world, const redlock_happening *arrived) {
    if (listen_is_current(world, arrived)) {
        trace_node(world, arrived->client, '<', arrived->node, "woken");
        redlock_fact fact = {.kind = REDLOCK_FACT_WAKE, .node = arrived->node};
        fact.as.wake.tag = arrived->tag;
        step(world, arrived->client, &fact);
    }
}

static uint64_t client_us(const redlock_world *world, uint32_t client) {
    return wall_us(world, world->client[client].skew_us);
}

void redlock_world_token(uint32_t client, uint32_t number,
                         char text[REDLOCK_WORLD_TOKEN_BYTES + 1]) {
    memset(text, 'a' + (int)client, 28);
    (void)snprintf(text + 28, REDLOCK_WORLD_TOKEN_BYTES + 1 - 28, "%04" PRIu32 ":%c",
                   number % 10000, letter(client));
}

static void fresh_token(redlock_world *world, uint32_t client, char *text) {
    redlock_world_token(client, ++world->client[client].token_count, text);
}

static void token_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_lock *lock = &world->lock[arrived->lock];
    if (lock->is_gone) {
        return;
    }
    char token[REDLOCK_WORLD_TOKEN_BYTES + 1];
    fresh_token(world, lock->client, token);
    lock->first_grant_at = 0; /* a new attempt begins */
    redlock_fact fact = {.kind = REDLOCK_FACT_TOKEN, .slot = lock->slot};
    fact.as.token.token = redlock_bytes_of(token);
    fact.as.token.wall_us = client_us(world, lock->client);
    step(world, lock->client, &fact);
}

/* --- time ------------------------------------------------------------------------------------ */

static bool is_for_client(redlock_happening_kind kind) {
    return kind != REDLOCK_HAPPENING_COMMAND && kind != REDLOCK_HAPPENING_CALL &&
           kind != REDLOCK_HAPPENING_LISTEN && kind != REDLOCK_HAPPENING_UNLISTEN;
}

static void happen(redlock_world *world, const redlock_happening *what) {
    switch (what->kind) {
    case REDLOCK_HAPPENING_COMMAND:
        command_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_CALL:
        call_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_ANSWER:
        answer_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_UP:
        up_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_DOWN:
        down_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_TOKEN:
        token_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_LISTEN:
        listen_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_UNLISTEN:
        unlisten_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_LISTENED:
        listened_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_DEAF:
        deaf_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_WAKE:
        wake_arrives(world, what);
        return;
    }
    abort();
}

static void queue_happen(redlock_world *world) {
    uint32_t place = redlock_happening_pop(&world->queue);
    redlock_happening *next = &world->queue.pool[place];
    world->now = redlock_ns_max(world->now, next->at);
    if (is_for_client(next->kind) && world->client[next->client].frozen_until > world->now) {
        next->at = world->client[next->client].frozen_until;
        redlock_happening_push(&world->queue, place);
        return;
    }
    if (!is_for_client(next->kind) && world->node[next->node].is_paused &&
        !world->node[next->node].is_down) {
        backlog_add(&world->node[next->node], place);
        return;
    }
    redlock_happening copy = *next; /* the pool may move while it happens */
    copy.command.name.at = copy.name;
    copy.command.token.at = copy.token;
    copy.command.run_id.at = copy.run_id;
    copy.command.entry.channel.at = copy.channel;
    redlock_happening_give_back(&world->queue, place);
    happen(world, &copy);
    free(copy.waiters);
}

static redlock_ns client_deadline(const redlock_world *world, uint32_t client) {
    redlock_ns deadline = redlock_core_deadline(world->client[client].core);
    return deadline == REDLOCK_NEVER ? deadline
                                     : redlock_ns_max(deadline, world->client[client].frozen_until);
}

static redlock_ns earliest_deadline(const redlock_world *world, uint32_t *ret_client) {
    redlock_ns earliest = REDLOCK_NEVER;
    for (uint32_t i = 0; i < world->config.client_count; i++) {
        redlock_ns deadline = client_deadline(world, i);
        if (deadline < earliest) {
            earliest = deadline;
            *ret_client = i;
        }
    }
    return earliest;
}

/* A core that asks to be woken at once, again and again, would stop the virtual clock. */
static void check_spin(redlock_world *world) {
    world->spins = world->now == world->spin_at ? world->spins + 1 : 0;
    world->spin_at = world->now;
    REDLOCK_ASSERT(world->spins < SPINS_MAX);
}

bool redlock_world_next(redlock_world *world, redlock_ns limit) {
    uint32_t client = 0;
    redlock_ns arrives = redlock_happening_due(&world->queue),
               deadline = earliest_deadline(world, &client);
    if (redlock_ns_min(arrives, deadline) > limit ||
        redlock_ns_min(arrives, deadline) == REDLOCK_NEVER) {
        world->now = limit == REDLOCK_NEVER ? world->now : redlock_ns_max(world->now, limit);
        return false;
    }
    if (arrives <= deadline) {
        queue_happen(world);
        return true;
    }
    world->now = redlock_ns_max(world->now, deadline);
    check_spin(world);
    redlock_fact fact = {.kind = REDLOCK_FACT_TIME};
    step(world, client, &fact);
    return true;
}

void redlock_world_run_until(redlock_world *world, redlock_ns limit) {
    while (redlock_world_next(world, limit)) {
    }
}

bool redlock_world_settle(redlock_world *world, redlock_ns limit) {
    uint32_t client = 0;
    while (redlock_ns_min(redlock_happening_due(&world->queue),
                          earliest_deadline(world, &client)) != REDLOCK_NEVER) {
        if (!redlock_world_next(world, limit)) {
            return false;
        }
    }
    return true;
}

/* Counts all that a user can be told about a lock. */
static uint64_t told_count(const redlock_world_lock *lock) {
    return (uint64_t)(lock->acquired_at != 0) + (lock->failed_at != 0) + (lock->lost_at != 0) +
           (lock->looked_at != 0) + (lock->released_at != 0) + lock->renewed_count +
           lock->renew_late_count + lock->extended_at + lock->waiting_count;
}

static uint64_t told_all(const redlock_world *world) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < world->lock_count; i++) {
        count += told_count(&world->lock[i]);
    }
    return count;
}

bool redlock_world_until_told(redlock_world *world, redlock_ns limit) {
    uint64_t before = told_all(world);
    while (told_all(world) == before) {
        if (!redlock_world_next(world, limit)) {
            return false;
        }
    }
    return true;
}

/* --- faults ---------------------------------------------------------------------------------- */

void redlock_world_pause(redlock_world *world, uint32_t node) {
    world->node[node].is_paused = true;
}

void redlock_world_resume(redlock_world *world, uint32_t index) {
    redlock_world_node *node = &world->node[index];
    node->is_paused = false;
    for (uint32_t i = 0; i < node->backlog_count; i++) {
        world->queue.pool[node->backlog[i]].at = world->now;
        redlock_happening_push(&world->queue, node->backlog[i]);
    }
    node->backlog_count = 0;
}

void redlock_world_crash(redlock_world *world, uint32_t index) {
    redlock_world_node *node = &world->node[index];
    if (node->is_down) {
        return;
    }
    redlock_world_resume(world, index); /* what waited arrives at a node of another life: nowhere */
    node->life++;
    node->is_down = true;
    for (uint32_t i = 0; i < world->config.client_count; i++) {
        redlock_world_link *link = &world->client[i].link[index];
        if (link->is_up && passes(link)) {
            send_down(world, i, index);
        }
        redlock_world_deafen(world, i, index, false);
    }
}

void redlock_world_restart(redlock_world *world, uint32_t index, bool lose) {
    redlock_world_crash(world, index);
    world->node[index].is_down = false;
    redlock_model_restart(&world->node[index].model, lose);
}

void redlock_world_break(redlock_world *world, uint32_t client, uint32_t node) {
    if (world->client[client].link[node].is_up) {
        client_hears_down(world, client, node, ECONNRESET);
    }
}

redlock_bytes redlock_world_value(const redlock_world *world, uint32_t node, const char *name) {
    uint64_t now_us = redlock_world_node_us(world, node);
    return redlock_model_value(&world->node[node].model, redlock_bytes_of(name), now_us);
}

void redlock_world_plant(redlock_world *world, uint32_t node, const char *name, const char *value,
                         redlock_ns ttl, uint64_t mark) {
    uint64_t expires_ms = redlock_world_node_us(world, node) / 1000 + redlock_ns_to_ms_up(ttl);
    redlock_model_plant(&world->node[node].model, redlock_bytes_of(name), redlock_bytes_of(value),
                        expires_ms, mark);
}

/* --- users ----------------------------------------------------------------------------------- */

redlock_seek redlock_world_seek(void) {
    return (redlock_seek){
        .ttl = 10 * REDLOCK_NS_PER_S,
        .margin = REDLOCK_NS_PER_S,
        .node_timeout = 50 * REDLOCK_NS_PER_MS,
        .retry_min = 50 * REDLOCK_NS_PER_MS,
        .poll = REDLOCK_NS_PER_S,
        .fenced = true,
    };
}

static uint32_t vacant_slot(redlock_world_client *client) {
    uint32_t slot = redlock_core_vacant(client->core);
    if (slot == REDLOCK_SLOT_NONE) {
        uint32_t count = redlock_core_slot_count(client->core);
        uint32_t more = count == 0 ? SLOTS_FIRST : count * 2;
        client->table = redlock_happening_grown(NULL, 1, redlock_core_table_size(more));
        free(redlock_core_grow(client->core, client->table, more));
        slot = redlock_core_vacant(client->core);
    }
    REDLOCK_ASSERT(slot != REDLOCK_SLOT_NONE);
    return slot;
}

static uint32_t lock_begin(redlock_world *world, uint32_t client, const char *name,
                           size_t token_bytes, redlock_ns node_timeout) {
    if (world->lock_count == world->lock_size) {
        world->lock_size = world->lock_size == 0 ? 16 : world->lock_size * 2;
        world->lock = redlock_happening_grown(world->lock, world->lock_size, sizeof *world->lock);
    }
    redlock_world_lock *lock = &world->lock[world->lock_count];
    *lock = (redlock_world_lock){
        .client = client, .asked_at = world->now, .node_timeout = node_timeout};
    REDLOCK_ASSERT(strlen(name) < sizeof lock->name);
    memcpy(lock->name, name, strlen(name) + 1);
    lock->slot = vacant_slot(&world->client[client]);
    size_t size = redlock_core_slot_size(world->client[client].core, strlen(name), token_bytes);
    lock->memory = redlock_happening_grown(NULL, 1, size);
    return world->lock_count++;
}

static redlock_fact fact_ask(const redlock_world *world, redlock_fact_kind kind, uint32_t index) {
    const redlock_world_lock *lock = &world->lock[index];
    redlock_fact fact = {.kind = kind, .slot = lock->slot};
    fact.as.ask.memory = lock->memory;
    fact.as.ask.name = redlock_bytes_of(lock->name);
    fact.as.ask.wall_us = client_us(world, lock->client);
    return fact;
}

uint32_t redlock_world_acquire(redlock_world *world, uint32_t client, const char *name,
                               const redlock_seek *seek, const char *token) {
    char made[REDLOCK_WORLD_TOKEN_BYTES + 1];
    if (token == NULL) {
        fresh_token(world, client, made);
    }
    redlock_bytes bytes = redlock_bytes_of(token == NULL ? made : token);
    uint32_t index = lock_begin(world, client, name, bytes.len, seek->node_timeout);
    redlock_fact fact = fact_ask(world, REDLOCK_FACT_ACQUIRE, index);
    fact.as.ask.token = bytes;
    fact.as.ask.seek = *seek;
    fact.as.ask.seek.own_token = token != NULL;
    step(world, client, &fact);
    return index;
}

uint32_t redlock_world_adopt(redlock_world *world, uint32_t client, const char *name,
                             const redlock_seek *seek, redlock_bytes token, uint64_t fence) {
    uint32_t index = lock_begin(world, client, name, token.len, seek->node_timeout);
    redlock_fact fact = fact_ask(world, REDLOCK_FACT_ADOPT, index);
    fact.as.ask.token = token;
    fact.as.ask.fence = fence;
    fact.as.ask.seek = *seek;
    step(world, client, &fact);
    return index;
}

uint32_t redlock_world_look(redlock_world *world, uint32_t client, const char *name,
                            redlock_command_kind question, redlock_ns node_timeout) {
    uint32_t index = lock_begin(world, client, name, REDLOCK_TOKEN_BYTES_MAX, node_timeout);
    redlock_fact fact = fact_ask(world, REDLOCK_FACT_LOOK, index);
    fact.as.ask.question = question;
    fact.as.ask.seek.node_timeout = node_timeout;
    fact.as.ask.seek.fenced = true;
    step(world, client, &fact);
    return index;
}

void redlock_world_extend(redlock_world *world, uint32_t index, redlock_ns ttl, redlock_ns margin,
                          bool once) {
    const redlock_world_lock *lock = &world->lock[index];
    redlock_fact fact = {.kind = REDLOCK_FACT_EXTEND, .slot = lock->slot};
    fact.as.extend.ttl = ttl;
    fact.as.extend.margin = margin;
    fact.as.extend.once = once;
    step(world, lock->client, &fact);
}

void redlock_world_release(redlock_world *world, uint32_t index) {
    redlock_world_lock *lock = &world->lock[index];
    redlock_fact fact = {.kind = REDLOCK_FACT_RELEASE, .slot = lock->slot};
    lock->ended_at = world->now;
    step(world, lock->client, &fact);
}

void redlock_world_cancel(redlock_world *world, uint32_t index) {
    const redlock_world_lock *lock = &world->lock[index];
    if (!lock->is_gone) {
        redlock_fact fact = {.kind = REDLOCK_FACT_CANCEL, .slot = lock->slot};
        step(world, lock->client, &fact);
    }
}

/* --- beginning and end ----------------------------------------------------------------------- */

static redlock_ns ns_or(redlock_ns given, redlock_ns otherwise) {
    return given != 0 ? given : otherwise;
}

static void config_fill(redlock_world_config *config) {
    redlock_core_config *core = &config->core;
    config->latency = ns_or(config->latency, REDLOCK_NS_PER_MS);
    core->node_count = config->node_count;
    core->guard = config->guard;
    core->seed = config->seed;
    core->drift_ppm = core->drift_ppm != 0 ? core->drift_ppm : 10000;
    core->drift_floor = ns_or(core->drift_floor, 2 * REDLOCK_NS_PER_MS);
    core->connect_timeout = ns_or(core->connect_timeout, REDLOCK_NS_PER_S);
    core->backoff_min = ns_or(core->backoff_min, 10 * REDLOCK_NS_PER_MS);
    core->backoff_max = ns_or(core->backoff_max, REDLOCK_NS_PER_S);
    core->silence_max = ns_or(core->silence_max, 2 * REDLOCK_NS_PER_S);
    core->release_timeout = ns_or(core->release_timeout, 5 * REDLOCK_NS_PER_S);
    core->hand_off = ns_or(core->hand_off, 2 * REDLOCK_NS_PER_S);
    core->inflight_max = core->inflight_max != 0 ? core->inflight_max : 1024;
}

static void node_begin(redlock_world *world, uint32_t index) {
    redlock_model *model = &world->node[index].model;
    redlock_model_init(model, index);
    model->publish = publish;
    model->publish_context = world;
    if (world->config.guard > 0 && !world->config.is_fresh) {
        redlock_command declare = {.kind = REDLOCK_COMMAND_DECLARE,
                                   .run_id = redlock_bytes_of(model->run_id)};
        (void)redlock_model_answer(model, &declare, redlock_world_node_us(world, index));
    }
}

redlock_world *redlock_world_create(const redlock_world_config *config) {
    redlock_world *world = redlock_happening_grown(NULL, 1, sizeof *world);
    memset(world, 0, sizeof *world);
    world->config = *config;
    config_fill(&world->config);
    world->now = REDLOCK_WORLD_START;
    redlock_prng_init(&world->prng, config->seed);
    for (uint32_t n = 0; n < config->node_count; n++) {
        node_begin(world, n);
    }
    for (uint32_t c = 0; c < config->client_count; c++) {
        redlock_world_client *client = &world->client[c];
        client->memory = redlock_happening_grown(NULL, 1, redlock_core_size());
        redlock_core_config core = world->config.core;
        core.seed = config->seed * REDLOCK_WORLD_CLIENTS_MAX + c;
        memset(client->channel, letter(c), sizeof client->channel);
        memcpy(core.channel, client->channel, sizeof core.channel);
        client->core = redlock_core_init(client->memory, &core);
        for (uint32_t n = 0; n < config->node_count; n++) {
            client->link[n].there = client->link[n].back = world->config.latency;
        }
    }
    return world;
}

void redlock_world_warm_up(redlock_world *world) {
    for (uint32_t c = 0; c < world->config.client_count; c++) {
        (void)redlock_world_look(world, c, "warm up", REDLOCK_COMMAND_LOOK, REDLOCK_NS_PER_S);
    }
    redlock_world_run_until(world, REDLOCK_WORLD_ORIGIN);
    for (uint32_t i = 0; i < world->lock_count; i++) {
        REDLOCK_ASSERT(world->lock[i].is_gone);
    }
    world->lock_count = 0;
}

void redlock_world_destroy(redlock_world *world) {
    if (world == NULL) {
        return;
    }
    for (uint32_t i = 0; i < world->lock_count; i++) {
        free(world->lock[i].memory);
    }
    for (uint32_t c = 0; c < world->config.client_count; c++) {
        free(world->client[c].table);
        free(world->client[c].memory);
    }
    for (uint32_t n = 0; n < world->config.node_count; n++) {
        free(world->node[n].backlog);
        redlock_model_deinit(&world->node[n].model);
    }
    redlock_happening_deinit(&world->queue);
    free(world->lock);
    free(world);
}
