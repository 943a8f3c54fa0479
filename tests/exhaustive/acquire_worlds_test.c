/* acquire_worlds_test.c -- every small world of one acquire, against an obviously right twin.
 *
 * Each node of a world has one fate; the core runs in it with real commands and model nodes, the twin
 * only sorts and counts: no early exit, no state.  They must agree on the verdict, on the instant at
 * which it was told, and on the deadline; and when all is over nothing of ours may lie on any node. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define NODES_MAX 5
#define NODE_TIMEOUT (50 * REDLOCK_NS_PER_MS)
#define TTL (10 * REDLOCK_NS_PER_S)

typedef enum fate {
    FATE_GRANTED = 0,
    FATE_HELD,
    FATE_ERROR,
    FATE_SILENT,
    FATE_LATE,   /* grants in time, but its answer comes after the timeout */
    FATE_REFUSED /* refuses the connection */
} fate;

typedef struct plan { /* one world */
    uint32_t node_count;
    fate fates[NODES_MAX];
    redlock_ns round_trip[NODES_MAX]; /* all different */
    bool freezes; /* a silent node is frozen and wakes up later; else it is cut off */
} plan;

typedef struct verdict {
    redlock_status status;
    redlock_ns at;       /* since the acquire */
    redlock_ns deadline; /* since the acquire; 0: not held */
} verdict;

/* --- the twin -------------------------------------------------------------------------------- */

static redlock_ns twin_answer_at(const plan *world, uint32_t node) {
    bool is_timeout = world->fates[node] == FATE_SILENT || world->fates[node] == FATE_LATE;
    return is_timeout ? NODE_TIMEOUT : world->round_trip[node];
}

static uint32_t twin_count(const plan *world, fate wanted, redlock_ns by) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        count += world->fates[i] == wanted && twin_answer_at(world, i) <= by;
    }
    return count;
}

static uint32_t twin_noes(const plan *world, redlock_ns by) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        count += world->fates[i] != FATE_GRANTED && twin_answer_at(world, i) <= by;
    }
    return count;
}

/* The cause that a user is told, from what had been heard by then. */
static redlock_status twin_cause(const plan *world, redlock_ns by) {
    uint32_t quorum = world->node_count / 2 + 1;
    uint32_t granted = twin_count(world, FATE_GRANTED, by), held = twin_count(world, FATE_HELD, by);
    uint32_t errors = twin_count(world, FATE_ERROR, by);
    uint32_t open = 0; /* not waited for: they may well have said the same */
    for (uint32_t i = 0; i < world->node_count; i++) {
        open += twin_answer_at(world, i) > by;
    }
    if (held > 0 && granted + held + open >= quorum) {
        return REDLOCK_HELD;
    }
    bool enough_share = errors > world->node_count - quorum; /* enough to prevent a quorum */
    return enough_share ? REDLOCK_REFUSED : REDLOCK_NO_QUORUM;
}

/* Tries every instant at which something is heard, in order. */
static verdict twin(const plan *world) {
    uint32_t quorum = world->node_count / 2 + 1;
    redlock_ns best = REDLOCK_NEVER;
    for (uint32_t i = 0; i < world->node_count; i++) {
        redlock_ns at = twin_answer_at(world, i);
        bool decides = twin_count(world, FATE_GRANTED, at) >= quorum ||
                       twin_noes(world, at) > world->node_count - quorum;
        best = decides && at < best ? at : best;
    }
    if (twin_count(world, FATE_GRANTED, best) >= quorum) {
        redlock_ns deadline = TTL - TTL / 100 - 2 * REDLOCK_NS_PER_MS;
        return (verdict){.status = REDLOCK_OK, .at = best, .deadline = deadline};
    }
    return (verdict){.status = twin_cause(world, best), .at = best};
}

/* --- the world ------------------------------------------------------------------------------- */

