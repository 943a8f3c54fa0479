/* keyspace_test.c -- the model server's keyspace and its sorted sets against lists that are searched
 * from end to end, and its small parts against known values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "sim/data.h"
#include "sim/keyspace.h"
#include "sim/packed.h"
#include "sim/sha1.h"

#define NAMES 40

typedef struct twin { /* what is there, in the plainest way; the value is the key's number */
    bool is_there[NAMES];
    int64_t value[NAMES], expires_ms[NAMES];
} twin;

static redlock_sim_key key_of(const char *text) {
    return (redlock_sim_key){.db = 0, .text = redlock_bytes_of(text)};
}

static redlock_sim_value value_of(const char *text, int64_t expires_ms) {
    return (redlock_sim_value){.text = redlock_bytes_of(text), .expires_ms = expires_ms};
}

static void put(redlock_sim_keyspace *space, const char *key, const char *value,
                int64_t expires_ms) {
    redlock_sim_keyspace_put(space, key_of(key), value_of(value, expires_ms));
}

static void assert_there(redlock_sim_keyspace *space, const char *key, const char *value) {
    redlock_sim_value found;

    assert_true(redlock_sim_keyspace_get(space, key_of(key), &found));
    assert_true(redlock_bytes_equal(found.text, redlock_bytes_of(value)));
}

static void assert_gone(redlock_sim_keyspace *space, const char *key) {
    redlock_sim_value found;

    assert_false(redlock_sim_keyspace_get(space, key_of(key), &found));
}

static void a_key_lives_through_its_last_millisecond(void **state) {
    redlock_sim_keyspace space;

    (void)state;
    redlock_sim_keyspace_init(&space);
    put(&space, "a", "1", 1000);
    redlock_sim_keyspace_set_clock(&space, 1000999);
    assert_there(&space, "a", "1");
    redlock_sim_keyspace_set_clock(&space, 1001000);
    assert_gone(&space, "a");
    redlock_sim_keyspace_deinit(&space);
}

static void a_clock_that_jumps_back_finds_what_nobody_asked_for(void **state) {
    redlock_sim_keyspace space;
    redlock_sim_value found;

    (void)state;
    redlock_sim_keyspace_init(&space);
    put(&space, "asked", "1", 1000);
    put(&space, "peeked", "2", 1000);
    redlock_sim_keyspace_set_clock(&space, 2000000);
    assert_gone(&space, "asked");
    assert_false(redlock_sim_keyspace_peek(&space, key_of("peeked"), &found));
    redlock_sim_keyspace_set_clock(&space, 500000);
    assert_gone(&space, "asked");
    assert_there(&space, "peeked", "2");
    redlock_sim_keyspace_set_clock(&space, 2000000);
    redlock_sim_keyspace_expire(&space);
    redlock_sim_keyspace_set_clock(&space, 500000);
    assert_gone(&space, "peeked");
    redlock_sim_keyspace_deinit(&space);
}

static void what_is_not_synced_can_be_lost(void **state) {
    redlock_sim_keyspace space;

    (void)state;
    redlock_sim_keyspace_init(&space);
    put(&space, "kept", "1", REDLOCK_SIM_NO_EXPIRY);
    put(&space, "changed", "1", REDLOCK_SIM_NO_EXPIRY);
    put(&space, "removed", "1", 5000);
    redlock_sim_keyspace_sync(&space);
    put(&space, "changed", "2", 7000);
    put(&space, "changed", "3", 9000);
    put(&space, "new", "1", REDLOCK_SIM_NO_EXPIRY);
    assert_true(redlock_sim_keyspace_remove(&space, key_of("removed")));
    redlock_sim_keyspace_clear(&space);
    put(&space, "kept", "4", REDLOCK_SIM_NO_EXPIRY);
    redlock_sim_keyspace_undo(&space);
    assert_there(&space, "kept", "1");
    assert_there(&space, "changed", "1");
    assert_there(&space, "removed", "1");
    assert_gone(&space, "new");
    redlock_sim_keyspace_lose(&space);
    redlock_sim_keyspace_undo(&space);
    assert_gone(&space, "kept");
    redlock_sim_keyspace_deinit(&space);
}

static void without_a_sync_all_is_lost(void **state) {
    redlock_sim_keyspace space;

    (void)state;
    redlock_sim_keyspace_init(&space);
    put(&space, "a", "1", REDLOCK_SIM_NO_EXPIRY);
    redlock_sim_keyspace_undo(&space);
    assert_gone(&space, "a");
    redlock_sim_keyspace_deinit(&space);
}

