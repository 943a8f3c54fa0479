/* json.h -- one JSON object a line (NDJSON), written piece by piece.
 *
 * Names and servers' words may be any bytes: what is no UTF-8 becomes U+FFFD, so that every line is
 * JSON (RFC 8259) whatever it tells. */
#ifndef REDLOCK_CLI_JSON_H
#define REDLOCK_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct redlock_json {
    FILE *out;
    bool needs_comma;
} redlock_json;

/* Everywhere: `key` is NULL inside of an array, and for the object that makes the line. */
void redlock_json_open(redlock_json *json, const char *key, char bracket); /* '{' or '[' */
void redlock_json_close(redlock_json *json, char bracket);
void redlock_json_end_line(redlock_json *json);
void redlock_json_text(redlock_json *json, const char *key, const char *text);
void redlock_json_bytes(redlock_json *json, const char *key, const char *text, size_t len);
void redlock_json_number(redlock_json *json, const char *key, int64_t number);
void redlock_json_bool(redlock_json *json, const char *key, bool is_true);
void redlock_json_null(redlock_json *json, const char *key);

#endif
