/* main.c -- the program redlock-sim.  ./dev sim builds and runs it; docs/testing.md describes it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/hunt.h"
#include "sim/mutant.h"
#include "sim/picture.h"
#include "sim/trace.h"

typedef struct wishes { /* of the command line */
    uint64_t seed;
    bool has_seed, is_traced, hunts, is_tap;
    double hours, seconds;
    redlock_sim_kind kind;
    bool has_kind;
    const char *picture, *mutant;
    uint32_t workers;
} wishes;

static const char usage_text[] =
    "usage: redlock-sim [OPTION...]\n"
    "  --seed S        only this seed (default: from the clock on)\n"
    "  --world W       redlock, hostile, noguard or jumps (default: redlock and hostile in turn)\n"
    "  --hours H       simulates H hours (default: 10)\n"
    "  --seconds N     ends after N seconds of real time\n"
    "  --jobs N        worker processes (default: one per core)\n"
    "  --trace         one seed with all that happens\n"
    "  --picture FILE  one seed as an SVG: who held what, and what went wrong\n"
    "  --mutants       plants every known mistake and looks for it, 60 s each\n"
    "  --mutant NAME   the same for one, or with --seed that seed with it\n"
    "  --tap           what ./dev test runs, within --seconds (90)\n";

static int complain(const char *what, const char *about) {
    (void)fprintf(stderr, "redlock-sim: %s %s\n%s", what, about, usage_text);
    return 64;
}

static bool take_value(wishes *given, const char *option, const char *value) {
    if (strcmp(option, "--seed") == 0) {
        given->seed = strtoull(value, NULL, 0);
        given->has_seed = true;
    } else if (strcmp(option, "--hours") == 0) {
        given->hours = strtod(value, NULL);
    } else if (strcmp(option, "--seconds") == 0) {
        given->seconds = strtod(value, NULL);
    } else if (strcmp(option, "--jobs") == 0) {
        given->workers = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(option, "--picture") == 0) {
        given->picture = value;
    } else if (strcmp(option, "--mutant") == 0) {
        given->mutant = value;
        return redlock_sim_mutant_of(value) != 0;
    } else if (strcmp(option, "--world") == 0) {
        given->has_kind = true;
        return redlock_sim_kind_of(value, &given->kind);
    } else {
        return false;
    }
    return true;
}

static bool take_flag(wishes *given, const char *option) {
    if (strcmp(option, "--trace") == 0 || strcmp(option, "-v") == 0) {
        given->is_traced = true;
    } else if (strcmp(option, "--mutants") == 0) {
        given->hunts = true;
    } else if (strcmp(option, "--tap") == 0) {
        given->is_tap = true;
    } else {
        return false;
    }
    return true;
}

/* 0, or the exit status. */
static int read_arguments(int count, char **arguments, wishes *given) {
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            (void)fputs(usage_text, stdout);
            exit(0);
        }
        if (take_flag(given, arguments[i])) {
            continue;
        }
        if (i + 1 >= count) {
            return complain("no such option, or its value is missing:", arguments[i]);
        }
        if (!take_value(given, arguments[i], arguments[i + 1])) {
            return complain("cannot understand", arguments[i]);
        }
        i++;
    }
    return 0;
}

/* --- one seed -------------------------------------------------------------------------------- */

static int show_picture(const wishes *given, redlock_sim_kind kind) {
    redlock_sim_picture picture = {.mark = NULL};
    FILE *file = fopen(given->picture, "w");
    if (file == NULL) {
        return complain("cannot write", given->picture);
    }
    redlock_sim_world *world = redlock_sim_world_create(kind, given->seed, NULL, &picture);
    bool is_well = redlock_sim_world_run(world);
    redlock_sim_picture_write(world, file);
    (void)printf("%s: %" PRIu64 " grants, %" PRIu32 " faults%s%s\n", given->picture,
                 world->counts.grants, picture.count, is_well ? "" : "; ", world->complaint);
    redlock_sim_world_destroy(world);
    redlock_sim_picture_deinit(&picture);
    (void)fclose(file);
    return is_well ? 0 : 1;
}

