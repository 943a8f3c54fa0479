/* viewhelp.h -- what --help prints about the subcommands that only look. */
#ifndef REDLOCK_CLI_VIEWHELP_H
#define REDLOCK_CLI_VIEWHELP_H

#include <stdbool.h>

/* False: it is about none of them. */
bool redlock_help_print_view(const char *topic);

#endif
