/* child.c -- the guarded command as a process: started, signalled, reaped. */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "cli/exit.h"

/* In the child: only async-signal-safe calls from here to the end. */
static void child_execute(const redlock_command *command, const redlock_signals *signals,
                          const redlock_terminal *terminal, bool has_terminal, pid_t parent) {
#ifdef __linux__
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != parent) {
        _exit(REDLOCK_EXIT_LOST); /* the parent died before the kernel knew of our wish */
    }
    (void)setpgid(0, 0);
    if (has_terminal) {
        (void)tcsetpgrp(terminal->fd, getpid());
    }
    redlock_signals_restore(signals);
    (void)execve(command->path, command->argv, command->env);
    if (errno == ENOEXEC && command->shell_argv != NULL) {
        (void)execve("/bin/sh", command->shell_argv, command->env);
    }
}

static int pipe_read_errno(int fd) {
    int error = 0;
    ssize_t got;

    do {
        got = read(fd, &error, sizeof(error));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(error) ? error : 0;
}

static int start_check(redlock_child *child, int pipe_fd, int *ret_errno) {
    *ret_errno = pipe_read_errno(pipe_fd);
    if (*ret_errno == 0) {
        return 0; /* the pipe was closed by a successful exec */
    }

    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    child->pid = -1;
    return *ret_errno == ENOENT ? REDLOCK_EXIT_NOT_FOUND : REDLOCK_EXIT_CANNOT_EXEC;
}

int redlock_child_start(redlock_child *child, const redlock_command *command,
                        const redlock_signals *signals, redlock_terminal *terminal,
                        int *ret_errno) {
    const bool has_terminal = redlock_terminal_is_wanted(terminal);
    const pid_t parent = getpid();
    int fds[2];

    *child = (redlock_child){.pid = -1};
    if (pipe2(fds, O_CLOEXEC) != 0) {
        *ret_errno = errno;
        return REDLOCK_EXIT_SYSTEM;
    }

    child->pid = fork();
    if (child->pid == 0) {
        child_execute(command, signals, terminal, has_terminal, parent);
        const int error = errno;
        ssize_t ignored = write(fds[1], &error, sizeof(error)); /* the exit code tells it, too */
        (void)ignored;
        _exit(REDLOCK_EXIT_NOT_FOUND);
    }
    *ret_errno = errno;
    (void)close(fds[1]);
    if (child->pid < 0) {
        (void)close(fds[0]);
        return REDLOCK_EXIT_SYSTEM;
    }

    (void)setpgid(child->pid, child->pid); /* both do it, since either may come first */
    terminal->is_lent = has_terminal;
    int code = start_check(child, fds[0], ret_errno);
    (void)close(fds[0]);
    return code;
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
        (void)poll(NULL, 0, 1);
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
    /* Others of the group are reaped by init; where it never does, they are zombies, and dead. */
    for (int i = 0; i < WAIT_MS_MAX && kill(-group, 0) == 0; i++) {
        (void)poll(NULL, 0, 1);
    }
}
