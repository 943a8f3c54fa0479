/* exposition.h -- a client's numbers as text for Prometheus (text-based exposition format 0.0.4).
 *
 * Base units, counters end in _total, each family has HELP and TYPE once and its samples together.
 * Each sample has the labels name (the lock) and subcommand, so that files of several jobs on one
 * machine do not contradict each other.  No token, password or user is in it. */
#ifndef REDLOCK_CLI_EXPOSITION_H
#define REDLOCK_CLI_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <redlock/redlock.h>

typedef struct redlock_exposition {
    redlock_client *client;
    const char *name, *subcommand;
    int64_t start_ms; /* since 1970 */
    bool is_over;     /* the process is about to end: nothing is held or connected any more */
} redlock_exposition;

/* The text, to be freed, and its length.  NULL: no memory. */
char *redlock_exposition_make(const redlock_exposition *what, size_t *ret_len);
/* `text` as the value of a label into `out`: escaped, and what is no UTF-8 is U+FFFD.  What does not
 * fit is left out, never half of a character.  Ends with a NUL. */
void redlock_exposition_escape(const char *text, char *out, size_t size);

#endif
