/* crowd.h -- many callers of the library who all want one name: threads, in one process or several. */
#ifndef REDLOCK_BENCH_CROWD_H
#define REDLOCK_BENCH_CROWD_H

#include "child.h"
#include "meter.h"

#define CROWD_PROCESSES_MAX 4
#define CROWD_NAME "bench"

typedef struct crowd_plan {
    test_server *const *servers;
    size_t server_count;
    int processes, waiters; /* waiters in each process */
    int64_t hold_ns;
    int64_t limit_ms;  /* what is not served by then is not served */
    int64_t repeat_ns; /* 0: each takes the name once; else again and again for so long */
} crowd_plan;

/* What one waiter saw; of its last turn, where it has many. */
typedef struct crowd_slot {
    int64_t acquired_ns, releasing_ns, released_ns;
    int32_t status;
    int32_t served; /* turns that began in time */
} crowd_slot;

typedef struct crowd_process {
    bench_usage usage;
    int64_t begun_ns, ended_ns;
} crowd_process;

typedef struct crowd {
    crowd_plan plan;
    bench_child children[CROWD_PROCESSES_MAX];
    crowd_process *processes; /* shared */
    crowd_slot *slots;        /* shared; processes x waiters */
    int slot_count;
} crowd;

/* Starts the processes; every thread is there and every client connected when it returns true. */
bool crowd_start(crowd *all, const crowd_plan *plan);
void crowd_go(crowd *all);
/* Waits for all of them.  False when one had to be killed. */
bool crowd_end(crowd *all);
/* Kills what still runs and gives the memory back. */
void crowd_free(crowd *all);

#endif
