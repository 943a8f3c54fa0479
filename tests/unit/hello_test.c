/* hello_test.c -- the greeting of a server, played by hand: what is asked, what replies mean. */
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
#include "wire/hello.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RUN_ID "0123456789abcdef0123456789abcdef01234567"
#define SERVER "redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:" RUN_ID "\r\n"
#define MASTER "# Replication\r\nrole:master\r\n"
#define MEMORY "maxmemory:0\r\nmaxmemory_policy:noeviction\r\n"

/* To SCRIPT EXISTS. */
#define KNOWS(one, two, three) "*3\r\n:" one "\r\n:" two "\r\n:" three "\r\n"
#define KNOWS_NONE KNOWS("0", "0", "0")
#define KNOWS_ALL KNOWS("1", "1", "1")

/* What the server says to each question; NULL: what a healthy one says.  Texts that begin with one
 * of + - : * are replies as they are, others are sent as bulks. */
typedef struct reply_set {
    const char *auth, *select, *server, *replication, *memory, *time, *name, *exists, *load;
} reply_set;

static void reply_take(redlock_hello *hello, const char *text, bool is_last) {
    static uint8_t data[8192];
    redlock_resp_writer writer = {.at = data, .size = sizeof data, .len = 0};
    redlock_resp_reader reader;
    size_t used = 0;

    if (strchr("+-:*$", text[0]) != NULL && text[0] != '\0') {
        writer.len = strlen(text);
        memcpy(data, text, writer.len);
    } else {
        redlock_resp_write_bulk(&writer, redlock_bytes_of(text));
    }
    redlock_resp_reader_init(&reader);
    assert_int_equal(redlock_resp_read(&reader, data, writer.len, &used), REDLOCK_RESP_DONE);
    assert_int_equal(redlock_hello_take(hello, &reader, data), is_last);
}

static const char *said(const char *text, const char *healthy) {
    return text != NULL ? text : healthy;
}

static void first_round_greet(redlock_hello *hello, const char *url_text,
                              const reply_set *replies) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url;
    redlock_url_error error;

    assert_int_equal(redlock_url_parse(redlock_bytes_of(url_text), &url, &error), REDLOCK_OK);
    (void)redlock_hello_start(hello, &url, redlock_bytes_of("me"), out, sizeof out);
    if (url.password[0] != '\0') {
        reply_take(hello, said(replies->auth, "+OK\r\n"), false);
    }
    if (url.db != 0) {
        reply_take(hello, said(replies->select, "+OK\r\n"), false);
    }
    reply_take(hello, said(replies->server, SERVER), false);
    reply_take(hello, said(replies->replication, MASTER), false);
    reply_take(hello, said(replies->memory, MEMORY), false);
    reply_take(hello, said(replies->time, "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n"), false);
    reply_take(hello, said(replies->name, "+OK\r\n"), false);
    reply_take(hello, said(replies->exists, KNOWS_NONE), true);
}

static void greet(redlock_hello *hello, const char *url_text, const reply_set *replies) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];

    first_round_greet(hello, url_text, replies);
    if (hello->status != REDLOCK_OK || redlock_hello_teach(hello, out, sizeof out) == 0) {
        return;
    }
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        reply_take(hello, said(replies->load, redlock_script_of((redlock_command_kind)kind)->sha1),
                   kind == REDLOCK_COMMAND_DECLARE);
    }
    assert_false(redlock_hello_is_open(hello));
}

static void healthy_server_is_learned(void **state) {
    redlock_hello hello;

    (void)state;
    greet(&hello, "redis://u:p@a/3", &(reply_set){.auth = NULL});
    assert_int_equal(hello.status, REDLOCK_OK);
    assert_string_equal(hello.words, "");
    assert_int_equal(hello.run_id_len, REDLOCK_RUN_ID_BYTES);
    assert_memory_equal(hello.run_id, RUN_ID, REDLOCK_RUN_ID_BYTES);
    assert_int_equal(hello.time_ms, UINT64_C(1700000000123));
    assert_string_equal(hello.version, "7.0.15");
    assert_false(hello.is_valkey);
}

