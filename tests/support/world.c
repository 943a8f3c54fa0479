/* world.c -- the world itself: its clocks, its queue of what is going to happen, its beginning and
 * its end. */
#include "world_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define SPINS_MAX 1000u

/* --- clocks ---------------------------------------------------------------------------------- */

static uint64_t wall_us(const redlock_world *world, int64_t skew_us) {
    uint64_t true_us = REDLOCK_WORLD_WALL_US + world->now / REDLOCK_NS_PER_US -
                       REDLOCK_WORLD_ORIGIN / REDLOCK_NS_PER_US;
    return (uint64_t)((int64_t)true_us + skew_us);
}

uint64_t redlock_world_node_us(const redlock_world *world, uint32_t node) {
    return wall_us(world, world->node[node].skew_us);
}

uint64_t redlock_world_client_us(const redlock_world *world, uint32_t client) {
    return wall_us(world, world->client[client].skew_us);
}

/* --- what happens ---------------------------------------------------------------------------- */

redlock_happening *redlock_world_post(redlock_world *world, redlock_happening_kind kind,
                                      uint32_t client, uint32_t node, uint32_t *ret_place) {
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

static bool is_for_client(redlock_happening_kind kind) {
    return kind != REDLOCK_HAPPENING_COMMAND && kind != REDLOCK_HAPPENING_CALL &&
           kind != REDLOCK_HAPPENING_LISTEN && kind != REDLOCK_HAPPENING_UNLISTEN;
}

static void happen(redlock_world *world, const redlock_happening *what) {
    switch (what->kind) {
    case REDLOCK_HAPPENING_COMMAND:
        redlock_world_command_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_CALL:
        redlock_world_call_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_ANSWER:
        redlock_world_answer_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_UP:
        redlock_world_up_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_DOWN:
        redlock_world_down_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_TOKEN:
        redlock_world_token_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_LISTEN:
        redlock_world_listen_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_UNLISTEN:
        redlock_world_unlisten_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_LISTENED:
        redlock_world_listened_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_DEAF:
        redlock_world_deaf_arrives(world, what);
        return;
    case REDLOCK_HAPPENING_WAKE:
        redlock_world_wake_arrives(world, what);
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
        redlock_world_backlog_add(&world->node[next->node], place);
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

/* --- time ------------------------------------------------------------------------------------ */

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
    redlock_world_client_step(world, client, &fact);
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

redlock_world *redlock_world_create(const redlock_world_config *config) {
    redlock_world *world = redlock_happening_grown(NULL, 1, sizeof *world);
    memset(world, 0, sizeof *world);
    world->config = *config;
    config_fill(&world->config);
    world->now = REDLOCK_WORLD_START;
    redlock_prng_init(&world->prng, config->seed);
    for (uint32_t n = 0; n < config->node_count; n++) {
        redlock_world_node_begin(world, n);
    }
    for (uint32_t c = 0; c < config->client_count; c++) {
        redlock_world_client_begin(world, c);
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
        redlock_world_client_end(&world->client[c]);
    }
    for (uint32_t n = 0; n < world->config.node_count; n++) {
        redlock_world_node_end(&world->node[n]);
    }
    redlock_happening_deinit(&world->queue);
    free(world->lock);
    free(world);
}
