/* scenario_world.c -- the commands of a scenario for the world: making it, its time, its state. */
#include "scenario_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define IDLE_LIMIT (REDLOCK_WORLD_ORIGIN + 24 * 3600 * REDLOCK_NS_PER_S)

/* world nodes=3 clients=2 latency=1ms guard=60s fresh ttl=10s margin=1s node-timeout=50ms renew=3s plain
 *
 * Must come first.  All clients are connected to all nodes when the scenario begins, unless `cold`
 * is said.  `latency` is one way.  guard: the restart guard; nodes are declared ready unless
 * `fresh` is said.  silence, connect-timeout, release-timeout, backoff, backoff-max, inflight,
 * hand-off and seed are the core's.  What acquire takes may be said here for all that follow. */
static void do_world(test_scenario *run, const test_line *line) {
    redlock_world_config config = {
        .client_count = (uint32_t)test_line_number(run, line, "clients", 1),
        .node_count = (uint32_t)test_line_number(run, line, "nodes", 3),
        .latency = test_line_time(run, line, "latency", REDLOCK_NS_PER_MS),
        .guard = test_line_time(run, line, "guard", 0),
        .is_fresh = test_line_has(line, "fresh"),
        .seed = test_line_number(run, line, "seed", 1),
        .core = {.silence_max = test_line_time(run, line, "silence", 0),
                 .connect_timeout = test_line_time(run, line, "connect-timeout", 0),
                 .release_timeout = test_line_time(run, line, "release-timeout", 0),
                 .backoff_min = test_line_time(run, line, "backoff", 0),
                 .backoff_max = test_line_time(run, line, "backoff-max", 0),
                 .hand_off = test_line_time(run, line, "hand-off", 0),
                 .inflight_max = (uint32_t)test_line_number(run, line, "inflight", 0)},
    };
    run->world = redlock_world_create(&config);
    run->seek = test_line_seek(run, line, redlock_world_seek());
    if (!test_line_has(line, "cold")) {
        redlock_world_warm_up(run->world);
    }
    redlock_world_run_until(run->world, REDLOCK_WORLD_ORIGIN);
    redlock_trace_init(&run->trace, config.node_count, REDLOCK_WORLD_ORIGIN);
}

/* run until=80ms       everything that happens up to that instant, it included
 * run for=80ms         the same, counted from now
 * run until=told       until a user is told something about a lock
 * run until=idle       until nothing is under way and nothing is awaited; a lock that is held and not
 *                      renewed is LOST before that */
static void do_run(test_scenario *run, const test_line *line) {
    const char *until = test_line_value(line, "until");
    redlock_world *world = run->world;
    bool is_over = true;
    if (until == NULL) {
        redlock_world_run_until(world,
                                redlock_ns_add(world->now, test_line_time(run, line, "for", 0)));
    } else if (strcmp(until, "idle") == 0) {
        is_over = redlock_world_settle(world, IDLE_LIMIT);
    } else if (strcmp(until, "told") == 0) {
        is_over = redlock_world_until_told(world, IDLE_LIMIT);
    } else {
        redlock_world_run_until(
            world, redlock_ns_add(REDLOCK_WORLD_ORIGIN, test_scenario_parse_time(run, until)));
    }
    if (!is_over) {
        redlock_trace_line(&run->trace, "(it does not come to an end)");
    }
}

static void state_of_node(test_scenario *run, const test_line *line, uint32_t node) {
    const redlock_world *world = run->world;
    const char *name = line->word[1];
    redlock_bytes value = redlock_world_value(world, node, name);
    char holder[REDLOCK_MODEL_VALUE_BYTES + 1], words[REDLOCK_TRACE_WORDS_BYTES];
    redlock_words_token(value, holder, sizeof holder);
    uint64_t mark = redlock_model_mark(&world->node[node].model, redlock_bytes_of(name),
                                       redlock_world_node_us(world, node));
    (void)snprintf(words, sizeof words, "%s %s%s, mark %" PRIu64, name,
                   value.len > 0 ? "held by " : "is free", holder, mark);
    redlock_trace_node(&run->trace, world->now, ' ', '=', node, words);
}

/* "job waited for by A#1 B#1", in the order of the queue; `!` behind those whose time is over. */
static void state_of_queue(test_scenario *run, const test_line *line, uint32_t node) {
    const redlock_world *world = run->world;
    redlock_bytes name = redlock_bytes_of(line->word[1]);
    uint64_t now_us = redlock_world_node_us(world, node);
    const redlock_model_waiter *waiter;
    char words[REDLOCK_TRACE_WORDS_BYTES];
    size_t len = (size_t)snprintf(words, sizeof words, "%s waited for by", line->word[1]);
    uint32_t place = 1;
    for (;
         (waiter = redlock_model_waiter_at(&world->node[node].model, name, place, now_us)) != NULL;
         place++) {
        char token[REDLOCK_MODEL_VALUE_BYTES + 1];
        redlock_bytes bytes = {.at = waiter->token, .len = waiter->token_len};
        redlock_words_token(bytes, token, sizeof token);
        const char *after = waiter->until_ms < now_us / 1000 ? "!" : "";
        if (len + strlen(token) + 8 < sizeof words) {
            len += (size_t)snprintf(words + len, sizeof words - len, " %s%s", token, after);
        }
    }
    if (place > 1) {
        redlock_trace_node(&run->trace, world->now, ' ', '=', node, words);
    }
}

/* state job            what each node holds, who waits there, and what each client believes to hold */
static void do_state(test_scenario *run, const test_line *line) {
    if (line->count < 2) {
        test_scenario_complain(run, "no name is given", line->word[0]);
        return;
    }
    for (uint32_t n = 0; n < run->world->config.node_count; n++) {
        state_of_node(run, line, n);
    }
    for (uint32_t n = 0; n < run->world->config.node_count; n++) {
        state_of_queue(run, line, n);
    }
    for (uint32_t i = 0; i < run->lock_count; i++) {
        const redlock_world_lock *lock = &run->world->lock[run->locks[i]];
        if (redlock_world_is_held(run->world, run->locks[i])) {
            char words[REDLOCK_TRACE_WORDS_BYTES];
            redlock_ns until =
                redlock_core_held_until(run->world->client[lock->client].core, lock->slot);
            (void)snprintf(words, sizeof words, "%s until %" PRIu64 "ms", lock->name,
                           (until - REDLOCK_WORLD_ORIGIN) / REDLOCK_NS_PER_MS);
            redlock_trace_told(&run->trace, run->world->now, (char)('A' + lock->client), "holds",
                               words);
        }
    }
}

const test_command test_commands_world[] = {
    {"world", do_world},
    {"run", do_run},
    {"state", do_state},
    {NULL, NULL},
};
