/* order.h -- one command about data, while it runs, and what the commands of all types share. */
#ifndef REDLOCK_SIM_ORDER_H
#define REDLOCK_SIM_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/keyspace.h"
#include "sim/packed.h"
#include "sim/reply.h"

#define REDLOCK_SIM_NOT_A_NUMBER "ERR value is not an integer or out of range"
#define REDLOCK_SIM_SYNTAX "ERR syntax error"

typedef struct redlock_sim_order {
    redlock_sim_keyspace *space;
    const redlock_bytes *words;
    size_t count;
    redlock_sim_reply *reply;
    uint32_t db;
} redlock_sim_order;

redlock_sim_key redlock_sim_order_key(const redlock_sim_order *o, size_t index);
/* The value of the key at words[1], that must be of this type: false, with the error, when it is of
 * another.  A sorted set or a hash that is not there has an empty text. */
bool redlock_sim_order_value(const redlock_sim_order *o, redlock_sim_type type,
                             redlock_sim_value *ret_value);
/* The same, and its text as a copy to write into; the caller frees it. */
bool redlock_sim_order_copy(const redlock_sim_order *o, redlock_sim_type type,
                            redlock_sim_value *ret_value, redlock_sim_text *ret_packed);
/* The key at words[1] becomes `packed`, which is freed; without elements it is gone. */
void redlock_sim_order_store(const redlock_sim_order *o, redlock_sim_value value,
                             redlock_sim_text *take_packed);
/* ZREM and HDEL: the elements named from words[2] on. */
void redlock_sim_order_remove(const redlock_sim_order *o, redlock_sim_type type);
/* ZCARD and HLEN. */
void redlock_sim_order_count(const redlock_sim_order *o, redlock_sim_type type);

#endif
