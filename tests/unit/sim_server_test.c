/* sim_server_test.c -- what of the model server cannot be held against a real one: torn packets,
 * restarts, garbage, and faults that are hard to bring about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "script/script.h"
#include "sim/server.h"
#include "wire/hello.h"
#include "wire/resp.h"
#include "wire/step.h"

#define RUN_1 "1111111111111111111111111111111111111111"
#define RUN_2 "2222222222222222222222222222222222222222"
#define WALL_US UINT64_C(1790000000000000)

static redlock_sim_server *server_new(void) {
    redlock_sim_server *server = redlock_sim_server_create(1, RUN_1);

    redlock_sim_server_set_clock(server, WALL_US);
    return server;
}

static redlock_command command_of(redlock_command_kind kind) {
    return (redlock_command){
        .kind = kind,
        .teach = true,
        .fenced = true,
        .name = redlock_bytes_of("job"),
        .token = redlock_bytes_of("own"),
        .ttl_ms = 10000,
        .fence = WALL_US,
    };
}

static redlock_answer run(redlock_sim_server *server, redlock_command_kind kind) {
    redlock_command command = command_of(kind);

    return redlock_sim_server_command(server, &command, redlock_bytes_of(""));
}

static void assert_says(redlock_sim_server *server, const char *command, const char *wanted) {
    redlock_sim_said said = redlock_sim_server_feed(server, 1, redlock_bytes_of(command));

    assert_true(redlock_bytes_equal(said.bytes, redlock_bytes_of(wanted)));
}

/* One round of a greeting, in pieces of at most `most` bytes. */
static void round_play(redlock_sim_server *server, redlock_prng *prng, uint64_t most,
                       redlock_bytes round, redlock_hello *hello) {
    static uint8_t in[65536];
    redlock_resp_reader reader;
    size_t in_len = 0, at = 0, used;
    bool is_over = false;

    for (size_t sent = 0; sent < round.len;) {
        size_t count = 1 + (size_t)redlock_prng_upto(prng, most - 1);
        count = count < round.len - sent ? count : round.len - sent;
        redlock_bytes piece = {.at = round.at + sent, .len = count};
        redlock_sim_said said = redlock_sim_server_feed(server, 5, piece);

        if (said.bytes.len > 0) {
            memcpy(in + in_len, said.bytes.at, said.bytes.len);
            in_len += said.bytes.len;
        }
        sent += count;
    }
    while (!is_over) {
        redlock_resp_reader_init(&reader);
        assert_int_equal(redlock_resp_read(&reader, in + at, in_len - at, &used),
                         REDLOCK_RESP_DONE);
        is_over = redlock_hello_take(hello, &reader, in + at);
        at += used;
    }
    assert_int_equal(at, in_len);
}

/* A greeting by a client that knows nothing of the server. */
static redlock_status greet(redlock_sim_server *server, const char *url_text, redlock_prng *prng,
                            uint64_t most, redlock_hello *hello) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url;
    redlock_url_error error;

    assert_int_equal(redlock_url_parse(redlock_bytes_of(url_text), &url, &error), REDLOCK_OK);
    size_t len = redlock_hello_start(hello, &url, redlock_bytes_of("test"), out, sizeof out);
    while (len > 0) {
        round_play(server, prng, most, (redlock_bytes){.at = out, .len = len}, hello);
        len = hello->status == REDLOCK_OK ? redlock_hello_teach(hello, out, sizeof out) : 0;
    }
    redlock_sim_server_hang_up(server, 5);
    return hello->status;
}

static void a_greeting_in_pieces(void **state) {
    redlock_sim_server *server = server_new();
    redlock_prng prng;
    redlock_hello hello;

    (void)state;
    redlock_prng_init(&prng, 3);
    for (uint64_t most = 1; most < 20000; most = most * 3 + 1) {
        assert_int_equal(greet(server, "redis://h", &prng, most, &hello), REDLOCK_OK);
        assert_memory_equal(hello.run_id, RUN_1, REDLOCK_RUN_ID_BYTES);
        assert_true(hello.time_ms == WALL_US / 1000);
    }
    redlock_command look = command_of(REDLOCK_COMMAND_LOOK);
    look.teach = false;
    assert_int_equal(redlock_sim_server_command(server, &look, redlock_bytes_of("")).kind,
                     REDLOCK_ANSWER_YES);
    redlock_sim_server_destroy(server);
}

