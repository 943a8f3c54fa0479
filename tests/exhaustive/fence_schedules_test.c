/* fence_schedules_test.c -- random schedules of a few clients on three nodes.
 *
 * Two kinds.  In a hostile schedule keys expire at any time, clocks are wrong and jump, links break
 * and lose, nodes crash (and keep their marks), processes freeze: exclusion cannot hold then, but
 * every fence must differ from every other, and an acquire that began after another had returned
 * must have the larger one.  In an honest schedule clocks are right and nodes keep their keys;
 * all else goes wrong the same: then at most one client may hold a name at a time, and when the
 * faults end nothing may be left behind.
 *
 * One seed decides everything about one schedule.  REDLOCK_SEED=n runs only that one, with its trace;
 * REDLOCK_SCHEDULES=n runs so many of each kind. */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

#define NODES 3
#define LOCKS_MAX 40
#define SCHEDULES 20000
#define MS REDLOCK_NS_PER_MS

typedef struct schedule {
    redlock_world *world;
    redlock_prng prng;
    uint32_t clients;
    bool is_hostile;
    const char *complaint; /* NULL: all is well */
} schedule;

/* Only for the line that is printed when the core stops the process. */
static volatile sig_atomic_t running_seed;

static void print_seed(int signal_number) {
    char text[] = "stopped in schedule REDLOCK_SEED=0000000000\n";
    size_t at = sizeof text - 3;
    for (unsigned seed = (unsigned)running_seed; seed > 0; seed /= 10) {
        text[at--] = (char)('0' + seed % 10);
    }
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* the process ends anyway */
    (void)signal(signal_number, SIG_DFL);
}

static uint32_t upto(schedule *run, uint32_t bound) {
    return (uint32_t)redlock_prng_upto(&run->prng, bound);
}

static bool one_in(schedule *run, uint32_t n) {
    return upto(run, n - 1) == 0;
}

/* --- what must hold -------------------------------------------------------------------------- */

static void check_fences(schedule *run, uint32_t newest) {
    const redlock_world *world = run->world;
    const redlock_world_lock *b = &world->lock[newest];
    for (uint32_t i = 0; i < world->lock_count; i++) {
        const redlock_world_lock *a = &world->lock[i];
        if (i == newest || a->acquired_at == 0) {
            continue;
        }
        if (a->fence == b->fence) {
            run->complaint = "two holders have the same fence";
        }
        if (a->acquired_at < b->first_grant_at && a->fence >= b->fence) {
            run->complaint = "a later holder has a smaller fence";
        }
    }
}

static void check_exclusion(schedule *run) {
    uint32_t holders = 0;
    for (uint32_t i = 0; i < run->world->lock_count; i++) {
        holders += redlock_world_is_held(run->world, i);
    }
    if (holders > 1) {
        run->complaint = "two clients hold the name";
    }
}

static void on_tell(void *context, redlock_world *world, uint32_t lock, redlock_tell tell) {
    schedule *run = context;
    (void)world;
    if (tell == REDLOCK_TELL_ACQUIRED) {
        check_fences(run, lock);
        if (!run->is_hostile) {
            check_exclusion(run);
        }
    }
}

/* --- what happens ---------------------------------------------------------------------------- */

static void do_acquire(schedule *run) {
    static const redlock_ns ttls[] = {20 * MS, 100 * MS, 1000 * MS, 10000 * MS};
    if (run->world->lock_count >= LOCKS_MAX) {
        return;
    }
    redlock_seek seek = redlock_world_seek();
    seek.ttl = ttls[upto(run, 3)];
    seek.margin = seek.ttl / 4;
    seek.node_timeout = one_in(run, 2) ? 5 * MS : 30 * MS;
    seek.wait = one_in(run, 2) ? 0 : 50 * MS;
    seek.retry_min = 2 * MS;
    seek.retry_jitter = 5 * MS;
    seek.renew = one_in(run, 2) ? seek.ttl / 3 : 0;
    uint32_t client = upto(run, run->clients - 1), node = upto(run, NODES - 1);
    redlock_world_link *link = &run->world->client[client].link[node];
    redlock_ns usual = link->there;
    bool is_overtaken = one_in(run, 4); /* the next connection is faster than what is on its way */
    link->there = is_overtaken ? 25 * MS : usual;
    (void)redlock_world_acquire(run->world, client, "job", &seek, NULL);
    link->there = usual;
    if (is_overtaken) {
        redlock_world_run_until(run->world, run->world->now + upto(run, 4) * MS / 2);
        redlock_world_break(run->world, client, node);
    }
}

