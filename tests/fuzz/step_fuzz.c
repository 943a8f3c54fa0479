/* step_fuzz.c -- any bytes as the replies to a command: no answer may break a rule that the core
 * relies on. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "replies.h"
#include "wire/claim.h"
#include "wire/native.h"
#include "wire/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_check(redlock_bytes text, const uint8_t *data, size_t used) {
    bool is_inside = text.at >= data && text.at + text.len <= data + used;

    REDLOCK_ASSERT(text.len == 0 || is_inside);
}

static void answer_check(redlock_command_kind kind, bool fenced, redlock_answer answer) {
    bool is_yes = answer.kind == REDLOCK_ANSWER_YES;

    REDLOCK_ASSERT(answer.kind >= REDLOCK_ANSWER_YES && answer.kind <= REDLOCK_ANSWER_ERROR);
    REDLOCK_ASSERT(answer.mark <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT(answer.time_ms <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT(answer.left_ms <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT((answer.status == REDLOCK_OK) == is_yes);
    REDLOCK_ASSERT(fenced || answer.mark == 0);
    REDLOCK_ASSERT(!(is_yes && fenced && kind == REDLOCK_COMMAND_GRANT) || answer.mark > 0);
    REDLOCK_ASSERT(!(is_yes && fenced && kind == REDLOCK_COMMAND_RAISE) || answer.mark > 0);
    REDLOCK_ASSERT(answer.kind == REDLOCK_ANSWER_ERROR || answer.kind == REDLOCK_ANSWER_FORGOT ||
                   answer.text.len <= REDLOCK_TOKEN_BYTES_MAX);
    REDLOCK_ASSERT(answer.waiters.len <= REDLOCK_WAITERS_BYTES_MAX);
    REDLOCK_ASSERT(answer.kind != REDLOCK_ANSWER_HEALED || kind == REDLOCK_COMMAND_RENEW);
}

static void answer_play(redlock_command_kind kind, bool fenced, redlock_answer answer,
                        const uint8_t *reply, size_t used) {
    answer_check(kind, fenced, answer);
    text_check(answer.waiters, reply, used);
    if (answer.status != REDLOCK_PROTOCOL) {
        text_check(answer.text, reply, used);
    }
}

/* The mark is the claim's alone, and nobody is told a yes that the other's answer belies. */
static void claim_play(redlock_answer release, const uint8_t *reply, size_t used) {
    redlock_answer grant = redlock_claim_answer(&release);

    REDLOCK_ASSERT(release.mark == 0);
    REDLOCK_ASSERT(grant.kind != REDLOCK_ANSWER_YES || release.kind == REDLOCK_ANSWER_YES);
    REDLOCK_ASSERT(grant.kind != REDLOCK_ANSWER_NO && grant.kind != REDLOCK_ANSWER_LATE);
    answer_play(REDLOCK_COMMAND_RELEASE, true, release, reply, used);
    if (grant.kind != REDLOCK_ANSWER_UNSEEN) { /* which no server says of itself */
        answer_play(REDLOCK_COMMAND_GRANT, true, grant, reply, used);
    }
}

/* The first byte says which command the rest answers, and if it is RENEW, of how many names. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    redlock_resp_reader reader;
    const uint8_t *reply;

    if (size < 1) {
        return 0;
    }
    redlock_command_kind kind =
        (redlock_command_kind)(1 + (data[0] & 15u) % REDLOCK_COMMAND_DECLARE);
    uint32_t names = 1 + (data[0] >> 5);
    bool fenced = (data[0] & 16u) != 0;

    data++;
    size--;
    while (replies_next(&data, &size, &reader, &reply)) {
        size_t used = (size_t)(data - reply);

        answer_play(kind, fenced, redlock_step_decode(kind, fenced, &reader, reply), reply, used);
        answer_play(REDLOCK_COMMAND_RELEASE, false, redlock_native_decode(&reader, reply), reply,
                    used);
        claim_play(redlock_step_decode_claimed(&reader, reply), reply, used);
        for (uint32_t i = 0; kind == REDLOCK_COMMAND_RENEW && i < names; i++) {
            answer_play(kind, fenced, redlock_step_decode_renewal(i, names, fenced, &reader, reply),
                        reply, used);
        }
    }
    return 0;
}
