/* json.c -- one JSON object a line. */
#include "cli/json.h"

#include <string.h>

static void string_write(FILE *out, const char *text, size_t len);

static void key_write(redlock_json *json, const char *key) {
    if (json->needs_comma) {
        (void)fputc(',', json->out);
    }
    json->needs_comma = true;
    if (key != NULL) {
        string_write(json->out, key, strlen(key));
        (void)fputc(':', json->out);
    }
}

/* How many bytes the well-formed character of UTF-8 at the start of `text` has; 0: none. */
static size_t utf8_length(const unsigned char *text, size_t len) {
    size_t count = text[0] < 0x80                      ? 1
                   : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                   : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                   : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                       : 0;

    if (count == 0 || count > len) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if ((text[i] & 0xc0U) != 0x80) {
            return 0;
        }
    }
    /* Too long a form, a surrogate, beyond the last character. */
    bool is_bad = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] >= 0xa0) ||
                  (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] >= 0x90);

    return is_bad ? 0 : count;
}

static void string_write(FILE *out, const char *text, size_t len) {
    (void)fputc('"', out);
    for (size_t i = 0; i < len;) {
        unsigned char byte = (unsigned char)text[i];
        size_t count = utf8_length((const unsigned char *)text + i, len - i);

        if (count == 0) {
            (void)fputs("\\ufffd", out);
        } else if (byte < 0x20 || byte == 0x7f) {
            (void)fprintf(out, "\\u%04x", (unsigned)byte);
        } else if (byte == '"' || byte == '\\') {
            (void)fprintf(out, "\\%c", byte);
        } else {
            (void)fwrite(text + i, 1, count, out);
        }
        i += count == 0 ? 1 : count;
    }
    (void)fputc('"', out);
}

void redlock_json_open(redlock_json *json, const char *key, char bracket) {
    key_write(json, key);
    (void)fputc(bracket, json->out);
    json->needs_comma = false;
}

void redlock_json_close(redlock_json *json, char bracket) {
    (void)fputc(bracket, json->out);
    json->needs_comma = true;
}

void redlock_json_end_line(redlock_json *json) {
    (void)fputc('\n', json->out);
    (void)fflush(json->out); /* whoever reads the lines may be waiting for this one */
    json->needs_comma = false;
}

void redlock_json_bytes(redlock_json *json, const char *key, const char *text, size_t len) {
    key_write(json, key);
    string_write(json->out, text, len);
}

void redlock_json_text(redlock_json *json, const char *key, const char *text) {
    redlock_json_bytes(json, key, text, strlen(text));
}

void redlock_json_number(redlock_json *json, const char *key, int64_t number) {
    key_write(json, key);
    (void)fprintf(json->out, "%lld", (long long)number);
}

void redlock_json_bool(redlock_json *json, const char *key, bool is_true) {
    key_write(json, key);
    (void)fputs(is_true ? "true" : "false", json->out);
}

void redlock_json_null(redlock_json *json, const char *key) {
    key_write(json, key);
    (void)fputs("null", json->out);
}
