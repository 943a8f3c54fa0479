/* run.c -- `redlock run`: take the lock, run the command under it, give the lock back. */
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/guarded.h"
#include "cli/nap.h"
#include "cli/now.h"
#include "cli/run_options.h"
#include "cli/say.h"
#include "cli/session.h"

/* The longest that the lock can be left behind for: the library's ttl_max. */
static const int64_t leave_ms_max = 60 * 1000;

/* Leaves the lock to run out by itself after `rest_ms`.  False when it could not be made to.
 * Not inlined: its report, 4 KB of stack, is touched when that is needed. */
static __attribute__((noinline)) bool lock_leave(redlock_session *session, int64_t rest_ms) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    const redlock_say *say = &session->options->say;
    int status = redlock_try_extend(session->lock, rest_ms, &report);

    if (status != REDLOCK_OK) {
        redlock_say_report(say, session->options->name, status, &report);
        return false;
    }
    redlock_say_note(say, "'%s' stays held for %lld.%03lld s more, by nobody",
                     session->options->name, (long long)(rest_ms / 1000),
                     (long long)(rest_ms % 1000));
    return true;
}

/* Sleeps while the lock is kept.  False when a signal asked us to end. */
static bool lock_keep(const redlock_session *session, int64_t ms) {
    const int64_t end_ms = redlock_now_ms() + ms;
    struct pollfd news = {.fd = session->signals.fd, .events = POLLIN};

    for (int64_t left_ms = ms; left_ms > 0; left_ms = end_ms - redlock_now_ms()) {
        (void)redlock_nap_poll(session->client, &news, 1, left_ms);
        if (redlock_session_signal_next(session) != 0) {
            return false;
        }
    }
    return true;
}

/* --min-hold, after the command has ended.  The lock is extended to the end of that time and left
 * behind, so that nothing has to stay for it; but an extension never shortens, so where the lock
 * would live longer than asked for, and where it cannot live so long, we stay.  Returns whether it
 * was left behind. */
static bool min_hold(redlock_session *session, int64_t min_hold_ms) {
    const int64_t end_ms = session->held_since_ms + min_hold_ms;

    while (redlock_lock_is_held(session->lock)) {
        const int64_t rest_ms = end_ms - redlock_now_ms();
        const int64_t left_ms = redlock_lock_remaining_ms(session->lock);

        if (rest_ms <= 0) {
            return false;
        }
        if (rest_ms >= left_ms && rest_ms <= leave_ms_max && lock_leave(session, rest_ms)) {
            return true;
        }
        const int64_t stay_ms = rest_ms > leave_ms_max ? rest_ms - leave_ms_max : rest_ms;
        if (!lock_keep(session, stay_ms < left_ms ? stay_ms : left_ms)) {
            (void)lock_leave(session, rest_ms < leave_ms_max ? rest_ms : leave_ms_max);
            return true;
        }
    }
    redlock_say_error(&session->options->say, "'%s' was lost before the end of --min-hold",
                      session->options->name);
    return false;
}

static int run_locked(redlock_guarded *guarded, redlock_command *command,
                      const redlock_run_options *options) {
    redlock_session *session = guarded->session;
    int code = redlock_guarded_run(guarded, command);

    if (options->min_hold_ms > 0 && redlock_lock_is_held(session->lock) &&
        min_hold(session, options->min_hold_ms)) {
        return code;
    }
    const int released = redlock_session_release(session, code);
    return options->supervise.on_lost == REDLOCK_ON_LOST_IGNORE ? code : released;
}

static int run_command(redlock_run_options *options, redlock_command *command) {
    redlock_session session = {.client_flags = REDLOCK_CLIENT_OWN_LOOP};
    redlock_guarded guarded;
    int code = redlock_guarded_open(&guarded, &session, &options->session, &options->supervise);

    if (code == 0) {
        code = redlock_session_acquire(&session);
    }
    if (session.lock != NULL) {
        code = run_locked(&guarded, command, options);
    }
    redlock_guarded_close(&guarded);
    return code;
}

static int run_parsed(redlock_run_options *options) {
    redlock_command command;
    int code =
        redlock_command_init(&command, options->command, options->script, &options->session.say);

    if (code == 0) {
        code = run_command(options, &command);
    }
    redlock_command_deinit(&command);
    return code;
}

int redlock_run_main(int argc, char **argv) {
    redlock_run_options options;
    int code = redlock_run_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = run_parsed(&options);
    }
    redlock_run_options_deinit(&options);
    return code;
}
