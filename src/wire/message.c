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

/* The digits up to the next space or the end, which are taken off the text. */
static bool take_number(redlock_bytes *text, uint64_t max, uint64_t *ret_number) {
    const uint8_t *space = text->len > 0 ? memchr(text->at, ' ', text->len) : NULL;
    size_t len = space != NULL ? (size_t)(space - text->at) : text->len;
    size_t used = space != NULL ? len + 1 : len;
    redlock_bytes digits = {.at = text->at, .len = len};

    text->at += used;
    text->len -= used;
    /* A space at the end would hide that nothing is behind it. */
    return (space == NULL || text->len > 0) && redlock_bytes_to_u64(digits, max, ret_number);
}

bool redlock_message_call(redlock_bytes text, redlock_wake_call *ret_call) {
    redlock_wake_call call = {0};

    if (!take_number(&text, UINT64_MAX, &call.tag)) {
        return false;
    }
    if (text.len > 0 && (!take_number(&text, REDLOCK_FENCE_MAX, &call.mark) ||
                         !take_number(&text, REDLOCK_FENCE_MAX, &call.time_ms) || call.mark == 0 ||
                         text.len == 0 || text.len > REDLOCK_TOKEN_BYTES_MAX)) {
        return false;
    }
    call.token = text;
    *ret_call = call;
    return true;
}

redlock_message_kind redlock_message_decode(const redlock_resp_value *value, const uint8_t *data,
                                            redlock_wake_call *ret_call) {
    if (value->kind != REDLOCK_RESP_ARRAY || value->count != 3 ||
        !word_is(&value[1], data, "message") || value[3].kind != REDLOCK_RESP_BULK) {
        return REDLOCK_MESSAGE_STRANGE;
    }
    return redlock_message_call(redlock_resp_text(&value[3], data), ret_call)
               ? REDLOCK_MESSAGE_WAKE
               : REDLOCK_MESSAGE_OTHER;
}
