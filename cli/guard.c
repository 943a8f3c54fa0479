/* guard.c -- a second, small process that stops the command when this one no longer can. */
#include "cli/guard.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/now.h"

/* --- in the guard: system calls only, since it may be forked from a process with threads --------- */

/* What it waits for: that the supervisor has died, and that it is time to look at the deadline. */
enum { SIGNAL_DEATH = SIGHUP, SIGNAL_LOOK = SIGALRM };

/* A nap is also what is slept at most without a timer, since other sleeps don't count suspend. */
enum { NAP_MS = 1000 };

/* The deadline came before there was a group. */
enum { GROUP_MS = 10 };

typedef struct guard_clock {
    timer_t timer;
    bool has_timer; /* the system grants a user only so many */
} guard_clock;

static void words_write(const char *text) {
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&output, 1, 0) == 1) {
        ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
        (void)ignored;
    }
}

static void clock_init(guard_clock *clock) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGNAL_LOOK};

    clock->has_timer = timer_create(CLOCK_BOOTTIME, &event, &clock->timer) == 0;
}

/* Until `at_ms`, or until something happens; 0: only that. */
static void clock_sleep(const guard_clock *clock, int64_t at_ms) {
    const struct itimerspec alarm = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000 * 1000000)}};
    const int64_t left_ms = at_ms == 0 ? NAP_MS : at_ms - redlock_now_ms();
    const int64_t nap_ms = left_ms < 0 ? 0 : left_ms < NAP_MS ? left_ms : NAP_MS;
    const struct timespec nap = {.tv_sec = (time_t)(nap_ms / 1000),
                                 .tv_nsec = (long)(nap_ms % 1000 * 1000000)};
    sigset_t news;

    (void)sigemptyset(&news);
    (void)sigaddset(&news, SIGNAL_DEATH);
    (void)sigaddset(&news, SIGNAL_LOOK);
    if (clock->has_timer) {
        (void)timer_settime(clock->timer, TIMER_ABSTIME, &alarm, NULL);
    }
    (void)sigtimedwait(&news, NULL, clock->has_timer ? NULL : &nap);
}

static void group_stop(const redlock_guard *guard, int signal) {
    const pid_t group = atomic_load(&guard->page->group);

    if (group > 0) {
        (void)kill(-group, signal);
    }
}

static void deadline_reached(const redlock_guard *guard) {
    if (guard->signal != SIGKILL && atomic_load(&guard->page->is_asked)) {
        return;
    }
    atomic_store(&guard->page->has_acted, true);
    group_stop(guard, guard->signal);
    if (!guard->is_quiet) {
        words_write("redlock: the lock was about to end while redlock did not answer: the "
                    "command is stopped by the guard\n");
    }
}

/* When to look again.  Renewals move the deadline only further away, so it is enough to look when the one
 * comes that was seen last; and where there is none at the start (0), none comes. */
static int64_t deadline_look(const redlock_guard *guard, int64_t *acted_ms) {
    const int64_t at_ms = atomic_load(&guard->page->at_ms);
    const int64_t now_ms = redlock_now_ms();

    if (at_ms == 0 || now_ms < at_ms) {
        return at_ms;
    }
    if (atomic_load(&guard->page->group) == 0) {
        return now_ms + GROUP_MS;
    }
    if (at_ms != *acted_ms) {
        deadline_reached(guard);
        *acted_ms = at_ms;
    }
    return now_ms + NAP_MS; /* the supervisor may be back, and renew, and freeze once more */
}

static void guard_main(const redlock_guard *guard, pid_t parent) {
    int64_t acted_ms = 0; /* on this deadline it has acted */
    guard_clock clock;

    clock_init(&clock);
    while (getppid() == parent) {
        clock_sleep(&clock, deadline_look(guard, &acted_ms));
    }
    group_stop(guard, SIGKILL);
}

/* Nothing is kept open that somebody may wait to see closed, but for our own words. */
static void fds_close(void) {
    (void)close(STDIN_FILENO);
    (void)close(STDOUT_FILENO);
#ifdef SYS_close_range
    (void)syscall(SYS_close_range, (unsigned)STDERR_FILENO + 1, ~0u, 0u);
#endif
}

static void guard_run(const redlock_guard *guard, pid_t parent) {
    /* On a busy machine the command waits for our processor, and has more to do. */
    (void)sched_yield();
    (void)prctl(PR_SET_PDEATHSIG, SIGNAL_DEATH); /* one that died before is noticed by getppid */
    (void)prctl(PR_SET_NAME, "redlock-guard");
    (void)setsid();
    fds_close();
    guard_main(guard, parent);
    _exit(0);
}

/* --- in the supervisor ----------------------------------------------------------------------- */

bool redlock_guard_init(redlock_guard *guard) {
    void *page =
        mmap(NULL, sizeof(*guard->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *guard = (redlock_guard){.pid = -1, .signal = SIGKILL};
    guard->page = page == MAP_FAILED ? NULL : page;
    return guard->page != NULL;
}

void redlock_guard_deinit(redlock_guard *guard) {
    redlock_guard_end(guard);
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
    const pid_t parent = getpid();
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    guard->pid = process_fork();
    if (guard->pid == 0) {
        guard_run(guard, parent);
    }
    int error = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
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

void redlock_guard_move(const redlock_guard *guard, const redlock_lock *lock) {
    /* In this order: were we frozen in between, the result would be too early, never too late. */
    const int64_t now_ms = redlock_now_ms();
    const int64_t left_ms = redlock_lock_remaining_ms(lock);
    const int64_t ahead_ms = left_ms > guard->ahead_ms ? guard->ahead_ms : left_ms - 1;

    if (left_ms <= 0) {
        return;
    }
    atomic_store(&guard->page->at_ms, now_ms + left_ms - ahead_ms);
}

void redlock_guard_rest(const redlock_guard *guard) {
    atomic_store(&guard->page->at_ms, 0);
}

void redlock_guard_end(redlock_guard *guard) {
    if (guard->pid > 0) {
        (void)kill(guard->pid, SIGKILL); /* it has nothing to finish */
        while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        guard->pid = -1;
    }
}
