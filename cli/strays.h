/* strays.h -- processes that the command started and left behind.
 *
 * The supervisor is their new parent when their own ends (a "subreaper", on Linux), as process 1 is
 * elsewhere: so it reaps them, and when the lock is lost it can find those that have left the
 * command's group, as daemons do, and kill them too.  After our end they are process 1's. */
#ifndef REDLOCK_CLI_STRAYS_H
#define REDLOCK_CLI_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/guard.h"

#define REDLOCK_STRAYS_SPARED_MAX 64

typedef struct redlock_strays {
    pid_t spared[REDLOCK_STRAYS_SPARED_MAX]; /* our children at the start: command, guard, others */
    size_t spared_count;
    bool is_blind; /* there were more, or they could not be seen: none is killed */
} redlock_strays;

/* Right after the command has been started.  A shell that has become this process by exec may have
 * had children of its own; they are none of the command's. */
void redlock_strays_init(redlock_strays *strays);
/* Kills every other child, and then those that become our children by that, until none is left. */
void redlock_strays_kill(const redlock_strays *strays, redlock_client *client);
/* Reaps those that have ended, but never the command itself; a guard that has ended is replaced. */
void redlock_strays_reap(pid_t command, redlock_guard *guard);

#endif
