/* data.c -- GET, SET, DEL, EXISTS, PTTL, PEXPIRE and their kind, after what 7.0 does.
 *
 * There are two clocks, as in 7.0: what decides about expiry stands still inside a script, what PTTL
 * and TIME tell and what SET PX counts from does not. */
#include "sim/data.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/hash.h"
#include "sim/order.h"
#include "sim/zset.h"

#define NOT_A_NUMBER REDLOCK_SIM_NOT_A_NUMBER
#define SYNTAX REDLOCK_SIM_SYNTAX
#define NO_KEY (-2)
#define NO_EXPIRY (-1)

typedef redlock_sim_order order;

static redlock_sim_key key_at(const order *o, size_t index) {
    return redlock_sim_order_key(o, index);
}

/* Each use is one look at the clock, in the places where real servers look at it. */
static int64_t now_ms(const order *o) {
    return (int64_t)(redlock_sim_keyspace_read_clock(o->space) / 1000);
}

bool redlock_sim_data_number(redlock_bytes text, int64_t *ret_number) {
    bool is_negative = text.len > 0 && text.at[0] == '-';
    size_t at = is_negative ? 1 : 0;
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0), number = 0;

    if (at == text.len || (text.at[at] == '0' && text.len > 1)) {
        return false;
    }
    for (; at < text.len; at++) {
        uint64_t digit = (uint64_t)text.at[at] - '0';
        if (text.at[at] < '0' || digit > 9 || number > (limit - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *ret_number = is_negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* --- reading --------------------------------------------------------------------------------- */

static void run_get(const order *o) {
    redlock_sim_value value;

    if (!redlock_sim_order_value(o, REDLOCK_SIM_STRING, &value)) {
        return;
    }
    if (value.text.at != NULL) { /* an empty string has a place too */
        redlock_sim_reply_bulk(o->reply, value.text);
    } else {
        redlock_sim_reply_nil(o->reply);
    }
}

/* What is no string is nil here. */
static void run_mget(const order *o) {
    redlock_sim_value value;

    redlock_sim_reply_array(o->reply);
    for (size_t i = 1; i < o->count; i++) {
        if (redlock_sim_keyspace_get(o->space, key_at(o, i), &value) &&
            value.type == REDLOCK_SIM_STRING) {
            redlock_sim_reply_add(o->reply, value.text);
        } else {
            redlock_sim_reply_add_nil(o->reply);
        }
    }
}

static const char *type_name(redlock_sim_type type) {
    switch (type) {
    case REDLOCK_SIM_STRING:
        return "string";
    case REDLOCK_SIM_ZSET:
        return "zset";
    case REDLOCK_SIM_HASH:
        return "hash";
    }
    return "none";
}

static void run_type(const order *o) {
    redlock_sim_value value;
    bool is_there = redlock_sim_keyspace_get(o->space, key_at(o, 1), &value);

    redlock_sim_reply_status(o->reply, is_there ? type_name(value.type) : "none");
}

static void run_exists(const order *o) {
    redlock_sim_value value;
    int64_t count = 0;

    for (size_t i = 1; i < o->count; i++) {
        count += redlock_sim_keyspace_get(o->space, key_at(o, i), &value);
    }
    redlock_sim_reply_integer(o->reply, count);
}

static void run_pttl(const order *o) {
    redlock_sim_value value;
    int64_t left_ms = NO_KEY;

    if (redlock_sim_keyspace_get(o->space, key_at(o, 1), &value)) {
        left_ms = NO_EXPIRY;
        if (value.expires_ms != REDLOCK_SIM_NO_EXPIRY) {
            left_ms = value.expires_ms - now_ms(o);
            left_ms = left_ms < 0 ? 0 : left_ms;
        }
    }
    redlock_sim_reply_integer(o->reply, left_ms);
}

static void run_pexpiretime(const order *o) {
    redlock_sim_value value;
    bool is_there = redlock_sim_keyspace_get(o->space, key_at(o, 1), &value);

    redlock_sim_reply_integer(o->reply, is_there ? value.expires_ms : NO_KEY);
}

static void reply_add_number(redlock_sim_reply *reply, uint64_t number) {
    uint8_t digits[REDLOCK_DIGITS_MAX];

    redlock_sim_reply_add(reply, redlock_bytes_from_u64(number, digits));
}

static void run_time(const order *o) {
    uint64_t now_us = redlock_sim_keyspace_read_clock(o->space);

    redlock_sim_reply_array(o->reply);
    reply_add_number(o->reply, now_us / 1000000);
    reply_add_number(o->reply, now_us % 1000000);
}

static void run_ping(const order *o) {
    if (o->count > 2) {
        redlock_sim_reply_error(o->reply, "ERR wrong number of arguments for 'ping' command");
    } else if (o->count == 2) {
        redlock_sim_reply_bulk(o->reply, o->words[1]);
    } else {
        redlock_sim_reply_status(o->reply, "PONG");
    }
}

/* --- SET ------------------------------------------------------------------------------------- */

typedef struct set_options {
    bool is_nx, is_xx, keeps_ttl;
    bool has_expiry, is_instant; /* an instant, not a length */
    int64_t unit_ms;
    redlock_bytes expiry;
} set_options;

static bool set_option_takes_time(redlock_bytes word, set_options *options) {
    bool is_px = redlock_sim_word_is(word, "PX"), is_pxat = redlock_sim_word_is(word, "PXAT");
    bool is_ex = redlock_sim_word_is(word, "EX"), is_exat = redlock_sim_word_is(word, "EXAT");

    if (!is_px && !is_pxat && !is_ex && !is_exat) {
        return false;
    }
    options->unit_ms = is_px || is_pxat ? 1 : 1000;
    options->is_instant = is_pxat || is_exat;
    return true;
}

static bool set_options_read(const order *o, set_options *options) {
    for (size_t i = 3; i < o->count; i++) {
        redlock_bytes word = o->words[i];
        bool has_ttl = options->has_expiry || options->keeps_ttl;

        if (redlock_sim_word_is(word, "NX") && !options->is_xx) {
            options->is_nx = true;
        } else if (redlock_sim_word_is(word, "XX") && !options->is_nx) {
            options->is_xx = true;
        } else if (redlock_sim_word_is(word, "KEEPTTL") && !options->has_expiry) {
            options->keeps_ttl = true;
        } else if (!has_ttl && i + 1 < o->count && set_option_takes_time(word, options)) {
            options->has_expiry = true;
            options->expiry = o->words[++i];
        } else if (redlock_sim_word_is(word, "GET")) {
            redlock_sim_give_up("SET ... GET is not known to the model");
        } else {
            redlock_sim_reply_error(o->reply, SYNTAX);
            return false;
        }
    }
    return true;
}

/* False, with the error, when the time is none that a key can have. */
static bool set_expiry(const order *o, const set_options *options, int64_t *ret_expires_ms) {
    int64_t number;

    if (!redlock_sim_data_number(options->expiry, &number)) {
        redlock_sim_reply_error(o->reply, NOT_A_NUMBER);
        return false;
    }
    bool is_sane = number > 0 && number <= INT64_MAX / options->unit_ms;
    int64_t base_ms = options->is_instant ? 0 : now_ms(o);
    if (!is_sane || number * options->unit_ms > INT64_MAX - base_ms) {
        redlock_sim_reply_error(o->reply, "ERR invalid expire time in 'set' command");
        return false;
    }
    *ret_expires_ms = number * options->unit_ms + base_ms;
    return true;
}

static void run_set(const order *o) {
    set_options options = {.unit_ms = 1};
    int64_t expires_ms = REDLOCK_SIM_NO_EXPIRY;
    redlock_sim_value old;

    if (!set_options_read(o, &options) ||
        (options.has_expiry && !set_expiry(o, &options, &expires_ms))) {
        return;
    }
    bool was_there = redlock_sim_keyspace_get(o->space, key_at(o, 1), &old);
    if ((options.is_nx && was_there) || (options.is_xx && !was_there)) {
        redlock_sim_reply_nil(o->reply);
        return;
    }
    if (options.keeps_ttl && was_there) {
        expires_ms = old.expires_ms;
    }
    redlock_sim_value value = {.text = o->words[2], .expires_ms = expires_ms};
    redlock_sim_keyspace_put(o->space, key_at(o, 1), value);
    redlock_sim_reply_status(o->reply, "OK");
}

/* --- PEXPIRE --------------------------------------------------------------------------------- */

typedef struct expire_options {
    bool is_nx, is_xx, is_gt, is_lt;
} expire_options;

static bool expire_options_read(const order *o, expire_options *options) {
    for (size_t i = 3; i < o->count; i++) {
        redlock_bytes word = o->words[i];

        options->is_nx = options->is_nx || redlock_sim_word_is(word, "NX");
        options->is_xx = options->is_xx || redlock_sim_word_is(word, "XX");
        options->is_gt = options->is_gt || redlock_sim_word_is(word, "GT");
        options->is_lt = options->is_lt || redlock_sim_word_is(word, "LT");
        if (!redlock_sim_word_is(word, "NX") && !redlock_sim_word_is(word, "XX") &&
            !redlock_sim_word_is(word, "GT") && !redlock_sim_word_is(word, "LT")) {
            char shown[128];
            redlock_bytes_to_text(word, shown, sizeof shown);
            redlock_sim_reply_error_about(o->reply, "ERR Unsupported option ", shown, "");
            return false;
        }
    }
    if (options->is_nx && (options->is_xx || options->is_gt || options->is_lt)) {
        redlock_sim_reply_error(
            o->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (options->is_gt && options->is_lt) {
        redlock_sim_reply_error(o->reply,
                                "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A key without an expiry counts as one that lives for ever. */
static bool expire_is_wanted(const expire_options *options, int64_t old_ms, int64_t new_ms) {
    bool has_expiry = old_ms != REDLOCK_SIM_NO_EXPIRY;

    return !(options->is_nx && has_expiry) && !(options->is_xx && !has_expiry) &&
           !(options->is_gt && (!has_expiry || new_ms <= old_ms)) &&
           !(options->is_lt && has_expiry && new_ms >= old_ms);
}

static void run_pexpire(const order *o) {
    expire_options options = {.is_nx = false};
    redlock_sim_value value;
    int64_t ttl_ms;

    if (!expire_options_read(o, &options)) {
        return;
    }
    if (!redlock_sim_data_number(o->words[2], &ttl_ms)) {
        redlock_sim_reply_error(o->reply, NOT_A_NUMBER);
        return;
    }
    int64_t base_ms = now_ms(o);
    if (ttl_ms > INT64_MAX - base_ms) {
        redlock_sim_reply_error(o->reply, "ERR invalid expire time in 'pexpire' command");
        return;
    }
    int64_t expires_ms = ttl_ms + base_ms;
    bool is_done = redlock_sim_keyspace_get(o->space, key_at(o, 1), &value) &&
                   expire_is_wanted(&options, value.expires_ms, expires_ms);
    /* They look again: where 1 ms is left, it may end between the two looks, and the key goes
     * before it has lived through that millisecond. */
    if (is_done && expires_ms <= now_ms(o)) {
        (void)redlock_sim_keyspace_remove(o->space, key_at(o, 1));
    } else if (is_done) {
        value.expires_ms = expires_ms;
        redlock_sim_keyspace_put(o->space, key_at(o, 1), value);
    }
    redlock_sim_reply_integer(o->reply, is_done);
}

/* --- the others ------------------------------------------------------------------------------ */

static void run_del(const order *o) {
    int64_t count = 0;

    for (size_t i = 1; i < o->count; i++) {
        count += redlock_sim_keyspace_remove(o->space, key_at(o, i));
    }
    redlock_sim_reply_integer(o->reply, count);
}

static void equal_remove(const order *o, redlock_bytes wanted) {
    redlock_sim_value value;
    bool is_equal = false;

    if (!redlock_sim_order_value(o, REDLOCK_SIM_STRING, &value)) {
        return;
    }
    if (value.text.at != NULL && redlock_bytes_equal(value.text, wanted)) {
        is_equal = redlock_sim_keyspace_remove(o->space, key_at(o, 1));
    }
    redlock_sim_reply_integer(o->reply, is_equal);
}

static void run_delifeq(const order *o) {
    equal_remove(o, o->words[2]);
}

/* In its only form that anybody here uses. */
static void run_delex(const order *o) {
    if (o->count != 4 || !redlock_sim_word_is(o->words[2], "IFEQ")) {
        redlock_sim_give_up("DELEX is known with IFEQ only");
    }
    equal_remove(o, o->words[3]);
    if (o->reply->kind == REDLOCK_RESP_ERROR) {
        redlock_sim_reply_error(o->reply,
                                "ERR Key should be of string type if conditions are specified");
    }
}

static void run_flushall(const order *o) {
    bool is_known = o->count == 1 || (o->count == 2 && (redlock_sim_word_is(o->words[1], "SYNC") ||
                                                        redlock_sim_word_is(o->words[1], "ASYNC")));

    if (!is_known) {
        redlock_sim_reply_error(o->reply, SYNTAX);
        return;
    }
    redlock_sim_keyspace_clear(o->space);
    redlock_sim_reply_status(o->reply, "OK");
}

static void run_dbsize(const order *o) {
    redlock_sim_reply_integer(o->reply, (int64_t)redlock_sim_keyspace_count(o->space, o->db));
}

typedef void runner(const order *o);

static runner *runner_of(redlock_sim_verb_kind kind) {
    static runner *const runners[] = {
        [REDLOCK_SIM_VERB_GET] = run_get,
        [REDLOCK_SIM_VERB_MGET] = run_mget,
        [REDLOCK_SIM_VERB_SET] = run_set,
        [REDLOCK_SIM_VERB_DEL] = run_del,
        [REDLOCK_SIM_VERB_EXISTS] = run_exists,
        [REDLOCK_SIM_VERB_TYPE] = run_type,
        [REDLOCK_SIM_VERB_PTTL] = run_pttl,
        [REDLOCK_SIM_VERB_PEXPIRE] = run_pexpire,
        [REDLOCK_SIM_VERB_PEXPIRETIME] = run_pexpiretime,
        [REDLOCK_SIM_VERB_ZADD] = redlock_sim_zset_add,
        [REDLOCK_SIM_VERB_ZREM] = redlock_sim_zset_remove,
        [REDLOCK_SIM_VERB_ZRANGE] = redlock_sim_zset_range,
        [REDLOCK_SIM_VERB_ZREVRANGE] = redlock_sim_zset_range_back,
        [REDLOCK_SIM_VERB_ZPOPMIN] = redlock_sim_zset_pop_min,
        [REDLOCK_SIM_VERB_ZRANK] = redlock_sim_zset_rank,
        [REDLOCK_SIM_VERB_ZSCORE] = redlock_sim_zset_score,
        [REDLOCK_SIM_VERB_ZCARD] = redlock_sim_zset_count,
        [REDLOCK_SIM_VERB_HSET] = redlock_sim_hash_set,
        [REDLOCK_SIM_VERB_HGET] = redlock_sim_hash_get,
        [REDLOCK_SIM_VERB_HDEL] = redlock_sim_hash_delete,
        [REDLOCK_SIM_VERB_HLEN] = redlock_sim_hash_count,
        [REDLOCK_SIM_VERB_TIME] = run_time,
        [REDLOCK_SIM_VERB_PING] = run_ping,
        [REDLOCK_SIM_VERB_DBSIZE] = run_dbsize,
        [REDLOCK_SIM_VERB_FLUSHALL] = run_flushall,
        [REDLOCK_SIM_VERB_DELIFEQ] = run_delifeq,
        [REDLOCK_SIM_VERB_DELEX] = run_delex,
    };

    return (size_t)kind < sizeof runners / sizeof runners[0] ? runners[kind] : NULL;
}

bool redlock_sim_data_run(redlock_sim_keyspace *space, uint32_t db, redlock_sim_verb_kind kind,
                          const redlock_bytes *words, size_t count, redlock_sim_reply *reply) {
    order o = {.space = space, .words = words, .count = count, .reply = reply, .db = db};
    runner *run = runner_of(kind);

    if (run != NULL) {
        run(&o);
    }
    return run != NULL;
}
