/* hash.c -- HSET, HGET, HDEL and HLEN. */
#include "sim/hash.h"

void redlock_sim_hash_set(const redlock_sim_order *o) {
    redlock_sim_value value;
    redlock_sim_text packed;
    int64_t count = 0;

    if (o->count % 2 != 0) {
        redlock_sim_reply_error(o->reply, "ERR wrong number of arguments for 'hset' command");
        return;
    }
    if (!redlock_sim_order_copy(o, REDLOCK_SIM_HASH, &value, &packed)) {
        return;
    }
    for (size_t i = 2; i < o->count; i += 2) {
        redlock_sim_element element = {.name = o->words[i], .value = o->words[i + 1]};
        count += redlock_sim_packed_put(&packed, &element);
    }
    redlock_sim_order_store(o, value, &packed);
    redlock_sim_reply_integer(o->reply, count);
}

void redlock_sim_hash_get(const redlock_sim_order *o) {
    redlock_sim_value value;
    redlock_sim_element element;
    size_t rank;

    if (!redlock_sim_order_value(o, REDLOCK_SIM_HASH, &value)) {
        return;
    }
    if (redlock_sim_packed_find(value.text, o->words[2], &element, &rank)) {
        redlock_sim_reply_bulk(o->reply, element.value);
    } else {
        redlock_sim_reply_nil(o->reply);
    }
}

void redlock_sim_hash_delete(const redlock_sim_order *o) {
    redlock_sim_order_remove(o, REDLOCK_SIM_HASH);
}

void redlock_sim_hash_count(const redlock_sim_order *o) {
    redlock_sim_order_count(o, REDLOCK_SIM_HASH);
}
