/* reply.c -- replies, and how they look as RESP2. */
#include "sim/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NIL_LEN SIZE_MAX /* in place of the length of an element */

void redlock_sim_give_up(const char *sentence) {
    fprintf(stderr, "redlock-sim: %s\n", sentence);
    abort();
}

void *redlock_sim_memory(void *at, size_t size) {
    if (size == 0) {
        free(at);
        return NULL;
    }
    void *moved = realloc(at, size);
    if (moved == NULL) {
        redlock_sim_give_up("no memory");
    }
    return moved;
}

/* --- texts ----------------------------------------------------------------------------------- */

void redlock_sim_text_deinit(redlock_sim_text *text) {
    free(text->at);
    *text = (redlock_sim_text){.at = NULL};
}

void redlock_sim_text_add(redlock_sim_text *text, redlock_bytes bytes) {
    if (bytes.len == 0) {
        return;
    }
    if (bytes.len > text->size - text->len) {
        text->size = (text->len + bytes.len) * 2;
        text->at = redlock_sim_memory(text->at, text->size);
    }
    memcpy(text->at + text->len, bytes.at, bytes.len);
    text->len += bytes.len;
}

void redlock_sim_text_say(redlock_sim_text *text, const char *words) {
    redlock_sim_text_add(text, redlock_bytes_of(words));
}

void redlock_sim_text_add_number(redlock_sim_text *text, char type, int64_t number) {
    char line[32];
    int len = snprintf(line, sizeof line, "%c%" PRId64 "\r\n", type, number);

    redlock_sim_text_add(text, (redlock_bytes){.at = (const uint8_t *)line, .len = (size_t)len});
}

void redlock_sim_text_add_bulk(redlock_sim_text *text, redlock_bytes bulk) {
    redlock_sim_text_add_number(text, '$', (int64_t)bulk.len);
    redlock_sim_text_add(text, bulk);
    redlock_sim_text_say(text, "\r\n");
}

void redlock_sim_text_add_line(redlock_sim_text *text, char type, redlock_bytes line) {
    size_t from = text->len + 1;

    redlock_sim_text_add(text, (redlock_bytes){.at = (const uint8_t *)&type, .len = 1});
    redlock_sim_text_add(text, line);
    for (size_t i = from; i < text->len; i++) {
        if (text->at[i] == '\r' || text->at[i] == '\n') {
            text->at[i] = ' ';
        }
    }
    redlock_sim_text_say(text, "\r\n");
}

/* --- replies --------------------------------------------------------------------------------- */

void redlock_sim_reply_status(redlock_sim_reply *reply, const char *text) {
    reply->kind = REDLOCK_RESP_SIMPLE;
    reply->text = redlock_bytes_of(text);
}

void redlock_sim_reply_integer(redlock_sim_reply *reply, int64_t integer) {
    reply->kind = REDLOCK_RESP_INTEGER;
    reply->integer = integer;
}

void redlock_sim_reply_bulk(redlock_sim_reply *reply, redlock_bytes bulk) {
    reply->kind = REDLOCK_RESP_BULK;
    reply->text = bulk;
}

void redlock_sim_reply_nil(redlock_sim_reply *reply) {
    reply->kind = REDLOCK_RESP_NIL;
}

void redlock_sim_reply_error(redlock_sim_reply *reply, const char *text) {
    reply->kind = REDLOCK_RESP_ERROR;
    reply->text = redlock_bytes_of(text);
}

void redlock_sim_reply_error_about(redlock_sim_reply *reply, const char *before, const char *word,
                                   const char *after) {
    snprintf(reply->scratch, sizeof reply->scratch, "%s%s%s", before, word, after);
    redlock_sim_reply_error(reply, reply->scratch);
}

void redlock_sim_reply_array(redlock_sim_reply *reply) {
    reply->kind = REDLOCK_RESP_ARRAY;
    reply->count = 0;
    reply->list->len = 0;
}

void redlock_sim_reply_add(redlock_sim_reply *reply, redlock_bytes bulk) {
    redlock_bytes len = {.at = (const uint8_t *)&bulk.len, .len = sizeof bulk.len};

    redlock_sim_text_add(reply->list, len);
    redlock_sim_text_add(reply->list, bulk);
    reply->count++;
}

void redlock_sim_reply_add_nil(redlock_sim_reply *reply) {
    size_t len = NIL_LEN;

    redlock_sim_text_add(reply->list, (redlock_bytes){(const uint8_t *)&len, sizeof len});
    reply->count++;
}

bool redlock_sim_reply_next(const redlock_sim_reply *reply, size_t *cursor,
                            redlock_bytes *ret_bulk) {
    const redlock_sim_text *list = reply->list;
    size_t len;

    if (*cursor == list->len) {
        return false;
    }
    memcpy(&len, list->at + *cursor, sizeof len);
    *cursor += sizeof len;
    if (len == NIL_LEN) {
        *ret_bulk = (redlock_bytes){NULL, 0};
        return true;
    }
    *ret_bulk = (redlock_bytes){.at = list->at + *cursor, .len = len};
    *cursor += len;
    return true;
}

static void array_write(const redlock_sim_reply *reply, redlock_sim_text *text) {
    redlock_bytes bulk;

    redlock_sim_text_add_number(text, '*', (int64_t)reply->count);
    for (size_t cursor = 0; redlock_sim_reply_next(reply, &cursor, &bulk);) {
        if (bulk.at == NULL) {
            redlock_sim_text_add_number(text, '$', -1);
        } else {
            redlock_sim_text_add_bulk(text, bulk);
        }
    }
}

void redlock_sim_reply_write(const redlock_sim_reply *reply, redlock_sim_text *text) {
    switch (reply->kind) {
    case REDLOCK_RESP_SIMPLE:
        redlock_sim_text_add_line(text, '+', reply->text);
        return;
    case REDLOCK_RESP_ERROR:
        redlock_sim_text_add_line(text, '-', reply->text);
        return;
    case REDLOCK_RESP_INTEGER:
        redlock_sim_text_add_number(text, ':', reply->integer);
        return;
    case REDLOCK_RESP_BULK:
        redlock_sim_text_add_bulk(text, reply->text);
        return;
    case REDLOCK_RESP_NIL:
        redlock_sim_text_add_number(text, '$', -1);
        return;
    case REDLOCK_RESP_ARRAY:
        array_write(reply, text);
        return;
    }
}
