/* handoff_faults.c -- waiters at the head of the queue that are dead, or frozen, when the name is
 * released: how long the first live one waits from then on. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "handoff.h"
#include "ours.h"

#define NAME "bench"
#define DEAD_MAX 20
#define TTL_MS 3000 /* the grant of somebody frozen lasts so long at most */
#define WAIT_MS 12000
#define SETTLE_NS (300 * (int64_t)BENCH_NS_PER_MS)

typedef struct fault_setup {
    int dead;       /* waiters in front of the one that is watched */
    bool is_frozen; /* they stand still, instead of being dead */
} fault_setup;

typedef struct fault_shared {
    int64_t acquired_ns;
    int32_t status;
} fault_shared;

typedef struct fault_round {
    test_server *server;
    fault_shared *shared;
    bench_child children[DEAD_MAX + 1]; /* the last is the one that is watched */
} fault_round;

static int take(redlock_client *client, redlock_lock **ret_lock) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);

    options.wait_ms = WAIT_MS;
    options.ttl_ms = TTL_MS;
    return redlock_acquire(client, NAME, strlen(NAME), &options, ret_lock, NULL);
}

static int waiter_main(void *ctx, int index, const bench_child *gate) {
    fault_round *round = ctx;
    redlock_client *client = ours_connect_servers(&round->server, 1);
    redlock_lock *lock = NULL;

    bench_gate_wait(gate);
    int status = take(client, &lock);
    if (index == DEAD_MAX) {
        round->shared->acquired_ns = bench_now_ns();
        round->shared->status = status;
    }
    if (status == REDLOCK_OK) {
        (void)redlock_release(lock, NULL);
    }
    redlock_client_destroy(client);
    return 0;
}

static void settle(void) {
    bench_sleep_until(bench_now_ns() + SETTLE_NS);
}

static void heads_stop(fault_round *round, const fault_setup *setup) {
    for (int i = 0; i < setup->dead; i++) {
        bench_child *child = &round->children[i];
        if (setup->is_frozen) {
            (void)kill(child->pid, SIGSTOP);
            (void)waitpid(child->pid, NULL, WUNTRACED); /* it stands still now */
        } else {
            bench_child_kill(child);
        }
    }
}

/* Returns the instant at which the release was called. */
static int64_t fault_play(fault_round *round, const fault_setup *setup) {
    redlock_client *client = ours_connect_servers(&round->server, 1);
    redlock_lock *lock = NULL;

    if (take(client, &lock) != REDLOCK_OK) {
        bench_give_up("a free name cannot be had");
    }
    for (int i = 0; i < setup->dead; i++) {
        bench_child_go(&round->children[i]);
    }
    settle();
    bench_child_go(&round->children[DEAD_MAX]);
    settle();
    heads_stop(round, setup);
    int64_t releasing_ns = bench_now_ns();
    (void)redlock_release(lock, NULL);
    (void)bench_child_end(&round->children[DEAD_MAX], WAIT_MS + 5000);
    redlock_client_destroy(client);
    return releasing_ns;
}

static void fault_run(void *ctx, bench_figures *figures) {
    const fault_setup *setup = ctx;
    fault_round round = {.server = bench_server_start(),
                         .shared = bench_share(sizeof(fault_shared))};
    bool is_ready = true;

    for (int i = 0; i < setup->dead; i++) {
        bench_child_start(&round.children[i], waiter_main, &round, i);
    }
    bench_child_start(&round.children[DEAD_MAX], waiter_main, &round, DEAD_MAX);
    for (int i = 0; i <= DEAD_MAX; i++) {
        is_ready = is_ready &&
                   (round.children[i].pid == 0 || bench_child_is_ready(&round.children[i], 30000));
    }
    if (!is_ready) {
        bench_figures_fail(figures, "a waiter's process did not start");
    } else {
        int64_t releasing_ns = fault_play(&round, setup);
        if (round.shared->acquired_ns == 0 || round.shared->status != REDLOCK_OK) {
            bench_figures_fail(figures, "not served in %d s", WAIT_MS / 1000);
        } else {
            bench_figures_add(figures, "served_after_ms",
                              (double)(round.shared->acquired_ns - releasing_ns) / BENCH_NS_PER_MS);
        }
    }
    for (int i = 0; i <= DEAD_MAX; i++) {
        bench_child_kill(&round.children[i]);
    }
    bench_unshare(round.shared, sizeof(fault_shared));
    test_server_stop(round.server);
}

static void fault_case(const bench_options *options, const char *name, fault_setup setup) {
    const bench_contender contenders[] = {{.name = "redlock", .run = fault_run, .ctx = &setup}};
    const bench_case one = {.bench = "handoff",
                            .name = name,
                            .main_key = "served_after_ms",
                            .is_smaller_better = true,
                            .contenders = contenders,
                            .contender_count = 1};

    bench_case_run(options, &one);
}

void bench_handoff_faults(const bench_options *options) {
    fault_case(options, "no-dead-head", (fault_setup){.dead = 0});
    fault_case(options, "20-dead-heads", (fault_setup){.dead = DEAD_MAX});
    fault_case(options, "frozen-head", (fault_setup){.dead = 1, .is_frozen = true});
}
