/* help_use.h -- what --help prints for the subcommands that take, keep and end locks. */
#ifndef REDLOCK_CLI_HELP_USE_H
#define REDLOCK_CLI_HELP_USE_H

/* The text for a subcommand, NULL when it is none of them. */
const char *redlock_help_use_text(const char *topic);

#endif
