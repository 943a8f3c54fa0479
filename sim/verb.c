/* verb.c -- the table of commands.  Names, counts and wordings were taken from a running 7.0. */
#include "sim/verb.h"

#include <stdio.h>
#include <string.h>

#define MANY UINT32_MAX
#define WRITE REDLOCK_SIM_IS_WRITE
#define MEMORY REDLOCK_SIM_NEEDS_MEMORY
#define NO_SCRIPT REDLOCK_SIM_NOT_IN_SCRIPTS
#define LOADING REDLOCK_SIM_WHILE_LOADING
#define BUSY REDLOCK_SIM_WHILE_BUSY
#define STRANGER REDLOCK_SIM_WITHOUT_LOGIN
#define DISK REDLOCK_SIM_WHILE_DISK_OK
#define LISTENER REDLOCK_SIM_WHILE_SUBSCRIBED

/* Longer words are cut in the error about an unknown command. */
#define SHOWN_BYTES_MAX 128u

static const redlock_sim_verb verbs[] = {
    {REDLOCK_SIM_VERB_EVALSHA, "evalsha", "EVALSHA", NULL, 3, MANY, NO_SCRIPT},
    {REDLOCK_SIM_VERB_GET, "get", "GET", NULL, 2, 2, 0},
    {REDLOCK_SIM_VERB_MGET, "mget", "MGET", NULL, 2, MANY, 0},
    {REDLOCK_SIM_VERB_SET, "set", "SET", NULL, 3, MANY, WRITE | MEMORY},
    {REDLOCK_SIM_VERB_DEL, "del", "DEL", NULL, 2, MANY, WRITE},
    {REDLOCK_SIM_VERB_EXISTS, "exists", "EXISTS", NULL, 2, MANY, 0},
    {REDLOCK_SIM_VERB_PTTL, "pttl", "PTTL", NULL, 2, 2, 0},
    {REDLOCK_SIM_VERB_PEXPIRE, "pexpire", "PEXPIRE", NULL, 3, MANY, WRITE},
    {REDLOCK_SIM_VERB_PEXPIRETIME, "pexpiretime", "PEXPIRETIME", NULL, 2, 2, 0},
    {REDLOCK_SIM_VERB_TYPE, "type", "TYPE", NULL, 2, 2, 0},
    {REDLOCK_SIM_VERB_ZADD, "zadd", "ZADD", NULL, 4, MANY, WRITE | MEMORY},
    {REDLOCK_SIM_VERB_ZREM, "zrem", "ZREM", NULL, 3, MANY, WRITE},
    {REDLOCK_SIM_VERB_ZRANGE, "zrange", "ZRANGE", NULL, 4, MANY, 0},
    {REDLOCK_SIM_VERB_ZREVRANGE, "zrevrange", "ZREVRANGE", NULL, 4, MANY, 0},
    {REDLOCK_SIM_VERB_ZPOPMIN, "zpopmin", "ZPOPMIN", NULL, 2, MANY, WRITE},
    {REDLOCK_SIM_VERB_ZRANK, "zrank", "ZRANK", NULL, 3, 3, 0},
    {REDLOCK_SIM_VERB_ZSCORE, "zscore", "ZSCORE", NULL, 3, 3, 0},
    {REDLOCK_SIM_VERB_ZCARD, "zcard", "ZCARD", NULL, 2, 2, 0},
    {REDLOCK_SIM_VERB_HSET, "hset", "HSET", NULL, 4, MANY, WRITE | MEMORY},
    {REDLOCK_SIM_VERB_HGET, "hget", "HGET", NULL, 3, 3, 0},
    {REDLOCK_SIM_VERB_HDEL, "hdel", "HDEL", NULL, 3, MANY, WRITE},
    {REDLOCK_SIM_VERB_HLEN, "hlen", "HLEN", NULL, 2, 2, 0},
    {REDLOCK_SIM_VERB_PUBLISH, "publish", "PUBLISH", NULL, 3, 3, LOADING},
    {REDLOCK_SIM_VERB_SUBSCRIBE, "subscribe", "SUBSCRIBE", NULL, 2, MANY,
     NO_SCRIPT | LOADING | LISTENER},
    {REDLOCK_SIM_VERB_UNSUBSCRIBE, "unsubscribe", "UNSUBSCRIBE", NULL, 1, MANY,
     NO_SCRIPT | LOADING | LISTENER},
    {REDLOCK_SIM_VERB_RESET, "reset", "RESET", NULL, 1, 1,
     NO_SCRIPT | LOADING | BUSY | STRANGER | LISTENER},
    {REDLOCK_SIM_VERB_TIME, "time", "TIME", NULL, 1, 1, LOADING},
    {REDLOCK_SIM_VERB_PING, "ping", "PING", NULL, 1, MANY, DISK | LISTENER},
    {REDLOCK_SIM_VERB_EVAL, "eval", "EVAL", NULL, 3, MANY, NO_SCRIPT},
    {REDLOCK_SIM_VERB_DBSIZE, "dbsize", "DBSIZE", NULL, 1, 1, 0},
    {REDLOCK_SIM_VERB_FLUSHALL, "flushall", "FLUSHALL", NULL, 1, MANY, WRITE},
    {REDLOCK_SIM_VERB_INFO, "info", "INFO", NULL, 1, MANY, LOADING},
    {REDLOCK_SIM_VERB_SELECT, "select", "SELECT", NULL, 2, 2, LOADING},
    {REDLOCK_SIM_VERB_AUTH, "auth", "AUTH", NULL, 2, MANY, NO_SCRIPT | LOADING | BUSY | STRANGER},
    {REDLOCK_SIM_VERB_QUIT, "quit", "QUIT", NULL, 1, MANY,
     NO_SCRIPT | LOADING | BUSY | STRANGER | LISTENER},
    {REDLOCK_SIM_VERB_CLIENT_SETNAME, "client|setname", "CLIENT", "SETNAME", 3, 3,
     NO_SCRIPT | LOADING},
    {REDLOCK_SIM_VERB_SCRIPT_LOAD, "script|load", "SCRIPT", "LOAD", 3, 3, NO_SCRIPT},
    {REDLOCK_SIM_VERB_SCRIPT_EXISTS, "script|exists", "SCRIPT", "EXISTS", 3, MANY, NO_SCRIPT},
    {REDLOCK_SIM_VERB_SCRIPT_FLUSH, "script|flush", "SCRIPT", "FLUSH", 2, MANY, NO_SCRIPT},
    {REDLOCK_SIM_VERB_DELIFEQ, "delifeq", "DELIFEQ", NULL, 3, 3, WRITE},
    {REDLOCK_SIM_VERB_DELEX, "delex", "DELEX", NULL, 2, MANY, WRITE},
};