static void valkey_is_told_by_its_own_version(void **state) {
    redlock_hello hello;

    (void)state;
    greet(&hello, "a",
          &(reply_set){.server = "redis_version:7.2.4\r\nvalkey_version:8.0.1\r\nserver_mode:"
                                 "standalone\r\nrun_id:" RUN_ID "\r\n"});
    assert_int_equal(hello.status, REDLOCK_OK);
    assert_true(hello.is_valkey);
    assert_string_equal(hello.version, "8.0.1");
}

static const struct {
    const char *url;
    reply_set replies;
    redlock_status status;
    const char *words;
} reasons[] = {
    {"redis://:p@a",
     {.auth = "-WRONGPASS no\r\n", .server = "-NOAUTH first\r\n", .name = "-NOAUTH x\r\n"},
     REDLOCK_AUTH,
     "WRONGPASS no"},
    {"a",
     {.server = "-NOAUTH log in\r\n", .time = "-NOAUTH again\r\n"},
     REDLOCK_AUTH_REQUIRED,
     "NOAUTH log in"},
    {"a", {.server = "-DENIED protected\r\n"}, REDLOCK_REFUSED, "DENIED protected"},
    {"a",
     {.server = "-LOADING soon\r\n", .time = "-NOAUTH log in\r\n"},
     REDLOCK_AUTH_REQUIRED,
     "NOAUTH log in"}, /* a refused login is the cause */
    {"redis://a/9",
     {.select = "-ERR DB index is out of range\r\n", .replication = "role:slave\r\n"},
     REDLOCK_REFUSED,
     "ERR DB index is out of range"},
    {"a", {.server = "-NOPERM no info\r\n"}, REDLOCK_NO_PERMISSION, "NOPERM no info"},
    {"a", {.server = "# Server\r\nversion:1\r\n"}, REDLOCK_PROTOCOL, "not Redis or Valkey"},
    {"a", {.server = ""}, REDLOCK_PROTOCOL, "not Redis or Valkey"},
    {"a", {.server = "+PONG\r\n"}, REDLOCK_PROTOCOL, "not Redis or Valkey"},
    {"a",
     {.server = "redis_version:7.0.0\r\nredis_mode:sentinel\r\n"},
     REDLOCK_UNSUPPORTED,
     "this is a Sentinel, which keeps no locks; give the URL of the master itself"},
    {"a",
     {.server = "valkey_version:8.0.0\r\nserver_mode:sentinel\r\n"},
     REDLOCK_UNSUPPORTED,
     "this is a Sentinel, which keeps no locks; give the URL of the master itself"},
    {"a",
     {.replication = "role:replica\r\nmaster_host:10.0.0.1\r\nmaster_port:6380\r\n"},
     REDLOCK_REPLICA,
     "replica of 10.0.0.1:6380"},
    /* Lines without a value, with a longer name, and without the end that they should have. */
    {"a", {.memory = "maxmemory_policy\r\nmaxmemory_policy:\r\n"}, REDLOCK_OK, ""},
    {"a",
     {.memory = "maxmemory_policy2:x\r\nmaxmemory_policy:volatile-lru\n"},
     REDLOCK_EVICTS,
     "maxmemory-policy is volatile-lru"},
    {"a", {.memory = "maxmemory:0\nmaxmemory_policy:\n"}, REDLOCK_OK, ""},
    {"a",
     {.server = "redis_version:7.0.0\r\nredis_mode:cluster\r\n"},
     REDLOCK_UNSUPPORTED,
     "the server is in cluster mode; give URLs of servers that stand alone"},
    {"a",
     {.server = "valkey_version:8.0.0\r\nserver_mode:cluster\r\n"},
     REDLOCK_UNSUPPORTED,
     "the server is in cluster mode; give URLs of servers that stand alone"},
    {"a",
     {.replication = "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6380\r\n",
      .memory = "maxmemory_policy:allkeys-lru\r\n"},
     REDLOCK_REPLICA,
     "replica of 10.0.0.1:6380"},
    {"a",
     {.memory = "maxmemory_policy:volatile-lru\r\n"},
     REDLOCK_EVICTS,
     "maxmemory-policy is volatile-lru"},
    {"a", {.memory = "maxmemory:0\r\n"}, REDLOCK_OK, ""},
    {"a", {.time = "+now\r\n"}, REDLOCK_PROTOCOL, "a reply to TIME that is no time"},
    {"a",
     {.time = "*2\r\n$1\r\n1\r\n$7\r\n1000000\r\n"},
     REDLOCK_PROTOCOL,
     "a reply to TIME that is no time"},
    {"a", {.time = "*2\r\n:1\r\n:2\r\n"}, REDLOCK_PROTOCOL, "a reply to TIME that is no time"},
    {"a", {.name = "-ERR unknown command\r\n"}, REDLOCK_OK, ""},
    {"a", {.name = "-NOPERM not you\r\n"}, REDLOCK_OK, ""},
    {"a", {.load = "-NOPERM no scripts\r\n"}, REDLOCK_NO_PERMISSION, "NOPERM no scripts"},
    {"a",
     {.load = "0000000000000000000000000000000000000000"},
     REDLOCK_PROTOCOL,
     "a reply to SCRIPT LOAD that is not the script's SHA1"},
    {"a",
     {.load = ":1\r\n"},
     REDLOCK_PROTOCOL,
     "a reply to SCRIPT LOAD that is not the script's SHA1"},
    {"a", {.exists = "-LOADING soon\r\n"}, REDLOCK_REFUSED, "LOADING soon"},
    {"a", {.exists = ":1\r\n"}, REDLOCK_PROTOCOL, "a reply to SCRIPT EXISTS that is none"},
    {"a",
     {.exists = "-NOPERM not this\r\n", .load = "-NOPERM no scripts\r\n"},
     REDLOCK_NO_PERMISSION,
     "NOPERM no scripts"},
    {"redis://:p@a",
     {.auth = ":1\r\n"},
     REDLOCK_PROTOCOL,
     "a reply that is not OK where it must be"},
};

