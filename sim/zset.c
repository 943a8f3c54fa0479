/* zset.c -- ZADD, ZREM, ZRANGE, ZPOPMIN and their kind.
 *
 * Scores are doubles, told with the 17 digits that 7.0 gives them: what is below 2^53 and whole
 * comes back as it was.  -0 is told as 0, as 7.0 does while members are few and short. */
#include "sim/zset.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/data.h"
#include "sim/verb.h"

#define SCORE_BYTES_MAX 256u

/* --- scores ---------------------------------------------------------------------------------- */

static bool is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* What strtod takes whole, hexadecimal and "inf" too, less what it rounds to nothing or for ever. */
static bool score_read(redlock_bytes word, double *ret_score) {
    char text[SCORE_BYTES_MAX];
    char *end;

    if (word.len >= sizeof text) {
        redlock_sim_give_up("a score of more than 255 bytes");
    }
    if (word.len == 0 || is_blank(word.at[0])) {
        return false;
    }
    memcpy(text, word.at, word.len);
    text[word.len] = '\0';
    errno = 0;
    double score = strtod(text, &end);
    bool is_out = errno == ERANGE && (isinf(score) || fpclassify(score) == FP_ZERO);

    *ret_score = score + 0.0; /* -0 becomes 0 */
    return (size_t)(end - text) == word.len && !is_out && !isnan(score);
}

static redlock_bytes score_text(double score, char *text, size_t size) {
    int len = snprintf(text, size, "%.17g", score);

    return (redlock_bytes){.at = (const uint8_t *)text, .len = (size_t)len};
}

static void reply_add_score(redlock_sim_reply *reply, double score) {
    char text[40];

    redlock_sim_reply_add(reply, score_text(score, text, sizeof text));
}

/* --- writing --------------------------------------------------------------------------------- */

static bool is_add_option(redlock_bytes word) {
    return redlock_sim_word_is(word, "NX") || redlock_sim_word_is(word, "XX") ||
           redlock_sim_word_is(word, "GT") || redlock_sim_word_is(word, "LT") ||
           redlock_sim_word_is(word, "CH") || redlock_sim_word_is(word, "INCR");
}

/* All scores are read before the key is looked at, and nothing is written when one is none. */
static bool add_is_sane(const redlock_sim_order *o) {
    double score;

    if (is_add_option(o->words[2])) {
        redlock_sim_give_up("ZADD with options is not known to the model");
    }
    if (o->count % 2 != 0) {
        redlock_sim_reply_error(o->reply, REDLOCK_SIM_SYNTAX);
        return false;
    }
    for (size_t i = 2; i < o->count; i += 2) {
        if (!score_read(o->words[i], &score)) {
            redlock_sim_reply_error(o->reply, "ERR value is not a valid float");
            return false;
        }
    }
    return true;
}

void redlock_sim_zset_add(const redlock_sim_order *o) {
    redlock_sim_value value;
    redlock_sim_text packed;
    int64_t count = 0;

    if (!add_is_sane(o) || !redlock_sim_order_copy(o, REDLOCK_SIM_ZSET, &value, &packed)) {
        return;
    }
    for (size_t i = 2; i < o->count; i += 2) {
        redlock_sim_element element = {.name = o->words[i + 1]};
        (void)score_read(o->words[i], &element.score); /* it was, above */
        count += redlock_sim_packed_put(&packed, &element);
    }
    redlock_sim_order_store(o, value, &packed);
    redlock_sim_reply_integer(o->reply, count);
}

void redlock_sim_zset_remove(const redlock_sim_order *o) {
    redlock_sim_order_remove(o, REDLOCK_SIM_ZSET);
}

static bool pop_is_sane(const redlock_sim_order *o) {
    if (o->count > 3) {
        redlock_sim_reply_error(o->reply, REDLOCK_SIM_SYNTAX);
        return false;
    }
    if (o->count == 3) {
        redlock_sim_give_up("ZPOPMIN with a count is not known to the model");
    }
    return true;
}

void redlock_sim_zset_pop_min(const redlock_sim_order *o) {
    redlock_sim_value value;
    redlock_sim_element element;
    redlock_sim_text packed;
    size_t cursor = 0;

    if (!pop_is_sane(o) || !redlock_sim_order_copy(o, REDLOCK_SIM_ZSET, &value, &packed)) {
        return;
    }
    redlock_sim_reply_array(o->reply);
    if (redlock_sim_packed_next(value.text, &cursor, &element)) {
        redlock_sim_reply_add(o->reply, element.name);
        reply_add_score(o->reply, element.score);
        (void)redlock_sim_packed_remove(&packed, element.name);
        redlock_sim_order_store(o, value, &packed);
    }
    redlock_sim_text_deinit(&packed);
}

