/* watch.c -- `redlock watch`: keeps a lock alive that was acquired elsewhere.
 *
 * A script acquires, a service watches.  It takes the lock over by its token, renews it until a
 * signal comes or the lock is lost, and tells by hooks: --on-error for each renewal that fails,
 * --on-end at the end.  The hooks run one at a time, while the renewals go on. */
#include <poll.h>
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/guarded.h"
#include "cli/proof.h"
#include "cli/say.h"
#include "cli/session.h"

enum {
    OPTION_TOKEN = REDLOCK_OPTION_OWN,
    OPTION_FENCE,
    OPTION_ON_ERROR,
    OPTION_ON_END,
    OPTION_RELEASE
};

/* What a hook may take. */
static const int64_t hook_ms_max = 10 * 1000;

typedef struct watch_options {
    redlock_session_options session;
    redlock_proof proof;
    const char *on_error; /* for sh, or NULL */
    const char *on_end;
    bool is_released; /* at the end by a signal */
} watch_options;

typedef struct watch_state {
    const watch_options *options;
    redlock_session session;
    redlock_guarded guarded;
    redlock_command on_error; /* without a path: none */
    redlock_command on_end;
} watch_state;

static const struct option table[] = {
    REDLOCK_SESSION_OPTIONS,
    REDLOCK_METRICS_OPTIONS,
    {"token", required_argument, NULL, OPTION_TOKEN},
    {"fence", required_argument, NULL, OPTION_FENCE},
    {"ttl", required_argument, NULL, 't'},
    {"on-error", required_argument, NULL, OPTION_ON_ERROR},
    {"on-end", required_argument, NULL, OPTION_ON_END},
    {"release", no_argument, NULL, OPTION_RELEASE},
    {"lost-exit-code", required_argument, NULL, REDLOCK_OPTION_LOST_CODE},
    {NULL, 0, NULL, 0},
};

static int option_take(watch_options *options, int option, char **argv) {
    switch (option) {
    case OPTION_TOKEN:
        return redlock_proof_token_take(&options->proof, optarg);
    case OPTION_FENCE:
        return redlock_proof_fence_take(&options->proof, options->session.topic, optarg);
    case OPTION_ON_ERROR:
        options->on_error = optarg;
        return REDLOCK_GO_ON;
    case OPTION_ON_END:
        options->on_end = optarg;
        return REDLOCK_GO_ON;
    case OPTION_RELEASE:
        options->is_released = true;
        return REDLOCK_GO_ON;
    default:
        return redlock_session_option_take(&options->session, option, argv);
    }
}

static int options_parse(watch_options *options, int argc, char **argv) {
    int code = REDLOCK_GO_ON;
    int option;

    *options = (watch_options){.proof = {.token = NULL}};
    redlock_session_options_init(&options->session, "watch");
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:t:vqh", table, NULL)) != -1) {
        code = option_take(options, option, argv);
    }
    return code == REDLOCK_GO_ON
               ? redlock_proof_complete(&options->proof, &options->session, argv + optind)
               : code;
}

/* Returns whether a signal came meanwhile that asks us to end. */
static bool hook_run(watch_state *watch, redlock_command *hook, int status) {
    if (hook->path == NULL) {
        return false;
    }
    hook->status = redlock_status_name(status);
    int code = redlock_guarded_run_bare(&watch->guarded, hook, hook_ms_max);

    if (code != 0) {
        redlock_say_error(&watch->session.options->say, "the hook for %s ended with code %d",
                          hook->status, code);
    }
    return watch->guarded.end_signal != 0;
}

/* Returns whether we are asked to end. */
static bool events_take(watch_state *watch) {
    redlock_event event = REDLOCK_INIT(redlock_event);
    bool is_over = false;

    while (!is_over && redlock_lock_is_held(watch->session.lock) &&
           redlock_client_next_event(watch->session.client, &event) != 0) {
        if (event.kind == REDLOCK_EVENT_RENEW_LATE) {
            is_over = hook_run(watch, &watch->on_error, event.status);
        }
    }
    return is_over;
}

/* Until a signal (true) or the loss (false). */
static bool keep(watch_state *watch) {
    enum { ASK_MS = 1000 }; /* the clock counts the time asleep, poll does not */
    struct pollfd fds[3] = {
        {.fd = watch->session.signals.fd, .events = POLLIN},
        {.fd = redlock_lock_lost_fd(watch->session.lock), .events = POLLIN},
        {.fd = redlock_client_event_fd(watch->session.client), .events = POLLIN},
    };

    while (redlock_lock_is_held(watch->session.lock)) {
        (void)poll(fds, 3, ASK_MS);
        if (redlock_session_signal_next(&watch->session) != 0 || events_take(watch)) {
            return true;
        }
    }
    return false;
}

static int watch_held(watch_state *watch) {
    redlock_session *session = &watch->session;
    const redlock_say *say = &session->options->say;
    const bool is_told = keep(watch);

    (void)hook_run(watch, &watch->on_end, is_told ? REDLOCK_CANCELED : REDLOCK_LOST);
    if (!is_told) {
        redlock_say_error(say, "'%s' is not held by this token any more", session->options->name);
        return redlock_session_release(session, session->options->lost_code);
    }
    if (watch->options->is_released) {
        return redlock_session_release(session, 0);
    }
    redlock_say_note(say, "nobody renews '%s' any more: it ends in %lld ms", session->options->name,
                     (long long)redlock_lock_remaining_ms(session->lock));
    return 0;
}

static int hook_init(redlock_command *hook, const char *script, const redlock_say *say) {
    return script != NULL ? redlock_command_init(hook, NULL, script, say) : 0;
}

static int watch_open(watch_state *watch, watch_options *options) {
    const redlock_supervise_options supervise = {
        .ttl_ms = options->session.ttl_ms,
        .on_lost = REDLOCK_ON_LOST_IGNORE,
        .lost_code = options->session.lost_code,
    };

    watch->session.client_flags = REDLOCK_CLIENT_EVENT_QUEUE;
    int code =
        redlock_guarded_open(&watch->guarded, &watch->session, &options->session, &supervise);
    if (code == 0) {
        code = redlock_session_adopt(&watch->session, options->proof.token, options->proof.fence);
    }
    if (code == 0) {
        redlock_say_note(&options->session.say, "'%s' is kept, fence %llu", options->session.name,
                         (unsigned long long)redlock_lock_fence(watch->session.lock));
        code = watch_held(watch);
    }
    redlock_guarded_close(&watch->guarded);
    return code;
}

static int watch_parsed(watch_options *options) {
    watch_state watch = {.options = options};
    int code = hook_init(&watch.on_error, options->on_error, &options->session.say);

    if (code == 0) {
        code = hook_init(&watch.on_end, options->on_end, &options->session.say);
    }
    if (code == 0) {
        code = watch_open(&watch, options);
    }
    redlock_command_deinit(&watch.on_error);
    redlock_command_deinit(&watch.on_end);
    return code;
}

int redlock_watch_main(int argc, char **argv) {
    watch_options options;
    int code = options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = watch_parsed(&options);
    }
    redlock_proof_deinit(&options.proof);
    redlock_session_options_deinit(&options.session);
    return code;
}
