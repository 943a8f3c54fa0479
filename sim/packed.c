/* packed.c -- elements one behind the other, each with its lengths and its score in front. */
#include "sim/packed.h"

#include <string.h>

#include "base/assert.h"

typedef struct header {
    size_t name_len, value_len;
    double score;
} header;

/* An element's bytes, from its header to its end. */
typedef struct place {
    size_t at, len;
} place;

bool redlock_sim_packed_next(redlock_bytes packed, size_t *cursor,
                             redlock_sim_element *ret_element) {
    header head;

    if (*cursor == packed.len) {
        return false;
    }
    memcpy(&head, packed.at + *cursor, sizeof head);
    const uint8_t *name = packed.at + *cursor + sizeof head;
    *ret_element = (redlock_sim_element){
        .name = {.at = name, .len = head.name_len},
        .value = {.at = name + head.name_len, .len = head.value_len},
        .score = head.score,
    };
    *cursor += sizeof head + head.name_len + head.value_len;
    REDLOCK_ASSERT(*cursor <= packed.len);
    return true;
}

size_t redlock_sim_packed_count(redlock_bytes packed) {
    redlock_sim_element element;
    size_t cursor = 0, count = 0;

    while (redlock_sim_packed_next(packed, &cursor, &element)) {
        count++;
    }
    return count;
}

bool redlock_sim_packed_find(redlock_bytes packed, redlock_bytes name,
                             redlock_sim_element *ret_element, size_t *ret_rank) {
    size_t rank = 0;

    for (size_t cursor = 0; redlock_sim_packed_next(packed, &cursor, ret_element); rank++) {
        if (redlock_bytes_equal(ret_element->name, name)) {
            *ret_rank = rank;
            return true;
        }
    }
    return false;
}

/* --- writing --------------------------------------------------------------------------------- */

static redlock_bytes text_bytes(const redlock_sim_text *text) {
    return (redlock_bytes){.at = text->at, .len = text->len};
}

static bool place_of(redlock_bytes packed, redlock_bytes name, place *ret_place) {
    redlock_sim_element element;
    size_t from = 0;

    for (size_t cursor = 0; redlock_sim_packed_next(packed, &cursor, &element); from = cursor) {
        if (redlock_bytes_equal(element.name, name)) {
            *ret_place = (place){.at = from, .len = cursor - from};
            return true;
        }
    }
    return false;
}

static bool is_before(const redlock_sim_element *a, const redlock_sim_element *b) {
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = len == 0 ? 0 : memcmp(a->name.at, b->name.at, len);

    if (a->score < b->score || b->score < a->score) {
        return a->score < b->score;
    }
    return order < 0 || (order == 0 && a->name.len < b->name.len);
}

/* Where it belongs: behind all that come before it. */
static size_t place_for(redlock_bytes packed, const redlock_sim_element *element) {
    redlock_sim_element other;
    size_t at = 0;

    for (size_t cursor = 0; redlock_sim_packed_next(packed, &cursor, &other); at = cursor) {
        if (is_before(element, &other)) {
            break;
        }
    }
    return at;
}

static void place_close(redlock_sim_text *packed, place gone) {
    size_t end = gone.at + gone.len;

    memmove(packed->at + gone.at, packed->at + end, packed->len - end);
    packed->len -= gone.len;
}

static void element_write(uint8_t *to, const redlock_sim_element *element) {
    header head = {
        .name_len = element->name.len, .value_len = element->value.len, .score = element->score};

    memcpy(to, &head, sizeof head);
    if (head.name_len > 0) {
        memcpy(to + sizeof head, element->name.at, head.name_len);
    }
    if (head.value_len > 0) {
        memcpy(to + sizeof head + head.name_len, element->value.at, head.value_len);
    }
}

bool redlock_sim_packed_put(redlock_sim_text *packed, const redlock_sim_element *element) {
    size_t len = sizeof(header) + element->name.len + element->value.len;
    place old;
    bool was_there = place_of(text_bytes(packed), element->name, &old);

    if (was_there) {
        place_close(packed, old);
    }
    size_t at = place_for(text_bytes(packed), element);
    if (packed->size - packed->len < len) {
        packed->size = (packed->len + len) * 2;
        packed->at = redlock_sim_memory(packed->at, packed->size);
    }
    memmove(packed->at + at + len, packed->at + at, packed->len - at);
    element_write(packed->at + at, element);
    packed->len += len;
    return !was_there;
}

bool redlock_sim_packed_remove(redlock_sim_text *packed, redlock_bytes name) {
    place old;
    bool was_there = place_of(text_bytes(packed), name, &old);

    if (was_there) {
        place_close(packed, old);
    }
    return was_there;
}
