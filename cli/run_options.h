/* run_options.h -- what `redlock run` and `redlock elect` are asked for. */
#ifndef REDLOCK_CLI_RUN_OPTIONS_H
#define REDLOCK_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/session_options.h"
#include "cli/supervise.h"

typedef struct redlock_run_options {
    redlock_session_options session;
    char **command;      /* ends with NULL, lies in argv; NULL with -c */
    const char *script;  /* -c: for sh; NULL without */
    int64_t min_hold_ms; /* 0: none */
    redlock_supervise_options supervise;
    bool is_once;           /* elect: stand once only */
    const char *on_elected; /* elect: for sh, or NULL */
    const char *on_deposed; /* elect: for sh, or NULL */
} redlock_run_options;

/* Each reads argv[1] and on and returns REDLOCK_GO_ON, or the code to exit with after it printed
 * help or said what is wrong.  `options` are to be ended in any case. */
int redlock_run_options_parse(redlock_run_options *options, int argc, char **argv);
int redlock_elect_options_parse(redlock_run_options *options, int argc, char **argv);
void redlock_run_options_deinit(redlock_run_options *options);

#endif
