/* lock.c -- acquire, adopt, extend, release, and the questions that any thread may ask. */
#include <string.h>

#include "api/inside.h"
#include "drive/clock.h"

/* --- handles --------------------------------------------------------------------------------- */

static redlock_lock *lock_create(redlock_client *client, const char *name, size_t name_len) {
    redlock_lock *lock =
        redlock_pool_take(client->pool, sizeof *lock + name_len + 1 + REDLOCK_TOKEN_BYTES_MAX + 1);
    if (lock == NULL) {
        return NULL;
    }
    memset(lock, 0, sizeof *lock);
    lock->client = client;
    lock->name = (char *)(lock + 1);
    lock->name_len = name_len;
    memcpy(lock->name, name, name_len);
    lock->name[name_len] = '\0';
    lock->token = lock->name + name_len + 1;
    lock->token[0] = '\0';
    return lock;
}

void redlock_lock_free(redlock_lock *lock) {
    if (lock == NULL) {
        return;
    }
    if (lock->lost_wake_made) {
        redlock_wake_deinit(&lock->lost_wake);
    }
    redlock_pool_give(lock->client->pool, lock);
}

/* [locked] */
static void lock_end(redlock_lock *lock) {
    redlock_event_forget(lock->client, lock);
    redlock_lock_free(lock);
}

/* --- acquire and adopt ----------------------------------------------------------------------- */

static void label_of(const redlock_client *client, const redlock_acquire_options *options,
                     char out[REDLOCK_LABEL_BYTES_MAX + 1]) {
    if (options->label != NULL && options->label[0] != '\0') {
        redlock_options_label(options->label, out);
    } else {
        memcpy(out, client->label, sizeof client->label);
    }
}

static int read_request(redlock_client *client, const char *name, size_t name_len,
                        const redlock_acquire_options *options, redlock_acquire_options *ret_given,
                        redlock_seek *ret_seek, redlock_report *report) {
    if (client == NULL || redlock_engine_is_child(client->engine)) {
        return redlock_report_refuse(report, client == NULL ? REDLOCK_INVALID : REDLOCK_FORKED,
                                     NULL);
    }
    redlock_status status = redlock_options_read(ret_given, sizeof *ret_given, options);
    if (status == REDLOCK_OK) {
        status = redlock_options_name(name, name_len);
    }
    if (status == REDLOCK_OK) {
        status = redlock_options_seek(client, ret_given, ret_seek);
    }
    return status == REDLOCK_OK ? REDLOCK_OK : redlock_report_refuse(report, status, NULL);
}

/* [locked] Begins the slot, waits, and keeps or frees the handle. */
static int begin(redlock_client *client, redlock_lock *lock, redlock_fact *fact, redlock_op *op) {
    redlock_core *core = redlock_engine_core(client->engine);
    fact->slot = redlock_core_vacant(core);
    fact->as.ask.memory = redlock_pool_take(
        client->pool, redlock_core_slot_size(core, lock->name_len, fact->as.ask.token.len));
    if (fact->as.ask.memory == NULL) {
        return redlock_report_refuse(op->report, REDLOCK_NOMEM, NULL);
    }
    lock->slot = fact->slot;
    if (op->wait != NULL) {
        op->wait->slot = fact->slot;
        redlock_list_append(&client->waits, &op->wait->link);
    }
    redlock_status status = redlock_op_run(client, fact, lock, op);
    if (op->wait != NULL) {
        redlock_list_remove(&op->wait->link);
    }
    return status;
}

