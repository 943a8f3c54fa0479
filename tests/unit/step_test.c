/* step_test.c -- typed commands as Redis's bytes, and Redis's replies as typed answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script/script.h"
#include "wire/resp.h"
#include "wire/step.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RUN_ID "0123456789012345678901234567890123456789"
#define COMPANIONS "job|redlock:{job}:fence|redlock:{job}:queue|redlock:{job}:alive"

/* --- encoding -------------------------------------------------------------------------------- */

/* The arguments of an encoded command, joined by '|', with the script's SHA1 or text as "<name>".
 * A command is an array of bulks, so the reader of replies can take it apart. */
static void command_describe(const redlock_command *command, const char *prefix, char *text,
                             size_t size) {
    static uint8_t out[REDLOCK_STEP_BYTES_MAX];
    const redlock_script *script = redlock_script_of(command->kind);
    size_t len = redlock_step_encode(command, redlock_bytes_of(prefix), out, sizeof out);
    redlock_resp_reader reader;
    size_t used = 0;

    assert_true(len <= sizeof out);
    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, out, len, &used), REDLOCK_RESP_DONE);
    assert_int_equal(used, len);
    assert_int_equal(reader.values[0].kind, REDLOCK_RESP_ARRAY);
    size_t at = 0;

    for (uint32_t i = 1; i < reader.value_count; i++) {
        redlock_bytes word = redlock_resp_text(&reader.values[i], out);
        bool is_script = redlock_bytes_equal(word, redlock_bytes_of(script->sha1)) ||
                         redlock_bytes_equal(word, redlock_bytes_of(script->text));

        assert_int_equal(reader.values[i].kind, REDLOCK_RESP_BULK);
        at += is_script
                  ? (size_t)snprintf(text + at, size - at, "%s<%s>", i > 1 ? "|" : "", script->name)
                  : (size_t)snprintf(text + at, size - at, "%s%.*s", i > 1 ? "|" : "",
                                     (int)word.len, word.len > 0 ? (const char *)word.at : "");
    }
}

static redlock_command command_of(redlock_command_kind kind, bool fenced, const char *run_id) {
    return (redlock_command){.kind = kind,
                             .fenced = fenced,
                             .heal = true,
                             .name = redlock_bytes_of("job"),
                             .token = redlock_bytes_of("tok"),
                             .ttl_ms = 30000,
                             .fence = 77,
                             .not_after_ms = 5,
                             .run_id = redlock_bytes_of(run_id),
                             .guard_ms = 9};
}

