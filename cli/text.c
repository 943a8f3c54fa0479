/* text.c -- words put together in memory of their own, of any length. */
#include "cli/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static size_t pieces_length(const char *first, va_list pieces) {
    size_t length = 0;

    for (const char *piece = first; piece != NULL; piece = va_arg(pieces, const char *)) {
        length += strlen(piece);
    }
    return length;
}

char *redlock_text_join(const char *first, ...) {
    va_list pieces;
    va_start(pieces, first);
    char *text = malloc(pieces_length(first, pieces) + 1);
    va_end(pieces);
    if (text == NULL) {
        return NULL;
    }

    size_t used = 0;
    va_start(pieces, first);
    for (const char *piece = first; piece != NULL; piece = va_arg(pieces, const char *)) {
        size_t length = strlen(piece);

        memcpy(text + used, piece, length);
        used += length;
    }
    va_end(pieces);
    text[used] = '\0';
    return text;
}

char *redlock_text_path(const char *path) {
    const char *home = getenv("HOME");
    bool is_home = strncmp(path, "~/", 2) == 0 && home != NULL;

    return redlock_text_join(is_home ? home : "", is_home ? path + 1 : path, NULL);
}

void redlock_text_number(uint64_t number, char out[REDLOCK_TEXT_NUMBER_BYTES]) {
    char digits[REDLOCK_TEXT_NUMBER_BYTES];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    out[count] = '\0';
}
