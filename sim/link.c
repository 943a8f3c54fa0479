/* link.c -- see link.h.  Two ways to speak: typed commands, or the real codec whose bytes are torn
 * into random pieces.  The greeting is the real one in both. */
#include "sim/link.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/check.h"
#include "sim/listen.h"
#include "sim/queue_check.h"
#include "sim/trace.h"
#include "sim/user.h"
#include "wire/claim.h"
#include "wire/hello.h"
#include "wire/step.h"

#define REFUSED_AFTER_NS (REDLOCK_NS_PER_MS / 2)

static redlock_sim_link *link_of(redlock_sim_world *world, const redlock_sim_event *event) {
    return &world->client[event->client].link[event->node];
}

bool redlock_sim_link_is_used(const redlock_sim_link *link) {
    return link->connection != 0;
}

static bool is_current(const redlock_sim_link *link, const redlock_sim_event *event) {
    return link->connection != 0 && link->connection == event->connection;
}

static bool is_cut(const redlock_sim_world *world, const redlock_sim_link *link, uint32_t node) {
    return link->cut_until > world->now || world->node[node].is_isolated;
}

bool redlock_sim_link_is_cut(const redlock_sim_world *world, uint32_t client, uint32_t node) {
    return is_cut(world, &world->client[client].link[node], node);
}

/* --- on the way ------------------------------------------------------------------------------ */

/* When something sent now arrives: never before what was sent earlier on the same connection. */
static redlock_ns arrival(redlock_sim_world *world, const redlock_sim_link *link,
                          redlock_ns *last) {
    redlock_ns way = link->way + redlock_sim_upto(&world->network, link->jitter);
    if (link->slow_until > world->now) {
        way += redlock_sim_upto(&world->network, link->slow);
    }
    *last = redlock_ns_max(*last, world->now + way);
    return *last;
}

static redlock_sim_event event_of(redlock_sim_world *world, redlock_sim_event_kind kind,
                                  uint32_t client, uint32_t node) {
    const redlock_sim_link *link = &world->client[client].link[node];
    return (redlock_sim_event){.at = world->now,
                               .kind = kind,
                               .client = client,
                               .node = node,
                               .connection = link->connection,
                               .life = link->life};
}

static void put_there(redlock_sim_world *world, redlock_sim_event event) {
    redlock_sim_link *link = link_of(world, &event);
    event.at = arrival(world, link, &link->there_last);
    redlock_sim_queue_put(&world->queue, event);
}

static void put_back(redlock_sim_world *world, redlock_sim_event event) {
    redlock_sim_link *link = link_of(world, &event);
    if (!is_current(link, &event) || link->is_stuck_back || is_cut(world, link, event.node)) {
        link->is_stuck_back = link->is_stuck_back || is_current(link, &event);
        free(event.parcel);
        return; /* nobody hears it */
    }
    event.at = arrival(world, link, &link->back_last);
    redlock_sim_queue_put(&world->queue, event);
}

static void put_down(redlock_sim_world *world, uint32_t client, uint32_t node,
                     redlock_status status) {
    redlock_sim_event event = event_of(world, REDLOCK_SIM_EVENT_DOWN, client, node);
    event.value = (uint64_t)(uint32_t) - (int32_t)status;
    put_back(world, event);
}

/* Bytes as the network hands them out: in pieces.  The last one carries the command, so that what
 * it does can be watched when it is carried out. */
static void put_pieces(redlock_sim_world *world, redlock_sim_event event, bool is_there,
                       redlock_bytes bytes, const redlock_command *command) {
    do {
        size_t most = bytes.len < world->plan.fragment_max ? bytes.len : world->plan.fragment_max;
        size_t piece = most == 0 ? 0 : 1 + (size_t)redlock_sim_upto(&world->network, most - 1);
        if (redlock_sim_one_in(&world->network, 3)) {
            piece = bytes.len; /* the rest at once */
        }
        bool is_last = piece == bytes.len;
        event.parcel = redlock_sim_parcel_create(is_last ? command : NULL,
                                                 (redlock_bytes){.at = bytes.at, .len = piece});
        if (is_there) {
            put_there(world, event);
        } else {
            put_back(world, event);
        }
        bytes.at += piece;
        bytes.len -= piece;
    } while (bytes.len > 0);
}

