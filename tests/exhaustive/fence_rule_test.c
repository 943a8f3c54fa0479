/* fence_rule_test.c -- grant-and-raise alone, without the core around it, on random schedules: about a
 * million of them a second in a release build.
 *
 * A schedule is a few contenders and three or five nodes.  Which message arrives next, which is lost,
 * when a node drops what it granted (its clock may do what it likes) and what each contender proposes
 * is drawn.  What must hold is theorem A: a fence is larger than every fence whose acquisition had
 * succeeded before this one began, and no two are the same.  Four wrong rules have to be found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "base/prng.h"
#include "core/fence.h"
#include "core/quorum.h"

#define NODES_MAX 5u
#define CONTENDERS 4u
#define STEPS 60u
#define NOBODY UINT32_MAX

typedef enum rule { /* how an acquisition comes to its fence */
                    RULE_RIGHT = 1,
                    RULE_FIRST_MAJORITY, /* the largest mark of the first majority, nobody is raised */
                    RULE_LAGGING_COUNTS,  /* a mark above the fence counts as agreeing */
                    RULE_RAISE_UNGUARDED, /* RAISE lifts the mark of whoever holds */
                    RULE_COUNTERS /* a node only counts: proposals, and so other nodes' marks, are ignored */
} rule;

typedef enum step_state { STEP_NOTHING = 0, STEP_ASKED, STEP_DONE } step_state;

typedef struct contender {
    uint64_t proposal, marks[NODES_MAX];
    step_state grant[NODES_MAX], raise[NODES_MAX]; /* ASKED: on its way; DONE: answered, or lost */
    bool has[NODES_MAX], is_begun, is_over;
    uint64_t raise_to, largest_before, fence;
} contender;

typedef struct node {
    uint64_t mark;
    uint32_t holder;
} node;

typedef struct schedule {
    rule rule;
    uint32_t node_count, quorum;
    node nodes[NODES_MAX];
    contender contenders[CONTENDERS];
    uint64_t largest; /* of the fences so far */
    redlock_prng *prng;
    bool is_broken;
} schedule;

static uint32_t upto(schedule *s, uint64_t bound) {
    return (uint32_t)redlock_prng_upto(s->prng, bound);
}

static void begin(schedule *s, contender *c) {
    c->is_begun = true;
    c->largest_before = s->largest;
    c->proposal =
        redlock_fence_propose(upto(s, 30), 0); /* clocks that know nothing of each other */
    for (uint32_t i = 0; i < s->node_count; i++) {
        c->grant[i] = STEP_ASKED;
    }
}

static void succeed(schedule *s, contender *c, uint64_t fence) {
    c->is_over = true;
    c->fence = fence;
    s->is_broken = s->is_broken || fence <= c->largest_before;
    for (uint32_t i = 0; i < CONTENDERS; i++) {
        s->is_broken = s->is_broken || (&s->contenders[i] != c && s->contenders[i].fence == fence);
    }
    s->largest = fence > s->largest ? fence : s->largest;
}

static void decide(schedule *s, contender *c) {
    uint64_t marks[NODES_MAX], largest = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (c->has[i]) {
            marks[count++] = c->marks[i];
            largest = c->marks[i] > largest ? c->marks[i] : largest;
        }
    }
    if (count < s->quorum) {
        return;
    }
    uint64_t fence = redlock_fence_agreed(marks, count, s->quorum);
    if (s->rule == RULE_FIRST_MAJORITY || s->rule == RULE_COUNTERS) {
        fence = largest;
    } else if (s->rule == RULE_LAGGING_COUNTS) {
        fence = redlock_quorum_kth_largest(marks, count, s->quorum);
    }
    if (fence != 0) {
        succeed(s, c, fence);
        return;
    }
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (c->has[i] && c->marks[i] < largest) {
            c->raise_to = largest;
            c->raise[i] = STEP_ASKED;
        }
    }
}

static void deliver_grant(schedule *s, contender *c, uint32_t i) {
    node *n = &s->nodes[i];
    uint32_t self = (uint32_t)(c - s->contenders);
    c->grant[i] = STEP_DONE;
    if (n->holder != NOBODY) {
        return;
    }
    n->holder = self;
    uint64_t proposal = s->rule == RULE_COUNTERS ? 0 : c->proposal;
    n->mark = n->mark + 1 > proposal ? n->mark + 1 : proposal;
    if (upto(s, 7) != 0) { /* else the answer is lost */
        c->has[i] = true;
        c->marks[i] = n->mark;
    }
}

static void deliver_raise(schedule *s, contender *c, uint32_t i) {
    node *n = &s->nodes[i];
    uint32_t self = (uint32_t)(c - s->contenders);
    c->raise[i] = STEP_DONE;
    if (n->holder != self && s->rule != RULE_RAISE_UNGUARDED) {
        c->has[i] = false; /* it says no: it counts no more */
        return;
    }
    n->mark = n->mark > c->raise_to ? n->mark : c->raise_to;
    if (upto(s, 7) != 0) {
        c->marks[i] = n->mark;
    }
}

/* Who is not done may stop at any time, and leaves what it has. */
static void step(schedule *s) {
    contender *c = &s->contenders[upto(s, CONTENDERS - 1)];
    uint32_t i = upto(s, s->node_count - 1);
    if (upto(s, 5) == 0) {
        s->nodes[i].holder = NOBODY; /* run out by the node's own clock, or released */
    } else if (!c->is_begun) {
        begin(s, c);
    } else if (!c->is_over && c->grant[i] == STEP_ASKED) {
        deliver_grant(s, c, i);
        decide(s, c);
    } else if (!c->is_over && c->raise[i] == STEP_ASKED) {
        deliver_raise(s, c, i);
        decide(s, c);
    }
}

static bool schedule_is_broken(redlock_prng *prng, rule which) {
    schedule s = {.rule = which, .prng = prng};
    s.node_count = redlock_prng_upto(prng, 1) == 0 ? 3 : 5;
    s.quorum = redlock_quorum_of(s.node_count);
    for (uint32_t i = 0; i < s.node_count; i++) {
        s.nodes[i].holder = NOBODY;
    }
    for (uint32_t i = 0; i < STEPS && !s.is_broken; i++) {
        step(&s);
    }
    return s.is_broken;
}

static uint64_t first_broken(rule which, uint64_t seed, uint64_t count) {
    redlock_prng prng;
    redlock_prng_init(&prng, seed);
    for (uint64_t i = 1; i <= count; i++) {
        if (schedule_is_broken(&prng, which)) {
            return i;
        }
    }
    return 0;
}

static void fences_grow_in_every_schedule(void **state) {
    (void)state;
    const char *text = getenv("REDLOCK_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    uint64_t count = 200000;
    struct timespec from, to;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    uint64_t broken = first_broken(RULE_RIGHT, seed, count);
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    print_message("# %.0f schedules a second\n", (double)count / seconds);
    if (broken != 0) {
        fail_msg("schedule %llu of seed %llu breaks the order", (unsigned long long)broken,
                 (unsigned long long)seed);
    }
}

static void wrong_rules_are_found(void **state) {
    static const rule wrong[] = {RULE_FIRST_MAJORITY, RULE_LAGGING_COUNTS, RULE_RAISE_UNGUARDED,
                                 RULE_COUNTERS};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t at = first_broken(wrong[i], 1, 2000000);
        print_message("# wrong rule %zu: schedule %llu\n", i + 1, (unsigned long long)at);
        assert_true(at != 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fences_grow_in_every_schedule),
        cmocka_unit_test(wrong_rules_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
