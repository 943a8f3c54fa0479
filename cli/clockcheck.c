/* clockcheck.c -- clocks and round trips, from some fifty readings over two to three seconds. */
#include <stdlib.h>

#include "cli/checks.h"
#include "cli/line.h"

enum {
    /* A clock that is wrong will be set right some day; a jump beyond the margin, which is a second
     * at most, breaks exclusion. */
    OFFSET_FAIL_US = 1000000,
    OFFSET_WARN_US = 250000,
    RATE_FAIL_PPM = 10000, /* the drift that the promises allow: 1 % */
    RATE_WARN_PPM = 1000,  /* no quartz is so bad; something steers the clock */
    JUMP_US = 100000,
    TRIP_SLOW_US = 100000,
    TRIP_WORST_US = 500000, /* half of what a node is waited for with the default ttl */
    SLOW_SHARE = 20
};

static int64_t magnitude(int64_t value) {
    return value < 0 ? -value : value;
}

/* The quickest of some readings: its offset is known best, to half its round trip. */
static const redlock_sample *sample_best(const redlock_exam *exam, size_t first, size_t last) {
    const redlock_sample *best = &exam->sample[first];

    for (size_t i = first; i < last; i++) {
        best = exam->sample[i].trip_us < best->trip_us ? &exam->sample[i] : best;
    }
    return best;
}

static void judge_offset(const redlock_exam *exam, redlock_findings *findings) {
    const redlock_sample *best = sample_best(exam, 0, exam->sample_count);
    int64_t known_us = magnitude(best->offset_us) - best->trip_us / 2;
    char text[REDLOCK_LENGTH_BYTES];

    if (known_us < OFFSET_WARN_US) {
        return;
    }
    redlock_finding *finding = redlock_finding_add(
        findings, known_us < OFFSET_FAIL_US ? REDLOCK_LEVEL_WARN : REDLOCK_LEVEL_FAIL, "clock",
        exam->where);

    redlock_finding_what(finding, "its clock is %s %s this host's",
                         redlock_trip_text(magnitude(best->offset_us), text),
                         best->offset_us > 0 ? "ahead of" : "behind");
    redlock_finding_todo(finding,
                         "when it is set right it jumps, and a jump of more than the margin (1 s) "
                         "ends locks that are held",
                         "let NTP keep both clocks (timedatectl set-ntp true), and look which one "
                         "is wrong");
}

static void judge_rate(const redlock_exam *exam, redlock_findings *findings) {
    size_t third = exam->sample_count / 3;
    const redlock_sample *a = sample_best(exam, 0, third);
    const redlock_sample *b = sample_best(exam, exam->sample_count - third, exam->sample_count);
    int64_t length_us = b->at_us - a->at_us;
    int64_t change_us = b->offset_us - a->offset_us;
    int64_t known_us = magnitude(change_us) - (a->trip_us + b->trip_us) / 2;
    int64_t capped_us = known_us < INT64_C(1000000000000) ? known_us : INT64_C(1000000000000);
    int64_t ppm = length_us > 0 && known_us > 0 ? capped_us * 1000000 / length_us : 0;

    if (ppm < RATE_WARN_PPM) {
        return;
    }
    redlock_finding *finding =
        redlock_finding_add(findings, ppm < RATE_FAIL_PPM ? REDLOCK_LEVEL_WARN : REDLOCK_LEVEL_FAIL,
                            "clock", exam->where);

    redlock_finding_what(finding, "its clock runs %lld ppm too %s against this host's",
                         (long long)ppm, change_us > 0 ? "fast" : "slow");
    redlock_finding_todo(finding,
                         "the promises allow clocks to differ by 1 % (10,000 ppm), not more",
                         "see what steers the clock: a virtual machine that was moved, or NTP "
                         "slewing");
}

