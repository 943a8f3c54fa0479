/* model_words_test.c -- the words of the model server against those of real ones: how commands and
 * scripts are refused, and what a server says that is full, busy, a replica or a stranger's. */
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

#include "base/command.h"
#include "base/prng.h"
#include "pair.h"
#include "sim/server.h"

/* --- wordings --------------------------------------------------------------------------------- */

#define WORDS_MAX 8

typedef struct wording {
    const char *words[WORDS_MAX]; /* ended by NULL */
} wording;

static void wording_add(test_bytes *to, const wording *w) {
    redlock_bytes words[WORDS_MAX];
    size_t count = 0;

    for (; count < WORDS_MAX && w->words[count] != NULL; count++) {
        words[count] = redlock_bytes_of(w->words[count]);
    }
    test_bytes_add_command(to, words, count);
}

static void wording_run(test_pair *p, const wording *w) {
    const redlock_bytes keys[] = {redlock_bytes_of("k"), redlock_bytes_of("x"),
                                  redlock_bytes_of("y")};
    test_step s;

    test_step_init(&s, keys, 3);
    wording_add(&s.command, w);
    test_step_run(p, &s);
}

static void wordings_run(test_pair *p, const wording *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        wording_run(p, &list[i]);
    }
}

#define WORDINGS_RUN(p, list) wordings_run((p), (list), sizeof(list) / sizeof((list)[0]))

/* Other versions say it in other words, or in other cases. */
static void skip_unless_exact(const test_pair *p) {
    if (!p->is_exact) {
        skip();
    }
}

static const wording commands[] = {
    {{"PING"}},
    {{"PING", "x"}},
    {{"PING", "a", "b"}},
    {{"GET"}},
    {{"get", "k"}},
    {{"SET", "k"}},
    {{"SET", "k", "v", "NX", "XX"}},
    {{"SET", "k", "v", "PX"}},
    {{"SET", "k", "v", "PX", "0"}},
    {{"SET", "k", "v", "PX", "1.5"}},
    {{"SET", "k", "v", "PX", "9223372036854775807"}},
    {{"SET", "k", "v", "PX", "9223372036854775808"}},
    {{"SET", "k", "v", "EX", "9223372036854775"}},
    {{"SET", "k", "v", "EX", "9"}},
    {{"SET", "k", "v", "PX", "10", "KEEPTTL"}},
    {{"SET", "k", "v", "PXAT", "99999999999999"}},
    {{"SET", "k", "w", "KEEPTTL"}},
    {{"SET", "k", "w", "EXAT", "0"}},
    {{"PEXPIRE", "k", "-9223372036854775808"}},
    {{"PEXPIRE", "k", "5", "NX", "XX"}},
    {{"PEXPIRE", "k", "5", "GT", "LT"}},
    {{"PEXPIRE", "nobody", "x"}},
    {{"PTTL"}},
    {{"DEL"}},
    {{"EXISTS"}},
    {{"EXISTS", "k", "k", "x"}},
    {{"SELECT", "0"}},
    {{"SELECT", "16"}},
    {{"SELECT", "-1"}},
    {{"SELECT", "x"}},
    {{"DBSIZE", "x"}},
    {{"TIME", "x"}},
    {{"FLUSHALL", "x"}},
    {{"FLUSHALL", "async"}},
    {{"DBSIZE"}},
    {{"AUTH", "x"}},
    {{"AUTH", "default", "x"}},
    {{"AUTH", "u", "x"}},
    {{"AUTH"}},
    {{"AUTH", "a", "b", "c"}},
    {{"CLIENT", "SETNAME", "a b"}},
    {{"CLIENT", "setname", "ab"}},
    {{"CLIENT", "SETNAME"}},
    {{"CLIENT", "WHAT"}},
    {{"CLIENT"}},
    {{"NOPE"}},
    {{"NOPE", "a", "b"}},
    {{"no\r\npe", "a\nb"}},
    {{"SCRIPT", "LOAD"}},
    {{"SCRIPT", "LOAD", "return 1"}},
    {{"SCRIPT", "LOAD", "return ("}},
    {{"SCRIPT", "EXISTS"}},
    {{"SCRIPT", "EXISTS", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "abc"}},
    {{"SCRIPT", "EXISTS", "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"}},
    {{"SCRIPT", "FLUSH", "x"}},
    {{"SCRIPT", "WHAT"}},
    {{"SCRIPT"}},
    {{"EVALSHA", "abc", "0"}},
    {{"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"}},
    {{"EVALSHA", "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB", "0"}},
    {{"EVALSHA", "0000000000000000000000000000000000000000", "0"}},
    {{"EVAL", "return 1", "x"}},
    {{"EVAL", "return 1", "-1"}},
    {{"EVAL", "return 1", "1"}},
    {{"EVAL", "return 1"}},
    {{"EVAL", "return (", "0"}},
    {{"INFO", "nonsense"}},
    {{"ZADD", "x", "1"}},
    {{"ZADD", "x", "1", "a", "2"}},
    {{"ZADD", "x", "one", "a", "2"}},
    {{"ZADD", "x", "1", "a", "one", "b"}},
    {{"ZADD", "k", "one", "a"}},
    {{"ZADD", "x", "1", "a", "2", "b", "1.5"}},
    {{"ZREM", "x"}},
    {{"ZRANGE", "x", "0"}},
    {{"ZRANGE", "x", "0", "y", "what"}},
    {{"ZRANGE", "x", "0", "y"}},
    {{"ZREVRANGE", "x", "0"}},
    {{"ZREVRANGE", "x", "0", "1", "REV"}},
    {{"ZREVRANGE", "x", "0", "9223372036854775808"}},
    {{"ZPOPMIN"}},
    {{"ZPOPMIN", "x", "1", "2"}},
    {{"ZRANK", "x"}},
    {{"ZSCORE", "x", "a", "b"}},
    {{"ZCARD"}},
    {{"HSET", "x", "a"}},
    {{"HSET", "x", "a", "b", "c"}},
    {{"HGET", "x"}},
    {{"HDEL", "x"}},
    {{"HLEN", "x", "y"}},
    {{"TYPE"}},
    {{"PUBLISH", "x"}},
    {{"PUBLISH", "x", "y", "z"}},
    {{"PUBLISH", "x", "y"}},
    {{"SUBSCRIBE"}},
    {{"UNSUBSCRIBE"}},
    {{"UNSUBSCRIBE", "x"}},
    {{"RESET", "x"}},
    {{"RESET"}},
};

