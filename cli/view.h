/* view.h -- what the subcommands that only look are asked for on the command line.
 *
 * One table for status, ls, top and doctor: an option that two of them have means the same. */
#ifndef REDLOCK_CLI_VIEW_H
#define REDLOCK_CLI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/say.h"
#include "cli/urls.h"

typedef enum redlock_sort {
    REDLOCK_SORT_NAME = 0,
    REDLOCK_SORT_HOLDER,
    REDLOCK_SORT_LEFT,
    REDLOCK_SORT_FENCE
} redlock_sort;

typedef struct redlock_view_options {
    redlock_urls urls;
    const char *word; /* NAME or PATTERN; NULL: none */
    char **words;     /* with is_acl: patterns, NULL behind the last; borrowed */
    const char *key_prefix;
    int64_t timeout_ms;
    int64_t interval_ms;
    int64_t count; /* of rounds; 0: for ever */
    int64_t ttl_max_ms;
    redlock_sort sort;
    bool is_json, has_free, is_acl;
    redlock_say say;
} redlock_view_options;

/* Reads argv[1] and on, completes the servers, starts local ones; with is_acl no server is needed.  REDLOCK_GO_ON, or the code to
 * exit with after it printed help or said what is wrong.  `options` are to be ended in any case. */
int redlock_view_options_parse(redlock_view_options *options, int argc, char **argv);
void redlock_view_options_deinit(redlock_view_options *options);

#endif
