/* message_fuzz.c -- any bytes as what a node pushes to a connection that listens. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "replies.h"
#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number in front of a text is what it says when it is written down again, but for "007". */
static void number_check(redlock_bytes *text, uint64_t number) {
    uint8_t digits[REDLOCK_DIGITS_MAX];
    redlock_bytes again = redlock_bytes_from_u64(number, digits);

    while (text->len > 1 && text->at[0] == '0' && text->at[1] >= '0' && text->at[1] <= '9') {
        text->at++;
        text->len--;
    }
    REDLOCK_ASSERT(redlock_bytes_has_prefix(*text, again));
    text->at += again.len;
    text->len -= again.len;
}

/* A wake is exactly what PUBLISH of one number makes, or of three and a token with a space between. */
static void wake_check(const redlock_resp_value *value, const uint8_t *data,
                       const redlock_wake_call *call) {
    redlock_bytes text = redlock_resp_text(&value[3], data);
    const uint64_t rest[] = {call->mark, call->time_ms};

    number_check(&text, call->tag);
    for (size_t i = 0; call->mark > 0 && i < 2; i++) {
        REDLOCK_ASSERT(text.len > 0 && text.at[0] == ' ');
        text.at++;
        text.len--;
        number_check(&text, rest[i]);
    }
    if (call->mark > 0) {
        REDLOCK_ASSERT(text.len > 1 && text.at[0] == ' ');
        text.at++;
        text.len--;
    }
    REDLOCK_ASSERT(redlock_bytes_equal(text, call->token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    redlock_resp_reader reader;
    const uint8_t *reply;

    while (replies_next(&data, &size, &reader, &reply)) {
        redlock_wake_call call = {0};
        redlock_message_kind kind = redlock_message_decode(reader.values, reply, &call);

        if (kind == REDLOCK_MESSAGE_WAKE) {
            wake_check(reader.values, reply, &call);
        }
        if (redlock_message_confirms(reader.values, reply)) {
            REDLOCK_ASSERT(kind == REDLOCK_MESSAGE_STRANGE);
        }
    }
    return 0;
}