static void wordings_of_commands(void **state) {
    skip_unless_exact(*state);
    WORDINGS_RUN(*state, commands);
}

/* What scripts say, and how they fail. */
static const char *const scripts[] = {
    "return 3.99",
    "return -3.99",
    "return 1e18",
    "return 1e19",
    "return 0/0",
    "return true",
    "return false",
    "return nil",
    "return",
    "return {1,2,nil,3}",
    "return {1,{2,{3}},'x'}",
    "return {ok='fine'}",
    "return {err='bad'}",
    "return {err='MY bad'}",
    "return {err='bad\\r\\nline'}",
    "return {ok='a\\r\\nb'}",
    "return redis.error_reply('ERR x')",
    "return redis.error_reply('x')",
    "return redis.error_reply('-x y')",
    "return redis.error_reply('')",
    "return redis.error_reply(1)",
    "return redis.status_reply('x')",
    "return 's'",
    "return ''",
    "return '\\0a'",
    "return function() end",
    "return {function() end, 1}",
    "return {}",
    "return {a=1}",
    "return {false,true,nil}",
    "error('boom')",
    "error({err='My Err'})",
    "local x = nil; return x.y",
    "return undefined_global",
    "newglobal = 1",
    "return 'x' .. nil",
    "\n\n  error('third line')",
    "local function f() error('deep') end f()",
    "assert(false)",
    "assert(false, 'm')",
    "return redis.call()",
    "return redis.pcall()",
    "return redis.call('GET')",
    "return redis.pcall('GET')",
    "return redis.call('NOPE')",
    "return redis.pcall('NOPE')",
    "return redis.call({})",
    "return redis.call('GET', {})",
    "return redis.call('GET', true)",
    "return redis.call('SET','k',1.5)",
    "return redis.call('SET','k',1790000000000001)",
    "return redis.call('SET','k',9007199254740991)",
    "return redis.call('SET','k',1e20)",
    "return redis.call('SET','k',0.125)",
    "return redis.call('SET','k',-5)",
    "return redis.call('SET','k','v').ok",
    "return type(redis.call('TIME')[1])",
    "return type(redis.call('GET','nobody'))",
    "return redis.call('SET','k','x','PX','0')",
    "return redis.pcall('SET','k','x','PX','0')",
    "return redis.pcall('SET','k','x','PX','0').err",
    "return redis.call('AUTH','x')",
    "return redis.call('EVAL','return 1',0)",
    "return redis.call('SCRIPT','LOAD','return 1')",
    "return redis.call('CLIENT','SETNAME','x')",
    "return redis.call('PING')",
    "return redis.call('set','k','v','nx')",
    "return redis.call('EXISTS','k','k')",
    "return redis.call('DEL','k')",
    "redis.call('SELECT','1') redis.call('SET','x','1') return 1",
    "return redis.call('GET','x')",
    "redis.call('DEL','y') return redis.call('ZADD','y',1800000000000000,'a',0.1,'b')",
    "return redis.call('ZRANGE','y',0,-1,'WITHSCORES')",
    "return type(redis.call('ZSCORE','y','a'))",
    "return tonumber(redis.call('ZSCORE','y','a'))",
    "return type(redis.call('ZSCORE','y','nobody'))",
    "return type(redis.call('ZRANK','y','nobody'))",
    "return #redis.call('ZPOPMIN','nobody')",
    "return redis.call('ZPOPMIN','y')",
    "return redis.call('TYPE','y')",
    "return redis.call('TYPE','y').ok",
    "return redis.call('GET','y')",
    "return redis.pcall('GET','y').err",
    "return redis.call('HSET','y','f','v')",
    "return redis.call('HSET','x','f')",
    "return redis.call('HSET','x','f','v','g')",
    "return redis.call('ZADD','x','one','a')",
    "return redis.call('ZADD','x',1/0,'a')",
    "return redis.call('ZADD','x',0/0,'a')",
    "return redis.call('PUBLISH','c','t')",
    "return redis.call('SUBSCRIBE','c')",
    "return redis.call('UNSUBSCRIBE','c')",
    "return redis.call('RESET')",
    "return redis.sha1hex('')",
    "return KEYS[1]",
    "return #ARGV",
    "return {KEYS,ARGV}",
    "return _VERSION",
    "return loadstring('return 5')()",
    "local ok, e = pcall(redis.call,'GET'); return {tostring(ok), type(e), e}",
    "local ok, e = pcall(error, {err='E x'}); return e",
    "local ok, e = pcall(function() error('x') end) return tostring(e)",
    "return {pcall(function() return 1, 2 end)}",
    "return xpcall(redis.call, function(e) return type(e) end, 'GET')",
    "return string.format('%.0f', 9007199254740991)",
    "return tostring(1790000000000001)",
    "return unpack({1,2,3})",
    "return tonumber('9223372036854775807')",
    "return {tonumber('12'), tonumber('x'), 3}",
    "return string.find('abc','^%w+$')",
    "return #string.rep('x', 100)",
    "return math.max(1, 2.7)",
    "return print",
    "return os",
    "return io",
    "return require",
    "return dofile",
};

