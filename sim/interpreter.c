/* interpreter.c -- one lua_State, and the two conversions: replies to values, values to replies.
 *
 * The wordings and the order of checks were taken from a running 7.0, and tests/live/model_test.c
 * holds them against it. */
#include "sim/interpreter.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/sha1.h"

#define CALL_WORDS_MAX 64
#define VERSION_NUM 0x0007000f /* 7.0.15 */
#define REPLY_DEPTH_MAX 32
/* A script leaves small objects by the dozen, and half the time of a run went into malloc and into
 * the collector's bookkeeping.  Blocks of up to 512 bytes come from lists of free ones instead, and
 * the collector runs once in so many scripts. */
#define POOL_STEP 16u
#define POOL_CLASSES 32u
#define POOL_SLAB_BYTES 65536u
#define RUNS_PER_COLLECTION 64u

typedef struct pool_block { /* while it is free */
    struct pool_block *next;
} pool_block;

typedef struct pool_slab {
    struct pool_slab *next;
    size_t used;
    _Alignas(POOL_STEP) uint8_t bytes[POOL_SLAB_BYTES];
} pool_slab;

struct redlock_sim_interpreter {
    lua_State *lua;
    redlock_sim_call_fn *call;
    void *owner;
    int error_handler; /* in the registry */
    uint32_t runs;     /* since the last collection */
    pool_block *free[POOL_CLASSES];
    pool_slab *slabs;
};

/* --- memory ---------------------------------------------------------------------------------- */

static bool pool_has(size_t size) {
    return size > 0 && size <= POOL_STEP * POOL_CLASSES;
}

static size_t pool_class(size_t size) {
    return (size - 1) / POOL_STEP;
}

static void *pool_cut(redlock_sim_interpreter *interpreter, size_t bytes) {
    pool_slab *slab = interpreter->slabs;

    if (slab == NULL || POOL_SLAB_BYTES - slab->used < bytes) {
        slab = redlock_sim_memory(NULL, sizeof *slab);
        slab->next = interpreter->slabs;
        slab->used = 0;
        interpreter->slabs = slab;
    }
    void *at = slab->bytes + slab->used;

    slab->used += bytes;
    return at;
}

static void *pool_take(redlock_sim_interpreter *interpreter, size_t size) {
    size_t class = pool_class(size);
    pool_block *block = interpreter->free[class];

    if (block == NULL) {
        return pool_cut(interpreter, (class + 1) * POOL_STEP);
    }
    interpreter->free[class] = block->next;
    return block;
}

static void pool_give(redlock_sim_interpreter *interpreter, void *at, size_t size) {
    pool_block *block = at;

    block->next = interpreter->free[pool_class(size)];
    interpreter->free[pool_class(size)] = block;
}

/* lua_Alloc: tells the old size, so a block needs no header. */
static void *lua_memory(void *owner, void *at, size_t old_size, size_t size) {
    redlock_sim_interpreter *interpreter = owner;
    bool was_small = at != NULL && pool_has(old_size);

    if (was_small && pool_has(size) && pool_class(old_size) == pool_class(size)) {
        return at;
    }
    if (!was_small && !pool_has(size)) {
        return at == NULL && size == 0 ? NULL : redlock_sim_memory(at, size);
    }
    void *moved = NULL;
    if (size > 0) {
        moved = pool_has(size) ? pool_take(interpreter, size) : redlock_sim_memory(NULL, size);
        if (at != NULL) {
            memcpy(moved, at, old_size < size ? old_size : size);
        }
    }
    if (was_small) {
        pool_give(interpreter, at, old_size);
    } else if (at != NULL) {
        redlock_sim_memory(at, 0);
    }
    return moved;
}

static void pool_deinit(redlock_sim_interpreter *interpreter) {
    while (interpreter->slabs != NULL) {
        pool_slab *slab = interpreter->slabs;
        interpreter->slabs = slab->next;
        redlock_sim_memory(slab, 0);
    }
}

static redlock_bytes value_bytes(lua_State *lua, int index) {
    size_t len;
    const char *at = lua_tolstring(lua, index, &len);

    return (redlock_bytes){.at = (const uint8_t *)at, .len = len};
}