/* [locked] */
static int seek_or_adopt(redlock_client *client, const char *name, size_t name_len,
                         const redlock_acquire_options *given, redlock_fact *fact,
                         redlock_lock **ret_lock, redlock_op *op) {
    redlock_lock *lock = redlock_op_reserve(client) ? lock_create(client, name, name_len) : NULL;
    if (lock == NULL) {
        return redlock_report_refuse(op->report, REDLOCK_NOMEM, NULL);
    }
    lock->ttl_ms = (int64_t)redlock_ns_to_ms_down(fact->as.ask.seek.ttl);
    lock->margin_ms = given->margin_ms;
    lock->renew_ms = given->renew_ms;
    label_of(client, given, lock->label);
    fact->as.ask.name = (redlock_bytes){(const uint8_t *)lock->name, name_len};
    uint8_t random[REDLOCK_TOKEN_BYTES_MAX];
    if (fact->as.ask.token.len == 0) {
        size_t len = redlock_op_random_token(lock->label, random, sizeof random);
        fact->as.ask.token = (redlock_bytes){random, len};
    }
    int result = REDLOCK_IO;
    if (fact->as.ask.token.len == 0) {
        result = redlock_report_refuse(op->report, REDLOCK_IO, "the kernel gives no random bytes");
    } else if (op->wait != NULL && atomic_load(&op->wait->canceled) != 0) {
        result = redlock_report_refuse(op->report, REDLOCK_CANCELED, NULL);
    } else {
        result = begin(client, lock, fact, op);
    }
    fact->as.ask.token = (redlock_bytes){0}; /* it may lie in this frame */
    if (result == REDLOCK_OK) {
        *ret_lock = lock;
    } else {
        lock_end(lock);
    }
    return result;
}

int redlock_acquire(redlock_client *client, const char *name, size_t name_len,
                    const redlock_acquire_options *options, redlock_lock **ret_lock,
                    redlock_report *report) {
    redlock_acquire_options given = {.struct_size = 0};
    redlock_fact fact = {.kind = REDLOCK_FACT_ACQUIRE};
    redlock_report_start(report);
    int result = read_request(client, name, name_len, options, &given, &fact.as.ask.seek, report);
    if (result != REDLOCK_OK || ret_lock == NULL) {
        return result != REDLOCK_OK ? result : redlock_report_refuse(report, REDLOCK_INVALID, NULL);
    }
    fact.as.ask.token = (redlock_bytes){(const uint8_t *)given.token, given.token_len};
    fact.as.ask.wall_us = redlock_clock_wall_us();
    redlock_op op = {.report = report, .wait = given.wait};
    redlock_engine_lock(client->engine);
    client->counts.going++;
    result = seek_or_adopt(client, name, name_len, &given, &fact, ret_lock, &op);
    client->counts.going--;
    redlock_metrics_acquired(client, &op, result);
    redlock_engine_unlock(client->engine);
    return result;
}

int redlock_adopt(redlock_client *client, const char *name, size_t name_len, const char *token,
                  size_t token_len, uint64_t fence, const redlock_acquire_options *options,
                  redlock_lock **ret_lock, redlock_report *report) {
    redlock_acquire_options given = {.struct_size = 0};
    redlock_fact fact = {.kind = REDLOCK_FACT_ADOPT};
    redlock_report_start(report);
    int result = read_request(client, name, name_len, options, &given, &fact.as.ask.seek, report);
    if (result != REDLOCK_OK || ret_lock == NULL || fence > REDLOCK_FENCE_MAX) {
        return result != REDLOCK_OK ? result : redlock_report_refuse(report, REDLOCK_INVALID, NULL);
    }
    if (token == NULL || token_len < 1 || token_len > REDLOCK_TOKEN_BYTES_MAX) {
        return redlock_report_refuse(report, REDLOCK_BAD_TOKEN, NULL);
    }
    fact.as.ask.token = (redlock_bytes){(const uint8_t *)token, token_len};
    fact.as.ask.fence = fence;
    redlock_op op = {.report = report};
    redlock_engine_lock(client->engine);
    result = seek_or_adopt(client, name, name_len, &given, &fact, ret_lock, &op);
    redlock_count_answer(client->counts.adopts, result);
    redlock_engine_unlock(client->engine);
    return result;
}

/* --- extend and release ---------------------------------------------------------------------- */

