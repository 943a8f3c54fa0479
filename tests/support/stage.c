#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START (100 * REDLOCK_NS_PER_S)
#define TOKEN "0123456789abcdef0123456789abcdef:stage"

redlock_core_config test_stage_config(uint32_t node_count) {
    redlock_core_config config = {
        .node_count = node_count,
        .seed = 1,
        .drift_ppm = 10000,
        .drift_floor = 2 * REDLOCK_NS_PER_MS,
        .connect_timeout = REDLOCK_NS_PER_S,
        .backoff_min = 100 * REDLOCK_NS_PER_MS,
        .backoff_max = 10 * REDLOCK_NS_PER_S,
        .silence_max = 3600 * REDLOCK_NS_PER_S,
        .release_timeout = REDLOCK_NS_PER_S,
        .inflight_max = 16,
        .hand_off = 500 * REDLOCK_NS_PER_MS,
    };
    memset(config.channel, 'c', sizeof config.channel);
    return config;
}

redlock_seek test_stage_seek(void) {
    return (redlock_seek){
        .ttl = TEST_STAGE_TTL,
        .margin = REDLOCK_NS_PER_S,
        .node_timeout = TEST_STAGE_NODE_TIMEOUT,
        .retry_min = 100 * REDLOCK_NS_PER_MS,
        .fenced = true,
        .poll = REDLOCK_NS_PER_S,
    };
}

test_stage *test_stage_begin(const redlock_core_config *config) {
    test_stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->now = START;
    stage->node_count = config->node_count;
    void *memory = malloc(redlock_core_size());
    assert_non_null(memory);
    stage->core = redlock_core_init(memory, config);
    stage->table = malloc(redlock_core_table_size(TEST_STAGE_SLOTS));
    assert_non_null(stage->table);
    (void)redlock_core_grow(stage->core, stage->table, TEST_STAGE_SLOTS);
    return stage;
}

/* A question that is not answered makes the core connect; it is over long before a test begins. */
test_stage *test_stage_ready(const redlock_core_config *config) {
    test_stage *stage = test_stage_begin(config);
    uint32_t slot = test_stage_look(stage, REDLOCK_COMMAND_PROBE, "");
    for (uint32_t i = 0; i < stage->node_count; i++) {
        test_stage_up(stage, i, NULL, test_stage_clock_ms(stage));
        test_stage_yes(stage, slot, i, REDLOCK_COMMAND_PROBE, 0);
    }
    test_stage_run(stage, 2 * REDLOCK_NS_PER_S);
    assert_int_equal(stage->gone_count, 1);
    stage->sent_count = stage->told_count = stage->gone_count = 0;
    return stage;
}

void test_stage_end(test_stage *stage) {
    for (uint32_t i = 0; i < TEST_STAGE_SLOTS; i++) {
        free(redlock_core_memory(stage->core, i));
    }
    free(stage->table);
    free(stage->core);
    free(stage);
}

/* --- stepping -------------------------------------------------------------------------------- */

static void note_sent(test_stage *stage, const redlock_wish *wish) {
    assert_true(stage->sent_count < TEST_STAGE_SENT_MAX);
    test_sent *sent = &stage->sent[stage->sent_count++];
    const redlock_command *command = &wish->as.send.command;
    *sent = (test_sent){.slot = wish->slot,
                        .node = wish->node,
                        .tag = wish->as.send.tag,
                        .command = *command,
                        .is_open = true,
                        .run_id_len = command->run_id.len,
                        .at = stage->now};
    redlock_bytes_to_text(command->token, sent->token, sizeof sent->token);
}

static void cut(test_stage *stage, uint32_t node) {
    for (uint32_t i = 0; i < stage->sent_count; i++) {
        stage->sent[i].is_open = stage->sent[i].is_open && stage->sent[i].node != node;
    }
}

static void note_wish(test_stage *stage, const redlock_wish *wish) {
    switch (wish->kind) {
    case REDLOCK_WISH_SEND:
        note_sent(stage, wish);
        return;
    case REDLOCK_WISH_CONNECT:
        stage->connects[wish->node]++;
        return;
    case REDLOCK_WISH_HANG_UP:
        stage->hang_ups[wish->node]++;
        cut(stage, wish->node);
        return;
    case REDLOCK_WISH_SUBSCRIBE:
        stage->subscribes[wish->node]++;
        return;
    case REDLOCK_WISH_UNSUBSCRIBE:
        stage->unsubscribes[wish->node]++;
        return;
    case REDLOCK_WISH_TOKEN:
        stage->token_count++;
        return;
    case REDLOCK_WISH_TELL:
        assert_true(stage->told_count < TEST_STAGE_TOLD_MAX);
        stage->told[stage->told_count++] = (test_told){.slot = wish->slot,
                                                       .node = wish->node,
                                                       .event = wish->as.tell.event,
                                                       .status = wish->as.tell.status,
                                                       .at = stage->now};
        return;
    case REDLOCK_WISH_GONE:
        stage->gone_count++;
        free(wish->as.gone.memory);
        return;
    }
    fail();
}