/* --- the client's end ------------------------------------------------------------------------ */

static void link_end(redlock_sim_link *link, redlock_ns strays_until) {
    if (link->connection != 0) {
        link->stray[link->stray_next] =
            (redlock_sim_stray){.connection = link->connection, .until = strays_until};
        link->stray_next = (link->stray_next + 1) % REDLOCK_SIM_STRAYS_MAX;
    }
    link->connection = 0;
    link->is_up = link->is_greeting = false;
    redlock_native_end(&link->native);
    link->is_stuck_there = link->is_stuck_back = false;
    link->pending_count = 0;
    link->in_len = 0;
}

void redlock_sim_link_connect(redlock_sim_world *world, uint32_t client, uint32_t node) {
    redlock_sim_link *link = &world->client[client].link[node];
    link_end(link, 0);
    link->connection = ++world->connections;
    link->life = world->node[node].life;
    link->there_last = link->back_last = world->now;
    redlock_sim_trace_client(world, client, "n%" PRIu32 " connect", node + 1);
    if (link->nameless_until > world->now) {
        put_down(world, client, node, REDLOCK_IO); /* no such name */
        return;
    }
    if (link->hangs_until > world->now || is_cut(world, link, node)) {
        return; /* nobody answers; the core gives up by itself */
    }
    put_there(world, event_of(world, REDLOCK_SIM_EVENT_CALL, client, node));
}

void redlock_sim_link_hang_up(redlock_sim_world *world, uint32_t client, uint32_t node) {
    redlock_sim_link *link = &world->client[client].link[node];
    if (link->connection != 0) {
        put_there(world, event_of(world, REDLOCK_SIM_EVENT_HANG_UP, client, node));
    }
    link_end(link, 0);
}

void redlock_sim_link_drop(redlock_sim_world *world, uint32_t client, uint32_t node) {
    link_end(&world->client[client].link[node], 0);
}

static void tell_down(redlock_sim_world *world, uint32_t client, uint32_t node,
                      redlock_status status) {
    world->client[client].link[node].failed_at =
        redlock_sim_local(&world->client[client], world->now);
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_DOWN, .node = node};
    fact.as.down.status = status;
    fact.as.down.words = redlock_bytes_of("told by the simulator");
    redlock_sim_trace_client(world, client, "n%" PRIu32 " connection gone: %s", node + 1,
                             redlock_sim_words_status(status));
    redlock_sim_step(world, client, &fact);
}

void redlock_sim_link_break(redlock_sim_world *world, uint32_t client, uint32_t node,
                            redlock_ns strays_until) {
    redlock_sim_link *link = &world->client[client].link[node];
    if (link->connection == 0 || world->client[client].core == NULL) {
        return;
    }
    if (strays_until == 0) {
        put_there(world, event_of(world, REDLOCK_SIM_EVENT_HANG_UP, client, node));
    }
    /* The client hears of it as an event, for it may stand still now. */
    redlock_sim_event event = event_of(world, REDLOCK_SIM_EVENT_DOWN, client, node);
    event.value = (uint64_t)(uint32_t) - (int32_t)REDLOCK_IO;
    redlock_sim_queue_put(&world->queue, event);
    link->is_stuck_there = link->is_stuck_back = true;
    link->stray[link->stray_next] =
        (redlock_sim_stray){.connection = link->connection, .until = strays_until};
    link->stray_next = (link->stray_next + 1) % REDLOCK_SIM_STRAYS_MAX;
}

/* --- sending --------------------------------------------------------------------------------- */

