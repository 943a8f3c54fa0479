/* quorum.c -- one caller, five nodes: on the loopback, behind 5 ms of network, and with nodes that are
 * slow, silent, gone or frozen in the middle.  For the curves, one to fifteen of them. */
#include <stdio.h>
#include <string.h>

#include "curves.h"
#include "fan.h"
#include "network.h"
#include "peer.h"
#include "work.h"

#define PLAIN REDLOCK_ACQUIRE_PLAIN
#define RECORD_TRIES 5
#define STEPS 2 /* GRANT and RELEASE */
#define FAR_US 5000
#define FROZEN_NODE 4
#define FIVE 5
#define SLOW_US 200000

typedef struct quorum_stage {
    int count;
    test_server *servers[FAN_NODES_MAX];
    const char *urls[FAN_NODES_MAX];
    bench_network network;
    bool has_network;
    redlock_client *fenced, *plain;
    bench_recording fenced_commands[FAN_NODES_MAX], plain_commands[FAN_NODES_MAX];
} quorum_stage;

typedef struct quorum_work {
    quorum_stage *stage;
    redlock_client *client;          /* NULL: the loop */
    const bench_recording *commands; /* of the loop, for each node */
    uint32_t acquire_flags;
    double seconds;
    bool is_freezing; /* a node stands still from the middle on */
} quorum_work;

/* --- the stage ------------------------------------------------------------------------------------- */

static bool record_try(quorum_stage *stage, redlock_client *client, uint32_t flags,
                       bench_recording *recordings) {
    bench_link monitors[FAN_NODES_MAX];
    bool is_usual = true;

    for (int i = 0; i < stage->count; i++) {
        bench_record_begin(&monitors[i], stage->servers[i]);
    }
    bench_ours_cycle(client, flags, 0);
    for (int i = 0; i < stage->count; i++) {
        bench_record_end(&monitors[i], stage->servers[i], &recordings[i]);
        is_usual = is_usual && recordings[i].count == STEPS;
    }
    for (int i = 0; i < stage->count && !is_usual; i++) {
        bench_recording_free(&recordings[i]);
    }
    return is_usual;
}

/* A cycle in which every node is asked for a grant and a release, and for nothing else. */
static void quorum_record(quorum_stage *stage, uint32_t flags,
                          const redlock_client_options *options, bench_recording *recordings) {
    const char *urls[FAN_NODES_MAX];
    bool is_usual = false;

    for (int i = 0; i < stage->count; i++) {
        urls[i] = test_server_url(stage->servers[i]);
    }
    redlock_client *client = ours_connect(urls, (size_t)stage->count, options);
    for (int i = 0; i < RECORD_TRIES && !is_usual; i++) {
        bench_ours_cycle(client, flags, 0);
        is_usual = record_try(stage, client, flags, recordings);
    }
    if (!is_usual) {
        bench_give_up("no cycle was a grant and a release on each");
    }
    redlock_client_destroy(client);
}

static void quorum_start(quorum_stage *stage, int count, const bench_network_plan *plan) {
    redlock_client_options unguarded = REDLOCK_INIT(redlock_client_options);

    *stage = (quorum_stage){.count = count, .has_network = plan != NULL};
    unguarded.flags = REDLOCK_CLIENT_GUARD_OFF;
    for (int i = 0; i < stage->count; i++) {
        stage->servers[i] = bench_server_start();
        stage->urls[i] = test_server_url(stage->servers[i]);
    }
    if (plan != NULL) {
        bench_network_start(&stage->network, plan, stage->servers);
    }
    if (count > 1) {
        ours_declare_ready(stage->servers, (size_t)count);
    }
    quorum_record(stage, 0, NULL, stage->fenced_commands);
    quorum_record(stage, PLAIN, &unguarded, stage->plain_commands);
    for (int i = 0; i < stage->count && plan != NULL; i++) {
        stage->urls[i] = stage->network.urls[i];
    }
    stage->fenced = ours_connect(stage->urls, (size_t)stage->count, NULL);
    stage->plain = ours_connect(stage->urls, (size_t)stage->count, &unguarded);
}