static void first_reason_against_a_server_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(reasons); i++) {
        redlock_hello hello;

        greet(&hello, reasons[i].url, &reasons[i].replies);
        assert_string_equal(hello.words, reasons[i].words);
        assert_int_equal(hello.status, reasons[i].status);
    }
}

static void run_id_that_no_script_takes_is_left_out(void **state) {
    static const char *const rows[] = {
        "redis_version:7.0.0\r\n",
        "redis_version:7.0.0\r\nrun_id:\r\n",
        "redis_version:7.0.0\r\nrun_id:abc def\r\n",
        "redis_version:7.0.0\r\nrun_id:" RUN_ID "0\r\n",
        "redis_version:7.0.0\r\nmy_run_id:" RUN_ID "\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;

        greet(&hello, "a", &(reply_set){.server = rows[i]});
        assert_int_equal(hello.status, REDLOCK_OK);
        assert_int_equal(hello.run_id_len, 0);
    }
}

static void words_are_cut_and_safe_to_print(void **state) {
    redlock_hello hello;
    char reply[400];

    (void)state;
    memset(reply, 'x', sizeof reply);
    memcpy(reply, "-ERR \x1b[2J", 9);
    memcpy(reply + 300, "\r\n", 3);
    greet(&hello, "a", &(reply_set){.server = reply});
    assert_int_equal(strlen(hello.words), REDLOCK_HELLO_WORDS_BYTES - 1);
    assert_int_equal(strncmp(hello.words, "ERR ?[2Jxx", 10), 0);
}

/* Cuts what is sent into commands, each as its words joined by spaces, scripts left out. */
static void sent_describe(const uint8_t *data, size_t len, char *text, size_t size) {
    size_t at = 0;

    text[0] = '\0';
    while (len > 0) {
        redlock_resp_reader reader;
        size_t used = 0;

        redlock_resp_reader_init(&reader);
        assert_int_equal(redlock_resp_read(&reader, data, len, &used), REDLOCK_RESP_DONE);
        for (uint32_t i = 1; i < reader.value_count; i++) {
            redlock_bytes word = redlock_resp_text(&reader.values[i], data);

            if (word.len < 100) {
                at += (size_t)snprintf(text + at, size - at, "%.*s ", (int)word.len,
                                       (const char *)word.at);
            }
        }
        at += (size_t)snprintf(text + at, size - at, "/ ");
        data += used;
        len -= used;
    }
}

