/* guard.c -- a second, small process that stops the command when this one no longer can. */
#include "cli/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/now.h"

/* --- in the guard: only async-signal-safe calls, since it may be forked from a process with threads */

static void words_write(const char *text) {
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&output, 1, 0) == 1) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
        (void)ignored;
    }
}

static void group_stop(const redlock_guard *guard, int signal) {
    const pid_t group = atomic_load(&guard->page->group);

    if (group > 0) {
        (void)kill(-group, signal);
    }
}

static void deadline_reached(const redlock_guard *guard) {
    uint64_t count = 0;

    /* A renewal that came between poll and here has moved the timer: then there is nothing. */
    if (read(guard->timer_fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        return;
    }
    const bool is_needed = guard->signal == SIGKILL || !atomic_load(&guard->page->is_asked);
    if (atomic_load(&guard->page->group) != 0 && is_needed) {
        atomic_store(&guard->page->has_acted, true);
        group_stop(guard, guard->signal);
        if (!guard->is_quiet) {
            words_write("redlock: the lock was about to end while redlock did not answer: the "
                        "command is stopped by the guard\n");
        }
    }
}

static void guard_main(const redlock_guard *guard, int alive_fd) {
    struct pollfd fds[2] = {
        {.fd = alive_fd, .events = POLLIN},
        {.fd = guard->timer_fd, .events = POLLIN},
    };

    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            group_stop(guard, SIGKILL);
            return;
        }
        if (fds[1].revents != 0) {
            deadline_reached(guard);
        }
    }
}

/* Nothing is kept open that somebody may wait to see closed.  Our own two are moved to 0 and 1. */
static void fds_close(int *alive_fd, int *timer_fd) {
    int alive = fcntl(*alive_fd, F_DUPFD, 3);
    int timer = fcntl(*timer_fd, F_DUPFD, 3);

    if (alive >= 0 && timer >= 0 && dup2(alive, 0) == 0 && dup2(timer, 1) == 1) {
        *alive_fd = 0;
        *timer_fd = 1;
#ifdef SYS_close_range
        (void)syscall(SYS_close_range, 3u, ~0u, 0u);
#endif
    }
}

static void guard_run(redlock_guard *guard, int alive_fd) {
    (void)prctl(PR_SET_NAME, "redlock-guard");
    (void)setsid();
    fds_close(&alive_fd, &guard->timer_fd);
    guard_main(guard, alive_fd);
    _exit(0);
}

/* --- in the supervisor ----------------------------------------------------------------------- */

bool redlock_guard_init(redlock_guard *guard) {
    void *page =
        mmap(NULL, sizeof(*guard->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *guard = (redlock_guard){.pid = -1, .alive_fd = -1, .signal = SIGKILL};
    guard->page = page == MAP_FAILED ? NULL : page;
    guard->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return guard->page != NULL && guard->timer_fd >= 0;
}

void redlock_guard_deinit(redlock_guard *guard) {
    redlock_guard_end(guard);
    if (guard->timer_fd >= 0) {
        (void)close(guard->timer_fd);
        guard->timer_fd = -1;
    }
    if (guard->page != NULL) {
        (void)munmap(guard->page, sizeof(*guard->page));
        guard->page = NULL;
    }
}

/* The system's bare fork.  What libc does around it (handlers, locks, the list of threads) is for children
 * that go on as programs of their own.  The guard makes nothing but system calls, and where we share a
 * processor with it, each page that it has copied for nothing delays the command. */
static pid_t process_fork(void) {
#ifdef SYS_fork
    return (pid_t)syscall(SYS_fork);
#else
    return (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
#endif
}

static bool process_start(redlock_guard *guard) {
    int fds[2];
    sigset_t all;
    sigset_t before;

    if (pipe2(fds, O_CLOEXEC) != 0) {
        return false;
    }

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    guard->pid = process_fork();
    if (guard->pid == 0) {
        (void)close(fds[1]);
        guard_run(guard, fds[0]);
    }
    int error = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)close(fds[0]);
    guard->alive_fd = fds[1];
    errno = error;
    return guard->pid > 0;
}

bool redlock_guard_start(redlock_guard *guard) {
    atomic_store(&guard->page->group, 0);
    atomic_store(&guard->page->is_asked, false);
    atomic_store(&guard->page->has_acted, false);
    return process_start(guard);
}

void redlock_guard_renew(redlock_guard *guard) {
    redlock_guard_end(guard);
    (void)process_start(guard); /* without it all is as good as it was on systems that have none */
}

void redlock_guard_watch(redlock_guard *guard, pid_t group) {
    if (guard->page != NULL) {
        atomic_store(&guard->page->group, group);
    }
}

void redlock_guard_asked(redlock_guard *guard) {
    if (guard->page != NULL) {
        atomic_store(&guard->page->is_asked, true);
    }
}

bool redlock_guard_has_acted(const redlock_guard *guard) {
    return guard->page != NULL && atomic_load(&guard->page->has_acted);
}

bool redlock_guard_is_reaped(redlock_guard *guard, pid_t pid) {
    if (pid != guard->pid) {
        return false;
    }
    guard->pid = -1;
    return true;
}

static void timer_set(const redlock_guard *guard, int64_t at_ms) {
    const struct itimerspec timer = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000 * 1000000)}};

    (void)timerfd_settime(guard->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

void redlock_guard_move(const redlock_guard *guard, const redlock_lock *lock) {
    /* In this order: were we frozen in between, the result would be too early, never too late. */
    const int64_t now_ms = redlock_now_ms();
    const int64_t left_ms = redlock_lock_remaining_ms(lock);

    if (left_ms > 0) {
        timer_set(guard, now_ms + (left_ms > guard->ahead_ms ? left_ms - guard->ahead_ms : 1));
    }
}

void redlock_guard_rest(const redlock_guard *guard) {
    timer_set(guard, 0);
}

void redlock_guard_end(redlock_guard *guard) {
    if (guard->pid > 0) {
        (void)kill(guard->pid, SIGKILL); /* it has nothing to finish */
        while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        guard->pid = -1;
    }
    if (guard->alive_fd >= 0) {
        (void)close(guard->alive_fd);
        guard->alive_fd = -1;
    }
}
