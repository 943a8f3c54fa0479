/* resource.h -- what the locks guard: a register for each name, a file that remembers the highest
 * fence that has written and refuses every lower one.  docs/guarantees.md, "Checking a fence". */
#ifndef REDLOCK_CHAOS_RESOURCE_H
#define REDLOCK_CHAOS_RESOURCE_H

#include <stdint.h>

/* Tries to write with `fence` and notes in the history whether that was taken, while nobody else
 * can come between.  `token` and `name` are for the note. */
void chaos_resource_write(const char *folder, const char *name, const char *token, uint64_t fence,
                          int history_fd);

#endif
