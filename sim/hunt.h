/* hunt.h -- the program redlock-sim: seeds over worlds and processes, a report, mutants, a picture. */
#ifndef REDLOCK_SIM_HUNT_H
#define REDLOCK_SIM_HUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sim/world.h"

typedef struct redlock_sim_result { /* of one seed, or of many */
    redlock_sim_counts counts;
    uint64_t hash, runs, failures;
    redlock_sim_kind kind; /* of the first failure */
    uint64_t seed;
    char complaint[REDLOCK_SIM_COMPLAINT_BYTES];
} redlock_sim_result;

typedef struct redlock_sim_job { /* seeds first, first + step, ... of the worlds in turn */
    redlock_sim_kind kinds[4];
    uint32_t kind_count;
    uint64_t first, step;
    uint64_t runs_max;        /* 0: until the time is over */
    redlock_ns simulated_max; /* 0: no limit */
    double seconds_max;       /* 0: no limit */
    uint32_t mutant;
    bool stops_at_failure;
} redlock_sim_job;

/* One seed in this process. */
void redlock_sim_run_seed(redlock_sim_kind kind, uint64_t seed, struct redlock_sim_trace *trace,
                          struct redlock_sim_picture *picture, redlock_sim_result *ret_result);
/* The job's seeds in `workers` processes; says how it goes on `progress` unless that is NULL.  A
 * process that an assertion ends is a failure of its seed. */
void redlock_sim_run_job(const redlock_sim_job *job, uint32_t workers, FILE *progress,
                         redlock_sim_result *ret_result);
double redlock_sim_seconds(void);
/* The last lines of a failed seed and how to see it again, on stdout. */
void redlock_sim_show_failure(redlock_sim_kind kind, uint64_t seed, uint32_t mutant);

/* mutants.c: hunts each; how many survived. */
uint32_t redlock_sim_hunt_mutants(const char *only, double seconds_each);
/* selftest.c: what ./dev test runs, as TAP; false when something failed. */
bool redlock_sim_self_test(double seconds);

#endif
