/* session_options.h -- the options that subcommands about one lock have in common.
 *
 * A subcommand lists those that it takes in its own table and hands each one that is not its own to
 * redlock_session_option_take, which also answers -h and words that are no options.  Options stop
 * at the first word that is none, so those of a guarded command are never touched. */
#ifndef REDLOCK_CLI_SESSION_OPTIONS_H
#define REDLOCK_CLI_SESSION_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/say.h"
#include "cli/urls.h"

typedef struct redlock_session_options {
    const char *topic; /* the subcommand */
    redlock_urls urls;
    const char *name;
    const char *label;
    const char *key_prefix;
    const char *metrics; /* a file or folder for them; NULL: none */
    int64_t ttl_ms;
    int64_t wait_ms; /* 0: one try */
    bool has_wait;   /* -w was given: servers that do not answer are waited for, too */
    int busy_code;   /* -E, -x */
    int lost_code;   /* --lost-exit-code */
    redlock_say say;
} redlock_session_options;

/* Beyond every character: long options without a short form. */
enum {
    REDLOCK_OPTION_URL = 256,
    REDLOCK_OPTION_PASSWORD_FILE,
    REDLOCK_OPTION_LABEL,
    REDLOCK_OPTION_KEY_PREFIX,
    REDLOCK_OPTION_LOST_CODE,
    REDLOCK_OPTION_METRICS,
    REDLOCK_OPTION_OWN /* the first that a subcommand may use for itself */
};

/* For the tables of getopt_long: what everybody takes, and what is about acquiring. */
#define REDLOCK_SESSION_OPTIONS                                                                    \
    {"url", required_argument, NULL, REDLOCK_OPTION_URL},                                          \
        {"password-file", required_argument, NULL, REDLOCK_OPTION_PASSWORD_FILE},                  \
        {"key-prefix", required_argument, NULL, REDLOCK_OPTION_KEY_PREFIX}, REDLOCK_TRUST_OPTIONS, \
        {"verbose", no_argument, NULL, 'v'}, {"quiet", no_argument, NULL, 'q'}, {                  \
        "help", no_argument, NULL, 'h'                                                             \
    }
#define REDLOCK_ACQUIRE_OPTIONS                                                                    \
    {"ttl", required_argument, NULL, 't'}, {"nonblock", no_argument, NULL, 'n'},                   \
        {"nb", no_argument, NULL, 'n'}, {"wait", required_argument, NULL, 'w'},                    \
        {"timeout", required_argument, NULL, 'w'}, /* flock's other word for it */                 \
        {"conflict-exit-code", required_argument, NULL, 'E'}, {                                    \
        "label", required_argument, NULL, REDLOCK_OPTION_LABEL                                     \
    }

/* For those that last. */
#define REDLOCK_METRICS_OPTIONS                                                                    \
    { "metrics", required_argument, NULL, REDLOCK_OPTION_METRICS }

/* The defaults, before parsing. */
void redlock_session_options_init(redlock_session_options *options, const char *topic);
/* Takes what getopt_long returned.  Returns REDLOCK_GO_ON or the code to exit with. */
int redlock_session_option_take(redlock_session_options *options, int option, char **argv);
/* The words behind the options when they are just NAME.  The same answers. */
int redlock_session_name_take(redlock_session_options *options, char **words);
/* An option's length of time, from `min_ms` to a year, rounded up.  The same answers. */
int redlock_session_seconds_take(const redlock_session_options *options, const char *option,
                                 const char *text, int64_t min_ms, int64_t *ret_ms);
/* An option's exit code, 0 to 255.  The same answers. */
int redlock_session_code_take(const redlock_session_options *options, const char *option,
                              const char *text, int *ret_code);
void redlock_session_options_deinit(redlock_session_options *options);

#endif
