/* renew_worlds_test.c -- every small world of one renewal, against an obviously right twin.
 *
 * Three nodes granted a lock; then each meets its fate, and the renewal comes.  The twin counts who can
 * confirm, now and on the second asking, and says when the deadline first moves, or that the lock is
 * lost: at once when a majority denies it, else at its old deadline. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "world.h"

#define NODES 3
#define QUORUM 2
#define TTL (3 * REDLOCK_NS_PER_S)
#define VALIDITY (TTL - TTL / 100 - 2 * REDLOCK_NS_PER_MS)

typedef enum fate {
    FATE_YES = 0,
    FATE_LOST_KEY,  /* the key is gone; healed, counts on the second asking */
    FATE_FOREIGN,   /* somebody else holds it there */
    FATE_ERROR,     /* answers every command with an error */
    FATE_SILENT,    /* carries out, but no answer comes */
    FATE_RESTARTED, /* lost its data; the guard keeps it from voting, and from being healed */
    FATE_COUNT
} fate;

typedef struct outcome {
    bool is_lost;    /* before it was renewed */
    bool is_at_once; /* lost by a majority's denial, not by the deadline */
    uint32_t asked;  /* renewed: how many askings it took, 1 or 2 */
    bool
        counts_from_first; /* renewed: the deadline counts from the first asking, else from the last */
} outcome;

typedef struct plan {
    fate fates[NODES];
} plan;

/* --- the twin -------------------------------------------------------------------------------- */

static uint32_t count_of(const plan *from, fate wanted) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        count += from->fates[i] == wanted;
    }
    return count;
}

/* Nodes answer in their order.  On the second asking the yes of the first one still counts, from when
 * it was asked for: a healed node that answers first completes the quorum with it. */
static bool first_to_answer_is_healed(const plan *from) {
    for (uint32_t i = 0; i < NODES; i++) {
        if (from->fates[i] == FATE_YES || from->fates[i] == FATE_LOST_KEY) {
            return from->fates[i] == FATE_LOST_KEY;
        }
    }
    return false;
}

static outcome twin(const plan *from) {
    uint32_t yes = count_of(from, FATE_YES), healed = count_of(from, FATE_LOST_KEY);
    if (yes >= QUORUM) {
        return (outcome){.asked = 1, .counts_from_first = true};
    }
    if (count_of(from, FATE_FOREIGN) > NODES - QUORUM) {
        return (outcome){.is_lost = true, .is_at_once = true};
    }
    if (yes + healed >= QUORUM) {
        return (outcome){.asked = 2,
                         .counts_from_first = yes == 1 && first_to_answer_is_healed(from)};
    }
    return (outcome){.is_lost = true};
}

/* --- the world ------------------------------------------------------------------------------- */

static void meet_fate(redlock_world *world, fate what, uint32_t node) {
    switch (what) {
    case FATE_YES:
        return;
    case FATE_LOST_KEY:
        redlock_model_expire(&world->node[node].model, redlock_bytes_of("job"));
        return;
    case FATE_FOREIGN:
        redlock_world_plant(world, node, "job", "OTHER", 3600 * REDLOCK_NS_PER_S, 0);
        return;
    case FATE_ERROR:
        world->node[node].model.fails_with = REDLOCK_REFUSED;
        return;
    case FATE_SILENT:
        world->client[0].link[node].is_mute = true;
        return;
    case FATE_RESTARTED:
        redlock_world_restart(world, node, true);
        return;
    case FATE_COUNT:
        break;
    }
    fail();
}

typedef struct watch { /* what the holder saw */
    redlock_world *world;
    uint32_t lock;
    redlock_ns begun, renewed_at, renewed_until, lost_at;
    redlock_ns first_asked, last_asked; /* up to then */
    uint32_t late;
} watch;

static void on_tell(void *context, redlock_world *world, uint32_t lock, redlock_tell tell) {
    watch *seen = context;
    if (tell == REDLOCK_TELL_RENEWED && seen->renewed_at == 0) {
        const redlock_world_lock *told = &world->lock[lock];
        seen->renewed_at = world->now;
        seen->last_asked = told->renew_at;
        seen->first_asked = told->renew_before != 0 ? told->renew_before : told->renew_at;
        seen->renewed_until =
            redlock_core_held_until(world->client[0].core, world->lock[lock].slot);
    } else if (tell == REDLOCK_TELL_RENEW_LATE && seen->renewed_at == 0) {
        seen->late++;
    } else if (tell == REDLOCK_TELL_LOST) {
        seen->lost_at = world->now;
    }
}

static void end_fates(redlock_world *world) {
    for (uint32_t i = 0; i < NODES; i++) {
        world->client[0].link[i].is_mute = false;
        world->node[i].model.fails_with = REDLOCK_OK;
    }
}