static void commands_are_laid_out_as_the_scripts_want_them(void **state) {
    static const struct {
        redlock_command_kind kind;
        bool fenced;
        const char *run_id, *prefix, *words;
    } rows[] = {
        {REDLOCK_COMMAND_GRANT, true, "", "",
         "EVALSHA|<acquire>|4|" COMPANIONS "|tok|30000|5|77||9|0"},
        {REDLOCK_COMMAND_GRANT, true, RUN_ID, "p:",
         "EVALSHA|<acquire>|5|p:job|p:redlock:{job}:fence|p:redlock:{job}:queue|"
         "p:redlock:{job}:alive|p:redlock:{boot}|tok|30000|5|77|" RUN_ID "|9|0"},
        {REDLOCK_COMMAND_GRANT, false, RUN_ID, "",
         "EVALSHA|<acquire>|5|" COMPANIONS "|redlock:{boot}|tok|30000|5|0|" RUN_ID "|9|0"},
        {REDLOCK_COMMAND_GRANT, false, "", "p:", "SET|p:job|tok|NX|PX|30000"},
        {REDLOCK_COMMAND_RAISE, true, "", "",
         "EVALSHA|<raise>|2|job|redlock:{job}:fence|tok|5|77||9"},
        {REDLOCK_COMMAND_RAISE, true, RUN_ID, "",
         "EVALSHA|<raise>|3|job|redlock:{job}:fence|redlock:{boot}|tok|5|77|" RUN_ID "|9"},
        {REDLOCK_COMMAND_RENEW, true, "", "",
         "EVALSHA|<renew>|2|job|redlock:{job}:fence|30000|5||9|1|tok|77"},
        {REDLOCK_COMMAND_RENEW, false, "", "", "EVALSHA|<renew>|1|job|30000|5||9|1|tok|0"},
        {REDLOCK_COMMAND_RELEASE, true, RUN_ID, "", "EVALSHA|<release>|4|" COMPANIONS "|tok|5|0|"},
        {REDLOCK_COMMAND_RELEASE, false, "", "", "EVALSHA|<release>|1|job|tok|5"},
        {REDLOCK_COMMAND_LOOK, true, RUN_ID, "",
         "EVALSHA|<look>|3|job|redlock:{job}:fence|redlock:{job}:queue"},
        {REDLOCK_COMMAND_LOOK, false, "", "", "EVALSHA|<look>|1|job"},
        {REDLOCK_COMMAND_BREAK, true, "", "", "EVALSHA|<break>|4|" COMPANIONS "|77"},
        {REDLOCK_COMMAND_BREAK, false, "", "p:", "EVALSHA|<break>|1|p:job|0"},
        {REDLOCK_COMMAND_PROBE, false, RUN_ID,
         "p:", "EVALSHA|<probe>|1|p:redlock:{boot}|" RUN_ID "|9"},
        {REDLOCK_COMMAND_DECLARE, false, RUN_ID, "", "EVALSHA|<declare>|1|redlock:{boot}|" RUN_ID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_command command = command_of(rows[i].kind, rows[i].fenced, rows[i].run_id);
        char text[512];

        command_describe(&command, rows[i].prefix, text, sizeof text);
        assert_string_equal(text, rows[i].words);
    }
}

/* The words of the queue, behind all others. */
static void places_in_the_queue_are_told(void **state) {
    static const struct {
        redlock_command_kind kind;
        bool barge;
        redlock_place place;
        uint64_t hand_off_ms, poll_ms, ticket, wake_tag;
        const char *words;
    } rows[] = {
        {REDLOCK_COMMAND_GRANT, false, REDLOCK_PLACE_NONE, 0, 1000, 0, 7, "|0|1000|0|chan 7"},
        {REDLOCK_COMMAND_GRANT, true, REDLOCK_PLACE_NONE, 0, 1, REDLOCK_FENCE_MAX, UINT64_MAX,
         "|1|1|9007199254740991|chan 18446744073709551615"},
        {REDLOCK_COMMAND_GRANT, true, REDLOCK_PLACE_NONE, 0, 0, 3, 7, "|77||9|1"},
        {REDLOCK_COMMAND_RELEASE, false, REDLOCK_PLACE_NONE, 2000, 0, 0, 0, "|5|2000|"},
        {REDLOCK_COMMAND_RELEASE, false, REDLOCK_PLACE_LEAVE, 2000, 0, 0, 0, "|5|2000|leave"},
        {REDLOCK_COMMAND_RELEASE, false, REDLOCK_PLACE_STAY, 0, 1000, 5, 7,
         "|0|stay|1000|5|chan 7"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_command command = command_of(rows[i].kind, true, "");
        char text[512];

        command.barge = rows[i].barge;
        command.place = rows[i].place;
        command.hand_off_ms = rows[i].hand_off_ms;
        command.entry = (redlock_queue_entry){.poll_ms = rows[i].poll_ms,
                                              .ticket = rows[i].ticket,
                                              .channel = redlock_bytes_of("chan"),
                                              .wake_tag = rows[i].wake_tag};
        command_describe(&command, "", text, sizeof text);
        assert_true(strlen(text) > strlen(rows[i].words));
        assert_string_equal(text + strlen(text) - strlen(rows[i].words), rows[i].words);
    }
}

static void teaching_sends_the_whole_script(void **state) {
    redlock_command command = command_of(REDLOCK_COMMAND_GRANT, false, "");
    char text[512];

    (void)state;
    command.teach = true;
    command_describe(&command, "", text, sizeof text);
    assert_string_equal(text, "EVAL|<acquire>|1|job|tok|30000|5|0||9|0");
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        command = command_of((redlock_command_kind)kind, true, RUN_ID);
        command.teach = true;
        command_describe(&command, "", text, sizeof text);
        assert_int_equal(strncmp(text, "EVAL|<", 6), 0);
    }
}

static void companion_key_keeps_a_hash_tag_that_the_name_has(void **state) {
    static const struct {
        const char *name, *mark;
    } rows[] = {
        {"a", "redlock:{a}:fence"},    {"a{b}c", "redlock:=a{b}c:fence"},
        {"{a}", "redlock:={a}:fence"}, {"{}", "redlock:{{}}:fence"},
        {"{", "redlock:{{}:fence"},    {"}", "redlock:{}}:fence"},
        {"}{", "redlock:{}{}:fence"},  {"{}{a}", "redlock:{{}{a}}:fence"},
        {"{{}", "redlock:={{}:fence"}, {"x{a", "redlock:{x{a}:fence"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_command command = command_of(REDLOCK_COMMAND_RAISE, true, "");
        char text[256], wanted[256];

        command.name = redlock_bytes_of(rows[i].name);
        command_describe(&command, "", text, sizeof text);
        snprintf(wanted, sizeof wanted, "EVALSHA|<raise>|2|%s|%s|tok|5|77||9", rows[i].name,
                 rows[i].mark);
        assert_string_equal(text, wanted);
    }
}

static void redlocks_own_keys_are_reserved(void **state) {
    static const struct {
        const char *name;
        bool is_reserved;
    } rows[] = {
        {"redlock:{boot}", true},      {"redlock:{a}:fence", true},
        {"redlock:=a{b}:fence", true}, {"redlock:{", true},
        {"redlock:=", true},           {"redlock:", false},
        {"redlock:job", false},        {"job", false},
        {"Redlock:{a}", false},        {"x:redlock:{a}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(redlock_key_is_reserved(redlock_bytes_of(rows[i].name)),
                         rows[i].is_reserved);
    }
}

static void largest_command_fits_and_small_space_is_not_overrun(void **state) {
    static uint8_t name[REDLOCK_NAME_BYTES_MAX], token[REDLOCK_TOKEN_BYTES_MAX];
    static char prefix[REDLOCK_PREFIX_BYTES_MAX + 1];
    uint8_t *out = malloc(REDLOCK_STEP_BYTES_MAX);
    redlock_command command = command_of(REDLOCK_COMMAND_GRANT, true, RUN_ID);

    (void)state;
    assert_non_null(out);
    memset(name, '{', sizeof name);
    memset(token, 't', sizeof token);
    memset(prefix, 'p', sizeof prefix - 1);
    command.name = (redlock_bytes){.at = name, .len = sizeof name};
    command.token = (redlock_bytes){.at = token, .len = sizeof token};
    command.ttl_ms = command.fence = command.not_after_ms = command.guard_ms = UINT64_MAX;
    command.entry = (redlock_queue_entry){
        .poll_ms = UINT64_MAX,
        .ticket = UINT64_MAX,
        .channel = redlock_bytes_of("0123456789abcdef0123456789abcdef"),
        .wake_tag = UINT64_MAX,
    };
    command.teach = true;
    size_t len =
        redlock_step_encode(&command, redlock_bytes_of(prefix), out, REDLOCK_STEP_BYTES_MAX);

    assert_in_range(len, 4096, REDLOCK_STEP_BYTES_MAX);
    for (size_t size = 0; size < len; size += 97) {
        uint8_t *small = malloc(size + 1);

        assert_non_null(small);
        assert_int_equal(redlock_step_encode(&command, redlock_bytes_of(prefix), small + 1, size),
                         len);
        free(small);
    }
    free(out);
}

/* --- decoding -------------------------------------------------------------------------------- */

static redlock_answer decode(redlock_command_kind kind, bool fenced, const char *reply) {
    redlock_resp_reader reader;
    size_t used = 0;

    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, (const uint8_t *)reply, strlen(reply), &used),
                     REDLOCK_RESP_DONE);
    return redlock_step_decode(kind, fenced, &reader, (const uint8_t *)reply);
}

