#include "sim/user.h"

#include <inttypes.h>

#include "sim/trace.h"

#define MS REDLOCK_NS_PER_MS

static uint64_t upto(redlock_sim_world *world, uint64_t bound) {
    return redlock_sim_upto(&world->workload, bound);
}

static bool one_in(redlock_sim_world *world, uint64_t n) {
    return redlock_sim_one_in(&world->workload, n);
}

static redlock_sim_user *user_of(redlock_sim_world *world, uint32_t client, uint32_t user) {
    return &world->client[client].user[user];
}

static void plan_next(redlock_sim_world *world, uint32_t client, uint32_t user, redlock_ns delay) {
    redlock_sim_user *at = user_of(world, client, user);
    redlock_sim_queue_put(&world->queue, (redlock_sim_event){.at = world->now + delay,
                                                             .kind = REDLOCK_SIM_EVENT_USER,
                                                             .client = client,
                                                             .life = world->client[client].life,
                                                             .number = user,
                                                             .value = ++at->generation});
}

void redlock_sim_user_begin(redlock_sim_world *world, uint32_t client, uint32_t user) {
    redlock_sim_user *at = user_of(world, client, user);
    at->state = REDLOCK_SIM_USER_IDLE;
    at->lock = REDLOCK_SIM_NONE;
    plan_next(world, client, user, upto(world, world->plan.think));
}

/* --- asking ---------------------------------------------------------------------------------- */

static redlock_ns margin_of(redlock_ns ttl) {
    return ttl / 4 < 1000 * MS ? ttl / 4 : 1000 * MS;
}

static redlock_seek seek_draw(redlock_sim_world *world) {
    const redlock_sim_plan *plan = &world->plan;
    const redlock_ns waits[] = {0, plan->ttl, 5 * plan->ttl, REDLOCK_NEVER};
    redlock_ns ttl = one_in(world, 4) ? plan->ttl / 2 : plan->ttl;
    redlock_seek seek = {
        .ttl = ttl,
        .margin = margin_of(ttl),
        .node_timeout = plan->node_timeout,
        .wait = waits[upto(world, 3)],
        .tries_max = one_in(world, 8) ? 3 : 0,
        .retry_min = plan->node_timeout / 2,
        .retry_jitter = plan->node_timeout * 4,
        .renew = one_in(world, 3) ? 0 : ttl / 3,
        .fenced = !one_in(world, 8),
        .own_token = one_in(world, 8),
    };
    seek.queued = seek.fenced && seek.wait > 0 && seek.tries_max == 0 && !one_in(world, 16);
    seek.barge = seek.fenced && one_in(world, 12);
    seek.poll = plan->poll;
    return seek;
}

static uint32_t begin(redlock_sim_world *world, uint32_t client, uint32_t user,
                      redlock_fact *fact) {
    redlock_sim_client *at = &world->client[client];
    fact->slot = redlock_sim_client_vacant(world, client);
    uint32_t lock = redlock_sim_lock_new(world, client, fact->slot);
    world->lock[lock].asked = fact->kind;
    world->lock[lock].user = user;
    world->lock[lock].seek = fact->as.ask.seek;
    size_t token_bytes =
        fact->kind == REDLOCK_FACT_LOOK ? REDLOCK_TOKEN_BYTES_MAX : REDLOCK_SIM_TOKEN_BYTES;
    fact->as.ask.memory = redlock_sim_zeroed(1, redlock_core_slot_size(at->core, 4, token_bytes));
    fact->as.ask.wall_us = redlock_sim_client_wall_us(world, at);
    return lock;
}

static redlock_ns answered_by(const redlock_sim_world *world, const redlock_sim_lock *lock) {
    const redlock_sim_plan *plan = &world->plan;
    redlock_ns attempt = plan->connect_timeout + 3 * plan->node_timeout;
    return redlock_ns_add(redlock_ns_add(lock->asked_local, lock->seek.wait), attempt);
}

