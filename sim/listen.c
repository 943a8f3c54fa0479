#include "sim/listen.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "sim/check.h"
#include "sim/link.h"
#include "sim/queue_check.h"
#include "sim/trace.h"
#include "wire/message.h"

static redlock_sim_ear *ear_of(redlock_sim_world *world, const redlock_sim_event *event) {
    return &world->client[event->client].ear[event->node];
}

static bool is_current(redlock_sim_world *world, const redlock_sim_event *event) {
    const redlock_sim_ear *ear = ear_of(world, event);
    return ear->connection != 0 && ear->connection == event->connection;
}

static redlock_ns way(redlock_sim_world *world, uint32_t client, uint32_t node) {
    const redlock_sim_link *link = &world->client[client].link[node];
    redlock_ns slow = link->slow_until > world->now ? link->slow : 0;
    return link->way + redlock_sim_upto(&world->network, link->jitter + slow);
}

static redlock_sim_event event_of(redlock_sim_world *world, redlock_sim_event_kind kind,
                                  uint32_t client, uint32_t node) {
    const redlock_sim_ear *ear = &world->client[client].ear[node];
    return (redlock_sim_event){.at = world->now + way(world, client, node),
                               .kind = kind,
                               .client = client,
                               .node = node,
                               .connection = ear->connection,
                               .life = ear->life};
}

/* Messages of one connection keep their order. */
static void put_back(redlock_sim_world *world, redlock_sim_event event) {
    redlock_sim_ear *ear = ear_of(world, &event);
    if (ear->is_deaf || redlock_sim_link_is_cut(world, event.client, event.node)) {
        ear->is_deaf = true;
        free(event.parcel);
        return;
    }
    ear->back_last = redlock_ns_max(ear->back_last, event.at);
    event.at = ear->back_last;
    redlock_sim_queue_put(&world->queue, event);
}

static void ear_end(redlock_sim_ear *ear) {
    ear->connection = 0;
    ear->is_on = ear->is_deaf = false;
}

/* --- the client's end ------------------------------------------------------------------------ */

void redlock_sim_listen_open(redlock_sim_world *world, uint32_t client, uint32_t node) {
    redlock_sim_ear *ear = &world->client[client].ear[node];
    ear_end(ear);
    ear->connection = ++world->connections;
    ear->life = world->node[node].life;
    ear->back_last = world->now;
    redlock_sim_trace_client(world, client, "n%" PRIu32 " subscribes", node + 1);
    if (!redlock_sim_link_is_cut(world, client, node)) {
        redlock_sim_queue_put(&world->queue,
                              event_of(world, REDLOCK_SIM_EVENT_EAR_CALL, client, node));
    }
}

void redlock_sim_listen_close(redlock_sim_world *world, uint32_t client, uint32_t node) {
    redlock_sim_ear *ear = &world->client[client].ear[node];
    if (ear->connection != 0) {
        redlock_sim_queue_put(&world->queue,
                              event_of(world, REDLOCK_SIM_EVENT_EAR_HANG_UP, client, node));
    }
    ear_end(ear);
}

void redlock_sim_listen_drop(redlock_sim_world *world, uint32_t client, uint32_t node) {
    ear_end(&world->client[client].ear[node]);
}

void redlock_sim_listen_break(redlock_sim_world *world, uint32_t client, uint32_t node) {
    redlock_sim_ear *ear = &world->client[client].ear[node];
    if (ear->connection == 0) {
        return;
    }
    redlock_sim_queue_put(&world->queue,
                          event_of(world, REDLOCK_SIM_EVENT_EAR_HANG_UP, client, node));
    redlock_sim_queue_put(&world->queue, event_of(world, REDLOCK_SIM_EVENT_EAR_DOWN, client, node));
    ear->is_deaf = true;
}

static void told_on(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_fact fact = {.kind = REDLOCK_FACT_SUBSCRIBED, .node = event->node};
    ear_of(world, event)->is_on = true;
    redlock_sim_trace_client(world, event->client, "n%" PRIu32 " is subscribed to",
                             event->node + 1);
    redlock_sim_queue_check_subscribed(world, event->client, event->node);
    redlock_sim_step(world, event->client, &fact);
    redlock_sim_queue_check_asks(world, event->client);
}

static void told_wake(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_fact fact = {.kind = REDLOCK_FACT_WAKE, .node = event->node};
    bool is_call = redlock_message_call(redlock_sim_parcel_bytes(event->parcel), &fact.as.wake);
    REDLOCK_ASSERT(is_call); /* or it had not been sent */
    uint64_t tag = fact.as.wake.tag;
    world->counts.wakes++;
    redlock_sim_trace_client(world, event->client,
                             "< n%" PRIu32 " wakes %" PRIu64 ".%" PRIu64 ", mark %" PRIu64,
                             event->node + 1, tag >> 32, tag & UINT32_MAX, fact.as.wake.mark);
    redlock_sim_queue_check_woken(world, event->client, event->node, tag);
    redlock_sim_check_handed(world, event->client, event->node, &fact.as.wake,
                             event->parcel->handed_at);
    uint64_t grants = world->counts.grants;
    redlock_sim_step(world, event->client, &fact);
    world->counts.taken += world->counts.grants - grants;
    redlock_sim_queue_check_asks(world, event->client);
}