static void databases_are_apart(void **state) {
    redlock_sim_keyspace space;
    redlock_sim_key other = {.db = 3, .text = redlock_bytes_of("a")};

    (void)state;
    redlock_sim_keyspace_init(&space);
    put(&space, "a", "1", REDLOCK_SIM_NO_EXPIRY);
    assert_false(redlock_sim_keyspace_remove(&space, other));
    redlock_sim_keyspace_put(&space, other, value_of("2", REDLOCK_SIM_NO_EXPIRY));
    assert_there(&space, "a", "1");
    assert_int_equal(redlock_sim_keyspace_count(&space, 3), 1);
    redlock_sim_keyspace_deinit(&space);
}

/* --- against a plain list --------------------------------------------------------------------- */

static void name_write(char *name, size_t size, size_t number) {
    snprintf(name, size, "name-%zu", number);
}

static void twin_forget(twin *t, int64_t now_ms) {
    for (size_t i = 0; i < NAMES; i++) {
        bool is_over = t->expires_ms[i] != REDLOCK_SIM_NO_EXPIRY && now_ms > t->expires_ms[i];
        t->is_there[i] = t->is_there[i] && !is_over;
    }
}

static void twin_compare(redlock_sim_keyspace *space, const twin *t) {
    size_t count = 0;

    for (size_t i = 0; i < NAMES; i++) {
        char name[16], value[16];
        redlock_sim_value found;

        name_write(name, sizeof name, i);
        snprintf(value, sizeof value, "%d", (int)t->value[i]);
        bool is_there = redlock_sim_keyspace_peek(space, key_of(name), &found);
        assert_int_equal(is_there, t->is_there[i]);
        count += is_there;
        if (is_there) {
            assert_true(redlock_bytes_equal(found.text, redlock_bytes_of(value)));
            assert_true(found.expires_ms == t->expires_ms[i]);
        }
    }
    assert_int_equal(redlock_sim_keyspace_count(space, 0), count);
}

static void one_change(redlock_sim_keyspace *space, twin *t, redlock_prng *prng, int64_t now_ms) {
    size_t i = (size_t)redlock_prng_upto(prng, NAMES - 1);
    uint64_t what = redlock_prng_upto(prng, 99);
    char name[16], value[16];

    name_write(name, sizeof name, i);
    if (what < 60) {
        t->is_there[i] = true;
        t->value[i] = (int64_t)redlock_prng_upto(prng, 999);
        t->expires_ms[i] =
            what < 20 ? REDLOCK_SIM_NO_EXPIRY : now_ms + (int64_t)redlock_prng_upto(prng, 30);
        snprintf(value, sizeof value, "%d", (int)t->value[i]);
        put(space, name, value, t->expires_ms[i]);
    } else if (what < 97) {
        assert_int_equal(redlock_sim_keyspace_remove(space, key_of(name)), t->is_there[i]);
        t->is_there[i] = false;
    } else if (what < 98) {
        redlock_sim_keyspace_expire(space);
    } else {
        redlock_sim_keyspace_clear(space);
        memset(t->is_there, 0, sizeof t->is_there);
    }
}

static void it_is_what_a_plain_list_is(void **state) {
    redlock_sim_keyspace space;
    redlock_prng prng;
    twin now = {.is_there = {false}}, synced = now;

    (void)state;
    redlock_prng_init(&prng, 7);
    redlock_sim_keyspace_init(&space);
    redlock_sim_keyspace_sync(&space);
    for (int64_t ms = 1; ms < 30000; ms++) {
        redlock_sim_keyspace_set_clock(&space, (uint64_t)ms * 1000);
        twin_forget(&now, ms);
        one_change(&space, &now, &prng, ms);
        twin_compare(&space, &now);
        if (redlock_prng_upto(&prng, 50) == 0) {
            redlock_sim_keyspace_sync(&space);
            synced = now;
        } else if (redlock_prng_upto(&prng, 50) == 0) {
            redlock_sim_keyspace_undo(&space);
            now = synced;
            twin_forget(&now, ms);
            twin_compare(&space, &now);
        }
    }
    redlock_sim_keyspace_deinit(&space);
}

/* --- packed ----------------------------------------------------------------------------------- */

#define MEMBERS 30

typedef struct scores { /* a sorted set in the plainest way */
    bool is_there[MEMBERS];
    double score[MEMBERS];
} scores;

/* Which comes next behind this one; MEMBERS when none does.  Names are in the order of numbers. */
static size_t scores_next(const scores *t, double score, size_t number, bool is_first) {
    size_t best = MEMBERS;

    for (size_t i = 0; i < MEMBERS; i++) {
        bool is_behind = is_first || t->score[i] > score || (!(t->score[i] < score) && i > number);
        if (t->is_there[i] && is_behind && (best == MEMBERS || t->score[i] < t->score[best])) {
            best = i;
        }
    }
    return best;
}

