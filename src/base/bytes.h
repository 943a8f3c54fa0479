/* bytes.h -- a borrowed run of bytes, and copying it into fixed places.
 *
 * Names and tokens are any bytes, NUL included, so nothing in redlock passes them as C strings. */
#ifndef REDLOCK_BASE_BYTES_H
#define REDLOCK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct redlock_bytes {
    const uint8_t *at; /* may be NULL when len is 0 */
    size_t len;
} redlock_bytes;

/* The bytes of a NUL-terminated string, without the NUL.  Here, so that a literal is measured by the
 * compiler. */
static inline redlock_bytes redlock_bytes_of(const char *text) {
    return (redlock_bytes){.at = (const uint8_t *)text, .len = strlen(text)};
}
bool redlock_bytes_equal(redlock_bytes a, redlock_bytes b);
bool redlock_bytes_has_prefix(redlock_bytes bytes, redlock_bytes prefix);
/* Copies as much as fits and always ends `text` with a NUL.  size is at least 1.  Control bytes
 * become '?', so that a server's words are safe to print. */
void redlock_bytes_to_text(redlock_bytes bytes, char *text, size_t size);
/* A decimal number that fills `bytes` and is at most `max`; false otherwise. */
bool redlock_bytes_to_u64(redlock_bytes bytes, uint64_t max, uint64_t *ret_number);

#define REDLOCK_DIGITS_MAX 20u /* of a uint64_t in decimal */
/* How many of them the number has. */
uint32_t redlock_bytes_digits(uint64_t number);
/* The number in decimal into `digits`, where there is room for as many as it has; how many. */
uint32_t redlock_bytes_put_u64(uint64_t number, uint8_t *digits);
/* The same, borrowed from `digits`: REDLOCK_DIGITS_MAX bytes. */
redlock_bytes redlock_bytes_from_u64(uint64_t number, uint8_t *digits);
/* Like redlock_bytes_to_text, but behind what `text` says already. */
void redlock_bytes_append_text(redlock_bytes bytes, char *text, size_t size);

#endif
