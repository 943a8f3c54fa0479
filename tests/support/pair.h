/* pair.h -- a real server and its model: the same commands go to both, and nothing may differ.
 *
 * A real server reads its own clock.  Each command is sent between two TIMEs in one write, so the
 * instant at which it ran is known to a few microseconds.  As long as these lie in one millisecond,
 * there is one answer.  Where milliseconds end between them, the server may have read its clock
 * before and after each end: every such course is tried, with up to two places where time went on,
 * and one of them has to explain everything that the server said and has then. */
#ifndef REDLOCK_TEST_PAIR_H
#define REDLOCK_TEST_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "base/prng.h"
#include "server.h"
#include "sim/server.h"
#include "wire/resp.h"

#define TEST_BYTES_MAX 32768
#define TEST_STEP_KEYS_MAX 8
#define TEST_PAIR_LINK 1 /* the connection to the model */

typedef struct test_bytes {
    uint8_t at[TEST_BYTES_MAX];
    size_t len;
} test_bytes;

typedef struct test_pair { /* a real server and its model */
    test_server *server;
    redlock_sim_server *model;
    bool is_exact; /* the version whose wordings the model has */
    int fd;
    uint8_t in[REDLOCK_RESP_REPLY_BYTES_MAX];
    size_t in_len, in_used;
    redlock_resp_reader reader;
    uint64_t seed;
    redlock_prng prng;
    uint64_t step_count, edge_count; /* edges: milliseconds ended while the command ran */
} test_pair;

typedef struct test_step { /* what is done to both */
    test_bytes before;     /* prepares, and depends on no clock */
    size_t before_count;
    test_bytes command;
    redlock_bytes keys[TEST_STEP_KEYS_MAX]; /* compared afterwards */
    size_t key_count;
    bool is_break; /* its mark is its time, to the microsecond */
} test_step;

typedef struct test_part {
    const char *name;
    void (*function)(void **state); /* *state is the test_pair */
} test_part;

/* Runs each part; it begins with both sides empty.  REDLOCK_SEED replays what p->prng draws.  Returns
 * what main has to. */
int test_pairs_run(const char *title, const test_part *parts, size_t count);

/* `before` is filled by the caller, with as many commands as before_count. */
void test_step_init(test_step *s, const redlock_bytes *keys, size_t key_count);
/* Runs s->command on both and compares the reply and the keys; a difference fails the test. */
void test_step_run(test_pair *p, const test_step *s);
void test_step_run_typed(test_pair *p, test_step *s, const redlock_command *command);
/* Runs one command on both and compares the replies only, whatever the clocks say. */
void test_pair_run_blind(test_pair *p, const test_bytes *command);

/* The real side alone. */
void test_pair_connect(test_pair *p);
void test_pair_send(test_pair *p, const test_bytes *out);
/* The next reply: parsed in p->reader, and as it came; lasts until the next. */
redlock_bytes test_pair_read(test_pair *p);
uint64_t test_pair_time(test_pair *p); /* its clock in microseconds */

void test_bytes_add_command(test_bytes *to, const redlock_bytes *words, size_t count);
/* A command of plain words, ended by NULL. */
void test_bytes_add_words(test_bytes *to, const char *word, ...);

#endif
