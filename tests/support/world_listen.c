/* world_listen.c -- the connections on which nodes wake clients, one between each two of them. */
#include "world_inside.h"

#include <string.h>

#include "base/assert.h"

/* As `passes`, for the connection that wakes come on. */
static bool wakes_pass(redlock_world_link *link) {
    if (link->is_cut) {
        link->is_listen_stuck = true;
    }
    return !link->is_listen_stuck;
}

static redlock_happening *post_listen(redlock_world *world, redlock_happening_kind kind,
                                      uint32_t client, uint32_t node, uint32_t *ret_place) {
    redlock_happening *made = redlock_world_post(world, kind, client, node, ret_place);
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
        said->at = redlock_world_link_arrival(world, link, link->there, &link->listen_there_last);
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
        said->at = redlock_world_link_arrival(world, link, link->back, &link->listen_back_last);
        redlock_happening_push(&world->queue, place);
    }
}

/* --- the client's end ------------------------------------------------------------------------ */

void redlock_world_subscribe(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    REDLOCK_ASSERT(!link->is_listening);
    link->listen_epoch++;
    link->is_listen_stuck = false;
    link->listen_there_last = link->listen_back_last = world->now;
    redlock_world_trace_node(world, client, '~', node, "subscribe");
    listen_say(world, REDLOCK_HAPPENING_LISTEN, client, node);
}

void redlock_world_unlisten(redlock_world *world, uint32_t client, uint32_t node) {
    listen_say(world, REDLOCK_HAPPENING_UNLISTEN, client, node);
}

void redlock_world_unsubscribe(redlock_world *world, uint32_t client, uint32_t node) {
    redlock_world_link *link = &world->client[client].link[node];
    redlock_world_trace_node(world, client, '~', node, "unsubscribe");
    redlock_world_unlisten(world, client, node);
    link->listen_epoch++;
    link->is_listening = false;
}

static bool listen_is_current(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    return link->listen_epoch == arrived->epoch && wakes_pass(link);
}

void redlock_world_listened_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (listen_is_current(world, arrived)) {
        link->is_listening = true;
        redlock_world_trace_node(world, arrived->client, '~', arrived->node, "subscribed");
        redlock_fact fact = {.kind = REDLOCK_FACT_SUBSCRIBED, .node = arrived->node};
        redlock_world_client_step(world, arrived->client, &fact);
    }
}

void redlock_world_deaf_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (listen_is_current(world, arrived)) {
        link->is_listening = false;
        link->listen_epoch++;
        redlock_world_trace_node(world, arrived->client, '~', arrived->node, "unsubscribed");
        redlock_fact fact = {.kind = REDLOCK_FACT_UNSUBSCRIBED, .node = arrived->node};
        redlock_world_client_step(world, arrived->client, &fact);
    }
}

void redlock_world_wake_arrives(redlock_world *world, const redlock_happening *arrived) {
    if (listen_is_current(world, arrived)) {
        redlock_world_trace_node(world, arrived->client, '<', arrived->node,
                                 arrived->call.mark > 0 ? "handed the name" : "woken");
        redlock_fact fact = {.kind = REDLOCK_FACT_WAKE, .node = arrived->node};
        fact.as.wake = arrived->call;
        fact.as.wake.token.at = arrived->token;
        redlock_world_client_step(world, arrived->client, &fact);
    }
}

/* --- the node's end -------------------------------------------------------------------------- */

void redlock_world_listen_arrives(redlock_world *world, const redlock_happening *arrived) {
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

void redlock_world_unlisten_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_link *link = &world->client[arrived->client].link[arrived->node];
    if (link->heard_epoch == arrived->epoch) {
        link->is_heard = false;
    }
}

void redlock_world_deafen(redlock_world *world, uint32_t client, uint32_t node, bool quiet) {
    redlock_world_link *link = &world->client[client].link[node];
    if (link->is_heard && !quiet) {
        listen_answer(world, REDLOCK_HAPPENING_DEAF, client, node, link->heard_epoch);
    }
    link->is_heard = false;
}

bool redlock_world_publish(void *context, uint32_t node, redlock_bytes channel,
                           const redlock_wake_call *call) {
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
    if (is_lost || redlock_world_link_is_dropped(&link->drop_wakes)) {
        redlock_world_trace_node(world, client, '?', node, "lost on the way: wake");
        return true;
    }
    uint32_t place;
    redlock_happening *wake = post_listen(world, REDLOCK_HAPPENING_WAKE, client, node, &place);
    redlock_ns way = link->wake_way > 0 ? link->wake_way : link->back;
    wake->epoch = link->heard_epoch;
    wake->at = redlock_world_link_arrival(world, link, way, &link->listen_back_last);
    wake->call = *call;
    if (call->token.len > 0) {
        memcpy(wake->token, call->token.at, call->token.len);
    }
    redlock_happening_push(&world->queue, place);
    return true;
}
