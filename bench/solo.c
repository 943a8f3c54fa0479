/* solo.c -- one caller, one node; and many callers of one client, one node. */
#include <stdio.h>

#include "curves.h"
#include "peer.h"
#include "work.h"

#define PLAIN REDLOCK_ACQUIRE_PLAIN

/* What all contenders on one server need. */
typedef struct solo_stage {
    test_server *server;
    redlock_client *client;
    bench_recording plain, fenced;
    bench_secure *secure; /* NULL: no TLS */
} solo_stage;

static void stage_start(solo_stage *stage, bool is_tcp) {
    stage->secure = NULL;
    stage->server = is_tcp ? bench_server_start_tcp() : bench_server_start();
    stage->client = ours_connect_servers(&stage->server, 1);
    stage->plain = bench_record_cycle(stage->server, stage->client, PLAIN);
    stage->fenced = bench_record_cycle(stage->server, stage->client, 0);
}

/* False when there is no TLS. */
static bool stage_start_secure(solo_stage *stage) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);

    *stage = (solo_stage){.secure = bench_secure_start()};
    if (stage->secure == NULL) {
        return false;
    }
    const char *const urls[] = {bench_secure_url(stage->secure)};
    stage->server = bench_secure_server(stage->secure);
    options.tls_ca_file = bench_secure_ca_file(stage->secure);
    stage->client = ours_connect(urls, 1, &options);
    stage->plain = bench_record_cycle(stage->server, stage->client, PLAIN);
    stage->fenced = bench_record_cycle(stage->server, stage->client, 0);
    return true;
}

static void stage_stop(solo_stage *stage) {
    redlock_client_destroy(stage->client);
    bench_recording_free(&stage->plain);
    bench_recording_free(&stage->fenced);
    if (stage->secure != NULL) {
        bench_secure_stop(stage->secure);
    } else {
        test_server_stop(stage->server);
    }
}

static bench_work stage_work(const solo_stage *stage, const bench_options *options, int threads) {
    return (bench_work){.servers = &stage->server,
                        .server_count = 1,
                        .seconds = options->seconds,
                        .threads = threads,
                        .client = stage->client,
                        .secure = stage->secure,
                        .url = test_server_url(stage->server)};
}

static bench_peer stage_peer(const solo_stage *stage, const bench_options *options, int callers) {
    return (bench_peer){.options = options,
                        .verb = "cycles",
                        .concurrency = callers,
                        .servers = &stage->server,
                        .server_count = 1,
                        .urls = {test_server_url(stage->server)},
                        .url_count = 1};
}

static bench_work work_ours(bench_work work, uint32_t flags) {
    work.loop = bench_loop_ours;
    work.acquire_flags = flags;
    return work;
}

static bench_work work_bare(bench_work work, bench_loop_fn *loop, const bench_recording *commands) {
    work.loop = loop;
    work.commands = commands;
    return work;
}

static void solo_case(const bench_options *options, const char *name, bool is_tcp) {
    solo_stage stage;

    if (!bench_case_is_wanted(options, name)) {
        return;
    }
    stage_start(&stage, is_tcp);
    bench_work base = stage_work(&stage, options, 0);
    bench_work plain = work_ours(base, PLAIN), fenced = work_ours(base, 0);
    bench_work hiredis = work_bare(base, bench_loop_hiredis, &stage.plain);
    bench_work raw = work_bare(base, bench_loop_raw, &stage.plain);
    bench_work hiredis_fenced = work_bare(base, bench_loop_hiredis, &stage.fenced);
    bench_work raw_fenced = work_bare(base, bench_loop_raw, &stage.fenced);
    bench_contender contenders[6 + PEERS_MAX] = {
        {"redlock-plain", bench_work_run, &plain, "hiredis-plain"},
        {"redlock", bench_work_run, &fenced, "hiredis-plain"},
        {"hiredis-plain", bench_work_run, &hiredis, "hiredis-plain"},
        {"raw-plain", bench_work_run, &raw, "hiredis-plain"},
        {"hiredis-fenced", bench_work_run, &hiredis_fenced, "hiredis-plain"},
        {"raw-fenced", bench_work_run, &raw_fenced, "hiredis-plain"},
    };
    bench_peer peers[PEERS_MAX];
    const bench_peer like = stage_peer(&stage, options, 1);
    size_t count = bench_peers_add(contenders, 6, peers, &like, "hiredis-plain");
    const bench_case one = {.bench = "solo",
                            .name = name,
                            .main_key = "cycles_per_s",
                            .contenders = contenders,
                            .contender_count = count};
    bench_case_run(options, &one);
    stage_stop(&stage);
}

