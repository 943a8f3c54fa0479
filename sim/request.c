/* request.c -- arrays of bulks.  Inline commands are for people with telnet, and not known here. */
#include "sim/request.h"

#include <stdbool.h>
#include <string.h>

#include "sim/data.h"
#include "sim/reply.h"

#define LINE_BYTES_MAX 65536u
#define BULK_BYTES_MAX (INT64_C(512) * 1024 * 1024)

typedef struct cursor {
    redlock_bytes bytes;
    size_t at;
} cursor;

/* A line without its end, from the byte behind the type. */
static redlock_sim_request_status line_take(cursor *c, redlock_bytes *ret_line) {
    const uint8_t *from = c->bytes.at + c->at;
    size_t left = c->bytes.len - c->at;
    const uint8_t *end = left == 0 ? NULL : memchr(from, '\r', left);

    if (end == NULL) {
        return left > LINE_BYTES_MAX ? REDLOCK_SIM_REQUEST_BAD : REDLOCK_SIM_REQUEST_MORE;
    }
    *ret_line = (redlock_bytes){.at = from + 1, .len = (size_t)(end - from) - 1};
    if ((size_t)(end - from) + 2 > left) {
        return REDLOCK_SIM_REQUEST_MORE;
    }
    c->at += (size_t)(end - from) + 2;
    return REDLOCK_SIM_REQUEST_WHOLE;
}

static redlock_sim_request_status number_take(cursor *c, int64_t *ret_number) {
    redlock_bytes line;
    redlock_sim_request_status status = line_take(c, &line);

    if (status == REDLOCK_SIM_REQUEST_WHOLE && !redlock_sim_data_number(line, ret_number)) {
        return REDLOCK_SIM_REQUEST_BAD;
    }
    return status;
}

static redlock_sim_request_status bulk_take(cursor *c, redlock_sim_request *request) {
    int64_t len;

    if (c->at == c->bytes.len) {
        return REDLOCK_SIM_REQUEST_MORE;
    }
    if (c->bytes.at[c->at] != '$') {
        request->complaint = "ERR Protocol error: expected '$'";
        return REDLOCK_SIM_REQUEST_BAD;
    }
    redlock_sim_request_status status = number_take(c, &len);
    if (status == REDLOCK_SIM_REQUEST_MORE) {
        return status;
    }
    if (status == REDLOCK_SIM_REQUEST_BAD || len < 0 || len > BULK_BYTES_MAX) {
        request->complaint = "ERR Protocol error: invalid bulk length";
        return REDLOCK_SIM_REQUEST_BAD;
    }
    if (c->bytes.len - c->at < (size_t)len + 2) {
        return REDLOCK_SIM_REQUEST_MORE;
    }
    request->words[request->count++] =
        (redlock_bytes){.at = c->bytes.at + c->at, .len = (size_t)len};
    c->at += (size_t)len + 2; /* whatever the two bytes are: servers don't look either */
    return REDLOCK_SIM_REQUEST_WHOLE;
}

redlock_sim_request_status redlock_sim_request_read(redlock_sim_request *request,
                                                    redlock_bytes bytes) {
    cursor c = {.bytes = bytes, .at = 0};
    redlock_sim_request_status status;
    int64_t count;

    request->count = 0;
    request->complaint = "ERR Protocol error: the model takes no inline commands";
    if (bytes.len == 0) {
        return REDLOCK_SIM_REQUEST_MORE;
    }
    if (bytes.at[0] != '*') {
        return REDLOCK_SIM_REQUEST_BAD;
    }
    request->complaint = "ERR Protocol error: invalid multibulk length";
    status = number_take(&c, &count);
    if (status == REDLOCK_SIM_REQUEST_WHOLE && count > (int64_t)REDLOCK_SIM_REQUEST_WORDS_MAX) {
        redlock_sim_give_up("a command with more than 256 words");
    }
    for (int64_t i = 0; status == REDLOCK_SIM_REQUEST_WHOLE && i < count; i++) {
        status = bulk_take(&c, request);
    }
    request->used = c.at;
    return status;
}
