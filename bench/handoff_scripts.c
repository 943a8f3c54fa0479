/* handoff_scripts.c -- what acquire and release cost the server's one thread while thousands wait.
 *
 * Two sources: commandstats for the sum, and for each script by itself the server's slow log with a
 * threshold of 0, whose times are those of commandstats and whose own work comes after them.  In the
 * first phase the name is held, so all scripts are acquires that are put into the queue.  In the
 * second it passes on: the script of the first phase claims and polls, the other one releases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "handoff.h"
#include "link.h"
#include "ours.h"

#define WAITERS 5000
#define PROCESSES 2 /* so that some are woken, and claim by themselves */
#define ENQUEUE_LIMIT_MS 10000
#define PASS_MS 1000
#define SHAS_MAX 8
#define LOG_MAX "20000"

typedef struct script_time {
    char sha[48];
    int64_t calls, sum_us, max_us;
} script_time;

typedef struct script_times {
    script_time at[SHAS_MAX];
    size_t count;
} script_times;

static void log_reset(test_server *server) {
    free(test_server_ask(server, "CONFIG", "SET", "slowlog-max-len", LOG_MAX, NULL));
    free(test_server_ask(server, "CONFIG", "SET", "slowlog-log-slower-than", "0", NULL));
    free(test_server_ask(server, "SLOWLOG", "RESET", NULL));
}

static void times_add(script_times *times, const char *sha, int64_t us) {
    size_t i = 0;

    while (i < times->count && strcmp(times->at[i].sha, sha) != 0) {
        i++;
    }
    if (i == SHAS_MAX) {
        return;
    }
    if (i == times->count) {
        times->count++;
        (void)snprintf(times->at[i].sha, sizeof(times->at[i].sha), "%s", sha);
    }
    times->at[i].calls++;
    times->at[i].sum_us += us;
    times->at[i].max_us = us > times->at[i].max_us ? us : times->at[i].max_us;
}

/* Entries are an array of id, time, duration, words, client and name.  Read as lines, an EVALSHA is
 * a line of its own with its digest behind it and its duration in front; inner calls are other words. */
static script_times log_read(test_server *server) {
    script_times times = {0};
    char *text = test_server_ask(server, "SLOWLOG", "GET", LOG_MAX, NULL);
    char *save = NULL, *before = NULL;

    for (char *line = text == NULL ? NULL : strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (before != NULL && (strcmp(line, "EVALSHA") == 0 || strcmp(line, "evalsha") == 0)) {
            char *sha = strtok_r(NULL, "\n", &save);
            if (sha != NULL) {
                times_add(&times, sha, strtoll(before, NULL, 10));
            }
        }
        before = line;
    }
    free(text);
    return times;
}

static const script_time *times_most(const script_times *times, const char *but_sha) {
    const script_time *most = NULL;

    for (size_t i = 0; i < times->count; i++) {
        const script_time *one = &times->at[i];
        if (strcmp(one->sha, but_sha) != 0 && (most == NULL || one->calls > most->calls)) {
            most = one;
        }
    }
    return most;
}

static double mean_us(const script_time *time) {
    return (double)time->sum_us / (double)time->calls;
}

/* Returns how many scripts ran until all waiters had asked once, or the limit was reached. */
static bench_load enqueue_wait(test_server *server, bench_load before) {
    int64_t until = bench_now_ns() + (int64_t)ENQUEUE_LIMIT_MS * BENCH_NS_PER_MS;
    bench_load load = {0};

    do {
        bench_sleep_until(bench_now_ns() + 50 * (int64_t)BENCH_NS_PER_MS);
        load = bench_load_less(bench_load_read(&server, 1), before);
    } while (load.scripts < WAITERS && bench_now_ns() < until);
    return load;
}

static void pass_figures(const script_times *enqueued, const script_times *passed,
                         bench_figures *figures) {
    const script_time *acquire = times_most(enqueued, "");

    if (acquire == NULL) {
        bench_figures_fail(figures, "the server did not log any script");
        return;
    }
    const script_time *release = times_most(passed, acquire->sha);
    bench_figures_add(figures, "enqueue_us", mean_us(acquire));
    bench_figures_add(figures, "enqueue_max_us", (double)acquire->max_us);
    for (size_t i = 0; i < passed->count; i++) {
        if (strcmp(passed->at[i].sha, acquire->sha) == 0) {
            bench_figures_add(figures, "claim_us", mean_us(&passed->at[i]));
        }
    }
    if (release != NULL) {
        bench_figures_add(figures, "release_us", mean_us(release));
        bench_figures_add(figures, "release_max_us", (double)release->max_us);
        bench_figures_add(figures, "handoffs", (double)release->calls);
    }
}

/* [the crowd is ready] Holds the name while they ask, then lets it pass for a second. */
static void scripts_play(test_server *server, crowd *all, bench_figures *figures) {
    redlock_client *client = ours_connect_servers(&server, 1);
    redlock_lock *lock = NULL;

    if (redlock_acquire(client, CROWD_NAME, strlen(CROWD_NAME), NULL, &lock, NULL) != REDLOCK_OK) {
        bench_give_up("a free name cannot be had");
    }
    log_reset(server);
    bench_load before = bench_load_read(&server, 1);
    crowd_go(all);
    bench_load load = enqueue_wait(server, before);
    script_times enqueued = log_read(server);
    bench_figures_add(figures, "asked", (double)load.scripts);
    log_reset(server);
    before = bench_load_read(&server, 1);
    (void)redlock_release(lock, NULL);
    bench_sleep_until(bench_now_ns() + (int64_t)PASS_MS * BENCH_NS_PER_MS);
    load = bench_load_less(bench_load_read(&server, 1), before);
    script_times passed = log_read(server);
    if (load.scripts > 0) {
        bench_figures_add(figures, "scripts_us", (double)load.scripts_us / (double)load.scripts);
    }
    pass_figures(&enqueued, &passed, figures);
    redlock_client_destroy(client);
}

static void scripts_run(void *ctx, bench_figures *figures) {
    test_server *server = bench_server_start();
    const crowd_plan plan = {.servers = &server,
                             .server_count = 1,
                             .processes = PROCESSES,
                             .waiters = WAITERS / PROCESSES,
                             .limit_ms = ENQUEUE_LIMIT_MS + 2 * PASS_MS};
    crowd all;

    (void)ctx;
    if (crowd_start(&all, &plan)) {
        scripts_play(server, &all, figures);
    } else {
        bench_figures_fail(figures, "%d threads could not be started", WAITERS);
    }
    crowd_free(&all);
    test_server_stop(server);
}

void bench_handoff_scripts(const bench_options *options) {
    const bench_contender contenders[] = {{.name = "redlock", .run = scripts_run}};
    const bench_case one = {.bench = "handoff",
                            .name = "5000-scripts",
                            .main_key = "release_us",
                            .is_smaller_better = true,
                            .contenders = contenders,
                            .contender_count = 1};

    if (options->waiters_max >= WAITERS) {
        bench_case_run(options, &one);
    }
}
