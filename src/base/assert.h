/* assert.h -- states what only a bug of ours could break; stays on in release builds.
 *
 * Never used on what a caller passes or a server sends: those are validated or parsed. */
#ifndef REDLOCK_BASE_ASSERT_H
#define REDLOCK_BASE_ASSERT_H

#define REDLOCK_ASSERT(condition)                                                                  \
    ((condition) ? (void)0 : redlock_assert_failed(#condition, __FILE__, __LINE__))

/* Does not return: a wrong lock is worse than a stopped process.  Breakpoints go here. */
_Noreturn void redlock_assert_failed(const char *condition, const char *file, int line);

#endif
