/* scan.h -- the locks on one server. */
#ifndef REDLOCK_CLI_SCAN_H
#define REDLOCK_CLI_SCAN_H

#include <stdbool.h>

#include "cli/peers.h"
#include "cli/survey.h"

/* Fills result->found with what the server has, in any order.  False, and node->report, when the
 * server did not answer everything. */
bool redlock_scan(redlock_peer *node, const redlock_query *query, redlock_survey_node *result);

#endif