static void meet_fate(redlock_world *world, const plan *from, uint32_t node) {
    redlock_world_link *link = &world->client[0].link[node];
    link->there = from->round_trip[node] / 2;
    link->back = from->round_trip[node] - link->there;
    switch (from->fates[node]) {
    case FATE_GRANTED:
        return;
    case FATE_HELD:
        redlock_world_plant(world, node, "job", "OTHER", 3600 * REDLOCK_NS_PER_S, 0);
        return;
    case FATE_ERROR:
        world->node[node].model.fails_with = REDLOCK_REFUSED;
        world->node[node].model.fails_grants_only = true;
        return;
    case FATE_SILENT:
        link->is_cut = !from->freezes;
        world->node[node].is_paused = from->freezes;
        return;
    case FATE_LATE:
        link->there = NODE_TIMEOUT / 2 + from->round_trip[node];
        link->back = NODE_TIMEOUT / 2;
        return;
    case FATE_REFUSED:
        world->node[node].is_refusing = true;
        redlock_world_break(world, 0, node);
        return;
    }
}

static void end_fates(redlock_world *world) {
    for (uint32_t i = 0; i < world->config.node_count; i++) {
        world->client[0].link[i].is_cut = false;
        world->node[i].is_refusing = false;
        redlock_world_resume(world, i);
    }
}

static redlock_world *world_of(const plan *from) {
    redlock_world_config config = {.client_count = 1, .node_count = from->node_count, .seed = 1};
    redlock_world *world = redlock_world_create(&config);
    redlock_world_warm_up(world);
    for (uint32_t i = 0; i < from->node_count; i++) {
        meet_fate(world, from, i);
    }
    return world;
}

static uint32_t ours_left(const redlock_world *world) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->config.node_count; i++) {
        redlock_bytes value = redlock_world_value(world, i, "job");
        count += value.len > 0 && !redlock_bytes_equal(value, redlock_bytes_of("OTHER"));
    }
    return count;
}

/* Acquires, lets the faults end a second later, releases what was acquired and waits for the end. */
static verdict run_world(const plan *from, redlock_trace *trace, uint32_t *ret_left) {
    redlock_world *world = world_of(from);
    world->trace = trace;
    redlock_seek seek = redlock_world_seek();
    redlock_ns begun = world->now;
    uint32_t lock = redlock_world_acquire(world, 0, "job", &seek, NULL);
    bool told = redlock_world_until_told(world, begun + 3600 * REDLOCK_NS_PER_S);
    const redlock_world_lock *seen = &world->lock[lock];
    verdict result = {.status = told ? seen->status : REDLOCK_UNKNOWN, .at = world->now - begun};
    bool acquired = seen->acquired_at != 0;
    result.deadline = acquired ? seen->acquired_deadline - begun : 0;
    redlock_world_run_until(world, world->now + REDLOCK_NS_PER_S);
    end_fates(world);
    if (acquired) {
        redlock_world_release(world, lock);
    }
    bool settles = redlock_world_settle(world, world->now + 60 * REDLOCK_NS_PER_S);
    *ret_left = settles && world->lock[lock].is_gone ? ours_left(world) : UINT32_MAX;
    redlock_world_destroy(world);
    return result;
}

/* --- comparing ------------------------------------------------------------------------------- */

static void print_plan(const plan *from) {
    static const char *const names[] = {"granted", "held", "error", "silent", "late", "refused"};
    for (uint32_t i = 0; i < from->node_count; i++) {
        print_message("  n%" PRIu32 " %s, round trip %" PRIu64 " ms\n", i + 1,
                      names[from->fates[i]], from->round_trip[i] / REDLOCK_NS_PER_MS);
    }
    print_message("  silent nodes are %s\n", from->freezes ? "frozen" : "cut off");
}

static void print_verdict(const char *who, const verdict *said) {
    print_message("  %s: %s at %" PRIu64 " us, deadline %" PRIu64 " us\n", who,
                  redlock_words_status(said->status), said->at / REDLOCK_NS_PER_US,
                  said->deadline / REDLOCK_NS_PER_US);
}

static bool is_same(const verdict *a, const verdict *b) {
    return a->status == b->status && a->at == b->at && a->deadline == b->deadline;
}