static void pending_push(redlock_sim_world *world, redlock_sim_link *link, uint32_t client,
                         const redlock_wish *wish) {
    const redlock_command *command = &wish->as.send.command;
    if (link->pending_count == link->pending_size) {
        link->pending_size = link->pending_size == 0 ? 8 : link->pending_size * 2;
        link->pending = redlock_sim_grown(link->pending, link->pending_size, sizeof *link->pending);
    }
    uint32_t lock = world->client[client].lock_of[wish->slot];
    const redlock_seek *seek = &world->lock[lock].seek;
    redlock_ns ttl_cost =
        (seek->ttl + 99) / 100 + 2 * REDLOCK_NS_PER_MS; /* docs/guarantees.md, "Validity" */
    redlock_ns from = command->kind == REDLOCK_COMMAND_GRANT && !seek->queued
                          ? world->lock[lock].begun_local
                          : redlock_sim_local(&world->client[client], world->now);
    link->pending[link->pending_count++] = (redlock_sim_pending){
        .tag = wish->as.send.tag,
        .kind = command->kind,
        .fenced = command->fenced,
        .is_native = redlock_native_suits(&link->native, command),
        .has_claim = command->claim.token.len > 0,
        .fence = command->fence,
        .lock = lock,
        .valid_until = seek->ttl > ttl_cost ? from + seek->ttl - ttl_cost : from,
        .token = redlock_sim_token_number(world, command->token),
        .sent_at = world->now,
    };
    if (link->pending_count > world->plan.inflight_max) {
        redlock_sim_complain(world, "C8",
                             "%" PRIu32 " commands in flight, at most %" PRIu32 " may be",
                             link->pending_count, world->plan.inflight_max);
    }
    if (link->pending_count == world->plan.inflight_max) {
        world->counts.faults[REDLOCK_SIM_TROUBLE_CAPACITY]++;
    }
}

static void send_bytes(redlock_sim_world *world, redlock_sim_event event,
                       const redlock_command *command) {
    redlock_sim_link *link = link_of(world, &event);
    redlock_bytes prefix = redlock_bytes_of("");
    bool is_native = link->pending[link->pending_count - 1].is_native;
    size_t len =
        is_native ? redlock_native_encode(link->native.word, command, prefix, world->scratch,
                                          REDLOCK_HELLO_BYTES_MAX)
                  : redlock_step_encode(command, prefix, world->scratch, REDLOCK_HELLO_BYTES_MAX);
    redlock_bytes bytes = {.at = world->scratch, .len = len};
    if (link->tears) { /* only a part of it is ever sent */
        bytes.len = len / 2;
        command = NULL;
    }
    put_pieces(world, event, true, bytes, command);
}

void redlock_sim_link_send(redlock_sim_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_sim_link *link = &world->client[client].link[wish->node];
    const redlock_command *command = &wish->as.send.command;
    redlock_sim_trace_command(world, client, wish->node, ">", command);
    if (!link->is_up) {
        redlock_sim_complain(world, "C8", "a command is sent on a link that is not up");
        return;
    }
    pending_push(world, link, client, wish);
    bool is_native = link->pending[link->pending_count - 1].is_native;
    if (is_native) {
        redlock_native_sent(&link->native);
    }
    bool may_freeze = world->client[client].freezes_asking
                          ? command->kind == REDLOCK_COMMAND_GRANT
                          : command->kind != REDLOCK_COMMAND_RELEASE;
    if (world->client[client].freezes_behind > 0 && may_freeze) {
        redlock_ns until = world->now + world->client[client].freezes_behind;
        world->client[client].frozen_until =
            redlock_ns_max(world->client[client].frozen_until, until);
        world->client[client].freezes_behind = 0;
    }
    if (link->is_stuck_there || is_cut(world, link, wish->node)) {
        link->is_stuck_there = true; /* bytes have an order: what follows can't arrive either */
        return;
    }
    redlock_sim_event event = event_of(world, REDLOCK_SIM_EVENT_TO_NODE, client, wish->node);
    event.value = wish->as.send.tag;
    event.number = world->client[client].lock_of[wish->slot];
    bool is_torn = link->tears;
    bool breaks =
        link->breaks_behind && (!link->breaks_asking || command->kind == REDLOCK_COMMAND_GRANT);
    if (world->plan.is_wired) {
        send_bytes(world, event, command);
    } else if (!is_torn) {
        event.parcel = redlock_sim_parcel_create(command, redlock_bytes_of(""));
        event.parcel->native = is_native ? link->native.word : REDLOCK_NATIVE_NONE;
        put_there(world, event);
    }
    link->tears = false;
    if (is_torn || breaks) {
        redlock_sim_trace_client(world, client, "n%" PRIu32 " breaks %s", wish->node + 1,
                                 is_torn ? "inside of it" : "behind it");
        redlock_ns delay = is_torn ? 0 : link->break_delay;
        bool is_given_up = link->breaks_asking || redlock_sim_one_in(&world->mishap, 2);
        link->breaks_behind = link->breaks_asking = false;
        link->break_delay = 0;
        if (delay > 0 && is_given_up) {
            redlock_sim_user_cancel_soon(world, event.number, delay); /* its release may overtake */
        }
        redlock_sim_link_break(world, client, wish->node, delay == 0 ? 0 : world->now + delay);
    }
}

