/* batch_test.c -- many renewals in one command, and what each of them is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script/script.h"
#include "wire/batch.h"
#include "wire/resp.h"
#include "wire/step.h"

#define RUN_ID "0123456789012345678901234567890123456789"

static redlock_batch batch;
static uint8_t out[65536];
static redlock_resp_reader reader;

static redlock_command renewal(const char *name, const char *token, uint64_t fence) {
    return (redlock_command){.kind = REDLOCK_COMMAND_RENEW,
                             .fenced = fence > 0,
                             .heal = fence > 0,
                             .name = redlock_bytes_of(name),
                             .token = redlock_bytes_of(token),
                             .ttl_ms = 30000,
                             .fence = fence,
                             .not_after_ms = 5,
                             .guard_ms = 9};
}

static bool add(redlock_command command) {
    return redlock_batch_add(&batch, &command, redlock_bytes_of("p:"));
}

/* The words of the command, joined by '|'; at most the first of them that fit. */
static const char *words_of_batch(void) {
    static char text[4096];
    size_t len = redlock_batch_encode(&batch, out, sizeof out), used = 0, at = 0;

    assert_true(len <= sizeof out);
    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, out, len, &used), REDLOCK_RESP_DONE);
    assert_int_equal(used, len);
    text[0] = '\0';
    for (uint32_t i = 1; i < reader.value_count && at < sizeof text; i++) {
        redlock_bytes word = redlock_resp_text(&reader.values[i], out);
        bool is_script = word.len > 100 || i == 2;

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i > 1 ? "|" : "",
                               is_script ? 1 : (int)word.len,
                               is_script       ? "S"
                               : word.len == 0 ? ""
                                               : (const char *)word.at);
    }
    return text;
}

static void lone_renewal_is_the_ordinary_command(void **state) {
    redlock_command command = renewal("job", "tok", 77);

    (void)state;
    for (int way = 0; way < 4; way++) {
        command.run_id = redlock_bytes_of(way % 2 == 1 ? RUN_ID : "");
        command.fenced = way < 2;
        command.teach = way == 3;
        redlock_batch_clear(&batch);
        assert_true(add(command));
        size_t len = redlock_batch_encode(&batch, out, sizeof out);
        uint8_t lone[REDLOCK_STEP_BYTES_MAX];
        size_t lone_len = redlock_step_encode(&command, redlock_bytes_of("p:"), lone, sizeof lone);

        assert_int_equal(len, lone_len);
        assert_memory_equal(out, lone, len);
    }
}

static void names_stand_together_and_what_they_share_stands_once(void **state) {
    redlock_command guarded = renewal("c", "tc", 3);

    (void)state;
    redlock_batch_clear(&batch);
    assert_true(add(renewal("a", "ta", 1)));
    assert_true(add(renewal("b", "tb", 2)));
    assert_string_equal(words_of_batch(), "EVALSHA|S|4|p:a|p:redlock:{a}:fence|p:b|"
                                          "p:redlock:{b}:fence|30000|5||9|1|ta|1|tb|2");
    redlock_batch_clear(&batch);
    assert_true(add(renewal("a", "ta", 0)));
    assert_true(add(renewal("b", "tb", 0)));
    assert_string_equal(words_of_batch(), "EVALSHA|S|2|p:a|p:b|30000|5||9|0|ta|0|tb|0");
    redlock_batch_clear(&batch);
    guarded.run_id = redlock_bytes_of(RUN_ID);
    assert_true(add(guarded));
    guarded.name = redlock_bytes_of("d");
    assert_true(add(guarded));
    assert_string_equal(words_of_batch(),
                        "EVALSHA|S|5|p:c|p:redlock:{c}:fence|p:d|"
                        "p:redlock:{d}:fence|p:redlock:{boot}|30000|5|" RUN_ID "|9|1|tc|3|tc|3");
}

/* Each of them would be told wrongly by what stands once. */
static void what_differs_is_kept_apart(void **state) {
    redlock_command others[7];

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        others[i] = renewal("b", "tb", 2);
    }
    others[0].teach = true;
    others[1].ttl_ms++;
    others[2].not_after_ms++;
    others[3].run_id = redlock_bytes_of(RUN_ID);
    others[4].guard_ms++;
    others[5].heal = false;
    others[6].fenced = false;
    others[6].heal = false;
    for (size_t i = 0; i < 7; i++) {
        redlock_batch_clear(&batch);
        assert_true(add(renewal("a", "ta", 1)));
        assert_false(add(others[i]));
        assert_int_equal(batch.count, 1);
        assert_true(add(renewal("c", "tc", 3)));
        redlock_batch_clear(&batch);
        assert_true(add(others[i])); /* and the next one begins with it */
    }
    redlock_command plain = renewal("a", "ta", 0);
    redlock_batch_clear(&batch);
    plain.fenced = false;
    assert_true(add(plain));
    plain.fenced = true;
    plain.fence = 9; /* heal is 0, as in the plain one: only the keys tell them apart */
    assert_false(add(plain));
}

