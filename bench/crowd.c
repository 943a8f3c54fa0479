/* crowd.c -- each process of a crowd has one client and a thread for each waiter. */
#include "crowd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ours.h"

#define STACK_BYTES (64 * 1024)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_FACTOR 16 /* instrumented frames are larger */
#else
#define STACK_FACTOR 1
#endif
#define END_EXTRA_MS 15000

typedef struct gate { /* opened once, for all threads of a process */
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool is_open;
} gate;

typedef struct waiter {
    const crowd_plan *plan;
    redlock_client *client;
    redlock_wait *wait;
    gate *gate;
    int64_t until_ns; /* of the repeating; written before the gate opens */
    crowd_slot *slot;
    pthread_t thread;
} waiter;

static void gate_pass(gate *g) {
    (void)pthread_mutex_lock(&g->mutex);
    while (!g->is_open) {
        (void)pthread_cond_wait(&g->opened, &g->mutex);
    }
    (void)pthread_mutex_unlock(&g->mutex);
}

static void gate_open(gate *g) {
    (void)pthread_mutex_lock(&g->mutex);
    g->is_open = true;
    (void)pthread_cond_broadcast(&g->opened);
    (void)pthread_mutex_unlock(&g->mutex);
}

static void waiter_take(waiter *self) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    crowd_slot *slot = self->slot;

    options.wait_ms = self->plan->limit_ms;
    options.wait = self->wait;
    slot->status =
        redlock_acquire(self->client, CROWD_NAME, strlen(CROWD_NAME), &options, &lock, NULL);
    if (slot->status != REDLOCK_OK) {
        return;
    }
    slot->acquired_ns = bench_now_ns();
    slot->served += self->until_ns == 0 || slot->acquired_ns < self->until_ns;
    if (self->plan->hold_ns > 0) {
        bench_hold_until(slot->acquired_ns + self->plan->hold_ns);
    }
    slot->releasing_ns = bench_now_ns();
    (void)redlock_release(lock, NULL);
    slot->released_ns = bench_now_ns();
}

static void *waiter_main(void *ctx) {
    waiter *self = ctx;

    gate_pass(self->gate);
    do {
        waiter_take(self);
    } while (self->slot->status == REDLOCK_OK && bench_now_ns() < self->until_ns);
    return NULL;
}

static void waiters_start(waiter *waiters, int count) {
    pthread_attr_t attributes;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES * STACK_FACTOR);
    for (int i = 0; i < count; i++) {
        if (redlock_wait_create(waiters[i].client, &waiters[i].wait) != REDLOCK_OK ||
            pthread_create(&waiters[i].thread, &attributes, waiter_main, &waiters[i]) != 0) {
            bench_give_up("cannot start waiter %d", i + 1);
        }
    }
    (void)pthread_attr_destroy(&attributes);
}

/* Those who still wait when the time for repeating is over are not to be served any more. */
static void waiters_stop(waiter *waiters, int count, int64_t until_ns) {
    bench_sleep_until(until_ns);
    for (int i = 0; i < count; i++) {
        redlock_cancel(waiters[i].wait);
    }
}

static int process_main(void *ctx, int index, const bench_child *child_gate) {
    crowd *all = ctx;
    int count = all->plan.waiters;
    waiter *waiters = bench_calloc((size_t)count, sizeof(*waiters));
    redlock_client *client = ours_connect_servers(all->plan.servers, all->plan.server_count);
    gate g = {.mutex = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    crowd_process *told = &all->processes[index];

    for (int i = 0; i < count; i++) {
        waiters[i] = (waiter){.plan = &all->plan,
                              .client = client,
                              .gate = &g,
                              .slot = &all->slots[index * count + i]};
    }
    waiters_start(waiters, count);
    bench_gate_wait(child_gate);
    bench_usage before = bench_usage_now();
    told->begun_ns = bench_now_ns();
    for (int i = 0; i < count && all->plan.repeat_ns > 0; i++) {
        waiters[i].until_ns = told->begun_ns + all->plan.repeat_ns;
    }
    gate_open(&g);
    if (all->plan.repeat_ns > 0) {
        waiters_stop(waiters, count, told->begun_ns + all->plan.repeat_ns);
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(waiters[i].thread, NULL);
        redlock_wait_destroy(waiters[i].wait);
    }
    told->ended_ns = bench_now_ns();
    told->usage = bench_usage_less(bench_usage_now(), before);
    redlock_client_destroy(client);
    free(waiters);
    return 0;
}

bool crowd_start(crowd *all, const crowd_plan *plan) {
    bool is_ready = true;

    *all = (crowd){.plan = *plan, .slot_count = plan->processes * plan->waiters};
    all->processes = bench_share(CROWD_PROCESSES_MAX * sizeof(*all->processes));
    all->slots = bench_share((size_t)all->slot_count * sizeof(*all->slots));
    for (int i = 0; i < plan->processes; i++) {
        bench_child_start(&all->children[i], process_main, all, i);
    }
    for (int i = 0; i < plan->processes; i++) {
        is_ready = is_ready && bench_child_is_ready(&all->children[i], 30000);
    }
    return is_ready;
}

void crowd_go(crowd *all) {
    for (int i = 0; i < all->plan.processes; i++) {
        bench_child_go(&all->children[i]);
    }
}

bool crowd_end(crowd *all) {
    int64_t limit_ms = all->plan.limit_ms + all->plan.repeat_ns / BENCH_NS_PER_MS + END_EXTRA_MS;
    bool is_well = true;

    for (int i = 0; i < all->plan.processes; i++) {
        is_well = bench_child_end(&all->children[i], (int)limit_ms) && is_well;
    }
    return is_well;
}

void crowd_free(crowd *all) {
    for (int i = 0; i < all->plan.processes; i++) {
        bench_child_kill(&all->children[i]);
    }
    bench_unshare(all->processes, CROWD_PROCESSES_MAX * sizeof(*all->processes));
    bench_unshare(all->slots, (size_t)all->slot_count * sizeof(*all->slots));
}
