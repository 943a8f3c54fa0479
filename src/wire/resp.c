/* resp.c -- reads and writes RESP2 one value at a time.
 *
 * A reply is a flat list of values: an array stands before its elements, and `left` counts what the
 * open arrays still lack, so nesting needs no recursion.  Values are taken whole or not at all;
 * only the search for a line's end goes on where it stopped, for a line may come in many pieces. */
#include "wire/resp.h"

#include <string.h>

#include "base/assert.h"

void redlock_resp_reader_init(redlock_resp_reader *reader) {
    /* Not the values: 320 of them, and none is read before it is written. */
    reader->value_count = 0;
    reader->depth = 0;
    reader->at = 0;
    reader->scanned = 0;
    reader->complaint = NULL;
}

static redlock_resp_status read_bad(redlock_resp_reader *reader, const char *complaint) {
    reader->complaint = complaint;
    return REDLOCK_RESP_BAD;
}

/* The line behind the type byte, without its CRLF.  MORE when the end is not there yet. */
static redlock_resp_status line_read(redlock_resp_reader *reader, const uint8_t *data, size_t len,
                                     redlock_bytes *ret_line) {
    size_t first = reader->at + 1;
    size_t at = reader->scanned > first ? reader->scanned : first;

    for (;;) {
        const uint8_t *cr = at < len ? memchr(data + at, '\r', len - at) : NULL;

        at = cr == NULL ? len : (size_t)(cr - data);
        if (at > first + REDLOCK_RESP_LINE_BYTES_MAX) {
            return read_bad(reader, "the server sent a line that is longer than 4096 bytes");
        }
        reader->scanned = at;
        if (at + 1 >= len) { /* no CR, or one whose LF may come */
            return REDLOCK_RESP_MORE;
        }
        if (data[at + 1] == '\n') {
            *ret_line = (redlock_bytes){.at = data + first, .len = at - first};
            return REDLOCK_RESP_DONE;
        }
        at++;
    }
}

/* A number as Redis writes it: no plus, no leading zeros, no "-0". */
static bool number_read(redlock_bytes line, int64_t *ret_number) {
    bool is_negative = line.len > 0 && line.at[0] == '-';
    uint64_t max = is_negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    redlock_bytes digits = line;
    uint64_t size;

    if (is_negative) {
        digits.at++;
        digits.len--;
    }
    if (!redlock_bytes_to_u64(digits, max, &size)) {
        return false;
    }
    if (digits.at[0] == '0' && (digits.len > 1 || is_negative)) {
        return false;
    }
    /* Minus one first: -INT64_MIN has no int64_t. */
    *ret_number = is_negative ? -(int64_t)(size - 1) - 1 : (int64_t)size;
    return true;
}

/* Adds a value that ends at `end`. */
static redlock_resp_status value_push(redlock_resp_reader *reader, redlock_resp_value value,
                                      size_t end) {
    if (end > REDLOCK_RESP_REPLY_BYTES_MAX) {
        return read_bad(reader, "the server sent a reply that is longer than 256 KiB");
    }
    if (reader->value_count == REDLOCK_RESP_ELEMENTS_MAX) {
        return read_bad(reader, "the server sent a reply of more than 320 values");
    }
    reader->values[reader->value_count++] = value;
    reader->at = end;
    return REDLOCK_RESP_DONE;
}

static redlock_resp_status bulk_read(redlock_resp_reader *reader, const uint8_t *data, size_t len,
                                     int64_t count, size_t line_end) {
    if (count == -1) {
        return value_push(reader, (redlock_resp_value){.kind = REDLOCK_RESP_NIL}, line_end);
    }
    if (count < 0 || count > (int64_t)REDLOCK_RESP_BULK_BYTES_MAX) {
        return read_bad(reader, "the server sent a string that is longer than 64 KiB");
    }
    size_t end = line_end + (size_t)count + 2;
    redlock_resp_value value = {
        .kind = REDLOCK_RESP_BULK, .at = (uint32_t)line_end, .len = (uint32_t)count};

    if (end > REDLOCK_RESP_REPLY_BYTES_MAX) {
        return read_bad(reader, "the server sent a reply that is longer than 256 KiB");
    }
    if (len < end) {
        return REDLOCK_RESP_MORE;
    }
    if (data[end - 2] != '\r' || data[end - 1] != '\n') {
        return read_bad(reader, "the server sent a string that does not end where it should");
    }
    return value_push(reader, value, end);
}

