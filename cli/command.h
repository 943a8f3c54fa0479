/* command.h -- the guarded command, ready to be executed.
 *
 * The search along PATH comes before the wait for the lock, so that a misspelt command is told at
 * once; and everything that needs memory is done before fork, because after it, in a process that
 * had threads, only async-signal-safe calls are allowed. */
#ifndef REDLOCK_CLI_COMMAND_H
#define REDLOCK_CLI_COMMAND_H

#include <redlock/redlock.h>

#include "cli/say.h"

/* REDLOCK_NAME, REDLOCK_FENCE, REDLOCK_TOKEN, REDLOCK_STATUS */
#define REDLOCK_COMMAND_ENV_MAX 4

typedef struct redlock_command {
    char *path;        /* what is executed */
    char **argv;       /* for it; the strings are those of the command line */
    char **shell_argv; /* for /bin/sh, when the file is a script without a #! line */
    char **env;        /* ours, without REDLOCK_*, with those below */
    char *env_own[REDLOCK_COMMAND_ENV_MAX];
    const char *status; /* for REDLOCK_STATUS; NULL: none */
    char *shell_words[4];
} redlock_command;

/* Finds the command `argv`, or /bin/sh for `script` when that is not NULL.  Returns 0, or an exit
 * code after saying why; to be ended in any case. */
int redlock_command_init(redlock_command *command, char **argv, const char *script,
                         const redlock_say *say);
/* Makes its environment, once the lock is held; the one of before is replaced.  Returns 0 or an
 * exit code. */
int redlock_command_env_make(redlock_command *command, const redlock_lock *lock, const char *name);
void redlock_command_deinit(redlock_command *command);
/* The first executable file of that name along PATH: a string for the caller to free, or NULL with
 * errno ENOENT, EACCES or ENOMEM. */
char *redlock_path_find(const char *name);

#endif
