/* cancel.c -- a signal ends the wait for the lock. */
#include "cli/cancel.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static void signal_take(redlock_canceler *canceler, int signal) {
    if (signal == SIGTSTP) {
        (void)kill(getpid(), SIGSTOP);
    } else if (redlock_signals_is_deadly(signal) && canceler->signal == 0) {
        canceler->signal = signal;
        redlock_cancel(canceler->wait);
    }
}

static void *canceler_run(void *arg) {
    redlock_canceler *canceler = arg;
    struct pollfd fds[2] = {
        {.fd = canceler->signals->fd, .events = POLLIN},
        {.fd = canceler->stop_pipe[0], .events = POLLIN},
    };

    while (fds[1].revents == 0) {
        int signal;

        if (poll(fds, 2, -1) < 0) {
            continue; /* interrupted: revents are those of before, so nothing is missed */
        }
        while ((signal = redlock_signals_next(canceler->signals)) != 0) {
            signal_take(canceler, signal);
        }
    }
    return NULL;
}

bool redlock_canceler_init(redlock_canceler *canceler, const redlock_signals *signals,
                           redlock_wait *wait) {
    *canceler = (redlock_canceler){.signals = signals, .wait = wait};
    if (pipe2(canceler->stop_pipe, O_CLOEXEC) != 0) {
        return false;
    }
    if (pthread_create(&canceler->thread, NULL, canceler_run, canceler) != 0) {
        (void)close(canceler->stop_pipe[0]);
        (void)close(canceler->stop_pipe[1]);
        return false;
    }
    return true;
}

int redlock_canceler_deinit(redlock_canceler *canceler) {
    (void)close(canceler->stop_pipe[1]);
    (void)pthread_join(canceler->thread, NULL);
    (void)close(canceler->stop_pipe[0]);
    return canceler->signal;
}