static void told_down(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_fact fact = {.kind = REDLOCK_FACT_UNSUBSCRIBED, .node = event->node};
    ear_end(ear_of(world, event));
    redlock_sim_trace_client(world, event->client, "n%" PRIu32 " subscription gone",
                             event->node + 1);
    redlock_sim_step(world, event->client, &fact);
}

/* --- at the node ----------------------------------------------------------------------------- */

static bool node_refuses(const redlock_sim_world *world, const redlock_sim_event *event) {
    const redlock_sim_node *node = &world->node[event->node];
    bool refuses = node->is_down || node->password > 0;
    for (uint32_t i = 0; i < REDLOCK_SIM_FAULT_COUNT; i++) {
        refuses = refuses || node->fault_count[i] > 0; /* any of them is reason enough */
    }
    return refuses || world->client[event->client].ear[event->node].refused_until > world->now;
}

static void call_arrives(redlock_sim_world *world, const redlock_sim_event *event) {
    uint8_t channel[sizeof REDLOCK_MESSAGE_PREFIX + REDLOCK_CHANNEL_BYTES];
    redlock_sim_node *node = &world->node[event->node];
    redlock_sim_ear *ear = ear_of(world, event);
    if (!is_current(world, event)) {
        return;
    }
    if (node_refuses(world, event)) {
        put_back(world, event_of(world, REDLOCK_SIM_EVENT_EAR_DOWN, event->client, event->node));
        return;
    }
    ear->life = node->life;
    redlock_sim_server_set_clock(node->server, redlock_sim_node_wall_us(world, event->node));
    redlock_status status = redlock_sim_server_subscribe(
        node->server, event->connection, redlock_sim_channel_text(world, event->client, channel));
    put_back(world,
             event_of(world,
                      status == REDLOCK_OK ? REDLOCK_SIM_EVENT_EAR_ON : REDLOCK_SIM_EVENT_EAR_DOWN,
                      event->client, event->node));
}

static void message_goes(redlock_sim_world *world, uint32_t node, uint32_t connection,
                         redlock_bytes text) {
    for (uint32_t c = 0; c < world->plan.clients; c++) {
        redlock_sim_ear *ear = &world->client[c].ear[node];
        if (ear->connection != connection) {
            continue;
        }
        if (ear->loses > 0) {
            ear->loses--;
            redlock_sim_trace_client(world, c, "n%" PRIu32 " wakes, and it gets lost", node + 1);
            return;
        }
        redlock_sim_event event = event_of(world, REDLOCK_SIM_EVENT_EAR_WAKE, c, node);
        event.parcel = redlock_sim_parcel_create(NULL, text);
        event.parcel->handed_at = world->now;
        put_back(world, event);
        return;
    }
}

void redlock_sim_listen_publish(redlock_sim_world *world, uint32_t node) {
    redlock_sim_server *server = world->node[node].server;
    redlock_sim_message message;
    while (redlock_sim_server_next_message(server, &message)) {
        redlock_wake_call call;
        world->published++;
        if (redlock_message_call(message.text, &call)) {
            message_goes(world, node, message.connection, message.text);
        }
    }
}

void redlock_sim_listen_node_gone(redlock_sim_world *world, uint32_t node) {
    for (uint32_t c = 0; c < world->plan.clients; c++) {
        if (world->client[c].ear[node].connection != 0) {
            put_back(world, event_of(world, REDLOCK_SIM_EVENT_EAR_DOWN, c, node));
        }
    }
}

void redlock_sim_listen_event(redlock_sim_world *world, const redlock_sim_event *event) {
    const redlock_sim_node *node = &world->node[event->node];
    if (event->kind == REDLOCK_SIM_EVENT_EAR_HANG_UP) {
        if (!node->is_down && event->life == node->life) {
            redlock_sim_server_hang_up(node->server, event->connection);
        }
        return;
    }
    if (event->kind == REDLOCK_SIM_EVENT_EAR_CALL) {
        call_arrives(world, event);
        return;
    }
    if (!is_current(world, event) || world->client[event->client].core == NULL) {
        return;
    }
    if (event->kind == REDLOCK_SIM_EVENT_EAR_ON) {
        told_on(world, event);
    } else if (event->kind == REDLOCK_SIM_EVENT_EAR_WAKE) {
        told_wake(world, event);
    } else {
        told_down(world, event);
    }
}
