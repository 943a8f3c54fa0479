/* keep.c -- many locks held and renewed in the background: what a renewal costs, and whether any lock is
 * lost.  The limit is a loop that sends the same
 * renewals, as many at once, spread over the interval. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curves.h"
#include "ours.h"
#include "record.h"

#define ACQUIRERS 8
#define ACQUIRE_WAIT_MS 10000 /* on a busy machine a node may miss its timeout */
#define PIPELINE 100          /* as many as the library puts into one command */
#define WORDS_MAX 16
#define FEW_LOCKS 20000 /* up to so many, on all nodes together, live for 3 s, more for 10 s */
#define NUMBER_MAX 1000000

typedef struct keep_setup {
    int64_t locks, ttl_ms;
    double seconds;
    size_t servers;
} keep_setup;

/* --- the library ----------------------------------------------------------------------------------- */

typedef struct keep_counts { /* by events */
    atomic_llong renewed, late, lost;
} keep_counts;

typedef struct acquirer {
    redlock_client *client;
    const keep_setup *setup;
    redlock_lock **locks; /* all of them */
    int64_t first;        /* and every ACQUIRERS-th from there */
    int status;
    pthread_t thread;
} acquirer;

static void event_count(const redlock_event *event, void *user) {
    keep_counts *counts = user;

    switch ((redlock_event_kind)event->kind) {
    case REDLOCK_EVENT_RENEWED:
        (void)atomic_fetch_add(&counts->renewed, 1);
        break;
    case REDLOCK_EVENT_RENEW_LATE:
        (void)atomic_fetch_add(&counts->late, 1);
        break;
    case REDLOCK_EVENT_LOST:
        (void)atomic_fetch_add(&counts->lost, 1);
        break;
    case REDLOCK_EVENT_ACQUIRED:
    case REDLOCK_EVENT_RELEASED:
    case REDLOCK_EVENT_WAITING:
    case REDLOCK_EVENT_NODE_UP:
    case REDLOCK_EVENT_NODE_DOWN:
        break;
    }
}

static void *acquirer_main(void *ctx) {
    acquirer *self = ctx;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    char name[24];

    options.ttl_ms = self->setup->ttl_ms;
    options.wait_ms = ACQUIRE_WAIT_MS;
    for (int64_t i = self->first; i < self->setup->locks && self->status == REDLOCK_OK;
         i += ACQUIRERS) {
        (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, (int)i);
        self->status =
            redlock_acquire(self->client, name, RECORD_NAME_BYTES, &options, &self->locks[i], NULL);
    }
    return NULL;
}

/* Returns the first status that is not OK. */
static int locks_acquire(redlock_client *client, const keep_setup *setup, redlock_lock **locks) {
    acquirer all[ACQUIRERS];
    int status = REDLOCK_OK;

    for (int i = 0; i < ACQUIRERS; i++) {
        all[i] = (acquirer){.client = client, .setup = setup, .locks = locks, .first = i};
        if (pthread_create(&all[i].thread, NULL, acquirer_main, &all[i]) != 0) {
            bench_give_up("cannot start a thread");
        }
    }
    for (int i = 0; i < ACQUIRERS; i++) {
        (void)pthread_join(all[i].thread, NULL);
        status = status == REDLOCK_OK ? all[i].status : status;
    }
    return status;
}

static void keep_figures(bench_figures *figures, double renewed, double seconds, bench_usage usage,
                         bench_load load) {
    bench_figures_add(figures, "renewals_per_s", renewed / seconds);
    if (renewed > 0) {
        bench_figures_add(figures, "script_us", (double)load.scripts_us / renewed);
    }
    bench_cost_figures(figures, renewed, usage, load);
}

static void keep_watch(const keep_setup *setup, keep_counts *counts, test_server *const *servers,
                       bench_figures *figures) {
    bench_load load = bench_load_read(servers, setup->servers);
    bench_usage usage = bench_usage_now();
    long long before = atomic_load(&counts->renewed);
    int64_t begin = bench_now_ns();

    bench_sleep_until(begin + (int64_t)(setup->seconds * BENCH_NS_PER_S));
    double renewed = (double)(atomic_load(&counts->renewed) - before);
    usage = bench_usage_less(bench_usage_now(), usage);
    load = bench_load_less(bench_load_read(servers, setup->servers), load);
    keep_figures(figures, renewed, setup->seconds, usage, load);
    bench_figures_add(figures, "held", (double)setup->locks);
    bench_figures_add(figures, "late", (double)atomic_load(&counts->late));
    bench_figures_add(figures, "lost", (double)atomic_load(&counts->lost));
    if (atomic_load(&counts->lost) > 0) {
        bench_figures_fail(figures, "%lld of %lld locks were lost", atomic_load(&counts->lost),
                           (long long)setup->locks);
    }
}