static void questions_depend_on_the_url(void **state) {
    static const struct {
        const char *url, *label, *sent;
    } rows[] = {
        {"a", "", "INFO server / INFO replication / INFO memory / TIME / "},
        {"redis://:p@a/2", "me",
         "AUTH p / SELECT 2 / INFO server / INFO replication / INFO memory / TIME / CLIENT SETNAME "
         "me / "},
        {"redis://u:p@a", "me",
         "AUTH u p / INFO server / INFO replication / INFO memory / TIME / CLIENT SETNAME me / "},
    };
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;
        redlock_url url;
        redlock_url_error error;
        char text[512];

        assert_int_equal(redlock_url_parse(redlock_bytes_of(rows[i].url), &url, &error),
                         REDLOCK_OK);
        size_t len =
            redlock_hello_start(&hello, &url, redlock_bytes_of(rows[i].label), out, sizeof out);
        size_t asked = strlen(rows[i].sent);

        assert_true(len < 1024);
        sent_describe(out, len, text, sizeof text);
        assert_int_equal(strncmp(text, rows[i].sent, asked), 0);
        assert_int_equal(strncmp(text + asked, "SCRIPT EXISTS ", 14), 0);
    }
}

/* --- a server that votes alone ---------------------------------------------------------------- */

#define HELLO(server, version, mode, role)                                                         \
    "*14\r\n$6\r\nserver\r\n+" server "\r\n$7\r\nversion\r\n+" version                             \
    "\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:7\r\n$4\r\nmode\r\n+" mode "\r\n$4\r\nrole\r\n+" role   \
    "\r\n$7\r\nmodules\r\n*1\r\n*8\r\n$4\r\nname\r\n$4\r\nrole\r\n$3\r\nver\r\n:1\r\n"             \
    "$4\r\npath\r\n$1\r\nx\r\n$4\r\nargs\r\n*2\r\n$4\r\nrole\r\n$1\r\ny\r\n"

#define POLICY(name) "*2\r\n$16\r\nmaxmemory-policy\r\n$" name "\r\n"
#define NOEVICTION POLICY("10\r\nnoeviction")

static void first_round_greet_alone(redlock_hello *hello, const char *reply, const char *policy) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url;
    redlock_url_error error;
    char text[512];

    assert_int_equal(redlock_url_parse(redlock_bytes_of("a"), &url, &error), REDLOCK_OK);
    size_t len = redlock_hello_start_alone(hello, &url, redlock_bytes_of("me"), out, sizeof out);
    sent_describe(out, len, text, sizeof text);
    static const char sent[] =
        "HELLO 2 / CONFIG GET maxmemory-policy / TIME / CLIENT SETNAME me / SCRIPT EXISTS ";
    assert_int_equal(strncmp(text, sent, sizeof sent - 1), 0);
    reply_take(hello, reply, false);
    reply_take(hello, policy, false);
    reply_take(hello, "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n", false);
    reply_take(hello, "+OK\r\n", false);
    reply_take(hello, KNOWS_ALL, true);
}

static void master_that_stands_alone_is_asked_no_more(void **state) {
    static const struct {
        const char *reply, *version;
        bool is_valkey;
    } rows[] = {
        {HELLO("redis", "7.0.15", "standalone", "master"), "7.0.15", false},
        {HELLO("valkey", "8.1.0", "standalone", "master"), "8.1.0", true},
    };
    uint8_t out[REDLOCK_HELLO_ASK_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;

        first_round_greet_alone(&hello, rows[i].reply, NOEVICTION);
        assert_int_equal(hello.status, REDLOCK_OK);
        assert_int_equal(redlock_hello_ask_again(&hello, out, sizeof out), 0);
        assert_string_equal(hello.version, rows[i].version);
        assert_true(hello.is_valkey == rows[i].is_valkey);
        assert_int_equal(hello.time_ms, UINT64_C(1700000000123));
        assert_int_equal(hello.run_id_len, 0);
    }
}

