/* child.h -- a process of its own for a contender: what it spends is its own, and it may be frozen
 * or killed.  It reports ready, waits for go, and dies with the benchmark. */
#ifndef REDLOCK_BENCH_CHILD_H
#define REDLOCK_BENCH_CHILD_H

#include <sys/types.h>

#include "bench.h"

typedef struct bench_child {
    pid_t pid; /* 0: not there */
    int ready_fd, go_fd;
} bench_child;

/* Runs in the child; calls bench_gate_wait once.  What it returns is the exit code. */
typedef int bench_child_fn(void *ctx, int index, const bench_child *gate);

/* Only while the benchmark has no other thread. */
void bench_child_start(bench_child *child, bench_child_fn *run, void *ctx, int index);
/* In the child: says that it is ready, and returns when it may go. */
void bench_gate_wait(const bench_child *gate);

bool bench_child_is_ready(const bench_child *child, int timeout_ms);
void bench_child_go(const bench_child *child);
/* Waits for its end; kills it after the timeout.  False if it did not end well. */
bool bench_child_end(bench_child *child, int timeout_ms);
void bench_child_kill(bench_child *child);

/* Memory that this process and its children share; zeroed. */
void *bench_share(size_t bytes);
void bench_unshare(void *block, size_t bytes);

#endif