static void keep_ours(void *ctx, bench_figures *figures) {
    const keep_setup *setup = ctx;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    test_server *servers[OURS_URLS_MAX];
    const char *urls[OURS_URLS_MAX];
    keep_counts counts = {0};

    for (size_t i = 0; i < setup->servers; i++) {
        servers[i] = bench_server_start();
        urls[i] = test_server_url(servers[i]);
    }
    if (setup->servers > 1) {
        ours_declare_ready(servers, setup->servers);
    }
    options.on_event = event_count;
    options.user = &counts;
    redlock_client *client = ours_connect(urls, setup->servers, &options);
    redlock_lock **locks = bench_calloc((size_t)setup->locks, sizeof(*locks));
    int64_t begin = bench_now_ns();
    int status = locks_acquire(client, setup, locks);
    if (status == REDLOCK_OK) {
        bench_figures_add(figures, "acquire_all_ms",
                          (double)(bench_now_ns() - begin) / BENCH_NS_PER_MS);
        keep_watch(setup, &counts, servers, figures);
    } else {
        bench_figures_fail(figures, "they could not all be acquired: %s",
                           redlock_status_text(status));
    }
    redlock_client_destroy(client); /* what is held runs out with the servers */
    free(locks);
    for (size_t i = 0; i < setup->servers; i++) {
        test_server_stop(servers[i]);
    }
}

/* --- the limit ------------------------------------------------------------------------------------- */

/* Records one renewal and plants the token that it renews under every name. */
static bench_recording renewal_record(const keep_setup *setup, test_server *server) {
    redlock_client *client = ours_connect_servers(&server, 1);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    bench_recording recording;
    bench_link monitor;
    redlock_lock *lock = NULL;
    char name[24], ttl[24];

    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, 0);
    options.ttl_ms = setup->ttl_ms;
    options.renew_ms = REDLOCK_NO_RENEW;
    if (redlock_acquire(client, name, RECORD_NAME_BYTES, &options, &lock, NULL) != REDLOCK_OK) {
        bench_give_up("a free name cannot be had");
    }
    bench_record_begin(&monitor, server);
    (void)redlock_extend(lock, 0, NULL);
    bench_record_end(&monitor, server, &recording);
    if (recording.count != 1) {
        bench_give_up("a server saw %zu commands of one renewal", recording.count);
    }
    (void)snprintf(ttl, sizeof(ttl), "%lld", (long long)setup->ttl_ms);
    static const char plant[] = "for i = 0, ARGV[3] - 1 do redis.call('SET', "
                                "string.format('bench-%06d', i), ARGV[1], 'PX', ARGV[2]) end";
    char count[24];
    (void)snprintf(count, sizeof(count), "%lld", (long long)setup->locks);
    free(test_server_ask(server, "EVAL", plant, "0", redlock_lock_token(lock, NULL), ttl, count,
                         NULL));
    redlock_client_destroy(client);
    return recording;
}

static size_t head_write(char *to, char kind, size_t number) {
    return (size_t)snprintf(to, 24, "%c%zu\r\n", kind, number);
}

/* The recorded renewal, of PIPELINE names at once: as the library sends those that are due together. */
typedef struct bundle {
    char *bytes;
    size_t len, time_at;
    size_t name_at[2 * PIPELINE], name_count; /* lock and mark of each */
} bundle;

typedef struct words { /* of a command in RESP */
    const char *at[WORDS_MAX];
    size_t len[WORDS_MAX], count;
} words;

static words words_of(const bench_command *command) {
    words found = {.count = 0};
    const char *at = strchr(command->bytes, '\n') + 1;

    while (at < command->bytes + command->len && found.count < WORDS_MAX) {
        char *end;
        size_t len = strtoull(at + 1, &end, 10);

        found.at[found.count] = end + 2;
        found.len[found.count++] = len;
        at = end + 2 + len + 2;
    }
    return found;
}

static void bundle_add(bundle *to, const char *word, size_t len) {
    to->len += head_write(to->bytes + to->len, '$', len);
    for (size_t i = 0; i + RECORD_NAME_BYTES <= len; i++) {
        if (memcmp(word + i, "bench-", 6) == 0) {
            to->name_at[to->name_count++] = to->len + i;
        }
    }
    memcpy(to->bytes + to->len, word, len);
    to->len += len;
    memcpy(to->bytes + to->len, "\r\n", 2);
    to->len += 2;
}

