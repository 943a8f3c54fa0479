/* child.c -- the guarded command as a process: started, signalled, reaped. */
#include "cli/child.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "cli/exit.h"
#include "cli/launch.h"
#include "cli/nap.h"

typedef struct child_start {
    const redlock_start *given;
    bool has_terminal;
    pid_t parent;
    int error; /* why nothing was executed, else 0 */
} child_start;

/* In the child, which borrows our memory until it executes: see launch.h. */
static void child_execute(void *argument) {
    child_start *start = argument;
    const redlock_start *given = start->given;
    const redlock_command *command = given->command;

#ifdef __linux__
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != start->parent) {
        _exit(REDLOCK_EXIT_LOST); /* the parent died before the kernel knew of our wish */
    }
    (void)setpgid(0, 0);
    redlock_guard_watch(given->guard, getpid()); /* so that no instant is without it */
    if (start->has_terminal) {
        (void)tcsetpgrp(given->terminal->fd, getpid());
    }
    redlock_signals_restore(given->signals);
    (void)execve(command->path, command->argv, command->env);
    if (errno == ENOEXEC && command->shell_argv != NULL) {
        (void)execve("/bin/sh", command->shell_argv, command->env);
    }
    start->error = errno;
}

static int start_failed(redlock_child *child, const redlock_start *start, int error) {
    redlock_guard_watch(start->guard, 0);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    child->pid = -1;
    return error == ENOENT ? REDLOCK_EXIT_NOT_FOUND : REDLOCK_EXIT_CANNOT_EXEC;
}

/* Nobody keeps the lock while the file is being executed: if that takes longer than the lock lives (a file
 * system that hangs), the guard kills the child, which has not run a word of the command's, and the lock is
 * lost.  Not posix_spawn: it can neither take the terminal nor ask for a signal when the parent dies. */
int redlock_child_start(redlock_child *child, const redlock_start *given, int *ret_errno) {
    child_start start = {.given = given,
                         .has_terminal = redlock_terminal_is_wanted(given->terminal),
                         .parent = getpid()};

    *child = (redlock_child){.pid = -1, .client = given->client};
#ifdef __linux__
    /* Whatever the command starts comes to us when its parent ends: strays.h. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
    const pid_t pid = redlock_launch(child_execute, &start);
    if (pid < 0) {
        *ret_errno = errno;
        return REDLOCK_EXIT_SYSTEM;
    }

    child->pid = pid;
    given->terminal->is_lent = start.has_terminal;
    *ret_errno = start.error;
    return start.error == 0 ? 0 : start_failed(child, given, start.error);
}

static void child_note(redlock_child *child, const siginfo_t *info) {
    switch (info->si_code) {
    case CLD_EXITED:
        child->is_over = true;
        child->code = info->si_status;
        break;
    case CLD_KILLED:
    case CLD_DUMPED:
        child->is_over = true;
        child->code = REDLOCK_EXIT_SIGNAL + info->si_status;
        break;
    default:
        break;
    }
}

void redlock_child_look(redlock_child *child) {
    siginfo_t info = {.si_pid = 0};

    child->stopped_by = 0;
    if (child->is_over) {
        return;
    }
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid != 0) {
        child_note(child, &info);
        return;
    }

    info = (siginfo_t){.si_pid = 0};
    if (waitid(P_PID, (id_t)child->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0) {
        child->stopped_by = info.si_status;
    }
}

void redlock_child_signal(const redlock_child *child, int signal) {
    if (child->pid > 0) {
        (void)kill(-child->pid, signal); /* a group that is gone needs no signal */
    }
}

void redlock_child_await_stop(redlock_child *child, int timeout_ms) {
    for (int waited_ms = 0; waited_ms < timeout_ms; waited_ms++) {
        redlock_child_look(child);
        if (child->is_over || child->stopped_by != 0) {
            return;
        }
        redlock_nap(child->client, 1);
    }
}

void redlock_child_reap(redlock_child *child) {
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    child->pid = -1;
}

void redlock_child_reap_group(redlock_child *child) {
    enum { WAIT_MS_MAX = 100 };
    const pid_t group = child->pid;

    redlock_child_signal(child, SIGKILL);
    redlock_child_reap(child);
    /* Others of the group are ours to reap now, or init's; where it never does, they are zombies,
     * and dead. */
    for (int i = 0; i < WAIT_MS_MAX && kill(-group, 0) == 0; i++) {
        while (waitpid(-group, NULL, WNOHANG) > 0) {
        }
        redlock_nap(child->client, 1);
    }
}
