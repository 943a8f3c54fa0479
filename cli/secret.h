/* secret.h -- the password, from the environment or from a file that nobody else can read.
 *
 * Never from the command line: ps(1) shows that to everybody. */
#ifndef REDLOCK_CLI_SECRET_H
#define REDLOCK_CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>

enum { REDLOCK_SECRET_BYTES_MAX = 512 };

/* Reads the first line of a file.  Refused: a file that its group or others may read or write, or
 * that belongs to somebody else than us or root; one that root lends us, a group may read.  Returns 0, or an exit code after saying why. */
int redlock_secret_read(const char *path, const char *topic, char out[REDLOCK_SECRET_BYTES_MAX]);
/* Where systemd has put the credential "redlock.password" of our unit, for the caller to free; NULL when
 * there is none. */
char *redlock_secret_credential(void);
/* A copy of the URL with user (NULL or "": none) and password in it, percent-encoded, unless it has
 * some already.  The caller's to free.  NULL: no memory. */
char *redlock_secret_url_dup(const char *url, const char *user, const char *password);

#endif
