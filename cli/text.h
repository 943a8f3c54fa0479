/* text.h -- words put together in memory of their own, of any length.
 *
 * What `run` and `elect` do before their command has started puts texts together here, not by printf: the
 * first printf of a process touches five pages or runs of pages that nothing else needs (docs/decisions, 21). */
#ifndef REDLOCK_CLI_TEXT_H
#define REDLOCK_CLI_TEXT_H

#include <stdint.h>

enum { REDLOCK_TEXT_NUMBER_BYTES = 21 }; /* the longest, and its NUL */

/* The pieces one behind the other, up to a NULL; the caller's to free.  NULL: no memory. */
char *redlock_text_join(const char *first, ...) __attribute__((sentinel));
/* A path as people write it in a file, where no shell puts the home in the place of "~"; the caller's to
 * free.  NULL: no memory. */
char *redlock_text_path(const char *path);
/* The number in decimal. */
void redlock_text_number(uint64_t number, char out[REDLOCK_TEXT_NUMBER_BYTES]);

#endif
