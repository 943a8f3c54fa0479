/* run.c -- `redlock run`: take the lock, run the command under it, give the lock back. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "cli/cancel.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/local.h"
#include "cli/now.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/supervise.h"
#include "cli/terminal.h"

typedef struct run_state {
    redlock_run_options options;
    redlock_command command;
    redlock_signals signals;
    redlock_client *client;
    redlock_lock *lock;
    int64_t held_since_ms;
} run_state;

/* For -v.  Runs on the library's thread. */
static void event_say(const redlock_event *event, void *user) {
    const redlock_say *say = user;

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

static int client_open(run_state *run) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);

    options.key_prefix = run->options.key_prefix;
    options.label = run->options.label;
    options.user = &run->options.say;
    if (run->options.urls.is_local && run->options.key_prefix != NULL) {
        /* Local servers are declared ready for the keys without a prefix.  With one, the guard
         * would begin with a minute of silence, and it has little to guard: see local.h. */
        options.flags |= REDLOCK_CLIENT_GUARD_OFF;
    }
    options.on_event = run->options.say.loudness >= REDLOCK_VERBOSE ? event_say : NULL;
    int status = redlock_client_create((const char *const *)run->options.urls.url,
                                       run->options.urls.count, &options, &run->client, &report);
    if (status == REDLOCK_OK) {
        return 0;
    }

    redlock_say_report(&run->options.say, NULL, status, &report);
    /* Here it is the URL's scheme that is not supported, so the command line is wrong. */
    return status == REDLOCK_UNSUPPORTED ? REDLOCK_EXIT_USAGE : redlock_exit_of_status(status);
}

/* What may pass while we wait, as against what somebody has to repair first. */
static bool is_passing(int status) {
    return redlock_exit_of_status(status) == REDLOCK_EXIT_UNAVAILABLE;
}

static int acquire_once(run_state *run, redlock_wait *wait, int64_t wait_ms,
                        redlock_report *report) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);

    options.ttl_ms = run->options.ttl_ms;
    options.wait_ms = wait_ms;
    options.wait = wait;
    return redlock_acquire(run->client, run->options.name, strlen(run->options.name), &options,
                           &run->lock, report);
}

/* One try first: it tells at once when the servers cannot be reached, and with -v who holds the
 * lock.  Without -w, waiting is for the holder only; with it, also for servers to come back. */
static int acquire_waiting(run_state *run, redlock_wait *wait, redlock_report *report) {
    const redlock_run_options *options = &run->options;
    const int64_t start_ms = redlock_now_ms();
    int status = acquire_once(run, wait, 0, report);

    if (options->wait_ms == 0 ||
        !(status == REDLOCK_HELD || (options->has_wait && is_passing(status)))) {
        return status;
    }
    redlock_say_note(&options->say, "waiting for '%s': %s", options->name,
                     redlock_status_text(status));
    redlock_say_nodes(&options->say, report);
    if (options->wait_ms == REDLOCK_FOREVER) {
        return acquire_once(run, wait, REDLOCK_FOREVER, report);
    }

    int64_t left_ms = options->wait_ms - (redlock_now_ms() - start_ms);
    return left_ms > 0 ? acquire_once(run, wait, left_ms, report) : status;
}

static int acquire_failed(run_state *run, int status, const redlock_report *report) {
    redlock_say_report(&run->options.say, run->options.name, status, report);
    return redlock_exit_of_status(status) == REDLOCK_EXIT_BUSY ? run->options.busy_code
                                                               : redlock_exit_of_status(status);
}

/* Returns `code`, or LOST when the servers say that the lock was not ours any more: then the
 * command may have met somebody else, whatever it thinks of itself. */