void test_stage_step(test_stage *stage, const redlock_fact *fact) {
    redlock_wish wish;
    redlock_core_step(stage->core, fact, stage->now);
    while (redlock_core_next(stage->core, &wish)) {
        note_wish(stage, &wish);
    }
    redlock_core_check(stage->core);
}

void test_stage_run(test_stage *stage, redlock_ns length) {
    const redlock_fact time = {.kind = REDLOCK_FACT_TIME};
    redlock_ns until = stage->now + length;
    while (redlock_core_deadline(stage->core) < until) {
        stage->now = redlock_core_deadline(stage->core);
        test_stage_step(stage, &time);
    }
    stage->now = until;
    test_stage_step(stage, &time);
}

void test_stage_leap(test_stage *stage, redlock_ns length) {
    stage->now += length;
}

/* --- the driver ------------------------------------------------------------------------------ */

uint64_t test_stage_clock_ms(const test_stage *stage) {
    return UINT64_C(1000000000) + stage->now / REDLOCK_NS_PER_MS;
}

static uint64_t wall_us(const test_stage *stage) {
    return test_stage_clock_ms(stage) * 1000;
}

void test_stage_up(test_stage *stage, uint32_t node, const char *run_id, uint64_t time_ms) {
    char own[REDLOCK_RUN_ID_BYTES + 1];
    (void)snprintf(own, sizeof own, "%0*u", REDLOCK_RUN_ID_BYTES, node + 1);
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_UP, .node = node};
    fact.as.up.run_id = redlock_bytes_of(run_id != NULL ? run_id : own);
    fact.as.up.time_ms = time_ms;
    test_stage_step(stage, &fact);
}

void test_stage_down(test_stage *stage, uint32_t node, redlock_status status) {
    redlock_fact fact = {.kind = REDLOCK_FACT_LINK_DOWN, .node = node};
    fact.as.down.status = status;
    cut(stage, node);
    test_stage_step(stage, &fact);
}

void test_stage_node_fact(test_stage *stage, redlock_fact_kind kind, uint32_t node) {
    test_stage_step(stage, &(redlock_fact){.kind = kind, .node = node});
}

void test_stage_wake(test_stage *stage, uint32_t node, uint64_t tag) {
    redlock_fact fact = {.kind = REDLOCK_FACT_WAKE, .node = node};
    fact.as.wake.tag = tag;
    test_stage_step(stage, &fact);
}

void test_stage_token(test_stage *stage, uint32_t slot, const char *token) {
    redlock_fact fact = {.kind = REDLOCK_FACT_TOKEN, .slot = slot};
    fact.as.token.token = redlock_bytes_of(token);
    fact.as.token.wall_us = wall_us(stage);
    test_stage_step(stage, &fact);
}

/* --- the user -------------------------------------------------------------------------------- */

static uint32_t ask(test_stage *stage, redlock_fact *fact) {
    bool looks = fact->kind == REDLOCK_FACT_LOOK;
    size_t token = looks ? REDLOCK_TOKEN_BYTES_MAX : fact->as.ask.token.len;
    fact->slot = redlock_core_vacant(stage->core);
    fact->as.ask.memory = malloc(redlock_core_slot_size(stage->core, fact->as.ask.name.len, token));
    assert_non_null(fact->as.ask.memory);
    fact->as.ask.wall_us = wall_us(stage);
    test_stage_step(stage, fact);
    return fact->slot;
}

uint32_t test_stage_acquire_name(test_stage *stage, const char *name, const redlock_seek *seek) {
    redlock_fact fact = {.kind = REDLOCK_FACT_ACQUIRE};
    fact.as.ask.name = redlock_bytes_of(name);
    fact.as.ask.token = redlock_bytes_of(TOKEN);
    fact.as.ask.seek = *seek;
    return ask(stage, &fact);
}

uint32_t test_stage_acquire(test_stage *stage, const redlock_seek *seek) {
    return test_stage_acquire_name(stage, "job", seek);
}

uint32_t test_stage_adopt(test_stage *stage, const redlock_seek *seek, uint64_t fence) {
    redlock_fact fact = {.kind = REDLOCK_FACT_ADOPT};
    fact.as.ask.name = redlock_bytes_of("job");
    fact.as.ask.token = redlock_bytes_of(TOKEN);
    fact.as.ask.seek = *seek;
    fact.as.ask.fence = fence;
    return ask(stage, &fact);
}

uint32_t test_stage_look(test_stage *stage, redlock_command_kind question, const char *name) {
    redlock_fact fact = {.kind = REDLOCK_FACT_LOOK};
    fact.as.ask.name = redlock_bytes_of(name);
    fact.as.ask.seek.node_timeout = TEST_STAGE_NODE_TIMEOUT;
    fact.as.ask.question = question;
    return ask(stage, &fact);
}