static void wordings_of_scripts(void **state) {
    test_pair *p = *state;

    skip_unless_exact(p);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        wording w = {{"EVAL", scripts[i], "0"}};
        wording_run(p, &w);
    }
    wording with_words = {{"EVAL", "return {KEYS,ARGV}", "1", "a", "b", "c"}};
    wording_run(p, &with_words);
}

/* --- servers that refuse ---------------------------------------------------------------------- */

/* NULL for words that are not there. */
static void tell(test_pair *p, const char *a, const char *b, const char *c, const char *d) {
    char *said = test_server_ask(p->server, a, b, c, d, NULL);

    assert_non_null(said);
    if (said[0] == '-') {
        fail_msg("%s %s: %s", a, b, said);
    }
    free(said);
}

/* What a server is asked while it refuses. */
static void refusals_run(test_pair *p) {
    static const wording list[] = {
        {{"PING"}},
        {{"GET", "x"}},
        {{"SET", "x", "1"}},
        {{"SET", "x"}},
        {{"DEL", "x"}},
        {{"PEXPIRE", "x", "50000"}},
        {{"PTTL", "nobody"}},
        {{"EXISTS", "x"}},
        {{"SELECT", "0"}},
        {{"CLIENT", "SETNAME", "t"}},
        {{"SCRIPT", "LOAD", "return 1"}},
        {{"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"}},
        {{"EVALSHA", "0000000000000000000000000000000000000000", "0"}},
        {{"EVAL", "redis.call('SET',KEYS[1],'v') redis.call('SET',KEYS[2],'v') return 1", "2", "x",
          "y"}},
        {{"EVAL", "redis.call('DEL','x') redis.call('SET','y','w') return 1", "0"}},
        {{"EVAL", "return redis.call('GET','x')", "0"}},
        {{"EVAL", "return 1", "0"}},
        {{"EVAL", "return redis.call('PEXPIRE','x','60000')", "0"}},
        {{"EVAL", "return redis.pcall('SET','x','5')", "0"}},
        {{"EVAL", "return redis.pcall('PING')", "0"}},
        {{"ZADD", "z", "1", "a"}},
        {{"ZADD", "z", "2", "b"}},
        {{"ZREM", "z", "a"}},
        {{"ZPOPMIN", "z"}},
        {{"ZRANGE", "z", "0", "-1"}},
        {{"HSET", "h", "a", "1"}},
        {{"HDEL", "h", "a"}},
        {{"HLEN", "h"}},
        {{"TYPE", "h"}},
        {{"PUBLISH", "c", "t"}},
        {{"EVAL", "return redis.call('ZADD','z','1','a')", "0"}},
        {{"EVAL", "return redis.call('HSET','h','1','a')", "0"}},
        {{"EVAL", "redis.call('ZREM','z','x') return redis.call('ZADD','z','1','a')", "0"}},
        {{"EVAL", "return redis.call('ZPOPMIN','z')", "0"}},
        {{"EVAL", "return redis.call('HDEL','h','1')", "0"}},
        {{"EVAL", "return redis.call('PUBLISH','c','t')", "0"}},
        {{"RESET"}},
        {{"AUTH", "x"}},
        {{"NOPE"}},
        {{"CLIENT", "SETNAME"}},
    };

    WORDINGS_RUN(p, list);
}

