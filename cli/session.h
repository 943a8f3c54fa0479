/* session.h -- one lock in the hands of a subcommand: open, acquire or adopt, release, close.
 *
 * Turns what the library answers into exit codes and sentences.  Signals are read from a descriptor
 * from open to close (signals.h): the wait for the lock ends at once when one asks us to end. */
#ifndef REDLOCK_CLI_SESSION_H
#define REDLOCK_CLI_SESSION_H

#include <redlock/redlock.h>

#include "cli/session_options.h"
#include "cli/signals.h"
#include "cli/textfile.h"

typedef struct redlock_session {
    const redlock_session_options *options; /* borrowed */
    redlock_signals signals;
    redlock_client *client;
    redlock_lock *lock; /* NULL: not held */
    int64_t held_since_ms;
    int signal; /* ended the last wait for the lock, else 0 */
    int64_t ttl_ms;
    redlock_event_fn *on_event; /* besides what -v tells; in a call of ours, or on another thread */
    void *user;                 /* for on_event */
    uint32_t client_flags;      /* REDLOCK_CLIENT_*, before open */
    int64_t renew_ms;           /* REDLOCK_NO_RENEW: the lock is not kept; before acquiring */
    const char *label;          /* when the options have none */
    redlock_textfile textfile;  /* --metrics */
    bool is_unsure;             /* released, but too few servers answered to know */
} redlock_session;

/* Completes the URLs, makes signals readable, and the client.  `session` has the fields above set or zero.  Returns 0,
 * or the exit code after saying why; to be closed in any case. */
int redlock_session_open(redlock_session *session, redlock_session_options *options);
/* The same for looking only: signals keep their meaning, they end the process. */
int redlock_session_look(redlock_session *session, redlock_session_options *options);
void redlock_session_close(redlock_session *session);
/* Waits for the lock as the options say.  0: it is held. */
int redlock_session_acquire(redlock_session *session);
/* Takes over a lock that was acquired elsewhere.  0: it is held, and was extended by the ttl. */
int redlock_session_adopt(redlock_session *session, const char *token, uint64_t fence);
/* Returns `code`, or the options' lost_code when the servers say that the lock was not ours any
 * more: then the work may have met somebody else, whatever it thinks of itself. */
int redlock_session_release(redlock_session *session, int code);
/* Takes the signals that have arrived: the first one that asks us to end, or 0. */
int redlock_session_signal_next(const redlock_session *session);

#endif