#define GRANT REDLOCK_COMMAND_GRANT
#define RAISE REDLOCK_COMMAND_RAISE
#define RENEW REDLOCK_COMMAND_RENEW
#define RELEASE REDLOCK_COMMAND_RELEASE
#define LOOK REDLOCK_COMMAND_LOOK
#define BREAK REDLOCK_COMMAND_BREAK
#define PROBE REDLOCK_COMMAND_PROBE
#define DECLARE REDLOCK_COMMAND_DECLARE

/* How the reply to a renewal begins that was carried out. */
#define CALLED(elements) "*" #elements "\r\n:1\r\n:0\r\n:99\r\n:0\r\n"

static void replies_are_what_the_step_meant(void **state) {
    static const struct {
        redlock_command_kind command;
        bool fenced;
        const char *reply;
        redlock_answer_kind kind;
        redlock_status status;
        uint64_t mark, time_ms, left_ms;
        const char *text;
    } rows[] = {
        {GRANT, true, "*4\r\n:1\r\n:7\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK, 7, 99, 0,
         ""},
        {GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:20\r\n$2\r\nhe\r\n:0\r\n", REDLOCK_ANSWER_NO,
         REDLOCK_HELD, 7, 99, 20, "he"},
        {GRANT, true, "*4\r\n:4\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_LATE, REDLOCK_SILENT, 0, 99,
         0, ""},
        {GRANT, true, "*4\r\n:5\r\n:0\r\n:99\r\n:60\r\n", REDLOCK_ANSWER_NOT_READY,
         REDLOCK_NOT_READY, 0, 99, 60, ""},
        {GRANT, true, "*4\r\n:6\r\n:7\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK, 7, 99,
         0, ""},
        {GRANT, true, "*4\r\n:1\r\n:9007199254740991\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_YES,
         REDLOCK_OK, REDLOCK_FENCE_MAX, 99, 0, ""},
        {GRANT, false, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK, 0, 99, 0,
         ""},
        {GRANT, false, "+OK\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK, 0, 0, 0, ""},
        {GRANT, false, "$-1\r\n", REDLOCK_ANSWER_NO, REDLOCK_HELD, 0, 0, 0, ""},
        {RAISE, true, "*4\r\n:3\r\n:7\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD, 7, 99,
         0, ""},
        {RENEW, true, CALLED(7) ":3\r\n:7\r\n$2\r\nhe\r\n", REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD, 7,
         99, 0, "he"},
        {RENEW, true, CALLED(7) ":2\r\n:7\r\n$0\r\n\r\n", REDLOCK_ANSWER_HEALED, REDLOCK_NOT_HELD,
         7, 99, 0, ""},
        {RENEW, true, CALLED(7) ":1\r\n:0\r\n$0\r\n\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK, 0, 99, 0,
         ""},
        {RENEW, true, CALLED(7) ":6\r\n:7\r\n$0\r\n\r\n", REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK, 7,
         99, 0, ""},
        {RENEW, true, CALLED(7) ":8\r\n:0\r\n$7\r\nOOM no!\r\n", REDLOCK_ANSWER_ERROR,
         REDLOCK_REFUSED, 0, 0, 0, "OOM no!"},
        {RENEW, true, "*4\r\n:4\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_LATE, REDLOCK_SILENT, 0, 99,
         0, ""},
        {RENEW, true, "*4\r\n:5\r\n:0\r\n:99\r\n:60\r\n", REDLOCK_ANSWER_NOT_READY,
         REDLOCK_NOT_READY, 0, 99, 60, ""},
        {RELEASE, true, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK, 0, 99, 0,
         ""},
        {RELEASE, true, "*4\r\n:3\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD, 0,
         99, 0, ""},
        {LOOK, true, "*7\r\n:1\r\n:7\r\n:99\r\n:20\r\n$2\r\nhe\r\n:0\r\n$0\r\n\r\n",
         REDLOCK_ANSWER_YES, REDLOCK_OK, 7, 99, 20, "he"},
        {BREAK, true, "*5\r\n:1\r\n:8\r\n:99\r\n:0\r\n$2\r\nhe\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK,
         8, 99, 0, "he"},
        {PROBE, false, "*5\r\n:5\r\n:0\r\n:99\r\n:60\r\n$3\r\nnew\r\n", REDLOCK_ANSWER_NOT_READY,
         REDLOCK_NOT_READY, 0, 99, 60, "new"},
        {DECLARE, false, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n", REDLOCK_ANSWER_YES, REDLOCK_OK, 0, 99,
         0, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_answer answer = decode(rows[i].command, rows[i].fenced, rows[i].reply);

        assert_int_equal(answer.kind, rows[i].kind);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.mark, rows[i].mark);
        assert_int_equal(answer.time_ms, rows[i].time_ms);
        assert_int_equal(answer.left_ms, rows[i].left_ms);
        assert_true(redlock_bytes_equal(answer.text, redlock_bytes_of(rows[i].text)));
    }
}

static void places_and_waiters_are_heard(void **state) {
    redlock_answer answer;

    (void)state;
    answer = decode(GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:20\r\n$2\r\nhe\r\n:41\r\n");
    assert_int_equal(answer.kind, REDLOCK_ANSWER_NO);
    assert_int_equal(answer.place, 41);
    assert_int_equal(answer.waiters.len, 0);
    /* Free, but others wait. */
    answer = decode(GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n$0\r\n\r\n:4294967295\r\n");
    assert_int_equal(answer.status, REDLOCK_HELD);
    assert_int_equal(answer.place, UINT32_MAX);
    answer =
        decode(LOOK, true, "*7\r\n:1\r\n:7\r\n:99\r\n:20\r\n$2\r\nhe\r\n:2\r\n$4\r\na\nb\n\r\n");
    assert_int_equal(answer.place, 2);
    assert_true(redlock_bytes_equal(answer.waiters, redlock_bytes_of("a\nb\n")));
}

static void list_of_waiters_longer_than_it_can_be_is_strange(void **state) {
    static char reply[REDLOCK_WAITERS_BYTES_MAX + 100];
    redlock_answer answer;

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t waiters = REDLOCK_WAITERS_BYTES_MAX + more;
        int len = snprintf(reply, sizeof reply,
                           "*7\r\n:1\r\n:7\r\n:99\r\n:20\r\n$2\r\nhe\r\n:99\r\n$%zu\r\n", waiters);

        memset(reply + len, 'x', waiters);
        memcpy(reply + (size_t)len + waiters, "\r\n", 3);
        answer = decode(LOOK, true, reply);
        assert_int_equal(answer.status, more == 0 ? REDLOCK_OK : REDLOCK_PROTOCOL);
        assert_int_equal(answer.waiters.len, more == 0 ? waiters : 0);
    }
}

static void strange_replies_to_renewals_are_no_votes(void **state) {
    static const struct {
        bool fenced;
        const char *reply;
    } rows[] = {
        {true, "*4\r\n:1\r\n:7\r\n:99\r\n:0\r\n"}, /* the call alone */
        {true, "*4\r\n:3\r\n:0\r\n:99\r\n:0\r\n"},
        {true, "*4\r\n:6\r\n:0\r\n:99\r\n:0\r\n"},
        {true, CALLED(6) ":1\r\n:7\r\n"},
        {true, CALLED(7) ":1\r\n:7\r\n:0\r\n"},
        {true, CALLED(7) ":4\r\n:0\r\n$0\r\n\r\n"}, /* a name is never late by itself */
        {true, CALLED(7) ":5\r\n:0\r\n$0\r\n\r\n"},
        {true, CALLED(7) ":7\r\n:0\r\n$0\r\n\r\n"},
        {true, CALLED(7) ":9\r\n:0\r\n$0\r\n\r\n"},
        {true, CALLED(7) ":0\r\n:0\r\n$0\r\n\r\n"},
        {true, CALLED(7) ":-1\r\n:7\r\n$0\r\n\r\n"},
        {true, CALLED(7) "$1\r\n1\r\n:7\r\n$0\r\n\r\n"},
        {true, CALLED(7) ":1\r\n$1\r\n7\r\n$0\r\n\r\n"},
        {false, CALLED(7) ":1\r\n:7\r\n$0\r\n\r\n"},                       /* plain, and a mark */
        {true, CALLED(10) ":1\r\n:7\r\n$0\r\n\r\n:1\r\n:7\r\n$0\r\n\r\n"}, /* of two */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_answer answer = decode(RENEW, rows[i].fenced, rows[i].reply);

        assert_int_equal(answer.kind, REDLOCK_ANSWER_ERROR);
        assert_int_equal(answer.status, REDLOCK_PROTOCOL);
        assert_int_equal(answer.mark, 0);
    }
}

static void strange_replies_are_no_votes(void **state) {
    static const struct {
        redlock_command_kind command;
        bool fenced;
        const char *reply;
    } rows[] = {
        {GRANT, true, "+OK\r\n"}, /* fenced, and no mark */
        {GRANT, true, "$-1\r\n"},
        {GRANT, false, "+QUEUED\r\n"},
        {GRANT, false, ":1\r\n"},
        {GRANT, false, "$2\r\nOK\r\n"},
        {RENEW, false, "+OK\r\n"},
        {RELEASE, false, "$-1\r\n"},
        {GRANT, true, "*0\r\n"},
        {GRANT, true, "*3\r\n:1\r\n:7\r\n:99\r\n"},
        {GRANT, true, "*6\r\n:1\r\n:7\r\n:99\r\n:0\r\n:0\r\n:0\r\n"},
        {GRANT, true, "*4\r\n$1\r\n1\r\n:7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n*1\r\n:1\r\n:7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:1\r\n$-1\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:0\r\n:7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:-1\r\n:7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:7\r\n:7\r\n:99\r\n:0\r\n"}, /* FORGOT is no code of a script */
        {GRANT, true, "*4\r\n:64\r\n:7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:4294967297\r\n:7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:2\r\n:7\r\n:99\r\n:0\r\n"}, /* GRANT never heals */
        {GRANT, true, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n"}, /* fenced, and no mark */
        {GRANT, true, "*4\r\n:1\r\n:-7\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:1\r\n:9007199254740992\r\n:99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:1\r\n:7\r\n:-99\r\n:0\r\n"},
        {GRANT, true, "*4\r\n:1\r\n:7\r\n:99\r\n:-2\r\n"},
        {GRANT, true, "*5\r\n:1\r\n:7\r\n:99\r\n:0\r\n$1\r\nx\r\n"}, /* a yes has no text */
        {GRANT, true, "*4\r\n:3\r\n:7\r\n:99\r\n:0\r\n"},            /* this no must have one */
        {GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n:1\r\n:0\r\n"},
        {GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n$-1\r\n:0\r\n"},
        {GRANT, true, "*5\r\n:3\r\n:7\r\n:99\r\n:0\r\n$2\r\nhe\r\n"}, /* no place */
        {GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n$2\r\nhe\r\n:-1\r\n"},
        {GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n$2\r\nhe\r\n:4294967296\r\n"},
        {GRANT, true, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n$2\r\nhe\r\n$1\r\n1\r\n"},
        {GRANT, true,
         "*6\r\n:1\r\n:7\r\n:99\r\n:0\r\n$2\r\nhe\r\n:1\r\n"}, /* a yes waits nowhere */
        {GRANT, false, "*4\r\n:1\r\n:7\r\n:99\r\n:0\r\n"},     /* plain, and a mark */
        {RAISE, true, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n"},
        {RAISE, true, "*4\r\n:2\r\n:7\r\n:99\r\n:0\r\n"},
        {RELEASE, true, "*4\r\n:1\r\n:7\r\n:99\r\n:0\r\n"},
        {RELEASE, true, "*4\r\n:5\r\n:0\r\n:99\r\n:0\r\n"},
        {LOOK, true, "*4\r\n:1\r\n:7\r\n:99\r\n:0\r\n"},
        {LOOK, true, "*7\r\n:3\r\n:7\r\n:99\r\n:0\r\n$1\r\nx\r\n:0\r\n$0\r\n\r\n"},
        {LOOK, true, "*6\r\n:1\r\n:7\r\n:99\r\n:0\r\n$1\r\nx\r\n:0\r\n"},
        {LOOK, true, "*7\r\n:1\r\n:7\r\n:99\r\n:0\r\n$1\r\nx\r\n:0\r\n$-1\r\n"},
        {LOOK, true, "*7\r\n:1\r\n:7\r\n:99\r\n:0\r\n$1\r\nx\r\n$1\r\n0\r\n$0\r\n\r\n"},
        {BREAK, true, "*4\r\n:1\r\n:7\r\n:99\r\n:0\r\n"},
        {PROBE, false, "*4\r\n:1\r\n:0\r\n:99\r\n:0\r\n"},
        {DECLARE, false, "*4\r\n:3\r\n:0\r\n:99\r\n:0\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_answer answer = decode(rows[i].command, rows[i].fenced, rows[i].reply);

        if (answer.kind != REDLOCK_ANSWER_ERROR) {
            fail_msg("row %zu was taken for kind %d", i, (int)answer.kind);
        }
        assert_int_equal(answer.status, REDLOCK_PROTOCOL);
        assert_int_equal(answer.mark, 0);
        assert_true(answer.text.len > 0);
    }
}

static void holder_longer_than_any_token_is_strange(void **state) {
    char reply[400];

    (void)state;
    for (int more = 0; more < 2; more++) {
        int len =
            snprintf(reply, sizeof reply, "*6\r\n:3\r\n:7\r\n:99\r\n:0\r\n$%d\r\n%0*d\r\n:0\r\n",
                     256 + more, 256 + more, 0);

        assert_in_range(len, 257, sizeof reply - 1);
        redlock_answer answer = decode(GRANT, true, reply);
        assert_int_equal(answer.status, more == 0 ? REDLOCK_HELD : REDLOCK_PROTOCOL);
        assert_true(more == 1 || answer.text.len == 256);
    }
}

static void errors_are_sorted_by_their_words(void **state) {
    static const struct {
        const char *words;
        redlock_answer_kind kind;
        redlock_status status;
    } rows[] = {
        {"NOSCRIPT No matching script.", REDLOCK_ANSWER_FORGOT, REDLOCK_REFUSED},
        {"NOAUTH Authentication required.", REDLOCK_ANSWER_ERROR, REDLOCK_AUTH_REQUIRED},
        {"WRONGPASS invalid username-password pair", REDLOCK_ANSWER_ERROR, REDLOCK_AUTH},
        {"ERR AUTH <password> called without any password configured", REDLOCK_ANSWER_ERROR,
         REDLOCK_AUTH},
        {"ERR Client sent AUTH, but no password is set", REDLOCK_ANSWER_ERROR, REDLOCK_AUTH},
        {"ERR invalid password", REDLOCK_ANSWER_ERROR, REDLOCK_AUTH},
        {"NOPERM this user has no permissions", REDLOCK_ANSWER_ERROR, REDLOCK_NO_PERMISSION},
        {"ERR The user executing the script can't run this command or subcommand script: 1",
         REDLOCK_ANSWER_ERROR, REDLOCK_NO_PERMISSION},
        {"ERR ACL failure in script: No permissions to access a key script: 1, on @user_script:1.",
         REDLOCK_ANSWER_ERROR, REDLOCK_NO_PERMISSION},
        {"@user_script: 1: The user executing the script can't access at least one of the keys",
         REDLOCK_ANSWER_ERROR, REDLOCK_NO_PERMISSION},
        {"READONLY You can't write against a read only replica.", REDLOCK_ANSWER_ERROR,
         REDLOCK_REPLICA},
        {"MASTERDOWN Link with MASTER is down", REDLOCK_ANSWER_ERROR, REDLOCK_REPLICA},
        {"ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You "
         "can't write",
         REDLOCK_ANSWER_ERROR, REDLOCK_REPLICA},
        {"ERR Error running script (call to f_1): @user_script:9: WRONGTYPE Operation",
         REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"LOADING Redis is loading the dataset in memory", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"BUSY Redis is busy running a script", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"OOM command not allowed", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"MISCONF Errors writing to the AOF file", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"NOREPLICAS Not enough good replicas", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"CLUSTERDOWN The cluster is down", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"MOVED 1 10.0.0.1:6379", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"ASK 1 10.0.0.1:6379", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"CROSSSLOT Keys in request don't hash to the same slot", REDLOCK_ANSWER_ERROR,
         REDLOCK_REFUSED},
        {"WRONGTYPE Operation against a key", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"EXECABORT Transaction discarded", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"ERR max number of clients reached", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"ERR unknown command 'EVALSHA'", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"NOAUTHORITY is another word", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
        {"", REDLOCK_ANSWER_ERROR, REDLOCK_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char reply[256];

        snprintf(reply, sizeof reply, "-%s\r\n", rows[i].words);
        redlock_answer answer = decode(GRANT, true, reply);

        assert_int_equal(answer.kind, rows[i].kind);
        assert_int_equal(answer.status, rows[i].status);
        assert_true(redlock_bytes_equal(answer.text, redlock_bytes_of(rows[i].words)));
        assert_int_equal(redlock_step_error_status(redlock_bytes_of(rows[i].words)),
                         rows[i].status);
    }
}

static void every_command_has_a_script(void **state) {
    (void)state;
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        const redlock_script *script = redlock_script_of((redlock_command_kind)kind);

        assert_non_null(script->name);
        assert_int_equal(strlen(script->text), script->text_len);
        assert_int_equal(strlen(script->sha1), REDLOCK_SCRIPT_SHA1_BYTES);
        assert_null(strstr(script->text, "\n--"));
        assert_non_null(strstr(script->text, "\nlocal YES")); /* what it needs of the prelude */
        assert_null(strstr(script->text, "\n "));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_laid_out_as_the_scripts_want_them),
        cmocka_unit_test(places_in_the_queue_are_told),
        cmocka_unit_test(teaching_sends_the_whole_script),
        cmocka_unit_test(companion_key_keeps_a_hash_tag_that_the_name_has),
        cmocka_unit_test(redlocks_own_keys_are_reserved),
        cmocka_unit_test(largest_command_fits_and_small_space_is_not_overrun),
        cmocka_unit_test(replies_are_what_the_step_meant),
        cmocka_unit_test(places_and_waiters_are_heard),
        cmocka_unit_test(list_of_waiters_longer_than_it_can_be_is_strange),
        cmocka_unit_test(strange_replies_to_renewals_are_no_votes),
        cmocka_unit_test(strange_replies_are_no_votes),
        cmocka_unit_test(holder_longer_than_any_token_is_strange),
        cmocka_unit_test(errors_are_sorted_by_their_words),
        cmocka_unit_test(every_command_has_a_script),
    };

    return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
