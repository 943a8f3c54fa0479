/* work.h -- acquire and release, over and over, by one or many threads: by the library, and by the
 * bare loops that send the same commands.  A cycle is an acquire and a release of a name that nobody
 * else wants. */
#ifndef REDLOCK_BENCH_WORK_H
#define REDLOCK_BENCH_WORK_H

#include "ours.h"
#include "record.h"
#include "secure.h"

typedef struct bench_work bench_work;

/* Runs cycles until `until_ns` and adds what each took. */
typedef void bench_loop_fn(const bench_work *work, int number, int64_t until_ns,
                           bench_samples *samples);

struct bench_work {
    test_server *const *servers;
    size_t server_count;
    double seconds;
    int threads; /* 0: the benchmark's own */
    bench_loop_fn *loop;
    uint32_t acquire_flags;          /* of the library */
    redlock_client *client;          /* of the library: one for all threads */
    const bench_secure *secure;      /* of the TLS loop */
    const char *url;                 /* of the loops: each thread has a connection of its own */
    const bench_recording *commands; /* of the loops */
    int in_flight;                   /* of the pipelined loop: cycles at once */
};

bench_loop_fn bench_loop_ours, bench_loop_hiredis, bench_loop_raw, bench_loop_pipelined,
    bench_loop_secure;

/* Does it, and tells cycles_per_s, latencies and costs.  ctx is a bench_work. */
bench_run_fn bench_work_run;

/* Records one warm cycle of the client, and makes sure that its commands take and free the name. */
bench_recording bench_record_cycle(test_server *server, redlock_client *client,
                                   uint32_t acquire_flags);
/* One cycle of the library on the name with this number. */
void bench_ours_cycle(redlock_client *client, uint32_t acquire_flags, int number);

#endif
