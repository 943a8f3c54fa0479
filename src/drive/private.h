/* private.h -- files with a secret in them: they are read only if nobody else can have read them. */
#ifndef REDLOCK_DRIVE_PRIVATE_H
#define REDLOCK_DRIVE_PRIVATE_H

#include <stddef.h>

#include "base/status.h"

/* Opens a regular file that belongs to us or to root and that others can neither read nor write; one
 * of root's may be readable by a group (so are keys in /etc/ssl/private, and systemd's credentials).
 * -1: *ret_words says why not. */
int redlock_private_open(const char *path, const char **ret_words);
/* The first line without its end, as a string.  OK, or INVALID and *ret_words. */
redlock_status redlock_private_read(const char *path, char *out, size_t size,
                                    const char **ret_words);

#endif
