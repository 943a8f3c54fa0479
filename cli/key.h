/* key.h -- from a lock's name to the keys on the servers and back: docs/protocol.md, "Keys". */
#ifndef REDLOCK_CLI_KEY_H
#define REDLOCK_CLI_KEY_H

#include <stdbool.h>
#include <stddef.h>

enum { REDLOCK_NAME_BYTES_MAX = 512, REDLOCK_KEY_BYTES_MAX = 128 + 512 + 32 };

typedef struct redlock_key {
    char at[REDLOCK_KEY_BYTES_MAX];
    size_t len;
} redlock_key;

/* The key of the lock itself, that of its mark, and that of its queue.  False: too long. */
bool redlock_key_lock(redlock_key *key, const char *prefix, const char *name, size_t name_len);
bool redlock_key_mark(redlock_key *key, const char *prefix, const char *name, size_t name_len);
bool redlock_key_queue(redlock_key *key, const char *prefix, const char *name, size_t name_len);
/* The name in the key of a lock, which may be any key that is not redlock's own; false when it can
 * be no lock.  *ret_name lies inside `text`. */
bool redlock_key_is_lock(const char *text, size_t len, const char *prefix, const char **ret_name,
                         size_t *ret_len);
/* The name in the key of a mark. */
bool redlock_key_is_mark(const char *text, size_t len, const char *prefix, const char **ret_name,
                         size_t *ret_len);
/* Whether a value is a token as redlock makes them, or as other Redlock clients mostly do: 32
 * hexadecimal digits, and perhaps ':' and a label. */
bool redlock_value_is_token(const char *value, size_t len);
/* The label in a token; "" when it has none. */
const char *redlock_value_label(const char *value, size_t len, size_t *ret_len);

#endif
