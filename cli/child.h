/* child.h -- the guarded command as a process: started, signalled, reaped.
 *
 * It leads a process group of its own, so that a signal reaches all that it started in the
 * foreground.  It dies with us: on Linux the kernel kills it when this process ends, however.  Its
 * zombie is kept until the group has been dealt with, so that the number of the group cannot be
 * taken by somebody else meanwhile. */
#ifndef REDLOCK_CLI_CHILD_H
#define REDLOCK_CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/command.h"
#include "cli/guard.h"
#include "cli/signals.h"
#include "cli/terminal.h"

typedef struct redlock_child {
    pid_t pid;              /* and number of its group; -1 after reaping */
    bool is_over;           /* it has ended and waits to be reaped */
    int stopped_by;         /* the signal that stopped it since the last look, else 0 */
    int code;               /* once over: its exit code, or 128 + signal */
    redlock_client *client; /* who waits for it keeps this one's locks: nap.h */
} redlock_child;

/* What it is started with; all borrowed. */
typedef struct redlock_start {
    const redlock_command *command;
    const redlock_signals *signals;
    redlock_terminal *terminal;
    redlock_guard *guard; /* told the group before the command can do anything */
    redlock_client *client;
} redlock_start;

/* Starts it.  Returns 0, or an exit code and *ret_errno when it could not be executed.  Call it
 * from the main thread: the kernel watches over the thread that forked. */
int redlock_child_start(redlock_child *child, const redlock_start *start, int *ret_errno);
/* Learns what became of it, without blocking. */
void redlock_child_look(redlock_child *child);
/* Sends a signal to its whole group. */
void redlock_child_signal(const redlock_child *child, int signal);
/* Waits until it stops or ends, no longer than `timeout_ms`. */
void redlock_child_await_stop(redlock_child *child, int timeout_ms);
/* Reaps it, after it is over. */
void redlock_child_reap(redlock_child *child);
/* The same, after killing what is left of its group, and waits a moment for that. */
void redlock_child_reap_group(redlock_child *child);

#endif
