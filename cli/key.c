/* key.c -- from a lock's name to the keys on the servers and back. */
#include "cli/key.h"

#include <string.h>

static const char plain_start[] = "redlock:{";
static const char tagged_start[] = "redlock:="; /* a name with a hash tag of its own */
static const char plain_end[] = "}:fence";
static const char tagged_end[] = ":fence";

enum { TOKEN_DIGITS = 32, START_BYTES = sizeof(plain_start) - 1 };

static bool key_add(redlock_key *key, const char *text, size_t len) {
    if (len > sizeof(key->at) - key->len) {
        return false;
    }
    memcpy(key->at + key->len, text, len);
    key->len += len;
    return true;
}

static bool name_has_tag(const char *name, size_t len) {
    const char *open = memchr(name, '{', len);

    if (open == NULL) {
        return false;
    }
    const char *close = memchr(open + 1, '}', (size_t)(name + len - open - 1));

    return close != NULL && close > open + 1;
}

bool redlock_key_lock(redlock_key *key, const char *prefix, const char *name, size_t name_len) {
    key->len = 0;
    return key_add(key, prefix, strlen(prefix)) && key_add(key, name, name_len);
}

/* `end` as for a name without a tag of its own. */
static bool companion(redlock_key *key, const char *prefix, const char *name, size_t name_len,
                      const char *end) {
    bool is_tagged = name_has_tag(name, name_len);

    end += is_tagged ? 1 : 0;
    key->len = 0;
    return key_add(key, prefix, strlen(prefix)) &&
           key_add(key, is_tagged ? tagged_start : plain_start, START_BYTES) &&
           key_add(key, name, name_len) && key_add(key, end, strlen(end));
}

bool redlock_key_mark(redlock_key *key, const char *prefix, const char *name, size_t name_len) {
    return companion(key, prefix, name, name_len, plain_end);
}

bool redlock_key_queue(redlock_key *key, const char *prefix, const char *name, size_t name_len) {
    return companion(key, prefix, name, name_len, "}:queue");
}

static bool starts_with(const char *text, size_t len, const char *start) {
    size_t start_len = strlen(start);

    return len >= start_len && memcmp(text, start, start_len) == 0;
}

static bool is_reserved(const char *text, size_t len) {
    return starts_with(text, len, plain_start) || starts_with(text, len, tagged_start);
}

bool redlock_key_is_lock(const char *text, size_t len, const char *prefix, const char **ret_name,
                         size_t *ret_len) {
    size_t skip = strlen(prefix);

    if (!starts_with(text, len, prefix) || len == skip || len - skip > REDLOCK_NAME_BYTES_MAX ||
        is_reserved(text + skip, len - skip)) {
        return false;
    }
    *ret_name = text + skip;
    *ret_len = len - skip;
    return true;
}

bool redlock_key_is_mark(const char *text, size_t len, const char *prefix, const char **ret_name,
                         size_t *ret_len) {
    size_t skip = strlen(prefix);

    if (!starts_with(text, len, prefix) || !is_reserved(text + skip, len - skip)) {
        return false;
    }
    bool is_tagged = starts_with(text + skip, len - skip, tagged_start);
    const char *end = is_tagged ? tagged_end : plain_end;
    const char *name = text + skip + START_BYTES;
    size_t rest = len - skip - START_BYTES;
    size_t end_len = strlen(end);

    if (rest <= end_len || memcmp(name + rest - end_len, end, end_len) != 0) {
        return false;
    }
    *ret_name = name;
    *ret_len = rest - end_len;
    return *ret_len <= REDLOCK_NAME_BYTES_MAX && name_has_tag(name, *ret_len) == is_tagged;
}

bool redlock_value_is_token(const char *value, size_t len) {
    if (len < TOKEN_DIGITS || strspn(value, "0123456789abcdef") != TOKEN_DIGITS) {
        return false;
    }
    return len == TOKEN_DIGITS || value[TOKEN_DIGITS] == ':';
}

const char *redlock_value_label(const char *value, size_t len, size_t *ret_len) {
    bool has_label = len > TOKEN_DIGITS && redlock_value_is_token(value, len);

    *ret_len = has_label ? len - TOKEN_DIGITS - 1 : 0;
    return has_label ? value + TOKEN_DIGITS + 1 : "";
}