/* The second round decides, and has the words. */
static void whatever_else_hello_says_is_asked_again(void **state) {
    static const struct {
        const char *reply, *server, *replication;
        redlock_status status;
        const char *words;
    } rows[] = {
        {HELLO("redis", "7.0.15", "standalone", "replica"), SERVER,
         "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6380\r\n", REDLOCK_REPLICA,
         "replica of 10.0.0.1:6380"},
        {HELLO("redis", "7.0.15", "cluster", "master"),
         "redis_version:7.0.0\r\nredis_mode:cluster\r\n", MASTER, REDLOCK_UNSUPPORTED,
         "the server is in cluster mode; give URLs of servers that stand alone"},
        {HELLO("redis", "7.0.15", "sentinel", "master"),
         "redis_version:7.0.0\r\nredis_mode:sentinel\r\n", MASTER, REDLOCK_UNSUPPORTED,
         "this is a Sentinel, which keeps no locks; give the URL of the master itself"},
        {HELLO("kvrocks", "1.0", "standalone", "master"), SERVER, MASTER, REDLOCK_OK, ""},
        {HELLO("redis", "", "standalone", "master"), SERVER, MASTER, REDLOCK_OK, ""},
        /* What stands in a list inside is nobody's role. */
        {"*10\r\n$6\r\nserver\r\n+redis\r\n$7\r\nversion\r\n+7\r\n$4\r\nmode\r\n+standalone\r\n"
         "$7\r\nmodules\r\n*2\r\n$4\r\nrole\r\n+master\r\n$4\r\nrole\r\n+replica\r\n",
         SERVER, MASTER, REDLOCK_OK, ""},
        {"*2\r\n$6\r\nserver\r\n+redis\r\n", SERVER, MASTER, REDLOCK_OK, ""},
        {"*1\r\n$6\r\nserver\r\n", SERVER, MASTER, REDLOCK_OK, ""},
        {"*0\r\n", SERVER, MASTER, REDLOCK_OK, ""},
        {"+OK\r\n", "+PONG\r\n", "+PONG\r\n", REDLOCK_PROTOCOL, "not Redis or Valkey"},
        {"-ERR unknown command 'HELLO'\r\n", SERVER, MASTER, REDLOCK_OK, ""},
        {"-NOPERM not this\r\n", SERVER, MASTER, REDLOCK_OK, ""},
        {"-NOPROTO sorry\r\n", SERVER, MASTER, REDLOCK_OK, ""},
    };
    uint8_t out[REDLOCK_HELLO_ASK_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;
        char text[512];

        first_round_greet_alone(&hello, rows[i].reply, NOEVICTION);
        assert_int_equal(hello.status, REDLOCK_OK);
        size_t len = redlock_hello_ask_again(&hello, out, sizeof out);
        sent_describe(out, len, text, sizeof text);
        assert_string_equal(text, "INFO server / INFO replication / ");
        reply_take(&hello, rows[i].server, false);
        reply_take(&hello, rows[i].replication, true);
        assert_string_equal(hello.words, rows[i].words);
        assert_int_equal(hello.status, rows[i].status);
        assert_false(redlock_hello_asks_again(&hello));
        if (hello.status == REDLOCK_OK) {
            assert_string_equal(hello.version, "7.0.15");
        }
    }
}

/* Whoever has no CONFIG, or hides it. */
static void policy_that_is_not_told_is_asked_again(void **state) {
    static const char *const rows[] = {"-ERR unknown command 'CONFIG'\r\n",
                                       "-NOPERM not this\r\n",
                                       "*0\r\n",
                                       "+OK\r\n",
                                       "*2\r\n$16\r\nmaxmemory-policy\r\n$0\r\n\r\n",
                                       "*2\r\n$16\r\nmaxmemory-policy\r\n:1\r\n"};
    uint8_t out[REDLOCK_HELLO_ASK_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;
        char text[512];

        first_round_greet_alone(&hello, HELLO("redis", "7.0.15", "standalone", "master"), rows[i]);
        assert_int_equal(hello.status, REDLOCK_OK);
        size_t len = redlock_hello_ask_again(&hello, out, sizeof out);
        sent_describe(out, len, text, sizeof text);
        assert_string_equal(text, "INFO memory / ");
        reply_take(&hello, "maxmemory_policy:volatile-ttl\r\n", true);
        assert_int_equal(hello.status, REDLOCK_EVICTS);
        assert_string_equal(hello.words, "maxmemory-policy is volatile-ttl");
    }
}