static void secure_case(const bench_options *options, const char *name, int threads) {
    solo_stage stage;

    if (!bench_case_is_wanted(options, name) || !stage_start_secure(&stage)) {
        return;
    }
    bench_work base = stage_work(&stage, options, threads);
    bench_work plain = work_ours(base, PLAIN), fenced = work_ours(base, 0);
    bench_work openssl = work_bare(base, bench_loop_secure, &stage.plain);
    bench_work openssl_fenced = work_bare(base, bench_loop_secure, &stage.fenced);
    const bench_contender contenders[] = {
        {"redlock-plain", bench_work_run, &plain, "openssl-each"},
        {"redlock", bench_work_run, &fenced, "openssl-each-fenced"},
        {"openssl-each", bench_work_run, &openssl, "openssl-each"},
        {"openssl-each-fenced", bench_work_run, &openssl_fenced, "openssl-each-fenced"},
    };
    const bench_case one = {.bench = threads > 0 ? "many" : "solo",
                            .name = name,
                            .main_key = "cycles_per_s",
                            .contenders = contenders,
                            .contender_count = sizeof(contenders) / sizeof(contenders[0])};
    bench_case_run(options, &one);
    stage_stop(&stage);
}

void bench_solo(const bench_options *options) {
    solo_case(options, "unix", false);
    solo_case(options, "tcp", true);
    secure_case(options, "1-tls", 0);
}

static void many_case(const bench_options *options, const char *bench, const char *name,
                      bool is_tcp, int threads) {
    solo_stage stage;

    if (!bench_case_is_wanted(options, name)) {
        return;
    }
    stage_start(&stage, is_tcp);
    bench_work base = stage_work(&stage, options, threads);
    bench_work plain = work_ours(base, PLAIN), fenced = work_ours(base, 0);
    bench_work hiredis = work_bare(base, bench_loop_hiredis, &stage.plain);
    bench_work pipelined = work_bare(base, bench_loop_pipelined, &stage.plain);
    pipelined.in_flight = threads;
    pipelined.threads = 0;
    bench_contender contenders[4 + PEERS_MAX] = {
        {"redlock-plain", bench_work_run, &plain, "hiredis-each"},
        {"redlock", bench_work_run, &fenced, "hiredis-each"},
        {"hiredis-each", bench_work_run, &hiredis, "hiredis-each"},
        {"raw-pipelined", bench_work_run, &pipelined, "hiredis-each"},
    };
    bench_peer peers[PEERS_MAX];
    const bench_peer like = stage_peer(&stage, options, threads);
    size_t count = bench_peers_add(contenders, 4, peers, &like, "hiredis-each");
    const bench_case one = {.bench = bench,
                            .name = name,
                            .main_key = "cycles_per_s",
                            .contenders = contenders,
                            .contender_count = count};
    bench_case_run(options, &one);
    stage_stop(&stage);
}

void bench_many(const bench_options *options) {
    many_case(options, "many", "1", false, 1);
    many_case(options, "many", "4", false, 4);
    many_case(options, "many", "16", false, 16);
    many_case(options, "many", "64", false, 64);
    many_case(options, "many", "256", false, 256);
    many_case(options, "many", "64-tcp", true, 64);
    secure_case(options, "64-tls", 64);
}

void bench_threads_point(const bench_options *options, int threads) {
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", threads);
    many_case(options, "threads", name, false, threads);
}
