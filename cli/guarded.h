/* guarded.h -- a command run under the lock of a session.
 *
 * Joins the command's environment, the terminal, the guard and the supervisor. */
#ifndef REDLOCK_CLI_GUARDED_H
#define REDLOCK_CLI_GUARDED_H

#include <stdbool.h>

#include "cli/command.h"
#include "cli/guard.h"
#include "cli/session.h"
#include "cli/supervise.h"

typedef struct redlock_guarded {
    redlock_session *session;
    redlock_supervise_options options;
    redlock_guard guard;
    int end_signal; /* asked the last command to end, from outside or by a key; else 0 */
} redlock_guarded;

/* Opens the session, too: the same answers.  `options` are copied.  To be ended in any case. */
int redlock_guarded_open(redlock_guarded *guarded, redlock_session *session,
                         redlock_session_options *session_options,
                         const redlock_supervise_options *options);
void redlock_guarded_close(redlock_guarded *guarded);
/* Runs the command to its end while the session's lock is held.  Returns the exit code. */
int redlock_guarded_run(redlock_guarded *guarded, redlock_command *command);
/* Runs it after the lock was lost, for no longer than `limit_ms`. */
int redlock_guarded_run_bare(redlock_guarded *guarded, redlock_command *command, int64_t limit_ms);

#endif
