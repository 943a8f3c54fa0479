/* meter.h -- what work costs: latencies, the CPU of this process, the CPU and commands of servers. */
#ifndef REDLOCK_BENCH_METER_H
#define REDLOCK_BENCH_METER_H

#include "bench.h"
#include "server.h"

int64_t bench_now_ns(void); /* the same clock in all processes */
/* Sleeps as exactly as the kernel lets it: the calling thread gives up its timer slack. */
void bench_sleep_until(int64_t instant_ns);
/* To the microsecond: the last moments of it look at the clock, as one who works would. */
void bench_hold_until(int64_t instant_ns);

/* Latencies.  Their memory is had before the work begins, where the work is short. */
typedef struct bench_samples {
    int64_t *at;
    size_t count, size;
    int64_t allocations; /* during the work; 0 where nobody counts */
} bench_samples;

void bench_samples_reserve(bench_samples *samples, size_t size);
void bench_samples_add(bench_samples *samples, int64_t ns);
void bench_samples_join(bench_samples *samples, const bench_samples *others);
/* p50_us, p99_us, max_us.  Sorts. */
void bench_samples_figures(bench_samples *samples, bench_figures *figures);
int64_t bench_samples_at(bench_samples *samples, double part); /* 0.5: the median.  Sorts */
void bench_samples_free(bench_samples *samples);

typedef struct bench_usage { /* of this process, all threads */
    int64_t cpu_ns, voluntary, involuntary;
} bench_usage;

bench_usage bench_usage_now(void);
bench_usage bench_usage_less(bench_usage after, bench_usage before);
bench_usage bench_usage_sum(bench_usage one, bench_usage other);

/* What servers have done since they started.  Commands of ours that only ask or set up are not
 * counted.  A command that a script calls is counted too. */
typedef struct bench_load {
    double cpu_us;
    int64_t commands;
    int64_t scripts, scripts_us; /* EVALSHA, EVAL and their like, by the server's own clock */
    int64_t natives;             /* commands that a lock client may send and scripts call as well */
    int64_t pubsub;              /* SUBSCRIBE and its like: never called by scripts */
} bench_load;

bench_load bench_load_read(test_server *const *servers, size_t count);
bench_load bench_load_less(bench_load after, bench_load before);

/* The figures that each cycle's worth of work has: who spent how much on one. */
void bench_cost_figures(bench_figures *figures, double cycles, bench_usage usage, bench_load load);

/* A server without persistence, started by the main thread. */
test_server *bench_server_start(void);
test_server *bench_server_start_tcp(void);

#endif
