/* hash.h -- the commands about hashes, after what 7.0 does.  The number of words was found right
 * before. */
#ifndef REDLOCK_SIM_HASH_H
#define REDLOCK_SIM_HASH_H

#include "sim/order.h"

void redlock_sim_hash_set(const redlock_sim_order *o);
void redlock_sim_hash_get(const redlock_sim_order *o);
void redlock_sim_hash_delete(const redlock_sim_order *o);
void redlock_sim_hash_count(const redlock_sim_order *o);

#endif