static void push_bytes(lua_State *lua, redlock_bytes bytes) {
    lua_pushlstring(lua, bytes.len == 0 ? "" : (const char *)bytes.at, bytes.len);
}

/* --- errors ---------------------------------------------------------------------------------- */

static void push_error_table(lua_State *lua, redlock_bytes words) {
    lua_createtable(lua, 0, 3);
    push_bytes(lua, words);
    lua_setfield(lua, -2, "err");
}

/* redis.call raises its errors, redis.pcall returns them. */
static int give_error(lua_State *lua, redlock_bytes words, bool raises) {
    push_error_table(lua, words);
    if (raises) {
        return lua_error(lua);
    }
    lua_pushboolean(lua, 1);
    lua_setfield(lua, -2, "ignore_error_stats_update");
    return 1;
}

/* Makes a table of whatever was raised, and notes the line of the script. */
static int handle_error(lua_State *lua) {
    lua_Debug place;
    bool has_place = lua_getstack(lua, 1, &place) != 0 && lua_getinfo(lua, "Sl", &place) != 0;

    if (has_place && strcmp(place.what, "C") == 0) {
        has_place = lua_getstack(lua, 2, &place) != 0 && lua_getinfo(lua, "Sl", &place) != 0;
    }
    if (!lua_istable(lua, 1)) {
        const char *words = lua_tostring(lua, 1);
        lua_pushfstring(lua, "ERR %s", words == NULL ? "nil" : words);
        push_error_table(lua, value_bytes(lua, -1));
        lua_replace(lua, 1);
    }
    lua_settop(lua, 1);
    if (has_place) {
        lua_pushstring(lua, place.source);
        lua_setfield(lua, 1, "source");
        lua_pushinteger(lua, place.currentline);
        lua_setfield(lua, 1, "line");
    }
    return 1;
}

/* Servers give the words of a redis.call's error to the script, not the table. */
static int script_pcall(lua_State *lua) {
    luaL_checkany(lua, 1);
    int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);

    if (status != 0 && lua_istable(lua, -1)) {
        lua_getfield(lua, -1, "err");
        if (lua_isstring(lua, -1)) {
            lua_replace(lua, -2);
        } else {
            lua_pop(lua, 1);
        }
    }
    lua_pushboolean(lua, status == 0);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* --- redis.call ------------------------------------------------------------------------------ */

static void push_array(lua_State *lua, const redlock_sim_reply *reply) {
    redlock_bytes bulk;
    size_t cursor = 0;

    lua_createtable(lua, (int)reply->count, 0);
    for (int i = 1; redlock_sim_reply_next(reply, &cursor, &bulk); i++) {
        if (bulk.at == NULL) {
            lua_pushboolean(lua, 0);
        } else {
            push_bytes(lua, bulk);
        }
        lua_rawseti(lua, -2, i);
    }
}

static void push_reply(lua_State *lua, const redlock_sim_reply *reply) {
    switch (reply->kind) {
    case REDLOCK_RESP_SIMPLE:
        lua_createtable(lua, 0, 1);
        push_bytes(lua, reply->text);
        lua_setfield(lua, -2, "ok");
        return;
    case REDLOCK_RESP_INTEGER:
        lua_pushnumber(lua, (lua_Number)reply->integer);
        return;
    case REDLOCK_RESP_BULK:
        push_bytes(lua, reply->text);
        return;
    case REDLOCK_RESP_NIL:
        lua_pushboolean(lua, 0);
        return;
    case REDLOCK_RESP_ARRAY:
        push_array(lua, reply);
        return;
    case REDLOCK_RESP_ERROR: /* give_error's */
        break;
    }
    REDLOCK_ASSERT(false);
}

/* Strings as they are, numbers with 17 digits; the texts stay on the stack while they are used. */
static bool words_read(lua_State *lua, redlock_bytes *words, int count) {
    for (int i = 0; i < count; i++) {
        int type = lua_type(lua, i + 1);

        if (type == LUA_TNUMBER) {
            char digits[32];
            snprintf(digits, sizeof digits, "%.17g", lua_tonumber(lua, i + 1));
            lua_pushstring(lua, digits);
            lua_replace(lua, i + 1);
        } else if (type != LUA_TSTRING) {
            return false;
        }
        words[i] = value_bytes(lua, i + 1);
    }
    return true;
}