void redlock_sim_link_sent(redlock_sim_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_sim_trace_command(world, client, wish->node, "> (a claim)", &wish->as.send.command);
    pending_push(world, &world->client[client].link[wish->node], client, wish);
}

/* --- at the node ----------------------------------------------------------------------------- */

/* One round of a greeting.  True when all of it was answered. */
static bool greet_round(redlock_sim_world *world, const redlock_sim_event *event,
                        redlock_hello *hello, size_t len, bool *ret_is_closed) {
    redlock_resp_reader reader;
    redlock_sim_said said =
        redlock_sim_server_feed(world->node[event->node].server, event->connection,
                                (redlock_bytes){.at = world->scratch, .len = len});
    redlock_resp_reader_init(&reader);
    bool is_done = false;
    *ret_is_closed = said.is_closed;
    for (size_t at = 0, used; at < said.bytes.len && !is_done; at += used) {
        if (redlock_resp_read(&reader, said.bytes.at + at, said.bytes.len - at, &used) !=
            REDLOCK_RESP_DONE) {
            hello->status = REDLOCK_PROTOCOL;
            break;
        }
        is_done = redlock_hello_take(hello, &reader, said.bytes.at + at);
        redlock_resp_reader_init(&reader);
    }
    return is_done;
}

/* A whole greeting at one instant, for worlds without the wire. */
static void greet_at_once(redlock_sim_world *world, redlock_sim_event event) {
    redlock_hello hello;
    redlock_url url = {.scheme = REDLOCK_URL_TCP, .host = "node", .port = 6379};
    redlock_sim_server *server = world->node[event.node].server;
    size_t len = redlock_hello_start(&hello, &url, redlock_bytes_of("sim"), world->scratch,
                                     REDLOCK_HELLO_BYTES_MAX);
    bool is_closed = false;
    bool is_done = greet_round(world, &event, &hello, len, &is_closed);
    if (is_done && hello.status == REDLOCK_OK && hello.lacks_scripts) {
        len = redlock_hello_teach(&hello, world->scratch, REDLOCK_HELLO_BYTES_MAX);
        is_done = greet_round(world, &event, &hello, len, &is_closed);
    }
    redlock_status status = is_done || hello.status != REDLOCK_OK ? hello.status : REDLOCK_IO;
    if (!is_closed) {
        redlock_sim_server_hang_up(server,
                                   event.connection); /* typed commands need no connection */
    }
    if (status != REDLOCK_OK) {
        put_down(world, event.client, event.node, status);
        return;
    }
    event.kind = REDLOCK_SIM_EVENT_ACCEPTED;
    event.life = world->node[event.node].life;
    event.parcel = redlock_sim_parcel_create(
        NULL, (redlock_bytes){.at = hello.run_id, .len = hello.run_id_len});
    event.parcel->time_ms = hello.time_ms;
    event.parcel->native = redlock_native_of(hello.is_valkey, hello.version);
    put_back(world, event);
}

static void call_arrives(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_sim_link *link = link_of(world, event);
    const redlock_sim_node *node = &world->node[event->node];
    if (!is_current(link, event) || is_cut(world, link, event->node)) {
        return;
    }
    if (node->is_down || link->refused_until > world->now) {
        put_down(world, event->client, event->node, REDLOCK_IO);
        return;
    }
    link->life = node->life;
    redlock_sim_server_set_clock(node->server, redlock_sim_node_wall_us(world, event->node));
    if (!world->plan.is_wired) {
        greet_at_once(world, *event);
        return;
    }
    redlock_sim_event accepted =
        event_of(world, REDLOCK_SIM_EVENT_ACCEPTED, event->client, event->node);
    put_back(world, accepted);
}

