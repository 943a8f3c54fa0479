/* key.h -- the keys of a name on a server; docs/protocol.md lists them. */
#ifndef REDLOCK_WIRE_KEY_H
#define REDLOCK_WIRE_KEY_H

#include <stdbool.h>

#include "base/bytes.h"
#include "wire/resp.h"

#define REDLOCK_PREFIX_BYTES_MAX 128u

typedef enum redlock_key_kind {
    REDLOCK_KEY_LOCK, /* the name itself */
    REDLOCK_KEY_MARK, /* its companions */
    REDLOCK_KEY_QUEUE,
    REDLOCK_KEY_ALIVE,
    REDLOCK_KEY_BOOT /* the restart guard's, one per server: no name */
} redlock_key_kind;

/* Writes the key as the next argument of a command; `prefix` goes in front of every key. */
void redlock_key_write(redlock_resp_writer *writer, redlock_bytes name, redlock_bytes prefix,
                       redlock_key_kind kind);
/* Whether the name would collide with a key that redlock itself uses. */
bool redlock_key_is_reserved(redlock_bytes name);

#endif