static int script_call(lua_State *lua, bool raises) {
    redlock_sim_interpreter *interpreter = lua_touserdata(lua, lua_upvalueindex(1));
    redlock_bytes words[CALL_WORDS_MAX];
    redlock_sim_reply reply;
    int count = lua_gettop(lua);

    if (count == 0) {
        return give_error(
            lua,
            redlock_bytes_of("ERR Please specify at least one argument for this redis lib call"),
            raises);
    }
    if (count > CALL_WORDS_MAX) {
        redlock_sim_give_up("redis.call with more than 64 words");
    }
    if (!words_read(lua, words, count)) {
        return give_error(
            lua,
            redlock_bytes_of("ERR Lua redis lib command arguments must be strings or integers"),
            raises);
    }
    interpreter->call(interpreter->owner, words, (size_t)count, &reply);
    if (reply.kind == REDLOCK_RESP_ERROR) {
        return give_error(lua, reply.text, raises);
    }
    push_reply(lua, &reply);
    return 1;
}

static int redis_call(lua_State *lua) {
    return script_call(lua, true);
}

static int redis_pcall(lua_State *lua) {
    return script_call(lua, false);
}

/* --- the rest of redis.* --------------------------------------------------------------------- */

static bool has_one_string(lua_State *lua) {
    return lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING;
}

/* "x" becomes "ERR x"; a text with a first word keeps it; a dash in front is taken off. */
static int redis_error_reply(lua_State *lua) {
    if (!has_one_string(lua)) {
        push_error_table(lua, redlock_bytes_of("ERR wrong number or type of arguments"));
        return 1;
    }
    redlock_bytes words = value_bytes(lua, 1);
    bool has_dash = words.len > 0 && words.at[0] == '-';

    words.at += has_dash ? 1 : 0;
    words.len -= has_dash ? 1 : 0;
    if (words.len == 0 || memchr(words.at, ' ', words.len) == NULL) {
        lua_pushliteral(lua, "ERR ");
        push_bytes(lua, words);
        lua_concat(lua, 2);
        words = value_bytes(lua, -1);
    }
    push_error_table(lua, words);
    return 1;
}

static int redis_status_reply(lua_State *lua) {
    if (!has_one_string(lua)) {
        push_error_table(lua, redlock_bytes_of("ERR wrong number or type of arguments"));
        return 1;
    }
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, "ok");
    return 1;
}

static int redis_sha1hex(lua_State *lua) {
    char hex[REDLOCK_SIM_SHA1_BYTES + 1];

    if (lua_gettop(lua) != 1) {
        return give_error(lua, redlock_bytes_of("ERR wrong number of arguments"), true);
    }
    redlock_sim_sha1(value_bytes(lua, 1), hex);
    lua_pushstring(lua, hex);
    return 1;
}

/* --- what a script sees ---------------------------------------------------------------------- */

static int global_missing(lua_State *lua) {
    const char *name = lua_tostring(lua, 2);

    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                      name == NULL ? "?" : name);
}

static int global_new(lua_State *lua) {
    return luaL_error(lua, "Attempt to modify a readonly table");
}

static void open_library(lua_State *lua, const char *name, lua_CFunction open) {
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

static void set_redis_function(redlock_sim_interpreter *interpreter, const char *name,
                               lua_CFunction function) {
    lua_pushlightuserdata(interpreter->lua, interpreter);
    lua_pushcclosure(interpreter->lua, function, 1);
    lua_setfield(interpreter->lua, -2, name);
}

static void open_redis(redlock_sim_interpreter *interpreter) {
    lua_newtable(interpreter->lua);
    set_redis_function(interpreter, "call", redis_call);
    set_redis_function(interpreter, "pcall", redis_pcall);
    set_redis_function(interpreter, "error_reply", redis_error_reply);
    set_redis_function(interpreter, "status_reply", redis_status_reply);
    set_redis_function(interpreter, "sha1hex", redis_sha1hex);
    lua_pushnumber(interpreter->lua, VERSION_NUM);
    lua_setfield(interpreter->lua, -2, "REDIS_VERSION_NUM");
    lua_setglobal(interpreter->lua, "redis");
}

/* Servers take them out, and what would differ between runs goes too. */
static void take_out(lua_State *lua) {
    static const char *const names[] = {"print",  "dofile",    "loadfile", "newproxy",
                                        "module", "coroutine", "getfenv",  "setfenv"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, names[i]);
    }
    lua_getglobal(lua, "math");
    lua_pushnil(lua);
    lua_setfield(lua, -2, "random");
    lua_pushnil(lua);
    lua_setfield(lua, -2, "randomseed");
    lua_pop(lua, 1);
}

