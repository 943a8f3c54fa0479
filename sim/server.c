/* server.c -- connections and faults around the keyspace and the interpreter.
 *
 * A command passes the same gates in the same order as in 7.0: known, enough words, logged in,
 * allowed, memory, disk, replicas, role, loading, busy.  A script's own commands pass fewer. */
#include "sim/server.h"

#include <string.h>

#include "base/assert.h"
#include "base/prng.h"
#include "sim/data.h"
#include "sim/gate.h"
#include "sim/info.h"
#include "sim/interpreter.h"
#include "sim/keyspace.h"
#include "sim/pubsub.h"
#include "sim/reply.h"
#include "sim/request.h"
#include "sim/script_cache.h"
#include "sim/verb.h"
#include "wire/resp.h"
#include "wire/step.h"

#define DB_COUNT 16

typedef struct link { /* one connection */
    uint32_t number;
    uint32_t db;
    bool is_trusted; /* logged in, or no password was wanted */
    bool is_closing;
    redlock_sim_text in; /* of a command that is not whole */
} link;

struct redlock_sim_server {
    redlock_sim_keyspace space;
    redlock_sim_interpreter *interpreter;
    redlock_sim_script_cache scripts;
    redlock_sim_pubsub pubsub;
    redlock_prng prng;
    char run_id[REDLOCK_RUN_ID_BYTES + 1];
    char password[128]; /* empty: none */
    redlock_sim_version version;
    bool faults[REDLOCK_SIM_FAULT_COUNT];
    uint64_t call_us, command_count;
    link *links;
    size_t link_count, link_size;
    link inner;           /* what typed commands come in by */
    uint32_t script_db;   /* inside a script: its own choice */
    bool is_script_dirty; /* it has written, so it is not stopped any more */
    redlock_sim_text out; /* the replies of the call that runs */
    redlock_sim_text scratch;
    redlock_sim_text list; /* the elements of a reply */
    redlock_sim_request request;
    redlock_resp_reader reader;
    uint8_t encoded[REDLOCK_STEP_BYTES_MAX];
};

#define MAXCLIENTS_WORDS "ERR max number of clients reached"

static bool has_flag(const redlock_sim_verb *verb, uint32_t flag) {
    return (verb->flags & flag) != 0;
}

/* --- INFO, SELECT and the greeting ----------------------------------------------------------- */

static void run_info(redlock_sim_server *server, const redlock_bytes *words, size_t count,
                     redlock_sim_reply *reply) {
    redlock_sim_info info = {
        .make = server->version.make, .run_id = server->run_id, .faults = server->faults};

    server->scratch.len = 0;
    redlock_sim_info_write(&info, words, count, &server->scratch);
    redlock_sim_reply_bulk(reply,
                           (redlock_bytes){.at = server->scratch.at, .len = server->scratch.len});
}

static void run_select(uint32_t *db, redlock_bytes word, redlock_sim_reply *reply) {
    int64_t number;

    if (!redlock_sim_data_number(word, &number)) {
        redlock_sim_reply_error(reply, "ERR value is not an integer or out of range");
    } else if (number < 0 || number >= DB_COUNT) {
        redlock_sim_reply_error(reply, "ERR DB index is out of range");
    } else {
        *db = (uint32_t)number;
        redlock_sim_reply_status(reply, "OK");
    }
}

static void run_auth(redlock_sim_server *server, link *from, const redlock_bytes *words,
                     size_t count, redlock_sim_reply *reply) {
    redlock_bytes password = redlock_bytes_of(server->password);
    bool is_default = count == 2 || redlock_bytes_equal(words[1], redlock_bytes_of("default"));

    if (count > 3) {
        redlock_sim_reply_error(reply, "ERR syntax error");
    } else if (count == 2 && password.len == 0) {
        redlock_sim_reply_error(reply, "ERR AUTH <password> called without any password configured "
                                       "for the default user. Are you sure your configuration is "
                                       "correct?");
    } else if (is_default &&
               (password.len == 0 || redlock_bytes_equal(words[count - 1], password))) {
        from->is_trusted = true;
        redlock_sim_reply_status(reply, "OK");
    } else {
        redlock_sim_reply_error(reply,
                                "WRONGPASS invalid username-password pair or user is disabled.");
    }
}

