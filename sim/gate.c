/* gate.c -- the words of refusals, and what 7.0 looks at for each. */
#include "sim/gate.h"

#include <stddef.h>

#define OOM_WORDS "OOM command not allowed when used memory > 'maxmemory'."
#define MISCONF_WORDS                                                                              \
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "  \
    "disk. Commands that may modify the data set are disabled, because this instance is "          \
    "configured to report errors during writes if RDB snapshotting fails "                         \
    "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB " \
    "error."
#define NOREPLICAS_WORDS "NOREPLICAS Not enough good replicas to write."
#define READONLY_WORDS "READONLY You can't write against a read only replica."
#define LOADING_WORDS "LOADING Redis is loading the dataset in memory"
#define BUSY_WORDS                                                                                 \
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."

static bool has_flag(const redlock_sim_verb *verb, uint32_t flag) {
    return (verb->flags & flag) != 0;
}

const char *redlock_sim_gate_of_data(const bool *faults, const redlock_sim_verb *verb) {
    bool is_write = has_flag(verb, REDLOCK_SIM_IS_WRITE);

    if (faults[REDLOCK_SIM_OOM] && has_flag(verb, REDLOCK_SIM_NEEDS_MEMORY)) {
        return OOM_WORDS;
    }
    if (faults[REDLOCK_SIM_MISCONF] && (is_write || has_flag(verb, REDLOCK_SIM_WHILE_DISK_OK))) {
        return MISCONF_WORDS;
    }
    if (faults[REDLOCK_SIM_NOREPLICAS] && is_write) {
        return NOREPLICAS_WORDS;
    }
    if (faults[REDLOCK_SIM_READONLY] && is_write) {
        return READONLY_WORDS;
    }
    return NULL;
}

const char *redlock_sim_gate_of_time(const bool *faults, const redlock_sim_verb *verb) {
    if (faults[REDLOCK_SIM_LOADING] && !has_flag(verb, REDLOCK_SIM_WHILE_LOADING)) {
        return LOADING_WORDS;
    }
    if (faults[REDLOCK_SIM_BUSY] && !has_flag(verb, REDLOCK_SIM_WHILE_BUSY)) {
        return BUSY_WORDS;
    }
    return NULL;
}

const char *redlock_sim_gate_of_script(const bool *faults, const redlock_sim_verb *verb,
                                       bool is_dirty) {
    bool is_write = has_flag(verb, REDLOCK_SIM_IS_WRITE);

    if (has_flag(verb, REDLOCK_SIM_NOT_IN_SCRIPTS)) {
        return "ERR This Redis command is not allowed from script";
    }
    if (faults[REDLOCK_SIM_READONLY] && is_write) {
        return READONLY_WORDS;
    }
    if (faults[REDLOCK_SIM_MISCONF] && is_write) {
        return MISCONF_WORDS;
    }
    if (faults[REDLOCK_SIM_NOREPLICAS] && is_write) {
        return NOREPLICAS_WORDS;
    }
    if (faults[REDLOCK_SIM_OOM] && has_flag(verb, REDLOCK_SIM_NEEDS_MEMORY) && !is_dirty) {
        return OOM_WORDS;
    }
    return NULL;
}

static bool is_native(const redlock_sim_verb *verb) {
    return verb->kind == REDLOCK_SIM_VERB_DELIFEQ || verb->kind == REDLOCK_SIM_VERB_DELEX;
}

bool redlock_sim_gate_knows(redlock_sim_make make, const redlock_sim_verb *verb) {
    redlock_sim_make needed =
        verb->kind == REDLOCK_SIM_VERB_DELIFEQ ? REDLOCK_SIM_VALKEY_9 : REDLOCK_SIM_REDIS_8_4;

    return !is_native(verb) || make == needed;
}

bool redlock_sim_gate_of_version(redlock_sim_version *version, const redlock_sim_verb *verb,
                                 const redlock_bytes *words, size_t count,
                                 redlock_sim_reply *ret_error) {
    bool is_meant = is_native(verb) && version->denies_each > 0 &&
                    version->native_count++ % version->denies_each == 0;

    if (!redlock_sim_gate_knows(version->make, verb) ||
        (is_meant && version->denial == REDLOCK_SIM_DENY_UNKNOWN)) {
        redlock_sim_verb_unknown(words, count, ret_error);
        return false;
    }
    if (is_meant) {
        redlock_sim_reply_error_about(ret_error, "NOPERM this user has no permissions to run the '",
                                      verb->name, "' command");
    }
    return !is_meant;
}
