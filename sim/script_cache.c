/* script_cache.c -- a short list, searched from its start: a server of ours has eight scripts. */
#include "sim/script_cache.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "script/script.h"

void redlock_sim_script_cache_init(redlock_sim_script_cache *cache,
                                   redlock_sim_interpreter *interpreter) {
    *cache = (redlock_sim_script_cache){.interpreter = interpreter};
}

/* Servers take the digits in either case. */
static bool sums_equal(const char *ours, const uint8_t *asked) {
    for (size_t i = 0; i < REDLOCK_SIM_SHA1_BYTES; i++) {
        bool is_upper = asked[i] >= 'A' && asked[i] <= 'F';

        if ((uint8_t)ours[i] != (is_upper ? asked[i] - 'A' + 'a' : asked[i])) {
            return false;
        }
    }
    return true;
}

const redlock_sim_script *redlock_sim_script_cache_find(const redlock_sim_script_cache *cache,
                                                        redlock_bytes sha1) {
    if (sha1.len != REDLOCK_SIM_SHA1_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < cache->count; i++) {
        if (sums_equal(cache->scripts[i].sha1, sha1.at)) {
            return &cache->scripts[i];
        }
    }
    return NULL;
}

/* The shipped scripts' sums are known; their texts are long. */
static void text_sum(redlock_bytes text, char *ret_sha1) {
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        const redlock_script *script = redlock_script_of((redlock_command_kind)kind);
        redlock_bytes shipped = {.at = (const uint8_t *)script->text, .len = script->text_len};

        if (redlock_bytes_equal(text, shipped)) {
            memcpy(ret_sha1, script->sha1, REDLOCK_SIM_SHA1_BYTES + 1);
            return;
        }
    }
    redlock_sim_sha1(text, ret_sha1);
}

static redlock_bytes text_to_run(const redlock_sim_script_cache *cache, redlock_bytes text,
                                 const char *sha1) {
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        const redlock_script *script = redlock_script_of((redlock_command_kind)kind);

        if (cache->patches[kind] != NULL && strcmp(script->sha1, sha1) == 0) {
            return redlock_bytes_of(cache->patches[kind]);
        }
    }
    return text;
}

static redlock_sim_script *script_new(redlock_sim_script_cache *cache) {
    if (cache->count == cache->size) {
        cache->size = cache->size * 2 + 16;
        cache->scripts = redlock_sim_memory(cache->scripts, cache->size * sizeof *cache->scripts);
    }
    return &cache->scripts[cache->count++];
}

const redlock_sim_script *redlock_sim_script_cache_add(redlock_sim_script_cache *cache,
                                                       redlock_bytes text,
                                                       redlock_sim_reply *ret_error) {
    char sha1[REDLOCK_SIM_SHA1_BYTES + 1];

    text_sum(text, sha1);
    const redlock_sim_script *known = redlock_sim_script_cache_find(cache, redlock_bytes_of(sha1));
    if (known != NULL) {
        return known;
    }
    int chunk = redlock_sim_interpreter_compile(cache->interpreter, text_to_run(cache, text, sha1),
                                                ret_error);
    if (chunk == REDLOCK_SIM_NO_CHUNK) {
        return NULL;
    }
    redlock_sim_script *script = script_new(cache);
    memcpy(script->sha1, sha1, sizeof sha1);
    script->chunk = chunk;
    return script;
}

void redlock_sim_script_cache_flush(redlock_sim_script_cache *cache) {
    while (cache->count > 0) {
        cache->count--;
        redlock_sim_interpreter_forget(cache->interpreter, cache->scripts[cache->count].chunk);
    }
}

/* Clients go on calling what they loaded before by the same sum, so a known script changes too. */
static void known_replace(redlock_sim_script_cache *cache, const redlock_script *shipped,
                          const char *text) {
    redlock_sim_reply error;

    for (size_t i = 0; i < cache->count; i++) {
        redlock_sim_script *script = &cache->scripts[i];

        if (strcmp(script->sha1, shipped->sha1) == 0) {
            redlock_sim_interpreter_forget(cache->interpreter, script->chunk);
            script->chunk =
                redlock_sim_interpreter_compile(cache->interpreter, redlock_bytes_of(text), &error);
        }
        if (script->chunk == REDLOCK_SIM_NO_CHUNK) {
            redlock_sim_give_up("a patched script is no Lua");
        }
    }
}

void redlock_sim_script_cache_patch(redlock_sim_script_cache *cache, redlock_command_kind kind,
                                    const char *text) {
    const redlock_script *shipped = redlock_script_of(kind);

    redlock_sim_memory(cache->patches[kind], 0);
    cache->patches[kind] = NULL;
    if (text != NULL) {
        size_t size = strlen(text) + 1;
        cache->patches[kind] = redlock_sim_memory(NULL, size);
        memcpy(cache->patches[kind], text, size);
    }
    known_replace(cache, shipped, text == NULL ? shipped->text : text);
}

void redlock_sim_script_cache_deinit(redlock_sim_script_cache *cache) {
    redlock_sim_script_cache_flush(cache);
    redlock_sim_memory(cache->scripts, 0);
    for (size_t i = 0; i < REDLOCK_SIM_PATCH_MAX; i++) {
        redlock_sim_memory(cache->patches[i], 0);
    }
    *cache = (redlock_sim_script_cache){.scripts = NULL};
}
