/* resp_fuzz.c -- any bytes as replies: cut by the first byte's say, and read again in one piece. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every text must lie inside what was used. */
static void values_check(const redlock_resp_reader *reader, size_t used) {
    REDLOCK_ASSERT(reader->value_count >= 1);
    REDLOCK_ASSERT(reader->value_count <= REDLOCK_RESP_ELEMENTS_MAX);
    REDLOCK_ASSERT(used <= REDLOCK_RESP_REPLY_BYTES_MAX);
    for (uint32_t i = 0; i < reader->value_count; i++) {
        const redlock_resp_value *value = &reader->values[i];
        bool has_text = value->kind == REDLOCK_RESP_SIMPLE || value->kind == REDLOCK_RESP_ERROR ||
                        value->kind == REDLOCK_RESP_BULK;

        REDLOCK_ASSERT(!has_text || (size_t)value->at + value->len + 2 <= used);
    }
}

static redlock_resp_status read_cut(const uint8_t *data, size_t size, size_t step,
                                    size_t *ret_used) {
    redlock_resp_reader reader;
    redlock_resp_status status = REDLOCK_RESP_MORE;

    redlock_resp_reader_init(&reader);
    for (size_t len = 0; status == REDLOCK_RESP_MORE && len < size;) {
        len = size - len > step ? len + step : size;
        status = redlock_resp_read(&reader, data, len, ret_used);
    }
    if (status == REDLOCK_RESP_DONE) {
        values_check(&reader, *ret_used);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;
    size_t used = 0, used_cut = 0;

    data++;
    size--;
    while (size > 0) {
        redlock_resp_status status = read_cut(data, size, size, &used);

        REDLOCK_ASSERT(read_cut(data, size, step, &used_cut) == status);
        if (status != REDLOCK_RESP_DONE) {
            break;
        }
        REDLOCK_ASSERT(used == used_cut);
        REDLOCK_ASSERT(used >= 1);
        REDLOCK_ASSERT(used <= size);
        data += used;
        size -= used;
    }
    return 0;
}