static void protect_globals(lua_State *lua) {
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, global_missing);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, global_new);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, LUA_GLOBALSINDEX);
}

static void open_all(redlock_sim_interpreter *interpreter) {
    lua_State *lua = interpreter->lua;

    open_library(lua, "", luaopen_base);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    open_redis(interpreter);
    take_out(lua);
    lua_register(lua, "pcall", script_pcall);
    /* Here before globals are closed, and replaced for every run. */
    lua_newtable(lua);
    lua_setglobal(lua, "KEYS");
    lua_newtable(lua);
    lua_setglobal(lua, "ARGV");
    protect_globals(lua);
    lua_pushcfunction(lua, handle_error);
    interpreter->error_handler = luaL_ref(lua, LUA_REGISTRYINDEX);
}

void redlock_sim_interpreter_forget_version(redlock_sim_interpreter *interpreter) {
    lua_getglobal(interpreter->lua, "redis");
    lua_pushnil(interpreter->lua);
    lua_setfield(interpreter->lua, -2, "REDIS_VERSION_NUM");
    lua_pop(interpreter->lua, 1);
}

redlock_sim_interpreter *redlock_sim_interpreter_create(redlock_sim_call_fn *call, void *owner) {
    redlock_sim_interpreter *interpreter = redlock_sim_memory(NULL, sizeof *interpreter);

    *interpreter = (redlock_sim_interpreter){.call = call, .owner = owner};
    interpreter->lua = lua_newstate(lua_memory, interpreter);
    if (interpreter->lua == NULL) {
        redlock_sim_give_up("no memory for Lua");
    }
    open_all(interpreter);
    (void)lua_gc(interpreter->lua, LUA_GCSTOP, 0);
    return interpreter;
}

void redlock_sim_interpreter_destroy(redlock_sim_interpreter *interpreter) {
    if (interpreter == NULL) {
        return;
    }
    lua_close(interpreter->lua);
    pool_deinit(interpreter);
    redlock_sim_memory(interpreter, 0);
}

/* --- what a script says ---------------------------------------------------------------------- */

/* As a cast does where servers run mostly; C leaves it open what that gives out of range. */
static int64_t number_cut(lua_Number number) {
    bool fits = number >= -9223372036854775808.0 && number < 9223372036854775808.0;

    return fits ? (int64_t)number : INT64_MIN;
}

/* Appends the table's field as a line, if it has it as a string. */
static bool write_field(lua_State *lua, const char *field, char type, redlock_sim_text *out) {
    lua_pushstring(lua, field);
    lua_rawget(lua, -2);
    bool has_it = lua_type(lua, -1) == LUA_TSTRING;

    if (has_it) {
        redlock_sim_text_add_line(out, type, value_bytes(lua, -1));
    }
    lua_pop(lua, 1);
    return has_it;
}

static void write_value(lua_State *lua, redlock_sim_text *out, int depth);

/* Up to the first nil.  The number of elements stands in front of them, so they are counted first. */
static void write_table(lua_State *lua, redlock_sim_text *out, int depth) {
    int count = 0;

    if (write_field(lua, "err", '-', out) || write_field(lua, "ok", '+', out)) {
        return;
    }
    for (;; count++) {
        lua_rawgeti(lua, -1, count + 1);
        bool is_end = lua_isnil(lua, -1);
        lua_pop(lua, 1);
        if (is_end) {
            break;
        }
    }
    redlock_sim_text_add_number(out, '*', count);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        write_value(lua, out, depth + 1);
        lua_pop(lua, 1);
    }
}

