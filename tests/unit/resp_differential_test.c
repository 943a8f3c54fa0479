/* resp_differential_test.c -- our reader of RESP2 against hiredis' own, byte by byte.
 *
 * Seeded random replies, whole and then broken in random places, are given to both, one byte more
 * each time.  After every byte both must say the same: more, done with this reply, or wrong.  Ours
 * may refuse more, but only what its caps and its stricter end of strings forbid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "base/prng.h"
#include "wire/resp.h"

#define STREAM_BYTES_MAX 4096
#define SEEDS 20000

typedef struct byte_stream {
    uint8_t at[STREAM_BYTES_MAX];
    size_t len;
} byte_stream;

static size_t upto(redlock_prng *prng, size_t bound) {
    return (size_t)redlock_prng_upto(prng, bound);
}

/* --- making streams -------------------------------------------------------------------------- */

static void stream_add(byte_stream *stream, const void *bytes, size_t len) {
    if (len <= sizeof stream->at - stream->len) {
        memcpy(stream->at + stream->len, bytes, len);
        stream->len += len;
    }
}

static void stream_add_line(byte_stream *stream, char type, long long number) {
    char line[32];

    stream_add(stream, line, (size_t)snprintf(line, sizeof line, "%c%lld\r\n", type, number));
}

static void stream_add_bytes(byte_stream *stream, redlock_prng *prng, size_t len, bool any) {
    for (size_t i = 0; i < len; i++) {
        static const char common[] = "abc 019\r\n:$*+-";
        uint8_t byte =
            any ? (uint8_t)upto(prng, 255) : (uint8_t)common[upto(prng, sizeof common - 2)];

        stream_add(stream, &byte, 1);
    }
}

static long long random_number(redlock_prng *prng) {
    static const long long special[] = {0, 1, -1, 9, 10, INT64_MAX, INT64_MIN, INT64_MAX - 1};

    if (upto(prng, 1) == 0) {
        return special[upto(prng, 7)];
    }
    return (long long)(redlock_prng_next(prng) >> upto(prng, 63)) * (upto(prng, 1) == 0 ? 1 : -1);
}

static void stream_add_line_text(byte_stream *stream, redlock_prng *prng, char type) {
    size_t from = stream->len;

    stream_add(stream, &type, 1);
    stream_add_bytes(stream, prng, upto(prng, 20), false);
    /* A line end inside would begin another value; that is for the breaking to do. */
    for (size_t i = from; i + 1 < stream->len; i++) {
        if (stream->at[i] == '\r' && stream->at[i + 1] == '\n') {
            stream->at[i] = 'x';
        }
    }
    if (stream->at[stream->len - 1] == '\r') {
        stream->at[stream->len - 1] = 'x';
    }
    stream_add(stream, "\r\n", 2);
}

static void stream_add_scalar(byte_stream *stream, redlock_prng *prng) {
    size_t len = upto(prng, 3) == 0 ? upto(prng, 300) : upto(prng, 12);

    switch (upto(prng, 5)) {
    case 0:
        stream_add_line_text(stream, prng, '+');
        return;
    case 1:
        stream_add_line_text(stream, prng, '-');
        return;
    case 2:
        stream_add_line(stream, ':', random_number(prng));
        return;
    case 3:
        stream_add(stream, upto(prng, 1) == 0 ? "$-1\r\n" : "*-1\r\n", 5);
        return;
    default:
        stream_add_line(stream, '$', (long long)len);
        stream_add_bytes(stream, prng, len, upto(prng, 1) == 0);
        stream_add(stream, "\r\n", 2);
        return;
    }
}

static void stream_add_reply(byte_stream *stream, redlock_prng *prng, int depth) {
    if (depth >= 5 || upto(prng, 2) != 0) {
        stream_add_scalar(stream, prng);
        return;
    }
    size_t count = upto(prng, depth == 0 ? 8 : 4);

    stream_add_line(stream, '*', (long long)count);
    for (uint64_t i = 0; i < count; i++) {
        stream_add_reply(stream, prng, depth + 1);
    }
}

static void stream_break(byte_stream *stream, redlock_prng *prng) {
    static const char likely[] = "\r\n+-:$*0123456789_";
    size_t at = upto(prng, stream->len - 1);
    size_t behind = stream->len - at - 1;

    switch (upto(prng, 3)) {
    case 0: /* another byte */
        stream->at[at] = (uint8_t)upto(prng, 255);
        return;
    case 1: /* another byte that means something */
        stream->at[at] = (uint8_t)likely[upto(prng, sizeof likely - 2)];
        return;
    case 2: /* one byte less */
        memmove(stream->at + at, stream->at + at + 1, behind);
        stream->len -= stream->len > 1;
        return;
    default: /* one byte more */
        if (stream->len < sizeof stream->at) {
            memmove(stream->at + at + 1, stream->at + at, behind + 1);
            stream->at[at] = (uint8_t)likely[upto(prng, sizeof likely - 2)];
            stream->len++;
        }
        return;
    }
}

static void stream_make(byte_stream *stream, uint64_t seed) {
    redlock_prng prng;

    stream->len = 0;
    redlock_prng_init(&prng, seed);
    for (size_t replies = 1 + upto(&prng, 2); replies > 0; replies--) {
        stream_add_reply(stream, &prng, 0);
    }
    if (seed % 3 != 0) {
        for (size_t breaks = 1 + upto(&prng, 3); breaks > 0; breaks--) {
            stream_break(stream, &prng);
        }
    }
}

/* --- comparing ------------------------------------------------------------------------------- */