static redlock_resp_status array_read(redlock_resp_reader *reader, int64_t count, size_t line_end) {
    if (count == -1) {
        return value_push(reader, (redlock_resp_value){.kind = REDLOCK_RESP_NIL}, line_end);
    }
    /* The array itself takes one place. */
    if (count < 0 ||
        count > (int64_t)REDLOCK_RESP_ELEMENTS_MAX - 1 - (int64_t)reader->value_count) {
        return read_bad(reader, "the server sent a reply of more than 320 values");
    }
    if (reader->depth == REDLOCK_RESP_DEPTH_MAX) {
        return read_bad(reader, "the server sent arrays inside arrays, more than 4 deep");
    }
    redlock_resp_value value = {.kind = REDLOCK_RESP_ARRAY, .count = (uint32_t)count};
    redlock_resp_status status = value_push(reader, value, line_end);

    if (status == REDLOCK_RESP_DONE && count > 0) {
        reader->left[reader->depth++] = (uint32_t)count + 1; /* and itself, for value_close */
    }
    return status;
}

/* What the first byte of a value promises; 0 for a byte that RESP2 does not know. */
static redlock_resp_kind kind_of(uint8_t type) {
    switch (type) {
    case '+':
        return REDLOCK_RESP_SIMPLE;
    case '-':
        return REDLOCK_RESP_ERROR;
    case ':':
        return REDLOCK_RESP_INTEGER;
    case '$':
        return REDLOCK_RESP_BULK;
    case '*':
        return REDLOCK_RESP_ARRAY;
    default:
        return (redlock_resp_kind)0;
    }
}

static redlock_resp_status number_kind_read(redlock_resp_reader *reader, const uint8_t *data,
                                            size_t len, redlock_resp_kind kind,
                                            redlock_bytes line) {
    size_t line_end = reader->at + 1 + line.len + 2;
    int64_t number;

    if (!number_read(line, &number)) {
        return read_bad(reader, "the server sent something else where a number belongs");
    }
    if (kind == REDLOCK_RESP_BULK) {
        return bulk_read(reader, data, len, number, line_end);
    }
    if (kind == REDLOCK_RESP_ARRAY) {
        return array_read(reader, number, line_end);
    }
    return value_push(reader, (redlock_resp_value){.kind = kind, .integer = number}, line_end);
}

static redlock_resp_status value_read(redlock_resp_reader *reader, const uint8_t *data,
                                      size_t len) {
    redlock_bytes line;

    if (reader->at >= len) {
        return REDLOCK_RESP_MORE;
    }
    redlock_resp_kind kind = kind_of(data[reader->at]);

    /* Before the line is whole: a server of another kind may never end it. */
    if (kind == (redlock_resp_kind)0) {
        return read_bad(reader, "the server does not speak the protocol of Redis (RESP2)");
    }
    redlock_resp_status status = line_read(reader, data, len, &line);

    if (status != REDLOCK_RESP_DONE) {
        return status;
    }
    if (kind != REDLOCK_RESP_SIMPLE && kind != REDLOCK_RESP_ERROR) {
        return number_kind_read(reader, data, len, kind, line);
    }
    redlock_resp_value value = {
        .kind = kind, .at = (uint32_t)(reader->at + 1), .len = (uint32_t)line.len};

    return value_push(reader, value, reader->at + 1 + line.len + 2);
}

/* Counts the last value off the array that it is in, and that one off its own when it is full.
 * True when the whole reply is there. */
static bool value_close(redlock_resp_reader *reader) {
    while (reader->depth > 0 && --reader->left[reader->depth - 1] == 0) {
        reader->depth--;
    }
    return reader->depth == 0;
}

