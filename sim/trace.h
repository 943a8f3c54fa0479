/* trace.h -- what happens in a world, as lines for people: all of them, or the last ones. */
#ifndef REDLOCK_SIM_TRACE_H
#define REDLOCK_SIM_TRACE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/command.h"
#include "core/core.h"
#include "sim/world.h"

#define REDLOCK_SIM_TRACE_LINES 160u
#define REDLOCK_SIM_TRACE_BYTES 200u

typedef struct redlock_sim_trace {
    FILE *file; /* every line goes there; NULL: the last ones are kept */
    uint64_t count;
    char line[REDLOCK_SIM_TRACE_LINES][REDLOCK_SIM_TRACE_BYTES];
} redlock_sim_trace;

/* `who`: "A" is a client, "n1" a node, "" the world.  Does nothing in worlds without a trace. */
void redlock_sim_trace_line(redlock_sim_world *world, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void redlock_sim_trace_client(redlock_sim_world *world, uint32_t client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void redlock_sim_trace_node(redlock_sim_world *world, uint32_t node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void redlock_sim_trace_command(redlock_sim_world *world, uint32_t client, uint32_t node,
                               const char *verb, const redlock_command *command);
void redlock_sim_trace_answer(redlock_sim_world *world, uint32_t client, uint32_t node,
                              redlock_command_kind kind, const redlock_answer *answer);
/* The lines that were kept, oldest first. */
void redlock_sim_trace_print(const redlock_sim_trace *trace, FILE *file);
const char *redlock_sim_words_status(redlock_status status);
const char *redlock_sim_words_tell(redlock_tell tell);
const char *redlock_sim_words_command(redlock_command_kind kind);

#endif
