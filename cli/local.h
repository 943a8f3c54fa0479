/* local.h -- private servers of this user on this machine: local:, local:N.
 *
 * One folder for each size of set, with one folder for each server in it.  All calls of the user
 * share them: whoever needs one that is down starts it, one starter at a time (flock), and the
 * servers outlive the command.  A server that comes back with its data may vote at once: whoever
 * held a lock by it runs on this machine, and a kill loses nothing that was written. */
#ifndef REDLOCK_CLI_LOCAL_H
#define REDLOCK_CLI_LOCAL_H

#include "cli/say.h"
#include "cli/urls.h"

/* Replaces local:N by the URLs of running servers, which are started if need be; nothing to do for
 * other URLs.  Returns 0, or an exit code after saying why. */
int redlock_local_resolve(redlock_urls *urls, const redlock_say *say);

#endif
