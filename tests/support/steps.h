/* steps.h -- commands about one lock, "job", and what a real server has to answer to them.
 *
 * For tests that run single steps (test_node_run in node.h).  Tokens and run ids are borrowed; an answer
 * that is another one fails the test. */
#ifndef REDLOCK_TESTS_STEPS_H
#define REDLOCK_TESTS_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/command.h"

/* Short, for tests that are full of them. */
#define NAME "job"
#define MARK_KEY "redlock:{job}:fence"
#define TTL_MS 20000
#define RUN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RUN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define US_PER_HOUR UINT64_C(3600000000)

/* Of NAME, for TTL_MS; fence 0: plain. */
redlock_command test_step(redlock_command_kind kind, const char *token, uint64_t fence);
redlock_command test_grant(const char *token, uint64_t fence);
redlock_command test_renew(const char *token, uint64_t fence, bool heal);
redlock_command test_with_ttl(redlock_command command, uint64_t ttl_ms);
redlock_command test_guarded(redlock_command command, const char *run_id, uint64_t guard_ms);

/* Of any name, with a fence: a release that hands the name over, and a claim that may stand behind it. */
redlock_command test_hand_over(const char *name);
redlock_command test_claim(const char *name);

/* Also that the server told its time, unless it forgot the step or refuses it. */
void test_assert_answer(redlock_answer answer, redlock_answer_kind kind, redlock_status status,
                        uint64_t mark);
void test_assert_yes(redlock_answer answer, uint64_t mark);
void test_assert_not_held(redlock_answer answer, uint64_t mark);
/* With an error that begins so. */
void test_assert_refused(redlock_answer answer, const char *words_begin);
void test_assert_text(redlock_answer answer, const char *text);

#endif
