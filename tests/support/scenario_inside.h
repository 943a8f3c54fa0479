/* scenario_inside.h -- what the files of a scenario share, and nobody else.
 *
 * scenario.c takes a file apart and runs its commands, scenario_words.c knows their words, and
 * scenario_world.c, scenario_user.c and scenario_fault.c carry them out. */
#ifndef REDLOCK_TESTS_SCENARIO_INSIDE_H
#define REDLOCK_TESTS_SCENARIO_INSIDE_H

#include "trace.h"
#include "world.h"

#define TEST_LINE_WORDS_MAX 24
#define TEST_SCENARIO_LOCKS_MAX 128

typedef struct test_scenario {
    const char *path;
    int line; /* of the command being run */
    redlock_world *world;
    redlock_trace trace;
    redlock_seek seek;                       /* what `world` set for every acquire that follows */
    uint32_t locks[TEST_SCENARIO_LOCKS_MAX]; /* in the order in which they were asked for */
    uint32_t lock_count;
    bool is_wrong; /* a command could not be understood */
} test_scenario;

typedef struct test_line {
    char *word[TEST_LINE_WORDS_MAX]; /* [0] is the command */
    int count;
} test_line;

/* --- commands -------------------------------------------------------------------------------- */

typedef struct test_command {
    const char *name; /* NULL: the table ends */
    void (*act)(test_scenario *run, const test_line *line);
} test_command;

extern const test_command test_commands_world[], test_commands_user[], test_commands_fault[];

/* --- words of a command ---------------------------------------------------------------------- */

void test_scenario_complain(test_scenario *run, const char *what, const char *word);
/* 0 when it is none, which is complained about. */
redlock_ns test_scenario_parse_time(test_scenario *run, const char *text);
/* n1 .. n15, or nothing */
bool test_scenario_is_node(const test_scenario *run, const char *word, uint32_t *ret_node);
bool test_scenario_is_client(const test_scenario *run, const char *word, uint32_t *ret_client);

bool test_line_has(const test_line *line, const char *word);
/* The value of `key=value`, NULL when the command has no such word. */
const char *test_line_value(const test_line *line, const char *key);
uint64_t test_line_number(test_scenario *run, const test_line *line, const char *key,
                          uint64_t otherwise);
redlock_ns test_line_time(test_scenario *run, const test_line *line, const char *key,
                          redlock_ns otherwise);
/* Its first word. */
uint32_t test_line_client(test_scenario *run, const test_line *line);
/* The client's newest lock of that name, or with which=N its N-th; its user must not have ended
 * it. */
uint32_t test_line_lock(test_scenario *run, const test_line *line);
/* What the command says of an acquire; `base` where it says nothing. */
redlock_seek test_line_seek(test_scenario *run, const test_line *line, redlock_seek base);

typedef void test_node_fn(test_scenario *run, const test_line *line, uint32_t node);
typedef void test_link_fn(test_scenario *run, const test_line *line, uint32_t client,
                          uint32_t node);

void test_line_each_node(test_scenario *run, const test_line *line, test_node_fn *act);
/* For the links between the clients and the nodes that are named; no client: all. */
void test_line_each_link(test_scenario *run, const test_line *line, test_link_fn *act);

#endif