static void acquire(redlock_sim_world *world, uint32_t client, uint32_t user) {
    uint8_t name[8], token[REDLOCK_SIM_TOKEN_BYTES];
    uint32_t number = (uint32_t)upto(world, world->plan.names - 1);
    redlock_fact fact = {.kind = REDLOCK_FACT_ACQUIRE};
    fact.as.ask.seek = seek_draw(world);
    uint32_t index = begin(world, client, user, &fact);
    uint32_t token_number = redlock_sim_token_new(world, index);
    redlock_sim_lock *lock = &world->lock[index];
    lock->name = number;
    lock->token = token_number;
    lock->is_own_token = lock->seek.own_token;
    lock->answered_by = answered_by(world, lock);
    fact.as.ask.name = redlock_sim_name_text(number, name);
    fact.as.ask.token = redlock_sim_token_text(lock->token, token);
    user_of(world, client, user)->lock = index;
    user_of(world, client, user)->state = REDLOCK_SIM_USER_ASKED;
    redlock_sim_trace_client(
        world, client, "acquires job%" PRIu32 " for %" PRIu64 " ms, wait %" PRIu64 " ms%s", number,
        lock->seek.ttl / MS, lock->seek.wait == REDLOCK_NEVER ? 0 : lock->seek.wait / MS,
        lock->seek.wait == REDLOCK_NEVER ? " (for ever)"
        : lock->seek.fenced              ? ""
                                         : " (plain)");
    if (lock->seek.queued || lock->seek.barge) {
        redlock_sim_trace_client(world, client, "  %s%s", lock->seek.queued ? "in the queue" : "",
                                 lock->seek.barge ? " barging" : "");
    }
    redlock_ns wait = lock->seek.wait == REDLOCK_NEVER ? 5 * world->plan.ttl : lock->seek.wait;
    redlock_sim_step(world, client, &fact);
    if (wait > 0 && one_in(world, 6)) {
        plan_next(world, client, user,
                  upto(world, wait)); /* to be canceled, if it still waits then */
    }
}

static void adopt(redlock_sim_world *world, uint32_t client, uint32_t user) {
    uint8_t name[8], token[REDLOCK_SIM_TOKEN_BYTES];
    redlock_sim_found found = world->found;
    world->has_found = false;
    redlock_fact fact = {.kind = REDLOCK_FACT_ADOPT};
    fact.as.ask.seek = found.seek;
    fact.as.ask.seek.own_token = false;
    fact.as.ask.seek.wait = 0;
    fact.as.ask.fence = one_in(world, 2) ? found.fence : 0;
    uint32_t index = begin(world, client, user, &fact);
    redlock_sim_lock *lock = &world->lock[index];
    lock->name = found.name;
    lock->token = found.token;
    lock->is_shared = true;
    lock->begun_at =
        world->lock[world->token[found.token].lock].begun_at; /* the same hold goes on */
    lock->begun_local = lock->asked_local;
    lock->answered_by = answered_by(world, lock);
    fact.as.ask.name = redlock_sim_name_text(found.name, name);
    fact.as.ask.token = redlock_sim_token_text(found.token, token);
    user_of(world, client, user)->lock = index;
    user_of(world, client, user)->state = REDLOCK_SIM_USER_ASKED;
    redlock_sim_trace_client(world, client, "adopts job%" PRIu32 ", fence %" PRIu64, found.name,
                             fact.as.ask.fence);
    redlock_sim_step(world, client, &fact);
}

static void ask(redlock_sim_world *world, uint32_t client, uint32_t user,
                redlock_command_kind question, uint32_t number) {
    uint8_t name[8];
    redlock_fact fact = {.kind = REDLOCK_FACT_LOOK};
    fact.as.ask.seek = (redlock_seek){.node_timeout = world->plan.node_timeout, .fenced = true};
    fact.as.ask.question = question;
    uint32_t index = begin(world, client, user, &fact);
    redlock_sim_lock *lock = &world->lock[index];
    lock->name = number;
    lock->answered_by = answered_by(world, lock);
    fact.as.ask.name = redlock_sim_name_text(number, name);
    if (user != REDLOCK_SIM_NONE) {
        user_of(world, client, user)->lock = index;
        user_of(world, client, user)->state = REDLOCK_SIM_USER_ASKED;
    }
    redlock_sim_step(world, client, &fact);
}

