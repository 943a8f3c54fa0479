/* trace.h -- what happened in a world, as aligned lines for people.
 *
 *     [  50ms] A > n1 n2 n3    grant job A#1 for 11000ms, mark 100050000
 * One line for each (time, who, sign, words); nodes that did the same at the same time share it.
 * Signs: > sent, < answered, ! given up on, ~ the connection, ? lost on the way, * told to the user. */
#ifndef REDLOCK_TESTS_TRACE_H
#define REDLOCK_TESTS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "base/time.h"
#include "core/core.h"

#define REDLOCK_TRACE_WORDS_BYTES 240

typedef struct redlock_trace {
    char *text; /* NUL-terminated; owned */
    size_t len, size;
    uint32_t node_count; /* makes the column wide enough */
    redlock_ns origin;   /* shown as 0 ms */
    /* the line being gathered */
    bool is_open;
    redlock_ns at;
    char who, sign;
    uint32_t nodes; /* bits */
    char words[REDLOCK_TRACE_WORDS_BYTES];
} redlock_trace;

void redlock_trace_init(redlock_trace *trace, uint32_t node_count, redlock_ns origin);
void redlock_trace_deinit(redlock_trace *trace);
/* Something about one node; gathered with its neighbours. */
void redlock_trace_node(redlock_trace *trace, redlock_ns at, char who, char sign, uint32_t node,
                        const char *words);
/* Something about no node, with a heading of its own in the nodes' column. */
void redlock_trace_told(redlock_trace *trace, redlock_ns at, char who, const char *heading,
                        const char *words);
/* A line as it is. */
void redlock_trace_line(redlock_trace *trace, const char *words);
/* Everything so far, which is then forgotten; borrowed until the next line. */
const char *redlock_trace_take(redlock_trace *trace);

const char *redlock_words_status(redlock_status status);
const char *redlock_words_tell(redlock_tell tell);
const char *redlock_words_kind(redlock_command_kind kind);
/* Tokens of a world are shown as A#1, all other values as they are. */
void redlock_words_token(redlock_bytes token, char *text, size_t size);
void redlock_words_command(const redlock_command *command, char *text, size_t size);
void redlock_words_answer(redlock_command_kind kind, const redlock_answer *answer, char *text,
                          size_t size);

#endif
