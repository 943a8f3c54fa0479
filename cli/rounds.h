/* rounds.h -- surveys taken again and again by a thread of its own, so that a server that hangs never
 * makes the keyboard hang.
 *
 * Searching all keys costs the servers something.  It is done for at most a tenth of the time; in
 * the rounds between, only the names that are known are looked at. */
#ifndef REDLOCK_CLI_ROUNDS_H
#define REDLOCK_CLI_ROUNDS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/survey.h"

typedef struct redlock_rounds {
    redlock_peers *peers; /* the thread's while it runs */
    redlock_query query;
    int64_t interval_ms;
    atomic_bool has_free; /* what query.has_free becomes */
    atomic_bool is_eager; /* search all keys in the next round */
    atomic_bool is_ending;
    int ready_fd[2]; /* a byte for each survey that is handed out */
    int stop_fd[2];
    pthread_t thread;
    pthread_mutex_t mutex; /* of the two below */
    redlock_survey fresh;
    bool is_fresh;
    /* The thread's own. */
    char **names; /* into text */
    char *text;
    size_t *name_lens;
    size_t name_count;
    int64_t search_at_ms;
} redlock_rounds;

bool redlock_rounds_init(redlock_rounds *rounds, redlock_peers *peers, const redlock_query *query,
                         int64_t interval_ms);
void redlock_rounds_deinit(redlock_rounds *rounds);
/* Replaces *survey by the newest one; false when there is none since the last call. */
bool redlock_rounds_take(redlock_rounds *rounds, redlock_survey *survey);
/* Wakes the thread for a round at once, with all names. */
void redlock_rounds_hurry(redlock_rounds *rounds);

#endif