void test_stage_extend(test_stage *stage, uint32_t slot, redlock_ns ttl, redlock_ns renew,
                       bool once) {
    redlock_fact fact = {.kind = REDLOCK_FACT_EXTEND, .slot = slot};
    fact.as.extend.ttl = ttl;
    fact.as.extend.margin = REDLOCK_NS_PER_S;
    fact.as.extend.renew = renew;
    fact.as.extend.once = once;
    test_stage_step(stage, &fact);
}

void test_stage_user_fact(test_stage *stage, redlock_fact_kind kind, uint32_t slot) {
    test_stage_step(stage, &(redlock_fact){.kind = kind, .slot = slot});
}

/* --- the nodes ------------------------------------------------------------------------------- */

test_sent *test_stage_open(test_stage *stage, uint32_t slot, uint32_t node,
                           redlock_command_kind kind) {
    for (uint32_t i = 0; i < stage->sent_count; i++) {
        test_sent *sent = &stage->sent[i];
        if (sent->is_open && sent->slot == slot && sent->node == node &&
            sent->command.kind == kind) {
            return sent;
        }
    }
    return NULL;
}

uint32_t test_stage_sent(const test_stage *stage, uint32_t slot, uint32_t node,
                         redlock_command_kind kind) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < stage->sent_count; i++) {
        const test_sent *sent = &stage->sent[i];
        count += sent->slot == slot && sent->node == node && sent->command.kind == kind;
    }
    return count;
}

void test_stage_answer(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                       redlock_answer answer) {
    test_sent *sent = test_stage_open(stage, slot, node, kind);
    assert_non_null(sent);
    sent->is_open = false;
    redlock_fact fact = {.kind = REDLOCK_FACT_REPLY, .node = node};
    fact.as.reply.tag = sent->tag;
    fact.as.reply.answer = answer;
    if (answer.time_ms == 0) {
        fact.as.reply.answer.time_ms = test_stage_clock_ms(stage);
    }
    test_stage_step(stage, &fact);
}

void test_stage_yes(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                    uint64_t mark) {
    test_stage_answer(stage, slot, node, kind,
                      (redlock_answer){.kind = REDLOCK_ANSWER_YES, .mark = mark});
}

void test_stage_no(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind) {
    redlock_status status = kind == REDLOCK_COMMAND_GRANT ? REDLOCK_HELD : REDLOCK_NOT_HELD;
    test_stage_answer(stage, slot, node, kind,
                      (redlock_answer){.kind = REDLOCK_ANSWER_NO, .status = status});
}

void test_stage_error(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                      redlock_status status) {
    redlock_answer answer = {.kind = REDLOCK_ANSWER_ERROR, .status = status};
    answer.text = redlock_bytes_of("the server's words");
    test_stage_answer(stage, slot, node, kind, answer);
}

void test_stage_say(test_stage *stage, uint32_t slot, uint32_t node, redlock_command_kind kind,
                    redlock_answer_kind answer) {
    redlock_status status = answer == REDLOCK_ANSWER_CLOCK ? REDLOCK_CLOCK : REDLOCK_SILENT;
    test_stage_answer(stage, slot, node, kind, (redlock_answer){.kind = answer, .status = status});
}

void test_stage_grant_all(test_stage *stage, uint32_t slot, uint64_t mark) {
    for (uint32_t i = 0; i < stage->node_count; i++) {
        test_stage_yes(stage, slot, i, REDLOCK_COMMAND_GRANT, mark);
    }
}

/* --- what was told --------------------------------------------------------------------------- */

const test_told *test_stage_told(const test_stage *stage, uint32_t slot, redlock_tell event) {
    for (uint32_t i = stage->told_count; i > 0; i--) {
        if (stage->told[i - 1].slot == slot && stage->told[i - 1].event == event) {
            return &stage->told[i - 1];
        }
    }
    return NULL;
}

void test_stage_assert_told(const test_stage *stage, uint32_t slot, redlock_tell event,
                            redlock_status status) {
    const test_told *told = test_stage_told(stage, slot, event);
    assert_non_null(told);
    assert_int_equal(told->status, status);
}

void test_stage_assert_silent(const test_stage *stage, uint32_t slot, redlock_tell event) {
    assert_null(test_stage_told(stage, slot, event));
}

test_stage *test_stage_ready_nodes(uint32_t node_count) {
    redlock_core_config config = test_stage_config(node_count);
    return test_stage_ready(&config);
}

test_stage *test_stage_ready_narrow(uint32_t node_count) {
    redlock_core_config config = test_stage_config(node_count);
    config.inflight_max = 1;
    return test_stage_ready(&config);
}

redlock_seek test_stage_seek_waiting(void) {
    redlock_seek seek = test_stage_seek();
    seek.wait = REDLOCK_NEVER;
    seek.queued = true;
    return seek;
}