static void quorum_stop(quorum_stage *stage) {
    redlock_client_destroy(stage->fenced);
    redlock_client_destroy(stage->plain);
    if (stage->has_network) {
        bench_network_stop(&stage->network);
    }
    for (int i = 0; i < stage->count; i++) {
        bench_recording_free(&stage->fenced_commands[i]);
        bench_recording_free(&stage->plain_commands[i]);
        test_server_stop(stage->servers[i]);
    }
}

/* --- cycles ---------------------------------------------------------------------------------------- */

typedef struct quorum_times {
    bench_samples acquires;
    int64_t cycles;
} quorum_times;

static void ours_acquire_release(const quorum_work *work, quorum_times *times) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    char name[24];

    options.flags = work->acquire_flags;
    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, 0);
    int64_t begin = bench_now_ns();
    if (redlock_acquire(work->client, name, RECORD_NAME_BYTES, &options, &lock, &report) !=
        REDLOCK_OK) {
        bench_give_up("redlock_acquire: %s", report.sentence);
    }
    bench_samples_add(&times->acquires, bench_now_ns() - begin);
    (void)redlock_release(lock, NULL);
}

static void fan_acquire_release(bench_fan *fan, quorum_times *times) {
    int64_t begin = bench_now_ns();

    bench_fan_ask(fan, 0);
    bench_samples_add(&times->acquires, bench_now_ns() - begin);
    bench_fan_ask(fan, 1);
}

static void quorum_cycles(const quorum_work *work, bench_fan *fan, int64_t until_ns,
                          quorum_times *times) {
    while (bench_now_ns() < until_ns) {
        if (work->client != NULL) {
            ours_acquire_release(work, times);
        } else {
            fan_acquire_release(fan, times);
        }
        times->cycles++;
    }
}

/* The measured part; returns how long it took. */
static int64_t quorum_play(const quorum_work *work, bench_fan *fan, quorum_times *times) {
    int64_t begin = bench_now_ns(), length = (int64_t)(work->seconds * BENCH_NS_PER_S);
    test_server *frozen = work->is_freezing ? work->stage->servers[FROZEN_NODE] : NULL;

    quorum_cycles(work, fan, begin + length / 2, times);
    if (frozen != NULL) {
        test_server_pause(frozen);
    }
    quorum_cycles(work, fan, begin + length, times);
    int64_t took_ns = bench_now_ns() - begin;
    if (frozen != NULL) {
        test_server_resume(frozen);
    }
    return took_ns;
}

static void quorum_run(void *ctx, bench_figures *figures) {
    const quorum_work *work = ctx;
    size_t nodes = (size_t)work->stage->count;
    quorum_times times = {0};
    bench_fan fan;

    if (work->client == NULL) {
        bench_fan_open(&fan, work->stage->count, work->stage->urls, work->commands);
    }
    quorum_cycles(work, &fan, bench_now_ns() + (int64_t)(work->seconds * 1e8), &times);
    times.acquires.count = 0;
    times.cycles = 0;
    bench_load load = bench_load_read(work->stage->servers, nodes);
    bench_usage usage = bench_usage_now();
    int64_t took_ns = quorum_play(work, &fan, &times);
    usage = bench_usage_less(bench_usage_now(), usage);
    load = bench_load_less(bench_load_read(work->stage->servers, nodes), load);
    bench_figures_add(figures, "cycles_per_s",
                      (double)times.cycles / ((double)took_ns / BENCH_NS_PER_S));
    double p50 = (double)bench_samples_at(&times.acquires, 0.5) / 1000;
    double p99 = (double)bench_samples_at(&times.acquires, 0.99) / 1000;
    bench_figures_add(figures, "acquire_p50_us", p50);
    bench_figures_add(figures, "acquire_p99_us", p99);
    bench_figures_add(figures, "acquire_max_us",
                      (double)bench_samples_at(&times.acquires, 1) / 1000);
    if (work->stage->has_network) {
        bench_figures_add(figures, "p50_to_5ms", p50 / FAR_US);
        bench_figures_add(figures, "p99_to_5ms", p99 / FAR_US);
        bench_figures_add(figures, "round_trip_us", work->stage->network.round_trip_us);
    }
    bench_cost_figures(figures, (double)times.cycles, usage, load);
    bench_samples_free(&times.acquires);
    if (work->client == NULL) {
        bench_fan_close(&fan);
    }
}