/* --- reading --------------------------------------------------------------------------------- */

typedef struct span { /* of ranks, both ends included */
    int64_t first, last;
    bool is_back, has_scores;
} span;

static bool span_options_read(const redlock_sim_order *o, span *wanted) {
    for (size_t i = 4; i < o->count; i++) {
        redlock_bytes word = o->words[i];
        bool is_new_form = !wanted->is_back && (redlock_sim_word_is(word, "REV") ||
                                                redlock_sim_word_is(word, "BYSCORE") ||
                                                redlock_sim_word_is(word, "BYLEX"));

        if (redlock_sim_word_is(word, "WITHSCORES")) {
            wanted->has_scores = true;
        } else if (is_new_form || redlock_sim_word_is(word, "LIMIT")) {
            redlock_sim_give_up("ZRANGE by anything but ranks is not known to the model");
        } else {
            redlock_sim_reply_error(o->reply, REDLOCK_SIM_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool span_read(const redlock_sim_order *o, span *wanted) {
    if (!span_options_read(o, wanted)) {
        return false;
    }
    if (!redlock_sim_data_number(o->words[2], &wanted->first) ||
        !redlock_sim_data_number(o->words[3], &wanted->last)) {
        redlock_sim_reply_error(o->reply, REDLOCK_SIM_NOT_A_NUMBER);
        return false;
    }
    return true;
}

/* Negative ranks count from the end; what is beyond the ends is cut off. */
static void span_fit(span *wanted, int64_t count) {
    wanted->first += wanted->first < 0 ? count : 0;
    wanted->last += wanted->last < 0 ? count : 0;
    wanted->first = wanted->first < 0 ? 0 : wanted->first;
    wanted->last = wanted->last >= count ? count - 1 : wanted->last;
}

/* All elements in a row; the caller frees them. */
static redlock_sim_element *elements_list(redlock_bytes packed, size_t *ret_count) {
    size_t count = redlock_sim_packed_count(packed), cursor = 0;
    redlock_sim_element *list = redlock_sim_memory(NULL, (count + 1) * sizeof *list);

    for (size_t i = 0; i < count; i++) {
        (void)redlock_sim_packed_next(packed, &cursor, &list[i]);
    }
    *ret_count = count;
    return list;
}

static void range_run(const redlock_sim_order *o, span wanted) {
    redlock_sim_value value;
    size_t count;

    if (!span_read(o, &wanted) || !redlock_sim_order_value(o, REDLOCK_SIM_ZSET, &value)) {
        return;
    }
    redlock_sim_element *list = elements_list(value.text, &count);
    span_fit(&wanted, (int64_t)count);
    redlock_sim_reply_array(o->reply);
    for (int64_t i = wanted.first; i <= wanted.last; i++) {
        const redlock_sim_element *element =
            &list[wanted.is_back ? count - 1 - (size_t)i : (size_t)i];

        redlock_sim_reply_add(o->reply, element->name);
        if (wanted.has_scores) {
            reply_add_score(o->reply, element->score);
        }
    }
    redlock_sim_memory(list, 0);
}

void redlock_sim_zset_range(const redlock_sim_order *o) {
    range_run(o, (span){.is_back = false});
}

void redlock_sim_zset_range_back(const redlock_sim_order *o) {
    range_run(o, (span){.is_back = true});
}

void redlock_sim_zset_rank(const redlock_sim_order *o) {
    redlock_sim_value value;
    redlock_sim_element element;
    size_t rank;

    if (!redlock_sim_order_value(o, REDLOCK_SIM_ZSET, &value)) {
        return;
    }
    if (redlock_sim_packed_find(value.text, o->words[2], &element, &rank)) {
        redlock_sim_reply_integer(o->reply, (int64_t)rank);
    } else {
        redlock_sim_reply_nil(o->reply);
    }
}

void redlock_sim_zset_score(const redlock_sim_order *o) {
    redlock_sim_value value;
    redlock_sim_element element;
    size_t rank;

    if (!redlock_sim_order_value(o, REDLOCK_SIM_ZSET, &value)) {
        return;
    }
    if (redlock_sim_packed_find(value.text, o->words[2], &element, &rank)) {
        redlock_sim_reply_bulk(
            o->reply, score_text(element.score, o->reply->scratch, sizeof o->reply->scratch));
    } else {
        redlock_sim_reply_nil(o->reply);
    }
}

void redlock_sim_zset_count(const redlock_sim_order *o) {
    redlock_sim_order_count(o, REDLOCK_SIM_ZSET);
}
