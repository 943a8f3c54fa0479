/* proof.c -- the token and the fence of a lock, from one command to the next. */
#include "cli/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/say.h"

int redlock_proof_token_take(redlock_proof *proof, char *text) {
    free(proof->token);
    proof->token = strdup(text);
    memset(text, 'x', strlen(text));
    return proof->token != NULL ? REDLOCK_GO_ON : REDLOCK_EXIT_SYSTEM;
}

int redlock_proof_fence_take(redlock_proof *proof, const char *topic, const char *text) {
    static const uint64_t fence_max = (uint64_t)1 << 53;
    uint64_t fence = 0;
    const char *end = text;

    for (; *end >= '0' && *end <= '9' && fence < fence_max; end++) {
        fence = fence * 10 + (uint64_t)(*end - '0');
    }
    if (end == text || *end != '\0' || fence >= fence_max) {
        return redlock_say_usage(topic, "a fence is a number below 2^53, not '%s'", text);
    }
    proof->fence = fence;
    return REDLOCK_GO_ON;
}

static int env_take(redlock_proof *proof, const char *topic) {
    const char *token = getenv("REDLOCK_TOKEN");
    const char *fence = getenv("REDLOCK_FENCE");

    if (proof->token != NULL) {
        return REDLOCK_GO_ON; /* a fence of the environment would be another lock's */
    }
    if (token == NULL || token[0] == '\0') {
        return redlock_say_usage(topic, "no token: use --token or set REDLOCK_TOKEN; "
                                        "'redlock acquire --export' prints both");
    }
    proof->token = strdup(token);
    if (proof->token == NULL) {
        return REDLOCK_EXIT_SYSTEM;
    }
    if (proof->fence == 0 && fence != NULL && fence[0] != '\0') {
        return redlock_proof_fence_take(proof, topic, fence);
    }
    return REDLOCK_GO_ON;
}

int redlock_proof_complete(redlock_proof *proof, redlock_session_options *options, char **words) {
    const char *name = getenv("REDLOCK_NAME");

    if (words[0] == NULL && name != NULL && name[0] != '\0') {
        options->name = name;
    } else {
        int code = redlock_session_name_take(options, words);

        if (code != REDLOCK_GO_ON) {
            return code;
        }
    }
    return env_take(proof, options->topic);
}

void redlock_proof_deinit(redlock_proof *proof) {
    free(proof->token);
    proof->token = NULL;
}

/* In single quotes, in which the shell leaves all bytes but the quote itself alone. */
static void quoted_print(const char *text) {
    (void)putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)fputs("'\\''", stdout);
        } else {
            (void)putchar(*text);
        }
    }
    (void)putchar('\'');
}

bool redlock_proof_print(const redlock_lock *lock, bool is_export) {
    const unsigned long long fence = redlock_lock_fence(lock);
    const char *token = redlock_lock_token(lock, NULL);

    if (is_export) {
        (void)fputs("export REDLOCK_NAME=", stdout);
        quoted_print(redlock_lock_name(lock, NULL));
        (void)fputs(" REDLOCK_TOKEN=", stdout);
        quoted_print(token);
        (void)printf(" REDLOCK_FENCE=%llu\n", fence);
    } else {
        (void)printf("%s %llu\n", token, fence);
    }
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}