void redlock_sim_user_break(redlock_sim_world *world, uint32_t client, uint32_t name) {
    redlock_sim_trace_client(world, client, "breaks job%" PRIu32, name);
    ask(world, client, REDLOCK_SIM_NONE, REDLOCK_COMMAND_BREAK, name);
}

static void act_idle(redlock_sim_world *world, uint32_t client, uint32_t user) {
    if (world->calm_at != 0) {
        return; /* no new work */
    }
    if (world->has_found && one_in(world, 2)) {
        adopt(world, client, user);
    } else if (one_in(world, 20)) {
        ask(world, client, user, REDLOCK_COMMAND_LOOK,
            (uint32_t)upto(world, world->plan.names - 1));
    } else {
        acquire(world, client, user);
    }
}

/* --- holding --------------------------------------------------------------------------------- */

static void release(redlock_sim_world *world, uint32_t client, uint32_t user) {
    redlock_sim_lock *lock = &world->lock[user_of(world, client, user)->lock];
    redlock_fact fact = {.kind = REDLOCK_FACT_RELEASE, .slot = lock->slot};
    redlock_ns now = redlock_sim_local(&world->client[client], world->now);
    user_of(world, client, user)->state = REDLOCK_SIM_USER_RELEASES;
    lock->ended_at = world->now;
    lock->shown_until = lock->shown_until == 0 ? world->now : lock->shown_until;
    lock->deadline = 0;
    lock->release_by = now + world->plan.node_timeout * 10;
    lock->extend_by = REDLOCK_NEVER; /* the handle is given up with all that it was asked */
    redlock_sim_trace_client(world, client, "releases job%" PRIu32, lock->name);
    redlock_sim_step(world, client, &fact);
}

static void extend(redlock_sim_world *world, uint32_t client, uint32_t user) {
    redlock_sim_lock *lock = &world->lock[user_of(world, client, user)->lock];
    redlock_ns now = redlock_sim_local(&world->client[client], world->now);
    bool once = one_in(world, 2);
    if (lock->extend_by != REDLOCK_NEVER || lock->deadline <= now) {
        return;
    }
    redlock_fact fact = {.kind = REDLOCK_FACT_EXTEND, .slot = lock->slot};
    lock->seek.ttl = one_in(world, 2) ? world->plan.ttl : world->plan.ttl / 2;
    fact.as.extend.ttl = lock->seek.ttl;
    fact.as.extend.margin = lock->seek.margin;
    fact.as.extend.once = once;
    lock->extend_by =
        once ? redlock_ns_min(now + world->plan.node_timeout, lock->deadline) : lock->deadline;
    redlock_sim_trace_client(world, client, "extends job%" PRIu32 " by %" PRIu64 " ms", lock->name,
                             lock->seek.ttl / MS);
    redlock_sim_step(world, client, &fact);
}

/* Looks whether it holds, and then takes its time: the write may leave late, and arrive later. */
static void write_soon(redlock_sim_world *world, uint32_t client, uint32_t user) {
    const redlock_sim_lock *lock = &world->lock[user_of(world, client, user)->lock];
    redlock_ns now = redlock_sim_local(&world->client[client], world->now);
    if (lock->fence == 0 || lock->deadline <= now) {
        return;
    }
    redlock_ns thinks = one_in(world, 4) ? upto(world, world->plan.ttl) : upto(world, 2 * MS);
    redlock_sim_queue_put(&world->queue,
                          (redlock_sim_event){.at = world->now + thinks,
                                              .kind = REDLOCK_SIM_EVENT_WRITE,
                                              .client = client,
                                              .life = world->client[client].life,
                                              .number = user_of(world, client, user)->lock,
                                              .value = lock->fence});
}

void redlock_sim_user_write(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_sim_event store = *event;
    store.kind = REDLOCK_SIM_EVENT_STORE;
    store.at =
        world->now + (one_in(world, 4) ? upto(world, 2 * world->plan.ttl) : upto(world, 5 * MS));
    redlock_sim_queue_put(&world->queue, store);
}

