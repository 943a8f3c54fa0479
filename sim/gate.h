/* gate.h -- what a server that is full, a replica, loading, busy or too old refuses, and in which words.
 *
 * `faults` are those of the server, REDLOCK_SIM_FAULT_COUNT of them.  Each answer is the error, or
 * NULL when the command may pass. */
#ifndef REDLOCK_SIM_GATE_H
#define REDLOCK_SIM_GATE_H

#include <stdbool.h>

#include "sim/server.h"
#include "sim/verb.h"

/* What the server can't do with its data. */
const char *redlock_sim_gate_of_data(const bool *faults, const redlock_sim_verb *verb);
/* What it can't do now. */
const char *redlock_sim_gate_of_time(const bool *faults, const redlock_sim_verb *verb);
/* The gates of a script's own commands; `is_dirty` when it has written. */
const char *redlock_sim_gate_of_script(const bool *faults, const redlock_sim_verb *verb,
                                       bool is_dirty);

typedef struct
    redlock_sim_version { /* what a server is, and what it refuses of that all the same */
    redlock_sim_make make;
    redlock_sim_denial denial;
    uint32_t denies_each, native_count;
} redlock_sim_version;

/* Whether servers of this make have the command. */
bool redlock_sim_gate_knows(redlock_sim_make make, const redlock_sim_verb *verb);
/* True when this one has it, and lets it pass; else the error says why not. */
bool redlock_sim_gate_of_version(redlock_sim_version *version, const redlock_sim_verb *verb,
                                 const redlock_bytes *words, size_t count,
                                 redlock_sim_reply *ret_error);

#endif