static int lock_release(run_state *run, int code) {
    const redlock_say *say = &run->options.say;
    redlock_report report = REDLOCK_INIT(redlock_report);
    const int64_t held_ms = redlock_now_ms() - run->held_since_ms;
    const unsigned long long fence = redlock_lock_fence(run->lock);
    int status = redlock_release(run->lock, &report);

    run->lock = NULL;
    if (status == REDLOCK_UNKNOWN) {
        redlock_say_report(say, run->options.name, status, &report);
    }
    redlock_say_note(say, "'%s' was held for %lld.%03lld s with fence %llu, and %s",
                     run->options.name, (long long)(held_ms / 1000), (long long)(held_ms % 1000),
                     fence, status == REDLOCK_OK ? "is released" : redlock_status_text(status));
    if (status == REDLOCK_NOT_HELD && code != REDLOCK_EXIT_LOST) {
        redlock_say_error(say, "'%s' was lost before the command ended with code %d",
                          run->options.name, code);
        return REDLOCK_EXIT_LOST;
    }
    return code;
}

/* Waits for the lock.  Returns 0 when it is held, or the exit code after saying why not. */
static int lock_acquire(run_state *run) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_canceler canceler;
    redlock_wait *wait = NULL;

    if (redlock_wait_create(run->client, &wait) != REDLOCK_OK ||
        !redlock_canceler_init(&canceler, &run->signals, wait)) {
        redlock_say_error(&run->options.say, "no memory or descriptor left for waiting");
        redlock_wait_destroy(wait);
        return REDLOCK_EXIT_SYSTEM;
    }

    int status = acquire_waiting(run, wait, &report);
    int signal = redlock_canceler_deinit(&canceler);
    redlock_wait_destroy(wait);
    run->held_since_ms = redlock_now_ms();
    if (signal != 0) {
        redlock_say_error(&run->options.say, "told to stop by signal %d while waiting for '%s'",
                          signal, run->options.name);
        if (status == REDLOCK_OK) {
            (void)lock_release(run, 0); /* no command has run */
        }
        return REDLOCK_EXIT_SIGNAL + signal;
    }
    return status == REDLOCK_OK ? 0 : acquire_failed(run, status, &report);
}

static int command_supervise(run_state *run, redlock_terminal *terminal) {
    const redlock_say *say = &run->options.say;
    redlock_supervisor supervisor;
    redlock_child child;
    int error = 0;
    int code = redlock_child_start(&child, &run->command, &run->signals, terminal, &error);

    if (code != 0) {
        redlock_say_error(say, "cannot run '%s': %s", run->command.path, strerror(error));
        return code;
    }

    redlock_supervisor_init(&supervisor, run->lock, run->options.ttl_ms);
    supervisor.child = &child;
    supervisor.signals = &run->signals;
    supervisor.terminal = terminal;
    supervisor.say = say;
    return redlock_supervisor_run(&supervisor);
}

static int run_locked(run_state *run) {
    const redlock_say *say = &run->options.say;
    redlock_terminal terminal;

    redlock_say_note(say, "'%s' is held, fence %llu", run->options.name,
                     (unsigned long long)redlock_lock_fence(run->lock));
    int code = redlock_command_env_make(&run->command, run->lock, run->options.name);
    if (code == 0) {
        redlock_terminal_init(&terminal);
        code = command_supervise(run, &terminal);
        redlock_terminal_deinit(&terminal);
    } else {
        redlock_say_error(say, "no memory left for the command's environment");
    }
    return lock_release(run, code);
}

static int run_with_client(run_state *run) {
    if (!redlock_signals_init(&run->signals)) {
        redlock_say_error(&run->options.say, "no descriptor left for signals: %s", strerror(errno));
        return REDLOCK_EXIT_SYSTEM;
    }

    int code = client_open(run);
    if (code == 0) {
        code = lock_acquire(run);
        code = run->lock != NULL ? run_locked(run) : code;
        redlock_client_destroy(run->client);
    }
    redlock_signals_deinit(&run->signals);
    return code;
}

static int run_parsed(run_state *run) {
    int code = redlock_urls_complete(&run->options.urls, "run");

    if (code == 0) {
        code = redlock_command_init(&run->command, &run->options);
    }
    if (code == 0) {
        code = redlock_local_resolve(&run->options.urls, &run->options.say);
    }
    if (code == 0) {
        code = run_with_client(run);
    }
    redlock_command_deinit(&run->command);
    return code;
}

int redlock_run_main(int argc, char **argv) {
    run_state run = {.lock = NULL};
    int code = redlock_run_options_parse(&run.options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = run_parsed(&run);
    }
    redlock_urls_deinit(&run.options.urls);
    return code;
}
