/* cancel.h -- a signal ends the wait for the lock.
 *
 * While the main thread waits inside the library, a thread of its own reads the signals: a deadly
 * one cancels the wait, so that our place in the queue is given up at once.  SIGTSTP stops us. */
#ifndef REDLOCK_CLI_CANCEL_H
#define REDLOCK_CLI_CANCEL_H

#include <pthread.h>
#include <stdbool.h>

#include <redlock/redlock.h>

#include "cli/signals.h"

typedef struct redlock_canceler {
    const redlock_signals *signals;
    redlock_wait *wait;
    int stop_pipe[2]; /* closing the writing end ends the thread */
    int signal;       /* the deadly one that was read, or 0; the thread's until it is joined */
    pthread_t thread;
} redlock_canceler;

bool redlock_canceler_init(redlock_canceler *canceler, const redlock_signals *signals,
                           redlock_wait *wait);
/* Ends the thread.  Returns the signal that asked us to end, or 0. */
int redlock_canceler_deinit(redlock_canceler *canceler);

#endif
