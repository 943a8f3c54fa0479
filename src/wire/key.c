#include "wire/key.h"

#include <string.h>

#include "base/assert.h"

#define BOOT_KEY "redlock:{boot}"
#define TAGGED_PREFIX "redlock:=" /* a name with a hash tag of its own */
#define PLAIN_PREFIX "redlock:{"
#define MARK_SUFFIX ":fence"
#define QUEUE_SUFFIX ":queue"
#define ALIVE_SUFFIX ":alive"

/* Redis Cluster's rule: what stands between the first '{' and the next '}' picks the slot, unless
 * that is nothing. */
static bool name_has_tag(redlock_bytes name) {
    const uint8_t *open = name.len == 0 ? NULL : memchr(name.at, '{', name.len);

    if (open == NULL) {
        return false;
    }
    const uint8_t *inside = open + 1;
    const uint8_t *close = memchr(inside, '}', (size_t)(name.at + name.len - inside));

    return close != NULL && close > inside;
}

static const char *suffix_of(redlock_key_kind kind) {
    switch (kind) {
    case REDLOCK_KEY_MARK:
        return MARK_SUFFIX;
    case REDLOCK_KEY_QUEUE:
        return QUEUE_SUFFIX;
    case REDLOCK_KEY_ALIVE:
        return ALIVE_SUFFIX;
    case REDLOCK_KEY_LOCK:
    case REDLOCK_KEY_BOOT:
        break;
    }
    REDLOCK_ASSERT(false);
    return "";
}

/* "redlock:{name}:fence", so that the companion lies in the name's hash slot. */
static void companion_write(redlock_resp_writer *writer, redlock_bytes name, redlock_bytes prefix,
                            const char *suffix) {
    bool is_tagged = name_has_tag(name);
    const redlock_bytes pieces[] = {
        prefix,
        redlock_bytes_of(is_tagged ? TAGGED_PREFIX : PLAIN_PREFIX),
        name,
        redlock_bytes_of(is_tagged ? "" : "}"),
        redlock_bytes_of(suffix),
    };

    redlock_resp_write_pieces(writer, pieces, 5);
}

void redlock_key_write(redlock_resp_writer *writer, redlock_bytes name, redlock_bytes prefix,
                       redlock_key_kind kind) {
    const redlock_bytes lock[] = {prefix, name};
    const redlock_bytes boot[] = {prefix, redlock_bytes_of(BOOT_KEY)};

    switch (kind) {
    case REDLOCK_KEY_LOCK:
        redlock_resp_write_pieces(writer, lock, 2);
        return;
    case REDLOCK_KEY_BOOT:
        redlock_resp_write_pieces(writer, boot, 2);
        return;
    case REDLOCK_KEY_MARK:
    case REDLOCK_KEY_QUEUE:
    case REDLOCK_KEY_ALIVE:
        companion_write(writer, name, prefix, suffix_of(kind));
        return;
    }
    REDLOCK_ASSERT(false);
}

bool redlock_key_is_reserved(redlock_bytes name) {
    return redlock_bytes_has_prefix(name, redlock_bytes_of(PLAIN_PREFIX)) ||
           redlock_bytes_has_prefix(name, redlock_bytes_of(TAGGED_PREFIX));
}
