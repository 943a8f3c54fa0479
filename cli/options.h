/* options.h -- what the command line asks for.
 *
 * Lengths of time are seconds with an optional fraction, whatever the locale. */
#ifndef REDLOCK_CLI_OPTIONS_H
#define REDLOCK_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/say.h"
#include "cli/urls.h"

typedef struct redlock_init_options {
    redlock_urls urls;
    const char *key_prefix;
    bool is_forced;
    redlock_say say;
} redlock_init_options;

/* Each reads argv[1] and on (argv[0] is the subcommand) and returns REDLOCK_GO_ON, or the code to
 * exit with after it printed help or said what is wrong.  `options` are to be ended in any case. */
enum { REDLOCK_GO_ON = -1 };
int redlock_init_options_parse(redlock_init_options *options, int argc, char **argv);

/* "1.5" to 1500; what is finer than a millisecond is rounded up when `is_rounded_up`, else down.
 * False when it is no length of time, or more than 31 years. */
bool redlock_seconds_parse(const char *text, bool is_rounded_up, int64_t *ret_ms);

#endif
