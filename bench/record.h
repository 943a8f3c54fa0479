/* record.h -- the commands that the library really sends, taken down by MONITOR, to be sent again by
 * loops that know nothing of locks.  So the limit does the same work for the server, whatever the
 * library's scripts look like today.
 *
 * Names have a fixed form, so that one recording serves many names; times in the node's clock, which
 * scripts compare with now, are moved to now when a command is sent.  The token stays the same. */
#ifndef REDLOCK_BENCH_RECORD_H
#define REDLOCK_BENCH_RECORD_H

#include "link.h"

#define RECORD_COMMANDS_MAX 8
#define RECORD_PLACES_MAX 8
#define RECORD_NAME_FORMAT "bench-%06d"
#define RECORD_NAME_BYTES 12
#define RECORD_TIME_DIGITS 13

typedef struct bench_command {
    char *bytes; /* RESP, ready to be sent */
    size_t len;
    size_t name_at[RECORD_PLACES_MAX], name_count;
    size_t time_at[RECORD_PLACES_MAX], time_count;
    int64_t time_ahead_ms[RECORD_PLACES_MAX]; /* of the moment of recording */
} bench_command;

typedef struct bench_recording {
    bench_command at[RECORD_COMMANDS_MAX];
    size_t count;
} bench_recording;

/* Between begin and end, what clients ask the server about the name with number 0 is taken down.
 * That may be nothing. */
void bench_record_begin(bench_link *monitor, const test_server *server);
void bench_record_end(bench_link *monitor, test_server *server, bench_recording *ret_recording);

/* A copy for another name, to be sent by another thread. */
bench_recording bench_recording_copy(const bench_recording *recording, int number);
void bench_recording_free(bench_recording *recording);
/* Moves the times to now. */
void bench_command_refresh(bench_command *command);
/* Makes it ask about another name. */
void bench_command_rename(bench_command *command, int number);

#endif