static void act_holding(redlock_sim_world *world, uint32_t client, uint32_t user) {
    redlock_sim_user *at = user_of(world, client, user);
    if (world->now >= at->hold_until) {
        release(world, client, user);
        return;
    }
    if (one_in(world, 4)) {
        extend(world, client, user);
    } else {
        write_soon(world, client, user);
    }
    redlock_ns left = at->hold_until - world->now;
    if (at->state == REDLOCK_SIM_USER_HOLDS) {
        plan_next(world, client, user, one_in(world, 2) ? left : upto(world, left) + 1);
    }
}

static void cancel(redlock_sim_world *world, uint32_t client, uint32_t user) {
    redlock_sim_lock *lock = &world->lock[user_of(world, client, user)->lock];
    if (lock->asked != REDLOCK_FACT_ACQUIRE || lock->is_canceled) {
        return;
    }
    lock->is_canceled = true;
    redlock_fact fact = {.kind = REDLOCK_FACT_CANCEL, .slot = lock->slot};
    redlock_sim_trace_client(world, client, "cancels job%" PRIu32, lock->name);
    redlock_sim_step(world, client, &fact);
}

void redlock_sim_user_cancel_soon(redlock_sim_world *world, uint32_t index, redlock_ns delay) {
    const redlock_sim_lock *lock = &world->lock[index];
    if (lock->user != REDLOCK_SIM_NONE &&
        user_of(world, lock->client, lock->user)->state == REDLOCK_SIM_USER_ASKED) {
        plan_next(world, lock->client, lock->user, upto(world, delay));
    }
}

void redlock_sim_user_act(redlock_sim_world *world, const redlock_sim_event *event) {
    uint32_t user = event->number;
    if (user_of(world, event->client, user)->generation != event->value) {
        return;
    }
    switch (user_of(world, event->client, user)->state) {
    case REDLOCK_SIM_USER_IDLE:
        act_idle(world, event->client, user);
        return;
    case REDLOCK_SIM_USER_ASKED:
        cancel(world, event->client, user);
        return;
    case REDLOCK_SIM_USER_HOLDS:
        act_holding(world, event->client, user);
        return;
    case REDLOCK_SIM_USER_LOST:
        release(world, event->client, user);
        return;
    case REDLOCK_SIM_USER_RELEASES:
        return;
    }
}

/* --- being told ------------------------------------------------------------------------------ */

static void idle(redlock_sim_world *world, uint32_t client, uint32_t user) {
    user_of(world, client, user)->state = REDLOCK_SIM_USER_IDLE;
    plan_next(world, client, user, upto(world, 2 * world->plan.think));
}

static void begin_hold(redlock_sim_world *world, uint32_t client, uint32_t user) {
    redlock_sim_user *at = user_of(world, client, user);
    at->state = REDLOCK_SIM_USER_HOLDS;
    at->hold_until = world->now + upto(world, world->plan.hold) * (1 + upto(world, 3));
    plan_next(world, client, user, upto(world, at->hold_until - world->now) / 2);
}

void redlock_sim_user_told(redlock_sim_world *world, uint32_t index, redlock_tell tell) {
    const redlock_sim_lock *lock = &world->lock[index];
    uint32_t client = lock->client, user = lock->user;
    if (user == REDLOCK_SIM_NONE || user_of(world, client, user)->lock != index) {
        return;
    }
    switch (tell) {
    case REDLOCK_TELL_ACQUIRED:
        begin_hold(world, client, user);
        return;
    case REDLOCK_TELL_FAILED:
    case REDLOCK_TELL_LOOKED:
    case REDLOCK_TELL_RELEASED:
        idle(world, client, user);
        return;
    case REDLOCK_TELL_LOST:
        user_of(world, client, user)->state = REDLOCK_SIM_USER_LOST;
        plan_next(world, client, user, upto(world, world->plan.think));
        return;
    case REDLOCK_TELL_RENEWED:
    case REDLOCK_TELL_RENEW_LATE:
    case REDLOCK_TELL_EXTENDED:
    case REDLOCK_TELL_WAITING:
    case REDLOCK_TELL_NODE_UP:
    case REDLOCK_TELL_NODE_DOWN:
        return;
    }
}