static bool complaint_is_stricter(const redlock_resp_reader *reader) {
    static const char *const stricter[] = {"longer than", "more than", "does not end where"};

    for (size_t i = 0; i < sizeof stricter / sizeof stricter[0]; i++) {
        if (strstr(redlock_resp_complaint(reader), stricter[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void assert_same_text(redlock_bytes ours, const redisReply *theirs) {
    assert_int_equal(ours.len, theirs->len);
    assert_memory_equal(ours.at, theirs->str, ours.len);
}

/* Compares the value at *index and, when it is an array, what belongs to it. */
static void assert_same_value(const redlock_resp_reader *ours, const uint8_t *data, uint32_t *index,
                              const redisReply *theirs) {
    assert_true(*index < ours->value_count);
    const redlock_resp_value *value = &ours->values[(*index)++];

    switch (value->kind) {
    case REDLOCK_RESP_SIMPLE:
        assert_int_equal(theirs->type, REDIS_REPLY_STATUS);
        assert_same_text(redlock_resp_text(value, data), theirs);
        return;
    case REDLOCK_RESP_ERROR:
        assert_int_equal(theirs->type, REDIS_REPLY_ERROR);
        assert_same_text(redlock_resp_text(value, data), theirs);
        return;
    case REDLOCK_RESP_BULK:
        assert_int_equal(theirs->type, REDIS_REPLY_STRING);
        assert_same_text(redlock_resp_text(value, data), theirs);
        return;
    case REDLOCK_RESP_INTEGER:
        assert_int_equal(theirs->type, REDIS_REPLY_INTEGER);
        assert_true(value->integer == theirs->integer);
        return;
    case REDLOCK_RESP_NIL:
        assert_int_equal(theirs->type, REDIS_REPLY_NIL);
        return;
    case REDLOCK_RESP_ARRAY:
        assert_int_equal(theirs->type, REDIS_REPLY_ARRAY);
        assert_int_equal(value->count, theirs->elements);
        for (size_t i = 0; i < theirs->elements; i++) {
            assert_same_value(ours, data, index, theirs->element[i]);
        }
        return;
    }
    fail();
}

static redlock_resp_status their_status(redisReader *theirs, redisReply **ret_reply) {
    void *reply = NULL;

    if (redisReaderGetReply(theirs, &reply) != REDIS_OK) {
        return REDLOCK_RESP_BAD;
    }
    *ret_reply = reply;
    return reply == NULL ? REDLOCK_RESP_MORE : REDLOCK_RESP_DONE;
}

typedef struct verdict_tally { /* so that a generator that makes only rubbish is noticed */
    int done, bad, strict;
} verdict_tally;

/* Plays one stream.  Ours is asked first: what it refuses for its caps would make hiredis allocate. */
static void stream_compare(const byte_stream *stream, verdict_tally *tally) {
    redisReader *theirs = redisReaderCreate();
    redlock_resp_reader ours;
    size_t from = 0;

    assert_non_null(theirs);
    redlock_resp_reader_init(&ours);
    for (size_t end = 1; end <= stream->len; end++) {
        redisReply *reply = NULL;
        size_t used = 0;
        redlock_resp_status status = redlock_resp_read(&ours, stream->at + from, end - from, &used);

        if (status == REDLOCK_RESP_BAD && complaint_is_stricter(&ours)) {
            tally->strict++;
            break;
        }
        assert_int_equal(redisReaderFeed(theirs, (const char *)stream->at + end - 1, 1), REDIS_OK);
        assert_int_equal(status, their_status(theirs, &reply));
        if (status == REDLOCK_RESP_BAD) {
            tally->bad++;
            break;
        }
        if (status == REDLOCK_RESP_DONE) {
            uint32_t index = 0;

            assert_int_equal(used, end - from);
            assert_same_value(&ours, stream->at + from, &index, reply);
            assert_int_equal(index, ours.value_count);
            freeReplyObject(reply);
            tally->done++;
            redlock_resp_reader_init(&ours);
            from = end;
        }
    }
    redisReaderFree(theirs);
}

static void readers_agree_after_every_byte(void **state) {
    byte_stream *stream = malloc(sizeof *stream);
    verdict_tally tally = {0, 0, 0};

    (void)state;
    assert_non_null(stream);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        stream_make(stream, seed);
        stream_compare(stream, &tally);
    }
    free(stream);
    assert_in_range(tally.done, SEEDS / 2, SEEDS * 4);
    assert_in_range(tally.bad, SEEDS / 10, SEEDS);
    assert_in_range(tally.strict, SEEDS / 100, SEEDS);
}

/* The same streams in pieces of random length give the same as byte by byte. */
static void pieces_of_any_length_give_the_same(void **state) {
    byte_stream *stream = malloc(sizeof *stream);

    (void)state;
    assert_non_null(stream);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        redlock_resp_reader whole, cut;
        redlock_resp_status status = REDLOCK_RESP_MORE;
        redlock_prng prng;
        size_t used_whole = 0, used_cut = 0, len = 0;

        stream_make(stream, seed);
        redlock_prng_init(&prng, seed);
        redlock_resp_reader_init(&whole);
        redlock_resp_reader_init(&cut);
        while (status == REDLOCK_RESP_MORE && len < stream->len) {
            len += 1 + upto(&prng, stream->len - len - 1);
            status = redlock_resp_read(&cut, stream->at, len, &used_cut);
        }
        assert_int_equal(redlock_resp_read(&whole, stream->at, stream->len, &used_whole), status);
        assert_int_equal(used_whole, used_cut);
        assert_int_equal(whole.value_count, cut.value_count);
        if (status == REDLOCK_RESP_BAD) {
            assert_string_equal(redlock_resp_complaint(&whole), redlock_resp_complaint(&cut));
        }
    }
    free(stream);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_agree_after_every_byte),
        cmocka_unit_test(pieces_of_any_length_give_the_same),
    };

    return cmocka_run_group_tests_name("resp_differential", tests, NULL, NULL);
}