static redlock_sim_pending *pending_find(redlock_sim_link *link, uint64_t tag) {
    for (uint32_t i = 0; i < link->pending_count; i++) {
        if (link->pending[i].tag == tag) {
            return &link->pending[i];
        }
    }
    return NULL;
}

/* Until when the node keeps what it shows now, by true time and if its clock does not jump. */
static redlock_ns kept_until(const redlock_sim_world *world, uint32_t node, uint64_t expires_ms) {
    uint64_t wall_us = redlock_sim_node_wall_us(world, node);
    if (expires_ms * 1000 <= wall_us) {
        return world->now;
    }
    uint64_t left_us = expires_ms * 1000 - wall_us;
    uint64_t rate = (uint64_t)(INT64_C(1000000) + world->node[node].drift_ppm);
    return world->now + left_us * UINT64_C(1000000) / rate * REDLOCK_NS_PER_US;
}

static void answer_goes(redlock_sim_world *world, redlock_sim_event event,
                        const redlock_answer *answer) {
    redlock_sim_event back = event;
    if (!is_current(link_of(world, &event), &event)) {
        return; /* carried out, and nobody is there to hear it */
    }
    if (answer->kind == REDLOCK_ANSWER_ERROR && answer->status == REDLOCK_PROTOCOL) {
        put_down(world, event.client, event.node, REDLOCK_PROTOCOL); /* a driver hangs up on that */
        return;
    }
    back.kind = REDLOCK_SIM_EVENT_TO_CLIENT;
    back.parcel = redlock_sim_parcel_create(NULL, answer->text);
    back.parcel->answer = *answer;
    back.parcel->answer.waiters = redlock_bytes_of(""); /* nobody here asks for them */
    back.parcel->answer.place = answer->waiters.len > 0 ? 0 : answer->place;
    put_back(world, back);
}

static void replies_go(redlock_sim_world *world, redlock_sim_event event, redlock_sim_said said) {
    redlock_sim_event back = event;
    back.kind = REDLOCK_SIM_EVENT_TO_CLIENT;
    back.parcel = NULL;
    if (said.bytes.len > 0) {
        put_pieces(world, back, false, said.bytes, NULL);
    }
    if (said.is_closed && is_current(link_of(world, &event), &event)) {
        put_down(world, event.client, event.node, REDLOCK_IO);
    }
}

/* A claim that was not served was not looked at either. */
static void note_claim(const redlock_sim_world *world, uint32_t node, redlock_sim_pending *claim,
                       const redlock_sim_sight *after) {
    REDLOCK_ASSERT(claim->kind == REDLOCK_COMMAND_GRANT);
    if (after->is_there && after->token == claim->token) {
        claim->is_seen = true;
        claim->mark = after->mark;
        claim->kept_until = kept_until(world, node, after->expires_ms);
    }
}

/* What was carried out is looked at before and after, by the one who knows the command. */
static void carry_out(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_sim_server *server = world->node[event->node].server;
    const redlock_command *command = &event->parcel->command;
    redlock_sim_server_set_clock(server, redlock_sim_node_wall_us(world, event->node));
    if (command->kind == 0) { /* a greeting, or not the end of a command */
        redlock_bytes bytes = redlock_sim_parcel_bytes(event->parcel);
        replies_go(world, *event, redlock_sim_server_feed(server, event->connection, bytes));
        return;
    }
    redlock_sim_sight before = redlock_sim_check_look(world, event->node, command->name);
    redlock_sim_queue_check_before(world, event->node, command);
    redlock_sim_said said = {.is_closed = false};
    redlock_answer answer = {.kind = REDLOCK_ANSWER_ERROR};
    world->counts.commands++;
    if (world->plan.is_wired) {
        said = redlock_sim_server_feed(server, event->connection,
                                       redlock_sim_parcel_bytes(event->parcel));
    } else if (event->parcel->native != REDLOCK_NATIVE_NONE) {
        answer = redlock_sim_server_native(server, event->parcel->native, command);
    } else {
        answer = redlock_sim_server_command(server, command, redlock_bytes_of(""));
    }
    redlock_sim_sight after = redlock_sim_check_look(world, event->node, command->name);
    redlock_sim_listen_publish(world, event->node);
    redlock_sim_queue_check_command(world, event->node, command, &before, &after);
    redlock_sim_check_command(world, event->node, command, &before, &after);
    redlock_sim_link *link = link_of(world, event);
    redlock_sim_pending *pending =
        is_current(link, event) ? pending_find(link, event->value) : NULL;
    if (pending != NULL) {
        pending->is_seen = true;
        pending->mark = after.mark;
        pending->kept_before = before.is_there && before.token == pending->token;
    }
    if (pending != NULL && pending->has_claim) {
        note_claim(world, event->node, pending + 1, &after);
    }
    if (pending != NULL && after.is_there && after.token == pending->token) {
        pending->kept_until = kept_until(world, event->node, after.expires_ms);
    }
    if (world->plan.is_wired) {
        replies_go(world, *event, said);
    } else {
        answer_goes(world, *event, &answer);
    }
}

