/* count.h -- what a client counts about itself; include/redlock/metrics.h says what each number means.
 *
 * Everything here is guarded by the engine's mutex.  Memory is fixed: nothing is allocated after the
 * client was created. */
#ifndef REDLOCK_API_COUNT_H
#define REDLOCK_API_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <redlock/metrics.h>

#include "base/histogram.h"
#include "base/time.h"
#include "core/core.h"

#define REDLOCK_SENT_MAX 1024u /* commands whose sending is remembered; as many as inflight_max */

typedef uint64_t redlock_answers[REDLOCK_ANSWERS];

typedef struct redlock_counts { /* zeroed: nothing yet */
    uint32_t held, going;
    redlock_answers acquires, adopts, extends, releases;
    uint64_t handovers, renewals, renewals_late, losses;
    redlock_histogram acquire, wait, hold, renew;
} redlock_counts;

/* Commands on one link are answered in order, so a ring of times is all it takes to measure them.
 * When it is full, those behind it are only counted until all of them are answered. */
typedef struct redlock_meter { /* by redlock_meter_init: nothing yet */
    bool linked;               /* a connection stands, whether it counts or not */
    bool up;
    uint64_t commands, answers, unanswered, connects, connects_failed, disconnects, wakes;
    redlock_answers errors;
    redlock_histogram round_trip;
    uint32_t first, timed; /* the ring of what is not answered yet ... */
    uint32_t untimed;      /* ... and how many came behind it */
    redlock_ns sent[REDLOCK_SENT_MAX];
} redlock_meter;

void redlock_meter_init(redlock_meter *meter);
void redlock_count_answer(redlock_answers answers, redlock_status status);

/* What passes between the core and one node. */
void redlock_meter_wish(redlock_meter *meter, const redlock_wish *wish, redlock_ns now);
void redlock_meter_fact(redlock_meter *meter, const redlock_fact *fact, redlock_ns now);

#endif