/* Only the answers are compared: the server may refuse TIME and PEXPIRETIME too. */
static void blind_run(test_pair *p, const wording *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        test_bytes out;

        out.len = 0;
        wording_add(&out, &list[i]);
        test_pair_run_blind(p, &out);
    }
}

static void refusals_run_blind(test_pair *p) {
    static const wording list[] = {
        {{"PING"}},
        {{"GET", "x"}},
        {{"SET", "x", "1"}},
        {{"TIME"}},
        {{"INFO", "server"}},
        {{"ZADD", "z", "1", "a"}},
        {{"PUBLISH", "c", "t"}},
        {{"SUBSCRIBE", "c"}},
        {{"UNSUBSCRIBE", "c"}},
        {{"SCRIPT", "LOAD", "return 1"}},
        {{"EVALSHA", "0000000000000000000000000000000000000000", "0"}},
        {{"EVAL", "return 1", "0"}},
    };
    static const wording harmless[] = {
        {{"SELECT", "0"}}, {{"CLIENT", "SETNAME", "t"}}, {{"SET", "x"}}, {{"NOPE"}}};

    blind_run(p, list, sizeof list / sizeof list[0]);
    if (p->is_exact) { /* newer ones check in another order, and take more while they are busy */
        blind_run(p, harmless, sizeof harmless / sizeof harmless[0]);
    }
}

static void refuses_without_memory(void **state) {
    test_pair *p = *state;

    tell(p, "CONFIG", "SET", "maxmemory", "1");
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_OOM, true);
    refusals_run(p);
    tell(p, "CONFIG", "SET", "maxmemory", "0");
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_OOM, false);
    refusals_run(p);
}

static void refuses_without_replicas(void **state) {
    test_pair *p = *state;

    tell(p, "CONFIG", "SET", "min-replicas-to-write", "1");
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_NOREPLICAS, true);
    refusals_run(p);
    tell(p, "CONFIG", "SET", "min-replicas-to-write", "0");
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_NOREPLICAS, false);
}

static void refuses_as_replica(void **state) {
    test_pair *p = *state;

    tell(p, "REPLICAOF", "127.0.0.1", "1", NULL);
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_READONLY, true);
    refusals_run(p);
    tell(p, "REPLICAOF", "NO", "ONE", NULL);
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_READONLY, false);
}