static void run_setname(redlock_bytes name, redlock_sim_reply *reply) {
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] < '!' || name.at[i] > '~') {
            redlock_sim_reply_error(reply, "ERR Client names cannot contain spaces, newlines or "
                                           "special characters.");
            return;
        }
    }
    redlock_sim_reply_status(reply, "OK");
}

/* --- messages -------------------------------------------------------------------------------- */

/* Typed commands come in by a connection that has no number, and listens to nothing. */
static bool is_subscribed(const redlock_sim_server *server, const link *from) {
    return from != &server->inner && redlock_sim_pubsub_count(&server->pubsub, from->number) > 0;
}

static void run_publish(redlock_sim_server *server, const redlock_bytes *words,
                        redlock_sim_reply *reply) {
    size_t count = redlock_sim_pubsub_publish(&server->pubsub, words[1], words[2]);

    redlock_sim_reply_integer(reply, (int64_t)count);
}

static void run_reset(redlock_sim_server *server, link *from, redlock_sim_reply *reply) {
    redlock_sim_pubsub_unsubscribe_all(&server->pubsub, from->number, NULL);
    from->db = 0;
    from->is_trusted = server->password[0] == '\0';
    redlock_sim_reply_status(reply, "RESET");
}

/* Who waits for messages is told everything in their form. */
static void pong_say(const redlock_bytes *words, size_t count, redlock_sim_reply *reply) {
    redlock_sim_reply_array(reply);
    redlock_sim_reply_add(reply, redlock_bytes_of("pong"));
    redlock_sim_reply_add(reply, count > 1 ? words[1] : redlock_bytes_of(""));
}

/* --- scripts --------------------------------------------------------------------------------- */