static void check_plan(const plan *from) {
    uint32_t left = 0;
    verdict wanted = twin(from), got = run_world(from, NULL, &left);
    if (is_same(&wanted, &got) && left == 0) {
        return;
    }
    redlock_trace trace;
    redlock_trace_init(&trace, from->node_count, REDLOCK_WORLD_ORIGIN);
    (void)run_world(from, &trace, &left);
    print_message("this world differs from its twin (left over: %" PRIu32 "):\n", left);
    print_plan(from);
    print_verdict("twin", &wanted);
    print_verdict("core", &got);
    print_message("%s", redlock_trace_take(&trace));
    redlock_trace_deinit(&trace);
    fail();
}

/* The fates as the digits of `number` in a numeral system of `base` fates. */
static void plan_fates(plan *to, uint32_t number, uint32_t base) {
    for (uint32_t i = 0; i < to->node_count; i++) {
        to->fates[i] = (fate)(number % base);
        number /= base;
    }
}

static uint32_t power(uint32_t base, uint32_t exponent) {
    return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

static void three_nodes_all_fates_all_orders(void **state) {
    (void)state;
    static const redlock_ns orders[6][3] = {{2, 4, 6}, {2, 6, 4}, {4, 2, 6},
                                            {4, 6, 2}, {6, 2, 4}, {6, 4, 2}};
    for (uint32_t variant = 0; variant < 2 * 6 * 216; variant++) {
        plan from = {.node_count = 3, .freezes = variant % 2 == 1};
        for (uint32_t i = 0; i < 3; i++) {
            from.round_trip[i] = orders[variant / 2 % 6][i] * REDLOCK_NS_PER_MS;
        }
        plan_fates(&from, variant / 12, 6);
        check_plan(&from);
    }
}

static void five_nodes_all_fates(void **state) {
    (void)state;
    for (uint32_t variant = 0; variant < 2 * power(5, 5); variant++) {
        plan from = {.node_count = 5, .freezes = variant % 2 == 1};
        for (uint32_t i = 0; i < 5; i++) {
            from.round_trip[i] = (2 + 2 * i) * REDLOCK_NS_PER_MS;
        }
        plan_fates(&from, variant / 2, 5);
        check_plan(&from);
    }
}

/* --- relations that hold whatever the verdict is --------------------------------------------- */

static void turned_nodes_give_the_same_verdict(void **state) {
    (void)state;
    for (uint32_t number = 0; number < power(6, 3); number++) {
        plan from = {
            .node_count = 3,
            .round_trip = {2 * REDLOCK_NS_PER_MS, 4 * REDLOCK_NS_PER_MS, 6 * REDLOCK_NS_PER_MS}};
        plan_fates(&from, number, 6);
        uint32_t left = 0;
        verdict straight = run_world(&from, NULL, &left);
        plan turned = from;
        for (uint32_t i = 0; i < 3; i++) { /* fate and distance move together */
            turned.fates[i] = from.fates[(i + 1) % 3];
            turned.round_trip[i] = from.round_trip[(i + 1) % 3];
        }
        verdict other = run_world(&turned, NULL, &left);
        if (!is_same(&straight, &other)) {
            print_plan(&from);
            print_verdict("straight", &straight);
            print_verdict("turned", &other);
            fail();
        }
    }
}

static void one_more_grant_never_turns_yes_into_no(void **state) {
    (void)state;
    for (uint32_t number = 0; number < 3 * power(6, 3); number++) {
        plan from = {
            .node_count = 3,
            .round_trip = {2 * REDLOCK_NS_PER_MS, 4 * REDLOCK_NS_PER_MS, 6 * REDLOCK_NS_PER_MS}};
        plan_fates(&from, number / 3, 6);
        uint32_t left = 0;
        verdict before = run_world(&from, NULL, &left);
        from.fates[number % 3] = FATE_GRANTED;
        verdict after = run_world(&from, NULL, &left);
        if (before.status == REDLOCK_OK && (after.status != REDLOCK_OK || after.at > before.at)) {
            print_plan(&from);
            print_verdict("before", &before);
            print_verdict("with one more grant", &after);
            fail();
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_all_fates_all_orders),
        cmocka_unit_test(five_nodes_all_fates),
        cmocka_unit_test(turned_nodes_give_the_same_verdict),
        cmocka_unit_test(one_more_grant_never_turns_yes_into_no),
    };
    return cmocka_run_group_tests_name("acquire_worlds", tests, NULL, NULL);
}
