#include "wire/key.h"

#include <string.h>

#include "base/assert.h"
#include "base/command.h"

#define BOOT_KEY "redlock:{boot}"
#define TAGGED_PREFIX "redlock:=" /* a name with a hash tag of its own */
#define PLAIN_PREFIX "redlock:{"
#define MARK_SUFFIX ":fence"
#define QUEUE_SUFFIX ":queue"
#define ALIVE_SUFFIX ":alive"

#define KEY_BYTES_MAX (REDLOCK_PREFIX_BYTES_MAX + REDLOCK_NAME_BYTES_MAX + 16u)

typedef struct step_key {
    uint8_t at[KEY_BYTES_MAX];
    size_t len;
} step_key;

static void key_add(step_key *key, redlock_bytes bytes) {
    REDLOCK_ASSERT(bytes.len <= KEY_BYTES_MAX - key->len);
    if (bytes.len > 0) {
        memcpy(key->at + key->len, bytes.at, bytes.len);
    }
    key->len += bytes.len;
}

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

/* "redlock:{name}:fence", so that the companion lies in the name's hash slot. */
static void key_add_companion(step_key *key, redlock_bytes name, const char *suffix) {
    bool is_tagged = name_has_tag(name);

    key_add(key, redlock_bytes_of(is_tagged ? TAGGED_PREFIX : PLAIN_PREFIX));
    key_add(key, name);
    key_add(key, redlock_bytes_of(is_tagged ? "" : "}"));
    key_add(key, redlock_bytes_of(suffix));
}

void redlock_key_write(redlock_resp_writer *writer, redlock_bytes name, redlock_bytes prefix,
                       redlock_key_kind kind) {
    step_key key;

    key.len = 0;
    key_add(&key, prefix);
    switch (kind) {
    case REDLOCK_KEY_LOCK:
        key_add(&key, name);
        break;
    case REDLOCK_KEY_MARK:
        key_add_companion(&key, name, MARK_SUFFIX);
        break;
    case REDLOCK_KEY_QUEUE:
        key_add_companion(&key, name, QUEUE_SUFFIX);
        break;
    case REDLOCK_KEY_ALIVE:
        key_add_companion(&key, name, ALIVE_SUFFIX);
        break;
    case REDLOCK_KEY_BOOT:
        key_add(&key, redlock_bytes_of(BOOT_KEY));
        break;
    }
    redlock_resp_write_bulk(writer, (redlock_bytes){.at = key.at, .len = key.len});
}

bool redlock_key_is_reserved(redlock_bytes name) {
    return redlock_bytes_has_prefix(name, redlock_bytes_of(PLAIN_PREFIX)) ||
           redlock_bytes_has_prefix(name, redlock_bytes_of(TAGGED_PREFIX));
}
