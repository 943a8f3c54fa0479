/* native.h -- what some servers do in one command of their own and others by a script.
 *
 * A plain RELEASE is a comparison and a deletion: Valkey has DELIFEQ for it since 9.0, Redis DELEX since
 * 8.4.  The greeting says which server it is.  That may be wrong, or the user may lack the right, so a
 * refusal is an answer like any other: the node "does not know the step", nothing was done, and the core
 * says it again as a script.  docs/decisions/0016-native-compare.md has the reasons. */
#ifndef REDLOCK_WIRE_NATIVE_H
#define REDLOCK_WIRE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "wire/resp.h"

typedef enum redlock_native_word {
    REDLOCK_NATIVE_NONE = 0, /* scripts only */
    REDLOCK_NATIVE_DELIFEQ,  /* DELIFEQ key value */
    REDLOCK_NATIVE_DELEX     /* DELEX key IFEQ value */
} redlock_native_word;

typedef struct redlock_native { /* of one node; zeroed: never connected */
    redlock_native_word word;   /* for this link */
    uint32_t open;              /* sent and not answered */
    bool is_proven;             /* the server has carried one out on this link */
    bool is_doubted;            /* the last link that was up broke with the first one unanswered */
} redlock_native;

/* What a server of this version has. */
redlock_native_word redlock_native_of(bool is_valkey, const char *version);
/* A link came up, to a server that says it has this; or it ended, if there was one. */
void redlock_native_begin(redlock_native *native, redlock_native_word word);
void redlock_native_end(redlock_native *native);
/* Whether this command is to be a native one.  Until the server has carried one out, there is one at a
 * time. */
bool redlock_native_suits(const redlock_native *native, const redlock_command *command);
/* As redlock_step_encode, for a command that suits. */
size_t redlock_native_encode(redlock_native_word word, const redlock_command *command,
                             redlock_bytes prefix, uint8_t *out, size_t size);
/* What a whole reply to a native command means: YES, NO, FORGOT when it was refused, or ERROR. */
redlock_answer redlock_native_decode(const redlock_resp_reader *reader, const uint8_t *data);
/* One was sent; one was answered. */
void redlock_native_sent(redlock_native *native);
void redlock_native_answered(redlock_native *native, const redlock_answer *answer);

#endif