static void run_script_flush(redlock_sim_server *server, const redlock_bytes *words, size_t count,
                             redlock_sim_reply *reply) {
    bool is_known = count == 2 || (count == 3 && (redlock_sim_word_is(words[2], "SYNC") ||
                                                  redlock_sim_word_is(words[2], "ASYNC")));

    if (!is_known) {
        redlock_sim_reply_error(reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    redlock_sim_script_cache_flush(&server->scripts);
    redlock_sim_reply_status(reply, "OK");
}

static void run_script_load(redlock_sim_server *server, redlock_bytes text,
                            redlock_sim_reply *reply) {
    const redlock_sim_script *script = redlock_sim_script_cache_add(&server->scripts, text, reply);

    if (script != NULL) {
        redlock_sim_reply_bulk(reply, redlock_bytes_of(script->sha1));
    }
}

static void run_script_exists(redlock_sim_server *server, const redlock_bytes *words,
                              size_t count) {
    redlock_sim_text_add_number(&server->out, '*', (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        redlock_sim_text_add_number(
            &server->out, ':', redlock_sim_script_cache_find(&server->scripts, words[i]) != NULL);
    }
}

/* What redis.call does: the interpreter's way back in. */
static void script_calls(void *owner, const redlock_bytes *words, size_t count,
                         redlock_sim_reply *reply) {
    redlock_sim_server *server = owner;
    const redlock_sim_verb *verb = NULL;
    redlock_sim_verb_found found = redlock_sim_verb_find(words, count, &verb, reply);

    server->space.now_us += server->call_us;
    reply->list = &server->list;
    if (found == REDLOCK_SIM_VERB_FOUND && !redlock_sim_gate_knows(server->version.make, verb)) {
        found = REDLOCK_SIM_VERB_UNKNOWN;
    }
    if (found != REDLOCK_SIM_VERB_FOUND) {
        redlock_sim_reply_error(reply, found == REDLOCK_SIM_VERB_ARITY
                                           ? "ERR Wrong number of args calling Redis command "
                                             "from script"
                                           : "ERR Unknown Redis command called from script");
        return;
    }
    const char *refusal = redlock_sim_gate_of_script(server->faults, verb, server->is_script_dirty);
    if (refusal != NULL) {
        redlock_sim_reply_error(reply, refusal);
        return;
    }
    server->is_script_dirty = server->is_script_dirty || has_flag(verb, REDLOCK_SIM_IS_WRITE);
    if (verb->kind == REDLOCK_SIM_VERB_SELECT) {
        run_select(&server->script_db, words[1], reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_INFO) {
        run_info(server, words, count, reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_PUBLISH) {
        run_publish(server, words, reply);
    } else if (!redlock_sim_data_run(&server->space, server->script_db, verb->kind, words, count,
                                     reply)) {
        redlock_sim_give_up("a script may call a command that nobody runs");
    }
}

/* The script of EVAL or EVALSHA; NULL, and the error, when there is none. */
static const redlock_sim_script *script_find(redlock_sim_server *server, redlock_sim_verb_kind kind,
                                             redlock_bytes word, redlock_sim_reply *ret_error) {
    if (kind == REDLOCK_SIM_VERB_EVAL) {
        return redlock_sim_script_cache_add(&server->scripts, word, ret_error);
    }
    redlock_sim_reply_error(ret_error, "NOSCRIPT No matching script. Please use EVAL.");
    return redlock_sim_script_cache_find(&server->scripts, word);
}

static bool key_count_read(const redlock_bytes *words, size_t count, int64_t *ret_count,
                           redlock_sim_reply *ret_error) {
    if (!redlock_sim_data_number(words[2], ret_count)) {
        redlock_sim_reply_error(ret_error, "ERR value is not an integer or out of range");
        return false;
    }
    if (*ret_count > (int64_t)count - 3) {
        redlock_sim_reply_error(ret_error,
                                "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (*ret_count < 0) {
        redlock_sim_reply_error(ret_error, "ERR Number of keys can't be negative");
        return false;
    }
    return true;
}

/* True when the script has written its own reply. */
static bool run_eval(redlock_sim_server *server, const link *from, redlock_sim_verb_kind kind,
                     const redlock_bytes *words, size_t count, redlock_sim_reply *ret_error) {
    int64_t key_count;

    if (kind == REDLOCK_SIM_VERB_EVALSHA && words[1].len != REDLOCK_SIM_SHA1_BYTES) {
        (void)script_find(server, kind, words[1], ret_error);
        return false;
    }
    if (!key_count_read(words, count, &key_count, ret_error)) {
        return false;
    }
    const redlock_sim_script *script = script_find(server, kind, words[1], ret_error);
    if (script == NULL) {
        return false;
    }
    size_t keys = (size_t)key_count;
    server->script_db = from->db;
    server->is_script_dirty = false;
    redlock_sim_interpreter_run(server->interpreter, script->chunk, script->sha1, words + 3, keys,
                                words + 3 + keys, count - 3 - keys, &server->out);
    return true;
}

/* --- commands -------------------------------------------------------------------------------- */

/* The verbs that write their own replies; false when it is none of them, or has an error to tell. */
static bool verb_writes(redlock_sim_server *server, const link *from, const redlock_sim_verb *verb,
                        const redlock_bytes *words, size_t count, redlock_sim_reply *ret_error) {
    if (verb->kind == REDLOCK_SIM_VERB_SUBSCRIBE) {
        redlock_sim_pubsub_subscribe(&server->pubsub, from->number, words + 1, count - 1,
                                     &server->out);
    } else if (verb->kind == REDLOCK_SIM_VERB_UNSUBSCRIBE && count > 1) {
        redlock_sim_pubsub_unsubscribe(&server->pubsub, from->number, words + 1, count - 1,
                                       &server->out);
    } else if (verb->kind == REDLOCK_SIM_VERB_UNSUBSCRIBE) {
        redlock_sim_pubsub_unsubscribe_all(&server->pubsub, from->number, &server->out);
    } else if (verb->kind == REDLOCK_SIM_VERB_SCRIPT_EXISTS) {
        run_script_exists(server, words + 2, count - 2);
    } else {
        return run_eval(server, from, verb->kind, words, count, ret_error);
    }
    return true;
}

static bool is_writer(redlock_sim_verb_kind kind) {
    return kind == REDLOCK_SIM_VERB_EVAL || kind == REDLOCK_SIM_VERB_EVALSHA ||
           kind == REDLOCK_SIM_VERB_SUBSCRIBE || kind == REDLOCK_SIM_VERB_UNSUBSCRIBE ||
           kind == REDLOCK_SIM_VERB_SCRIPT_EXISTS;
}

/* True when the reply is to be written, false when it was. */
static bool verb_run(redlock_sim_server *server, link *from, const redlock_sim_verb *verb,
                     const redlock_bytes *words, size_t count, redlock_sim_reply *reply) {
    if (verb->kind == REDLOCK_SIM_VERB_PING && count <= 2 && is_subscribed(server, from)) {
        pong_say(words, count, reply);
        return true;
    }
    if (redlock_sim_data_run(&server->space, from->db, verb->kind, words, count, reply)) {
        return true;
    }
    if (is_writer(verb->kind)) {
        return !verb_writes(server, from, verb, words, count, reply);
    }
    if (verb->kind == REDLOCK_SIM_VERB_INFO) {
        run_info(server, words, count, reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_SELECT) {
        run_select(&from->db, words[1], reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_AUTH) {
        run_auth(server, from, words, count, reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_CLIENT_SETNAME) {
        run_setname(words[2], reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_SCRIPT_LOAD) {
        run_script_load(server, words[2], reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_SCRIPT_FLUSH) {
        run_script_flush(server, words, count, reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_PUBLISH) {
        run_publish(server, words, reply);
    } else if (verb->kind == REDLOCK_SIM_VERB_RESET) {
        run_reset(server, from, reply);
    } else {
        REDLOCK_ASSERT(verb->kind == REDLOCK_SIM_VERB_QUIT);
        from->is_closing = true;
        redlock_sim_reply_status(reply, "OK");
    }
    return true;
}

/* The reasons that have to do with who asks. */
static bool is_let_in(const redlock_sim_server *server, const link *from,
                      const redlock_sim_verb *verb, redlock_sim_reply *ret_error) {
    if (has_flag(verb, REDLOCK_SIM_WITHOUT_LOGIN)) {
        return true;
    }
    if (!from->is_trusted) {
        redlock_sim_reply_error(ret_error, "NOAUTH Authentication required.");
        return false;
    }
    if (server->faults[REDLOCK_SIM_NOPERM]) {
        redlock_sim_reply_error_about(ret_error, "NOPERM this user has no permissions to run the '",
                                      verb->name, "' command");
        return false;
    }
    return true;
}

/* Whether it may run now; else the error says why not. */
static bool is_let_through(const redlock_sim_server *server, const link *from,
                           const redlock_sim_verb *verb, redlock_sim_reply *ret_error) {
    const char *refusal = redlock_sim_gate_of_data(server->faults, verb);

    if (refusal == NULL && !has_flag(verb, REDLOCK_SIM_WHILE_SUBSCRIBED) &&
        is_subscribed(server, from)) {
        redlock_sim_reply_error_about(ret_error, "ERR Can't execute '", verb->name,
                                      "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                                      "RESET are allowed in this context");
        return false;
    }
    if (refusal == NULL) {
        refusal = redlock_sim_gate_of_time(server->faults, verb);
    }
    if (refusal != NULL) {
        redlock_sim_reply_error(ret_error, refusal);
    }
    return refusal == NULL;
}

/* Appends the reply to server->out. */
static void words_run(redlock_sim_server *server, link *from, const redlock_bytes *words,
                      size_t count) {
    const redlock_sim_verb *verb = NULL;
    redlock_sim_reply reply;
    bool is_reply = true;

    server->command_count++;
    reply.list = &server->list;
    if (redlock_sim_verb_find(words, count, &verb, &reply) == REDLOCK_SIM_VERB_FOUND &&
        is_let_in(server, from, verb, &reply) &&
        redlock_sim_gate_of_version(&server->version, verb, words, count, &reply) &&
        is_let_through(server, from, verb, &reply)) {
        is_reply = verb_run(server, from, verb, words, count, &reply);
    }
    if (is_reply) {
        redlock_sim_reply_write(&reply, &server->out);
    }
    redlock_sim_keyspace_end_command(&server->space);
}

/* --- typed commands -------------------------------------------------------------------------- */

static redlock_answer answer_spoilt(void) {
    return (redlock_answer){
        .kind = REDLOCK_ANSWER_ERROR,
        .status = REDLOCK_PROTOCOL,
        .text = redlock_bytes_of("the reply is garbage"),
    };
}

/* What lies in server->encoded.  True when there is a whole reply to read. */
static bool encoded_run(redlock_sim_server *server, size_t len) {
    redlock_bytes bytes = {.at = server->encoded, .len = len};
    size_t used;

    server->out.len = 0;
    if (server->faults[REDLOCK_SIM_GARBAGE] || server->faults[REDLOCK_SIM_OVERSIZED]) {
        return false;
    }
    redlock_sim_request_status status = redlock_sim_request_read(&server->request, bytes);
    REDLOCK_ASSERT(status == REDLOCK_SIM_REQUEST_WHOLE);
    words_run(server, &server->inner, server->request.words, server->request.count);
    redlock_resp_reader_init(&server->reader);
    return redlock_resp_read(&server->reader, server->out.at, server->out.len, &used) ==
           REDLOCK_RESP_DONE;
}

redlock_answer redlock_sim_server_command(redlock_sim_server *server,
                                          const redlock_command *command, redlock_bytes prefix) {
    size_t len = redlock_step_encode(command, prefix, server->encoded, sizeof server->encoded);

    if (!encoded_run(server, len)) {
        return answer_spoilt();
    }
    return command->claim.token.len > 0
               ? redlock_step_decode_claimed(&server->reader, server->out.at)
               : redlock_step_decode(command->kind, command->fenced, &server->reader,
                                     server->out.at);
}

redlock_answer redlock_sim_server_native(redlock_sim_server *server, redlock_native_word word,
                                         const redlock_command *command) {
    size_t len = redlock_native_encode(word, command, redlock_bytes_of(""), server->encoded,
                                       sizeof server->encoded);

    return encoded_run(server, len) ? redlock_native_decode(&server->reader, server->out.at)
                                    : answer_spoilt();
}

/* --- bytes ----------------------------------------------------------------------------------- */

static link *link_find(redlock_sim_server *server, uint32_t number) {
    for (size_t i = 0; i < server->link_count; i++) {
        if (server->links[i].number == number) {
            return &server->links[i];
        }
    }
    return NULL;
}

static link *link_open(redlock_sim_server *server, uint32_t number) {
    if (server->link_count == server->link_size) {
        server->link_size = server->link_size * 2 + 8;
        server->links =
            redlock_sim_memory(server->links, server->link_size * sizeof *server->links);
    }
    link *opened = &server->links[server->link_count++];
    *opened = (link){.number = number, .is_trusted = server->password[0] == '\0'};
    return opened;
}

static void link_close(redlock_sim_server *server, link *closed) {
    redlock_sim_pubsub_hang_up(&server->pubsub, closed->number);
    redlock_sim_text_deinit(&closed->in);
    *closed = server->links[--server->link_count];
}

/* Puts something that no codec can take in the place of what was said from there on. */
static void reply_spoil(redlock_sim_server *server, size_t from) {
    static const char *const spoilt[] = {"$-7\r\n", "*99999999\r\n", ":12x\r\n", "*1\r\n!2\r\n"};
    uint8_t noise[64];
    size_t count = 1 + (size_t)redlock_prng_upto(&server->prng, sizeof noise - 1);

    server->out.len = from;
    if (server->faults[REDLOCK_SIM_OVERSIZED]) {
        redlock_sim_text_say(&server->out, "$536870911\r\nxxxxxxxx");
        return;
    }
    if (redlock_prng_upto(&server->prng, 1) == 0) {
        redlock_sim_text_say(&server->out, spoilt[redlock_prng_upto(&server->prng, 3)]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        noise[i] = (uint8_t)redlock_prng_next(&server->prng);
    }
    noise[0] |= 0x80; /* begins no reply */
    redlock_sim_text_add(&server->out, (redlock_bytes){.at = noise, .len = count});
}

static void request_run(redlock_sim_server *server, link *from) {
    const redlock_sim_request *request = &server->request;
    size_t said = server->out.len;

    if (request->count == 0) {
        return;
    }
    words_run(server, from, request->words, request->count);
    if (server->faults[REDLOCK_SIM_GARBAGE] || server->faults[REDLOCK_SIM_OVERSIZED]) {
        reply_spoil(server, said);
    }
}

/* Runs what is whole, and keeps the rest. */
static void link_run(redlock_sim_server *server, link *from) {
    redlock_sim_text *in = &from->in;
    size_t used = 0;

    while (!from->is_closing) {
        redlock_bytes rest = {.at = in->at + used, .len = in->len - used};
        redlock_sim_request_status status = redlock_sim_request_read(&server->request, rest);

        if (status == REDLOCK_SIM_REQUEST_MORE) {
            break;
        }
        if (status == REDLOCK_SIM_REQUEST_BAD) {
            redlock_sim_text_add_line(&server->out, '-',
                                      redlock_bytes_of(server->request.complaint));
            from->is_closing = true;
            break;
        }
        request_run(server, from);
        used += server->request.used;
    }
    if (used > 0) {
        memmove(in->at, in->at + used, in->len - used);
        in->len -= used;
    }
}

redlock_sim_said redlock_sim_server_feed(redlock_sim_server *server, uint32_t connection,
                                         redlock_bytes in) {
    link *from = link_find(server, connection);
    bool is_closed = false;

    server->out.len = 0;
    if (from == NULL && server->faults[REDLOCK_SIM_MAXCLIENTS]) {
        redlock_sim_text_say(&server->out, "-" MAXCLIENTS_WORDS "\r\n");
        is_closed = true;
    } else {
        from = from == NULL ? link_open(server, connection) : from;
        redlock_sim_text_add(&from->in, in);
        if (from->in.len > 0) {
            link_run(server, from);
        }
        is_closed = from->is_closing;
    }
    if (is_closed && from != NULL) {
        link_close(server, from);
    }
    return (redlock_sim_said){
        .bytes = {.at = server->out.at, .len = server->out.len},
        .is_closed = is_closed,
    };
}

void redlock_sim_server_hang_up(redlock_sim_server *server, uint32_t connection) {
    link *gone = link_find(server, connection);

    if (gone != NULL) {
        link_close(server, gone);
    }
    redlock_sim_pubsub_hang_up(&server->pubsub, connection); /* it may be one without bytes */
}

/* --- messages to connections without bytes --------------------------------------------------- */

static redlock_status channel_run(redlock_sim_server *server, uint32_t connection, const char *word,
                                  redlock_bytes channel) {
    redlock_bytes words[] = {redlock_bytes_of(word), channel};
    link from = {.number = connection, .is_trusted = true};

    server->out.len = 0;
    if (server->faults[REDLOCK_SIM_GARBAGE] || server->faults[REDLOCK_SIM_OVERSIZED]) {
        return REDLOCK_PROTOCOL;
    }
    if (server->faults[REDLOCK_SIM_MAXCLIENTS] && !is_subscribed(server, &from)) {
        return redlock_step_error_status(redlock_bytes_of(MAXCLIENTS_WORDS));
    }
    words_run(server, &from, words, 2);
    redlock_bytes said = {.at = server->out.at + 1, .len = server->out.len - 1};
    return server->out.at[0] == '-' ? redlock_step_error_status(said) : REDLOCK_OK;
}

redlock_status redlock_sim_server_subscribe(redlock_sim_server *server, uint32_t connection,
                                            redlock_bytes channel) {
    return channel_run(server, connection, "SUBSCRIBE", channel);
}

redlock_status redlock_sim_server_unsubscribe(redlock_sim_server *server, uint32_t connection,
                                              redlock_bytes channel) {
    return channel_run(server, connection, "UNSUBSCRIBE", channel);
}

bool redlock_sim_server_next_message(redlock_sim_server *server, redlock_sim_message *ret_message) {
    return redlock_sim_pubsub_take(&server->pubsub, ret_message);
}

/* --- what happens to a server ---------------------------------------------------------------- */

static void run_id_set(redlock_sim_server *server, const char *run_id) {
    if (strlen(run_id) != REDLOCK_RUN_ID_BYTES) {
        redlock_sim_give_up("a run id has 40 digits");
    }
    memcpy(server->run_id, run_id, sizeof server->run_id);
}

redlock_sim_server *redlock_sim_server_create(uint64_t seed, const char *run_id) {
    redlock_sim_server *server = redlock_sim_memory(NULL, sizeof *server);

    memset(server, 0, sizeof *server);
    server->inner.is_trusted = true;
    redlock_prng_init(&server->prng, seed);
    redlock_sim_keyspace_init(&server->space);
    server->interpreter = redlock_sim_interpreter_create(script_calls, server);
    redlock_sim_script_cache_init(&server->scripts, server->interpreter);
    run_id_set(server, run_id);
    return server;
}

void redlock_sim_server_be_old(redlock_sim_server *server) {
    redlock_sim_interpreter_forget_version(server->interpreter);
}

void redlock_sim_server_be(redlock_sim_server *server, redlock_sim_make make) {
    server->version.make = make;
}

void redlock_sim_server_deny(redlock_sim_server *server, redlock_sim_denial denial, uint32_t each) {
    server->version.denial = denial;
    server->version.denies_each = each;
    server->version.native_count = 0;
}

static void links_close(redlock_sim_server *server) {
    while (server->link_count > 0) {
        link_close(server, &server->links[0]);
    }
}

void redlock_sim_server_destroy(redlock_sim_server *server) {
    if (server == NULL) {
        return;
    }
    links_close(server);
    redlock_sim_memory(server->links, 0);
    redlock_sim_pubsub_deinit(&server->pubsub);
    redlock_sim_script_cache_deinit(&server->scripts);
    redlock_sim_interpreter_destroy(server->interpreter);
    redlock_sim_keyspace_deinit(&server->space);
    redlock_sim_text_deinit(&server->out);
    redlock_sim_text_deinit(&server->scratch);
    redlock_sim_text_deinit(&server->list);
    redlock_sim_memory(server, 0);
}

void redlock_sim_server_set_clock(redlock_sim_server *server, uint64_t wall_us) {
    redlock_sim_keyspace_set_clock(&server->space, wall_us);
}

void redlock_sim_server_set_call_us(redlock_sim_server *server, uint64_t call_us) {
    server->call_us = call_us;
}

void redlock_sim_server_add_pause(redlock_sim_server *server, uint32_t reading, uint64_t us) {
    redlock_sim_pause pause = {.reading = reading, .us = us};

    redlock_sim_keyspace_add_pause(&server->space, pause);
}

void redlock_sim_server_set_fault(redlock_sim_server *server, redlock_sim_fault fault, bool is_on) {
    REDLOCK_ASSERT(fault < REDLOCK_SIM_FAULT_COUNT);
    server->faults[fault] = is_on;
}

void redlock_sim_server_set_password(redlock_sim_server *server, const char *password) {
    size_t len = password == NULL ? 0 : strlen(password);

    if (len >= sizeof server->password) {
        redlock_sim_give_up("a password of more than 127 bytes");
    }
    memcpy(server->password, len == 0 ? "" : password, len + 1);
}

void redlock_sim_server_sync(redlock_sim_server *server) {
    redlock_sim_keyspace_sync(&server->space);
}

void redlock_sim_server_rewind(redlock_sim_server *server) {
    redlock_sim_keyspace_undo(&server->space);
}

void redlock_sim_server_restart(redlock_sim_server *server, redlock_sim_loss loss,
                                const char *run_id) {
    links_close(server);
    redlock_sim_pubsub_deinit(&server->pubsub);
    redlock_sim_script_cache_flush(&server->scripts);
    run_id_set(server, run_id);
    switch (loss) {
    case REDLOCK_SIM_LOSE_NOTHING:
        return;
    case REDLOCK_SIM_LOSE_UNSYNCED:
        redlock_sim_keyspace_undo(&server->space);
        return;
    case REDLOCK_SIM_LOSE_ALL:
        redlock_sim_keyspace_lose(&server->space);
        return;
    }
    REDLOCK_ASSERT(false);
}

void redlock_sim_server_flushall(redlock_sim_server *server) {
    redlock_sim_keyspace_clear(&server->space);
}

void redlock_sim_server_script_flush(redlock_sim_server *server) {
    redlock_sim_script_cache_flush(&server->scripts);
}

void redlock_sim_server_expire(redlock_sim_server *server) {
    redlock_sim_keyspace_expire(&server->space);
}

bool redlock_sim_server_evict(redlock_sim_server *server, redlock_bytes key) {
    return redlock_sim_keyspace_remove(&server->space, (redlock_sim_key){.db = 0, .text = key});
}

void redlock_sim_server_patch(redlock_sim_server *server, redlock_command_kind kind,
                              const char *text) {
    redlock_sim_script_cache_patch(&server->scripts, kind, text);
}

/* --- looking in ------------------------------------------------------------------------------ */

static redlock_sim_entry entry_of(const redlock_sim_server *server, redlock_bytes key,
                                  const redlock_sim_value *value) {
    bool has_expiry = value->expires_ms != REDLOCK_SIM_NO_EXPIRY;
    uint64_t expires_ms = has_expiry ? (uint64_t)value->expires_ms : 0;
    uint64_t now_ms = server->space.now_us / 1000;

    return (redlock_sim_entry){
        .key = key,
        .value = value->text,
        .type = value->type,
        .has_expiry = has_expiry,
        .expires_ms = expires_ms,
        .left_ms = expires_ms > now_ms ? expires_ms - now_ms : 0,
    };
}

size_t redlock_sim_server_listeners(const redlock_sim_server *server, redlock_bytes channel) {
    return redlock_sim_pubsub_listeners(&server->pubsub, channel);
}

bool redlock_sim_server_get(redlock_sim_server *server, redlock_bytes key,
                            redlock_sim_entry *ret_entry) {
    redlock_sim_value value;

    if (!redlock_sim_keyspace_peek(&server->space, (redlock_sim_key){.db = 0, .text = key},
                                   &value)) {
        return false;
    }
    *ret_entry = entry_of(server, key, &value);
    return true;
}

bool redlock_sim_server_next(redlock_sim_server *server, size_t *cursor,
                             redlock_sim_entry *ret_entry) {
    redlock_sim_key key;
    redlock_sim_value value;

    while (redlock_sim_keyspace_next(&server->space, cursor, &key, &value)) {
        if (key.db == 0) {
            *ret_entry = entry_of(server, key.text, &value);
            return true;
        }
    }
    return false;
}

uint64_t redlock_sim_server_command_count(const redlock_sim_server *server) {
    return server->command_count;
}