static int extend(redlock_lock *lock, int64_t ttl_ms, bool once, redlock_report *report) {
    redlock_client *client = lock->client;
    redlock_report_start(report);
    if (redlock_engine_is_child(client->engine)) {
        return redlock_report_refuse(report, REDLOCK_FORKED, NULL);
    }
    redlock_engine_lock(client->engine);
    redlock_acquire_options options = {.ttl_ms = ttl_ms == 0 ? lock->ttl_ms : ttl_ms,
                                       .margin_ms = lock->margin_ms,
                                       .renew_ms = lock->renew_ms};
    redlock_seek seek;
    redlock_status status = redlock_options_seek(client, &options, &seek);
    if (status == REDLOCK_OK && lock->lost) {
        status = REDLOCK_LOST;
        redlock_count_answer(client->counts.extends, status);
    }
    if (status != REDLOCK_OK) {
        redlock_engine_unlock(client->engine);
        return redlock_report_refuse(report, status, NULL);
    }
    lock->ttl_ms = options.ttl_ms;
    redlock_fact fact = {.kind = REDLOCK_FACT_EXTEND, .slot = lock->slot};
    fact.as.extend.ttl = seek.ttl;
    fact.as.extend.margin = seek.margin;
    fact.as.extend.renew = seek.renew;
    fact.as.extend.once = once;
    redlock_op op = {.report = report};
    status = redlock_op_run(client, &fact, lock, &op);
    redlock_count_answer(client->counts.extends, status);
    redlock_engine_unlock(client->engine);
    return status;
}

int redlock_extend(redlock_lock *lock, int64_t ttl_ms, redlock_report *report) {
    return extend(lock, ttl_ms, false, report);
}

int redlock_try_extend(redlock_lock *lock, int64_t ttl_ms, redlock_report *report) {
    return extend(lock, ttl_ms, true, report);
}

int redlock_release(redlock_lock *lock, redlock_report *report) {
    redlock_client *client = lock->client;
    redlock_report_start(report);
    if (redlock_engine_is_child(client->engine)) {
        return redlock_report_refuse(report, REDLOCK_FORKED, NULL);
    }
    redlock_engine_lock(client->engine);
    atomic_store(&lock->held_until, 0);
    const redlock_fact fact = {.kind = REDLOCK_FACT_RELEASE, .slot = lock->slot};
    redlock_op op = {.report = report};
    redlock_status status = redlock_op_run(client, &fact, lock, &op);
    redlock_count_answer(client->counts.releases, status);
    lock_end(lock);
    redlock_engine_unlock(client->engine);
    return status;
}

/* --- asking ---------------------------------------------------------------------------------- */

static redlock_ns held_for(const redlock_lock *lock) {
    if (redlock_engine_is_child(lock->client->engine)) {
        return 0;
    }
    return redlock_ns_since(atomic_load(&lock->held_until), redlock_clock_now());
}

int redlock_lock_is_held(const redlock_lock *lock) {
    return held_for(lock) > 0;
}

int64_t redlock_lock_remaining_ms(const redlock_lock *lock) {
    return (int64_t)redlock_ns_to_ms_down(held_for(lock));
}

uint64_t redlock_lock_fence(const redlock_lock *lock) {
    return lock->fence;
}

const char *redlock_lock_token(const redlock_lock *lock, size_t *ret_len) {
    if (ret_len != NULL) {
        *ret_len = lock->token_len;
    }
    return lock->token;
}

const char *redlock_lock_name(const redlock_lock *lock, size_t *ret_len) {
    if (ret_len != NULL) {
        *ret_len = lock->name_len;
    }
    return lock->name;
}

int redlock_lock_lost_fd(redlock_lock *lock) {
    if (redlock_engine_is_child(lock->client->engine)) {
        return -1;
    }
    redlock_engine_lock(lock->client->engine);
    if (!lock->lost_wake_made && redlock_wake_init(&lock->lost_wake)) {
        lock->lost_wake_made = true;
        if (lock->lost) {
            redlock_wake_raise(&lock->lost_wake);
        }
    }
    int fd = lock->lost_wake_made ? lock->lost_wake.read_fd : -1;
    redlock_engine_unlock(lock->client->engine);
    return fd;
}
