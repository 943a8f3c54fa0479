/* signals.c -- signals as something to read, instead of something that interrupts. */
#include "cli/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int deadly[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM};
static const int harmless[] = {SIGWINCH, SIGCONT, SIGTSTP};

bool redlock_signals_is_deadly(int signal) {
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        if (deadly[i] == signal) {
            return true;
        }
    }
    return false;
}

static void set_add(sigset_t *set, const int *signals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct sigaction action;

        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            (void)sigaddset(set, signals[i]);
        }
    }
}

bool redlock_signals_init(redlock_signals *signals) {
    const struct sigaction fallback = {.sa_handler = SIG_DFL};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    (void)sigemptyset(&set);
    set_add(&set, deadly, sizeof(deadly) / sizeof(deadly[0]));
    set_add(&set, harmless, sizeof(harmless) / sizeof(harmless[0]));
    (void)sigaddset(&set, SIGCHLD);
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd < 0) {
        return false;
    }

    /* With SIGCHLD ignored, as some parents leave it, the kernel would reap the child and its exit
     * code would be gone.  A closed standard error must not end us while a lock is held. */
    (void)sigaction(SIGCHLD, &fallback, &signals->chld_before);
    (void)sigaction(SIGPIPE, &ignore, &signals->pipe_before);
    /* Handing the terminal over from the background is allowed while SIGTTOU is blocked. */
    (void)sigaddset(&set, SIGTTOU);
    (void)sigprocmask(SIG_BLOCK, &set, &signals->mask_before);
    return true;
}

void redlock_signals_restore(const redlock_signals *signals) {
    (void)sigaction(SIGCHLD, &signals->chld_before, NULL);
    (void)sigaction(SIGPIPE, &signals->pipe_before, NULL);
    (void)sigprocmask(SIG_SETMASK, &signals->mask_before, NULL);
}

void redlock_signals_deinit(redlock_signals *signals) {
    /* What arrived too late for the command would end us by its default now, after the lock was
     * released; the exit code tells more. */
    while (redlock_signals_next(signals) != 0) {
    }
    redlock_signals_restore(signals);
    (void)close(signals->fd);
    signals->fd = -1;
}

int redlock_signals_next(const redlock_signals *signals) {
    struct signalfd_siginfo info;
    ssize_t got;

    do {
        got = read(signals->fd, &info, sizeof(info));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}
