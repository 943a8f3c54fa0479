/* terminal.c -- the terminal, lent to the guarded command. */
#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void redlock_terminal_init(redlock_terminal *terminal) {
    terminal->fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    terminal->is_lent = false;
}

void redlock_terminal_deinit(redlock_terminal *terminal) {
    redlock_terminal_take(terminal);
    if (terminal->fd >= 0) {
        (void)close(terminal->fd);
        terminal->fd = -1;
    }
}

bool redlock_terminal_is_ours(const redlock_terminal *terminal) {
    return terminal->fd >= 0 && tcgetpgrp(terminal->fd) == getpgrp();
}

bool redlock_terminal_is_wanted(const redlock_terminal *terminal) {
    struct stat output;

    return redlock_terminal_is_ours(terminal) && isatty(STDIN_FILENO) == 1 &&
           !(fstat(STDOUT_FILENO, &output) == 0 && S_ISFIFO(output.st_mode));
}

bool redlock_terminal_lend(redlock_terminal *terminal, pid_t group) {
    if (!redlock_terminal_is_ours(terminal) || tcsetpgrp(terminal->fd, group) != 0) {
        return false;
    }
    terminal->is_lent = true;
    return true;
}

void redlock_terminal_take(redlock_terminal *terminal) {
    if (terminal->is_lent) {
        (void)tcsetpgrp(terminal->fd, getpgrp());
        terminal->is_lent = false;
    }
}