static void wait_for_failed_save(test_pair *p) {
    for (int i = 0; i < 3000; i++) {
        char *info = test_server_ask(p->server, "INFO", "persistence", NULL);
        bool has_failed = info != NULL && strstr(info, "rdb_last_bgsave_status:err") != NULL;

        free(info);
        if (has_failed) {
            return;
        }
        usleep(10000);
    }
    fail_msg("a save into /proc did not fail");
}

static void refuses_without_disk(void **state) {
    test_pair *p = *state;

    tell(p, "CONFIG", "SET", "save", "3600 1");
    tell(p, "CONFIG", "SET", "dbfilename", "dump.rdb");
    tell(p, "CONFIG", "SET", "dir", "/proc");
    tell(p, "BGSAVE", NULL, NULL, NULL);
    wait_for_failed_save(p);
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_MISCONF, true);
    refusals_run(p);
    tell(p, "CONFIG", "SET", "save", "");
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_MISCONF, false);
    refusals_run(p);
}

/* Who may do nothing can't take it back, but somebody else can. */
static void permissions_restore(test_pair *p) {
    test_bytes out;

    out.len = 0;
    test_bytes_add_words(&out, "AUTH", "helper", "pw", NULL);
    test_bytes_add_words(&out, "ACL", "SETUSER", "default", "+@all", NULL);
    test_bytes_add_words(&out, "AUTH", "default", "", NULL);
    test_pair_send(p, &out);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_pair_read(p).at[0], '+');
    }
}

static void refuses_without_permission(void **state) {
    test_pair *p = *state;
    char *said = test_server_ask(p->server, "ACL", "SETUSER", "helper", "on", ">pw", "+@all", NULL);

    free(said);
    tell(p, "ACL", "SETUSER", "default", "-@all");
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_NOPERM, true);
    refusals_run_blind(p);
    permissions_restore(p);
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_NOPERM, false);
}

static void wait_while_busy_is(test_pair *p, bool is_busy) {
    for (int i = 0; i < 3000; i++) {
        char *said = test_server_ask(p->server, "PING", NULL);
        assert_non_null(said);
        bool said_so = strncmp(said, "-BUSY", 5) == 0;
        free(said);
        if (said_so != is_busy) {
            return;
        }
        usleep(10000);
    }
    fail_msg("the server stays %s", is_busy ? "busy" : "idle");
}

static void refuses_while_busy(void **state) {
    test_pair *p = *state;
    test_pair other = {.server = p->server};
    test_bytes out;

    tell(p, "CONFIG", "SET", "lua-time-limit", "50");
    test_pair_connect(&other);
    out.len = 0;
    test_bytes_add_words(&out, "EVAL", "while true do end", "0", NULL);
    test_pair_send(&other, &out);
    wait_while_busy_is(p, false); /* it is busy once the limit has passed */
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_BUSY, true);
    refusals_run_blind(p);
    redlock_sim_server_set_fault(p->model, REDLOCK_SIM_BUSY, false);
    tell(p, "SCRIPT", "KILL", NULL, NULL);
    wait_while_busy_is(p, true);
    close(other.fd);
}

/* Last, because nobody else can ask this server anything afterwards. */
static void refuses_strangers(void **state) {
    static const wording logins[] = {
        {{"AUTH", "wrong"}},
        {{"AUTH", "user", "pw"}},
        {{"AUTH", "default", "pw"}},
        {{"AUTH", "default", "wrong"}},
        {{"AUTH", "pw"}},
        {{"PING"}},
    };
    test_pair *p = *state;

    tell(p, "CONFIG", "SET", "requirepass", "pw");
    close(p->fd);
    test_pair_connect(p);
    redlock_sim_server_set_password(p->model, "pw");
    redlock_sim_server_hang_up(p->model, TEST_PAIR_LINK);
    refusals_run_blind(p);
    blind_run(p, logins, sizeof logins / sizeof logins[0]);
}

int main(void) {
    static const test_part parts[] = {
        {"how commands are refused", wordings_of_commands},
        {"what scripts say", wordings_of_scripts},
        {"a server without memory", refuses_without_memory},
        {"a server without replicas", refuses_without_replicas},
        {"a server that became a replica", refuses_as_replica},
        {"a server without disk", refuses_without_disk},
        {"a user without permission", refuses_without_permission},
        {"a server that is busy", refuses_while_busy},
        {"a server that wants a password", refuses_strangers},
    };

    return test_pairs_run("model_words", parts, sizeof parts / sizeof parts[0]);
}
