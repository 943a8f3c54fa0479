/* strays.c -- processes that the command started and left behind. */
#include "cli/strays.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

void redlock_strays_reap(pid_t command, redlock_guard *guard) {
    for (;;) {
        siginfo_t info = {.si_pid = 0};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
            info.si_pid == command) {
            return; /* with the command's end comes ours, and process 1 reaps the rest */
        }
        (void)waitpid(info.si_pid, NULL, 0);
        (void)redlock_guard_is_reaped(guard, info.si_pid);
    }
}

/* All of a small file of the kernel's. */
static size_t file_read(const char *path, char *text, size_t size) {
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && used < size - 1) {
        ssize_t got = read(fd, text + used, size - 1 - used);

        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    text[used] = '\0';
    return used;
}

/* Children of the main thread, which is who forks and who inherits. */
static bool children_kill(pid_t command, const redlock_guard *guard) {
    char path[64];
    char text[4096];
    char *at = text;
    bool is_any = false;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    (void)file_read(path, text, sizeof(text));
    for (;;) {
        char *end = at;
        long pid = strtol(at, &end, 10);

        if (end == at || *end == '\0') {
            return is_any; /* a number that the buffer may have cut is left for the next round */
        }
        if (pid > 0 && pid != (long)command && pid != (long)guard->pid) {
            (void)kill((pid_t)pid, SIGKILL);
            (void)waitpid((pid_t)pid, NULL, WNOHANG);
            is_any = true;
        }
        at = end;
    }
}

void redlock_strays_kill(pid_t command, const redlock_guard *guard) {
    enum { ROUNDS_MAX = 100 };

    for (int i = 0; i < ROUNDS_MAX && children_kill(command, guard); i++) {
        (void)poll(NULL, 0, 1);
    }
}
