/* exit.h -- the numbers that the command exits with, as one list.
 *
 * The list is the only place where a code is written down: the enum and the table that --help
 * prints are made from it.  The numbers up to 78 follow sysexits(3), 126 and up follow the shell.
 * Besides these, `redlock run` passes on whatever its command exits with. */
#ifndef REDLOCK_CLI_EXIT_H
#define REDLOCK_CLI_EXIT_H

/* X(NAME, number, "what it means") */
#define REDLOCK_EXIT_MAP(X)                                                                        \
    X(NO, 1, "'break': you answered no")                                                           \
    X(USAGE, 64, "an option, URL, name or ttl that cannot be understood")                          \
    X(UNAVAILABLE, 69, "too few servers answered, or they are not ready")                          \
    X(INTERNAL, 70, "redlock itself is at fault")                                                  \
    X(SYSTEM, 71, "this machine has no memory, process or descriptor left")                        \
    X(BUSY, 75, "somebody else holds the lock, or the wait ran out (-E changes it)")               \
    X(LOGIN, 77, "a server refused the user, the password or a permission")                        \
    X(UNFIT, 78, "the servers are unfit: replica, evicting, even number, twice the same ...")      \
    X(LOST, 79, "the lock was lost, or was about to be and the command was stopped")               \
    X(TIMEOUT, 124, "the command took longer than --max-hold and was stopped")                     \
    X(CANNOT_EXEC, 126, "the command was found but could not be started")                          \
    X(NOT_FOUND, 127, "the command was not found")                                                 \
    X(SIGNAL, 128, "plus N: signal N ended the command, or the wait for the lock")

#define REDLOCK_EXIT_ENUM(name, number, text) REDLOCK_EXIT_##name = number,
typedef enum redlock_exit { REDLOCK_EXIT_OK = 0, REDLOCK_EXIT_MAP(REDLOCK_EXIT_ENUM) } redlock_exit;
#undef REDLOCK_EXIT_ENUM

/* The code for an answer of the library; 0 for OK, INTERNAL for a number that is no status. */
int redlock_exit_of_status(int status);
/* Prints the list above to standard output, one code a line. */
void redlock_exit_print(void);

#endif
