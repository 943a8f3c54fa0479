/* hello.c -- a list of questions, and for each what its reply tells.
 *
 * The first problem found is kept, for the others mostly follow from it; only a refused login is
 * always the cause, so it replaces others.  The connection's name comes behind the questions whose
 * refusal matters: a server that is full or protected answers the first one with its reason. */
#include "wire/hello.h"

#include <string.h>

#include "base/assert.h"
#include "script/script.h"
#include "wire/message.h"
#include "wire/step.h"

typedef enum hello_question {
    QUESTION_AUTH = 1,
    QUESTION_SELECT,
    QUESTION_HELLO,
    QUESTION_POLICY,
    QUESTION_INFO_SERVER,
    QUESTION_INFO_REPLICATION,
    QUESTION_INFO_MEMORY,
    QUESTION_TIME,
    QUESTION_NAME,
    QUESTION_EXISTS,
    QUESTION_SUBSCRIBE,
    QUESTION_LOAD /* + the command's kind - 1: its script; the last questions */
} hello_question;

/* The scripts of every lock.  They are taught with all others, so a server that knows these knows all, but
 * for those of another version of redlock: what it does not know it is taught when that is needed. */
static const redlock_command_kind known[] = {REDLOCK_COMMAND_GRANT, REDLOCK_COMMAND_RENEW,
                                             REDLOCK_COMMAND_RELEASE};

#define KNOWN_COUNT ((uint32_t)(sizeof(known) / sizeof(known[0])))

/* --- asking ---------------------------------------------------------------------------------- */

static void ask(redlock_hello *hello, redlock_resp_writer *writer, hello_question question,
                uint32_t argument_count) {
    REDLOCK_ASSERT(hello->asked < sizeof(hello->questions));
    hello->questions[hello->asked++] = (uint8_t)question;
    redlock_resp_write_header(writer, argument_count);
}

static void say(redlock_resp_writer *writer, const char *word) {
    redlock_resp_write_bulk(writer, redlock_bytes_of(word));
}

static void ask_auth(redlock_hello *hello, redlock_resp_writer *writer, const redlock_url *url) {
    bool has_user = url->user[0] != '\0';

    if (url->password[0] == '\0') {
        return;
    }
    ask(hello, writer, QUESTION_AUTH, has_user ? 3 : 2);
    say(writer, "AUTH");
    if (has_user) {
        say(writer, url->user);
    }
    say(writer, url->password);
}

static void ask_select(redlock_hello *hello, redlock_resp_writer *writer, uint32_t db) {
    if (db == 0) {
        return;
    }
    ask(hello, writer, QUESTION_SELECT, 2);
    say(writer, "SELECT");
    redlock_resp_write_u64(writer, db);
}

static void ask_info(redlock_hello *hello, redlock_resp_writer *writer, hello_question question,
                     const char *section) {
    ask(hello, writer, question, 2);
    say(writer, "INFO");
    say(writer, section);
}

static void ask_name(redlock_hello *hello, redlock_resp_writer *writer, redlock_bytes label) {
    if (label.len == 0) {
        return;
    }
    ask(hello, writer, QUESTION_NAME, 3);
    say(writer, "CLIENT");
    say(writer, "SETNAME");
    redlock_resp_write_bulk(writer, label);
}

static void ask_exists(redlock_hello *hello, redlock_resp_writer *writer) {
    ask(hello, writer, QUESTION_EXISTS, 2 + KNOWN_COUNT);
    say(writer, "SCRIPT");
    say(writer, "EXISTS");
    for (uint32_t i = 0; i < KNOWN_COUNT; i++) {
        say(writer, redlock_script_of(known[i])->sha1);
    }
}

static void ask_load(redlock_hello *hello, redlock_resp_writer *writer, redlock_command_kind kind) {
    const redlock_script *script = redlock_script_of(kind);
    uint32_t ordinal = (uint32_t)kind - (uint32_t)REDLOCK_COMMAND_GRANT;

    ask(hello, writer, (hello_question)((uint32_t)QUESTION_LOAD + ordinal), 3);
    say(writer, "SCRIPT");
    say(writer, "LOAD");
    redlock_resp_write_bulk(writer, redlock_bytes_of(script->text));
}

/* One section each: Redis 6.2 takes no more in one INFO. */
static void ask_what_it_is(redlock_hello *hello, redlock_resp_writer *writer) {
    ask_info(hello, writer, QUESTION_INFO_SERVER, "server");
    ask_info(hello, writer, QUESTION_INFO_REPLICATION, "replication");
}

