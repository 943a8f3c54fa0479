/* handoff.c -- who waits is served: how fast, how evenly, at what cost for the server, and when those
 * at the head are dead or frozen.
 *
 * Each waiter is a thread of a process with one client; the servers are fresh for each round.  There
 * is no bare loop beside these cases: the limit is the time for which the name is held. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "curves.h"
#include "handoff.h"
#include "link.h"
#include "ours.h"
#include "peer.h"

#define HOLD_NS BENCH_NS_PER_MS
#define LIMIT_MS 25000  /* a case ends by then, served or not */
#define LIMIT_MS_EACH 6 /* of many waiters, each has so long */
#define CLOSED_WAITERS 128
#define CLOSED_SECONDS 4.0
#define PINGS 2000
#define QUEUED_WITHIN_NS (20 * (int64_t)BENCH_NS_PER_S)
#define BLOCKED_TTL_MS 60000
#define PACED_PINGS 200

typedef struct round_trips {
    double busy_us;  /* one after the other */
    double paced_us; /* one each time that a hold is over, as hand-offs come */
} round_trips;

typedef struct handoff_setup {
    int processes, waiters;
    size_t servers;
    int64_t repeat_ns;
} handoff_setup;

static int64_t limit_ms(int waiters) {
    int64_t needed_ms = (int64_t)waiters * LIMIT_MS_EACH;
    return needed_ms > LIMIT_MS ? needed_ms : LIMIT_MS;
}

static void servers_start(test_server **servers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        servers[i] = bench_server_start_tcp();
    }
    if (count > 1) {
        ours_declare_ready(servers, count);
    }
}

static void servers_stop(test_server **servers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        test_server_stop(servers[i]);
    }
}

static int slot_compare(const void *a, const void *b) {
    const crowd_slot *x = a, *y = b;
    return (x->acquired_ns > y->acquired_ns) - (x->acquired_ns < y->acquired_ns);
}

/* Release called to next acquire returned, over those that were served, in the order in which they
 * were.  An acquire before the release before it was called would be two holders. */
static void gaps_figures(const crowd *all, round_trips trips, bench_figures *figures) {
    size_t count = 0, overlaps = 0;
    crowd_slot *served = bench_calloc((size_t)all->slot_count, sizeof(*served));
    bench_samples gaps = {0}, holds = {0};

    for (int i = 0; i < all->slot_count; i++) {
        if (all->slots[i].served > 0) {
            served[count++] = all->slots[i];
            bench_samples_add(&holds, all->slots[i].releasing_ns - all->slots[i].acquired_ns);
        }
    }
    qsort(served, count, sizeof(*served), slot_compare);
    for (size_t i = 0; i + 1 < count; i++) {
        int64_t gap = served[i + 1].acquired_ns - served[i].releasing_ns;
        bench_samples_add(&gaps, gap);
        overlaps += gap < 0;
    }
    if (count > 1) {
        double median = (double)bench_samples_at(&gaps, 0.5) / 1000;
        bench_figures_add(figures, "handoff_p50_us", median);
        bench_figures_add(figures, "handoff_p99_us", (double)bench_samples_at(&gaps, 0.99) / 1000);
        bench_figures_add(figures, "handoff_max_us", (double)bench_samples_at(&gaps, 1) / 1000);
        bench_figures_add(figures, "handoff_round_trips", median / trips.busy_us);
        bench_figures_add(figures, "handoff_paced_round_trips", median / trips.paced_us);
        bench_figures_add(figures, "held_us", (double)bench_samples_at(&holds, 0.5) / 1000);
    }
    if (overlaps > 0) {
        bench_figures_fail(figures, "%zu times two held at once", overlaps);
    }
    bench_samples_free(&gaps);
    bench_samples_free(&holds);
    free(served);
}

static bench_usage crowd_usage(const crowd *all) {
    bench_usage sum = {0};

    for (int i = 0; i < all->plan.processes; i++) {
        sum = bench_usage_sum(sum, all->processes[i].usage);
    }
    return sum;
}

static int64_t crowd_ended_ns(const crowd *all) {
    int64_t ended = 0;

    for (int i = 0; i < all->slot_count; i++) {
        ended = all->slots[i].released_ns > ended ? all->slots[i].released_ns : ended;
    }
    return ended;
}

/* The one who holds the name until all wait, so that coming into the queue is not measured. */
typedef struct blocker {
    redlock_client *client;
    redlock_lock *lock;
} blocker;

static void blocker_take(blocker *self, test_server **servers, size_t count) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);

    self->client = ours_connect_servers(servers, count);
    options.ttl_ms = BLOCKED_TTL_MS;
    if (redlock_acquire(self->client, CROWD_NAME, strlen(CROWD_NAME), &options, &self->lock,
                        NULL) != REDLOCK_OK) {
        bench_give_up("cannot take the name before the waiters come");
    }
}

