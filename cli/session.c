/* session.c -- one lock in the hands of a subcommand. */
#include "cli/session.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cancel.h"
#include "cli/exit.h"
#include "cli/local.h"
#include "cli/now.h"
#include "cli/say.h"

/* For -v.  Runs inside of a call to the library, or on its thread. */
static void event_say(const redlock_event *event, const redlock_say *say) {
    switch ((redlock_event_kind)event->kind) {
    case REDLOCK_EVENT_RENEW_LATE:
        redlock_say_note(say, "a renewal failed (%s); %lld ms are left to repeat it",
                         redlock_status_text(event->status), (long long)event->remaining_ms);
        break;
    case REDLOCK_EVENT_NODE_DOWN:
        redlock_say_note(say, "server %d does not count: %s", (int)event->node + 1,
                         redlock_status_text(event->status));
        break;
    case REDLOCK_EVENT_WAITING:
        redlock_say_note(say, "waiting: place %lld in the queue", (long long)event->place);
        break;
    case REDLOCK_EVENT_ACQUIRED:
    case REDLOCK_EVENT_RENEWED:
    case REDLOCK_EVENT_LOST:
    case REDLOCK_EVENT_RELEASED:
    case REDLOCK_EVENT_NODE_UP:
        break;
    }
}

static void event_take(const redlock_event *event, void *user) {
    const redlock_session *session = user;

    event_say(event, &session->options->say);
    if (session->on_event != NULL) {
        session->on_event(event, session->user);
    }
}

static int client_open(redlock_session *session) {
    const redlock_session_options *given = session->options;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);

    options.flags = session->client_flags;
    options.key_prefix = given->key_prefix;
    options.label = given->label != NULL ? given->label : session->label;
    options.user = session;
    redlock_trust_tell_client(&given->urls.trust, &options);
    if (given->urls.is_local && given->key_prefix != NULL) {
        /* Local servers are declared ready for the keys without a prefix.  With one, the guard
         * would begin with a minute of silence, and it has little to guard: see local.h. */
        options.flags |= REDLOCK_CLIENT_GUARD_OFF;
    }
    options.on_event =
        given->say.loudness >= REDLOCK_VERBOSE || session->on_event != NULL ? event_take : NULL;
    int status = redlock_client_create((const char *const *)given->urls.url, given->urls.count,
                                       &options, &session->client, &report);
    if (status == REDLOCK_OK) {
        return 0;
    }

    redlock_say_report(&given->say, NULL, status, &report);
    /* No server was asked yet: it is the URL's scheme that is not supported, so the command line is wrong,
     * or this system that has nothing left. */
    switch (status) {
    case REDLOCK_UNSUPPORTED:
        return REDLOCK_EXIT_USAGE;
    case REDLOCK_IO:
        return REDLOCK_EXIT_SYSTEM;
    default:
        return redlock_exit_of_status(status);
    }
}

static int servers_find(redlock_session *session, redlock_session_options *options) {
    session->options = options;
    session->ttl_ms = options->ttl_ms;
    session->client = NULL;
    session->lock = NULL;
    session->signals.fd = -1;
    int code = redlock_urls_complete(&options->urls, options->topic);
    return code == 0 ? redlock_local_resolve(&options->urls, &options->say) : code;
}

int redlock_session_look(redlock_session *session, redlock_session_options *options) {
    int code = servers_find(session, options);

    code = code == 0 ? client_open(session) : code;
    redlock_urls_forget(&options->urls);
    return code;
}

int redlock_session_open(redlock_session *session, redlock_session_options *options) {
    /* Before the signals are blocked: local servers that it starts would inherit that. */
    int code = servers_find(session, options);

    if (code != 0) {
        return code;
    }
    if (!redlock_signals_init(&session->signals)) {
        session->signals.fd = -1;
        redlock_say_error(&options->say, "no descriptor left for signals: %s", strerror(errno));
        return REDLOCK_EXIT_SYSTEM;
    }

    int code_of_client = client_open(session);
    redlock_urls_forget(&options->urls); /* a command may run for days */
    const redlock_exposition what = {
        .client = session->client, .name = options->name, .subcommand = options->topic};

    if (code_of_client == 0 && options->metrics != NULL) {
        redlock_textfile_start(&session->textfile, options->metrics, &what, &options->say);
    }
    return code_of_client;
}

void redlock_session_close(redlock_session *session) {
    redlock_textfile_end(&session->textfile);
    redlock_client_destroy(session->client);
    session->client = NULL;
    session->lock = NULL;
    if (session->signals.fd >= 0) {
        redlock_signals_deinit(&session->signals);
    }
}

int redlock_session_signal_next(const redlock_session *session) {
    int signal;

    while ((signal = redlock_signals_next(&session->signals)) != 0) {
        if (signal == SIGTSTP) {
            (void)kill(getpid(), SIGSTOP);
        } else if (redlock_signals_is_deadly(signal)) {
            return signal;
        }
    }
    return 0;
}

/* What may pass while we wait, as against what somebody has to repair first. */
static bool is_passing(int status) {
    return redlock_exit_of_status(status) == REDLOCK_EXIT_UNAVAILABLE;
}

static int acquire_once(redlock_session *session, redlock_wait *wait, int64_t wait_ms,
                        redlock_report *report) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);

    options.ttl_ms = session->ttl_ms;
    options.renew_ms = session->renew_ms;
    options.wait_ms = wait_ms;
    options.wait = wait;
    return redlock_acquire(session->client, session->options->name, strlen(session->options->name),
                           &options, &session->lock, report);
}

/* Waits inside the library, while a thread of its own reads the signals.  *ret_signal is the one
 * that ended the wait, else 0. */
