/* zset.h -- the commands about sorted sets, after what 7.0 does.  The number of words was found
 * right before. */
#ifndef REDLOCK_SIM_ZSET_H
#define REDLOCK_SIM_ZSET_H

#include "sim/order.h"

/* ZADD without options; any of them ends the program. */
void redlock_sim_zset_add(const redlock_sim_order *o);
void redlock_sim_zset_remove(const redlock_sim_order *o);
/* By rank, with WITHSCORES or without; what else ZRANGE can do ends the program. */
void redlock_sim_zset_range(const redlock_sim_order *o);
void redlock_sim_zset_range_back(const redlock_sim_order *o);
/* Without a count. */
void redlock_sim_zset_pop_min(const redlock_sim_order *o);
void redlock_sim_zset_rank(const redlock_sim_order *o);
void redlock_sim_zset_score(const redlock_sim_order *o);
void redlock_sim_zset_count(const redlock_sim_order *o);

#endif
