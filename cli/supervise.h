/* supervise.h -- watches over the guarded command and over its lock, until the command has ended.
 *
 * The promise: when the lock cannot be renewed, the command and its whole group are dead before the
 * deadline, whatever they do about SIGTERM and however hung the servers are:
 *
 *   renewed in time   nothing happens
 *   deadline - grace  SIGTERM               grace  = min(5 s, ttl/5)
 *   deadline - margin SIGKILL               margin = ttl/50, from 20 to 200 ms
 *   lost at once      SIGTERM, SIGKILL after 50 ms   (thrown out, or this machine was asleep)
 *
 * A process that is itself stopped by SIGSTOP cannot keep it; the fence is for that. */
#ifndef REDLOCK_CLI_SUPERVISE_H
#define REDLOCK_CLI_SUPERVISE_H

#include <stdint.h>

#include <redlock/redlock.h>

#include "cli/child.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/terminal.h"

typedef enum redlock_stop_stage {
    REDLOCK_STOP_NONE = 0,
    REDLOCK_STOP_ASKED, /* SIGTERM was sent */
    REDLOCK_STOP_KILLED /* SIGKILL was sent */
} redlock_stop_stage;

typedef struct redlock_supervisor {
    redlock_lock *lock;
    redlock_child *child;
    const redlock_signals *signals;
    redlock_terminal *terminal;
    const redlock_say *say;
    int64_t grace_ms;
    int64_t margin_ms;
    int64_t asked_ms; /* when SIGTERM was sent */
    redlock_stop_stage stage;
    int lost_fd; /* -1: none, or read already */
} redlock_supervisor;

void redlock_supervisor_init(redlock_supervisor *supervisor, redlock_lock *lock, int64_t ttl_ms);
/* Returns when the command has ended and is reaped: its exit code, or LOST. */
int redlock_supervisor_run(redlock_supervisor *supervisor);

#endif