static int acquire_waiting(redlock_session *session, int64_t wait_ms, redlock_report *report,
                           int *ret_signal) {
    redlock_canceler canceler;
    redlock_wait *wait = NULL;

    if (redlock_wait_create(session->client, &wait) != REDLOCK_OK ||
        !redlock_canceler_init(&canceler, &session->signals, wait)) {
        *report = (redlock_report)REDLOCK_INIT(redlock_report);
        redlock_wait_destroy(wait);
        return REDLOCK_NOMEM;
    }

    int status = acquire_once(session, wait, wait_ms, report);
    *ret_signal = redlock_canceler_deinit(&canceler);
    redlock_wait_destroy(wait);
    return status;
}

/* One try first: it tells at once when the servers cannot be reached, and with -v who holds the
 * lock; and it needs no thread for the signals, which costs more than taking a free lock does.
 * Without -w, waiting is for the holder only; with it, also for servers to come back. */
static int acquire(redlock_session *session, redlock_report *report, int *ret_signal) {
    const redlock_session_options *options = session->options;
    const int64_t start_ms = redlock_now_ms();
    int status = acquire_once(session, NULL, 0, report);

    *ret_signal = redlock_session_signal_next(session);
    if (*ret_signal != 0 || options->wait_ms == 0 ||
        !(status == REDLOCK_HELD || (options->has_wait && is_passing(status)))) {
        return status;
    }
    redlock_say_note(&options->say, "waiting for '%s': %s", options->name,
                     redlock_status_text(status));
    redlock_say_nodes(&options->say, report);
    if (options->wait_ms == REDLOCK_FOREVER) {
        return acquire_waiting(session, REDLOCK_FOREVER, report, ret_signal);
    }

    int64_t left_ms = options->wait_ms - (redlock_now_ms() - start_ms);
    return left_ms > 0 ? acquire_waiting(session, left_ms, report, ret_signal) : status;
}

/* What another client has just handed over is ours for a second or so at first, and renewed in a moment.
 * That is too little to begin anything with, so it is asked for at once. */
static int lengthen(redlock_session *session, redlock_report *report) {
    if (session->renew_ms == REDLOCK_NO_RENEW ||
        redlock_lock_remaining_ms(session->lock) > session->ttl_ms / 2) {
        return REDLOCK_OK;
    }
    int status = redlock_extend(session->lock, 0, report);
    if (status != REDLOCK_OK) {
        (void)redlock_release(session->lock, NULL); /* no work has begun */
        session->lock = NULL;
    }
    return status;
}

int redlock_session_acquire(redlock_session *session) {
    const redlock_session_options *options = session->options;
    redlock_report report = REDLOCK_INIT(redlock_report);
    int signal = 0;
    int status = acquire(session, &report, &signal);

    if (status == REDLOCK_OK) {
        status = lengthen(session, &report);
    }
    session->signal = signal;
    session->held_since_ms = redlock_now_ms();
    if (signal != 0) {
        redlock_say_error(&options->say, "told to stop by signal %d while waiting for '%s'", signal,
                          options->name);
        if (status == REDLOCK_OK) {
            (void)redlock_session_release(session, 0); /* no work has begun */
        }
        return REDLOCK_EXIT_SIGNAL + signal;
    }
    if (status == REDLOCK_OK) {
        redlock_say_note(&options->say, "'%s' is held, fence %llu", options->name,
                         (unsigned long long)redlock_lock_fence(session->lock));
        return 0;
    }

    int code = redlock_exit_of_status(status);
    /* With -x a busy lock is nothing to complain about. */
    if (code != REDLOCK_EXIT_BUSY || options->busy_code != 0) {
        redlock_say_report(&options->say, options->name, status, &report);
    } else {
        redlock_say_note(&options->say, "'%s': %s", options->name, redlock_status_text(status));
    }
    return code == REDLOCK_EXIT_BUSY ? options->busy_code : code;
}

int redlock_session_adopt(redlock_session *session, const char *token, uint64_t fence) {
    const redlock_session_options *given = session->options;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);

    options.ttl_ms = session->ttl_ms;
    options.renew_ms = session->renew_ms;
    int status = redlock_adopt(session->client, given->name, strlen(given->name), token,
                               strlen(token), fence, &options, &session->lock, &report);
    session->held_since_ms = redlock_now_ms();
    if (status == REDLOCK_OK) {
        return 0;
    }

    redlock_say_report(&given->say, given->name, status, &report);
    int code = redlock_exit_of_status(status);
    return code == REDLOCK_EXIT_LOST ? given->lost_code : code;
}

int redlock_session_release(redlock_session *session, int code) {
    const redlock_session_options *options = session->options;
    redlock_report report = REDLOCK_INIT(redlock_report);
    const int64_t held_ms = redlock_now_ms() - session->held_since_ms;
    const unsigned long long fence = redlock_lock_fence(session->lock);
    int status = redlock_release(session->lock, &report);

    session->lock = NULL;
    if (status == REDLOCK_UNKNOWN) {
        redlock_say_report(&options->say, options->name, status, &report);
    }
    redlock_say_note(&options->say, "'%s' was held for %lld.%03lld s with fence %llu, and %s",
                     options->name, (long long)(held_ms / 1000), (long long)(held_ms % 1000), fence,
                     status == REDLOCK_OK ? "is released" : redlock_status_text(status));
    session->is_unsure = status == REDLOCK_UNKNOWN;
    if (status == REDLOCK_NOT_HELD && code != options->lost_code) {
        redlock_say_error(&options->say, "'%s' was lost before the work under it ended, code %d",
                          options->name, code);
        return options->lost_code;
    }
    return code;
}
