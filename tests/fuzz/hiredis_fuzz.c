/* hiredis_fuzz.c -- any bytes as replies, to our reader and to that of hiredis.  What both take for
 * whole must be the same; ours may refuse more, but only for its caps and its stricter end of strings. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/assert.h"
#include "wire/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool complaint_is_stricter(const redlock_resp_reader *reader) {
    /* The last one: later versions of hiredis read RESP3 as well. */
    static const char *const stricter[] = {"longer than", "more than", "does not end where",
                                           "does not speak"};

    for (size_t i = 0; i < sizeof stricter / sizeof stricter[0]; i++) {
        if (strstr(redlock_resp_complaint(reader), stricter[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void text_compare(redlock_bytes ours, const redisReply *theirs, int type) {
    REDLOCK_ASSERT(theirs->type == type);
    REDLOCK_ASSERT(ours.len == theirs->len);
    REDLOCK_ASSERT(ours.len == 0 || memcmp(ours.at, theirs->str, ours.len) == 0);
}

/* Compares one value; of an array how many elements it has. */
static void value_compare(const redlock_resp_value *value, const uint8_t *data,
                          const redisReply *theirs) {
    redlock_bytes text = redlock_resp_text(value, data);

    switch (value->kind) {
    case REDLOCK_RESP_SIMPLE:
        text_compare(text, theirs, REDIS_REPLY_STATUS);
        return;
    case REDLOCK_RESP_ERROR:
        text_compare(text, theirs, REDIS_REPLY_ERROR);
        return;
    case REDLOCK_RESP_BULK:
        text_compare(text, theirs, REDIS_REPLY_STRING);
        return;
    case REDLOCK_RESP_INTEGER:
        REDLOCK_ASSERT(theirs->type == REDIS_REPLY_INTEGER && value->integer == theirs->integer);
        return;
    case REDLOCK_RESP_NIL:
        REDLOCK_ASSERT(theirs->type == REDIS_REPLY_NIL);
        return;
    case REDLOCK_RESP_ARRAY:
        REDLOCK_ASSERT(theirs->type == REDIS_REPLY_ARRAY && value->count == theirs->elements);
        return;
    }
    REDLOCK_ASSERT(false);
}

/* Ours are flat, in the order of the bytes: so theirs are walked in that order, by what is still to
 * do and without recursion. */
static void reply_compare(const redlock_resp_reader *reader, const uint8_t *data,
                          const redisReply *theirs) {
    const redisReply *todo[REDLOCK_RESP_ELEMENTS_MAX];
    size_t todo_count = 0;

    todo[todo_count++] = theirs;
    for (uint32_t i = 0; i < reader->value_count; i++) {
        REDLOCK_ASSERT(todo_count > 0);
        const redisReply *next = todo[--todo_count];

        value_compare(&reader->values[i], data, next);
        if (next->type == REDIS_REPLY_ARRAY) {
            REDLOCK_ASSERT(todo_count + next->elements <= REDLOCK_RESP_ELEMENTS_MAX);
            for (size_t j = next->elements; j > 0; j--) {
                todo[todo_count++] = next->element[j - 1];
            }
        }
    }
    REDLOCK_ASSERT(todo_count == 0);
}

static redlock_resp_status their_status(redisReader *theirs, redisReply **ret_reply) {
    void *reply = NULL;

    *ret_reply = NULL;
    if (redisReaderGetReply(theirs, &reply) != REDIS_OK) {
        return REDLOCK_RESP_BAD;
    }
    *ret_reply = reply;
    return reply == NULL ? REDLOCK_RESP_MORE : REDLOCK_RESP_DONE;
}

/* False when nothing behind this reply is to be compared. */
static bool reply_read(redisReader *theirs, const uint8_t **data, size_t *size) {
    redlock_resp_reader reader;
    redisReply *reply;
    size_t used = 0;

    redlock_resp_reader_init(&reader);
    redlock_resp_status ours = redlock_resp_read(&reader, *data, *size, &used);

    if (ours == REDLOCK_RESP_BAD && complaint_is_stricter(&reader)) {
        return false;
    }
    redlock_resp_status status = their_status(theirs, &reply);

    REDLOCK_ASSERT(status == ours);
    if (ours == REDLOCK_RESP_DONE) {
        reply_compare(&reader, *data, reply);
        *data += used;
        *size -= used;
    }
    freeReplyObject(reply);
    return ours == REDLOCK_RESP_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > REDLOCK_RESP_BULK_BYTES_MAX) {
        return 0;
    }
    redisReader *theirs = redisReaderCreate();
    bool is_fed = redisReaderFeed(theirs, (const char *)data, size) == REDIS_OK;

    REDLOCK_ASSERT(is_fed);
    while (size > 0 && reply_read(theirs, &data, &size)) {
    }
    redisReaderFree(theirs);
    return 0;
}