static void a_greeting_finds_what_is_wrong(void **state) {
    redlock_sim_server *server = server_new();
    redlock_prng prng;
    redlock_hello hello;

    (void)state;
    redlock_prng_init(&prng, 3);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_EVICTS, true);
    assert_int_equal(greet(server, "redis://h", &prng, 100, &hello), REDLOCK_EVICTS);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_EVICTS, false);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_READONLY, true);
    assert_int_equal(greet(server, "redis://h", &prng, 100, &hello), REDLOCK_REPLICA);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_READONLY, false);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_NOPERM, true);
    assert_int_equal(greet(server, "redis://h", &prng, 100, &hello), REDLOCK_NO_PERMISSION);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_NOPERM, false);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_LOADING, true);
    assert_int_equal(greet(server, "redis://h", &prng, 100, &hello), REDLOCK_REFUSED);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_LOADING, false);
    redlock_sim_server_set_password(server, "pw");
    assert_int_equal(greet(server, "redis://h", &prng, 100, &hello), REDLOCK_AUTH_REQUIRED);
    assert_int_equal(greet(server, "redis://:no@h", &prng, 100, &hello), REDLOCK_AUTH);
    assert_int_equal(greet(server, "redis://:pw@h/3", &prng, 100, &hello), REDLOCK_OK);
    redlock_sim_server_destroy(server);
}

static void loading_and_full_servers(void **state) {
    redlock_sim_server *server = server_new();

    (void)state;
    redlock_sim_server_set_fault(server, REDLOCK_SIM_LOADING, true);
    assert_says(server, "*1\r\n$4\r\nPING\r\n",
                "-LOADING Redis is loading the dataset in memory\r\n");
    assert_says(server, "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n", "+OK\r\n");
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).status, REDLOCK_REFUSED);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_LOADING, false);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_MAXCLIENTS, true);
    assert_says(server, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n"); /* was here before */
    redlock_sim_said said = redlock_sim_server_feed(server, 2, redlock_bytes_of(""));
    assert_true(said.is_closed);
    assert_true(redlock_bytes_equal(said.bytes,
                                    redlock_bytes_of("-ERR max number of clients reached\r\n")));
    redlock_sim_server_destroy(server);
}

static void what_is_no_request_ends_the_connection(void **state) {
    static const char *const bad[] = {"*x\r\n", "*1\r\n$-1\r\n", "*1\r\nPING\r\n", "*1\r\n$x\r\n",
                                      "PING\r\n"};
    redlock_sim_server *server = server_new();

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        redlock_sim_said said = redlock_sim_server_feed(server, 9, redlock_bytes_of(bad[i]));
        assert_true(said.is_closed);
        assert_int_equal(said.bytes.at[0], '-');
    }
    assert_says(server, "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    redlock_sim_said said =
        redlock_sim_server_feed(server, 1, redlock_bytes_of("*1\r\n$4\r\nQUIT\r\n"));
    assert_true(said.is_closed);
    redlock_sim_server_destroy(server);
}

/* Whatever is said then, the codec must not take it for a reply. */
static void garbage_is_garbage(void **state) {
    redlock_sim_server *server = server_new();
    redlock_resp_reader reader;
    size_t used;

    (void)state;
    for (int i = 0; i < 400; i++) {
        redlock_sim_server_set_fault(server, REDLOCK_SIM_GARBAGE, i % 2 == 0);
        redlock_sim_server_set_fault(server, REDLOCK_SIM_OVERSIZED, i % 2 != 0);
        redlock_sim_said said =
            redlock_sim_server_feed(server, 1, redlock_bytes_of("*1\r\n$4\r\nPING\r\n"));
        redlock_resp_reader_init(&reader);
        assert_int_not_equal(redlock_resp_read(&reader, said.bytes.at, said.bytes.len, &used),
                             REDLOCK_RESP_DONE);
    }
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).status, REDLOCK_PROTOCOL);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_GARBAGE, false);
    redlock_sim_server_set_fault(server, REDLOCK_SIM_OVERSIZED, false);
    assert_int_equal(run(server, REDLOCK_COMMAND_LOOK).text.len, 0); /* nothing was done */
    redlock_sim_server_destroy(server);
}

static bool holds(redlock_sim_server *server) {
    redlock_sim_entry entry;

    return redlock_sim_server_get(server, redlock_bytes_of("job"), &entry);
}