static int show_seed(const wishes *given, redlock_sim_kind kind) {
    char words[600];
    redlock_sim_plan plan;
    redlock_sim_result result = {.runs = 0};
    redlock_sim_trace *trace = given->is_traced ? redlock_sim_zeroed(1, sizeof *trace) : NULL;
    redlock_sim_plan_draw(&plan, kind, given->seed);
    redlock_sim_plan_to_text(&plan, words, sizeof words);
    (void)printf("%s\n", words);
    if (trace != NULL) {
        trace->file = stdout;
        (void)setvbuf(stdout, NULL, _IOLBF, 0); /* an assertion ends the process at once */
    }
    redlock_sim_run_seed(kind, given->seed, trace, NULL, &result);
    (void)printf("%" PRIu64 " grants, %" PRIu64 " renewals, %" PRIu64 " lost, %" PRIu64
                 " double grants; hash %016" PRIx64 "\n%s\n",
                 result.counts.grants, result.counts.renewals, result.counts.losses,
                 result.counts.doubles, result.hash,
                 result.failures == 0 ? "nothing was broken" : result.complaint);
    free(trace);
    return result.failures == 0 ? 0 : 1;
}

/* --- many ------------------------------------------------------------------------------------ */

static void show_table(const redlock_sim_result *result, double seconds) {
    const redlock_sim_counts *counts = &result->counts;
    uint32_t kinds = 0;
    (void)printf("\n%-48s %12s\n", "what went wrong", "times");
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        kinds += counts->faults[i] > 0;
        (void)printf("%-48s %12" PRIu64 "\n", redlock_sim_trouble_words((redlock_sim_trouble)i),
                     counts->faults[i]);
    }
    double hours = (double)counts->simulated / 3600e9;
    (void)printf("\n%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n", "grants",
                 counts->grants, "renewals", counts->renewals, "lost", counts->losses);
    (void)printf("%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n",
                 "failed acquires", counts->failures, "commands carried out", counts->commands,
                 "guarded writes taken", counts->writes);
    (void)printf("%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n", "stale writes refused",
                 counts->stale, "double grants (where they may be)", counts->doubles);
    (void)printf("%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n%-48s %12" PRIu64 "\n",
                 "handed over by a release", counts->handed, "of those to the claim behind it",
                 counts->claimed, "of those taken with the wake", counts->taken);
    (void)printf("\n%.2f hours in %.1f s (%.3f h/s), %" PRIu64 " runs, %" PRIu32
                 " kinds of faults, %" PRIu64 " failed\n",
                 hours, seconds, hours / (seconds > 0 ? seconds : 1), result->runs, kinds,
                 result->failures);
}

static int run_many(const wishes *given) {
    redlock_sim_result result;
    redlock_sim_job job = {
        .kinds = {given->has_kind ? given->kind : REDLOCK_SIM_REDLOCK, REDLOCK_SIM_HOSTILE},
        .kind_count = given->has_kind ? 1 : 2,
        .first = given->has_seed ? given->seed : (uint64_t)time(NULL) % 1000000 * 1000,
        .step = 1,
        .simulated_max = given->seconds > 0 ? 0 : (redlock_ns)(given->hours * 3600e9),
        .seconds_max = given->seconds,
        .mutant = given->mutant != NULL ? redlock_sim_mutant_of(given->mutant) : 0,
        .stops_at_failure = true,
    };
    double started = redlock_sim_seconds();
    (void)printf("seeds from %" PRIu64 " on\n", job.first);
    redlock_sim_run_job(&job, given->workers, stdout, &result);
    show_table(&result, redlock_sim_seconds() - started);
    if (result.failures == 0) {
        return 0;
    }
    (void)printf("\n%s\n", result.complaint);
    redlock_sim_show_failure(result.kind, result.seed, job.mutant);
    return 1;
}

int main(int count, char **arguments) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    wishes given = {
        .hours = 10, .kind = REDLOCK_SIM_REDLOCK, .workers = cores < 1 ? 1 : (uint32_t)cores};
    int status = read_arguments(count, arguments, &given);
    if (status != 0) {
        return status;
    }
    if (given.is_tap) {
        return redlock_sim_self_test(given.seconds > 0 ? given.seconds : 90) ? 0 : 1;
    }
    if (given.hunts || (given.mutant != NULL && !given.has_seed)) {
        return redlock_sim_hunt_mutants(given.mutant, given.seconds > 0 ? given.seconds : 60) == 0
                   ? 0
                   : 1;
    }
    bool is_single = given.has_seed && (given.is_traced || given.picture != NULL || given.has_kind);
    if (given.mutant != NULL && is_single &&
        !redlock_sim_mutant_choose(redlock_sim_mutant_of(given.mutant))) {
        return complain("built without", given.mutant);
    }
    if (given.picture != NULL) {
        return show_picture(&given, given.kind);
    }
    return is_single ? show_seed(&given, given.kind) : run_many(&given);
}
