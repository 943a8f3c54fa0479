/* world_link.c -- connections for commands: what is sent on one arrives in order, or never.
 *
 * The client's end is gone as soon as it hangs up or hears that the connection broke; what is under
 * way to the node still arrives there, and its answer finds nobody. */
#include "world_inside.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

/* --- on the way ------------------------------------------------------------------------------ */

redlock_ns redlock_world_link_arrival(redlock_world *world, const redlock_world_link *link,
                                      redlock_ns way, redlock_ns *last) {
    redlock_ns jitter = link->jitter > 0 ? redlock_prng_upto(&world->prng, link->jitter) : 0;
    *last = redlock_ns_max(*last, world->now + way + jitter);
    return *last;
}

/* A connection on which something was lost never carries anything again: bytes have an order. */
static bool passes(redlock_world_link *link) {
    if (link->is_cut) {
        link->is_stuck = true;
    }
    return !link->is_stuck;
}

bool redlock_world_link_is_dropped(uint32_t *drop) {
    if (*drop == 0) {
        return false;
    }
    *drop -= 1;
    return true;
}

static redlock_bytes keep(uint8_t *memory, size_t size, redlock_bytes bytes) {
    REDLOCK_ASSERT(bytes.len <= size);
    if (bytes.len > 0) {
        memcpy(memory, bytes.at, bytes.len);
    }
    return (redlock_bytes){.at = memory, .len = bytes.len};
}

static bool is_current(const redlock_world *world, const redlock_happening *arrived) {
    return world->client[arrived->client].link[arrived->node].epoch == arrived->epoch;
}

/* --- what a core wishes ---------------------------------------------------------------------- */

void redlock_world_link_send(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_world_link *link = &world->client[client].link[wish->node];
    const redlock_command *command = &wish->as.send.command;
    REDLOCK_ASSERT(link->is_up);
    REDLOCK_ASSERT(wish->as.send.tag != REDLOCK_TAG_NONE);
    link->unanswered++;
    REDLOCK_ASSERT(link->unanswered <= world->config.core.inflight_max);
    redlock_world_trace_command(world, client, '>', wish->node, "", command);
    bool is_lost = !passes(link);
    if (is_lost || redlock_world_link_is_dropped(&link->drop_there)) {
        redlock_world_trace_command(world, client, '?', wish->node, "lost on the way: ", command);
        return;
    }
    uint32_t place;
    redlock_happening *sent =
        redlock_world_post(world, REDLOCK_HAPPENING_COMMAND, client, wish->node, &place);
    sent->at = redlock_world_link_arrival(world, link, link->there, &link->there_last);
    sent->tag = wish->as.send.tag;
    sent->lock = redlock_world_lock_of_slot(world, client, wish->slot);
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

/* One that says no more than its kind. */
static void post_bare(redlock_world *world, redlock_happening_kind kind, uint32_t client,
                      uint32_t node, redlock_ns at) {
    uint32_t place;
    redlock_world_post(world, kind, client, node, &place)->at = at;
    redlock_happening_push(&world->queue, place);
}

void redlock_world_link_connect(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    REDLOCK_ASSERT(!link->is_up);
    link_end(link);
    link->is_stuck = false;
    link->there_last = link->back_last = world->now;
    redlock_world_trace_node(world, client, '~', node, "connect");
    if (!passes(link)) {
        return; /* nobody answers; the core gives up by itself */
    }
    post_bare(world, REDLOCK_HAPPENING_CALL, client, node,
              redlock_world_link_arrival(world, link, link->there, &link->there_last));
}

void redlock_world_link_hang_up(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_trace_node(world, client, '~', node, "hang up");
    link_end(&world->client[client].link[node]);
}

/* --- arrivals at a node ---------------------------------------------------------------------- */

static void send_down(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    post_bare(world, REDLOCK_HAPPENING_DOWN, client, node,
              redlock_world_link_arrival(world, link, link->back, &link->back_last));
}

void redlock_world_link_node_gone(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    if (link->is_up && passes(link)) {
        send_down(world, client, node);
    }
}

void redlock_world_call_arrives(redlock_world *world, const redlock_happening *call) {
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
    redlock_happening *up =
        redlock_world_post(world, REDLOCK_HAPPENING_UP, call->client, call->node, &place);
    up->at = redlock_world_link_arrival(world, link, link->back, &link->back_last);
    up->answer.time_ms = redlock_world_node_us(world, call->node) / 1000;
    up->command.run_id = keep(up->run_id, sizeof up->run_id, redlock_bytes_of(node->model.run_id));
    node->model.steps_forgotten = 0; /* greeting a node teaches it all steps */
    redlock_happening_push(&world->queue, place);
}

void redlock_world_command_arrives(redlock_world *world, const redlock_happening *arrived) {
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
    if (is_lost || redlock_world_link_is_dropped(&link->drop_back)) {
        redlock_world_trace_command(world, arrived->client, '?', arrived->node,
                                    "carried out, answer lost: ", &arrived->command);
        return;
    }
    uint32_t place;
    redlock_happening *reply =
        redlock_world_post(world, REDLOCK_HAPPENING_ANSWER, arrived->client, arrived->node, &place);
    reply->at = redlock_world_link_arrival(world, link, link->back, &link->back_last);
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

void redlock_world_answer_arrives(redlock_world *world, const redlock_happening *arrived) {
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
    redlock_world_trace_answer(world, arrived->client, arrived->node, arrived->command.kind,
                               &fact.as.reply.answer);
    redlock_world_client_step(world, arrived->client, &fact);
}

void redlock_world_up_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (!is_current(world, arrived) || !passes(link)) {
        return;
    }
    link->is_up = true;
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_UP, .node = arrived->node};
    fact.as.up.run_id = (redlock_bytes){.at = arrived->run_id, .len = REDLOCK_RUN_ID_BYTES};
    fact.as.up.time_ms = arrived->answer.time_ms;
    redlock_world_client_step(world, arrived->client, &fact);
}

static void client_hears_down(redlock_world *world, uint32_t client, uint32_t node, int sys_errno) {
    link_end(&world->client[client].link[node]);
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_DOWN, .node = node};
    fact.as.down.status = REDLOCK_IO;
    fact.as.down.sys_errno = sys_errno;
    redlock_world_client_step(world, client, &fact);
}

void redlock_world_down_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (is_current(world, arrived) && passes(link)) {
        client_hears_down(world, arrived->client, arrived->node,
                          link->is_up ? ECONNRESET : ECONNREFUSED);
    }
}

void redlock_world_break(redlock_world *world, uint32_t client, uint32_t node) {
    if (world->client[client].link[node].is_up) {
        client_hears_down(world, client, node, ECONNRESET);
    }
}