static bool is_stray(redlock_sim_world *world, redlock_sim_event *event, bool *ret_lost) {
    const redlock_sim_link *link = link_of(world, event);
    *ret_lost = false;
    for (uint32_t i = 0; i < REDLOCK_SIM_STRAYS_MAX; i++) {
        const redlock_sim_stray *stray = &link->stray[i];
        if (stray->connection == event->connection && stray->until > world->now) {
            *ret_lost = stray->until == REDLOCK_NEVER;
            event->at = stray->until;
            return true;
        }
    }
    return false;
}

static void bytes_arrive(redlock_sim_world *world, redlock_sim_event *event) {
    const redlock_sim_node *node = &world->node[event->node];
    bool is_lost;
    if (is_stray(world, event, &is_lost)) {
        if (!is_lost) {
            redlock_sim_queue_put(&world->queue, *event);
            event->parcel = NULL;
        }
        return;
    }
    if (node->is_down) {
        return;
    }
    if (event->life != node->life) { /* another process has the port now */
        if (is_current(link_of(world, event), event)) {
            put_down(world, event->client, event->node, REDLOCK_IO);
        }
        return;
    }
    if (!is_current(link_of(world, event), event) && event->parcel->command.kind != 0) {
        redlock_sim_trace_command(world, event->client, event->node,
                                  "arrives late:", &event->parcel->command);
    }
    carry_out(world, event);
}

/* --- at the client --------------------------------------------------------------------------- */

/* What lies in the scratch. */
static void greeting_send(redlock_sim_world *world, const redlock_sim_event *event, size_t len) {
    if (!link_of(world, event)->is_stuck_there) {
        put_pieces(world, event_of(world, REDLOCK_SIM_EVENT_TO_NODE, event->client, event->node),
                   true, (redlock_bytes){.at = world->scratch, .len = len}, NULL);
    }
}

static void accepted(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_sim_link *link = link_of(world, event);
    if (!is_current(link, event)) {
        return;
    }
    if (world->plan.is_wired) {
        redlock_url url = {.scheme = REDLOCK_URL_TCP, .host = "node", .port = 6379};
        size_t len = redlock_hello_start(&link->hello, &url, redlock_bytes_of("sim"),
                                         world->scratch, REDLOCK_HELLO_BYTES_MAX);
        redlock_resp_reader_init(&link->reader);
        link->is_greeting = true;
        link->in_len = 0;
        greeting_send(world, event, len);
        return;
    }
    link->is_up = true;
    redlock_native_begin(&link->native, event->parcel->native);
    link->up_at = redlock_sim_local(&world->client[event->client], world->now);
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_UP, .node = event->node};
    fact.as.up.run_id = redlock_sim_parcel_bytes(event->parcel);
    fact.as.up.time_ms = event->parcel->time_ms;
    redlock_sim_step(world, event->client, &fact);
}

