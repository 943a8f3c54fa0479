/* history.h -- what a worker writes down: one JSON object a line, each by a single write(2) to a file
 * opened with O_APPEND, so that a kill at any instant leaves whole lines of all processes.
 *
 * Times are microseconds of CLOCK_MONOTONIC, which all processes of one machine share. */
#ifndef REDLOCK_CHAOS_HISTORY_H
#define REDLOCK_CHAOS_HISTORY_H

#include <stdint.h>

int64_t chaos_now_us(void);
/* Opens the file for appending, or ends the process. */
int chaos_history_open(const char *path);
/* Appends one line, made as by printf, without its end. */
__attribute__((format(printf, 2, 3))) void chaos_history_write(int fd, const char *format, ...);

#endif
