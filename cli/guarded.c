/* guarded.c -- a command run under the lock of a session. */
#include "cli/guarded.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/say.h"

/* Runs inside of a call to the library, or on a thread of its own. */
static void event_take(const redlock_event *event, void *user) {
    const redlock_guarded *guarded = user;

    if (event->kind == REDLOCK_EVENT_RENEWED) {
        redlock_guard_move(&guarded->guard, event->lock);
    }
}

int redlock_guarded_open(redlock_guarded *guarded, redlock_session *session,
                         redlock_session_options *session_options,
                         const redlock_supervise_options *options) {
    *guarded = (redlock_guarded){.session = session, .options = *options};
    if (!redlock_guard_init(&guarded->guard)) {
        redlock_say_error(&session_options->say, "no memory or descriptor left for the guard: %s",
                          strerror(errno));
        session->signals.fd = -1;
        return REDLOCK_EXIT_SYSTEM;
    }
    guarded->guard.ahead_ms = redlock_supervise_margin_ms(options->ttl_ms) / 2;
    guarded->guard.signal = options->on_lost == REDLOCK_ON_LOST_KILL ? SIGKILL : SIGTERM;
    guarded->guard.is_quiet = session_options->say.loudness < REDLOCK_NORMAL;
    if (options->on_lost != REDLOCK_ON_LOST_IGNORE) {
        session->on_event = event_take;
        session->user = guarded;
    }
    return redlock_session_open(session, session_options);
}

void redlock_guarded_close(redlock_guarded *guarded) {
    redlock_session_close(guarded->session); /* nobody moves the deadline any more */
    redlock_guard_deinit(&guarded->guard);
}

static int supervise(redlock_guarded *guarded, redlock_supervisor *supervisor,
                     redlock_child *child) {
    int code = redlock_supervisor_run(supervisor);
    const bool is_key =
        supervisor->terminal->is_lent && (child->code == REDLOCK_EXIT_SIGNAL + SIGINT ||
                                          child->code == REDLOCK_EXIT_SIGNAL + SIGQUIT);

    guarded->end_signal = is_key ? child->code - REDLOCK_EXIT_SIGNAL : supervisor->end_signal;
    return code;
}

/* The guard comes first, and knows the deadline and the group before the command can do anything:
 * there is no instant at which a frozen supervisor would leave it running for ever.  We have but one
 * thread by now (run, elect), and such a process is forked in half the time. */
static int child_start(redlock_guarded *guarded, redlock_child *child, const redlock_start *start) {
    const redlock_say *say = &guarded->session->options->say;
    int error = 0;

    if (guarded->guard.pid < 0 && !redlock_guard_start(&guarded->guard)) {
        redlock_say_error(say, "no process left for the guard: %s", strerror(errno));
        redlock_guard_end(&guarded->guard);
        return REDLOCK_EXIT_SYSTEM;
    }

    int code = redlock_child_start(child, start, &error);
    if (code != 0) {
        redlock_say_error(say, "cannot run '%s': %s", start->command->path, strerror(error));
        redlock_guard_end(&guarded->guard);
    }
    return code;
}

static int command_run(redlock_guarded *guarded, redlock_command *command, redlock_lock *lock,
                       const redlock_supervise_options *options) {
    redlock_supervisor supervisor;
    redlock_terminal terminal;
    redlock_child child;
    const redlock_start start = {
        .command = command,
        .signals = &guarded->session->signals,
        .terminal = &terminal,
        .guard = &guarded->guard,
        .client = guarded->session->client,
    };

    redlock_terminal_init(&terminal);
    int code = child_start(guarded, &child, &start);
    if (code == 0) {
        redlock_supervisor_init(&supervisor, lock, options);
        supervisor.client = start.client;
        supervisor.child = &child;
        supervisor.guard = &guarded->guard;
        supervisor.signals = start.signals;
        supervisor.terminal = &terminal;
        supervisor.say = &guarded->session->options->say;
        code = supervise(guarded, &supervisor, &child);
    }
    redlock_terminal_deinit(&terminal);
    return code;
}

int redlock_guarded_run(redlock_guarded *guarded, redlock_command *command) {
    redlock_session *session = guarded->session;
    const redlock_say *say = &session->options->say;

    guarded->end_signal = 0;
    if (redlock_command_env_make(command, session->lock, session->options->name) != 0) {
        redlock_say_error(say, "no memory left for the command's environment");
        return REDLOCK_EXIT_SYSTEM;
    }
    if (!redlock_lock_is_held(session->lock)) {
        redlock_say_error(say, "the lock ended before the command could be started");
        return session->options->lost_code;
    }
    if (guarded->options.on_lost != REDLOCK_ON_LOST_IGNORE) {
        redlock_guard_move(&guarded->guard, session->lock);
    }
    return command_run(guarded, command, session->lock, &guarded->options);
}

int redlock_guarded_run_bare(redlock_guarded *guarded, redlock_command *command, int64_t limit_ms) {
    redlock_session *session = guarded->session;
    const redlock_supervise_options options = {
        .ttl_ms = guarded->options.ttl_ms,
        .max_hold_ms = limit_ms,
        .lost_code = guarded->options.lost_code,
    };

    guarded->end_signal = 0;
    redlock_guard_rest(&guarded->guard);
    if (redlock_command_env_make(command, session->lock, session->options->name) != 0) {
        return REDLOCK_EXIT_SYSTEM;
    }
    return command_run(guarded, command, NULL, &options);
}
