/* work.c -- the loops, and the threads to run them on. */
#include "work.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "allocations.h"

#define SAMPLES_PER_S 250000
#define STACK_BYTES (128 * 1024)
#define WARM_CYCLES 200

/* --- loops ----------------------------------------------------------------------------------------- */

static void ours_cycle(redlock_client *client, const char *name, size_t name_len,
                       const redlock_acquire_options *options) {
    redlock_lock *lock = NULL;
    int status = redlock_acquire(client, name, name_len, options, &lock, NULL);

    if (status != REDLOCK_OK) {
        bench_give_up("redlock_acquire: %s", redlock_status_text(status));
    }
    status = redlock_release(lock, NULL);
    if (status != REDLOCK_OK) {
        bench_give_up("redlock_release: %s", redlock_status_text(status));
    }
}

void bench_ours_cycle(redlock_client *client, uint32_t acquire_flags, int number) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    char name[24];

    options.flags = acquire_flags;
    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, number);
    ours_cycle(client, name, RECORD_NAME_BYTES, &options);
}

void bench_loop_ours(const bench_work *work, int number, int64_t until_ns, bench_samples *samples) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    char name[24];

    options.flags = work->acquire_flags;
    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, number);
    int64_t before = bench_allocations();
    for (int64_t begin = bench_now_ns(), end; begin < until_ns; begin = end) {
        ours_cycle(work->client, name, RECORD_NAME_BYTES, &options);
        end = bench_now_ns();
        bench_samples_add(samples, end - begin);
    }
    samples->allocations += bench_allocations() - before;
}

static redisContext *hiredis_connect(const char *url) {
    redisContext *context;

    if (strncmp(url, "unix://", 7) == 0) {
        context = redisConnectUnix(url + 7);
    } else {
        context = redisConnect("127.0.0.1", (int)strtol(strrchr(url, ':') + 1, NULL, 10));
    }
    if (context == NULL || context->err != 0) {
        bench_give_up("hiredis: %s", context == NULL ? "no memory" : context->errstr);
    }
    return context;
}

static void hiredis_ask(redisContext *context, bench_command *command) {
    void *reply = NULL;

    bench_command_refresh(command);
    if (redisAppendFormattedCommand(context, command->bytes, command->len) != REDIS_OK ||
        redisGetReply(context, &reply) != REDIS_OK) {
        bench_give_up("hiredis: %s", context->errstr);
    }
    freeReplyObject(reply);
}

void bench_loop_hiredis(const bench_work *work, int number, int64_t until_ns,
                        bench_samples *samples) {
    bench_recording commands = bench_recording_copy(work->commands, number);
    redisContext *context = hiredis_connect(work->url);

    for (int64_t begin = bench_now_ns(), end; begin < until_ns; begin = end) {
        for (size_t i = 0; i < commands.count; i++) {
            hiredis_ask(context, &commands.at[i]);
        }
        end = bench_now_ns();
        bench_samples_add(samples, end - begin);
    }
    redisFree(context);
    bench_recording_free(&commands);
}

static void raw_ask(bench_link *link, bench_command *command) {
    bench_command_refresh(command);
    if (!bench_link_send(link, command->bytes, command->len) || bench_link_reply(link) == NULL) {
        bench_give_up("the server hung up");
    }
}

void bench_loop_raw(const bench_work *work, int number, int64_t until_ns, bench_samples *samples) {
    bench_recording commands = bench_recording_copy(work->commands, number);
    bench_link link;

    bench_link_open(&link, work->url);
    for (int64_t begin = bench_now_ns(), end; begin < until_ns; begin = end) {
        for (size_t i = 0; i < commands.count; i++) {
            raw_ask(&link, &commands.at[i]);
        }
        end = bench_now_ns();
        bench_samples_add(samples, end - begin);
    }
    bench_link_close(&link);
    bench_recording_free(&commands);
}

/* One command of every cycle in flight, in one write, and all their answers. */
static void pipelined_step(bench_link *link, bench_command *command, char *out, int in_flight) {
    size_t len = 0;

    bench_command_refresh(command);
    for (int i = 0; i < in_flight; i++) {
        bench_command_rename(command, i);
        memcpy(out + len, command->bytes, command->len);
        len += command->len;
    }
    bool is_well = bench_link_send(link, out, len);
    for (int i = 0; i < in_flight && is_well; i++) {
        is_well = bench_link_reply(link) != NULL;
    }
    if (!is_well) {
        bench_give_up("the server hung up");
    }
}

