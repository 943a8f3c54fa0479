/* buffer.h -- bytes that grow by doubling and never shrink: nothing is allocated once warm. */
#ifndef REDLOCK_DRIVE_BUFFER_H
#define REDLOCK_DRIVE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct redlock_buffer { /* zeroed: empty; `at` is the owner's to free */
    uint8_t *at;
    size_t len, size;
} redlock_buffer;

/* Room for `more` bytes behind len; the buffer stays as it was when there is no memory.  The first
 * size is size_min, later ones are its doublings. */
bool redlock_buffer_reserve(redlock_buffer *buffer, size_t more, size_t size_min);

#endif
