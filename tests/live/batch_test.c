/* batch_test.c -- renewals of many names in one call, on a real server: each of them is told, and leaves
 * behind, just what it would be alone. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "node.h"
#include "wire/batch.h"

#define NAMES_MAX REDLOCK_BATCH_NAMES_MAX
#define TTL_MS UINT64_C(1000000)
#define SLACK_MS 60000 /* between two renewals of one round, on a machine that is busy */
#define ROUNDS 60
#define TOKEN "0123456789abcdef0123456789abcdef:me"
#define OTHER "fedcba9876543210fedcba9876543210:you"

typedef enum lock_before {
    LOCK_OURS,
    LOCK_OURS_LONGER,
    LOCK_GONE,
    LOCK_OTHERS,
    LOCK_LIST
} lock_before;
typedef enum mark_before {
    MARK_EQUAL,
    MARK_LOWER,
    MARK_HIGHER,
    MARK_GONE,
    MARK_GARBLED,
    MARK_LIST
} mark_before;

typedef struct told { /* an answer, kept */
    redlock_answer answer;
    char text[REDLOCK_TOKEN_BYTES_MAX + 1];
} told;

static redlock_batch batch;
static uint8_t out[65536];

static void ask(test_node *node, const char *a, const char *b, const char *c, const char *d,
                const char *e) {
    char *said = test_server_ask(node->server, a, b, c, d, e, NULL);

    assert_non_null(said);
    assert_true(said[0] != '-');
    free(said);
}

static void prepare_lock(test_node *node, const char *name, lock_before before) {
    switch (before) {
    case LOCK_OURS:
        ask(node, "SET", name, TOKEN, "PX", "100000");
        return;
    case LOCK_OURS_LONGER:
        ask(node, "SET", name, TOKEN, "PX", "10000000");
        return;
    case LOCK_GONE:
        return;
    case LOCK_OTHERS:
        ask(node, "SET", name, OTHER, "PX", "100000");
        return;
    case LOCK_LIST:
        ask(node, "LPUSH", name, "x", NULL, NULL);
        return;
    }
}

static void prepare_mark(test_node *node, const char *name, uint64_t fence, mark_before before) {
    char key[64], text[32];
    uint64_t mark = before == MARK_LOWER ? fence - 1 : before == MARK_HIGHER ? fence + 1 : fence;

    (void)snprintf(key, sizeof key, "redlock:{%s}:fence", name);
    (void)snprintf(text, sizeof text, "%" PRIu64, mark);
    switch (before) {
    case MARK_EQUAL:
    case MARK_LOWER:
    case MARK_HIGHER:
        ask(node, "SET", key, text, "PX", "604800000");
        return;
    case MARK_GONE:
        return;
    case MARK_GARBLED:
        ask(node, "SET", key, "1e9", NULL, NULL);
        return;
    case MARK_LIST:
        ask(node, "LPUSH", key, "x", NULL, NULL);
        return;
    }
}

static redlock_command renewal(char *name, size_t size, char side, uint32_t number) {
    (void)snprintf(name, size, "%c%u", side, number);
    return (redlock_command){.kind = REDLOCK_COMMAND_RENEW,
                             .name = redlock_bytes_of(name),
                             .token = redlock_bytes_of(TOKEN),
                             .ttl_ms = TTL_MS};
}

static told keep(redlock_answer answer) {
    told kept = {.answer = answer};

    redlock_bytes_to_text(answer.text, kept.text, sizeof kept.text);
    return kept;
}

static int64_t left_ms(test_node *node, const char *key) {
    char *said = test_server_ask(node->server, "PTTL", key, NULL);

    assert_non_null(said);
    int64_t left = strtoll(said, NULL, 10);
    free(said);
    return left;
}

static void assert_same_state(test_node *node, uint32_t number, bool is_mark) {
    char key[2][64];

    for (int side = 0; side < 2; side++) {
        (void)snprintf(key[side], sizeof key[side], "%s%c%u%s", is_mark ? "redlock:{" : "",
                       "ab"[side], number, is_mark ? "}:fence" : "");
    }
    char *value[2] = {test_server_ask(node->server, "GET", key[0], NULL),
                      test_server_ask(node->server, "GET", key[1], NULL)};

    assert_string_equal(value[0], value[1]);
    assert_in_range(left_ms(node, key[0]) - left_ms(node, key[1]) + SLACK_MS, 0, 2 * SLACK_MS);
    free(value[0]);
    free(value[1]);
}

