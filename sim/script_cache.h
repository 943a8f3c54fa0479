/* script_cache.h -- the scripts that a model server knows by their SHA1. */
#ifndef REDLOCK_SIM_SCRIPT_CACHE_H
#define REDLOCK_SIM_SCRIPT_CACHE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/command.h"
#include "sim/interpreter.h"
#include "sim/reply.h"
#include "sim/sha1.h"

#define REDLOCK_SIM_PATCH_MAX ((size_t)REDLOCK_COMMAND_DECLARE + 1)

typedef struct redlock_sim_script { /* known to the server */
    char sha1[REDLOCK_SIM_SHA1_BYTES + 1];
    int chunk;
} redlock_sim_script;

typedef struct redlock_sim_script_cache {
    redlock_sim_interpreter *interpreter; /* borrowed */
    redlock_sim_script *scripts;
    size_t count, size;
    char *patches[REDLOCK_SIM_PATCH_MAX]; /* by command kind; NULL: as shipped */
} redlock_sim_script_cache;

void redlock_sim_script_cache_init(redlock_sim_script_cache *cache,
                                   redlock_sim_interpreter *interpreter);
void redlock_sim_script_cache_deinit(redlock_sim_script_cache *cache);
/* NULL when the server does not know it; any length of `sha1`. */
const redlock_sim_script *redlock_sim_script_cache_find(const redlock_sim_script_cache *cache,
                                                        redlock_bytes sha1);
/* Compiles the text unless it is known already; NULL, and the error, when it is no Lua. */
const redlock_sim_script *redlock_sim_script_cache_add(redlock_sim_script_cache *cache,
                                                       redlock_bytes text,
                                                       redlock_sim_reply *ret_error);
void redlock_sim_script_cache_flush(redlock_sim_script_cache *cache);
/* Lets `text` (copied; NULL: nothing) run where the shipped script of that kind is meant. */
void redlock_sim_script_cache_patch(redlock_sim_script_cache *cache, redlock_command_kind kind,
                                    const char *text);

#endif
