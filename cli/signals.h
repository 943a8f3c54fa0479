/* signals.h -- signals as something to read, instead of something that interrupts.
 *
 * From init to deinit the signals below wait in a descriptor, in every thread that is started after
 * init.  What was ignored from the start (nohup) stays ignored and is never read.  No handler, so
 * nothing global.  The descriptor is Linux's signalfd; another system needs this file only. */
#ifndef REDLOCK_CLI_SIGNALS_H
#define REDLOCK_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

typedef struct redlock_signals {
    int fd; /* polls readable while one waits */
    sigset_t mask_before;
    struct sigaction chld_before;
    struct sigaction pipe_before;
} redlock_signals;

/* False, with errno, when there is no descriptor left; nothing is changed then. */
bool redlock_signals_init(redlock_signals *signals);
void redlock_signals_deinit(redlock_signals *signals);
/* The oldest waiting signal, or 0. */
int redlock_signals_next(const redlock_signals *signals);
/* Gives a forked child the mask and dispositions that we were started with.  Async-signal-safe. */
void redlock_signals_restore(const redlock_signals *signals);
/* Whether `signal` asks a process to end when nobody handles it (TERM, INT, USR1 ...). */
bool redlock_signals_is_deadly(int signal);

#endif
