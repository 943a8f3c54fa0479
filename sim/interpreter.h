/* interpreter.h -- Lua 5.1 as servers have it inside: what a script sees, and how what it says
 * becomes RESP.
 *
 * Scripts get redis.call, redis.pcall, redis.error_reply, redis.status_reply, redis.sha1hex,
 * redis.REDIS_VERSION_NUM, KEYS, ARGV, and the base, string, table and math libraries less what servers take out.  There is no
 * cjson, cmsgpack, bit, struct, math.random and no RESP3; new globals are refused, but library
 * tables are not protected against a script that changes them. */
#ifndef REDLOCK_SIM_INTERPRETER_H
#define REDLOCK_SIM_INTERPRETER_H

#include <stddef.h>

#include "base/bytes.h"
#include "sim/reply.h"

typedef struct redlock_sim_interpreter redlock_sim_interpreter;

/* Carries out what a script calls; `count` is at least 1. */
typedef void redlock_sim_call_fn(void *owner, const redlock_bytes *words, size_t count,
                                 redlock_sim_reply *reply);

redlock_sim_interpreter *redlock_sim_interpreter_create(redlock_sim_call_fn *call, void *owner);
void redlock_sim_interpreter_destroy(redlock_sim_interpreter *interpreter);
/* Servers before 7.0 don't tell scripts which they are. */
void redlock_sim_interpreter_forget_version(redlock_sim_interpreter *interpreter);

#define REDLOCK_SIM_NO_CHUNK (-1)

/* A handle of the compiled text, or REDLOCK_SIM_NO_CHUNK and the error. */
int redlock_sim_interpreter_compile(redlock_sim_interpreter *interpreter, redlock_bytes text,
                                    redlock_sim_reply *ret_error);
void redlock_sim_interpreter_forget(redlock_sim_interpreter *interpreter, int chunk);
/* Runs it and appends its reply as RESP.  `sha1` is how the script is called in errors. */
void redlock_sim_interpreter_run(redlock_sim_interpreter *interpreter, int chunk, const char *sha1,
                                 const redlock_bytes *keys, size_t key_count,
                                 const redlock_bytes *arguments, size_t argument_count,
                                 redlock_sim_text *out);

#endif