static bool clock_jumped(const redlock_exam *exam) {
    const redlock_sample *best = sample_best(exam, 0, exam->sample_count);

    for (size_t i = 0; i < exam->sample_count; i++) {
        const redlock_sample *one = &exam->sample[i];

        if (magnitude(one->offset_us - best->offset_us) - one->trip_us / 2 > JUMP_US) {
            return true;
        }
    }
    return false;
}

static void judge_clock(const redlock_set *set, redlock_findings *findings) {
    int64_t widest_us = 0;
    size_t known = 0;
    char text[REDLOCK_LENGTH_BYTES];

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        if (exam->sample_count < 6) {
            continue;
        }
        int64_t offset_us = magnitude(sample_best(exam, 0, exam->sample_count)->offset_us);

        known++;
        widest_us = offset_us > widest_us ? offset_us : widest_us;
        judge_offset(exam, findings);
        if (clock_jumped(exam)) {
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "clock", exam->where);

            redlock_finding_what(finding, "its clock, or this host's, jumped while it was watched");
            redlock_finding_todo(
                finding, "a jump of more than the margin (1 s) ends locks that are held",
                "let NTP slew the clock, never set it by hand while locks are held");
        } else {
            judge_rate(exam, findings);
        }
    }
    if (known > 0 && !redlock_findings_has(findings, "clock")) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "clock", ""),
                             "at most %s from this host's, at the same rate",
                             redlock_trip_text(widest_us, text));
    }
}

/* --- round trips ----------------------------------------------------------------------------- */

static int number_compare(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void judge_trips(const redlock_exam *exam, redlock_findings *findings,
                        int64_t *ret_median_us, int64_t *ret_worst_us) {
    int64_t trips[REDLOCK_SAMPLES_MAX] = {0};
    size_t slow = 0;
    char median[REDLOCK_LENGTH_BYTES];
    char worst[REDLOCK_LENGTH_BYTES];

    for (size_t i = 0; i < exam->sample_count; i++) {
        trips[i] = exam->sample[i].trip_us;
        slow += trips[i] > TRIP_SLOW_US;
    }
    qsort(trips, exam->sample_count, sizeof(trips[0]), number_compare);
    *ret_median_us = trips[exam->sample_count / 2];
    *ret_worst_us = trips[exam->sample_count - 1];
    if (*ret_worst_us < TRIP_WORST_US && slow * SLOW_SHARE <= exam->sample_count) {
        return;
    }
    redlock_finding *finding =
        redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "latency", exam->where);

    redlock_finding_what(finding, "round trips of %s, %zu of %zu over 100ms, the worst %s",
                         redlock_trip_text(*ret_median_us, median), slow, exam->sample_count,
                         redlock_trip_text(*ret_worst_us, worst));
    redlock_finding_todo(finding,
                         "an answer that comes late is none: acquiring takes longer, and renewals "
                         "may fail",
                         "see SLOWLOG GET, LATENCY DOCTOR, the disk (appendfsync) and the network");
}

static void judge_latency(const redlock_set *set, redlock_findings *findings) {
    int64_t slowest_us = 0;
    int64_t worst_us = 0;
    size_t known = 0;
    char text[REDLOCK_LENGTH_BYTES];
    char worst[REDLOCK_LENGTH_BYTES];

    for (size_t i = 0; i < set->count; i++) {
        int64_t median;
        int64_t top;

        if (set->exam[i].sample_count == 0) {
            continue;
        }
        judge_trips(&set->exam[i], findings, &median, &top);
        slowest_us = median > slowest_us ? median : slowest_us;
        worst_us = top > worst_us ? top : worst_us;
        known++;
    }
    if (known > 0 && !redlock_findings_has(findings, "latency")) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "latency", ""),
                             "round trips of %s, the worst %s", redlock_trip_text(slowest_us, text),
                             redlock_trip_text(worst_us, worst));
    }
}

void redlock_checks_judge_time(const redlock_set *set, redlock_findings *findings) {
    judge_clock(set, findings);
    judge_latency(set, findings);
}
