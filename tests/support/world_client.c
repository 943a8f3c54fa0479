/* world_client.c -- a client: its core, whose wishes are carried out after each step. */
#include "world_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define SLOTS_FIRST 8u

/* --- beginning and end ----------------------------------------------------------------------- */

void redlock_world_client_begin(redlock_world *world, uint32_t index) {
    redlock_world_client *client = &world->client[index];
    client->memory = redlock_happening_grown(NULL, 1, redlock_core_size());
    redlock_core_config core = world->config.core;
    core.seed = world->config.seed * REDLOCK_WORLD_CLIENTS_MAX + index;
    memset(client->channel, redlock_world_letter(index), sizeof client->channel);
    memcpy(core.channel, client->channel, sizeof core.channel);
    client->core = redlock_core_init(client->memory, &core);
    for (uint32_t n = 0; n < world->config.node_count; n++) {
        client->link[n].there = client->link[n].back = world->config.latency;
    }
}

void redlock_world_client_end(redlock_world_client *client) {
    free(client->table);
    free(client->memory);
}

void redlock_world_kill(redlock_world *world, uint32_t client) {
    world->client[client].frozen_until = REDLOCK_NEVER;
    for (uint32_t n = 0; n < world->config.node_count; n++) {
        redlock_world_unlisten(world, client, n);
    }
}

uint32_t redlock_world_client_slot(redlock_world_client *client) {
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

/* --- stepping its core ----------------------------------------------------------------------- */

static void note_sent(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_world_lock *lock = &world->lock[redlock_world_lock_of_slot(world, client, wish->slot)];
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

static void wish_token(redlock_world *world, uint32_t client, uint32_t slot) {
    uint32_t place;
    redlock_happening *token =
        redlock_world_post(world, REDLOCK_HAPPENING_TOKEN, client, 0, &place);
    token->at = world->now;
    token->lock = redlock_world_lock_of_slot(world, client, slot);
    redlock_happening_push(&world->queue, place);
}

static void carry_out(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    switch (wish->kind) {
    case REDLOCK_WISH_SEND:
        note_sent(world, client, wish);
        redlock_world_link_send(world, client, wish);
        return;
    case REDLOCK_WISH_CONNECT:
        redlock_world_link_connect(world, client, wish->node);
        return;
    case REDLOCK_WISH_HANG_UP:
        redlock_world_link_hang_up(world, client, wish->node);
        return;
    case REDLOCK_WISH_SUBSCRIBE:
        redlock_world_subscribe(world, client, wish->node);
        return;
    case REDLOCK_WISH_UNSUBSCRIBE:
        redlock_world_unsubscribe(world, client, wish->node);
        return;
    case REDLOCK_WISH_TOKEN:
        wish_token(world, client, wish->slot);
        return;
    case REDLOCK_WISH_TELL:
        redlock_world_user_tell(world, client, wish);
        return;
    case REDLOCK_WISH_GONE:
        redlock_world_user_gone(world, client, wish);
        return;
    }
    abort();
}

void redlock_world_client_step(redlock_world *world, uint32_t client, const redlock_fact *fact) {
    redlock_core *core = world->client[client].core;
    redlock_wish wish;
    world->steps++;
    redlock_core_step(core, fact, world->now);
    redlock_world_trace_silence(world, client);
    while (redlock_core_next(core, &wish)) {
        carry_out(world, client, &wish);
    }
    redlock_core_check(core);
}