static void all_may_have_to_be_asked_again(void **state) {
    uint8_t out[REDLOCK_HELLO_ASK_BYTES_MAX];
    redlock_hello hello;
    char text[512];

    (void)state;
    first_round_greet_alone(&hello, "-ERR unknown command\r\n", "-ERR unknown command\r\n");
    size_t len = redlock_hello_ask_again(&hello, out, sizeof out);
    sent_describe(out, len, text, sizeof text);
    assert_string_equal(text, "INFO server / INFO replication / INFO memory / ");
}

static void who_has_logged_in_asks_for_no_configuration(void **state) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url;
    redlock_url_error error;
    redlock_hello hello;
    char text[512];

    (void)state;
    assert_int_equal(redlock_url_parse(redlock_bytes_of("redis://u:p@a"), &url, &error),
                     REDLOCK_OK);
    size_t len = redlock_hello_start_alone(&hello, &url, redlock_bytes_of("me"), out, sizeof out);
    sent_describe(out, len, text, sizeof text);
    static const char sent[] = "AUTH u p / HELLO 2 / INFO memory / TIME / ";
    assert_int_equal(strncmp(text, sent, sizeof sent - 1), 0);
}

static void reasons_that_hello_has_are_kept(void **state) {
    static const struct {
        const char *reply, *policy;
        redlock_status status;
        const char *words;
    } rows[] = {
        {"-NOAUTH HELLO must be called by somebody\r\n", "-NOAUTH x\r\n", REDLOCK_AUTH_REQUIRED,
         "NOAUTH HELLO must be called by somebody"},
        {"-ERR max number of clients reached\r\n", NOEVICTION, REDLOCK_REFUSED,
         "ERR max number of clients reached"},
        {"-DENIED protected\r\n", NOEVICTION, REDLOCK_REFUSED, "DENIED protected"},
        {HELLO("redis", "7.0.15", "standalone", "master"), POLICY("11\r\nallkeys-lru"),
         REDLOCK_EVICTS, "maxmemory-policy is allkeys-lru"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;

        first_round_greet_alone(&hello, rows[i].reply, rows[i].policy);
        assert_int_equal(hello.status, rows[i].status);
        assert_string_equal(hello.words, rows[i].words);
    }
}

/* What is taught, by what the server says it knows. */
static void all_is_taught_to_a_server_that_lacks_any(void **state) {
    static const struct {
        const char *exists;
        size_t taught;
    } rows[] = {{KNOWS_ALL, 0},
                {KNOWS("0", "1", "1"), 8},
                {KNOWS("1", "0", "1"), 8},
                {KNOWS("1", "1", "0"), 8},
                {KNOWS_NONE, 8},
                {"-NOPERM not this\r\n", 8}};
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;
        char text[512], expected[512] = "";
        size_t at = 0;

        first_round_greet(&hello, "a", &(reply_set){.exists = rows[i].exists});
        size_t len = redlock_hello_teach(&hello, out, sizeof out);
        sent_describe(out, len, text, sizeof text);
        for (size_t k = 0; k < rows[i].taught; k++) {
            at += (size_t)snprintf(expected + at, sizeof expected - at, "SCRIPT LOAD / ");
        }
        assert_string_equal(text, expected);
        assert_int_equal(hello.status, REDLOCK_OK);
        assert_true(redlock_hello_is_open(&hello) == (rows[i].taught > 0));
    }
}

#define CHANNEL "0123456789abcdef0123456789abcdef"
#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$45\r\nredlock:wake:" CHANNEL "\r\n:1\r\n"

