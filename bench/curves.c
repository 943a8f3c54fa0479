/* curves.c -- how the main figures grow: each curve is a row of cases, its points, with few rounds,
 * because neighbours on a curve check each other.  Points that take long have one round. */
#include "curves.h"

#include <string.h>

#define MANY 1000 /* waiters; from so many on a round is long, and each hand-off in it a sample */

static bench_options once(const bench_options *options) {
    bench_options one = *options;

    one.rounds = 1;
    return one;
}

static void curve_threads(const bench_options *options) {
    static const int threads[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};

    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        bench_threads_point(options, threads[i]);
    }
}

static void curve_waiters(const bench_options *options) {
    static const int waiters[] = {2, 16, 128, 1000, 5000, 10000};
    const bench_options single = once(options);

    for (size_t i = 0; i < sizeof(waiters) / sizeof(waiters[0]); i++) {
        bench_waiters_point(waiters[i] < MANY ? options : &single, waiters[i]);
    }
}

static void curve_locks(const bench_options *options) {
    const bench_options single = once(options);

    for (int64_t locks = 10; locks <= options->locks; locks *= 10) {
        bench_locks_point(&single, locks);
    }
}

static void curve_nodes(const bench_options *options) {
    for (int nodes = 1; nodes <= 15; nodes += 2) {
        bench_nodes_point(options, nodes);
    }
}

static void curve_slow(const bench_options *options) {
    for (int slow = 0; slow <= 7; slow++) {
        bench_slow_point(options, slow);
    }
}

void bench_curves(const bench_options *options) {
    static const struct {
        const char *name;
        void (*run)(const bench_options *options);
    } curves[] = {{"threads", curve_threads},
                  {"waiters", curve_waiters},
                  {"locks", curve_locks},
                  {"nodes", curve_nodes},
                  {"slow", curve_slow}};
    bench_options all = *options;

    all.only = NULL; /* it names a curve here */
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (bench_case_is_wanted(options, curves[i].name)) {
            curves[i].run(&all);
        }
    }
}
