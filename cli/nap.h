/* nap.h -- waiting while the library has work of its own to do.
 *
 * `run` and `elect` have no thread of the library's (REDLOCK_CLIENT_OWN_LOOP): whoever waits in them, for
 * a command, a signal or just for time to pass, keeps the lock meanwhile.  Other subcommands' clients
 * have a keeper, and nothing is done for them here. */
#ifndef REDLOCK_CLI_NAP_H
#define REDLOCK_CLI_NAP_H

#include <poll.h>
#include <stdint.h>

#include <redlock/redlock.h>

#define REDLOCK_NAP_FDS_MAX 4

/* As poll(2), for up to `timeout_ms` (INT64_MAX: for ever), and may return 0 sooner, after something was done
 * for the client (NULL: none).  What that has led to is asked of the lock. */
int redlock_nap_poll(redlock_client *client, struct pollfd *fds, nfds_t count, int64_t timeout_ms);
/* The whole time. */
void redlock_nap(redlock_client *client, int64_t ms);

#endif