/* True when all wait; false when that takes too long. */
static bool blocker_await(const blocker *self, int waiters) {
    int64_t until = bench_now_ns() + QUEUED_WITHIN_NS;
    redlock_info info = REDLOCK_INIT(redlock_info);

    do {
        bench_sleep_until(bench_now_ns() + 5 * BENCH_NS_PER_MS);
        (void)redlock_inspect(self->client, CROWD_NAME, strlen(CROWD_NAME), &info, NULL);
    } while ((int)info.waiter_count < waiters && bench_now_ns() < until);
    /* A subscription that comes up later makes waiters ask once more. */
    bench_sleep_until(bench_now_ns() + 200 * BENCH_NS_PER_MS);
    return (int)info.waiter_count == waiters;
}

/* Stands behind all others, and keeps the name until the commands were counted: a last release that hands
 * over to nobody would be counted among the hand-offs. */
static void *blocker_come_last(void *ctx) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    blocker *self = ctx;

    options.ttl_ms = BLOCKED_TTL_MS;
    options.wait_ms = BLOCKED_TTL_MS;
    (void)redlock_acquire(self->client, CROWD_NAME, strlen(CROWD_NAME), &options, &self->lock,
                          NULL);
    return NULL;
}

/* Releases, and returns when it began to. */
static int64_t blocker_go(blocker *self) {
    int64_t now = bench_now_ns();

    if (self->lock != NULL) {
        (void)redlock_release(self->lock, NULL);
    }
    redlock_client_destroy(self->client);
    return now;
}

static void once_figures(const crowd *all, int64_t begun_ns, bench_load load, round_trips trips,
                         bench_figures *figures) {
    double ideal_ms = (double)all->slot_count * HOLD_NS / BENCH_NS_PER_MS;
    double total_ms = (double)(crowd_ended_ns(all) - begun_ns) / BENCH_NS_PER_MS;
    int served = 0;

    for (int i = 0; i < all->slot_count; i++) {
        served += all->slots[i].served;
    }
    bench_figures_add(figures, "served", served);
    bench_figures_add(figures, "total_ms", total_ms);
    if (served == all->slot_count) {
        bench_figures_add(figures, "total_to_ideal", total_ms / ideal_ms);
    } else {
        bench_figures_fail(figures, "%d of %d were served in %d s", served, all->slot_count,
                           (int)(all->plan.limit_ms / 1000));
    }
    bench_figures_add(figures, "round_trip_us", trips.busy_us);
    bench_figures_add(figures, "paced_round_trip_us", trips.paced_us);
    gaps_figures(all, trips, figures);
    int handoffs = served + 1; /* from the first, who waited for all, and to the last */
    bench_figures_add(figures, "client_commands", (double)(load.scripts + load.pubsub) / handoffs);
    bench_cost_figures(figures, handoffs, crowd_usage(all), load);
}

static void repeated_figures(const crowd *all, bench_load load, bench_figures *figures) {
    int64_t least = INT64_MAX, most = 0, sum = 0;
    int starved = 0;

    for (int i = 0; i < all->slot_count; i++) {
        int64_t served = all->slots[i].served;
        least = served < least ? served : least;
        most = served > most ? served : most;
        sum += served;
        starved += served == 0;
    }
    double seconds = (double)all->plan.repeat_ns / BENCH_NS_PER_S;
    double ideal = (double)all->plan.repeat_ns / HOLD_NS;
    bench_figures_add(figures, "served", (double)sum);
    bench_figures_add(figures, "cycles_per_s", (double)sum / seconds);
    bench_figures_add(figures, "ratio_to_limit", (double)sum / ideal);
    bench_figures_add(figures, "least", (double)least);
    bench_figures_add(figures, "most", (double)most);
    bench_figures_add(figures, "never_served", starved);
    if (sum > 0) {
        bench_figures_add(figures, "client_commands",
                          (double)(load.scripts + load.pubsub) / (double)sum);
    }
    bench_cost_figures(figures, (double)sum, crowd_usage(all), load);
}

