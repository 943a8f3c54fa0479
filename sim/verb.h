/* verb.h -- the commands that a model server knows: their names, how many words they take, and what
 * real servers ask of them before they run. */
#ifndef REDLOCK_SIM_VERB_H
#define REDLOCK_SIM_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/reply.h"

typedef enum redlock_sim_verb_kind {
    REDLOCK_SIM_VERB_GET = 1,
    REDLOCK_SIM_VERB_MGET,
    REDLOCK_SIM_VERB_SET,
    REDLOCK_SIM_VERB_DEL,
    REDLOCK_SIM_VERB_EXISTS,
    REDLOCK_SIM_VERB_PTTL,
    REDLOCK_SIM_VERB_PEXPIRE,
    REDLOCK_SIM_VERB_PEXPIRETIME,
    REDLOCK_SIM_VERB_TYPE,
    REDLOCK_SIM_VERB_ZADD,
    REDLOCK_SIM_VERB_ZREM,
    REDLOCK_SIM_VERB_ZRANGE,
    REDLOCK_SIM_VERB_ZREVRANGE,
    REDLOCK_SIM_VERB_ZPOPMIN,
    REDLOCK_SIM_VERB_ZRANK,
    REDLOCK_SIM_VERB_ZSCORE,
    REDLOCK_SIM_VERB_ZCARD,
    REDLOCK_SIM_VERB_HSET,
    REDLOCK_SIM_VERB_HGET,
    REDLOCK_SIM_VERB_HDEL,
    REDLOCK_SIM_VERB_HLEN,
    REDLOCK_SIM_VERB_TIME,
    REDLOCK_SIM_VERB_PING,
    REDLOCK_SIM_VERB_DBSIZE,
    REDLOCK_SIM_VERB_FLUSHALL,
    REDLOCK_SIM_VERB_INFO,
    REDLOCK_SIM_VERB_SELECT,
    REDLOCK_SIM_VERB_AUTH,
    REDLOCK_SIM_VERB_QUIT,
    REDLOCK_SIM_VERB_CLIENT_SETNAME,
    REDLOCK_SIM_VERB_SCRIPT_LOAD,
    REDLOCK_SIM_VERB_SCRIPT_EXISTS,
    REDLOCK_SIM_VERB_SCRIPT_FLUSH,
    REDLOCK_SIM_VERB_EVAL,
    REDLOCK_SIM_VERB_EVALSHA,
    REDLOCK_SIM_VERB_PUBLISH,
    REDLOCK_SIM_VERB_SUBSCRIBE,
    REDLOCK_SIM_VERB_UNSUBSCRIBE,
    REDLOCK_SIM_VERB_RESET,
    REDLOCK_SIM_VERB_DELIFEQ, /* not in 7.0 */
    REDLOCK_SIM_VERB_DELEX
} redlock_sim_verb_kind;

#define REDLOCK_SIM_IS_WRITE 1u       /* changes data */
#define REDLOCK_SIM_NEEDS_MEMORY 2u   /* refused when there is none left */
#define REDLOCK_SIM_NOT_IN_SCRIPTS 4u /* refused to redis.call */
#define REDLOCK_SIM_WHILE_LOADING 8u  /* answered while the data are being read */
#define REDLOCK_SIM_WHILE_BUSY 16u    /* answered while a script doesn't end */
#define REDLOCK_SIM_WITHOUT_LOGIN 32u /* answered to strangers */
#define REDLOCK_SIM_WHILE_DISK_OK 64u /* refused when the disk is full, though it does not write */
#define REDLOCK_SIM_WHILE_SUBSCRIBED 128u /* answered on a connection that waits for messages */

typedef struct redlock_sim_verb {
    redlock_sim_verb_kind kind;
    const char *name; /* as errors say it: "client|setname" */
    const char *word; /* the first word */
    const char *sub;  /* the second, or NULL */
    uint32_t words_min, words_max;
    uint32_t flags;
} redlock_sim_verb;

typedef enum redlock_sim_verb_found {
    REDLOCK_SIM_VERB_FOUND = 1,
    REDLOCK_SIM_VERB_UNKNOWN,
    REDLOCK_SIM_VERB_ARITY /* known, but not with so many words */
} redlock_sim_verb_found;

/* `count` is at least 1.  What is not FOUND has its error in *ret_error, as real servers word it. */
redlock_sim_verb_found redlock_sim_verb_find(const redlock_bytes *words, size_t count,
                                             const redlock_sim_verb **ret_verb,
                                             redlock_sim_reply *ret_error);
/* The error about a command that this server does not have. */
void redlock_sim_verb_unknown(const redlock_bytes *words, size_t count,
                              redlock_sim_reply *ret_error);
/* Whether two words are the same but for the case of their letters; `word` is in upper case. */
bool redlock_sim_word_is(redlock_bytes text, const char *word);

#endif