/* RESP2, as without it: https://redis.io/docs/latest/commands/hello/.  No right is needed, but on Redis 6.0. */
static void ask_hello(redlock_hello *hello, redlock_resp_writer *writer) {
    ask(hello, writer, QUESTION_HELLO, 2);
    say(writer, "HELLO");
    say(writer, "2");
}

static void ask_memory(redlock_hello *hello, redlock_resp_writer *writer) {
    ask_info(hello, writer, QUESTION_INFO_MEMORY, "memory");
}

static void ask_policy(redlock_hello *hello, redlock_resp_writer *writer) {
    ask(hello, writer, QUESTION_POLICY, 3);
    say(writer, "CONFIG");
    say(writer, "GET");
    say(writer, "maxmemory-policy");
}

static size_t hello_start(redlock_hello *hello, const redlock_url *url, redlock_bytes label,
                          bool is_alone, uint8_t *out, size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};

    *hello = (redlock_hello){.status = REDLOCK_OK};
    ask_auth(hello, &writer, url);
    ask_select(hello, &writer, url->db);
    if (is_alone) {
        ask_hello(hello, &writer);
    } else {
        ask_what_it_is(hello, &writer);
    }
    if (is_alone && url->password[0] == '\0') {
        ask_policy(hello, &writer);
    } else {
        ask_memory(hello, &writer);
    }
    ask(hello, &writer, QUESTION_TIME, 1);
    say(&writer, "TIME");
    ask_name(hello, &writer, label);
    ask_exists(hello, &writer);
    REDLOCK_ASSERT(writer.len <= size);
    return writer.len;
}

size_t redlock_hello_start(redlock_hello *hello, const redlock_url *url, redlock_bytes label,
                           uint8_t *out, size_t size) {
    return hello_start(hello, url, label, false, out, size);
}

size_t redlock_hello_start_alone(redlock_hello *hello, const redlock_url *url, redlock_bytes label,
                                 uint8_t *out, size_t size) {
    return hello_start(hello, url, label, true, out, size);
}

/* A round of questions is over, and another one begins. */
static void round_start(redlock_hello *hello) {
    REDLOCK_ASSERT(!redlock_hello_is_open(hello) && hello->status == REDLOCK_OK);
    hello->asked = 0;
    hello->answered = 0;
}

bool redlock_hello_asks_again(const redlock_hello *hello) {
    return hello->asks_what || hello->asks_policy;
}

size_t redlock_hello_ask_again(redlock_hello *hello, uint8_t *out, size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};

    if (!redlock_hello_asks_again(hello)) {
        return 0;
    }
    round_start(hello);
    if (hello->asks_what) {
        ask_what_it_is(hello, &writer);
    }
    if (hello->asks_policy) {
        ask_memory(hello, &writer);
    }
    hello->asks_what = false;
    hello->asks_policy = false;
    REDLOCK_ASSERT(writer.len <= size);
    return writer.len;
}

size_t redlock_hello_teach(redlock_hello *hello, uint8_t *out, size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};

    REDLOCK_ASSERT(!redlock_hello_asks_again(hello));
    round_start(hello);
    if (!hello->lacks_scripts) {
        return 0;
    }
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        ask_load(hello, &writer, (redlock_command_kind)kind);
    }
    hello->lacks_scripts = false;
    REDLOCK_ASSERT(writer.len <= size);
    return writer.len;
}

bool redlock_hello_is_open(const redlock_hello *hello) {
    return hello->answered < hello->asked;
}

size_t redlock_hello_start_listening(redlock_hello *hello, const redlock_url *url,
                                     redlock_bytes label, redlock_bytes channel, uint8_t *out,
                                     size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};

    *hello = (redlock_hello){.status = REDLOCK_OK};
    ask_auth(hello, &writer, url);
    ask_name(hello, &writer, label);
    REDLOCK_ASSERT(hello->asked < sizeof(hello->questions));
    hello->questions[hello->asked++] = QUESTION_SUBSCRIBE;
    redlock_message_subscribe(&writer, channel);
    REDLOCK_ASSERT(writer.len <= size);
    return writer.len;
}

/* --- problems -------------------------------------------------------------------------------- */

static bool status_is_login(redlock_status status) {
    return status == REDLOCK_AUTH || status == REDLOCK_AUTH_REQUIRED;
}