static void listening_greeting_only_logs_in_and_subscribes(void **state) {
    static const struct {
        const char *url, *label, *sent;
    } rows[] = {
        {"a", "", "SUBSCRIBE redlock:wake:" CHANNEL " / "},
        {"redis://u:p@a/2", "me",
         "AUTH u p / CLIENT SETNAME me / SUBSCRIBE redlock:wake:" CHANNEL " / "},
    };
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;
        redlock_url url;
        redlock_url_error error;
        char text[512];

        assert_int_equal(redlock_url_parse(redlock_bytes_of(rows[i].url), &url, &error),
                         REDLOCK_OK);
        size_t len = redlock_hello_start_listening(&hello, &url, redlock_bytes_of(rows[i].label),
                                                   redlock_bytes_of(CHANNEL), out, sizeof out);

        sent_describe(out, len, text, sizeof text);
        assert_string_equal(text, rows[i].sent);
    }
}

static void reply_to_subscribe_decides(void **state) {
    static const struct {
        const char *auth, *name, *reply;
        redlock_status status;
        const char *words;
    } rows[] = {
        {"+OK\r\n", "+OK\r\n", SUBSCRIBED, REDLOCK_OK, ""},
        {"+OK\r\n", "-NOPERM not you\r\n", SUBSCRIBED, REDLOCK_OK, ""},
        {"+OK\r\n", "+OK\r\n", "-NOPERM no channels\r\n", REDLOCK_NO_PERMISSION,
         "NOPERM no channels"},
        {"-WRONGPASS no\r\n", "-NOAUTH first\r\n", "-NOAUTH first\r\n", REDLOCK_AUTH,
         "WRONGPASS no"},
        {"+OK\r\n", "+OK\r\n", "+OK\r\n", REDLOCK_PROTOCOL, "a reply to SUBSCRIBE that is none"},
    };
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_hello hello;
        redlock_url url;
        redlock_url_error error;

        assert_int_equal(redlock_url_parse(redlock_bytes_of("redis://:p@a"), &url, &error),
                         REDLOCK_OK);
        (void)redlock_hello_start_listening(&hello, &url, redlock_bytes_of("me"),
                                            redlock_bytes_of(CHANNEL), out, sizeof out);
        reply_take(&hello, rows[i].auth, false);
        reply_take(&hello, rows[i].name, false);
        reply_take(&hello, rows[i].reply, true);
        assert_int_equal(hello.status, rows[i].status);
        assert_string_equal(hello.words, rows[i].words);
    }
}

static void longest_greeting_fits(void **state) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url = {.scheme = REDLOCK_URL_TCP, .db = REDLOCK_URL_DB_MAX};
    uint8_t label[64];
    redlock_hello hello;

    (void)state;
    memset(label, 'l', sizeof label);
    memset(url.user, 'u', sizeof url.user - 1);
    memset(url.password, 'p', sizeof url.password - 1);
    size_t len = redlock_hello_start(
        &hello, &url, (redlock_bytes){.at = label, .len = sizeof label}, out, sizeof out);

    assert_in_range(len, 1, sizeof out);
    assert_true(hello.asked <= sizeof hello.questions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_server_is_learned),
        cmocka_unit_test(valkey_is_told_by_its_own_version),
        cmocka_unit_test(first_reason_against_a_server_is_kept),
        cmocka_unit_test(run_id_that_no_script_takes_is_left_out),
        cmocka_unit_test(words_are_cut_and_safe_to_print),
        cmocka_unit_test(questions_depend_on_the_url),
        cmocka_unit_test(master_that_stands_alone_is_asked_no_more),
        cmocka_unit_test(whatever_else_hello_says_is_asked_again),
        cmocka_unit_test(policy_that_is_not_told_is_asked_again),
        cmocka_unit_test(all_may_have_to_be_asked_again),
        cmocka_unit_test(who_has_logged_in_asks_for_no_configuration),
        cmocka_unit_test(reasons_that_hello_has_are_kept),
        cmocka_unit_test(all_is_taught_to_a_server_that_lacks_any),
        cmocka_unit_test(listening_greeting_only_logs_in_and_subscribes),
        cmocka_unit_test(reply_to_subscribe_decides),
        cmocka_unit_test(longest_greeting_fits),
    };

    return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
