/* metrics.h -- what a client has done so far, in numbers: for monitoring.
 *
 * A client counts from its creation on; nothing is ever set back.  Counting allocates nothing (a client
 * is larger by 7 KB, and by 10 KB for each node), takes no lock of its own, and reads no clock.  Reading
 * is for now and then, as a monitoring system does.
 *
 * True of both reading calls:
 *   units      counts; *_us are lengths in microseconds.
 *   threads    any thread at any time between create and destroy, also in an event callback.
 *   blocking   never on a server or a callback: it takes the client's mutex to copy the struct, for about a
 *              microsecond.  Not in a signal handler.
 *   ownership  the struct is the caller's.  Set struct_size before: REDLOCK_INIT does.  What a newer
 *              library has beyond that is left out; what an older library lacks stays 0.
 *   errors     OK.  INVALID: client or struct is NULL, struct_size is less than any release had, or
 *              there is no such node.  FORKED: in a forked child.  Nothing is written then.
 *
 * Numbers of one call belong to one instant.  No name, token, password or user is among them. */
#ifndef REDLOCK_METRICS_H
#define REDLOCK_METRICS_H

#include <redlock/redlock.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REDLOCK_TIMING_BUCKETS 145 /* fixed for good, as is what each of them counts */
#define REDLOCK_ANSWERS 64         /* statuses that there is room for; 32 are in use */

/* How long something took, each time: a histogram.  Bucket i counts what took longer than
 * redlock_timing_bound_us(i - 1), and no longer than redlock_timing_bound_us(i). */
typedef struct redlock_timing {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us; /* rounded up */
    uint64_t bucket[REDLOCK_TIMING_BUCKETS];
} redlock_timing;

/* Answers are counted by status: that of REDLOCK_HELD stands at acquires[-REDLOCK_HELD].
 * Calls that sent nothing because of a wrong argument are not counted. */
typedef struct redlock_metrics {
    uint32_t struct_size;
    uint32_t node_count;
    /* as it is now */
    uint32_t locks_held;     /* acquired or adopted, and neither lost nor released */
    uint32_t acquires_going; /* calls of redlock_acquire that have not answered */
    /* from here on: since the client was created */
    uint64_t acquires[REDLOCK_ANSWERS]; /* what redlock_acquire has answered */
    uint64_t adopts[REDLOCK_ANSWERS];   /* redlock_adopt */
    uint64_t extends[REDLOCK_ANSWERS];  /* redlock_extend and redlock_try_extend */
    uint64_t releases[REDLOCK_ANSWERS]; /* redlock_release: OK, NOT_HELD or UNKNOWN */
    /* acquires that stood in a queue and were woken there before they got the lock, or got it right
     * behind a release of the same client: it was handed over.  Those that found it free by asking
     * are not among them */
    uint64_t handovers;
    uint64_t renewals;      /* times that a deadline moved, by the keeper or by extending */
    uint64_t renewals_late; /* rounds of renewal that reached no quorum; they are repeated */
    uint64_t losses;        /* locks LOST before they were released */
    /* redlock_acquire, when it answered OK: from its first command to the answer that decided, with all
     * attempts and waiting */
    redlock_timing acquire;
    /* the same of all that stood in a queue, whatever came of it */
    redlock_timing wait;
    /* from acquired or adopted to lost or released; of locks that have ended */
    redlock_timing hold;
    /* from the first try to the quorum's yes, repetitions included */
    redlock_timing renew;
} redlock_metrics;

typedef struct redlock_node_metrics {
    uint32_t struct_size;
    uint32_t is_up;      /* now: 1 when it is connected and counts */
    uint64_t commands;   /* sent */
    uint64_t answers;    /* received, errors among them */
    uint64_t unanswered; /* commands on connections that broke; they may have taken effect */
    uint64_t connects;   /* connections that came about: one, and one more for each reconnect */
    uint64_t connects_failed; /* attempts that did not */
    uint64_t disconnects;     /* connections that broke, or were hung up because nothing came */
    uint64_t wakes;           /* times that it woke one of our waiters */
    /* by status: answers that were errors, and the causes for which it ceased to count (a cause that goes
     * on is counted once): IO, SILENT, AUTH, NOT_READY ... */
    uint64_t errors[REDLOCK_ANSWERS];
    /* of commands, from the sending to the answer; not of each while more than 1,024 are unanswered */
    redlock_timing round_trip;
    char where[96]; /* its URL without user and password; may be cut */
} redlock_node_metrics;

/* The client's numbers.  See above. */
REDLOCK_API int redlock_client_metrics(redlock_client *client, redlock_metrics *ret_metrics);
/* Those of one node, in the order of the URLs, from 0 on. */
REDLOCK_API int redlock_client_node_metrics(redlock_client *client, uint32_t node,
                                            redlock_node_metrics *ret_metrics);

/* Pure functions: any thread, also a signal handler.
 * The longest that the bucket counts, in microseconds; INT64_MAX for the last one and beyond.  1, 2, 3, 4,
 * 5, 6, 7, 8, 10, 12, 14, 16, 20 and so on: four buckets for each doubling, up to 2^37 (38 hours). */
REDLOCK_API int64_t redlock_timing_bound_us(uint32_t bucket);
/* The length that so many thousandths of all did not exceed: 500 is the median, 990 the 99th
 * percentile; more than 1,000 is taken for 1,000.  Never less than the true one, and at most a quarter
 * more (up to 38 hours; then it may be as much as max_us).  0 when nothing was counted. */
REDLOCK_API int64_t redlock_timing_quantile_us(const redlock_timing *timing, uint32_t permille);

#ifdef __cplusplus
}
#endif
#endif /* REDLOCK_METRICS_H */
