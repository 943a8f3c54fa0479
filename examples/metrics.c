/* metrics.c -- what a client knows about itself: takes a lock some times and prints what that took.
 *
 *   metrics COUNT URL...
 *
 * A program that lives longer asks the same from wherever its own numbers are collected: any thread may,
 * and it takes about a microsecond. */
#include <stdio.h>
#include <stdlib.h>

#include <redlock/metrics.h>

static void timing_print(const char *what, const redlock_timing *timing) {
    printf("%-10s %8llu times, median %lld us, 99th percentile %lld us, at most %llu us\n", what,
           (unsigned long long)timing->count, (long long)redlock_timing_quantile_us(timing, 500),
           (long long)redlock_timing_quantile_us(timing, 990), (unsigned long long)timing->max_us);
}

static void answers_print(const char *what, const uint64_t answers[REDLOCK_ANSWERS]) {
    for (int i = 0; i < REDLOCK_ANSWERS; i++) {
        if (answers[i] != 0) {
            printf("%-10s %8llu %s\n", what, (unsigned long long)answers[i],
                   redlock_status_name(-i));
        }
    }
}

static void metrics_print(redlock_client *client) {
    redlock_metrics metrics = REDLOCK_INIT(redlock_metrics);

    if (redlock_client_metrics(client, &metrics) != REDLOCK_OK) {
        return;
    }
    answers_print("acquire", metrics.acquires);
    answers_print("release", metrics.releases);
    timing_print("acquire", &metrics.acquire);
    timing_print("hold", &metrics.hold);
    for (uint32_t i = 0; i < metrics.node_count; i++) {
        redlock_node_metrics node = REDLOCK_INIT(redlock_node_metrics);

        if (redlock_client_node_metrics(client, i, &node) == REDLOCK_OK) {
            printf("\n%s\n", node.where);
            timing_print("round trip", &node.round_trip);
            answers_print("error", node.errors);
        }
    }
}

static int work(redlock_client *client, long count) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    int status = REDLOCK_OK;

    for (long i = 0; i < count && status == REDLOCK_OK; i++) {
        redlock_lock *lock = NULL;

        status = redlock_acquire(client, "metrics", 7, NULL, &lock, &report);
        if (status == REDLOCK_OK) {
            status = redlock_release(lock, &report);
        }
    }
    if (status != REDLOCK_OK) {
        fprintf(stderr, "metrics: %s: %s\n", redlock_status_name(status), report.sentence);
    }
    return status;
}

int main(int argc, char **argv) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: metrics COUNT URL...\n");
        return 64;
    }
    int status = redlock_client_create((const char *const *)(argv + 2), (size_t)argc - 2, NULL,
                                       &client, &report);
    if (status != REDLOCK_OK) {
        fprintf(stderr, "metrics: %s\n", report.sentence);
        return 1;
    }
    status = work(client, strtol(argv[1], NULL, 10));
    metrics_print(client);
    redlock_client_destroy(client);
    return status == REDLOCK_OK ? 0 : 1;
}