static void do_release(schedule *run) {
    for (uint32_t i = 0; i < run->world->lock_count; i++) {
        const redlock_world_lock *lock = &run->world->lock[i];
        bool is_ours = !lock->is_gone && lock->acquired_at != 0 && lock->ended_at == 0;
        if (is_ours && run->world->client[lock->client].frozen_until <= run->world->now) {
            redlock_world_release(run->world, i);
            return;
        }
    }
}

static void do_cancel(schedule *run) {
    const redlock_world *world = run->world;
    if (world->lock_count > 0) {
        const redlock_world_lock *lock = &world->lock[world->lock_count - 1];
        if (lock->failed_at == 0 && lock->acquired_at == 0 &&
            world->client[lock->client].frozen_until <= world->now) {
            redlock_world_cancel(run->world, world->lock_count - 1);
        }
    }
}

static void do_link_fault(schedule *run) {
    uint32_t client = upto(run, run->clients - 1), node = upto(run, NODES - 1);
    redlock_world_link *link = &run->world->client[client].link[node];
    switch (upto(run, 4)) {
    case 0:
        redlock_world_break(run->world, client, node);
        return;
    case 1:
        link->is_cut = !link->is_cut;
        return;
    case 2:
        link->is_mute = !link->is_mute;
        return;
    case 3:
        link->there = upto(run, 20) * MS / 2;
        return;
    case 4:
        link->back = upto(run, 20) * MS / 2;
        return;
    }
}

static void do_node_fault(schedule *run) {
    uint32_t node = upto(run, NODES - 1);
    switch (upto(run, 3)) {
    case 0:
        redlock_world_pause(run->world, node);
        return;
    case 1:
        redlock_world_resume(run->world, node);
        return;
    case 2:
        redlock_world_restart(run->world, node, false);
        return;
    case 3:
        run->world->node[node].model.steps_forgotten = UINT32_MAX;
        return;
    }
}

static void do_hostile(schedule *run) {
    redlock_world_node *node = &run->world->node[upto(run, NODES - 1)];
    switch (upto(run, 3)) {
    case 0:
    case 1:
        redlock_model_expire(&node->model, redlock_bytes_of("job"));
        return;
    case 2:
        node->skew_us += (int64_t)upto(run, 400000) - 200000;
        return;
    case 3:
        run->world->client[upto(run, run->clients - 1)].skew_us +=
            (int64_t)upto(run, 400000) - 200000;
        return;
    }
}

static void do_freeze(schedule *run) {
    redlock_world_client *client = &run->world->client[upto(run, run->clients - 1)];
    client->frozen_until = run->world->now + upto(run, 200) * MS;
}

static void act(schedule *run) {
    switch (upto(run, 11)) {
    case 0:
    case 1:
    case 2:
    case 3:
        do_acquire(run);
        return;
    case 4:
    case 5:
        do_release(run);
        return;
    case 6:
        do_cancel(run);
        return;
    case 7:
        do_link_fault(run);
        return;
    case 8:
        do_node_fault(run);
        return;
    case 9:
        do_freeze(run);
        return;
    default:
        if (run->is_hostile) {
            do_hostile(run);
        }
        return;
    }
}

static void end_faults(schedule *run) {
    for (uint32_t n = 0; n < NODES; n++) {
        redlock_world_resume(run->world, n);
        for (uint32_t c = 0; c < run->clients; c++) {
            run->world->client[c].link[n].is_cut = false;
            run->world->client[c].link[n].is_mute = false;
            run->world->client[c].frozen_until = 0;
        }
    }
}

