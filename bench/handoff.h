/* handoff.h -- the parts of the benchmark of waiting. */
#ifndef REDLOCK_BENCH_HANDOFF_H
#define REDLOCK_BENCH_HANDOFF_H

#include "bench.h"

/* Waiters at the head that are dead or frozen. */
/* A contender: `ctx` points at how many hand-overs. */
void bench_handoff_bare(void *ctx, bench_figures *figures);
void bench_handoff_faults(const bench_options *options);
/* What the scripts cost the server while thousands wait. */
void bench_handoff_scripts(const bench_options *options);

#endif
