/* acl.h -- the rights that a user on the servers needs, and not one more.
 *
 * The one list of them: `redlock doctor --acl` prints it, docs/protocol.md shows what that prints,
 * and tests/cli/acl_test.py takes each right away and sees what breaks. */
#ifndef REDLOCK_CLI_ACL_H
#define REDLOCK_CLI_ACL_H

#include <stdbool.h>

#include "cli/view.h"

/* Prints a line for each purpose.  `options` tell the patterns of the names (none: every name), the
 * prefix, and whether it is JSON.  Returns an exit code. */
int redlock_acl_print(const redlock_view_options *options);

#endif