static bench_peer stage_peer(quorum_stage *stage, const bench_options *options) {
    bench_peer peer = {.options = options,
                       .verb = "cycles",
                       .concurrency = 1,
                       .servers = stage->servers,
                       .server_count = (size_t)stage->count,
                       .url_count = (size_t)stage->count};

    for (int i = 0; i < stage->count; i++) {
        peer.urls[i] = stage->urls[i];
    }
    return peer;
}

static void quorum_case(const bench_options *options, const char *name,
                        const bench_network_plan *plan, bool is_freezing) {
    quorum_stage stage;

    if (!bench_case_is_wanted(options, name)) {
        return;
    }
    quorum_start(&stage, FIVE, plan);
    quorum_work fenced = {.stage = &stage,
                          .client = stage.fenced,
                          .seconds = options->seconds,
                          .is_freezing = is_freezing};
    quorum_work plain = fenced, fan_fenced = fenced, fan_plain = fenced;
    plain.client = stage.plain;
    plain.acquire_flags = PLAIN;
    fan_fenced.client = fan_plain.client = NULL;
    fan_fenced.commands = stage.fenced_commands;
    fan_plain.commands = stage.plain_commands;
    bench_contender contenders[4 + PEERS_MAX] = {
        {"redlock", quorum_run, &fenced, "fan-out"},
        {"redlock-plain", quorum_run, &plain, "fan-out-plain"},
        {"fan-out", quorum_run, &fan_fenced, "fan-out"},
        {"fan-out-plain", quorum_run, &fan_plain, "fan-out-plain"},
    };
    bench_peer peers[PEERS_MAX];
    const bench_peer like = stage_peer(&stage, options);
    size_t count = is_freezing ? 4 : bench_peers_add(contenders, 4, peers, &like, "fan-out-plain");
    const bench_case one = {.bench = "quorum",
                            .name = name,
                            .main_key = plan == NULL ? "cycles_per_s" : "acquire_p50_us",
                            .is_smaller_better = plan != NULL,
                            .contenders = contenders,
                            .contender_count = count};
    bench_case_run(options, &one);
    quorum_stop(&stage);
}

static bench_network_plan all_far(int count) {
    bench_network_plan plan = {.count = count};

    for (int i = 0; i < count; i++) {
        plan.round_trip_us[i] = FAR_US;
    }
    return plan;
}

void bench_quorum(const bench_options *options) {
    bench_network_plan far = all_far(FIVE), slow = far, silent = far, refusing = far;

    slow.round_trip_us[3] = slow.round_trip_us[4] = SLOW_US;
    silent.mode[4] = TEST_PROXY_BLACKHOLE;
    refusing.mode[4] = TEST_PROXY_REFUSE;
    quorum_case(options, "loopback", NULL, false);
    quorum_case(options, "5ms", &far, false);
    quorum_case(options, "5-5-5-200-200ms", &slow, false);
    quorum_case(options, "one-silent", &silent, false);
    quorum_case(options, "one-refusing", &refusing, false);
    quorum_case(options, "one-frozen", &far, true);
}

/* --- points of curves ------------------------------------------------------------------------------ */

static void quorum_point(const bench_options *options, const char *bench, int x, int count,
                         const bench_network_plan *plan) {
    quorum_stage stage;
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", x);
    quorum_start(&stage, count, plan);
    quorum_work ours = {.stage = &stage, .client = stage.fenced, .seconds = options->seconds};
    quorum_work fan = ours;
    fan.client = NULL;
    fan.commands = stage.fenced_commands;
    const bench_contender contenders[] = {{"redlock", quorum_run, &ours, "fan-out"},
                                          {"fan-out", quorum_run, &fan, "fan-out"}};
    const bench_case one = {.bench = bench,
                            .name = name,
                            .main_key = "acquire_p50_us",
                            .is_smaller_better = true,
                            .contenders = contenders,
                            .contender_count = 2};
    bench_case_run(options, &one);
    quorum_stop(&stage);
}

void bench_nodes_point(const bench_options *options, int nodes) {
    quorum_point(options, "nodes", nodes, nodes, NULL);
}

void bench_slow_point(const bench_options *options, int slow) {
    bench_network_plan plan = all_far(FAN_NODES_MAX);

    for (int i = 0; i < slow; i++) {
        plan.round_trip_us[FAN_NODES_MAX - 1 - i] = SLOW_US;
    }
    quorum_point(options, "slow", slow, FAN_NODES_MAX, &plan);
}
