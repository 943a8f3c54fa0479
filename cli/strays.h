/* strays.h -- processes that the command started and left behind.
 *
 * The supervisor is their new parent when their own ends (a "subreaper", on Linux), as process 1 is
 * elsewhere: so it reaps them, and when the lock is lost it can find those that have left the
 * command's group, as daemons do, and kill them too.  After our end they are process 1's. */
#ifndef REDLOCK_CLI_STRAYS_H
#define REDLOCK_CLI_STRAYS_H

#include <sys/types.h>

#include "cli/guard.h"

/* Reaps those that have ended, but never the command itself. */
void redlock_strays_reap(pid_t command, redlock_guard *guard);
/* Kills every child but the guard, and then those that become our children by that, until none is
 * left.  The command stays to be reaped. */
void redlock_strays_kill(pid_t command, const redlock_guard *guard);

#endif
