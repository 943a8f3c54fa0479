/* urls.h -- which servers to ask: from --url, REDLOCK_URL or the configuration (config.h), with local:
 * for private ones.
 *
 * Credentials in a URL stay out of sight: the copy here is the only one left after parsing, what
 * stood in argv is blanked, and no function here ever prints a URL. */
#ifndef REDLOCK_CLI_URLS_H
#define REDLOCK_CLI_URLS_H

#include <stdbool.h>
#include <stddef.h>

#include <redlock/redlock.h>

#include "cli/say.h"
#include "cli/trust.h"

typedef struct redlock_urls {
    char *url[REDLOCK_NODES_MAX]; /* owned */
    size_t count;
    int local_size; /* 0, or the N of local:N: then there is no other URL until it is replaced */
    bool is_local;  /* it was local:N, and now stands in `url` */
    const char *password_file; /* borrowed; NULL: see the environment and the configuration */
    redlock_trust trust;       /* for those that begin with rediss:// */
} redlock_urls;

/* Adds one URL.  Returns 0, or an exit code after saying why. */
int redlock_urls_add(redlock_urls *urls, const char *text, const char *topic);
/* Overwrites user and password in `text`, which lies in argv, where ps(1) would show them. */
void redlock_urls_blank(char *text);
/* When no URL was given: takes those of REDLOCK_URL, separated by commas or white space, or else of
 * the configuration; none there either is an error that says what to do.  URLs without user and
 * password get those of the environment or configuration.  To be called once: it wipes the passwords
 * of the environment.  Warns when anybody may be the server.
 * Returns 0 or an exit code. */
int redlock_urls_complete(redlock_urls *urls, const char *topic);
/* Reads N of "local:N": odd, 1 to 15; "" is 1.  Returns 0 when it is none. */
int redlock_urls_local_size(const char *text);
/* Once the library has them: wipes and frees the URLs. */
void redlock_urls_forget(redlock_urls *urls);
void redlock_urls_deinit(redlock_urls *urls);

#endif