/* The calm after the storm: all is released, and then nothing of it may be left on any node. */
static void check_end(schedule *run) {
    redlock_world *world = run->world;
    end_faults(run);
    redlock_world_run_until(world, world->now + 200 * MS); /* all waits are over */
    for (uint32_t i = 0; i < world->lock_count; i++) {
        if (!world->lock[i].is_gone && world->lock[i].acquired_at != 0 &&
            world->lock[i].ended_at == 0) {
            redlock_world_release(world, i);
        }
    }
    if (!redlock_world_settle(world, world->now + 60 * REDLOCK_NS_PER_S)) {
        run->complaint = "the cores never come to rest";
        return;
    }
    for (uint32_t n = 0; n < NODES && !run->is_hostile; n++) {
        if (redlock_world_value(world, n, "job").len > 0) {
            run->complaint = "something is left on a node";
        }
    }
}

static void schedule_begin(schedule *run, uint64_t seed, bool is_hostile, redlock_trace *trace) {
    *run = (schedule){.is_hostile = is_hostile};
    redlock_prng_init(&run->prng, seed);
    run->clients = 2 + upto(run, 1);
    redlock_world_config config = {.client_count = run->clients, .node_count = NODES, .seed = seed};
    config.core.silence_max = 100 * MS;
    config.core.backoff_min = one_in(run, 2) ? MS : 10 * MS;
    config.core.backoff_max = 50 * MS;
    config.core.connect_timeout = 40 * MS;
    config.core.release_timeout = 200 * MS;
    run->world = redlock_world_create(&config);
    run->world->trace = trace;
    run->world->on_tell = on_tell;
    run->world->context = run;
    for (uint32_t c = 0; c < run->clients; c++) {
        run->world->client[c].skew_us = is_hostile ? (int64_t)upto(run, 400000) - 200000 : 0;
        for (uint32_t n = 0; n < NODES; n++) {
            /* Much jitter lets the next connection overtake what is on its way on the last one. */
            run->world->client[c].link[n].jitter =
                (one_in(run, 3) ? upto(run, 25) : upto(run, 4)) * MS;
        }
    }
    redlock_world_run_until(run->world, REDLOCK_WORLD_ORIGIN);
}

/* NULL, or what went wrong. */
static const char *run_schedule(uint64_t seed, bool is_hostile, redlock_trace *trace) {
    schedule run;
    running_seed = (sig_atomic_t)seed;
    schedule_begin(&run, seed, is_hostile, trace);
    uint32_t acts = 5 + upto(&run, 35);
    for (uint32_t i = 0; i < acts && run.complaint == NULL; i++) {
        act(&run);
        redlock_world_run_until(run.world, run.world->now + upto(&run, 12) * MS / 2);
        if (!is_hostile) {
            check_exclusion(&run);
        }
    }
    if (run.complaint == NULL) {
        check_end(&run);
    }
    redlock_world_destroy(run.world);
    return run.complaint;
}

static uint64_t number_of_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static const char *run_traced(uint64_t seed, bool is_hostile) {
    redlock_trace trace;
    redlock_trace_init(&trace, NODES, REDLOCK_WORLD_ORIGIN);
    const char *complaint = run_schedule(seed, is_hostile, &trace);
    print_message("%s", redlock_trace_take(&trace));
    redlock_trace_deinit(&trace);
    return complaint;
}

static void run_all(bool is_hostile) {
    uint64_t only = number_of_environment("REDLOCK_SEED", 0);
    uint64_t count = number_of_environment("REDLOCK_SCHEDULES", SCHEDULES);
    if (only != 0) {
        const char *complaint = run_traced(only, is_hostile);
        assert_null(complaint);
        return;
    }
    for (uint64_t seed = 1; seed <= count; seed++) {
        const char *complaint = run_schedule(seed, is_hostile, NULL);
        if (complaint != NULL) {
            (void)run_traced(seed, is_hostile);
            print_message("%s; again with REDLOCK_SEED=%" PRIu64 "\n", complaint, seed);
            fail();
        }
    }
    print_message("%" PRIu64 " schedules, seeds 1 to %" PRIu64 "\n", count, count);
}

static void fences_are_unique_and_ordered_whatever_happens(void **state) {
    (void)state;
    run_all(true);
}

static void one_holder_and_nothing_left_when_clocks_are_honest(void **state) {
    (void)state;
    run_all(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fences_are_unique_and_ordered_whatever_happens),
        cmocka_unit_test(one_holder_and_nothing_left_when_clocks_are_honest),
    };
    (void)signal(SIGABRT, print_seed);
    return cmocka_run_group_tests_name("fence_schedules", tests, NULL, NULL);
}