/* True when the problem is the one to keep, and its words are wanted. */
static bool problem_is_kept(redlock_hello *hello, redlock_status status) {
    bool replaces = status_is_login(status) && !status_is_login(hello->status);

    if (hello->status != REDLOCK_OK && !replaces) {
        return false;
    }
    hello->status = status;
    hello->words[0] = '\0';
    return true;
}

static void words_add(redlock_hello *hello, redlock_bytes words) {
    redlock_bytes_append_text(words, hello->words, sizeof(hello->words));
}

static void problem_note(redlock_hello *hello, redlock_status status, const char *words) {
    if (problem_is_kept(hello, status)) {
        words_add(hello, redlock_bytes_of(words));
    }
}

/* --- INFO ------------------------------------------------------------------------------------ */

/* The value of the line "field:value"; empty when there is none. */
static redlock_bytes info_field(redlock_bytes info, const char *field) {
    redlock_bytes name = redlock_bytes_of(field);

    while (info.len > 0) {
        const uint8_t *end = memchr(info.at, '\n', info.len);
        size_t line_len = end == NULL ? info.len : (size_t)(end - info.at);
        redlock_bytes line = {.at = info.at, .len = line_len};

        if (redlock_bytes_has_prefix(line, name) && line.len > name.len &&
            line.at[name.len] == ':') {
            line.at += name.len + 1;
            line.len -= name.len + 1;
            if (line.len > 0 && line.at[line.len - 1] == '\r') {
                line.len--;
            }
            return line;
        }
        size_t taken = end == NULL ? line_len : line_len + 1;

        info.at += taken;
        info.len -= taken;
    }
    return (redlock_bytes){.at = NULL, .len = 0};
}

static bool field_is(redlock_bytes info, const char *field, const char *value) {
    return redlock_bytes_equal(info_field(info, field), redlock_bytes_of(value));
}

/* What the guard's script takes for a run id: anything else would be refused there, each time. */
static bool run_id_is_usable(redlock_bytes run_id) {
    for (size_t i = 0; i < run_id.len; i++) {
        uint8_t byte = run_id.at[i];
        bool is_digit = byte >= '0' && byte <= '9';
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');

        if (!is_digit && !is_letter) {
            return false;
        }
    }
    return run_id.len >= 1 && run_id.len <= REDLOCK_RUN_ID_BYTES;
}

static void take_mode(redlock_hello *hello, redlock_bytes info) {
    /* Valkey says server_mode unless told to look like Redis. */
    if (field_is(info, "redis_mode", "sentinel") || field_is(info, "server_mode", "sentinel")) {
        problem_note(hello, REDLOCK_UNSUPPORTED,
                     "this is a Sentinel, which keeps no locks; give the URL of the master itself");
    }
    if (field_is(info, "redis_mode", "cluster") || field_is(info, "server_mode", "cluster")) {
        problem_note(hello, REDLOCK_UNSUPPORTED,
                     "the server is in cluster mode; give URLs of servers that stand alone");
    }
}

static void take_server(redlock_hello *hello, redlock_bytes info) {
    redlock_bytes valkey = info_field(info, "valkey_version");
    redlock_bytes version = valkey.len > 0 ? valkey : info_field(info, "redis_version");
    redlock_bytes run_id = info_field(info, "run_id");

    if (version.len == 0) {
        problem_note(hello, REDLOCK_PROTOCOL, "not Redis or Valkey");
        return;
    }
    hello->is_valkey = valkey.len > 0;
    redlock_bytes_to_text(version, hello->version, sizeof(hello->version));
    if (run_id.at != NULL && run_id_is_usable(run_id)) {
        memcpy(hello->run_id, run_id.at, run_id.len);
        hello->run_id_len = (uint8_t)run_id.len;
    }
    take_mode(hello, info);
}

static void take_replication(redlock_hello *hello, redlock_bytes info) {
    if (!field_is(info, "role", "slave") && !field_is(info, "role", "replica")) {
        return;
    }
    if (!problem_is_kept(hello, REDLOCK_REPLICA)) {
        return;
    }
    words_add(hello, redlock_bytes_of("replica of "));
    words_add(hello, info_field(info, "master_host"));
    words_add(hello, redlock_bytes_of(":"));
    words_add(hello, info_field(info, "master_port"));
}