/* Each once, between one who holds the name until all wait, and one behind them all. */
static bool run_once(crowd *all, test_server **servers, round_trips trips, bench_figures *figures) {
    size_t count = all->plan.server_count;
    blocker first = {.client = NULL}, last = {.client = ours_connect_servers(servers, count)};
    pthread_t thread;

    blocker_take(&first, servers, count);
    crowd_go(all);
    bool all_wait = blocker_await(&first, all->slot_count);
    if (pthread_create(&thread, NULL, blocker_come_last, &last) != 0) {
        bench_give_up("no thread for the last of all");
    }
    if (!all_wait || !blocker_await(&first, all->slot_count + 1)) {
        bench_figures_fail(figures, "not all came into the queue in time");
    }
    bench_load before = bench_load_read(servers, count);
    int64_t begun_ns = blocker_go(&first);
    bool is_well = crowd_end(all);
    (void)pthread_join(thread, NULL);
    bench_load load = bench_load_less(bench_load_read(servers, count), before);
    (void)blocker_go(&last);
    once_figures(all, begun_ns, load, trips, figures);
    return is_well;
}

static bool run_repeated(crowd *all, test_server **servers, bench_figures *figures) {
    crowd_go(all);
    bench_load before = bench_load_read(servers, all->plan.server_count);
    bool is_well = crowd_end(all);
    bench_load load = bench_load_less(bench_load_read(servers, all->plan.server_count), before);
    repeated_figures(all, load, figures);
    return is_well;
}

static void handoff_run(void *ctx, bench_figures *figures) {
    const handoff_setup *setup = ctx;
    test_server *servers[OURS_URLS_MAX];
    crowd all;

    servers_start(servers, setup->servers);
    const char *url = test_server_url(servers[0]);
    const round_trips trips = {.busy_us = bench_round_trip_us(url, PINGS, 0),
                               .paced_us = bench_round_trip_us(url, PACED_PINGS, HOLD_NS)};
    const crowd_plan plan = {.servers = servers,
                             .server_count = setup->servers,
                             .processes = setup->processes,
                             .waiters = setup->waiters,
                             .hold_ns = HOLD_NS,
                             .limit_ms = limit_ms(setup->processes * setup->waiters),
                             .repeat_ns = setup->repeat_ns};
    bool is_well = crowd_start(&all, &plan);
    if (is_well) {
        is_well = setup->repeat_ns == 0 ? run_once(&all, servers, trips, figures)
                                        : run_repeated(&all, servers, figures);
    }
    if (!is_well) {
        bench_figures_fail(figures, "the waiters' process did not end as it should");
    }
    crowd_free(&all);
    servers_stop(servers, setup->servers);
}

/* The limit is time itself. */
static void handoff_case(const bench_options *options, const char *bench, const char *name,
                         handoff_setup setup, const char *main_key) {
    int all = setup.processes * setup.waiters;
    bool is_once = setup.repeat_ns == 0;
    bench_contender contenders[2 + PEERS_MAX] = {
        {.name = "redlock", .run = handoff_run, .ctx = &setup, .limit = is_once ? "bare" : NULL},
        {.name = "bare", .run = bench_handoff_bare, .ctx = &all, .limit = "bare"}};
    bench_peer peers[PEERS_MAX];
    const bench_peer like = {.options = options, .verb = "handoff", .concurrency = setup.waiters};
    bool is_plain = setup.processes == 1 && setup.repeat_ns == 0;
    size_t count = is_once ? 2 : 1;
    count = is_plain ? bench_peers_add(contenders, count, peers, &like, NULL) : count;
    const bench_case one = {.bench = bench,
                            .name = name,
                            .main_key = main_key,
                            .is_smaller_better = setup.repeat_ns == 0,
                            .contenders = contenders,
                            .contender_count = count};

    if (setup.processes * setup.waiters <= options->waiters_max) {
        bench_case_run(options, &one);
    }
}

void bench_handoff(const bench_options *options) {
    int64_t repeat_ns = (int64_t)(CLOSED_SECONDS * BENCH_NS_PER_S);

    handoff_case(options, "handoff", "16", (handoff_setup){1, 16, 1, 0}, "total_ms");
    handoff_case(options, "handoff", "128", (handoff_setup){1, 128, 1, 0}, "total_ms");
    handoff_case(options, "handoff", "1000", (handoff_setup){1, 1000, 1, 0}, "total_ms");
    handoff_case(options, "handoff", "1000-in-4", (handoff_setup){4, 250, 1, 0}, "total_ms");
    handoff_case(options, "handoff", "10000", (handoff_setup){1, 10000, 1, 0}, "total_ms");
    handoff_case(options, "handoff", "closed-128", (handoff_setup){1, CLOSED_WAITERS, 1, repeat_ns},
                 "served");
    handoff_case(options, "handoff", "closed-128-five-nodes",
                 (handoff_setup){1, CLOSED_WAITERS, 5, repeat_ns}, "served");
    bench_handoff_faults(options);
    bench_handoff_scripts(options);
}

void bench_waiters_point(const bench_options *options, int waiters) {
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", waiters);
    handoff_case(options, "waiters", name, (handoff_setup){1, waiters, 1, 0}, "handoff_p50_us");
}
