/* stage.h -- one core alone: the test is its user, its driver and its nodes, and says every fact itself.
 *
 * For what scenarios cannot bring about, because their nodes keep to the rules or their connections to
 * an order: what comes too late, twice, or from nowhere.  Each step ends with the core's own check. */
#ifndef REDLOCK_TESTS_STAGE_H
#define REDLOCK_TESTS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

#define TEST_STAGE_SENT_MAX 4096u
#define TEST_STAGE_TOLD_MAX 256u
#define TEST_STAGE_SLOTS 32u
#define TEST_STAGE_TTL (10 * REDLOCK_NS_PER_S)

/* Short, for tests that are full of them. */
#define GRANT REDLOCK_COMMAND_GRANT
#define RAISE REDLOCK_COMMAND_RAISE
#define RENEW REDLOCK_COMMAND_RENEW
#define RELEASE REDLOCK_COMMAND_RELEASE
#define LOOK REDLOCK_COMMAND_LOOK
#define MS REDLOCK_NS_PER_MS

#define TEST_STAGE_NODE_TIMEOUT (50 * REDLOCK_NS_PER_MS)

typedef struct test_sent { /* one command; its texts are not kept */
    uint32_t slot, node;
    uint64_t tag;
    redlock_command command;
    bool is_open; /* neither answered nor cut */
    bool is_taught;
    size_t run_id_len;
    redlock_ns at;
    char token[64];
} test_sent;

typedef struct test_told {
    uint32_t slot, node;
    redlock_tell event;
    redlock_status status;
    redlock_ns at;
} test_told;

typedef struct test_stage {
    redlock_core *core;
    void *table;
    redlock_ns now;
    uint32_t node_count;
    uint32_t sent_count, told_count, gone_count, token_count;
    uint32_t connects[REDLOCK_NODE_MAX], hang_ups[REDLOCK_NODE_MAX];
    uint32_t subscribes[REDLOCK_NODE_MAX], unsubscribes[REDLOCK_NODE_MAX];
    test_sent sent[TEST_STAGE_SENT_MAX];
    test_told told[TEST_STAGE_TOLD_MAX];
} test_stage;

/* Patient values: backoff 100 ms to 10 s, connect timeout 1 s, silence 1 h, release timeout 1 s. */
redlock_core_config test_stage_config(uint32_t node_count);
/* ttl 10 s, margin 1 s, node timeout 50 ms, one attempt, fenced, no renewals. */
redlock_seek test_stage_seek(void);
/* With all links down. */
test_stage *test_stage_begin(const redlock_core_config *config);
/* All links are up, and steady. */
test_stage *test_stage_ready(const redlock_core_config *config);
/* The same with nothing special in the configuration; and with one command under way at a time. */
test_stage *test_stage_ready_nodes(uint32_t node_count);
test_stage *test_stage_ready_narrow(uint32_t node_count);
/* Who waits in the queue for ever. */
redlock_seek test_stage_seek_waiting(void);
void test_stage_end(test_stage *stage);

void test_stage_step(test_stage *stage, const redlock_fact *fact);
/* Time goes on with a step at each instant that the core asks for; in one leap, as for a process that
 * was frozen, and without a step. */
void test_stage_run(test_stage *stage, redlock_ns length);
void test_stage_leap(test_stage *stage, redlock_ns length);

/* --- the driver ------------------------------------------------------------------------------ */

/* As the greeting said; `run_id` NULL: one that is the node's own. */
void test_stage_up(test_stage *stage, uint32_t node, const char *run_id, uint64_t time_ms);
void test_stage_down(test_stage *stage, uint32_t node, redlock_status status);
/* The node's clock now, which is right. */
uint64_t test_stage_clock_ms(const test_stage *stage);
void test_stage_node_fact(test_stage *stage, redlock_fact_kind kind, uint32_t node);
void test_stage_wake(test_stage *stage, uint32_t node, uint64_t tag);
void test_stage_token(test_stage *stage, uint32_t slot, const char *token);

/* --- the user -------------------------------------------------------------------------------- */

uint32_t test_stage_acquire_name(test_stage *stage, const char *name, const redlock_seek *seek);
uint32_t test_stage_acquire(test_stage *stage, const redlock_seek *seek); /* "job" */
uint32_t test_stage_adopt(test_stage *stage, const redlock_seek *seek, uint64_t fence);
uint32_t test_stage_look(test_stage *stage, redlock_command_kind question, const char *name);
void test_stage_extend(test_stage *stage, uint32_t slot, redlock_ns ttl, redlock_ns renew,
                       bool once);
/* RELEASE, CANCEL. */
void test_stage_user_fact(test_stage *stage, redlock_fact_kind kind, uint32_t slot);

/* --- the nodes ------------------------------------------------------------------------------- */

/* The oldest command of that kind that the node has not answered; NULL: none.  With `must` it has to be. */
test_sent *test_stage_open(test_stage *stage, uint32_t slot, uint32_t node,
                           redlock_command_kind kind);
/* How many commands of that kind the slot has sent to the node by now. */
uint32_t test_stage_sent(const test_stage *stage, uint32_t slot, uint32_t node,
                         redlock_command_kind kind);
/* Answers that command, which must be there.  The time is filled in when it is 0. */
void test_stage_answer(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                       redlock_answer answer);
void test_stage_yes(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                    uint64_t mark);
void test_stage_no(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind);
void test_stage_error(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                      redlock_status status);
/* Just the kind: LATE, FORGOT, CLOCK, NOT_READY. */
void test_stage_say(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                    redlock_answer_kind answer);
/* Every node grants with that mark. */
void test_stage_grant_all(test_stage *stage, uint32_t slot, uint64_t mark);

/* --- what was told --------------------------------------------------------------------------- */

/* The last event of that kind; NULL: none. */
const test_told *test_stage_told(const test_stage *stage, uint32_t slot, redlock_tell event);
void test_stage_assert_told(const test_stage *stage, uint32_t slot, redlock_tell event,
                            redlock_status status);
void test_stage_assert_silent(const test_stage *stage, uint32_t slot, redlock_tell event);

#endif
