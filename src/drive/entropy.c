/* entropy.c -- getrandom(2) on Linux, getentropy(3) elsewhere. */
#include "drive/entropy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#endif

#define ENTROPY_CHUNK_BYTES 256u /* what one call gives at once, and without being interrupted */

/* How many bytes were written; negative: errno says why not. */
static ssize_t entropy_chunk(uint8_t *out, size_t size) {
#ifdef __linux__
    return getrandom(out, size, 0);
#else
    return getentropy(out, size) == 0 ? (ssize_t)size : -1;
#endif
}

bool redlock_entropy_fill(void *out, size_t size) {
    uint8_t *at = out;
    size_t left = size;
    while (left > 0) {
        ssize_t got = entropy_chunk(at, left < ENTROPY_CHUNK_BYTES ? left : ENTROPY_CHUNK_BYTES);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        if (got > 0) {
            at += got;
            left -= (size_t)got;
        }
    }
    return true;
}
