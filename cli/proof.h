/* proof.h -- the token and the fence of a lock that was acquired by one command and is used by
 * another: printed by acquire and hold, taken from options or the environment by the others. */
#ifndef REDLOCK_CLI_PROOF_H
#define REDLOCK_CLI_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include <redlock/redlock.h>

#include "cli/session_options.h"

typedef struct redlock_proof {
    char *token;    /* owned */
    uint64_t fence; /* 0: not known */
} redlock_proof;

/* --token: takes a copy and overwrites `text`, which lies in argv, where others could read it.
 * Returns REDLOCK_GO_ON or the code to exit with, as the next ones do. */
int redlock_proof_token_take(redlock_proof *proof, char *text);
int redlock_proof_fence_take(redlock_proof *proof, const char *topic, const char *text);
/* Takes what is missing from REDLOCK_TOKEN, REDLOCK_FENCE and, when `words` are empty,
 * REDLOCK_NAME.  A token that is not to be had is a usage error. */
int redlock_proof_complete(redlock_proof *proof, redlock_session_options *options, char **words);
void redlock_proof_deinit(redlock_proof *proof);
/* "TOKEN FENCE", or a line for the shell's eval.  False when it could not be written. */
bool redlock_proof_print(const redlock_lock *lock, bool is_export);

#endif