static void packed_compare(const redlock_sim_text *packed, const scores *t) {
    redlock_bytes bytes = {.at = packed->at, .len = packed->len};
    redlock_sim_element element, found;
    size_t cursor = 0, rank = 0, at_rank;
    size_t next = scores_next(t, 0, 0, true);

    for (; redlock_sim_packed_next(bytes, &cursor, &element); rank++) {
        char name[16];

        assert_true(next < MEMBERS);
        snprintf(name, sizeof name, "%02zu", next);
        assert_true(redlock_bytes_equal(element.name, redlock_bytes_of(name)));
        assert_true(redlock_sim_packed_find(bytes, redlock_bytes_of(name), &found, &at_rank));
        assert_int_equal(at_rank, rank);
        next = scores_next(t, t->score[next], next, false);
    }
    assert_int_equal(next, MEMBERS);
    assert_int_equal(redlock_sim_packed_count(bytes), rank);
}

static void packed_is_what_a_plain_list_is(void **state) {
    redlock_sim_text packed = {.at = NULL};
    redlock_prng prng;
    scores t = {.is_there = {false}};

    (void)state;
    redlock_prng_init(&prng, 11);
    for (int step = 0; step < 5000; step++) {
        size_t i = (size_t)redlock_prng_upto(&prng, MEMBERS - 1);
        char name[16];

        snprintf(name, sizeof name, "%02zu", i);
        redlock_sim_element element = {.name = redlock_bytes_of(name),
                                       .score = (double)redlock_prng_upto(&prng, 10) - 5};
        if (redlock_prng_upto(&prng, 2) > 0) {
            assert_int_equal(redlock_sim_packed_put(&packed, &element), !t.is_there[i]);
            t.score[i] = element.score;
            t.is_there[i] = true;
        } else {
            assert_int_equal(redlock_sim_packed_remove(&packed, element.name), t.is_there[i]);
            t.is_there[i] = false;
        }
        packed_compare(&packed, &t);
    }
    redlock_sim_text_deinit(&packed);
}

static void a_type_comes_back_with_its_value(void **state) {
    redlock_sim_keyspace space;
    redlock_sim_value found, queue = value_of("packed", REDLOCK_SIM_NO_EXPIRY);

    (void)state;
    queue.type = REDLOCK_SIM_ZSET;
    redlock_sim_keyspace_init(&space);
    redlock_sim_keyspace_put(&space, key_of("a"), queue);
    redlock_sim_keyspace_sync(&space);
    put(&space, "a", "1", 1000);
    assert_true(redlock_sim_keyspace_get(&space, key_of("a"), &found));
    assert_int_equal(found.type, REDLOCK_SIM_STRING);
    redlock_sim_keyspace_undo(&space);
    assert_true(redlock_sim_keyspace_get(&space, key_of("a"), &found));
    assert_int_equal(found.type, REDLOCK_SIM_ZSET);
    redlock_sim_keyspace_deinit(&space);
}

/* --- small parts ------------------------------------------------------------------------------ */

static void numbers_are_read_as_servers_do(void **state) {
    static const struct {
        const char *text;
        bool is_number;
        int64_t number;
    } rows[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-7", true, -7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"07", false, 0},
        {"+7", false, 0},
        {" 7", false, 0},
        {"7 ", false, 0},
        {"1.5", false, 0},
        {"x", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t number = 0;
        bool is_number = redlock_sim_data_number(redlock_bytes_of(rows[i].text), &number);

        if (is_number != rows[i].is_number || number != rows[i].number) {
            fail_msg("\"%s\"", rows[i].text);
        }
    }
}

/* From FIPS 180's examples, and the lengths around which the last block breaks. */
static void sha1_of_known_texts(void **state) {
    char hex[REDLOCK_SIM_SHA1_BYTES + 1];
    char many[120];

    (void)state;
    redlock_sim_sha1(redlock_bytes_of(""), hex);
    assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    redlock_sim_sha1(redlock_bytes_of("abc"), hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    redlock_sim_sha1(redlock_bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                     hex);
    assert_string_equal(hex, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    memset(many, 'a', sizeof many);
    redlock_sim_sha1((redlock_bytes){.at = (const uint8_t *)many, .len = 64}, hex);
    assert_string_equal(hex, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    redlock_sim_sha1((redlock_bytes){.at = (const uint8_t *)many, .len = 119}, hex);
    assert_string_equal(hex, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_lives_through_its_last_millisecond),
        cmocka_unit_test(a_clock_that_jumps_back_finds_what_nobody_asked_for),
        cmocka_unit_test(what_is_not_synced_can_be_lost),
        cmocka_unit_test(without_a_sync_all_is_lost),
        cmocka_unit_test(databases_are_apart),
        cmocka_unit_test(it_is_what_a_plain_list_is),
        cmocka_unit_test(packed_is_what_a_plain_list_is),
        cmocka_unit_test(a_type_comes_back_with_its_value),
        cmocka_unit_test(numbers_are_read_as_servers_do),
        cmocka_unit_test(sha1_of_known_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