static void restarts_lose_what_they_should(void **state) {
    redlock_sim_server *server = server_new();
    redlock_command look = command_of(REDLOCK_COMMAND_LOOK);

    (void)state;
    look.teach = false;
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).kind, REDLOCK_ANSWER_YES);
    redlock_sim_server_restart(server, REDLOCK_SIM_LOSE_NOTHING, RUN_2);
    assert_true(holds(server));
    assert_int_equal(redlock_sim_server_command(server, &look, redlock_bytes_of("")).kind,
                     REDLOCK_ANSWER_FORGOT);
    redlock_sim_server_sync(server);
    assert_int_equal(run(server, REDLOCK_COMMAND_RELEASE).kind, REDLOCK_ANSWER_YES);
    redlock_sim_server_restart(server, REDLOCK_SIM_LOSE_UNSYNCED, RUN_1);
    assert_true(holds(server));
    redlock_sim_server_restart(server, REDLOCK_SIM_LOSE_ALL, RUN_2);
    assert_false(holds(server));
    redlock_sim_server_restart(server, REDLOCK_SIM_LOSE_UNSYNCED, RUN_1);
    assert_false(holds(server));
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).kind, REDLOCK_ANSWER_YES);
    assert_true(redlock_sim_server_evict(server, redlock_bytes_of("job")));
    assert_false(holds(server));
    redlock_sim_server_destroy(server);
}

static void a_patched_script_runs_in_place_of_the_shipped_one(void **state) {
    redlock_sim_server *server = server_new();
    redlock_command grant = command_of(REDLOCK_COMMAND_GRANT);

    (void)state;
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).kind, REDLOCK_ANSWER_YES);
    redlock_sim_server_patch(server, REDLOCK_COMMAND_GRANT, "return {4, 0, 1, 0}");
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).kind, REDLOCK_ANSWER_LATE);
    grant.teach = false;
    assert_int_equal(redlock_sim_server_command(server, &grant, redlock_bytes_of("")).kind,
                     REDLOCK_ANSWER_LATE);
    redlock_sim_server_script_flush(server);
    assert_int_equal(redlock_sim_server_command(server, &grant, redlock_bytes_of("")).kind,
                     REDLOCK_ANSWER_FORGOT);
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).kind, REDLOCK_ANSWER_LATE);
    redlock_sim_server_patch(server, REDLOCK_COMMAND_GRANT, NULL);
    assert_int_equal(run(server, REDLOCK_COMMAND_GRANT).kind, REDLOCK_ANSWER_YES);
    redlock_sim_server_destroy(server);
}

/* Inside a script a key lives on that has no time left: PTTL says 0, GET still finds it. */
static void expiry_stands_still_inside_a_script(void **state) {
    static const char script[] = "*3\r\n$4\r\nEVAL\r\n$72\r\n"
                                 "return {redis.call('PTTL','k'),redis.call('GET','k'),"
                                 "redis.call('TIME')}\r\n$1\r\n0\r\n";
    redlock_sim_server *server = server_new();

    (void)state;
    assert_says(server, "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nPX\r\n$1\r\n3\r\n",
                "+OK\r\n");
    redlock_sim_server_set_call_us(server, 2000);
    redlock_sim_server_set_clock(server, WALL_US + 3000);
    assert_says(server, script, "*3\r\n:0\r\n$1\r\nv\r\n*2\r\n$10\r\n1790000000\r\n$4\r\n9000\r\n");
    redlock_sim_server_destroy(server);
}

/* --- types ------------------------------------------------------------------------------------ */

/* The words of a command, ended by NULL, as bytes on connection 1. */
static redlock_sim_said tell(redlock_sim_server *server, const char *const *words) {
    uint8_t out[512];
    redlock_resp_writer writer = {.at = out, .size = sizeof out};
    uint32_t count = 0;

    while (words[count] != NULL) {
        count++;
    }
    redlock_resp_write_header(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        redlock_resp_write_bulk(&writer, redlock_bytes_of(words[i]));
    }
    assert_true(writer.len <= sizeof out);
    return redlock_sim_server_feed(server, 1, (redlock_bytes){.at = out, .len = writer.len});
}

#define TELL(server, ...) tell((server), (const char *const[]){__VA_ARGS__, NULL})

static void assert_said(redlock_sim_said said, const char *wanted) {
    if (!redlock_bytes_equal(said.bytes, redlock_bytes_of(wanted))) {
        fail_msg("%.*s", (int)said.bytes.len, (const char *)said.bytes.at);
    }
}

