/* supervise.h -- watches over the guarded command and over its lock, until the command has ended.
 *
 * The promise: when the lock cannot be renewed, the command and its whole group are dead before the
 * deadline, whatever they do about SIGTERM and however hung the servers are:
 *
 *   renewed in time     nothing happens
 *   deadline - grace    SIGTERM               grace  = min(5 s, ttl/5) or --grace
 *   deadline - margin   SIGKILL               margin = ttl/50, from 20 to 200 ms
 *   deadline - margin/2 SIGKILL by the guard  (guard.h), should this process be frozen
 *   lost at once        SIGTERM, SIGKILL after 50 ms   (thrown out, or this machine was asleep)
 *
 * --on-lost=term leaves out SIGKILL, --on-lost=ignore does nothing but tell.  --max-hold does the
 * first two at its own time, with `grace` in between. */
#ifndef REDLOCK_CLI_SUPERVISE_H
#define REDLOCK_CLI_SUPERVISE_H

#include <stdint.h>

#include <redlock/redlock.h>

#include "cli/child.h"
#include "cli/guard.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/strays.h"
#include "cli/terminal.h"

typedef enum redlock_on_lost {
    REDLOCK_ON_LOST_KILL = 0,
    REDLOCK_ON_LOST_TERM,
    REDLOCK_ON_LOST_IGNORE
} redlock_on_lost;

typedef struct redlock_supervise_options {
    int64_t ttl_ms;
    int64_t grace_ms;    /* 0: the default above */
    int64_t max_hold_ms; /* 0: no limit */
    redlock_on_lost on_lost;
    int lost_code;
} redlock_supervise_options;

typedef enum redlock_stop_stage {
    REDLOCK_STOP_NONE = 0,
    REDLOCK_STOP_ASKED, /* SIGTERM was sent */
    REDLOCK_STOP_KILLED /* SIGKILL was sent */
} redlock_stop_stage;

typedef struct redlock_supervisor {
    redlock_supervise_options options;
    redlock_lock *lock;     /* NULL: the command runs without one */
    redlock_client *client; /* kept while the command runs: nap.h */
    redlock_child *child;
    redlock_guard *guard;
    redlock_strays strays;
    const redlock_signals *signals;
    redlock_terminal *terminal;
    const redlock_say *say;
    int64_t margin_ms;
    int64_t start_ms;
    int64_t asked_ms; /* when SIGTERM was sent */
    redlock_stop_stage stage;
    bool is_over_time; /* --max-hold is why it is stopped */
    bool is_loss_told; /* --on-lost=ignore */
    int end_signal;    /* TERM, INT, QUIT or the like that was passed on, else 0 */
} redlock_supervisor;

/* How long before the deadline the command is killed. */
int64_t redlock_supervise_margin_ms(int64_t ttl_ms);
/* Right after the command has been started: fills in the options that are 0, and finds out the
 * rest.  The other pointers are the caller's. */
void redlock_supervisor_init(redlock_supervisor *supervisor, redlock_lock *lock,
                             const redlock_supervise_options *options);
/* Returns when the command has ended and is reaped: its exit code, the lost_code, or TIMEOUT. */
int redlock_supervisor_run(redlock_supervisor *supervisor);

#endif
