/* resp.h -- RESP2, the protocol of Redis and Valkey, as a pure reader and writer of bytes.
 *
 * The reader takes a growing buffer that begins at a reply and says when the reply is whole.  It
 * allocates nothing, trusts no length it reads, and remembers how far it came, so that a reply
 * that arrives byte by byte is not read again from its start.  What exceeds a cap is an error of
 * the server; the connection cannot be used after it.
 * RESP: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
#ifndef REDLOCK_WIRE_RESP_H
#define REDLOCK_WIRE_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define REDLOCK_RESP_LINE_BYTES_MAX 4096u /* a simple string, error or number, without CRLF */
#define REDLOCK_RESP_BULK_BYTES_MAX 65536u
#define REDLOCK_RESP_ELEMENTS_MAX 320u /* values in one reply, arrays themselves included */
#define REDLOCK_RESP_DEPTH_MAX 4u      /* arrays inside arrays */
/* A reply may hold hundreds of bulks, but a connection keeps at most this much of one reply. */
#define REDLOCK_RESP_REPLY_BYTES_MAX (256u * 1024u)

typedef enum redlock_resp_kind {
    REDLOCK_RESP_SIMPLE = 1,
    REDLOCK_RESP_ERROR,
    REDLOCK_RESP_INTEGER,
    REDLOCK_RESP_BULK,
    REDLOCK_RESP_NIL, /* $-1 and *-1 */
    REDLOCK_RESP_ARRAY
} redlock_resp_kind;

typedef struct redlock_resp_value { /* in the order of the bytes: an array, then its elements */
    redlock_resp_kind kind;
    uint32_t count;   /* ARRAY: direct elements */
    int64_t integer;  /* INTEGER */
    uint32_t at, len; /* SIMPLE, ERROR, BULK: where the text lies in the buffer */
} redlock_resp_value;

typedef struct redlock_resp_reader {
    uint32_t value_count;
    uint32_t left[REDLOCK_RESP_DEPTH_MAX]; /* elements still missing, outermost first */
    uint32_t depth;
    size_t at;             /* first byte that is not consumed by a value */
    size_t scanned;        /* no line end before here */
    const char *complaint; /* static; NULL until something is BAD */
    redlock_resp_value values[REDLOCK_RESP_ELEMENTS_MAX]; /* the last: mostly a few are used */
} redlock_resp_reader;

typedef enum redlock_resp_status {
    REDLOCK_RESP_MORE = 0, /* the reply is not whole: call again with more bytes */
    REDLOCK_RESP_DONE,     /* values[0] is the reply; *ret_used bytes of the buffer were it */
    REDLOCK_RESP_BAD       /* not RESP2, or over a cap */
} redlock_resp_status;

void redlock_resp_reader_init(redlock_resp_reader *reader);
/* `data` begins with the first byte of the reply and has all bytes passed so far (it may have moved
 * in memory).  After DONE or BAD, init before the next use. */
redlock_resp_status redlock_resp_read(redlock_resp_reader *reader, const uint8_t *data, size_t len,
                                      size_t *ret_used);
/* The text of a value; `data` as it was passed to the read that said DONE. */
redlock_bytes redlock_resp_text(const redlock_resp_value *value, const uint8_t *data);
/* One plain sentence about why the last read said BAD. */
const char *redlock_resp_complaint(const redlock_resp_reader *reader);

/* Writes a command argument by argument.  Past the end nothing is written, but `len` goes on
 * counting, so that a caller can measure first: fits means len <= size. */
typedef struct redlock_resp_writer {
    uint8_t *at;
    size_t size, len;
} redlock_resp_writer;
void redlock_resp_write_header(redlock_resp_writer *writer, uint32_t argument_count);
void redlock_resp_write_bulk(redlock_resp_writer *writer, redlock_bytes argument);
/* One argument, of pieces that follow each other. */
void redlock_resp_write_pieces(redlock_resp_writer *writer, const redlock_bytes *pieces,
                               uint32_t count);
void redlock_resp_write_u64(redlock_resp_writer *writer, uint64_t argument);
/* Arguments that another writer has written. */
void redlock_resp_write_raw(redlock_resp_writer *writer, redlock_bytes written);

#endif
