/* extend.c -- `redlock extend` and `redlock release`: for a lock that a script has acquired. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/proof.h"
#include "cli/say.h"
#include "cli/session.h"

enum { OPTION_TOKEN = REDLOCK_OPTION_OWN, OPTION_FENCE };

typedef struct extend_options {
    redlock_session_options session;
    redlock_proof proof;
} extend_options;

static const struct option table[] = {
    REDLOCK_SESSION_OPTIONS,
    {"token", required_argument, NULL, OPTION_TOKEN},
    {"fence", required_argument, NULL, OPTION_FENCE},
    {"ttl", required_argument, NULL, 't'},
    {"lost-exit-code", required_argument, NULL, REDLOCK_OPTION_LOST_CODE},
    {NULL, 0, NULL, 0},
};

static int option_take(extend_options *options, int option, char **argv) {
    switch (option) {
    case OPTION_TOKEN:
        return redlock_proof_token_take(&options->proof, optarg);
    case OPTION_FENCE:
        return redlock_proof_fence_take(&options->proof, options->session.topic, optarg);
    default:
        return redlock_session_option_take(&options->session, option, argv);
    }
}

static int options_parse(extend_options *options, int argc, char **argv, const char *topic) {
    int code = REDLOCK_GO_ON;
    int option;

    *options = (extend_options){.proof = {.token = NULL}};
    redlock_session_options_init(&options->session, topic);
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:t:vqh", table, NULL)) != -1) {
        code = option_take(options, option, argv);
    }
    return code == REDLOCK_GO_ON
               ? redlock_proof_complete(&options->proof, &options->session, argv + optind)
               : code;
}

static void options_deinit(extend_options *options) {
    redlock_proof_deinit(&options->proof);
    redlock_session_options_deinit(&options->session);
}

/* Opens a session that holds the lock; to be closed in any case. */
static int session_adopt(redlock_session *session, extend_options *options) {
    int code = redlock_session_open(session, &options->session);

    return code == 0 ? redlock_session_adopt(session, options->proof.token, options->proof.fence)
                     : code;
}

int redlock_extend_main(int argc, char **argv) {
    redlock_session session = {.renew_ms = REDLOCK_NO_RENEW, .signals = {.fd = -1}};
    extend_options options;
    int code = options_parse(&options, argc, argv, "extend");

    if (code == REDLOCK_GO_ON) {
        code = session_adopt(&session, &options);
        if (code == 0) {
            redlock_say_note(&options.session.say, "'%s' is held for %lld ms more",
                             options.session.name,
                             (long long)redlock_lock_remaining_ms(session.lock));
        }
        redlock_session_close(&session);
    }
    options_deinit(&options);
    return code;
}

/* The library releases what it holds, so the lock is adopted first; that extends it for the moment
 * in between. */
int redlock_release_main(int argc, char **argv) {
    redlock_session session = {.renew_ms = REDLOCK_NO_RENEW, .signals = {.fd = -1}};
    extend_options options;
    int code = options_parse(&options, argc, argv, "release");

    if (code == REDLOCK_GO_ON) {
        code = session_adopt(&session, &options);
        code = code == 0 ? redlock_session_release(&session, 0) : code;
        code = code == 0 && session.is_unsure ? redlock_exit_of_status(REDLOCK_UNKNOWN) : code;
        redlock_session_close(&session);
    }
    options_deinit(&options);
    return code;
}
