/* say.h -- sentences for people, on standard error.
 *
 * Every line starts with "redlock: " and is written at once, so that lines of several processes do
 * not mix.  Bytes that could steer a terminal are shown as '?', because names and servers' words
 * come from outside.  A line that cannot be written at once is dropped: telling must never hold up
 * the work. */
#ifndef REDLOCK_CLI_SAY_H
#define REDLOCK_CLI_SAY_H

#include <redlock/redlock.h>

typedef enum redlock_loudness {
    REDLOCK_QUIET = 0,  /* -q: usage errors only */
    REDLOCK_NORMAL = 1, /* what went wrong */
    REDLOCK_VERBOSE = 2 /* -v: also what went well, and each node */
} redlock_loudness;

typedef struct redlock_say {
    redlock_loudness loudness;
} redlock_say;

/* Something failed, or the user has to know: unless -q. */
void redlock_say_error(const redlock_say *say, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Progress: with -v only. */
void redlock_say_note(const redlock_say *say, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The command line is wrong: always, followed by where the help for `topic` is.  Returns the exit
 * code for usage errors. */
int redlock_say_usage(const char *topic, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Why the library said no about the lock `name` (NULL: about none): the report's sentence, and a
 * line for each node that did not say yes. */
void redlock_say_report(const redlock_say *say, const char *name, int status,
                        const redlock_report *report);
/* The nodes alone, each with its answer: with -v only. */
void redlock_say_nodes(const redlock_say *say, const redlock_report *report);

#endif
