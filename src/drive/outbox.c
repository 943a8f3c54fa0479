#include "drive/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "wire/step.h"

#define PENDING_BYTES_MIN 4096u

void redlock_outbox_deinit(redlock_outbox *outbox) {
    free(outbox->batch);
    free(outbox->owed.at);
}

void redlock_outbox_clear(redlock_outbox *outbox) {
    outbox->owed.first = 0;
    outbox->owed.count = 0;
    redlock_native_end(&outbox->native);
    outbox->followed.is_set = false;
    if (outbox->batch != NULL) {
        redlock_batch_clear(outbox->batch);
    }
}

bool redlock_outbox_is_open(const redlock_outbox *outbox) {
    return outbox->batch != NULL && outbox->batch->count > 0;
}

bool redlock_outbox_close(redlock_outbox *outbox, redlock_buffer *pending) {
    outbox->followed.is_set = false;
    if (!redlock_outbox_is_open(outbox)) {
        return true;
    }
    size_t need = redlock_batch_encode(outbox->batch, NULL, 0);
    if (!redlock_buffer_reserve(pending, need, PENDING_BYTES_MIN)) {
        return false;
    }
    size_t again = redlock_batch_encode(outbox->batch, pending->at + pending->len, need);
    REDLOCK_ASSERT(again == need);
    pending->len += need;
    redlock_owed_join(&outbox->owed, outbox->batch->count);
    redlock_batch_clear(outbox->batch);
    return true;
}

static bool batch_add(redlock_outbox *outbox, const redlock_command *command) {
    if (outbox->batch == NULL) {
        outbox->batch = malloc(sizeof *outbox->batch);
        if (outbox->batch == NULL) {
            return false;
        }
        redlock_batch_clear(outbox->batch);
    }
    return redlock_batch_add(outbox->batch, command, outbox->prefix);
}

/* True when the command waits in the batch, which is closed when it does not suit. */
static bool batch_take(redlock_outbox *outbox, redlock_buffer *pending,
                       const redlock_command *command, bool *ret_has_memory) {
    bool is_renewal = command->kind == REDLOCK_COMMAND_RENEW;
    *ret_has_memory = true;
    if (is_renewal && redlock_outbox_is_open(outbox) && batch_add(outbox, command)) {
        return true;
    }
    *ret_has_memory = redlock_outbox_close(outbox, pending);
    return *ret_has_memory && is_renewal && batch_add(outbox, command);
}

static size_t command_encode(const redlock_outbox *outbox, const redlock_command *command,
                             uint8_t *out, size_t size) {
    return redlock_native_suits(&outbox->native, command)
               ? redlock_native_encode(outbox->native.word, command, outbox->prefix, out, size)
               : redlock_step_encode(command, outbox->prefix, out, size);
}

static bool command_append(redlock_outbox *outbox, redlock_buffer *pending,
                           const redlock_command *command) {
    size_t room = pending->size - pending->len;
    uint8_t *end = room > 0 ? pending->at + pending->len : NULL;
    size_t need = command_encode(outbox, command, end, room);
    REDLOCK_ASSERT(need <= REDLOCK_STEP_BYTES_MAX);
    if (need > room) {
        if (!redlock_buffer_reserve(pending, need, PENDING_BYTES_MIN)) {
            return false;
        }
        size_t again = command_encode(outbox, command, pending->at + pending->len, need);
        REDLOCK_ASSERT(again == need);
    }
    pending->len += need;
    return true;
}

/* --- a release and the claim behind it -------------------------------------------------------- */

static redlock_bytes keep_bytes(uint8_t *room, redlock_bytes bytes) {
    memcpy(room, bytes.at, bytes.len); /* neither a name nor a token is empty */
    return (redlock_bytes){.at = room, .len = bytes.len};
}

static void follow(redlock_followed *followed, const redlock_command *release, size_t at) {
    followed->is_set = redlock_claim_is_awaited(release);
    if (followed->is_set) {
        followed->at = at;
        followed->release = *release;
        followed->release.name = keep_bytes(followed->name, release->name);
        followed->release.token = keep_bytes(followed->token, release->token);
    }
}

/* The release is written again, with the claim in it.  False: no memory; all is as before. */
static bool claim_take(redlock_outbox *outbox, redlock_buffer *pending, redlock_owed owed,
                       const redlock_command *grant) {
    redlock_command both = outbox->followed.release;
    both.claim = redlock_claim_of(grant);
    size_t at = outbox->followed.at, need = redlock_step_encode(&both, outbox->prefix, NULL, 0);
    outbox->followed.is_set = false;
    REDLOCK_ASSERT(at < pending->len && pending->len < at + need);
    if (!redlock_buffer_reserve(pending, at + need - pending->len, PENDING_BYTES_MIN) ||
        !redlock_owed_push(&outbox->owed, owed)) {
        return false;
    }
    size_t again = redlock_step_encode(&both, outbox->prefix, pending->at + at, need);
    REDLOCK_ASSERT(again == need);
    pending->len = at + need;
    redlock_owed_join(&outbox->owed, 2);
    return true;
}

/* --- commands and answers --------------------------------------------------------------------- */

bool redlock_outbox_put(redlock_outbox *outbox, redlock_buffer *pending, uint64_t tag,
                        const redlock_command *command) {
    redlock_owed owed = {.tag = tag,
                         .kind = command->kind,
                         .fenced = command->fenced,
                         .is_native = redlock_native_suits(&outbox->native, command)};
    if (outbox->followed.is_set && redlock_claim_suits(&outbox->followed.release, command)) {
        return claim_take(outbox, pending, owed, command);
    }
    bool has_memory;
    bool waits = batch_take(outbox, pending, command, &has_memory);
    size_t len_before = pending->len;
    if (!has_memory) {
        return false;
    }
    owed.batch = waits ? 0 : 1;
    if ((waits || command_append(outbox, pending, command)) &&
        redlock_owed_push(&outbox->owed, owed)) {
        if (owed.is_native) {
            redlock_native_sent(&outbox->native);
        }
        follow(&outbox->followed, command, len_before);
        return true;
    }
    pending->len = len_before; /* the server must never see what nobody waits for */
    return false;
}

redlock_answer redlock_outbox_answer(redlock_outbox *outbox, const redlock_owed *owed,
                                     uint32_t place, uint32_t count,
                                     const redlock_resp_reader *reader, const uint8_t *data) {
    redlock_answer answer;
    if (owed->is_native) {
        answer = redlock_native_decode(reader, data);
        redlock_native_answered(&outbox->native, &answer);
    } else if (owed->kind != REDLOCK_COMMAND_RENEW && count > 1) {
        answer = redlock_step_decode_claimed(reader, data);
        redlock_answer grant = redlock_claim_answer(&answer);
        answer = owed->kind == REDLOCK_COMMAND_RELEASE ? answer : grant;
    } else if (owed->kind == REDLOCK_COMMAND_RENEW) {
        answer = redlock_step_decode_renewal(place, count, owed->fenced, reader, data);
    } else {
        answer = redlock_step_decode(owed->kind, owed->fenced, reader, data);
    }
    return answer;
}
