/* assert.c -- how a broken invariant ends the program: at once, saying nothing.
 *
 * This room has no output.  A debugger or a core dump finds what was wrong in the three locals. */
#include "base/assert.h"

#include <stdlib.h>

_Noreturn void redlock_assert_failed(const char *condition, const char *file, int line) {
    /* volatile, so that an optimising compiler keeps them on the stack for the core dump */
    const char *volatile failed_condition = condition;
    const char *volatile failed_file = file;
    volatile int failed_line = line;

    (void)failed_condition;
    (void)failed_file;
    (void)failed_line;
    abort();
}
