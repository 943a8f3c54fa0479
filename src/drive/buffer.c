#include "drive/buffer.h"

#include <stdlib.h>

bool redlock_buffer_reserve(redlock_buffer *buffer, size_t more, size_t size_min) {
    size_t size = buffer->size > 0 ? buffer->size : size_min;
    if (more > SIZE_MAX / 4 - buffer->len) {
        return false;
    }
    while (size - buffer->len < more) {
        size *= 2;
    }
    if (size == buffer->size) {
        return true;
    }

    uint8_t *at = realloc(buffer->at, size);
    if (at == NULL) {
        return false;
    }
    buffer->at = at;
    buffer->size = size;
    return true;
}
