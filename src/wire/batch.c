#include "wire/batch.h"

#include <string.h>

#include "base/assert.h"
#include "script/script.h"
#include "wire/key.h"

#define SHARED_COUNT 5u /* arguments */
#define OWN_COUNT 2u    /* arguments of each name */

/* As renew.lua has it: a plain renewal asks for no mark, an adopter without a fence does. */
static uint64_t heal_of(const redlock_command *renewal) {
    bool asks = renewal->fenced && renewal->fence == 0;

    return renewal->heal ? 1 : asks ? 2 : 0;
}

void redlock_batch_write_shared(redlock_resp_writer *writer, const redlock_command *renewal) {
    redlock_resp_write_u64(writer, renewal->ttl_ms);
    redlock_resp_write_u64(writer, renewal->not_after_ms);
    redlock_resp_write_bulk(writer, renewal->run_id);
    redlock_resp_write_u64(writer, renewal->guard_ms);
    redlock_resp_write_u64(writer, heal_of(renewal));
}

void redlock_batch_write_own(redlock_resp_writer *writer, const redlock_command *renewal) {
    redlock_resp_write_bulk(writer, renewal->token);
    redlock_resp_write_u64(writer, renewal->fenced ? renewal->fence : 0);
}

void redlock_batch_clear(redlock_batch *batch) {
    batch->count = 0;
    batch->key_count = 0;
    batch->keys_len = 0;
    batch->own_len = 0;
}

/* Marks are keys of a batch when there is a fence or a guard (whose key stands behind them). */
static uint32_t keys_of_each(const redlock_command *renewal) {
    return renewal->fenced || renewal->run_id.len > 0 ? 2 : 1;
}

static void batch_open(redlock_batch *batch, const redlock_command *renewal, redlock_bytes prefix) {
    redlock_resp_writer boot = {.at = batch->boot, .size = sizeof batch->boot, .len = 0};
    redlock_resp_writer shared = {.at = batch->shared, .size = sizeof batch->shared, .len = 0};
    redlock_batch_shared *common = &batch->common;

    redlock_batch_clear(batch);
    redlock_batch_write_shared(&shared, renewal);
    REDLOCK_ASSERT(shared.len <= shared.size);
    batch->shared_len = shared.len;
    common->teach = renewal->teach;
    common->keys_of_each = keys_of_each(renewal);
    common->ttl_ms = renewal->ttl_ms;
    common->not_after_ms = renewal->not_after_ms;
    common->guard_ms = renewal->guard_ms;
    common->heal = heal_of(renewal);
    common->run_id_len = renewal->run_id.len;
    if (renewal->run_id.len > 0) {
        REDLOCK_ASSERT(renewal->run_id.len <= sizeof common->run_id);
        memcpy(common->run_id, renewal->run_id.at, renewal->run_id.len);
        redlock_key_write(&boot, renewal->name, prefix, REDLOCK_KEY_BOOT);
        REDLOCK_ASSERT(boot.len <= boot.size);
    }
    batch->boot_len = boot.len;
}

static bool batch_suits(const redlock_batch *batch, const redlock_command *renewal) {
    const redlock_batch_shared *common = &batch->common;
    redlock_bytes run_id = {.at = common->run_id, .len = common->run_id_len};

    return batch->count < REDLOCK_BATCH_NAMES_MAX && common->teach == renewal->teach &&
           common->keys_of_each == keys_of_each(renewal) && common->ttl_ms == renewal->ttl_ms &&
           common->not_after_ms == renewal->not_after_ms && common->guard_ms == renewal->guard_ms &&
           common->heal == heal_of(renewal) && redlock_bytes_equal(run_id, renewal->run_id);
}

bool redlock_batch_add(redlock_batch *batch, const redlock_command *renewal, redlock_bytes prefix) {
    REDLOCK_ASSERT(renewal->kind == REDLOCK_COMMAND_RENEW);
    if (batch->count == 0) {
        batch_open(batch, renewal, prefix);
    } else if (!batch_suits(batch, renewal)) {
        return false;
    }

    redlock_resp_writer keys = {
        .at = batch->keys, .size = sizeof batch->keys, .len = batch->keys_len};
    redlock_resp_writer own = {.at = batch->own, .size = sizeof batch->own, .len = batch->own_len};
    uint32_t key_count = batch->common.keys_of_each;

    redlock_key_write(&keys, renewal->name, prefix, REDLOCK_KEY_LOCK);
    if (key_count == 2) {
        redlock_key_write(&keys, renewal->name, prefix, REDLOCK_KEY_MARK);
    }
    redlock_batch_write_own(&own, renewal);
    if (keys.len > keys.size || own.len > own.size) {
        return false;
    }
    batch->count++;
    batch->key_count += key_count;
    batch->keys_len = keys.len;
    batch->own_len = own.len;
    return true;
}

size_t redlock_batch_encode(const redlock_batch *batch, uint8_t *out, size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};
    const redlock_script *script = redlock_script_of(REDLOCK_COMMAND_RENEW);
    redlock_bytes text = {.at = (const uint8_t *)script->text, .len = script->text_len};
    uint32_t key_count = batch->key_count + (batch->boot_len > 0 ? 1 : 0);

    REDLOCK_ASSERT(batch->count > 0);
    redlock_resp_write_header(&writer, 3 + key_count + SHARED_COUNT + OWN_COUNT * batch->count);
    redlock_resp_write_bulk(&writer, redlock_bytes_of(batch->common.teach ? "EVAL" : "EVALSHA"));
    redlock_resp_write_bulk(&writer, batch->common.teach ? text : redlock_bytes_of(script->sha1));
    redlock_resp_write_u64(&writer, key_count);
    redlock_resp_write_raw(&writer, (redlock_bytes){batch->keys, batch->keys_len});
    redlock_resp_write_raw(&writer, (redlock_bytes){batch->boot, batch->boot_len});
    redlock_resp_write_raw(&writer, (redlock_bytes){batch->shared, batch->shared_len});
    redlock_resp_write_raw(&writer, (redlock_bytes){batch->own, batch->own_len});
    return writer.len;
}