static void answered_alone(redlock_sim_world *world, redlock_sim_event *event, uint64_t tag,
                           const redlock_answer *answer) {
    redlock_sim_link *link = link_of(world, event);
    redlock_sim_pending *found = pending_find(link, tag);
    if (found == NULL) {
        return;
    }
    redlock_sim_pending pending = *found;
    size_t behind = link->pending_count - (size_t)(found - link->pending) - 1;
    memmove(found, found + 1, behind * sizeof *found);
    link->pending_count--;
    if (pending.is_native) {
        redlock_native_answered(&link->native, answer);
    }
    redlock_sim_trace_answer(world, event->client, event->node, pending.kind, answer);
    redlock_sim_check_heard(world, event->node, &pending, answer);
    redlock_fact fact = {.kind = REDLOCK_FACT_REPLY, .node = event->node};
    fact.as.reply.tag = tag;
    fact.as.reply.answer = *answer;
    redlock_sim_step(world, event->client, &fact);
    redlock_sim_queue_check_asks(world, event->client);
}

/* The claim is looked for anew: the core may hang up on the first of the two answers. */
static void answered(redlock_sim_world *world, redlock_sim_event *event, uint64_t tag,
                     const redlock_answer *answer) {
    redlock_sim_link *link = link_of(world, event);
    const redlock_sim_pending *found = pending_find(link, tag);
    if (found == NULL || !found->has_claim) {
        answered_alone(world, event, tag, answer);
        return;
    }
    redlock_answer release = *answer;
    redlock_answer grant = redlock_claim_answer(&release);
    uint64_t claim_tag = found[1].tag;
    answered_alone(world, event, tag, &release);
    if (is_current(link, event)) {
        answered_alone(world, event, claim_tag, &grant);
    }
}

static void fail(redlock_sim_world *world, redlock_sim_event *event, redlock_status status) {
    redlock_sim_link *link = link_of(world, event);
    put_there(world, event_of(world, REDLOCK_SIM_EVENT_HANG_UP, event->client, event->node));
    link_end(link, 0);
    tell_down(world, event->client, event->node, status);
}

/* True when the greeting is over and the link is up. */
static void greeting_goes_on(redlock_sim_world *world, redlock_sim_event *event,
                             const uint8_t *data) {
    redlock_sim_link *link = link_of(world, event);
    if (!redlock_hello_take(&link->hello, &link->reader, data)) {
        return;
    }
    link->is_greeting = false;
    if (link->hello.status != REDLOCK_OK) {
        fail(world, event, link->hello.status);
        return;
    }
    if (link->hello.lacks_scripts) { /* in front of the first command */
        greeting_send(world, event,
                      redlock_hello_teach(&link->hello, world->scratch, REDLOCK_HELLO_BYTES_MAX));
    }
    link->is_up = true;
    redlock_native_begin(&link->native,
                         redlock_native_of(link->hello.is_valkey, link->hello.version));
    link->up_at = redlock_sim_local(&world->client[event->client], world->now);
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_UP, .node = event->node};
    fact.as.up.run_id = (redlock_bytes){.at = link->hello.run_id, .len = link->hello.run_id_len};
    fact.as.up.time_ms = link->hello.time_ms;
    redlock_sim_step(world, event->client, &fact);
}

static void reply_arrives(redlock_sim_world *world, redlock_sim_event *event, const uint8_t *data) {
    redlock_sim_link *link = link_of(world, event);
    if (link->is_greeting) {
        greeting_goes_on(world, event, data);
        return;
    }
    if (redlock_hello_is_open(&link->hello)) { /* a script was taught */
        (void)redlock_hello_take(&link->hello, &link->reader, data);
        if (link->hello.status != REDLOCK_OK) {
            fail(world, event, link->hello.status);
        }
        return;
    }
    if (link->pending_count == 0) {
        fail(world, event, REDLOCK_PROTOCOL); /* an answer to nothing */
        return;
    }
    const redlock_sim_pending *oldest = &link->pending[0];
    redlock_answer answer = oldest->is_native   ? redlock_native_decode(&link->reader, data)
                            : oldest->has_claim ? redlock_step_decode_claimed(&link->reader, data)
                                                : redlock_step_decode(oldest->kind, oldest->fenced,
                                                                      &link->reader, data);
    answered(world, event, oldest->tag, &answer);
}

