/* mutants.c -- plants each known mistake and lets the checkers look for it.  One that survives is a
 * hole in a checker. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "sim/hunt.h"
#include "sim/mutant.h"

#define FIRST_SEED 1u

static bool hunt(uint32_t mutant, double seconds, bool is_shown) {
    redlock_sim_result result;
    redlock_sim_job job = {
        .kinds = {REDLOCK_SIM_REDLOCK, REDLOCK_SIM_REDLOCK, REDLOCK_SIM_HOSTILE},
        .kind_count = 3,
        .first = FIRST_SEED,
        .step = 1,
        .seconds_max = seconds,
        .mutant = mutant,
        .stops_at_failure = true,
    };
    double started = redlock_sim_seconds();
    redlock_sim_run_job(&job, 2, NULL, &result);
    double took = redlock_sim_seconds() - started;
    if (result.failures == 0) {
        (void)printf("SURVIVED  %-24s %6.1f s  %s\n", redlock_sim_mutant_name(mutant), took,
                     redlock_sim_mutant_words(mutant));
    } else {
        (void)printf("killed    %-24s %6.1f s  seed %-5" PRIu64 " %-8s %.90s\n",
                     redlock_sim_mutant_name(mutant), took, result.seed,
                     redlock_sim_kind_words(result.kind), result.complaint);
    }
    (void)fflush(stdout);
    if (is_shown && result.failures > 0) {
        redlock_sim_show_failure(result.kind, result.seed, mutant);
    }
    return result.failures > 0;
}

uint32_t redlock_sim_hunt_mutants(const char *only, double seconds_each) {
    uint32_t survived = 0, hunted = 0;
    for (uint32_t i = 1; i <= redlock_sim_mutant_count(); i++) {
        bool is_meant = only == NULL || strcmp(only, redlock_sim_mutant_name(i)) == 0;
        if (!is_meant) {
            continue;
        }
        if (!redlock_sim_mutant_choose(i)) {
            (void)printf("skipped   %-24s this program was built without it\n",
                         redlock_sim_mutant_name(i));
            continue;
        }
        (void)redlock_sim_mutant_choose(0);
        hunted++;
        survived += !hunt(i, seconds_each, only != NULL);
    }
    (void)printf("%" PRIu32 " mutants, %" PRIu32 " survived\n", hunted, survived);
    return survived;
}
