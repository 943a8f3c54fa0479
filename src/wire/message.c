#include "wire/message.h"

#include <string.h>

#include "base/assert.h"
#include "base/command.h"

void redlock_message_subscribe(redlock_resp_writer *writer, redlock_bytes channel) {
    uint8_t name[sizeof REDLOCK_MESSAGE_PREFIX + REDLOCK_CHANNEL_BYTES];
    size_t prefix_len = sizeof REDLOCK_MESSAGE_PREFIX - 1;

    REDLOCK_ASSERT(channel.len <= REDLOCK_CHANNEL_BYTES);
    memcpy(name, REDLOCK_MESSAGE_PREFIX, prefix_len);
    memcpy(name + prefix_len, channel.at, channel.len);
    redlock_resp_write_header(writer, 2);
    redlock_resp_write_bulk(writer, redlock_bytes_of("SUBSCRIBE"));
    redlock_resp_write_bulk(writer, (redlock_bytes){.at = name, .len = prefix_len + channel.len});
}

static bool word_is(const redlock_resp_value *value, const uint8_t *data, const char *word) {
    return value->kind == REDLOCK_RESP_BULK &&
           redlock_bytes_equal(redlock_resp_text(value, data), redlock_bytes_of(word));
}

bool redlock_message_confirms(const redlock_resp_value *value, const uint8_t *data) {
    return value->kind == REDLOCK_RESP_ARRAY && value->count == 3 &&
           word_is(&value[1], data, "subscribe");
}

redlock_message_kind redlock_message_decode(const redlock_resp_value *value, const uint8_t *data,
                                            uint64_t *ret_tag) {
    if (value->kind != REDLOCK_RESP_ARRAY || value->count != 3 ||
        !word_is(&value[1], data, "message") || value[3].kind != REDLOCK_RESP_BULK) {
        return REDLOCK_MESSAGE_STRANGE;
    }
    return redlock_bytes_to_u64(redlock_resp_text(&value[3], data), UINT64_MAX, ret_tag)
               ? REDLOCK_MESSAGE_WAKE
               : REDLOCK_MESSAGE_OTHER;
}
