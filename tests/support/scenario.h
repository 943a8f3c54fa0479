/* scenario.h -- a scenario: one claim, what is done in a world (world.h), and the trace of it.
 *
 * Its file begins with the claim as a comment; then come blocks of commands, `----`, and what
 * happens, each ended by an empty line; a block in which nothing happens says `ok`.  Every command
 * is described above its handler: the world, its time and its state in scenario_world.c, users in
 * scenario_user.c, faults in scenario_fault.c.  With the word `quietly` behind it what it does is
 * left out of the trace.
 *
 * Times are `50ms`, `10s`, `1h`, `0`; times in a trace and in `until=` count from the world's
 * origin, at which every clock shows 100 s plus its skew.  Marks and fences are microseconds of
 * that clock unless the scenario says otherwise. */
#ifndef REDLOCK_TESTS_SCENARIO_H
#define REDLOCK_TESTS_SCENARIO_H

#include <stdbool.h>

/* Whether the file says what happens; prints what differs, as comments of TAP.  With
 * REDLOCK_SCN_REWRITE in the environment the file is made to say it instead. */
bool test_scenario_run(const char *path);

#endif
