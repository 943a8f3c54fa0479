/* message_fuzz.c -- any bytes as what a node pushes to a connection that listens. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "replies.h"
#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A wake is exactly what PUBLISH of a number makes, so writing its number down again gives its text. */
static void wake_check(const redlock_resp_value *value, const uint8_t *data, uint64_t tag) {
    uint8_t digits[REDLOCK_DIGITS_MAX];
    redlock_bytes text = redlock_resp_text(&value[3], data);
    redlock_bytes again = redlock_bytes_from_u64(tag, digits);

    while (text.len > again.len && text.at[0] == '0') { /* "007" is 7 too */
        text.at++;
        text.len--;
    }
    REDLOCK_ASSERT(redlock_bytes_equal(text, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    redlock_resp_reader reader;
    const uint8_t *reply;

    while (replies_next(&data, &size, &reader, &reply)) {
        uint64_t tag = 0;
        redlock_message_kind kind = redlock_message_decode(reader.values, reply, &tag);

        if (kind == REDLOCK_MESSAGE_WAKE) {
            wake_check(reader.values, reply, tag);
        }
        if (redlock_message_confirms(reader.values, reply)) {
            REDLOCK_ASSERT(kind == REDLOCK_MESSAGE_STRANGE);
        }
    }
    return 0;
}
