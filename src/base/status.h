/* status.h -- the public list of statuses, for the rooms below the API. */
#ifndef REDLOCK_BASE_STATUS_H
#define REDLOCK_BASE_STATUS_H

#include <redlock/status.h> /* the one public header that base may include: it is only a list */

#endif
