/* url_fuzz.c -- any bytes as a server URL; what is understood must be understood again from its
 * own text when that was not cut. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether url_to_text says it in a way that can be read back: it shows percent-decoded text. */
static int text_is_faithful(const redlock_url *url) {
    const char *place = url->scheme == REDLOCK_URL_UNIX ? url->path : url->host;

    for (const char *at = place; *at != '\0'; at++) {
        if (*at <= ' ' || *at == 0x7f || strchr("%?#/@[]\\\"<>^`{|}", *at) != NULL) {
            return url->scheme == REDLOCK_URL_UNIX && *at == '/';
        }
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    redlock_url url, again;
    redlock_url_error error = {.offset = SIZE_MAX, .text = NULL};
    char text[1024], tiny[4];
    redlock_status status =
        redlock_url_parse((redlock_bytes){.at = data, .len = size}, &url, &error);

    if (status != REDLOCK_OK) {
        REDLOCK_ASSERT(status == REDLOCK_BAD_URL || status == REDLOCK_UNSUPPORTED);
        REDLOCK_ASSERT(error.text != NULL);
        REDLOCK_ASSERT(error.offset <= size);
        return 0;
    }
    redlock_url_to_text(&url, tiny, sizeof tiny);
    REDLOCK_ASSERT(strlen(tiny) == sizeof tiny - 1);
    redlock_url_to_text(&url, text, sizeof text);
    REDLOCK_ASSERT(redlock_url_is_same_server(&url, &url));
    if (url.scheme != REDLOCK_URL_UNIX && text_is_faithful(&url)) {
        REDLOCK_ASSERT(redlock_url_parse(redlock_bytes_of(text), &again, &error) == REDLOCK_OK);
        REDLOCK_ASSERT(redlock_url_is_same_server(&url, &again));
    }
    return 0;
}
