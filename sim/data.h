/* data.h -- the commands that read and write keys, as a client or a script gives them. */
#ifndef REDLOCK_SIM_DATA_H
#define REDLOCK_SIM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/keyspace.h"
#include "sim/reply.h"
#include "sim/verb.h"

/* Runs a command of this kind in database `db`; false when it is none about data.  The number of
 * words was found right before. */
bool redlock_sim_data_run(redlock_sim_keyspace *space, uint32_t db, redlock_sim_verb_kind kind,
                          const redlock_bytes *words, size_t count, redlock_sim_reply *reply);
/* A number as servers read them: no sign but '-', no zeroes in front, no spaces. */
bool redlock_sim_data_number(redlock_bytes text, int64_t *ret_number);

#endif
