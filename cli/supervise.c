/* supervise.c -- watches over the guarded command and over its lock. */
#include "cli/supervise.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/now.h"

enum {
    GRACE_MS_MAX = 5000,
    MARGIN_MS_MIN = 20,
    MARGIN_MS_MAX = 200,
    SUDDEN_MS = 50,     /* from SIGTERM to SIGKILL when the lock is gone already */
    STOP_MS_MAX = 100,  /* for the command to stop by itself on SIGTSTP */
    NO_LOST_FD_MS = 100 /* how often to ask when there is no descriptor to tell us */
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void redlock_supervisor_init(redlock_supervisor *supervisor, redlock_lock *lock, int64_t ttl_ms) {
    int64_t margin_ms = least(ttl_ms / 50, MARGIN_MS_MAX);

    margin_ms = margin_ms < MARGIN_MS_MIN ? MARGIN_MS_MIN : margin_ms;
    *supervisor = (redlock_supervisor){
        .lock = lock,
        .margin_ms = margin_ms,
        .grace_ms = least(ttl_ms / 5, GRACE_MS_MAX),
        .lost_fd = redlock_lock_lost_fd(lock),
    };
    if (supervisor->grace_ms < 2 * margin_ms) {
        supervisor->grace_ms = 2 * margin_ms;
    }
}

static void command_ask(redlock_supervisor *supervisor, const char *why) {
    redlock_child_signal(supervisor->child, SIGTERM);
    if (redlock_lock_is_held(supervisor->lock)) {
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

    int64_t left_ms = supervisor->asked_ms + SUDDEN_MS - redlock_now_ms();
    if (left_ms > 0) {
        return left_ms;
    }
    command_kill(supervisor);
    return INT64_MAX;
}

/* Compares what is left of the lock with what stopping the command takes; a renewal in between has
 * moved the deadline, so all is asked anew each time. */
static int64_t lock_act(redlock_supervisor *supervisor) {
    if (supervisor->stage == REDLOCK_STOP_KILLED) {
        return INT64_MAX;
    }

    int64_t left_ms = redlock_lock_remaining_ms(supervisor->lock);
    if (left_ms <= 0) {
        return lost_act(supervisor);
    }
    if (left_ms > supervisor->grace_ms) {
        return left_ms - supervisor->grace_ms;
    }
    if (supervisor->stage == REDLOCK_STOP_NONE) {
        command_ask(supervisor, "the lock could not be renewed and is about to end");
    }
    if (left_ms > supervisor->margin_ms) {
        return left_ms - supervisor->margin_ms;
    }
    command_kill(supervisor);
    return INT64_MAX;
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
    if (!redlock_lock_is_held(supervisor->lock)) {
        /* It is stopped, so it gets no chance to touch anything any more. */
        redlock_say_error(supervisor->say, "the lock was lost while stopped");
        command_kill(supervisor);
        return;
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
        break; /* looked at after the signals, since several become one */
    case SIGTSTP:
        redlock_child_signal(supervisor->child, SIGTSTP);
        redlock_child_await_stop(supervisor->child, STOP_MS_MAX);
        if (!supervisor->child->is_over) {
            suspend_and_resume(supervisor);
        }
        break;
    case SIGCONT:
        if (redlock_lock_is_held(supervisor->lock)) {
            redlock_child_signal(supervisor->child, SIGCONT);
        }
        break;
    default:
        redlock_child_signal(supervisor->child, signal);
        break;
    }
}

static int timeout_of(const redlock_supervisor *supervisor, int64_t wait_ms) {
    if (supervisor->stage == REDLOCK_STOP_KILLED) {
        return -1;
    }
    if (supervisor->lost_fd < 0 && wait_ms > NO_LOST_FD_MS &&
        redlock_lock_is_held(supervisor->lock)) {
        wait_ms = NO_LOST_FD_MS;
    }
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

static void wait_for_news(redlock_supervisor *supervisor, int64_t wait_ms) {
    struct pollfd fds[2] = {
        {.fd = supervisor->signals->fd, .events = POLLIN},
        {.fd = supervisor->lost_fd, .events = POLLIN},
    };
    int signal;

    if (poll(fds, 2, timeout_of(supervisor, wait_ms)) <= 0) {
        return;
    }
    if (fds[1].revents != 0) {
        supervisor->lost_fd = -1; /* told once; from here on remaining_ms is 0 */
    }
    while ((signal = redlock_signals_next(supervisor->signals)) != 0) {
        signal_take(supervisor, signal);
    }
}

static int command_end(redlock_supervisor *supervisor) {
    redlock_child *child = supervisor->child;

    if (supervisor->stage == REDLOCK_STOP_NONE && redlock_lock_is_held(supervisor->lock)) {
        redlock_child_reap(child); /* what it left in the background is its own business */
        return child->code;
    }
    if (supervisor->stage == REDLOCK_STOP_NONE) {
        redlock_say_error(supervisor->say,
                          "the lock was lost just before the command ended "
                          "with code %d",
                          child->code);
    }
    redlock_child_reap_group(child);
    return REDLOCK_EXIT_LOST;
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
        wait_for_news(supervisor, lock_act(supervisor));
    }
}