/* Appends the value at the top of the stack, and leaves it there. */
static void write_value(lua_State *lua, redlock_sim_text *out, int depth) {
    if (depth > REPLY_DEPTH_MAX || !lua_checkstack(lua, 4)) {
        redlock_sim_text_say(out, "-ERR reached lua stack limit\r\n");
        return;
    }
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        redlock_sim_text_add_bulk(out, value_bytes(lua, -1));
        return;
    case LUA_TNUMBER:
        redlock_sim_text_add_number(out, ':', number_cut(lua_tonumber(lua, -1)));
        return;
    case LUA_TBOOLEAN:
        redlock_sim_text_say(out, lua_toboolean(lua, -1) ? ":1\r\n" : "$-1\r\n");
        return;
    case LUA_TTABLE:
        write_table(lua, out, depth);
        return;
    default: /* Lua's own types: nil and what has no form outside */
        redlock_sim_text_say(out, "$-1\r\n");
        return;
    }
}

/* "-WORDS script: SHA1, on @user_script:LINE." */
static void write_raised(lua_State *lua, const char *sha1, redlock_sim_text *out) {
    lua_getfield(lua, -1, "err");
    lua_getfield(lua, -2, "source");
    lua_getfield(lua, -3, "line");
    const char *words = lua_tostring(lua, -3);
    const char *source = lua_tostring(lua, -2);

    words = words == NULL ? "ERR unknown error" : words;
    if (source != NULL) {
        lua_pushfstring(lua, "%s script: %s, on %s:%d.", words, sha1, source,
                        (int)lua_tointeger(lua, -1));
        redlock_sim_text_add_line(out, '-', value_bytes(lua, -1));
        lua_pop(lua, 1);
    } else {
        redlock_sim_text_add_line(out, '-', redlock_bytes_of(words));
    }
    lua_pop(lua, 3);
}

/* --- compiling and running ------------------------------------------------------------------- */

int redlock_sim_interpreter_compile(redlock_sim_interpreter *interpreter, redlock_bytes text,
                                    redlock_sim_reply *ret_error) {
    lua_State *lua = interpreter->lua;

    if (luaL_loadbuffer(lua, (const char *)text.at, text.len, "@user_script") != 0) {
        redlock_sim_reply_error_about(
            ret_error, "ERR Error compiling script (new function): ", lua_tostring(lua, -1), "");
        lua_pop(lua, 1);
        return REDLOCK_SIM_NO_CHUNK;
    }
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

void redlock_sim_interpreter_forget(redlock_sim_interpreter *interpreter, int chunk) {
    luaL_unref(interpreter->lua, LUA_REGISTRYINDEX, chunk);
}

static void set_words(lua_State *lua, const char *name, const redlock_bytes *words, size_t count) {
    lua_pushstring(lua, name);
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_bytes(lua, words[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_rawset(lua, LUA_GLOBALSINDEX);
}

void redlock_sim_interpreter_run(redlock_sim_interpreter *interpreter, int chunk, const char *sha1,
                                 const redlock_bytes *keys, size_t key_count,
                                 const redlock_bytes *arguments, size_t argument_count,
                                 redlock_sim_text *out) {
    lua_State *lua = interpreter->lua;
    int top = lua_gettop(lua);

    set_words(lua, "KEYS", keys, key_count);
    set_words(lua, "ARGV", arguments, argument_count);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, interpreter->error_handler);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, chunk);
    if (lua_pcall(lua, 0, 1, top + 1) == 0) {
        write_value(lua, out, 0);
    } else if (lua_istable(lua, -1)) {
        write_raised(lua, sha1, out);
    } else {
        redlock_sim_give_up("a script ended beyond all errors");
    }
    lua_settop(lua, top);
    if (++interpreter->runs >= RUNS_PER_COLLECTION) {
        interpreter->runs = 0;
        (void)lua_gc(lua, LUA_GCCOLLECT, 0);
        (void)lua_gc(lua, LUA_GCSTOP, 0); /* a full collection starts the steps again */
    }
}