void bench_loop_pipelined(const bench_work *work, int number, int64_t until_ns,
                          bench_samples *samples) {
    bench_recording commands = bench_recording_copy(work->commands, number);
    size_t longest = 0;
    bench_link link;

    for (size_t i = 0; i < commands.count; i++) {
        longest = commands.at[i].len > longest ? commands.at[i].len : longest;
    }
    char *out = bench_calloc((size_t)work->in_flight, longest);
    bench_link_open(&link, work->url);
    for (int64_t begin = bench_now_ns(), end; begin < until_ns; begin = end) {
        for (size_t i = 0; i < commands.count; i++) {
            pipelined_step(&link, &commands.at[i], out, work->in_flight);
        }
        end = bench_now_ns();
        for (int i = 0; i < work->in_flight; i++) {
            bench_samples_add(samples, end - begin);
        }
    }
    bench_link_close(&link);
    bench_recording_free(&commands);
    free(out);
}

/* --- threads --------------------------------------------------------------------------------------- */

typedef struct worker {
    const bench_work *work;
    int number;
    int64_t until_ns;
    bench_samples samples;
    pthread_t thread;
} worker;

static void *worker_main(void *ctx) {
    worker *self = ctx;

    self->work->loop(self->work, self->number, self->until_ns, &self->samples);
    return NULL;
}

static void workers_run(worker *workers, int count) {
    pthread_attr_t attributes;

    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (int i = 0; i < count; i++) {
        if (pthread_create(&workers[i].thread, &attributes, worker_main, &workers[i]) != 0) {
            bench_give_up("cannot start thread %d", i + 1);
        }
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(workers[i].thread, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
}

/* Fills `samples` with what all threads did until the time was over; returns how long it took. */
static int64_t work_do(const bench_work *work, double seconds, bench_samples *samples) {
    int64_t begin = bench_now_ns(), until = begin + (int64_t)(seconds * BENCH_NS_PER_S);
    int count = work->threads > 0 ? work->threads : 1;
    size_t reserve = (size_t)(seconds * SAMPLES_PER_S) / (size_t)count + 1024;
    worker *workers = bench_calloc((size_t)count, sizeof(*workers));

    for (int i = 0; i < count; i++) {
        workers[i] = (worker){.work = work, .number = i, .until_ns = until};
        bench_samples_reserve(&workers[i].samples, reserve);
    }
    if (work->threads > 0) {
        workers_run(workers, count);
    } else {
        (void)worker_main(&workers[0]);
    }
    int64_t took_ns = bench_now_ns() - begin;
    for (int i = 0; i < count; i++) {
        bench_samples_join(samples, &workers[i].samples);
        bench_samples_free(&workers[i].samples);
    }
    free(workers);
    return took_ns;
}

void bench_work_run(void *ctx, bench_figures *figures) {
    const bench_work *work = ctx;
    bench_samples samples = {0};

    (void)work_do(work, work->seconds / 10, &samples);
    samples.count = 0;
    samples.allocations = 0;
    bench_load load = bench_load_read(work->servers, work->server_count);
    bench_usage usage = bench_usage_now();
    int64_t took_ns = work_do(work, work->seconds, &samples);
    usage = bench_usage_less(bench_usage_now(), usage);
    load = bench_load_less(bench_load_read(work->servers, work->server_count), load);
    double cycles = (double)samples.count;
    bench_figures_add(figures, "cycles_per_s", cycles / ((double)took_ns / BENCH_NS_PER_S));
    bench_samples_figures(&samples, figures);
    bench_cost_figures(figures, cycles, usage, load);
    if (work->client != NULL && work->loop == bench_loop_ours && cycles > 0) {
        bench_figures_add(figures, "allocations", (double)samples.allocations / cycles);
    }
    bench_samples_free(&samples);
}

/* --- recording ------------------------------------------------------------------------------------- */

static bool name_is_taken(test_server *server) {
    char name[24];

    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, 0);
    char *exists = test_server_ask(server, "EXISTS", name, NULL);
    bool is_taken = exists != NULL && strcmp(exists, "1") == 0;
    free(exists);
    return is_taken;
}

/* A limit that does not do the work would be no limit. */
static void recording_check(test_server *server, const bench_recording *recording) {
    bench_recording commands = bench_recording_copy(recording, 0);
    bench_link link;

    if (commands.count < 2) {
        bench_give_up("a server saw %zu commands of a cycle", commands.count);
    }
    bench_link_open(&link, test_server_url(server));
    raw_ask(&link, &commands.at[0]);
    bool is_taken = name_is_taken(server);
    for (size_t i = 1; i < commands.count; i++) {
        raw_ask(&link, &commands.at[i]);
    }
    if (!is_taken || name_is_taken(server)) {
        bench_give_up("the recorded commands do not acquire and release");
    }
    bench_link_close(&link);
    bench_recording_free(&commands);
}

bench_recording bench_record_cycle(test_server *server, redlock_client *client,
                                   uint32_t acquire_flags) {
    bench_recording recording;
    bench_link monitor;

    for (int i = 0; i < WARM_CYCLES; i++) {
        bench_ours_cycle(client, acquire_flags, 0);
    }
    bench_record_begin(&monitor, server);
    bench_ours_cycle(client, acquire_flags, 0);
    bench_record_end(&monitor, server, &recording);
    recording_check(server, &recording);
    return recording;
}
