/* world_user.c -- users: what they ask for, and what they are told.
 *
 * A lock is what a user sees of one slot.  It is told things in an order that is checked, and it is
 * kept when the slot is gone. */
#include "world_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* --- locks ----------------------------------------------------------------------------------- */

uint32_t redlock_world_lock_of_slot(const redlock_world *world, uint32_t client, uint32_t slot) {
    for (uint32_t i = world->lock_count; i > 0; i--) {
        const redlock_world_lock *lock = &world->lock[i - 1];
        if (lock->client == client && lock->slot == slot && !lock->is_gone) {
            return i - 1;
        }
    }
    abort(); /* a wish for a slot that nobody has */
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
    lock->slot = redlock_world_client_slot(&world->client[client]);
    size_t size = redlock_core_slot_size(world->client[client].core, strlen(name), token_bytes);
    lock->memory = redlock_happening_grown(NULL, 1, size);
    return world->lock_count++;
}

void redlock_world_user_gone(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_world_lock *lock = &world->lock[redlock_world_lock_of_slot(world, client, wish->slot)];
    REDLOCK_ASSERT(wish->as.gone.memory == lock->memory);
    free(lock->memory);
    lock->memory = NULL;
    lock->is_gone = true;
}

bool redlock_world_is_held(const redlock_world *world, uint32_t index) {
    const redlock_world_lock *lock = &world->lock[index];
    if (lock->is_gone || lock->ended_at != 0) {
        return false;
    }
    redlock_ns until = redlock_core_held_until(world->client[lock->client].core, lock->slot);
    return world->now < until;
}

/* --- tokens ---------------------------------------------------------------------------------- */

void redlock_world_token(uint32_t client, uint32_t number,
                         char text[REDLOCK_WORLD_TOKEN_BYTES + 1]) {
    memset(text, 'a' + (int)client, 28);
    (void)snprintf(text + 28, REDLOCK_WORLD_TOKEN_BYTES + 1 - 28, "%04" PRIu32 ":%c",
                   number % 10000, redlock_world_letter(client));
}

static void fresh_token(redlock_world *world, uint32_t client, char *text) {
    redlock_world_token(client, ++world->client[client].token_count, text);
}

void redlock_world_token_arrives(redlock_world *world, const redlock_happening *arrived) {
    redlock_world_lock *lock = &world->lock[arrived->lock];
    if (lock->is_gone) {
        return;
    }
    char token[REDLOCK_WORLD_TOKEN_BYTES + 1];
    fresh_token(world, lock->client, token);
    lock->first_grant_at = 0; /* a new attempt begins */
    redlock_fact fact = {.kind = REDLOCK_FACT_TOKEN, .slot = lock->slot};
    fact.as.token.token = redlock_bytes_of(token);
    fact.as.token.wall_us = redlock_world_client_us(world, lock->client);
    redlock_world_client_step(world, lock->client, &fact);
}

/* --- what they ask for ----------------------------------------------------------------------- */

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

static redlock_fact fact_ask(const redlock_world *world, redlock_fact_kind kind, uint32_t index) {
    const redlock_world_lock *lock = &world->lock[index];
    redlock_fact fact = {.kind = kind, .slot = lock->slot};
    fact.as.ask.memory = lock->memory;
    fact.as.ask.name = redlock_bytes_of(lock->name);
    fact.as.ask.wall_us = redlock_world_client_us(world, lock->client);
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
    redlock_world_client_step(world, client, &fact);
    return index;
}

uint32_t redlock_world_adopt(redlock_world *world, uint32_t client, const char *name,
                             const redlock_seek *seek, redlock_bytes token, uint64_t fence) {
    uint32_t index = lock_begin(world, client, name, token.len, seek->node_timeout);
    redlock_fact fact = fact_ask(world, REDLOCK_FACT_ADOPT, index);
    fact.as.ask.token = token;
    fact.as.ask.fence = fence;
    fact.as.ask.seek = *seek;
    redlock_world_client_step(world, client, &fact);
    return index;
}

uint32_t redlock_world_look(redlock_world *world, uint32_t client, const char *name,
                            redlock_command_kind question, redlock_ns node_timeout) {
    uint32_t index = lock_begin(world, client, name, REDLOCK_TOKEN_BYTES_MAX, node_timeout);
    redlock_fact fact = fact_ask(world, REDLOCK_FACT_LOOK, index);
    fact.as.ask.question = question;
    fact.as.ask.seek.node_timeout = node_timeout;
    fact.as.ask.seek.fenced = true;
    redlock_world_client_step(world, client, &fact);
    return index;
}

void redlock_world_extend(redlock_world *world, uint32_t index, redlock_ns ttl, redlock_ns margin,
                          bool once) {
    const redlock_world_lock *lock = &world->lock[index];
    redlock_fact fact = {.kind = REDLOCK_FACT_EXTEND, .slot = lock->slot};
    fact.as.extend.ttl = ttl;
    fact.as.extend.margin = margin;
    fact.as.extend.once = once;
    redlock_world_client_step(world, lock->client, &fact);
}

void redlock_world_release(redlock_world *world, uint32_t index) {
    redlock_world_lock *lock = &world->lock[index];
    redlock_fact fact = {.kind = REDLOCK_FACT_RELEASE, .slot = lock->slot};
    lock->ended_at = world->now;
    redlock_world_client_step(world, lock->client, &fact);
}

void redlock_world_cancel(redlock_world *world, uint32_t index) {
    const redlock_world_lock *lock = &world->lock[index];
    if (!lock->is_gone) {
        redlock_fact fact = {.kind = REDLOCK_FACT_CANCEL, .slot = lock->slot};
        redlock_world_client_step(world, lock->client, &fact);
    }
}

/* --- what they are told ---------------------------------------------------------------------- */

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

void redlock_world_user_tell(redlock_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_tell tell = wish->as.tell.event;
    if (wish->slot == REDLOCK_SLOT_NONE) {
        REDLOCK_ASSERT(tell == REDLOCK_TELL_NODE_UP || tell == REDLOCK_TELL_NODE_DOWN);
        bool is_up = tell == REDLOCK_TELL_NODE_UP;
        char words[64];
        (void)snprintf(words, sizeof words, "is %s%s%s", is_up ? "up" : "down", is_up ? "" : ": ",
                       is_up ? "" : redlock_words_status(wish->as.tell.status));
        redlock_world_trace_node(world, client, '~', wish->node, words);
        return;
    }
    uint32_t index = redlock_world_lock_of_slot(world, client, wish->slot);
    redlock_world_lock *lock = &world->lock[index];
    check_order(lock, tell);
    redlock_world_trace_tell(world, lock, tell, wish->as.tell.status);
    lock_note(world, lock, tell, wish->as.tell.status);
    if (world->on_tell != NULL) {
        world->on_tell(world->context, world, index, tell);
    }
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
