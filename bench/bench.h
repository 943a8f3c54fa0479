/* bench.h -- what the benchmarks share: options, cases, contenders and their figures.
 *
 * A case is one piece of work.  Its contenders do it in turn, A B C A B C, for as many rounds as
 * asked; what is told of each is the median over the rounds with the smallest and the largest, and
 * how it compares with the case's limit, round by round: what the machine does to one round it does
 * to both.  Everything here may end the program with a sentence: a benchmark has nobody to tell. */
#ifndef REDLOCK_BENCH_H
#define REDLOCK_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_FIGURES_MAX 32
#define BENCH_WHY_BYTES 200
#define BENCH_NS_PER_MS 1000000
#define BENCH_NS_PER_S 1000000000

typedef struct bench_options {
    const char *what;      /* "solo", ... or "all" */
    const char *only;      /* NULL, or the one case to run */
    const char *contender; /* NULL, or the one contender to run: for profilers */
    const char *bin_dir;
    const char *peers_dir; /* NULL: no other clients */
    int rounds;
    double seconds; /* of one contender in one round, where a case runs for a time */
    int64_t waiters_max;
    int64_t locks;
    bool is_json;
    int *cases_ran; /* counts them */
} bench_options;

typedef struct bench_figure {
    const char *key; /* static text; the unit is its last word */
    double value;
} bench_figure;

/* What one contender did in one round. */
typedef struct bench_figures {
    size_t count;
    bench_figure at[BENCH_FIGURES_MAX];
    char why[BENCH_WHY_BYTES]; /* not empty: it could not be measured */
} bench_figures;

/* Does the work once and adds its figures. */
typedef void bench_run_fn(void *ctx, bench_figures *figures);

typedef struct bench_contender {
    const char *name;
    bench_run_fn *run;
    void *ctx;
    const char *limit; /* the contender to compare with; NULL: none, or "ratio_to_limit" is added */
} bench_contender;

typedef struct bench_case {
    const char *bench, *name;
    const char *main_key; /* the figure that is compared */
    bool is_smaller_better;
    int rounds; /* 0: as the options say */
    const bench_contender *contenders;
    size_t contender_count;
} bench_case;

void bench_figures_add(bench_figures *figures, const char *key, double value);
__attribute__((format(printf, 2, 3))) void bench_figures_fail(bench_figures *figures,
                                                              const char *format, ...);
/* False when the key is not there. */
bool bench_figures_find(const bench_figures *figures, const char *key, double *ret_value);

/* Runs a case, unless the options leave it out, and prints it. */
void bench_case_run(const bench_options *options, const bench_case *one);
/* Is it left out? Asked before servers are started for it. */
bool bench_case_is_wanted(const bench_options *options, const char *name);

__attribute__((format(printf, 1, 2))) _Noreturn void bench_give_up(const char *format, ...);
void *bench_calloc(size_t count, size_t size);

/* The benchmarks, in the order of `all`. */
void bench_handoff(const bench_options *options);
void bench_solo(const bench_options *options);
void bench_many(const bench_options *options);
void bench_quorum(const bench_options *options);
void bench_keep(const bench_options *options);
void bench_cli(const bench_options *options);
/* Not in `all`: how the main figures grow. */
void bench_curves(const bench_options *options);

#endif