static void buffer_add(redlock_sim_link *link, redlock_bytes bytes) {
    if (link->in_len + bytes.len > link->in_size) {
        link->in_size = 2 * (link->in_len + bytes.len);
        link->in = redlock_sim_grown(link->in, link->in_size, 1);
    }
    if (bytes.len > 0) {
        memcpy(link->in + link->in_len, bytes.at, bytes.len);
    }
    link->in_len += bytes.len;
}

static void bytes_come_back(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_sim_link *link = link_of(world, event);
    uint32_t connection = link->connection;
    buffer_add(link, redlock_sim_parcel_bytes(event->parcel));
    size_t used = 0;
    while (link->connection == connection && link->in_len > 0) {
        redlock_resp_status status =
            redlock_resp_read(&link->reader, link->in, link->in_len, &used);
        if (status == REDLOCK_RESP_MORE) {
            if (link->in_len > REDLOCK_RESP_REPLY_BYTES_MAX) {
                fail(world, event, REDLOCK_PROTOCOL);
            }
            return;
        }
        if (status == REDLOCK_RESP_BAD) {
            fail(world, event, REDLOCK_PROTOCOL);
            return;
        }
        reply_arrives(world, event, link->in);
        if (link->connection == connection) {
            link->in_len -= used;
            memmove(link->in, link->in + used, link->in_len);
            redlock_resp_reader_init(&link->reader);
        }
    }
}

static void come_back(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_sim_link *link = link_of(world, event);
    if (!is_current(link, event)) {
        return;
    }
    if (world->plan.is_wired) {
        bytes_come_back(world, event);
        return;
    }
    redlock_answer answer = event->parcel->answer;
    answer.text = redlock_sim_parcel_bytes(event->parcel);
    answered(world, event, event->value, &answer);
}

static void goes_down(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_sim_link *link = link_of(world, event);
    if (!is_current(link, event)) {
        return;
    }
    bool is_marked = false; /* a break has said already what becomes of what is under way */
    for (uint32_t i = 0; i < REDLOCK_SIM_STRAYS_MAX; i++) {
        is_marked = is_marked || link->stray[i].connection == link->connection;
    }
    uint32_t connection = link->connection;
    link->connection = is_marked ? 0 : connection;
    link_end(link, 0);
    tell_down(world, event->client, event->node,
              (redlock_status) - (int32_t)(uint32_t)event->value);
}

void redlock_sim_link_event(redlock_sim_world *world, redlock_sim_event *event) {
    bool is_lost;
    switch (event->kind) {
    case REDLOCK_SIM_EVENT_CALL:
        call_arrives(world, event);
        return;
    case REDLOCK_SIM_EVENT_TO_NODE:
        bytes_arrive(world, event);
        return;
    case REDLOCK_SIM_EVENT_HANG_UP:
        if (!is_stray(world, event, &is_lost) && world->plan.is_wired &&
            event->life == world->node[event->node].life) {
            redlock_sim_server_hang_up(world->node[event->node].server, event->connection);
        }
        return;
    case REDLOCK_SIM_EVENT_ACCEPTED:
        accepted(world, event);
        return;
    case REDLOCK_SIM_EVENT_TO_CLIENT:
        come_back(world, event);
        return;
    case REDLOCK_SIM_EVENT_DOWN:
        goes_down(world, event);
        return;
    case REDLOCK_SIM_EVENT_EAR_CALL:
    case REDLOCK_SIM_EVENT_EAR_HANG_UP:
    case REDLOCK_SIM_EVENT_EAR_ON:
    case REDLOCK_SIM_EVENT_EAR_WAKE:
    case REDLOCK_SIM_EVENT_EAR_DOWN:
    case REDLOCK_SIM_EVENT_TOKEN:
    case REDLOCK_SIM_EVENT_WAKE:
    case REDLOCK_SIM_EVENT_USER:
    case REDLOCK_SIM_EVENT_WRITE:
    case REDLOCK_SIM_EVENT_STORE:
    case REDLOCK_SIM_EVENT_SECOND:
    case REDLOCK_SIM_EVENT_FAULT:
    case REDLOCK_SIM_EVENT_MEND:
        return;
    }
}
