/* help.h -- what --help prints. */
#ifndef REDLOCK_CLI_HELP_H
#define REDLOCK_CLI_HELP_H

/* Prints the help for a subcommand, "" for the whole.  Returns the exit code. */
int redlock_help_print(const char *topic);

#endif