/* One draw: the same before names a0.. and b0.., the first renewed one by one, the others at once. */
static void round_of(test_node *node, redlock_prng *prng, uint32_t counts[9]) {
    static told alone[NAMES_MAX];
    char name[16];
    uint32_t count = 2 + (uint32_t)redlock_prng_upto(prng, NAMES_MAX - 2);
    bool fenced = redlock_prng_upto(prng, 3) > 0, heal = redlock_prng_upto(prng, 1) > 0;
    bool is_adopter = fenced && !heal && redlock_prng_upto(prng, 1) > 0;
    uint64_t fence = 1700000000000000 + redlock_prng_upto(prng, 1000000);

    ask(node, "FLUSHALL", NULL, NULL, NULL, NULL);
    redlock_batch_clear(&batch);
    for (uint32_t i = 0; i < count; i++) {
        lock_before lock =
            redlock_prng_upto(prng, 1) > 0 ? LOCK_OURS : (lock_before)redlock_prng_upto(prng, 4);
        mark_before mark =
            redlock_prng_upto(prng, 1) > 0 ? MARK_EQUAL : (mark_before)redlock_prng_upto(prng, 5);
        bool is_far = redlock_prng_upto(prng, 9) == 0; /* a fence that no node can have given */

        for (int side = 0; side < 2; side++) {
            redlock_command command = renewal(name, sizeof name, "ab"[side], i);

            prepare_lock(node, name, lock);
            prepare_mark(node, name, fence, mark);
            command.fenced = fenced;
            command.heal = heal && fenced;
            command.fence = !fenced || is_adopter ? 0 : is_far ? REDLOCK_FENCE_MAX : fence;
            if (side == 0) {
                alone[i] = keep(test_node_run(node, command));
            } else {
                assert_true(redlock_batch_add(&batch, &command, redlock_bytes_of("")));
            }
        }
    }
    size_t len = redlock_batch_encode(&batch, out, sizeof out);

    assert_true(len <= sizeof out);
    test_node_send(node, out, len);
    test_node_read(node);
    for (uint32_t i = 0; i < count; i++) {
        told at_once = keep(redlock_step_decode_renewal(i, count, fenced, &node->reader, node->in));

        assert_int_equal(at_once.answer.kind, alone[i].answer.kind);
        assert_int_equal(at_once.answer.status, alone[i].answer.status);
        assert_int_equal(at_once.answer.mark, alone[i].answer.mark);
        assert_string_equal(at_once.text, alone[i].text);
        counts[at_once.answer.kind]++;
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_same_state(node, i, false);
        assert_same_state(node, i, true);
    }
}

static void renewals_at_once_are_as_one_by_one(void **state) {
    uint32_t counts[9] = {0};
    redlock_prng prng;

    redlock_prng_init(&prng, 20261121);
    for (int i = 0; i < ROUNDS; i++) {
        round_of(*state, &prng, counts);
    }
    /* It is no comparison if one of them never comes. */
    assert_true(counts[REDLOCK_ANSWER_YES] > 100 && counts[REDLOCK_ANSWER_NO] > 100);
    assert_true(counts[REDLOCK_ANSWER_HEALED] > 20 && counts[REDLOCK_ANSWER_CLOCK] > 20);
    assert_true(counts[REDLOCK_ANSWER_ERROR] > 100);
}

static void what_concerns_the_call_is_told_to_all(void **state) {
    test_node *node = *state;
    char name[16];

    ask(node, "FLUSHALL", NULL, NULL, NULL, NULL);
    for (int way = 0; way < 2; way++) {
        redlock_batch_clear(&batch);
        for (uint32_t i = 0; i < 3; i++) {
            redlock_command command = renewal(name, sizeof name, 'a', i);

            command.fenced = true;
            command.fence = 42;
            command.heal = true;
            command.not_after_ms = way == 0 ? 1 : 0;
            command.run_id =
                redlock_bytes_of(way == 1 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "");
            command.guard_ms = 60000;
            assert_true(redlock_batch_add(&batch, &command, redlock_bytes_of("")));
        }
        test_node_send(node, out, redlock_batch_encode(&batch, out, sizeof out));
        test_node_read(node);
        for (uint32_t i = 0; i < 3; i++) {
            redlock_answer answer =
                redlock_step_decode_renewal(i, 3, true, &node->reader, node->in);

            assert_int_equal(answer.kind,
                             way == 0 ? REDLOCK_ANSWER_LATE : REDLOCK_ANSWER_NOT_READY);
            assert_true(answer.time_ms > 0);
        }
        char *said = test_server_ask(node->server, "EXISTS", "a0", "a1", "a2", NULL);

        assert_string_equal(said, "0");
        free(said);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(renewals_at_once_are_as_one_by_one),
        cmocka_unit_test(what_concerns_the_call_is_told_to_all),
    };

    return cmocka_run_group_tests_name("batch", tests, test_node_start, test_node_stop);
}