/* Also when maxmemory is 0 and nothing is evicted: it can be set at any moment. */
static void take_policy(redlock_hello *hello, redlock_bytes policy) {
    if (policy.len == 0 || redlock_bytes_equal(policy, redlock_bytes_of("noeviction"))) {
        return;
    }
    if (!problem_is_kept(hello, REDLOCK_EVICTS)) {
        return;
    }
    words_add(hello, redlock_bytes_of("maxmemory-policy is "));
    words_add(hello, policy);
}

static void take_info(redlock_hello *hello, hello_question question,
                      const redlock_resp_value *value, const uint8_t *data) {
    redlock_bytes info = redlock_resp_text(value, data);

    if (value->kind != REDLOCK_RESP_BULK) {
        problem_note(hello, REDLOCK_PROTOCOL, "not Redis or Valkey");
    } else if (question == QUESTION_INFO_SERVER) {
        take_server(hello, info);
    } else if (question == QUESTION_INFO_REPLICATION) {
        take_replication(hello, info);
    } else {
        take_policy(hello, info_field(info, "maxmemory_policy"));
    }
}

/* --- HELLO ------------------------------------------------------------------------------------ */

/* The value behind this word; empty when there is none before the first list (that of the modules). */
static redlock_bytes hello_field(const redlock_resp_value *values, const uint8_t *data,
                                 const char *word) {
    for (uint32_t i = 1; i + 1 <= values[0].count; i += 2) {
        if (values[i].kind != REDLOCK_RESP_BULK || values[i + 1].kind == REDLOCK_RESP_ARRAY) {
            break;
        }
        if (redlock_bytes_equal(redlock_resp_text(&values[i], data), redlock_bytes_of(word))) {
            return redlock_resp_text(&values[i + 1], data);
        }
    }
    return (redlock_bytes){.at = NULL, .len = 0};
}

static bool hello_says(const redlock_resp_value *values, const uint8_t *data, const char *word,
                       const char *expected) {
    return redlock_bytes_equal(hello_field(values, data, word), redlock_bytes_of(expected));
}

static void take_hello(redlock_hello *hello, const redlock_resp_value *values,
                       const uint8_t *data) {
    bool is_list = values[0].kind == REDLOCK_RESP_ARRAY;
    bool is_valkey = is_list && hello_says(values, data, "server", "valkey");
    redlock_bytes version = {.at = NULL, .len = 0};

    if (is_list && (is_valkey || hello_says(values, data, "server", "redis")) &&
        hello_says(values, data, "mode", "standalone") &&
        hello_says(values, data, "role", "master")) {
        version = hello_field(values, data, "version");
    }
    hello->asks_what = version.len == 0;
    hello->is_valkey = is_valkey;
    redlock_bytes_to_text(version, hello->version, sizeof(hello->version));
}

static void take_config(redlock_hello *hello, const redlock_resp_value *values,
                        const uint8_t *data) {
    bool is_told = values[0].kind == REDLOCK_RESP_ARRAY && values[0].count == 2 &&
                   values[2].kind == REDLOCK_RESP_BULK && values[2].len > 0;

    hello->asks_policy = !is_told;
    if (is_told) {
        take_policy(hello, redlock_resp_text(&values[2], data));
    }
}

/* --- the other replies ----------------------------------------------------------------------- */

static void take_ok(redlock_hello *hello, const redlock_resp_value *value, const uint8_t *data) {
    if (value->kind != REDLOCK_RESP_SIMPLE ||
        !redlock_bytes_equal(redlock_resp_text(value, data), redlock_bytes_of("OK"))) {
        problem_note(hello, REDLOCK_PROTOCOL, "a reply that is not OK where it must be");
    }
}

static void take_time(redlock_hello *hello, const redlock_resp_value *value, const uint8_t *data) {
    uint64_t s, us;

    if (value[0].kind != REDLOCK_RESP_ARRAY || value[0].count != 2 ||
        !redlock_bytes_to_u64(redlock_resp_text(&value[1], data), REDLOCK_FENCE_MAX / 1000000,
                              &s) ||
        !redlock_bytes_to_u64(redlock_resp_text(&value[2], data), 999999, &us)) {
        problem_note(hello, REDLOCK_PROTOCOL, "a reply to TIME that is no time");
        return;
    }
    hello->time_ms = s * 1000 + us / 1000;
}

