/* terminal.h -- the terminal, lent to the guarded command.
 *
 * The command runs in a process group of its own, and only the foreground group may read the
 * terminal.  It is lent at the start when the command's input is the terminal and its output no
 * pipe (a pager behind it may need the keys more), and later when the command asks by trying to
 * read. */
#ifndef REDLOCK_CLI_TERMINAL_H
#define REDLOCK_CLI_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct redlock_terminal {
    int fd; /* -1: none */
    bool is_lent;
} redlock_terminal;

void redlock_terminal_init(redlock_terminal *terminal);
void redlock_terminal_deinit(redlock_terminal *terminal);
/* Whether our own group may use the terminal now. */
bool redlock_terminal_is_ours(const redlock_terminal *terminal);
/* Whether the command is to have it from its start. */
bool redlock_terminal_is_wanted(const redlock_terminal *terminal);
/* Lends it to a group; SIGTTOU has to be blocked.  False when it is not ours to lend. */
bool redlock_terminal_lend(redlock_terminal *terminal, pid_t group);
/* Takes it back, if it was lent. */
void redlock_terminal_take(redlock_terminal *terminal);

#endif