/* Replies and words as a running Valkey 9.1 gave them; those of DELEX are Redis 8.4's by its sources. */
static void later_servers_compare_and_delete(void **state) {
    static const char unknown[] =
        "-ERR unknown command 'DELIFEQ', with args beginning with: 'job' 't' \r\n";
    redlock_sim_server *server = server_new();

    (void)state;
    assert_said(TELL(server, "DELIFEQ", "job", "t"), unknown);
    redlock_sim_server_be(server, REDLOCK_SIM_VALKEY_9);
    (void)TELL(server, "SET", "job", "t");
    (void)TELL(server, "ZADD", "zset", "1", "t");
    assert_said(TELL(server, "DELIFEQ", "job", "T"), ":0\r\n");
    assert_true(holds(server));
    assert_said(TELL(server, "DELIFEQ", "job", "t"), ":1\r\n");
    assert_false(holds(server));
    assert_said(TELL(server, "DELIFEQ", "job", "t"), ":0\r\n");
    assert_said(TELL(server, "DELIFEQ", "job"),
                "-ERR wrong number of arguments for 'delifeq' command\r\n");
    assert_said(TELL(server, "DELIFEQ", "zset", "t"),
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    redlock_sim_server_be(server, REDLOCK_SIM_REDIS_8_4);
    assert_said(TELL(server, "DELIFEQ", "job", "t"), unknown);
    (void)TELL(server, "SET", "job", "t");
    assert_said(TELL(server, "DELEX", "job", "IFEQ", "T"), ":0\r\n");
    assert_said(TELL(server, "DELEX", "job", "ifeq", "t"), ":1\r\n");
    assert_said(TELL(server, "DELEX", "zset", "IFEQ", "t"),
                "-ERR Key should be of string type if conditions are specified\r\n");
    redlock_sim_server_destroy(server);
}

/* Every other one is refused, and nothing is done. */
static void later_servers_may_refuse_it(void **state) {
    redlock_sim_server *server = server_new();

    (void)state;
    redlock_sim_server_be(server, REDLOCK_SIM_VALKEY_9);
    (void)TELL(server, "SET", "job", "t");
    redlock_sim_server_deny(server, REDLOCK_SIM_DENY_NOPERM, 2);
    assert_said(TELL(server, "DELIFEQ", "job", "t"),
                "-NOPERM this user has no permissions to run the 'delifeq' command\r\n");
    assert_true(holds(server));
    assert_said(TELL(server, "DELIFEQ", "job", "t"), ":1\r\n");
    redlock_sim_server_deny(server, REDLOCK_SIM_DENY_UNKNOWN, 1);
    assert_said(TELL(server, "DELIFEQ", "job", "t"),
                "-ERR unknown command 'DELIFEQ', with args beginning with: 'job' 't' \r\n");
    redlock_sim_server_destroy(server);
}

static void greeting_tells_what_a_server_has(void **state) {
    redlock_sim_server *server = server_new();
    redlock_prng prng;
    redlock_hello hello;

    (void)state;
    redlock_prng_init(&prng, 3);
    assert_int_equal(greet(server, "redis://h", &prng, 1000, &hello), REDLOCK_OK);
    assert_int_equal(redlock_native_of(hello.is_valkey, hello.version), REDLOCK_NATIVE_NONE);
    redlock_sim_server_be(server, REDLOCK_SIM_VALKEY_9);
    assert_int_equal(greet(server, "redis://h", &prng, 1000, &hello), REDLOCK_OK);
    assert_int_equal(redlock_native_of(hello.is_valkey, hello.version), REDLOCK_NATIVE_DELIFEQ);
    redlock_sim_server_be(server, REDLOCK_SIM_REDIS_8_4);
    assert_int_equal(greet(server, "redis://h", &prng, 1000, &hello), REDLOCK_OK);
    assert_int_equal(redlock_native_of(hello.is_valkey, hello.version), REDLOCK_NATIVE_DELEX);
    redlock_sim_server_destroy(server);
}

static void entries_tell_their_type(void **state) {
    redlock_sim_server *server = server_new();
    redlock_sim_entry entry;
    redlock_sim_element element;
    size_t cursor = 0;

    (void)state;
    assert_said(TELL(server, "ZADD", "q", "1800000000000001", "late", "1800000000000000", "early"),
                ":2\r\n");
    assert_said(TELL(server, "HSET", "h", "field", "value"), ":1\r\n");
    assert_true(redlock_sim_server_get(server, redlock_bytes_of("q"), &entry));
    assert_int_equal(entry.type, REDLOCK_SIM_ZSET);
    assert_true(redlock_sim_packed_next(entry.value, &cursor, &element));
    assert_true(redlock_bytes_equal(element.name, redlock_bytes_of("early")));
    assert_true((uint64_t)element.score == UINT64_C(1800000000000000));
    assert_true(redlock_sim_packed_next(entry.value, &cursor, &element));
    assert_false(redlock_sim_packed_next(entry.value, &cursor, &element));
    assert_true(redlock_sim_server_get(server, redlock_bytes_of("h"), &entry));
    assert_int_equal(entry.type, REDLOCK_SIM_HASH);
    cursor = 0;
    assert_true(redlock_sim_packed_next(entry.value, &cursor, &element));
    assert_true(redlock_bytes_equal(element.name, redlock_bytes_of("field")));
    assert_true(redlock_bytes_equal(element.value, redlock_bytes_of("value")));
    redlock_sim_server_destroy(server);
}

static void restarts_lose_of_a_queue_what_they_should(void **state) {
    redlock_sim_server *server = server_new();

    (void)state;
    (void)TELL(server, "ZADD", "q", "1", "a");
    redlock_sim_server_sync(server);
    (void)TELL(server, "ZADD", "q", "2", "b");
    (void)TELL(server, "ZPOPMIN", "q");
    (void)TELL(server, "ZPOPMIN", "q");
    assert_said(TELL(server, "EXISTS", "q"), ":0\r\n");
    redlock_sim_server_restart(server, REDLOCK_SIM_LOSE_UNSYNCED, RUN_2);
    assert_said(TELL(server, "ZRANGE", "q", "0", "-1"), "*1\r\n$1\r\na\r\n");
    (void)TELL(server, "PEXPIRE", "q", "5");
    redlock_sim_server_set_clock(server, WALL_US + 6000);
    assert_said(TELL(server, "TYPE", "q"), "+none\r\n");
    redlock_sim_server_destroy(server);
}

/* PEXPIRE looks at the clock twice. */
static void a_pause_may_end_a_key_within_a_command(void **state) {
    redlock_sim_server *server = server_new();

    (void)state;
    (void)TELL(server, "SET", "k", "v");
    redlock_sim_server_add_pause(server, 2, 1000);
    assert_said(TELL(server, "PEXPIRE", "k", "1"), ":1\r\n");
    assert_said(TELL(server, "EXISTS", "k"), ":0\r\n");
    (void)TELL(server, "SET", "k", "v");
    assert_said(TELL(server, "PEXPIRE", "k", "1"), ":1\r\n"); /* pauses are for one command */
    assert_said(TELL(server, "EXISTS", "k"), ":1\r\n");
    redlock_sim_server_destroy(server);
}

/* --- messages --------------------------------------------------------------------------------- */

static void assert_message(redlock_sim_server *server, uint32_t connection, const char *text) {
    redlock_sim_message message;

    assert_true(redlock_sim_server_next_message(server, &message));
    assert_int_equal(message.connection, connection);
    assert_true(redlock_bytes_equal(message.text, redlock_bytes_of(text)));
}

static void assert_no_message(redlock_sim_server *server) {
    redlock_sim_message message;

    assert_false(redlock_sim_server_next_message(server, &message));
}

static void subscribe(redlock_sim_server *server, uint32_t connection, const char *channel) {
    assert_int_equal(redlock_sim_server_subscribe(server, connection, redlock_bytes_of(channel)),
                     REDLOCK_OK);
}

static void messages_wait_in_the_order_of_publishing(void **state) {
    redlock_sim_server *server = server_new();
    redlock_sim_message message;

    (void)state;
    subscribe(server, 7, "c");
    subscribe(server, 8, "c");
    subscribe(server, 8, "d");
    assert_said(TELL(server, "PUBLISH", "c", "one"), ":2\r\n");
    assert_said(TELL(server, "EVAL", "return redis.call('PUBLISH','d','two')", "0"), ":1\r\n");
    assert_true(redlock_sim_server_next_message(server, &message));
    assert_int_equal(message.connection, 7);
    assert_true(redlock_bytes_equal(message.channel, redlock_bytes_of("c")));
    assert_true(redlock_bytes_equal(
        message.bytes, redlock_bytes_of("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\none\r\n")));
    assert_said(TELL(server, "PUBLISH", "d", "three"), ":1\r\n"); /* before the others are taken */
    assert_message(server, 8, "one");
    assert_message(server, 8, "two");
    assert_message(server, 8, "three");
    assert_no_message(server);
    assert_int_equal(redlock_sim_server_unsubscribe(server, 8, redlock_bytes_of("c")), REDLOCK_OK);
    assert_said(TELL(server, "PUBLISH", "c", "four"), ":1\r\n");
    assert_message(server, 7, "four");
    assert_no_message(server);
    redlock_sim_server_destroy(server);
}

static void who_is_gone_gets_no_messages(void **state) {
    redlock_sim_server *server = server_new();

    (void)state;
    subscribe(server, 7, "c");
    subscribe(server, 8, "c");
    (void)redlock_sim_server_feed(server, 9,
                                  redlock_bytes_of("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n"));
    assert_said(TELL(server, "PUBLISH", "c", "one"), ":3\r\n");
    redlock_sim_server_hang_up(server, 7);
    redlock_sim_server_hang_up(server, 9);
    assert_message(server, 8, "one");
    assert_no_message(server);
    assert_said(TELL(server, "PUBLISH", "c", "two"), ":1\r\n");
    redlock_sim_server_restart(server, REDLOCK_SIM_LOSE_NOTHING, RUN_2);
    assert_no_message(server);
    assert_said(TELL(server, "PUBLISH", "c", "three"), ":0\r\n");
    redlock_sim_server_destroy(server);
}

static void who_may_not_subscribe_is_told(void **state) {
    static const struct {
        redlock_sim_fault fault;
        redlock_status status;
    } rows[] = {
        {REDLOCK_SIM_OOM, REDLOCK_OK},
        {REDLOCK_SIM_READONLY, REDLOCK_OK},
        {REDLOCK_SIM_LOADING, REDLOCK_OK},
        {REDLOCK_SIM_BUSY, REDLOCK_REFUSED},
        {REDLOCK_SIM_NOPERM, REDLOCK_NO_PERMISSION},
        {REDLOCK_SIM_GARBAGE, REDLOCK_PROTOCOL},
        {REDLOCK_SIM_OVERSIZED, REDLOCK_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redlock_sim_server *server = server_new();
        bool is_ok = rows[i].status == REDLOCK_OK;

        redlock_sim_server_set_fault(server, rows[i].fault, true);
        assert_int_equal(redlock_sim_server_subscribe(server, 7, redlock_bytes_of("c")),
                         rows[i].status);
        redlock_sim_server_set_fault(server, rows[i].fault, false);
        assert_said(TELL(server, "PUBLISH", "c", "x"), is_ok ? ":1\r\n" : ":0\r\n");
        redlock_sim_server_destroy(server);
    }
}

static void a_full_server_takes_no_new_listeners(void **state) {
    redlock_sim_server *server = server_new();

    (void)state;
    subscribe(server, 7, "c");
    redlock_sim_server_set_fault(server, REDLOCK_SIM_MAXCLIENTS, true);
    subscribe(server, 7, "d"); /* was here before */
    assert_int_not_equal(redlock_sim_server_subscribe(server, 8, redlock_bytes_of("c")),
                         REDLOCK_OK);
    redlock_sim_server_destroy(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_in_pieces),
        cmocka_unit_test(a_greeting_finds_what_is_wrong),
        cmocka_unit_test(loading_and_full_servers),
        cmocka_unit_test(what_is_no_request_ends_the_connection),
        cmocka_unit_test(garbage_is_garbage),
        cmocka_unit_test(restarts_lose_what_they_should),
        cmocka_unit_test(a_patched_script_runs_in_place_of_the_shipped_one),
        cmocka_unit_test(expiry_stands_still_inside_a_script),
        cmocka_unit_test(later_servers_compare_and_delete),
        cmocka_unit_test(later_servers_may_refuse_it),
        cmocka_unit_test(greeting_tells_what_a_server_has),
        cmocka_unit_test(entries_tell_their_type),
        cmocka_unit_test(restarts_lose_of_a_queue_what_they_should),
        cmocka_unit_test(a_pause_may_end_a_key_within_a_command),
        cmocka_unit_test(messages_wait_in_the_order_of_publishing),
        cmocka_unit_test(who_is_gone_gets_no_messages),
        cmocka_unit_test(who_may_not_subscribe_is_told),
        cmocka_unit_test(a_full_server_takes_no_new_listeners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
