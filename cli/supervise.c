/* supervise.c -- watches over the guarded command and over its lock. */
#include "cli/supervise.h"

#include <stdbool.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/nap.h"
#include "cli/now.h"

enum {
    GRACE_MS_MAX = 5000,
    MARGIN_MS_MIN = 20,
    MARGIN_MS_MAX = 200,
    SUDDEN_MS = 50,   /* from SIGTERM to SIGKILL when the lock is gone already */
    STOP_MS_MAX = 100 /* for the command to stop by itself on SIGTSTP */
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t redlock_supervise_margin_ms(int64_t ttl_ms) {
    return most(least(ttl_ms / 50, MARGIN_MS_MAX), MARGIN_MS_MIN);
}

void redlock_supervisor_init(redlock_supervisor *supervisor, redlock_lock *lock,
                             const redlock_supervise_options *options) {
    const int64_t margin_ms = redlock_supervise_margin_ms(options->ttl_ms);

    *supervisor = (redlock_supervisor){
        .options = *options,
        .lock = lock,
        .margin_ms = margin_ms,
        .start_ms = redlock_now_ms(),
    };
    redlock_strays_init(&supervisor->strays);
    if (supervisor->options.grace_ms == 0) {
        supervisor->options.grace_ms = least(options->ttl_ms / 5, GRACE_MS_MAX);
    }
    supervisor->options.grace_ms = most(supervisor->options.grace_ms, 2 * margin_ms);
}

/* Without a lock there is none to lose. */
static int64_t lock_left_ms(const redlock_supervisor *supervisor) {
    return supervisor->lock != NULL ? redlock_lock_remaining_ms(supervisor->lock) : INT64_MAX;
}

static bool is_held(const redlock_supervisor *supervisor) {
    return lock_left_ms(supervisor) > 0;
}

static void command_ask(redlock_supervisor *supervisor, const char *why) {
    redlock_guard_asked(supervisor->guard);
    redlock_child_signal(supervisor->child, SIGTERM);
    if (is_held(supervisor)) {
        redlock_child_signal(supervisor->child, SIGCONT); /* a stopped one could not hear it */
    }
    supervisor->stage = REDLOCK_STOP_ASKED;
    supervisor->asked_ms = redlock_now_ms();
    redlock_say_error(supervisor->say, "%s: the command is being stopped", why);
}

static void command_kill(redlock_supervisor *supervisor) {
    redlock_child_signal(supervisor->child, SIGKILL);
    supervisor->stage = REDLOCK_STOP_KILLED;
    redlock_say_error(supervisor->say, "the command did not stop in time and was killed");
}

/* The lock is not held any more: returns how long to wait before looking again. */
static int64_t lost_act(redlock_supervisor *supervisor) {
    if (supervisor->stage == REDLOCK_STOP_NONE) {
        command_ask(supervisor, "the lock was lost");
    }
    if (supervisor->options.on_lost == REDLOCK_ON_LOST_TERM) {
        return INT64_MAX;
    }

    int64_t left_ms = supervisor->asked_ms + SUDDEN_MS - redlock_now_ms();
    if (left_ms > 0) {
        return left_ms;
    }
    command_kill(supervisor);
    return INT64_MAX;
}

static int64_t lost_ignore(redlock_supervisor *supervisor, int64_t left_ms) {
    if (left_ms > 0) {
        return left_ms;
    }
    if (!supervisor->is_loss_told) {
        supervisor->is_loss_told = true;
        redlock_say_error(supervisor->say, "the lock was lost, and the command runs on without it");
    }
    return INT64_MAX;
}

/* Compares what is left of the lock with what stopping the command takes; a renewal in between has
 * moved the deadline, so all is asked anew each time. */
static int64_t lock_act(redlock_supervisor *supervisor) {
    const int64_t left_ms = lock_left_ms(supervisor);

    if (supervisor->options.on_lost == REDLOCK_ON_LOST_IGNORE) {
        return lost_ignore(supervisor, left_ms);
    }
    if (left_ms <= 0) {
        return lost_act(supervisor);
    }
    if (left_ms > supervisor->options.grace_ms) {
        return left_ms - supervisor->options.grace_ms;
    }
    if (supervisor->stage == REDLOCK_STOP_NONE) {
        command_ask(supervisor, "the lock could not be renewed and is about to end");
    }
    if (left_ms > supervisor->margin_ms || supervisor->options.on_lost == REDLOCK_ON_LOST_TERM) {
        return left_ms - least(supervisor->margin_ms, left_ms - 1);
    }
    command_kill(supervisor);
    return INT64_MAX;
}

/* The same for --max-hold, while the lock lives on. */
static int64_t hold_act(redlock_supervisor *supervisor) {
    const int64_t now_ms = redlock_now_ms();
    const int64_t max_ms = supervisor->options.max_hold_ms;

    if (max_ms == 0) {
        return INT64_MAX;
    }
    if (supervisor->stage == REDLOCK_STOP_NONE) {
        if (supervisor->start_ms + max_ms > now_ms) {
            return supervisor->start_ms + max_ms - now_ms;
        }
        supervisor->is_over_time = true;
        command_ask(supervisor, "the command took longer than --max-hold allows");
    }

    const int64_t left_ms = supervisor->asked_ms + supervisor->options.grace_ms - now_ms;
    if (left_ms > 0 || !supervisor->is_over_time) {
        return left_ms > 0 ? left_ms : INT64_MAX;
    }
    command_kill(supervisor);
    return INT64_MAX;
}

/* Does what is due, and returns for how long there is nothing more to do. */
static int64_t time_act(redlock_supervisor *supervisor) {
    int64_t wait_ms = INT64_MAX;

    if (supervisor->stage != REDLOCK_STOP_KILLED) {
        wait_ms = lock_act(supervisor);
    }
    if (supervisor->stage != REDLOCK_STOP_KILLED) {
        wait_ms = least(wait_ms, hold_act(supervisor));
    }
    return wait_ms;
}

/* Stops the command, then us: our renewals stop with us, so it must not run on.  SIGSTOP for those
 * of the group that took SIGTSTP lightly. */
static void suspend(redlock_supervisor *supervisor) {
    const bool was_lent = supervisor->terminal->is_lent;

    redlock_child_signal(supervisor->child, SIGSTOP);
    redlock_terminal_take(supervisor->terminal);
    if (was_lent) {
        /* The terminal told the command's group only; our own, with the rest of a pipeline or the
         * script around us, has to stop for the shell to notice. */
        (void)kill(0, SIGTSTP);
    }
    (void)kill(getpid(), SIGSTOP);
}

static void resume(redlock_supervisor *supervisor, bool was_lent) {
    /* This is asked first: it is stopped, so it gets no chance to touch anything any more. */
    if (!is_held(supervisor)) {
        redlock_say_error(supervisor->say, "the lock was lost while stopped");
        if (supervisor->options.on_lost == REDLOCK_ON_LOST_KILL) {
            command_kill(supervisor);
            return;
        }
    }
    if (was_lent) {
        (void)redlock_terminal_lend(supervisor->terminal, supervisor->child->pid);
    }
    redlock_child_signal(supervisor->child, SIGCONT);
}

static void suspend_and_resume(redlock_supervisor *supervisor) {
    const bool was_lent = supervisor->terminal->is_lent;

    suspend(supervisor);
    resume(supervisor, was_lent);
}

/* The terminal stopped the command: lend it what it asked for, or stop with it. */
static void command_stopped(redlock_supervisor *supervisor, int signal) {
    if (supervisor->terminal->fd < 0) {
        return; /* somebody stopped it by hand, and will continue it */
    }
    if (signal == SIGTTIN || signal == SIGTTOU) {
        if (redlock_terminal_lend(supervisor->terminal, supervisor->child->pid)) {
            redlock_child_signal(supervisor->child, SIGCONT);
            return;
        }
        suspend_and_resume(supervisor);
    } else if (signal == SIGTSTP && supervisor->terminal->is_lent) {
        suspend_and_resume(supervisor);
    }
}

static void signal_take(redlock_supervisor *supervisor, int signal) {
    switch (signal) {
    case SIGCHLD:
        redlock_strays_reap(supervisor->child->pid, supervisor->guard);
        break; /* the command is looked at after the signals, since several become one */
    case SIGTSTP:
        redlock_child_signal(supervisor->child, SIGTSTP);
        redlock_child_await_stop(supervisor->child, STOP_MS_MAX);
        if (!supervisor->child->is_over) {
            suspend_and_resume(supervisor);
        }
        break;
    case SIGCONT:
        if (is_held(supervisor)) {
            redlock_child_signal(supervisor->child, SIGCONT);
        }
        break;
    default:
        if (supervisor->end_signal == 0 && redlock_signals_is_deadly(signal)) {
            supervisor->end_signal = signal;
        }
        redlock_child_signal(supervisor->child, signal);
        break;
    }
}

/* A signal, or something of the lock's: that is asked anew in either case. */
static void wait_for_news(redlock_supervisor *supervisor, int64_t wait_ms) {
    struct pollfd news = {.fd = supervisor->signals->fd, .events = POLLIN};
    int signal;

    (void)redlock_nap_poll(supervisor->client, &news, 1, wait_ms);
    while (news.revents != 0 && (signal = redlock_signals_next(supervisor->signals)) != 0) {
        signal_take(supervisor, signal);
    }
}

/* The guard has to go before the command is reaped. */
static int end_well(redlock_supervisor *supervisor, int code) {
    redlock_guard_end(supervisor->guard);
    redlock_child_reap(supervisor->child); /* what it left behind is its own business */
    return code;
}

static int end_stopped(redlock_supervisor *supervisor, int code) {
    redlock_guard_end(supervisor->guard);
    if (!supervisor->is_over_time) {
        redlock_strays_kill(&supervisor->strays, supervisor->client);
    }
    redlock_child_reap_group(supervisor->child);
    return code;
}

static int command_end(redlock_supervisor *supervisor) {
    const redlock_child *child = supervisor->child;
    const redlock_on_lost on_lost = supervisor->options.on_lost;

    if (redlock_guard_has_acted(supervisor->guard)) {
        redlock_say_error(supervisor->say, "redlock was frozen while the lock ran out: its guard "
                                           "has stopped the command");
        supervisor->stage = REDLOCK_STOP_ASKED;
        supervisor->is_over_time = false;
    }
    if (supervisor->is_over_time && (is_held(supervisor) || on_lost == REDLOCK_ON_LOST_IGNORE)) {
        return end_stopped(supervisor, REDLOCK_EXIT_TIMEOUT);
    }
    if (supervisor->stage == REDLOCK_STOP_NONE &&
        (is_held(supervisor) || on_lost == REDLOCK_ON_LOST_IGNORE)) {
        return end_well(supervisor, child->code);
    }
    if (supervisor->stage == REDLOCK_STOP_NONE) {
        redlock_say_error(supervisor->say,
                          "the lock was lost just before the command ended "
                          "with code %d",
                          child->code);
    }
    return on_lost == REDLOCK_ON_LOST_KILL ? end_stopped(supervisor, supervisor->options.lost_code)
                                           : end_well(supervisor, supervisor->options.lost_code);
}

int redlock_supervisor_run(redlock_supervisor *supervisor) {
    for (;;) {
        redlock_child_look(supervisor->child);
        if (supervisor->child->is_over) {
            return command_end(supervisor);
        }
        if (supervisor->child->stopped_by != 0) {
            command_stopped(supervisor, supervisor->child->stopped_by);
        }
        wait_for_news(supervisor, time_act(supervisor));
    }
}