static void take_load(redlock_hello *hello, uint8_t asked, const redlock_resp_value *value,
                      const uint8_t *data) {
    uint32_t ordinal = (uint32_t)asked - (uint32_t)QUESTION_LOAD;
    redlock_command_kind kind = (redlock_command_kind)((uint32_t)REDLOCK_COMMAND_GRANT + ordinal);
    redlock_bytes sha1 = redlock_bytes_of(redlock_script_of(kind)->sha1);

    if (value->kind != REDLOCK_RESP_BULK ||
        !redlock_bytes_equal(redlock_resp_text(value, data), sha1)) {
        problem_note(hello, REDLOCK_PROTOCOL,
                     "a reply to SCRIPT LOAD that is not the script's SHA1");
    }
}

static void take_exists(redlock_hello *hello, const redlock_resp_value *value) {
    if (value[0].kind != REDLOCK_RESP_ARRAY || value[0].count != KNOWN_COUNT) {
        problem_note(hello, REDLOCK_PROTOCOL, "a reply to SCRIPT EXISTS that is none");
        return;
    }
    for (uint32_t i = 0; i < KNOWN_COUNT; i++) {
        const redlock_resp_value *one = &value[1 + i];
        bool is_known = one->kind == REDLOCK_RESP_INTEGER && one->integer == 1;

        hello->lacks_scripts = hello->lacks_scripts || !is_known;
    }
}

/* The server does not know the command (before 6.0, or renamed), or has its own idea of who may ask. */
static bool error_is_about_asking(redlock_bytes words) {
    return redlock_bytes_has_prefix(words, redlock_bytes_of("ERR unknown command")) ||
           redlock_bytes_has_prefix(words, redlock_bytes_of("NOPERM")) ||
           redlock_bytes_has_prefix(words, redlock_bytes_of("NOPROTO"));
}

static void take_error(redlock_hello *hello, uint8_t asked, redlock_bytes words) {
    redlock_status status = redlock_step_error_status(words);

    /* Whoever may not ask may still teach. */
    if (asked == (uint8_t)QUESTION_EXISTS && status == REDLOCK_NO_PERMISSION) {
        hello->lacks_scripts = true;
        return;
    }
    bool is_question = asked == (uint8_t)QUESTION_HELLO || asked == (uint8_t)QUESTION_POLICY;
    if (is_question && !status_is_login(status) && error_is_about_asking(words)) {
        hello->asks_what = hello->asks_what || asked == (uint8_t)QUESTION_HELLO;
        hello->asks_policy = hello->asks_policy || asked == (uint8_t)QUESTION_POLICY;
        return;
    }
    /* The name only helps whoever reads CLIENT LIST; a user that may not set it still may lock. */
    if (asked == (uint8_t)QUESTION_NAME) {
        return;
    }
    if (problem_is_kept(hello, status)) {
        words_add(hello, words);
    }
}

static void take_reply(redlock_hello *hello, uint8_t asked, const redlock_resp_value *value,
                       const uint8_t *data) {
    if (asked >= (uint8_t)QUESTION_LOAD) {
        take_load(hello, asked, value, data);
        return;
    }
    hello_question question = (hello_question)asked;

    switch (question) {
    case QUESTION_AUTH:
    case QUESTION_SELECT:
    case QUESTION_NAME:
        take_ok(hello, value, data);
        return;
    case QUESTION_HELLO:
        take_hello(hello, value, data);
        return;
    case QUESTION_POLICY:
        take_config(hello, value, data);
        return;
    case QUESTION_INFO_SERVER:
    case QUESTION_INFO_REPLICATION:
    case QUESTION_INFO_MEMORY:
        take_info(hello, question, value, data);
        return;
    case QUESTION_TIME:
        take_time(hello, value, data);
        return;
    case QUESTION_EXISTS:
        take_exists(hello, value);
        return;
    case QUESTION_SUBSCRIBE:
        if (!redlock_message_confirms(value, data)) {
            problem_note(hello, REDLOCK_PROTOCOL, "a reply to SUBSCRIBE that is none");
        }
        return;
    case QUESTION_LOAD:
        break;
    }
    REDLOCK_ASSERT(false);
}

bool redlock_hello_take(redlock_hello *hello, const redlock_resp_reader *reader,
                        const uint8_t *data) {
    REDLOCK_ASSERT(redlock_hello_is_open(hello));
    REDLOCK_ASSERT(reader->value_count >= 1);
    uint8_t asked = hello->questions[hello->answered++];
    const redlock_resp_value *value = reader->values;

    if (value->kind == REDLOCK_RESP_ERROR) {
        take_error(hello, asked, redlock_resp_text(value, data));
    } else {
        take_reply(hello, asked, value, data);
    }
    return !redlock_hello_is_open(hello);
}
