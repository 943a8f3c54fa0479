/* hello_fuzz.c -- any bytes as the replies to a greeting, of a connection for commands or of one that
 * listens.  Whatever they are, what was learned stays within its bounds, and a server that may vote
 * has said all that a voter has to. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "replies.h"
#include "wire/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hello_check(const redlock_hello *hello, bool is_over, bool listens) {
    REDLOCK_ASSERT(memchr(hello->words, '\0', sizeof hello->words) != NULL);
    REDLOCK_ASSERT(memchr(hello->version, '\0', sizeof hello->version) != NULL);
    REDLOCK_ASSERT(hello->run_id_len <= REDLOCK_RUN_ID_BYTES);
    REDLOCK_ASSERT(hello->time_ms <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT(hello->answered <= hello->asked);
    REDLOCK_ASSERT(is_over == (hello->answered == hello->asked));
    if (is_over && hello->status == REDLOCK_OK && !listens && !redlock_hello_asks_again(hello)) {
        REDLOCK_ASSERT(hello->version[0] != '\0');
    }
    for (const char *at = hello->words; *at != '\0'; at++) {
        REDLOCK_ASSERT((unsigned char)*at >= ' '); /* nothing that steers a terminal */
    }
}

/* The next round, of questions or lessons.  False: there is none. */
static bool hello_goes_on(redlock_hello *hello, uint8_t *out, size_t size) {
    return hello->status == REDLOCK_OK && (redlock_hello_ask_again(hello, out, size) > 0 ||
                                           redlock_hello_teach(hello, out, size) > 0);
}

/* The first byte: 1 it listens, 2 with a password, 4 and a user, 8 a database, 16 the server votes alone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t out[REDLOCK_HELLO_BYTES_MAX];
    redlock_url url = {.scheme = REDLOCK_URL_TCP, .host = "a"};
    redlock_bytes label = redlock_bytes_of("fuzz");
    redlock_resp_reader reader;
    redlock_hello hello;
    const uint8_t *reply;
    bool is_over = false;

    if (size < 1) {
        return 0;
    }
    bool listens = (data[0] & 1u) != 0;

    memcpy(url.password, (data[0] & 2u) != 0 ? "p" : "", 2 - ((data[0] & 2u) == 0));
    memcpy(url.user, (data[0] & 4u) != 0 ? "u" : "", 2 - ((data[0] & 4u) == 0));
    url.db = (data[0] & 8u) != 0;
    bool is_alone = (data[0] & 16u) != 0;
    data++;
    size--;
    if (listens) {
        (void)redlock_hello_start_listening(&hello, &url, label, label, out, sizeof out);
    } else if (is_alone) {
        (void)redlock_hello_start_alone(&hello, &url, label, out, sizeof out);
    } else {
        (void)redlock_hello_start(&hello, &url, label, out, sizeof out);
    }
    while (!is_over && replies_next(&data, &size, &reader, &reply)) {
        is_over = redlock_hello_take(&hello, &reader, reply);
        hello_check(&hello, is_over, listens);
        if (is_over && !listens) {
            is_over = !hello_goes_on(&hello, out, sizeof out);
        }
    }
    return 0;
}
