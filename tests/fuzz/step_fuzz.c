/* step_fuzz.c -- any bytes as the replies to a command or to a greeting: no answer may break a rule
 * that the core relies on. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "wire/hello.h"
#include "wire/resp.h"
#include "wire/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_check(redlock_command_kind kind, bool fenced, redlock_answer answer) {
    bool is_yes = answer.kind == REDLOCK_ANSWER_YES;

    REDLOCK_ASSERT(answer.kind >= REDLOCK_ANSWER_YES && answer.kind <= REDLOCK_ANSWER_ERROR);
    REDLOCK_ASSERT(answer.mark <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT(answer.time_ms <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT(answer.left_ms <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT((answer.status == REDLOCK_OK) == is_yes);
    REDLOCK_ASSERT(fenced || answer.mark == 0);
    REDLOCK_ASSERT(!(is_yes && fenced && kind == REDLOCK_COMMAND_GRANT) || answer.mark > 0);
    REDLOCK_ASSERT(answer.kind == REDLOCK_ANSWER_ERROR || answer.kind == REDLOCK_ANSWER_FORGOT ||
                   answer.text.len <= REDLOCK_TOKEN_BYTES_MAX);
}

static bool reply_next(const uint8_t **data, size_t *size, redlock_resp_reader *reader,
                       const uint8_t **ret_reply) {
    size_t used = 0;

    redlock_resp_reader_init(reader);
    if (redlock_resp_read(reader, *data, *size, &used) != REDLOCK_RESP_DONE) {
        return false;
    }
    *ret_reply = *data;
    *data += used;
    *size -= used;
    return true;
}

static void step_play(redlock_command_kind kind, bool fenced, const uint8_t *data, size_t size) {
    redlock_resp_reader reader;
    const uint8_t *reply;

    while (reply_next(&data, &size, &reader, &reply)) {
        answer_check(kind, fenced, redlock_step_decode(kind, fenced, &reader, reply));
    }
}

static void hello_play(const uint8_t *data, size_t size) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url = {.scheme = REDLOCK_URL_TCP, .host = "a", .password = "p", .db = 1};
    redlock_resp_reader reader;
    redlock_hello hello;
    const uint8_t *reply;
    bool is_over = false;

    (void)redlock_hello_start(&hello, &url, redlock_bytes_of("fuzz"), out, sizeof out);
    while (!is_over && reply_next(&data, &size, &reader, &reply)) {
        is_over = redlock_hello_take(&hello, &reader, reply) &&
                  (hello.status != REDLOCK_OK || redlock_hello_teach(&hello, out, sizeof out) == 0);
    }
    REDLOCK_ASSERT(memchr(hello.words, '\0', sizeof hello.words) != NULL);
    REDLOCK_ASSERT(memchr(hello.version, '\0', sizeof hello.version) != NULL);
    REDLOCK_ASSERT(hello.run_id_len <= REDLOCK_RUN_ID_BYTES);
}

/* The first byte says which command the rest answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    unsigned kind = (data[0] & 15u) % (REDLOCK_COMMAND_DECLARE + 1u);
    bool fenced = (data[0] & 16u) != 0;

    if (kind == 0) {
        hello_play(data + 1, size - 1);
    } else {
        step_play((redlock_command_kind)kind, fenced, data + 1, size - 1);
    }
    return 0;
}
