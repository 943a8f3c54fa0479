/* strays.c -- processes that the command started and left behind. */
#include "cli/strays.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/nap.h"

void redlock_strays_reap(pid_t command, redlock_guard *guard) {
    for (;;) {
        siginfo_t info = {.si_pid = 0};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
            info.si_pid == command) {
            return; /* with the command's end comes ours, and process 1 reaps the rest */
        }
        (void)waitpid(info.si_pid, NULL, 0);
        if (redlock_guard_is_reaped(guard, info.si_pid)) {
            redlock_guard_renew(guard);
        }
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

/* The children of the main thread, which is who forks and who inherits: fills `pids` and returns how
 * many there are at least; 0 where the kernel does not tell. */
static size_t children_list(pid_t *pids, size_t max) {
    char path[64];
    char text[4096];
    char *at = text;
    size_t count = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    (void)file_read(path, text, sizeof(text));
    while (count < max) {
        char *end = at;
        long pid = strtol(at, &end, 10);

        if (end == at || *end == '\0') {
            break; /* every number has a space behind it, unless the buffer has cut it */
        }
        pids[count++] = (pid_t)pid;
        at = end;
    }
    return count;
}

void redlock_strays_init(redlock_strays *strays) {
    strays->spared_count = children_list(strays->spared, REDLOCK_STRAYS_SPARED_MAX);
    strays->is_blind =
        strays->spared_count == 0 || strays->spared_count == REDLOCK_STRAYS_SPARED_MAX;
}

static bool is_spared(const redlock_strays *strays, pid_t pid) {
    for (size_t i = 0; i < strays->spared_count; i++) {
        if (strays->spared[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool children_kill(const redlock_strays *strays) {
    pid_t pids[2 * REDLOCK_STRAYS_SPARED_MAX];
    const size_t count = children_list(pids, sizeof(pids) / sizeof(pids[0]));
    bool is_any = false;

    for (size_t i = 0; i < count; i++) {
        if (!is_spared(strays, pids[i])) {
            (void)kill(pids[i], SIGKILL);
            (void)waitpid(pids[i], NULL, WNOHANG);
            is_any = true;
        }
    }
    return is_any;
}

void redlock_strays_kill(const redlock_strays *strays, redlock_client *client) {
    enum { ROUNDS_MAX = 100 };

    for (int i = 0; i < ROUNDS_MAX && !strays->is_blind && children_kill(strays); i++) {
        redlock_nap(client, 1);
    }
}
