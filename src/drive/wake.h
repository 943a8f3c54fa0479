/* wake.h -- a descriptor that any thread, or a signal handler, can make readable. */
#ifndef REDLOCK_DRIVE_WAKE_H
#define REDLOCK_DRIVE_WAKE_H

#include <stdbool.h>

typedef struct redlock_wake {
    int read_fd, write_fd; /* one eventfd on Linux, a pipe elsewhere */
} redlock_wake;

bool redlock_wake_init(redlock_wake *wake); /* false: errno says why */
void redlock_wake_deinit(redlock_wake *wake);
void redlock_wake_raise(redlock_wake *wake); /* async-signal-safe; keeps errno; never blocks */
void redlock_wake_clear(redlock_wake *wake); /* never blocks */

#endif
