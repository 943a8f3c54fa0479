/* order.c -- sorted sets and hashes are copied, changed and put back, so that the journal of the
 * keyspace sees one write. */
#include "sim/order.h"

#define WRONG_TYPE "WRONGTYPE Operation against a key holding the wrong kind of value"

redlock_sim_key redlock_sim_order_key(const redlock_sim_order *o, size_t index) {
    return (redlock_sim_key){.db = o->db, .text = o->words[index]};
}

bool redlock_sim_order_value(const redlock_sim_order *o, redlock_sim_type type,
                             redlock_sim_value *ret_value) {
    if (!redlock_sim_keyspace_get(o->space, redlock_sim_order_key(o, 1), ret_value)) {
        *ret_value = (redlock_sim_value){.type = type, .expires_ms = REDLOCK_SIM_NO_EXPIRY};
        return true;
    }
    if (ret_value->type != type) {
        redlock_sim_reply_error(o->reply, WRONG_TYPE);
        return false;
    }
    return true;
}

bool redlock_sim_order_copy(const redlock_sim_order *o, redlock_sim_type type,
                            redlock_sim_value *ret_value, redlock_sim_text *ret_packed) {
    *ret_packed = (redlock_sim_text){.at = NULL};
    if (!redlock_sim_order_value(o, type, ret_value)) {
        return false;
    }
    redlock_sim_text_add(ret_packed, ret_value->text);
    return true;
}

void redlock_sim_order_store(const redlock_sim_order *o, redlock_sim_value value,
                             redlock_sim_text *take_packed) {
    redlock_sim_key key = redlock_sim_order_key(o, 1);

    value.text = (redlock_bytes){.at = take_packed->at, .len = take_packed->len};
    if (value.text.len > 0) {
        redlock_sim_keyspace_put(o->space, key, value);
    } else {
        (void)redlock_sim_keyspace_remove(o->space, key);
    }
    redlock_sim_text_deinit(take_packed);
}

void redlock_sim_order_remove(const redlock_sim_order *o, redlock_sim_type type) {
    redlock_sim_value value;
    redlock_sim_text packed;
    int64_t count = 0;

    if (!redlock_sim_order_copy(o, type, &value, &packed)) {
        return;
    }
    for (size_t i = 2; i < o->count; i++) {
        count += redlock_sim_packed_remove(&packed, o->words[i]);
    }
    redlock_sim_reply_integer(o->reply, count);
    if (count > 0) {
        redlock_sim_order_store(o, value, &packed);
    } else {
        redlock_sim_text_deinit(&packed);
    }
}

void redlock_sim_order_count(const redlock_sim_order *o, redlock_sim_type type) {
    redlock_sim_value value;

    if (redlock_sim_order_value(o, type, &value)) {
        redlock_sim_reply_integer(o->reply, (int64_t)redlock_sim_packed_count(value.text));
    }
}