/* EVALSHA, digest, number of keys; lock and mark of each, boot; what all share; token and fence of each. */
static bundle bundle_make(const bench_command *one, size_t names) {
    words from = words_of(one);
    size_t keys = strtoull(from.at[2], NULL, 10), shared = 3 + keys, own = from.count - 2;
    bundle made = {.bytes = bench_calloc(names + 1, one->len)};
    char number[24];

    made.len +=
        head_write(made.bytes, '*', 3 + 2 * names + (keys - 2) + (own - shared) + 2 * names);
    bundle_add(&made, from.at[0], from.len[0]);
    bundle_add(&made, from.at[1], from.len[1]);
    int len = snprintf(number, sizeof(number), "%zu", 2 * names + (keys - 2));
    bundle_add(&made, number, (size_t)len);
    for (size_t i = 0; i < names; i++) {
        bundle_add(&made, from.at[3], from.len[3]);
        bundle_add(&made, from.at[4], from.len[4]);
    }
    for (size_t i = 5; i < own; i++) {
        bool is_time = one->time_count > 0 && from.at[i] == one->bytes + one->time_at[0];

        bundle_add(&made, from.at[i], from.len[i]);
        made.time_at = is_time ? made.len - 2 - from.len[i] : made.time_at;
    }
    for (size_t i = 0; i < names; i++) {
        bundle_add(&made, from.at[own], from.len[own]);
        bundle_add(&made, from.at[own + 1], from.len[own + 1]);
    }
    return made;
}

/* Renews the bundle's names from `first` on, in one write. */
static void bundle_renew(bench_link *link, bench_command *one, bundle *all, int64_t first) {
    char name[24];

    bench_command_refresh(one);
    if (one->time_count > 0) {
        memcpy(all->bytes + all->time_at, one->bytes + one->time_at[0], RECORD_TIME_DIGITS);
    }
    for (size_t i = 0; i < all->name_count; i++) {
        (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, (int)(first + (int64_t)i / 2));
        memcpy(all->bytes + all->name_at[i], name, RECORD_NAME_BYTES);
    }
    if (!bench_link_send(link, all->bytes, all->len) || bench_link_reply(link) == NULL) {
        bench_give_up("the server hung up");
    }
}

/* Renews all names once each third of the ttl, evenly spread; returns how many renewals were made. */
static int64_t bundles_run(const keep_setup *setup, bench_link *link, bench_command *command) {
    int64_t begin = bench_now_ns(), until = begin + (int64_t)(setup->seconds * BENCH_NS_PER_S);
    int64_t names = setup->locks < PIPELINE ? setup->locks : PIPELINE;
    int64_t batches = setup->locks / names, renewed = 0;
    int64_t gap_ns = setup->ttl_ms * BENCH_NS_PER_MS / 3 / batches;
    bundle all = bundle_make(command, (size_t)names);

    for (int64_t i = 0, due = begin; due < until; i++, due += gap_ns) {
        bench_sleep_until(due);
        bundle_renew(link, command, &all, i % batches * names);
        renewed += names;
    }
    free(all.bytes);
    return renewed;
}

static void keep_pipelined(void *ctx, bench_figures *figures) {
    const keep_setup *setup = ctx;
    test_server *server = bench_server_start();
    bench_recording recording = renewal_record(setup, server);
    bench_link link;

    bench_link_open(&link, test_server_url(server));
    bench_load load = bench_load_read(&server, 1);
    bench_usage usage = bench_usage_now();
    int64_t renewed = bundles_run(setup, &link, &recording.at[0]);
    usage = bench_usage_less(bench_usage_now(), usage);
    load = bench_load_less(bench_load_read(&server, 1), load);
    keep_figures(figures, (double)renewed, setup->seconds, usage, load);
    bench_link_close(&link);
    bench_recording_free(&recording);
    test_server_stop(server);
}

static void keep_case(const bench_options *options, const char *bench, const char *name,
                      size_t servers, int64_t locks) {
    int64_t ttl_ms = locks * (int64_t)servers <= FEW_LOCKS ? 3000 : 10000;
    double least = (double)ttl_ms / 1000;
    keep_setup setup = {.locks = locks > 0 ? locks : 1,
                        .ttl_ms = ttl_ms,
                        .servers = servers,
                        .seconds = options->seconds > least ? options->seconds : least};
    const bench_contender contenders[] = {{"redlock", keep_ours, &setup, "pipelined"},
                                          {"pipelined", keep_pipelined, &setup, "pipelined"}};
    const bench_case one = {.bench = bench,
                            .name = name,
                            .main_key = "server_cpu_us",
                            .is_smaller_better = true,
                            .contenders = contenders,
                            .contender_count = servers == 1 ? 2 : 1};

    bench_case_run(options, &one);
}

void bench_keep(const bench_options *options) {
    int64_t locks = options->locks < NUMBER_MAX ? options->locks : NUMBER_MAX;

    keep_case(options, "keep", "one-node", 1, locks);
    keep_case(options, "keep", "five-nodes", 5, locks / 5);
}

void bench_locks_point(const bench_options *options, int64_t locks) {
    char name[24];

    (void)snprintf(name, sizeof(name), "%lld", (long long)locks);
    keep_case(options, "locks", name, 1, locks);
}
