/* curves.h -- the points of which the growth curves are made: one case each, named by its number. */
#ifndef REDLOCK_BENCH_CURVES_H
#define REDLOCK_BENCH_CURVES_H

#include "bench.h"

void bench_threads_point(const bench_options *options, int threads);
void bench_waiters_point(const bench_options *options, int waiters);
void bench_locks_point(const bench_options *options, int64_t locks);
/* 1 to 15, on the loopback. */
void bench_nodes_point(const bench_options *options, int nodes);
/* So many of 15 nodes have a round trip of 200 ms, the others of 5. */
void bench_slow_point(const bench_options *options, int slow);

#endif
