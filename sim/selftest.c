/* selftest.c -- what ./dev test runs: fixed seeds, fresh seeds, and checkers that are seen to fail. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sim/hunt.h"
#include "sim/mutant.h"

#define FAULTS_WANTED 30u
/* The seeds are fixed, so a hunt ends by finding; how long that takes is the machine's affair. */
#define PLANTED_SECONDS 60.0
#define DOUBLE_RUNS 6
#define DOUBLE_RUNS_MAX 60

typedef struct test_run {
    uint32_t number, failed;
    redlock_sim_counts counts;
} test_run;

static void say(test_run *run, bool is_ok, const char *claim) {
    run->number++;
    run->failed += !is_ok;
    (void)printf("%sok %" PRIu32 " - %s\n", is_ok ? "" : "not ", run->number, claim);
    (void)fflush(stdout);
}

static redlock_sim_result run_seeds(redlock_sim_kind kind, uint64_t first, uint64_t runs,
                                    double seconds) {
    redlock_sim_result result;
    redlock_sim_job job = {.kinds = {kind},
                           .kind_count = 1,
                           .first = first,
                           .step = 1,
                           .runs_max = runs,
                           .seconds_max = seconds};
    redlock_sim_run_job(&job, 2, NULL, &result);
    (void)printf("# world %s, seeds from %" PRIu64 ": %" PRIu64 " runs, %.2f h, %" PRIu64
                 " grants, %" PRIu64 " double, %" PRIu64 " failed\n",
                 redlock_sim_kind_words(kind), first, result.runs,
                 (double)result.counts.simulated / 3600e9, result.counts.grants,
                 result.counts.doubles, result.failures);
    return result;
}

/* The replay goes in front of the result, as lines of TAP that nobody counts. */
static bool is_well(test_run *run, const redlock_sim_result *result) {
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        run->counts.faults[i] += result->counts.faults[i];
    }
    if (result->failures > 0) {
        (void)printf("# %s\n# replay: ./dev sim --seed %" PRIu64 " --world %s --trace\n",
                     result->complaint, result->seed, redlock_sim_kind_words(result->kind));
        redlock_sim_show_failure(result->kind, result->seed, 0);
    }
    return result->failures == 0 && result->runs > 0;
}

static void test_seeds(test_run *run, double seconds) {
    uint64_t fresh = (uint64_t)time(NULL) % 1000000 * 1000 + (uint64_t)getpid() % 1000;
    redlock_sim_result result = run_seeds(REDLOCK_SIM_REDLOCK, 1, 60, seconds);
    say(run, is_well(run, &result),
        "world redlock, fixed seeds: nobody holds what another one holds");
    result = run_seeds(REDLOCK_SIM_HOSTILE, 1, 60, seconds);
    say(run, is_well(run, &result),
        "world hostile, fixed seeds: fences grow, losers are told in time, nothing is left");
    if (getenv("CI") != NULL) { /* what lands must not depend on chance */
        (void)printf("# CI: no fresh seeds\n");
        return;
    }
    result = run_seeds(REDLOCK_SIM_REDLOCK, fresh, 0, seconds);
    say(run, is_well(run, &result), "world redlock, fresh seeds");
    result = run_seeds(REDLOCK_SIM_HOSTILE, fresh, 0, seconds);
    say(run, is_well(run, &result), "world hostile, fresh seeds");
}

/* True when all runs are well, and one of them has seen double grants. */
static bool sees_doubles(test_run *run, redlock_sim_kind kind) {
    for (uint64_t first = 1; first < 1 + DOUBLE_RUNS_MAX; first += DOUBLE_RUNS) {
        redlock_sim_result result = run_seeds(kind, first, DOUBLE_RUNS, PLANTED_SECONDS);
        if (!is_well(run, &result) || result.counts.doubles > 0) {
            return result.failures == 0 && result.counts.doubles > 0;
        }
    }
    return false;
}

static void test_worlds(test_run *run) {
    say(run, sees_doubles(run, REDLOCK_SIM_NOGUARD),
        "without the guard, nodes that forget lead to double grants, and they are seen");
    say(run, sees_doubles(run, REDLOCK_SIM_JUMPS),
        "clocks that jump beyond the margin lead to double grants, and to no inversion of fences");
}

static void test_repeats(test_run *run) {
    bool is_same = true;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        redlock_sim_result once = {.runs = 0}, again = {.runs = 0};
        redlock_sim_kind kind = seed % 2 == 0 ? REDLOCK_SIM_REDLOCK : REDLOCK_SIM_HOSTILE;
        redlock_sim_run_seed(kind, seed, NULL, NULL, &once);
        redlock_sim_run_seed(kind, seed, NULL, NULL, &again);
        is_same = is_same && once.hash == again.hash;
    }
    say(run, is_same, "C9: the same seed is the same run");
}

static void test_faults(test_run *run) {
    uint32_t seen = 0;
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        seen += run->counts.faults[i] > 0;
    }
    (void)printf("# %" PRIu32 " kinds of faults happened\n", seen);
    say(run, seen >= FAULTS_WANTED, "at least 30 kinds of faults have happened");
}

static void test_mutants(test_run *run, double seconds) {
    static const char *const names[] = {"CLOCK_STARTED_LATE", "HEAL_COUNTED",
                                        "HAND_OFF_WITHOUT_MARK", "MINORITY_NOT_RELEASED",
                                        "RELEASE_OF_ANY_TOKEN"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!redlock_sim_mutant_choose(redlock_sim_mutant_of(names[i]))) {
            (void)printf("# %s: this build has no mutants, the optimised one has\n", names[i]);
            continue;
        }
        (void)redlock_sim_mutant_choose(0);
        redlock_sim_result result;
        redlock_sim_job job = {.kinds = {REDLOCK_SIM_REDLOCK, REDLOCK_SIM_HOSTILE},
                               .kind_count = 2,
                               .first = 1,
                               .step = 1,
                               .seconds_max = seconds,
                               .mutant = redlock_sim_mutant_of(names[i]),
                               .stops_at_failure = true};
        redlock_sim_run_job(&job, 2, NULL, &result);
        (void)printf("# %s: %s (%s)\n", names[i], result.complaint,
                     redlock_sim_mutant_words(job.mutant));
        say(run, result.failures > 0, "a known mistake, planted, is found");
    }
}

bool redlock_sim_self_test(double seconds) {
    test_run run = {.number = 0};
    test_seeds(&run, seconds / 6);
    test_worlds(&run);
    test_repeats(&run);
    test_faults(&run);
    test_mutants(&run, PLANTED_SECONDS);
    (void)printf("1..%" PRIu32 "\n", run.number);
    return run.failed == 0;
}