redlock_resp_status redlock_resp_read(redlock_resp_reader *reader, const uint8_t *data, size_t len,
                                      size_t *ret_used) {
    for (;;) {
        redlock_resp_status status = value_read(reader, data, len);

        if (status != REDLOCK_RESP_DONE) {
            return status;
        }
        if (value_close(reader)) {
            *ret_used = reader->at;
            return REDLOCK_RESP_DONE;
        }
    }
}

redlock_bytes redlock_resp_text(const redlock_resp_value *value, const uint8_t *data) {
    bool has_text = value->kind == REDLOCK_RESP_SIMPLE || value->kind == REDLOCK_RESP_ERROR ||
                    value->kind == REDLOCK_RESP_BULK;

    if (!has_text) {
        return (redlock_bytes){.at = NULL, .len = 0};
    }
    return (redlock_bytes){.at = data + value->at, .len = value->len};
}

const char *redlock_resp_complaint(const redlock_resp_reader *reader) {
    return reader->complaint == NULL ? "nothing is wrong with the reply" : reader->complaint;
}

/* "$123\r\n", written at `at`; where it ends. */
static uint8_t *head_put(uint8_t *at, char type, uint64_t count) {
    *at++ = (uint8_t)type;
    at += redlock_bytes_put_u64(count, at);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static size_t head_len(uint64_t count) {
    return 1 + (count < 10 ? 1 : count < 100 ? 2 : redlock_bytes_digits(count)) + 2;
}

/* Where `len` bytes may be written, which are counted in any case; NULL: there is no room.  Whole or not
 * at all, so that what fits is never followed by a part of what does not. */
static uint8_t *writer_take(redlock_resp_writer *writer, size_t len) {
    bool fits = writer->len <= writer->size && len <= writer->size - writer->len;
    uint8_t *at = fits && len > 0 ? writer->at + writer->len : NULL;

    REDLOCK_ASSERT(len <= SIZE_MAX - writer->len);
    writer->len += len;
    return at;
}

void redlock_resp_write_raw(redlock_resp_writer *writer, redlock_bytes written) {
    uint8_t *at = writer_take(writer, written.len);

    if (at != NULL) {
        memcpy(at, written.at, written.len);
    }
}

void redlock_resp_write_header(redlock_resp_writer *writer, uint32_t argument_count) {
    uint8_t *at = writer_take(writer, head_len(argument_count));

    if (at != NULL) {
        (void)head_put(at, '*', argument_count);
    }
}

/* An argument of `len` bytes: where those belong.  NULL: there is no room. */
static uint8_t *argument_begin(redlock_resp_writer *writer, size_t len) {
    uint8_t *at = writer_take(writer, head_len(len) + len + 2);

    if (at == NULL) {
        return NULL;
    }
    at = head_put(at, '$', len);
    at[len] = '\r';
    at[len + 1] = '\n';
    return at;
}

void redlock_resp_write_pieces(redlock_resp_writer *writer, const redlock_bytes *pieces,
                               uint32_t count) {
    size_t len = 0;

    for (uint32_t i = 0; i < count; i++) {
        len += pieces[i].len;
    }
    uint8_t *at = argument_begin(writer, len);

    for (uint32_t i = 0; at != NULL && i < count; i++) {
        if (pieces[i].len > 0) {
            memcpy(at, pieces[i].at, pieces[i].len);
            at += pieces[i].len;
        }
    }
}

void redlock_resp_write_bulk(redlock_resp_writer *writer, redlock_bytes argument) {
    uint8_t *at = argument_begin(writer, argument.len);

    if (at != NULL && argument.len > 0) {
        memcpy(at, argument.at, argument.len);
    }
}

void redlock_resp_write_u64(redlock_resp_writer *writer, uint64_t argument) {
    uint8_t *at = argument_begin(writer, redlock_bytes_digits(argument));

    if (at != NULL) {
        (void)redlock_bytes_put_u64(argument, at);
    }
}
