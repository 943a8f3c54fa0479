/* meter.c -- clocks, samples, getrusage and the server's INFO. */
#include "meter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

/* The kernel's timers are late by less than this, mostly. */
#define TIMER_LATE_NS (100 * INT64_C(1000))

int64_t bench_now_ns(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * BENCH_NS_PER_S + now.tv_nsec;
}

void bench_sleep_until(int64_t instant_ns) {
    const struct timespec until = {.tv_sec = instant_ns / BENCH_NS_PER_S,
                                   .tv_nsec = instant_ns % BENCH_NS_PER_S};

    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

void bench_hold_until(int64_t instant_ns) {
    bench_sleep_until(instant_ns - TIMER_LATE_NS);
    while (bench_now_ns() < instant_ns) {
    }
}

/* --- samples ------------------------------------------------------------------------------------- */

void bench_samples_reserve(bench_samples *samples, size_t size) {
    if (size > samples->size) {
        samples->at = realloc(samples->at, size * sizeof(*samples->at));
        if (samples->at == NULL) {
            bench_give_up("no memory");
        }
        samples->size = size;
    }
}

void bench_samples_add(bench_samples *samples, int64_t ns) {
    if (samples->count == samples->size) {
        bench_samples_reserve(samples, samples->size * 2 + 1024);
    }
    samples->at[samples->count++] = ns;
}

void bench_samples_join(bench_samples *samples, const bench_samples *others) {
    for (size_t i = 0; i < others->count; i++) {
        bench_samples_add(samples, others->at[i]);
    }
    samples->allocations += others->allocations;
}

static int int64_compare(const void *a, const void *b) {
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int64_t bench_samples_at(bench_samples *samples, double part) {
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->at, samples->count, sizeof(*samples->at), int64_compare);
    return samples->at[(size_t)((double)(samples->count - 1) * part)];
}

void bench_samples_figures(bench_samples *samples, bench_figures *figures) {
    bench_figures_add(figures, "p50_us", (double)bench_samples_at(samples, 0.5) / 1000);
    bench_figures_add(figures, "p99_us", (double)bench_samples_at(samples, 0.99) / 1000);
    bench_figures_add(figures, "max_us", (double)bench_samples_at(samples, 1) / 1000);
}

void bench_samples_free(bench_samples *samples) {
    free(samples->at);
    *samples = (bench_samples){0};
}

/* --- this process -------------------------------------------------------------------------------- */

static int64_t timeval_ns(struct timeval time) {
    return (int64_t)time.tv_sec * BENCH_NS_PER_S + (int64_t)time.tv_usec * 1000;
}

bench_usage bench_usage_now(void) {
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (bench_usage){.cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime),
                         .voluntary = usage.ru_nvcsw,
                         .involuntary = usage.ru_nivcsw};
}

bench_usage bench_usage_less(bench_usage after, bench_usage before) {
    return (bench_usage){.cpu_ns = after.cpu_ns - before.cpu_ns,
                         .voluntary = after.voluntary - before.voluntary,
                         .involuntary = after.involuntary - before.involuntary};
}

bench_usage bench_usage_sum(bench_usage one, bench_usage other) {
    return (bench_usage){.cpu_ns = one.cpu_ns + other.cpu_ns,
                         .voluntary = one.voluntary + other.voluntary,
                         .involuntary = one.involuntary + other.involuntary};
}

/* --- servers ------------------------------------------------------------------------------------- */

static bool word_is_in(const char *word, size_t len, const char *const *words) {
    for (; *words != NULL; words++) {
        if (strlen(*words) == len && strncmp(*words, word, len) == 0) {
            return true;
        }
    }
    return false;
}

/* One line of INFO commandstats, from behind "cmdstat_". */
static void load_add_command(bench_load *load, const char *line) {
    static const char *const ours[] = {"info",  "config", "client",  "script", "command",
                                       "hello", "auth",   "slowlog", "ping",   "select",
                                       "echo",  "reset",  "monitor", NULL};
    static const char *const scripts[] = {"eval",       "evalsha", "eval_ro",
                                          "evalsha_ro", "fcall",   NULL};
    static const char *const natives[] = {"set", "del", "delex", "delifeq", NULL};
    static const char *const pubsub[] = {"subscribe", "unsubscribe", "psubscribe", NULL};
    size_t len = strcspn(line, ":|");
    const char *calls_at = strstr(line, "calls="), *usec_at = strstr(line, "usec=");

    if (calls_at == NULL || usec_at == NULL || word_is_in(line, len, ours)) {
        return;
    }
    int64_t calls = strtoll(calls_at + 6, NULL, 10);
    load->commands += calls;
    if (word_is_in(line, len, scripts)) {
        load->scripts += calls;
        load->scripts_us += strtoll(usec_at + 5, NULL, 10);
    } else if (word_is_in(line, len, natives)) {
        load->natives += calls;
    } else if (word_is_in(line, len, pubsub)) {
        load->pubsub += calls;
    }
}

static void load_add_line(bench_load *load, const char *line) {
    if (strncmp(line, "used_cpu_sys:", 13) == 0 || strncmp(line, "used_cpu_user:", 14) == 0) {
        load->cpu_us += strtod(strchr(line, ':') + 1, NULL) * 1e6;
    } else if (strncmp(line, "cmdstat_", 8) == 0) {
        load_add_command(load, line + 8);
    }
}

bench_load bench_load_read(test_server *const *servers, size_t count) {
    bench_load load = {0};

    for (size_t i = 0; i < count; i++) {
        char *info = test_server_ask(servers[i], "INFO", "everything", NULL);
        char *save = NULL;
        if (info == NULL) {
            continue; /* a server that stands still has done nothing since */
        }
        for (char *line = strtok_r(info, "\r\n", &save); line != NULL;
             line = strtok_r(NULL, "\r\n", &save)) {
            load_add_line(&load, line);
        }
        free(info);
    }
    return load;
}

bench_load bench_load_less(bench_load after, bench_load before) {
    return (bench_load){.cpu_us = after.cpu_us - before.cpu_us,
                        .commands = after.commands - before.commands,
                        .scripts = after.scripts - before.scripts,
                        .scripts_us = after.scripts_us - before.scripts_us,
                        .natives = after.natives - before.natives,
                        .pubsub = after.pubsub - before.pubsub};
}

void bench_cost_figures(bench_figures *figures, double cycles, bench_usage usage, bench_load load) {
    if (cycles <= 0) {
        return;
    }
    bench_figures_add(figures, "client_cpu_us", (double)usage.cpu_ns / 1000 / cycles);
    bench_figures_add(figures, "server_cpu_us", load.cpu_us / cycles);
    bench_figures_add(figures, "server_commands", (double)load.commands / cycles);
    bench_figures_add(figures, "scripts", (double)load.scripts / cycles);
    bench_figures_add(figures, "switches_voluntary", (double)usage.voluntary / cycles);
    bench_figures_add(figures, "switches_involuntary", (double)usage.involuntary / cycles);
}

static const char *const server_args[] = {
    "--appendonly", "no", "--maxclients", "12000", "--tcp-backlog", "511", NULL};

test_server *bench_server_start(void) {
    return test_server_start(server_args);
}

test_server *bench_server_start_tcp(void) {
    return test_server_start_tcp(server_args);
}
