/* survey.h -- which locks there are, as all servers of a set tell it together.
 *
 * Keys are found by SCAN, never by KEYS, and only what looks like a lock is looked at closer.  A
 * survey changes nothing on the servers.  It is no snapshot: servers are asked at slightly different
 * moments, and a lock that comes or goes meanwhile is seen by some of them only. */
#ifndef REDLOCK_CLI_SURVEY_H
#define REDLOCK_CLI_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/peers.h"

enum {
    REDLOCK_SURVEY_NAMES_MAX = 100000, /* per server; what is beyond is left out, and told */
    REDLOCK_WAITERS_SHOWN_MAX = 32,
    REDLOCK_WAITER_BYTES_MAX = 64
};

/* What one server has about one name; one block of memory. */
typedef struct redlock_found {
    int64_t left_ms;      /* of the lock's key; -1: it has no expiry; -2: there is no key */
    uint64_t mark;        /* 0: none */
    int64_t waiter_count; /* in the queue; -1: it may not be asked */
    size_t name_len, value_len;
    const char *name, *value; /* each ends with a NUL; value is "" without a key */
    bool is_string;           /* false: the key has something else than a string in it */
} redlock_found;

typedef enum redlock_verdict {
    REDLOCK_FREE = 0,  /* nobody can hold a quorum, and nothing is there */
    REDLOCK_TAKEN,     /* one token on a quorum */
    REDLOCK_CONTESTED, /* tokens are there, but none can have a quorum */
    REDLOCK_UNCLEAR    /* too few servers answered to tell */
} redlock_verdict;

typedef struct redlock_entry { /* one name */
    const char *name;
    size_t name_len;
    const redlock_found *at[REDLOCK_NODES_MAX]; /* by server; NULL: nothing found, or no answer */
    redlock_verdict verdict;
    const redlock_found *holder; /* whose token is on most servers; NULL: nobody's */
    size_t holder_count;
    int64_t left_ms; /* until fewer than a quorum have the holder's token; -1: it never ends */
    uint64_t fence;  /* the largest mark of the servers that have the holder's token, else of all */
    int64_t waiter_count; /* on the server where most wait; -1: none of them tells */
} redlock_entry;

typedef struct redlock_waiter {
    char label[REDLOCK_WAITER_BYTES_MAX]; /* or the token, when it is of the waiter's own making */
    size_t len;
} redlock_waiter;

typedef struct redlock_survey_node {
    redlock_found **found; /* sorted by name, each name once */
    size_t found_count, found_max;
    /* The first who wait, in order, when one name only was asked for. */
    redlock_waiter waiters[REDLOCK_WAITERS_SHOWN_MAX];
    size_t waiters_shown;
    bool is_up, is_cut;
    redlock_node_report report;
    char why[128]; /* when it is not up */
} redlock_survey_node;

typedef struct redlock_survey {
    size_t node_count, quorum, up_count;
    redlock_survey_node node[REDLOCK_NODES_MAX];
    redlock_entry *entries; /* sorted by name */
    size_t entry_count;
    bool is_out_of_memory;
} redlock_survey;

typedef struct redlock_query {
    const char *prefix;  /* "" for none */
    const char *pattern; /* of names, as in sh(1); NULL: all */
    bool has_free;       /* also names that are only remembered by their marks */
    /* When not NULL: no scan; these names and no others. */
    const char *const *names;
    const size_t *name_lens;
    size_t name_count;
} redlock_query;

/* Asks all servers and puts together what they say.  `survey` is to be ended in any case. */
void redlock_survey_take(redlock_survey *survey, redlock_peers *nodes, const redlock_query *query);
void redlock_survey_deinit(redlock_survey *survey);

/* Where most wait for the one name that was asked for; there is always one. */
const redlock_survey_node *redlock_survey_queue(const redlock_survey *survey);
/* Who holds, for people: the label, or what can be said without one. */
const char *redlock_found_holder(const redlock_found *found, size_t *ret_len);
/* "free", "held", "contested", "unclear". */
const char *redlock_verdict_text(redlock_verdict verdict);

#endif
