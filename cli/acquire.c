/* acquire.c -- `redlock acquire` takes a lock for a script, and `redlock hold` also keeps it.
 *
 * Both print token and fence.  acquire ends then, and nobody renews what it took; hold stays until a
 * signal comes, its input ends, or the lock is lost. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/proof.h"
#include "cli/say.h"
#include "cli/session.h"

enum { OPTION_EXPORT = REDLOCK_OPTION_OWN, LABEL_BYTES_MAX = 64 };

typedef struct acquire_options {
    redlock_session_options session;
    bool is_export;
} acquire_options;

#define OPTIONS_OF_BOTH                                                                            \
    REDLOCK_SESSION_OPTIONS, REDLOCK_ACQUIRE_OPTIONS,                                              \
        {"export", no_argument, NULL, OPTION_EXPORT}, {                                            \
        "lost-exit-code", required_argument, NULL, REDLOCK_OPTION_LOST_CODE                        \
    }

static const struct option acquire_table[] = {OPTIONS_OF_BOTH, {NULL, 0, NULL, 0}};
static const struct option hold_table[] = {
    OPTIONS_OF_BOTH, REDLOCK_METRICS_OPTIONS, {NULL, 0, NULL, 0}};

static int options_parse(acquire_options *options, int argc, char **argv, const char *topic,
                         const struct option *table) {
    int code = REDLOCK_GO_ON;
    int option;

    *options = (acquire_options){.is_export = false};
    redlock_session_options_init(&options->session, topic);
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:t:nw:E:xvqh", table, NULL)) != -1) {
        if (option == OPTION_EXPORT) {
            options->is_export = true;
        } else {
            code = redlock_session_option_take(&options->session, option, argv);
        }
    }
    return code == REDLOCK_GO_ON ? redlock_session_name_take(&options->session, argv + optind)
                                 : code;
}

/* A lock that cannot be told to anybody is given back. */
static int proof_print(redlock_session *session, bool is_export) {
    if (redlock_proof_print(session->lock, is_export)) {
        return 0;
    }
    redlock_say_error(&session->options->say,
                      "the token could not be written to standard output: '%s' is released",
                      session->options->name);
    (void)redlock_session_release(session, 0);
    return REDLOCK_EXIT_SYSTEM;
}

/* The script is the holder, not this process, which is gone in a moment. */
static void label_make(char label[LABEL_BYTES_MAX + 1]) {
    char host[41] = "";

    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(label, LABEL_BYTES_MAX + 1, "%s/%ld", host, (long)getppid());
}

static int acquire_parsed(acquire_options *options) {
    char label[LABEL_BYTES_MAX + 1];
    redlock_session session = {.renew_ms = REDLOCK_NO_RENEW, .label = label};

    label_make(label);
    int code = redlock_session_open(&session, &options->session);
    if (code == 0) {
        code = redlock_session_acquire(&session);
    }
    if (session.lock != NULL) {
        code = proof_print(&session, options->is_export);
        redlock_say_note(
            &options->session.say, "nobody renews it: it ends in %lld ms, unless it is extended",
            session.lock != NULL ? (long long)redlock_lock_remaining_ms(session.lock) : 0LL);
    }
    redlock_session_close(&session);
    return code;
}

int redlock_acquire_main(int argc, char **argv) {
    acquire_options options;
    int code = options_parse(&options, argc, argv, "acquire", acquire_table);

    if (code == REDLOCK_GO_ON) {
        code = acquire_parsed(&options);
    }
    redlock_session_options_deinit(&options.session);
    return code;
}

/* --- hold ------------------------------------------------------------------------------------ */

/* Only what somebody can close: /dev/null, which a job in the background gets, is at its end from
 * the start. */
static int input_fd(void) {
    struct stat info;

    if (fstat(STDIN_FILENO, &info) != 0) {
        return -1;
    }
    return S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || isatty(STDIN_FILENO) == 1
               ? STDIN_FILENO
               : -1;
}

/* Whether the input is at its end; what comes before that is nobody's. */
static bool input_has_ended(void) {
    char ignored[256];

    if (isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) != getpgrp()) {
        (void)poll(NULL, 0, 100); /* in the background, reading would stop us */
        return false;
    }
    return read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0;
}

static int hold_lost(redlock_session *session) {
    redlock_say_error(&session->options->say, "'%s' was lost", session->options->name);
    return redlock_session_release(session, session->options->lost_code);
}

static int hold(redlock_session *session) {
    enum { ASK_MS = 1000 }; /* the clock counts the time asleep, poll does not */
    struct pollfd fds[3] = {
        {.fd = session->signals.fd, .events = POLLIN},
        {.fd = redlock_lock_lost_fd(session->lock), .events = POLLIN},
        {.fd = input_fd(), .events = POLLIN},
    };

    for (;;) {
        (void)poll(fds, 3, ASK_MS);
        if (redlock_session_signal_next(session) != 0) {
            return redlock_session_release(session, 0);
        }
        if (!redlock_lock_is_held(session->lock)) {
            return hold_lost(session);
        }
        if (fds[2].revents != 0 && input_has_ended()) {
            return redlock_session_release(session, 0);
        }
    }
}

static int hold_parsed(acquire_options *options) {
    redlock_session session = {.lock = NULL};
    int code = redlock_session_open(&session, &options->session);

    if (code == 0) {
        code = redlock_session_acquire(&session);
    }
    if (session.lock != NULL) {
        code = proof_print(&session, options->is_export);
    }
    if (session.lock != NULL) {
        code = hold(&session);
    }
    redlock_session_close(&session);
    return code;
}

int redlock_hold_main(int argc, char **argv) {
    acquire_options options;
    int code = options_parse(&options, argc, argv, "hold", hold_table);

    if (code == REDLOCK_GO_ON) {
        code = hold_parsed(&options);
    }
    redlock_session_options_deinit(&options.session);
    return code;
}
