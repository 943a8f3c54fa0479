/* replies.h -- what the targets that read replies have in common. */
#ifndef REDLOCK_TESTS_FUZZ_REPLIES_H
#define REDLOCK_TESTS_FUZZ_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/resp.h"

/* The next whole reply of the bytes, which are then behind it; false when there is none. */
static inline bool replies_next(const uint8_t **data, size_t *size, redlock_resp_reader *reader,
                                const uint8_t **ret_reply) {
    size_t used = 0;

    redlock_resp_reader_init(reader);
    if (redlock_resp_read(reader, *data, *size, &used) != REDLOCK_RESP_DONE) {
        return false;
    }
    *ret_reply = *data;
    *data += used;
    *size -= used;
    return true;
}

#endif
