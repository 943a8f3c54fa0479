/* rig.h -- one connection of src/drive, the scripted server it leads to, and a pump that plays the
 * engine: flush, poll, receive, dispatch.  All facts are kept.  For unit tests of connections. */
#ifndef REDLOCK_TESTS_RIG_H
#define REDLOCK_TESTS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drive/conn.h"
#include "drive/wake.h"
#include "fake_server.h"

#define TEST_RIG_WAIT_MS 30000
#define TEST_SEEN_MAX 4096u
#define TEST_RUN_ID "0123456789abcdef0123456789abcdef01234567"
#define COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof(array)[0]))

typedef struct test_seen { /* one fact, with what it borrowed */
    redlock_fact_kind kind;
    uint64_t tag;
    redlock_answer_kind answer;
    redlock_status status;
    int sys_errno;
    char text[128];
} test_seen;

typedef struct test_rig test_rig;
struct test_rig {
    redlock_wake wake;
    redlock_resolver *resolver;
    redlock_url url;
    redlock_conn *conn;
    redlock_fake *fake;
    char path[64];
    void (*react)(test_rig *rig, const redlock_fact *fact);
    uint64_t next_tag;
    uint32_t count;
    test_seen seen[TEST_SEEN_MAX];
    uint8_t greeting[REDLOCK_HELLO_BYTES_MAX], replies[65536];
    size_t greeting_len, replies_len;
};

/* What was received becomes facts. */
void test_rig_dispatch(test_rig *rig);
void test_rig_flush(test_rig *rig);
/* One round of the engine's loop.  False: nothing happened within the timeout. */
bool test_rig_pump(test_rig *rig, int timeout_ms);
/* Until there are so many facts, and no more. */
void test_rig_await(test_rig *rig, uint32_t count);
const test_seen *test_rig_seen(const test_rig *rig, uint32_t index);
void test_rig_assert_down(const test_rig *rig, uint32_t index, redlock_status status, int sys_errno,
                          const char *words);
void test_rig_assert_up(const test_rig *rig, uint32_t index);
void test_rig_assert_error_reply(const test_rig *rig, uint32_t index, uint64_t tag,
                                 const char *words);
/* A GRANT of that name; so many of "name".  Tags count from 1. */
void test_rig_send(test_rig *rig, redlock_bytes name);
void test_rig_send_many(test_rig *rig, uint32_t count);
/* A rig that leads nowhere yet; one whose server does what `steps` say, with GREET steps that need not say
 * which greeting, over a unix socket or TCP; its end, which wants the whole script done. */
test_rig *test_rig_create(void);
void test_rig_open(test_rig *rig);
void test_rig_open_unix(test_rig *rig);
void test_rig_open_tcp(test_rig *rig, const char *host, uint16_t port);
void test_rig_serve(test_rig *rig, const char *path, const redlock_fake_step *steps,
                    uint32_t count);
test_rig *test_rig_start(const redlock_fake_step *steps, uint32_t count);
test_rig *test_rig_start_tcp(const redlock_fake_step *steps, uint32_t count);
void test_rig_free(test_rig *rig);
void test_rig_end(test_rig *rig);

/* Steps of a script. */
#define SEND(words)                                                                                \
    {                                                                                              \
        .kind = REDLOCK_FAKE_SEND, .bytes = {(const uint8_t *)(words), sizeof(words) - 1 }         \
    }
#define STEP(name)                                                                                 \
    { .kind = REDLOCK_FAKE_##name }
#define STEP_COUNT(name, number)                                                                   \
    { .kind = REDLOCK_FAKE_##name, .count = (number) }

#endif