bool redlock_sim_word_is(redlock_bytes text, const char *word) {
    if (text.len != strlen(word)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte >= 'a' && byte <= 'z') {
            byte = (uint8_t)(byte - 'a' + 'A');
        }
        if (byte != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

/* --- errors ---------------------------------------------------------------------------------- */

/* What is said beyond `size` is lost, as it is on real servers a little later. */
static size_t say_cut(char *at, size_t size, size_t len, const char *before, redlock_bytes text,
                      const char *after) {
    int shown = (int)(text.len < SHOWN_BYTES_MAX ? text.len : SHOWN_BYTES_MAX);
    int said =
        snprintf(at + len, size - len, "%s%.*s%s", before, shown, (const char *)text.at, after);

    return said > 0 && len + (size_t)said < size ? len + (size_t)said : size - 1;
}

void redlock_sim_verb_unknown(const redlock_bytes *words, size_t count,
                              redlock_sim_reply *ret_error) {
    char *at = ret_error->scratch;
    size_t size = sizeof ret_error->scratch;
    size_t len =
        say_cut(at, size, 0, "ERR unknown command '", words[0], "', with args beginning with: ");
    size_t from = len;

    for (size_t i = 1; i < count && len - from < SHOWN_BYTES_MAX; i++) {
        redlock_bytes shown = words[i];
        size_t room = SHOWN_BYTES_MAX - (len - from);

        shown.len = shown.len < room ? shown.len : room;
        len = say_cut(at, size, len, "'", shown, "' ");
    }
    redlock_sim_reply_error(ret_error, at);
}

static void unknown_sub_say(const redlock_bytes *words, redlock_sim_reply *ret_error) {
    char *at = ret_error->scratch;
    size_t size = sizeof ret_error->scratch;
    bool is_client = redlock_sim_word_is(words[0], "CLIENT");

    (void)say_cut(at, size, 0, "ERR unknown subcommand '", words[1],
                  is_client ? "'. Try CLIENT HELP." : "'. Try SCRIPT HELP.");
    redlock_sim_reply_error(ret_error, at);
}

static void arity_say(const char *name, redlock_sim_reply *ret_error) {
    redlock_sim_reply_error_about(ret_error, "ERR wrong number of arguments for '", name,
                                  "' command");
}

/* --- finding --------------------------------------------------------------------------------- */

static bool verb_is(const redlock_sim_verb *verb, const redlock_bytes *words, size_t count) {
    if (!redlock_sim_word_is(words[0], verb->word)) {
        return false;
    }
    return verb->sub == NULL || (count > 1 && redlock_sim_word_is(words[1], verb->sub));
}

static redlock_sim_verb_found not_found(const redlock_bytes *words, size_t count,
                                        redlock_sim_reply *ret_error) {
    bool is_client = redlock_sim_word_is(words[0], "CLIENT");

    if (!is_client && !redlock_sim_word_is(words[0], "SCRIPT")) {
        redlock_sim_verb_unknown(words, count, ret_error);
        return REDLOCK_SIM_VERB_UNKNOWN;
    }
    if (count == 1) {
        arity_say(is_client ? "client" : "script", ret_error);
        return REDLOCK_SIM_VERB_ARITY;
    }
    unknown_sub_say(words, ret_error);
    return REDLOCK_SIM_VERB_UNKNOWN;
}

redlock_sim_verb_found redlock_sim_verb_find(const redlock_bytes *words, size_t count,
                                             const redlock_sim_verb **ret_verb,
                                             redlock_sim_reply *ret_error) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const redlock_sim_verb *verb = &verbs[i];

        if (!verb_is(verb, words, count)) {
            continue;
        }
        if (count < verb->words_min || count > verb->words_max) {
            arity_say(verb->name, ret_error);
            return REDLOCK_SIM_VERB_ARITY;
        }
        *ret_verb = verb;
        return REDLOCK_SIM_VERB_FOUND;
    }
    return not_found(words, count, ret_error);
}