/* Acquires, lets the fates come, and watches up to the first renewal or the loss. */
static watch run_world(const plan *from, redlock_trace *trace, bool *ret_is_clean) {
    redlock_world_config config = {
        .client_count = 1, .node_count = NODES, .seed = 1, .guard = 60 * REDLOCK_NS_PER_S};
    redlock_world *world = redlock_world_create(&config);
    watch seen = {.world = world};
    redlock_world_warm_up(world);
    world->trace = trace;
    world->on_tell = on_tell;
    world->context = &seen;
    redlock_seek seek = redlock_world_seek();
    seek.ttl = TTL;
    seek.renew = TTL / 3;
    seen.begun = world->now;
    seen.lock = redlock_world_acquire(world, 0, "job", &seek, NULL);
    redlock_world_run_until(world, world->now + 100 * REDLOCK_NS_PER_MS);
    for (uint32_t i = 0; i < NODES; i++) {
        meet_fate(world, from->fates[i], i);
    }
    while (seen.renewed_at == 0 && seen.lost_at == 0 &&
           redlock_world_next(world, seen.begun + 2 * TTL)) {
    }
    end_fates(world);
    redlock_world_release(world, seen.lock);
    bool settles = redlock_world_settle(world, world->now + 60 * REDLOCK_NS_PER_S);
    *ret_is_clean = settles;
    for (uint32_t i = 0; i < NODES; i++) {
        redlock_bytes value = redlock_world_value(world, i, "job");
        bool is_free = value.len == 0 || redlock_bytes_equal(value, redlock_bytes_of("OTHER"));
        *ret_is_clean = *ret_is_clean && is_free;
    }
    redlock_world_destroy(world);
    return seen;
}

/* --- comparing ------------------------------------------------------------------------------- */

static bool agrees(const outcome *wanted, const watch *seen) {
    redlock_ns deadline = seen->begun + VALIDITY;
    redlock_ns one_asking = 2 * REDLOCK_NS_PER_MS; /* a round trip of this world */
    if (wanted->is_lost && wanted->is_at_once) {
        return seen->renewed_at == 0 && seen->lost_at != 0 &&
               seen->lost_at < seen->begun + TTL / 3 + one_asking + 1;
    }
    if (wanted->is_lost) {
        return seen->renewed_at == 0 && seen->lost_at == deadline;
    }
    /* What a YES proves counts from the sending of its command. */
    redlock_ns asked = wanted->counts_from_first ? seen->first_asked : seen->last_asked;
    bool moved = seen->renewed_at != 0 && seen->renewed_until == asked + VALIDITY;
    bool in_time = seen->renewed_at < deadline;
    return moved && in_time && seen->lost_at == 0 && seen->late == wanted->asked - 1;
}

static void check_plan(const plan *from) {
    static const char *const names[] = {"yes",   "lost the key", "foreign",
                                        "error", "silent",       "restarted"};
    bool is_clean = false;
    outcome wanted = twin(from);
    watch seen = run_world(from, NULL, &is_clean);
    if (is_clean && agrees(&wanted, &seen)) {
        return;
    }
    redlock_trace trace;
    redlock_trace_init(&trace, NODES, REDLOCK_WORLD_ORIGIN);
    (void)run_world(from, &trace, &is_clean);
    print_message("n1 %s, n2 %s, n3 %s%s\n", names[from->fates[0]], names[from->fates[1]],
                  names[from->fates[2]], is_clean ? "" : "; something is left on a node");
    print_message("twin: %s%s, asked %" PRIu32 "\n", wanted.is_lost ? "lost" : "renewed",
                  wanted.is_at_once ? " at once" : "", wanted.asked);
    print_message("%s", redlock_trace_take(&trace));
    redlock_trace_deinit(&trace);
    fail();
}

static plan plan_of(uint32_t number) {
    plan made;
    for (uint32_t i = 0; i < NODES; i++) {
        made.fates[i] = (fate)(number % FATE_COUNT);
        number /= FATE_COUNT;
    }
    return made;
}

static void every_renewal_moves_the_deadline_or_loses_as_the_twin_says(void **state) {
    (void)state;
    for (uint32_t number = 0; number < FATE_COUNT * FATE_COUNT * FATE_COUNT; number++) {
        plan from = plan_of(number);
        check_plan(&from);
    }
}

static void one_more_yes_never_loses_a_lock(void **state) {
    (void)state;
    for (uint32_t number = 0; number < NODES * FATE_COUNT * FATE_COUNT * FATE_COUNT; number++) {
        plan from = plan_of(number / NODES);
        bool is_clean = false;
        watch before = run_world(&from, NULL, &is_clean);
        from.fates[number % NODES] = FATE_YES;
        watch after = run_world(&from, NULL, &is_clean);
        bool is_worse = before.renewed_at != 0 &&
                        (after.renewed_at == 0 || after.renewed_at > before.renewed_at);
        assert_false(is_worse);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_renewal_moves_the_deadline_or_loses_as_the_twin_says),
        cmocka_unit_test(one_more_yes_never_loses_a_lock),
    };
    return cmocka_run_group_tests_name("renew_worlds", tests, NULL, NULL);
}