static void batch_has_an_end(void **state) {
    static char name[REDLOCK_NAME_BYTES_MAX + 1], token[REDLOCK_TOKEN_BYTES_MAX + 1];
    uint32_t count = 0;

    (void)state;
    redlock_batch_clear(&batch);
    while (add(renewal("a", "ta", 1))) {
        count++;
    }
    assert_int_equal(count, REDLOCK_BATCH_NAMES_MAX);
    memset(name, 'n', sizeof name - 1);
    memset(token, 't', sizeof token - 1);
    for (int which = 0; which < 2; which++) { /* long names fill it, or long tokens */
        redlock_batch_clear(&batch);
        for (count = 0; add(renewal(which == 0 ? name : "a", which == 0 ? "t" : token, 1));) {
            count++;
        }
        assert_in_range(count, 10, REDLOCK_BATCH_NAMES_MAX - 1);
        assert_int_equal(batch.count, count);
        assert_true(redlock_batch_encode(&batch, out, sizeof out) <= sizeof out);
        (void)words_of_batch();
        assert_int_equal(reader.value_count, 1 + 3 + 2 * count + 5 + 2 * count);
    }
}

static redlock_answer decode(uint32_t place, uint32_t count, const char *reply) {
    size_t used;

    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, (const uint8_t *)reply, strlen(reply), &used),
                     REDLOCK_RESP_DONE);
    return redlock_step_decode_renewal(place, count, true, &reader, (const uint8_t *)reply);
}

static void each_name_is_told_its_own(void **state) {
    static const char reply[] = "*16\r\n:1\r\n:0\r\n:99\r\n:0\r\n"
                                ":1\r\n:7\r\n$0\r\n\r\n"
                                ":3\r\n:8\r\n$2\r\nhe\r\n"
                                ":8\r\n:0\r\n$4\r\nOOM!\r\n"
                                ":2\r\n:9\r\n$0\r\n\r\n";
    static const redlock_answer_kind kinds[] = {REDLOCK_ANSWER_YES, REDLOCK_ANSWER_NO,
                                                REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_HEALED};
    static const uint64_t marks[] = {7, 8, 0, 9};
    static const char *const texts[] = {"", "he", "OOM!", ""};

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        redlock_answer answer = decode(i, 4, reply);

        assert_int_equal(answer.kind, kinds[i]);
        assert_int_equal(answer.mark, marks[i]);
        assert_int_equal(answer.time_ms, kinds[i] == REDLOCK_ANSWER_ERROR ? 0 : 99);
        assert_true(redlock_bytes_equal(answer.text, redlock_bytes_of(texts[i])));
        /* For more or fewer names than were asked for it is none. */
        assert_int_equal(decode(i, 5, reply).status, REDLOCK_PROTOCOL);
        assert_int_equal(decode(0, i == 3 ? 2 : i + 1, reply).status, REDLOCK_PROTOCOL);
    }
}

static void what_is_said_of_the_call_is_said_to_all(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(decode(i, 3, "-NOSCRIPT no\r\n").kind, REDLOCK_ANSWER_FORGOT);
        assert_int_equal(decode(i, 3, "-BUSY no\r\n").status, REDLOCK_REFUSED);
        assert_int_equal(decode(i, 3, "*4\r\n:4\r\n:0\r\n:99\r\n:0\r\n").kind, REDLOCK_ANSWER_LATE);
        assert_int_equal(decode(i, 3, "*4\r\n:5\r\n:0\r\n:99\r\n:60\r\n").left_ms, 60);
        assert_int_equal(decode(i, 3, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n").status, REDLOCK_PROTOCOL);
        assert_int_equal(decode(i, 3, "$-1\r\n").status, REDLOCK_PROTOCOL);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(lone_renewal_is_the_ordinary_command),
        cmocka_unit_test(names_stand_together_and_what_they_share_stands_once),
        cmocka_unit_test(what_differs_is_kept_apart),
        cmocka_unit_test(batch_has_an_end),
        cmocka_unit_test(each_name_is_told_its_own),
        cmocka_unit_test(what_is_said_of_the_call_is_said_to_all),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
